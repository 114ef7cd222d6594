//! Effects of elements: blur, colour changes, filters and shadow (rendering.md §4, §5).

use peniko::Color;

use super::filters;
use super::input::Input;
use crate::scene::PixelPass;
use crate::units::{DeviceSize, Opacity};

/// Effects and shadow of an element. Every kind except groups and tables has them (rendering.md §4, §5).
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// `blurEnabled` — whether the element is blurred. Default false.
    pub blur_enabled: bool,
    /// `blurRadius` — px for text; thousandths of the source's shorter side for pictures. Default 10, not negative.
    pub blur_radius: f64,
    /// `brightnessEnabled` — whether `brightness` is applied. Default false.
    pub brightness_enabled: bool,
    /// `brightness` — −1 to 1, added. Default 0.
    pub brightness: f64,
    /// `sepiaEnabled` — whether colours become sepia. Default false.
    pub sepia_enabled: bool,
    /// `grayscaleEnabled` — whether colours become grey. Default false.
    pub grayscale_enabled: bool,
    /// `filters` — named filters in the order written, which is the order in which they are applied.
    pub filters: Vec<AppliedFilter>,
    /// `shadowEnabled` — whether the element casts a shadow. Default false.
    pub shadow_enabled: bool,
    /// `shadowBlur` — twice the sigma, px. Default 5, not negative.
    pub shadow_blur: f64,
    /// `shadowOffsetX` — px along the page, not along the element. Default 0.
    pub shadow_offset_x: f64,
    /// `shadowOffsetY` — px along the page, not along the element. Default 0.
    pub shadow_offset_y: f64,
    /// `shadowColor` — default black. Its alpha multiplies with `shadow_opacity`.
    pub shadow_color: Color,
    /// `shadowOpacity` — opacity of the shadow. Default 1.
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

/// An entry of `filters`: a filter and its intensity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AppliedFilter {
    /// The kind of filter.
    pub kind: &'static dyn filters::Filter,
    /// `intensity` — 0 to 1 for presets, else −1 to 1; clamped.
    pub intensity: f64,
}

fn read_filters(input: &mut Input<'_>) -> Vec<AppliedFilter> {
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
            found.push(AppliedFilter { kind, intensity: intensity.clamp(lowest, 1.0) });
        }
    }
    for name in unknown {
        input.warn("filters", format!("unknown filter {name:.40?}; ignored, as in the editor"));
    }
    found
}

impl Effects {
    /// The pixel passes of these effects for a picture of `size`: blur, brightness, sepia, grayscale, then the filters
    /// in order.
    pub fn passes(&self, size: DeviceSize) -> Vec<PixelPass> {
        let blur = self.blur_enabled.then(|| PixelPass::Blur { radius: blur_radius(self.blur_radius, size) });
        let blur = blur.filter(|pass| *pass != PixelPass::Blur { radius: 0 });
        blur.into_iter().chain(self.recolor()).collect()
    }

    /// The passes that change colours: all except the blur, independent of the picture's size.
    pub fn recolor(&self) -> Vec<PixelPass> {
        let bright =
            (self.brightness_enabled && self.brightness != 0.0).then(|| filters::brightness::pass(self.brightness));
        let sepia = self.sepia_enabled.then(filters::sepia::pass);
        let grayscale = self.grayscale_enabled.then(filters::grayscale::pass);
        let classic = [bright, sepia, grayscale].into_iter().flatten();
        classic
            .chain(self.filters.iter().filter(|it| it.intensity != 0.0).map(|it| it.kind.pass(it.intensity)))
            .collect()
    }

    /// True when these effects change no picture. (False for a blur that is too small to have an effect.)
    pub fn leave_pixels_alone(&self) -> bool {
        // For the largest possible picture, so that every blur counts.
        self.passes(DeviceSize { width: u32::MAX, height: u32::MAX }).is_empty()
    }
}

/// Radius of a blur in picture px, from thousandths of the shorter side, rounded half up (rendering.md §4.2).
///
/// Limited to the shorter side, because a larger radius mostly adds repeated edge pixels.
fn blur_radius(thousandths: f64, size: DeviceSize) -> u32 {
    let side = f64::from(size.width.min(size.height));
    (thousandths * side / 1000.0 + 0.5).floor().clamp(0.0, side) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn radius(width: u32, height: u32, blur: f64) -> u32 {
        blur_radius(blur, DeviceSize { width, height })
    }

    #[test]
    fn blur_radius_follows_the_shorter_side() {
        // rendering.md §4.2
        assert_eq!([3.0, 5.0, 10.0, 20.0, 40.0].map(|blur| radius(200, 100, blur)), [0, 1, 1, 2, 4]);
        assert_eq!([10.0, 40.0].map(|blur| radius(400, 400, blur)), [4, 16]);
        assert_eq!([10.0, 40.0].map(|blur| radius(800, 200, blur)), [2, 8]);
        assert_eq!([40.0, 1e30].map(|blur| radius(50, 50, blur)), [2, 50]);
    }
}
