//! Vector PDFs of designs of the reference corpus; skipped when `../shared/corpus` does not exist.

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
/// Number of designs in the corpus's set `templates`.
const TEMPLATES: usize = 19;
const FEATURES: usize = 101;

struct Written {
    name: String,
    design: Value,
    file: PathBuf,
    bytes: usize,
    /// Our raster output at 2 device px per design px.
    picture: RgbaImage,
}

/// The templates, written once for all tests; empty, with a printed line, when the corpus does not exist.
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

/// Writes the first page of a design as a vector PDF. `prefix` starts the file's name, so that tests that run in
/// parallel do not overwrite each other's files.
fn write_first_page(folder: &Path, prefix: &str) -> Written {
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let read =
        |file: &str| fs::read(folder.join(file)).map(|bytes| tenter::json::JsonParser::new(100).parse(&bytes).unwrap());
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
        file: keep(&format!("{prefix}-{name}"), &document.bytes),
        name,
        design,
        bytes: document.bytes.len(),
        picture,
    }
}

/// Renders the first page of a file at a resolution in dpi; returns `None` when the program is not installed.
type Reader = fn(&Path, f64) -> Option<RgbaImage>;

/// Names of the designs whose share of differing pixels is above `max_share`, with that share; empty when the reader is
/// not installed.
fn differing<'a>(
    written: impl IntoIterator<Item = &'a Written>,
    max_share: f64,
    reader: Reader,
) -> Vec<(&'a str, f64)> {
    let shown = |it: &Written| reader(&it.file, 144.0).map(|picture| differing_share(&it.picture, &picture));
    let shares = written.into_iter().filter_map(|it| Some((&*it.name, shown(it)?)));
    shares
        .inspect(|(name, share)| println!("{name}: {:.3} % differ", share * 100.0))
        .filter(|it| it.1 > max_share)
        .collect()
}

/// Fails unless every reader accepts the file and every font is embedded, subset and has Unicode. Type 3 fonts contain
/// only the glyphs in use, but have no subset tag for `pdffonts` to recognise.
fn assert_valid(written: &Written) {
    read_by_all(&written.file);
    for font in fonts(&written.file).unwrap_or_default() {
        // These columns of `pdffonts` precede the object's number and generation.
        let [embedded, subset, readable] = &font[font.len() - 5..font.len() - 2] else { unreachable!("three") };
        let drawn = font.join(" ").contains("Type 3");
        let sound = embedded == "yes" && readable == "yes" && (subset == "yes" || drawn);
        assert!(sound, "{}: {}", written.name, font.join(" "));
    }
}

#[test]
fn vector_templates_are_valid_files() {
    for template in templates() {
        assert_valid(template);
        assert!(fonts(&template.file).is_none_or(|it| !it.is_empty()), "{}: text has fonts", template.name);
    }
}

#[test]
fn vector_features_are_valid_files_that_look_like_the_raster_output() {
    // These designs have one subject on a small page, which makes its share of the pixels larger than on usual pages.
    const CLOSE_ENOUGH: f64 = 0.03;
    let features = written("features", FEATURES);
    features.iter().for_each(assert_valid);
    let apart_in_poppler = differing(&features, CLOSE_ENOUGH, picture);
    // Poppler shifts enlarged images by half an image pixel, MuPDF does not.
    let of_pictures = |it: &&Written| it.name.starts_with("image-") || it.name == "export-pixel-ratio-2";
    let others: Vec<_> = features.iter().filter(|it| !of_pictures(it)).map(|it| &*it.name).collect();
    assert!(apart_in_poppler.iter().all(|it| !others.contains(&it.0)), "{apart_in_poppler:?}");
    let pictures = features.iter().filter(of_pictures);
    assert_eq!(differing(pictures, CLOSE_ENOUGH, picture_by_mupdf), []);
}

#[test]
fn vector_templates_have_extractable_text() {
    // S, A, L and E are four adjacent texts, which readers join into one word.
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
        // In scripts without spaces, lines end inside words.
        assert_eq!(words(&read).concat(), words(&shown_texts(&feature.design)).concat(), "{name}");
    }
}

#[test]
fn vector_templates_look_like_the_raster_output() {
    // Our raster output snaps text to whole pixels, the reader does not; photos are scaled with different filters.
    const CLOSE: f64 = 0.01;
    const CLOSE_ENOUGH: f64 = 0.03;
    const NOT_CLOSE: usize = 2;
    let differing = differing(templates(), CLOSE, picture);
    assert!(differing.len() <= NOT_CLOSE && differing.iter().all(|(_, share)| *share <= CLOSE_ENOUGH), "{differing:?}");
}

#[test]
fn vector_invoice_is_small() {
    for template in templates().iter().filter(|it| it.name == "invoice") {
        assert!(template.bytes < 80_000, "{} bytes", template.bytes);
    }
}

/// Texts of the first page, except those below its lower edge.
fn shown_texts(design: &Value) -> String {
    let on_page = |element: &&Value| element["y"].as_f64() <= design["height"].as_f64();
    design["pages"][0]["children"].as_array().into_iter().flatten().filter(on_page).map(texts).collect()
}

/// Every member `text` inside `value`, in document order, without tags.
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
        // A block ends a word, a span does not.
        let ends =
            part.starts_with("/p") || part.starts_with("br") || part.starts_with("/li") || part.starts_with("/div");
        plain += if ends { " " } else { "" };
        plain += shown;
    }
    plain.replace("&amp;", "&").replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">")
}

/// Words in upper case, because some designs transform texts to capitals.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_uppercase).collect()
}

/// Share of visibly different pixels. The sizes may differ by one row and one column, because readers round the size of
/// a page up.
fn differing_share(a: &RgbaImage, b: &RgbaImage) -> f64 {
    let (width, height) = (a.width().min(b.width()), a.height().min(b.height()));
    assert!(a.width().max(b.width()) <= width + 1 && a.height().max(b.height()) <= height + 1, "sizes differ");
    let [a, b] = [a, b].map(|it| image::imageops::crop_imm(it, 0, 0, width, height).to_image());
    metric::distance(&a, &b).expect("of one size").diff
}
