//! Reads rows from CSV: a line of names, then a line of values per row.

use std::collections::HashSet;
use std::io::{self, BufRead, Read};

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use serde_json::{Map, Value};

use super::error::RowsError;
use super::row::{BrokenRow, Row};
use crate::report::{counted, truncated};

/// Length of a row, as a multiple of its limit, at which reading stops with an error, as a quote is probably not
/// closed. Rows of up to this length are skipped.
const MAX_ROW_MULTIPLE: usize = 8;
/// Size of the CSV reader's buffer besides the row.
const BUFFER_BYTES: usize = 64 << 10;

/// A CSV file with a line of names.
#[derive(Debug)]
pub(super) struct CsvTable<R> {
    reader: csv::Reader<LimitedReader<R>>,
    columns: Vec<String>,
    row_bytes: usize,
    record: ByteRecord,
}

impl<R: BufRead> CsvTable<R> {
    /// Reads the line of names. `row_bytes`: maximum length of a row.
    pub(super) fn new(input: R, row_bytes: usize) -> Result<Self, RowsError> {
        let limit = row_bytes.saturating_mul(MAX_ROW_MULTIPLE).saturating_add(BUFFER_BYTES);
        let input = LimitedReader { input, left: limit, limit, quotes: QuoteState::default() };
        // Rows with too few values are detected here, for better messages.
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(BUFFER_BYTES).from_reader(input);
        let mut record = ByteRecord::new();
        if !read(&mut reader, &mut record, 0)? {
            return Err(RowsError::malformed("is empty; accepted: a line of names, then a line of values per row"));
        }
        if record.as_slice().len() > row_bytes {
            return Err(RowsError::malformed(
                BrokenRow::too_long(0, Some(1), row_bytes).problems.swap_remove(0).message,
            ));
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
            return Err(BrokenRow::too_long(number, Some(line), self.row_bytes));
        }
        if record.len() != columns.len() {
            let quote = match record.iter().any(|value| value.contains(&b'\n')) {
                true => "; a value spans several lines, so a quote may not be closed",
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
                Err(_) => return broken(&truncated(name), "is not UTF-8; save the file as UTF-8".into()),
            }
        }
        Ok(Row { number, variables, ..Row::default() })
    }
}

/// Reads the next record; false at the end. `number`: of the row, 0 for the line of names.
fn read<R: BufRead>(
    reader: &mut csv::Reader<LimitedReader<R>>,
    record: &mut ByteRecord,
    number: u64,
) -> Result<bool, RowsError> {
    let limited = reader.get_mut();
    limited.left = limited.limit;
    let found = reader.read_byte_record(record).map_err(|error| match error.into_kind() {
        ErrorKind::Io(error) if error.get_ref().is_some_and(|it| it.is::<RowWithoutEnd>()) => {
            RowsError::malformed(format!("row {number} does not end; a quote may not be closed"))
        }
        ErrorKind::Io(error) => RowsError::Read(error),
        // The reader is configured without length checks and conversions, so no other error is expected.
        other => RowsError::malformed(format!("row {number}: {other:?}")),
    })?;
    match reader.get_ref().quotes.unclosed {
        Some(line) => Err(RowsError::malformed(format!("the quote in line {line} is not closed"))),
        None => Ok(found),
    }
}

/// Column names without surrounding spaces.
fn names(record: &ByteRecord) -> Result<Vec<String>, RowsError> {
    let mut columns = Vec::with_capacity(record.len());
    let mut known = HashSet::new();
    for (index, name) in record.iter().enumerate() {
        let place = index + 1;
        let name = std::str::from_utf8(name)
            .map_err(|_| {
                RowsError::malformed(format!("the name of column {place} is not UTF-8; save the file as UTF-8"))
            })?
            .trim();
        if name.is_empty() {
            return Err(RowsError::malformed(format!("column {place} has no name; the first line names the columns")));
        }
        if !known.insert(name) {
            return Err(RowsError::malformed(format!(
                "two columns are called \"{}\"; names must be unique",
                truncated(name)
            )));
        }
        columns.push(name.to_owned());
    }
    match &columns[..] {
        [one] if one.contains([';', '\t']) => Err(RowsError::malformed(format!(
            "has one column, called \"{}\"; accepted: values separated by commas",
            truncated(one)
        ))),
        _ => Ok(columns),
    }
}

/// Reader that allows a limited number of bytes until `left` is reset, and detects a quote that is never closed.
#[derive(Debug)]
struct LimitedReader<R> {
    input: R,
    left: usize,
    limit: usize,
    quotes: QuoteState,
}

/// The position in the grammar of CSV (RFC 4180 §2), as far as quotes are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Position {
    /// At the start of a value, where a quote opens.
    #[default]
    Start,
    /// Inside a value without quotes, or after a closing quote.
    Plain,
    /// Inside quotes.
    Quoted,
    /// After a quote inside quotes: the end of the value, or the first of two that stand for one.
    Quote,
}

/// Follows the quotes of a file.
#[derive(Debug, Default)]
struct QuoteState {
    position: Position,
    /// Number of line breaks so far.
    breaks: u64,
    /// Line of the last opening quote.
    opened: u64,
    /// Line of the quote that the end of the file leaves open.
    unclosed: Option<u64>,
}

impl QuoteState {
    fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.position = match (self.position, byte) {
                (Position::Start, b'"') => {
                    self.opened = self.breaks + 1;
                    Position::Quoted
                }
                (Position::Quoted, b'"') => Position::Quote,
                (Position::Quoted, _) | (Position::Quote, b'"') => Position::Quoted,
                (_, b',' | b'\n' | b'\r') => Position::Start,
                // A byte order mark.
                (Position::Start, 0xEF | 0xBB | 0xBF) if self.breaks == 0 => Position::Start,
                _ => Position::Plain,
            };
            self.breaks += u64::from(*byte == b'\n');
        }
    }

    fn end(&mut self) {
        if self.position == Position::Quoted {
            self.unclosed = Some(self.opened);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a row without an end")]
struct RowWithoutEnd;

impl<R: Read> Read for LimitedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = buffer.len().min(self.left);
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::other(RowWithoutEnd));
        }
        let read = self.input.read(&mut buffer[..allowed])?;
        self.left -= read;
        if read == 0 && !buffer.is_empty() {
            self.quotes.end();
        }
        self.quotes.read(&buffer[..read]);
        Ok(read)
    }
}
