//! One admitted request: its worker, its deadline, and what the caller has set for its renders.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::admission::{Admission, QueueSlot, WorkerPermit};
use super::counts::PipelineCounts;
use super::resources::Resources;
use super::timings::{Stage, Stopwatch, Timings};
use crate::assets::AssetSnapshot;
use crate::error::Error;
use crate::paint::PrefixCache;
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

/// One admitted request. Dropping it frees its worker and its queue slot.
pub struct Session {
    pub(super) shared: Arc<Shared>,
    queue_slot: Arc<QueueSlot>,
    /// `None` only inside [`Session::wait_without_worker`] and [`Session::yield_worker`].
    worker: Option<Arc<WorkerPermit>>,
    stopwatch: Stopwatch,
    worker_since: Instant,
    /// Time spent with a worker before `worker_since`.
    busy: Duration,
    /// Set when the session ends, whether done, late or cancelled: pool work that is still running may stop.
    pub(super) abandoned: Arc<AtomicBool>,
    progress: Option<Progress>,
    pub(super) snapshot: Option<Arc<AssetSnapshot>>,
    pub(super) prefix_cache: Option<Arc<PrefixCache>>,
    pub(super) refuses_unfilled: bool,
    /// Number of pages submitted to the rasterizer.
    pub(super) rasters: usize,
}

/// Callback after each page, with the number of finished pages and the total.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

impl Session {
    /// A session that holds `queue_slot` and `worker`.
    pub(super) fn new(shared: Arc<Shared>, queue_slot: QueueSlot, worker: WorkerPermit, stopwatch: Stopwatch) -> Self {
        Self {
            shared,
            queue_slot: Arc::new(queue_slot),
            worker: Some(Arc::new(worker)),
            stopwatch,
            worker_since: Instant::now(),
            busy: Duration::ZERO,
            abandoned: Arc::default(),
            progress: None,
            snapshot: None,
            prefix_cache: None,
            refuses_unfilled: false,
            rasters: 0,
        }
    }

    /// Sets the callback that is invoked after each page of the renders to come; it must return quickly.
    pub fn on_progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// Makes the renders to come use the assets of `snapshot`, and record in it those that they load.
    pub fn use_asset_snapshot(&mut self, snapshot: Arc<AssetSnapshot>) {
        self.snapshot = Some(snapshot);
    }

    /// Makes a placeholder that stays unfilled an error (`Invalid`) instead of a warning, for rows of a batch: nobody
    /// inspects ten thousand files for a `{name}`.
    pub fn refuse_unfilled_placeholders(&mut self) {
        self.refuses_unfilled = true;
    }

    /// Makes the renders to come share `cache` with other renders of the same design: the prefix of drawing operations
    /// that their pages have in common is painted once. The output bytes do not change.
    pub fn use_prefix_cache(&mut self, cache: Arc<PrefixCache>) {
        self.prefix_cache = Some(cache);
    }

    pub(super) fn report_progress(&self, done: usize, total: usize) {
        if let Some(progress) = &self.progress {
            progress(done, total);
        }
    }

    /// Time spent in each stage so far.
    pub fn timings(&self) -> &Timings {
        self.stopwatch.timings()
    }

    /// Runs `work` on the CPU pool and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline (running work is not interrupted, only no longer awaited); `Internal` when `work`
    /// panicked.
    pub async fn work<T, W>(&mut self, stage: Stage, work: W) -> Result<T, Error>
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
    pub async fn wait<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
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

impl Drop for Session {
    fn drop(&mut self) {
        self.release_worker();
        self.abandoned.store(true, Ordering::Relaxed);
        self.shared.counts.count(self.stopwatch.timings());
        self.shared.admission.record_busy_time(self.busy);
    }
}
