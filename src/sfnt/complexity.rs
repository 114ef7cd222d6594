//! Refuses fonts in which a few kilobytes describe a glyph that takes minutes to draw.
//!
//! A composite glyph (`glyf`, `VARC`) refers to other glyphs, and a COLR version 1 glyph is a graph of paints. Both may
//! refer to the same part many times at each of many levels, so that the work to draw a glyph grows exponentially with
//! the size of the file. The totals are counted here without drawing, each part once.

use std::collections::HashMap;

use skrifa::raw::tables::colr::{Colr, Paint};
use skrifa::raw::tables::glyf::{Glyf, Glyph};
use skrifa::raw::tables::loca::Loca;
use skrifa::raw::tables::varc::Varc;
use skrifa::raw::{ReadError, TableProvider};
use skrifa::{FontRef, GlyphId, Tag};

use super::charstrings;

/// Maximum number of components that a glyph may refer to, directly or through others. Complex glyphs of fonts in use
/// have about 100.
const MAX_COMPONENTS: u32 = 2048;
/// Maximum number of outline points of a glyph with all its components. Complex glyphs of fonts in use have about 5000.
const MAX_POINTS: u32 = 200_000;
/// Maximum number of paints that drawing a COLR glyph visits. Complex emoji have about 1000.
const MAX_PAINTS: u32 = 32_768;
/// Maximum depth of references. skrifa refuses to draw glyphs beyond 32 levels of components or 64 levels of paints.
const MAX_DEPTH: u32 = 64;

/// A glyph of a font is too complex to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("glyph {glyph} has more than {limit} {unit}")]
pub struct TooComplex {
    /// Index of the glyph in the font.
    glyph: u32,
    limit: u32,
    unit: &'static str,
}

impl TooComplex {
    /// The error for `glyph`, which has more than `limit` of `unit`.
    pub(super) fn new(glyph: u32, limit: u32, unit: &'static str) -> Self {
        Self { glyph, limit, unit }
    }
}

/// Checks every glyph of a face. Damaged glyphs and paints count as empty, because they are not drawn.
pub(super) fn check(font: &FontRef<'_>) -> Result<(), TooComplex> {
    let count = font.maxp().map_or(0, |maxp| maxp.num_glyphs());
    let mut outlines = match (font.glyf(), font.loca(None)) {
        (Ok(glyf), Ok(loca)) => Some(Outlines { glyf, loca, sizes: HashMap::new() }),
        _ => None,
    };
    if let Some(outlines) = &mut outlines {
        for glyph in 0..u32::from(count) {
            outlines.size(GlyphId::new(glyph), 0).check(glyph)?;
        }
    }
    if let Ok(varc) = font.varc() {
        let indices = variable_composites(&varc);
        let mut composites = VariableComposites { varc, indices, outlines, sizes: HashMap::new() };
        for glyph in composites.indices.keys().copied().collect::<Vec<_>>() {
            composites.size(glyph, 0).check(glyph.to_u32())?;
        }
    }
    for tag in [b"CFF ", b"CFF2"] {
        if let Some(table) = font.table_data(Tag::new(tag)) {
            charstrings::check(table.as_bytes())?;
        }
    }
    if let Ok(colr) = font.colr() {
        let mut paints = Paints { colr, counts: HashMap::new() };
        for record in paints.base_glyphs() {
            if paints.of_glyph(record, 0) > MAX_PAINTS {
                return Err(TooComplex { glyph: record.to_u32(), limit: MAX_PAINTS, unit: "paints" });
            }
        }
    }
    Ok(())
}

/// Total size of an outline, saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    components: u32,
    points: u32,
}

impl Size {
    /// Larger than every limit.
    const MAX: Self = Self { components: u32::MAX, points: u32::MAX };

    /// The size with one more component of the size `other`.
    fn with_component(self, other: Self) -> Self {
        Self {
            components: self.components.saturating_add(other.components).saturating_add(1),
            points: self.points.saturating_add(other.points),
        }
    }

    fn check(self, glyph: u32) -> Result<(), TooComplex> {
        if self.components > MAX_COMPONENTS {
            return Err(TooComplex { glyph, limit: MAX_COMPONENTS, unit: "components" });
        }
        if self.points > MAX_POINTS {
            return Err(TooComplex { glyph, limit: MAX_POINTS, unit: "points" });
        }
        Ok(())
    }
}

/// Outlines of the `glyf` table.
struct Outlines<'a> {
    glyf: Glyf<'a>,
    loca: Loca<'a>,
    /// Sizes of composite glyphs. One that is being counted has size 0, because skrifa does not draw a glyph that
    /// contains itself.
    sizes: HashMap<GlyphId, Size>,
}

impl Outlines<'_> {
    fn size(&mut self, glyph: GlyphId, depth: u32) -> Size {
        let Ok(Some(outline)) = self.loca.get_glyf(glyph, &self.glyf) else { return Size::default() };
        let composite = match outline {
            Glyph::Simple(simple) => return Size { components: 0, points: simple.num_points() as u32 },
            Glyph::Composite(composite) => composite,
        };
        if let Some(size) = self.sizes.get(&glyph) {
            return *size;
        }
        if depth > MAX_DEPTH {
            return Size::MAX;
        }
        self.sizes.insert(glyph, Size::default());
        let mut total = Size::default();
        for (component, _) in composite.component_glyphs_and_flags() {
            total = total.with_component(self.size(component.into(), depth + 1));
        }
        self.sizes.insert(glyph, total);
        total
    }
}

/// Glyphs of the `VARC` table and their indices in it.
fn variable_composites(varc: &Varc<'_>) -> HashMap<GlyphId, usize> {
    let coverage = varc.coverage();
    let glyphs = coverage.iter().flat_map(|it| it.iter());
    glyphs.enumerate().map(|(index, glyph)| (GlyphId::from(glyph), index)).collect()
}

/// Variable composite glyphs of the `VARC` table.
struct VariableComposites<'a> {
    varc: Varc<'a>,
    indices: HashMap<GlyphId, usize>,
    outlines: Option<Outlines<'a>>,
    /// Sizes of the glyphs. One that is being counted has the size of its outline alone: as its own component it stands
    /// for that.
    sizes: HashMap<GlyphId, Size>,
}

impl VariableComposites<'_> {
    fn size(&mut self, glyph: GlyphId, depth: u32) -> Size {
        if let Some(size) = self.sizes.get(&glyph) {
            return *size;
        }
        if depth > MAX_DEPTH {
            return Size::MAX;
        }
        let outline = self.outlines.as_mut().map_or_else(Size::default, |it| it.size(glyph, 0));
        self.sizes.insert(glyph, outline);
        let Some(Ok(composite)) = self.indices.get(&glyph).map(|index| self.varc.glyph(*index)) else { return outline };
        // Nothing is drawn after a damaged component.
        let components: Vec<_> = composite.components().map_while(Result::ok).map(|it| it.gid()).collect();
        let mut total = Size::default();
        for component in components {
            total = total.with_component(self.size(component, depth + 1));
        }
        self.sizes.insert(glyph, total);
        total
    }
}

/// Paint graphs of the `COLR` table.
struct Paints<'a> {
    colr: Colr<'a>,
    /// Number of paints below each paint, itself included, by its address. One that is being counted has 0, because
    /// skrifa does not draw a paint that contains itself.
    counts: HashMap<usize, u32>,
}

impl<'a> Paints<'a> {
    /// Glyphs that have a paint graph.
    fn base_glyphs(&self) -> Vec<GlyphId> {
        let list = self.colr.base_glyph_list().and_then(Result::ok);
        let records = list.map(|list| list.base_glyph_paint_records().iter().map(|it| it.glyph_id().into()).collect());
        records.unwrap_or_default()
    }

    fn of_glyph(&mut self, glyph: GlyphId, depth: u32) -> u32 {
        match self.colr.v1_base_glyph(glyph) {
            Ok(Some((paint, _))) => self.of_paint(&paint, depth),
            Ok(None) | Err(_) => 0,
        }
    }

    fn of_paint(&mut self, paint: &Paint<'a>, depth: u32) -> u32 {
        let address = paint.offset_data().as_bytes().as_ptr() as usize;
        if let Some(count) = self.counts.get(&address) {
            return *count;
        }
        if depth > MAX_DEPTH {
            return u32::MAX;
        }
        self.counts.insert(address, 0);
        let below = match paint {
            Paint::ColrLayers(layers) => {
                let first = layers.first_layer_index() as usize;
                let range = first..first.saturating_add(usize::from(layers.num_layers()));
                range.fold(0, |sum: u32, layer| match self.colr.v1_layer(layer) {
                    Ok((paint, _)) => sum.saturating_add(self.of_paint(&paint, depth + 1)),
                    Err(_) => sum,
                })
            }
            Paint::ColrGlyph(glyph) => self.of_glyph(glyph.glyph_id().into(), depth + 1),
            Paint::Composite(composite) => self
                .of_child(composite.source_paint(), depth)
                .saturating_add(self.of_child(composite.backdrop_paint(), depth)),
            other => child(other).map_or(0, |child| self.of_child(child, depth)),
        };
        let count = below.saturating_add(1);
        self.counts.insert(address, count);
        count
    }

    fn of_child(&mut self, child: Result<Paint<'a>, ReadError>, depth: u32) -> u32 {
        child.map_or(0, |child| self.of_paint(&child, depth + 1))
    }
}

/// The paint below a paint that has exactly one.
fn child<'a>(paint: &Paint<'a>) -> Option<Result<Paint<'a>, ReadError>> {
    Some(match paint {
        Paint::Glyph(it) => it.paint(),
        Paint::Transform(it) => it.paint(),
        Paint::VarTransform(it) => it.paint(),
        Paint::Translate(it) => it.paint(),
        Paint::VarTranslate(it) => it.paint(),
        Paint::Scale(it) => it.paint(),
        Paint::VarScale(it) => it.paint(),
        Paint::ScaleAroundCenter(it) => it.paint(),
        Paint::VarScaleAroundCenter(it) => it.paint(),
        Paint::ScaleUniform(it) => it.paint(),
        Paint::VarScaleUniform(it) => it.paint(),
        Paint::ScaleUniformAroundCenter(it) => it.paint(),
        Paint::VarScaleUniformAroundCenter(it) => it.paint(),
        Paint::Rotate(it) => it.paint(),
        Paint::VarRotate(it) => it.paint(),
        Paint::RotateAroundCenter(it) => it.paint(),
        Paint::VarRotateAroundCenter(it) => it.paint(),
        Paint::Skew(it) => it.paint(),
        Paint::VarSkew(it) => it.paint(),
        Paint::SkewAroundCenter(it) => it.paint(),
        Paint::VarSkewAroundCenter(it) => it.paint(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sfnt::tests::{ROBOTO, with_tables};

    /// A composite glyph (OpenType `glyf`) of components at the origin.
    fn composite(components: &[u16]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
        for (at, glyph) in components.iter().enumerate() {
            // ARGS_ARE_XY_VALUES, and MORE_COMPONENTS for all but the last.
            let flags: u16 = if at + 1 < components.len() { 0x22 } else { 0x02 };
            bytes.extend([flags.to_be_bytes(), glyph.to_be_bytes()].concat());
            bytes.extend([0, 0]);
        }
        bytes
    }

    /// Roboto with these outlines as its first glyphs.
    fn with_outlines(outlines: &[Vec<u8>]) -> Vec<u8> {
        let count = FontRef::new(ROBOTO).and_then(|it| it.maxp()).expect("a font").num_glyphs();
        let (mut glyf, mut loca) = (Vec::new(), Vec::new());
        for glyph in 0..=usize::from(count) {
            loca.extend((glyf.len() as u32).to_be_bytes());
            glyf.extend(outlines.get(glyph).map_or(&[][..], Vec::as_slice));
            glyf.resize(glyf.len().next_multiple_of(4), 0);
        }
        let mut head = FontRef::new(ROBOTO)
            .expect("a font")
            .table_data(skrifa::Tag::new(b"head"))
            .expect("a table")
            .as_bytes()
            .to_vec();
        head[51] = 1; // indexToLocFormat: long offsets
        with_tables(&[(b"glyf", glyf), (b"loca", loca), (b"head", head)])
    }

    /// A COLR version 1 table: glyph 1 is `levels` paints that show the next one 255 times, the last a solid colour.
    fn nested_layers(levels: u32) -> Vec<u8> {
        const HEADER: u32 = 34;
        let layers = levels * 255;
        let layer_list = 4 + 4 * layers;
        // From the start of the base glyph list, which follows the layer list.
        let paint = |level: u32| 10 + 6 * level;
        let mut table = [0, 1].to_vec();
        table.extend([0; 12]);
        table.extend([HEADER + layer_list, HEADER].map(u32::to_be_bytes).concat());
        table.extend([0; 12]);
        table.extend(layers.to_be_bytes());
        for layer in 0..layers {
            table.extend((layer_list + paint(layer / 255 + 1)).to_be_bytes());
        }
        table.extend([1u32.to_be_bytes().as_slice(), &1u16.to_be_bytes(), &paint(0).to_be_bytes()].concat());
        for level in 0..levels {
            table.extend([1, 255]);
            table.extend((level * 255).to_be_bytes());
        }
        table.extend([2, 0, 0, 0x40, 0]);
        table
    }

    fn check_bytes(bytes: &[u8]) -> Result<(), TooComplex> {
        check(&FontRef::new(bytes).expect("a font"))
    }

    #[test]
    fn bundled_fonts_are_within_the_limits() {
        assert_eq!(check_bytes(ROBOTO), Ok(()));
    }

    #[test]
    fn components_are_counted_through_all_levels() {
        let wide = |levels: u16, count: usize| -> Vec<Vec<u8>> {
            (1..=levels).map(|next| composite(&vec![next; count])).collect()
        };
        assert_eq!(check_bytes(&with_outlines(&wide(2, 40))), Ok(()));
        let too_complex = TooComplex { glyph: 0, limit: MAX_COMPONENTS, unit: "components" };
        assert_eq!(check_bytes(&with_outlines(&wide(2, 50))), Err(too_complex));
        assert_eq!(check_bytes(&with_outlines(&wide(8, 100))), Err(too_complex));
        assert_eq!(check_bytes(&with_outlines(&wide(1000, 1))), Err(too_complex));
    }

    #[test]
    fn glyph_that_contains_itself_ends_the_count() {
        assert_eq!(check_bytes(&with_outlines(&[composite(&[1, 1]), composite(&[0, 0])])), Ok(()));
    }

    #[test]
    fn points_are_counted_with_those_of_components() {
        // One contour of 4000 points; the coordinates are not read.
        let simple = [&[0u8, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], &3999u16.to_be_bytes(), &[0; 8008]].concat();
        let outlines = |count: usize| with_outlines(&[composite(&vec![1; count]), simple.clone()]);
        assert_eq!(check_bytes(&outlines(50)), Ok(()));
        assert_eq!(check_bytes(&outlines(51)), Err(TooComplex { glyph: 0, limit: MAX_POINTS, unit: "points" }));
    }

    /// A `VARC` table whose first glyphs are each `count` components, which show the next glyph.
    fn nested_variable_composites(levels: u16, count: usize) -> Vec<u8> {
        let composite = |next: u16| [&[0u8][..], &next.to_be_bytes()].concat().repeat(count);
        let glyphs: Vec<_> = (1..=levels).map(composite).collect();
        let coverage: Vec<u16> = [1, levels].into_iter().chain(0..levels).collect();
        let coverage: Vec<u8> = coverage.into_iter().flat_map(u16::to_be_bytes).collect();
        let mut table = [0, 1, 0, 0].to_vec();
        for offset in [24, 0, 0, 0, 24 + coverage.len() as u32] {
            table.extend(offset.to_be_bytes());
        }
        table.extend(coverage);
        table.extend(u32::from(levels).to_be_bytes());
        table.push(4);
        let mut offset = 1;
        table.extend(u32::to_be_bytes(offset));
        for glyph in &glyphs {
            offset += glyph.len() as u32;
            table.extend(offset.to_be_bytes());
        }
        table.extend(glyphs.concat());
        table
    }

    #[test]
    fn components_of_variable_composites_are_counted_through_all_levels() {
        let varc = |levels, count| with_tables(&[(b"VARC", nested_variable_composites(levels, count))]);
        assert_eq!(check_bytes(&varc(2, 40)), Ok(()));
        for bomb in [varc(2, 50), varc(8, 100)] {
            assert!(matches!(check_bytes(&bomb), Err(TooComplex { limit: MAX_COMPONENTS, .. })));
        }
    }

    #[test]
    fn paints_are_counted_through_all_levels() {
        let colr = |levels| with_tables(&[(b"COLR", nested_layers(levels))]);
        assert_eq!(check_bytes(&colr(1)), Ok(()));
        assert_eq!(check_bytes(&colr(4)), Err(TooComplex { glyph: 1, limit: MAX_PAINTS, unit: "paints" }));
    }
}
