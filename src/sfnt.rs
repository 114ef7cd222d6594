//! Font containers: WOFF and WOFF2 unpacked to plain sfnt bytes.
//!
//! In: sniffing, size limits, unpacking. Not in: what a face looks like (`text`), where it came from (`assets`).
//! Imports nothing of ours.

/// Largest unpacked font, in bytes: far above any real face, far below what a hostile WOFF2 could ask for.
pub const MAX_UNPACKED_BYTES: usize = 64 << 20;

/// Why bytes are not a font we can use.
#[derive(Debug, thiserror::Error)]
pub enum SfntError {
    /// Not TTF, OTF, TTC, WOFF or WOFF2.
    #[error("not a font we read (starts with {magic:02x?}); use TTF, OTF, WOFF or WOFF2")]
    Unknown {
        /// The first bytes.
        magic: Vec<u8>,
    },
    /// A container that does not unpack.
    #[error("a damaged {container} font: {reason}")]
    Damaged {
        /// `WOFF` or `WOFF2`.
        container: &'static str,
        /// In the unpacker's words.
        reason: String,
    },
    /// More than [`MAX_UNPACKED_BYTES`].
    #[error("the font unpacks to {found} bytes; the limit is {MAX_UNPACKED_BYTES}")]
    TooLarge {
        /// What its header announces.
        found: usize,
    },
}

/// Plain sfnt bytes of a TTF, OTF, TTC, WOFF or WOFF2 file, told apart by their first bytes.
pub fn unpack(bytes: &[u8]) -> Result<Vec<u8>, SfntError> {
    let announced = || bytes.get(16..20).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let damaged = |container, reason| SfntError::Damaged { container, reason };
    match bytes.get(..4) {
        Some(b"\0\x01\0\0" | b"OTTO" | b"true" | b"ttcf") => Ok(bytes.to_vec()),
        Some(b"wOFF" | b"wOF2") if announced() > MAX_UNPACKED_BYTES => Err(SfntError::TooLarge { found: announced() }),
        Some(b"wOFF") => wuff::decompress_woff1(bytes).map_err(|e| damaged("WOFF", format!("{e:?}"))),
        Some(b"wOF2") => wuff::decompress_woff2(bytes).map_err(|e| damaged("WOFF2", format!("{e:?}"))),
        _ => Err(SfntError::Unknown { magic: bytes.iter().take(4).copied().collect() }),
    }
}
