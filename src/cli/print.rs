//! Standard output of the commands that print a text.

use std::io::{ErrorKind, Write};

use super::failure::Failure;

/// Prints `text` to standard output. A reader that has left, such as `head`, is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Machine(format!("cannot write to standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
