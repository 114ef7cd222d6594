//! Steps of a request and how long each took.

use std::fmt::Write as _;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::error::Error;
use crate::report::SPANS;

/// The steps, in order. The names are part of the log and of `server-timing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for a worker.
    Queue,
    /// JSON to design.
    Parse,
    /// Fetching and decoding pictures and fonts.
    Assets,
    /// Design to scene: layout, outlines, brushes.
    Resolve,
    /// Scene to steps for the painter.
    Plan,
    /// Steps to pixels.
    Paint,
    /// Pixels to a file.
    Encode,
    /// The file into its answer: base64, or stored behind a link.
    Answer,
}

impl Stage {
    /// In the order in which a request takes them.
    pub const ALL: [Self; 7] =
        [Self::Queue, Self::Parse, Self::Assets, Self::Resolve, Self::Paint, Self::Encode, Self::Answer];

    /// As written in the log.
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

/// One entry a step; steps of several pages are added up.
#[derive(Clone, Debug, Default)]
pub struct Timings(Vec<(Stage, Duration)>);

impl Timings {
    fn add(&mut self, stage: Stage, took: Duration) {
        match self.0.iter_mut().find(|(it, _)| *it == stage) {
            Some((_, total)) => *total += took,
            None => self.0.push((stage, took)),
        }
    }

    /// Steps in the order in which they were first taken.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> {
        self.0.iter().copied()
    }

    /// The step that took longest.
    fn slowest(&self) -> Option<(Stage, Duration)> {
        self.iter().max_by_key(|(_, took)| *took)
    }

    /// As the HTTP header `server-timing` wants it: `parse;dur=1.2, assets;dur=30.1`, in ms.
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
    /// Which setting gave the limit.
    setting: &'static str,
}

impl Stopwatch {
    pub(super) fn new(begun: Instant, limit: Duration, setting: &'static str) -> Self {
        Self { timings: Timings::default(), deadline: begun + limit, limit, setting }
    }

    pub(super) fn timings(&self) -> &Timings {
        &self.timings
    }

    /// `future`'s result, or `Timeout` when the deadline comes first.
    pub(super) async fn within<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        let begun = Instant::now();
        let span = tracing::info_span!(target: SPANS, "stage", otel.name = stage.as_str());
        let result = timeout_at(self.deadline, future.instrument(span)).await;
        self.timings.add(stage, begun.elapsed());
        result.map_err(|_| {
            let (slowest, took) = self.timings.slowest().unwrap_or((stage, Duration::ZERO));
            let (limit, setting) = (self.limit, self.setting);
            Error::Timeout { stage: stage.as_str(), slowest: slowest.as_str(), took, limit, setting }
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
