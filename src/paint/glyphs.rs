//! What a face holds for a glyph: an outline, a little picture, or coloured layers.
//!
//! Everything read here comes from files that strangers made, so nothing is trusted: what is damaged or too large is an
//! error that names the glyph. Outlines are kept in font units, so that one entry serves every size.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use kurbo::{Affine, BezPath, Diagonal2, Join};
use peniko::FontData;
use skrifa::bitmap::{BitmapData, BitmapGlyph, Origin};
use skrifa::instance::{LocationRef, NormalizedCoord, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::raw::TableProvider;
use skrifa::{FontRef, GlyphId, MetadataProvider};

use super::PaintError;
use crate::scene::Picture;

/// Path elements kept a thread, about 50 bytes each; then everything is dropped and made anew.
const MAX_ELEMENTS: usize = 400_000;
/// Side of a glyph's picture. The largest strikes in use are 160 px.
const MAX_STRIKE_SIDE: u32 = 1024;
/// Of synthetic weight, as for Skia's strokes.
const MITER_LIMIT: f64 = 4.0;

/// How a glyph is painted.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Nothing to see: a space, or a glyph the face does not have.
    Blank,
    /// In font units, y up.
    Outline(Arc<BezPath>),
    /// A picture and the way from its px to the em square at the run's size, y down.
    Picture(Arc<Picture>, Affine),
    /// COLR: painted by glifo.
    Layers,
}

/// Faces seen by one thread.
#[derive(Default)]
pub(super) struct Faces {
    faces: HashMap<(u64, u32, Arc<[i16]>), Face>,
    elements: usize,
}

/// One face at one place of its variation space.
pub(super) struct Face {
    /// Font units an em.
    pub(super) units_per_em: f64,
    data: FontData,
    coords: Vec<NormalizedCoord>,
    has_layers: bool,
    has_pictures: bool,
    /// By glyph and by the bits of the synthetic weight, in font units.
    outlines: HashMap<(u32, u64), Option<Arc<BezPath>>>,
    /// By glyph and strike.
    pictures: HashMap<(u32, u32), Option<Arc<Picture>>>,
}

impl Faces {
    /// Opens a face, or finds it opened.
    pub(super) fn get(&mut self, font: &FontData, coords: &Arc<[i16]>) -> Result<&mut Face, PaintError> {
        if self.elements > MAX_ELEMENTS {
            *self = Self::default();
        }
        let key = (font.data.id(), font.index, coords.clone());
        match self.faces.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => Ok(new.insert(Face::open(font, coords)?)),
        }
    }

    /// Counts what was added, so that memory stays bounded.
    pub(super) fn grew(&mut self, elements: usize) {
        self.elements += elements;
    }
}

impl Face {
    fn open(data: &FontData, coords: &[i16]) -> Result<Self, PaintError> {
        let font = open(data)?;
        let units_per_em = font.head().map_err(|error| damaged("head", &error))?.units_per_em();
        if units_per_em == 0 {
            return Err(PaintError::Font("its em square is empty".into()));
        }
        let face = Self {
            units_per_em: f64::from(units_per_em),
            coords: coords.iter().map(|coord| NormalizedCoord::from_bits(*coord)).collect(),
            has_layers: font.colr().is_ok(),
            has_pictures: !font.bitmap_strikes().is_empty(),
            data: data.clone(),
            outlines: HashMap::new(),
            pictures: HashMap::new(),
        };
        if face.has_layers {
            // glifo panics on an outline that cannot be drawn, and layers may name any.
            for (glyph, outline) in font.outline_glyphs().iter() {
                let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::new(&face.coords));
                outline.draw(settings, &mut Discard).map_err(|error| damaged_glyph(glyph, &error))?;
            }
        }
        Ok(face)
    }

    /// What to paint for `glyph`. `em`: its size in device px; `size`: in the run's units; `embolden`: synthetic
    /// weight in the run's units. The second number tells how many path elements were added.
    pub(super) fn shape(
        &mut self,
        glyph: u32,
        em: f64,
        size: f64,
        embolden: f64,
    ) -> Result<(Shape, usize), PaintError> {
        let font = &self.data.clone();
        let id = GlyphId::new(glyph);
        if self.has_layers && open(font)?.color_glyphs().get(id).is_some() {
            return Ok((Shape::Layers, 0));
        }
        if self.has_pictures
            && let Some(strike) = open(font)?.bitmap_strikes().glyph_for_size(Size::new(em as f32), id)
            && let Some(picture) = self.picture(glyph, &strike)?
        {
            let placed = self.place(&strike, &picture, size)?;
            return Ok((Shape::Picture(picture, placed), 0));
        }
        let weight = embolden * self.units_per_em / size;
        if let Some(known) = self.outlines.get(&(glyph, weight.to_bits())) {
            return Ok((known.clone().map_or(Shape::Blank, Shape::Outline), 0));
        }
        let outline = self.outline(&open(font)?, id, weight)?.map(Arc::new);
        let elements = outline.as_ref().map_or(1, |outline| outline.elements().len());
        self.outlines.insert((glyph, weight.to_bits()), outline.clone());
        Ok((outline.map_or(Shape::Blank, Shape::Outline), elements))
    }

    fn outline(&self, font: &FontRef<'_>, glyph: GlyphId, weight: f64) -> Result<Option<BezPath>, PaintError> {
        let Some(outline) = font.outline_glyphs().get(glyph) else { return Ok(None) };
        let mut pen = Pen(BezPath::new());
        let settings = DrawSettings::unhinted(Size::unscaled(), LocationRef::new(&self.coords));
        outline.draw(settings, &mut pen).map_err(|error| damaged_glyph(glyph, &error))?;
        let path = pen.0;
        if path.elements().is_empty() {
            return Ok(None);
        }
        if weight == 0.0 {
            return Ok(Some(path));
        }
        let tolerance = self.units_per_em / 4096.0;
        Ok(Some(kurbo::expand_path(&path, Diagonal2::new(weight, weight), Join::Miter, MITER_LIMIT, tolerance)))
    }

    fn picture(&mut self, glyph: u32, strike: &BitmapGlyph<'_>) -> Result<Option<Arc<Picture>>, PaintError> {
        let key = (glyph, strike.ppem_y.to_bits());
        if let Some(known) = self.pictures.get(&key) {
            return Ok(known.clone());
        }
        let picture = decode(strike).map_err(|error| damaged_glyph(GlyphId::new(glyph), &error))?.map(Arc::new);
        self.pictures.insert(key, picture.clone());
        Ok(picture)
    }

    /// Bearings as OpenType has them; Apple's own emoji face sits an eighth of an em lower than its tables say
    /// (https://wh0.github.io/2024/12/31/emoji-metrics.html).
    fn place(&self, strike: &BitmapGlyph<'_>, picture: &Picture, size: f64) -> Result<Affine, PaintError> {
        let font = open(&self.data)?;
        let apple = font.sbix().is_ok()
            && font
                .localized_strings(skrifa::string::StringId::POSTSCRIPT_NAME)
                .any(|name| name.chars().eq("AppleColorEmoji".chars()));
        let unit = size / self.units_per_em;
        let outer = if apple {
            (0.0, size / 8.0)
        } else {
            (f64::from(strike.bearing_x) * unit, -f64::from(strike.bearing_y) * unit)
        };
        let top = match strike.placement_origin {
            Origin::TopLeft => 0.0,
            Origin::BottomLeft => -f64::from(picture.height),
        };
        Ok(Affine::translate(outer)
            * Affine::scale_non_uniform(size / f64::from(strike.ppem_x), size / f64::from(strike.ppem_y))
            * Affine::translate((f64::from(strike.inner_bearing_x), top - f64::from(strike.inner_bearing_y))))
    }
}

fn open(font: &FontData) -> Result<FontRef<'_>, PaintError> {
    FontRef::from_index(font.data.data(), font.index).map_err(|error| PaintError::Font(error.to_string()))
}

fn damaged(table: &str, error: &dyn std::fmt::Display) -> PaintError {
    PaintError::Font(format!("table `{table}`: {error}"))
}

fn damaged_glyph(glyph: GlyphId, error: &dyn std::fmt::Display) -> PaintError {
    PaintError::Font(format!("glyph {}: {error}", glyph.to_u32()))
}

/// `None` when the strike's format is not one that colour fonts use: the outline, if there is one, is drawn instead.
fn decode(strike: &BitmapGlyph<'_>) -> Result<Option<Picture>, String> {
    match &strike.data {
        BitmapData::Png(file) => decode_png(file).map(Some),
        BitmapData::Bgra(pixels) => {
            let pixels = pixels.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0], p[3]]).collect();
            Ok(Picture::new(strike.width, strike.height, pixels))
        }
        BitmapData::Mask(_) => Ok(None),
    }
}

fn decode_png(file: &[u8]) -> Result<Picture, String> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let (width, height) = reader.info().size();
    if width.max(height) > MAX_STRIKE_SIDE {
        return Err(format!("its picture is {width} x {height} px; at most {MAX_STRIKE_SIDE} a side are read"));
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("its picture is too large")?];
    reader.next_frame(&mut pixels).map_err(|error| error.to_string())?;
    if reader.output_color_type().0 == png::ColorType::GrayscaleAlpha {
        pixels = pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
    }
    for pixel in pixels.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        pixel[..3].iter_mut().for_each(|value| *value = ((u32::from(*value) * alpha + 127) / 255) as u8);
    }
    Picture::new(width, height, pixels).ok_or_else(|| "its picture is empty".into())
}

struct Pen(BezPath);

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to((f64::from(x), f64::from(y)));
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to((f64::from(x), f64::from(y)));
    }
    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.0.quad_to((f64::from(cx), f64::from(cy)), (f64::from(x), f64::from(y)));
    }
    fn curve_to(&mut self, cx0: f32, cy0: f32, cx1: f32, cy1: f32, x: f32, y: f32) {
        let point = |x, y| (f64::from(x), f64::from(y));
        self.0.curve_to(point(cx0, cy0), point(cx1, cy1), point(x, y));
    }
    fn close(&mut self) {
        self.0.close_path();
    }
}

/// Draws nowhere.
struct Discard;

impl OutlinePen for Discard {
    fn move_to(&mut self, _: f32, _: f32) {}
    fn line_to(&mut self, _: f32, _: f32) {}
    fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {}
    fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {}
    fn close(&mut self) {}
}
