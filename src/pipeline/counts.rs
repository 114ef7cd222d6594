//! What requests did, in numbers: counted here, written out by `server`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::{Stage, Timings};

/// Upper ends in seconds: from a small card's parsing to the longest deadline that makes sense for a picture.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Makes a histogram of seconds.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// Since the start. Clones count the same.
#[derive(Clone, Debug)]
pub struct PipelineCounts {
    /// Seconds that requests spent in each stage, all pages of a request added up.
    pub stages: Family<StageLabel, Histogram, fn() -> Histogram>,
    /// Requests turned away because workers and queue were full.
    pub refused: Counter,
    /// Renders answered from the result cache.
    pub result_hits: Counter,
    /// Renders that the result cache could not answer; none while it is off.
    pub result_misses: Counter,
}

/// Which stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    /// [`Stage::as_str`].
    pub stage: &'static str,
}

/// How full the service is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Requests at work.
    pub working: usize,
    /// Requests waiting for a worker.
    pub waiting: usize,
    /// `TENTER_WORKERS`.
    pub workers: usize,
    /// `TENTER_QUEUE`.
    pub queue: usize,
}

impl PipelineCounts {
    pub(super) fn new() -> Self {
        let stages = Family::<StageLabel, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        // There from the first scrape, so that a stage nobody has needed reads as zero and not as missing.
        for stage in Stage::ALL {
            drop(stages.get_or_create(&StageLabel { stage: stage.as_str() }));
        }
        let zero = Counter::default;
        Self { stages, refused: zero(), result_hits: zero(), result_misses: zero() }
    }

    pub(super) fn count(&self, timings: &Timings) {
        for (stage, took) in timings.iter() {
            self.stages.get_or_create(&StageLabel { stage: stage.as_str() }).observe(took.as_secs_f64());
        }
    }
}
