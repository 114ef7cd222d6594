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
mod drawings;
mod fonts;
mod images;
mod nodes;
mod paints;
mod raster;
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

use self::drawings::{Drawing, Drawings, Key};
use self::fonts::EmbeddedFace;
pub use self::fonts::SvgFamilies;
use self::images::Images;
use self::source::Sizing;
use crate::config::AssetLimits;
use crate::pool::{PARSERS, PoolError};
use crate::scene::{Node, Picture};
use crate::units::DeviceSize;

/// For usvg to make its tree of a document that passed `budget`, which keeps it far below; against what `budget` does not
/// foresee, since usvg itself knows no time (its nested references can take for ever).
const PARSE_LIMIT: Duration = Duration::from_secs(10);

/// References in cycles are cut in copies of what `use` shows so many times over, copies of copies included; then for all.
const MAX_COPY_ROUNDS: usize = 4;

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
    /// More references that lead back to themselves than are taken out one by one.
    #[error("the SVG refers to itself in more than {limit} places, one of them in the element \"{id}\"")]
    Cycle {
        /// The element's `id`.
        id: String,
        /// In references.
        limit: usize,
    },
    /// Too many elements once `use`, patterns, masks and markers are counted as often as they are drawn.
    #[error("the SVG is too complex: about {found} units of work, references included; the limit is {limit}")]
    TooComplex {
        /// The estimate, saturating.
        found: u64,
        /// In the same units.
        limit: u64,
    },
    /// Style sheets that would take too long, or make the document too large.
    #[error("the SVG's style sheets are too complex: {found} {what}; the limit is {limit}")]
    Styles {
        /// What there is too much of.
        what: &'static str,
        /// As many.
        found: u64,
        /// As many as are allowed.
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

/// A document in words that usvg knows: style sheets resolved, values as browsers read them, nothing that explodes.
struct Readable {
    source: String,
    sizing: Sizing,
    faces: Vec<style::FontFace>,
    /// What was left out, a sentence each.
    notes: Vec<String>,
}

impl Readable {
    fn new(bytes: &[u8]) -> Result<Self, SvgError> {
        let text = source::to_text(bytes);
        let document = source::parse(&text)?;
        let mut notes = Vec::new();
        if source::has_html(&document) {
            notes.push("HTML inside the SVG (foreignObject) is left out".to_owned());
        }
        let viewport = Sizing::of(document.root_element()).within(DEFAULT_SIZE);
        let mut styles = style::resolve(&document, viewport)?;
        let faces = std::mem::take(&mut styles.faces);
        let source = source::write(&document, &mut |part| styles.part(part));
        let sizing = Sizing::of(source::parse(&source)?.root_element());
        let (source, leaves_out) = without_cycles(source)?;
        if leaves_out {
            notes.push("a part of the SVG that refers to itself is left out there".to_owned());
        }
        Ok(Self { sizing, faces, notes, source })
    }
}

/// The document without references that lead back to where they came from, and whether there were any that had to go.
fn without_cycles(mut source: String) -> Result<(String, bool), SvgError> {
    let mut leaves_out = false;
    for round in 0..=MAX_COPY_ROUNDS {
        let document = source::parse(&source)?;
        let dropped = budget::check(&document, round < MAX_COPY_ROUNDS)?;
        leaves_out |= dropped.leaves_out();
        if dropped.is_empty() {
            break;
        }
        let done = !dropped.has_copies();
        source = source::write(&document, &mut |part| dropped.part(part));
        if done {
            break;
        }
    }
    Ok((source, leaves_out))
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
    drawings: Drawings,
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
        let drawings = Drawings::new(drawing_bytes);
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
        let read = || Arc::new(fonts::database(self.families, (self.load)()));
        self.database.get_or_init(read).clone()
    }
}
