//! CSV: values under names.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use serde_json::{Map, Value};

use super::read::too_long;
use super::{BrokenRow, Row, RowsError};
use crate::report::{counted, shown};

/// A row that goes on for so many times its limit never ends: a quote was not closed. Shorter ones are passed over.
const ENDLESS: usize = 8;
/// What the reader of CSV holds besides the row.
const BUFFER_BYTES: usize = 64 << 10;

/// Rows under a line of names.
#[derive(Debug)]
pub(super) struct Table<R> {
    reader: csv::Reader<Metered<R>>,
    columns: Vec<String>,
    row_bytes: usize,
    record: ByteRecord,
}

impl<R: BufRead> Table<R> {
    /// Reads the names. `row_bytes`: of a row.
    pub(super) fn new(input: R, row_bytes: usize) -> Result<Self, RowsError> {
        let most = row_bytes.saturating_mul(ENDLESS).saturating_add(BUFFER_BYTES);
        let input = Metered { input, left: most, most };
        // Rows with too few values are found here, with better words.
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(input);
        let mut record = ByteRecord::new();
        if !read(&mut reader, &mut record, 0)? {
            return Err(RowsError::form("is empty; accepted: a line of names, and a line of values for each row"));
        }
        if record.as_slice().len() > row_bytes {
            return Err(RowsError::form(too_long(0, Some(1), row_bytes).problems.swap_remove(0).message));
        }
        Ok(Self { reader, columns: names(&record)?, row_bytes, record })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn next_row(&mut self, number: u64) -> Result<Option<Result<Row, BrokenRow>>, RowsError> {
        if !read(&mut self.reader, &mut self.record, number)? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        Ok(Some(self.row(number, line)))
    }

    fn row(&self, number: u64, line: u64) -> Result<Row, BrokenRow> {
        let broken = |path: &str, message: String| Err(BrokenRow::new(number, Some(line), path, message));
        let Self { columns, record, .. } = self;
        if record.as_slice().len() > self.row_bytes {
            return Err(too_long(number, Some(line), self.row_bytes));
        }
        if record.len() != columns.len() {
            let quote = match record.iter().any(|value| value.contains(&b'\n')) {
                true => "; a value goes over several lines: is a quote not closed?",
                false => "",
            };
            return broken(
                "",
                format!(
                    "has {}; the first line has {}{quote}",
                    counted(record.len() as u64, "value"),
                    counted(columns.len() as u64, "name")
                ),
            );
        }
        let mut variables = Map::new();
        for (name, value) in columns.iter().zip(record) {
            match std::str::from_utf8(value) {
                Ok(value) => drop(variables.insert(name.clone(), Value::from(value))),
                Err(_) => return broken(&shown(name), "is not UTF-8; save the file as UTF-8".into()),
            }
        }
        Ok(Row { number, variables, ..Row::default() })
    }
}

/// Whether there was another record. `number`: of the row, 0 for the names.
fn read<R: BufRead>(
    reader: &mut csv::Reader<Metered<R>>,
    record: &mut ByteRecord,
    number: u64,
) -> Result<bool, RowsError> {
    let meter = reader.get_mut();
    meter.left = meter.most;
    reader.read_byte_record(record).map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) if error.get_ref().is_some_and(|it| it.is::<Endless>()) => {
            RowsError::form(format!("row {number} has no end: is a quote not closed?"))
        }
        ErrorKind::Io(error) => RowsError::Read(error),
        // Records are neither held to a length nor made into text or types by the reader.
        other => RowsError::form(format!("row {number}: {other:?}")),
    })
}

/// Names as written, spaces around them left out.
fn names(record: &ByteRecord) -> Result<Vec<String>, RowsError> {
    let mut columns = Vec::with_capacity(record.len());
    let mut known = HashSet::new();
    for (index, name) in record.iter().enumerate() {
        let place = index + 1;
        let name = std::str::from_utf8(name)
            .map_err(|_| RowsError::form(format!("the name of column {place} is not UTF-8; save the file as UTF-8")))?
            .trim();
        if name.is_empty() {
            return Err(RowsError::form(format!("column {place} has no name; the first line names the columns")));
        }
        if !known.insert(name) {
            return Err(RowsError::form(format!(
                "two columns are called \"{}\"; each needs its own name",
                shown(name)
            )));
        }
        columns.push(name.to_owned());
    }
    match &columns[..] {
        [one] if one.contains([';', '\t']) => {
            Err(RowsError::form(format!("has one column, called \"{}\"; accepted: values between commas", shown(one))))
        }
        _ => Ok(columns),
    }
}

/// Lets so many bytes through between two refills of `left`.
#[derive(Debug)]
struct Metered<R> {
    input: R,
    left: usize,
    most: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("a row without an end")]
struct Endless;

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left);
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::other(Endless));
        }
        let read = self.input.read(&mut buffer[..most])?;
        self.left -= read;
        Ok(read)
    }
}
