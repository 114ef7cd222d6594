//! Failures of the font service that a caller can act upon.

/// Reason why the font service provides no face of a family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FontServiceError {
    /// The name of the family is empty, too long, or has control characters.
    #[error("a family name has 1 to {max_chars} characters and no control characters")]
    FamilyName {
        /// Maximum length of the name in characters.
        max_chars: usize,
    },
    /// The service has no family of this name.
    #[error("the family does not exist there")]
    UnknownFamily,
    /// The style sheet has more bytes than allowed.
    #[error("its style sheet is {found} bytes; the limit is {limit}")]
    SheetTooLarge {
        /// Size of the style sheet in bytes.
        found: usize,
        /// Maximum size in bytes.
        limit: u64,
    },
    /// The style sheet names no file in a format that can be decoded.
    #[error("its style sheet names no TrueType, OpenType, WOFF or WOFF2 file")]
    NoFiles,
    /// The style sheet names more files than allowed.
    #[error("its style sheet names {found} font files; the limit is {limit}")]
    TooManyFiles {
        /// Number of files in the style sheet.
        found: usize,
        /// Maximum number of files.
        limit: usize,
    },
}
