//! [`Jobs`]: everything that the server does with jobs, and the tasks that run in the background. Calls about batches
//! are in [`super::batches`].

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::folder::DataFolder;
use super::job::{Job, JobId, Listing};
use super::results::Results;
use super::service::{Service, StoreLimits};
use super::storage_error::StorageError;
use super::store::{Counts, DeliveryRecord, Idempotency, NewJob, Owner, Requeue, StoreError, SubmitOutcome};
use super::template::Templates;
use super::template_records::TemplateRecords;
use super::timestamp::{Clock, Timestamp};
use super::trace;
use super::webhook::WebhookSender;
use super::worker::{RunningJobs, Worker};
use crate::assets::{Downloader, HttpPoster, SetupError};
use crate::calls::{JobRequest, WEBHOOK};
use crate::config::{BatchSettings, JobSettings, Settings};
use crate::error::Error;
use crate::hash::ContentHash;
use crate::json::JsonParser;
use crate::renderers::Renderers;
use crate::report::Problem;

/// File name of the embedded store.
const STORE: &str = "jobs.db";

/// Maximum number of trash entries that are loaded at once.
const TRASH_PAGE: u64 = 200;
/// Number of files that are removed concurrently, since each takes one request to a bucket.
const CONCURRENT_REMOVALS: usize = 16;

/// Accepts, renders, lists and removes jobs and batches. Cheap to clone.
#[derive(Clone)]
pub struct Jobs(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) renderers: Renderers,
    pub(super) service: Arc<Service>,
    pub(super) results: Results,
    poster: HttpPoster,
    pub(super) downloader: Downloader,
    pub(super) settings: JobSettings,
    pub(super) batch_settings: BatchSettings,
    pub(super) parser: JsonParser,
    worker: Arc<Worker>,
    webhook_sender: Arc<WebhookSender>,
    pub(super) running: RunningJobs,
    /// Notified when many files are to be removed.
    pub(super) sweep_now: Notify,
    stop: CancellationToken,
}

/// A request that creates a job.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Name of the API key of the request.
    pub owner: Owner,
    /// JSON with a design and options beside it.
    pub body: Bytes,
    /// The body as the caller sent it, if that names a template instead of having its design. Repeated calls are
    /// recognised by it, also when the template has changed.
    pub sent: Option<Bytes>,
    /// Base of links, `http://host:port`.
    pub link_base: String,
    /// Value of the header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// A submitted job or batch was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The request is invalid, or the process has no capacity to read it.
    #[error(transparent)]
    Render(#[from] Error),
    /// The job store failed, so that nothing was accepted.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The job store or the webhook client cannot be set up. The message is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The job store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client for webhooks cannot be created.
    #[error(transparent)]
    Client(#[from] SetupError),
}

impl Jobs {
    /// Opens the embedded store in `folder`. Blocks while the integrity of its file is checked.
    ///
    /// # Errors
    /// A store that cannot be opened ([`StoreError`]), or invalid settings of the webhook client.
    pub fn open(
        settings: &Settings,
        folder: &DataFolder,
        renderers: Renderers,
        results: Results,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let limits =
            StoreLimits { jobs: &settings.jobs, batches: &settings.batches, keys: &settings.server.key_limits };
        let service = Service::embedded(&folder.path().join(STORE), &limits, clock)?;
        Self::with_service(settings, service, renderers, results)
    }

    /// Connects to the store of a cluster, which is on the NATS servers in the settings. `results` must be a bucket.
    /// The number of jobs that this process renders at once is `settings.jobs.workers`: 0 for a front end that only
    /// accepts jobs.
    ///
    /// # Errors
    /// A store that cannot be opened ([`StoreError`]), or invalid settings of the webhook client.
    #[cfg(feature = "cluster")]
    pub async fn join(settings: &Settings, renderers: Renderers, results: Results) -> Result<Self, OpenError> {
        let service = Service::cluster(settings, results.clone()).await?;
        Self::with_service(settings, service, renderers, results)
    }

    fn with_service(
        settings: &Settings,
        service: Service,
        renderers: Renderers,
        results: Results,
    ) -> Result<Self, OpenError> {
        let clock = service.clock();
        let service = Arc::new(service);
        let poster = HttpPoster::new(&settings.assets)?;
        let parser = JsonParser::new(settings.design.json_depth);
        let running = RunningJobs::default();
        let worker = Arc::new(Worker {
            renderers: renderers.clone(),
            service: service.clone(),
            templates: Templates::new(service.clone(), results.clone(), parser),
            results: results.clone(),
            settings: settings.jobs.clone(),
            clock: clock.clone(),
            running: running.clone(),
        });
        let webhook_sender =
            Arc::new(WebhookSender::new(service.clone(), poster.clone(), settings.webhooks.clone(), clock));
        Ok(Self(Arc::new(Inner {
            renderers,
            service,
            results,
            poster,
            downloader: Downloader::new(&settings.assets)?,
            settings: settings.jobs.clone(),
            batch_settings: settings.batches.clone(),
            parser,
            worker,
            webhook_sender,
            running,
            sweep_now: Notify::new(),
            stop: CancellationToken::new(),
        })))
    }

    /// Renders jobs and sends webhooks until [`Jobs::stop`], then finishes the jobs that have begun. A caller that
    /// drops the future earlier must call [`Jobs::requeue_running`].
    pub async fn run(&self) {
        let stop = &self.0.stop;
        let worker = self.0.worker.clone().run(stop.clone());
        let webhook_sender = self.0.webhook_sender.clone().run(stop.clone());
        futures_util::join!(worker, webhook_sender);
        self.0.service.shut_down().await;
    }

    /// Runs the background tasks of the store, which accepting jobs and sending webhooks depend on, until it is
    /// dropped.
    pub async fn run_maintenance(&self) -> Infallible {
        self.0.service.maintain().await;
        std::future::pending().await
    }

    /// Whether the store could accept a job now, as far as is known without a request.
    ///
    /// # Errors
    /// The store is not reachable, or its disk refuses writes.
    pub async fn reachable(&self) -> Result<(), StoreError> {
        self.0.service.reachable().await
    }

    /// Ends [`Jobs::run`] and all calls of [`Jobs::wait`].
    pub fn stop(&self) {
        self.0.stop.cancel();
    }

    /// Resolves after [`Jobs::stop`] was called.
    pub async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// Returns unfinished jobs to the queue for another process, without counting their attempts. Returns their number.
    pub async fn requeue_running(&self) -> usize {
        let attempts = self.0.running.attempts();
        for attempt in &attempts {
            let note = "the service was stopped during this attempt".to_owned();
            let requeue = Requeue { after: Duration::ZERO, counts: false, note };
            if let Err(error) = self.0.service.requeue(attempt, requeue).await {
                let id = &attempt.job;
                tracing::warn!(%id, %error, "cannot return a job to the queue; another process will find it");
            }
        }
        self.0.service.shut_down().await;
        attempts.len()
    }

    /// Validates a request and stores it as a job.
    ///
    /// # Errors
    /// An invalid body or webhook URL, or a failure of the store.
    pub async fn submit(&self, submission: Submission) -> Result<SubmitOutcome, JobError> {
        let Submission { owner, body, sent, link_base, idempotency_key } = submission;
        let (bytes, parser) = (body.clone(), self.0.parser);
        let read = self.0.renderers.run_on_pool(move || {
            let JobRequest { format, webhook, .. } = JobRequest::read(&bytes, parser)?;
            Ok::<_, Error>((format.extension(), webhook, ContentHash::of(sent.as_ref().unwrap_or(&bytes))))
        });
        let (extension, webhook, hash) = read.await??;
        self.check_webhook(webhook.as_deref())?;
        let idempotency = idempotency_key.map(|key| Idempotency { key, hash });
        let traceparent = trace::traceparent(&tracing::Span::current());
        let job = NewJob { owner, body, extension, webhook, link_base, idempotency, traceparent };
        Ok(self.0.service.accept(job).await?)
    }

    /// Checks that webhooks may be sent to `url`.
    pub(super) fn check_webhook(&self, url: Option<&str>) -> Result<(), Error> {
        url.map_or(Ok(()), |url| self.0.poster.check(url))
            .map_err(|error| Error::invalid(Problem { path: WEBHOOK.into(), message: error.to_string() }))
    }

    /// Waits for the end of a job, at most for `limit` and `TENTER_PREFER_WAIT`. Returns the job as it is then; `None`
    /// when it does not exist any more.
    ///
    /// # Errors
    /// The job store failed, so that nothing was accepted.
    pub async fn wait(&self, owner: &Owner, id: &JobId, limit: Option<Duration>) -> Result<Option<Job>, StoreError> {
        let longest = self.0.settings.prefer_wait;
        tokio::select! {
            ended = self.0.service.ended(owner, id) => ended?,
            () = tokio::time::sleep(limit.map_or(longest, |limit| limit.min(longest))) => {}
            () = self.0.stop.cancelled() => {}
        }
        self.job(owner, id).await
    }

    /// Loads one of `owner`'s jobs; `None` when it does not exist.
    ///
    /// # Errors
    /// The job store failed, so that nothing was accepted.
    pub async fn job(&self, owner: &Owner, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.0.service.get(owner, id).await
    }

    /// Lists up to `limit` of `owner`'s jobs, newest first, after the first `offset`.
    ///
    /// # Errors
    /// The job store failed, so that nothing was accepted.
    pub async fn list(&self, owner: &Owner, offset: u64, limit: u64) -> Result<Listing, StoreError> {
        self.0.service.list(owner, offset, limit).await
    }

    /// Cancels a job, or removes it with its result. Returns false when it does not exist.
    ///
    /// # Errors
    /// The store failed, and the job still exists.
    pub async fn remove(&self, owner: &Owner, id: &JobId) -> Result<bool, StoreError> {
        let removed = self.0.service.remove(owner, id).await?;
        if removed {
            self.0.running.cancel(id);
            self.empty_trash().await;
        }
        Ok(removed)
    }

    /// Lists the webhook deliveries of a job, oldest first; `None` when the job does not exist.
    ///
    /// # Errors
    /// The job store failed, so that nothing was accepted.
    pub async fn deliveries(&self, owner: &Owner, id: &JobId) -> Result<Option<Vec<DeliveryRecord>>, StoreError> {
        self.0.service.deliveries(owner, id).await
    }

    /// Schedules a webhook delivery of a job again; `None` when it does not exist.
    ///
    /// # Errors
    /// The job store failed, so that nothing was accepted.
    pub async fn retry(&self, owner: &Owner, id: &JobId, delivery: &str) -> Result<Option<DeliveryRecord>, StoreError> {
        self.0.service.retry(owner, id, delivery).await
    }

    /// Time at which the result `file` expires; `None` when no finished job has this result.
    ///
    /// # Errors
    /// The job store failed, so that nothing was accepted.
    pub async fn expiry(&self, file: &str) -> Result<Option<Timestamp>, StoreError> {
        match file.split_once('-').and_then(|(id, _)| JobId::parse(id)) {
            Some(id) => self.0.service.expiry(&id, file).await,
            None => Ok(None),
        }
    }

    /// Counts jobs per state, for metrics.
    ///
    /// # Errors
    /// The job store failed, so that nothing was accepted.
    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.0.service.counts().await
    }

    /// The records of templates.
    pub fn template_records(&self) -> TemplateRecords {
        self.0.service.template_records()
    }

    /// The clock of the store, which all its processes share.
    pub fn clock(&self) -> Clock {
        self.0.service.clock()
    }

    /// Storage of the results of jobs and rows, and of the designs of templates.
    pub fn results(&self) -> &Results {
        &self.0.results
    }

    /// Removes expired jobs, and the files of removed jobs. Logs failures, which the next sweep corrects. Returns the
    /// number of expired jobs and batches.
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

    /// Sweeps every `interval`, and at once when a batch was removed, until it is dropped.
    pub async fn run_sweeps(&self, interval: Duration) -> Infallible {
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
        if let Err(error) = self.remove_trashed_files().await {
            tracing::warn!(%error, "cannot remove results of removed jobs; trying again later");
        }
    }

    async fn remove_trashed_files(&self) -> Result<(), StorageError> {
        loop {
            let files = self.0.service.trash(TRASH_PAGE).await?;
            let removals = files.iter().map(async |file| {
                self.0.results.remove_trashed(file).await?;
                Ok::<_, StorageError>(self.0.service.remove_from_trash(file).await?)
            });
            let removals = removals.collect::<Vec<_>>();
            stream::iter(removals).buffer_unordered(CONCURRENT_REMOVALS).try_collect::<()>().await?;
            if (files.len() as u64) < TRASH_PAGE {
                return Ok(());
            }
        }
    }
}
