//! Sizes in bytes and durations as text.

use std::time::Duration;

/// Bytes of a KiB.
pub(super) const KIB: u64 = 1 << 10;
/// Bytes of a GiB.
pub(super) const GIB: u64 = 1 << 30;

/// Seconds of an hour.
pub(super) const HOUR: u64 = 3600;
/// Seconds of a day.
pub(super) const DAY: u64 = 24 * HOUR;

/// Binary units first, largest first, so that [`show_bytes`] finds the shortest form.
const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];
const BINARY_UNITS: usize = 3;
const TIME_UNITS_MS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

/// Splits the text into the number and the unit.
fn split_unit(text: &str) -> (&str, &str) {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    (text[..at].trim(), text[at..].trim())
}

/// Reads a whole number of bytes with a unit in any case; without a unit it counts bytes.
pub(super) fn read_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, scale) = BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.replace('_', "").parse::<u64>().ok()?.checked_mul(*scale)
}

/// Formats a size as settings write it: `5 MiB`, `1500 B`.
pub(super) fn show_bytes(bytes: u64) -> String {
    let mut binary = BYTE_UNITS[..BINARY_UNITS].iter();
    let exact = binary.find(|(_, scale)| bytes > 0 && bytes.is_multiple_of(*scale));
    exact.map_or_else(|| format!("{bytes} B"), |(unit, scale)| format!("{} {unit}", bytes / scale))
}

/// Reads a duration; without a unit it is in seconds.
pub fn read_time(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text);
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, scale) = TIME_UNITS_MS.iter().find(|(name, _)| *name == unit)?;
    let number: f64 = number.parse().ok()?;
    Duration::try_from_secs_f64(number * *scale as f64 / 1000.0).ok()
}

/// Formats a duration as settings write it: `24 h`, `10 min`, `30 s`, `500 ms`.
pub(super) fn show_time(time: Duration) -> String {
    let ms = time.as_millis() as u64;
    let exact = TIME_UNITS_MS.iter().find(|(_, scale)| ms > 0 && ms.is_multiple_of(*scale));
    exact.map_or_else(|| "0 s".into(), |(unit, scale)| format!("{} {unit}", ms / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_binary_and_decimal_units() {
        assert_eq!(read_bytes("5 MiB"), Some(5 << 20));
        assert_eq!(read_bytes("5mib"), Some(5 << 20));
        assert_eq!(read_bytes("300kB"), Some(300_000));
        assert_eq!(read_bytes("1_048_576"), Some(1 << 20));
        assert_eq!(show_bytes(5 << 20), "5 MiB");
        assert_eq!(show_bytes(1500), "1500 B");
        for bad in ["", "MiB", "-1", "1.5 MiB", "5 miles", "99999999999 GiB"] {
            assert_eq!(read_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_take_units_and_bare_seconds() {
        assert_eq!(read_time("24h"), Some(Duration::from_secs(86_400)));
        assert_eq!(read_time("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(read_time("250 ms"), Some(Duration::from_millis(250)));
        assert_eq!(show_time(Duration::from_secs(86_400)), "24 h");
        assert_eq!(show_time(Duration::from_secs(90)), "90 s");
        for bad in ["", "-1", "nan", "inf", "1 week", "1e400"] {
            assert_eq!(read_time(bad), None, "{bad}");
        }
    }
}
