//! Assets as scene nodes: pictures as images, SVG as shapes, or as pixels where effects need them (rendering.md §4).

use std::sync::Arc;

use kurbo::{Affine, Rect, Shape as _, Size};

use super::super::effects::Effects;
use super::error::ResolveError;
use super::settings::ResolveSettings;
use crate::assets::svg::{SvgAsset, SvgError, SvgFonts, SvgRole, SvgSizes, SvgView};
use crate::assets::{Asset, AssetSet};
use crate::report::{Origin, Warning, WarningCode};
use crate::scene::{self, DecodedImage, Group, Node};
use crate::units::{DeviceScale, DeviceSize, Opacity};

/// Tolerance of curves, px.
const TOLERANCE: f64 = 0.01;

/// Tolerance, px, within which a size counts as whole.
const SAME: f64 = 1e-4;

/// Margin around the visible part of an element, px, for edges between pixels.
const VISIBLE_MARGIN: f64 = 2.0;

/// Maximum number of times the sides of an SVG with effects are halved until its pixels are within the limits.
const MAX_HALVINGS: u32 = 12;

/// The part of an asset that is shown, and the rectangle that it is stretched to.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    /// Size of the whole asset as it is drawn, px.
    pub(super) natural: Size,
    /// The part that is shown, in the same px; mirrored and beyond the asset as in [`scene::Image::source`].
    pub(super) source: Rect,
    /// The rectangle that `source` is stretched to.
    pub(super) dest: Rect,
}

/// Colours, effects and opacity with which an asset is drawn.
#[derive(Clone, Copy)]
pub(super) struct AssetStyle<'a> {
    /// Pairs of colours of `colorsReplace`, used for SVG only.
    pub(super) colors: &'a [(String, String)],
    /// Effects, which apply at the natural size.
    pub(super) effects: Option<&'a Effects>,
    /// Opacity of the whole asset.
    pub(super) opacity: Opacity,
    /// An SVG larger than shown is drawn as pixels of the size shown, as in the editor's `image`.
    pub(super) as_photo: bool,
    /// The element, for warnings.
    pub(super) origin: &'a Origin,
}

impl<'a> AssetStyle<'a> {
    /// The asset without changes.
    pub(super) fn plain(origin: &'a Origin) -> Self {
        Self { colors: &[], effects: None, opacity: Opacity::OPAQUE, as_photo: false, origin }
    }
}

/// Resolves pictures: images, SVG, GIF, video stills and page backgrounds.
pub(super) struct PictureResolver<'a> {
    pub(super) assets: &'a AssetSet,
    pub(super) svg_fonts: &'a SvgFonts,
    pub(super) settings: &'a ResolveSettings,
    /// Size of the page, px, with its bleed if that is included.
    pub(super) sheet: Size,
    /// The part of the page that is shown, in the element's coordinates; `None` when what lies outside of it may be
    /// visible too, through a shadow or a blur.
    pub(super) visible: Option<Rect>,
    /// Returns true when the request has ended, so that drawing may stop.
    pub(super) abandoned: &'a dyn Fn() -> bool,
    pub(super) warnings: &'a mut Vec<Warning>,
}

impl PictureResolver<'_> {
    pub(super) fn warn(&mut self, origin: &Origin, code: WarningCode, message: impl Into<String>) {
        self.warnings.push(origin.warn(code, message));
    }

    /// The nodes of an asset; none, with a warning, when it cannot be drawn and `skipImageError` is set.
    ///
    /// # Errors
    /// An SVG that cannot be drawn.
    pub(super) fn asset_nodes(
        &mut self,
        asset: &Asset,
        stretch: Stretch,
        style: &AssetStyle<'_>,
    ) -> Result<Vec<Node>, ResolveError> {
        match asset {
            Asset::Picture(picture) => {
                self.warn_of_enlarging(stretch, style);
                Ok(vec![pixels(picture.clone(), stretch, style)])
            }
            Asset::Svg(svg) => {
                if style.effects.is_none_or(Effects::leave_pixels_alone) {
                    match self.svg_photo(svg, stretch, style) {
                        Some(photo) => Ok(vec![photo]),
                        None => self.svg_nodes(svg, stretch, style),
                    }
                } else {
                    let picture = self.svg_picture(svg, stretch.natural, stretch.natural, style)?;
                    Ok(picture.map(|picture| pixels(picture, stretch, style)).into_iter().collect())
                }
            }
            Asset::Font(_) => Ok(Vec::new()),
        }
    }

    /// Reports that an SVG cannot be drawn: as a warning when `skipImageError` is set and it was tried, else as an
    /// error.
    fn not_drawn(&mut self, origin: &Origin, error: SvgError) -> Result<(), ResolveError> {
        if !self.settings.skip_image_error || error.is_exhaustion() {
            return Err(ResolveError::Svg { at: origin.path.clone(), element: origin.element.clone(), error });
        }
        self.warn(origin, WarningCode::ImageSkipped, format!("{error}; not drawn"));
        Ok(())
    }

    /// Warns about a picture with too few pixels for the size at which it is shown.
    fn warn_of_enlarging(&mut self, stretch: Stretch, style: &AssetStyle<'_>) {
        let Stretch { source, dest, .. } = stretch;
        let source = source.abs();
        let found = (source.width() / dest.width()).min(source.height() / dest.height()) * self.settings.dpi;
        let expected = self.settings.min_image_dpi;
        if found < expected {
            let message = format!(
                "the image is enlarged: {:.0} x {:.0} of its pixels are shown on {:.0} x {:.0} px, which is {found:.0} \
                 dpi; expected at least {expected} (minImageDpi, TENTER_MIN_IMAGE_DPI)",
                source.width(),
                source.height(),
                dest.width(),
                dest.height(),
            );
            self.warn(style.origin, WarningCode::ImageEnlarged, message);
        }
    }

    /// An SVG as pixels cropped at whole px, which the editor then moves to the corner of the box (`svg-without-size`
    /// of the corpus's published cases). `None` where shapes are drawn: at its own size or larger, for a vector file,
    /// or when it cannot be rasterised.
    fn svg_photo(&mut self, svg: &SvgAsset, stretch: Stretch, style: &AssetStyle<'_>) -> Option<Node> {
        let Stretch { natural, source, dest } = stretch;
        let size = source.abs().size();
        let step = (size.width / dest.width()).min(size.height / dest.height()) / self.settings.raster_scale.get();
        if !style.as_photo || self.settings.vector || step <= 1.0 + SAME || !step.is_finite() {
            return None;
        }
        let whole = |length: f64| (length / step + SAME).floor();
        let side = |length: f64| whole(length).clamp(1.0, f64::from(u32::MAX)) as u32;
        let size = DeviceSize { width: side(natural.width), height: side(natural.height) };
        // Position and length are rounded in the mirrored picture.
        let crop = |from: f64, to: f64, natural: f64, side: u32| match from <= to {
            true => (whole(from), whole(from) + whole(to - from).max(1.0)),
            false => {
                let first = f64::from(side) - whole(natural - from);
                (first, first - whole(from - to).max(1.0))
            }
        };
        let drawing =
            self.svg_fonts.pixels(svg, given_size(svg, natural), style.colors, size, self.assets.memory()).ok()?;
        for skipped in &drawing.skipped {
            self.warn(style.origin, WarningCode::ImageSkipped, skipped.clone());
        }
        let (x0, x1) = crop(source.x0, source.x1, natural.width, size.width);
        let (y0, y1) = crop(source.y0, source.y1, natural.height, size.height);
        let source = Rect::new(x0, y0, x1, y1);
        let (picture, opacity) = (drawing.picture.clone(), style.opacity);
        Some(Node::Image(scene::Image { picture, source, dest, passes: Vec::new(), opacity }))
    }

    fn svg_nodes(
        &mut self,
        svg: &SvgAsset,
        stretch: Stretch,
        style: &AssetStyle<'_>,
    ) -> Result<Vec<Node>, ResolveError> {
        let Stretch { natural, source, dest } = stretch;
        let (stretch_x, stretch_y) = (dest.width() / source.width(), dest.height() / source.height());
        let scale = stretch_x.abs().max(stretch_y.abs()) * self.settings.raster_scale.get();
        let (visible, memory) = (self.visible_share(stretch), self.assets.memory());
        let view = SvgView { scale, visible, memory, abandoned: self.abandoned };
        let drawing = match self.svg_fonts.nodes(svg, given_size(svg, natural), style.colors, view) {
            Ok(drawing) => drawing,
            Err(error) => {
                self.not_drawn(style.origin, error)?;
                return Ok(Vec::new());
            }
        };
        for skipped in &drawing.skipped {
            self.warn(style.origin, WarningCode::ImageSkipped, skipped.clone());
        }
        if drawing.reduced {
            let message = "parts of the SVG are drawn at a lower resolution to stay within the memory limit";
            self.warn(style.origin, WarningCode::ImageReduced, message);
        }
        // The document's own size may differ from the natural one by rounding of its attributes.
        let to_natural =
            Affine::scale_non_uniform(natural.width / drawing.size.width, natural.height / drawing.size.height);
        let to_dest = Affine::translate(dest.origin().to_vec2())
            * Affine::scale_non_uniform(stretch_x, stretch_y)
            * Affine::translate(-source.origin().to_vec2());
        let content = Group { transform: to_dest * to_natural, children: drawing.nodes.clone(), ..Group::default() };
        Ok(vec![Node::Group(Box::new(Group {
            clip: Some(dest.to_path(TOLERANCE)),
            // Opacity applies to the picture as a whole, because its parts may overlap.
            opacity: style.opacity,
            children: vec![Node::Group(Box::new(content))],
            ..Group::default()
        }))])
    }

    /// The part of an asset that is on the page, as shares of its width and height; `None` when that is all of it.
    fn visible_share(&self, stretch: Stretch) -> Option<Rect> {
        let Stretch { natural, source, dest } = stretch;
        let shown = self.visible?.inflate(VISIBLE_MARGIN, VISIBLE_MARGIN);
        if shown.union(dest) == shown {
            return None;
        }
        let shown = shown.intersect(dest);
        let (x, y) = (source.width() / dest.width(), source.height() / dest.height());
        let at = |px: f64, py: f64| {
            ((source.x0 + (px - dest.x0) * x) / natural.width, (source.y0 + (py - dest.y0) * y) / natural.height)
        };
        let share = Rect::from_points(at(shown.x0, shown.y0), at(shown.x1, shown.y1));
        share.is_finite().then_some(share)
    }

    /// An SVG as pixels stretched to `size`, or to half of it, a quarter and so on when that exceeds the limits. A
    /// blur, which is relative to the shorter side, is the same at each size. `None`, with a warning, when it cannot be
    /// drawn and `skipImageError` is set.
    ///
    /// # Errors
    /// An SVG that cannot be drawn.
    pub(super) fn svg_picture(
        &mut self,
        svg: &SvgAsset,
        natural: Size,
        size: Size,
        style: &AssetStyle<'_>,
    ) -> Result<Option<Arc<DecodedImage>>, ResolveError> {
        for halvings in 0..=MAX_HALVINGS {
            let size = DeviceSize::of_page(size * 0.5f64.powi(halvings as i32), DeviceScale::ONE);
            let (given, memory) = (given_size(svg, natural), self.assets.memory());
            match self.svg_fonts.pixels(svg, given, style.colors, size, memory) {
                Ok(drawing) => {
                    for skipped in &drawing.skipped {
                        self.warn(style.origin, WarningCode::ImageSkipped, skipped.clone());
                    }
                    if halvings > 0 {
                        let message =
                            "the SVG is drawn at a lower resolution for its effects, to stay within the memory limit";
                        self.warn(style.origin, WarningCode::ImageReduced, message);
                    }
                    return Ok(Some(drawing.picture.clone()));
                }
                Err(SvgError::TooManyPixels { .. }) if halvings < MAX_HALVINGS => {}
                Err(error) => return self.not_drawn(style.origin, error).map(|()| None),
            }
        }
        Ok(None)
    }
}

/// The size to set on a document that does not have it itself.
fn given_size(svg: &SvgAsset, drawn: Size) -> Option<Size> {
    (svg.absolute_size() != Some(drawn)).then_some(drawn)
}

/// An image node. `picture` shows the whole asset, at whatever resolution.
fn pixels(picture: Arc<DecodedImage>, stretch: Stretch, style: &AssetStyle<'_>) -> Node {
    let Stretch { natural, source, dest } = stretch;
    let size = DeviceSize { width: picture.width, height: picture.height };
    let (x, y) = (f64::from(size.width) / natural.width, f64::from(size.height) / natural.height);
    let source = Rect::new(source.x0 * x, source.y0 * y, source.x1 * x, source.y1 * y);
    let passes = style.effects.map_or_else(Vec::new, |effects| effects.passes(size));
    Node::Image(scene::Image { picture, source, dest, passes, opacity: style.opacity })
}

/// The sizes of an asset. Those of an SVG without a size depend on the canvas, which is `sheet`.
pub(super) fn sizes(asset: &Asset, sheet: Size, role: SvgRole) -> SvgSizes {
    match asset {
        Asset::Picture(picture) => {
            let size = Size::new(f64::from(picture.width), f64::from(picture.height));
            SvgSizes { natural: size, drawn: size }
        }
        Asset::Svg(svg) => svg.sizes(sheet, role),
        Asset::Font(_) => SvgSizes { natural: Size::ZERO, drawn: Size::ZERO },
    }
}
