//! Admission, deadline and timings of requests that other processes render.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::admission::{Admission, QueueSlot};
use super::counts::{PipelineCounts, QueueUsage};
use super::timings::{DEADLINE, Stage, Stopwatch, Timings};
use crate::config::RenderSettings;
use crate::error::Error;
use crate::pool::Pool;

/// Maximum number of threads for work beside rendering: reading options, base64.
const MAX_THREADS: usize = 4;

/// The part of an [`Engine`](super::Engine) that admits requests. It has threads for small work, and no painter.
pub struct Front {
    pool: Pool,
    admission: Admission,
    deadline: Duration,
    counts: PipelineCounts,
}

impl Front {
    /// Starts the threads.
    ///
    /// # Errors
    /// The operating system refused to start the threads.
    pub fn new(settings: &RenderSettings) -> Result<Self, Error> {
        Ok(Self {
            pool: Pool::new(settings.threads.min(MAX_THREADS))?,
            admission: Admission::new(settings.workers, settings.queue),
            deadline: settings.deadline,
            counts: PipelineCounts::new(),
        })
    }

    /// Counters of all requests since the start.
    pub fn counts(&self) -> &PipelineCounts {
        &self.counts
    }

    /// Workers and queue slots in use now. `working`: number of requests that the processes work on.
    pub fn queue_usage(&self, working: usize) -> QueueUsage {
        let usage = self.admission.queue_usage();
        let working = working.min(usage.workers);
        QueueUsage { working, waiting: usage.waiting.saturating_sub(working), ..usage }
    }

    /// Whether the next request would be refused as `Busy`.
    pub fn is_full(&self) -> bool {
        self.admission.is_full()
    }

    /// Admits a request, whose deadline starts here.
    ///
    /// # Errors
    /// `Busy` when all workers and queue slots are taken.
    pub fn admit(self: &Arc<Self>) -> Result<FrontSession, Error> {
        let (queue_slot, _) = self.admission.enter().inspect_err(|_| {
            self.counts.refused.inc();
        })?;
        let stopwatch = Stopwatch::new(Instant::now(), self.deadline, DEADLINE);
        Ok(FrontSession { front: self.clone(), _queue_slot: queue_slot, stopwatch })
    }

    /// Runs `work` on the threads of the front.
    ///
    /// # Errors
    /// `Internal` when `work` panicked.
    pub async fn run_on_pool<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        Ok(self.pool.run(work).await?)
    }
}

/// One admitted request. Dropping it frees its queue slot and records its times.
pub struct FrontSession {
    front: Arc<Front>,
    _queue_slot: QueueSlot,
    stopwatch: Stopwatch,
}

impl FrontSession {
    /// Time until the deadline; zero after it.
    pub fn remaining(&self) -> Duration {
        self.stopwatch.remaining()
    }

    /// Time spent in each stage so far.
    pub fn timings(&self) -> &Timings {
        self.stopwatch.timings()
    }

    /// Adds the times that another process has measured.
    pub fn add_timings(&mut self, timings: &Timings) {
        self.stopwatch.extend(timings);
    }

    /// Runs `work` on the threads of the front and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `Internal` when `work` panicked.
    pub async fn work<T: Send + 'static>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        Ok(self.stopwatch.within(stage, self.front.pool.run(work)).await??)
    }

    /// Awaits `future` and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `future` is dropped then.
    pub async fn wait<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        self.stopwatch.within(stage, future).await
    }
}

impl Drop for FrontSession {
    fn drop(&mut self) {
        let timings = self.stopwatch.timings();
        self.front.counts.count(timings);
        let busy = timings.iter().filter(|(stage, _)| !matches!(stage, Stage::Queue | Stage::Answer));
        self.front.admission.record_busy_time(busy.map(|(_, took)| took).sum());
    }
}
