//! The guarded client's other verb: POST to an address that a caller named, such as a webhook.
//!
//! The same guard as for GET, where the connection is made. No redirects, no second try, no look at the answer's body:
//! whoever named the address learns a status and nothing else of what stands there.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use reqwest::header::RETRY_AFTER;

use super::dns::{Lookup, system_lookup};
use super::{CONNECT_TIMEOUT, guarded_client, reason_of};
use crate::assets::error::{Reason, SetupError};
use crate::assets::guard::{self, Allowed, UrlProblem};
use crate::config::AssetLimits;

/// Sends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Messenger {
    client: Client,
    allowed: Allowed,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `retry-after` in seconds; other forms are not read.
    pub retry_after: Option<Duration>,
}

impl Messenger {
    /// Reads `allow_addresses` of `limits`.
    ///
    /// # Errors
    /// When that is no list of networks, or TLS cannot be set up.
    pub fn new(limits: &AssetLimits) -> Result<Self, SetupError> {
        Self::with_lookup(limits, system_lookup())
    }

    fn with_lookup(limits: &AssetLimits, lookup: Lookup) -> Result<Self, SetupError> {
        let allowed = Allowed::parse(&limits.allow_addresses)?;
        let client = guarded_client(lookup, &allowed, CONNECT_TIMEOUT)?;
        Ok(Self { client, allowed })
    }

    /// Whether `url` may be sent to, as far as can be told without looking its host up.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, url: &str) -> Result<(), UrlProblem> {
        guard::check_url(url, &self.allowed).map(drop)
    }

    /// Sends `body` and returns as soon as a status is known. The caller bounds the time by dropping the future.
    ///
    /// # Errors
    /// `Url` and `Refused` when the address may not be reached, `Network` when it could not be.
    pub async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Bytes) -> Result<Reply, Reason> {
        let url = guard::check_url(url, &self.allowed).map_err(Reason::Url)?;
        let mut request = self.client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(|error| reason_of(&error))?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|it| it.to_str().ok()?.trim().parse().ok());
        Ok(Reply { status: response.status().as_u16(), retry_after: retry_after.map(Duration::from_secs) })
    }
}

/// Longest exchange with an operator's own service.
const OWN_SERVICE_TIMEOUT: Duration = Duration::from_secs(60);

/// A client for addresses that the operator named, such as a bucket's: it goes where it is told, private networks
/// included. Nothing that a caller wrote may reach it as an address.
///
/// # Errors
/// When TLS cannot be set up.
pub fn operators_client() -> Result<Client, SetupError> {
    Client::builder()
        .tls_backend_preconfigured(super::tls_config()?)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(OWN_SERVICE_TIMEOUT)
        .build()
        .map_err(|error| SetupError::Client(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::assets::guard::Refused;

    fn messenger(allow: &[&str], address: &'static str) -> Messenger {
        let limits = AssetLimits {
            allow_addresses: allow.iter().map(|it| (*it).to_owned()).collect(),
            ..AssetLimits::default()
        };
        let lookup: Lookup =
            Arc::new(move |_| Box::pin(async move { Ok(vec![format!("{address}:0").parse().expect("an address")]) }));
        Messenger::with_lookup(&limits, lookup).expect("a client")
    }

    #[tokio::test]
    async fn post_is_guarded_by_address_and_by_name() {
        let closed = messenger(&[], "127.0.0.1");
        assert!(closed.check("https://example.com/hook").is_ok(), "a name is looked up later");
        assert!(matches!(closed.check("http://10.0.0.1/"), Err(UrlProblem::Refused(_))));
        assert!(matches!(closed.check("ftp://example.com/"), Err(UrlProblem::Scheme(_))));
        for url in ["http://hook.test/", "http://127.0.0.1:9/", "http://[::ffff:127.0.0.1]/"] {
            let refused = closed.post(url, &[], Bytes::new()).await.expect_err(url);
            let network = match refused {
                Reason::Refused(Refused { network }) | Reason::Url(UrlProblem::Refused(Refused { network })) => network,
                other => panic!("{url}: {other}"),
            };
            assert_eq!(network, "loopback", "{url}");
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
        let messenger = messenger(&["127.0.0.0/8"], "127.0.0.1");
        let url = format!("http://hook.test:{port}/a?b");
        let reply =
            messenger.post(&url, &[("x-sign", "yes".into())], Bytes::from_static(b"{}")).await.expect("a reply");
        assert_eq!(reply, Reply { status: 307, retry_after: Some(Duration::from_secs(7)) });
        let seen = receiver.await.expect("served");
        assert!(seen.starts_with("POST /a?b HTTP/1.1\r\n") && seen.contains("x-sign: yes\r\n"), "{seen}");
    }
}
