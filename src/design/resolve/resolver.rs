//! The pages of a design as scene pages: z-order, groups, placement, and which file resolves which element.

use std::sync::Arc;

use kurbo::{Affine, Rect, Size};

use super::super::Page;
use super::super::effects::Effects;
use super::super::elements::Element;
use super::super::elements::image::Image;
use super::super::elements::svg::Svg;
use super::super::props::{Common, PictureBox, Placement};
use super::asset_nodes::{AssetStyle, PictureResolver};
use super::error::ResolveError;
use super::pictures::Mask;
use super::placeholder::placeholder;
use super::settings::ResolveSettings;
use super::shadow::shadowed;
use super::shapes;
use super::texts::TextResolver;
use crate::assets::AssetSet;
use crate::assets::svg::SvgFonts;
use crate::report::{Warning, WarningCode};
use crate::scene::{self, Group, Link, Node};
use crate::text::{DamagedGlyph, Layouter, remove_damaged_glyphs};
use crate::units::Opacity;

/// Everything that the pages of a design are resolved from. Each kind of element gets the part of it that it needs.
pub(super) struct Resolver<'a> {
    pub(super) assets: &'a AssetSet,
    pub(super) svg_fonts: &'a SvgFonts,
    pub(super) layouter: &'a mut Layouter,
    pub(super) settings: &'a ResolveSettings,
    /// Returns true when the request has ended.
    pub(super) abandoned: &'a dyn Fn() -> bool,
    pub(super) warnings: Vec<Warning>,
    /// The part of the current page that is shown, in page coordinates.
    pub(super) shown: Rect,
}

impl Resolver<'_> {
    /// Resolves a page with its background and elements.
    ///
    /// # Errors
    /// The first image in document order that could not be loaded, unless `skipImageError`.
    pub(super) fn page(&mut self, page: &Page) -> Result<scene::Page, ResolveError> {
        let bleed = if self.settings.include_bleed { page.bleed } else { kurbo::Insets::ZERO };
        self.shown = Rect::from_origin_size((0.0, 0.0), page.size) + bleed;
        let sheet = self.shown.size();
        let mut children = self.pictures(sheet, None).background(page, bleed)?;
        // `alwaysOnTop` applies only to direct children of the page (rendering.md §1).
        let (top, ordinary): (Vec<_>, Vec<_>) = page.children.iter().partition(|child| child.common().always_on_top);
        for child in ordinary.into_iter().chain(top) {
            children.extend(self.element(child, Opacity::OPAQUE, None, sheet)?);
        }
        Ok(scene::Page { size: page.size, bleed, root: Group { children, ..Group::default() } })
    }

    /// Resolves an element. `inherited`, `link`: opacity and link of the groups around it. `sheet`: size of the page,
    /// px, with its bleed if that is included.
    fn element(
        &mut self,
        element: &Element,
        inherited: Opacity,
        link: Option<&Arc<str>>,
        sheet: Size,
    ) -> Result<Option<Node>, ResolveError> {
        let common = element.common();
        let link = common.link.as_ref().or(link);
        let opacity = inherited * common.opacity;
        if !common.is_shown() || opacity.is_zero() || (self.abandoned)() {
            return Ok(None);
        }
        let (placement, children) = match element {
            Element::Group(group) => {
                let mut children = Vec::new();
                for child in &group.children {
                    children.extend(self.element(child, opacity, link, sheet)?);
                }
                return Ok(Some(grouped(common, Affine::IDENTITY, children, Vec::new())));
            }
            Element::Text(text) => {
                let children = self.texts().text(text, opacity);
                (&text.placement, self.with_drawable_glyphs(common, children)?)
            }
            Element::Image(image) => (&image.placement, self.image(image, opacity, sheet)?),
            Element::Gif(gif) => (&gif.placement, self.gif(gif, opacity, sheet)?),
            // A video file is not an image; a video whose `src` is an image (a poster) is drawn.
            Element::Video(video) => (&video.image.placement, self.image(&video.image, opacity, sheet)?),
            Element::Svg(svg) => (&svg.placement, self.svg(svg, opacity, sheet)?),
            Element::Figure(figure) => (&figure.placement, shapes::figure(figure, opacity, self.settings)),
            Element::Line(line) => (&line.placement, shapes::line(line, opacity, &mut self.warnings)),
            Element::Table(table) => {
                let children = self.texts().table(table, opacity);
                (&table.placement, self.with_drawable_glyphs(common, children)?)
            }
        };
        let placed = placed(placement);
        if !placed.is_finite() {
            let message = "the position of the element is too large; it is not drawn";
            self.warnings.push(common.origin.warn(WarningCode::ShapeSkipped, message));
            return Ok(None);
        }
        let links = link.into_iter().map(|href| Link { area: link_area(placement, &children), href: href.clone() });
        let links = links.collect();
        Ok(Some(grouped(common, placed, children, links)))
    }

    /// `children` without the glyphs of damaged fonts that cannot be drawn, with a warning for each.
    ///
    /// # Errors
    /// The first such glyph, unless `skipFontError`.
    fn with_drawable_glyphs(&mut self, common: &Common, mut children: Vec<Node>) -> Result<Vec<Node>, ResolveError> {
        for DamagedGlyph { glyph, reason } in remove_damaged_glyphs(&mut children) {
            let element = common.origin.element.clone();
            if !self.settings.skip_font_error {
                return Err(ResolveError::Glyph { at: common.origin.path.clone(), element, glyph, reason });
            }
            let message = format!("glyph {glyph} of a damaged font is not drawn: {reason}");
            self.warnings.push(common.origin.warn(WarningCode::GlyphMissing, message));
        }
        Ok(children)
    }

    fn image(&mut self, image: &Image, opacity: Opacity, sheet: Size) -> Result<Vec<Node>, ResolveError> {
        let Image { common, placement, effects, picture, clip_src } = image;
        let style = AssetStyle { colors: &[], effects: Some(effects), opacity, as_photo: true, origin: &common.origin };
        let mask = clip_src.as_ref().map(Mask::Clip);
        self.picture(picture, placement, mask, &style, effects, sheet)
    }

    /// The first frame of a GIF. The editor does not mirror GIFs (`image-gif-first-frame` of the reference corpus).
    fn gif(&mut self, gif: &Image, opacity: Opacity, sheet: Size) -> Result<Vec<Node>, ResolveError> {
        let picture = PictureBox { flip_x: false, flip_y: false, ..gif.picture.clone() };
        self.image(&Image { picture, ..gif.clone() }, opacity, sheet)
    }

    fn svg(&mut self, svg: &Svg, opacity: Opacity, sheet: Size) -> Result<Vec<Node>, ResolveError> {
        let Svg { common, placement, effects, picture, mask_src, colors_replace: colors } = svg;
        let style = AssetStyle { colors, effects: Some(effects), opacity, as_photo: false, origin: &common.origin };
        let mask = mask_src.as_ref().map(Mask::Fill);
        self.picture(picture, placement, mask, &style, effects, sheet)
    }

    /// The nodes of a picture, or of the placeholder for one that could not be loaded.
    fn picture(
        &mut self,
        picture: &PictureBox,
        placement: &Placement,
        mask: Option<Mask<'_>>,
        style: &AssetStyle<'_>,
        effects: &Effects,
        sheet: Size,
    ) -> Result<Vec<Node>, ResolveError> {
        let (size, back) = (placement.size(), placed(placement).inverse());
        let visible = Some(back.transform_rect_bbox(self.shown)).filter(|it| it.is_finite());
        // A shadow or blur shows what lies outside of the page too.
        let visible = visible.filter(|_| !effects.shadow_enabled && effects.leave_pixels_alone());
        let loaded = self.pictures(sheet, visible).picture(picture, size, mask, style, effects)?;
        Ok(loaded.unwrap_or_else(|| shadowed(placeholder(self.layouter, size.to_rect(), style.opacity), effects)))
    }

    fn pictures(&mut self, sheet: Size, visible: Option<Rect>) -> PictureResolver<'_> {
        let (assets, svg_fonts, settings, abandoned) = (self.assets, self.svg_fonts, self.settings, self.abandoned);
        PictureResolver { assets, svg_fonts, settings, sheet, visible, abandoned, warnings: &mut self.warnings }
    }

    fn texts(&mut self) -> TextResolver<'_> {
        let (settings, abandoned) = (self.settings, self.abandoned);
        TextResolver { layouter: self.layouter, settings, abandoned, warnings: &mut self.warnings }
    }
}

/// The transform from an element's coordinates to the page's, a rotation about its top-left corner (rendering.md §2).
fn placed(placement: &Placement) -> Affine {
    Affine::translate((placement.x, placement.y)) * Affine::rotate(placement.rotation.to_radians())
}

/// The area of a link over an element: its box, or what is drawn of it where the box has no height, as that of a text
/// may.
fn link_area(placement: &Placement, children: &[Node]) -> Rect {
    let area = placement.size().to_rect();
    if !area.is_zero_area() {
        return area;
    }
    let drawn = Group { children: children.to_vec(), ..Group::default() };
    drawn.content_bounds().unwrap_or(area)
}

fn grouped(common: &Common, transform: Affine, children: Vec<Node>, links: Vec<Link>) -> Node {
    let origin = Some(common.origin.clone());
    Node::Group(Box::new(Group { origin, transform, children, links, ..Group::default() }))
}
