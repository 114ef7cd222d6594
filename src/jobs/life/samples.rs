//! What tests of this room begin with.

use std::time::Duration;

use super::blob::BlobRef;
use crate::jobs::store::{Outcome, StoredFile};
use crate::jobs::timestamp::Timestamp;

pub(in crate::jobs) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_000).plus(Duration::from_secs(seconds))
}

/// Of nothing, inside the record.
pub(in crate::jobs) fn body() -> BlobRef {
    serde_json::from_value(serde_json::json!({"digest": "d", "pieces": [], "text": {"i": ""}})).expect("a body")
}

pub(in crate::jobs) fn done() -> Outcome {
    Outcome::Done(StoredFile {
        link: "http://bucket/a.png".into(),
        bytes: 3,
        sha256: [7; 32],
        fingerprint: "f1".into(),
    })
}
