//! Resolution of a design with its loaded assets into a scene.
//!
//! `resolver` has the pages, their z-order, groups and placement, and calls a file for each kind of element. Opacity is
//! multiplied into the parts of an element, never applied to a layer, because the editor does so (rendering.md §3).
//! What cannot be drawn becomes a warning that names the element.

// Lowest first: a file imports only from those above it.
mod settings;
mod requests;
mod error;
mod shadow;
mod borders;
mod paints;
mod shapes;
mod texts;
mod tables;
mod placeholder;
mod asset_nodes;
mod pictures;
mod background;
mod resolver;

use kurbo::Rect;

use self::resolver::Resolver;
use super::Design;
use crate::assets::AssetSet;
use crate::assets::svg::SvgFonts;
use crate::options;
use crate::report::Warning;
use crate::scene::Document;
use crate::text::{Layouter, LineBreaking};

pub use self::error::ResolveError;
pub use self::requests::{FamilyUse, FontError, asset_requests, font_set, missing_families};
pub use self::settings::{ResolveSettings, TextSettings};

/// A scene, and the warnings about it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The requested pages, in the order requested.
    pub document: Document,
    /// Warnings in document order.
    pub warnings: Vec<Warning>,
}

/// Resolves `pages` (indices into `design.pages`, each in range). When `abandoned` returns true because the request has
/// ended, the remaining elements are skipped.
///
/// # Errors
/// The first image in document order that failed, or SVG that cannot be drawn, unless `skipImageError`.
pub fn resolve(
    design: &Design,
    pages: &[usize],
    assets: &AssetSet,
    svg_fonts: &SvgFonts,
    layouter: &mut Layouter,
    settings: &ResolveSettings,
    abandoned: &dyn Fn() -> bool,
) -> Result<Resolved, ResolveError> {
    layouter.breaking = match settings.text.line_breaking {
        options::LineBreaking::Editor => LineBreaking::Editor,
        options::LineBreaking::Unicode => LineBreaking::Unicode,
    };
    let mut resolver =
        Resolver { assets, svg_fonts, layouter, settings, abandoned, warnings: Vec::new(), shown: Rect::ZERO };
    let pages = pages.iter().filter_map(|index| design.pages.get(*index));
    let pages = pages.map(|page| resolver.page(page)).collect::<Result<_, _>>()?;
    Ok(Resolved { document: Document { pages }, warnings: resolver.warnings })
}
