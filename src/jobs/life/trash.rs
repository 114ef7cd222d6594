//! Result files that are no longer needed, and from when on each may be deleted.

use std::time::Duration;

use super::record::JobRecord;
use crate::jobs::job::Status;
use crate::jobs::timestamp::Timestamp;

/// Names of files to delete, each with the time from which on it may be deleted.
pub(crate) type Trash = Vec<(String, Timestamp)>;

/// A worker that lost its job may store its result for at most this time after it lost the job, so that its file must
/// not be deleted earlier.
pub(crate) const LATE_STORE_WINDOW: Duration = Duration::from_secs(120);

impl JobRecord {
    /// Files of attempts other than the result of a job that has ended.
    pub(crate) fn trash_at_end(&self, now: Timestamp) -> Trash {
        // Where attempts overlap, one that was cut off may be storing its file now.
        let from = if self.one_file { now } else { now.plus(LATE_STORE_WINDOW) };
        self.attempt_files(false).into_iter().map(|file| (file, from)).collect()
    }

    /// All files of a job that is about to be removed.
    pub(crate) fn trash_at_removal(&self, now: Timestamp) -> Trash {
        let from = if self.status == Status::Progress { now.plus(LATE_STORE_WINDOW) } else { now };
        self.attempt_files(true).into_iter().map(|file| (file, from)).collect()
    }

    /// All files of a row whose batch is about to be removed, and whether an attempt may be storing one now.
    pub(crate) fn trash_with_batch(mut self, now: Timestamp) -> (Trash, bool) {
        // An attempt at a row with a message in the queue may begin now.
        let queued = self.status == Status::Scheduled && self.sequence > 0;
        self.begun += u32::from(queued);
        let busy = queued || self.status == Status::Progress;
        let from = if busy { now.plus(LATE_STORE_WINDOW) } else { now };
        (self.attempt_files(true).into_iter().map(|file| (file, from)).collect(), busy)
    }
}
