//! Glyphs that the file draws itself (Type 3 fonts): pictures of colour glyphs, and nothing at all where text has to be
//! readable but its font must not be in the file.
//!
//! Every code stands for one glyph and one text, so these fonts always say what they show.

use std::collections::HashMap;

use kurbo::Affine;
use pdf_writer::types::UnicodeCmap;
use pdf_writer::{Chunk, Content, Filter, Name, Rect, Ref, Str};

use super::canvas::matrix;
use super::font::{Code, FaceKey, packed};
use super::resources::{Kind, Resources};
use super::{Painter, PdfError};

/// Codes have one byte.
const MOST_GLYPHS: usize = 256;
/// Units an em has.
const EM: f64 = 1000.0;

/// What a glyph looks like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Look {
    /// Nothing.
    Blank,
    /// A glyph of a face, in a picture for ems of so many px, layers in the text's colour in this one (RGBA).
    Colour(FaceKey, u32, u32, u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    look: Look,
    /// Thousandths of an em.
    width: i32,
    text: String,
}

/// The fonts, full ones first.
#[derive(Default)]
pub(super) struct DrawnFonts {
    fonts: Vec<DrawnFont>,
    codes: HashMap<Key, Code>,
    /// Pictures by look, so that one is written once however many texts it stands for.
    pictures: HashMap<Look, Option<GlyphPicture>>,
}

/// A picture and the way from its unit square, y down, to the em square, y down.
#[derive(Clone, Copy, Debug)]
pub(super) struct GlyphPicture {
    pub(super) object: Ref,
    pub(super) to_em: Affine,
}

struct DrawnFont {
    id: Ref,
    glyphs: Vec<Drawn>,
    resources: Resources,
}

struct Drawn {
    procedure: Ref,
    width: i32,
    text: String,
}

impl Painter {
    /// A glyph `width` ems wide that stands for `text`. `picture` is asked when its look is met first.
    pub(super) fn drawn(
        &mut self,
        look: Look,
        width: f64,
        text: &str,
        picture: impl FnOnce(&mut Self) -> Result<Option<GlyphPicture>, PdfError>,
    ) -> Result<Code, PdfError> {
        let width = (width * EM).round().clamp(-EM * EM, EM * EM) as i32;
        let key = Key { look, width, text: text.to_owned() };
        if let Some(known) = self.drawn.codes.get(&key) {
            return Ok(*known);
        }
        let picture = match self.drawn.pictures.get(&key.look) {
            Some(known) => *known,
            None => {
                let made = picture(self)?;
                self.drawn.pictures.insert(key.look.clone(), made);
                made
            }
        };
        if self.drawn.fonts.last().is_none_or(|font| font.glyphs.len() >= MOST_GLYPHS) {
            let font = DrawnFont { id: self.next_ref()?, glyphs: Vec::new(), resources: Resources::default() };
            self.drawn.fonts.push(font);
        }
        let procedure = self.next_ref()?;
        let font = self.drawn.fonts.last_mut().expect("one was pushed where there was none");
        let mut content = Content::new();
        content.start_color_glyph(width as f32);
        if let Some(GlyphPicture { object, to_em }) = picture {
            let name = font.resources.name(Kind::XObject, object).to_owned();
            // The unit square of a PDF's picture is upright, and so are glyphs.
            let upright =
                Affine::new([EM, 0.0, 0.0, -EM, 0.0, 0.0]) * to_em * Affine::new([1.0, 0.0, 0.0, -1.0, 0.0, 1.0]);
            content.transform(matrix(upright)).x_object(Name(name.as_bytes()));
        }
        let code = Code { font: font.id, code: font.glyphs.len() as u16, wide: false, width: f64::from(width) / EM };
        font.glyphs.push(Drawn { procedure, width, text: text.to_owned() });
        self.chunk.stream(procedure, &content.finish());
        self.drawn.codes.insert(key, code);
        Ok(code)
    }

    /// Writes these fonts.
    pub(super) fn write_drawn(&mut self) -> Result<(), PdfError> {
        for font in std::mem::take(&mut self.drawn).fonts {
            let unicode = self.next_ref()?;
            font.write(unicode, self.settings.compress, &mut self.chunk);
        }
        Ok(())
    }
}

impl DrawnFont {
    fn write(&self, unicode: Ref, compress: bool, chunk: &mut Chunk) {
        let names: Vec<String> = (0..self.glyphs.len()).map(|code| format!("d{code}")).collect();
        let last = self.glyphs.len().saturating_sub(1) as u8;
        let mut font = chunk.type3_font(self.id);
        // All zero: the glyphs say how large they are.
        font.bbox(Rect::new(0.0, 0.0, 0.0, 0.0)).matrix([1.0 / EM as f32, 0.0, 0.0, 1.0 / EM as f32, 0.0, 0.0]);
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
        let map = packed(&map.finish(), compress);
        let mut stream = chunk.stream(unicode, &map);
        if compress {
            stream.filter(Filter::FlateDecode);
        }
    }
}
