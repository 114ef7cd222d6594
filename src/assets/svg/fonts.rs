//! Fonts for texts inside documents: the program's, under the names that documents use for them, and those that a document
//! brings itself (`@font-face` with `data:` URLs).
//!
//! Families are compared without regard to case, which fontdb does not do: its database holds lower-case names.

use std::sync::Arc;

use cssparser::{ParseError, Parser, Token};
use peniko::Blob;
use usvg::fontdb::{Database, FaceInfo, Family, Language, Query, Source, Stretch, Style, Weight};
use usvg::{Font, FontFamily, FontResolver, FontStretch, FontStyle};

use super::font_face::FontFace;
use crate::assets::data_url;
use crate::assets::decode::unpack_font;
use crate::config::AssetLimits;

/// Faces of one document.
const MAX_FACES: usize = 64;

/// What the families of CSS are called here.
#[derive(Clone, Copy, Debug)]
pub struct SvgFamilies {
    /// Also stands in for families that are missing, as in browsers.
    pub serif: &'static str,
    /// `sans-serif`.
    pub sans_serif: &'static str,
    /// `monospace`.
    pub monospace: &'static str,
    /// Other names, in lower case, and the families that are drawn for them where nobody has a font of that name.
    pub aliases: &'static [(&'static str, &'static str)],
}

/// A database of these fonts.
pub(super) fn database(families: SvgFamilies, fonts: Vec<Blob<u8>>) -> Database {
    let mut read = Database::new();
    for font in fonts {
        read.load_font_source(Source::Binary(font.into_raw_parts().0));
    }
    let mut faces: Vec<FaceInfo> = read.faces().cloned().collect();
    for face in &mut faces {
        face.families.iter_mut().for_each(|(name, _)| *name = name.to_lowercase());
    }
    let is_there = |name: &str| faces.iter().any(|face| face.families.iter().any(|(it, _)| it == name));
    let missing: Vec<_> = families.aliases.iter().filter(|(alias, _)| !is_there(alias)).collect();
    let mut database = Database::new();
    for mut face in faces {
        for (alias, family) in &missing {
            if face.families.iter().any(|(it, _)| *it == family.to_lowercase()) {
                face.families.push(((*alias).to_owned(), Language::English_UnitedStates));
            }
        }
        database.push_face_info(face);
    }
    database.set_serif_family(families.serif.to_lowercase());
    database.set_sans_serif_family(families.sans_serif.to_lowercase());
    database.set_monospace_family(families.monospace.to_lowercase());
    // Nobody has fonts for these two.
    database.set_cursive_family(families.serif.to_lowercase());
    database.set_fantasy_family(families.serif.to_lowercase());
    database
}

/// A face that a document brings.
#[derive(Clone)]
pub(super) struct EmbeddedFace {
    family: String,
    weight: Weight,
    style: Style,
    bytes: Blob<u8>,
}

impl EmbeddedFace {
    /// Bytes of its file, unpacked.
    pub(super) fn cost(&self) -> usize {
        self.bytes.len()
    }
}

/// The faces of a document that can be used; a sentence for each that cannot.
pub(super) fn embedded(faces: &[FontFace], limits: &AssetLimits, skip: &mut dyn FnMut(String)) -> Arc<[EmbeddedFace]> {
    let mut found: Vec<EmbeddedFace> = Vec::new();
    for face in faces.iter().take(MAX_FACES) {
        let family = face.family.trim().trim_matches(['"', '\'']).to_lowercase();
        if family.is_empty() {
            continue;
        }
        let mut reason = String::from("it has no data: URL");
        let file = data_urls(&face.src).into_iter().find_map(|url| {
            let read = data_url::decode(&url, limits.bytes).map_err(|error| error.to_string());
            let read = read.and_then(|bytes| unpack_font(&bytes, limits).map_err(|error| error.to_string()));
            read.map_err(|error| reason = error).ok()
        });
        match file {
            Some(bytes) => {
                found.push(EmbeddedFace { family, weight: weight(&face.weight), style: style(&face.style), bytes })
            }
            None => skip(format!("the font \"{family}\" inside the SVG is left out: {reason}")),
        }
    }
    if faces.len() > MAX_FACES {
        skip(format!("fonts inside the SVG are left out: it has {}, at most {MAX_FACES} are read", faces.len()));
    }
    found.into()
}

/// `data:` URLs in the `src` of a face, in order.
fn data_urls(src: &str) -> Vec<String> {
    let mut input = Parser::new(src);
    let mut found = Vec::new();
    while let Ok(token) = input.next() {
        let url = match token.clone() {
            Token::UnquotedUrl(url) => url.to_string(),
            Token::Function(name) if name.eq_ignore_ascii_case("url") => {
                let url = input.parse_nested_block(|inside| Ok::<_, ParseError<()>>(inside.expect_string_cloned()?));
                let Ok(url) = url else { continue };
                url.to_string()
            }
            _ => continue,
        };
        if data_url::is_data_url(&url) {
            found.push(url);
        }
    }
    found
}

/// Of a range the usual weight, if it is in it.
fn weight(text: &str) -> Weight {
    let number = |text: &str| match text {
        "normal" => Some(400.0),
        "bold" => Some(700.0),
        text => text.parse::<f32>().ok(),
    };
    let mut ends = text.split_ascii_whitespace().filter_map(number);
    let least = ends.next().unwrap_or(400.0);
    let most = ends.next().unwrap_or(least);
    Weight(400_f32.clamp(least.min(most), least.max(most)) as u16)
}

fn style(text: &str) -> Style {
    match text.get(..7).unwrap_or(text) {
        "italic" => Style::Italic,
        "oblique" => Style::Oblique,
        _ => Style::Normal,
    }
}

/// `database` with the faces of a document, which come before others of the same family.
pub(super) fn with_embedded(database: &Arc<Database>, faces: &[EmbeddedFace]) -> Arc<Database> {
    if faces.is_empty() {
        return database.clone();
    }
    let mut database = Database::clone(database);
    let hidden: Vec<_> = database
        .faces()
        .filter(|face| face.families.iter().any(|(name, _)| faces.iter().any(|it| it.family == *name)))
        .map(|face| face.id)
        .collect();
    hidden.into_iter().for_each(|id| database.remove_face(id));
    for face in faces {
        let ids = database.load_font_source(Source::Binary(face.bytes.clone().into_raw_parts().0));
        let Some(mut info) = ids.first().and_then(|id| database.face(*id)).cloned() else { continue };
        ids.into_iter().for_each(|id| database.remove_face(id));
        info.families = vec![(face.family.clone(), Language::English_UnitedStates)];
        (info.weight, info.style, info.stretch) = (face.weight, face.style, Stretch::Normal);
        database.push_face_info(info);
    }
    Arc::new(database)
}

/// Picks fonts by names in lower case, and the serif family where no name is known.
pub(super) fn resolver() -> FontResolver<'static> {
    FontResolver {
        select_font: Box::new(|font, database| {
            let lower_case = |family: &FontFamily| match family {
                FontFamily::Named(name) => name.to_lowercase(),
                _ => String::new(),
            };
            let names: Vec<_> = font.families().iter().map(lower_case).collect();
            let mut families: Vec<_> = font
                .families()
                .iter()
                .zip(&names)
                .map(|(family, name)| match family {
                    FontFamily::Serif => Family::Serif,
                    FontFamily::SansSerif => Family::SansSerif,
                    FontFamily::Cursive => Family::Cursive,
                    FontFamily::Fantasy => Family::Fantasy,
                    FontFamily::Monospace => Family::Monospace,
                    FontFamily::Named(_) => Family::Name(name),
                })
                .collect();
            families.push(Family::Serif);
            let (stretch, style) = (stretch_of(font), style_of(font));
            database.query(&Query { families: &families, weight: Weight(font.weight()), stretch, style })
        }),
        select_fallback: FontResolver::default_fallback_selector(),
    }
}

fn stretch_of(font: &Font) -> Stretch {
    match font.stretch() {
        FontStretch::UltraCondensed => Stretch::UltraCondensed,
        FontStretch::ExtraCondensed => Stretch::ExtraCondensed,
        FontStretch::Condensed => Stretch::Condensed,
        FontStretch::SemiCondensed => Stretch::SemiCondensed,
        FontStretch::Normal => Stretch::Normal,
        FontStretch::SemiExpanded => Stretch::SemiExpanded,
        FontStretch::Expanded => Stretch::Expanded,
        FontStretch::ExtraExpanded => Stretch::ExtraExpanded,
        FontStretch::UltraExpanded => Stretch::UltraExpanded,
    }
}

fn style_of(font: &Font) -> Style {
    match font.style() {
        FontStyle::Normal => Style::Normal,
        FontStyle::Italic => Style::Italic,
        FontStyle::Oblique => Style::Oblique,
    }
}
