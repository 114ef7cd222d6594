//! Descriptions of the values that settings accept.

use std::fmt;
use std::time::Duration;

use super::quantities::{show_bytes, show_time};

/// Accepted values of a setting. The text form appears in errors, in `tenter settings` and in the docs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Accepts {
    /// A whole number within these inclusive bounds.
    Whole(u64, u64),
    /// A number within these inclusive bounds.
    Number(f64, f64),
    /// A number of bytes within these inclusive bounds: `5 MiB`, `300kB`, `1048576`.
    Bytes(u64, u64),
    /// A duration within these inclusive bounds: `500 ms`, `30 s`, `10 min`, `24 h`; a bare number is seconds.
    Time(Duration, Duration),
    /// `on` or `off`; also `1`, `0`, `true`, `false`, `yes` and `no`, in any case.
    OnOff,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Other values: their description, and an example.
    Text(&'static str, &'static str),
}

impl Accepts {
    /// Durations of `min` to `max` seconds.
    pub(super) const fn seconds(min: u64, max: u64) -> Self {
        Self::Time(Duration::from_secs(min), Duration::from_secs(max))
    }

    /// Description with an example. `default`: the default as text, which is the example unless the description has
    /// its own or lists all values.
    pub(super) fn with_example(self, default: &str) -> String {
        match self {
            Self::OnOff | Self::OneOf(_) => self.to_string(),
            Self::Text(_, example) => format!("{self}, for example {example}"),
            Self::Whole(..) | Self::Number(..) | Self::Bytes(..) | Self::Time(..) => {
                format!("{self}, for example {default}")
            }
        }
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(min, max) => write!(f, "a whole number, {min} to {max}"),
            Self::Number(min, max) => write!(f, "a number, {min} to {max}"),
            Self::Bytes(min, max) => write!(f, "a size, {} to {}", show_bytes(*min), show_bytes(*max)),
            Self::Time(min, max) => write!(f, "a time, {} to {}", show_time(*min), show_time(*max)),
            Self::OnOff => f.write_str("on | off"),
            Self::OneOf(words) => f.write_str(&words.join(" | ")),
            Self::Text(description, _) => f.write_str(description),
        }
    }
}
