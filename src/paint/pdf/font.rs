//! Embedded faces of one file: the glyphs used of each, their characters, and the font programs.
//!
//! A face is written after all pages, as a subset in a CID font with TrueType or CFF outlines; variable faces are
//! instantiated at the coordinates that were used. `type3` has the colour glyphs and the faces that must not be
//! embedded.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish as _, Name, Rect, Ref, Str};
use peniko::FontData;
use skrifa::instance::{LocationRef, NormalizedCoord, Size};
use skrifa::raw::TableProvider as _;
use skrifa::string::StringId;
use skrifa::{FontRef, GlyphId, MetadataProvider as _};
use subsetter::GlyphRemapper;

use super::error::PdfError;
use super::objects::{ObjectWriter, stream_data};
use crate::hash::ContentHash;
use crate::scene::GlyphRun;

const IDENTITY: SystemInfo<'static> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
/// Glyph space units per em in a PDF.
const UNITS_PER_EM: f32 = 1000.0;
/// Number of bisections when an axis value is searched, far more than its 14 bits need.
const BISECTIONS: u32 = 40;

/// A face at one position of its variation space: font data id, index in the collection, normalised coordinates.
pub(super) type FaceKey = (u64, u32, Arc<[i16]>);

/// The key of the face that `run` is set in.
pub(super) fn face_key(run: &GlyphRun) -> FaceKey {
    (run.font.data.id(), run.font.index, run.coords.clone())
}

/// The faces of one file, in order of first use.
#[derive(Default)]
pub(super) struct PdfFonts {
    faces: Vec<EmbeddedFace>,
    by_key: HashMap<FaceKey, usize>,
}

/// The way in which a face may be embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Embedding {
    /// A subset of the font program may be embedded.
    Subset,
    /// Only outlines of its glyphs may be drawn; the text is the message of the warning.
    Outlines(String),
    /// The face has no outlines: all of its glyphs are pictures.
    Pictures,
}

/// One face and the glyphs used of it.
pub(super) struct EmbeddedFace {
    id: Ref,
    data: FontData,
    coords: Arc<[i16]>,
    name: String,
    pub(super) embedding: Embedding,
    /// True once the caller was warned that it cannot be embedded.
    pub(super) warned: bool,
    units_per_em: f32,
    glyphs: GlyphRemapper,
    /// The glyphs used so far, by glyph id in the subset.
    used_glyphs: BTreeMap<u16, UsedGlyph>,
}

struct UsedGlyph {
    /// Advance width in thousandths of an em.
    width: f32,
    /// The characters for which the glyph was used first.
    text: String,
}

/// The code of a glyph in a content stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GlyphCode {
    /// The object of the font in the file.
    pub(super) font: Ref,
    /// Code in the encoding of the font.
    pub(super) code: u16,
    /// True when the code has two bytes, as in CID fonts; false for the single byte of Type 3 fonts.
    pub(super) wide: bool,
    /// Advance width in em, as the font in the file declares it.
    pub(super) width: f64,
}

impl PdfFonts {
    /// Returns the face of `run`, and opens it on first use.
    pub(super) fn face(&mut self, run: &GlyphRun, objects: &mut ObjectWriter) -> Result<&mut EmbeddedFace, PdfError> {
        let key = face_key(run);
        let index = match self.by_key.get(&key) {
            Some(index) => *index,
            None => {
                let face = EmbeddedFace::open(objects.next_ref()?, &run.font, &run.coords)?;
                self.faces.push(face);
                let index = self.faces.len() - 1;
                self.by_key.insert(key, index);
                index
            }
        };
        Ok(&mut self.faces[index])
    }

    /// Writes every face of which a glyph was used.
    pub(super) fn write(self, objects: &mut ObjectWriter) -> Result<(), PdfError> {
        for face in self.faces {
            if !face.used_glyphs.is_empty() {
                face.write(objects)?;
            }
        }
        Ok(())
    }
}

impl EmbeddedFace {
    fn open(id: Ref, data: &FontData, coords: &Arc<[i16]>) -> Result<Self, PdfError> {
        let font = open(data)?;
        let name = postscript_name(&font);
        let units_per_em = font.head().map(|head| head.units_per_em()).unwrap_or(0);
        if units_per_em == 0 {
            return Err(PdfError::Font { name, reason: "its em square is empty".into() });
        }
        Ok(Self {
            id,
            data: data.clone(),
            coords: coords.clone(),
            embedding: embedding(&font, &name),
            name,
            warned: false,
            units_per_em: f32::from(units_per_em),
            glyphs: GlyphRemapper::new(),
            used_glyphs: BTreeMap::new(),
        })
    }

    /// Returns the code of `glyph`, and whether readers map it to `text`: a code maps to the text of its first use
    /// only.
    pub(super) fn encode(&mut self, glyph: u32, text: Option<&str>) -> Result<(GlyphCode, bool), PdfError> {
        // Glyph ids of font files have 16 bits; a larger one does not exist.
        let glyph = u16::try_from(glyph).unwrap_or(0);
        let code = self.glyphs.remap(glyph);
        let shown = match self.used_glyphs.entry(code) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let font = open(&self.data)?;
                let coords: Vec<_> = self.coords.iter().map(|it| NormalizedCoord::from_bits(*it)).collect();
                let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::new(&coords));
                let units = metrics.advance_width(GlyphId::new(glyph.into())).unwrap_or(0.0);
                new.insert(UsedGlyph {
                    width: round_to_hundredths(units * UNITS_PER_EM / self.units_per_em),
                    text: String::new(),
                })
            }
        };
        let code = GlyphCode { font: self.id, code, wide: true, width: f64::from(shown.width / UNITS_PER_EM) };
        let Some(text) = text else { return Ok((code, true)) };
        if shown.text.is_empty() {
            shown.text = text.to_owned();
        }
        Ok((code, shown.text == text))
    }

    fn write(self, objects: &mut ObjectWriter) -> Result<(), PdfError> {
        let font = open(&self.data)?;
        let failed = |reason: String| PdfError::Font { name: self.name.clone(), reason };
        let coordinates = self.axis_values(&font);
        let subset =
            subsetter::subset_with_variations(self.data.data.data(), self.data.index, &coordinates, &self.glyphs);
        let subset = subset.map_err(|error| failed(error.to_string()))?;
        let is_cff = font.cff().is_ok() && font.glyf().is_err();
        let program = if is_cff {
            table(&subset, *b"CFF ").ok_or_else(|| failed("the subset has no CFF table".into()))?
        } else {
            &subset
        };
        let tag = subset_tag(program);
        let base = format!("{tag}+{}", self.name);

        let [cid, descriptor, unicode, file] =
            [objects.next_ref()?, objects.next_ref()?, objects.next_ref()?, objects.next_ref()?];
        let compress = objects.settings.compress;
        let chunk = &mut objects.chunk;
        // The name of a CID font with CFF outlines includes the CMap, as in Adobe's files.
        let full = if is_cff { format!("{base}-Identity-H") } else { base.clone() };
        chunk
            .type0_font(self.id)
            .base_font(Name(full.as_bytes()))
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(unicode);
        self.write_widths(chunk, cid, descriptor, &base, is_cff);
        self.write_descriptor(chunk, descriptor, file, &base, &font, is_cff);
        let mut map = UnicodeCmap::<u16>::new(Name(b"Characters"), IDENTITY);
        for (code, shown) in &self.used_glyphs {
            if !shown.text.is_empty() {
                map.pair_with_multiple(*code, shown.text.chars());
            }
        }
        let map = stream_data(&map.finish(), compress);
        let mut cmap = chunk.stream(unicode, &map);
        if compress {
            cmap.filter(Filter::FlateDecode);
        }
        cmap.finish();
        // Font programs are binary, so they are compressed in tests too.
        let packed = stream_data(program, true);
        let mut stream = chunk.stream(file, &packed);
        stream.filter(Filter::FlateDecode);
        if is_cff {
            stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
        } else {
            stream.pair(Name(b"Length1"), program.len() as i32);
        }
        Ok(())
    }

    fn write_widths(&self, chunk: &mut pdf_writer::Chunk, cid: Ref, descriptor: Ref, base: &str, is_cff: bool) {
        let mut font = chunk.cid_font(cid);
        font.subtype(if is_cff { CidFontType::Type0 } else { CidFontType::Type2 });
        font.base_font(Name(base.as_bytes())).system_info(IDENTITY).font_descriptor(descriptor).default_width(0.0);
        if !is_cff {
            font.cid_to_gid_map_predefined(Name(b"Identity"));
        }
        let mut widths = font.widths();
        let all: Vec<_> = self.used_glyphs.iter().map(|(code, shown)| (*code, shown.width)).collect();
        for row in all.chunk_by(|a, b| a.0 + 1 == b.0) {
            widths.consecutive(row[0].0, row.iter().map(|(_, width)| *width));
        }
    }

    fn write_descriptor(
        &self,
        chunk: &mut pdf_writer::Chunk,
        id: Ref,
        file: Ref,
        base: &str,
        font: &FontRef<'_>,
        is_cff: bool,
    ) {
        let coords: Vec<_> = self.coords.iter().map(|it| NormalizedCoord::from_bits(*it)).collect();
        let metrics = font.metrics(Size::unscaled(), LocationRef::new(&coords));
        let em = |units: f32| (units * UNITS_PER_EM / self.units_per_em).round();
        let bounds = metrics.bounds.unwrap_or_default();
        let attributes = font.attributes();
        let mut flags = FontFlags::SYMBOLIC;
        if metrics.is_monospace {
            flags |= FontFlags::FIXED_PITCH;
        }
        if metrics.italic_angle != 0.0 {
            flags |= FontFlags::ITALIC;
        }
        let mut descriptor = chunk.font_descriptor(id);
        descriptor
            .name(Name(base.as_bytes()))
            .flags(flags)
            .bbox(Rect::new(em(bounds.x_min), em(bounds.y_min), em(bounds.x_max), em(bounds.y_max)))
            .italic_angle(metrics.italic_angle)
            .ascent(em(metrics.ascent))
            .descent(em(metrics.descent))
            .cap_height(em(metrics.cap_height.unwrap_or(metrics.ascent)))
            // No font table has StemV, and readers use it only to substitute the font. Adobe's writers derive it from
            // the weight in this way.
            .stem_v((10.0 + 220.0 * (attributes.weight.value() - 50.0) / 900.0).round());
        if is_cff {
            descriptor.font_file3(file);
        } else {
            descriptor.font_file2(file);
        }
    }

    /// The face's variation coordinates in user units, which subsetter expects; the scene has them normalised.
    fn axis_values(&self, font: &FontRef<'_>) -> Vec<(subsetter::Tag, f32)> {
        let axes = font.axes();
        let axis_value = |(index, coord): (usize, &i16)| {
            let axis = axes.get(index)?;
            let at = |value: f32| {
                let location = axes.location([(axis.tag(), value)]);
                location.coords().get(index).map_or(0, |it| it.to_bits())
            };
            let (mut low, mut high) = (axis.min_value(), axis.max_value());
            let value = [axis.default_value(), low, high].into_iter().find(|value| at(*value) == *coord);
            let value = value.unwrap_or_else(|| {
                for _ in 0..BISECTIONS {
                    let middle = (low + high) / 2.0;
                    if at(middle) < *coord { low = middle } else { high = middle }
                }
                (low + high) / 2.0
            });
            Some((subsetter::Tag::new(&axis.tag().into_bytes()), value))
        };
        self.coords.iter().enumerate().filter_map(axis_value).collect()
    }
}

fn open(font: &FontData) -> Result<FontRef<'_>, PdfError> {
    let failed = |error: skrifa::raw::ReadError| PdfError::Font { name: "(unnamed)".into(), reason: error.to_string() };
    FontRef::from_index(font.data.data(), font.index).map_err(failed)
}

/// The PostScript name of `font`, reduced to letters, digits and hyphens, which the font lists of readers can show.
fn postscript_name(font: &FontRef<'_>) -> String {
    let found = font.localized_strings(StringId::POSTSCRIPT_NAME).english_or_first();
    let name: String = found
        .into_iter()
        .flat_map(|it| it.chars().collect::<Vec<_>>())
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(63)
        .collect();
    if name.is_empty() { "Unnamed".into() } else { name }
}

/// The embedding that OS/2 `fsType` allows (OpenType, OS/2 table). When several of its lowest four bits are set, the
/// least restrictive applies.
fn embedding(font: &FontRef<'_>, name: &str) -> Embedding {
    const RESTRICTED: u16 = 0x0002;
    const LICENCE: u16 = 0x000f;
    const NO_SUBSETTING: u16 = 0x0100;
    const BITMAPS_ONLY: u16 = 0x0200;
    let bits = font.os2().map_or(0, |os2| os2.fs_type());
    let outlines =
        |reason: &str| Embedding::Outlines(format!("the font {name} {reason}; its text is drawn as outlines"));
    if bits & LICENCE == RESTRICTED {
        return outlines("must not be embedded (OS/2 fsType 2)");
    }
    if bits & NO_SUBSETTING != 0 {
        return outlines("must not be embedded in parts (OS/2 fsType bit 8)");
    }
    if bits & BITMAPS_ONLY != 0 {
        return outlines("allows no outlines to be embedded (OS/2 fsType bit 9)");
    }
    if font.glyf().is_err() && font.cff().is_err() && font.cff2().is_err() {
        return Embedding::Pictures;
    }
    Embedding::Subset
}

/// Bytes of one table of a font file with a single face.
fn table(file: &[u8], tag: [u8; 4]) -> Option<&[u8]> {
    let font = FontRef::new(file).ok()?;
    font.table_data(skrifa::Tag::new(&tag)).map(|data| data.as_bytes().len()).and_then(|len| {
        let record = font.table_directory().table_records().iter().find(|it| it.tag() == skrifa::Tag::new(&tag))?;
        let start = record.offset() as usize;
        file.get(start..start + len)
    })
}

/// Six letters, derived from a hash of the subset, that prefix the font name.
fn subset_tag(program: &[u8]) -> String {
    ContentHash::of(program).as_bytes().iter().take(6).map(|byte| char::from(b'A' + byte % 26)).collect()
}

fn round_to_hundredths(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}
