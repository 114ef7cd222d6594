//! The render processes of a service: starts and replaces them, and gives each task to one.
//!
//! A task whose process ends is tried once more in a process that has nothing else to do. If that ends too, the task is
//! refused as the cause. Processes that were ended from outside, by an operator or an orchestrator, blame nobody.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::answers::Answers;
use super::process::{CallEnd, Death, Launch, Reason, Renderer, State};
use super::task::{DocumentId, Finished, RowTask, Step, StepOutput, Task, TimeLimit};
use crate::error::Error;
use crate::pipeline::{PaintReport, Progress};
use crate::sandbox::{self, Confinement};

/// Interval between two looks at a process: its memory, and whether it answers.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// Interval between two pages that show that a process still renders.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// A process that sends nothing for this long has ended for all purposes.
const SILENCE: Duration = Duration::from_secs(10);
/// Time within which a page must be rendered for the service to be ready.
const FRESH: Duration = Duration::from_secs(20);
/// Longest time that a process may take to end its calls after it was replaced.
const DRAIN_TIME: Duration = Duration::from_secs(600);
/// Delay before the replacement of a process that has just started; it doubles up to the longest.
const RESTART_DELAY: Duration = Duration::from_millis(200);
const LONGEST_RESTART_DELAY: Duration = Duration::from_secs(5);
/// A process that lives longer than this is replaced without a delay.
const YOUNG: Duration = Duration::from_secs(1);
/// Number of processes that may be ended from outside while they have the same task.
const MAX_FOREIGN_DEATHS: u32 = 10;
/// Number of bytes of a body by which its process is chosen.
const HASHED: usize = 16 << 10;
/// Share of its limit above which a process is ended at once instead of being replaced after its calls.
const KILL_SHARE: f64 = 1.5;

/// The processes of one service.
#[derive(Clone)]
pub(super) struct Processes(Arc<Shared>);

struct Shared {
    /// Number of processes.
    count: usize,
    answers: Arc<Answers>,
    memory_limit: Option<u64>,
    serving: Mutex<Vec<Arc<Renderer>>>,
    /// Processes that were replaced and have not ended yet.
    draining: Mutex<Vec<Arc<Renderer>>>,
    /// Notified whenever a process may have become free.
    changed: Notify,
    restarts: Mutex<BTreeMap<&'static str, u64>>,
    culprits: AtomicU64,
    next_document: AtomicU64,
    last_rendered: Mutex<Option<Instant>>,
    /// Counts of processes that have ended, and the adapters that no process uses.
    past_paint: Mutex<PaintReport>,
}

/// The state of the processes, for readiness and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessesReport {
    /// One entry for each process, including those that are being replaced.
    pub processes: Vec<ProcessReport>,
    /// Number of processes that were replaced, by cause.
    pub restarts: Vec<(&'static str, u64)>,
    /// Number of tasks that were refused because they ended two processes.
    pub culprits: u64,
    /// What confines the processes; `None` while there is none.
    pub confinement: Option<Confinement>,
}

/// The state of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessReport {
    /// Process id of the system.
    pub pid: u32,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Whether it gets new calls.
    pub serving: bool,
    /// Number of calls in it.
    pub calls: usize,
}

impl Processes {
    /// Starts a process for each of `launches` and waits until all are warm. `memory_limit`: bytes of resident memory
    /// of each. `refused`: adapters that no process uses, with the reasons.
    ///
    /// # Errors
    /// The first process that cannot start; the text is for an operator.
    pub(super) async fn start(
        launches: Vec<Launch>,
        answers: Answers,
        memory_limit: Option<u64>,
        refused: Vec<String>,
    ) -> Result<Self, Error> {
        let this = Self(Arc::new(Shared {
            count: launches.len(),
            answers: Arc::new(answers),
            memory_limit,
            serving: Mutex::default(),
            draining: Mutex::default(),
            changed: Notify::new(),
            restarts: Mutex::default(),
            culprits: AtomicU64::new(0),
            next_document: AtomicU64::new(0),
            last_rendered: Mutex::default(),
            past_paint: Mutex::new(PaintReport { refused, ..PaintReport::default() }),
        }));
        let starts = launches.iter().map(|launch| this.start_one(launch));
        let started = futures_util::future::join_all(starts).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (renderer, launch) in started.into_iter().zip(launches) {
            tokio::spawn(this.clone().keep_one(renderer, launch));
        }
        Ok(this)
    }

    async fn start_one(&self, launch: &Launch) -> Result<Arc<Renderer>, Error> {
        let shared = self.0.clone();
        let on_change = move || shared.changed.notify_waiters();
        let renderer = Renderer::start(launch, self.0.answers.clone(), self.0.memory_limit, on_change).await?;
        *self.0.last_rendered.lock() = Some(Instant::now()); // it has painted a page to become warm
        self.0.serving.lock().push(renderer.clone());
        self.0.changed.notify_waiters();
        tokio::spawn(self.clone().watch(renderer.clone()));
        Ok(renderer)
    }

    /// Replaces a process whenever it stops serving, until the service stops.
    ///
    /// A process that owns a GPU gets calls until its replacement is warm, so that the GPU never waits for one.
    async fn keep_one(self, mut renderer: Arc<Renderer>, launch: Launch) {
        let mut delay = RESTART_DELAY;
        loop {
            let started = Instant::now();
            let state = renderer.stops_serving().await;
            if matches!(state, State::Serving) {
                continue;
            }
            let keeps_gpu = renderer.takes_calls();
            if !keeps_gpu {
                self.retire(&renderer);
            }
            let cause = state.label();
            tracing::warn!(pid = renderer.pid, cause, "a renderer is replaced");
            *self.0.restarts.lock().entry(cause).or_default() += 1;
            if started.elapsed() > YOUNG {
                delay = RESTART_DELAY;
            } else {
                tokio::time::sleep(delay).await;
                delay = (delay * 2).min(LONGEST_RESTART_DELAY);
            }
            let replacement = loop {
                match self.start_one(&launch).await {
                    Ok(renderer) => break renderer,
                    Err(error) => {
                        tracing::error!(%error, "a renderer cannot be replaced; trying again");
                        tokio::time::sleep(delay).await;
                        delay = (delay * 2).min(LONGEST_RESTART_DELAY);
                    }
                }
            };
            if keeps_gpu {
                self.retire(&renderer);
            }
            renderer = replacement;
        }
    }

    /// Takes a process that stopped serving out of the choice, and ends it once its calls are answered.
    fn retire(&self, renderer: &Arc<Renderer>) {
        self.0.serving.lock().retain(|it| !Arc::ptr_eq(it, renderer));
        match renderer.state() {
            State::Dead(_) => self.remember(renderer),
            State::Draining(reason) => {
                self.0.draining.lock().push(renderer.clone());
                tokio::spawn(self.clone().finish(renderer.clone(), reason));
            }
            State::Serving => {}
        }
    }

    /// Ends a process that was replaced, once its other calls are answered.
    async fn finish(self, renderer: Arc<Renderer>, reason: Reason) {
        let answered = async {
            while renderer.unanswered() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            _ = tokio::time::timeout(DRAIN_TIME, answered) => {}
            _ = renderer.ended() => {}
        }
        renderer.kill(reason);
        renderer.ended().await;
        self.remember(&renderer);
        self.0.draining.lock().retain(|it| !Arc::ptr_eq(it, &renderer));
    }

    /// Adds the counts of a process that has ended to those of the service.
    fn remember(&self, renderer: &Renderer) {
        renderer.with_status(|status| {
            let paint = PaintReport { gpus: Vec::new(), refused: Vec::new(), ..status.paint.clone() };
            self.0.past_paint.lock().add(&paint);
        });
    }

    /// Watches the memory of a process and whether it answers, until it ends.
    async fn watch(self, renderer: Arc<Renderer>) {
        let mut probe = Instant::now() + PROBE_INTERVAL;
        let mut beat = Instant::now();
        while !matches!(renderer.state(), State::Dead(_)) {
            tokio::time::sleep(WATCH_INTERVAL).await;
            if let Some(bytes) = sandbox::resident_bytes(renderer.pid) {
                renderer.resident_bytes.store(bytes, Ordering::Relaxed);
                if let Some(limit) = self.0.memory_limit {
                    if bytes as f64 > limit as f64 * KILL_SHARE {
                        renderer.kill(Reason::Memory);
                    } else if bytes > limit {
                        renderer.drain(Reason::Memory);
                    }
                }
            }
            if renderer.silence() > SILENCE {
                renderer.kill(Reason::Unresponsive);
            }
            if beat.elapsed() >= Duration::from_secs(1) {
                beat = Instant::now();
                renderer.ping();
            }
            if Instant::now() >= probe && renderer.state() == State::Serving {
                probe = Instant::now() + PROBE_INTERVAL;
                if !renderer.is_reserved() {
                    tokio::spawn(self.clone().probe(renderer.clone()));
                }
            }
        }
    }

    /// Renders a small page; notes when one was rendered.
    async fn probe(self, renderer: Arc<Renderer>) {
        let limit = TimeLimit::Remaining(FRESH);
        let end = renderer.call(&Step::Task(Task::WarmUp), &limit, None).await;
        match end {
            CallEnd::Finished(Finished { result: Ok(_), .. }) => *self.0.last_rendered.lock() = Some(Instant::now()),
            CallEnd::Finished(Finished { result: Err(error), .. }) => {
                tracing::warn!(pid = renderer.pid, %error, "a renderer did not render a small page");
            }
            CallEnd::Died(_) => {}
        }
    }

    /// Performs a task in a process, and again in another one if the first ends.
    pub(super) async fn run(&self, task: Task, limit: TimeLimit, progress: Option<Progress>) -> Finished<StepOutput> {
        if let Task::Row(row) = &task {
            self.0.answers.register(&row.batch);
        }
        let affinity = affinity(&task);
        let step = Step::Task(task);
        let deadline = match &limit {
            TimeLimit::Remaining(remaining) => Some(Instant::now() + *remaining),
            TimeLimit::FromWorker { .. } => None,
        };
        let (mut blamed, mut foreign) = (0, 0);
        loop {
            let limit = match deadline {
                Some(deadline) => TimeLimit::Remaining(deadline.saturating_duration_since(Instant::now())),
                None => limit.clone(),
            };
            let lease = match self.lease(blamed > 0, affinity, deadline).await {
                Ok(lease) => lease,
                Err(error) => return Finished::failed(error),
            };
            match lease.renderer.call(&step, &limit, progress.clone()).await {
                CallEnd::Finished(finished) => {
                    if finished.result.is_ok() {
                        *self.0.last_rendered.lock() = Some(Instant::now());
                    }
                    return finished;
                }
                CallEnd::Died(Death::Killed(Reason::Unresponsive))
                    if deadline.is_some_and(|it| it <= Instant::now()) =>
                {
                    return Finished::failed(unavailable("the renderer did not answer in time and is replaced"));
                }
                CallEnd::Died(death) if death.blames_calls() => {
                    blamed += 1;
                    if blamed == 2 {
                        self.0.culprits.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(%death, "a request ended two renderers and is refused");
                        return Finished::failed(Error::EndedRenderer(death.to_string()));
                    }
                }
                CallEnd::Died(_) => {
                    foreign += 1;
                    if foreign == MAX_FOREIGN_DEATHS {
                        return Finished::failed(unavailable("renderers are ended again and again"));
                    }
                }
            }
        }
    }

    /// Chooses a process. `alone`: one that has no other calls, and gets none until the lease is dropped.
    async fn lease(&self, alone: bool, affinity: u64, deadline: Option<Instant>) -> Result<Lease, Error> {
        let choosing = async {
            loop {
                let changed = self.0.changed.notified();
                let mut changed = std::pin::pin!(changed);
                changed.as_mut().enable();
                let chosen = if alone { self.choose_alone() } else { self.choose(affinity) };
                if let Some(lease) = chosen {
                    return lease;
                }
                changed.await;
            }
        };
        let lease = match deadline {
            Some(deadline) => {
                tokio::time::timeout_at(deadline, choosing).await.map_err(|_| unavailable("all are being replaced"))?
            }
            None => choosing.await,
        };
        if alone {
            // Its other calls end first.
            while lease.renderer.load() > 0 && lease.renderer.state() == State::Serving {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(lease)
    }

    /// The process with the fewest calls; one that paints on the CPU only while none with a GPU serves. Among equals
    /// the same bodies come to the same process, which may have their pictures in its caches.
    fn choose(&self, affinity: u64) -> Option<Lease> {
        let serving = self.0.serving.lock();
        let free = serving.iter().filter(|it| !it.is_reserved() && it.takes_calls());
        let mut free: Vec<_> = free.map(|it| (it.load(), it)).collect();
        if free.iter().any(|(_, it)| it.gpu.is_some()) {
            free.retain(|(_, it)| it.gpu.is_some());
        }
        let least = free.iter().map(|(load, _)| *load).min()?;
        let equals: Vec<_> = free.iter().filter(|(load, _)| *load == least).collect();
        let (_, renderer) = equals[(affinity % equals.len() as u64) as usize];
        Some(Lease { renderer: Arc::clone(renderer), reserved: None })
    }

    /// Reserves an idle process; or the one with the fewest calls, if another one remains for other calls.
    fn choose_alone(&self) -> Option<Lease> {
        let serving = self.0.serving.lock();
        let mut free: Vec<_> = serving.iter().filter(|it| !it.is_reserved() && it.state() == State::Serving).collect();
        free.sort_by_key(|it| it.load());
        let renderer = free.first()?;
        let others = free.len() > 1 || self.0.count == 1;
        if (renderer.load() == 0 || others) && renderer.reserve() {
            return Some(Lease { renderer: Arc::clone(renderer), reserved: Some(self.0.clone()) });
        }
        None
    }

    /// A new document, in a process that will get all its rows.
    pub(super) async fn begin_document(&self) -> Result<(Arc<Renderer>, DocumentId), Error> {
        let id = self.0.next_document.fetch_add(1, Ordering::Relaxed);
        Ok((self.lease(false, id, None).await?.renderer.clone(), id))
    }

    /// Performs one step of a document in its process.
    pub(super) async fn document_step(
        &self,
        renderer: &Renderer,
        step: Step,
        limit: TimeLimit,
    ) -> Finished<StepOutput> {
        if let Step::AddRow { row: RowTask { batch, .. }, .. } = &step {
            self.0.answers.register(batch);
        }
        match renderer.call(&step, &limit, None).await {
            CallEnd::Finished(finished) => finished,
            CallEnd::Died(death) => {
                tracing::warn!(pid = renderer.pid, %death, "the renderer of a document has ended");
                Finished::failed(unavailable("the renderer of the document has ended"))
            }
        }
    }

    pub(super) fn forget_templates(&self) {
        for renderer in self.0.serving.lock().iter() {
            renderer.forget_templates();
        }
    }

    /// Number of calls in all processes.
    pub(super) fn working(&self) -> usize {
        self.0.serving.lock().iter().map(|it| it.load()).sum()
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// Name of the painter that the processes prefer.
    pub(super) fn rasterizer(&self) -> String {
        let serving = self.0.serving.lock();
        let preferred = serving.iter().find(|it| it.gpu.is_some()).or(serving.first());
        preferred.map_or_else(|| "cpu".to_owned(), |it| it.rasterizer.clone())
    }

    /// Whether a page was rendered within the last seconds.
    pub(super) fn renders(&self) -> bool {
        self.0.last_rendered.lock().is_some_and(|at| at.elapsed() < FRESH)
    }

    /// Counters and devices of all painters.
    pub(super) fn paint_report(&self) -> PaintReport {
        let mut report = self.0.past_paint.lock().clone();
        for renderer in self.0.serving.lock().iter().chain(self.0.draining.lock().iter()) {
            renderer.with_status(|status| report.add(&status.paint));
        }
        report
    }

    /// Sum over all processes.
    pub(super) fn result_cache_bytes(&self) -> usize {
        self.0.serving.lock().iter().map(|it| it.with_status(|status| status.result_cache_bytes)).sum()
    }

    /// Sum over all processes.
    pub(super) fn stuck_threads(&self) -> usize {
        self.0.serving.lock().iter().map(|it| it.with_status(|status| status.stuck_threads)).sum()
    }

    pub(super) fn report(&self) -> ProcessesReport {
        let serving = self.0.serving.lock();
        let process = |renderer: &Arc<Renderer>, serving| ProcessReport {
            pid: renderer.pid,
            resident_bytes: renderer.resident_bytes.load(Ordering::Relaxed),
            serving,
            calls: renderer.load(),
        };
        let mut processes: Vec<_> = serving.iter().map(|it| process(it, true)).collect();
        processes.extend(self.0.draining.lock().iter().map(|it| process(it, false)));
        ProcessesReport {
            processes,
            restarts: self.0.restarts.lock().iter().map(|(cause, count)| (*cause, *count)).collect(),
            culprits: self.0.culprits.load(Ordering::Relaxed),
            confinement: serving.first().map(|it| it.confinement.clone()),
        }
    }
}

/// A process that was chosen for one call.
struct Lease {
    renderer: Arc<Renderer>,
    /// Where to announce that it is free again, if it was reserved.
    reserved: Option<Arc<Shared>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(shared) = &self.reserved {
            self.renderer.release();
            shared.changed.notify_waiters();
        }
    }
}

/// A number that is equal for equal bodies, and for rows of the same batch.
fn affinity(task: &Task) -> u64 {
    let mut hasher = DefaultHasher::new();
    match task {
        // The beginning suffices to send equal bodies to the same process.
        Task::Classic(body) | Task::Job { body, .. } => (body.len(), &body[..body.len().min(HASHED)]).hash(&mut hasher),
        Task::Row(row) => row.batch.id().hash(&mut hasher),
        Task::WarmUp => {}
    }
    hasher.finish()
}

/// The error when no process can perform a task; a retry a second later finds its replacement.
fn unavailable(reason: &'static str) -> Error {
    Error::Unavailable { reason: reason.into(), retry_after: Duration::from_secs(1) }
}
