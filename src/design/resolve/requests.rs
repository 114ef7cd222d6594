//! The assets that a design needs before it can be resolved, and the font set made of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::background::Background;
use super::super::elements::Element;
use super::super::elements::text_style::{FontStyle, TextStyle};
use super::super::fonts::{FontFace, family_key};
use super::super::{Design, Page};
use crate::assets::{Asset, AssetKind, AssetRequest, AssetRequests, AssetSet, FaceRequest, WebFace};
use crate::options::RenderOptions;
use crate::report::{JsonPath, Origin, Warning, WarningCode};
use crate::text::{Face, FaceStyle, FontLibrary, FontSet, LAST_RESORT_FAMILY};

/// The element id of the background's image in error messages (http-api.md §6).
pub(super) const BACKGROUND_ID: &str = "page background";

/// A font family that is used but not available. Clients rely on the start of the message, which is the editor's
/// (http-api.md §6).
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "Timeout for loading font \"{family}\": {reason}; add it to the design's fonts or to TENTER_FONT_DIR, or set \
     skipFontError"
)]
pub struct FontError {
    /// Path of the first element that uses it.
    pub at: JsonPath,
    /// The family name as written.
    pub family: Arc<str>,
    /// Why it is not available.
    pub reason: String,
}

/// A font family that texts of the design use.
#[derive(Clone, Debug)]
pub struct FamilyUse {
    /// The family name as written.
    pub family: Arc<str>,
    /// The first text that uses it.
    pub origin: Origin,
    /// Weights and slants that texts use.
    pub faces: Vec<FaceRequest>,
}

/// All images and fonts that `pages` need: for each page its background and its elements in document order, then fonts.
pub fn asset_requests(design: &Design, pages: &[usize], options: &RenderOptions) -> AssetRequests {
    let mut requests = AssetRequests::default();
    for page in chosen(design, pages) {
        if let Background::Image(src) = &page.background
            && !options.ignore_background
        {
            let at = page.at.key("background");
            requests.push(AssetRequest { url: src.clone(), kind: AssetKind::Image, at, element: BACKGROUND_ID.into() });
        }
        each_shown(&page.children, &mut |element| {
            for (url, at) in element.images() {
                let element = element.common().origin.element.clone();
                requests.push(AssetRequest { url: url.clone(), kind: AssetKind::Image, at, element });
            }
        });
    }
    for face in needed_faces(design, pages) {
        for source in &face.sources {
            let (at, element) = (face.at.clone(), face.family.clone());
            requests.push(AssetRequest { url: source.clone(), kind: AssetKind::Font, at, element });
        }
    }
    requests
}

/// Families that `pages` use and neither the design nor `library` has, to be requested from a font service.
pub fn missing_families(design: &Design, pages: &[usize], library: &Arc<FontLibrary>) -> Vec<FamilyUse> {
    let fonts = FontSet::new(library.clone());
    let declared: HashSet<String> = design.fonts.iter().map(|face| family_key(&face.family)).collect();
    let known =
        |family: &str| family.split(',').any(|it| declared.contains(&family_key(it))) || fonts.source(family).is_some();
    families(design, pages).into_iter().filter(|family| !known(&family.family)).collect()
}

/// The fonts for `pages`: declared faces whose files were loaded, then those of `web` by family, then `library`.
///
/// # Errors
/// All families that are not available, unless `skipFontError` is set: then each is a warning, and text is drawn in the
/// last resort.
pub fn font_set(
    design: &Design,
    pages: &[usize],
    assets: &AssetSet,
    library: &Arc<FontLibrary>,
    web: &[(Arc<str>, Vec<WebFace>)],
    options: &RenderOptions,
) -> Result<(FontSet, Vec<Warning>), Vec<FontError>> {
    let mut fonts = FontSet::new(library.clone());
    let mut failures: HashMap<String, String> = HashMap::new();
    for face in needed_faces(design, pages) {
        let loaded = face.sources.iter().find_map(|source| match assets.get(source) {
            Some(Ok(Asset::Font(bytes))) => Some(bytes.clone()),
            _ => None,
        });
        match loaded {
            Some(bytes) => fonts.declare(&face.family, Face::from_memory(bytes, 0, face_style(face))),
            None => {
                let reason = face.sources.iter().find_map(|source| assets.get(source)?.err());
                let reason = reason.map_or_else(|| "it has no source".to_owned(), ToString::to_string);
                failures.entry(family_key(&face.family)).or_insert(reason);
            }
        }
    }
    for (family, faces) in web {
        for face in faces {
            let style = FaceStyle {
                weights: f32::from(*face.weights.start())..=f32::from(*face.weights.end()),
                italic: face.italic,
            };
            fonts.declare(family, Face::from_memory(face.font.clone(), 0, style));
        }
    }
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    for FamilyUse { family, origin, .. } in families(design, pages) {
        if fonts.source(&family).is_some() {
            continue;
        }
        let reason = failures
            .get(&family_key(&family))
            .cloned()
            .unwrap_or_else(|| "it is not in the design's fonts, the font folder or a font service".to_owned());
        if !options.skip_font_error {
            errors.push(FontError { at: origin.path, family, reason });
            continue;
        }
        let message = format!("font {family:?} is not available ({reason}); drawn in {LAST_RESORT_FAMILY}");
        warnings.push(origin.warn(WarningCode::FontSubstituted, message));
    }
    if errors.is_empty() { Ok((fonts, warnings)) } else { Err(errors) }
}

/// The style of a face. Without declarations it is regular and upright, as in `@font-face`, so that bold or italic text
/// is synthesised.
fn face_style(face: &FontFace) -> FaceStyle {
    let weights = face
        .weight
        .as_ref()
        .map_or(FaceStyle::REGULAR.weights, |weight| f32::from(*weight.start())..=f32::from(*weight.end()));
    FaceStyle { weights, italic: face.style == Some(FontStyle::Italic) }
}

fn chosen<'a>(design: &'a Design, pages: &[usize]) -> impl Iterator<Item = &'a Page> {
    pages.iter().filter_map(|index| design.pages.get(*index))
}

/// The declared faces of families that are used; all of them when markup may select any family.
fn needed_faces<'a>(design: &'a Design, pages: &[usize]) -> Vec<&'a FontFace> {
    let used: HashSet<String> = families(design, pages)
        .iter()
        .flat_map(|it| it.family.split(',').map(family_key).collect::<Vec<_>>())
        .collect();
    let mut by_markup = false;
    for page in chosen(design, pages) {
        each_shown(&page.children, &mut |element| {
            by_markup |= element.texts().iter().any(|it| it.markup.contains("font-family"));
        });
    }
    // A colour font of the design is also used for emoji in other families.
    let wanted = |face: &&FontFace| {
        let key = family_key(&face.family);
        by_markup || used.contains(&key) || key.contains("emoji")
    };
    design.fonts.iter().filter(wanted).collect()
}

fn families(design: &Design, pages: &[usize]) -> Vec<FamilyUse> {
    let mut uses: Vec<FamilyUse> = Vec::new();
    let mut place = HashMap::new();
    let mut add = |style: &TextStyle, origin: &Origin| {
        let at = *place.entry(style.font_family.clone()).or_insert_with(|| {
            uses.push(FamilyUse { family: style.font_family.clone(), origin: origin.clone(), faces: Vec::new() });
            uses.len() - 1
        });
        let wish = FaceRequest { italic: style.font_style == FontStyle::Italic, weight: style.font_weight };
        if !uses[at].faces.contains(&wish) {
            uses[at].faces.push(wish);
        }
    };
    for page in chosen(design, pages) {
        each_shown(&page.children, &mut |element| {
            element.texts().into_iter().for_each(|text| add(text.style, text.origin));
        });
    }
    uses
}

fn each_shown(elements: &[Element], visit: &mut impl FnMut(&Element)) {
    for element in elements.iter().filter(|element| element.common().is_shown()) {
        visit(element);
        each_shown(element.children(), visit);
    }
}
