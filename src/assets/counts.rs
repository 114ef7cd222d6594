//! What fetching did, in numbers: counted here, written out by `server`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::error::Reason;
use super::guard::UrlProblem;

/// Since the start. Clones count the same.
#[derive(Clone, Debug, Default)]
pub struct AssetCounts {
    /// Assets found decoded in memory, a file of the design's own (`data:`) included.
    pub cache_hits: Counter,
    /// Assets that had to be fetched, asked about again, or decoded.
    pub cache_misses: Counter,
    /// Bytes of files that came over the network.
    pub fetched_bytes: Counter,
    /// Assets that could not be had, by what went wrong.
    pub failures: Family<Cause, Counter>,
    /// Addresses that may not be reached, by the kind of network: someone tries, or a design is meant for another place.
    pub refusals: Family<Network, Counter>,
}

/// What went wrong, in a word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Cause {
    /// `timeout`, `status`, `unreadable` and so on.
    pub cause: &'static str,
}

/// Kind of a closed network.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Network {
    /// `loopback`, `private`, `link-local` and so on.
    pub network: &'static str,
}

impl AssetCounts {
    pub(super) fn count_failure(&self, reason: &Reason) {
        let cause = match reason.root() {
            Reason::Refused(refused) | Reason::Url(UrlProblem::Refused(refused)) => {
                self.refusals.get_or_create(&Network { network: refused.network }).inc();
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
            Reason::Internal(_) => "internal",
        };
        self.failures.get_or_create(&Cause { cause }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::Refused;
    use super::*;

    #[test]
    fn counts_tell_refusals_behind_redirects_by_network() {
        let counts = AssetCounts::default();
        let refused = Reason::Refused(Refused { network: "loopback" });
        counts.count_failure(&Reason::Redirected { to: "http://x/".into(), reason: Box::new(refused) });
        counts.count_failure(&Reason::Url(UrlProblem::Refused(Refused { network: "loopback" })));
        counts.count_failure(&Reason::Status(404));
        assert_eq!(counts.refusals.get_or_create(&Network { network: "loopback" }).get(), 2);
        assert_eq!(counts.failures.get_or_create(&Cause { cause: "refused" }).get(), 2);
        assert_eq!(counts.failures.get_or_create(&Cause { cause: "status" }).get(), 1);
    }
}
