//! Rows one after the other, from whatever they are written in.

use std::io::{self, BufRead, Write};

use serde_json::Value;

use super::json::Elements;
use super::lines::Lines;
use super::{BrokenRow, Row, csv};
use crate::config::BatchSettings;
use crate::report::counted;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// Values between commas under a line of names (RFC 4180), UTF-8. Every value is text.
    Csv,
    /// One array of objects.
    Json,
    /// An object a line; empty lines are no rows.
    Ndjson,
}

impl RowFormat {
    const ENDINGS: &[(&str, Self)] =
        &[("csv", Self::Csv), ("json", Self::Json), ("ndjson", Self::Ndjson), ("jsonl", Self::Ndjson)];
    const MEDIA_TYPES: &[(&str, Self)] = &[
        ("text/csv", Self::Csv),
        ("application/json", Self::Json),
        ("application/x-ndjson", Self::Ndjson),
        ("application/ndjson", Self::Ndjson),
        ("application/jsonl", Self::Ndjson),
    ];

    /// By the ending of a file's name, without its dot, in any case.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Self::ENDINGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(ending)).map(|(_, format)| *format)
    }

    /// By a media type, with or without parameters, in any case.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        Self::MEDIA_TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(essence)).map(|(_, format)| *format)
    }
}

/// Rows that cannot be read on. Nothing comes after it.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file or connection.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Not what its format says, in a way that leaves no rows to find.
    #[error("{0}")]
    Form(String),
    /// More rows than allowed.
    #[error("more than {}; the limit is {limit} (TENTER_BATCH_MAX_ROWS)", counted(*limit, "row"))]
    TooMany {
        /// How many are accepted.
        limit: u64,
    },
}

impl RowsError {
    pub(super) fn form(message: impl Into<String>) -> Self {
        Self::Form(message.into())
    }
}

/// Rows in the order written, each read when it is asked for: memory holds one.
///
/// An item is a row or why that row cannot be used; an error ends the iterator.
#[derive(Debug)]
pub struct Rows<R> {
    source: Source<R>,
    limits: BatchSettings,
    json_depth: usize,
    read: u64,
    ended: bool,
}

#[derive(Debug)]
enum Source<R> {
    Csv(csv::Table<R>),
    Json(Elements<R>),
    Ndjson(Lines<R>),
}

/// One row of JSON as it stands in the file.
pub(super) enum Piece<'a> {
    /// Its bytes, and the line it begins in.
    Whole(&'a [u8], u64),
    /// Longer than a row may be; passed over.
    TooLong(u64),
}

impl<R: BufRead> Rows<R> {
    /// Reads as far as the rows begin. `json_depth`: `TENTER_MAX_JSON_DEPTH`.
    ///
    /// # Errors
    /// Another encoding than UTF-8; a CSV file without names, or with one twice; JSON that is no array.
    pub fn new(mut input: R, format: RowFormat, limits: &BatchSettings, json_depth: usize) -> Result<Self, RowsError> {
        skip_mark(&mut input)?;
        let source = match format {
            RowFormat::Csv => Source::Csv(csv::Table::new(input, limits.row_bytes)?),
            RowFormat::Json => Source::Json(Elements::new(input, limits.row_bytes)?),
            RowFormat::Ndjson => Source::Ndjson(Lines::new(input, limits.row_bytes)),
        };
        Ok(Self { source, limits: limits.clone(), json_depth, read: 0, ended: false })
    }

    /// The variables that every row has; `None` when each row names its own.
    pub fn columns(&self) -> Option<&[String]> {
        match &self.source {
            Source::Csv(table) => Some(table.columns()),
            Source::Json(_) | Source::Ndjson(_) => None,
        }
    }

    fn read(&mut self) -> Result<Option<Result<Row, BrokenRow>>, RowsError> {
        let number = self.read + 1;
        let piece = match &mut self.source {
            Source::Csv(table) => return table.next_row(number),
            Source::Json(elements) => elements.next_piece()?,
            Source::Ndjson(lines) => lines.next_piece()?,
        };
        Ok(piece.map(|piece| match piece {
            Piece::Whole(bytes, line) => parse(number, line, bytes, self.json_depth),
            Piece::TooLong(line) => Err(too_long(number, Some(line), self.limits.row_bytes)),
        }))
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Result<Row, BrokenRow>, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read().transpose();
        self.read += 1;
        let item = match item {
            Some(Ok(_)) if self.read > self.limits.rows => Some(Err(RowsError::TooMany { limit: self.limits.rows })),
            item => item,
        };
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

fn parse(number: u64, line: u64, bytes: &[u8], json_depth: usize) -> Result<Row, BrokenRow> {
    let value = crate::json::parse(bytes, json_depth).map_err(|problem| BrokenRow {
        number,
        line: Some(line),
        problems: vec![problem],
    })?;
    Row::read(number, value).map_err(|broken| BrokenRow { line: Some(line), ..broken })
}

/// Reads a row that is a value already; its length is that of its shortest text.
///
/// # Errors
/// As of [`Row::read`], and one that is too long.
pub fn read_value(number: u64, value: Value, limits: &BatchSettings) -> Result<Row, BrokenRow> {
    let mut length = Length(0);
    match serde_json::to_writer(&mut length, &value) {
        Ok(()) if length.0 <= limits.row_bytes => Row::read(number, value),
        _ => Err(too_long(number, None, limits.row_bytes)),
    }
}

/// Counts the bytes that are written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn too_long(number: u64, line: Option<u64>, limit: usize) -> BrokenRow {
    let message = format!("longer than {limit} bytes; that is the limit of a row (TENTER_BATCH_MAX_ROW_BYTES)");
    BrokenRow::new(number, line, "", message)
}

/// The byte order mark of UTF-8 means nothing; that of UTF-16 is another encoding.
fn skip_mark(input: &mut impl BufRead) -> Result<(), RowsError> {
    let begin = input.fill_buf()?;
    if begin.starts_with(b"\xEF\xBB\xBF") {
        input.consume(3);
    } else if begin.starts_with(b"\xFF\xFE") || begin.starts_with(b"\xFE\xFF") {
        return Err(RowsError::form("written in UTF-16; accepted: UTF-8"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
