//! Channel differences between two pictures.

use image::RgbaImage;

/// Differences up to this many levels are not visible side by side; the share of px above it tells a moved edge from
/// rounding.
pub(crate) const VISIBLE: u8 = 8;

/// Differences between two pictures of the same size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference {
    /// Largest difference of any channel, in levels.
    pub(crate) max: u8,
    /// Share of px with a channel more than [`VISIBLE`] levels apart, `0.0..=1.0`.
    pub(crate) visible_share: f64,
    /// Mean difference over all channels, in levels.
    pub(crate) mean: f64,
}

/// Compares premultiplied colours and alpha. The error names both sizes when they differ.
pub(crate) fn compare(expected: &RgbaImage, actual: &RgbaImage) -> Result<Difference, String> {
    if expected.dimensions() != actual.dimensions() {
        let ((w, h), (x, y)) = (expected.dimensions(), actual.dimensions());
        return Err(format!("the size is {x} x {y}, expected {w} x {h}"));
    }
    let (mut max, mut visible, mut sum) = (0, 0u64, 0u64);
    for (expected, actual) in expected.pixels().zip(actual.pixels()) {
        let distances = distances(expected.0, actual.0);
        let pixel = distances.into_iter().max().unwrap_or(0);
        max = max.max(pixel);
        visible += u64::from(pixel > VISIBLE);
        sum += distances.iter().map(|level| u64::from(*level)).sum::<u64>();
    }
    let pixels = (u64::from(expected.width()) * u64::from(expected.height())).max(1) as f64;
    Ok(Difference { max, visible_share: visible as f64 / pixels, mean: sum as f64 / pixels / 4.0 })
}

/// Picture of the differences: black where equal, brighter for larger differences, magenta outside the smaller picture.
pub(crate) fn picture(expected: &RgbaImage, actual: &RgbaImage) -> RgbaImage {
    let (width, height) = (expected.width().max(actual.width()), expected.height().max(actual.height()));
    RgbaImage::from_fn(width, height, |x, y| match (expected.get_pixel_checked(x, y), actual.get_pixel_checked(x, y)) {
        (Some(expected), Some(actual)) => {
            let level = distances(expected.0, actual.0).into_iter().max().unwrap_or(0);
            // A difference of one level must be visible.
            let grey = if level == 0 { 0 } else { level.saturating_mul(8).max(48) };
            image::Rgba([grey, grey, grey, 255])
        }
        _ => image::Rgba([255, 0, 255, 255]),
    })
}

fn distances(expected: [u8; 4], actual: [u8; 4]) -> [u8; 4] {
    let shown = |p: [u8; 4], channel: usize| match channel {
        3 => p[3],
        _ => ((u32::from(p[channel]) * u32::from(p[3]) + 127) / 255) as u8,
    };
    [0, 1, 2, 3].map(|channel| shown(expected, channel).abs_diff(shown(actual, channel)))
}
