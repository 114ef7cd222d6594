//! The colour of one pixel in levels of 255, between the conversions from and to premultiplied bytes.

/// Straight red, green and blue, each `0.0..=255.0`.
pub(super) type Rgb = [f64; 3];

/// A number of this size has no fractional bits, so that a level added to it is rounded: to the nearest integer, halves
/// to the even one.
const ROUNDING: f64 = (1_u64 << 52) as f64;

/// Rounds a channel to the nearest level from 0 to 255; halves go to the even one.
pub(super) fn to_level(value: f64) -> f64 {
    // `f64::round_ties_even` is a function call unless the target is known to have an instruction for it.
    value.clamp(0.0, 255.0) + ROUNDING - ROUNDING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_rounded_to_even() {
        for value in (-40..300 * 16).map(|at| f64::from(at) / 16.0) {
            for value in [value.next_down(), value, value.next_up()] {
                assert_eq!(to_level(value), value.clamp(0.0, 255.0).round_ties_even(), "{value}");
            }
        }
        assert!([f64::INFINITY, f64::NEG_INFINITY].map(to_level) == [255.0, 0.0] && to_level(f64::NAN).is_nan());
    }
}
