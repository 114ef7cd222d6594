//! NDJSON: an object a line.

use std::io::{BufRead, Read};

use super::RowsError;
use super::read::Piece;

/// Lines that are not empty, each no longer than a row may be.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    limit: usize,
    line: u64,
    kept: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// `limit`: bytes of a row.
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, line: 0, kept: Vec::new() }
    }

    pub(super) fn next_piece(&mut self) -> Result<Option<Piece<'_>>, RowsError> {
        loop {
            self.kept.clear();
            self.line += 1;
            // The line's end does not count as part of the row.
            let most = self.limit as u64 + 1;
            if self.input.by_ref().take(most).read_until(b'\n', &mut self.kept)? == 0 {
                return Ok(None);
            }
            if self.kept.last() == Some(&b'\n') {
                self.kept.pop();
            } else if self.kept.len() as u64 == most {
                self.input.skip_until(b'\n')?;
                return Ok(Some(Piece::TooLong(self.line)));
            }
            if !self.kept.trim_ascii().is_empty() {
                return Ok(Some(Piece::Whole(&self.kept, self.line)));
            }
        }
    }
}
