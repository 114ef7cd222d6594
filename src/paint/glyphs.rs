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
use skrifa::outline::{
    DrawSettings, Engine, GlyphStyles, HintingInstance, HintingOptions, OutlineGlyphFormat, OutlinePen, SmoothMode,
    Target,
};
use skrifa::raw::TableProvider;
use skrifa::{FontRef, GlyphId, MetadataProvider, OutlineGlyphCollection};

use super::PaintError;
use super::color_layers::ColorLayers;
use crate::scene::Picture;

/// Path elements kept a thread, about 50 bytes each; then everything is dropped and made anew.
const MAX_ELEMENTS: usize = 400_000;
/// Counted for each outline on top: the entry, and its share of the hinter for its size.
const OVERHEAD: usize = 20;
/// Side of a glyph's picture. The largest strikes in use are 160 px.
const MAX_STRIKE_SIDE: u32 = 1024;
/// Larger text is drawn from the plain outline, as in browsers.
const HINTED_EM: f64 = 256.0;
/// Of synthetic weight, as for Skia's strokes.
const MITER_LIMIT: f64 = 4.0;

/// How a glyph is painted.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Nothing to see: a space, or a glyph the face does not have.
    Blank,
    /// y up, in units of which the second number makes an em.
    Outline(Arc<BezPath>, f64),
    /// A picture and the way from its px to the em square at the run's size, y down.
    Picture(Arc<Picture>, Affine),
    /// Coloured layers (COLR).
    Layers(Arc<ColorLayers>),
}

/// The size glyphs are wanted in.
#[derive(Clone, Copy, Debug)]
pub(super) struct GlyphSize {
    /// Em size in the run's units, greater than 0.
    pub(super) size: f64,
    /// Em size in device px.
    pub(super) em: f64,
    /// Outlines grow by this much on every side, in the run's units.
    pub(super) embolden: f64,
    /// Neither slanted nor stretched, and turned by quarters only, so that rows of the outline can be put on rows or columns
    /// of px.
    pub(super) upright: bool,
}

/// Faces seen by one thread.
#[derive(Default)]
pub(super) struct Faces {
    faces: HashMap<(u64, u32, Arc<[i16]>), Face>,
    elements: usize,
}

/// One face at one place of its variation space.
pub(super) struct Face {
    units_per_em: f64,
    data: FontData,
    coords: Arc<[NormalizedCoord]>,
    has_layers: bool,
    has_pictures: bool,
    outlines: HashMap<OutlineKey, Option<Arc<BezPath>>>,
    /// By glyph; `None` for those without layers.
    layers: HashMap<u32, Option<Arc<ColorLayers>>>,
    styles: Option<GlyphStyles>,
    /// By the bits of the em size.
    hinters: HashMap<u64, HintingInstance>,
    /// By glyph and strike.
    pictures: HashMap<(u32, u32), Option<Arc<Picture>>>,
}

/// Which outline of a face.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct OutlineKey {
    glyph: u32,
    /// Bits of the em that the outline is hinted for, in device px; 0 for font units.
    em: u64,
    /// Bits of the synthetic weight, in shares of an em.
    weight: u64,
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
        Ok(Self {
            units_per_em: f64::from(units_per_em),
            coords: coords.iter().map(|coord| NormalizedCoord::from_bits(*coord)).collect(),
            has_layers: font.colr().is_ok(),
            has_pictures: !font.bitmap_strikes().is_empty(),
            data: data.clone(),
            outlines: HashMap::new(),
            layers: HashMap::new(),
            styles: None,
            hinters: HashMap::new(),
            pictures: HashMap::new(),
        })
    }

    /// Font units an em, greater than 0.
    pub(super) fn units_per_em(&self) -> f64 {
        self.units_per_em
    }

    /// Whether some glyphs may be more than outlines.
    pub(super) fn has_colour(&self) -> bool {
        self.has_layers || self.has_pictures
    }

    /// What to paint for `glyph` in this size. The second number tells how many path elements were added.
    pub(super) fn shape(&mut self, glyph: u32, size: &GlyphSize) -> Result<(Shape, usize), PaintError> {
        let font = &self.data.clone();
        let id = GlyphId::new(glyph);
        if let Some((layers, elements)) = self.layers(font, id)? {
            return Ok((Shape::Layers(layers), elements));
        }
        if self.has_pictures
            && let Some(strike) = open(font)?.bitmap_strikes().glyph_for_size(Size::new(size.em as f32), id)
            && let Some(picture) = self.picture(glyph, &strike)?
        {
            let placed = self.place(&strike, &picture, size.size)?;
            return Ok((Shape::Picture(picture, placed), 0));
        }
        let hinted_em = size.upright.then_some(size.em).filter(|em| *em <= HINTED_EM);
        let weight = size.embolden / size.size;
        let key = OutlineKey { glyph, em: hinted_em.unwrap_or(0.0).to_bits(), weight: weight.to_bits() };
        let units = hinted_em.unwrap_or(self.units_per_em);
        let shape = |outline: Option<Arc<BezPath>>| outline.map_or(Shape::Blank, |it| Shape::Outline(it, units));
        if let Some(known) = self.outlines.get(&key) {
            return Ok((shape(known.clone()), 0));
        }
        let outline = self.outline(&open(font)?, id, hinted_em, weight)?.map(Arc::new);
        let elements = OVERHEAD + outline.as_ref().map_or(0, |outline| outline.elements().len());
        self.outlines.insert(key, outline.clone());
        Ok((shape(outline), elements))
    }

    /// The layers of `glyph`, and how many path elements were added; `None` when it has none.
    fn layers(&mut self, font: &FontData, glyph: GlyphId) -> Result<Option<(Arc<ColorLayers>, usize)>, PaintError> {
        if !self.has_layers {
            return Ok(None);
        }
        if let Some(known) = self.layers.get(&glyph.to_u32()) {
            return Ok(known.clone().map(|layers| (layers, 0)));
        }
        let layers = ColorLayers::of(&open(font)?, glyph, &self.coords).transpose();
        let layers = layers.map_err(|error| damaged_glyph(glyph, &error))?.map(Arc::new);
        self.layers.insert(glyph.to_u32(), layers.clone());
        Ok(layers.map(|layers| (layers.clone(), OVERHEAD + layers.elements())))
    }

    fn outline(
        &mut self,
        font: &FontRef<'_>,
        glyph: GlyphId,
        hinted_em: Option<f64>,
        weight: f64,
    ) -> Result<Option<BezPath>, PaintError> {
        let outlines = font.outline_glyphs();
        let Some(outline) = outlines.get(glyph) else { return Ok(None) };
        let coords = self.coords.clone();
        let hinter = hinted_em.and_then(|em| self.hinter(&outlines, em));
        let draw = |settings: DrawSettings<'_>| {
            let mut pen = Pen::default();
            outline.draw(settings, &mut pen).map(|_| pen.0)
        };
        let plain = |size| draw(DrawSettings::unhinted(size, LocationRef::new(&coords)));
        let path = match (hinter, hinted_em) {
            // Instructions may be broken where the outline is not.
            (Some(hinter), Some(em)) => {
                draw(DrawSettings::hinted(hinter, false)).or_else(|_| plain(Size::new(em as f32)))
            }
            (None, Some(em)) => plain(Size::new(em as f32)),
            (_, None) => plain(Size::unscaled()),
        };
        let path = path.map_err(|error| damaged_glyph(glyph, &error))?;
        if path.elements().is_empty() {
            return Ok(None);
        }
        if weight == 0.0 {
            return Ok(Some(path));
        }
        let units = hinted_em.unwrap_or(self.units_per_em);
        let (weight, tolerance) = (weight * units, units / 4096.0);
        Ok(Some(kurbo::expand_path(&path, Diagonal2::new(weight, weight), Join::Miter, MITER_LIMIT, tolerance)))
    }

    /// Browsers on Linux hint lightly: rows only, by FreeType's automatic hinter for TrueType, by the font's own hints
    /// for CFF. skrifa has that hinter, and gives the same outlines to the 64th of a pixel (compared with FreeType 2.13).
    fn hinter(&mut self, outlines: &OutlineGlyphCollection<'_>, em: f64) -> Option<&HintingInstance> {
        if !self.hinters.contains_key(&em.to_bits()) {
            let engine = match outlines.format()? {
                OutlineGlyphFormat::Glyf => {
                    Engine::Auto(Some(self.styles.get_or_insert_with(|| GlyphStyles::new(outlines)).clone()))
                }
                _ => Engine::AutoFallback,
            };
            let mode = SmoothMode::Light;
            let target = Target::Smooth { mode, symmetric_rendering: true, preserve_linear_metrics: true };
            let coords = self.coords.clone();
            let options = HintingOptions { engine, target };
            let hinter = HintingInstance::new(outlines, Size::new(em as f32), LocationRef::new(&coords), options);
            self.hinters.insert(em.to_bits(), hinter.ok()?);
        }
        self.hinters.get(&em.to_bits())
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

/// Collects an outline, y up.
#[derive(Default)]
pub(super) struct Pen(pub(super) BezPath);

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
