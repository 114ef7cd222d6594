//! SVG documents: parsed and guarded once, resolved to scene nodes whenever a page shows them.
//!
//! In: reading the XML, the walls against explosion, colour replacement, usvg's tree to scene nodes, resvg for what
//! nodes cannot hold. Not in: where the picture goes and how it is stretched (the caller), fetching: nothing outside
//! the file is ever loaded, only `data:` images inside it.
//! Imports: `config`, `pool`, `scene`, `units`, `assets::decode` for embedded pictures; usvg and resvg appear here only.
//!
//! `drawings` keeps what was made; `source` reads and writes the XML, `budget` counts what it would grow to, `colours` replaces colours, `images` holds
//! embedded pictures, `nodes` walks the tree with `paints` and `clips`, `raster` draws the rest to pixels.

mod budget;
mod clips;
mod colours;
mod css;
mod drawings;
mod images;
mod nodes;
mod paints;
mod raster;
mod source;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kurbo::Size;
use peniko::Blob;
use usvg::fontdb;

use self::drawings::{Drawing, Drawings, Key};
use self::images::Images;
use crate::config::AssetLimits;
use crate::pool::{PARSERS, PoolError};
use crate::scene::{Node, Picture};
use crate::units::DeviceSize;

/// For usvg to make its tree of a document that passed `budget`, which keeps it far below; against what `budget` does not
/// foresee, since usvg itself knows no time (its nested references can take for ever).
const PARSE_LIMIT: Duration = Duration::from_secs(10);

/// Natural size of a document that says nothing about its size (CSS 2.2 §10.3.2).
const DEFAULT_SIZE: Size = Size::new(300.0, 150.0);

/// Why a document cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SvgError {
    /// Not text, not XML, or XML of another kind.
    #[error("the SVG cannot be read: {reason}")]
    Unreadable {
        /// The parser's words.
        reason: String,
    },
    /// Entities that would grow beyond reason.
    #[error("the SVG's entities expand to more than {limit} bytes, or refer to each other; write them out")]
    Entities {
        /// In bytes.
        limit: usize,
    },
    /// Elements inside elements, or references through references.
    #[error("the SVG is nested deeper than {limit} levels, references included")]
    TooDeep {
        /// In levels.
        limit: u32,
    },
    /// An element that is drawn as a part of itself.
    #[error("the SVG element \"{id}\" refers to itself")]
    Cycle {
        /// Its `id`.
        id: String,
    },
    /// Too many elements once `use`, patterns, masks and markers are counted as often as they are drawn.
    #[error("the SVG is too complex: about {found} units of work, references included; the limit is {limit}")]
    TooComplex {
        /// The estimate, saturating.
        found: u64,
        /// In the same units.
        limit: u64,
    },
    /// usvg did not come back, or failed.
    #[error("the SVG cannot be read: {0}; simplify it")]
    Parser(PoolError),
    /// Pixels beyond reason.
    #[error(
        "drawing the SVG to {width}x{height} px takes too much memory or work; draw it smaller or simplify its filters, masks and patterns"
    )]
    TooManyPixels {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
}

/// A parsed document. Cheap to clone; colours are replaced and the tree is built when it is drawn.
#[derive(Clone)]
pub struct SvgAsset {
    /// Well-formed, without entities, comments, scripts and foreign elements.
    source: Arc<str>,
    natural_size: Option<Size>,
    fonts: Arc<fontdb::Database>,
    limits: Arc<AssetLimits>,
}

impl std::fmt::Debug for SvgAsset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SvgAsset({:?}, {} bytes)", self.natural_size, self.source.len())
    }
}

/// A document as scene nodes.
#[derive(Clone, Debug)]
pub struct SvgNodes {
    /// Natural size; nodes reach from (0, 0) to here and are clipped to it. The caller stretches it to the box:
    /// `preserveAspectRatio` counts inside the document, not here (rendering.md §6.3).
    pub size: Size,
    /// First is bottom.
    pub nodes: Vec<Node>,
    /// Parts had to be drawn coarser than asked to fit the memory for rasterised parts.
    pub reduced: bool,
    /// What was left out, a sentence each: external images, pictures that cannot be decoded.
    pub skipped: Vec<String>,
}

/// A document as pixels.
#[derive(Clone, Debug)]
pub struct SvgPicture {
    /// Of the size asked for.
    pub picture: Arc<Picture>,
    /// What was left out, as in [`SvgNodes`].
    pub skipped: Vec<String>,
}

impl SvgAsset {
    /// Reads UTF-8, UTF-16 with a byte order mark, or Latin-1 that says so, and refuses what would explode.
    pub fn new(bytes: &[u8], limits: &AssetLimits) -> Result<Self, SvgError> {
        let text = source::to_text(bytes)?;
        let document = source::parse(&text)?;
        budget::check(&document)?;
        Ok(Self {
            natural_size: source::natural_size(&document),
            source: source::write(&document, &mut |_| None).into(),
            fonts: Arc::default(),
            limits: Arc::new(limits.clone()),
        })
    }

    /// In CSS px: `width` and `height`, a missing one by the `viewBox`'s ratio, without both the `viewBox`'s size;
    /// `None` when the document has neither.
    pub fn natural_size(&self) -> Option<Size> {
        self.natural_size
    }

    /// The same document with this natural size: for one without a size, which then fills the caller's box.
    pub fn with_size(&self, size: Size) -> Self {
        let sized = |document: &_| source::write(document, &mut |part| source::resize(part, size));
        let source = source::parse(&self.source).map_or_else(|_| self.source.clone(), |it| sized(&it).into());
        Self { source, natural_size: Some(size), ..self.clone() }
    }

    /// The same document with these fonts for its texts, if it has any; without fonts, texts are not drawn.
    pub fn with_fonts(&self, fonts: &SvgFonts) -> Self {
        if !self.source.contains("<text") {
            return self.clone();
        }
        Self { fonts: fonts.database(), ..self.clone() }
    }

    /// Bytes that this document occupies in a cache.
    pub fn cost(&self) -> usize {
        self.source.len()
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
        Ok(SvgNodes { size, nodes, reduced, skipped: images.into_skipped() })
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
    Ok(SvgPicture { picture: Arc::new(picture), skipped: images.into_skipped() })
}

/// Fonts for texts inside SVG documents, read when the first document with text needs them, and what was drawn with them.
/// Share one.
pub struct SvgFonts {
    load: Box<dyn Fn() -> Vec<Blob<u8>> + Send + Sync>,
    default_family: &'static str,
    database: OnceLock<Arc<fontdb::Database>>,
    drawings: Drawings,
}

impl std::fmt::Debug for SvgFonts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SvgFonts({:?} by default)", self.default_family)
    }
}

impl SvgFonts {
    /// `load` gives sfnt bytes; `default_family` stands in for the generic families and for every family that is missing.
    /// `drawing_bytes`: of drawings kept (`TENTER_DRAWING_CACHE_BYTES`); 0 keeps none.
    pub fn new(
        default_family: &'static str,
        drawing_bytes: usize,
        load: impl Fn() -> Vec<Blob<u8>> + Send + Sync + 'static,
    ) -> Self {
        let drawings = Drawings::new(drawing_bytes);
        Self { load: Box::new(load), default_family, database: OnceLock::new(), drawings }
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
        let key = Key::nodes(&svg.source, given, colors_replace, scale_hint);
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
        let key = Key::pixels(&svg.source, given, colors_replace, size);
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
        let read = || {
            let mut database = fontdb::Database::new();
            for font in (self.load)() {
                database.load_font_source(fontdb::Source::Binary(font.into_raw_parts().0));
            }
            database.set_serif_family(self.default_family);
            database.set_sans_serif_family(self.default_family);
            database.set_cursive_family(self.default_family);
            database.set_fantasy_family(self.default_family);
            database.set_monospace_family(self.default_family);
            Arc::new(database)
        };
        self.database.get_or_init(read).clone()
    }
}
