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

// Lowest first: a file imports only from those above it.
mod timings;
mod counts;
mod admission;
mod choice;
mod fingerprint;
mod request;
mod results;
mod resources;
mod loaded_request;
mod document;
mod ingredients;
mod prepare;
mod lookup;
mod executor;
mod front;
mod pages;
mod sinks;
mod session;
mod merged;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use self::admission::{Admission, QueueSlot};
use self::executor::{Executor, Shared};
use self::resources::Resources;
use self::timings::{DEADLINE, Stopwatch};
use crate::assets::{AssetCounts, FileSource, Loader};
use crate::config::{DesignLimits, Settings};
use crate::design::elements::Element;
use crate::design::{Design, variables};
use crate::error::Error;
use crate::pool::{PARSERS, Pool};
use crate::report::JsonPath;

pub use self::admission::Released;
pub use self::choice::{Pages, format_for};
pub use self::counts::{PipelineCounts, QueueUsage, StageLabel, seconds};
pub use self::fingerprint::Fingerprint;
pub use self::front::{Front, FrontSession};
pub use self::merged::{AddedPages, MergedDocument};
pub use self::pages::Progress;
pub use self::request::{CacheUse, RenderRequest, Rendered, RenderedPage};
pub use self::session::Session;
pub use self::timings::{Stage, Timings};
pub use crate::design::UnknownElements;
pub use crate::design::variables::{DesignVariable, VariableUse};
pub use crate::paint::{GpuReport, PrefixCache, Report as PaintReport};

/// Names of all kinds of elements of a design, as their `type` spells them.
pub const ELEMENT_KINDS: &[&str] = Element::KINDS;

/// State shared by all requests: threads, fonts, caches, the painter and the concurrency limits. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

impl Engine {
    /// Starts the threads, reads the fonts and opens the caches. Blocks for up to a second while it reads files.
    ///
    /// # Errors
    /// A rasterizer that this build lacks, fonts that cannot be read, or an invalid network range; the text is for an
    /// operator.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(settings.render.threads)?);
        let loader = Loader::new(&settings.assets, pool.clone())?;
        Self::with_loader(settings, pool, loader)
    }

    /// As [`Self::new`], for a process without network: `source` fetches all files.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_source(settings: &Settings, source: Arc<dyn FileSource>) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(settings.render.threads)?);
        let loader = Loader::with_source(&settings.assets, pool.clone(), source);
        Self::with_loader(settings, pool, loader)
    }

    fn with_loader(settings: &Settings, pool: Arc<Pool>, loader: Loader) -> Result<Self, Error> {
        let resources = Resources::new(settings, &pool, loader)?;
        Ok(Self::with_resources(resources, settings, pool))
    }

    fn with_resources(resources: Resources, settings: &Settings, pool: Arc<Pool>) -> Self {
        let resources = Arc::new(resources);
        let admission = Admission::new(settings.render.workers, settings.render.queue);
        let (deadline, counts) = (settings.render.deadline, PipelineCounts::new());
        Self(Arc::new(Shared { pool, admission, deadline, resources, counts }))
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
    pub fn queue_usage(&self) -> QueueUsage {
        self.0.admission.queue_usage()
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
        let stopwatch = Stopwatch::new(begun, self.0.deadline, DEADLINE);
        self.session(queue_slot, stopwatch).await
    }

    /// Waits for a worker, for a request that was admitted elsewhere, where its deadline started: `remaining` of the
    /// deadline is left.
    ///
    /// # Errors
    /// `Timeout` when no worker came free before the deadline.
    pub async fn admit_admitted(&self, remaining: Duration) -> Result<Session, Error> {
        let stopwatch = Stopwatch::with_remaining(remaining, self.0.deadline, DEADLINE);
        self.session(self.0.admission.enter_without_queue(), stopwatch).await
    }

    async fn session(&self, queue_slot: (QueueSlot, Released), mut stopwatch: Stopwatch) -> Result<Session, Error> {
        let worker = stopwatch.within(Stage::Queue, self.0.admission.acquire_worker()).await??;
        Ok(Session::new(Executor::new(self.0.clone(), queue_slot, worker, stopwatch)))
    }

    /// Waits for a worker without a time limit, for work that has its own queue, such as jobs. `deadline` starts once a
    /// worker is free; `setting` is the name of the setting that gave it, for the error message.
    ///
    /// # Errors
    /// `Internal` when the engine is closed.
    pub async fn admit_queued_elsewhere(
        &self,
        deadline: Duration,
        setting: impl Into<Cow<'static, str>>,
    ) -> Result<Session, Error> {
        let worker = self.0.admission.acquire_worker().await?;
        let queue_slot = self.0.admission.enter_without_queue();
        let stopwatch = Stopwatch::new(Instant::now(), deadline, setting);
        Ok(Session::new(Executor::new(self.0.clone(), queue_slot, worker, stopwatch)))
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
    pub fn check_template(&self, design: Value, at: JsonPath, unknown: UnknownElements) -> Result<(), Error> {
        check_template(design, at, unknown, &self.0.resources.design_limits)
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
        self.admit().await?.warm_up().await
    }
}

/// Checks a batch's template as far as that is possible without the values of its variables. Blocks while it reads the
/// design.
///
/// # Errors
/// `Invalid`, with every problem that no values of variables can fix: every row would fail.
pub fn check_template(
    mut design: Value,
    at: JsonPath,
    unknown: UnknownElements,
    limits: &DesignLimits,
) -> Result<(), Error> {
    variables::make_fillable(&mut design);
    Design::from_value_with(&design, at, limits, unknown)?;
    Ok(())
}

/// Lists the variables of the design at `at`. Blocks while it reads the design.
///
/// # Errors
/// `Invalid`, with every problem of the design that no values of variables can fix.
pub fn list_variables(design: Value, at: JsonPath, limits: &DesignLimits) -> Result<Vec<DesignVariable>, Error> {
    let listed = variables::list(&design);
    // Elements of unknown types have no variables.
    check_template(design, at, UnknownElements::Skip, limits)?;
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
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
        let waiting = slow.executor.wait_without_worker(Stage::Assets, answered);
        let other = async {
            engine.render(pages(1)).await.expect("a picture meanwhile");
            answer.send(7).expect("it is waited for");
        };
        let (got, ()) = futures_util::join!(waiting, other);
        assert_eq!(got.expect("in time"), Ok(7));
        assert_eq!(engine.queue_usage().working, 1, "it has a worker again");
        drop(slow);
        assert_eq!(engine.queue_usage().working, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn session_deadline_names_the_stage_and_the_slowest() {
        let engine = engine(|settings| settings.render.deadline = Duration::from_secs(10));
        let mut session = engine.admit().await.expect("a worker is free");
        session.wait(Stage::Parse, tokio::time::sleep(Duration::from_secs(8))).await.expect("in time");
        let late = session.wait(Stage::Assets, std::future::pending::<()>()).await.expect_err("late");
        let Error::Timeout { stage, slowest, took, .. } = late else { panic!("{late}") };
        assert_eq!((&*stage, &*slowest, took.as_secs()), ("assets", "parse", 8));
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
