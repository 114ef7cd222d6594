//! Rows of a batch: one design, many values.
//!
//! In: rows out of CSV, JSON and NDJSON, one after the other, a broken one being an item like any other; what the files made
//! of rows are called; the line that tells what became of a row. Not in: designs, rendering, where files go.
//! Imports: `config`, `json`, `report`.
//!
//! The command line and the HTTP side read, name and report rows alike, which is why this is a room of its own.

mod csv;
mod json;
mod lines;
mod manifest;
mod name;
mod read;
mod row;

pub use manifest::{PageRecord, Record, RowStatus};
pub use name::{NamePattern, NameProblem, NamesTaken};
pub use read::{RowFormat, Rows, RowsError, read_value};
pub use row::{BrokenRow, Row};
