//! Embedded colour profiles: conversion of a picture's colours to sRGB with the perceptual intent, as in browsers.
//!
//! A profile that cannot be read is ignored, as in browsers. A profile that is equivalent to sRGB is ignored too, so
//! that rounding does not change the picture.

use std::sync::Arc;

use moxcms::{
    Chromaticity, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout, MatrixCoefficients,
    RenderingIntent, ToneReprCurve, TransformExecutor, TransformOptions, XyY,
};

/// Kind of the samples of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Samples {
    /// Samples in the RGBA layout, in colour or with grey repeated in R, G and B.
    Rgba,
    /// Grey samples, repeated in R, G and B.
    Gray,
    /// CMYK samples, 255 for full ink.
    Cmyk,
}

/// A conversion to sRGB that changes colours.
pub(super) struct ToSrgb {
    transform: Arc<dyn TransformExecutor<u8> + Send + Sync>,
    samples: DataColorSpace,
}

/// Chromaticities of white, red, green and blue of sRGB (IEC 61966-2-1).
pub(super) const SRGB_XY: [(f32, f32); 4] = [(0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06)];

/// Maximum difference to sRGB, in levels, of a profile that counts as sRGB.
const MAX_SRGB_DIFFERENCE: u8 = 1;

impl ToSrgb {
    /// The conversion of an ICC profile; `None` when it cannot be read, is for other samples, or changes nothing.
    pub(super) fn from_icc(profile: &[u8], samples: Samples) -> Option<Self> {
        let profile = ColorProfile::new_from_slice(profile).ok()?;
        match (samples, profile.color_space) {
            (Samples::Rgba | Samples::Gray, DataColorSpace::Rgb)
            | (Samples::Gray, DataColorSpace::Gray)
            | (Samples::Cmyk, DataColorSpace::Cmyk) => Self::new(&profile),
            _ => None,
        }
    }

    /// The conversion of the ITU-T H.273 code points for primaries and transfer characteristics; `None` when they are
    /// unknown or change nothing.
    pub(super) fn from_cicp(primaries: u8, transfer: u8) -> Option<Self> {
        let points = CicpProfile {
            color_primaries: primaries.try_into().ok()?,
            transfer_characteristics: transfer.try_into().ok()?,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        };
        Self::new(&ColorProfile::new_from_cicp(points))
    }

    /// From a PNG's `gAMA` and `cHRM`: `gamma` as stored (1/2.2 for most screens), `xy` white, red, green, blue.
    pub(super) fn from_gamma(gamma: f32, xy: [(f32, f32); 4]) -> Option<Self> {
        if !(0.01..=10.0).contains(&gamma)
            || xy.iter().any(|(x, y)| !(0.0..=1.0).contains(x) || !(0.001..=1.0).contains(y))
        {
            return None;
        }
        let mut profile = ColorProfile::new_srgb();
        // A gamma of 1/2.2 stands for the curve of sRGB, which it approximates (PNG 3rd edition, gAMA); likewise the
        // chromaticities.
        let srgb_curve = (gamma - 1.0 / 2.2).abs() < 0.005;
        let srgb_corners = xy.iter().zip(SRGB_XY).all(|(a, b)| (a.0 - b.0).abs() < 0.002 && (a.1 - b.1).abs() < 0.002);
        if srgb_curve && srgb_corners {
            return None;
        }
        if !srgb_corners {
            let [white, red, green, blue] = xy.map(|(x, y)| Chromaticity { x, y });
            let white = XyY { x: f64::from(white.x), y: f64::from(white.y), yb: 1.0 };
            profile.update_rgb_colorimetry(white, ColorPrimaries { red, green, blue });
        }
        if !srgb_curve {
            let curve = Some(ToneReprCurve::Parametric(vec![1.0 / gamma]));
            (profile.red_trc, profile.green_trc, profile.blue_trc) = (curve.clone(), curve.clone(), curve);
        }
        profile.cicp = None;
        Self::new(&profile)
    }

    fn new(profile: &ColorProfile) -> Option<Self> {
        let options = TransformOptions {
            rendering_intent: RenderingIntent::Perceptual,
            allow_use_cicp_transfer: false,
            ..TransformOptions::default()
        };
        let (from, to) = match profile.color_space {
            DataColorSpace::Gray => (Layout::Gray, Layout::Rgb),
            // moxcms reads four inks in the RGBA layout.
            DataColorSpace::Cmyk => (Layout::Rgba, Layout::Rgb),
            _ => (Layout::Rgb, Layout::Rgb),
        };
        let transform = profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, options).ok()?;
        let this = Self { transform, samples: profile.color_space };
        (!this.changes_nothing()).then_some(this)
    }

    /// True when a coarse grid of colours is unchanged.
    fn changes_nothing(&self) -> bool {
        const STEPS: [u8; 6] = [0, 51, 102, 153, 204, 255];
        let mut colors: Vec<u8> = match self.samples {
            DataColorSpace::Cmyk => return false,
            DataColorSpace::Gray => (0..=255).flat_map(|grey| [grey, grey, grey, 255]).collect(),
            _ => STEPS
                .iter()
                .flat_map(|&r| STEPS.iter().flat_map(move |&g| STEPS.iter().flat_map(move |&b| [r, g, b, 255])))
                .collect(),
        };
        let before = colors.clone();
        self.apply(&mut colors);
        before.iter().zip(&colors).all(|(a, b)| a.abs_diff(*b) <= MAX_SRGB_DIFFERENCE)
    }

    /// Converts straight RGBA, or CMYK inks (which become opaque RGBA), in place.
    pub(super) fn apply(&self, pixels: &mut [u8]) {
        // Rows of this many pixels: large enough for SIMD, small enough for the cache.
        const CHUNK: usize = 4096;
        let channels = match self.samples {
            DataColorSpace::Gray => 1,
            DataColorSpace::Cmyk => 4,
            _ => 3,
        };
        let (mut from, mut to) = (Vec::with_capacity(CHUNK * 4), vec![0; CHUNK * 3]);
        for chunk in pixels.chunks_mut(CHUNK * 4) {
            from.clear();
            chunk.chunks_exact(4).for_each(|pixel| from.extend_from_slice(&pixel[..channels]));
            let to = &mut to[..chunk.len() / 4 * 3];
            if self.transform.transform(&from, to).is_err() {
                return;
            }
            for (pixel, rgb) in chunk.chunks_exact_mut(4).zip(to.chunks_exact(3)) {
                pixel[..3].copy_from_slice(rgb);
                if channels == 4 {
                    pixel[3] = 255;
                }
            }
        }
    }
}
