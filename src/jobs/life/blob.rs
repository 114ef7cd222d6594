//! References to bytes that are stored apart from the record that needs them: bodies of jobs, templates and rows of
//! batches, how the rows of a document ended.

use serde::{Deserialize, Serialize};

use crate::hash::ContentHash;
#[cfg(feature = "cluster")]
use crate::jobs::results::Area;

/// Where a blob is stored, and which pieces it consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlobRef {
    /// Hash of the whole blob.
    #[serde(rename = "digest")]
    pub(crate) hash: ContentHash,
    /// In the order of the bytes. Empty when the whole blob is stored under its hash.
    pub(crate) pieces: Vec<BlobPiece>,
    pub(crate) text: BlobText,
}

/// One piece of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BlobPiece {
    /// The next bytes of the text; their number.
    #[serde(rename = "t")]
    Text(u64),
    /// A `data:` URL that is stored apart: its hash and its length in bytes.
    #[serde(rename = "b")]
    DataUrl(ContentHash, u64),
}

/// The bytes of a blob without its `data:` URLs, compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BlobText {
    /// The text itself, in Base64.
    #[serde(rename = "i")]
    Inline(String),
    /// The hash under which the text is stored.
    #[serde(rename = "s")]
    Stored(ContentHash),
}

impl BlobRef {
    /// A blob that is stored in one piece under its hash.
    pub(crate) fn whole(hash: ContentHash) -> Self {
        Self { hash, pieces: Vec::new(), text: BlobText::Stored(hash) }
    }

    /// Names of the objects in the bucket that the blob consists of: `data:` URLs in their order, then the text if it
    /// is stored.
    #[cfg(feature = "cluster")]
    pub(crate) fn objects(&self) -> impl Iterator<Item = (Area, ContentHash)> {
        let text = match &self.text {
            BlobText::Stored(hash) => Some((Area::Designs, *hash)),
            BlobText::Inline(_) => None,
        };
        let data_urls = self.pieces.iter().filter_map(|piece| match piece {
            BlobPiece::DataUrl(hash, _) => Some((Area::Blobs, *hash)),
            BlobPiece::Text(_) => None,
        });
        data_urls.chain(text)
    }
}
