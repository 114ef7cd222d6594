//! Fields that elements share (design-format.md §5).

use std::sync::Arc;

use kurbo::{Affine, Rect, Size};
use peniko::Color;

use super::filters;
use super::input::Input;
use crate::report::Origin;
use crate::units::{Degrees, Opacity};

/// What every kind of element has, groups included.
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    /// Place in the JSON and `id` (made up when absent).
    pub origin: Origin,
    /// `opacity` — default 1.
    pub opacity: Opacity,
    /// `visible` — default true.
    pub visible: bool,
    /// `showInExport` — default true.
    pub show_in_export: bool,
    /// `alwaysOnTop` — default false. Counts only for direct children of a page (rendering.md §1).
    pub always_on_top: bool,
}

impl Common {
    /// False when the element, with all in it, is not to be drawn.
    pub fn is_shown(&self) -> bool {
        self.visible && self.show_in_export
    }

    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        let json = &mut input.json;
        Self {
            origin: input.origin.clone(),
            // A canvas ignores an alpha below 0, and so is at 1.
            opacity: Opacity::new(Some(json.number_or("opacity", 1.0)).filter(|it| *it >= 0.0).unwrap_or(1.0)),
            visible: json.flag_or("visible", true),
            show_in_export: json.flag_or("showInExport", true),
            always_on_top: json.flag_or("alwaysOnTop", false),
        }
    }
}

/// Where an element lies, in page px: every kind but groups.
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
    /// Width and height.
    pub fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }

    /// `default` — width and height where absent. A negative side counts as 0, with a warning.
    pub(crate) fn read(input: &mut Input<'_>, default: Size) -> Self {
        let mut side = |key, default| {
            let side = input.json.number_or(key, default);
            if side < 0.0 {
                input.warn(key, format!("{side} is negative; drawn as 0"));
            }
            side.max(0.0)
        };
        let (width, height) = (side("width", default.width), side("height", default.height));
        Self::read_around(input, Size::new(width, height))
    }

    /// As [`Placement::read`] for what is drawn at its absolute size when a side is negative, on the other side of its corner:
    /// the box, and what mirrors its content there.
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

/// Effects and shadow: every kind but groups and tables (rendering.md §4, §5).
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// `blurEnabled` — default false.
    pub blur_enabled: bool,
    /// `blurRadius` — px for text; thousandths of the source's shorter side for pictures. Default 10, not negative.
    pub blur_radius: f64,
    /// `brightnessEnabled` — default false.
    pub brightness_enabled: bool,
    /// `brightness` — −1 to 1, added. Default 0.
    pub brightness: f64,
    /// `sepiaEnabled` — default false.
    pub sepia_enabled: bool,
    /// `grayscaleEnabled` — default false.
    pub grayscale_enabled: bool,
    /// `filters` — in the order written.
    pub filters: Vec<Filter>,
    /// `shadowEnabled` — default false.
    pub shadow_enabled: bool,
    /// `shadowBlur` — twice the sigma, px. Default 5, not negative.
    pub shadow_blur: f64,
    /// `shadowOffsetX` — px along the page, not along the element. Default 0.
    pub shadow_offset_x: f64,
    /// `shadowOffsetY` — likewise. Default 0.
    pub shadow_offset_y: f64,
    /// `shadowColor` — default black. Its alpha multiplies with `shadow_opacity`.
    pub shadow_color: Color,
    /// `shadowOpacity` — default 1.
    pub shadow_opacity: Opacity,
}

impl Effects {
    pub(crate) fn read(input: &mut Input<'_>) -> Self {
        Self {
            blur_enabled: input.json.flag_or("blurEnabled", false),
            blur_radius: input.json.length_or("blurRadius", 10.0),
            brightness_enabled: input.json.flag_or("brightnessEnabled", false),
            brightness: input.json.number_or("brightness", 0.0).clamp(-1.0, 1.0),
            sepia_enabled: input.json.flag_or("sepiaEnabled", false),
            grayscale_enabled: input.json.flag_or("grayscaleEnabled", false),
            filters: read_filters(input),
            shadow_enabled: input.json.flag_or("shadowEnabled", false),
            shadow_blur: input.json.length_or("shadowBlur", 5.0),
            shadow_offset_x: input.json.number_or("shadowOffsetX", 0.0),
            shadow_offset_y: input.json.number_or("shadowOffsetY", 0.0),
            shadow_color: input.color("shadowColor", Color::BLACK),
            shadow_opacity: Opacity::new(input.json.number_or("shadowOpacity", 1.0)),
        }
    }
}

/// One entry of `filters`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filter {
    /// Which.
    pub kind: &'static dyn filters::Filter,
    /// `intensity` — 0 to 1 for presets, else −1 to 1; clamped.
    pub intensity: f64,
}

fn read_filters(input: &mut Input<'_>) -> Vec<Filter> {
    let version = input.reading.version;
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    if let Some(mut json) = input.json.object("filters") {
        for (key, _) in json.members() {
            let Some(kind) = filters::named(key) else {
                unknown.push(key.to_owned());
                continue;
            };
            let Some(mut entry) = json.object(key) else { continue };
            let intensity = version.filter_intensity(entry.number_or("intensity", 0.0), kind.is_preset());
            let lowest = if kind.is_preset() { 0.0 } else { -1.0 };
            found.push(Filter { kind, intensity: intensity.clamp(lowest, 1.0) });
        }
    }
    for name in unknown {
        input.warn("filters", format!("there is no filter {name:.40?}; left out, as the editor does"));
    }
    found
}

/// A picture in a box: images, svg, gif, video (rendering.md §6).
#[derive(Clone, Debug, PartialEq)]
pub struct PictureBox {
    /// `src` — URL or data URI; empty when absent, which is an image that cannot be had.
    pub src: Arc<str>,
    /// `cropX`, `cropY`, `cropWidth`, `cropHeight` — as fractions of the source, whose own area is (0, 0)–(1, 1). The crop
    /// may reach beyond it. A width or height of 0 or less is 1.
    pub crop: Rect,
    /// `stretchEnabled` — the crop is stretched to the box instead of cut to its aspect.
    pub stretch_enabled: bool,
    /// `cornerRadius` — px, default 0, not negative.
    pub corner_radius: f64,
    /// `flipX` — mirrored left to right inside the box.
    pub flip_x: bool,
    /// `flipY` — mirrored top to bottom inside the box.
    pub flip_y: bool,
    /// `borderColor` — default black.
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
            (whole_unless_positive(json.number("cropWidth")), whole_unless_positive(json.number("cropHeight"))),
        );
        Self {
            src: input.address("src").unwrap_or_default(),
            crop,
            stretch_enabled: input.json.flag_or("stretchEnabled", stretch),
            corner_radius: input.json.length_or("cornerRadius", 0.0),
            flip_x: input.json.flag_or("flipX", false),
            flip_y: input.json.flag_or("flipY", false),
            border_color: input.color("borderColor", Color::BLACK),
            border_size: input.json.length_or("borderSize", 0.0),
        }
    }
}

/// Farthest that a crop reaches, in sides of the picture: beyond, a picture is smaller than one pixel or not seen.
const FARTHEST_CROP: f64 = 1e6;

fn crop_origin(fraction: Option<f64>) -> f64 {
    fraction.unwrap_or(0.0).clamp(-FARTHEST_CROP, FARTHEST_CROP)
}

fn whole_unless_positive(fraction: Option<f64>) -> f64 {
    fraction.filter(|it| *it > 0.0).unwrap_or(1.0).min(FARTHEST_CROP)
}
