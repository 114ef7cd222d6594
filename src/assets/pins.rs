//! What one batch is made of: a URL that was fetched once stands for the same contents from its first row to its last.
//!
//! In: contents held in memory up to a bound, hashes beyond it, and what a batch that goes on after a restart knew before.
//! Not in: fetching, the cache of all requests, where the hashes are kept.
//!
//! `data:` URLs are their own contents, and files of the font service never change under their addresses: neither is here.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use url::Url;

use super::cache::{Contents, Key, Landed};
use super::error::{Changed, Reason};
use super::{AssetKind, Keeper};

/// SHA-256 of a file as it was fetched.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// Of `bytes`; about 1 ms a MB.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<Sha256> for ContentHash {
    /// Of what was put into `hasher`.
    fn from(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for ContentHash {
    /// 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |at: usize| char::from(text.as_bytes()[at]).to_digit(16);
        let byte = |at: usize| Some((digit(2 * at)? << 4 | digit(2 * at + 1)?) as u8);
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(HASH_FORM);
        }
        for (at, into) in bytes.iter_mut().enumerate() {
            *into = byte(at).ok_or(HASH_FORM)?;
        }
        Ok(Self(bytes))
    }
}

const HASH_FORM: &str = "a SHA-256 has 64 hex digits";

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a URL stands for in one batch: enough to know it again after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// What it is decoded as.
    pub kind: AssetKind,
    /// Absolute, without fragment.
    pub url: String,
    /// Of its contents.
    pub sha256: ContentHash,
}

/// The assets of one batch. Hand it to every session that renders a row of it.
///
/// The first row that wants a URL has it fetched, as any request would; every later one gets the same contents, out of
/// memory as long as all held together have no more than the bound. What came after that is fetched again or found in
/// the cache, and is an error when its hash has changed. What could not be had is not pinned: the next row tries again.
#[derive(Debug)]
pub struct Pins {
    bound: usize,
    keeper: Option<Arc<dyn Keeper>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    pins: HashMap<Key, Arc<Pin>>,
    /// Bytes held.
    held: usize,
    /// Pinned since they were last asked for.
    new: Vec<Pinned>,
}

/// Locked while its contents are fetched, so that rows which come together wait for the first.
type Pin = tokio::sync::Mutex<State>;

#[derive(Debug)]
enum State {
    Unknown,
    Hashed(ContentHash),
    Held(Contents),
}

impl Pins {
    /// `bound`: bytes of decoded assets held in memory (`TENTER_PIN_BYTES`). `known`: what earlier runs of the batch
    /// pinned, as [`Pins::take_new`] told it.
    pub fn new(bound: usize, known: impl IntoIterator<Item = Pinned>) -> Self {
        let pin = |Pinned { kind, url, sha256 }| (Key::of(kind, &url), Arc::new(Pin::new(State::Hashed(sha256))));
        let pins = known.into_iter().map(pin).collect();
        Self { bound, keeper: None, known: Mutex::new(Known { pins, ..Known::default() }) }
    }

    /// Those of a batch whose files `keeper` keeps: what came after the bound is read from there again, and never fetched.
    pub fn kept(bound: usize, keeper: Arc<dyn Keeper>) -> Self {
        Self { keeper: Some(keeper), ..Self::new(bound, []) }
    }

    pub(super) fn keeper(&self) -> Option<&dyn Keeper> {
        self.keeper.as_deref()
    }

    /// What was pinned since the last call, or since the start.
    pub fn take_new(&self) -> Vec<Pinned> {
        std::mem::take(&mut self.lock().new)
    }

    /// What `url` stands for; `load` fetches it when that is not in memory.
    pub(super) async fn hold(
        &self,
        key: Key,
        kind: AssetKind,
        url: &Url,
        load: impl Future<Output = Landed>,
    ) -> Landed {
        let pin = self.lock().pins.entry(key).or_insert_with(|| Arc::new(Pin::new(State::Unknown))).clone();
        let mut state = pin.lock().await;
        let pinned = match &*state {
            State::Held(contents) => return Ok(contents.clone()),
            State::Hashed(hash) => Some(*hash),
            State::Unknown => None,
        };
        let contents = load.await?;
        let found = contents.hash;
        if let Some(pinned) = pinned.filter(|it| *it != found) {
            return Err(Reason::Changed(Box::new(Changed { pinned, found })));
        }
        let mut known = self.lock();
        if pinned.is_none() && self.keeper.is_none() {
            known.new.push(Pinned { kind, url: url.to_string(), sha256: found });
        }
        let held = known.held.saturating_add(contents.bytes);
        *state = if held <= self.bound {
            known.held = held;
            State::Held(contents.clone())
        } else {
            State::Hashed(found)
        };
        Ok(contents)
    }

    /// Every step leaves map, sum and list in agreement, so a poisoned lock guards nothing broken.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use peniko::Blob;

    use super::super::Asset;
    use super::*;

    const URL: &str = "https://example.com/a.png";

    fn contents(text: &str, bytes: usize) -> Contents {
        let asset = Asset::Font(Blob::from(text.as_bytes().to_vec()));
        Contents { asset, bytes, hash: ContentHash::of(text.as_bytes()) }
    }

    async fn hold(pins: &Pins, url: &str, answer: Landed) -> Result<ContentHash, String> {
        let (kind, url) = (AssetKind::Image, Url::parse(url).expect("a URL"));
        let key = Key::of(kind, url.as_str());
        let held = pins.hold(key, kind, &url, async { answer }).await;
        held.map(|it| it.hash).map_err(|reason| reason.to_string())
    }

    #[tokio::test]
    async fn pins_keep_the_first_contents() {
        let pins = Pins::new(100, []);
        let first = contents("first", 100);
        assert!(hold(&pins, URL, Err(Reason::Status(503))).await.is_err(), "a failure is told and forgotten");
        assert_eq!(hold(&pins, URL, Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(hold(&pins, URL, Ok(contents("second", 1))).await, Ok(first.hash));
        assert_eq!(hold(&pins, URL, Err(Reason::Status(404))).await, Ok(first.hash), "nobody is asked again");
        let told = pins.take_new();
        assert_eq!(told, [Pinned { kind: AssetKind::Image, url: URL.into(), sha256: first.hash }]);
        assert_eq!(pins.take_new(), []);
    }

    #[tokio::test]
    async fn pins_beyond_the_bound_are_known_by_hash() {
        let pins = Pins::new(99, []);
        let (first, second) = (contents("first", 100), contents("second", 100));
        assert_eq!(hold(&pins, URL, Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(hold(&pins, URL, Ok(first.clone())).await, Ok(first.hash));
        let changed = hold(&pins, URL, Ok(second.clone())).await.expect_err("changed");
        assert!(
            changed.contains(&format!("SHA-256 {}", first.hash)) && changed.contains("TENTER_PIN_BYTES"),
            "{changed}"
        );
        assert_eq!(hold(&pins, "https://example.com/b.png", Ok(second.clone())).await, Ok(second.hash));
        assert_eq!(pins.take_new().len(), 2);
    }

    #[tokio::test]
    async fn pins_know_what_earlier_runs_pinned() {
        let first = contents("first", 10);
        let earlier = Pinned { kind: AssetKind::Image, url: URL.into(), sha256: first.hash };
        let pins = Pins::new(100, [earlier]);
        assert!(hold(&pins, URL, Ok(contents("second", 10))).await.is_err());
        assert_eq!(hold(&pins, URL, Ok(first.clone())).await, Ok(first.hash));
        assert_eq!(pins.take_new(), [], "told before");
    }

    #[tokio::test]
    async fn pins_let_rows_wait_for_the_first() {
        let pins = Pins::new(100, []);
        let (kind, url) = (AssetKind::Image, Url::parse(URL).expect("a URL"));
        let key = Key::of(kind, URL);
        let (answer, asked) = tokio::sync::oneshot::channel();
        let first = pins.hold(key, kind, &url, async { Ok(asked.await.expect("answered below")) });
        let second = pins.hold(key, kind, &url, async { panic!("the first has it") });
        let (mut first, mut second) = (Box::pin(first), Box::pin(second));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        answer.send(contents("first", 1)).expect("awaited");
        assert_eq!(first.await.expect("first").hash, second.await.expect("the same").hash);
    }

    #[test]
    fn content_hash_is_hex() {
        let hash = ContentHash::of(b"abc");
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), hex);
        assert_eq!(hex.parse(), Ok(hash));
        assert_eq!(hex[1..].parse::<ContentHash>(), Err(HASH_FORM));
        assert_eq!("é".repeat(32).parse::<ContentHash>(), Err(HASH_FORM));
    }
}
