//! Synthetic slant and weight: the oblique and bold forms made of faces that have none.

/// Synthetic slant: horizontal shift a unit of height, as the browser's engine has it.
pub(super) const SKEW: f64 = 0.25;

/// Synthetic weight: how much wider strokes become, as a share of the font size: this at small sizes, that at large ones, px.
/// The browser's engine (Skia) fills an outline and draws a line of that width around it.
const BOLDNESS: [(f64, f64); 2] = [(9.0, 1.0 / 24.0), (36.0, 1.0 / 32.0)];

/// [`BOLDNESS`] at this size, between the two in a straight line.
pub(super) fn boldness(font_size: f64) -> f64 {
    let [(small, most), (large, least)] = BOLDNESS;
    let along = ((font_size - small) / (large - small)).clamp(0.0, 1.0);
    most + (least - most) * along
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synthetic_weight_is_lighter_in_large_letters() {
        assert_eq!([1.0, 9.0, 36.0, 500.0].map(boldness), [1.0 / 24.0, 1.0 / 24.0, 1.0 / 32.0, 1.0 / 32.0]);
        assert!((boldness(22.5) - 7.0 / 192.0).abs() < 1e-12, "half way");
    }
}
