//! Colour spaces of the file: RGB as in the scene, or CMYK through a converter that the caller supplies.

use std::fmt;
use std::sync::Arc;

use pdf_writer::Content;
use peniko::Color;

/// Colour space of content streams and pictures.
#[derive(Clone)]
pub enum ColorTarget {
    /// `DeviceRGB`, whose values are sRGB.
    Rgb,
    /// `DeviceCMYK`, with values from this converter.
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

/// Use of a colour, because a converter may print black text with black ink alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorUse {
    /// Glyphs. The lines that decorate text are areas.
    Text,
    /// All other areas and lines.
    Area,
}

/// Conversion from sRGB to the inks of a printing condition.
pub trait CmykConverter: Send + Sync {
    /// Converts one solid colour or gradient stop.
    ///
    /// `rgb`: straight sRGB, each `0.0..=1.0`. Returns cyan, magenta, yellow and black, each `0.0..=1.0`, 1 for full
    /// ink.
    fn color(&self, rgb: [f32; 3], purpose: ColorUse) -> [f32; 4];

    /// Converts a whole picture from 3 bytes per px of straight sRGB to 4 bytes per px, 255 for full ink.
    fn pixels(&self, rgb: &[u8]) -> Vec<u8>;
}

/// Selects the stroking or the nonstroking colour of the graphics state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaintKind {
    Fill,
    Stroke,
}

impl ColorTarget {
    /// Writes the operator that sets `color`, without its alpha, which is a parameter of the graphics state.
    pub(super) fn set(&self, content: &mut Content, color: Color, kind: PaintKind, purpose: ColorUse) {
        let [r, g, b, _] = color.components;
        match self {
            Self::Rgb => {
                let [r, g, b] = [r, g, b].map(level);
                match kind {
                    PaintKind::Fill if r == g && g == b => content.set_fill_gray(r),
                    PaintKind::Stroke if r == g && g == b => content.set_stroke_gray(r),
                    PaintKind::Fill => content.set_fill_rgb(r, g, b),
                    PaintKind::Stroke => content.set_stroke_rgb(r, g, b),
                };
            }
            Self::Cmyk(converter) => {
                let [c, m, y, k] = converter.color([r, g, b].map(|it| it.clamp(0.0, 1.0)), purpose).map(level);
                match kind {
                    PaintKind::Fill => content.set_fill_cmyk(c, m, y, k),
                    PaintKind::Stroke => content.set_stroke_cmyk(c, m, y, k),
                };
            }
        }
    }
}

/// Clamps a colour component to `0.0..=1.0` and rounds it to four decimals, which keeps the file short.
pub(super) fn level(value: f32) -> f32 {
    (value.clamp(0.0, 1.0) * 10_000.0).round() / 10_000.0
}
