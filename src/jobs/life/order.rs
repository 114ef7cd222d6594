//! In which order work is handed out.

/// What could be begun next. The smallest comes first: of the owner with the fewest under way; single jobs before rows; the batch that
/// has waited longest since one of its rows was begun; the oldest. So a batch of any size holds up neither another owner nor a
/// single picture for longer than the row that is being rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::jobs) struct Candidate {
    /// Jobs, rows and documents of its owner that are under way.
    pub(in crate::jobs) under_way: u64,
    /// Whether it is a row, or a document of rows.
    pub(in crate::jobs) is_row: bool,
    /// Of a row, when one of its batch was last begun, in µs; 0 for a job.
    pub(in crate::jobs) turn: i64,
    /// In the order of acceptance.
    pub(in crate::jobs) sequence: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_owner_then_jobs_then_turns_then_age() {
        let of = |under_way, is_row, turn, sequence| Candidate { under_way, is_row, turn, sequence };
        let order = [of(0, false, 0, 7), of(0, false, 0, 9), of(0, true, 3, 8), of(0, true, 4, 2), of(1, false, 0, 1)];
        assert!(order.is_sorted());
    }
}
