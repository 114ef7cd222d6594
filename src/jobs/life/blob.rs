//! References to bytes that are too large, or too often the same, to stand in a record: bodies of jobs, templates and rows of
//! batches, what became of the rows of a document.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(feature = "cluster")]
use crate::jobs::results::Area;

/// Where some bytes are stored, and of which pieces they are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::jobs) struct BlobRef {
    /// SHA-256 of the whole, in hex.
    pub(in crate::jobs) digest: String,
    /// In the order of the bytes. Empty when the whole stands under its digest.
    pub(in crate::jobs) pieces: Vec<BlobPiece>,
    pub(in crate::jobs) text: BlobText,
}

/// One piece of the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::jobs) enum BlobPiece {
    /// So many bytes of the text.
    #[serde(rename = "t")]
    Text(u64),
    /// A `data:` URL: its digest, and how many bytes it has.
    #[serde(rename = "b")]
    Blob(String, u64),
}

/// The body without its blobs, compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
/// One piece of the bytes.
pub(in crate::jobs) enum BlobText {
    /// The text itself, in Base64.
    #[serde(rename = "i")]
    Inline(String),
    /// The digest under which the text is stored.
    #[serde(rename = "s")]
    Stored(String),
}

impl BlobRef {
    /// Bytes that stand in one piece under their digest.
    pub(in crate::jobs) fn whole(digest: String) -> Self {
        Self { digest: digest.clone(), pieces: Vec::new(), text: BlobText::Stored(digest) }
    }

    /// Names of the blobs, and of the text when it is stored.
    #[cfg(feature = "cluster")]
    pub(in crate::jobs) fn stored(&self) -> impl Iterator<Item = (Area, &str)> {
        let text = match &self.text {
            BlobText::Stored(digest) => Some((Area::Designs, digest.as_str())),
            BlobText::Inline(_) => None,
        };
        let blobs = self.pieces.iter().filter_map(|piece| match piece {
            BlobPiece::Blob(digest, _) => Some((Area::Blobs, digest.as_str())),
            BlobPiece::Text(_) => None,
        });
        blobs.chain(text)
    }
}

/// SHA-256 in hex.
pub(in crate::jobs) fn digest(bytes: &[u8]) -> String {
    hex(&<[u8; 32]>::from(Sha256::digest(bytes)))
}

/// Lower-case hexadecimal digits, two a byte.
pub(in crate::jobs) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `None` for what is no SHA-256 in hex.
pub(in crate::jobs) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}
