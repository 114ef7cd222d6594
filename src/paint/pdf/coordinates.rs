//! Numbers of content streams: coordinates are rounded to a grid, factors to six decimals.

use kurbo::Affine;

/// Resolution of coordinates, in steps per design px: at 72 dpi far below the dots of any printer.
const STEPS_PER_PX: f64 = 250.0;

/// Rounds a coordinate to the grid and converts it to the precision of the file.
pub(super) fn px(value: f64) -> f32 {
    round_to_grid(value) as f32
}

/// Rounds a coordinate to the grid, for further sums.
pub(super) fn round_to_grid(value: f64) -> f64 {
    (value * STEPS_PER_PX).round() / STEPS_PER_PX
}

/// A matrix as written: factors with six decimals, the translation as coordinates.
pub(super) fn matrix(transform: Affine) -> [f32; 6] {
    let [a, b, c, d, e, f] = transform.as_coeffs();
    // Six decimals of a factor are an error of half a px in a million.
    let factor = |value: f64| ((value * 1e6).round() / 1e6) as f32;
    [factor(a), factor(b), factor(c), factor(d), px(e), px(f)]
}
