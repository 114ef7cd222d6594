//! Types for lengths, scales and angles in public interfaces.
//!
//! In: newtypes that distinguish design px from device px and degrees from radians. Not in: positions, shapes
//! and anything else that is measured in them. Imports nothing of the crate.

/// Length in design pixels (CSS px), before any scaling. y grows downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Px(pub f64);

/// Device pixels per design pixel. Finite and > 0, so nothing downstream re-checks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceScale(f64);

impl DeviceScale {
    /// One device pixel per design pixel.
    pub const ONE: Self = Self(1.0);

    /// `None` unless `ratio` is finite and greater than zero.
    pub fn new(ratio: f64) -> Option<Self> {
        (ratio.is_finite() && ratio > 0.0).then_some(Self(ratio))
    }

    /// Device pixels per design pixel as a number.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Converts `length` to device px.
    pub fn to_device(self, length: Px) -> f64 {
        length.0 * self.0
    }
}

/// Width and height of a surface in device pixels, each at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceSize {
    /// Width in device px.
    pub width: u32,
    /// Height in device px.
    pub height: u32,
}

impl DeviceSize {
    /// The size of a page's picture: each side times `scale`, rounded half up, at least 1 (rendering.md §2). Sides
    /// beyond `u32::MAX` saturate; limits are checked by the caller.
    ///
    /// Follows the editor's computation: the rounded side is divided by `scale`, multiplied by it again and truncated
    /// to an integer. Where f64 rounding makes the product smaller than the integer, the picture is one pixel smaller:
    /// 302 px at 1.3333 are 403 / 1.3333 × 1.3333 = 402.99999999999994, so 402.
    pub fn of_page(size: kurbo::Size, scale: DeviceScale) -> Self {
        let ratio = scale.get();
        let side = |length: f64| {
            let rounded = (length * ratio + 0.5).floor();
            (rounded / ratio * ratio).floor().max(1.0) as u32
        };
        Self { width: side(size.width), height: side(size.height) }
    }

    /// Number of pixels; cannot overflow.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

/// Opacity from 0 (transparent) to 1 (opaque).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Opacity(f32);

impl Opacity {
    /// Full opacity, the value 1.
    pub const OPAQUE: Self = Self(1.0);

    /// Clamps `value` to `0..=1`; NaN counts as opaque.
    pub fn new(value: f64) -> Self {
        if value.is_nan() { Self::OPAQUE } else { Self(value.clamp(0.0, 1.0) as f32) }
    }

    /// The opacity as a number, `0.0..=1.0`.
    pub fn get(self) -> f32 {
        self.0
    }

    /// Whether the opacity is 0, so that nothing is visible.
    pub fn is_zero(self) -> bool {
        self.0 <= 0.0
    }
}

impl std::ops::Mul for Opacity {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self(self.0 * other.0)
    }
}

/// Angle in degrees, clockwise (y grows downwards).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Degrees(pub f64);

impl Degrees {
    /// The angle in radians.
    pub fn to_radians(self) -> f64 {
        self.0.to_radians()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_size_rounds_half_up() {
        // fixtures.md 24
        let size = |w, h, ratio| {
            let size = DeviceSize::of_page(kurbo::Size::new(w, h), DeviceScale::new(ratio).expect("positive"));
            (size.width, size.height)
        };
        assert_eq!(size(101.0, 51.0, 0.5), (51, 26));
        assert_eq!(size(100.5, 50.5, 1.0), (101, 51));
        assert_eq!(size(99.0, 99.0, 1.5), (149, 149));
        assert_eq!(size(0.0, 1e300, 1.0), (1, u32::MAX));
    }

    #[test]
    fn page_size_is_truncated_like_in_the_editor() {
        // Measured on SDK 4.4.0; 302 and 350 would be 403 and 467 if they were only rounded.
        let sides = [
            (1.3333, &[(302, 402), (350, 466), (301, 401), (303, 404), (482, 643), (488, 651), (492, 656)][..]),
            (1.1, &[(485, 534), (438, 482), (431, 474), (383, 421)]),
            (0.75, &[(323, 242), (483, 362)]),
            (0.5, &[(495, 248), (309, 155)]),
        ];
        for (ratio, sides) in sides {
            let scale = DeviceScale::new(ratio).expect("positive");
            for &(side, expected) in sides {
                let size = DeviceSize::of_page(kurbo::Size::new(f64::from(side), 100.0), scale);
                assert_eq!(size.width, expected, "{side} px at {ratio}");
            }
        }
    }

    #[test]
    fn device_scale_refuses_zero_negative_and_infinite_ratios() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(DeviceScale::new(bad), None);
        }
    }
}
