//! Fitting texts into their boxes (rendering.md §9.7).

use super::blocks::Align;
use super::layout::{LaidOut, LayoutOptions, Layouter};
use super::shaped_text::ShapedText;

/// The rule for a text whose lines are taller than the box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Overflow {
    /// The font shrinks by half px steps until the lines fit into this height.
    Shrink {
        /// Height of the box, px.
        height: f64,
    },
    /// The largest size between two bounds, by half px steps, at which all lines fit into this height.
    Fit {
        /// Height of the box, px.
        height: f64,
        /// Smallest font size, px, greater than 0: used where no size fits.
        min: f64,
        /// Largest font size, px, greater than 0: tried first.
        max: f64,
    },
    /// The box grows to the height of the lines.
    Grow,
    /// Lines that do not fit into this height are dropped; the last one ends in `…`.
    Ellipsis {
        /// Height of the box, px.
        height: f64,
    },
}

/// The rules by which a text is fitted into its box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizing {
    /// The rule where the lines are taller than the box.
    pub overflow: Overflow,
    /// Lines beyond this number are dropped, and the last one that remains ends in `…`.
    pub max_lines: Option<usize>,
    /// Words wider than the box are broken, as in the editor. Otherwise they shrink the text where the rule allows it.
    pub split_words: bool,
}

impl From<Overflow> for Sizing {
    /// The editor's rules: no limit of lines, and words wider than the box are broken.
    fn from(overflow: Overflow) -> Self {
        Self { overflow, max_lines: None, split_words: true }
    }
}

/// A step of `Overflow::Shrink`, px of font size.
pub(super) const STEP: f64 = 0.5;

/// The editor stops shrinking at the first size that is not above this, px.
const MIN_SIZE: f64 = 1.0;

/// Rounding error, px, of sums of unequal line heights.
const NOISE: f64 = 1e-6;

/// Digits after the first with which a browser serialises font sizes, which the editor then parses.
const DIGITS: usize = 5;

/// Number of sizes tried one by one before a binary search, which bounds the time of long texts at huge sizes. The
/// editor tries all sizes; results differ only where a smaller size needs more height than a larger one.
pub(super) const LINEAR_TRIES: u32 = 200;

/// Lays `text` out in a box `width` px wide; and returns the lines with their font size. Where not even the
/// smallest size fits, it is used all the same, as in the editor.
pub fn fit(
    layouter: &mut Layouter,
    text: &ShapedText,
    width: f64,
    align: Align,
    sizing: impl Into<Sizing>,
) -> (LaidOut, f64) {
    let Sizing { overflow, max_lines, split_words } = sizing.into();
    let font_size = text.font_size();
    let options = LayoutOptions { max_lines, split_words, ..LayoutOptions::new(width, align) };
    let at = |layouter: &mut Layouter, size: f64| {
        (layouter.lay_out(text, LayoutOptions { factor: size / font_size, ..options }), size)
    };
    match overflow {
        Overflow::Grow => (layouter.lay_out(text, options), font_size),
        Overflow::Ellipsis { height } => {
            let options = LayoutOptions { ellipsis_height: Some(height), ..options };
            (layouter.lay_out(text, options), font_size)
        }
        Overflow::Shrink { height } => {
            let sizes = Sizes { max: font_size, steps: ((font_size - MIN_SIZE) / STEP).ceil().max(0.0) };
            let min = font_size - STEP * sizes.steps;
            // In huge sizes half a px is lost in rounding.
            let min = if min > 0.0 && min <= MIN_SIZE { min } else { font_size.min(MIN_SIZE) };
            largest(layouter, text, options, sizes, |_| true, height).unwrap_or_else(|| at(layouter, min))
        }
        Overflow::Fit { height, min, max } => {
            let sizes = Sizes { max: max.max(min), steps: ((max - min) / STEP).floor() };
            let fits = |it: &LaidOut| !it.truncated;
            largest(layouter, text, options, sizes, fits, height).unwrap_or_else(|| at(layouter, min))
        }
    }
}

/// Font sizes from `max` down, in this number of steps of [`STEP`] px.
struct Sizes {
    max: f64,
    steps: f64,
}

/// The largest of `sizes` at which the text is no taller than `height` and `fits`.
fn largest(
    layouter: &mut Layouter,
    text: &ShapedText,
    options: LayoutOptions,
    sizes: Sizes,
    fits: impl Fn(&LaidOut) -> bool,
    height: f64,
) -> Option<(LaidOut, f64)> {
    let font_size = text.font_size();
    let size_at = |k: u32| sizes.max - STEP * f64::from(k);
    // Dropped lines take no height.
    let all_shown = options.max_lines.is_none();
    let hopeless = |k: u32| all_shown && text.min_height(options.width, size_at(k) / font_size) > height + NOISE;
    let mut attempt = |k: u32| {
        let factor = size_at(k) / font_size;
        let laid_out = (!hopeless(k)).then(|| layouter.lay_out(text, LayoutOptions { factor, ..options }));
        let narrow = |it: &LaidOut| options.split_words || !it.is_too_wide();
        let low = |it: &LaidOut| lines_fit(text, it, size_at(k), height);
        laid_out.filter(|it| low(it) && fits(it) && narrow(it)).map(|it| (it, size_at(k)))
    };
    let last = sizes.steps.clamp(0.0, f64::from(u32::MAX / 2)) as u32;
    let first = if hopeless(0) { first_true(0, last, |k| !hopeless(k))? } else { 0 };
    for k in first..=last.min(first.saturating_add(LINEAR_TRIES)) {
        if let Some(fitting) = attempt(k) {
            return Some(fitting);
        }
    }
    let k = first_true(first.saturating_add(LINEAR_TRIES).min(last), last, |k| attempt(k).is_some())?;
    attempt(k)
}

/// True when all lines fit into `height`. Lines of equal height are summed exactly as in the editor, which stores the
/// height of a text that it has laid out and compares with that.
fn lines_fit(text: &ShapedText, laid_out: &LaidOut, font_size: f64, height: f64) -> bool {
    let Some(times) = text.even_line_height() else { return laid_out.height <= height + NOISE };
    let line = six_digits(font_size) * times;
    let bottom = laid_out.lines.iter().fold(0.0, |top, _| top + (top + line - top));
    bottom <= height
}

/// A font size rounded as a browser serialises it.
fn six_digits(font_size: f64) -> f64 {
    format!("{font_size:.DIGITS$e}").parse().unwrap_or(font_size)
}

/// Binary search for the smallest number in `low..=high` for which `holds`, which must be monotonic.
pub(super) fn first_true(mut low: u32, mut high: u32, mut holds: impl FnMut(u32) -> bool) -> Option<u32> {
    if !holds(high) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use peniko::Blob;

    use super::super::blocks::{LineHeight, SpanStyle, TextBlocks};
    use super::super::faces::{Face, FaceStyle};
    use super::super::layout::tests::{layouter, style};
    use super::*;

    fn drawn_size(text: &str, font_size: f64, width: f64, height: f64) -> f64 {
        let mut layouter = layouter();
        let shaped = layouter.shape(&TextBlocks::plain(text, style("Liberation Sans", font_size)));
        fit(&mut layouter, &shaped, width, Align::Left, Overflow::Shrink { height }).1
    }

    #[test]
    fn shrink_stops_at_the_first_half_px_that_fits_without_tolerance() {
        // rendering.md §9.7: one line, line height 1.2.
        for (height, size) in [(120.0, 100.0), (119.9, 99.5), (119.0, 99.0), (110.0, 91.5), (100.0, 83.0)] {
            assert_eq!(drawn_size("H", 100.0, 400.0, height), size, "height {height}");
        }
        assert_eq!(drawn_size("H", 92.3, 400.0, 40.0), 33.3);
    }

    #[test]
    fn shrink_wraps_anew_at_every_size() {
        // HH is 144 px at 100 px, so two fit on a line of 200 at 60.8 px; two lines need 2.4 times the size.
        assert_eq!(drawn_size("HH HH HH HH", 100.0, 200.0, 120.0), 50.0);
    }

    #[test]
    fn shrink_ends_at_one_px_where_nothing_fits() {
        assert_eq!(drawn_size("H", 100.0, 400.0, 0.0), 1.0);
        assert_eq!(drawn_size("H", 33.3, 400.0, 0.0), 33.3 - 65.0 * STEP);
        assert_eq!(drawn_size("H", 0.75, 400.0, 0.0), 0.75);
        assert_eq!(drawn_size("H\n".repeat(500).as_str(), 1e6, 400.0, 1.0), 1.0);
    }

    #[test]
    fn shrink_of_huge_letters_does_not_try_every_size() {
        let size = drawn_size(&"HH ".repeat(300), 1e5, 300.0, 300.0);
        assert!(size < 40.0 && size > 5.0, "{size}");
    }

    #[test]
    fn shrink_compares_exactly_with_six_digits_of_the_size() {
        // `public--text-fit-six-digits`: 59.0838 × 1.2 is 70.900_56; 33 × 1.2 is 39.6.
        assert_eq!(drawn_size("H", 59.083_789_187_900_66, 480.0, 70.900_547_025_480_79), 58.583_789_187_900_66);
        assert_eq!(drawn_size("H", 33.0, 480.0, 39.599_999_999_999_994), 32.5);
        assert_eq!(drawn_size("H", 33.0, 480.0, 39.6), 33.0);
        assert_eq!([59.083_789_187_900_66, 0.1, 14.0].map(six_digits), [59.0838, 0.1, 14.0]);
    }

    #[test]
    fn optical_size_is_the_one_that_is_drawn() {
        let mut layouter = layouter();
        // Roboto with an axis from 10 to 110 that moves nothing.
        let bytes = with_axis(layouter.fonts().faces("Roboto")[0].load().expect("bundled").font.data.data());
        layouter.shaper.fonts.declare("Optical", Face::from_memory(Blob::from(bytes), 0, FaceStyle::REGULAR));
        let shaped = layouter.shape(&TextBlocks::plain("H", style("Optical", 100.0)));
        let mut coordinate = |height: f64| {
            let (out, size) = fit(&mut layouter, &shaped, 400.0, Align::Left, Overflow::Shrink { height });
            (size, f64::from(out.lines[0].runs[0].coords[0]) / 16384.0)
        };
        let (size, written) = coordinate(120.0);
        assert!(size == 100.0 && (written - 0.9).abs() < 1e-4, "{size} px at {written}");
        // 60 px are half of the way from 10 to 110.
        assert_eq!(coordinate(72.0), (60.0, 0.5));
    }

    /// `file` with the axis `opsz` from 10 to 110.
    fn with_axis(file: &[u8]) -> Vec<u8> {
        let axis = [0x0001_0000_u32, 0x0010_0002, 0x0001_0014, 0x0000_0008].map(u32::to_be_bytes).concat();
        let range = [u32::from_be_bytes(*b"opsz"), 10 << 16, 10 << 16, 110 << 16, 256].map(u32::to_be_bytes).concat();
        let (count, table) = (usize::from(file[5]) + 1, [axis, range].concat());
        let mut records: Vec<Vec<u8>> = file[12..12 + 16 * (count - 1)].chunks_exact(16).map(<[u8]>::to_vec).collect();
        for record in &mut records {
            let offset = u32::from_be_bytes(record[8..12].try_into().expect("four bytes")) + 16;
            record[8..12].copy_from_slice(&offset.to_be_bytes());
        }
        let end = (file.len() as u32 + 16).to_be_bytes();
        records.push([b"fvar".as_slice(), &[0; 4], &end, &(table.len() as u32).to_be_bytes()].concat());
        records.sort();
        [
            &file[..4],
            &(count as u16).to_be_bytes(),
            &file[6..12],
            &records.concat(),
            &file[12 + 16 * (count - 1)..],
            &table,
        ]
        .concat()
    }

    fn sized(text: &str, width: f64, sizing: Sizing) -> (Vec<String>, f64) {
        let mut layouter = layouter();
        let shaped = layouter.shape(&TextBlocks::plain(text, style("Liberation Sans", 40.0)));
        let (out, size) = fit(&mut layouter, &shaped, width, Align::Left, sizing);
        (out.lines.iter().map(|line| line.runs.iter().map(|run| run.text.as_ref()).collect()).collect(), size)
    }

    #[test]
    fn fit_stays_between_its_bounds() {
        let fit = |min, max| Sizing::from(Overflow::Fit { height: 48.0, min, max });
        // One line is 48 px high at 40 px. Two lines of 30 px do not fit, but smaller they may not be.
        assert_eq!(sized("HH", 200.0, fit(1.0, 40.0)).1, 40.0);
        assert_eq!(sized("HH", 200.0, fit(1.0, 80.0)).1, 40.0);
        assert_eq!(sized("HH", 200.0, fit(1.0, 30.0)).1, 30.0);
        assert_eq!(sized("HH HH HH", 100.0, fit(30.0, 40.0)), (["HH HH", "HH"].map(String::from).to_vec(), 30.0));
    }

    #[test]
    fn max_lines_cut_with_an_ellipsis_in_every_mode() {
        for overflow in [Overflow::Grow, Overflow::Shrink { height: 48.0 }, Overflow::Ellipsis { height: 300.0 }] {
            let sizing = Sizing { max_lines: Some(1), ..overflow.into() };
            assert_eq!(sized("HH HH HH HH", 190.0, sizing), (vec!["HH HH…".to_owned()], 40.0), "{overflow:?}");
        }
    }

    #[test]
    fn words_that_may_not_be_split_make_the_text_smaller() {
        let sizing = |overflow| Sizing { split_words: false, ..Sizing::from(overflow) };
        // HHHH is 115.5 px wide at 40 px.
        assert_eq!(sized("HHHH", 100.0, sizing(Overflow::Shrink { height: 200.0 })), (vec!["HHHH".to_owned()], 34.5));
        assert_eq!(sized("HHHH", 100.0, sizing(Overflow::Grow)), (vec!["HHHH".to_owned()], 40.0));
        assert_eq!(sized("HHHH", 100.0, Overflow::Grow.into()).0, ["HHH", "H"]);
    }

    fn ellipsized(text: &str, width: f64, height: f64) -> Vec<String> {
        let mut layouter = layouter();
        let base = SpanStyle { line_height: LineHeight::Times(1.2), ..(*style("Liberation Sans", 40.0)).clone() };
        let shaped = layouter.shape(&TextBlocks::plain(text, Arc::new(base)));
        let (out, _) = fit(&mut layouter, &shaped, width, Align::Left, Overflow::Ellipsis { height });
        out.lines.iter().map(|line| line.runs.iter().map(|run| run.text.as_ref()).collect()).collect()
    }

    #[test]
    fn ellipsis_takes_whole_words_or_pieces_of_broken_ones() {
        // fixtures.md 49, in a narrower face
        assert_eq!(ellipsized("HH HH HH", 190.0, 48.0), ["HH HH…"]);
        assert_eq!(ellipsized("HHHHHHHHHHHHHHHH", 200.0, 48.0), ["…"]);
        assert_eq!(ellipsized("HH HH", 200.0, 48.0), ["HH HH"]);
    }
}
