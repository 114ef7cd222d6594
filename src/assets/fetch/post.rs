//! POST requests through the guarded client, to URLs that a caller supplied, such as webhooks.
//!
//! The guard is the same as for GET. Redirects are not followed, requests are not repeated and the body of the response
//! is not read, so that the caller learns nothing but a status.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use reqwest::header::RETRY_AFTER;

use super::dns::{Lookup, system_lookup};
use super::{CONNECT_TIMEOUT, classify_error, guarded_client};
use crate::assets::error::{Reason, SetupError};
use crate::assets::guard::{self, AllowedNetworks, UrlError};
use crate::config::AssetLimits;

/// Client for guarded POST requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpPoster {
    client: Client,
    allowed: AllowedNetworks,
}

/// Response to a POST request, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostResponse {
    /// HTTP status code of the response.
    pub status: u16,
    /// Time until that of `retry-after`, which is a number of seconds or a date; zero for a date in the past.
    pub retry_after: Option<Duration>,
}

impl HttpPoster {
    /// Creates a client from `allow_addresses` of `limits`.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(limits: &AssetLimits) -> Result<Self, SetupError> {
        Self::with_lookup(limits, system_lookup())
    }

    fn with_lookup(limits: &AssetLimits, lookup: Lookup) -> Result<Self, SetupError> {
        let allowed = AllowedNetworks::from(&*limits.allow_addresses);
        let client = guarded_client(lookup, &allowed, CONNECT_TIMEOUT)?;
        Ok(Self { client, allowed })
    }

    /// Checks `url` without resolving its host.
    ///
    /// # Errors
    /// The reason why no request may be sent to it.
    pub fn check(&self, url: &str) -> Result<(), UrlError> {
        guard::check_url(url, &self.allowed).map(drop)
    }

    /// Sends `body` and returns when the status of the response arrives. The caller limits the time by dropping the
    /// future.
    ///
    /// # Errors
    /// [`Reason::Url`] and [`Reason::Blocked`] when the URL may not be reached, [`Reason::Network`] when it cannot be.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: Bytes,
    ) -> Result<PostResponse, Reason> {
        let url = guard::check_url(url, &self.allowed)?;
        let mut request = self.client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(|error| classify_error(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let retry_after = retry_after.and_then(|it| time_until(it.trim(), jiff::Timestamp::now()));
        Ok(PostResponse { status: response.status().as_u16(), retry_after })
    }
}

/// Time from `now` until that of a `retry-after` header: a number of seconds, or a date (RFC 9110 §10.2.3).
fn time_until(text: &str, now: jiff::Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

/// Maximum time for a request to a service of the operator.
const OPERATOR_TIMEOUT: Duration = Duration::from_secs(60);

/// A client without a guard for addresses that the operator configured, such as that of a bucket. It reaches private
/// networks, so a URL from a caller must never be passed to it.
///
/// # Errors
/// When TLS cannot be set up.
pub fn operators_client() -> Result<Client, SetupError> {
    Client::builder()
        .tls_backend_preconfigured(super::tls_config()?)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(OPERATOR_TIMEOUT)
        .build()
        .map_err(|error| SetupError::Client(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::assets::guard::BlockedAddress;

    fn poster(allow: &[&str], address: &'static str) -> HttpPoster {
        let limits = AssetLimits {
            allow_addresses: allow.iter().map(|it| it.parse().expect("a network")).collect(),
            ..AssetLimits::default()
        };
        let lookup: Lookup =
            Arc::new(move |_| Box::pin(async move { Ok(vec![format!("{address}:0").parse().expect("an address")]) }));
        HttpPoster::with_lookup(&limits, lookup).expect("a client")
    }

    #[tokio::test]
    async fn post_is_guarded_by_address_and_by_name() {
        let closed = poster(&[], "127.0.0.1");
        assert!(closed.check("https://example.com/hook").is_ok(), "names are resolved later");
        assert!(matches!(closed.check("http://10.0.0.1/"), Err(UrlError::Blocked(_))));
        assert!(matches!(closed.check("ftp://example.com/"), Err(UrlError::Scheme(_))));
        for url in ["http://hook.test/", "http://127.0.0.1:9/", "http://[::ffff:127.0.0.1]/"] {
            let refused = closed.post(url, &[], Bytes::new()).await.expect_err(url);
            let network = match refused {
                Reason::Blocked(BlockedAddress { network })
                | Reason::Url(UrlError::Blocked(BlockedAddress { network })) => network,
                other => panic!("{url}: {other}"),
            };
            assert_eq!(network, "loopback", "{url}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = "1994-11-06T08:49:00Z".parse().expect("a time");
        let until = |text| time_until(text, now);
        assert_eq!(until("120"), Some(Duration::from_secs(120)));
        assert_eq!(until("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(37)));
        assert_eq!(until("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO), "in the past");
        for bad in ["", "-5", "soon"] {
            assert_eq!(until(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn post_sends_headers_and_body_and_follows_nothing() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a call");
            let mut seen = Vec::new();
            while !seen.ends_with(b"{}") {
                assert!(stream.read_buf(&mut seen).await.expect("more") > 0);
            }
            let answer =
                "HTTP/1.1 307 x\r\nlocation: http://169.254.169.254/\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.expect("sent");
            String::from_utf8(seen).expect("text")
        });
        let poster = poster(&["127.0.0.0/8"], "127.0.0.1");
        let url = format!("http://hook.test:{port}/a?b");
        let reply = poster.post(&url, &[("x-sign", "yes".into())], Bytes::from_static(b"{}")).await.expect("a reply");
        assert_eq!(reply, PostResponse { status: 307, retry_after: Some(Duration::from_secs(7)) });
        let seen = receiver.await.expect("served");
        assert!(seen.starts_with("POST /a?b HTTP/1.1\r\n") && seen.contains("x-sign: yes\r\n"), "{seen}");
    }
}
