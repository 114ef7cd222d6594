//! Settings that are never printed: API keys, and secrets shared with other services.

use std::fmt;

use super::accepts::Accepts;
use super::field::{Field, join, split_list};
use super::names::is_name;

/// Keys of the callers, each with a name for logs. Neither `Debug` nor a log shows a key.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

/// Key of one caller.
#[derive(Clone)]
pub struct Key {
    /// Name in logs and job records.
    pub name: String,
    /// The key itself, which is never logged.
    pub secret: String,
}

impl Keys {
    pub(super) const ACCEPTS: Accepts = Accepts::Text(
        "name=key or bare keys of printable ASCII, separated by commas; no name twice",
        "shop=4f1c9a7e52d80b36",
    );

    /// Iterates in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// Whether calls need no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

/// `name=key` or bare keys, separated by commas. A bare key is logged as `key-1`, `key-2`, … by its position.
impl Field for Keys {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, entry) in split_list(text).enumerate() {
            let (name, secret) = match named(entry) {
                Some((name, secret)) => (name.to_owned(), secret),
                None => (format!("key-{}", index + 1), entry),
            };
            let is_printable = secret.chars().all(|c| c.is_ascii_graphic());
            if !is_printable || keys.iter().any(|key| key.name == name) {
                return None;
            }
            keys.push(Key { name, secret: secret.to_owned() });
        }
        *self = Self(keys);
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        join(self.iter().map(|key| format!("{}=***", key.name)))
    }

    fn is_secret(&self) -> bool {
        true
    }
}

/// Keys that sign picture URLs, the first of each name for new URLs. Neither `Debug` nor a log shows a key.
#[derive(Clone, Default)]
pub struct UrlKeys(Vec<Key>);

impl UrlKeys {
    pub(super) const ACCEPTS: Accepts = Accepts::Text(
        "name=key or bare keys of 16 or more printable ASCII characters, separated by commas; names may be there twice",
        "shop=4f1c9a7e52d80b36, shop=0ld4f1c9a7e52d80",
    );

    /// Iterates in the order given. A bare key has the name "".
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

impl fmt::Debug for UrlKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

/// Minimum length of a key for URLs: anyone who has a URL can try keys against its signature.
const URL_KEY_CHARS: usize = 16;

impl Field for UrlKeys {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let key = |entry: &str| {
            let (name, secret) = named(entry).unwrap_or(("", entry));
            let is_strong = secret.len() >= URL_KEY_CHARS && secret.chars().all(|c| c.is_ascii_graphic());
            is_strong.then(|| Key { name: name.to_owned(), secret: secret.to_owned() })
        };
        *self = Self(split_list(text).map(key).collect::<Option<_>>()?);
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        join(self.iter().map(|key| if key.name.is_empty() { "***".into() } else { format!("{}=***", key.name) }))
    }

    fn is_secret(&self) -> bool {
        true
    }
}

/// Name and key of `name=key`; `None` for a bare key. Base64 keys may end in `=`: only a short word before the first
/// `=` is a name.
fn named(entry: &str) -> Option<(&str, &str)> {
    entry.split_once('=').filter(|(name, secret)| is_name(name) && !secret.trim_matches('=').is_empty())
}

/// A secret shared by the service and a peer. Neither `Debug` nor a log shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    pub(super) const ACCEPTS: Accepts = Accepts::Text("printable ASCII, or nothing", "4f1c9a7e52d80b36");

    /// The secret in plain text; `None` when it is not set.
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "***" } else { "none" })
    }
}

impl Field for Secret {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let is_printable = text.chars().all(|c| c.is_ascii_graphic());
        *self = is_printable.then(|| Self((!text.is_empty()).then(|| text.to_owned())))?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        if self.0.is_some() { "***".into() } else { String::new() }
    }

    fn is_secret(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_or_numbered_and_never_shown() {
        let mut keys = Keys::default();
        keys.read("shop=s3cret, c2VjcmV0LXZhbHVl==", Keys::ACCEPTS).expect("two keys");
        let read: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.secret.as_str())).collect();
        assert_eq!(read, [("shop", "s3cret"), ("key-2", "c2VjcmV0LXZhbHVl==")]);
        assert_eq!(keys.show(Keys::ACCEPTS), "shop=***, key-2=***");
        assert_eq!(format!("{keys:?}"), r#"["shop", "key-2"]"#);
        assert!(keys.read("a=1,a=2", Keys::ACCEPTS).is_none(), "the log could not distinguish two keys of one name");
        assert!(keys.read("a=with space", Keys::ACCEPTS).is_none());
    }

    #[test]
    fn url_keys_are_long_and_may_share_a_name() {
        let mut keys = UrlKeys::default();
        keys.read("shop=0123456789abcdef,shop=fedcba9876543210, c2VjcmV0LXZhbHVl==", UrlKeys::ACCEPTS).expect("keys");
        let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["shop", "shop", ""]);
        assert_eq!(keys.show(UrlKeys::ACCEPTS), "shop=***, shop=***, ***");
        for bad in ["shop=short", "0123456789abcde", "shop=0123456789 abcdef"] {
            assert!(keys.read(bad, UrlKeys::ACCEPTS).is_none(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let mut secret = Secret::default();
        secret.read("hush", Secret::ACCEPTS).expect("a secret");
        assert_eq!((secret.show(Secret::ACCEPTS), format!("{secret:?}")), ("***".into(), "***".to_owned()));
        assert_eq!(secret.reveal(), Some("hush"));
    }
}
