//! Distance between a picture and its reference, as shares of differing pixels.
//!
//! A pixel differs when its colour distance in YIQ exceeds the threshold 0.1 and neither picture shows anti-aliasing
//! there: the method of Kotsarenko and Ramos (2010) and Vysniauskas (2009), as documented for the pixelmatch tool.
//! Colours are composited over white before they are compared.

use std::collections::HashMap;

use image::RgbaImage;

/// Largest possible squared YIQ distance of two colours.
const MAX_DISTANCE: f64 = 35215.0;
/// Squared YIQ distances up to this value count as equal: threshold 0.1 of the largest distance.
const LIMIT: f64 = MAX_DISTANCE * 0.1 * 0.1;

/// Distance between two pictures of the same size.
pub(crate) struct Distance {
    /// Share of all pixels that differ, `0.0..=1.0`.
    pub(crate) diff: f64,
    /// Differing pixels as a share of the drawn pixels, which are those that differ from the reference's most frequent
    /// colour in either picture. A large empty background does not lower this share.
    pub(crate) ink: f64,
    /// Whether each pixel differs, row by row.
    pub(crate) mask: Vec<bool>,
}

/// Compares `ours` with `reference`; returns `None` when their sizes differ.
pub(crate) fn distance(ours: &RgbaImage, reference: &RgbaImage) -> Option<Distance> {
    if ours.dimensions() != reference.dimensions() {
        return None;
    }
    let (width, height) = (reference.width() as usize, reference.height() as usize);
    let (a, b) = (yiq(ours), yiq(reference));
    let over: Vec<bool> = (0..a.len()).map(|at| squared_distance(a[at], b[at]) > LIMIT).collect();
    let mut mask = over.clone();
    if over.contains(&true) {
        let (flat_a, flat_b) = (flat_pixels(ours), flat_pixels(reference));
        let flat: Vec<bool> = flat_a.iter().zip(&flat_b).map(|(a, b)| *a && *b).collect();
        for (at, differs) in mask.iter_mut().enumerate().filter(|(_, differs)| **differs) {
            *differs = ![&a, &b].into_iter().any(|picture| is_antialiasing(picture, &flat, width, height, at));
        }
    }
    let ground = yiq_of(on_white(most_frequent(reference)));
    let is_drawn = |at: usize| squared_distance(a[at], ground) > LIMIT || squared_distance(b[at], ground) > LIMIT;
    let drawn = (0..a.len()).filter(|at| is_drawn(*at)).count();
    let count = mask.iter().filter(|differs| **differs).count() as f64;
    Some(Distance { diff: count / a.len().max(1) as f64, ink: (count / drawn.max(1) as f64).min(1.0), mask })
}

fn on_white([r, g, b, a]: [u8; 4]) -> [f64; 3] {
    [r, g, b].map(|level| 255.0 + (f64::from(level) - 255.0) * f64::from(a) / 255.0)
}

fn yiq_of([r, g, b]: [f64; 3]) -> [f64; 3] {
    [
        r * 0.298_895_31 + g * 0.586_622_47 + b * 0.114_482_23,
        r * 0.595_977_99 - g * 0.274_176_10 - b * 0.321_801_89,
        r * 0.211_470_17 - g * 0.522_617_11 + b * 0.311_146_94,
    ]
}

fn yiq(picture: &RgbaImage) -> Vec<[f64; 3]> {
    picture.pixels().map(|pixel| yiq_of(on_white(pixel.0))).collect()
}

fn squared_distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let [y, i, q] = [0, 1, 2].map(|channel| (a[channel] - b[channel]).powi(2));
    0.5053 * y + 0.299 * i + 0.1957 * q
}

fn most_frequent(picture: &RgbaImage) -> [u8; 4] {
    let mut counts: HashMap<[u8; 4], usize> = HashMap::new();
    picture.pixels().for_each(|pixel| *counts.entry(pixel.0).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map_or([255; 4], |(pixel, _)| pixel)
}

/// Indices of the three to eight pixels around `at`.
fn neighbours(width: usize, height: usize, at: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (at % width, at / width);
    let rows = y.saturating_sub(1)..(y + 2).min(height);
    let around =
        rows.flat_map(move |row| (x.saturating_sub(1)..(x + 2).min(width)).map(move |column| row * width + column));
    around.filter(move |it| *it != at)
}

fn is_on_edge(width: usize, height: usize, at: usize) -> bool {
    let (x, y) = (at % width, at / width);
    x == 0 || y == 0 || x + 1 == width || y + 1 == height
}

/// Whether each pixel has more than two neighbours of exactly its own colour; the edge of the picture counts as one.
fn flat_pixels(picture: &RgbaImage) -> Vec<bool> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels: Vec<_> = picture.pixels().map(|pixel| pixel.0).collect();
    let is_flat = |at: usize| {
        let same = neighbours(width, height, at).filter(|it| pixels[*it] == pixels[at]).count();
        same + usize::from(is_on_edge(width, height, at)) > 2
    };
    (0..pixels.len()).map(is_flat).collect()
}

/// Whether the pixel looks anti-aliased: at most two neighbours have its brightness, some are darker and some brighter,
/// and the darkest or the brightest of them lies in an area that is flat in both pictures.
fn is_antialiasing(picture: &[[f64; 3]], flat: &[bool], width: usize, height: usize, at: usize) -> bool {
    let mut equal = usize::from(is_on_edge(width, height, at));
    let (mut low, mut high) = ((0.0, false), (0.0, false));
    // pixelmatch visits neighbours column by column, which decides between neighbours of equal brightness.
    let mut around: Vec<_> = neighbours(width, height, at).collect();
    around.sort_by_key(|it| (it % width, it / width));
    for neighbour in around {
        let change = picture[neighbour][0] - picture[at][0];
        equal += usize::from(change == 0.0);
        if change < low.0 {
            low = (change, flat[neighbour]);
        }
        if change > high.0 {
            high = (change, flat[neighbour]);
        }
    }
    equal <= 2 && low.0 < 0.0 && high.0 > 0.0 && (low.1 || high.1)
}

#[test]
fn metric_counts_moved_pixels_and_not_equal_ones() {
    let white = image::Rgba([255, 255, 255, 255]);
    let mut reference = RgbaImage::from_pixel(20, 20, white);
    (5..9).for_each(|y| (5..9).for_each(|x| reference.put_pixel(x, y, image::Rgba([0, 0, 0, 255]))));
    let same = distance(&reference, &reference).expect("of one size");
    assert_eq!((same.diff, same.ink), (0.0, 0.0));
    let empty = distance(&RgbaImage::from_pixel(20, 20, white), &reference).expect("of one size");
    assert_eq!((empty.diff, empty.ink), (16.0 / 400.0, 1.0));
    assert!(distance(&RgbaImage::new(20, 19), &reference).is_none());
}

#[test]
fn metric_does_not_count_edges() {
    let share = |a: &RgbaImage, b: &RgbaImage| distance(a, b).expect("of one size").diff;
    let grey = |level: u8| image::Rgba([level, level, level, 255]);
    // Both pictures have an edge from black to white with one anti-aliased column, at different coverage.
    let edge = |middle: u8| {
        RgbaImage::from_fn(9, 9, |x, _| {
            grey(match x {
                0..4 => 0,
                4 => middle,
                _ => 255,
            })
        })
    };
    assert_eq!(share(&edge(60), &edge(190)), 0.0);
    let moved = RgbaImage::from_fn(9, 9, |x, _| grey(if x < 6 { 0 } else { 255 }));
    assert!((share(&edge(60), &moved) - 9.0 / 81.0).abs() < 0.13);
    let (white, black) = (RgbaImage::from_pixel(4, 4, grey(255)), RgbaImage::from_pixel(4, 4, grey(0)));
    assert_eq!(share(&white, &black), 1.0);
    assert_eq!(share(&white, &RgbaImage::new(4, 4)), 0.0, "transparent is white");
}
