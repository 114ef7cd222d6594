//! The templates of the reference corpus as vector files, when `../shared/corpus` is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image::RgbaImage;
use serde_json::Value;

use crate::metric;
use crate::tools::read_by_all;
use crate::vector_document::{settings, write};
use crate::vector_scenes::Scenes;
use crate::vector_tools::{fonts, keep, picture, picture_by_mupdf, text};

const CORPUS: &str = "../shared/corpus";
/// As many as there are.
const TEMPLATES: usize = 19;
const FEATURES: usize = 101;

struct Written {
    name: String,
    design: Value,
    file: PathBuf,
    bytes: usize,
    /// Ours, at 2 px a design px.
    picture: RgbaImage,
}

/// Written once for all tests; empty, with a line that says so, where there is no corpus.
fn templates() -> &'static [Written] {
    static WRITTEN: OnceLock<Vec<Written>> = OnceLock::new();
    WRITTEN.get_or_init(|| written("templates", TEMPLATES))
}

fn written(set: &str, count: usize) -> Vec<Written> {
    let folder = Path::new(CORPUS).join(set);
    if !folder.is_dir() {
        println!("skipped {count} designs: there is no {}", folder.display());
        return Vec::new();
    }
    let mut folders: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert_eq!(folders.len(), count, "{} has changed", folder.display());
    folders.iter().map(|folder| write_first_page(folder, set)).collect()
}

/// `kept`: in front of the file's name; tests run beside each other.
fn write_first_page(folder: &Path, kept: &str) -> Written {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let read = |file: &str| fs::read(folder.join(file)).map(|bytes| tenter::json::parse(&bytes, 100).unwrap());
    let design = read("design.json").unwrap();
    let options = read("attrs.json").unwrap_or(Value::Null);
    let scenes = Scenes::shared();
    let pages = scenes.pages(&design, &options);
    let document = write(&pages[..1], settings()).unwrap();
    assert!(document.warnings.is_empty(), "{name}: {:?}", document.warnings);
    let raster = scenes.picture(&pages[0], 2.0);
    let (width, height) = (raster.size().width, raster.size().height);
    let picture = RgbaImage::from_raw(width, height, raster.into_pixels()).unwrap();
    Written {
        file: keep(&format!("{kept}-{name}"), &document.bytes),
        name,
        design,
        bytes: document.bytes.len(),
        picture,
    }
}

/// Shows the first page of a file at so many px an inch; `None` without the program.
type Reader = fn(&Path, f64) -> Option<RgbaImage>;

/// Names and shares of those that differ by more than `most`; none without the reader.
fn apart<'a>(written: impl IntoIterator<Item = &'a Written>, most: f64, reader: Reader) -> Vec<(&'a str, f64)> {
    let shown = |it: &Written| reader(&it.file, 144.0).map(|picture| differing_share(&it.picture, &picture));
    let shares = written.into_iter().filter_map(|it| Some((&*it.name, shown(it)?)));
    shares.inspect(|(name, share)| println!("{name}: {:.3} % differ", share * 100.0)).filter(|it| it.1 > most).collect()
}

/// Every reader is content, and every font embedded, cut down and readable. Type 3 fonts hold what was used and nothing
/// else; `pdffonts` knows no tag to tell that by.
fn assert_sound(written: &Written) {
    read_by_all(&written.file);
    for font in fonts(&written.file).unwrap_or_default() {
        // Before the object's number and generation.
        let [embedded, subset, readable] = &font[font.len() - 5..font.len() - 2] else { unreachable!("three") };
        let drawn = font.join(" ").contains("Type 3");
        let sound = embedded == "yes" && readable == "yes" && (subset == "yes" || drawn);
        assert!(sound, "{}: {}", written.name, font.join(" "));
    }
}

#[test]
fn vector_templates_are_sound_files() {
    for template in templates() {
        assert_sound(template);
        assert!(fonts(&template.file).is_none_or(|it| !it.is_empty()), "{}: text has fonts", template.name);
    }
}

#[test]
fn vector_features_are_sound_files_that_look_like_their_pictures() {
    // One matter each on a small page, so that a share says little about how much of a page it would be.
    const CLOSE_ENOUGH: f64 = 0.03;
    let features = written("features", FEATURES);
    features.iter().for_each(assert_sound);
    let apart_in_poppler = apart(&features, CLOSE_ENOUGH, picture);
    // Poppler shows enlarged pictures half a pixel of theirs off, MuPDF does not.
    let of_pictures = |it: &&Written| it.name.starts_with("image-") || it.name == "export-pixel-ratio-2";
    let others: Vec<_> = features.iter().filter(|it| !of_pictures(it)).map(|it| &*it.name).collect();
    assert!(apart_in_poppler.iter().all(|it| !others.contains(&it.0)), "{apart_in_poppler:?}");
    let pictures = features.iter().filter(of_pictures);
    assert_eq!(apart(pictures, CLOSE_ENOUGH, picture_by_mupdf), []);
}

#[test]
fn vector_templates_can_be_read_word_for_word() {
    // S, A, L and E are four texts beside each other: read as one word.
    const ONE_WORD: &str = "docs-sale-discount-ad";
    for template in templates() {
        let Some(read) = text(&template.file) else { return };
        let (read, wanted) = (words(&read), words(&shown_texts(&template.design)));
        if template.name == ONE_WORD {
            assert_eq!(read.concat(), wanted.concat(), "{}", template.name);
        } else {
            assert_eq!(read, wanted, "{}", template.name);
        }
    }
}

#[test]
fn vector_marks_stay_with_their_letters() {
    for name in ["text-thai", "text-devanagari", "text-emoji", "text-letter-spacing", "font-otf-cff"] {
        let folder = Path::new(CORPUS).join("features").join(name);
        if !folder.is_dir() {
            println!("skipped 1 design: there is no {}", folder.display());
            continue;
        }
        let feature = write_first_page(&folder, "marks");
        let Some(read) = text(&feature.file) else { return };
        // Lines end inside words where a script knows no spaces.
        assert_eq!(words(&read).concat(), words(&shown_texts(&feature.design)).concat(), "{name}");
    }
}

#[test]
fn vector_templates_look_like_their_pictures() {
    // Text is hinted and put on whole pixels in ours, not in the reader's; photos are scaled by other filters.
    const CLOSE: f64 = 0.01;
    const CLOSE_ENOUGH: f64 = 0.03;
    const NOT_CLOSE: usize = 2;
    let apart = apart(templates(), CLOSE, picture);
    assert!(apart.len() <= NOT_CLOSE && apart.iter().all(|(_, share)| *share <= CLOSE_ENOUGH), "{apart:?}");
}

#[test]
fn vector_invoice_is_small() {
    for template in templates().iter().filter(|it| it.name == "invoice") {
        assert!(template.bytes < 80_000, "{} bytes", template.bytes);
    }
}

/// The texts of the first page, but for those that stand below it.
fn shown_texts(design: &Value) -> String {
    let on_page = |element: &&Value| element["y"].as_f64() <= design["height"].as_f64();
    design["pages"][0]["children"].as_array().into_iter().flatten().filter(on_page).map(texts).collect()
}

/// Every `text` below `value`, in order, without tags.
fn texts(value: &Value) -> String {
    match value {
        Value::Array(entries) => entries.iter().map(texts).collect(),
        Value::Object(members) => {
            let own = members.get("text").and_then(Value::as_str).map(without_tags).unwrap_or_default();
            let inner = members.iter().filter(|(key, _)| *key != "text").map(|(_, value)| texts(value));
            inner.fold(own + " ", |all, text| all + " " + &text)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => String::new(),
    }
}

fn without_tags(text: &str) -> String {
    let mut plain = String::new();
    for (at, part) in text.split('<').enumerate() {
        let shown = if at == 0 { part } else { part.split_once('>').map_or(part, |(_, after)| after) };
        // The end of a block is the end of a word, the end of a span is not.
        let ends =
            part.starts_with("/p") || part.starts_with("br") || part.starts_with("/li") || part.starts_with("/div");
        plain += if ends { " " } else { "" };
        plain += shown;
    }
    plain.replace("&amp;", "&").replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">")
}

/// Upper case, for designs write some texts in capitals.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_uppercase).collect()
}

/// Share of pixels that differ to the eye. The pictures are of one size but for a row or column at the end: readers round
/// the size of a page up.
fn differing_share(a: &RgbaImage, b: &RgbaImage) -> f64 {
    let (width, height) = (a.width().min(b.width()), a.height().min(b.height()));
    assert!(a.width().max(b.width()) <= width + 1 && a.height().max(b.height()) <= height + 1, "sizes differ");
    let [a, b] = [a, b].map(|it| image::imageops::crop_imm(it, 0, 0, width, height).to_image());
    metric::distance(&a, &b).expect("of one size").diff
}
