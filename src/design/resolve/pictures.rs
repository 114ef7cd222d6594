//! Images, SVG, GIF and video stills, page backgrounds: cropped, flipped, rounded, bordered (rendering.md §6).

use std::sync::Arc;

use kurbo::{Affine, Rect, RoundedRect, Size, Stroke};
use peniko::Color;

use super::super::effects::Effects;
use super::super::elements::image::Image;
use super::super::elements::media::Video;
use super::super::elements::svg::Svg;
use super::super::elements::text_style::{LineHeight, TextStyle};
use super::super::props::PictureBox;
use super::drawn::{Look, Stretch, sizes};
use super::texts::{blocks, draw_style};
use super::{ResolveError, Resolver, shadowed};
use crate::assets::Asset;
use crate::assets::svg::{SvgAsset, SvgRole, SvgSizes};
use crate::report::{Origin, WarningCode};
use crate::scene::{Group, Node, Path, Picture, outline_of};
use crate::text::{self, Overflow};
use crate::units::Opacity;

/// Text of the placeholder for an image that failed to load, as in `skip-image-error` of the reference corpus.
const PLACEHOLDER_TEXT: &str = "Can not load the image...";
const PLACEHOLDER_COLOR: Color = Color::from_rgba8(223, 102, 102, 204);
/// The font size of the placeholder is its width divided by this, px, within [`PLACEHOLDER_FONT_SIZES`].
const PLACEHOLDER_WIDTH_PER_FONT_SIZE: f64 = 25.0;
const PLACEHOLDER_FONT_SIZES: (f64, f64) = (10.0, 30.0);
/// Padding of the placeholder's text on each side, px.
const PLACEHOLDER_PADDING: f64 = 5.0;

/// The crop that shows the whole picture.
const WHOLE: Rect = Rect::new(0.0, 0.0, 1.0, 1.0);

/// A second image that masks or fills an element's picture (rendering.md §6.2), by its URL.
#[derive(Clone, Copy)]
enum Mask<'a> {
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

impl Resolver<'_> {
    pub(super) fn image(&mut self, image: &Image, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        let origin = &image.common.origin;
        let look = Look { colors: &[], effects: Some(&image.effects), opacity, as_photo: true, origin };
        let mask = image.clip_src.as_ref().map(Mask::Clip);
        self.picture(&image.picture, image.placement.size(), mask, &look, &image.effects)
    }

    /// The first frame of a GIF. The editor does not mirror GIFs (`image-gif-first-frame` of the reference corpus).
    pub(super) fn gif(&mut self, gif: &Image, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        let picture = PictureBox { flip_x: false, flip_y: false, ..gif.picture.clone() };
        self.image(&Image { picture, ..gif.clone() }, opacity)
    }

    pub(super) fn video(&mut self, video: &Video, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        // A video file is not an image; a video whose `src` is an image (a poster) is drawn.
        self.image(&video.image, opacity)
    }

    pub(super) fn svg(&mut self, svg: &Svg, opacity: Opacity) -> Result<Vec<Node>, ResolveError> {
        let origin = &svg.common.origin;
        let look = Look { colors: &svg.colors_replace, effects: Some(&svg.effects), opacity, as_photo: false, origin };
        let mask = svg.mask_src.as_ref().map(Mask::Fill);
        self.picture(&svg.picture, svg.placement.size(), mask, &look, &svg.effects)
    }

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
        Ok(self.drawn(&asset, Stretch { natural: drawn, source, dest: sheet }, &Look::plain(origin)))
    }

    fn picture(
        &mut self,
        picture: &PictureBox,
        size: Size,
        mask: Option<Mask<'_>>,
        look: &Look<'_>,
        effects: &Effects,
    ) -> Result<Vec<Node>, ResolveError> {
        let area = Rect::from_origin_size((0.0, 0.0), size);
        let Some(asset) = self.asset(&picture.src, look.origin)? else {
            return Ok(shadowed(self.placeholder(area, look.opacity), effects));
        };
        if area.is_zero_area() {
            return Ok(Vec::new());
        }
        let SvgSizes { natural, drawn } = sizes(&asset, self.sheet, SvgRole::Element);
        if !self.has_size(natural, drawn, look.origin) {
            return Ok(border(picture, area, look.opacity).into_iter().collect());
        }
        let is_whole = picture.crop == WHOLE;
        let has_aspect_of_box = (natural.width * size.height - natural.height * size.width).abs() < 1e-6;
        let is_stretched = is_whole && (picture.stretch_enabled || has_aspect_of_box);
        let filled = match (mask, &asset) {
            (Some(Mask::Fill(src)), Asset::Svg(svg)) if !is_stretched || !effects.leave_pixels_alone() => {
                self.filled(svg, src, drawn, size, (picture.flip_x, picture.flip_y), look)?
            }
            _ => None,
        };
        let (asset, mask, drawn, source) = match filled {
            Some(filled) => {
                let unmirrored = PictureBox { flip_x: false, flip_y: false, ..picture.clone() };
                let source = crop(&unmirrored, natural, size);
                let (x, y) = (size.width / natural.width, size.height / natural.height);
                let source = Rect::new(source.x0 * x, source.y0 * y, source.x1 * x, source.y1 * y);
                (Asset::Picture(filled), None, size, source)
            }
            // The whole picture is stretched to the box; a part of it is taken in px of the natural size.
            None => {
                let of = if is_whole && picture.stretch_enabled { drawn } else { natural };
                (asset, mask, drawn, crop(picture, of, size))
            }
        };
        let mut nodes = Vec::new();
        if !source.is_zero_area() {
            let children = self.drawn(&asset, Stretch { natural: drawn, source, dest: area }, look);
            let content = Group { children, ..Group::default() };
            let masked = match mask {
                Some(mask) => self.masked(content, mask, area, look)?,
                None => content,
            };
            let radius = picture.corner_radius.min(size.width / 2.0).min(size.height / 2.0);
            let clip = (radius > 0.0).then(|| outline_of(&RoundedRect::from_rect(area, radius)));
            let children = vec![Node::Group(Box::new(masked))];
            nodes.push(Node::Group(Box::new(Group { clip, children, ..Group::default() })));
        }
        // The picture casts a shadow, but its border does not (`svg-border-shadow` of the reference designs).
        let mut nodes = shadowed(nodes, effects);
        nodes.extend(border(picture, area, look.opacity));
        Ok(nodes)
    }

    /// `content` with its mask, which is relative to the box and not mirrored with the content: `clipSrc` is stretched
    /// to the box, `maskSrc` is centred and covers it (`vertical-align` of the corpus's published cases). With
    /// `skipImageError`, a mask that failed to load is ignored with a warning.
    fn masked(&mut self, content: Group, mask: Mask<'_>, area: Rect, look: &Look<'_>) -> Result<Group, ResolveError> {
        let (Mask::Clip(src) | Mask::Fill(src)) = mask;
        let origin = Origin { path: look.origin.path.key(mask.key()), element: look.origin.element.clone() };
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
        let mask_look = match mask {
            Mask::Clip(_) => Look::plain(&origin),
            // The mask image is what is visible, so the element's effects apply to it.
            Mask::Fill(_) => {
                Look { colors: &[], effects: look.effects, opacity: Opacity::OPAQUE, as_photo: false, origin: &origin }
            }
        };
        let drawn = self.drawn(&asset, whole, &mask_look);
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
        // The editor masks on a canvas as large as the box, which it then draws at fractional px (`00276-image` of the
        // reference designs).
        let bitmap = matches!(mask, Mask::Clip(_)).then_some(area).filter(|_| !self.options.vector);
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
        look: &Look<'_>,
    ) -> Result<Option<Arc<Picture>>, ResolveError> {
        let origin = Origin { path: look.origin.path.key("maskSrc"), element: look.origin.element.clone() };
        let Some(asset) = self.asset(mask, &origin)? else { return Ok(None) };
        let mask = match &asset {
            Asset::Picture(picture) => Some(picture.clone()),
            Asset::Svg(svg) => {
                let SvgSizes { natural, drawn } = sizes(&asset, self.sheet, SvgRole::Picture);
                if !self.has_size(natural, drawn, &origin) {
                    return Ok(None);
                }
                self.svg_picture(svg, drawn, drawn, &Look::plain(&origin))
            }
            Asset::Font(_) => None,
        };
        let shape = self.svg_picture(svg, drawn, size, look);
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

    /// The editor's placeholder for an image that failed to load: a red box with a text (`skip-image-error` of the
    /// reference corpus).
    fn placeholder(&mut self, area: Rect, opacity: Opacity) -> Vec<Node> {
        let (min, max) = PLACEHOLDER_FONT_SIZES;
        let font_size = (area.width() / PLACEHOLDER_WIDTH_PER_FONT_SIZE).clamp(min, max);
        let style = TextStyle {
            font_size,
            line_height: LineHeight::Times(1.0),
            font_family: "Arial".into(),
            fill: Color::WHITE.into(),
            ..TextStyle::default()
        };
        let shaped = self.layouter.shape(&blocks(PLACEHOLDER_TEXT, &style));
        let room = area.size() - Size::new(2.0 * PLACEHOLDER_PADDING, 2.0 * PLACEHOLDER_PADDING);
        let (mut laid_out, _) =
            text::fit(self.layouter, &shaped, room.width.max(0.0), text::Align::Center, Overflow::Grow);
        let red = PLACEHOLDER_COLOR.multiply_alpha(opacity.get());
        let mut nodes = vec![Node::Path(Path::filled(outline_of(&area), red))];
        // Lines that do not fit are dropped.
        laid_out.lines.truncate((room.height.max(0.0) / font_size) as usize);
        laid_out.height = laid_out.lines.len() as f64 * font_size;
        let lines = Rect::from_origin_size((0.0, 0.0), (laid_out.width, laid_out.height));
        let drawn = text::draw(&laid_out, &draw_style(&style, lines, opacity));
        let transform = Affine::translate((PLACEHOLDER_PADDING, (area.height() - laid_out.height) / 2.0));
        nodes.push(Node::Group(Box::new(Group { transform, children: drawn.into_nodes(), ..Group::default() })));
        nodes
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
            Some(Err(error)) if self.options.skip_image_error => {
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

/// `mask`, centred and covering `shape`, with its alpha multiplied by that of `shape` or of the mirrored shape. The mask
/// is sampled bilinearly.
fn seen_through(mask: &Picture, shape: &Picture, mirrored: (bool, bool)) -> Option<Picture> {
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
    Picture::new(shape.width, shape.height, out)
}

/// The border as a stroke inside the box, whose centre line has the corner radius minus the border size (rendering.md
/// §6.2).
fn border(picture: &PictureBox, area: Rect, opacity: Opacity) -> Option<Node> {
    let width = picture.border_size.min(area.width()).min(area.height());
    if width <= 0.0 || picture.border_color.components[3] <= 0.0 {
        return None;
    }
    let centre = area.inset(-width / 2.0);
    let radius = (picture.corner_radius - picture.border_size).max(0.0);
    let radius = radius.min(centre.width() / 2.0).min(centre.height() / 2.0);
    let color = picture.border_color.multiply_alpha(opacity.get());
    let outline = outline_of(&RoundedRect::from_rect(centre, radius));
    Some(Node::Path(Path::stroked(outline, color, Stroke::new(width).with_join(kurbo::Join::Miter))))
}
