//! Runs the work of one admitted request: its worker, its deadline and the times of its stages.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::admission::{Admission, QueueSlot, Released, WorkerPermit};
use super::counts::PipelineCounts;
use super::resources::Resources;
use super::timings::{Stage, Stopwatch, Timings};
use crate::error::Error;
use crate::pool::Pool;

/// State that an [`Engine`](super::Engine) and its sessions share.
pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    pub(super) admission: Admission,
    pub(super) deadline: Duration,
    pub(super) resources: Arc<Resources>,
    pub(super) counts: PipelineCounts,
}

/// How long a request keeps its worker while it waits for assets. Most assets come from a cache within this time, and a
/// request that releases its worker has to queue for one again.
const WORKER_GRACE: Duration = Duration::from_millis(5);

/// The queue slot, worker and stopwatch of one admitted request. Dropping it frees them and records its times.
pub(super) struct Executor {
    pub(super) shared: Arc<Shared>,
    queue_slot: Arc<QueueSlot>,
    released: Option<Released>,
    /// `None` only inside [`Executor::wait_without_worker`] and [`Executor::yield_worker`].
    worker: Option<Arc<WorkerPermit>>,
    stopwatch: Stopwatch,
    worker_since: Instant,
    /// Time spent with a worker before `worker_since`.
    busy: Duration,
    abandoned: Arc<AtomicBool>,
}

impl Executor {
    /// An executor that holds `queue_slot` and `worker`.
    pub(super) fn new(
        shared: Arc<Shared>,
        (queue_slot, released): (QueueSlot, Released),
        worker: WorkerPermit,
        stopwatch: Stopwatch,
    ) -> Self {
        Self {
            shared,
            queue_slot: Arc::new(queue_slot),
            released: Some(released),
            worker: Some(Arc::new(worker)),
            stopwatch,
            worker_since: Instant::now(),
            busy: Duration::ZERO,
            abandoned: Arc::default(),
        }
    }

    /// A function that returns true once this executor is dropped, because the request is done, late or cancelled: pool
    /// work that is still running may stop.
    pub(super) fn abandoned(&self) -> impl Fn() -> bool + Send + 'static {
        let abandoned = self.abandoned.clone();
        move || abandoned.load(Ordering::Relaxed)
    }

    /// A future that completes when this executor is dropped and the last work for it has ended; `None` if it was taken
    /// before.
    pub(super) fn take_released(&mut self) -> Option<Released> {
        self.released.take()
    }

    /// Time spent in each stage so far.
    pub(super) fn timings(&self) -> &Timings {
        self.stopwatch.timings()
    }

    /// Runs `work` on the CPU pool and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline (running work is not interrupted, only no longer awaited); `Internal` when `work`
    /// panicked.
    pub(super) async fn work<T, W>(&mut self, stage: Stage, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let permits = (self.queue_slot.clone(), self.worker.clone());
        let running = self.shared.pool.run(move || {
            let result = work();
            drop(permits);
            result
        });
        let result = self.stopwatch.within(stage, running).await?;
        Ok(result?)
    }

    /// Awaits `future`, which needs no worker's CPU time, and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `future` is dropped then.
    pub(super) async fn wait<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        self.stopwatch.within(stage, future).await
    }

    /// Like [`Self::wait`], but releases the worker to other requests when `future` takes longer than [`WORKER_GRACE`].
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub(super) async fn wait_without_worker<T>(
        &mut self,
        stage: Stage,
        future: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let mut future = std::pin::pin!(future);
        if let Ok(soon) = self.wait(stage, timeout(WORKER_GRACE, &mut future)).await? {
            return Ok(soon);
        }
        self.release_worker();
        let late = self.wait(stage, future).await?;
        self.acquire_worker().await?;
        Ok(late)
    }

    /// Between two pages, passes the worker to a waiting request, if there is one, and queues for a worker again.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub(super) async fn yield_worker(&mut self) -> Result<(), Error> {
        if !self.shared.admission.has_waiting() {
            return Ok(());
        }
        self.release_worker();
        self.acquire_worker().await
    }

    fn release_worker(&mut self) {
        if self.worker.take().is_some() {
            self.busy += self.worker_since.elapsed();
        }
    }

    async fn acquire_worker(&mut self) -> Result<(), Error> {
        let worker = self.stopwatch.within(Stage::Queue, self.shared.admission.acquire_worker()).await??;
        (self.worker, self.worker_since) = (Some(Arc::new(worker)), Instant::now());
        Ok(())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.release_worker();
        self.abandoned.store(true, Ordering::Relaxed);
        self.shared.counts.count(self.stopwatch.timings());
        self.shared.admission.record_busy_time(self.busy);
    }
}
