//! Why an SVG document cannot be drawn.

use std::sync::Arc;

use usvg::roxmltree;

use crate::assets::memory::MemoryError;
use crate::pool::PoolError;

/// Why a document cannot be drawn.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SvgError {
    /// The file is not well-formed XML.
    #[error("the SVG cannot be read: {0}")]
    Xml(#[source] roxmltree::Error),
    /// The file is XML of another kind.
    #[error("the SVG cannot be read: its root element is <{found}>, not <svg>")]
    RootElement {
        /// Name of the root element.
        found: String,
    },
    /// usvg rejects the document.
    #[error("the SVG cannot be read: {0}")]
    Usvg(#[source] Arc<usvg::Error>),
    /// The entities would expand to more than the limit.
    #[error("the SVG's entities expand to more than {limit} bytes, or refer to each other; write them out")]
    Entities {
        /// Maximum size in bytes.
        limit: usize,
    },
    /// An element has too many attributes.
    #[error("an element of the SVG has about {found} attributes; the limit is {limit}")]
    Attributes {
        /// The number of attributes.
        found: usize,
        /// Maximum number of attributes.
        limit: usize,
    },
    /// The document has too many elements.
    #[error("the SVG has {found} elements; the limit is {limit}")]
    Elements {
        /// The number of elements.
        found: u64,
        /// Maximum number of elements.
        limit: u64,
    },
    /// Elements or references are nested too deep.
    #[error("the SVG is nested deeper than {limit} levels, references included")]
    TooDeep {
        /// Maximum number of levels.
        limit: u32,
    },
    /// The document has more circular references than are removed one by one.
    #[error("the SVG refers to itself in more than {limit} places, one of them in the element \"{id}\"")]
    Cycle {
        /// The `id` of the element.
        id: String,
        /// Maximum number of such references.
        limit: usize,
    },
    /// The document has too many elements when `use`, patterns, masks and markers are counted as often as they are
    /// drawn.
    #[error("the SVG is too complex: about {found} units of work, references included; the limit is {limit}")]
    TooComplex {
        /// The estimated work, saturating.
        found: u64,
        /// Maximum in the same units.
        limit: u64,
    },
    /// The style sheets would take too long, or make the document too large.
    #[error("the SVG's style sheets are too complex: {found} {what}; the limit is {limit}")]
    Styles {
        /// The quantity that exceeds the limit.
        what: &'static str,
        /// The amount that was found.
        found: u64,
        /// The maximum amount that is accepted.
        limit: u64,
    },
    /// There is no memory for the pictures inside the document.
    #[error("a picture inside the SVG: {0}")]
    Memory(#[source] MemoryError),
    /// usvg panicked or did not finish in time.
    #[error("the SVG cannot be read: {0}; simplify it")]
    Parser(#[source] PoolError),
    /// Parts that have to be drawn to pixels take too much work at any resolution.
    #[error(
        "the filters, masks or patterns of the SVG take too much work: about {found:.0} million px; the limit is \
         {limit:.0} million (fixed): use fewer or smaller ones"
    )]
    RasterWork {
        /// Estimated number of px that are touched, in millions.
        found: f64,
        /// Maximum of `found`.
        limit: f64,
    },
    /// The caller has left, so that no one reads this error.
    #[error("drawing the SVG was abandoned: its caller has left")]
    Abandoned,
    /// The number of pixels exceeds the limit.
    #[error(
        "drawing the SVG at {width} x {height} px takes too much memory or work; draw it smaller, or simplify its \
         filters, masks and patterns"
    )]
    TooManyPixels {
        /// Width of the picture in px.
        width: u32,
        /// Height of the picture in px.
        height: u32,
    },
}

impl SvgError {
    /// True when the document was not tried because something is used up, so that another attempt may succeed.
    pub fn is_exhaustion(&self) -> bool {
        match self {
            Self::Parser(error) => error.is_exhaustion(),
            Self::Memory(error) => error.is_exhaustion(),
            _ => false,
        }
    }

    /// The error for style sheets with `found` of `what`, more than `limit`.
    pub(super) fn too_many(what: &'static str, found: u64, limit: usize) -> Self {
        Self::Styles { what, found, limit: limit as u64 }
    }
}
