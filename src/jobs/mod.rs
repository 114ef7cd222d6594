//! Renders that outlive their request: accepted, kept, worked off, told.
//!
//! In: jobs and batches of them; the rules of their life (`life`), their steps (`service`), what keeps them (`ledger`, and the two
//! there are: `sqlite`, `nats`); finished files and their links, webhooks. Not in: HTTP and its words (`server`), what a render is (`pipeline`).
//! Imports: `pipeline`, `options`, `output` (the list of formats), `assets` (the guarded client, pins), `rows`, `error`.
//!
//! What was accepted is on the disk; from then on a job is somebody's until it ends: a worker's, whose attempt is on record
//! before it begins, or the queue's. The name of its result is given with its id, so that a second attempt writes over the
//! first, and a removed job's file is found and removed after any crash.

mod batch;
mod batch_request;
mod batches;
mod batch_assets;
mod folder;
mod job;
mod ledger;
mod life;
mod timestamp;
mod names;
#[cfg(feature = "cluster")]
mod nats;
mod request;
mod results;
mod service;
mod sqlite;
mod store;
mod template;
mod trace;
mod webhook;
mod worker;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::request::{JobRequest, WEBHOOK};
use self::template::Templates;
use self::webhook::WebhookSender;
use self::worker::{RunningJobs, Worker};
use crate::assets::{Downloader, HttpPoster, SetupError};
use crate::config::{BatchSettings, JobSettings, Settings};
use crate::error::Error;
use crate::json::JsonParser;
use crate::pipeline::Engine;
use crate::report::Problem;

pub use self::batch::{Batch, BatchId, BatchListing, Document, Item, ItemListing, RowCounts};
pub use self::batches::{BatchCall, BatchSubmission, FoundItems};
pub use self::folder::DataFolder;
pub use self::job::{Job, JobId, Listing, Status};
pub use self::results::{Area, ResultError, Results};
pub use self::service::{Service, StoreLimits};
pub use self::store::{
    Accepted, AcceptedBatch, Answer, BatchDelivery, Counts, Delivery, DeliveryAttempt, DeliveryCapacity,
    DeliveryListing, DeliveryQuery, DeliveryRecord, FailedRow, HandBack, Idempotency, ItemQuery, NewBatch, NewJob,
    NewRow, Next, NextAction, Outcome, Owner, Pin, Report, RowEnd, RowPages, StoreError, StoredFile, StoredItems,
    StoredRow, TakeFilter, Taken, Template, Ticket, Work,
};
pub use self::timestamp::{Clock, Timestamp, system_clock};

/// The name of the embedded store's file.
const STORE: &str = "jobs.db";

/// What the trash calls all files that a batch was made of: its id and this.
const PINS: &str = ".pins";

/// Names of results that are removed in one go, and how many of them at a time: a bucket takes its time for each.
const TRASH_BATCH: u64 = 200;
const REMOVED_AT_ONCE: usize = 16;

/// Everything about jobs. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    engine: Engine,
    service: Arc<Service>,
    results: Results,
    poster: HttpPoster,
    downloader: Downloader,
    settings: JobSettings,
    batch_settings: BatchSettings,
    parser: JsonParser,
    worker: Arc<Worker>,
    postman: Arc<WebhookSender>,
    under_way: RunningJobs,
    /// There is much to sweep.
    sweep_now: Notify,
    stopping: CancellationToken,
}

/// What a caller sent to become a job.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Whose it will be.
    pub owner: Owner,
    /// JSON: a design, and options beside it.
    pub body: Bytes,
    /// What links start with: `http://host:port`.
    pub link_base: String,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// Why there is no job.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The body is wrong, or could not be looked at.
    #[error(transparent)]
    Render(#[from] Error),
    /// The store failed; nothing was accepted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The settings cannot be used, or the store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Of jobs.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client for webhooks.
    #[error(transparent)]
    Client(#[from] SetupError),
}

impl Jobs {
    /// Opens the embedded store in `folder`. Blocks for as long as the check of its file takes.
    ///
    /// # Errors
    /// In words for an operator: see [`StoreError`].
    pub fn open(
        settings: &Settings,
        folder: &DataFolder,
        engine: Engine,
        results: Results,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let file = folder.path().join(STORE);
        let limits =
            StoreLimits { jobs: &settings.jobs, batches: &settings.batches, keys: &settings.server.key_limits };
        let service = Service::embedded(&file, &limits, clock)?;
        Self::over(settings, service, engine, results)
    }

    /// Opens the store of a cluster: the NATS servers that the settings name. `results` must be a bucket. How many jobs this
    /// process renders at once is `settings.jobs.workers`; a front end that only accepts has 0.
    ///
    /// # Errors
    /// In words for an operator: see [`StoreError`].
    #[cfg(feature = "cluster")]
    pub async fn join(settings: &Settings, engine: Engine, results: Results) -> Result<Self, OpenError> {
        let service = Service::cluster(settings, results.clone()).await?;
        Self::over(settings, service, engine, results)
    }

    fn over(settings: &Settings, service: Service, engine: Engine, results: Results) -> Result<Self, OpenError> {
        let clock = service.clock();
        let service = Arc::new(service);
        let poster = HttpPoster::new(&settings.assets)?;
        let parser = JsonParser::new(settings.design.json_depth);
        let templates = Templates::new(service.clone(), results.clone(), settings.assets.pin_bytes, parser);
        let under_way = RunningJobs::default();
        let worker = Arc::new(Worker {
            engine: engine.clone(),
            service: service.clone(),
            templates,
            results: results.clone(),
            settings: settings.jobs.clone(),
            parser,
            clock: clock.clone(),
            under_way: under_way.clone(),
        });
        let postman = Arc::new(WebhookSender::new(service.clone(), poster.clone(), settings.webhooks.clone(), clock));
        Ok(Self(Arc::new(Inner {
            engine,
            service,
            results,
            poster,
            downloader: Downloader::new(&settings.assets)?,
            settings: settings.jobs.clone(),
            batch_settings: settings.batches.clone(),
            parser,
            worker,
            postman,
            under_way,
            sweep_now: Notify::new(),
            stopping: CancellationToken::new(),
        })))
    }

    /// Works off jobs and sends webhooks until [`Jobs::stop`], then finishes the jobs begun. When it is dropped before,
    /// call [`Jobs::abandon`].
    pub async fn run(&self) {
        let stop = &self.0.stopping;
        let worker = self.0.worker.clone().run(stop.clone());
        let postman = self.0.postman.clone().run(stop.clone());
        futures_util::join!(worker, postman);
        self.0.service.shut_down().await;
    }

    /// Does what the store needs for accepting jobs and telling about them, for ever. Stops when dropped.
    pub async fn keep_tending(&self) -> Infallible {
        self.0.service.maintain().await;
        std::future::pending().await
    }

    /// Whether a job could be accepted now, as far as is known without asking.
    ///
    /// # Errors
    /// When the store is away.
    pub fn reachable(&self) -> Result<(), StoreError> {
        self.0.service.reachable()
    }

    /// Takes no more jobs, and lets nobody wait for one.
    pub fn stop(&self) {
        self.0.stopping.cancel();
    }

    /// Resolves after [`Jobs::stop`].
    pub async fn stopped(&self) {
        self.0.stopping.cancelled().await;
    }

    /// Gives jobs that were begun and will not be finished to the next process, without counting the attempt.
    pub async fn abandon(&self) -> usize {
        let tickets = self.0.under_way.tickets();
        for ticket in &tickets {
            let note = "the service was stopped during this attempt".to_owned();
            let handed =
                self.0.service.hand_back(ticket, HandBack { after: Duration::ZERO, counts: false, note }).await;
            if let Err(error) = handed {
                tracing::warn!(id = %ticket.id, %error, "cannot give a job back; it is found by whoever works next");
            }
        }
        self.0.service.shut_down().await;
        tickets.len()
    }

    /// Looks at the body and makes it a job.
    ///
    /// # Errors
    /// `Render` when the body cannot become one.
    pub async fn submit(&self, submission: Submission) -> Result<Accepted, JobError> {
        let Submission { owner, body, link_base, idempotency_key } = submission;
        let (bytes, parser) = (body.clone(), self.0.parser);
        let looked_at = self.0.engine.run_on_pool(move || {
            let JobRequest { format, webhook, .. } = JobRequest::read(&bytes, parser)?;
            Ok::<_, Error>((format.extension(), webhook, <[u8; 32]>::from(Sha256::digest(&bytes))))
        });
        let (extension, webhook, digest) = looked_at.await??;
        if let Some(url) = &webhook {
            let checked = self.0.poster.check(url);
            checked.map_err(|error| Error::invalid(Problem { path: WEBHOOK.into(), message: error.to_string() }))?;
        }
        let idempotency = idempotency_key.map(|key| Idempotency { key, digest });
        let traceparent = trace::parent_of(&tracing::Span::current());
        let job = NewJob { owner, body, extension, webhook, link_base, idempotency, traceparent };
        Ok(self.0.service.accept(job).await?)
    }

    /// Waits for a job to end, up to `limit` and `TENTER_PREFER_WAIT`, and returns it as it is then; `None` when it is gone.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn wait(&self, owner: &Owner, id: &JobId, limit: Option<Duration>) -> Result<Option<Job>, StoreError> {
        let longest = self.0.settings.prefer_wait;
        tokio::select! {
            ended = self.0.service.ended(owner, id) => ended?,
            () = tokio::time::sleep(limit.map_or(longest, |limit| limit.min(longest))) => {}
            () = self.0.stopping.cancelled() => {}
        }
        self.job(owner, id).await
    }

    /// One of `owner`'s jobs.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn job(&self, owner: &Owner, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.0.service.get(owner, id).await
    }

    /// `limit` of `owner`'s jobs after the newest `offset`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, owner: &Owner, offset: u64, limit: u64) -> Result<Listing, StoreError> {
        self.0.service.list(owner, offset, limit).await
    }

    /// Cancels a job, or removes it with its result. False when there is none.
    ///
    /// # Errors
    /// When the store fails; the job is then still there.
    pub async fn remove(&self, owner: &Owner, id: &JobId) -> Result<bool, StoreError> {
        let removed = self.0.service.remove(owner, id).await?;
        if removed {
            self.0.under_way.cancel(id);
            self.empty_trash().await;
        }
        Ok(removed)
    }

    /// What receivers were told about a job, oldest first; `None` when there is no such job.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn deliveries(&self, owner: &Owner, id: &JobId) -> Result<Option<Vec<DeliveryRecord>>, StoreError> {
        self.0.service.deliveries(owner, id).await
    }

    /// Begins a delivery again; `None` when there is no such one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retry(&self, owner: &Owner, id: &JobId, delivery: &str) -> Result<Option<DeliveryRecord>, StoreError> {
        self.0.service.retry(owner, id, delivery).await
    }

    /// When the result called `file` expires; `None` when it is no result of a finished job.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn expiry(&self, file: &str) -> Result<Option<Timestamp>, StoreError> {
        match file.split_once('-').and_then(|(id, _)| JobId::parse(id)) {
            Some(id) => self.0.service.expiry(&id, file).await,
            None => Ok(None),
        }
    }

    /// For gauges.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.0.service.counts().await
    }

    /// Forgets expired jobs and removes results whose jobs are gone. Failures are logged and tried again next time.
    pub async fn sweep(&self) -> u64 {
        let expired = match self.0.service.expire().await {
            Ok(expired) => expired,
            Err(error) => {
                tracing::warn!(%error, "cannot remove expired jobs");
                0
            }
        };
        self.empty_trash().await;
        expired
    }

    /// Sweeps every `interval`, and when a batch was removed, for ever. Stops when dropped.
    pub async fn keep_sweeping(&self, interval: Duration) -> Infallible {
        loop {
            let removed = self.sweep().await;
            if removed > 0 {
                tracing::info!(removed, "removed expired jobs");
            }
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = self.0.sweep_now.notified() => {}
            }
        }
    }

    async fn empty_trash(&self) {
        if let Err(error) = self.try_to_empty_trash().await {
            tracing::warn!(error, "cannot remove results of removed jobs; trying again later");
        }
    }

    async fn try_to_empty_trash(&self) -> Result<(), String> {
        loop {
            let files = self.0.service.trash(TRASH_BATCH).await.map_err(|error| error.to_string())?;
            let removing = files.iter().map(|file| self.remove_for_good(file)).collect::<Vec<_>>();
            stream::iter(removing).buffer_unordered(REMOVED_AT_ONCE).try_collect::<()>().await?;
            if (files.len() as u64) < TRASH_BATCH {
                return Ok(());
            }
        }
    }

    async fn remove_for_good(&self, file: &str) -> Result<(), String> {
        let removed = match file.strip_suffix(PINS).and_then(BatchId::parse) {
            Some(batch) => self.0.results.remove_pins(&batch).await,
            None => self.0.results.remove(Area::Jobs, file).await,
        };
        removed.map_err(|error| error.to_string())?;
        self.0.service.remove_from_trash(file).await.map_err(|error| error.to_string())
    }
}
