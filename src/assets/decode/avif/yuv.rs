//! Conversion of decoded planes to RGBA (ITU-T H.273 §8.3). Subsampled chroma is interpolated linearly between the
//! centres of its samples, as browsers do.

use re_rav1d::pixel::{ColorPrimaries, MatrixCoefficients, TransferCharacteristic, YUVRange};
use re_rav1d::{Picture, PixelLayout, Plane};

/// The planes of a picture.
pub(super) struct Planes {
    pub(super) luma: Plane,
    pub(super) chroma: Option<[Plane; 2]>,
    /// Bytes per row of luma and of chroma.
    pub(super) strides: [usize; 2],
    /// Base 2 logarithms of the luma samples per chroma sample, horizontally and vertically.
    pub(super) subsampling: (u32, u32),
    pub(super) width: usize,
    pub(super) height: usize,
    /// Bytes per sample: 1, or 2 in the order of this machine.
    pub(super) bytes: usize,
    /// Bits per sample, 8 to 12.
    pub(super) bits: u32,
}

/// How samples become RGB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Coefficients {
    conversion: Conversion,
    full_range: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Conversion {
    /// The planes are green, blue and red.
    Identity,
    /// YCgCo.
    YCgCo,
    /// The shares of red and blue in luma.
    Luma(f32, f32),
}

const BT601: Conversion = Conversion::Luma(0.299, 0.114);

impl Coefficients {
    /// Those of the container, or else of the picture.
    pub(super) fn of(picture: &Picture, nclx: Option<(u16, u16, u16, bool)>) -> Self {
        match nclx {
            Some((_, _, matrix, full_range)) => Self { conversion: conversion(matrix), full_range },
            None => {
                let matrix = match picture.matrix_coefficients() {
                    MatrixCoefficients::Identity => 0,
                    MatrixCoefficients::BT709 => 1,
                    MatrixCoefficients::BT470M => 4,
                    MatrixCoefficients::ST240M => 7,
                    MatrixCoefficients::YCgCo => 8,
                    MatrixCoefficients::BT2020NonConstantLuminance | MatrixCoefficients::BT2020ConstantLuminance => 9,
                    _ => 6,
                };
                let full_range = matches!(picture.color_range(), YUVRange::Full);
                Self { conversion: conversion(matrix), full_range }
            }
        }
    }
}

/// The conversion for a code point of H.273; that of BT.601 for unspecified ones, as in libavif.
fn conversion(matrix: u16) -> Conversion {
    match matrix {
        0 => Conversion::Identity,
        1 => Conversion::Luma(0.2126, 0.0722),
        4 => Conversion::Luma(0.30, 0.11),
        7 => Conversion::Luma(0.212, 0.087),
        8 => Conversion::YCgCo,
        9 | 10 => Conversion::Luma(0.2627, 0.0593),
        _ => BT601,
    }
}

/// Code points of the picture's primaries and transfer characteristics, for files whose container does not say.
pub(super) fn code_points(picture: &Picture) -> (u16, u16) {
    let primaries = match picture.color_primaries() {
        ColorPrimaries::BT2020 => 9,
        ColorPrimaries::P3Display => 12,
        _ => super::SRGB_PRIMARIES,
    };
    let transfer = match picture.transfer_characteristic() {
        TransferCharacteristic::Linear => 8,
        TransferCharacteristic::PerceptualQuantizer => 16,
        TransferCharacteristic::HybridLogGamma => 18,
        _ => super::SRGB_TRANSFER,
    };
    (primaries, transfer)
}

/// Base 2 logarithms of the subsampling; `None` for pictures without chroma.
pub(super) fn subsampling(layout: PixelLayout) -> Option<(u32, u32)> {
    match layout {
        PixelLayout::I400 => None,
        PixelLayout::I420 => Some((1, 1)),
        PixelLayout::I422 => Some((1, 0)),
        PixelLayout::I444 => Some((0, 0)),
    }
}

impl Planes {
    fn sample(&self, row: &[u8], x: usize) -> f32 {
        match self.bytes {
            1 => f32::from(row[x]),
            _ => f32::from(u16::from_ne_bytes([row[x * 2], row[x * 2 + 1]])),
        }
    }

    fn row<'a>(&self, plane: &'a Plane, stride: usize, y: usize) -> &'a [u8] {
        &plane[y * stride..(y + 1) * stride]
    }

    fn max(&self) -> f32 {
        ((1u32 << self.bits) - 1) as f32
    }

    /// Luma or alpha, 0 to 1.
    fn scaled_luma(&self, value: f32, full_range: bool) -> f32 {
        if full_range {
            return value / self.max();
        }
        let unit = (1u32 << (self.bits - 8)) as f32;
        (value - 16.0 * unit) / (219.0 * unit)
    }

    /// Chroma, -0.5 to 0.5.
    fn scaled_chroma(&self, value: f32, full_range: bool) -> f32 {
        let unit = (1u32 << (self.bits - 8)) as f32;
        let centred = value - 128.0 * unit;
        centred / if full_range { self.max() } else { 224.0 * unit }
    }
}

/// The two chroma samples nearest to a luma sample, and the weight of the second.
fn taps(at: usize, subsampling: u32, samples: usize) -> (usize, usize, f32) {
    if subsampling == 0 {
        return (at, at, 0.0);
    }
    let own = at / 2;
    // A luma sample lies a quarter of a chroma sample before or after the centre of its own.
    match at % 2 {
        0 => (own, own.saturating_sub(1), 0.25),
        _ => (own, (own + 1).min(samples - 1), 0.25),
    }
}

/// Writes a tile to `rgba`, a picture of `size`, with its top-left corner at `at`. Alpha is unchanged.
pub(super) fn to_rgb(
    planes: &Planes,
    coefficients: &Coefficients,
    rgba: &mut [u8],
    size: (u32, u32),
    at: (usize, usize),
) {
    let (across, down) = planes.subsampling;
    let half = |side: usize, by: u32| (side + (1 << by) - 1) >> by;
    let (chroma_width, chroma_height) = (half(planes.width, across), half(planes.height, down));
    let columns: Vec<_> = (0..planes.width).map(|x| taps(x, across, chroma_width)).collect();
    each_row(planes, rgba, size, at, |planes, luma, y, out| {
        let (near, far, weight) = taps(y, down, chroma_height);
        let chroma = planes
            .chroma
            .as_ref()
            .map(|chroma| chroma.each_ref().map(|it| [near, far].map(|row| planes.row(it, planes.strides[1], row))));
        for ((x, pixel), (first, second, share)) in out.chunks_exact_mut(4).enumerate().zip(&columns) {
            let value = planes.sample(luma, x);
            let [u, v] = chroma.map_or([None; 2], |chroma| {
                chroma.map(|[near, far]| {
                    let along = |row| planes.sample(row, *first) * (1.0 - share) + planes.sample(row, *second) * share;
                    Some(if weight == 0.0 { along(near) } else { along(near) * (1.0 - weight) + along(far) * weight })
                })
            });
            let rgb = planes.rgb(coefficients, value, u, v);
            for (channel, value) in pixel.iter_mut().zip(rgb) {
                *channel = to_byte(value);
            }
        }
    });
}

/// Writes the luma of a tile as alpha; otherwise as [`to_rgb`].
pub(super) fn to_alpha(
    planes: &Planes,
    coefficients: &Coefficients,
    rgba: &mut [u8],
    size: (u32, u32),
    at: (usize, usize),
) {
    each_row(planes, rgba, size, at, |planes, luma, _, out| {
        for (x, pixel) in out.chunks_exact_mut(4).enumerate() {
            pixel[3] = to_byte(planes.scaled_luma(planes.sample(luma, x), coefficients.full_range));
        }
    });
}

/// Calls `write` for each row of the tile that lies inside of the picture: with its luma, its index, and its pixels.
fn each_row(
    planes: &Planes,
    rgba: &mut [u8],
    (width, height): (u32, u32),
    (left, top): (usize, usize),
    mut write: impl FnMut(&Planes, &[u8], usize, &mut [u8]),
) {
    let (width, height) = (width as usize, height as usize);
    let visible = planes.width.min(width.saturating_sub(left));
    for y in 0..planes.height.min(height.saturating_sub(top)) {
        let start = ((top + y) * width + left) * 4;
        let luma = planes.row(&planes.luma, planes.strides[0], y);
        write(planes, luma, y, &mut rgba[start..start + visible * 4]);
    }
}

impl Planes {
    fn rgb(&self, coefficients: &Coefficients, y: f32, u: Option<f32>, v: Option<f32>) -> [f32; 3] {
        let Coefficients { conversion, full_range } = *coefficients;
        let luma = self.scaled_luma(y, full_range);
        let (Some(u), Some(v)) = (u, v) else { return [luma; 3] };
        match conversion {
            // The planes have the range of luma.
            Conversion::Identity => [self.scaled_luma(v, full_range), luma, self.scaled_luma(u, full_range)],
            Conversion::YCgCo => {
                let (cg, co) = (self.scaled_chroma(u, full_range), self.scaled_chroma(v, full_range));
                [luma - cg + co, luma + cg, luma - cg - co]
            }
            Conversion::Luma(red, blue) => {
                let (cb, cr) = (self.scaled_chroma(u, full_range), self.scaled_chroma(v, full_range));
                let (r, b) = (luma + 2.0 * (1.0 - red) * cr, luma + 2.0 * (1.0 - blue) * cb);
                [r, (luma - red * r - blue * b) / (1.0 - red - blue), b]
            }
        }
    }
}

fn to_byte(value: f32) -> u8 {
    // Saturates, and NaN becomes 0.
    (value * 255.0 + 0.5) as u8
}

/// Divides colours by alpha.
pub(super) fn unpremultiply(rgba: &mut [u8]) {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha > 0 && alpha < 255 {
            pixel[..3].iter_mut().for_each(|it| *it = ((u32::from(*it) * 255 + alpha / 2) / alpha).min(255) as u8);
        }
    }
}
