//! What the settings say about jobs, and what they forbid.

use std::time::Duration;

use crate::config::{BatchSettings, JobSettings, KeyLimits};

/// The settings by which jobs live.
#[derive(Clone, Copy, Debug)]
pub(in crate::jobs) struct Limits {
    /// Unfinished jobs, of all owners (TENTER_JOB_QUEUE).
    pub(in crate::jobs) queue: u64,
    /// Unfinished jobs of one owner, a batch being one (TENTER_KEY_JOBS); 0 is no limit.
    pub(in crate::jobs) of_owner: u64,
    /// Unfinished rows of batches, of all owners (TENTER_BATCH_QUEUE).
    pub(in crate::jobs) rows: u64,
    /// Unfinished rows of one owner's batches (TENTER_KEY_ROWS); 0 is no limit.
    pub(in crate::jobs) rows_of_owner: u64,
    /// Times a job is begun when its worker dies under it (TENTER_JOB_ATTEMPTS).
    pub(in crate::jobs) attempts: u32,
    /// Of a finished job and its file (TENTER_JOB_LIFETIME).
    pub(in crate::jobs) lifetime: Duration,
    /// How long what cannot be read or stored is tried again (TENTER_RESULT_PATIENCE).
    pub(in crate::jobs) patience: Duration,
}

/// What is unfinished at the moment when something is to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::jobs) struct Unfinished {
    /// Jobs of all owners, rows not counted.
    pub(in crate::jobs) jobs: u64,
    /// Jobs and batches of the owner who asks.
    pub(in crate::jobs) of_owner: u64,
    /// Rows of all owners' batches.
    pub(in crate::jobs) rows: u64,
    /// Rows of the batches of the owner who asks.
    pub(in crate::jobs) rows_of_owner: u64,
}

/// Which limit forbids to accept something now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::jobs) enum Refusal {
    /// Too much is unfinished, of all owners (TENTER_JOB_QUEUE, TENTER_BATCH_QUEUE).
    Queue,
    /// Too many rows of this owner are unfinished (TENTER_KEY_ROWS).
    Rows,
    /// Too many jobs and batches of this owner are unfinished (TENTER_KEY_JOBS).
    Owner,
}

impl Limits {
    pub(in crate::jobs) fn new(jobs: &JobSettings, batches: &BatchSettings, keys: &KeyLimits) -> Self {
        Self {
            queue: jobs.queue,
            of_owner: keys.jobs,
            rows: batches.queue,
            rows_of_owner: keys.rows,
            attempts: jobs.attempts,
            lifetime: jobs.lifetime,
            patience: jobs.result_patience,
        }
    }

    /// Whether one more job is too much.
    pub(in crate::jobs) fn refuse_job(&self, unfinished: Unfinished) -> Option<Refusal> {
        if unfinished.jobs >= self.queue {
            return Some(Refusal::Queue);
        }
        self.refuse_owner(unfinished)
    }

    /// Whether a batch of so many rows is too much.
    pub(in crate::jobs) fn refuse_batch(&self, rows: u64, unfinished: Unfinished) -> Option<Refusal> {
        if unfinished.rows.saturating_add(rows) > self.rows {
            return Some(Refusal::Queue);
        }
        if self.rows_of_owner > 0 && unfinished.rows_of_owner.saturating_add(rows) > self.rows_of_owner {
            return Some(Refusal::Rows);
        }
        self.refuse_owner(unfinished)
    }

    fn refuse_owner(&self, unfinished: Unfinished) -> Option<Refusal> {
        (self.of_owner > 0 && unfinished.of_owner >= self.of_owner).then_some(Refusal::Owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let keys = KeyLimits { jobs: 2, rows: 5, ..KeyLimits::default() };
        let jobs = JobSettings { queue: 3, ..JobSettings::default() };
        Limits::new(&jobs, &BatchSettings { queue: 8, ..BatchSettings::default() }, &keys)
    }

    #[test]
    fn limits_count_jobs_of_all_before_those_of_the_owner() {
        let with = |jobs, of_owner| limits().refuse_job(Unfinished { jobs, of_owner, ..Unfinished::default() });
        assert_eq!(with(2, 1), None);
        assert_eq!(with(3, 2), Some(Refusal::Queue));
        assert_eq!(with(2, 2), Some(Refusal::Owner));
    }

    #[test]
    fn limits_count_the_rows_that_come_with_a_batch() {
        let with = |more, rows, rows_of_owner| {
            limits().refuse_batch(more, Unfinished { rows, rows_of_owner, ..Unfinished::default() })
        };
        assert_eq!(with(5, 3, 0), None);
        assert_eq!(with(5, 4, 0), Some(Refusal::Queue));
        assert_eq!(with(2, 4, 4), Some(Refusal::Rows));
        let full = Unfinished { of_owner: 2, ..Unfinished::default() };
        assert_eq!(limits().refuse_batch(1, full), Some(Refusal::Owner));
        let open = Limits { of_owner: 0, rows_of_owner: 0, ..limits() };
        assert_eq!(open.refuse_batch(8, full), None, "0 is no limit");
    }
}
