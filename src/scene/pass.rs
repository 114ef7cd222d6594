//! Pixel passes: what can happen to a picture before it is placed. A filter of a design is a recipe, made of these;
//! a pass is a machine, and every painter has each of them.

/// One step over all pixels of a picture at its natural size.
///
/// Colour passes work on each pixel's straight sRGB numbers, `0.0..=255.0`, leave alpha alone, and end clamped and
/// rounded to whole numbers, half to even (rendering.md §4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pass {
    /// New red, green and blue, a row each: factors of the old red, green and blue, and a constant.
    ColorMatrix([[f64; 4]; 3]),
    /// What a colour matrix cannot say.
    Tone(Tone),
    /// A stack blur (rendering.md §4.2), alpha included: rows, then columns, each pixel the mean of its neighbours
    /// with triangular weights. Edge pixels are replicated.
    Blur {
        /// Neighbours that count on each side, in picture px; 0 changes nothing.
        radius: u32,
    },
}

/// Changes of colour that depend on how light or how colourful a pixel is (rendering.md §4.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tone {
    /// −1 to 1: moves the channels away from the largest one, or, below 0, to it.
    Vibrance(f64),
    /// Multiplies colours of a mean below 128 by 1 + gain, less the nearer the mean is to 128. −2 to 2.
    Dark(f64),
    /// Multiplies colours of a mean from 128 on by 1 + gain, less the nearer the mean is to 128. −1 to 1.
    Light(f64),
    /// 0 to 1: how far towards a brighter, more colourful version.
    Natural(f64),
}

impl Pass {
    /// All numbers that make it up, for cache keys: equal passes give equal numbers, others do not.
    pub fn bits(&self) -> impl Iterator<Item = u64> {
        let (kind, numbers): (u64, Vec<u64>) = match self {
            Self::ColorMatrix(rows) => (0, rows.iter().flatten().map(|it| it.to_bits()).collect()),
            Self::Tone(Tone::Vibrance(amount)) => (1, vec![amount.to_bits()]),
            Self::Tone(Tone::Dark(gain)) => (2, vec![gain.to_bits()]),
            Self::Tone(Tone::Light(gain)) => (3, vec![gain.to_bits()]),
            Self::Tone(Tone::Natural(amount)) => (4, vec![amount.to_bits()]),
            Self::Blur { radius } => (5, vec![u64::from(*radius)]),
        };
        std::iter::once(kind).chain(numbers)
    }
}
