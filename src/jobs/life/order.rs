//! The order in which work is handed out.

/// One thing that could be begun next; the smallest is begun first. Owners share workers fairly: the owner with the
/// fewest jobs in progress comes first, its single jobs before its rows, its batches round robin, and then the oldest.
/// A batch of any size delays another owner, or a single job, by one row at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    /// Number of jobs, rows and documents of its owner that are in progress.
    pub(crate) in_progress: u64,
    /// Whether it is a row or a document.
    pub(crate) is_row: bool,
    /// When a row of its batch was last begun, in µs since 1970; 0 for a job.
    pub(crate) turn: i64,
    /// Position in the order of acceptance.
    pub(crate) sequence: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_owner_then_jobs_then_turns_then_age() {
        let of = |in_progress, is_row, turn, sequence| Candidate { in_progress, is_row, turn, sequence };
        let order = [of(0, false, 0, 7), of(0, false, 0, 9), of(0, true, 3, 8), of(0, true, 4, 2), of(1, false, 0, 1)];
        assert!(order.is_sorted());
    }
}
