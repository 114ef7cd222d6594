//! SVG documents: parsed and guarded once, resolved to scene nodes whenever a page shows them.
//!
//! In: reading the XML, the walls against explosion, colour replacement, usvg's tree to scene nodes, resvg for what
//! nodes cannot hold. Not in: where the picture goes and how it is stretched (the caller), fetching: nothing outside
//! the file is ever loaded, only `data:` images inside it.
//! Imports: `config`, `css_color`, `css_gradient`, `pool`, `scene`, `units`, `assets::decode` and `assets::data_url` for embedded pictures and
//! fonts; usvg, resvg and selectors appear here only.
//!
//! `source` reads and writes the XML, `style` makes attributes of style sheets and `values` writes them in words that usvg
//! knows, `budget` counts what the document would grow to and cuts references in cycles, `templates` those of gradients. `drawings` keeps what was made, `colours` replaces colours,
//! `fonts` finds the fonts of texts, `images` holds embedded pictures, `nodes` walks the tree with `paints` and `clips`,
//! `raster` draws the rest to pixels.

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
mod readable;
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

pub use self::drawing::{SvgNodes, SvgPicture};
use self::drawing_cache::{Drawing, DrawingCache, DrawingKey};
pub use self::error::SvgError;
use self::fonts::EmbeddedFace;
pub use self::fonts::SvgFamilies;
use self::images::Images;
use self::readable::Readable;
use self::source::{DEFAULT_SIZE, Sizing};
use crate::config::AssetLimits;
use crate::pool::PARSERS;
use crate::units::DeviceSize;

/// For usvg to make its tree of a document that passed `budget`, which keeps it far below; against what `budget` does not
/// foresee, since usvg itself knows no time (its nested references can take for ever).
const PARSE_LIMIT: Duration = Duration::from_secs(10);

/// A parsed document. Cheap to clone; colours are replaced and the tree is built when it is drawn.
#[derive(Clone)]
pub struct SvgAsset {
    /// Well-formed, without entities, comments, scripts and foreign elements.
    source: Arc<str>,
    sizing: Sizing,
    /// Fonts that it brings.
    faces: Arc<[EmbeddedFace]>,
    /// What was left out while it was read, a sentence each.
    notes: Arc<[String]>,
    fonts: Arc<fontdb::Database>,
    limits: Arc<AssetLimits>,
}

impl std::fmt::Debug for SvgAsset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SvgAsset({:?}, {} bytes)", self.sizing, self.source.len())
    }
}

/// What shows a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SvgRole {
    /// An element: the editor gives its document the `viewBox`'s width and height where it has none.
    Element,
    /// A background or a mask.
    Picture,
}

/// How large a document is. The two differ where it does not say so itself, as in browsers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SvgSizes {
    /// As a script is told; crops are shares of it.
    pub natural: Size,
    /// As it is drawn on a canvas; crops are taken at px of it.
    pub drawn: Size,
}

impl SvgAsset {
    /// Reads UTF-8, UTF-16 with a byte order mark, or Latin-1 that says so, and refuses what would explode. Bytes that are
    /// none of them become replacement characters.
    pub fn new(bytes: &[u8], limits: &AssetLimits) -> Result<Self, SvgError> {
        let Readable { source, sizing, faces, mut notes } = Readable::new(bytes)?;
        let faces = fonts::embedded(&faces, limits, &mut |note| notes.push(note));
        Ok(Self {
            sizing,
            source: source.into(),
            faces,
            notes: notes.into(),
            fonts: Arc::default(),
            limits: Arc::new(limits.clone()),
        })
    }

    /// The sizes of the document on a canvas of this size, in CSS px. `role`: what shows it.
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

    /// The same document with this size.
    pub fn with_size(&self, size: Size) -> Self {
        let sized = |document: &_| source::write(document, &mut |part| source::resize(part, size));
        let source = source::parse(&self.source).map_or_else(|_| self.source.clone(), |it| sized(&it).into());
        let sizing = source::parse(&source).map_or(self.sizing, |it| Sizing::of(it.root_element()));
        Self { source, sizing, ..self.clone() }
    }

    /// The same document with these fonts for its texts, if it has any; without fonts, texts are not drawn.
    pub fn with_fonts(&self, fonts: &SvgFonts) -> Self {
        if !self.source.contains("<text") {
            return self.clone();
        }
        Self { fonts: fonts::with_embedded(&fonts.database(), &self.faces), ..self.clone() }
    }

    /// Bytes that this document occupies in a cache.
    pub fn cost(&self) -> usize {
        self.source.len() + self.faces.iter().map(EmbeddedFace::cost).sum::<usize>()
    }

    /// Scene nodes of the document.
    ///
    /// `colors_replace`: pairs of CSS colours, from and to, compared by value; a pair that is not two colours is
    /// ignored, as the editor does.
    /// `scale_hint`: device px for each px of the document, for the parts that have to be drawn to pixels; they may
    /// come out coarser when the limits ask for it (`reduced`).
    pub fn nodes(&self, colors_replace: &[(String, String)], scale_hint: f64) -> Result<SvgNodes, SvgError> {
        let images = Images::new(&self.limits, self.fonts.clone());
        let tree = self.tree(colors_replace, &images)?;
        let (nodes, reduced) = nodes::from_tree(&tree, &images, scale_hint);
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

/// Draws a document to pixels, stretched to `size`. For effects, which work on the bitmap (rendering.md §4).
///
/// `colors_replace` as in [`SvgAsset::nodes`]. At most `TENTER_ASSET_MAX_MEGAPIXELS`.
pub fn rasterize(
    asset: &SvgAsset,
    size: DeviceSize,
    colors_replace: &[(String, String)],
) -> Result<SvgPicture, SvgError> {
    let images = Images::new(&asset.limits, asset.fonts.clone());
    let tree = asset.tree(colors_replace, &images)?;
    let picture = raster::whole(&tree, size, asset.limits.megapixels)?;
    Ok(SvgPicture { picture: Arc::new(picture), skipped: asset.skipped(images) })
}

/// Fonts for texts inside SVG documents, read when the first document with text needs them, and what was drawn with them.
/// Share one.
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
    /// `load` gives sfnt bytes.
    /// `drawing_bytes`: of drawings kept (`TENTER_DRAWING_CACHE_BYTES`); 0 keeps none.
    pub fn new(
        families: SvgFamilies,
        drawing_bytes: usize,
        load: impl Fn() -> Vec<Blob<u8>> + Send + Sync + 'static,
    ) -> Self {
        let drawings = DrawingCache::new(drawing_bytes);
        Self { load: Box::new(load), families, database: OnceLock::new(), drawings }
    }

    /// [`SvgAsset::nodes`] of `svg` with these fonts, from the latest drawings when it is there. `given`: the natural size
    /// of a document that has none.
    pub fn nodes(
        &self,
        svg: &SvgAsset,
        given: Option<Size>,
        colors_replace: &[(String, String)],
        scale_hint: f64,
    ) -> Result<Arc<SvgNodes>, SvgError> {
        let key = DrawingKey::nodes(&svg.source, given, colors_replace, scale_hint);
        if let Some(Drawing::Nodes(known)) = self.drawings.get(&key) {
            return Ok(known);
        }
        let nodes = Arc::new(self.prepared(svg, given).nodes(colors_replace, scale_hint)?);
        self.drawings.put(key, &svg.source, &Drawing::Nodes(nodes.clone()));
        Ok(nodes)
    }

    /// [`rasterize`] of `svg` with these fonts, from the latest drawings when it is there. `given` as for [`Self::nodes`].
    pub fn pixels(
        &self,
        svg: &SvgAsset,
        given: Option<Size>,
        colors_replace: &[(String, String)],
        size: DeviceSize,
    ) -> Result<Arc<SvgPicture>, SvgError> {
        let key = DrawingKey::pixels(&svg.source, given, colors_replace, size);
        if let Some(Drawing::Pixels(known)) = self.drawings.get(&key) {
            return Ok(known);
        }
        let picture = Arc::new(rasterize(&self.prepared(svg, given), size, colors_replace)?);
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
