//! A cache of glyph polygons from page to page, for templates that repeat the same text at the same position.
//!
//! Entries hold for one exact position only: even after a shift by whole px the polygons of a glyph may differ
//! slightly, because floating-point noise moves the points at which curves are split.

use std::collections::HashMap;
use std::sync::Arc;

use kurbo::BezPath;

use super::plan::{Glyphs, PlacedGlyph};

/// Path elements cached per thread, 56 bytes each. When the cache exceeds this, it is cleared.
const MAX_ELEMENTS: usize = 200_000;
/// Path elements counted for the map entry of each glyph and each run.
const OVERHEAD: usize = 4;

/// The glyph polygons that one thread has made.
#[derive(Default)]
pub(super) struct GlyphEdgeCache {
    runs: HashMap<RunKey, RunEdges>,
    elements: usize,
}

/// Everything that determines the polygons of a run's glyphs except their positions.
#[derive(PartialEq, Eq, Hash)]
struct RunKey {
    font: (u64, u32),
    coords: Arc<[i16]>,
    /// Bits of the coefficients, all finite.
    linear: [u64; 4],
    size: u64,
    skew: u64,
    embolden: u64,
    hinted: bool,
}

/// Polygons of the glyphs of runs with one [`RunKey`], by glyph id and the bits of the position.
#[derive(Default)]
pub(super) struct RunEdges(HashMap<(u32, [u64; 2]), BezPath>);

impl GlyphEdgeCache {
    /// The entry for runs with the font, size and transform of `run`. `hinted`: the outlines are hinted for this size.
    pub(super) fn of_run(&mut self, run: &Glyphs, hinted: bool) -> &mut RunEdges {
        if self.elements > MAX_ELEMENTS {
            *self = Self::default();
        }
        let [a, b, c, d, ..] = run.linear.as_coeffs();
        let key = RunKey {
            font: (run.font.data.id(), run.font.index),
            coords: run.coords.clone(),
            linear: [a, b, c, d].map(f64::to_bits),
            size: run.size.to_bits(),
            skew: run.skew.to_bits(),
            embolden: run.embolden.to_bits(),
            hinted,
        };
        let Self { runs, elements } = self;
        runs.entry(key).or_insert_with(|| {
            *elements += OVERHEAD;
            RunEdges::default()
        })
    }

    /// Counts path elements that were inserted, so that memory stays bounded.
    pub(super) fn count_added(&mut self, elements: usize) {
        self.elements += elements;
    }
}

impl RunEdges {
    /// The polygons of a glyph at exactly this position.
    pub(super) fn get(&self, glyph: &PlacedGlyph) -> Option<&BezPath> {
        self.0.get(&glyph_key(glyph))
    }

    /// Stores `polygons`, and returns how many path elements they count for.
    pub(super) fn insert(&mut self, glyph: &PlacedGlyph, polygons: BezPath) -> usize {
        let elements = polygons.elements().len() + OVERHEAD;
        self.0.insert(glyph_key(glyph), polygons);
        elements
    }
}

fn glyph_key(glyph: &PlacedGlyph) -> (u32, [u64; 2]) {
    (glyph.id, [glyph.at.x, glyph.at.y].map(f64::to_bits))
}

#[cfg(test)]
mod tests {
    use kurbo::{Affine, Point};
    use peniko::{Blob, Color, FontData};

    use super::*;
    use crate::paint::plan::Snap;
    use crate::scene::{GlyphStyle, Paint};

    fn run(font: &FontData, size: f64) -> Glyphs {
        Glyphs {
            font: font.clone(),
            coords: Arc::default(),
            size,
            skew: 0.0,
            embolden: 0.0,
            style: GlyphStyle::Fill,
            paint: Paint::from(Color::BLACK),
            linear: Affine::IDENTITY,
            snap: Snap::Rows,
            glyphs: Vec::new(),
        }
    }

    #[test]
    fn polygons_are_cached_by_run_glyph_and_position() {
        let font = FontData::new(Blob::from(vec![0]), 0);
        let triangle = BezPath::from_svg("M0 0L9 0L9 9Z").expect("a path");
        let glyph = |id, x| PlacedGlyph { id, at: Point::new(x, 20.0) };
        let mut cache = GlyphEdgeCache::default();
        let elements = cache.of_run(&run(&font, 12.0), true).insert(&glyph(7, 4.25), triangle.clone());
        assert_eq!(elements, 4 + OVERHEAD);
        assert_eq!(cache.of_run(&run(&font, 12.0), true).get(&glyph(7, 4.25)), Some(&triangle));
        for other in [glyph(8, 4.25), glyph(7, 5.25)] {
            assert_eq!(cache.of_run(&run(&font, 12.0), true).get(&other), None);
        }
        assert_eq!(cache.of_run(&run(&font, 12.5), true).get(&glyph(7, 4.25)), None);
        assert_eq!(cache.of_run(&run(&font, 12.0), false).get(&glyph(7, 4.25)), None);
        cache.count_added(MAX_ELEMENTS);
        assert_eq!(cache.of_run(&run(&font, 12.0), true).get(&glyph(7, 4.25)), None, "cleared");
    }
}
