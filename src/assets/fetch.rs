//! HTTP: fetches files from http and https URLs through the guard.
//!
//! In: the guarded client for every outgoing GET and POST. It checks addresses at the connection, follows redirects
//! with a check of each target, and limits size, time and attempts. Not in: decoding, caching, `data:` URLs. reqwest is
//! used here only. Imports: `config`.

mod dns;
mod download;
mod post;

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::counts::AssetCounts;
use super::error::{NetworkError, Reason, SetupError, shorten_url};
use super::file_source::{Fetched, FileSource};
use super::freshness::Freshness;
use super::guard::{self, AllowedNetworks, BlockedAddress, UrlError};
use crate::config::AssetLimits;
use dns::{GuardedDns, Lookup, system_lookup};
pub use download::Downloader;
pub use post::{HttpPoster, PostResponse, operators_client};

/// Maximum time to connect to a host, within `TENTER_ASSET_TIMEOUT`; then the next attempt begins.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time after which idle connections are closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Delay before the second attempt; it doubles with each further one (http-api.md §6).
const BACK_OFF: Duration = Duration::from_millis(300);
/// Maximum bytes that are allocated before they arrive, independent of the announced length.
const MAX_PREALLOCATED_BYTES: u64 = 1 << 20;

/// The guarded client with its limits. All users share its connections.
#[derive(Debug)]
pub(super) struct Fetcher {
    transport: Transport,
    allowed: AllowedNetworks,
    limits: AssetLimits,
    back_off: Duration,
    counts: AssetCounts,
}

/// What sends the requests.
#[derive(Debug)]
enum Transport {
    /// The HTTP client of this process.
    Client(Client),
    /// Another process.
    Source(Arc<dyn FileSource>),
}

impl Fetcher {
    /// Creates a fetcher from `allow_addresses`, `bytes`, `timeout`, `tries` and `redirects` of `limits`.
    pub(super) fn new(limits: &AssetLimits) -> Result<Self, SetupError> {
        Self::with_lookup(limits, system_lookup())
    }

    fn with_lookup(limits: &AssetLimits, lookup: Lookup) -> Result<Self, SetupError> {
        let allowed = AllowedNetworks::from(&*limits.allow_addresses);
        let client = guarded_client(lookup, &allowed, CONNECT_TIMEOUT.min(limits.timeout))?;
        Ok(Self::with_transport(Transport::Client(client), allowed, limits))
    }

    /// Creates a fetcher that checks URLs itself and has `source` fetch them.
    pub(super) fn with_source(limits: &AssetLimits, source: Arc<dyn FileSource>) -> Self {
        Self::with_transport(Transport::Source(source), AllowedNetworks::from(&*limits.allow_addresses), limits)
    }

    fn with_transport(transport: Transport, allowed: AllowedNetworks, limits: &AssetLimits) -> Self {
        Self { transport, allowed, limits: limits.clone(), back_off: BACK_OFF, counts: AssetCounts::default() }
    }

    /// The other process that fetches; `None` where this process does.
    pub(super) fn source(&self) -> Option<&Arc<dyn FileSource>> {
        match &self.transport {
            Transport::Client(_) => None,
            Transport::Source(source) => Some(source),
        }
    }

    /// Counts of all fetches through this client.
    pub(super) fn counts(&self) -> &AssetCounts {
        &self.counts
    }

    /// Parses and checks `text` for [`Self::get`].
    pub(super) fn parse(&self, text: &str) -> Result<Url, UrlError> {
        guard::check_url(text, &self.allowed)
    }

    /// Fetches `url`, and repeats the request after network errors and status 5xx.
    ///
    /// `known`: freshness of a cached file, which makes the request conditional. The caller limits the time for all
    /// attempts by dropping the future.
    pub(super) async fn get(&self, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        let client = match &self.transport {
            Transport::Client(client) => client,
            Transport::Source(source) => return source.fetch(url, known).await,
        };
        let tries = self.limits.tries.max(1);
        for failed in 0..tries - 1 {
            match self.try_once(client, url, known).await {
                Err(reason) if reason.is_transient() => {
                    tokio::time::sleep(self.back_off * 2u32.saturating_pow(failed)).await
                }
                result => return result,
            }
        }
        self.try_once(client, url, known).await
    }

    /// Fetches `url` as [`Self::get`] without a cached file.
    pub(super) async fn get_body(&self, url: &Url) -> Result<Bytes, Reason> {
        match self.get(url, None).await? {
            Fetched::Body(bytes, _) => Ok(bytes),
            // The request was not conditional, so 304 is no valid answer.
            Fetched::NotModified(_) => Err(Reason::Status(StatusCode::NOT_MODIFIED.as_u16())),
        }
    }

    async fn try_once(&self, client: &Client, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        let after = self.limits.timeout;
        let timed_out = |_| Err(Reason::Timeout { after, setting: "TENTER_ASSET_TIMEOUT" });
        tokio::time::timeout(after, self.follow(client, url, known)).await.unwrap_or_else(timed_out)
    }

    /// Sends one GET and follows its redirects.
    async fn follow(&self, client: &Client, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        let mut current = url.clone();
        for hop in 0..=self.limits.redirects {
            let redirected = hop > 0;
            let hop = self.request(client, &current, known, redirected).await;
            match hop.map_err(|reason| if redirected { reason.after_redirect_to(&current) } else { reason })? {
                HopResult::Done(fetched) => return Ok(fetched),
                HopResult::Redirect(next) => current = next,
            }
        }
        Err(Reason::Redirects { limit: self.limits.redirects })
    }

    async fn request(
        &self,
        client: &Client,
        url: &Url,
        known: Option<&Freshness>,
        redirected: bool,
    ) -> Result<HopResult, Reason> {
        // IP addresses in URLs bypass the resolver, so every hop is checked here.
        guard::check_parsed(url, &self.allowed)?;
        // Without this header a server may compress the body, which is not decompressed here.
        let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        // The validators belong to the original URL, not to the target of a redirect.
        for (name, value) in self.limits.headers.of(url) {
            request = request.header(name, value);
        }
        let known = known.filter(|known| !redirected && !known.validators.is_empty());
        if let Some(Freshness { validators, .. }) = known {
            let headers = [(IF_NONE_MATCH, &validators.etag), (IF_MODIFIED_SINCE, &validators.last_modified)];
            for (name, value) in headers.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.map_err(|error| classify_error(&error))?;
        match (response.status(), known) {
            (StatusCode::OK, _) => self.read_body(response, redirected).await,
            (StatusCode::NOT_MODIFIED, Some(known)) => {
                Ok(HopResult::Done(Fetched::NotModified(known.renewed(response.headers()))))
            }
            (status, _) if is_redirect(status) => redirect_target(url, &response).map(HopResult::Redirect),
            (status, _) => Err(Reason::Status(status.as_u16())),
        }
    }

    async fn read_body(&self, mut response: Response, redirected: bool) -> Result<HopResult, Reason> {
        let limit = self.limits.bytes;
        let announced = response.content_length();
        if let Some(found) = announced.filter(|found| *found > limit) {
            return Err(Reason::TooLarge { found: Some(found), limit });
        }
        let freshness = Freshness::of(response.headers(), redirected);
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(MAX_PREALLOCATED_BYTES) as usize);
        while let Some(chunk) = response.chunk().await.map_err(|error| classify_error(&error))? {
            if bytes.len() as u64 + chunk.len() as u64 > limit {
                return Err(Reason::TooLarge { found: None, limit });
            }
            self.counts.fetched_bytes.inc_by(chunk.len() as u64);
            bytes.extend_from_slice(&chunk);
        }
        Ok(HopResult::Done(Fetched::Body(bytes.into(), freshness)))
    }
}

/// Result of one request.
enum HopResult {
    Done(Fetched),
    Redirect(Url),
}

impl Reason {
    fn after_redirect_to(self, url: &Url) -> Self {
        let mut to = url.clone();
        // The target may contain credentials of the server that redirects. Neither call fails for URLs with a host.
        let _ = to.set_username("");
        let _ = to.set_password(None);
        Self::Redirected { to: shorten_url(to.as_str()), reason: Box::new(self) }
    }
}

/// True for the redirects that a GET follows; 300 and 304 are none.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirect_target(from: &Url, response: &Response) -> Result<Url, Reason> {
    // A redirect without a valid target is reported by its status.
    let no_target = || Reason::Status(response.status().as_u16());
    let location = response.headers().get(LOCATION).ok_or_else(no_target)?;
    // The header should be ASCII, but servers send UTF-8 too.
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| no_target())?;
    from.join(location).map_err(|error| UrlError::from(error).into())
}

/// Classifies an error of the client. The result contains no URL, address or message of the system, so that it reveals
/// nothing about closed networks.
fn classify_error(error: &reqwest::Error) -> Reason {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(blocked) = cause.downcast_ref::<BlockedAddress>() {
            return Reason::Blocked(*blocked);
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Reason::Network(NetworkError::Tls(tls.clone()));
        }
        // `source` of an I/O error skips the error it wraps.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    match error {
        error if error.is_dns() => Reason::Network(NetworkError::NoHost),
        error if error.is_connect() => Reason::Network(NetworkError::Connect),
        _ => Reason::Network(NetworkError::Broken),
    }
}

/// A client that connects only to `allowed` addresses and neither follows redirects nor repeats requests.
fn guarded_client(lookup: Lookup, allowed: &AllowedNetworks, connect_timeout: Duration) -> Result<Client, SetupError> {
    Client::builder()
        .tls_backend_preconfigured(tls_config()?)
        // A proxy would resolve names itself and bypass the guard.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(GuardedDns { lookup, allowed: allowed.clone() })
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("tenter/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| SetupError::Client(error.into()))
}

/// TLS configuration with Mozilla's root certificates, which are compiled in, so that no certificate store is needed.
fn tls_config() -> Result<rustls::ClientConfig, SetupError> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client(error.into()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // The client does not change a preconfigured TLS configuration, so HTTP/2 must be offered here.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
