//! Identity of a file. Two CPU-painted files with the same fingerprint have the same bytes; `ingredients` computes it.

use std::fmt;

/// Identity of a file: 32 bytes, displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub(super) [u8; 32]);

#[cfg(test)]
impl Fingerprint {
    /// Returns an arbitrary value for tests of types that contain one.
    pub(super) fn of_test() -> Self {
        Self([7; 32])
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}
