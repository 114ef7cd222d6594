//! Reasons why a file cannot be decoded, with messages for the caller.

use super::image_kind::{ImageKind, supported_names};
use crate::assets::memory::MemoryError;
use crate::assets::svg::error::SvgError;
use crate::pool::PoolError;
use crate::sfnt::SfntError;

/// Error of decoding a file. The caller adds the JSON path and the URL.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file has more bytes than allowed.
    #[error("the file is {found} bytes; the limit is {limit} (TENTER_ASSET_MAX_BYTES)")]
    TooManyBytes {
        /// Size of the file in bytes.
        found: u64,
        /// Maximum size in bytes.
        limit: u64,
    },
    /// The format of the file is unknown.
    #[error("the file is not a supported image (it starts with {magic}); use {}", supported_names())]
    UnknownImage {
        /// The first bytes, quoted and escaped.
        magic: String,
    },
    /// The format is known, but there is no decoder for it.
    #[error("{format} is not supported; use {}", supported_names())]
    Unsupported {
        /// Format of the file.
        format: ImageKind,
    },
    /// The header announces more pixels than allowed.
    #[error(
        "the {format} image is {width}x{height} px, {:.1} megapixels; the limit is {limit} \
         (TENTER_ASSET_MAX_MEGAPIXELS)",
        (f64::from(*width) * f64::from(*height)) / 1e6
    )]
    TooManyPixels {
        /// Format of the file.
        format: ImageKind,
        /// Width of the image in px.
        width: u32,
        /// Height of the image in px.
        height: u32,
        /// Maximum number of px, in millions.
        limit: f64,
    },
    /// The header announces a side that is zero or too long for the painters.
    #[error("the {format} image is {width}x{height} px; sides may be 1 to {limit} px")]
    Side {
        /// Format of the file.
        format: ImageKind,
        /// Width of the image in px.
        width: u32,
        /// Height of the image in px.
        height: u32,
        /// Maximum side in px.
        limit: u32,
    },
    /// The file is damaged, or a variant that the decoder does not support.
    #[error("the {format} image is damaged: {reason}")]
    Broken {
        /// Format of the file.
        format: ImageKind,
        /// Error of the decoder.
        #[source]
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no memory for the pixels.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The SVG cannot be used.
    #[error(transparent)]
    Svg(#[from] SvgError),
    /// The font parser exceeded its time limit or panicked.
    #[error("the font cannot be read: {0}")]
    Parser(#[source] PoolError),
    /// The file is not a usable font.
    #[error(transparent)]
    Font(#[from] SfntError),
}

impl DecodeError {
    /// True when the file was not tried because something is used up, so that another attempt may succeed.
    pub fn is_exhaustion(&self) -> bool {
        match self {
            Self::Parser(error) => error.is_exhaustion(),
            Self::Svg(error) => error.is_exhaustion(),
            Self::Memory(error) => error.is_exhaustion(),
            _ => false,
        }
    }
}
