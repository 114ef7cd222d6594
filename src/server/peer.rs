//! Checks of a connection's requests that need the address of the peer: wrong API keys are answered slowly.
//!
//! A key cannot be guessed in any case (`tenter settings` describes how to make one), but weak keys exist, and each
//! guess costs the service a connection.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::api_error::ApiError;

/// Address of the peer, an extension of requests that arrive over a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub(super) IpAddr);

/// Time that each wrong key of an address uses up.
const STEP: Duration = Duration::from_secs(1);
/// Wrong keys that are answered at once.
const FREE: u32 = 10;
/// Maximum time by which an answer is delayed.
const MAX_DELAY: Duration = Duration::from_secs(20);
/// Number of addresses that are remembered; the least recently seen are forgotten first.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// Recent wrong keys by address. Cheap to clone.
#[derive(Clone)]
pub(super) struct WrongKeys(Arc<Mutex<LruCache<IpAddr, Instant>>>);

impl WrongKeys {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(ADDRESSES))))
    }

    /// Counts a wrong key, and returns the time by which its answer is delayed.
    fn count(&self, peer: IpAddr, now: Instant) -> Duration {
        let mut addresses = self.0.lock();
        // The time at which all wrong keys so far are used up.
        let paid = addresses.get(&peer).copied().unwrap_or(now).max(now) + STEP;
        let paid = paid.min(now + STEP * FREE + MAX_DELAY);
        addresses.put(peer, paid);
        (paid - now).saturating_sub(STEP * FREE)
    }
}

/// The part of an address that one owner has: networks of IPv6 have at least 64 bits for hosts.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

/// The layer of requests that arrive over a connection. It refuses HTTP/1.1 without `host` (RFC 9112 §3.2), and delays
/// the answers to wrong keys.
pub(super) async fn check(State(wrong_keys): State<WrongKeys>, request: Request, next: Next) -> Response {
    let Some(PeerAddress(peer)) = request.extensions().get().copied() else {
        return next.run(request).await; // a test without a connection
    };
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11 && request.uri().authority().is_none()) {
        return ApiError::Header("host", "exactly one, as HTTP/1.1 requires").into_response();
    }
    let answer = next.run(request).await;
    if answer.status() == StatusCode::UNAUTHORIZED {
        tokio::time::sleep(wrong_keys.count(owner(peer), Instant::now())).await;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_keys_of_one_address_are_slowed() {
        let (wrong_keys, now) = (WrongKeys::new(), Instant::now());
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for _ in 0..FREE {
            assert_eq!(wrong_keys.count(one, now), Duration::ZERO);
        }
        assert_eq!(wrong_keys.count(one, now), STEP);
        assert_eq!(wrong_keys.count(one, now), STEP * 2);
        assert_eq!(wrong_keys.count(other, now), Duration::ZERO);
        assert_eq!(wrong_keys.count(one, now + STEP * 12), Duration::ZERO, "after twelve seconds");
        assert_eq!((0..1000).map(|_| wrong_keys.count(one, now)).max(), Some(MAX_DELAY));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let address = |text: &str| owner(text.parse().expect("an address"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }
}
