//! Polygons of glyphs, kept from page to page: where a template has the same text at the same place, its edges are not made
//! again. A glyph that stands elsewhere, be it by whole px, may come out a little different: curves are cut where
//! floating-point noise decides.

use std::collections::HashMap;
use std::sync::Arc;

use kurbo::BezPath;

use super::plan::{Glyphs, PlacedGlyph};

/// Path elements kept a thread, 56 bytes each; then everything is dropped and made anew.
const MAX_ELEMENTS: usize = 200_000;
/// Counted for each glyph and each run on top: the entry.
const OVERHEAD: usize = 4;

/// Polygons that were made by one thread.
#[derive(Default)]
pub(super) struct Stamps {
    runs: HashMap<Look, Stamped>,
    elements: usize,
}

/// Everything that decides about the polygons of a run's glyphs but where they stand.
#[derive(PartialEq, Eq, Hash)]
struct Look {
    font: (u64, u32),
    coords: Arc<[i16]>,
    /// Bits of numbers that are all finite.
    linear: [u64; 4],
    size: u64,
    skew: u64,
    embolden: u64,
    hinted: bool,
}

/// Polygons of glyphs that look alike, by glyph and the bits of its place.
#[derive(Default)]
pub(super) struct Stamped(HashMap<(u32, [u64; 2]), BezPath>);

impl Stamps {
    /// What was made for runs like this one. `hinted`: the outlines are made for this size.
    pub(super) fn of(&mut self, run: &Glyphs, hinted: bool) -> &mut Stamped {
        if self.elements > MAX_ELEMENTS {
            *self = Self::default();
        }
        let [a, b, c, d, ..] = run.linear.as_coeffs();
        let look = Look {
            font: (run.font.data.id(), run.font.index),
            coords: run.coords.clone(),
            linear: [a, b, c, d].map(f64::to_bits),
            size: run.size.to_bits(),
            skew: run.skew.to_bits(),
            embolden: run.embolden.to_bits(),
            hinted,
        };
        let Self { runs, elements } = self;
        runs.entry(look).or_insert_with(|| {
            *elements += OVERHEAD;
            Stamped::default()
        })
    }

    /// Counts what was kept, so that memory stays bounded.
    pub(super) fn grew(&mut self, elements: usize) {
        self.elements += elements;
    }
}

impl Stamped {
    /// The polygons of a glyph; `None` where it was not made at this very place.
    pub(super) fn get(&self, glyph: &PlacedGlyph) -> Option<&BezPath> {
        self.0.get(&key(glyph))
    }

    /// Keeps `polygons`, and returns how many path elements were added.
    pub(super) fn keep(&mut self, glyph: &PlacedGlyph, polygons: BezPath) -> usize {
        let elements = polygons.elements().len() + OVERHEAD;
        self.0.insert(key(glyph), polygons);
        elements
    }
}

fn key(glyph: &PlacedGlyph) -> (u32, [u64; 2]) {
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
    fn polygons_are_found_where_they_were_made() {
        let font = FontData::new(Blob::from(vec![0]), 0);
        let triangle = BezPath::from_svg("M0 0L9 0L9 9Z").expect("a path");
        let glyph = |id, x| PlacedGlyph { id, at: Point::new(x, 20.0) };
        let mut stamps = Stamps::default();
        let elements = stamps.of(&run(&font, 12.0), true).keep(&glyph(7, 4.25), triangle.clone());
        assert_eq!(elements, 4 + OVERHEAD);
        assert_eq!(stamps.of(&run(&font, 12.0), true).get(&glyph(7, 4.25)), Some(&triangle));
        for other in [glyph(8, 4.25), glyph(7, 5.25)] {
            assert_eq!(stamps.of(&run(&font, 12.0), true).get(&other), None);
        }
        assert_eq!(stamps.of(&run(&font, 12.5), true).get(&glyph(7, 4.25)), None);
        assert_eq!(stamps.of(&run(&font, 12.0), false).get(&glyph(7, 4.25)), None);
        stamps.grew(MAX_ELEMENTS);
        assert_eq!(stamps.of(&run(&font, 12.0), true).get(&glyph(7, 4.25)), None, "dropped");
    }
}
