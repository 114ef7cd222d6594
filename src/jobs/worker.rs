//! Takes jobs, renders them, stores what came out, and reports.
//!
//! A job whose process died during an attempt is rendered alone: should it be the cause, it takes no other job along.

mod document;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::batch::BatchId;
use super::job::JobId;
use super::request::{DESIGN, JobRequest, flat};
use super::results::{Area, Results};
use super::service::{DOCUMENTS_AGAIN, Service};
use super::store::{HandBack, Next, Outcome, Report, RowEnd, StoreError, StoredFile, TakeFilter, Taken, Ticket, Work};
use super::template::{RowTemplate, TemplateError, Templates};
use super::timestamp::{Clock, Timestamp};
use super::trace;
use crate::config::JobSettings;
use crate::error::{Error, Kind};
use crate::json::JsonParser;
use crate::output::Format;
use crate::pipeline::{CacheUse, Engine, Pages, RenderRequest, RenderedPage, Stage, Timings};
use crate::report::{Warning, counted};

/// Rest after the store failed, doubled up to the longest.
const SHORTEST_REST: Duration = Duration::from_millis(500);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Between two notes of how far a job is: each costs a write.
const BETWEEN_NOTES: Duration = Duration::from_millis(500);

/// Before a job is tried again whose result could not be stored: the time it has been around, within these.
const STORE_AGAIN: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// Before a row is looked at again whose batch is gone, should it still be there.
const GONE: Duration = Duration::from_secs(5);

/// Warnings told one by one in a job's log.
const MOST_WARNINGS: usize = 100;

/// Renders what the queue hands out.
pub(super) struct Worker {
    pub(super) engine: Engine,
    pub(super) service: Arc<Service>,
    pub(super) templates: Templates,
    pub(super) results: Results,
    pub(super) settings: JobSettings,
    pub(super) parser: JsonParser,
    pub(super) clock: Clock,
    pub(super) under_way: RunningJobs,
}

/// Jobs that this process works on, each with what stops it.
#[derive(Clone, Default)]
pub(super) struct RunningJobs(Arc<RunningJobsState>);

#[derive(Default)]
struct RunningJobsState {
    jobs: Mutex<HashMap<JobId, RunningJob>>,
    document_ended: Notify,
}

struct RunningJob {
    ticket: Ticket,
    /// Whose row or document it is, if it is one.
    batch: Option<BatchId>,
    is_document: bool,
    stop: CancellationToken,
}

impl RunningJobs {
    fn begin(&self, taken: &Taken) -> CancellationToken {
        let stop = CancellationToken::new();
        let batch = match &taken.work {
            Work::Row { batch, .. } | Work::Document { batch, .. } => Some(batch.clone()),
            Work::Job(_) => None,
        };
        let (ticket, is_document) = (taken.ticket.clone(), matches!(taken.work, Work::Document { .. }));
        self.lock().insert(ticket.id.clone(), RunningJob { ticket, batch, is_document, stop: stop.clone() });
        stop
    }

    fn end(&self, id: &JobId) {
        let ended = self.lock().remove(id);
        if ended.is_some_and(|it| it.is_document) {
            self.0.document_ended.notify_one();
        }
    }

    /// Stops work on a job that nobody wants any more.
    pub(super) fn cancel(&self, id: &JobId) {
        if let Some(begun) = self.lock().get(id) {
            begun.stop.cancel();
        }
    }

    fn documents(&self) -> usize {
        self.lock().values().filter(|it| it.is_document).count()
    }

    /// Stops work on the rows of a batch that nobody wants any more.
    pub(super) fn cancel_batch(&self, id: &BatchId) {
        for begun in self.lock().values().filter(|it| it.batch.as_ref() == Some(id)) {
            begun.stop.cancel();
        }
    }

    pub(super) fn tickets(&self) -> Vec<Ticket> {
        self.lock().values().map(|begun| begun.ticket.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, RunningJob>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A picture that is not stored yet.
struct Rendered {
    bytes: Bytes,
    sha256: [u8; 32],
    fingerprint: String,
    format: &'static dyn Format,
    /// By what, and whether now.
    origin: String,
    timings: Timings,
    warnings: Vec<Warning>,
    /// Of a document.
    rows: Vec<RowEnd>,
}

/// Why there is no picture.
enum Failure {
    /// Ends the job. With the stages up to then.
    Error(Error, Timings),
    /// Ends a document. With what became of its rows.
    Document(Error, Vec<RowEnd>),
    /// Store or results failed; the job waits for them.
    Later(String),
    /// Nobody wants it any more.
    Gone,
}

impl From<TemplateError> for Failure {
    fn from(none: TemplateError) -> Self {
        match none {
            TemplateError::Store(error) => Self::Later(error.to_string()),
            TemplateError::Gone => Self::Gone,
            TemplateError::Unreadable(error) => Self::Error(error, Timings::default()),
        }
    }
}

/// What to ask of the pipeline. `template`: that of a row's batch.
fn request(work: &Work, template: Option<&RowTemplate>, parser: JsonParser) -> Result<RenderRequest, Error> {
    match (work, template) {
        (Work::Row { row, values, .. }, Some(template)) => template.fill_in(*row, values),
        (Work::Document { .. }, _) => Err(Error::Internal("a document rendered as one request".into())),
        (Work::Row { .. }, None) => Err(Error::Internal("a row without its template".into())),
        (Work::Job(body), _) => {
            let JobRequest { design, options, format, .. } = JobRequest::read(body, parser)?;
            let pages = Pages::of(&options, format);
            Ok(RenderRequest { design, at: DESIGN.into(), options, format, pages })
        }
    }
}

impl Worker {
    /// Takes jobs until `stop`, then finishes those begun. Dropping it leaves them unfinished.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.settings.workers));
        let mut under_way = JoinSet::new();
        let mut rest = SHORTEST_REST;
        while let Some(slot) = or_stopped(&stop, self.slots(&slots, 1)).await {
            let taken = self.next(slot, &slots, &stop).await;
            while under_way.try_join_next().is_some() {} // forget those that ended
            match taken {
                Ok(Some((taken, slot))) => {
                    rest = SHORTEST_REST;
                    let worker = self.clone();
                    // Before the next job is taken: it may have to wait for this document to end.
                    let stop = self.under_way.begin(&taken);
                    under_way.spawn(async move { worker.work(taken, slot, stop).await });
                }
                Ok(None) => rest = SHORTEST_REST,
                Err(error) => {
                    tracing::error!(%error, "cannot take jobs");
                    let _ = or_stopped(&stop, tokio::time::sleep(rest)).await;
                    rest = (rest * 2).min(LONGEST_REST);
                }
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// `count` places at once, or never: nobody closes the semaphore.
    async fn slots(&self, slots: &Arc<Semaphore>, count: usize) -> OwnedSemaphorePermit {
        match slots.clone().acquire_many_owned(count as u32).await {
            Ok(slot) if self.settings.workers > 0 => slot,
            _ => std::future::pending().await,
        }
    }

    /// A job and the places it needs; `None` after waiting for one.
    async fn next(
        &self,
        slot: OwnedSemaphorePermit,
        slots: &Arc<Semaphore>,
        stop: &CancellationToken,
    ) -> Result<Option<(Taken, OwnedSemaphorePermit)>, StoreError> {
        let filter = |alone| TakeFilter { alone, documents: self.can_begin_document() };
        let wanted = filter(false);
        let (next, slot) = match self.service.take(wanted).await? {
            Next::Alone => {
                drop(slot);
                let Some(all) = or_stopped(stop, self.slots(slots, self.settings.workers)).await else {
                    return Ok(None);
                };
                (self.service.take(filter(true)).await?, all)
            }
            next => (next, slot),
        };
        match next {
            Next::Job(taken) => return Ok(Some((*taken, slot))),
            Next::Alone => {} // not when asked for one that may be alone
            Next::Nothing(due) => {
                drop(slot);
                self.templates.clear();
                let now = Timestamp::now(&self.clock);
                let longest = if wanted.documents { LONGEST_REST } else { DOCUMENTS_AGAIN };
                let sleep = due.map_or(longest, |due| due.since(now).clamp(Duration::from_millis(1), longest));
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.under_way.0.document_ended.notified() => {}
                    () = self.service.work_ready() => {}
                    () = tokio::time::sleep(sleep) => {}
                }
            }
        }
        Ok(None)
    }

    /// Whether one more document may be begun. Each holds its file in memory while other jobs have its slot. There may be one
    /// more than there are slots, so that a short document need not wait for the end of a long one.
    fn can_begin_document(&self) -> bool {
        self.under_way.documents() <= self.settings.workers
    }

    /// One attempt at one job, to its end, in `slot`.
    async fn work(&self, taken: Taken, mut slot: OwnedSemaphorePermit, stop: CancellationToken) {
        let attempt = self.attempt(&taken, &mut slot, &stop).instrument(trace::begin(&taken));
        let attempt = AssertUnwindSafe(attempt).catch_unwind().await;
        if attempt.is_err() {
            // The message is in the log already; the job must not stay behind.
            let error = Error::Internal("panic beside the CPU pool".into());
            self.fail(&taken.ticket, &error, Report::default()).await;
        }
        self.under_way.end(&taken.ticket.id);
    }

    async fn attempt(&self, taken: &Taken, slot: &mut OwnedSemaphorePermit, stop: &CancellationToken) {
        let Ticket { id, attempt } = &taken.ticket;
        tracing::debug!(%id, attempt, "job begun");
        let begun = Instant::now();
        let rendering = async {
            match &taken.work {
                Work::Job(_) | Work::Row { .. } => self.render(taken).await,
                Work::Document { batch, rows } => self.document(&taken.ticket, batch, *rows, slot).await,
            }
        };
        let Some(rendered) = or_stopped(stop, rendering).await else {
            tracing::info!(%id, "job removed while it was rendered");
            return self.forget(taken).await;
        };
        let (rendered, mut report) = match rendered {
            Ok(mut rendered) => {
                let report = self.report_of(&mut rendered);
                (rendered, report)
            }
            Err(Failure::Later(reason)) => return self.not_stored(taken, &reason).await,
            Err(Failure::Gone) => return self.forget(taken).await,
            Err(Failure::Error(error, timings)) => {
                return self.fail(&taken.ticket, &error, self.stages(&timings)).await;
            }
            Err(Failure::Document(error, rows)) => {
                return self.fail(&taken.ticket, &error, Report { rows, ..Report::default() }).await;
            }
        };
        let storing = Instant::now();
        let file = match self.store(taken, rendered).await {
            Ok(file) => file,
            Err(reason) => return self.not_stored(taken, &reason).await,
        };
        let stored_ms = ms(storing.elapsed());
        // Writing to a string cannot fail.
        let _ = writeln!(report.logs, "{} stored in {stored_ms:.1} ms", self.now());
        report.timings.push(("store", stored_ms));
        if self.finish(&taken.ticket, Outcome::Done(file), report).await {
            tracing::info!(%id, attempt, total_ms = begun.elapsed().as_millis() as u64, "job done");
        } else {
            self.forget(taken).await;
        }
    }

    async fn render(&self, taken: &Taken) -> Result<Rendered, Failure> {
        let template = match &taken.work {
            Work::Job(_) => None,
            Work::Row { batch, .. } | Work::Document { batch, .. } => Some(self.templates.of(batch).await?),
        };
        let error_count = template.as_ref().map_or(0, |it| it.batch_assets.error_count());
        let admitted = self.engine.admit_queued_elsewhere(self.settings.deadline, "TENTER_JOB_DEADLINE").await;
        let mut session = admitted.map_err(|error| Failure::Error(error, Timings::default()))?;
        if let Some(template) = &template {
            template.attach_to(&mut session);
        }
        let (tell, told) = watch::channel((0, 0));
        session.on_progress(Arc::new(move |done, total| {
            tell.send_replace((done, total));
        }));
        let (work, filled_in, parser) = (taken.work.clone(), template.clone(), self.parser);
        let rendering = async {
            let request = session.work(Stage::Parse, move || request(&work, filled_in.as_deref(), parser)).await??;
            let format = request.format;
            let mut rendered = session.render(request).await?;
            if let Some(template) = &template {
                rendered.warnings.retain(|warning| !template.explains(warning));
            }
            Ok::<_, Error>((rendered, format))
        };
        let rendered = tokio::select! {
            rendered = rendering => rendered,
            never = self.note_progress(&taken.ticket, told) => match never {},
        };
        let timings = session.timings().clone();
        drop(session); // storing needs no worker
        match rendered {
            Ok((rendered, format)) => {
                let (warnings, cache) = (rendered.warnings, rendered.cache);
                match rendered.pages.into_iter().next() {
                    Some(RenderedPage { bytes, rasterizer, fingerprint, .. }) => {
                        let when = if cache == CacheUse::Hit { "painted before" } else { "painted" };
                        let (fingerprint, origin) = (fingerprint.to_string(), format!("{when} by {rasterizer}"));
                        let sha256 = Sha256::digest(&bytes).into();
                        Ok(Rendered { bytes, sha256, format, fingerprint, origin, timings, warnings, rows: Vec::new() })
                    }
                    None => Err(Failure::Error(Error::Internal("a render without pages".into()), timings)),
                }
            }
            Err(error) => match template.and_then(|it| it.batch_assets.error_since(error_count)) {
                Some(reason) if error.kind() == Kind::Internal => Err(Failure::Later(reason)),
                _ => Err(Failure::Error(flat(error), timings)),
            },
        }
    }

    /// Writes down how far a job of several pages is, now and then: (pages done, pages in all).
    async fn note_progress(&self, ticket: &Ticket, mut pages: watch::Receiver<(usize, usize)>) -> Infallible {
        while pages.changed().await.is_ok() {
            let (done, total) = *pages.borrow_and_update();
            if done < total {
                let percent = 100.0 * done as f64 / total as f64;
                if let Err(error) = self.service.progress(ticket, percent).await {
                    tracing::warn!(id = %ticket.id, %error, "cannot note how far a job is");
                }
            }
            tokio::time::sleep(BETWEEN_NOTES).await;
        }
        std::future::pending().await
    }

    /// The link to what is stored now.
    async fn store(&self, taken: &Taken, rendered: Rendered) -> Result<StoredFile, String> {
        let Rendered { bytes, sha256, format, fingerprint, .. } = rendered;
        let (file, lifetime, length) = (&taken.file, self.settings.lifetime, bytes.len() as u64);
        let stored = self.results.put(Area::Jobs, file, bytes, format.media_type()).await;
        stored.map_err(|error| error.to_string())?;
        let link = self.results.link(Area::Jobs, file, &taken.link_base, lifetime).await;
        Ok(StoredFile { link: link.map_err(|error| error.to_string())?, bytes: length, sha256, fingerprint })
    }

    /// Bucket down, disk full: somebody mends that, and the job waits for it, within reason.
    async fn not_stored(&self, taken: &Taken, reason: &str) {
        let id = &taken.ticket.id;
        let age = self.now().since(taken.created_at);
        if age >= self.settings.result_patience {
            let hours = self.settings.result_patience.as_secs_f64() / 3600.0;
            let error = format!("the result could not be stored for {hours:.1} h (TENTER_RESULT_PATIENCE)");
            tracing::error!(%id, reason, "job given up: its result cannot be stored");
            self.finish(&taken.ticket, Outcome::Error(error), Report::default()).await;
            return;
        }
        let after = age.clamp(*STORE_AGAIN.start(), *STORE_AGAIN.end());
        tracing::warn!(%id, reason, again_s = after.as_secs(), "the result of a job cannot be stored; trying again later");
        let note = "the result could not be stored; the job is tried again".to_owned();
        self.hand_back(&taken.ticket, HandBack { after, counts: false, note }).await;
    }

    /// The job is gone: what it may have stored goes too. Should this fail, the trash has it.
    async fn forget(&self, taken: &Taken) {
        if let Err(error) = self.results.remove(Area::Jobs, &taken.file).await {
            tracing::warn!(id = %taken.ticket.id, %error, "cannot remove the result of a removed job yet");
        }
        // The queue may hold something for it.
        let note = "nobody wants it any more".to_owned();
        self.hand_back(&taken.ticket, HandBack { after: GONE, counts: true, note }).await;
    }

    async fn fail(&self, ticket: &Ticket, error: &Error, mut report: Report) {
        let id = &ticket.id;
        if error.kind() == Kind::Internal {
            tracing::error!(%id, %error, "job failed");
        } else {
            tracing::info!(%id, %error, "job failed");
        }
        report.problems = error.problems().to_vec();
        for problem in error.problems() {
            let _ = writeln!(report.logs, "{} error {problem}", self.now());
        }
        self.finish(ticket, Outcome::Error(told(error, id)), report).await;
    }

    /// Until it is on record: a store that cannot take this cannot hand out anything else either. False when the job is gone.
    async fn finish(&self, ticket: &Ticket, outcome: Outcome, report: Report) -> bool {
        self.retry_forever("cannot note the end of a job", || {
            self.service.finish(ticket, outcome.clone(), report.clone())
        })
        .await
    }

    async fn hand_back(&self, ticket: &Ticket, why: HandBack) {
        self.retry_forever("cannot give a job back", || self.service.hand_back(ticket, why.clone())).await;
    }

    async fn retry_forever<T, F>(&self, what: &str, ask: impl Fn() -> F) -> T
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut rest = SHORTEST_REST;
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => tracing::error!(%error, "{what}; trying again"),
            }
            tokio::time::sleep(rest).await;
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&self.clock)
    }

    /// `… parse 1.2 ms, paint 30.1 ms`, and a line a warning; warnings and rows are taken out of `rendered`.
    fn report_of(&self, rendered: &mut Rendered) -> Report {
        let mut report = self.stages(&rendered.timings);
        report.rows = std::mem::take(&mut rendered.rows);
        let now = self.now();
        let _ = writeln!(report.logs, "{now} fingerprint {}, {}", rendered.fingerprint, rendered.origin);
        report.warnings = std::mem::take(&mut rendered.warnings);
        let more = report.warnings.len().saturating_sub(MOST_WARNINGS);
        report.warnings.truncate(MOST_WARNINGS);
        for warning in &report.warnings {
            let _ = writeln!(report.logs, "{now} warning {warning}");
        }
        if more > 0 {
            let _ = writeln!(report.logs, "{now} and {}", counted(more as u64, "more warning"));
        }
        report
    }

    fn stages(&self, timings: &Timings) -> Report {
        let timings = in_ms(timings);
        let words: Vec<_> = timings.iter().map(|(stage, ms)| format!("{stage} {ms:.1} ms")).collect();
        let logs = if words.is_empty() { String::new() } else { format!("{} {}\n", self.now(), words.join(", ")) };
        Report { logs, timings, ..Report::default() }
    }
}

/// Why `id` failed, for its caller.
fn told(error: &Error, id: &JobId) -> String {
    match error.kind() {
        Kind::Internal => format!("internal error; the service's log has more under the job {id}"),
        _ => error.to_string(),
    }
}

fn in_ms(timings: &Timings) -> Vec<(&'static str, f64)> {
    timings.iter().map(|(stage, took)| (stage.as_str(), ms(took))).collect()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// `None` when `stop` comes first.
async fn or_stopped<T>(stop: &CancellationToken, future: impl Future<Output = T>) -> Option<T> {
    stop.run_until_cancelled(future).await
}
