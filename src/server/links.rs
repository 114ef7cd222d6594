//! Files behind links of `POST /api/render`: stored under names that cannot be guessed, and deleted when they expire.
//!
//! A name is `<expiry>-<random>.<format>`: the expiry in seconds since 1970 and 128 random bits, both in hex, and the
//! extension of the format. Nothing else is stored about a file, so links survive a restart.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::config::{FileSettings, ServerSettings};
use crate::error::Error;
use crate::jobs::{Area, Clock, Results};
use crate::output::FORMATS;

/// Rendered files behind links of `POST /api/render`. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    pub(super) results: Results,
    lifetime: Duration,
    clock: Clock,
}

/// Parsed name of a file. Only such names reach the storage, so none can lead out of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileName {
    /// Expiry in seconds since 1970.
    pub(super) expires: u64,
    random: u128,
    /// File name extension, one of [`FORMATS`].
    format: &'static str,
    pub(super) media_type: &'static str,
}

impl Files {
    /// Stores files in `results`, for as long as `settings` says.
    pub fn new(results: Results, settings: &FileSettings, clock: Clock) -> Self {
        Self { results, lifetime: settings.link_lifetime, clock }
    }

    /// Stores `bytes` and returns the link to them. `format` is the extension of one of [`FORMATS`], `base` the start
    /// of links.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the storage fails.
    pub(super) async fn put(&self, bytes: Bytes, format: &str, base: &str) -> Result<String, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Internal(format!("no randomness for a link: {error}")))?;
        let known = FORMATS.iter().find(|it| it.extension() == format);
        let known = known.ok_or_else(|| Error::Internal(format!("no format is called {format}")))?;
        let expires = self.now() + self.lifetime.as_secs();
        let random = u128::from_be_bytes(random);
        let name = FileName { expires, random, format: known.extension(), media_type: known.media_type() }.to_string();
        let stored = self.results.put(Area::Links, &name, bytes, known.media_type()).await;
        stored.map_err(|error| {
            tracing::error!(%error, "cannot store a result");
            let why = match error.is_full_disk() {
                true => "the disk for results is full (TENTER_DATA_DIR)",
                false => "the storage of results does not work (TENTER_DATA_DIR or TENTER_RESULTS)",
            };
            Error::used_up(format!("{why}; outputFormat \"dataURL\" and \"file\" need no storage"))
        })?;
        let link = self.results.link(Area::Links, &name, base, self.lifetime).await;
        link.map_err(|error| Error::Internal(format!("cannot make a link to the result: {error}")))
    }

    /// Deletes expired files and returns their number. Files with other names are left alone; failures are logged.
    pub async fn sweep(&self) -> usize {
        let now = self.now();
        let mut removed = 0;
        let mut names = std::pin::pin!(self.results.names(Area::Links));
        while let Some(name) = names.next().await {
            let name = match name {
                Ok(name) => name,
                Err(error) => {
                    tracing::warn!(%error, "cannot list the results; can they be read?");
                    break;
                }
            };
            if FileName::parse(&name).is_none_or(|it| now < it.expires) {
                continue;
            }
            match self.results.remove(Area::Links, &name).await {
                Ok(()) => removed += 1,
                Err(error) => tracing::warn!(%error, "cannot remove an expired result"),
            }
        }
        removed
    }

    /// Calls [`Self::sweep`] every `interval` until the future is dropped.
    pub async fn keep_sweeping(&self, interval: Duration) {
        loop {
            let removed = self.sweep().await;
            if removed > 0 {
                tracing::info!(removed, "removed expired results");
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// The current time in seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        seconds((self.clock)())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}-{:032x}.{}", self.expires, self.random, self.format)
    }
}

impl FileName {
    /// Parses a name; `None` for every text that `to_string` would not write.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (stem, format) = text.split_once('.')?;
        let (expires, random) = stem.split_once('-')?;
        let format = FORMATS.iter().find(|it| it.extension() == format)?;
        let name = Self {
            expires: u64::from_str_radix(expires, 16).ok()?,
            random: u128::from_str_radix(random, 16).ok()?,
            format: format.extension(),
            media_type: format.media_type(),
        };
        (name.to_string() == text).then_some(name)
    }
}

/// Base of links: `TENTER_PUBLIC_URL`, else the `Host` header of the call, else the address that the service listens
/// on.
///
/// `Host` is used only when it is a plain `name:port`, and only in the answer to the same call, which no cache stores
/// (POST): a forged one misleads only its sender. `X-Forwarded-*` is not trusted; behind a proxy that changes scheme or
/// path, set `TENTER_PUBLIC_URL`.
pub(super) fn link_base(settings: &ServerSettings, headers: &HeaderMap) -> String {
    if let Some(url) = &settings.public_url {
        return url.to_string();
    }
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok()).filter(|it| is_authority(it));
    host.map_or_else(|| format!("http://{}", settings.listen), |host| format!("http://{host}"))
}

fn is_authority(host: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    host.len() <= 255 && host.chars().all(plain) && url::Url::parse(&format!("http://{host}/")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_base_ignores_unusual_hosts() {
        assert!(is_authority("render.example.com:8443") && is_authority("[::1]:80") && is_authority("localhost"));
        for bad in ["", "evil.com/path", "user@evil.com", "a b", "evil.com?x", "a:99999"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }

    #[test]
    fn names_parse_only_as_written() {
        let name = FileName { expires: 0x69, random: 7, format: "png", media_type: "image/png" };
        let text = name.to_string();
        assert_eq!(text, "0000000069-00000000000000000000000000000007.png");
        assert_eq!(FileName::parse(&text), Some(name));
        for bad in [
            "",
            "../0000000069-00000000000000000000000000000007.png",
            "0000000069-00000000000000000000000000000007.exe",
            "0000000069-00000000000000000000000000000007.png#1",
            "69-7.png",
            "+000000069-00000000000000000000000000000007.png",
        ] {
            assert_eq!(FileName::parse(bad), None, "{bad}");
        }
    }
}
