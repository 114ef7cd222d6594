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
            // Base64 keys may end in `=`: only a short word before the first `=` is a name.
            let named =
                entry.split_once('=').filter(|(name, secret)| is_name(name) && !secret.trim_matches('=').is_empty());
            let (name, secret) = match named {
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
    fn secrets_are_not_shown() {
        let mut secret = Secret::default();
        secret.read("hush", Secret::ACCEPTS).expect("a secret");
        assert_eq!((secret.show(Secret::ACCEPTS), format!("{secret:?}")), ("***".into(), "***".to_owned()));
        assert_eq!(secret.reveal(), Some("hush"));
    }
}
