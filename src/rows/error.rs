//! The error that ends the reading of rows.

use std::io;

use crate::report::counted;

/// An error that ends the reading of rows.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file or connection cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// The input violates its format so that no further rows can be found.
    #[error("{0}")]
    Malformed(String),
    /// The input has more rows than allowed.
    #[error("more than {}; the limit is {limit} (TENTER_BATCH_MAX_ROWS)", counted(*limit, "row"))]
    TooMany {
        /// Maximum number of rows.
        limit: u64,
    },
}

impl RowsError {
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed(message.into())
    }
}
