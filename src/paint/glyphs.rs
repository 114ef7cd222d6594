//! The data of glyphs in font faces: outlines, bitmaps and coloured layers.
//!
//! Font files are untrusted: data that is damaged or too large is an error that names the glyph. Unhinted outlines are
//! cached in font units, so that one entry serves every size.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use kurbo::{Affine, BezPath, Diagonal2, Join};
use peniko::FontData;
use skrifa::bitmap::{BitmapData, BitmapGlyph, Origin};
use skrifa::instance::{LocationRef, NormalizedCoord, Size};
use skrifa::outline::{
    DrawSettings, Engine, GlyphStyles, HintingInstance, HintingOptions, OutlineGlyphFormat, SmoothMode, Target,
};
use skrifa::raw::TableProvider;
use skrifa::{FontRef, GlyphId, MetadataProvider, OutlineGlyphCollection};

use super::color_layers::ColorLayers;
use super::error::{FontFileError, GlyphError, PaintError};
use super::outline_pen::Pen;
use crate::scene::DecodedImage;

/// Path elements cached per thread, about 50 bytes each. When the cache exceeds this, it is cleared.
const MAX_ELEMENTS: usize = 400_000;
/// Path elements counted for the map entry of each outline and its share of the hinter for its size.
const OVERHEAD: usize = 20;
/// Longest side of a glyph's bitmap, in px. The largest strikes in use have 160 px.
const MAX_STRIKE_SIDE: u32 = 1024;
/// Text with a larger em than this, in device px, is drawn from the unhinted outline, as in browsers.
const HINTED_EM: f64 = 256.0;
/// Miter limit of synthetic weight, the default of Skia's strokes.
const MITER_LIMIT: f64 = 4.0;

/// The drawing of a glyph: outline, bitmap, coloured layers, or nothing.
#[derive(Clone, Debug)]
pub(super) enum GlyphShape {
    /// Nothing is painted: a space, or a glyph that the face does not have.
    Blank,
    /// An outline, y up, and the number of its units per em.
    Outline(Arc<BezPath>, f64),
    /// A bitmap, and the transform from its px to the em square at the run's size, y down.
    Bitmap(Arc<DecodedImage>, Affine),
    /// Coloured layers of the table COLR.
    Layers(Arc<ColorLayers>),
}

/// The size in which glyphs are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct GlyphSize {
    /// Em size in the run's units, greater than 0.
    pub(super) size: f64,
    /// Em size in device px.
    pub(super) em: f64,
    /// Synthetic weight: outlines grow by this much on every side, in the run's units.
    pub(super) embolden: f64,
    /// Neither slanted nor stretched, and turned by quarters only, so that hinting to whole px has an effect.
    pub(super) upright: bool,
}

/// The faces that one thread has opened, with their cached glyphs.
#[derive(Default)]
pub(super) struct GlyphFaces {
    faces: HashMap<(u64, u32, Arc<[i16]>), CachedFace>,
    elements: usize,
}

/// One face at one position in its variation space, with its cached glyphs.
pub(super) struct CachedFace {
    units_per_em: f64,
    data: FontData,
    coords: Arc<[NormalizedCoord]>,
    has_layers: bool,
    has_bitmaps: bool,
    outlines: HashMap<OutlineKey, Option<Arc<BezPath>>>,
    /// By glyph id; `None` for glyphs without layers.
    layers: HashMap<u32, Option<Arc<ColorLayers>>>,
    styles: Option<GlyphStyles>,
    /// By the bits of the em size.
    hinters: HashMap<u64, HintingInstance>,
    /// By glyph id and the bits of the strike's ppem.
    bitmaps: HashMap<(u32, u32), Option<Arc<DecodedImage>>>,
}

/// Cache key of an outline within its face.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct OutlineKey {
    glyph: u32,
    /// Bits of the em that the outline is hinted for, in device px; 0 for font units.
    em: u64,
    /// Bits of the synthetic weight, as a fraction of the em.
    weight: u64,
}

impl GlyphFaces {
    /// Returns a face, which is opened the first time.
    ///
    /// # Errors
    /// The font file is damaged.
    pub(super) fn get(&mut self, font: &FontData, coords: &Arc<[i16]>) -> Result<&mut CachedFace, PaintError> {
        if self.elements > MAX_ELEMENTS {
            *self = Self::default();
        }
        let key = (font.data.id(), font.index, coords.clone());
        match self.faces.entry(key) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(new) => Ok(new.insert(CachedFace::open(font, coords)?)),
        }
    }

    /// Counts path elements that were cached, so that memory stays bounded.
    pub(super) fn count_added(&mut self, elements: usize) {
        self.elements += elements;
    }
}

impl CachedFace {
    fn open(data: &FontData, coords: &[i16]) -> Result<Self, PaintError> {
        let font = open(data)?;
        let head = font.head().map_err(|source| FontFileError::Table { table: "head", source })?;
        let units_per_em = head.units_per_em();
        if units_per_em == 0 {
            return Err(FontFileError::EmptyEm.into());
        }
        Ok(Self {
            units_per_em: f64::from(units_per_em),
            coords: coords.iter().map(|coord| NormalizedCoord::from_bits(*coord)).collect(),
            has_layers: font.colr().is_ok(),
            has_bitmaps: !font.bitmap_strikes().is_empty(),
            data: data.clone(),
            outlines: HashMap::new(),
            layers: HashMap::new(),
            styles: None,
            hinters: HashMap::new(),
            bitmaps: HashMap::new(),
        })
    }

    /// Font units per em, greater than 0.
    pub(super) fn units_per_em(&self) -> f64 {
        self.units_per_em
    }

    /// Whether the face has glyphs with layers or bitmaps.
    pub(super) fn has_colour(&self) -> bool {
        self.has_layers || self.has_bitmaps
    }

    /// What to paint for `glyph` in this size, and how many path elements were cached for it.
    ///
    /// # Errors
    /// The glyph's data is damaged or too large.
    pub(super) fn shape(&mut self, glyph: u32, size: &GlyphSize) -> Result<(GlyphShape, usize), PaintError> {
        let font = &self.data.clone();
        let id = GlyphId::new(glyph);
        if let Some((layers, elements)) = self.layers(font, id)? {
            return Ok((GlyphShape::Layers(layers), elements));
        }
        if self.has_bitmaps
            && let Some(strike) = open(font)?.bitmap_strikes().glyph_for_size(Size::new(size.em as f32), id)
            && let Some(picture) = self.bitmap(glyph, &strike)?
        {
            let to_run = self.strike_transform(&strike, &picture, size.size)?;
            return Ok((GlyphShape::Bitmap(picture, to_run), 0));
        }
        let hinted_em = size.upright.then_some(size.em).filter(|em| *em <= HINTED_EM);
        let weight = size.embolden / size.size;
        let key = OutlineKey { glyph, em: hinted_em.unwrap_or(0.0).to_bits(), weight: weight.to_bits() };
        let units = hinted_em.unwrap_or(self.units_per_em);
        let shape =
            |outline: Option<Arc<BezPath>>| outline.map_or(GlyphShape::Blank, |it| GlyphShape::Outline(it, units));
        if let Some(known) = self.outlines.get(&key) {
            return Ok((shape(known.clone()), 0));
        }
        let outline = self.outline(&open(font)?, id, hinted_em, weight)?.map(Arc::new);
        let elements = OVERHEAD + outline.as_ref().map_or(0, |outline| outline.elements().len());
        self.outlines.insert(key, outline.clone());
        Ok((shape(outline), elements))
    }

    /// The layers of `glyph`, and how many path elements were cached for them; `None` when it has none.
    fn layers(&mut self, font: &FontData, glyph: GlyphId) -> Result<Option<(Arc<ColorLayers>, usize)>, PaintError> {
        if !self.has_layers {
            return Ok(None);
        }
        if let Some(known) = self.layers.get(&glyph.to_u32()) {
            return Ok(known.clone().map(|layers| (layers, 0)));
        }
        let layers = ColorLayers::of(&open(font)?, glyph, &self.coords).transpose();
        let layers = layers.map_err(|error| glyph_error(glyph, error))?.map(Arc::new);
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
            // A glyph whose hinting fails may still have a usable outline.
            (Some(hinter), Some(em)) => {
                draw(DrawSettings::hinted(hinter, false)).or_else(|_| plain(Size::new(em as f32)))
            }
            (None, Some(em)) => plain(Size::new(em as f32)),
            (_, None) => plain(Size::unscaled()),
        };
        let path = path.map_err(|error| glyph_error(glyph, error))?;
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

    /// The hinter for this em size. Browsers on Linux hint lightly: vertically only, by FreeType's automatic hinter for
    /// TrueType, by the font's own hints for CFF. skrifa has that hinter, and gives the same outlines to the 64th of a
    /// pixel (compared with FreeType 2.13).
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

    fn bitmap(&mut self, glyph: u32, strike: &BitmapGlyph<'_>) -> Result<Option<Arc<DecodedImage>>, PaintError> {
        let key = (glyph, strike.ppem_y.to_bits());
        if let Some(known) = self.bitmaps.get(&key) {
            return Ok(known.clone());
        }
        let picture = decode(strike).map_err(|error| glyph_error(GlyphId::new(glyph), error))?.map(Arc::new);
        self.bitmaps.insert(key, picture.clone());
        Ok(picture)
    }

    /// The transform from px of a bitmap to the em square, from the bearings of OpenType; Apple's own emoji face sits
    /// an eighth of an em lower than its tables say (https://wh0.github.io/2024/12/31/emoji-metrics.html).
    fn strike_transform(
        &self,
        strike: &BitmapGlyph<'_>,
        picture: &DecodedImage,
        size: f64,
    ) -> Result<Affine, FontFileError> {
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

fn open(font: &FontData) -> Result<FontRef<'_>, FontFileError> {
    Ok(FontRef::from_index(font.data.data(), font.index)?)
}

fn glyph_error(glyph: GlyphId, source: impl Into<GlyphError>) -> FontFileError {
    FontFileError::Glyph { glyph: glyph.to_u32(), source: source.into() }
}

/// Decodes a bitmap; `None` for a monochrome one, which colour fonts do not use: the outline is drawn instead.
fn decode(strike: &BitmapGlyph<'_>) -> Result<Option<DecodedImage>, GlyphError> {
    match &strike.data {
        BitmapData::Png(file) => decode_png(file).map(Some),
        BitmapData::Bgra(pixels) => {
            let pixels = pixels.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0], p[3]]).collect();
            Ok(DecodedImage::new(strike.width, strike.height, pixels))
        }
        BitmapData::Mask(_) => Ok(None),
    }
}

fn decode_png(file: &[u8]) -> Result<DecodedImage, GlyphError> {
    let mut decoder = png::Decoder::new(Cursor::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
    let mut reader = decoder.read_info()?;
    let (width, height) = reader.info().size();
    if width.max(height) > MAX_STRIKE_SIDE {
        return Err(GlyphError::BitmapSide { width, height, limit: MAX_STRIKE_SIDE });
    }
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(GlyphError::BitmapBytes)?];
    reader.next_frame(&mut pixels)?;
    if reader.output_color_type().0 == png::ColorType::GrayscaleAlpha {
        pixels = pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect();
    }
    for pixel in pixels.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        pixel[..3].iter_mut().for_each(|value| *value = ((u32::from(*value) * alpha + 127) / 255) as u8);
    }
    DecodedImage::new(width, height, pixels).ok_or(GlyphError::BitmapEmpty)
}
