//! Stages of a request and the time each took.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::error::Error;
use crate::report::SPANS;

/// Name of the setting with the time limit of a request.
pub(super) const DEADLINE: &str = "TENTER_DEADLINE";

/// One stage of a request, in order. The names appear in the log and in the header `server-timing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Waiting in the queue for a worker.
    Queue,
    /// Parsing the JSON and reading the design.
    Parse,
    /// Fetching and decoding pictures and fonts.
    Assets,
    /// Resolving the design to a scene: text layout, outlines, brushes.
    Resolve,
    /// Planning the painting steps of a page.
    Plan,
    /// Painting a page to pixels, or to the content of a PDF page.
    Paint,
    /// Encoding pixels to a file.
    Encode,
    /// Packing the file into its answer: base64, or stored behind a link.
    Answer,
}

impl Stage {
    /// All measured stages in the order in which a request takes them.
    pub const ALL: [Self; 7] =
        [Self::Queue, Self::Parse, Self::Assets, Self::Resolve, Self::Paint, Self::Encode, Self::Answer];

    /// Name of the stage in the log and in `server-timing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Parse => "parse",
            Self::Assets => "assets",
            Self::Resolve => "resolve",
            Self::Plan => "plan",
            Self::Paint => "paint",
            Self::Encode => "encode",
            Self::Answer => "answer",
        }
    }
}

/// Time per stage, summed over the pages of a request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timings(Vec<(Stage, Duration)>);

impl Timings {
    fn add(&mut self, stage: Stage, took: Duration) {
        match self.0.iter_mut().find(|(it, _)| *it == stage) {
            Some((_, total)) => *total += took,
            None => self.0.push((stage, took)),
        }
    }

    /// Adds the times of another part of the same request.
    pub fn extend(&mut self, other: &Timings) {
        for (stage, took) in other.iter() {
            self.add(stage, took);
        }
    }

    /// Stages in the order in which they first occurred.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> {
        self.0.iter().copied()
    }

    /// The stage that took longest.
    fn slowest(&self) -> Option<(Stage, Duration)> {
        self.iter().max_by_key(|(_, took)| *took)
    }

    /// Value of the HTTP header `server-timing`: `parse;dur=1.2, assets;dur=30.1`, in ms.
    pub fn server_timing(&self) -> String {
        let mut text = String::new();
        for (stage, took) in self.iter() {
            let separator = if text.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{};dur={:.1}", stage.as_str(), took.as_secs_f64() * 1000.0);
        }
        text
    }
}

/// Measures the stages of one request and ends it at its deadline.
pub(super) struct Stopwatch {
    timings: Timings,
    deadline: Instant,
    limit: Duration,
    /// Name of the setting that gave the limit.
    setting: Cow<'static, str>,
}

impl Stopwatch {
    pub(super) fn new(begun: Instant, limit: Duration, setting: impl Into<Cow<'static, str>>) -> Self {
        Self { timings: Timings::default(), deadline: begun + limit, limit, setting: setting.into() }
    }

    /// A stopwatch for a request of which `remaining` is left of its `limit`.
    pub(super) fn with_remaining(remaining: Duration, limit: Duration, setting: impl Into<Cow<'static, str>>) -> Self {
        Self { timings: Timings::default(), deadline: Instant::now() + remaining, limit, setting: setting.into() }
    }

    pub(super) fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Adds times that another process has measured.
    pub(super) fn extend(&mut self, timings: &Timings) {
        self.timings.extend(timings);
    }

    /// Time until the deadline; zero after it.
    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Awaits `future` and counts its time as `stage`; `Timeout` when the deadline comes first.
    pub(super) async fn within<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        let begun = Instant::now();
        let span = tracing::info_span!(target: SPANS, "stage", otel.name = stage.as_str());
        let result = timeout_at(self.deadline, future.instrument(span)).await;
        self.timings.add(stage, begun.elapsed());
        result.map_err(|_| {
            let (slowest, took) = self.timings.slowest().unwrap_or((stage, Duration::ZERO));
            let (limit, setting) = (self.limit, self.setting.clone());
            Error::Timeout { stage: stage.as_str().into(), slowest: slowest.as_str().into(), took, limit, setting }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_add_up_pages_and_know_the_slowest() {
        let mut timings = Timings::default();
        for (stage, ms) in [(Stage::Parse, 3), (Stage::Paint, 2), (Stage::Encode, 3), (Stage::Paint, 2)] {
            timings.add(stage, Duration::from_millis(ms));
        }
        assert_eq!(timings.server_timing(), "parse;dur=3.0, paint;dur=4.0, encode;dur=3.0");
        assert_eq!(timings.slowest(), Some((Stage::Paint, Duration::from_millis(4))));
    }
}
