//! Dash patterns of figures and lines, converted from multiples of the stroke's width to px.
//!
//! Imports: kurbo only.

use kurbo::Stroke;

/// Minimum length of a pattern, in design px. A shorter one blurs to an even tone at any useful scale.
const MIN_REPEAT: f64 = 0.1;

/// Maximum number of repeats along one outline. A hairline as long as a page and dashed by 1 has a tenth of it.
const MAX_REPEATS: f64 = 100_000.0;

/// `stroke` dashed by `multiples` × `width`, on first, then off (rendering.md §8.1: values × strokeWidth).
///
/// `width`: the width the client sees, in design px, even where `stroke` is drawn wider and clipped.
/// `along`: length of the outline to be dashed, in design px; a rough bound will do.
///
/// As on a canvas, the stroke is solid when the pattern has a negative or non-finite value or no length. It is also
/// solid when the pattern is at most a tenth of a px long, or repeats 100 000 times along the outline.
pub fn dashed(stroke: Stroke, multiples: &[f64], width: f64, along: f64) -> Stroke {
    let pattern: Vec<f64> = multiples.iter().map(|multiple| multiple * width).collect();
    let repeat: f64 = pattern.iter().sum();
    let drawable = pattern.iter().all(|length| *length >= 0.0)
        && repeat.is_finite()
        && repeat > MIN_REPEAT
        && along / repeat < MAX_REPEATS;
    if drawable { stroke.with_dashes(0.0, pattern) } else { stroke }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(multiples: &[f64], width: f64, along: f64) -> Vec<f64> {
        dashed(Stroke::new(width), multiples, width, along).dash_pattern.to_vec()
    }

    #[test]
    fn dash_values_are_multiples_of_the_width() {
        // fixtures.md 5: dash [4, 2] at 4 px is 16 on, 8 off
        assert_eq!(pattern(&[4.0, 2.0], 4.0, 300.0), [16.0, 8.0]);
        assert_eq!(pattern(&[3.0], 10.0, 300.0), [30.0]);
    }

    #[test]
    fn dash_without_meaning_is_solid() {
        for bad in [&[][..], &[0.0, 0.0], &[4.0, -1.0], &[f64::NAN], &[f64::INFINITY, 1.0]] {
            assert_eq!(pattern(bad, 4.0, 300.0), [0.0; 0], "{bad:?}");
        }
        assert_eq!(pattern(&[3.0, 1.0], 0.0, 300.0), [0.0; 0]);
    }

    #[test]
    fn dash_too_fine_or_too_often_is_solid() {
        assert_eq!(pattern(&[0.02, 0.02], 1.0, 300.0), [0.0; 0]);
        assert_eq!(pattern(&[1.0, 1.0], 1.0, 1e9), [0.0; 0]);
        assert_eq!(pattern(&[1.0, 1.0], 1.0, 1e4), [1.0, 1.0]);
    }
}
