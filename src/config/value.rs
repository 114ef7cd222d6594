//! Converts the text of a setting to its value and back: sizes, times, choices, lists.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    AdapterChoice, Bucket, EditorVersion, FileNames, Key, Keys, LogFormat, LogLevel, MetricsAccess, RasterizerChoice,
    Secret, Servers, Switch, Word,
};

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
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Values that the field's type reads, with their description.
    Words(&'static str),
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(min, max) => write!(f, "a whole number, {min} to {max}"),
            Self::Number(min, max) => write!(f, "a number, {min} to {max}"),
            Self::Bytes(min, max) => write!(f, "a size, {} to {}", show_bytes(*min), show_bytes(*max)),
            Self::Time(min, max) => write!(f, "a time, {} to {}", show_time(*min), show_time(*max)),
            Self::OneOf(words) => f.write_str(&words.join(" | ")),
            Self::Words(words) => f.write_str(words),
        }
    }
}

/// A field of the settings that can be parsed from text and formatted as text.
pub(super) trait Field {
    /// Parses `text` into the field; `None` leaves the field unchanged, as the text is not accepted.
    fn read(&mut self, text: &str, accepts: Accepts) -> Option<()>;
    /// The shortest text that `read` converts to this value; empty for none.
    fn show(&self, accepts: Accepts) -> String;
    /// Text for secret values, with names but without secrets.
    fn masked(&self) -> String {
        "***".into()
    }
}

macro_rules! whole_field {
    ($($number:ty),+) => {$(
        impl Field for $number {
            fn read(&mut self, text: &str, accepts: Accepts) -> Option<()> {
                let value = match accepts {
                    Accepts::Bytes(min, max) => read_bytes(text).filter(|it| (min..=max).contains(it))?,
                    Accepts::Whole(min, max) => {
                        text.replace('_', "").parse().ok().filter(|it| (min..=max).contains(it))?
                    }
                    _ => return None,
                };
                *self = value.try_into().ok()?;
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

/// An http or https address without query and fragment; stored without its final `/`.
impl Field for Option<String> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        if text.is_empty() {
            *self = None;
            return Some(());
        }
        let url = url::Url::parse(text).ok()?;
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !matches!(url.scheme(), "http" | "https") || !plain {
            return None;
        }
        *self = Some(url.as_str().trim_end_matches('/').to_owned());
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.clone().unwrap_or_default()
    }
}

/// Networks in CIDR form, or single addresses, separated by commas.
impl Field for Vec<String> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let networks: Vec<_> = split_list(text).map(str::to_owned).collect();
        *self = networks.iter().all(|it| is_network(it)).then_some(networks)?;
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.join(", ")
    }
}

/// Names of adapters, separated by commas.
impl Field for AdapterChoice {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        self.0 = split_list(text).map(str::to_owned).collect();
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.0.join(", ")
    }
}

/// File names without path separators, separated by commas.
impl Field for FileNames {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let names: Vec<_> = split_list(text).map(str::to_owned).collect();
        let plain = |name: &String| !name.contains(['/', '\\']) && !name.starts_with('.');
        *self = (!names.is_empty() && names.iter().all(plain)).then_some(FileNames(names))?;
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.0.join(", ")
    }
}

/// `1` or `0`, also as words.
impl Field for bool {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = match text {
            "1" | "true" | "yes" => true,
            "0" | "false" | "no" => false,
            _ => return None,
        };
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        u8::from(*self).to_string()
    }
}

/// `name=key` or bare keys, separated by commas. A bare key is logged as `key-1`, `key-2`, … by its position.
impl Field for Keys {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in split_list(text).enumerate() {
            // Base64 keys may end in `=`: only a short word before the first `=` is a name.
            let named =
                entry.split_once('=').filter(|(name, secret)| is_name(name) && !secret.trim_matches('=').is_empty());
            let (name, secret) = match named {
                Some((name, secret)) => (name.to_owned(), secret),
                None => (format!("key-{}", index + 1), entry),
            };
            let sendable = secret.chars().all(|c| c.is_ascii_graphic());
            if !sendable || keys.iter().any(|key| key.name == name) {
                return None;
            }
            keys.push(Key { name, secret: secret.to_owned() });
        }
        *self = Keys(keys);
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.masked()
    }
    fn masked(&self) -> String {
        self.iter().map(|key| format!("{}=***", key.name)).collect::<Vec<_>>().join(", ")
    }
}

/// Times separated by commas, each within the bounds of [`RETRY`].
impl Field for Vec<Duration> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let times: Option<Vec<_>> =
            split_list(text).map(|it| read_time(it).filter(|time| RETRY.contains(time))).collect();
        *self = times.filter(|it| it.len() <= MAX_RETRIES)?;
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.iter().map(|it| show_time(*it)).collect::<Vec<_>>().join(", ")
    }
}

const RETRY: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
const MAX_RETRIES: usize = 20;

/// Printable ASCII; empty means none.
impl Field for Secret {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let sendable = text.chars().all(|c| c.is_ascii_graphic());
        *self = sendable.then(|| Self((!text.is_empty()).then(|| text.to_owned())))?;
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.masked()
    }
    fn masked(&self) -> String {
        if self.0.is_some() { "***".into() } else { String::new() }
    }
}

impl Field for Word {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = is_name(text).then(|| Self(text.to_owned()))?;
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.0.clone()
    }
}

/// `s3://bucket` or `s3://bucket/prefix`.
impl Field for Option<Bucket> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        if text.is_empty() {
            *self = None;
            return Some(());
        }
        let (name, prefix) = text.strip_prefix("s3://")?.split_once('/').unwrap_or((&text[5..], ""));
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        let prefix = prefix.trim_matches('/');
        let sound = !name.is_empty() && plain(name) && plain(prefix) && !prefix.split('/').any(|it| it.contains(".."));
        *self = sound.then(|| Some(Bucket { name: name.to_owned(), prefix: prefix.to_owned() }))?;
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.as_ref().map_or_else(String::new, |it| {
            let separator = if it.prefix.is_empty() { "" } else { "/" };
            format!("s3://{}{separator}{}", it.name, it.prefix)
        })
    }
}

/// Addresses of servers without credentials, which have their own settings because addresses are logged.
impl Field for Servers {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let servers: Vec<_> = split_list(text).map(|it| it.trim_end_matches('/').to_owned()).collect();
        let sound = |text: &String| {
            url::Url::parse(text).is_ok_and(|url| {
                let plain = url.query().is_none() && url.fragment().is_none() && matches!(url.path(), "" | "/");
                let anonymous = url.username().is_empty() && url.password().is_none();
                matches!(url.scheme(), "nats" | "tls") && url.host_str().is_some() && plain && anonymous
            })
        };
        *self = servers.iter().all(sound).then_some(Self(servers))?;
        Some(())
    }
    fn show(&self, _: Accepts) -> String {
        self.0.join(", ")
    }
}

macro_rules! choice_field {
    ($choice:ty { $($word:literal => $value:ident),+ }) => {
        impl $choice {
            /// The accepted words, in the order of the docs.
            pub(super) const WORDS: &[&str] = &[$($word),+];

            /// The word for this value in settings.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }
        }
        impl Field for $choice {
            fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
                *self = match text { $($word => Self::$value,)+ _ => return None };
                Some(())
            }
            fn show(&self, _: Accepts) -> String {
                self.as_str().into()
            }
        }
    };
}
choice_field!(EditorVersion { "4.4" => V4_4 });
choice_field!(RasterizerChoice { "auto" => Auto, "cpu" => Cpu, "gpu" => Gpu });
choice_field!(MetricsAccess { "key" => Key, "open" => Open, "off" => Off });
choice_field!(Switch { "on" => On, "off" => Off });
choice_field!(LogFormat { "text" => Text, "json" => Json });
choice_field!(LogLevel { "error" => Error, "warn" => Warn, "info" => Info, "debug" => Debug, "trace" => Trace });

fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty())
}

fn is_name(text: &str) -> bool {
    text.len() <= 32
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn is_network(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    let max = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse().is_ok_and(|bits: u8| bits <= max)
}

/// Largest unit first, so that `show` finds the shortest form.
const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];
const TIME_UNITS_MS: [(&str, u64); 4] = [("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

/// Splits the text into the number and the unit.
fn split_unit(text: &str) -> (&str, &str) {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    (text[..at].trim(), text[at..].trim())
}

fn read_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, scale) = BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.replace('_', "").parse::<u64>().ok()?.checked_mul(*scale)
}

fn show_bytes(bytes: u64) -> String {
    let binary = BYTE_UNITS.iter().take(3).find(|(_, scale)| bytes > 0 && bytes.is_multiple_of(*scale));
    binary.map_or_else(|| format!("{bytes} B"), |(unit, scale)| format!("{} {unit}", bytes / scale))
}

fn read_time(text: &str) -> Option<Duration> {
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

    #[test]
    fn keys_are_named_or_numbered_and_never_shown() {
        let mut keys = Keys::default();
        let accepts = Accepts::Words("");
        keys.read("shop=s3cret, c2VjcmV0LXZhbHVl==", accepts).expect("two keys");
        let read: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.secret.as_str())).collect();
        assert_eq!(read, [("shop", "s3cret"), ("key-2", "c2VjcmV0LXZhbHVl==")]);
        assert_eq!(keys.show(accepts), "shop=***, key-2=***");
        assert_eq!(format!("{keys:?}"), r#"["shop", "key-2"]"#);
        assert!(keys.read("a=1,a=2", accepts).is_none(), "two keys of one name cannot be told apart in the log");
        assert!(keys.read("a=with space", accepts).is_none());
    }

    #[test]
    fn buckets_have_a_name_and_an_optional_prefix() {
        let read = |text: &str| {
            let mut bucket: Option<Bucket> = None;
            bucket.read(text, Accepts::Words("")).map(|()| bucket.show(Accepts::Words("")))
        };
        assert_eq!(read("s3://pictures/a/b/").as_deref(), Some("s3://pictures/a/b"));
        assert_eq!(read("s3://pictures").as_deref(), Some("s3://pictures"));
        assert_eq!(read("").as_deref(), Some(""));
        for bad in ["s3://", "s3:///a", "https://pictures", "pictures", "s3://a/../b", "s3://a b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn retry_times_are_a_list_and_may_be_none() {
        let read = |text: &str| {
            let mut times: Vec<Duration> = Vec::new();
            times.read(text, Accepts::Words("")).map(|()| times.show(Accepts::Words("")))
        };
        assert_eq!(read("1, 5 s,2 min").as_deref(), Some("1 s, 5 s, 2 min"));
        assert_eq!(read("").as_deref(), Some(""));
        for bad in ["soon", "1 ms", "25 h", &"1,".repeat(21)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut secret = Secret::default();
        secret.read("hush", Accepts::Words("")).expect("a secret");
        assert_eq!((secret.show(Accepts::Words("")), format!("{secret:?}")), ("***".into(), "***".to_owned()));
        assert_eq!(secret.reveal(), Some("hush"));
    }

    #[test]
    fn networks_are_checked_at_the_start() {
        assert!(is_network("10.0.0.0/8") && is_network("::1") && is_network("fd00::/8"));
        assert!(!is_network("10.0.0.0/33") && !is_network("intranet") && !is_network("10.0.0/8"));
    }
}
