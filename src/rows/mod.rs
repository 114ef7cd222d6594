//! Rows of a batch: the values with which one design is rendered many times.
//!
//! In: reading rows from CSV, JSON and NDJSON one after the other, where an invalid row does not stop the others; file
//! names of rows; the manifest record of a row. Not in: designs, rendering, where files are stored. Imports: `config`,
//! `json`, `report`.
//!
//! The command line and the HTTP API read, name and report rows in the same way, so this is a module of its own.

mod csv;
mod error;
mod json;
mod lines;
mod manifest;
mod name;
mod read;
mod row;

pub use error::RowsError;
pub use manifest::{ManifestRecord, PageRecord, RowStatus};
pub use name::{NamePattern, NameProblem, UsedNames};
pub use read::{RowFormat, Rows, read_value};
pub use row::{BrokenRow, Row};
