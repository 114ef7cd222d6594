//! Colour matrices: linear combinations of red, green and blue with a constant.

use super::rgb::Rgb;

/// Multiplies a colour by `rows`, one for each new channel: factors of red, green and blue, and a constant.
pub(super) fn apply([r, g, b]: Rgb, rows: &[[f64; 4]; 3]) -> Rgb {
    rows.map(|[of_red, of_green, of_blue, constant]| of_red * r + of_green * g + of_blue * b + constant)
}
