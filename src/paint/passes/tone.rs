//! Tone changes, which depend on the lightness and saturation of each pixel (rendering.md §4.3).

use super::rgb::Rgb;
use crate::scene::Tone;

/// Mean of the channels that separates dark pixels from light ones.
const MIDDLE: f64 = 128.0;

/// Applies `tone` to a pixel; the result is not clamped.
pub(super) fn apply(rgb: Rgb, tone: Tone) -> Rgb {
    match tone {
        Tone::Vibrance(amount) => vibrance(rgb, amount),
        Tone::Dark(gain) => {
            let mean = mean(rgb);
            let factor = if mean < MIDDLE { 1.0 + gain * (1.0 - mean / MIDDLE) } else { 1.0 };
            rgb.map(|channel| channel * factor)
        }
        Tone::Light(gain) => {
            let mean = mean(rgb);
            let factor = if mean >= MIDDLE { 1.0 + gain * (mean - MIDDLE) / (255.0 - MIDDLE) } else { 1.0 };
            rgb.map(|channel| channel * factor)
        }
        Tone::Natural(amount) => {
            let brighter = rgb.map(|channel| (1.1 * channel).min(255.0));
            let middle = mean(brighter);
            let full = brighter.map(|channel| middle + 1.2 * (channel - middle));
            std::array::from_fn(|at| rgb[at] + amount * (full[at] - rgb[at]))
        }
    }
}

fn vibrance(rgb: Rgb, amount: f64) -> Rgb {
    let largest = rgb.into_iter().fold(0.0, f64::max);
    let share = if amount >= 0.0 {
        -amount / 2.0
    } else if largest > 0.0 {
        -amount * 1.5 * mean(rgb) / largest
    } else {
        0.0
    };
    rgb.map(|channel| channel + (largest - channel) * share)
}

fn mean([r, g, b]: Rgb) -> f64 {
    (r + g + b) / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(rgb: [u8; 3], tone: Tone) -> [f64; 3] {
        apply(rgb.map(f64::from), tone).map(|channel| channel.clamp(0.0, 255.0).round_ties_even())
    }

    #[test]
    fn tone_vibrance_and_natural_as_measured() {
        // fixtures.md 17
        assert_eq!(rounded([200, 100, 50], Tone::Vibrance(0.5)), [200.0, 75.0, 12.0]);
        assert_eq!(rounded([200, 100, 50], Tone::Natural(1.0)), [238.0, 106.0, 40.0]);
        assert_eq!(rounded([200, 100, 50], Tone::Natural(0.5)), [219.0, 103.0, 45.0]);
        assert_eq!(rounded([128, 128, 128], Tone::Natural(1.0)), [141.0, 141.0, 141.0]);
    }

    #[test]
    fn tone_negative_vibrance_reduces_saturation() {
        // The mean is 116.67, the largest 200: 100 + 100 · 0.5 · 1.5 · 0.58333 = 143.75; 50 + 150 · 0.4375 = 115.6.
        assert_eq!(rounded([200, 100, 50], Tone::Vibrance(-0.5)), [200.0, 144.0, 116.0]);
        assert_eq!(rounded([0, 0, 0], Tone::Vibrance(-1.0)), [0.0; 3]);
    }

    #[test]
    fn tone_light_as_measured() {
        // fixtures.md 43, rendering.md §4.3
        for (grey, gain, expected) in [
            (160, 0.5, 180.0),
            (200, 0.5, 255.0),
            (255, 0.5, 255.0),
            (100, 0.5, 100.0),
            (160, -0.5, 140.0),
            (200, -0.5, 143.0),
            (255, -0.5, 128.0),
            (100, -0.5, 100.0),
            (160, 1.0, 200.0),
            (160, -1.0, 120.0),
            (255, -1.0, 0.0),
        ] {
            assert_eq!(rounded([grey; 3], Tone::Light(gain)), [expected; 3], "{grey} at {gain}");
        }
    }

    #[test]
    fn tone_dark_does_not_change_light_pixels() {
        assert_eq!(rounded([64, 64, 64], Tone::Dark(1.0)), [96.0; 3]);
        assert_eq!(rounded([64, 64, 64], Tone::Dark(-2.0)), [0.0; 3]);
        assert_eq!(rounded([128, 128, 128], Tone::Dark(1.0)), [128.0; 3]);
    }
}
