//! Fonts for texts inside documents: those of the service, also under aliases, and those that a document embeds
//! (`@font-face` with `data:` URLs).
//!
//! Family names are compared without case, which fontdb does not do; so its database has names in lower case.

use std::sync::Arc;

use cssparser::{ParseError, Parser, Token};
use peniko::Blob;
use usvg::fontdb::{Database, FaceInfo, Family, Language, Query, Source, Stretch, Style, Weight};
use usvg::{Font, FontFamily, FontResolver, FontStretch, FontStyle};

use super::error::SvgError;
use super::font_face::FontFaceRule;
use crate::assets::data_url;
use crate::assets::decode::{DecodeError, unpack_font};
use crate::config::AssetLimits;

/// Maximum number of embedded faces of one document.
const MAX_FACES: usize = 64;

/// The families for the generic families of CSS, and aliases.
#[derive(Clone, Copy, Debug)]
pub struct SvgFamilies {
    /// Family for `serif`, and for families that are not available, as in browsers.
    pub serif: &'static str,
    /// Family drawn for `sans-serif`.
    pub sans_serif: &'static str,
    /// Family drawn for `monospace`.
    pub monospace: &'static str,
    /// Other names in lower case, and the families that replace them when no font has that name.
    pub aliases: &'static [(&'static str, &'static str)],
}

/// Builds the font database.
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
    // No fonts are provided for these two.
    database.set_cursive_family(families.serif.to_lowercase());
    database.set_fantasy_family(families.serif.to_lowercase());
    database
}

/// A face embedded in a document.
#[derive(Clone)]
pub(super) struct DocumentFace {
    family: String,
    weight: Weight,
    style: Style,
    bytes: Blob<u8>,
}

impl DocumentFace {
    /// Bytes of the unpacked font file.
    pub(super) fn cost(&self) -> usize {
        self.bytes.len()
    }
}

/// Decodes the embedded faces of a document, and calls `skip` with a sentence for each that cannot be used.
///
/// # Errors
/// A face that was not tried because something is used up.
pub(super) fn embedded(
    faces: &[FontFaceRule],
    limits: &AssetLimits,
    skip: &mut dyn FnMut(String),
) -> Result<Arc<[DocumentFace]>, SvgError> {
    let mut found: Vec<DocumentFace> = Vec::new();
    for face in faces.iter().take(MAX_FACES) {
        let family = face.family.trim().trim_matches(['"', '\'']).to_lowercase();
        if family.is_empty() {
            continue;
        }
        let (mut reason, mut file) = (String::from("it has no data: URL"), None);
        for url in data_urls(&face.src) {
            let read = data_url::decode(&url, limits.bytes).map_err(|error| error.to_string());
            let unpacked = match read.map(|bytes| unpack_font(&bytes, limits)) {
                Ok(Err(DecodeError::Parser(error))) if error.is_exhaustion() => return Err(SvgError::Parser(error)),
                Ok(unpacked) => unpacked.map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            match unpacked {
                Ok(bytes) => {
                    file = Some(bytes);
                    break;
                }
                Err(error) => reason = error,
            }
        }
        match file {
            Some(bytes) => {
                found.push(DocumentFace { family, weight: weight(&face.weight), style: style(&face.style), bytes })
            }
            None => skip(format!("the font \"{family}\" inside the SVG is not used: {reason}")),
        }
    }
    if faces.len() > MAX_FACES {
        skip(format!("the SVG has {} fonts; only the first {MAX_FACES} are used", faces.len()));
    }
    Ok(found.into())
}

/// The `data:` URLs in the `src` of a face, in order.
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

/// The weight of a face; for a range, the weight in it that is nearest to 400.
fn weight(text: &str) -> Weight {
    let number = |text: &str| match text {
        "normal" => Some(400.0),
        "bold" => Some(700.0),
        text => text.parse::<f32>().ok(),
    };
    let mut ends = text.split_ascii_whitespace().filter_map(number);
    let first = ends.next().unwrap_or(400.0);
    let second = ends.next().unwrap_or(first);
    Weight(400_f32.clamp(first.min(second), first.max(second)) as u16)
}

fn style(text: &str) -> Style {
    match text.get(..7).unwrap_or(text) {
        "italic" => Style::Italic,
        "oblique" => Style::Oblique,
        _ => Style::Normal,
    }
}

/// `database` with the faces of a document, which replace other fonts of the same families.
pub(super) fn with_embedded(database: &Arc<Database>, faces: &[DocumentFace]) -> Arc<Database> {
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

/// A resolver that compares names in lower case, and falls back to the serif family.
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
