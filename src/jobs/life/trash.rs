//! Which files nobody needs any more, and from when on they may be removed.

use std::time::Duration;

use super::record::JobRecord;
use crate::jobs::job::Status;
use crate::jobs::timestamp::Timestamp;

/// Names of results, and when each may be removed.
pub(in crate::jobs) type Trash = Vec<(String, Timestamp)>;

/// A worker that lost its job may still be storing the result: it is looked for after this time, when it must be there.
pub(in crate::jobs) const STORING: Duration = Duration::from_secs(120);

impl JobRecord {
    /// What attempts may have left besides the result of a job that has ended.
    pub(in crate::jobs) fn trash_at_end(&self, now: Timestamp) -> Trash {
        // Where attempts overlap, one that was cut off may be storing at this moment.
        let from = if self.one_file { now } else { now.plus(STORING) };
        self.leftovers(false).into_iter().map(|file| (file, from)).collect()
    }

    /// All that attempts may have left of a job that is to go.
    pub(in crate::jobs) fn trash_at_removal(&self, now: Timestamp) -> Trash {
        let from = if self.status == Status::Progress { now.plus(STORING) } else { now };
        self.leftovers(true).into_iter().map(|file| (file, from)).collect()
    }

    /// All that attempts may have left of a row whose batch is to go, and whether one may be storing at this moment.
    pub(in crate::jobs) fn trash_with_batch(mut self, now: Timestamp) -> (Trash, bool) {
        // A row with a message in the queue may be begun at this very moment.
        let queued = self.status == Status::Scheduled && self.sequence > 0;
        self.begun += u32::from(queued);
        let busy = queued || self.status == Status::Progress;
        let from = if busy { now.plus(STORING) } else { now };
        (self.leftovers(true).into_iter().map(|file| (file, from)).collect(), busy)
    }
}
