//! Counters of the loader, which `server` exports as metrics.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use serde::{Deserialize, Serialize};

use super::cause::FailureCause;
use super::error::Reason;

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
    pub failures: Family<FailureLabel, Counter>,
    /// Requests for addresses in closed networks, by kind of network.
    pub refusals: Family<NetworkLabel, Counter>,
    /// Failures since the last call of [`Self::drain`], and the values of the other counters at that time.
    drained: Arc<Mutex<AssetTally>>,
}

/// Label of a failed load.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabel {
    /// Cause such as `timeout`, `status` or `unreadable`.
    pub cause: &'static str,
}

/// Label of a request for a blocked address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NetworkLabel {
    /// Kind of the closed network, such as `loopback`, `private` or `link-local`.
    pub network: Cow<'static, str>,
}

/// What one process counted during some time, for the process that exports the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetTally {
    cache_hits: u64,
    cache_misses: u64,
    failures: Vec<FailureCause>,
}

/// Maximum number of failures between two calls of [`AssetCounts::drain`] that are counted, as nobody may call it.
const MAX_DRAINED_FAILURES: usize = 10_000;

impl AssetCounts {
    pub(super) fn count_failure(&self, reason: &Reason) {
        self.add_failure(reason.cause());
    }

    fn add_failure(&self, cause: FailureCause) {
        if let FailureCause::Refused(network) = &cause {
            self.refusals.get_or_create(&NetworkLabel { network: network.clone() }).inc();
        }
        self.failures.get_or_create(&FailureLabel { cause: cause.label() }).inc();
        let mut drained = self.drained.lock();
        if drained.failures.len() < MAX_DRAINED_FAILURES {
            drained.failures.push(cause);
        }
    }

    /// Returns what was counted since the last call, without the fetched bytes.
    pub fn drain(&self) -> AssetTally {
        let mut drained = self.drained.lock();
        let (hits, misses) = (self.cache_hits.get(), self.cache_misses.get());
        let tally = AssetTally {
            cache_hits: hits - drained.cache_hits,
            cache_misses: misses - drained.cache_misses,
            failures: std::mem::take(&mut drained.failures),
        };
        (drained.cache_hits, drained.cache_misses) = (hits, misses);
        tally
    }

    /// Adds what another process counted.
    pub fn add(&self, tally: AssetTally) {
        self.cache_hits.inc_by(tally.cache_hits);
        self.cache_misses.inc_by(tally.cache_misses);
        for cause in tally.failures {
            self.add_failure(cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::{BlockedAddress, UrlError};
    use super::*;

    #[test]
    fn counts_include_blocked_addresses_behind_redirects() {
        let counts = AssetCounts::default();
        let blocked = Reason::Blocked(BlockedAddress { network: "loopback" });
        counts.count_failure(&Reason::Redirected { to: "http://x/".into(), reason: Box::new(blocked) });
        counts.count_failure(&Reason::Url(UrlError::Blocked(BlockedAddress { network: "loopback" })));
        counts.count_failure(&Reason::Status(404));
        assert_eq!(numbers(&counts), (2, 2, 1));
    }

    /// Refusals of loopback addresses, and failures by the causes `refused` and `status`.
    fn numbers(counts: &AssetCounts) -> (u64, u64, u64) {
        let failures = |cause| counts.failures.get_or_create(&FailureLabel { cause }).get();
        let refusals = counts.refusals.get_or_create(&NetworkLabel { network: "loopback".into() }).get();
        (refusals, failures("refused"), failures("status"))
    }

    #[test]
    fn counts_of_another_process_are_added_once() {
        let (child, parent) = (AssetCounts::default(), AssetCounts::default());
        child.count_failure(&Reason::Blocked(BlockedAddress { network: "loopback" }));
        child.cache_hits.inc_by(3);
        let tally = serde_json::to_string(&child.drain()).expect("JSON");
        parent.add(serde_json::from_str(&tally).expect("the same"));
        parent.add(child.drain());
        assert_eq!((numbers(&parent), parent.cache_hits.get()), ((1, 1, 0), 3));
    }
}
