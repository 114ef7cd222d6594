//! Colours given as inks, `device-cmyk(C M Y K)`, and the screen colours that stand for them.
//!
//! In: parsing the function, the naive conversion of CSS, and the table of the inks of one design. Not in: colour
//! profiles, which members hold colours, documents in CMYK. Imports: `css_color`.
//!
//! Every screen colour in [`Inks`] belongs to one combination of inks: where two combinations look alike, or like an
//! ordinary colour of 8 bits, the later one differs by less than an 8-bit level can show. So a colour that reaches the
//! writer of a document identifies its inks, and nothing in between has to know of them.

use std::collections::HashMap;

use crate::css_color;

/// Name of the CSS function, with its parenthesis.
const FUNCTION: &str = "device-cmyk(";

/// Maximum length of the arguments of a call, in bytes.
const MAX_ARGUMENTS: usize = 200;

/// Step by which a screen colour changes until it is unique: a hundred-thousandth of an 8-bit level.
const NUDGE: f32 = 1.0 / 2_550_000.0;

/// Maximum number of different combinations of inks of a design.
const MAX_INKS: usize = 1000;

/// Cyan, magenta, yellow and black, each `0.0..=1.0`, 1 for full ink.
pub type Cmyk = [f32; 4];

/// A design has more combinations of inks than a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyInks;

/// The inks of a design by their screen colours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inks {
    by_color: HashMap<[u32; 3], Cmyk>,
    colors: HashMap<[u32; 4], [f32; 3]>,
}

impl Inks {
    /// The inks of a screen colour: cyan, magenta, yellow and black, each `0.0..=1.0`. `None` for all other colours.
    pub fn of(&self, rgb: [f32; 3]) -> Option<Cmyk> {
        self.by_color.get(&rgb.map(f32::to_bits)).copied()
    }

    /// Whether the design has no colour given as inks.
    pub fn is_empty(&self) -> bool {
        self.by_color.is_empty()
    }

    /// All combinations with their screen colours, in a fixed order.
    pub fn entries(&self) -> Vec<([f32; 3], Cmyk)> {
        let mut entries: Vec<_> = self.by_color.iter().collect();
        entries.sort_unstable_by_key(|(color, _)| **color);
        entries.into_iter().map(|(color, inks)| (color.map(f32::from_bits), *inks)).collect()
    }

    /// `text` with each valid call of the function replaced by its screen colour, to which `to_screen` converts.
    /// Invalid calls stay as they are, for the reader of the text.
    ///
    /// # Errors
    /// [`TooManyInks`], when a call is left because the table is full.
    pub fn replace(&mut self, text: &str, mut to_screen: impl FnMut(Cmyk) -> [f32; 3]) -> Result<String, TooManyInks> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = find_call(rest) {
            let inside = start + FUNCTION.len();
            let end = rest.as_bytes()[inside..].iter().take(MAX_ARGUMENTS).position(|byte| *byte == b')');
            match end.and_then(|end| Some((end, parse(&rest[inside..inside + end])?))) {
                Some((end, (inks, alpha))) => {
                    out.push_str(&rest[..start]);
                    out.push_str(&self.css(inks, alpha, to_screen(inks)).ok_or(TooManyInks)?);
                    rest = &rest[inside + end + 1..];
                }
                None => {
                    out.push_str(&rest[..inside]);
                    rest = &rest[inside..];
                }
            }
        }
        Ok(out + rest)
    }

    /// The unique screen colour of `inks` as CSS; `None` when there are too many combinations.
    fn css(&mut self, inks: Cmyk, alpha: f32, screen: [f32; 3]) -> Option<String> {
        let of_color = |[r, g, b]: [f32; 3]| format!("color(srgb {r} {g} {b} / {alpha})");
        let key = inks.map(f32::to_bits);
        if let Some(color) = self.colors.get(&key) {
            return Some(of_color(*color));
        }
        if self.colors.len() >= MAX_INKS {
            return None;
        }
        for step in 1..=MAX_INKS as u32 + 2 {
            // Away from the nearer end of the range, so that it is not clipped.
            let nudge = NUDGE * step as f32;
            let nudged = screen.map(|it| if it > 0.5 { it - nudge } else { it + nudge });
            let css = of_color(nudged);
            // The key is the colour as it will be read.
            let [r, g, b, _] = css_color::parse(&css)?.components;
            let color = [r, g, b];
            if !is_eight_bit(color) && !self.by_color.contains_key(&color.map(f32::to_bits)) {
                self.by_color.insert(color.map(f32::to_bits), inks);
                self.colors.insert(key, nudged);
                return Some(css);
            }
        }
        None
    }
}

/// Whether `color` is one that ordinary colours of 8 bits have.
fn is_eight_bit(color: [f32; 3]) -> bool {
    color.iter().all(|it| (it * 255.0).round() / 255.0 == *it)
}

/// Start of the first call of the function in `text`.
pub fn find_call(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_call = |at: &usize| {
        let name = bytes.get(*at..at + FUNCTION.len());
        name.is_some_and(|it| it.eq_ignore_ascii_case(FUNCTION.as_bytes()))
    };
    (0..bytes.len()).filter(|at| matches!(bytes[*at], b'd' | b'D')).find(is_call)
}

/// The inks and the alpha of a call: four numbers or percentages separated by spaces or, as in older drafts, commas,
/// and alpha after a slash.
fn parse(inside: &str) -> Option<(Cmyk, f32)> {
    let (inks, alpha) = match inside.split_once('/') {
        Some((inks, alpha)) => (inks, number(alpha.trim())?),
        None => (inside, 1.0),
    };
    let mut parts = inks.split(|c: char| c == ',' || c.is_whitespace()).filter(|it| !it.is_empty());
    let mut ink = || number(parts.next()?);
    let inks = [ink()?, ink()?, ink()?, ink()?];
    parts.next().is_none().then_some((inks, alpha))
}

/// A number or percentage, clamped to `0.0..=1.0`; `none` is 0.
fn number(text: &str) -> Option<f32> {
    if text.eq_ignore_ascii_case("none") {
        return Some(0.0);
    }
    let number: f32 = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    number.is_finite().then_some(number.clamp(0.0, 1.0))
}

/// The naive conversion to sRGB of CSS Color 5, §10.2.
pub fn naive([c, m, y, k]: Cmyk) -> [f32; 3] {
    [c, m, y].map(|ink| 1.0 - (ink * (1.0 - k) + k).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(inks: &mut Inks, text: &str) -> String {
        inks.replace(text, naive).expect("few inks")
    }

    /// The inks of the CSS colour `text`, and its 8-bit channels.
    fn found(inks: &Inks, text: &str) -> (Option<Cmyk>, [u8; 4]) {
        let color = css_color::parse(text).expect("a colour");
        let [r, g, b, _] = color.components;
        (inks.of([r, g, b]), color.to_rgba8().to_u8_array())
    }

    #[test]
    fn inks_are_found_again_by_their_screen_colour() {
        let mut inks = Inks::default();
        let black = replaced(&mut inks, "device-cmyk(0 0 0 1)");
        let half = replaced(&mut inks, " DEVICE-cmyk(0% 50% 100% none / 50%)");
        assert_eq!(found(&inks, &black), (Some([0.0, 0.0, 0.0, 1.0]), [0, 0, 0, 255]));
        assert_eq!(found(&inks, &half), (Some([0.0, 0.5, 1.0, 0.0]), [255, 128, 0, 128]));
        assert_eq!(replaced(&mut inks, "device-cmyk(0, 0, 0, 1)"), black, "one colour for the same inks");
        assert_eq!(inks.of([0.0; 3]), None, "ordinary black has no inks");
        assert_eq!(inks.entries().len(), 2);
    }

    #[test]
    fn inks_that_look_alike_stay_apart() {
        let mut inks = Inks::default();
        let all = ["0 0 0 1", "1 1 1 1", "0 0 0 0"].map(|it| replaced(&mut inks, &format!("device-cmyk({it})")));
        assert_eq!(found(&inks, &all[0]), (Some([0.0, 0.0, 0.0, 1.0]), [0, 0, 0, 255]));
        assert_eq!(found(&inks, &all[1]), (Some([1.0; 4]), [0, 0, 0, 255]));
        assert_eq!(found(&inks, &all[2]), (Some([0.0; 4]), [255; 4]));
        // Many that are all black: each has a colour of its own that is still black.
        for at in 0..900 {
            let black = replaced(&mut inks, &format!("device-cmyk({} 0 0 1)", at as f32 / 1000.0));
            assert_eq!(found(&inks, &black), (Some([at as f32 / 1000.0, 0.0, 0.0, 1.0]), [0, 0, 0, 255]));
        }
        let more = (0..200).map(|at| inks.replace(&format!("device-cmyk(0 {} 0 0)", at as f32 / 200.0), naive));
        // The first of the 200 is known already.
        assert_eq!(more.filter(Result::is_err).count(), 199 - (MAX_INKS - 902));
    }

    #[test]
    fn calls_that_are_no_colour_are_left_to_their_reader() {
        for wrong in ["device-cmyk(1 2 3)", "device-cmyk(a b c d)", "device-cmyk(0 0 0 1", "device-cmyk(0 0 0 1 0)"] {
            let mut inks = Inks::default();
            assert_eq!(replaced(&mut inks, wrong), wrong);
            assert!(inks.is_empty());
        }
        assert_eq!((find_call("x device-CMYK(("), find_call("device-cmy")), (Some(2), None));
    }
}
