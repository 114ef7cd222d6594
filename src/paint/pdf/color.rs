//! Which colours go into the file: RGB as the scene has them, or inks through a converter that the caller gives.

use std::fmt;
use std::sync::Arc;

use pdf_writer::Content;
use peniko::Color;

/// Which colours go into content streams and pictures.
#[derive(Clone)]
pub enum ColorTarget {
    /// `DeviceRGB`, meant as sRGB.
    Rgb,
    /// `DeviceCMYK`.
    Cmyk(Arc<dyn CmykConverter>),
}

impl fmt::Debug for ColorTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rgb => "Rgb",
            Self::Cmyk(_) => "Cmyk",
        })
    }
}

/// What a colour is for: black text may be kept on the black plate alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorUse {
    /// Glyphs, and the lines that decorate them are areas.
    Text,
    /// Everything else.
    Area,
}

/// sRGB to the inks of a printing condition.
pub trait CmykConverter: Send + Sync {
    /// One solid colour or stop of a gradient; straight sRGB, each `0.0..=1.0`. Gives cyan, magenta, yellow, black,
    /// `0.0..=1.0`, 1 for full ink.
    fn color(&self, rgb: [f32; 3], purpose: ColorUse) -> [f32; 4];

    /// A whole picture: 3 bytes a px of straight sRGB in, 4 bytes a px out, 255 for full ink.
    fn pixels(&self, rgb: &[u8]) -> Vec<u8>;
}

/// Whether an operator sets the colour of strokes or of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pen {
    Fill,
    Stroke,
}

impl ColorTarget {
    /// Sets the colour of what follows; alpha is left to the graphics state.
    pub(super) fn set(&self, content: &mut Content, color: Color, pen: Pen, purpose: ColorUse) {
        let [r, g, b, _] = color.components;
        match self {
            Self::Rgb => {
                let [r, g, b] = [r, g, b].map(level);
                match pen {
                    Pen::Fill if r == g && g == b => content.set_fill_gray(r),
                    Pen::Stroke if r == g && g == b => content.set_stroke_gray(r),
                    Pen::Fill => content.set_fill_rgb(r, g, b),
                    Pen::Stroke => content.set_stroke_rgb(r, g, b),
                };
            }
            Self::Cmyk(converter) => {
                let [c, m, y, k] = converter.color([r, g, b].map(|it| it.clamp(0.0, 1.0)), purpose).map(level);
                match pen {
                    Pen::Fill => content.set_fill_cmyk(c, m, y, k),
                    Pen::Stroke => content.set_stroke_cmyk(c, m, y, k),
                };
            }
        }
    }
}

/// Four decimals: fine enough for 16 bits of colour, short in the file.
pub(super) fn level(value: f32) -> f32 {
    (value.clamp(0.0, 1.0) * 10_000.0).round() / 10_000.0
}
