//! Counters of the pipeline, which `server` exports as metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::timings::{Stage, Timings};

/// Upper bounds of the histogram buckets in seconds, from parsing a small card to the longest sensible deadline for a
/// picture.
const SECONDS: [f64; 15] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Creates an empty histogram with buckets in seconds, from 1 ms to 60 s.
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// Counters since the start. Clones share their values.
#[derive(Clone, Debug)]
pub struct PipelineCounts {
    /// Seconds that requests spent in each stage, summed over the pages of a request.
    pub stages: Family<StageLabel, Histogram, fn() -> Histogram>,
    /// Requests refused because workers and queue were full.
    pub refused: Counter,
    /// Renders answered from the result cache.
    pub result_hits: Counter,
    /// Renders that the result cache could not answer; stays 0 while the cache is off.
    pub result_misses: Counter,
}

/// Metric label that names a pipeline stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StageLabel {
    /// Name of the stage, [`Stage::as_str`].
    pub stage: &'static str,
}

/// Workers and queue slots in use at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueUsage {
    /// Requests that have a worker.
    pub working: usize,
    /// Requests waiting for a worker.
    pub waiting: usize,
    /// Number of workers (`TENTER_WORKERS`).
    pub workers: usize,
    /// Number of queue slots (`TENTER_QUEUE`).
    pub queue: usize,
}

impl PipelineCounts {
    pub(super) fn new() -> Self {
        let stages = Family::<StageLabel, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        // All stages exist from the first scrape, so that an unused one reads as zero and not as missing.
        for stage in Stage::ALL {
            drop(stages.get_or_create(&StageLabel { stage: stage.as_str() }));
        }
        let zero = Counter::default;
        Self { stages, refused: zero(), result_hits: zero(), result_misses: zero() }
    }

    /// Adds the times of one request.
    pub fn count(&self, timings: &Timings) {
        for (stage, took) in timings.iter() {
            self.stages.get_or_create(&StageLabel { stage: stage.as_str() }).observe(took.as_secs_f64());
        }
    }
}
