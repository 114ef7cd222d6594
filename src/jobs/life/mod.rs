//! The rules of a job's life, each written once: what may happen next to a job, a row, a document, a batch or a delivery, what that
//! changes, and what it announces.
//!
//! In: records as ledgers keep them (their JSON is a format on disks and servers), and pure functions that change a copy, which
//! then replaces the record if nobody else was faster. Not in: input and output of any kind, clocks, locks.

pub(super) mod batch_record;
pub(super) mod blob;
pub(super) mod delivery;
pub(super) mod document;
pub(super) mod entry;
pub(super) mod key;
pub(super) mod limits;
pub(super) mod order;
pub(super) mod record;
pub(super) mod row;
pub(super) mod row_list;
#[cfg(test)]
pub(super) mod samples;
pub(super) mod trash;
