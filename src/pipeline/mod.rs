//! Runs one render request stage by stage, with admission control, a deadline, cancellation and timings.
//!
//! In: [`Engine`], the state that requests share; [`Session`], one admitted request; the order of the stages; the
//! fingerprint of a finished file ([`Fingerprint`]) and the result cache. Not in: HTTP, what a single stage does, where
//! files are stored.
//! Imports: both wings, `assets`, `text`, `options`, `print`, `scene`, `raster`, `pool`, `error`.
//!
//! Waiting happens on tokio, computing on the CPU pool. Every wait is a plain `await` inside the caller's future:
//! dropping that future frees the queue slot, cancels fetches and skips pool work that has not begun. Resolving and
//! painting, which may take long, check between elements whether the session still exists. Nothing is detached.

mod admission;
mod choice;
mod counts;
mod document;
mod fingerprint;
mod merged;
mod results;
mod render;
mod resources;
mod sink;
mod timings;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use self::admission::{Admission, QueueSlot, WorkerPermit};
use self::resources::Resources;
use self::timings::Stopwatch;
use crate::assets::{AssetCounts, AssetSnapshot};
use crate::config::Settings;
use crate::design::{Design, variables};
use crate::error::Error;
use crate::pool::{PARSERS, Pool};
use crate::report::JsonPath;

pub use self::choice::{Pages, format_for};
pub use self::counts::{Fill, PipelineCounts, StageLabel, seconds};
pub use self::fingerprint::Fingerprint;
pub use self::merged::{AddedPages, MergedDocument};
pub use self::render::{CacheUse, RenderRequest, Rendered, RenderedPage};
pub use self::timings::{Stage, Timings};
pub use crate::paint::{GpuReport, PrefixCache, Report as PaintReport};

/// State shared by all requests: threads, fonts, caches, the painter and the concurrency limits. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    pool: Arc<Pool>,
    admission: Admission,
    deadline: Duration,
    resources: Arc<Resources>,
    counts: PipelineCounts,
}

impl Engine {
    /// Starts the threads, reads the fonts and opens the caches. Blocks for up to a second while it reads files.
    ///
    /// # Errors
    /// A rasterizer that this build lacks, fonts that cannot be read, or an invalid network range; the text is for an
    /// operator.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(settings.render.threads)?);
        let resources = Resources::new(settings, &pool)?;
        Ok(Self::with_resources(resources, settings, pool))
    }

    fn with_resources(resources: Resources, settings: &Settings, pool: Arc<Pool>) -> Self {
        let resources = Arc::new(resources);
        let admission = Admission::new(settings.render.workers, settings.render.queue);
        let (deadline, counts) = (settings.render.deadline, PipelineCounts::new());
        Self(Arc::new(Inner { pool, admission, deadline, resources, counts }))
    }

    /// Name of the configured painter: `cpu` or `gpu`. A single page may be painted by another:
    /// [`RenderedPage::rasterizer`].
    pub fn rasterizer(&self) -> &'static str {
        self.0.resources.rasterizer.name()
    }

    /// Hardware and counters of the painter, for metrics and readiness.
    pub fn paint_report(&self) -> PaintReport {
        self.0.resources.rasterizer.report()
    }

    /// Counters of all requests since the start.
    pub fn counts(&self) -> &PipelineCounts {
        &self.0.counts
    }

    /// Bytes that the result cache holds now (bounded by `TENTER_RESULT_CACHE_BYTES`).
    pub fn result_cache_bytes(&self) -> usize {
        self.0.resources.results.bytes()
    }

    /// Counters of asset fetching since the start.
    pub fn asset_counts(&self) -> &AssetCounts {
        self.0.resources.asset_counts()
    }

    /// Number of parser threads that exceeded their time and still run; above 0, plan a restart.
    pub fn stuck_threads(&self) -> usize {
        PARSERS.stuck()
    }

    /// Workers and queue slots in use now.
    pub fn fill(&self) -> Fill {
        self.0.admission.fill()
    }

    /// Whether the next request would be refused as `Busy`.
    pub fn is_full(&self) -> bool {
        self.0.admission.is_full()
    }

    /// Waits for a worker. The deadline of the request starts here.
    ///
    /// # Errors
    /// `Busy` at once when all workers and queue slots are taken; `Timeout` when no worker came free before the
    /// deadline.
    pub async fn admit(&self) -> Result<Session, Error> {
        let begun = Instant::now();
        let queue_slot = self.0.admission.enter().inspect_err(|_| {
            self.0.counts.refused.inc();
        })?;
        let mut stopwatch = Stopwatch::new(begun, self.0.deadline, "TENTER_DEADLINE");
        let worker = stopwatch.within(Stage::Queue, self.0.admission.acquire_worker()).await??;
        Ok(self.session(queue_slot, worker, stopwatch))
    }

    /// Waits for a worker without a time limit, for work that has its own queue, such as jobs. `deadline` starts once a
    /// worker is free; `setting` is the name of the setting that gave it, for the error message.
    ///
    /// # Errors
    /// `Internal` when the engine is closed.
    pub async fn admit_queued_elsewhere(&self, deadline: Duration, setting: &'static str) -> Result<Session, Error> {
        let worker = self.0.admission.acquire_worker().await?;
        let queue_slot = self.0.admission.enter_without_queue();
        Ok(self.session(queue_slot, worker, Stopwatch::new(Instant::now(), deadline, setting)))
    }

    fn session(&self, queue_slot: QueueSlot, worker: WorkerPermit, stopwatch: Stopwatch) -> Session {
        Session {
            engine: self.clone(),
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

    /// Runs `work` on the CPU pool without admission, to inspect a request that is rendered later. Runs as many at once
    /// as the pool has threads.
    ///
    /// # Errors
    /// `Internal` when `work` panicked.
    pub async fn run_on_pool<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        Ok(self.0.pool.run(work).await?)
    }

    /// Checks a batch's template as far as that is possible without the values of its variables. Blocks while it reads
    /// the design.
    ///
    /// # Errors
    /// `Invalid`, with every problem that no values of variables can fix: every row would fail.
    pub fn check_template(&self, mut design: Value, at: JsonPath) -> Result<(), Error> {
        variables::make_fillable(&mut design);
        Design::from_value(&design, at, &self.0.resources.design_limits)?;
        Ok(())
    }

    /// Admits one request and renders it: [`Self::admit`], then [`Session::render`].
    ///
    /// # Errors
    /// Those of [`Self::admit`] and [`Session::render`].
    pub async fn render(&self, request: RenderRequest) -> Result<Rendered, Error> {
        self.admit().await?.render(request).await
    }

    /// Renders a small page, so that the first caller does not wait for lazy initialisation.
    ///
    /// # Errors
    /// Any error means that this engine cannot serve.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.render(RenderRequest::warm_up()?).await.map(drop)
    }
}

/// How long a request keeps its worker while it waits for assets. Most assets come from a cache within this time, and a
/// request that releases its worker has to queue for one again.
const WORKER_GRACE: Duration = Duration::from_millis(5);

/// One admitted request. Dropping it frees its worker and its queue slot.
pub struct Session {
    engine: Engine,
    queue_slot: Arc<QueueSlot>,
    /// `None` only inside [`Session::wait_without_worker`] and [`Session::yield_worker`].
    worker: Option<Arc<WorkerPermit>>,
    stopwatch: Stopwatch,
    worker_since: Instant,
    /// Time spent with a worker before `worker_since`.
    busy: Duration,
    /// Set when the session ends, whether done, late or cancelled: pool work that is still running may stop.
    abandoned: Arc<AtomicBool>,
    progress: Option<Progress>,
    snapshot: Option<Arc<AssetSnapshot>>,
    prefix_cache: Option<Arc<PrefixCache>>,
    refuses_unfilled: bool,
    /// Number of pages submitted to the rasterizer.
    rasters: usize,
}

/// Callback after each page, with the number of finished pages and the total.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

impl Session {
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

    fn report_progress(&self, done: usize, total: usize) {
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
        let running = self.engine.0.pool.run(move || {
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
    async fn wait_without_worker<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
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
    async fn yield_worker(&mut self) -> Result<(), Error> {
        if !self.engine.0.admission.has_waiting() {
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
        let worker = self.stopwatch.within(Stage::Queue, self.engine.0.admission.acquire_worker()).await??;
        (self.worker, self.worker_since) = (Some(Arc::new(worker)), Instant::now());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.release_worker();
        self.abandoned.store(true, Ordering::Relaxed);
        self.engine.0.counts.count(self.stopwatch.timings());
        self.engine.0.admission.record_busy_time(self.busy);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;
    use crate::config::RasterizerChoice;
    use crate::error::Kind;

    fn engine(change: impl FnOnce(&mut Settings)) -> Engine {
        let mut settings = Settings::default();
        (settings.render.threads, settings.render.workers, settings.render.queue) = (1, 1, 0);
        change(&mut settings);
        Engine::new(&settings).expect("an engine")
    }

    #[tokio::test]
    async fn session_panic_is_internal_and_the_engine_lives_on() {
        let engine = engine(|_| ());
        let mut session = engine.admit().await.expect("a worker is free");
        let number = 7;
        let failed = session.work(Stage::Paint, move || assert_eq!(number, 8, "seven is not eight")).await;
        let error = failed.expect_err("a panic");
        assert_eq!(error.kind(), Kind::Internal);
        assert!(error.to_string().contains("seven is not eight"), "{error}");
        drop(session);
        engine.warm_up().await.expect("a picture");
    }

    #[tokio::test]
    async fn session_dropped_keeps_its_queue_slot_while_its_work_runs() {
        let engine = engine(|_| ());
        let (release, released) = mpsc::channel::<()>();
        let (started, starts) = tokio::sync::oneshot::channel();
        let mut session = engine.admit().await.expect("a worker is free");
        let working = tokio::spawn(async move {
            let work = move || {
                started.send(()).expect("awaited below");
                released.recv()
            };
            session.work(Stage::Paint, work).await
        });
        starts.await.expect("the work runs");
        working.abort();
        assert!(working.await.is_err_and(|error| error.is_cancelled()));
        assert!(engine.is_full(), "the thread is still busy for the request");
        release.send(()).expect("the work waits");
        while engine.is_full() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A request for `count` empty pages.
    fn pages(count: usize) -> RenderRequest {
        let page = serde_json::json!({"id": "", "children": []});
        let pages: Vec<_> = (0..count)
            .map(|at| {
                let mut page = page.clone();
                page["id"] = at.to_string().into();
                page
            })
            .collect();
        let warm_up = RenderRequest::warm_up().expect("a request");
        let design = serde_json::json!({"width": 8, "height": 8, "pages": pages});
        RenderRequest { design, pages: Pages::All, ..warm_up }
    }

    #[tokio::test]
    async fn session_of_many_pages_yields_its_worker_between_pages() {
        let engine = engine(|settings| settings.render.queue = 1);
        let mut long = engine.admit().await.expect("a worker is free");
        let done = Arc::new(AtomicUsize::new(0));
        long.on_progress({
            let done = done.clone();
            Arc::new(move |pages, _| done.store(pages, Ordering::Relaxed))
        });
        let mut short = Box::pin(engine.render(pages(1)));
        assert!(futures_util::poll!(&mut short).is_pending(), "the only worker is taken");
        let short = async {
            short.await.expect("a picture");
            done.load(Ordering::Relaxed)
        };
        let (before, long) = futures_util::join!(short, long.render(pages(5)));
        assert_eq!((before, long.expect("pictures").pages.len()), (1, 5), "it ran after the first page");
    }

    #[tokio::test]
    async fn session_that_waits_for_the_network_releases_its_worker() {
        let engine = engine(|settings| settings.render.queue = 1);
        let mut slow = engine.admit().await.expect("a worker is free");
        let (answer, answered) = tokio::sync::oneshot::channel::<u8>();
        let waiting = slow.wait_without_worker(Stage::Assets, answered);
        let other = async {
            engine.render(pages(1)).await.expect("a picture meanwhile");
            answer.send(7).expect("it is waited for");
        };
        let (got, ()) = futures_util::join!(waiting, other);
        assert_eq!(got.expect("in time"), Ok(7));
        assert_eq!(engine.fill().working, 1, "it has a worker again");
        drop(slow);
        assert_eq!(engine.fill().working, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn session_deadline_names_the_stage_and_the_slowest() {
        let engine = engine(|settings| settings.render.deadline = Duration::from_secs(10));
        let mut session = engine.admit().await.expect("a worker is free");
        session.wait(Stage::Parse, tokio::time::sleep(Duration::from_secs(8))).await.expect("in time");
        let late = session.wait(Stage::Assets, std::future::pending::<()>()).await.expect_err("late");
        assert!(
            matches!(late, Error::Timeout { stage: "assets", slowest: "parse", took, .. } if took.as_secs() == 8),
            "{late}"
        );
    }

    #[test]
    fn engine_that_requires_a_gpu_reports_why_there_is_none() {
        let mut settings = Settings::default();
        settings.render.rasterizer = RasterizerChoice::Gpu;
        settings.gpu.adapters = vec!["no such adapter".to_owned()].into();
        let refused = Engine::new(&settings).err().expect("refused").to_string();
        assert!(refused.contains("TENTER_RASTERIZER"), "{refused}");
        #[cfg(feature = "gpu")]
        assert!(
            refused.contains("no such adapter: no adapter has this index, name or PCI bus id (TENTER_GPU_ADAPTERS)"),
            "{refused}"
        );
    }
}
