//! Conformance of the ledgers: each case runs over the embedded one and over NATS, and expects the same.

mod batches;
mod deliveries;
mod documents;
mod jobs;
mod templates;
#[cfg(feature = "cluster")]
#[path = "../support/nats.rs"]
mod nats;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenter::config::{Given, Settings};
use tenter::hash::ContentHash;
use tenter::jobs::{
    AttemptReport, Batch, BatchId, BatchSubmitOutcome, Clock, DataFolder, FetchFilter, Fetched, FetchedJob, Job, JobId,
    NewBatch, NewJob, NewRow, Outcome, Owner, Results, Service, StoreError, StoreLimits, StoredFile, SubmitOutcome,
    Template, system_clock,
};
use tokio::task::AbortHandle;

/// Longest wait for what a ledger does in the background.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The ledger that a case runs over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Embedded,
    #[cfg(feature = "cluster")]
    Cluster,
}

/// Other jobs run in the process.
const NOT_ALONE: FetchFilter = FetchFilter { alone: false, ..FetchFilter::ALL };

/// Makes a test of each case and ledger.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(crate::Engine::Embedded).await;
                }
            )*
        }
        #[cfg(feature = "cluster")]
        mod cluster {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name(crate::Engine::Cluster).await;
                }
            )*
        }
    };
}
use cases;

/// An empty ledger with its settings and folder.
struct Bench {
    service: Arc<Service>,
    maintaining: AbortHandle,
    settings: Settings,
    folder: tempfile::TempDir,
    #[cfg(feature = "cluster")]
    _server: Option<nats::Nats>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.maintaining.abort();
    }
}

impl Bench {
    /// `None`, with a message, when there is no NATS server to start.
    async fn start(engine: Engine) -> Option<Self> {
        Self::with(engine, |_| {}).await
    }

    /// As [`Bench::start`], with changed settings.
    async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut given = Given::default();
        #[cfg(feature = "cluster")]
        let server = match engine {
            Engine::Embedded => None,
            Engine::Cluster => Some(nats::Nats::start()?),
        };
        #[cfg(feature = "cluster")]
        if let Some(server) = &server {
            given.environment.insert("TENTER_NATS_URL".into(), server.url());
            given.environment.insert("TENTER_NATS_ACK_WAIT".into(), "2 s".into());
        }
        let mut settings = Settings::load(&given).expect("settings").settings;
        change(&mut settings);
        let service = Arc::new(open(engine, &settings, folder.path()).await.expect("a ledger"));
        Some(Self {
            maintaining: maintain(&service),
            service,
            settings,
            folder,
            #[cfg(feature = "cluster")]
            _server: server,
        })
    }

    /// Opens the ledger again without shutting it down, as after `kill -9`.
    async fn restart(&mut self, engine: Engine) {
        self.maintaining.abort();
        self.service = Arc::new(open(engine, &self.settings, self.folder.path()).await.expect("a ledger"));
        self.maintaining = maintain(&self.service);
    }

    async fn accept(&self, job: NewJob) -> Job {
        match self.service.accept(job).await.expect("a ledger") {
            SubmitOutcome::New(job) => job,
            other => panic!("{other:?}"),
        }
    }

    async fn accept_batch(&self, batch: NewBatch) -> Batch {
        match self.service.accept_batch(batch).await.expect("a ledger") {
            BatchSubmitOutcome::New(batch) => batch,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the next job that is due.
    async fn take(&self) -> FetchedJob {
        until("something is due", async || match self.service.fetch(FetchFilter::ALL).await.expect("a ledger") {
            Fetched::Job(fetched) => Some(*fetched),
            Fetched::Empty(_) => None,
            Fetched::RunAlone => panic!("asked for one that may be alone"),
        })
        .await
    }

    async fn takes_nothing(&self) -> bool {
        matches!(self.service.fetch(FetchFilter::ALL).await.expect("a ledger"), Fetched::Empty(_))
    }

    async fn finish(&self, fetched: &FetchedJob, outcome: Outcome) -> bool {
        self.service.finish(&fetched.attempt_id, outcome, AttemptReport::default()).await.expect("a ledger")
    }

    async fn job(&self, id: &JobId) -> Job {
        self.service.get(&Owner::from(""), id).await.expect("a ledger").expect("a job")
    }

    async fn batch(&self, id: &BatchId) -> Batch {
        self.service.batch(&Owner::from(""), id).await.expect("a ledger").expect("a batch")
    }

    /// Waits for the batch to complete.
    async fn completed(&self, id: &BatchId) -> Batch {
        until("the batch completes", async || Some(self.batch(id).await).filter(|batch| batch.completed_at.is_some()))
            .await
    }
}

async fn open(engine: Engine, settings: &Settings, folder: &std::path::Path) -> Result<Service, StoreError> {
    match engine {
        Engine::Embedded => {
            let limits =
                StoreLimits { jobs: &settings.jobs, batches: &settings.batches, keys: &settings.server.key_limits };
            let clock: Clock = system_clock();
            Service::embedded(&folder.join("jobs.db"), &limits, clock)
        }
        #[cfg(feature = "cluster")]
        Engine::Cluster => {
            // A folder instead of a bucket: the bodies are small and stay in the records.
            let results = Results::open(&settings.files, &DataFolder::open(folder).expect("a folder"))?;
            Service::cluster(settings, results).await
        }
    }
}

fn maintain(service: &Arc<Service>) -> AbortHandle {
    let service = service.clone();
    tokio::spawn(async move { service.maintain().await }).abort_handle()
}

/// Polls `look` until it returns something.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < TIMEOUT, "not within {TIMEOUT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn new_job(owner: &str) -> NewJob {
    NewJob::new(owner, Bytes::from_static(b"{}"), "png", "http://here")
}

/// A batch of `rows` readable rows, followed by `bad` rows that cannot be read.
fn new_batch(owner: &str, rows: u64, bad: u64) -> NewBatch {
    let row = |number: u64| NewRow {
        name: format!("{number}.png"),
        values: match number > rows {
            true => Err(tenter::jobs::RowError { error: format!("row {number}: is broken"), problems: Vec::new() }),
            false => Ok(format!("{{\"variables\":{{\"n\":{number}}}}}").into()),
        },
    };
    NewBatch {
        owner: owner.into(),
        template: Template {
            body: Bytes::from_static(b"{\"design\":{}}"),
            design_hash: ContentHash::from_bytes([3; 32]),
        },
        rows: (1..=rows + bad).map(row).collect(),
        document: None,
        format: "png",
        extension: "png",
        webhook: None,
        webhook_items: false,
        link_base: "http://here".into(),
        idempotency: None,
    }
}

fn done() -> Outcome {
    let link = "http://here/files/a.png".into();
    Outcome::Done(StoredFile { link, bytes: 3, hash: ContentHash::from_bytes([7; 32]), fingerprint: "f1".into() })
}

fn failed() -> Outcome {
    Outcome::Error("no picture".into())
}
