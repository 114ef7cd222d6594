//! Where renders happen: in processes of their own, which the service can replace, or in this process.
//!
//! In: tasks and their results; starting, watching and replacing render processes; what they may ask of the service;
//! the process itself ([`serve_calls`]). Not in: rendering (`pipeline`), HTTP, jobs, what confines a process
//! (`sandbox`). Imports: `sandbox`, `assets`, `error`, `output`, `pipeline`, `calls`.
//!
//! A design, its fonts and its pictures are read only in render processes. The service admits calls, fetches files and
//! stores results. So a call that exhausts memory, hangs or crashes costs its process, and its neighbours one more try.

// Lowest first: a file imports only from those above it.
mod task;
mod local;
mod message;
mod child;
mod answers;
mod process;
mod processes;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::answers::Answers;
use self::local::{Hooks, Local};
use self::process::{Launch, Renderer, State};
use self::processes::Processes;
use self::task::{DocumentId, Step, StepOutput};
use crate::assets::{AssetCounts, WebFiles};
use crate::config::{DesignLimits, Painter, RasterizerChoice, RenderSettings, Settings};
use crate::error::Error;
use crate::pipeline::{
    AddedPages, Engine, Front, FrontSession, PaintReport, PipelineCounts, Progress, QueueUsage, Stage, Timings,
    UnknownElements, check_template,
};
use crate::report::JsonPath;
use crate::sandbox;

pub use self::child::serve as serve_calls;
pub use self::processes::{ProcessReport, ProcessesReport};
pub use self::task::{BatchSource, Finished, PageFile, RenderedFile, RenderedFiles, RowTask, Task, TimeLimit};

/// Resident memory in bytes that each of `count` processes may have: `TENTER_RENDERER_MEMORY`, or its share of the
/// machine's. `None` if that is unknown.
pub fn memory_limit(settings: &RenderSettings, count: usize) -> Option<u64> {
    match settings.renderer_memory {
        0 => sandbox::memory_for_each(sandbox::memory_of_machine(), count),
        bytes => Some(bytes as u64),
    }
}

/// The GPUs of a machine, as `tenter renderer --gpus` prints them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct GpuList {
    /// Indices of the adapters that paint, in the driver's list.
    pub used: Vec<usize>,
    /// One message for each adapter that is not used, with the reason.
    pub refused: Vec<String>,
}

/// What each of `count` processes paints with: one for each GPU, and at least one for the CPU beside them; and the
/// adapters that none uses. They are looked for in a process of their own, as drivers do not belong into the service.
async fn painters(settings: &Settings, program: &Path, count: usize) -> Result<(Vec<Painter>, Vec<String>), Error> {
    if settings.render.rasterizer == RasterizerChoice::Cpu {
        return Ok((vec![Painter::Cpu; count], Vec::new()));
    }
    let environment = settings.renderer_environment(count, Painter::AsConfigured);
    let mut listing = tokio::process::Command::new(program);
    let output = listing.args(["renderer", "--gpus"]).env_clear().envs(environment).output().await;
    let output = output.map_err(|error| Error::Internal(format!("{}: {error}", program.display())))?;
    let GpuList { used, refused } = serde_json::from_slice(&output.stdout)
        .map_err(|_| Error::Internal(String::from_utf8_lossy(&output.stderr).trim().to_owned()))?;
    if used.is_empty() && settings.render.rasterizer == RasterizerChoice::Gpu {
        return Ok((vec![Painter::AsConfigured; count], refused)); // the process says why it cannot start
    }
    let for_cpu = count.saturating_sub(used.len()).max(1);
    let painters = used.into_iter().map(Painter::Gpu).chain(std::iter::repeat_n(Painter::Cpu, for_cpu));
    Ok((painters.collect(), refused))
}

/// Everything that renders for a service. Cheap to clone.
#[derive(Clone)]
pub struct Renderers(Arc<Place>);

/// Where tasks are performed.
enum Place {
    Here(Local),
    Processes { front: Arc<Front>, processes: Processes, design_limits: DesignLimits },
}

impl Renderers {
    /// Renders in this process, for programs that trust their designs, and for tests.
    pub fn in_process(engine: Engine, settings: &Settings) -> Self {
        Self(Arc::new(Place::Here(Local::new(engine, settings))))
    }

    /// Starts `TENTER_RENDERERS` processes with the program's own executable, or an engine in this process if that is
    /// 0.
    ///
    /// # Errors
    /// A renderer or an engine that cannot start; the text is for an operator.
    pub async fn start(settings: &Settings) -> Result<Self, Error> {
        let count = settings.render.renderers;
        if count == 0 {
            return Ok(Self::in_process(Engine::new(settings)?, settings));
        }
        let program = std::env::current_exe()
            .map_err(|error| Error::Internal(format!("the path of this program is unknown: {error}")))?;
        let (painters, refused) = painters(settings, &program, count).await?;
        let count = painters.len();
        // The cache of decoded files is divided among the processes; this one has a part for undecoded files.
        let files = WebFiles::new(&settings.assets, &settings.fonts, settings.assets.cache_bytes / (count + 1))?;
        let memory = memory_limit(&settings.render, count);
        let launches = painters.into_iter().enumerate().map(|(number, painter)| {
            let mut environment = settings.renderer_environment(count, painter);
            if let Some(memory) = memory {
                environment.push(("TENTER_RENDERER_MEMORY".to_owned(), memory.to_string()));
            }
            let arguments = ["renderer", "--parent", &std::process::id().to_string()].map(str::to_owned).to_vec();
            let gpu = matches!(painter, Painter::Gpu(_)).then_some(number);
            Launch { program: program.clone(), arguments, environment, gpu }
        });
        let launches = launches.collect();
        let front = Arc::new(Front::new(&settings.render)?);
        let processes = Processes::start(launches, Answers::new(files), memory, refused).await?;
        Ok(Self(Arc::new(Place::Processes { front, processes, design_limits: settings.design.clone() })))
    }

    /// Admits a render call. Its deadline starts here.
    ///
    /// # Errors
    /// `Busy` when all workers and queue slots are taken; `Timeout` when no worker came free before the deadline.
    pub async fn admit(&self) -> Result<Session, Error> {
        Ok(Session(match &*self.0 {
            Place::Here(local) => {
                let session = local.engine.admit().await?;
                Admitted::Here { session: Box::new(session), renderers: self.clone() }
            }
            Place::Processes { front, processes, .. } => {
                Admitted::Processes { session: front.admit()?, processes: processes.clone() }
            }
        }))
    }

    /// Performs a task that has its own queue, such as a job. `progress` is called after each page.
    pub async fn run(&self, task: Task, limit: TimeLimit, progress: Option<Progress>) -> Finished<RenderedFile> {
        self.perform(task, limit, progress).await.and_then(StepOutput::into_file)
    }

    /// Performs a task as [`Self::run`], and returns the files of all its pages.
    pub async fn run_pages(&self, task: Task, limit: TimeLimit) -> Finished<RenderedFiles> {
        self.perform(task, limit, None).await.and_then(StepOutput::into_files)
    }

    async fn perform(&self, task: Task, limit: TimeLimit, progress: Option<Progress>) -> Finished<StepOutput> {
        match &*self.0 {
            Place::Here(local) => local.run(Step::Task(task), limit, Hooks { progress, on_begun: |_| () }).await,
            Place::Processes { front, processes, .. } => {
                let finished = processes.run(task, limit, progress).await;
                front.counts().count(&finished.timings);
                finished
            }
        }
    }

    /// Begins a document to which rows are added one by one.
    ///
    /// # Errors
    /// `Unavailable` when there is no process for it.
    pub async fn begin_document(&self) -> Result<Document, Error> {
        let (id, owner) = match &*self.0 {
            Place::Here(local) => (local.new_document(), None),
            Place::Processes { processes, .. } => {
                let (renderer, id) = processes.begin_document().await?;
                (id, Some(renderer))
            }
        };
        Ok(Document { id, owner, renderers: self.clone() })
    }

    /// Runs `work` on the CPU threads of this process, to inspect a request that is rendered later.
    ///
    /// # Errors
    /// `Internal` when `work` panicked.
    pub async fn run_on_pool<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        match &*self.0 {
            Place::Here(local) => local.engine.run_on_pool(work).await,
            Place::Processes { front, .. } => front.run_on_pool(work).await,
        }
    }

    /// Checks a batch's template as far as that is possible without the values of its variables. Blocks while it reads
    /// the design.
    ///
    /// # Errors
    /// `Invalid`, with every problem that no values of variables can fix: every row would fail.
    pub fn check_template(&self, design: Value, at: JsonPath, unknown: UnknownElements) -> Result<(), Error> {
        match &*self.0 {
            Place::Here(local) => local.engine.check_template(design, at, unknown),
            Place::Processes { design_limits, .. } => check_template(design, at, unknown, design_limits),
        }
    }

    /// Renders a small page, so that the first caller does not wait for lazy initialisation.
    ///
    /// # Errors
    /// Any error means that nothing can be rendered.
    pub async fn warm_up(&self) -> Result<(), Error> {
        match &*self.0 {
            Place::Here(local) => local.engine.warm_up().await,
            Place::Processes { .. } => Ok(()), // a process is warm before it gets calls
        }
    }

    /// Empties the caches of templates, when no batch is in progress.
    pub fn forget_templates(&self) {
        match &*self.0 {
            Place::Here(local) => local.forget_templates(),
            Place::Processes { processes, .. } => processes.forget_templates(),
        }
    }

    /// Name of the configured painter: `cpu` or `gpu`.
    pub fn rasterizer(&self) -> Cow<'static, str> {
        match &*self.0 {
            Place::Here(local) => local.engine.rasterizer().into(),
            Place::Processes { processes, .. } => processes.rasterizer().into(),
        }
    }

    /// Hardware and counters of the painters, for metrics and readiness.
    pub fn paint_report(&self) -> PaintReport {
        match &*self.0 {
            Place::Here(local) => local.engine.paint_report(),
            Place::Processes { processes, .. } => processes.paint_report(),
        }
    }

    /// Counters of all requests since the start.
    pub fn counts(&self) -> &PipelineCounts {
        match &*self.0 {
            Place::Here(local) => local.engine.counts(),
            Place::Processes { front, .. } => front.counts(),
        }
    }

    /// Counters of asset fetching since the start.
    pub fn asset_counts(&self) -> &AssetCounts {
        match &*self.0 {
            Place::Here(local) => local.engine.asset_counts(),
            Place::Processes { processes, .. } => processes.answers().files.counts(),
        }
    }

    /// Bytes that the result caches hold now.
    pub fn result_cache_bytes(&self) -> usize {
        match &*self.0 {
            Place::Here(local) => local.engine.result_cache_bytes(),
            Place::Processes { processes, .. } => processes.result_cache_bytes(),
        }
    }

    /// Number of parser threads that exceeded their time and still run. A process with such threads is replaced.
    pub fn stuck_threads(&self) -> usize {
        match &*self.0 {
            Place::Here(local) => local.engine.stuck_threads(),
            Place::Processes { processes, .. } => processes.stuck_threads(),
        }
    }

    /// Workers and queue slots in use now.
    pub fn queue_usage(&self) -> QueueUsage {
        match &*self.0 {
            Place::Here(local) => local.engine.queue_usage(),
            Place::Processes { front, processes, .. } => front.queue_usage(processes.working()),
        }
    }

    /// Whether the next request would be refused as `Busy`.
    pub fn is_full(&self) -> bool {
        match &*self.0 {
            Place::Here(local) => local.engine.is_full(),
            Place::Processes { front, .. } => front.is_full(),
        }
    }

    /// Whether something was rendered within the last seconds; true where nothing watches that.
    pub fn renders(&self) -> bool {
        match &*self.0 {
            Place::Here(_) => true,
            Place::Processes { processes, .. } => processes.renders(),
        }
    }

    /// The render processes; `None` where there are none.
    pub fn processes(&self) -> Option<ProcessesReport> {
        match &*self.0 {
            Place::Here(_) => None,
            Place::Processes { processes, .. } => Some(processes.report()),
        }
    }
}

/// One admitted render call. Dropping it frees its queue slot, and cancels its task.
pub struct Session(Admitted);

enum Admitted {
    Here { session: Box<crate::pipeline::Session>, renderers: Renderers },
    Processes { session: FrontSession, processes: Processes },
}

impl Session {
    /// Renders the body of a render call.
    ///
    /// # Errors
    /// Those of every stage; see [`Error`].
    pub async fn render(&mut self, body: Bytes) -> Result<RenderedFile, Error> {
        let task = Task::Classic(body);
        let output = match &mut self.0 {
            Admitted::Here { session, renderers } => match &*renderers.0 {
                Place::Here(local) => local.perform(session, Step::Task(task)).await?,
                Place::Processes { .. } => return Err(Error::Internal("a session of another place".into())),
            },
            Admitted::Processes { session, processes } => {
                let limit = TimeLimit::Remaining(session.remaining());
                let Finished { result, timings } = processes.run(task, limit, None).await;
                session.add_timings(&timings);
                result?
            }
        };
        output.into_file()
    }

    /// Time spent in each stage so far.
    pub fn timings(&self) -> &Timings {
        match &self.0 {
            Admitted::Here { session, .. } => session.timings(),
            Admitted::Processes { session, .. } => session.timings(),
        }
    }

    /// Runs `work` on the CPU threads of this process and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `Internal` when `work` panicked.
    pub async fn work<T: Send + 'static>(
        &mut self,
        stage: Stage,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        match &mut self.0 {
            Admitted::Here { session, .. } => session.work(stage, work).await,
            Admitted::Processes { session, .. } => session.work(stage, work).await,
        }
    }

    /// Awaits `future` and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `future` is dropped then.
    pub async fn wait<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        match &mut self.0 {
            Admitted::Here { session, .. } => session.wait(stage, future).await,
            Admitted::Processes { session, .. } => session.wait(stage, future).await,
        }
    }
}

/// A document under construction: [`Document::add`] adds rows and [`Document::complete`] ends it. Dropping it discards
/// it.
pub struct Document {
    id: DocumentId,
    /// The process that has it; `None` for this process.
    owner: Option<Arc<Renderer>>,
    renderers: Renderers,
}

impl Document {
    /// Renders the pages of `row` and adds all of them, or none. `limit` begins when there is a worker; `setting` is
    /// the name of the setting that gave it.
    ///
    /// # Errors
    /// As [`crate::pipeline::MergedDocument::add`]; `Unavailable` when the process of the document has ended, and the
    /// document with it.
    pub async fn add(&self, row: RowTask, limit: Duration, setting: &'static str) -> Finished<AddedPages> {
        self.perform(Step::AddRow { document: self.id, row }, limit, setting).await.and_then(StepOutput::into_added)
    }

    /// Whether the process that had the document has ended, and the document with it.
    pub fn is_lost(&self) -> bool {
        self.owner.as_ref().is_some_and(|renderer| matches!(renderer.state(), State::Dead(_)))
    }

    /// Completes the document.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn complete(self, limit: Duration, setting: &'static str) -> Finished<RenderedFile> {
        self.perform(Step::Complete { document: self.id }, limit, setting).await.and_then(StepOutput::into_file)
    }

    async fn perform(&self, step: Step, limit: Duration, setting: &'static str) -> Finished<StepOutput> {
        let limit = TimeLimit::FromWorker { limit, setting: setting.into() };
        match (&*self.renderers.0, &self.owner) {
            (Place::Processes { front, processes, .. }, Some(renderer)) => {
                let finished = processes.document_step(renderer, step, limit).await;
                front.counts().count(&finished.timings);
                finished
            }
            (Place::Here(local), _) => local.run(step, limit, Hooks { progress: None, on_begun: |_| () }).await,
            (Place::Processes { .. }, None) => Finished::failed(Error::Internal("a document without a process".into())),
        }
    }
}

impl Drop for Document {
    fn drop(&mut self) {
        match (&*self.renderers.0, &self.owner) {
            (Place::Here(local), _) => local.forget_document(self.id),
            (Place::Processes { .. }, Some(renderer)) => renderer.forget_document(self.id),
            (Place::Processes { .. }, None) => {}
        }
    }
}
