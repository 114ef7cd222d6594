//! Compares the figures with outlines traced from the editor's pixels; skipped when these do not exist.

use std::{collections::BTreeMap, fs, path::Path};

use kurbo::{PathEl, Point, Size};
use tenter::design::elements::figure::outline::{SUBTYPES, outline};

/// Outlines traced at 1000 px, with a precision of 1/1000 of the box; not part of this repository.
const TRACED: &str = "../shared/spec/figure-outlines.json";

/// Smallest accepted intersection over union. Ours reach 0.995, which is the accuracy of the tracing.
const MIN_OVERLAP: f64 = 0.98;

/// Number of scanlines through the unit square along which areas are summed.
const LINES: u32 = 1000;

type Polygon = Vec<Point>;

#[test]
fn figure_outlines_match_the_traced_outlines() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRACED);
    let Ok(text) = fs::read_to_string(&file) else {
        eprintln!("skipped: {} is not here", file.display());
        return;
    };
    let traced: BTreeMap<String, Vec<Vec<(f64, f64)>>> = serde_json::from_str(&text).expect("names with polygons");
    let mut unknown: Vec<&str> = traced.keys().map(String::as_str).filter(|name| !SUBTYPES.contains(name)).collect();
    unknown.extend(SUBTYPES.iter().filter(|name| !traced.contains_key(**name)));
    assert!(unknown.is_empty(), "figures that only one side has: {unknown:?}");

    let mut figures: Vec<(f64, &str)> = Vec::new();
    for (name, polygons) in &traced {
        let theirs: Vec<Polygon> = polygons.iter().map(|it| it.iter().copied().map(Point::from).collect()).collect();
        figures.push((intersection_over_union(&flattened(name), &theirs), name));
    }
    figures.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mean = figures.iter().map(|(figure, _)| figure).sum::<f64>() / figures.len() as f64;
    eprintln!("worst {:?}, mean {mean:.4}", &figures[..8]);
    let too_far: Vec<_> = figures.iter().filter(|(figure, _)| *figure < MIN_OVERLAP).collect();
    assert!(
        too_far.is_empty(),
        "below {MIN_OVERLAP}: {too_far:?}; compare the table in src/design/elements/figure/outline/"
    );
}

/// Our outline of a figure in the unit square, flattened to polygons.
fn flattened(name: &str) -> Vec<Polygon> {
    let mut polygons: Vec<Polygon> = Vec::new();
    kurbo::flatten(outline(name, Size::new(1.0, 1.0), 0.0), 1e-5, |element| match element {
        PathEl::MoveTo(to) => polygons.push(vec![to]),
        PathEl::LineTo(to) => polygons.last_mut().expect("a path starts with a move").push(to),
        _ => {}
    });
    polygons
}

fn intersection_over_union(ours: &[Polygon], theirs: &[Polygon]) -> f64 {
    let (mut both, mut either) = (0.0, 0.0);
    for line in 0..LINES {
        let y = (f64::from(line) + 0.5) / f64::from(LINES);
        let (a, b) = (spans(ours, y), spans(theirs, y));
        let overlap: f64 =
            a.iter().map(|a| b.iter().map(|b| (a.1.min(b.1) - a.0.max(b.0)).max(0.0)).sum::<f64>()).sum();
        both += overlap;
        either += a.iter().chain(&b).map(|span| span.1 - span.0).sum::<f64>() - overlap;
    }
    both / either
}

/// Intervals of x, from left to right, in which the scanline at `y` is inside the polygons by the nonzero rule.
fn spans(polygons: &[Polygon], y: f64) -> Vec<(f64, f64)> {
    let mut crossings: Vec<(f64, i32)> = Vec::new();
    for polygon in polygons {
        for (i, from) in polygon.iter().enumerate() {
            let to = polygon[(i + 1) % polygon.len()];
            if (from.y <= y) != (to.y <= y) {
                let x = from.x + (y - from.y) / (to.y - from.y) * (to.x - from.x);
                crossings.push((x, if to.y > from.y { 1 } else { -1 }));
            }
        }
    }
    crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut spans, mut winding, mut start) = (Vec::new(), 0, 0.0);
    for (x, turn) in crossings {
        if winding == 0 {
            start = x;
        }
        winding += turn;
        if winding == 0 {
            spans.push((start, x));
        }
    }
    spans
}

#[test]
fn figure_intersection_over_union_of_half_a_square() {
    let square = |x0: f64, x1: f64| {
        vec![vec![Point::new(x0, 0.0), Point::new(x1, 0.0), Point::new(x1, 1.0), Point::new(x0, 1.0)]]
    };
    let half = intersection_over_union(&square(0.0, 1.0), &square(0.0, 0.5));
    assert!((half - 0.5).abs() < 1e-9, "{half}");
}
