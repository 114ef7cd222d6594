//! Reads rows from a JSON array. Each element is delimited before it is parsed, so that memory holds one element and an
//! invalid one does not stop the others.

use std::io::BufRead;

use super::error::RowsError;

/// The text of one row of JSON.
pub(super) enum JsonRow<'a> {
    /// Its bytes, and the number of its first line.
    Complete(&'a [u8], u64),
    /// A row that exceeds the limit and was skipped, with the number of its first line.
    TooLong(u64),
}

/// Iterator over the elements of an array, which reads only as far as needed.
#[derive(Debug)]
pub(super) struct Elements<R> {
    input: R,
    limit: usize,
    /// Line of the next byte, from 1.
    line: u64,
    position: Position,
    element: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// After `[`: an element or the end follows.
    First,
    /// After an element and its `,`: another element follows.
    Next,
    /// After the closing `]`.
    End,
}

/// The byte that ended an element.
enum Terminator {
    /// The `,` before the next element.
    Comma,
    /// The `]` of the array.
    Bracket,
}

impl<R: BufRead> Elements<R> {
    /// Reads up to the opening bracket. `limit`: maximum bytes of a row.
    pub(super) fn new(input: R, limit: usize) -> Result<Self, RowsError> {
        let mut elements = Self { input, limit, line: 1, position: Position::First, element: Vec::new() };
        match elements.skip_space()? {
            Some(b'[') => {
                elements.take();
                Ok(elements)
            }
            Some(b'{') => Err(RowsError::malformed(
                "this is one JSON object; accepted: an array of objects, or NDJSON with one object per line",
            )),
            _ => Err(RowsError::malformed("this is not a JSON array; accepted: an array of objects in UTF-8")),
        }
    }

    pub(super) fn next_row(&mut self) -> Result<Option<JsonRow<'_>>, RowsError> {
        if self.position == Position::End {
            return Ok(None);
        }
        let begin = self.skip_space()?;
        if begin == Some(b']') && self.position == Position::First {
            self.take();
            self.end()?;
            return Ok(None);
        }
        let line = self.line;
        let (ended, complete) = self.read_element()?;
        match ended {
            Terminator::Comma => self.position = Position::Next,
            Terminator::Bracket => self.end()?,
        }
        Ok(Some(if complete { JsonRow::Complete(&self.element, line) } else { JsonRow::TooLong(line) }))
    }

    /// Copies an element up to the comma or bracket that ends it, which is consumed as well; the second value is false
    /// when the element is too long to copy. The element need not be valid JSON: its parser will report that.
    fn read_element(&mut self) -> Result<(Terminator, bool), RowsError> {
        self.element.clear();
        let (mut depth, mut in_string, mut escaped, mut complete) = (0_u64, false, false, true);
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
                    b',' if depth == 0 => ended = Some(Terminator::Comma),
                    b']' if depth == 0 => ended = Some(Terminator::Bracket),
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if ended.is_some() {
                    break;
                }
            }
            let part = &buffer[..used - usize::from(ended.is_some())];
            complete &= self.element.len() + part.len() <= self.limit;
            if complete {
                self.element.extend_from_slice(part);
            }
            self.input.consume(used);
            if let Some(ended) = ended {
                return Ok((ended, complete));
            }
        }
    }

    /// Checks that only white space follows the array.
    fn end(&mut self) -> Result<(), RowsError> {
        self.position = Position::End;
        match self.skip_space()? {
            None => Ok(()),
            Some(_) => Err(RowsError::malformed(format!("line {}: only white space may follow the array", self.line))),
        }
    }

    fn unfinished(&self) -> RowsError {
        RowsError::malformed(format!(
            "the array is not closed at the end of the file (line {}); a bracket or a quote is missing",
            self.line
        ))
    }

    /// Skips white space and returns the next byte without consuming it.
    fn skip_space(&mut self) -> Result<Option<u8>, RowsError> {
        loop {
            match self.input.fill_buf()?.first() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.take(),
                other => return Ok(other.copied()),
            }
        }
    }

    /// Consumes the byte that `fill_buf` showed.
    fn take(&mut self) {
        if self.input.fill_buf().is_ok_and(|it| it.first() == Some(&b'\n')) {
            self.line += 1;
        }
        self.input.consume(1);
    }
}
