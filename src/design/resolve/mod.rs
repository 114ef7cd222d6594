//! Resolution of a design with its loaded assets into a scene: pages, z-order, groups and placement here, elements in
//! one file for each kind.
//!
//! Opacity is multiplied into the parts of an element, never applied to a layer, because the editor does so
//! (rendering.md §3). What cannot be drawn becomes a warning that names the element.

mod drawn;
mod page;
mod paints;
mod pictures;
mod requests;
mod shapes;
mod tables;
mod texts;

use kurbo::{Affine, Rect, Size, Vec2};

use super::effects::Effects;
use super::elements::Element;
use super::props::{Common, Placement};
use super::version::Rules;
use super::{Design, Page};
use crate::assets::svg::SvgFonts;
use crate::assets::{AssetError, AssetSet};
use crate::options::{self, RenderOptions};
use crate::report::{JsonPath, Origin, Warning, WarningCode};
use crate::scene::{self, Document, Group, Node, Shadow};
use crate::text::{Layouter, LineBreaking};
use crate::units::{Opacity, Px};

pub use requests::{FamilyUse, FontError, asset_requests, font_set, missing_families};

/// A scene, and the warnings about it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The requested pages, in the order requested.
    pub document: Document,
    /// Warnings in document order.
    pub warnings: Vec<Warning>,
}

/// Why a design cannot become a scene.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// An image could not be loaded and `skipImageError` is off.
    #[error("{0}")]
    Image(AssetError),
    /// A font is not available and `skipFontError` is off.
    #[error(transparent)]
    Font(#[from] FontError),
}

impl ResolveError {
    /// Path in the JSON of the element that needs the asset.
    pub fn at(&self) -> &JsonPath {
        match self {
            Self::Image(error) => &error.at,
            Self::Font(error) => &error.at,
        }
    }
}

/// Resolves `pages` (indices into `design.pages`, each in range). When `abandoned` returns true because
/// the request has ended, the remaining elements are skipped.
///
/// # Errors
/// The first image in document order that failed, unless `skipImageError`.
pub fn resolve(
    design: &Design,
    pages: &[usize],
    assets: &AssetSet,
    svg_fonts: &SvgFonts,
    layouter: &mut Layouter,
    options: &RenderOptions,
    abandoned: &dyn Fn() -> bool,
) -> Result<Resolved, ResolveError> {
    layouter.breaking = match options.line_breaking {
        options::LineBreaking::Editor => LineBreaking::Editor,
        options::LineBreaking::Unicode => LineBreaking::Unicode,
    };
    let dpi = options.dpi.unwrap_or(design.dpi);
    let rules = Rules::of(options.sdk.unwrap_or_default());
    let mut resolver = Resolver {
        assets,
        svg_fonts,
        layouter,
        options,
        abandoned,
        dpi,
        sheet: Size::ZERO,
        rules,
        warnings: Vec::new(),
    };
    let pages = pages.iter().filter_map(|index| design.pages.get(*index));
    let pages = pages.map(|page| resolver.page(page)).collect::<Result<_, _>>()?;
    Ok(Resolved { document: Document { pages }, warnings: resolver.warnings })
}

/// Everything that resolving an element needs.
struct Resolver<'a> {
    assets: &'a AssetSet,
    svg_fonts: &'a SvgFonts,
    layouter: &'a mut Layouter,
    options: &'a RenderOptions,
    abandoned: &'a dyn Fn() -> bool,
    /// Design px per inch.
    dpi: f64,
    rules: Rules,
    /// Size of the page being resolved, px, with its bleed if that is included.
    sheet: Size,
    warnings: Vec<Warning>,
}

impl Resolver<'_> {
    fn page(&mut self, page: &Page) -> Result<scene::Page, ResolveError> {
        let bleed = if self.options.include_bleed { page.bleed } else { kurbo::Insets::ZERO };
        self.sheet = (Rect::from_origin_size((0.0, 0.0), page.size) + bleed).size();
        let mut children = self.background(page, bleed)?;
        // `alwaysOnTop` applies only to direct children of the page (rendering.md §1).
        let (top, ordinary): (Vec<_>, Vec<_>) = page.children.iter().partition(|child| child.common().always_on_top);
        for child in ordinary.into_iter().chain(top) {
            children.extend(self.element(child, Opacity::OPAQUE)?);
        }
        Ok(scene::Page { size: page.size, bleed, root: Group { children, ..Group::default() } })
    }

    /// Resolves an element. `inherited`: opacity of the groups around it.
    fn element(&mut self, element: &Element, inherited: Opacity) -> Result<Option<Node>, ResolveError> {
        let common = element.common();
        let opacity = inherited * common.opacity;
        if !common.is_shown() || opacity.is_zero() || (self.abandoned)() {
            return Ok(None);
        }
        let (placement, children) = match element {
            Element::Group(group) => {
                let mut children = Vec::new();
                for child in &group.children {
                    children.extend(self.element(child, opacity)?);
                }
                return Ok(Some(grouped(common, Affine::IDENTITY, children)));
            }
            Element::Text(text) => (&text.placement, self.text(text, opacity)),
            Element::Image(image) => (&image.placement, self.image(image, opacity)?),
            Element::Gif(gif) => (&gif.placement, self.gif(gif, opacity)?),
            Element::Video(video) => (&video.image.placement, self.video(video, opacity)?),
            Element::Svg(svg) => (&svg.placement, self.svg(svg, opacity)?),
            Element::Figure(figure) => (&figure.placement, self.figure(figure, opacity)),
            Element::Line(line) => (&line.placement, self.line(line, opacity)),
            Element::Table(table) => (&table.placement, self.table(table, opacity)),
        };
        let placed = placed(placement);
        if !placed.is_finite() {
            self.warn(
                &common.origin,
                WarningCode::ShapeSkipped,
                "the position of the element is too large; it is not drawn",
            );
            return Ok(None);
        }
        Ok(Some(grouped(common, placed, children)))
    }

    fn warn(&mut self, origin: &Origin, code: WarningCode, message: impl Into<String>) {
        self.warnings.push(origin.warn(code, message));
    }
}

/// `children` with the shadow of `effects`.
fn shadowed(children: Vec<Node>, effects: &Effects) -> Vec<Node> {
    shadowed_in(children, effects, Vec2::new(1.0, 1.0))
}

/// `children` with the shadow of `effects` in units of `unit` design px. As a canvas has a single blur for both axes,
/// it uses the shorter side of a unit.
fn shadowed_in(children: Vec<Node>, effects: &Effects, unit: Vec2) -> Vec<Node> {
    if !effects.shadow_enabled || children.is_empty() {
        return children;
    }
    let shadow = Shadow {
        offset: Vec2::new(effects.shadow_offset_x * unit.x, effects.shadow_offset_y * unit.y),
        // As on a canvas: blur is two standard deviations (rendering.md §5).
        sigma: Px(effects.shadow_blur / 2.0 * unit.x.min(unit.y)),
        color: effects.shadow_color.multiply_alpha(effects.shadow_opacity.get()),
    };
    vec![Node::Group(Box::new(Group { shadow: Some(shadow), children, ..Group::default() }))]
}

/// The transform from an element's coordinates to the page's, a rotation about its top-left corner (rendering.md §2).
fn placed(placement: &Placement) -> Affine {
    Affine::translate((placement.x, placement.y)) * Affine::rotate(placement.rotation.to_radians())
}

fn grouped(common: &Common, transform: Affine, children: Vec<Node>) -> Node {
    Node::Group(Box::new(Group { origin: Some(common.origin.clone()), transform, children, ..Group::default() }))
}
