//! Reads rows one after the other from any of the formats.

use std::io::{self, BufRead, Write};

use serde_json::Value;

use super::csv;
use super::error::RowsError;
use super::json::{Elements, JsonRow};
use super::lines::Lines;
use super::row::{BrokenRow, Row};
use crate::config::BatchSettings;
use crate::json::JsonParser;

/// Format of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// Comma-separated values under a line of names (RFC 4180), UTF-8. Every value is text.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object per line; empty lines are ignored.
    Ndjson,
}

impl RowFormat {
    const EXTENSIONS: &[(&str, Self)] =
        &[("csv", Self::Csv), ("json", Self::Json), ("ndjson", Self::Ndjson), ("jsonl", Self::Ndjson)];
    const MEDIA_TYPES: &[(&str, Self)] = &[
        ("text/csv", Self::Csv),
        ("application/json", Self::Json),
        ("application/x-ndjson", Self::Ndjson),
        ("application/ndjson", Self::Ndjson),
        ("application/jsonl", Self::Ndjson),
    ];

    /// The format for a file extension, without its dot and in any case.
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::EXTENSIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(extension)).map(|(_, format)| *format)
    }

    /// The format for a media type, with or without parameters and in any case.
    pub fn from_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        Self::MEDIA_TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(essence)).map(|(_, format)| *format)
    }
}

/// Iterator over the rows in file order; reads one row at a time into memory.
///
/// An item is a row or the reason why that row cannot be used; an error ends the iterator.
#[derive(Debug)]
pub struct Rows<R> {
    source: RowSource<R>,
    limits: BatchSettings,
    parser: JsonParser,
    read: u64,
    ended: bool,
}

#[derive(Debug)]
enum RowSource<R> {
    Csv(csv::CsvTable<R>),
    Json(Elements<R>),
    Ndjson(Lines<R>),
}

impl<R: BufRead> Rows<R> {
    /// Reads up to the first row. `parser`: for rows of JSON and NDJSON.
    ///
    /// # Errors
    /// An encoding other than UTF-8; a CSV file without names, or with duplicate names; JSON that is not an array.
    pub fn new(mut input: R, format: RowFormat, limits: &BatchSettings, parser: JsonParser) -> Result<Self, RowsError> {
        skip_byte_order_mark(&mut input)?;
        let source = match format {
            RowFormat::Csv => RowSource::Csv(csv::CsvTable::new(input, limits.row_bytes)?),
            RowFormat::Json => RowSource::Json(Elements::new(input, limits.row_bytes)?),
            RowFormat::Ndjson => RowSource::Ndjson(Lines::new(input, limits.row_bytes)),
        };
        Ok(Self { source, limits: limits.clone(), parser, read: 0, ended: false })
    }

    /// The variables that every row has; `None` when rows may differ.
    pub fn columns(&self) -> Option<&[String]> {
        match &self.source {
            RowSource::Csv(table) => Some(table.columns()),
            RowSource::Json(_) | RowSource::Ndjson(_) => None,
        }
    }

    fn read(&mut self) -> Result<Option<Result<Row, BrokenRow>>, RowsError> {
        let number = self.read + 1;
        let row = match &mut self.source {
            RowSource::Csv(table) => return table.next_row(number),
            RowSource::Json(elements) => elements.next_row()?,
            RowSource::Ndjson(lines) => lines.next_row()?,
        };
        Ok(row.map(|row| match row {
            JsonRow::Complete(bytes, line) => parse(number, line, bytes, self.parser),
            JsonRow::TooLong(line) => Err(BrokenRow::too_long(number, Some(line), self.limits.row_bytes)),
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

fn parse(number: u64, line: u64, bytes: &[u8], parser: JsonParser) -> Result<Row, BrokenRow> {
    let value =
        parser.parse(bytes).map_err(|problem| BrokenRow { number, line: Some(line), problems: vec![problem] })?;
    Row::read(number, value).map_err(|broken| BrokenRow { line: Some(line), ..broken })
}

/// Reads a row from a JSON value; its length is that of its compact text.
///
/// # Errors
/// Those of [`Row::read`], and a row that is too long.
pub fn read_value(number: u64, value: Value, limits: &BatchSettings) -> Result<Row, BrokenRow> {
    let mut length = Length(0);
    match serde_json::to_writer(&mut length, &value) {
        Ok(()) if length.0 <= limits.row_bytes => Row::read(number, value),
        _ => Err(BrokenRow::too_long(number, None, limits.row_bytes)),
    }
}

/// Writer that counts bytes.
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

/// Skips the byte order mark of UTF-8, and refuses UTF-16.
fn skip_byte_order_mark(input: &mut impl BufRead) -> Result<(), RowsError> {
    let begin = input.fill_buf()?;
    if begin.starts_with(b"\xEF\xBB\xBF") {
        input.consume(3);
    } else if begin.starts_with(b"\xFF\xFE") || begin.starts_with(b"\xFE\xFF") {
        return Err(RowsError::malformed("the text is in UTF-16; accepted: UTF-8"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
