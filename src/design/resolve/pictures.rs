//! Images, SVG, GIF and video stills, page backgrounds: cropped, flipped, rounded, bordered (rendering.md §6).

use std::sync::Arc;

use kurbo::{Rect, RoundedRect, Size};

use super::super::effects::Effects;
use super::super::props::{PictureBox, PictureFit};
use super::asset_nodes::{AssetStyle, PictureResolver, Stretch, sizes};
use super::borders::box_border;
use super::error::ResolveError;
use super::shadow::shadowed;
use crate::assets::Asset;
use crate::assets::svg::{SvgAsset, SvgRole, SvgSizes};
use crate::report::{Origin, WarningCode};
use crate::scene::{Bitmap, BitmapGrid, DecodedImage, Group, Node, outline_of};
use crate::units::Opacity;

/// The crop that shows the whole picture.
const WHOLE: Rect = Rect::new(0.0, 0.0, 1.0, 1.0);

/// A second image that masks or fills an element's picture (rendering.md §6.2), by its URL.
#[derive(Clone, Copy)]
pub(super) enum Mask<'a> {
    /// `clipSrc` — its alpha multiplies into that of the image.
    Clip(&'a Arc<str>),
    /// `maskSrc` — it fills the shape of the SVG.
    Fill(&'a Arc<str>),
}

impl Mask<'_> {
    fn key(self) -> &'static str {
        match self {
            Self::Clip(_) => "clipSrc",
            Self::Fill(_) => "maskSrc",
        }
    }
}

impl PictureResolver<'_> {
    /// The image `src`, centred and covering `sheet`.
    pub(super) fn cover(&mut self, src: &Arc<str>, sheet: Rect, origin: &Origin) -> Result<Vec<Node>, ResolveError> {
        let Some(asset) = self.asset(src, origin)? else { return Ok(Vec::new()) };
        let SvgSizes { natural, drawn } = sizes(&asset, sheet.size(), SvgRole::Picture);
        if !self.has_size(natural, drawn, origin) {
            return Ok(Vec::new());
        }
        let scale = (sheet.width() / natural.width).max(sheet.height() / natural.height);
        let shown = Size::new(sheet.width() / scale, sheet.height() / scale);
        let source = Rect::from_center_size(Rect::from_origin_size((0.0, 0.0), natural).center(), shown);
        self.asset_nodes(&asset, Stretch { natural: drawn, source, dest: sheet }, &AssetStyle::plain(origin))
    }

    /// The nodes of a picture in a box of `size`, with its shadow and border; `None`, with a warning, when it could not
    /// be loaded and `skipImageError` is set.
    pub(super) fn picture(
        &mut self,
        picture: &PictureBox,
        size: Size,
        mask: Option<Mask<'_>>,
        style: &AssetStyle<'_>,
        effects: &Effects,
    ) -> Result<Option<Vec<Node>>, ResolveError> {
        let area = Rect::from_origin_size((0.0, 0.0), size);
        let Some(asset) = self.asset(&picture.src, style.origin)? else { return Ok(None) };
        if area.is_zero_area() {
            return Ok(Some(Vec::new()));
        }
        let SvgSizes { natural, drawn } = sizes(&asset, self.sheet, SvgRole::Element);
        if !self.has_size(natural, drawn, style.origin) {
            return Ok(Some(border(picture, area, style.opacity).into_iter().collect()));
        }
        let is_whole = picture.crop == WHOLE;
        let is_stretch = picture.fit.map_or(picture.stretch_enabled, |fit| fit == PictureFit::Fill);
        let has_aspect_of_box = (natural.width * size.height - natural.height * size.width).abs() < 1e-6;
        let is_stretched = is_whole && (is_stretch || has_aspect_of_box);
        let filled = match (mask, &asset) {
            (Some(Mask::Fill(src)), Asset::Svg(svg)) if !is_stretched || !effects.leave_pixels_alone() => {
                self.filled(svg, src, drawn, size, (picture.flip_x, picture.flip_y), style)?
            }
            _ => None,
        };
        let (asset, mask, drawn, source, dest) = match filled {
            Some(filled) => {
                let unmirrored = PictureBox { flip_x: false, flip_y: false, ..picture.clone() };
                let source = crop(&unmirrored, natural, size);
                let (x, y) = (size.width / natural.width, size.height / natural.height);
                let source = Rect::new(source.x0 * x, source.y0 * y, source.x1 * x, source.y1 * y);
                (Asset::Picture(filled), None, size, source, area)
            }
            None => match picture.fit {
                Some(fit) => {
                    let (source, dest) = fitted(picture, fit, drawn, area);
                    (asset, mask, drawn, source, dest)
                }
                // The whole picture is stretched to the box; a part of it is taken in px of the natural size.
                None => {
                    let of = if is_whole && picture.stretch_enabled { drawn } else { natural };
                    (asset, mask, drawn, crop(picture, of, size), area)
                }
            },
        };
        let mut nodes = Vec::new();
        if !source.is_zero_area() {
            let children = self.asset_nodes(&asset, Stretch { natural: drawn, source, dest }, style)?;
            let content = Group { children, ..Group::default() };
            let masked = match mask {
                Some(mask) => self.masked(content, mask, area, style)?,
                None => content,
            };
            let radius = picture.corner_radius.min(size.width / 2.0).min(size.height / 2.0);
            let clip = (radius > 0.0).then(|| outline_of(&RoundedRect::from_rect(area, radius)));
            let children = vec![Node::Group(Box::new(masked))];
            nodes.push(Node::Group(Box::new(Group { clip, children, ..Group::default() })));
        }
        // The picture casts a shadow, but its border does not (`svg-border-shadow` of the reference designs).
        let mut nodes = shadowed(nodes, effects);
        nodes.extend(border(picture, area, style.opacity));
        Ok(Some(nodes))
    }

    /// `content` with its mask, which is relative to the box and not mirrored with the content: `clipSrc` is stretched
    /// to the box, `maskSrc` is centred and covers it (`vertical-align` of the corpus's published cases). With
    /// `skipImageError`, a mask that failed to load is ignored with a warning.
    fn masked(
        &mut self,
        content: Group,
        mask: Mask<'_>,
        area: Rect,
        style: &AssetStyle<'_>,
    ) -> Result<Group, ResolveError> {
        let (Mask::Clip(src) | Mask::Fill(src)) = mask;
        let origin = Origin { path: style.origin.path.key(mask.key()), element: style.origin.element.clone() };
        let Some(asset) = self.asset(src, &origin)? else { return Ok(content) };
        let SvgSizes { natural, drawn } = sizes(&asset, self.sheet, SvgRole::Picture);
        if !self.has_size(natural, drawn, &origin) {
            return Ok(content);
        }
        let all = Rect::from_origin_size((0.0, 0.0), drawn);
        let source = match mask {
            Mask::Clip(_) => all,
            Mask::Fill(_) => {
                let scale = (area.width() / drawn.width).max(area.height() / drawn.height);
                Rect::from_center_size(all.center(), area.size() / scale)
            }
        };
        let whole = Stretch { natural: drawn, source, dest: area };
        let mask_style = match mask {
            Mask::Clip(_) => AssetStyle::plain(&origin),
            // The mask image is what is visible, so the element's effects apply to it.
            Mask::Fill(_) => AssetStyle {
                colors: &[],
                effects: style.effects,
                opacity: Opacity::OPAQUE,
                as_photo: false,
                origin: &origin,
            },
        };
        let drawn = self.asset_nodes(&asset, whole, &mask_style)?;
        if drawn.is_empty() {
            return Ok(content);
        }
        let drawn = Group { children: drawn, ..Group::default() };
        let (shown, alpha) = match mask {
            Mask::Clip(_) => (content, drawn),
            // The content is the alpha mask, and so also gives the opacity.
            Mask::Fill(_) => (drawn, content),
        };
        let children = vec![Node::Group(Box::new(shown))];
        // The editor masks on a canvas whose sides are those of the box in device px, without fractions, and stretches
        // it to the box (`00276-image` of the reference designs: 86 x 88 px in 86.025 x 88.75).
        let bitmap = matches!(mask, Mask::Clip(_)).then_some(Bitmap { area, grid: BitmapGrid::Stretched });
        let bitmap = bitmap.filter(|_| !self.settings.vector);
        Ok(Group { bitmap, mask: Some(Box::new(alpha)), children, ..Group::default() })
    }

    /// The picture of an SVG with `maskSrc` that is cropped or has effects (`svg-mask-with-crop-or-effect`, `00207-svg`
    /// and `00286-svg` of the reference designs): the whole SVG is stretched to pixels of its box and mirrored, and
    /// filled with the mask, which covers the box and is not mirrored. Crop and effects then apply to the result.
    /// `drawn`: size of the document. `None`, with a warning, when one of the two cannot be rasterised.
    fn filled(
        &mut self,
        svg: &SvgAsset,
        mask: &Arc<str>,
        drawn: Size,
        size: Size,
        mirrored: (bool, bool),
        style: &AssetStyle<'_>,
    ) -> Result<Option<Arc<DecodedImage>>, ResolveError> {
        let origin = Origin { path: style.origin.path.key("maskSrc"), element: style.origin.element.clone() };
        let Some(asset) = self.asset(mask, &origin)? else { return Ok(None) };
        let mask = match &asset {
            Asset::Picture(picture) => Some(picture.clone()),
            Asset::Svg(svg) => {
                let SvgSizes { natural, drawn } = sizes(&asset, self.sheet, SvgRole::Picture);
                if !self.has_size(natural, drawn, &origin) {
                    return Ok(None);
                }
                self.svg_picture(svg, drawn, drawn, &AssetStyle::plain(&origin))?
            }
            Asset::Font(_) => None,
        };
        let shape = self.svg_picture(svg, drawn, size, style)?;
        Ok(mask.zip(shape).and_then(|(mask, shape)| seen_through(&mask, &shape, mirrored)).map(Arc::new))
    }

    /// False, with a warning, for an SVG with a width or height of 0, of which browsers draw nothing.
    fn has_size(&mut self, natural: Size, drawn: Size, origin: &Origin) -> bool {
        let has_size = [natural, drawn].iter().all(|it| it.width > 0.0 && it.height > 0.0);
        if !has_size {
            let message = "the SVG has a width or height of 0; it is not drawn";
            self.warn(origin, WarningCode::ImageSkipped, message);
        }
        has_size
    }

    /// The loaded asset of a URL; `None`, with a warning, when it failed and `skipImageError` is set.
    fn asset(&mut self, src: &str, origin: &Origin) -> Result<Option<Asset>, ResolveError> {
        match self.assets.get(src) {
            Some(Ok(asset)) => {
                if matches!(asset, Asset::Picture(picture) if picture.truncated) {
                    let message = "the image file is truncated; the missing part is transparent";
                    self.warn(origin, WarningCode::ImageCutShort, message);
                }
                Ok(Some(asset.clone()))
            }
            Some(Err(error)) if self.settings.skip_image_error => {
                self.warn(origin, WarningCode::ImageSkipped, format!("{error}; not drawn"));
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

/// The part of the source that is shown, in natural px: the crop, reduced to the aspect of the box from its top-left
/// corner unless it is stretched (rendering.md §6.1). A flipped picture is mirrored first, so that crop and corner are
/// those of the mirrored picture (`flip-crop-side` of the reference designs).
fn crop(picture: &PictureBox, natural: Size, of_box: Size) -> Rect {
    let crop = picture.crop;
    let origin = (crop.x0 * natural.width, crop.y0 * natural.height);
    let (mut width, mut height) = (crop.width() * natural.width, crop.height() * natural.height);
    if !picture.stretch_enabled && width > 0.0 && height > 0.0 {
        let aspect = of_box.width / of_box.height;
        if width / height > aspect { width = height * aspect } else { height = width / aspect }
    }
    let Rect { x0, y0, x1, y1 } = Rect::from_origin_size(origin, (width, height));
    let (x0, x1) = if picture.flip_x { (natural.width - x0, natural.width - x1) } else { (x0, x1) };
    let (y0, y1) = if picture.flip_y { (natural.height - y0, natural.height - y1) } else { (y0, y1) };
    Rect::new(x0, y0, x1, y1)
}

/// The part of a picture of `size` that is shown with `fit`, and the part of the box `area` that it is scaled to. The
/// crop, which is one of the mirrored picture, comes first; `focus` is a point of the picture itself.
fn fitted(picture: &PictureBox, fit: PictureFit, size: Size, area: Rect) -> (Rect, Rect) {
    let mirror = |rect: Rect| {
        let (x0, x1) = if picture.flip_x { (size.width - rect.x0, size.width - rect.x1) } else { (rect.x0, rect.x1) };
        let (y0, y1) = if picture.flip_y { (size.height - rect.y0, size.height - rect.y1) } else { (rect.y0, rect.y1) };
        Rect::new(x0, y0, x1, y1)
    };
    let crop = picture.crop;
    let part = Rect::new(crop.x0 * size.width, crop.y0 * size.height, crop.x1 * size.width, crop.y1 * size.height);
    let part = mirror(part).abs();
    let (shown, dest) = match fit {
        PictureFit::Fill => (part, area),
        PictureFit::Contain => {
            let scale = (area.width() / part.width()).min(area.height() / part.height());
            (part, Rect::from_center_size(area.center(), part.size() * scale))
        }
        PictureFit::Cover { focus } => {
            let scale = (area.width() / part.width()).max(area.height() / part.height());
            let shown = Size::new((area.width() / scale).min(part.width()), (area.height() / scale).min(part.height()));
            let x = (focus.x * size.width - shown.width / 2.0).min(part.x1 - shown.width).max(part.x0);
            let y = (focus.y * size.height - shown.height / 2.0).min(part.y1 - shown.height).max(part.y0);
            (Rect::from_origin_size((x, y), shown), area)
        }
    };
    let swap = |from: f64, to: f64, swapped: bool| if swapped { (to, from) } else { (from, to) };
    let (x0, x1) = swap(shown.x0, shown.x1, picture.flip_x);
    let (y0, y1) = swap(shown.y0, shown.y1, picture.flip_y);
    (Rect::new(x0, y0, x1, y1), dest)
}

/// `mask`, centred and covering `shape`, with its alpha multiplied by that of `shape` or of the mirrored shape. The
/// mask is sampled bilinearly.
fn seen_through(mask: &DecodedImage, shape: &DecodedImage, mirrored: (bool, bool)) -> Option<DecodedImage> {
    let (width, height) = (f64::from(shape.width), f64::from(shape.height));
    let (mask_width, mask_height) = (f64::from(mask.width), f64::from(mask.height));
    let scale = (width / mask_width).max(height / mask_height);
    // The two neighbours of output `at` along one axis, and the weight of the second.
    let taps = |at: u32, side: f64, mask_side: f64| {
        let position = ((f64::from(at) + 0.5 - side / 2.0) / scale + mask_side / 2.0 - 0.5).clamp(0.0, mask_side - 1.0);
        let low = position.floor();
        (low as usize, (low + 1.0).min(mask_side - 1.0) as usize, position - low)
    };
    let at = |at: u32, side: u32, mirrored: bool| if mirrored { (side - 1 - at) as usize } else { at as usize };
    let columns: Vec<_> =
        (0..shape.width).map(|x| (at(x, shape.width, mirrored.0), taps(x, width, mask_width))).collect();
    let (pixels, stride) = (mask.pixels.data(), mask.width as usize * 4);
    let rows = shape.pixels.data();
    let mut out = Vec::with_capacity(rows.len());
    for y in 0..shape.height {
        let (top, bottom, down) = taps(y, height, mask_height);
        let row = at(y, shape.height, mirrored.1) * shape.width as usize * 4;
        for &(column, (left, right, across)) in &columns {
            let alpha = f64::from(rows[row + column * 4 + 3]) / 255.0;
            for channel in 0..4 {
                let at = |column: usize, row: usize| f64::from(pixels[row * stride + column * 4 + channel]);
                let upper = at(left, top) * (1.0 - across) + at(right, top) * across;
                let lower = at(left, bottom) * (1.0 - across) + at(right, bottom) * across;
                out.push(((upper * (1.0 - down) + lower * down) * alpha).round() as u8);
            }
        }
    }
    DecodedImage::new(shape.width, shape.height, out)
}

/// The border of a picture.
fn border(picture: &PictureBox, area: Rect, opacity: Opacity) -> Option<Node> {
    let color = picture.border_color.multiply_alpha(opacity.get());
    box_border(area, picture.border_size, picture.corner_radius, color)
}
