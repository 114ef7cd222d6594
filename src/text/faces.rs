//! One font face: its bytes, weights and slant, and the vertical metrics that the editor uses.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};
use kurbo::BezPath;
use peniko::{Blob, FontData};
use skrifa::instance::{LocationRef, NormalizedCoord, Size};
use skrifa::outline::{
    DrawSettings, Engine, HintingInstance, HintingOptions, OutlineGlyphFormat, OutlinePen, SmoothMode, Target,
};
use skrifa::raw::TableProvider as _;
use skrifa::{FontRef, GlyphId, MetadataProvider as _};

use crate::sfnt;

/// The weights and slant of a face, as declared by its `@font-face` rule or its own tables.
#[derive(Clone, Debug, PartialEq)]
pub struct FaceStyle {
    /// CSS weights the face covers, 1 to 1000; more than one value only for a variable face.
    pub weights: RangeInclusive<f32>,
    /// Whether the face is italic or oblique.
    pub italic: bool,
}

impl FaceStyle {
    /// Weight 400, upright: the CSS default of a face without descriptors.
    pub const REGULAR: Self = Self { weights: 400.0..=400.0, italic: false };
}

/// One face of a family. Bytes of bundled and folder fonts are read at first use.
#[derive(Debug)]
pub struct Face {
    /// Weights and slant, by which the face is selected within its family.
    pub style: FaceStyle,
    source: FaceSource,
    loaded: OnceLock<Option<LoadedFace>>,
}

#[derive(Debug)]
enum FaceSource {
    Memory(Blob<u8>, u32),
    Bundled(&'static [u8]),
    File(PathBuf, u32),
}

/// A face whose file has been read and parsed.
#[derive(Debug)]
pub(crate) struct LoadedFace {
    pub font: FontData,
    pub units_per_em: f64,
    /// Ascent in font units, positive upwards.
    pub ascent: f64,
    /// Descent in font units, positive downwards.
    pub descent: f64,
    /// Range of the `wght` axis.
    pub weight_axis: Option<RangeInclusive<f32>>,
    /// Range of the `opsz` axis, whose values are font sizes in px.
    pub optical_axis: Option<RangeInclusive<f32>>,
    /// The file's own weight is 600 or more, so synthetic weight is never applied.
    pub bold: bool,
    /// The file is italic or oblique itself, so synthetic slant is never applied.
    pub slanted: bool,
    /// The face has colour glyphs: layers or bitmaps. The SVG table does not count, because Chromium draws outlines
    /// instead.
    pub coloured: bool,
}

impl Face {
    /// Creates a face from unpacked sfnt bytes. `index` selects a face of a collection.
    pub fn from_memory(bytes: Blob<u8>, index: u32, style: FaceStyle) -> Self {
        Self { style, source: FaceSource::Memory(bytes, index), loaded: OnceLock::new() }
    }

    /// Whether both are the same file (the same copy in memory) with the same declared style.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same_file = match (&self.source, &other.source) {
            (FaceSource::Memory(bytes, index), FaceSource::Memory(others, other)) => {
                (bytes.id(), index) == (others.id(), other)
            }
            // Faces of the library are shared by all requests.
            _ => std::ptr::eq(self, other),
        };
        same_file && self.style == other.style
    }

    /// Bytes of the file if this face alone owns them; 0 for bundled and folder fonts.
    pub(super) fn memory_bytes(&self) -> usize {
        match &self.source {
            FaceSource::Memory(bytes, _) => bytes.len(),
            FaceSource::Bundled(_) | FaceSource::File(..) => 0,
        }
    }

    pub(crate) fn bundled(bytes: &'static [u8], style: FaceStyle) -> Self {
        Self { style, source: FaceSource::Bundled(bytes), loaded: OnceLock::new() }
    }

    pub(crate) fn from_file(path: PathBuf, index: u32, style: FaceStyle) -> Self {
        Self { style, source: FaceSource::File(path, index), loaded: OnceLock::new() }
    }

    /// Reads the face at first use; `None` when its file cannot be read, and the face is skipped.
    pub(crate) fn load(&self) -> Option<&LoadedFace> {
        self.loaded.get_or_init(|| self.read()).as_ref()
    }

    fn read(&self) -> Option<LoadedFace> {
        let (bytes, index) = match &self.source {
            FaceSource::Memory(blob, index) => (blob.clone(), *index),
            FaceSource::Bundled(bytes) => (Blob::from(sfnt::unpack(bytes).ok()?), 0),
            FaceSource::File(path, index) => (Blob::from(sfnt::unpack(&std::fs::read(path).ok()?).ok()?), *index),
        };
        let font = FontRef::from_index(bytes.as_ref(), index).ok()?;
        let units_per_em = f64::from(font.head().ok()?.units_per_em().max(1));
        let (ascent, descent) = vertical_metrics(&font);
        let axis = |tag: &[u8; 4]| {
            let axis = font.axes().iter().find(|axis| axis.tag() == skrifa::Tag::new(tag))?;
            Some(axis.min_value()..=axis.max_value())
        };
        let (weight_axis, optical_axis) = (axis(b"wght"), axis(b"opsz"));
        let attributes = font.attributes();
        let (bold, slanted) =
            (attributes.weight.value() >= 600.0, attributes.style != skrifa::attribute::Style::Normal);
        let coloured = [b"COLR", b"CBDT", b"sbix"].iter().any(|tag| font.table_data(skrifa::Tag::new(tag)).is_some());
        Some(LoadedFace {
            font: FontData::new(bytes, index),
            units_per_em,
            ascent,
            descent,
            weight_axis,
            optical_axis,
            bold,
            slanted,
            coloured,
        })
    }

    /// True when every character of `text` that needs a glyph of its own has one.
    pub(crate) fn covers(&self, text: &str) -> bool {
        let Some(font) =
            self.load().and_then(|loaded| FontRef::from_index(loaded.font.data.as_ref(), loaded.font.index).ok())
        else {
            return false;
        };
        let charmap = font.charmap();
        let has = |c: char| charmap.map(c).is_some();
        text.chars()
            .filter(|c| !is_ignorable(*c))
            .all(|c| has(c) || decomposition(c).is_some_and(|(a, b)| has(a) && b.is_none_or(has)))
    }

    /// For a character that shapers always decompose (the vowel AM of Thai and Lao) in a subset face that has the whole
    /// glyph but not the parts: the character to shape instead, and the glyph to draw.
    pub(crate) fn undecomposed(&self, c: char) -> Option<(char, GlyphId)> {
        let (ring, rest) = match c {
            '\u{e33}' => ('\u{e4d}', '\u{e32}'),
            '\u{eb3}' => ('\u{ecd}', '\u{eb2}'),
            _ => return None,
        };
        let font = &self.load()?.font;
        let charmap = FontRef::from_index(font.data.as_ref(), font.index).ok()?.charmap();
        let whole = charmap.map(c).filter(|_| charmap.map(ring).is_none())?;
        charmap.map(rest).map(|_| (rest, whole))
    }

    /// Advance of `glyph` at this font size, px.
    pub(crate) fn advance(&self, glyph: GlyphId, font_size: f64, coords: &[i16]) -> Option<f64> {
        advance(&self.load()?.font, coords, glyph.to_u32(), font_size)
    }

    /// The `opsz` value for text of `font_size` px, when the face has that axis, which browsers set
    /// automatically (`font-optical-sizing: auto`).
    pub(crate) fn optical_variation(&self, font_size: f64) -> Option<f32> {
        let axis = self.load()?.optical_axis.clone()?;
        Some((font_size as f32).clamp(*axis.start(), *axis.end()))
    }

    /// Whether the face has colour glyphs.
    pub(crate) fn is_coloured(&self) -> bool {
        self.load().is_some_and(|loaded| loaded.coloured)
    }

    /// The value of the `wght` axis for weight `wanted`, within the declared range; `None` without that axis.
    pub(crate) fn weight_variation(&self, wanted: f32) -> Option<f32> {
        let axis = self.load()?.weight_axis.clone()?;
        let declared = wanted.clamp(*self.style.weights.start(), *self.style.weights.end());
        Some(declared.clamp(*axis.start(), *axis.end()))
    }
}

/// Advance of a glyph at font size `size`, px.
pub(crate) fn advance(font: &FontData, coords: &[i16], glyph: u32, size: f64) -> Option<f64> {
    let font = FontRef::from_index(font.data.as_ref(), font.index).ok()?;
    let coords: Vec<_> = coords.iter().map(|it| NormalizedCoord::from_bits(*it)).collect();
    let metrics = font.glyph_metrics(Size::new(size as f32), LocationRef::new(&coords));
    metrics.advance_width(GlyphId::new(glyph)).map(f64::from)
}

/// The outline of a glyph at font size `size` px, y down; with `hinted`, lightly hinted as in browsers on Linux. `None`
/// where the face has none.
pub(crate) fn outline(font: &FontData, coords: &[i16], glyph: u32, size: f64, hinted: bool) -> Option<BezPath> {
    let font = FontRef::from_index(font.data.as_ref(), font.index).ok()?;
    let coords: Vec<_> = coords.iter().map(|it| NormalizedCoord::from_bits(*it)).collect();
    let (outlines, at, em) = (font.outline_glyphs(), LocationRef::new(&coords), Size::new(size as f32));
    let outline = outlines.get(GlyphId::new(glyph))?;
    let engine = match outlines.format()? {
        OutlineGlyphFormat::Glyf => Engine::Auto(None),
        _ => Engine::AutoFallback,
    };
    let target = Target::Smooth { mode: SmoothMode::Light, symmetric_rendering: true, preserve_linear_metrics: true };
    let mut pen = FlippedPen(BezPath::new());
    let hinter = hinted.then(|| HintingInstance::new(&outlines, em, at, HintingOptions { engine, target }).ok());
    let hinted = hinter.flatten().is_some_and(|it| outline.draw(DrawSettings::hinted(&it, false), &mut pen).is_ok());
    if !hinted {
        pen = FlippedPen(BezPath::new());
        outline.draw(DrawSettings::unhinted(em, at), &mut pen).ok()?;
    }
    Some(pen.0)
}

/// Collects an outline from skrifa, flipped to y down.
struct FlippedPen(BezPath);

impl OutlinePen for FlippedPen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to((f64::from(x), -f64::from(y)));
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to((f64::from(x), -f64::from(y)));
    }
    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to((f64::from(cx), -f64::from(cy)), (f64::from(x), -f64::from(y)));
    }
    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let point = |x, y| (f64::from(x), -f64::from(y));
        self.0.curve_to(point(cx0, cy0), point(cx1, cy1), point(x, y));
    }
    fn close(&mut self) {
        self.0.close_path();
    }
}

/// Ascent and descent in font units, the latter positive downwards: from hhea, or OS/2 typo when USE_TYPO_METRICS is
/// set or hhea is empty, or win when those are empty too (rendering.md §9.2).
fn vertical_metrics(font: &FontRef<'_>) -> (f64, f64) {
    const USE_TYPO_METRICS: u16 = 1 << 7;
    let os2 = font.os2().ok();
    if let Some(os2) = &os2
        && os2.fs_selection().bits() & USE_TYPO_METRICS != 0
    {
        return (f64::from(os2.s_typo_ascender()), -f64::from(os2.s_typo_descender()));
    }
    if let Ok(hhea) = font.hhea() {
        let (ascent, descent) = (f64::from(hhea.ascender().to_i16()), -f64::from(hhea.descender().to_i16()));
        if ascent != 0.0 || descent != 0.0 {
            return (ascent, descent);
        }
    }
    os2.map_or((0.8, 0.2), |os2| match (os2.s_typo_ascender(), os2.s_typo_descender()) {
        (0, 0) => (f64::from(os2.us_win_ascent()), f64::from(os2.us_win_descent())),
        (ascender, descender) => (f64::from(ascender), -f64::from(descender)),
    })
}

/// The parts as which a shaper draws a character that the face lacks: its canonical decomposition, and the parts of the
/// Thai and Lao vowel AM.
fn decomposition(c: char) -> Option<(char, Option<char>)> {
    match c {
        '\u{e33}' => return Some(('\u{e4d}', Some('\u{e32}'))),
        '\u{eb3}' => return Some(('\u{ecd}', Some('\u{eb2}'))),
        _ => {}
    }
    match CanonicalDecompositionBorrowed::new().decompose(c) {
        Decomposed::Default => None,
        Decomposed::Singleton(other) => Some((other, None)),
        Decomposed::Expansion(base, mark) => Some((base, Some(mark))),
    }
}

/// True for characters that need no glyph: joiners, variation selectors, direction marks.
pub(crate) fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Selects from `faces` as in CSS Fonts 4 §5.2: by slant, then the nearest weight (up to 500 lighter first, above
/// heavier first). All faces that tie are returned, because a family may be split by character ranges; the last
/// declared comes first and wins where several have a character.
pub(crate) fn best_matches(faces: &[Arc<Face>], weight: f32, italic: bool) -> Vec<Arc<Face>> {
    let slanted = faces.iter().any(|face| face.style.italic == italic);
    let candidates = faces.iter().filter(|face| !slanted || face.style.italic == italic);
    let rank = |face: &Face| {
        let (low, high) = (*face.style.weights.start(), *face.style.weights.end());
        if low <= weight && weight <= high {
            return (0u8, 0.0);
        }
        let (lighter, distance) = if high < weight { (true, weight - high) } else { (false, low - weight) };
        // For 400 to 500, heavier weights up to 500 come first.
        if (400.0..=500.0).contains(&weight) && !lighter && low <= 500.0 {
            return (1, distance);
        }
        let preferred = if weight <= 500.0 { lighter } else { !lighter };
        (if preferred { 2 } else { 3 }, distance)
    };
    let mut ranked: Vec<_> = candidates.rev().map(|face| (rank(face), face)).collect();
    ranked.sort_by(|(a, _), (b, _)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let best = ranked.first().map(|(rank, face)| (*rank, face.style.clone()));
    let tied =
        ranked.into_iter().take_while(|(rank, face)| best.as_ref().is_some_and(|(b, s)| b == rank && *s == face.style));
    tied.map(|(_, face)| face.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(weights: RangeInclusive<f32>, italic: bool) -> Arc<Face> {
        Arc::new(Face::from_memory(Blob::from(Vec::new()), 0, FaceStyle { weights, italic }))
    }

    fn picked(faces: &[Arc<Face>], weight: f32, italic: bool) -> FaceStyle {
        best_matches(faces, weight, italic)[0].style.clone()
    }

    #[test]
    fn matching_prefers_slant_then_the_nearest_weight_as_css_does() {
        let faces = [
            face(300.0..=300.0, false),
            face(500.0..=500.0, false),
            face(700.0..=700.0, false),
            face(400.0..=400.0, true),
        ];
        assert_eq!(*picked(&faces, 400.0, false).weights.start(), 500.0);
        assert_eq!(*picked(&faces, 350.0, false).weights.start(), 300.0);
        assert_eq!(*picked(&faces, 600.0, false).weights.start(), 700.0);
        assert_eq!(*picked(&faces, 900.0, false).weights.start(), 700.0);
        assert!(picked(&faces, 900.0, true).italic);
        assert!(best_matches(&[], 400.0, false).is_empty());
    }

    #[test]
    fn matching_keeps_faces_that_share_one_style() {
        let faces = [face(400.0..=400.0, false), face(400.0..=400.0, false), face(700.0..=700.0, false)];
        let matches = best_matches(&faces, 400.0, false);
        assert_eq!(matches.len(), 2);
        assert!(Arc::ptr_eq(&matches[0], &faces[1]), "the later one wins");
    }

    const ROBOTO: &[u8] = include_bytes!("../../assets/fonts/Roboto-Regular.ttf");

    /// Roboto with bytes of one of its tables replaced.
    fn changed(tag: &[u8; 4], at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut file = ROBOTO.to_vec();
        let record = (12..).step_by(16).find(|at| file[*at..*at + 4] == *tag).expect("Roboto has the table");
        let table = u32::from_be_bytes(file[record + 8..record + 12].try_into().expect("four bytes")) as usize;
        file[table + at..table + at + bytes.len()].copy_from_slice(bytes);
        file
    }

    fn loaded(file: Vec<u8>) -> Face {
        let face = Face::from_memory(Blob::from(file), 0, FaceStyle::REGULAR);
        assert!(face.load().is_some());
        face
    }

    #[test]
    fn metrics_of_an_empty_hhea_are_the_typographic_ones() {
        let of = |face: &Face| face.load().map(|it| (it.ascent, it.descent));
        assert_eq!(of(&loaded(ROBOTO.to_vec())), Some((1900.0, 500.0)));
        let empty = loaded(changed(b"hhea", 4, &[0; 4]));
        assert_eq!(of(&empty), Some((2146.0, 555.0)));
    }

    #[test]
    fn face_knows_the_weight_that_its_file_says() {
        let bold = |weight: u16| loaded(changed(b"OS/2", 4, &weight.to_be_bytes())).load().is_some_and(|it| it.bold);
        assert_eq!([400, 599, 600, 900].map(bold), [false, false, true, true]);
        assert_eq!(loaded(ROBOTO.to_vec()).optical_variation(20.0), None, "no such axis");
    }

    #[test]
    fn face_without_bytes_covers_nothing_and_does_not_panic() {
        assert!(!face(400.0..=400.0, false).covers("a"));
    }
}
