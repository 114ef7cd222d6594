//! How far two pictures are apart for an eye: pixels of another colour, edges left out.
//!
//! After Kotsarenko & Ramos 2010 (distance in YIQ) and Vysniauskas 2009 (which pixels are anti-aliasing), as the pixelmatch
//! tool has it, with its threshold of 0.1.

use image::{Rgba, RgbaImage};

/// Greatest possible squared distance.
const MOST: f64 = 35_215.0;
const THRESHOLD: f64 = 0.1;

/// Share of pixels that differ, `0.0..=1.0`. Both on white, and of one size but for a row or column at the end: readers
/// round the size of a page up.
pub(crate) fn differing_share(a: &RgbaImage, b: &RgbaImage) -> f64 {
    let (width, height) = (a.width().min(b.width()), a.height().min(b.height()));
    assert!(a.width().max(b.width()) <= width + 1 && a.height().max(b.height()) <= height + 1, "sizes differ");
    let both = [a, b].map(|it| image::imageops::crop_imm(it, 0, 0, width, height).to_image());
    let [a, b] = &both;
    let differs = |x: u32, y: u32| {
        let (left, right) = (a.get_pixel(x, y), b.get_pixel(x, y));
        left != right
            && distance(left, right) > MOST * THRESHOLD * THRESHOLD
            && !is_edge(a, b, x, y)
            && !is_edge(b, a, x, y)
    };
    let count = (0..a.height()).map(|y| (0..a.width()).filter(|x| differs(*x, y)).count()).sum::<usize>();
    count as f64 / (f64::from(a.width()) * f64::from(a.height()))
}

fn on_white(pixel: &Rgba<u8>) -> [f64; 3] {
    let alpha = f64::from(pixel.0[3]) / 255.0;
    [0, 1, 2].map(|channel| 255.0 + (f64::from(pixel.0[channel]) - 255.0) * alpha)
}

fn luma(pixel: &Rgba<u8>) -> f64 {
    let [r, g, b] = on_white(pixel);
    r * 0.298_895_31 + g * 0.586_622_47 + b * 0.114_482_23
}

fn distance(a: &Rgba<u8>, b: &Rgba<u8>) -> f64 {
    let (p, q) = (on_white(a), on_white(b));
    let d = [0, 1, 2].map(|channel| p[channel] - q[channel]);
    let i = d[0] * 0.595_977_99 - d[1] * 0.274_176_1 - d[2] * 0.321_801_89;
    let q = d[0] * 0.211_470_17 - d[1] * 0.522_617_11 + d[2] * 0.311_146_94;
    0.5053 * (luma(a) - luma(b)).powi(2) + 0.299 * i * i + 0.1957 * q * q
}

/// Up to eight.
fn neighbours(picture: &RgbaImage, x: u32, y: u32) -> impl Iterator<Item = (u32, u32)> {
    let (width, height) = picture.dimensions();
    let columns = x.saturating_sub(1)..=(x + 1).min(width - 1);
    columns
        .flat_map(move |column| (y.saturating_sub(1)..=(y + 1).min(height - 1)).map(move |row| (column, row)))
        .filter(move |at| *at != (x, y))
}

/// On the picture's edge a pixel has an equal neighbour more.
fn border(picture: &RgbaImage, x: u32, y: u32) -> usize {
    let (width, height) = picture.dimensions();
    usize::from(x == 0 || y == 0 || x + 1 == width || y + 1 == height)
}

fn is_flat(picture: &RgbaImage, x: u32, y: u32) -> bool {
    let this = picture.get_pixel(x, y);
    let same = neighbours(picture, x, y).filter(|(x, y)| picture.get_pixel(*x, *y) == this).count();
    same + border(picture, x, y) > 2
}

/// True when the pixel looks like part of an anti-aliased edge of `picture`.
fn is_edge(picture: &RgbaImage, other: &RgbaImage, x: u32, y: u32) -> bool {
    let this = luma(picture.get_pixel(x, y));
    let (mut equal, mut low, mut high) = (border(picture, x, y), (0.0, None), (0.0, None));
    for at in neighbours(picture, x, y) {
        let delta = luma(picture.get_pixel(at.0, at.1)) - this;
        if delta == 0.0 {
            equal += 1;
        } else if delta < low.0 {
            low = (delta, Some(at));
        } else if delta > high.0 {
            high = (delta, Some(at));
        }
    }
    let (Some(darkest), Some(brightest)) = (low.1, high.1) else { return false };
    let flat = |(x, y): (u32, u32)| is_flat(picture, x, y) && is_flat(other, x, y);
    equal <= 2 && (flat(darkest) || flat(brightest))
}

#[test]
fn pixels_that_differ_are_counted_and_edges_are_not() {
    let grey = |level: u8| Rgba([level, level, level, 255]);
    // An edge from black to white in column 4, softened; the other picture has it softened differently.
    let edge = |middle: u8| {
        RgbaImage::from_fn(9, 9, |x, _| {
            grey(match x {
                0..4 => 0,
                4 => middle,
                _ => 255,
            })
        })
    };
    assert_eq!(differing_share(&edge(60), &edge(190)), 0.0);
    let moved = RgbaImage::from_fn(9, 9, |x, _| grey(if x < 6 { 0 } else { 255 }));
    assert!((differing_share(&edge(60), &moved) - 9.0 / 81.0).abs() < 0.13);
    let (white, black) = (RgbaImage::from_pixel(4, 4, grey(255)), RgbaImage::from_pixel(4, 4, grey(0)));
    assert_eq!(differing_share(&white, &black), 1.0);
    assert_eq!(differing_share(&white, &RgbaImage::new(4, 4)), 0.0, "transparent is white");
}
