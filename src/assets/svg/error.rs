//! Why an SVG document cannot be drawn.

use crate::pool::PoolError;

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

impl SvgError {
    /// Style sheets with more of `what` than `limit`.
    pub(super) fn too_many(what: &'static str, found: u64, limit: usize) -> Self {
        Self::Styles { what, found, limit: limit as u64 }
    }
}
