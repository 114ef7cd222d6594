//! Bytes from http and https URLs, through the guard.
//!
//! In: one guarded client for every outgoing GET and POST: addresses checked where they are connected to, redirects followed here and
//! each checked, limits on size, time and tries. Not in: what the bytes are, caching, `data:` URLs.
//! The only room that knows reqwest. Imports: `config`.

mod dns;
mod download;
mod freshness;
mod post;

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::counts::AssetCounts;
use super::error::{NetworkProblem, Reason, SetupError, shown_url};
use super::guard::{self, Allowed, Refused, UrlProblem};
use crate::config::AssetLimits;
use dns::{GuardedDns, Lookup, system_lookup};
pub use download::Downloader;
pub(super) use freshness::Freshness;
#[cfg(test)]
pub(super) use freshness::Validators;
pub use post::{Messenger, Reply, operators_client};

/// Hosts that do not take the connection in this time are tried again, within `TENTER_ASSET_TIMEOUT`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections kept for the next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Before the second try; doubled before each further one (http-api.md §6).
const BACK_OFF: Duration = Duration::from_millis(300);
/// Allocated ahead at most, however much a server announces.
const AHEAD_BYTES: u64 = 1 << 20;

/// What a server had to say.
#[derive(Debug)]
pub(super) enum Fetched {
    /// What we have is still right.
    NotModified(Freshness),
    /// The contents.
    Body(Vec<u8>, Freshness),
}

/// The guarded client. Connections are shared by all who use it.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: Client,
    allowed: Allowed,
    limits: AssetLimits,
    back_off: Duration,
    counts: AssetCounts,
}

impl Fetcher {
    /// Reads `allow_addresses`, `bytes`, `timeout`, `tries` and `redirects` of `limits`.
    pub(super) fn new(limits: &AssetLimits) -> Result<Self, SetupError> {
        Self::with_lookup(limits, system_lookup())
    }

    fn with_lookup(limits: &AssetLimits, lookup: Lookup) -> Result<Self, SetupError> {
        let allowed = Allowed::parse(&limits.allow_addresses)?;
        let client = guarded_client(lookup, &allowed, CONNECT_TIMEOUT.min(limits.timeout))?;
        Ok(Self { client, allowed, limits: limits.clone(), back_off: BACK_OFF, counts: AssetCounts::default() })
    }

    /// Of whoever fetches through this client.
    pub(super) fn counts(&self) -> &AssetCounts {
        &self.counts
    }

    /// `text` as a URL that `get` takes.
    pub(super) fn parse(&self, text: &str) -> Result<Url, Reason> {
        guard::check_url(text, &self.allowed).map_err(Reason::Url)
    }

    /// The contents of `url`, or "not modified" when what is `known` about it is still right. Tries again after network errors and 5xx.
    /// The caller bounds the time for all tries by dropping the future.
    pub(super) async fn get(&self, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        let tries = self.limits.tries.max(1);
        for failed in 0..tries - 1 {
            match self.try_once(url, known).await {
                Err(reason) if reason.is_passing() => {
                    tokio::time::sleep(self.back_off * 2u32.saturating_pow(failed)).await
                }
                done => return done,
            }
        }
        self.try_once(url, known).await
    }

    async fn try_once(&self, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        let after = self.limits.timeout;
        let timed_out = |_| Err(Reason::Timeout { after, setting: "TENTER_ASSET_TIMEOUT" });
        tokio::time::timeout(after, self.follow(url, known)).await.unwrap_or_else(timed_out)
    }

    /// One GET and its redirects.
    async fn follow(&self, url: &Url, known: Option<&Freshness>) -> Result<Fetched, Reason> {
        let mut here = url.clone();
        for hop in 0..=self.limits.redirects {
            let redirected = hop > 0;
            let step = self.step(&here, known, redirected).await;
            match step.map_err(|reason| if redirected { reason.reached_by(&here) } else { reason })? {
                Step::Done(fetched) => return Ok(fetched),
                Step::Redirect(next) => here = next,
            }
        }
        Err(Reason::Redirects { limit: self.limits.redirects })
    }

    async fn step(&self, url: &Url, known: Option<&Freshness>, redirected: bool) -> Result<Step, Reason> {
        // The resolver never sees IP addresses written in URLs, so they are checked here, each hop.
        guard::check_parsed(url, &self.allowed).map_err(Reason::Url)?;
        // Without a word on encodings a server might compress, and nothing here would unpack.
        let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        // A redirect's target was never asked for by itself, so nothing is known about it.
        let known = known.filter(|known| !redirected && !known.validators.is_empty());
        if let Some(Freshness { validators, .. }) = known {
            let headers = [(IF_NONE_MATCH, &validators.etag), (IF_MODIFIED_SINCE, &validators.last_modified)];
            for (name, value) in headers.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.map_err(|error| reason_of(&error))?;
        match (response.status(), known) {
            (StatusCode::OK, _) => self.body(response, redirected).await,
            (StatusCode::NOT_MODIFIED, Some(known)) => {
                Ok(Step::Done(Fetched::NotModified(known.renewed(response.headers()))))
            }
            (status, _) if is_redirect(status) => redirect_target(url, &response).map(Step::Redirect),
            (status, _) => Err(Reason::Status(status.as_u16())),
        }
    }

    async fn body(&self, mut response: Response, redirected: bool) -> Result<Step, Reason> {
        let limit = self.limits.bytes;
        let announced = response.content_length();
        if let Some(found) = announced.filter(|found| *found > limit) {
            return Err(Reason::TooLarge { found: Some(found), limit });
        }
        let freshness = Freshness::of(response.headers(), redirected);
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(AHEAD_BYTES) as usize);
        while let Some(chunk) = response.chunk().await.map_err(|error| reason_of(&error))? {
            if bytes.len() as u64 + chunk.len() as u64 > limit {
                return Err(Reason::TooLarge { found: None, limit });
            }
            self.counts.fetched_bytes.inc_by(chunk.len() as u64);
            bytes.extend_from_slice(&chunk);
        }
        Ok(Step::Done(Fetched::Body(bytes, freshness)))
    }
}

enum Step {
    Done(Fetched),
    Redirect(Url),
}

impl Reason {
    fn reached_by(self, url: &Url) -> Self {
        Self::Redirected { to: shown_url(url.as_str()), reason: Box::new(self) }
    }
}

/// The redirects that a GET follows; 300 and 304 are answers.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn redirect_target(from: &Url, response: &Response) -> Result<Url, Reason> {
    // A redirect to nowhere is an answer of no use: its status says what it was.
    let nowhere = || Reason::Status(response.status().as_u16());
    let location = response.headers().get(LOCATION).ok_or_else(nowhere)?;
    // Servers send UTF-8 here, though it should be ASCII.
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| nowhere())?;
    from.join(location).map_err(|error| Reason::Url(UrlProblem::Malformed(error)))
}

/// Our words for what went wrong: neither the URL nor addresses nor the system's text, so that closed networks stay closed.
fn reason_of(error: &reqwest::Error) -> Reason {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return Reason::Refused(*refused);
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Reason::Network(NetworkProblem::Tls(tls.to_string()));
        }
        // An I/O error stands for what it wraps, and names only that one's source.
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    match error {
        error if error.is_dns() => Reason::Network(NetworkProblem::NoHost),
        error if error.is_connect() => Reason::Network(NetworkProblem::Connect),
        _ => Reason::Network(NetworkProblem::Broken),
    }
}

/// Connects only to addresses that are `allowed`, and goes nowhere by itself.
fn guarded_client(lookup: Lookup, allowed: &Allowed, connect_timeout: Duration) -> Result<Client, SetupError> {
    Client::builder()
        .tls_backend_preconfigured(tls_config()?)
        // A proxy would look names up itself, behind the guard's back.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .dns_resolver(GuardedDns { lookup, allowed: allowed.clone() })
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("tenter/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| SetupError::Client(error.to_string()))
}

/// Mozilla's roots, compiled in: the service needs no certificate store beside it.
fn tls_config() -> Result<rustls::ClientConfig, SetupError> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| SetupError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // The client leaves a configuration of ours alone, so it must offer HTTP/2 itself.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests;
