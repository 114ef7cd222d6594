//! Errors of planning and rasterising a page.

use std::sync::Arc;

use skrifa::outline::DrawError;
use skrifa::raw::ReadError;

use crate::report::JsonPath;

/// Maximum number of times that all pixels of the largest page may be painted over. Rasterising cannot be interrupted,
/// and this much of it takes about twenty seconds. Large posters stay below a tenth of it.
pub(super) const MAX_OVERDRAW: f64 = 1000.0;

/// How often a segment of a stroke counts towards the maximum number of segments: its area has about as many.
pub(super) const STROKE_SEGMENTS: u64 = 4;

/// Side of the squares in px by which the painter processes edges.
pub(super) const TILE: f64 = 4.0;

/// Error of planning or rasterising a page.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PaintError {
    /// The page has too many pixels.
    #[error(
        "the page would be {width} x {height} px ({megapixels:.1} megapixels); the limit is {limit} megapixels \
         (TENTER_MAX_MEGAPIXELS): lower pixelRatio or the page size"
    )]
    TooManyPixels {
        /// Requested width in px.
        width: u32,
        /// Requested height in px.
        height: u32,
        /// Product of width and height, in millions.
        megapixels: f64,
        /// The setting's value, in millions.
        limit: f64,
    },
    /// The page is too wide or too high.
    #[error(
        "the page would be {width} x {height} px; neither side may exceed {limit} px (fixed, no setting raises it): \
         lower pixelRatio or the page size"
    )]
    SideTooLong {
        /// Requested width in px.
        width: u32,
        /// Requested height in px.
        height: u32,
        /// Maximum side of the painter, in px.
        limit: u32,
    },
    /// The operations of the page would take too long to rasterise.
    #[error(
        "drawing this page fills about {found:.0} million px, with gradients, pictures and edges counted several \
         times; the limit is {limit:.0} million ({MAX_OVERDRAW} × TENTER_MAX_MEGAPIXELS): draw fewer or \
         smaller elements, or lower pixelRatio"
    )]
    TooMuchWork {
        /// Px that the operations fill, in millions, weighted by the cost of their paint.
        found: f64,
        /// Maximum of `found`, in millions.
        limit: f64,
    },
    /// The outlines of the page have too many segments.
    #[error(
        "the outlines of this page have more than {limit} segments (fixed; {found} up to this element, those of \
         strokes counted {STROKE_SEGMENTS} times): simplify its paths, or split the page"
    )]
    TooManySegments {
        /// Path of the element at which the limit was exceeded.
        at: JsonPath,
        /// Number of segments up to this element.
        found: u64,
        /// Maximum number of segments.
        limit: u64,
    },
    /// The edges of one outline are too long.
    #[error(
        "the edges of one outline cross about {:.0} million squares of {TILE} x {TILE} px; the limit is {:.0} million \
         (fixed): draw it smaller or with fewer segments, or lower pixelRatio",
        .found / 1e6,
        .limit / 1e6
    )]
    TooManyEdges {
        /// Path of the element.
        at: JsonPath,
        /// Estimated number of squares, each counted as often as an edge crosses it.
        found: f64,
        /// Maximum of `found`.
        limit: f64,
    },
    /// What is drawn inside one layer would take too much memory.
    #[error(
        "the pictures and outlines inside one translucent or blended group take more than {limit} MiB (fixed; {found} \
         MiB): lower pixelRatio, or use fewer or smaller ones there"
    )]
    TooMuchInLayer {
        /// Memory of the contents in MiB, when counting stopped.
        found: usize,
        /// Maximum memory in MiB.
        limit: usize,
    },
    /// The caller has left, so that no one reads this error.
    #[error("the render was abandoned: its caller has left")]
    Abandoned,
    /// The tables of a face cannot be read.
    #[error("a font is damaged: {0}; replace the file")]
    Font(#[source] Arc<FontFileError>),
    /// The painter panicked or found a broken invariant.
    #[error("internal error while painting: {0}")]
    Internal(String),
}

impl From<FontFileError> for PaintError {
    fn from(error: FontFileError) -> Self {
        Self::Font(Arc::new(error))
    }
}

/// Defect of a font file that prevents a glyph from being painted.
#[derive(Debug, thiserror::Error)]
pub enum FontFileError {
    /// The file has no face with the requested index, or its table directory is damaged.
    #[error(transparent)]
    File(#[from] ReadError),
    /// A table is missing or damaged.
    #[error("table `{table}`: {source}")]
    Table {
        /// Tag of the table, such as `head`.
        table: &'static str,
        /// The defect that skrifa found.
        source: ReadError,
    },
    /// The em square of the face has no size.
    #[error("its unitsPerEm is 0")]
    EmptyEm,
    /// The data of one glyph is damaged or too large.
    #[error("glyph {glyph}: {source}")]
    Glyph {
        /// Glyph id in the face.
        glyph: u32,
        /// The defect of its outline, layers or bitmap.
        source: GlyphError,
    },
}

/// Defect of the data of one glyph.
#[derive(Debug, thiserror::Error)]
pub enum GlyphError {
    /// The outline cannot be drawn.
    #[error(transparent)]
    Outline(#[from] DrawError),
    /// The bitmap is a PNG file that cannot be decoded.
    #[error(transparent)]
    Png(#[from] png::DecodingError),
    /// The bitmap is too wide or too high.
    #[error("its bitmap is {width} x {height} px; neither side may exceed {limit} px")]
    BitmapSide {
        /// Width of the bitmap in px.
        width: u32,
        /// Height of the bitmap in px.
        height: u32,
        /// Maximum width and maximum height in px.
        limit: u32,
    },
    /// The pixels of the bitmap do not fit the address space.
    #[error("its bitmap is too large")]
    BitmapBytes,
    /// The bitmap has no pixels.
    #[error("its bitmap is empty")]
    BitmapEmpty,
}
