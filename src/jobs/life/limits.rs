//! Limits of unfinished work and of retries, from the settings.

use std::time::Duration;

use crate::config::{BatchSettings, JobSettings, KeyLimits};

/// Settings that decide what is accepted, how often it is tried, and how long it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobLimits {
    /// Most unfinished jobs of all owners (TENTER_JOB_QUEUE).
    pub(crate) queue: u64,
    /// Most unfinished jobs and batches of one owner (TENTER_KEY_JOBS); 0 is no limit.
    pub(crate) of_owner: u64,
    /// Most unfinished rows of batches of all owners (TENTER_BATCH_QUEUE).
    pub(crate) rows: u64,
    /// Most unfinished rows of one owner's batches (TENTER_KEY_ROWS); 0 is no limit.
    pub(crate) rows_of_owner: u64,
    /// Most attempts at a job whose workers die (TENTER_JOB_ATTEMPTS).
    pub(crate) attempts: u32,
    /// How long a finished job and its file are stored (TENTER_JOB_LIFETIME).
    pub(crate) lifetime: Duration,
    /// How long a read of a submitted body is retried (TENTER_RESULT_PATIENCE).
    pub(crate) retry_duration: Duration,
}

/// Unfinished work at the time at which something is submitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Single jobs of all owners.
    pub(crate) jobs: u64,
    /// Single jobs and batches of the submitting owner.
    pub(crate) of_owner: u64,
    /// Rows of the batches of all owners.
    pub(crate) rows: u64,
    /// Rows of the batches of the submitting owner.
    pub(crate) rows_of_owner: u64,
}

/// The limit that a submission would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Unfinished jobs or rows of all owners (TENTER_JOB_QUEUE, TENTER_BATCH_QUEUE).
    Queue,
    /// Unfinished rows of this owner (TENTER_KEY_ROWS).
    Rows,
    /// Unfinished jobs and batches of this owner (TENTER_KEY_JOBS).
    Owner,
}

impl JobLimits {
    pub(crate) fn new(jobs: &JobSettings, batches: &BatchSettings, keys: &KeyLimits) -> Self {
        Self {
            queue: jobs.queue,
            of_owner: keys.jobs,
            rows: batches.queue,
            rows_of_owner: keys.rows,
            attempts: jobs.attempts,
            lifetime: jobs.lifetime,
            retry_duration: jobs.result_patience,
        }
    }

    /// The limit that one more job would exceed.
    pub(crate) fn refuse_job(&self, unfinished: Unfinished) -> Option<Refusal> {
        if unfinished.jobs >= self.queue {
            return Some(Refusal::Queue);
        }
        self.refuse_owner(unfinished)
    }

    /// The limit that a batch of `rows` rows would exceed.
    pub(crate) fn refuse_batch(&self, rows: u64, unfinished: Unfinished) -> Option<Refusal> {
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

    fn limits() -> JobLimits {
        let keys = KeyLimits { jobs: 2, rows: 5, ..KeyLimits::default() };
        let jobs = JobSettings { queue: 3, ..JobSettings::default() };
        JobLimits::new(&jobs, &BatchSettings { queue: 8, ..BatchSettings::default() }, &keys)
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
        let open = JobLimits { of_owner: 0, rows_of_owner: 0, ..limits() };
        assert_eq!(open.refuse_batch(8, full), None, "0 is no limit");
    }
}
