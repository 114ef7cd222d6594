//! Type 3 fonts: pictures of colour glyphs, and blank glyphs for text whose font must not be embedded.
//!
//! Every code is one glyph with one text, so that readers always map it to the right characters.

use std::collections::HashMap;

use kurbo::Affine;
use pdf_writer::types::UnicodeCmap;
use pdf_writer::{Chunk, Content, Filter, Name, Rect, Ref, Str};

use super::coordinates::matrix;
use super::error::PdfError;
use super::font::{FaceKey, GlyphCode};
use super::objects::{ObjectWriter, stream_data};
use super::resources::{PageResources, ResourceKind};

/// Maximum number of glyphs in a font, because codes have one byte.
const MAX_GLYPHS: usize = 256;
/// Glyph space units per em.
const UNITS_PER_EM: f64 = 1000.0;

/// Appearance of a glyph, which codes for different texts share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum GlyphAppearance {
    /// The glyph paints nothing.
    Blank,
    /// The glyph is a picture of a colour glyph.
    Colour {
        face: FaceKey,
        /// Glyph id in the face.
        glyph: u32,
        /// Resolution of the picture, in px per em.
        px_per_em: u32,
        /// Colour of layers that use the colour of the text, as RGBA8; 0 for glyphs that are bitmaps.
        foreground: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct GlyphKey {
    appearance: GlyphAppearance,
    /// Advance width in thousandths of an em.
    width: i32,
    text: String,
}

/// The Type 3 fonts of one file; only the last has free codes.
#[derive(Default)]
pub(super) struct Type3Fonts {
    fonts: Vec<Type3Font>,
    codes: HashMap<GlyphKey, GlyphCode>,
    /// Pictures by appearance, so that each is written once for all texts that it is used for.
    pictures: HashMap<GlyphAppearance, Option<GlyphPicture>>,
}

/// A picture and the transform from its unit square, y down, to the em square, y down.
#[derive(Clone, Copy, Debug)]
pub(super) struct GlyphPicture {
    pub(super) object: Ref,
    pub(super) to_em: Affine,
}

struct Type3Font {
    id: Ref,
    glyphs: Vec<Type3Glyph>,
    resources: PageResources,
}

struct Type3Glyph {
    procedure: Ref,
    width: i32,
    text: String,
}

impl Type3Fonts {
    /// Returns the code of a glyph, `width` em wide, that readers map to `text`. `picture` is called on first use of
    /// the appearance.
    pub(super) fn code(
        &mut self,
        objects: &mut ObjectWriter,
        appearance: GlyphAppearance,
        width: f64,
        text: &str,
        picture: impl FnOnce(&mut ObjectWriter) -> Result<Option<GlyphPicture>, PdfError>,
    ) -> Result<GlyphCode, PdfError> {
        let width =
            (width * UNITS_PER_EM).round().clamp(-UNITS_PER_EM * UNITS_PER_EM, UNITS_PER_EM * UNITS_PER_EM) as i32;
        let key = GlyphKey { appearance, width, text: text.to_owned() };
        if let Some(known) = self.codes.get(&key) {
            return Ok(*known);
        }
        let picture = match self.pictures.get(&key.appearance) {
            Some(known) => *known,
            None => {
                let picture = picture(objects)?;
                self.pictures.insert(key.appearance.clone(), picture);
                picture
            }
        };
        if self.fonts.last().is_none_or(|font| font.glyphs.len() >= MAX_GLYPHS) {
            let font = Type3Font { id: objects.next_ref()?, glyphs: Vec::new(), resources: PageResources::default() };
            self.fonts.push(font);
        }
        let procedure = objects.next_ref()?;
        let font = self.fonts.last_mut().expect("one was pushed where there was none");
        let mut content = Content::new();
        content.start_color_glyph(width as f32);
        if let Some(GlyphPicture { object, to_em }) = picture {
            let name = font.resources.name(ResourceKind::XObject, object).to_owned();
            // Both the unit square of a PDF picture and glyph space have y up.
            let to_glyph_space = Affine::new([UNITS_PER_EM, 0.0, 0.0, -UNITS_PER_EM, 0.0, 0.0])
                * to_em
                * Affine::new([1.0, 0.0, 0.0, -1.0, 0.0, 1.0]);
            content.transform(matrix(to_glyph_space)).x_object(Name(name.as_bytes()));
        }
        let code = GlyphCode {
            font: font.id,
            code: font.glyphs.len() as u16,
            wide: false,
            width: f64::from(width) / UNITS_PER_EM,
        };
        font.glyphs.push(Type3Glyph { procedure, width, text: text.to_owned() });
        objects.chunk.stream(procedure, &content.finish());
        self.codes.insert(key, code);
        Ok(code)
    }

    /// Writes all Type 3 fonts.
    pub(super) fn write(self, objects: &mut ObjectWriter) -> Result<(), PdfError> {
        for font in self.fonts {
            let unicode = objects.next_ref()?;
            font.write(unicode, objects.settings.compress, &mut objects.chunk);
        }
        Ok(())
    }
}

impl Type3Font {
    fn write(&self, unicode: Ref, compress: bool, chunk: &mut Chunk) {
        let names: Vec<String> = (0..self.glyphs.len()).map(|code| format!("d{code}")).collect();
        let last = self.glyphs.len().saturating_sub(1) as u8;
        let mut font = chunk.type3_font(self.id);
        // An empty bounding box leaves the extent to the glyphs (ISO 32000-1, 9.6.5).
        font.bbox(Rect::new(0.0, 0.0, 0.0, 0.0)).matrix([
            1.0 / UNITS_PER_EM as f32,
            0.0,
            0.0,
            1.0 / UNITS_PER_EM as f32,
            0.0,
            0.0,
        ]);
        font.first_char(0).last_char(last).widths(self.glyphs.iter().map(|glyph| glyph.width as f32));
        font.to_unicode(unicode);
        font.encoding_custom().differences().consecutive(0, names.iter().map(|name| Name(name.as_bytes())));
        let mut procedures = font.char_procs();
        for (name, glyph) in names.iter().zip(&self.glyphs) {
            procedures.pair(Name(name.as_bytes()), glyph.procedure);
        }
        drop(procedures);
        self.resources.write(&mut font.resources());
        drop(font);
        let identity =
            pdf_writer::types::SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
        let mut map = UnicodeCmap::<u8>::new(Name(b"Characters"), identity);
        for (code, glyph) in self.glyphs.iter().enumerate() {
            if !glyph.text.is_empty() {
                map.pair_with_multiple(code as u8, glyph.text.chars());
            }
        }
        let map = stream_data(&map.finish(), compress);
        let mut stream = chunk.stream(unicode, &map);
        if compress {
            stream.filter(Filter::FlateDecode);
        }
    }
}
