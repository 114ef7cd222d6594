//! One request, stage by stage: admission, deadline, cancellation, timings.
//!
//! In: [`Engine`], which holds what requests share; [`Session`], one admitted request; the order of the stages; what a
//! finished file was made of ([`Fingerprint`]), and files kept for repeats. Not in: HTTP and its words, what any stage
//! does, where files go. Imports: both wings, `assets`, `text`, `options`, `press`, `scene`, `raster`, `pool`, `error`.
//!
//! Waiting happens on tokio and work on the pool. Every wait is a plain `await` inside the caller's future: dropping
//! that future gives the place back, stops fetches and skips pool work that has not begun; resolving and painting,
//! which may take long, ask between elements whether somebody still waits. Nothing is detached.

mod admission;
mod choice;
mod counts;
mod document;
mod fingerprint;
mod merged;
mod results;
mod render;
mod rooms;
mod sink;
mod timings;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use self::admission::{Admission, Place, Turn};
use self::rooms::Rooms;
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
pub use self::merged::{Added, Merged};
pub use self::render::{CacheUse, RenderRequest, Rendered, RenderedPage};
pub use self::timings::{Stage, Timings};
pub use crate::paint::{GpuReport, PrefixCache, Report as PaintReport};

/// What all requests share: threads, fonts, caches, the painter, and the bounds on how much happens at once.
/// Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    pool: Arc<Pool>,
    admission: Admission,
    deadline: Duration,
    rooms: Arc<Rooms>,
    counts: PipelineCounts,
}

impl Engine {
    /// Starts threads, reads fonts, opens caches. Blocks while it reads; a second at most.
    ///
    /// # Errors
    /// In words for an operator: a rasterizer that is not built, fonts that cannot be read, a wrong network.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let pool = Arc::new(Pool::new(settings.render.threads)?);
        let rooms = Rooms::new(settings, &pool)?;
        Ok(Self::in_rooms(rooms, settings, pool))
    }

    fn in_rooms(rooms: Rooms, settings: &Settings, pool: Arc<Pool>) -> Self {
        let rooms = Arc::new(rooms);
        let admission = Admission::new(settings.render.workers, settings.render.queue);
        let (deadline, counts) = (settings.render.deadline, PipelineCounts::new());
        Self(Arc::new(Inner { pool, admission, deadline, rooms, counts }))
    }

    /// What paints as a rule: `cpu`, `gpu`. Each page says what painted it: [`RenderedPage::rasterizer`].
    pub fn rasterizer(&self) -> &'static str {
        self.0.rooms.rasterizer.name()
    }

    /// What the painter runs on and what it counted: for metrics and readiness.
    pub fn paint_report(&self) -> PaintReport {
        self.0.rooms.rasterizer.report()
    }

    /// What requests did since the start.
    pub fn counts(&self) -> &PipelineCounts {
        &self.0.counts
    }

    /// Bytes that kept results take at this moment (`TENTER_RESULT_CACHE_BYTES`).
    pub fn result_cache_bytes(&self) -> usize {
        self.0.rooms.results.bytes()
    }

    /// What fetching did since the start.
    pub fn asset_counts(&self) -> &AssetCounts {
        self.0.rooms.asset_counts()
    }

    /// Threads of parsers that did not come back in time; above 0, plan a restart.
    pub fn stuck_threads(&self) -> usize {
        PARSERS.stuck()
    }

    /// How full workers and queue are.
    pub fn fill(&self) -> Fill {
        self.0.admission.fill()
    }

    /// True when the next request would be refused as `Busy`.
    pub fn is_full(&self) -> bool {
        self.0.admission.is_full()
    }

    /// Waits for a worker. The deadline runs from here on.
    ///
    /// # Errors
    /// `Busy` at once when workers and queue are full; `Timeout` when no worker came free before the deadline.
    pub async fn admit(&self) -> Result<Session, Error> {
        let begun = Instant::now();
        let place = self.0.admission.enter().inspect_err(|_| {
            self.0.counts.refused.inc();
        })?;
        let mut stopwatch = Stopwatch::new(begun, self.0.deadline, "TENTER_DEADLINE");
        let turn = stopwatch.within(Stage::Queue, self.0.admission.turn()).await??;
        Ok(self.session(place, turn, stopwatch))
    }

    /// Waits for a worker as long as it takes: for work that has a queue of its own. `deadline` runs from then on;
    /// `setting` is what it is called when it passes.
    ///
    /// # Errors
    /// `Internal` when the engine is closed.
    pub async fn admit_queued_elsewhere(&self, deadline: Duration, setting: &'static str) -> Result<Session, Error> {
        let turn = self.0.admission.turn().await?;
        let place = self.0.admission.enter_queued_elsewhere();
        Ok(self.session(place, turn, Stopwatch::new(Instant::now(), deadline, setting)))
    }

    fn session(&self, place: Place, turn: Turn, stopwatch: Stopwatch) -> Session {
        Session {
            engine: self.clone(),
            place: Arc::new(place),
            turn: Some(Arc::new(turn)),
            stopwatch,
            turn_began: Instant::now(),
            at_work: Duration::ZERO,
            abandoned: Arc::default(),
            progress: None,
            snapshot: None,
            prefix_cache: None,
            rasters: 0,
        }
    }

    /// Runs `work` on the CPU pool before anything is admitted: for looking at a request whose render comes later. As
    /// many run at once as there are threads.
    ///
    /// # Errors
    /// `Internal` when it panicked.
    pub async fn glance<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        Ok(self.0.pool.run(work).await?)
    }

    /// Reads a design that every row of a batch fills in. Blocks for as long as that takes.
    ///
    /// # Errors
    /// `Invalid`, with every problem that no values of variables can mend: no row would be rendered.
    pub fn check_template(&self, mut design: Value, at: JsonPath) -> Result<(), Error> {
        variables::make_fillable(&mut design);
        Design::from_value(&design, at, &self.0.rooms.design_limits)?;
        Ok(())
    }

    /// [`Self::admit`] and [`Session::render`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub async fn render(&self, request: RenderRequest) -> Result<Rendered, Error> {
        self.admit().await?.render(request).await
    }

    /// Renders a page of one element, so that the first caller does not pay for what starts lazily.
    ///
    /// # Errors
    /// Any: an engine that cannot do this cannot serve.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.render(RenderRequest::warm_up()?).await.map(drop)
    }
}

/// How long a request keeps its worker while it waits for the network: most of what it asks for is at hand, and giving
/// up a worker means to stand in line for one again.
const KEEPS_TURN: Duration = Duration::from_millis(5);

/// One admitted request. Dropping it gives its place to the next.
pub struct Session {
    engine: Engine,
    place: Arc<Place>,
    /// `None` only inside [`Session::wait_aside`] and [`Session::let_others`].
    turn: Option<Arc<Turn>>,
    stopwatch: Stopwatch,
    turn_began: Instant,
    /// In turns before this one.
    at_work: Duration,
    /// Set when the session ends: nobody waits for its work any more, be it done, late or no longer wanted.
    abandoned: Arc<AtomicBool>,
    progress: Option<Progress>,
    snapshot: Option<Arc<AssetSnapshot>>,
    prefix_cache: Option<Arc<PrefixCache>>,
    /// Pages given to the rasterizer.
    rasters: usize,
}

/// Told after each page: how many are done, and how many there are.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

impl Session {
    /// `progress` hears about each page of the renders to come; it must return quickly.
    pub fn on_progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// Makes the following renders rows of a batch: all use the files of `snapshot`, and a placeholder that stays
    /// unfilled is an error (`Invalid`) instead of a warning, because warnings of thousands of rows are not read.
    pub fn use_asset_snapshot(&mut self, snapshot: Arc<AssetSnapshot>) {
        self.snapshot = Some(snapshot);
    }

    /// Makes the following renders share `cache` with other renders of the same design: the prefix of drawing
    /// operations that their pages have in common is painted once. The bytes of the results do not change.
    pub fn use_prefix_cache(&mut self, cache: Arc<PrefixCache>) {
        self.prefix_cache = Some(cache);
    }

    fn progressed(&self, done: usize, total: usize) {
        if let Some(progress) = &self.progress {
            progress(done, total);
        }
    }

    /// How long each stage took up to now.
    pub fn timings(&self) -> &Timings {
        self.stopwatch.timings()
    }

    /// Runs `work` on the CPU pool and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline (work that runs is not interrupted, but no longer waited for); `Internal` when it
    /// panicked.
    pub async fn work<T, W>(&mut self, stage: Stage, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let held = (self.place.clone(), self.turn.clone());
        let running = self.engine.0.pool.run(move || {
            let result = work();
            drop(held);
            result
        });
        let result = self.stopwatch.within(stage, running).await?;
        Ok(result?)
    }

    /// Awaits `future`, which waits rather than works, and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `future` is dropped then.
    pub async fn wait<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        self.stopwatch.within(stage, future).await
    }

    /// [`Self::wait`], and while it takes long, another request has the worker.
    ///
    /// # Errors
    /// As [`Self::wait`].
    async fn wait_aside<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        let mut future = std::pin::pin!(future);
        if let Ok(soon) = self.wait(stage, timeout(KEEPS_TURN, &mut future)).await? {
            return Ok(soon);
        }
        self.step_aside();
        let late = self.wait(stage, future).await?;
        self.take_turn().await?;
        Ok(late)
    }

    /// Between two pages: whoever waits for a worker has this one first.
    ///
    /// # Errors
    /// As [`Self::wait`].
    async fn let_others(&mut self) -> Result<(), Error> {
        if !self.engine.0.admission.holds_up_others() {
            return Ok(());
        }
        self.step_aside();
        self.take_turn().await
    }

    fn step_aside(&mut self) {
        if self.turn.take().is_some() {
            self.at_work += self.turn_began.elapsed();
        }
    }

    async fn take_turn(&mut self) -> Result<(), Error> {
        let turn = self.stopwatch.within(Stage::Queue, self.engine.0.admission.turn()).await??;
        (self.turn, self.turn_began) = (Some(Arc::new(turn)), Instant::now());
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.step_aside();
        self.abandoned.store(true, Ordering::Relaxed);
        self.engine.0.counts.count(self.stopwatch.timings());
        self.engine.0.admission.learn(self.at_work);
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
        let mut session = engine.admit().await.expect("a worker");
        let number = 7;
        let failed = session.work(Stage::Paint, move || assert_eq!(number, 8, "seven is not eight")).await;
        let error = failed.expect_err("a panic");
        assert_eq!(error.kind(), Kind::Internal);
        assert!(error.to_string().contains("seven is not eight"), "{error}");
        drop(session);
        engine.warm_up().await.expect("a picture");
    }

    #[tokio::test]
    async fn session_dropped_keeps_its_place_while_its_work_runs() {
        let engine = engine(|_| ());
        let (release, held) = mpsc::channel::<()>();
        let (started, starts) = tokio::sync::oneshot::channel();
        let mut session = engine.admit().await.expect("a worker");
        let working = tokio::spawn(async move {
            let work = move || {
                started.send(()).expect("awaited below");
                held.recv()
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

    /// `count` empty pages.
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
    async fn session_of_many_pages_lets_others_go_between_them() {
        let engine = engine(|settings| settings.render.queue = 1);
        let mut long = engine.admit().await.expect("a worker");
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
        assert_eq!((before, long.expect("pictures").pages.len()), (1, 5), "it went after the first page");
    }

    #[tokio::test]
    async fn session_that_waits_for_the_network_leaves_its_worker_to_others() {
        let engine = engine(|settings| settings.render.queue = 1);
        let mut slow = engine.admit().await.expect("a worker");
        let (answer, answered) = tokio::sync::oneshot::channel::<u8>();
        let waiting = slow.wait_aside(Stage::Assets, answered);
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
        let mut session = engine.admit().await.expect("a worker");
        session.wait(Stage::Parse, tokio::time::sleep(Duration::from_secs(8))).await.expect("in time");
        let late = session.wait(Stage::Assets, std::future::pending::<()>()).await.expect_err("late");
        assert!(
            matches!(late, Error::Timeout { stage: "assets", slowest: "parse", took, .. } if took.as_secs() == 8),
            "{late}"
        );
    }

    #[test]
    fn engine_that_must_have_a_gpu_says_why_it_has_none() {
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
