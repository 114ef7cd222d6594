//! JSON: the elements of one array, each found before it is parsed, so that memory holds one and a broken one ends nothing.

use std::io::BufRead;

use super::RowsError;
use super::read::Piece;

/// The elements of an array that is read as far as asked for.
#[derive(Debug)]
pub(super) struct Elements<R> {
    input: R,
    limit: usize,
    /// Of the byte read next, from 1.
    line: u64,
    place: Place,
    kept: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// After `[`: an element, or the end.
    First,
    /// After an element: `,` or `]` ended it.
    Next,
    /// After `]`.
    End,
}

/// How an element ended.
enum Ended {
    /// With the `,` before the next.
    Comma,
    /// With the `]` of the array.
    Bracket,
}

impl<R: BufRead> Elements<R> {
    /// Reads up to the array's bracket. `limit`: bytes of a row.
    pub(super) fn new(input: R, limit: usize) -> Result<Self, RowsError> {
        let mut elements = Self { input, limit, line: 1, place: Place::First, kept: Vec::new() };
        match elements.skip_space()? {
            Some(b'[') => {
                elements.take();
                Ok(elements)
            }
            Some(b'{') => Err(RowsError::form(
                "this is one JSON object; accepted: an array of objects, or as NDJSON an object a line",
            )),
            _ => Err(RowsError::form("this does not begin like a JSON array; accepted: an array of objects in UTF-8")),
        }
    }

    pub(super) fn next_piece(&mut self) -> Result<Option<Piece<'_>>, RowsError> {
        if self.place == Place::End {
            return Ok(None);
        }
        let begin = self.skip_space()?;
        if begin == Some(b']') && self.place == Place::First {
            self.take();
            self.end()?;
            return Ok(None);
        }
        let line = self.line;
        let (ended, whole) = self.element()?;
        match ended {
            Ended::Comma => self.place = Place::Next,
            Ended::Bracket => self.end()?,
        }
        Ok(Some(if whole { Piece::Whole(&self.kept, line) } else { Piece::TooLong(line) }))
    }

    /// Keeps the bytes up to the comma or bracket after an element, and takes that too; false when they were too many to
    /// keep. What stands there need not be JSON: its parser finds out.
    fn element(&mut self) -> Result<(Ended, bool), RowsError> {
        self.kept.clear();
        let (mut depth, mut in_string, mut escaped, mut whole) = (0_u64, false, false, true);
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Err(self.unfinished());
            }
            let mut ended = None;
            let mut used = 0;
            for byte in buffer {
                self.line += u64::from(*byte == b'\n');
                used += 1;
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if in_string => escaped = true,
                    b'"' => in_string = !in_string,
                    _ if in_string => {}
                    b'[' | b'{' => depth += 1,
                    b',' if depth == 0 => ended = Some(Ended::Comma),
                    b']' if depth == 0 => ended = Some(Ended::Bracket),
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if ended.is_some() {
                    break;
                }
            }
            let piece = &buffer[..used - usize::from(ended.is_some())];
            whole &= self.kept.len() + piece.len() <= self.limit;
            if whole {
                self.kept.extend_from_slice(piece);
            }
            self.input.consume(used);
            if let Some(ended) = ended {
                return Ok((ended, whole));
            }
        }
    }

    /// After the array's bracket: nothing but space.
    fn end(&mut self) -> Result<(), RowsError> {
        self.place = Place::End;
        match self.skip_space()? {
            None => Ok(()),
            Some(_) => Err(RowsError::form(format!("line {}: something stands after the array's end", self.line))),
        }
    }

    fn unfinished(&self) -> RowsError {
        RowsError::form(format!("ends at line {} before the array does: a bracket or a quote is missing", self.line))
    }

    /// The next byte that is no space, not yet taken.
    fn skip_space(&mut self) -> Result<Option<u8>, RowsError> {
        loop {
            match self.input.fill_buf()?.first() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.take(),
                other => return Ok(other.copied()),
            }
        }
    }

    /// Takes the byte that `fill_buf` showed.
    fn take(&mut self) {
        if self.input.fill_buf().is_ok_and(|it| it.first() == Some(&b'\n')) {
            self.line += 1;
        }
        self.input.consume(1);
    }
}
