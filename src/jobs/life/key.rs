//! Keys of the records, as text in a key-value bucket and in a table.

use std::fmt;

use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;

/// The key of one record. Rows and asset hashes of a batch share a prefix with its id, so that one request removes all
/// of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A single job: its id.
    Job(JobId),
    /// A batch as a whole.
    Batch(BatchId),
    /// A row of a batch, or the document of all rows.
    Row(BatchId, JobId),
    /// Hash of an asset of a batch. The name is the SHA-256 hash of the asset's name, in hexadecimal digits.
    Pin(BatchId, String),
}

const BATCH: &str = "batch.";
const ROW: &str = "row.";
const PIN: &str = "pin.";

impl Key {
    /// `None` when `text` is no key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let below = |rest: &str| {
            let (batch, name) = rest.split_once('.')?;
            Some((BatchId::parse(batch)?, name.to_owned()))
        };
        if let Some(id) = text.strip_prefix(BATCH) {
            return BatchId::parse(id).map(Self::Batch);
        }
        if let Some((batch, id)) = text.strip_prefix(ROW).and_then(below) {
            return JobId::parse(&id).map(|id| Self::Row(batch, id));
        }
        if let Some((batch, name)) = text.strip_prefix(PIN).and_then(below) {
            return Some(Self::Pin(batch, name));
        }
        JobId::parse(text).map(Self::Job)
    }

    /// NATS patterns of the keys of all rows and asset hashes of `batch`.
    #[cfg(feature = "cluster")]
    pub(crate) fn below(batch: &BatchId) -> [String; 2] {
        [format!("{ROW}{batch}.*"), format!("{PIN}{batch}.*")]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(id) => write!(f, "{id}"),
            Self::Batch(id) => write!(f, "{BATCH}{id}"),
            Self::Row(batch, id) => write!(f, "{ROW}{batch}.{id}"),
            Self::Pin(batch, name) => write!(f, "{PIN}{batch}.{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_read_as_it_is_written() {
        for text in ["fp1f2rtva", "batch.fp1f2rtva", "row.fp1f2rtva.000000001", "pin.fp1f2rtva.00ff"] {
            assert_eq!(Key::parse(text).map(|it| it.to_string()).as_deref(), Some(text));
        }
        for bad in ["", "fp1f2rtvaa", "batch.", "row.fp1f2rtva", "row.fp1f2rtva.x", "feeder"] {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
    }
}
