//! Errors of the PDF painter.

use crate::paint::error::PaintError;

/// Error of the PDF painter.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PdfError {
    /// Content that must be rasterised could not be painted.
    #[error(transparent)]
    Paint(#[from] PaintError),
    /// The file would exceed the object numbers of the format, which have 31 bits.
    #[error("the file would have more than {} objects: render fewer pages at once", i32::MAX)]
    TooManyObjects,
    /// A face cannot be embedded.
    #[error("the font {name} cannot be embedded: {reason}; replace the file")]
    Font {
        /// PostScript name of the face.
        name: String,
        /// Description of the defect.
        reason: String,
    },
    /// A broken invariant of the program.
    #[error("internal error while writing a page: {0}")]
    Internal(String),
    /// The caller has left, so that no one reads this error.
    #[error("the render was abandoned: its caller has left")]
    Abandoned,
}
