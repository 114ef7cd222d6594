//! Images, SVG, GIF and video stills, page backgrounds: cropped, flipped, rounded, bordered (rendering.md §6).

use std::sync::Arc;

use kurbo::{Affine, Rect, RoundedRect, Shape as _, Size, Stroke};
use peniko::Color;

use super::super::elements::image::Image;
use super::super::elements::media::Video;
use super::super::elements::svg::Svg;
use super::super::elements::text_style::TextStyle;
use super::super::props::PictureBox;
use super::texts::{blocks, draw_style, moved_down};
use super::{EffectsOf, ResolveError, Resolver, shadowed};
use crate::assets::{Asset, svg::SvgAsset};
use crate::report::{Origin, WarningCode};
use crate::scene::{self, Group, Node, Path};
use crate::text::{self, Overflow};
use crate::units::Opacity;

/// Measured in `skip-image-error` of the reference corpus.
const STAND_IN_TEXT: &str = "Can not load the image...";
const STAND_IN_COLOR: Color = Color::from_rgba8(223, 102, 102, 204);
const STAND_IN_FONT_SIZE: f64 = 30.0;

/// Curves of rounded corners are this close to true arcs, px.
const ARC_TOLERANCE: f64 = 0.01;

impl Resolver<'_> {
    pub(super) fn image(&mut self, image: &Image, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        let origin = &image.common.origin;
        self.warn_of_effects(origin, &image.effects, EffectsOf::Pixels);
        if image.clip_src.is_some() {
            self.warn(origin, WarningCode::NotSupported, "clipSrc is not built yet; drawn without its mask");
        }
        let nodes = self.picture(&image.picture, image.placement.size(), &[], origin, opacity)?;
        Ok(shadowed(nodes, &image.effects))
    }

    /// The first frame. The editor does not mirror these (`image-gif-first-frame` of the reference corpus).
    pub(super) fn gif(&mut self, gif: &Image, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        let picture = PictureBox { flip_x: false, flip_y: false, ..gif.picture.clone() };
        self.image(&Image { picture, ..gif.clone() }, opacity)
    }

    pub(super) fn video(&mut self, video: &Video, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        // A film's file is no picture; one whose `src` is a picture (a poster) is drawn.
        self.image(&video.image, opacity)
    }

    pub(super) fn svg(&mut self, svg: &Svg, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        let origin = &svg.common.origin;
        self.warn_of_effects(origin, &svg.effects, EffectsOf::Pixels);
        if svg.mask_src.is_some() {
            self.warn(origin, WarningCode::NotSupported, "maskSrc is not built yet; drawn without it");
        }
        let nodes = self.picture(&svg.picture, svg.placement.size(), &svg.colors_replace, origin, opacity)?;
        Ok(shadowed(nodes, &svg.effects))
    }

    /// `src` over `sheet`, cover and centred.
    pub(super) fn cover(&mut self, src: &Arc<str>, sheet: Rect, origin: &Origin) -> Result<Vec<Node>, ResolveError> {
        let Some(asset) = self.asset(src, origin)? else { return Ok(Vec::new()) };
        let natural = natural_size(&asset, sheet.size());
        let scale = (sheet.width() / natural.width).max(sheet.height() / natural.height);
        let shown = Size::new(sheet.width() / scale, sheet.height() / scale);
        let source = Rect::from_center_size(Rect::from_origin_size((0.0, 0.0), natural).center(), shown);
        let nodes = self.drawn(&asset, natural, source, sheet, &[], origin, Opacity::OPAQUE);
        Ok(nodes)
    }

    fn picture(
        &mut self,
        picture: &PictureBox,
        size: Size,
        colors: &[(String, String)],
        origin: &Origin,
        opacity: Opacity,
    ) -> Result<Vec<Node>, ResolveError> {
        let area = Rect::from_origin_size((0.0, 0.0), size);
        let Some(asset) = self.asset(&picture.src, origin)? else { return Ok(self.stand_in(area, opacity)) };
        if area.is_zero_area() {
            return Ok(Vec::new());
        }
        let natural = natural_size(&asset, size);
        let source = crop(picture, natural, size);
        let mut nodes = Vec::new();
        if !source.is_zero_area() {
            let content = self.drawn(&asset, natural, source, area, colors, origin, opacity);
            let radius = picture.corner_radius.min(size.width / 2.0).min(size.height / 2.0);
            let clip = (radius > 0.0).then(|| RoundedRect::from_rect(area, radius).to_path(ARC_TOLERANCE));
            let flipped = Group { transform: flip(picture, size), children: content, ..Group::default() };
            let children = vec![Node::Group(Box::new(flipped))];
            nodes.push(Node::Group(Box::new(Group { clip, children, ..Group::default() })));
        }
        nodes.extend(border(picture, area, opacity));
        Ok(nodes)
    }

    /// What the editor shows for a picture that could not be had: a red box that says so (`skip-image-error` of the
    /// reference corpus).
    fn stand_in(&mut self, area: Rect, opacity: Opacity) -> Vec<Node> {
        let style = TextStyle {
            font_size: STAND_IN_FONT_SIZE,
            font_family: "Arial".into(),
            fill: Color::WHITE.into(),
            ..TextStyle::default()
        };
        let shaped = self.layouter.shape(&blocks(STAND_IN_TEXT, &style));
        let fitted = text::fit(
            self.layouter,
            &shaped,
            area.width(),
            text::Align::Center,
            Overflow::Shrink { height: area.height() },
        );
        let red = STAND_IN_COLOR.multiply_alpha(opacity.get());
        let mut nodes = vec![Node::Path(Path::filled(area.to_path(ARC_TOLERANCE), red))];
        if let Some((laid_out, _)) = fitted {
            let drawn =
                text::draw(&laid_out, &draw_style(&style, Rect::new(0.0, 0.0, area.width(), laid_out.height), opacity));
            nodes.extend(moved_down(drawn.into_nodes(), (area.height() - laid_out.height) / 2.0));
        }
        nodes
    }

    /// `source`, in natural px of the asset, stretched to `dest`.
    #[expect(clippy::too_many_arguments, reason = "one picture, where from, where to, and how")]
    fn drawn(
        &mut self,
        asset: &Asset,
        natural: Size,
        source: Rect,
        dest: Rect,
        colors: &[(String, String)],
        origin: &Origin,
        opacity: Opacity,
    ) -> Vec<Node> {
        match asset {
            Asset::Picture(picture) => {
                vec![Node::Image(scene::Image { picture: picture.clone(), source, dest, opacity })]
            }
            Asset::Svg(svg) => self.svg_nodes(svg, natural, source, dest, colors, origin, opacity),
            Asset::Font(_) => Vec::new(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "as `drawn`")]
    fn svg_nodes(
        &mut self,
        svg: &SvgAsset,
        natural: Size,
        source: Rect,
        dest: Rect,
        colors: &[(String, String)],
        origin: &Origin,
        opacity: Opacity,
    ) -> Vec<Node> {
        let (stretch_x, stretch_y) = (dest.width() / source.width(), dest.height() / source.height());
        let scale_hint = stretch_x.max(stretch_y) * self.options.pixel_ratio.get();
        let sized = if svg.natural_size().is_some() { svg.clone() } else { svg.with_size(natural) };
        let drawing = match sized.with_fonts(self.svg_fonts).nodes(colors, scale_hint) {
            Ok(drawing) => drawing,
            Err(error) => {
                self.warn(origin, WarningCode::ImageSkipped, format!("{error}; left out"));
                return Vec::new();
            }
        };
        for skipped in drawing.skipped {
            self.warn(origin, WarningCode::ImageSkipped, skipped);
        }
        if drawing.reduced {
            let message = "parts of the SVG are drawn coarser than asked to stay within memory";
            self.warn(origin, WarningCode::ImageReduced, message);
        }
        // The document's own size may differ from the natural one by rounding of its attributes.
        let to_natural =
            Affine::scale_non_uniform(natural.width / drawing.size.width, natural.height / drawing.size.height);
        let to_dest = Affine::translate(dest.origin().to_vec2())
            * Affine::scale_non_uniform(stretch_x, stretch_y)
            * Affine::translate(-source.origin().to_vec2());
        let content = Group { transform: to_dest * to_natural, children: drawing.nodes, ..Group::default() };
        vec![Node::Group(Box::new(Group {
            clip: Some(dest.to_path(ARC_TOLERANCE)),
            // The picture as a whole is faded: its parts may overlap.
            opacity,
            children: vec![Node::Group(Box::new(content))],
            ..Group::default()
        }))]
    }

    /// `None`, with a warning, when the asset failed and may be skipped.
    fn asset(&mut self, src: &str, origin: &Origin) -> Result<Option<Asset>, ResolveError> {
        match self.assets.get(src) {
            Some(Ok(asset)) => Ok(Some(asset.clone())),
            Some(Err(error)) if self.options.skip_image_error => {
                self.warn(origin, WarningCode::ImageSkipped, format!("{error}; left out"));
                Ok(None)
            }
            Some(Err(error)) => {
                let mut error = error.clone();
                (error.at, error.element) = (origin.path.clone(), origin.element.clone());
                Err(ResolveError::Image(error))
            }
            None => {
                debug_assert!(false, "{src} was never requested");
                Ok(None)
            }
        }
    }
}

/// px; an SVG without any size has that of the box it is drawn in (rendering.md §6.1).
fn natural_size(asset: &Asset, of_box: Size) -> Size {
    let size = match asset {
        Asset::Picture(picture) => Size::new(f64::from(picture.width), f64::from(picture.height)),
        Asset::Svg(svg) => svg.natural_size().unwrap_or(of_box),
        Asset::Font(_) => of_box,
    };
    // An SVG may declare a size of nothing.
    Size::new(size.width.max(1e-3), size.height.max(1e-3))
}

/// The part of the source that is shown, in natural px: the crop, cut to the aspect of the box at its top-left corner
/// unless it is stretched (rendering.md §6.1).
fn crop(picture: &PictureBox, natural: Size, of_box: Size) -> Rect {
    let crop = picture.crop;
    let origin = (crop.x0 * natural.width, crop.y0 * natural.height);
    let (mut width, mut height) = (crop.width() * natural.width, crop.height() * natural.height);
    if !picture.stretch_enabled && width > 0.0 && height > 0.0 {
        let aspect = of_box.width / of_box.height;
        if width / height > aspect { width = height * aspect } else { height = width / aspect }
    }
    Rect::from_origin_size(origin, (width, height))
}

/// Mirrors inside the box, about its middle.
fn flip(picture: &PictureBox, size: Size) -> Affine {
    let x = if picture.flip_x { Affine::new([-1.0, 0.0, 0.0, 1.0, size.width, 0.0]) } else { Affine::IDENTITY };
    let y = if picture.flip_y { Affine::new([1.0, 0.0, 0.0, -1.0, 0.0, size.height]) } else { Affine::IDENTITY };
    x * y
}

/// A stroke inside the box; its centre line has the corner radius less the border (rendering.md §6.2).
fn border(picture: &PictureBox, area: Rect, opacity: Opacity) -> Option<Node> {
    let width = picture.border_size.min(area.width()).min(area.height());
    if width <= 0.0 || picture.border_color.components[3] <= 0.0 {
        return None;
    }
    let centre = area.inset(-width / 2.0);
    let radius = (picture.corner_radius - picture.border_size).max(0.0);
    let radius = radius.min(centre.width() / 2.0).min(centre.height() / 2.0);
    let color = picture.border_color.multiply_alpha(opacity.get());
    let outline = RoundedRect::from_rect(centre, radius).to_path(ARC_TOLERANCE);
    Some(Node::Path(Path::stroked(outline, color, Stroke::new(width).with_join(kurbo::Join::Miter))))
}
