//! The colour of one pixel in levels of 255, between the conversions from and to premultiplied bytes.

/// Straight red, green and blue, each `0.0..=255.0`.
pub(super) type Rgb = [f64; 3];

/// Rounds a channel to the nearest level from 0 to 255; halves go to the even one.
pub(super) fn to_level(value: f64) -> f64 {
    value.clamp(0.0, 255.0).round_ties_even()
}
