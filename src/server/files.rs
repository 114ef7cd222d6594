//! Results behind links: stored under names nobody can guess, served until they expire, then removed.
//!
//! A name of the classic call is `<expiry>-<random>.<format>`: the expiry in hex seconds, 128 random bits in hex, the ending of its format. Nothing
//! else is kept about a result, so links survive a restart. A job's result is called `<id>-<random>.<format>`, and the store of
//! jobs knows until when it is there. In a bucket both have presigned links, which lead there and not here.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;

use super::problem::{ErrorBody, Refusal};
use super::{App, openapi};
use crate::config::FileSettings;
use crate::error::Error;
use crate::jobs::{Area, Clock, ResultError, Results};
use crate::output::FORMATS;

/// The results of the classic call. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    results: Results,
    lifetime: Duration,
    clock: Clock,
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
    /// In `results`.
    pub fn new(results: Results, settings: &FileSettings, clock: Clock) -> Self {
        Self { results, lifetime: settings.link_lifetime, clock }
    }

    /// Stores `bytes` and returns the link to them. `format`: an ending of [`FORMATS`]; `base`: what links start with.
    pub(super) async fn put(&self, bytes: Bytes, format: &str, base: &str) -> Result<String, Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Internal(format!("no randomness for a link: {error}")))?;
        let known = FORMATS.iter().find(|it| it.extension() == format);
        let known = known.ok_or_else(|| Error::Internal(format!("no format is called {format}")))?;
        let expires = self.now() + self.lifetime.as_secs();
        let random = u128::from_be_bytes(random);
        let name = Name { expires, random, format: known.extension(), media_type: known.media_type() }.to_string();
        let stored = self.results.put(Area::Links, &name, bytes, known.media_type()).await;
        stored.map_err(|error| {
            Error::Internal(format!("cannot store the result (TENTER_DATA_DIR or TENTER_RESULTS): {error}"))
        })?;
        let link = self.results.link(Area::Links, &name, base, self.lifetime).await;
        link.map_err(|error| Error::Internal(format!("cannot make a link to the result: {error}")))
    }

    /// Removes what has expired, and nothing that is not ours. Returns how many; failures are logged.
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
            if Name::parse(&name).is_none_or(|it| now < it.expires) {
                continue;
            }
            match self.results.remove(Area::Links, &name).await {
                Ok(()) => removed += 1,
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

/// Where a name leads, and for how many more seconds.
struct Found {
    area: Area,
    media_type: &'static str,
    left: u64,
}

/// A result of either call, unless its name is none of ours or it has expired.
async fn find(app: &App, name: &str) -> Result<Found, Refusal> {
    let now = app.files.now();
    if let Some(parsed) = Name::parse(name) {
        let left = parsed.expires.checked_sub(now).filter(|it| *it > 0).ok_or(Refusal::NotFound)?;
        return Ok(Found { area: Area::Links, media_type: parsed.media_type, left });
    }
    let format = name.rsplit_once('.').and_then(|(_, ending)| FORMATS.iter().find(|it| it.extension() == ending));
    let format = format.ok_or(Refusal::NotFound)?;
    let expires = app.jobs.expiry(name).await?.ok_or(Refusal::NotFound)?;
    let left = u64::try_from(expires.seconds()).unwrap_or(0).saturating_sub(now);
    Ok(Found { area: Area::Jobs, media_type: format.media_type(), left })
}

/// GET and HEAD /files/{name}. Needs no key: the name is one.
#[utoipa::path(
    get,
    path = "/files/{name}",
    summary = "The file behind a link",
    params(("name" = String, Path, description = "As the link has it; it cannot be guessed")),
    responses(
        (status = 200, description = "The file", content((openapi::Bytes = "image/png"), (openapi::Bytes = "image/jpeg"))),
        (status = 404, description = "No such file, or no longer", body = ErrorBody),
        (status = 500, description = "The file cannot be read", body = ErrorBody),
    ),
)]
pub(super) async fn serve(State(app): State<App>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let Found { area, media_type, left } = find(&app, &name).await?;
    let found = app.files.results.get(area, &name).await.map_err(|error| match error {
        ResultError::NotFound => Refusal::NotFound,
        ResultError::Failed(reason) => Error::Internal(format!("cannot read the result: {reason}")).into(),
    })?;
    let length = found.meta.size;
    let mut response = Body::from_stream(found.into_stream()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
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
