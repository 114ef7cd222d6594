//! Pixel passes: operations on all pixels of a picture before it is placed. A filter of a design is a sequence of
//! passes, and every painter implements every pass.

/// One operation on all pixels of a picture at its natural size.
///
/// Colour passes operate on straight sRGB values, `0.0..=255.0`, and do not change alpha. Their results are clamped and
/// rounded to integers, half to even (rendering.md §4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PixelPass {
    /// Colour matrix with one row each for the new red, green and blue: factors of the old red, green and blue, and a
    /// constant.
    ColorMatrix([[f64; 4]; 3]),
    /// A tone change, which no colour matrix can express.
    Tone(Tone),
    /// Stack blur (rendering.md §4.2) of all channels including alpha, along rows and then columns: each pixel becomes
    /// the mean of its neighbours with triangular weights. Edge pixels are replicated.
    Blur {
        /// Number of neighbours on each side, in picture px; 0 changes nothing.
        radius: u32,
    },
}

/// Tone changes, which depend on the lightness and saturation of a pixel (rendering.md §4.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tone {
    /// Moves the channels away from the largest one or, if negative, towards it. −1 to 1.
    Vibrance(f64),
    /// Multiplies pixels whose mean is below 128 by 1 + gain, with less effect near 128. −2 to 2.
    Dark(f64),
    /// Multiplies pixels whose mean is at least 128 by 1 + gain, with less effect near 128. −1 to 1.
    Light(f64),
    /// Mixes in a brighter and more saturated version by this share, 0 to 1.
    Natural(f64),
}

impl PixelPass {
    /// The kind and parameters of the pass as integers, for cache keys. Different passes give different sequences.
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
