//! SVG documents: parsed and checked against limits once, converted to scene nodes for each page that shows them.
//!
//! In: reading the XML, limits against exponential growth, colour replacement, conversion of usvg's tree to scene
//! nodes, resvg for what nodes cannot express. Not in: position and stretching of the picture (the caller does that);
//! fetching: only `data:` images inside the file are loaded. Imports: `config`, `css_color`, `css_gradient`, `pool`,
//! `scene`, `units`, `assets::decode` and `assets::data_url` for embedded pictures and fonts; usvg, resvg and selectors
//! appear here only.
//!
//! `normalized` rewrites a document for usvg: `source` reads and writes the XML, `style` resolves style sheets to
//! attributes with values that usvg supports (`values`), `budget` estimates the size after expansion and breaks
//! reference cycles, `templates` those of gradients. `colours` replaces colours, `fonts` provides the fonts of texts,
//! `images` decodes embedded images, `nodes` converts the tree with `paints` and `clips`, `raster` draws the rest to
//! pixels, and `drawing_cache` caches the results.

mod budget;
mod clips;
mod colours;
mod drawing;
mod drawing_cache;
pub(super) mod error;
mod font_face;
mod fonts;
mod images;
mod nodes;
mod paints;
mod raster;
mod normalized;
mod source;
mod style;
mod templates;
#[cfg(test)]
mod tests;
mod values;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kurbo::Size;
use peniko::Blob;
use usvg::fontdb;

pub use self::drawing::{SvgNodes, SvgPicture, SvgView};
use self::drawing_cache::{Drawing, DrawingCache, DrawingKey};
pub use self::error::SvgError;
use self::fonts::DocumentFace;
pub use self::fonts::SvgFamilies;
use self::images::Images;
use self::normalized::NormalizedSvg;
use self::source::{DEFAULT_SIZE, SizeAttributes};
use crate::assets::memory::RequestMemory;
use crate::config::AssetLimits;
use crate::pool::PARSERS;
use crate::units::DeviceSize;

/// Time limit for usvg to parse a document that passed `budget`. Parsing normally takes far less; usvg itself has no
/// time limit, and some nested references would take it very long.
const PARSE_LIMIT: Duration = Duration::from_secs(10);

/// A parsed document. Cheap to clone; colours are replaced and the tree is built when it is drawn.
#[derive(Clone)]
pub struct SvgAsset {
    /// Well-formed XML without entities, comments, scripts and foreign elements.
    source: Arc<str>,
    sizing: SizeAttributes,
    /// Faces that the document embeds.
    faces: Arc<[DocumentFace]>,
    /// Sentences about parts that were dropped while it was read.
    notes: Arc<[String]>,
    fonts: Arc<fontdb::Database>,
    limits: Arc<AssetLimits>,
}

impl std::fmt::Debug for SvgAsset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SvgAsset({:?}, {} bytes)", self.sizing, self.source.len())
    }
}

/// The role in which a document is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SvgRole {
    /// An element: the editor gives its document the `viewBox`'s width and height where it has none.
    Element,
    /// A background or a mask.
    Picture,
}

/// The sizes of a document, which differ where it has no size itself, as in browsers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvgSizes {
    /// The natural size that a script gets, to which crops are relative.
    pub natural: Size,
    /// The size as drawn on a canvas, in whose px crops are taken.
    pub drawn: Size,
}

impl SvgAsset {
    /// Reads a document in UTF-8, UTF-16 with a byte order mark, or declared Latin-1. Invalid bytes become replacement
    /// characters.
    ///
    /// # Errors
    /// A document that is not SVG or exceeds a limit.
    pub fn new(bytes: &[u8], limits: &AssetLimits) -> Result<Self, SvgError> {
        let NormalizedSvg { source, sizing, faces, mut notes } = NormalizedSvg::new(bytes)?;
        let faces = fonts::embedded(&faces, limits, &mut |note| notes.push(note))?;
        Ok(Self {
            sizing,
            source: source.into(),
            faces,
            notes: notes.into(),
            fonts: Arc::default(),
            limits: Arc::new(limits.clone()),
        })
    }

    /// The sizes of the document on a canvas of this size, in CSS px, in the role `role`.
    pub fn sizes(&self, canvas: Size, role: SvgRole) -> SvgSizes {
        let sizing = match role {
            SvgRole::Element => self.sizing.with_sides_of_view_box(),
            SvgRole::Picture => self.sizing,
        };
        SvgSizes { natural: sizing.within(DEFAULT_SIZE), drawn: sizing.within(canvas) }
    }

    /// `width` and `height` in CSS px, when the document has both.
    pub fn absolute_size(&self) -> Option<Size> {
        self.sizing.absolute()
    }

    /// The document with its size set to `size`.
    pub fn with_size(&self, size: Size) -> Self {
        let sized = |document: &_| source::write(document, &mut |part| source::resize(part, size));
        let source = source::parse(&self.source).map_or_else(|_| self.source.clone(), |it| sized(&it).into());
        let sizing = source::parse(&source).map_or(self.sizing, |it| SizeAttributes::of(it.root_element()));
        Self { source, sizing, ..self.clone() }
    }

    /// The document with these fonts for its texts. Without fonts, texts are not drawn.
    pub fn with_fonts(&self, fonts: &SvgFonts) -> Self {
        if !self.source.contains("<text") {
            return self.clone();
        }
        Self { fonts: fonts::with_embedded(&fonts.database(), &self.faces), ..self.clone() }
    }

    /// Bytes that the document takes in a cache.
    pub fn cost(&self) -> usize {
        self.source.len() + self.faces.iter().map(DocumentFace::cost).sum::<usize>()
    }

    /// Converts all of the document to scene nodes, as [`Self::nodes_in`] does.
    ///
    /// # Errors
    /// As [`Self::nodes_in`].
    pub fn nodes(&self, colors_replace: &[(String, String)], scale_hint: f64) -> Result<SvgNodes, SvgError> {
        self.nodes_in(SvgView::whole(scale_hint), colors_replace)
    }

    /// Converts the document to scene nodes. Limits may lower the resolution of parts that have to be drawn to pixels
    /// ([`SvgNodes::reduced`]), and what lies outside of [`SvgView::visible`] may be missing from them.
    ///
    /// `colors_replace`: pairs of CSS colours, from and to, compared by value; a pair that is not two colours is
    /// ignored, as in the editor.
    ///
    /// # Errors
    /// A document that usvg cannot read or does not finish in time, or with parts that take too much work.
    pub fn nodes_in(&self, view: SvgView<'_>, colors_replace: &[(String, String)]) -> Result<SvgNodes, SvgError> {
        let images = Images::new(&self.limits, self.fonts.clone(), view.memory);
        let tree = self.tree(colors_replace, &images)?;
        let (nodes, reduced) = nodes::from_tree(&tree, &images, view)?;
        let size = Size::new(f64::from(tree.size().width()), f64::from(tree.size().height()));
        Ok(SvgNodes { size, nodes, reduced, skipped: self.skipped(images) })
    }

    fn skipped(&self, images: Arc<Images>) -> Vec<String> {
        self.notes.iter().cloned().chain(images.into_skipped()).collect()
    }

    fn tree(&self, colors_replace: &[(String, String)], images: &Arc<Images>) -> Result<usvg::Tree, SvgError> {
        let source = colours::replace(&self.source, colors_replace)?.map_or_else(|| self.source.clone(), Into::into);
        let images = images.clone();
        PARSERS.run(PARSE_LIMIT, move || images.parse(&source)).map_err(SvgError::Parser)?
    }
}

/// Draws a document to pixels, stretched to `size`, for effects on the bitmap (rendering.md §4).
///
/// `colors_replace` as in [`SvgAsset::nodes_in`]; `memory` as in [`SvgView`].
///
/// # Errors
/// As [`SvgAsset::nodes_in`]; and more pixels than `TENTER_ASSET_MAX_MEGAPIXELS`.
pub fn rasterize(
    asset: &SvgAsset,
    size: DeviceSize,
    colors_replace: &[(String, String)],
    memory: Option<&Arc<RequestMemory>>,
) -> Result<SvgPicture, SvgError> {
    let images = Images::new(&asset.limits, asset.fonts.clone(), memory);
    let tree = asset.tree(colors_replace, &images)?;
    let picture = raster::rasterize_document(&tree, size, asset.limits.megapixels)?;
    Ok(SvgPicture { picture: Arc::new(picture), skipped: asset.skipped(images) })
}

/// The fonts for texts inside SVG documents, loaded for the first document with text, and the cache of drawings made
/// with them. One instance is shared by all requests.
pub struct SvgFonts {
    load: Box<dyn Fn() -> Vec<Blob<u8>> + Send + Sync>,
    families: SvgFamilies,
    database: OnceLock<Arc<fontdb::Database>>,
    drawings: DrawingCache,
}

impl std::fmt::Debug for SvgFonts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SvgFonts({:?} by default)", self.families.serif)
    }
}

impl SvgFonts {
    /// `load` returns the sfnt bytes of the fonts. `drawing_bytes`: size of the cache of drawings
    /// (`TENTER_DRAWING_CACHE_BYTES`); 0 disables it.
    pub fn new(
        families: SvgFamilies,
        drawing_bytes: usize,
        load: impl Fn() -> Vec<Blob<u8>> + Send + Sync + 'static,
    ) -> Self {
        let drawings = DrawingCache::new(drawing_bytes);
        Self { load: Box::new(load), families, database: OnceLock::new(), drawings }
    }

    /// [`SvgAsset::nodes_in`] of `svg` with these fonts, from the cache if possible. `given`: the size of a document
    /// that has none.
    ///
    /// # Errors
    /// As [`SvgAsset::nodes_in`].
    pub fn nodes(
        &self,
        svg: &SvgAsset,
        given: Option<Size>,
        colors_replace: &[(String, String)],
        view: SvgView<'_>,
    ) -> Result<Arc<SvgNodes>, SvgError> {
        let key = DrawingKey::nodes(&svg.source, given, colors_replace, view);
        if let Some(Drawing::Nodes(known)) = self.drawings.get(&key) {
            return Ok(known);
        }
        let nodes = Arc::new(self.prepared(svg, given).nodes_in(view, colors_replace)?);
        self.drawings.put(key, &svg.source, &Drawing::Nodes(nodes.clone()));
        Ok(nodes)
    }

    /// [`rasterize`] of `svg` with these fonts, from the cache if possible. `given` as for [`Self::nodes`]; `memory` as
    /// in [`SvgView`].
    ///
    /// # Errors
    /// As [`rasterize`].
    pub fn pixels(
        &self,
        svg: &SvgAsset,
        given: Option<Size>,
        colors_replace: &[(String, String)],
        size: DeviceSize,
        memory: Option<&Arc<RequestMemory>>,
    ) -> Result<Arc<SvgPicture>, SvgError> {
        let key = DrawingKey::pixels(&svg.source, given, colors_replace, size);
        if let Some(Drawing::Pixels(known)) = self.drawings.get(&key) {
            return Ok(known);
        }
        let picture = Arc::new(rasterize(&self.prepared(svg, given), size, colors_replace, memory)?);
        self.drawings.put(key, &svg.source, &Drawing::Pixels(picture.clone()));
        Ok(picture)
    }

    fn prepared(&self, svg: &SvgAsset, given: Option<Size>) -> SvgAsset {
        given.map_or_else(|| svg.clone(), |size| svg.with_size(size)).with_fonts(self)
    }

    fn database(&self) -> Arc<fontdb::Database> {
        let read = || Arc::new(fonts::database(self.families, (self.load)()));
        self.database.get_or_init(read).clone()
    }
}
