//! Fetches jobs from the queue, renders them, stores the results, and reports the outcomes.
//!
//! A job that was being rendered when a process died is attempted again without other jobs beside it, so that it cannot
//! take them down if it was the cause.

mod document;
mod running;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::job::JobId;
use super::results::{Area, ResultError, Results};
use super::service::{DOCUMENTS_AGAIN, Service};
use super::storage_error::StorageError;
use super::store::{
    AttemptId, AttemptReport, FetchFilter, Fetched, FetchedJob, Outcome, Requeue, RowOutcome, StoreError, StoredFile,
    Work,
};
use super::template::{TemplateError, Templates};
use super::timestamp::{Clock, Timestamp};
use super::trace;
use crate::calls::with_flat_paths;
use crate::config::JobSettings;
use crate::error::{Error, Kind};
use crate::hash::ContentHash;
use crate::output::Format;
use crate::pipeline::{CacheUse, Progress, Timings};
use crate::renderers::{Finished, RenderedFile, Renderers, RowTask, Task, TimeLimit};
use crate::report::{Warning, counted};

pub(super) use self::running::RunningJobs;

/// Delays between calls to a store that fails: they double up to the longest.
const STORE_BACKOFF: ExponentialBuilder =
    ExponentialBuilder::new().with_min_delay(Duration::from_millis(500)).with_max_delay(MAX_DELAY).without_max_times();
/// Longest delay between calls to a store that fails, and longest time without asking for work.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Minimum time between updates of a job's progress, since each is a write to the store.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Bounds of the delay before a job is attempted again whose result could not be stored. The delay is the age of the
/// job.
const STORAGE_RETRY_DELAY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// Delay before a job is attempted again that no renderer could finish.
const RENDERER_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Delay before a removed job is fetched again, in case that its queue entry still exists.
const REMOVED_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Maximum number of warnings that are reported for a job or a row.
const MAX_WARNINGS: usize = 100;

/// Renders jobs from the queue.
pub(super) struct Worker {
    pub(super) renderers: Renderers,
    pub(super) service: Arc<Service>,
    pub(super) templates: Templates,
    pub(super) results: Results,
    pub(super) settings: JobSettings,
    pub(super) clock: Clock,
    pub(super) running: RunningJobs,
}

/// A rendered file that is not stored yet.
struct RenderedJob {
    bytes: Bytes,
    hash: ContentHash,
    fingerprint: String,
    format: &'static dyn Format,
    /// The painter, and whether the file comes from the cache, for the job's log.
    origin: String,
    timings: Timings,
    warnings: Vec<Warning>,
    /// Outcomes of the rows of a document; empty for other jobs.
    rows: Vec<RowOutcome>,
}

/// Why an attempt has no file.
enum AttemptError {
    /// The job fails. Contains the timings of the stages that ended.
    Render(Error, Timings),
    /// A document fails. Contains the outcomes of its rows.
    Document(Error, Vec<RowOutcome>),
    /// The store or the results failed, and the job is attempted again later.
    Storage(Arc<StorageError>),
    /// No renderer could finish it, for reasons that do not concern the job; it is attempted again.
    NoRenderer(Error),
    /// The job or its batch was removed.
    Removed,
}

impl From<TemplateError> for AttemptError {
    fn from(error: TemplateError) -> Self {
        match error {
            TemplateError::Store(error) => Self::Storage(Arc::new(error.into())),
            TemplateError::Removed => Self::Removed,
            TemplateError::Invalid(error) => Self::Render(error, Timings::default()),
        }
    }
}

/// Time limit of an attempt, which begins when a renderer has a worker for it.
fn time_limit(settings: &JobSettings) -> TimeLimit {
    TimeLimit::FromWorker { limit: settings.deadline, setting: "TENTER_JOB_DEADLINE".into() }
}

impl Worker {
    /// Renders jobs until `stop`, then finishes the jobs that have begun. Dropping the future leaves them unfinished.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.settings.workers));
        let mut tasks = JoinSet::new();
        let mut backoff = STORE_BACKOFF.build();
        while let Some(slot) = stop.run_until_cancelled(self.acquire_slots(&slots, 1)).await {
            let fetched = self.fetch(slot, &slots, &stop).await;
            while tasks.try_join_next().is_some() {} // removes the tasks that have ended
            match fetched {
                Ok(job) => {
                    backoff = STORE_BACKOFF.build();
                    let Some((job, slot)) = job else { continue };
                    let worker = self.clone();
                    // Added before the next fetch, which may have to wait for the end of this document.
                    let cancel = self.running.add(&job);
                    tasks.spawn(async move { worker.work(job, slot, cancel).await });
                }
                Err(error) => {
                    tracing::error!(%error, "cannot fetch jobs");
                    let delay = backoff.next().unwrap_or(MAX_DELAY);
                    let _ = stop.run_until_cancelled(tokio::time::sleep(delay)).await;
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Acquires `count` slots at once. Never resolves for a process without workers.
    async fn acquire_slots(&self, slots: &Arc<Semaphore>, count: usize) -> OwnedSemaphorePermit {
        match slots.clone().acquire_many_owned(count as u32).await {
            Ok(slot) if self.settings.workers > 0 => slot,
            _ => std::future::pending().await,
        }
    }

    /// Fetches a job, and returns it with the slots that it occupies; `None` when none was due and this waited for one.
    async fn fetch(
        &self,
        slot: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
        stop: &CancellationToken,
    ) -> Result<Option<(FetchedJob, OwnedSemaphorePermit)>, StoreError> {
        let filter = |alone| FetchFilter { alone, documents: self.can_begin_document() };
        let beside_others = filter(false);
        let (fetched, slot) = match self.service.fetch(beside_others).await? {
            Fetched::RunAlone => {
                drop(slot);
                let all = self.acquire_slots(slots, self.settings.workers);
                let Some(all) = stop.run_until_cancelled(all).await else { return Ok(None) };
                (self.service.fetch(filter(true)).await?, all)
            }
            fetched => (fetched, slot),
        };
        match fetched {
            Fetched::Job(job) => return Ok(Some((*job, slot))),
            Fetched::RunAlone => {} // not returned for `alone`
            Fetched::Empty(due) => {
                drop(slot);
                self.templates.clear();
                self.renderers.forget_templates();
                let longest = if beside_others.documents { MAX_DELAY } else { DOCUMENTS_AGAIN };
                let until_due =
                    due.map_or(longest, |due| due.since(self.now()).clamp(Duration::from_millis(1), longest));
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.running.document_ended() => {}
                    () = self.service.work_ready() => {}
                    () = tokio::time::sleep(until_due) => {}
                }
            }
        }
        Ok(None)
    }

    /// Whether one more document may be begun. Each keeps its file in memory while other jobs use its slot. There may
    /// be one more than there are slots, so that a short document need not wait for the end of a long one.
    fn can_begin_document(&self) -> bool {
        self.running.documents() <= self.settings.workers
    }

    /// Makes one attempt at a job, and fails the job if the attempt panics.
    async fn work(&self, job: FetchedJob, mut slot: OwnedSemaphorePermit, cancel: CancellationToken) {
        let attempt = self.attempt(&job, &mut slot, &cancel).instrument(trace::attempt_span(&job));
        let attempt = AssertUnwindSafe(attempt).catch_unwind().await;
        if attempt.is_err() {
            // The panic handler has logged the message.
            let error = Error::Internal("panic beside the CPU pool".into());
            self.fail(&job.attempt_id, &error, AttemptReport::default()).await;
        }
        self.running.remove(&job.attempt_id.job);
    }

    async fn attempt(&self, job: &FetchedJob, slot: &mut OwnedSemaphorePermit, cancel: &CancellationToken) {
        let AttemptId { job: id, number: attempt } = &job.attempt_id;
        tracing::debug!(%id, attempt, "job begun");
        let begun = Instant::now();
        let rendering = async {
            match &job.work {
                Work::Job(_) | Work::Row { .. } => self.render(job).await,
                Work::Document { batch, rows } => self.document(&job.attempt_id, batch, *rows, slot).await,
            }
        };
        let Some(rendered) = cancel.run_until_cancelled(rendering).await else {
            tracing::info!(%id, "job removed while it was rendered");
            return self.clean_up_removed(job).await;
        };
        let mut rendered = match rendered {
            Ok(rendered) => rendered,
            Err(AttemptError::Storage(error)) => return self.storage_failed(job, &*error).await,
            Err(AttemptError::NoRenderer(error)) => return self.renderer_failed(job, &error).await,
            Err(AttemptError::Removed) => return self.clean_up_removed(job).await,
            Err(AttemptError::Render(error, timings)) => {
                return self.fail(&job.attempt_id, &error, self.report_timings(&timings)).await;
            }
            Err(AttemptError::Document(error, rows)) => {
                return self.fail(&job.attempt_id, &error, AttemptReport { rows, ..AttemptReport::default() }).await;
            }
        };
        let mut report = self.report(&mut rendered);
        let storing = Instant::now();
        let file = match self.store(job, rendered).await {
            Ok(file) => file,
            Err(error) => return self.storage_failed(job, &error).await,
        };
        let store_ms = ms(storing.elapsed());
        // Writing to a string cannot fail.
        let _ = writeln!(report.logs, "{} stored in {store_ms:.1} ms", self.now());
        report.timings.push(("store", store_ms));
        if self.finish(&job.attempt_id, Outcome::Done(file), report).await {
            tracing::info!(%id, attempt, total_ms = begun.elapsed().as_millis() as u64, "job done");
        } else {
            self.clean_up_removed(job).await;
        }
    }

    /// Renders a single job or a row.
    async fn render(&self, job: &FetchedJob) -> Result<RenderedJob, AttemptError> {
        let (task, template) = match &job.work {
            Work::Job(body) => (Task::Job { body: body.clone(), all_pages: false }, None),
            Work::Row { batch, row, values } => {
                let template = self.templates.load(batch).await?;
                let (batch, row, values) = (template.batch_assets.clone(), *row, values.clone());
                (Task::Row(RowTask { batch, row, values, all_pages: false }), Some(template))
            }
            Work::Document { .. } => {
                let error = Error::Internal("a document rendered as one request".into());
                return Err(AttemptError::Render(error, Timings::default()));
            }
        };
        let error_count = template.as_ref().map_or(0, |it| it.batch_assets.error_count());
        let (sender, pages) = watch::channel((0, 0));
        let progress: Progress = Arc::new(move |done, total| {
            sender.send_replace((done, total));
        });
        let Finished { result, timings } = tokio::select! {
            finished = self.renderers.run(task, time_limit(&self.settings), Some(progress)) => finished,
            never = self.record_progress(&job.attempt_id, pages) => match never {},
        };
        match result {
            Ok(mut file) => {
                if let Some(template) = &template {
                    file.warnings.retain(|warning| !template.explains(warning));
                }
                let when = if file.cache == CacheUse::Hit { "painted before" } else { "painted" };
                let origin = format!("{when} by {}", file.rasterizer);
                self.rendered(file, origin, timings).await
            }
            Err(error) => match template.and_then(|it| it.batch_assets.error_since(error_count)) {
                Some(storage) if error.kind() == Kind::Internal => Err(AttemptError::Storage(storage)),
                _ if error.kind() == Kind::Unavailable => Err(AttemptError::NoRenderer(error)),
                _ => Err(AttemptError::Render(with_flat_paths(error), timings)),
            },
        }
    }

    /// The file with its hash.
    async fn rendered(
        &self,
        file: RenderedFile,
        origin: String,
        timings: Timings,
    ) -> Result<RenderedJob, AttemptError> {
        let RenderedFile { bytes, format, fingerprint, warnings, .. } = file;
        let hashed = bytes.clone();
        let hash = self.renderers.run_on_pool(move || ContentHash::of(&hashed)).await;
        let hash = hash.map_err(|error| AttemptError::Render(error, timings.clone()))?;
        Ok(RenderedJob { bytes, hash, format, fingerprint, origin, timings, warnings, rows: Vec::new() })
    }

    /// Records the progress of a job with several pages until it is dropped. `pages`: finished pages, and all pages.
    async fn record_progress(&self, attempt: &AttemptId, mut pages: watch::Receiver<(usize, usize)>) -> Infallible {
        while pages.changed().await.is_ok() {
            let (done, total) = *pages.borrow_and_update();
            if done < total {
                self.set_progress(attempt, done as f64 / total as f64).await;
            }
            tokio::time::sleep(PROGRESS_INTERVAL).await;
        }
        std::future::pending().await
    }

    /// Records the share of a job that is done, 0 to 1. Logs failures, since the next update corrects them.
    async fn set_progress(&self, attempt: &AttemptId, done: f64) {
        if let Err(error) = self.service.progress(attempt, 100.0 * done).await {
            tracing::warn!(id = %attempt.job, %error, "cannot record the progress of a job");
        }
    }

    async fn store(&self, job: &FetchedJob, rendered: RenderedJob) -> Result<StoredFile, ResultError> {
        let RenderedJob { bytes, hash, format, fingerprint, .. } = rendered;
        let (file, length) = (&job.file, bytes.len() as u64);
        self.results.put(Area::Jobs, file, bytes, format.media_type()).await?;
        let link = self.results.link(Area::Jobs, file, &job.link_base, self.settings.lifetime).await?;
        Ok(StoredFile { link, bytes: length, hash, fingerprint })
    }

    /// Requeues a job after a storage failure, which an operator has to repair, or fails it after
    /// `TENTER_RESULT_PATIENCE`.
    async fn storage_failed(&self, job: &FetchedJob, reason: &(dyn std::error::Error + Sync)) {
        let id = &job.attempt_id.job;
        let (age, patience) = (self.now().since(job.created_at), self.settings.result_patience);
        if age >= patience {
            let hours = patience.as_secs_f64() / 3600.0;
            let error = format!("the result could not be stored for {hours:.1} h (TENTER_RESULT_PATIENCE)");
            tracing::error!(%id, %reason, "job given up: its result cannot be stored");
            self.finish(&job.attempt_id, Outcome::Error(error), AttemptReport::default()).await;
            return;
        }
        let after = age.clamp(*STORAGE_RETRY_DELAY.start(), *STORAGE_RETRY_DELAY.end());
        tracing::warn!(%id, %reason, again_s = after.as_secs(), "the result of a job cannot be stored; trying again later");
        let note = "the result could not be stored; the job is tried again".to_owned();
        self.requeue(&job.attempt_id, Requeue { after, counts: false, note }).await;
    }

    /// Requeues a job that no renderer could finish. The attempt counts, so that a job cannot be tried forever.
    async fn renderer_failed(&self, job: &FetchedJob, reason: &Error) {
        tracing::warn!(id = %job.attempt_id.job, %reason, "a job is tried again");
        let note = format!("{reason}; the job is tried again");
        self.requeue(&job.attempt_id, Requeue { after: RENDERER_RETRY_DELAY, counts: true, note }).await;
    }

    /// Removes what an attempt at a removed job may have stored. If this fails, the file is still listed in the trash.
    async fn clean_up_removed(&self, job: &FetchedJob) {
        if let Err(error) = self.results.remove(Area::Jobs, &job.file).await {
            tracing::warn!(id = %job.attempt_id.job, %error, "cannot remove the result of a removed job yet");
        }
        // Releases the job's queue entry, if there still is one.
        let note = "the job or its batch was removed".to_owned();
        self.requeue(&job.attempt_id, Requeue { after: REMOVED_RETRY_DELAY, counts: true, note }).await;
    }

    async fn fail(&self, attempt: &AttemptId, error: &Error, mut report: AttemptReport) {
        let id = &attempt.job;
        if error.kind() == Kind::Internal {
            tracing::error!(%id, %error, "job failed");
        } else {
            tracing::info!(%id, %error, "job failed");
        }
        report.problems = error.problems().to_vec();
        for problem in error.problems() {
            let _ = writeln!(report.logs, "{} error {problem}", self.now());
        }
        self.finish(attempt, Outcome::Error(public_message(error, id)), report).await;
    }

    /// Records the outcome of an attempt. Returns false when the job was removed or has another outcome.
    async fn finish(&self, attempt: &AttemptId, outcome: Outcome, report: AttemptReport) -> bool {
        let finish = async || self.service.finish(attempt, outcome.clone(), report.clone()).await;
        retry_forever("cannot record the end of a job", finish).await
    }

    async fn requeue(&self, attempt: &AttemptId, requeue: Requeue) {
        let requeue = async || self.service.requeue(attempt, requeue.clone()).await;
        retry_forever("cannot return a job to the queue", requeue).await;
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&self.clock)
    }

    /// Creates the report of a rendered file. Moves the rows and warnings out of `rendered`.
    fn report(&self, rendered: &mut RenderedJob) -> AttemptReport {
        let mut report = self.report_timings(&rendered.timings);
        report.rows = std::mem::take(&mut rendered.rows);
        let now = self.now();
        let _ = writeln!(report.logs, "{now} fingerprint {}, {}", rendered.fingerprint, rendered.origin);
        report.warnings = std::mem::take(&mut rendered.warnings);
        let more = report.warnings.len().saturating_sub(MAX_WARNINGS);
        report.warnings.truncate(MAX_WARNINGS);
        for warning in &report.warnings {
            let _ = writeln!(report.logs, "{now} warning {warning}");
        }
        if more > 0 {
            let _ = writeln!(report.logs, "{now} and {}", counted(more as u64, "more warning"));
        }
        report
    }

    /// A report with a log line such as `parse 1.2 ms, paint 30.1 ms`.
    fn report_timings(&self, timings: &Timings) -> AttemptReport {
        let timings = in_ms(timings);
        let stages: Vec<_> = timings.iter().map(|(stage, ms)| format!("{stage} {ms:.1} ms")).collect();
        let logs = if stages.is_empty() { String::new() } else { format!("{} {}\n", self.now(), stages.join(", ")) };
        AttemptReport { logs, timings, ..AttemptReport::default() }
    }
}

/// Repeats a call until it succeeds, and logs `message` with each error. A worker whose store fails has nothing else to
/// do.
async fn retry_forever<T, F: Future<Output = Result<T, StoreError>>>(message: &str, call: impl FnMut() -> F) -> T {
    let retrying = call.retry(STORE_BACKOFF).notify(|error, _| tracing::error!(%error, "{message}; trying again"));
    retrying.await.expect("the number of retries is not limited")
}

/// The error message for the owner of the job `id`. It leaves out the details of internal errors.
fn public_message(error: &Error, id: &JobId) -> String {
    match error.kind() {
        Kind::Internal => format!("internal error; the service's log has more under the job {id}"),
        _ => error.to_string(),
    }
}

fn in_ms(timings: &Timings) -> Vec<(&'static str, f64)> {
    timings.iter().map(|(stage, duration)| (stage.as_str(), ms(duration))).collect()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
