//! How far a picture is from its reference, as shares of pixels.
//!
//! A pixel differs when its colour distance in YIQ exceeds the threshold 0.1 and neither picture shows anti-aliasing there: the
//! method of Kotsarenko and Ramos (2010) and Vysniauskas (2009), as documented for the pixelmatch tool. Colours are compared on
//! white.

use std::collections::HashMap;

use image::RgbaImage;

/// The greatest squared YIQ distance of two colours.
const MAX_DISTANCE: f64 = 35215.0;
/// Squared YIQ distances up to this one are not seen.
const LIMIT: f64 = MAX_DISTANCE * 0.1 * 0.1;

/// The distance of two pictures of one size.
pub(crate) struct Distance {
    /// Share of all pixels that differ, `0.0..=1.0`.
    pub(crate) diff: f64,
    /// The differing pixels as a share of the drawn ones: those that differ from the reference's most frequent colour in either
    /// picture. An empty page cannot hide a wrong line of text from it.
    pub(crate) ink: f64,
    /// Which pixels differ, row by row.
    pub(crate) mask: Vec<bool>,
}

/// Compares `ours` with `reference`; `None` when their sizes differ.
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

/// Indices of the up to eight pixels around `at`.
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

/// Pixels with more than two neighbours of exactly their own colour; the edge of the picture counts as one.
fn flat_pixels(picture: &RgbaImage) -> Vec<bool> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let pixels: Vec<_> = picture.pixels().map(|pixel| pixel.0).collect();
    let is_flat = |at: usize| {
        let same = neighbours(width, height, at).filter(|it| pixels[*it] == pixels[at]).count();
        same + usize::from(is_on_edge(width, height, at)) > 2
    };
    (0..pixels.len()).map(is_flat).collect()
}

/// Whether the pixel looks like a part of an anti-aliased edge: at most two neighbours as bright as itself, some darker and some
/// brighter, the darkest or the brightest of them inside an area that is flat in both pictures.
fn is_antialiasing(picture: &[[f64; 3]], flat: &[bool], width: usize, height: usize, at: usize) -> bool {
    let mut equal = usize::from(is_on_edge(width, height, at));
    let (mut low, mut high) = ((0.0, false), (0.0, false));
    // Column by column, as the tool that the references are judged with does it: it decides between equals.
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
    assert_eq!(share(&edge(60), &edge(190)), 0.0);
    let moved = RgbaImage::from_fn(9, 9, |x, _| grey(if x < 6 { 0 } else { 255 }));
    assert!((share(&edge(60), &moved) - 9.0 / 81.0).abs() < 0.13);
    let (white, black) = (RgbaImage::from_pixel(4, 4, grey(255)), RgbaImage::from_pixel(4, 4, grey(0)));
    assert_eq!(share(&white, &black), 1.0);
    assert_eq!(share(&white, &RgbaImage::new(4, 4)), 0.0, "transparent is white");
}
