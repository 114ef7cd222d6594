//! The state machine of jobs, rows, documents, batches and deliveries: which transitions there are, what each changes
//! in a record, and which webhook it puts into the record's outbox.
//!
//! In: records as ledgers store them (their JSON is a format on disks and servers), and pure functions that change a
//! copy of a record; the copy then replaces the record by compare-and-set. Not in: I/O, clocks, locks.

pub(super) mod batch_record;
pub(super) mod blob;
pub(super) mod delivery;
pub(super) mod document;
pub(super) mod document_items;
pub(super) mod entry;
pub(super) mod key;
pub(super) mod limits;
pub(super) mod order;
pub(super) mod record;
pub(super) mod row;
pub(super) mod row_list;
mod row_record;
#[cfg(test)]
pub(super) mod samples;
mod text_limits;
pub(super) mod trash;
