//! Reads rows from NDJSON: one object per line.

use std::io::{BufRead, Read};

use super::error::RowsError;
use super::json::JsonRow;

/// Iterator over the lines that are not empty, with a maximum length.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    limit: usize,
    line: u64,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// `limit`: maximum bytes of a row.
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, line: 0, buffer: Vec::new() }
    }

    pub(super) fn next_row(&mut self) -> Result<Option<JsonRow<'_>>, RowsError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            // The line break does not count as part of the row.
            let max_bytes = self.limit as u64 + 1;
            if self.input.by_ref().take(max_bytes).read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            if self.buffer.last() == Some(&b'\n') {
                self.buffer.pop();
            } else if self.buffer.len() as u64 == max_bytes {
                self.input.skip_until(b'\n')?;
                return Ok(Some(JsonRow::TooLong(self.line)));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(JsonRow::Complete(&self.buffer, self.line)));
            }
        }
    }
}
