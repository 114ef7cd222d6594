//! Counters of the loader, which `server` exports as metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::error::Reason;
use super::guard::UrlError;

/// Counters since the start. Clones share the same counters.
#[derive(Clone, Debug, Default)]
pub struct AssetCounts {
    /// Assets found decoded in the cache, including those of `data:` URLs.
    pub cache_hits: Counter,
    /// Assets that had to be fetched, revalidated or decoded.
    pub cache_misses: Counter,
    /// Bytes of files received over the network.
    pub fetched_bytes: Counter,
    /// Failed loads, by cause.
    pub failures: Family<FailureCause, Counter>,
    /// Requests for addresses in closed networks, by kind of network.
    pub refusals: Family<BlockedNetwork, Counter>,
}

/// Label of a failed load.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureCause {
    /// Cause such as `timeout`, `status` or `unreadable`.
    pub cause: &'static str,
}

/// Label of a request for a blocked address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BlockedNetwork {
    /// Kind of the closed network, such as `loopback`, `private` or `link-local`.
    pub network: &'static str,
}

impl AssetCounts {
    pub(super) fn count_failure(&self, reason: &Reason) {
        let cause = match reason.root() {
            Reason::Blocked(blocked) | Reason::Url(UrlError::Blocked(blocked)) => {
                self.refusals.get_or_create(&BlockedNetwork { network: blocked.network }).inc();
                "refused"
            }
            Reason::Url(_) | Reason::DataUrl(_) => "url",
            Reason::Redirected { .. } | Reason::Redirects { .. } => "redirects",
            Reason::Timeout { .. } => "timeout",
            Reason::Status(_) => "status",
            Reason::TooLarge { .. } => "too_large",
            Reason::Network(_) => "network",
            Reason::Unreadable(_) => "unreadable",
            Reason::FontService(_) => "font_service",
            Reason::Changed(_) => "changed",
            Reason::Pool(_) | Reason::SnapshotStore(_) => "internal",
        };
        self.failures.get_or_create(&FailureCause { cause }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::BlockedAddress;
    use super::*;

    #[test]
    fn counts_include_blocked_addresses_behind_redirects() {
        let counts = AssetCounts::default();
        let blocked = Reason::Blocked(BlockedAddress { network: "loopback" });
        counts.count_failure(&Reason::Redirected { to: "http://x/".into(), reason: Box::new(blocked) });
        counts.count_failure(&Reason::Url(UrlError::Blocked(BlockedAddress { network: "loopback" })));
        counts.count_failure(&Reason::Status(404));
        assert_eq!(counts.refusals.get_or_create(&BlockedNetwork { network: "loopback" }).get(), 2);
        assert_eq!(counts.failures.get_or_create(&FailureCause { cause: "refused" }).get(), 2);
        assert_eq!(counts.failures.get_or_create(&FailureCause { cause: "status" }).get(), 1);
    }
}
