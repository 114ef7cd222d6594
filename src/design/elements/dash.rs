//! Dash patterns: from multiples of a stroke's width to lengths a stroke can use.
//!
//! In: what figures and lines have in common about dashes. Not in: where they are drawn. Imports kurbo only.

use kurbo::Stroke;

/// A repeat of the pattern shorter than this, in design px, blurs to an even tone at any useful scale.
const FINEST_REPEAT: f64 = 0.1;

/// More repeats than this along one outline are not drawn: a page-long hairline dashed by 1 needs a tenth of it.
const MOST_REPEATS: f64 = 100_000.0;

/// `stroke` dashed by `multiples` × `width`, on first, then off (rendering.md §8.1: values × strokeWidth).
///
/// `width`: the width the client sees, in design px, even where `stroke` is drawn wider and clipped.
/// `along`: length of the outline to be dashed, in design px; a rough bound will do.
///
/// As on a canvas, a pattern with a negative or non-finite value or without any length is no pattern: the stroke stays solid.
/// So it does when the pattern repeats every tenth of a px or oftener, or 100 000 times `along` the outline.
pub fn dashed(stroke: Stroke, multiples: &[f64], width: f64, along: f64) -> Stroke {
    let pattern: Vec<f64> = multiples.iter().map(|multiple| multiple * width).collect();
    let repeat: f64 = pattern.iter().sum();
    let drawable = pattern.iter().all(|length| *length >= 0.0)
        && repeat.is_finite()
        && repeat > FINEST_REPEAT
        && along / repeat < MOST_REPEATS;
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
