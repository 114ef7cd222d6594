//! Identity of a file. Two CPU-painted files with the same fingerprint have the same bytes; `ingredients` computes it.

use std::fmt;

use crate::hash::ContentHash;

/// Identity of a file: a SHA-256 hash of everything that its bytes depend on, displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub(super) ContentHash);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
