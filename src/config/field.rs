//! Fields of settings: conversion between text and values of the standard types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::accepts::Accepts;
use super::quantities::{read_bytes, read_time, show_bytes, show_time};

/// A field of the settings that can be parsed from text and formatted as text.
pub(super) trait Field {
    /// Parses `text` into the field; `None` leaves the field unchanged, as the text is not accepted.
    fn read(&mut self, text: &str, accepts: Accepts) -> Option<()>;

    /// The shortest text that `read` converts to this value; empty for none. Secrets are masked.
    fn show(&self, accepts: Accepts) -> String;

    /// Whether values must not be printed.
    fn is_secret(&self) -> bool {
        false
    }
}

macro_rules! whole_field {
    ($($number:ty),+) => {$(
        impl Field for $number {
            fn read(&mut self, text: &str, accepts: Accepts) -> Option<()> {
                let (value, min, max) = match accepts {
                    Accepts::Bytes(min, max) => (read_bytes(text)?, min, max),
                    Accepts::Whole(min, max) => (text.replace('_', "").parse().ok()?, min, max),
                    _ => return None,
                };
                *self = (min..=max).contains(&value).then(|| value.try_into().ok())??;
                Some(())
            }

            fn show(&self, accepts: Accepts) -> String {
                match accepts {
                    Accepts::Bytes(..) => show_bytes(*self as u64),
                    _ => self.to_string(),
                }
            }
        }
    )+};
}
whole_field!(usize, u32, u64);

impl Field for f64 {
    fn read(&mut self, text: &str, accepts: Accepts) -> Option<()> {
        let Accepts::Number(min, max) = accepts else { return None };
        *self = text.parse().ok().filter(|it| (min..=max).contains(it))?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.to_string()
    }
}

impl Field for Duration {
    fn read(&mut self, text: &str, accepts: Accepts) -> Option<()> {
        let Accepts::Time(min, max) = accepts else { return None };
        *self = read_time(text).filter(|it| (min..=max).contains(it))?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        show_time(*self)
    }
}

impl Field for bool {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = match text.to_ascii_lowercase().as_str() {
            "on" | "1" | "true" | "yes" => true,
            "off" | "0" | "false" | "no" => false,
            _ => return None,
        };
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        if *self { "on".into() } else { "off".into() }
    }
}

/// Address and port to listen on.
pub(super) const LISTEN_ADDRESS: Accepts =
    Accepts::Text("address:port, such as 127.0.0.1:8080 or [::]:8080", "127.0.0.1:8080");

impl Field for SocketAddr {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        // `localhost` is common; other host names are refused because they may have several addresses.
        *self = text.replacen("localhost:", "127.0.0.1:", 1).parse().ok()?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.to_string()
    }
}

/// A folder that must be set.
pub(super) const FOLDER: Accepts = Accepts::Text("a folder", "/var/lib/tenter");
/// A folder that may be absent.
pub(super) const OPTIONAL_FOLDER: Accepts = Accepts::Text("a folder, or nothing", "/srv/tenter");
/// A file that may be absent.
pub(super) const OPTIONAL_FILE: Accepts = Accepts::Text("a file, or nothing", "/etc/tenter/nats.pem");

impl Field for PathBuf {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = (!text.is_empty()).then(|| PathBuf::from(text))?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.display().to_string()
    }
}

impl Field for Option<PathBuf> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = (!text.is_empty()).then(|| PathBuf::from(text));
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

/// Shortest and longest delay of a list of delays.
const DELAY: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
/// Maximum length of a list of delays.
const MAX_DELAYS: usize = 20;

/// A list of delays within [`DELAY`].
pub(super) const DELAYS: Accepts =
    Accepts::Text("times from 10 ms to 24 h, separated by commas; at most 20", "1 s, 30 s, 10 min");

impl Field for Vec<Duration> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let times: Option<Vec<_>> =
            split_list(text).map(|it| read_time(it).filter(|time| DELAY.contains(time))).collect();
        *self = times.filter(|it| it.len() <= MAX_DELAYS)?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        join(self.iter().map(|it| show_time(*it)))
    }
}

/// Splits a list at its commas; white space and empty entries do not count.
pub(super) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// Joins the entries of a list as `split_list` reads them.
pub(super) fn join(entries: impl Iterator<Item = String>) -> String {
    entries.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_read_all_common_words_and_show_on_or_off() {
        for (text, value) in [("on", true), ("1", true), ("True", true), ("OFF", false), ("0", false), ("false", false)]
        {
            let mut switch = !value;
            switch.read(text, Accepts::OnOff).expect(text);
            assert_eq!((switch, switch.show(Accepts::OnOff).as_str()), (value, if value { "on" } else { "off" }));
        }
        assert!(true.read("2", Accepts::OnOff).is_none() && true.read("", Accepts::OnOff).is_none());
    }

    #[test]
    fn delays_are_a_list_and_may_be_none() {
        let read = |text: &str| {
            let mut times: Vec<Duration> = Vec::new();
            times.read(text, DELAYS).map(|()| times.show(DELAYS))
        };
        assert_eq!(read("1, 5 s,2 min").as_deref(), Some("1 s, 5 s, 2 min"));
        assert_eq!(read("").as_deref(), Some(""));
        for bad in ["soon", "1 ms", "25 h", &"1,".repeat(21)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
