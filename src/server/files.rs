//! Results behind links: stored under names nobody can guess, served until they expire, then removed.
//!
//! A name is `<expiry>-<random>.<format>`: the expiry in hex seconds, 128 random bits in hex, the ending of its format. Nothing
//! else is kept about a result, so links survive a restart and every process on the folder agrees about them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::{GetResult, ObjectStore, ObjectStoreExt};

use super::problem::{ErrorBody, Refusal};
use super::{App, Clock};
use crate::config::FileSettings;
use crate::error::Error;
use crate::output::FORMATS;

/// The folder of results. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    store: Arc<LocalFileSystem>,
    lifetime: Duration,
    clock: Clock,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{folder}: {reason}; TENTER_DATA_DIR must name a folder that can be written")]
pub struct FilesError {
    folder: String,
    reason: String,
}

/// A parsed name; only these reach the folder, so no name can lead out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    /// Seconds since 1970.
    expires: u64,
    random: u128,
    /// Of [`FORMATS`].
    format: &'static str,
    media_type: &'static str,
}

impl Files {
    /// Makes the folder when it is missing.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub fn open(settings: &FileSettings, clock: Clock) -> Result<Self, FilesError> {
        let folder: PathBuf = settings.data_dir.join("files");
        let wrong = |reason: String| FilesError { folder: folder.display().to_string(), reason };
        std::fs::create_dir_all(&folder).map_err(|error| wrong(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store: Arc::new(store), lifetime: settings.link_lifetime, clock })
    }

    /// Stores `bytes` and returns the name under which they are served. `format`: an ending of [`FORMATS`].
    pub(super) async fn put(&self, bytes: Vec<u8>, format: &str) -> Result<String, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Internal(format!("no randomness for a link: {error}")))?;
        let known = FORMATS.iter().find(|it| it.extension() == format);
        let known = known.ok_or_else(|| Error::Internal(format!("no format is called {format}")))?;
        let expires = self.now() + self.lifetime.as_secs();
        let random = u128::from_be_bytes(random);
        let name = Name { expires, random, format: known.extension(), media_type: known.media_type() }.to_string();
        let stored = self.store.put(&name.as_str().into(), Bytes::from(bytes).into()).await;
        stored.map_err(|error| Error::Internal(format!("cannot store the result in TENTER_DATA_DIR: {error}")))?;
        Ok(name)
    }

    /// The result, unless its name is none of ours, it has expired, or it is gone.
    async fn get(&self, name: &str) -> Result<(Name, GetResult), Refusal> {
        let parsed = Name::parse(name).filter(|it| self.now() < it.expires).ok_or(Refusal::NotFound)?;
        match self.store.get(&name.into()).await {
            Ok(found) => Ok((parsed, found)),
            Err(object_store::Error::NotFound { .. }) => Err(Refusal::NotFound),
            Err(error) => Err(Error::Internal(format!("cannot read the result: {error}")).into()),
        }
    }

    /// Removes what has expired, and nothing that is not ours. Returns how many; failures are logged.
    pub async fn sweep(&self) -> usize {
        let now = self.now();
        let mut removed = 0;
        let mut entries = self.store.list(None);
        while let Some(entry) = entries.next().await {
            let location = match entry {
                Ok(entry) => entry.location,
                Err(error) => {
                    tracing::warn!(%error, "cannot list the results; is TENTER_DATA_DIR readable?");
                    break;
                }
            };
            if Name::parse(location.as_ref()).is_none_or(|it| now < it.expires) {
                continue;
            }
            match self.store.delete(&location).await {
                // Another process on the same folder may have been faster.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => removed += 1,
                Err(error) => tracing::warn!(%error, "cannot remove an expired result"),
            }
        }
        removed
    }

    /// Sweeps every `interval`, for ever. Stops when dropped.
    pub async fn keep_sweeping(&self, interval: Duration) {
        loop {
            let removed = self.sweep().await;
            if removed > 0 {
                tracing::info!(removed, "removed expired results");
            }
            tokio::time::sleep(interval).await;
        }
    }

    fn now(&self) -> u64 {
        seconds((self.clock)())
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010x}-{:032x}.{}", self.expires, self.random, self.format)
    }
}

impl Name {
    /// `None` for whatever `to_string` would not write.
    fn parse(text: &str) -> Option<Self> {
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

/// GET and HEAD /files/{name}. Needs no key: the name is one.
#[utoipa::path(
    get,
    path = "/files/{name}",
    summary = "The file behind a link",
    params(("name" = String, Path, description = "As the link has it; it cannot be guessed")),
    responses(
        (status = 200, description = "The file", content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"))),
        (status = 404, description = "No such file, or no longer", body = ErrorBody),
        (status = 500, description = "The file cannot be read", body = ErrorBody),
    ),
)]
pub(super) async fn serve(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let (name, found) = app.files.get(&name).await?;
    let length = found.meta.size;
    let left = name.expires.saturating_sub(app.files.now());
    let mut response = Body::from_stream(found.into_stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(name.media_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, cache_control(left));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    // Pages elsewhere may show the picture even where they isolate themselves.
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    Ok(response)
}

/// Only the caller's own cache, and not beyond the link's end.
fn cache_control(seconds: u64) -> HeaderValue {
    let text = format!("private, max-age={seconds}, immutable");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("private"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_only_as_written() {
        let name = Name { expires: 0x69, random: 7, format: "png", media_type: "image/png" };
        let text = name.to_string();
        assert_eq!(text, "0000000069-00000000000000000000000000000007.png");
        assert_eq!(Name::parse(&text), Some(name));
        for bad in [
            "",
            "../0000000069-00000000000000000000000000000007.png",
            "0000000069-00000000000000000000000000000007.exe",
            "0000000069-00000000000000000000000000000007.png#1",
            "69-7.png",
            "+000000069-00000000000000000000000000000007.png",
        ] {
            assert_eq!(Name::parse(bad), None, "{bad}");
        }
    }
}
