//! Values that several tests of this room use.

use std::time::Duration;

use super::blob::BlobRef;
use crate::hash::ContentHash;
use crate::jobs::store::{Outcome, StoredFile};
use crate::jobs::timestamp::Timestamp;

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).plus(Duration::from_secs(seconds))
}

/// A blob without bytes, inside the record.
pub(crate) fn body() -> BlobRef {
    serde_json::from_value(serde_json::json!({"digest": ContentHash::of(b""), "pieces": [], "text": {"i": ""}}))
        .expect("a blob")
}

pub(crate) fn done() -> Outcome {
    Outcome::Done(StoredFile {
        link: "http://bucket/a.png".into(),
        bytes: 3,
        hash: ContentHash::from_bytes([7; 32]),
        fingerprint: "f1".into(),
    })
}
