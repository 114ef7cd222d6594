//! Under which keys things stand in the bucket of records.

use std::fmt;

use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;

/// The key of one thing. Everything of a batch but its head stands below its id, so that all of it can be removed in one go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::jobs) enum Key {
    /// A job, under its id alone.
    Job(JobId),
    /// What is known of a batch as a whole.
    Batch(BatchId),
    /// A row of a batch.
    Row(BatchId, JobId),
    /// Which bytes an asset of a batch is; its name is SHA-256 of what it is called, in hex.
    Pin(BatchId, String),
}

const BATCH: &str = "batch.";
const ROW: &str = "row.";
const PIN: &str = "pin.";

impl Key {
    /// `None` for what is no key of ours.
    pub(in crate::jobs) fn parse(text: &str) -> Option<Self> {
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

    /// Patterns that match all that stands below `batch`.
    #[cfg(feature = "cluster")]
    pub(in crate::jobs) fn below(batch: &BatchId) -> [String; 2] {
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
