//! Fields that elements share (design-format.md §5).

use std::sync::Arc;

use kurbo::{Affine, Point, Rect, Size};
use peniko::Color;

use super::input::Input;
use crate::report::Origin;
use crate::units::{Degrees, Opacity};

/// The fields of every kind of element, groups included.
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    /// Path in the JSON, and `id` (generated when absent).
    pub origin: Origin,
    /// `opacity` — opacity of the element and its content. Default 1.
    pub opacity: Opacity,
    /// `visible` — whether the element is drawn. Default true.
    pub visible: bool,
    /// `showInExport` — whether the element is drawn in files. Default true.
    pub show_in_export: bool,
    /// `alwaysOnTop` — default false. Counts only for direct children of a page (rendering.md §1).
    pub always_on_top: bool,
    /// `link`, or else `href` — target of a link over the element, in documents only. Children of a group without a
    /// link have that of the group.
    pub link: Option<Arc<str>>,
}

impl Common {
    /// False when the element and its content are not drawn.
    pub fn is_shown(&self) -> bool {
        self.visible && self.show_in_export
    }

    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        let (link, href) = (input.address("link"), input.address("href"));
        let json = &mut input.json;
        Self {
            link: link.or(href),
            origin: input.origin.clone(),
            // A canvas ignores an alpha below 0, which leaves it at 1.
            opacity: Opacity::new(Some(json.number_or("opacity", 1.0)).filter(|it| *it >= 0.0).unwrap_or(1.0)),
            visible: json.flag_or("visible", true),
            show_in_export: json.flag_or("showInExport", true),
            always_on_top: json.flag_or("alwaysOnTop", false),
        }
    }
}

/// The box of an element, in page px. Every kind except groups has one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// `x` of the top-left corner before rotation. Default 0.
    pub x: f64,
    /// `y` of that corner. Default 0.
    pub y: f64,
    /// `width` of the box, not negative.
    pub width: f64,
    /// `height` of the box, not negative.
    pub height: f64,
    /// `rotation` about the top-left corner. Default 0.
    pub rotation: Degrees,
}

impl Placement {
    /// Width and height of the box, px.
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// `default` — width and height where absent. A negative side counts as 0, with a warning.
    pub(crate) fn read(input: &mut Input<'_>, default: Size) -> Self {
        let mut side = |key, default| {
            let side = input.json.number_or(key, default);
            if side < 0.0 {
                input.warn(key, format!("{key} is negative ({side}); drawn as 0"));
            }
            side.max(0.0)
        };
        let (width, height) = (side("width", default.width), side("height", default.height));
        Self::read_around(input, Size::new(width, height))
    }

    /// Like [`Placement::read`] for kinds that are mirrored at their corner when a side is negative: the box with
    /// absolute sides, and the transform that mirrors its content.
    pub(crate) fn read_mirrored(input: &mut Input<'_>, default: Size) -> (Self, Affine) {
        let width = input.json.number_or("width", default.width);
        let height = input.json.number_or("height", default.height);
        let sign = |side: f64| if side < 0.0 { -1.0 } else { 1.0 };
        let mirror = Affine::scale_non_uniform(sign(width), sign(height));
        (Self::read_around(input, Size::new(width.abs(), height.abs())), mirror)
    }

    fn read_around(input: &mut Input<'_>, Size { width, height }: Size) -> Self {
        let json = &mut input.json;
        Self {
            x: json.number_or("x", 0.0),
            y: json.number_or("y", 0.0),
            width,
            height,
            rotation: Degrees(json.number_or("rotation", 0.0)),
        }
    }
}

/// Default box of most kinds.
pub(crate) const DEFAULT_BOX: Size = Size::new(100.0, 100.0);

/// The picture of an image, svg, gif or video, and how it is drawn in its box (rendering.md §6).
#[derive(Clone, Debug, PartialEq)]
pub struct PictureBox {
    /// `src` — URL or data URI; empty when absent, which is drawn as an image that failed to load.
    pub src: Arc<str>,
    /// `cropX`, `cropY`, `cropWidth`, `cropHeight` — as fractions of the source, whose own area is (0, 0)–(1, 1). The
    /// crop may reach beyond it. A width or height of 0 or less is 1.
    pub crop: Rect,
    /// `stretchEnabled` — the crop is stretched to the box instead of cut to its aspect.
    pub stretch_enabled: bool,
    /// `fit`, `focus` of images, GIFs and videos — how the crop fits the box, instead of `stretch_enabled`.
    pub fit: Option<PictureFit>,
    /// `cornerRadius` — px, default 0, not negative.
    pub corner_radius: f64,
    /// `flipX` — mirrored left to right inside the box.
    pub flip_x: bool,
    /// `flipY` — mirrored top to bottom inside the box.
    pub flip_y: bool,
    /// `borderColor` — colour of the border. Default black.
    pub border_color: Color,
    /// `borderSize` — px, inside the box. Default 0, not negative.
    pub border_size: f64,
}

impl PictureBox {
    /// `stretch` — the kind's default for `stretchEnabled`.
    pub(crate) fn read(input: &mut Input<'_>, stretch: bool) -> Self {
        let json = &mut input.json;
        let crop = Rect::from_origin_size(
            (crop_origin(json.number("cropX")), crop_origin(json.number("cropY"))),
            (crop_length(json.number("cropWidth")), crop_length(json.number("cropHeight"))),
        );
        Self {
            src: input.address("src").unwrap_or_default(),
            crop,
            stretch_enabled: input.json.flag_or("stretchEnabled", stretch),
            fit: None,
            corner_radius: input.json.length_or("cornerRadius", 0.0),
            flip_x: input.json.flag_or("flipX", false),
            flip_y: input.json.flag_or("flipY", false),
            border_color: input.color("borderColor", Color::BLACK),
            border_size: input.json.length_or("borderSize", 0.0),
        }
    }
}

/// How a picture fits its box, whatever the aspects of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PictureFit {
    /// `cover` — it fills the box and is cut on two sides, so that `focus`, a point as fractions of the picture, is as
    /// near to the middle of the box as the picture allows.
    Cover {
        /// `focus` — each coordinate 0 to 1. Default the middle.
        focus: Point,
    },
    /// `contain` — it is shown whole in the middle of the box.
    Contain,
    /// `fill` — it is stretched to the box.
    Fill,
}

impl PictureFit {
    /// Reads `fit` and `focus`; `None` when both are absent. A `focus` alone means `cover`.
    pub(crate) fn read(input: &mut Input<'_>) -> Option<Self> {
        let focus = input.json.object("focus").map(|mut json| {
            let mut fraction = |key| json.number_or(key, 0.5).clamp(0.0, 1.0);
            Point::new(fraction("x"), fraction("y"))
        });
        let cover = Self::Cover { focus: focus.unwrap_or(Point::new(0.5, 0.5)) };
        let kinds = [("cover", cover), ("contain", Self::Contain), ("fill", Self::Fill)];
        input.json.one_of("fit", &kinds).or(focus.map(|_| cover))
    }
}

/// Limit of crop values, in sides of the picture. Beyond it, a picture is smaller than one pixel or invisible.
const MAX_CROP: f64 = 1e6;

fn crop_origin(fraction: Option<f64>) -> f64 {
    fraction.unwrap_or(0.0).clamp(-MAX_CROP, MAX_CROP)
}

fn crop_length(fraction: Option<f64>) -> f64 {
    fraction.filter(|it| *it > 0.0).unwrap_or(1.0).min(MAX_CROP)
}
