//! The streams, consumers and buckets on the servers, and their names.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{self, AckPolicy, pull};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};

use super::error::NatsError;
use crate::config::NatsSettings;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::life::limits::JobLimits;

/// Time within which a second message with the same id is dropped.
const DUPLICATES: Duration = Duration::from_secs(120);

/// Deliveries of one message after which the server reports it and stops (MAX_DELIVERIES). Attempts are counted in the
/// record and end far earlier; deliveries also count hand-backs while the bucket is down and waits of documents.
const MAX_DELIVERIES: i64 = 1000;

/// Name of the consumers of jobs and rows.
const WORKERS: &str = "workers";

/// Most webhooks that wait for another attempt: a nak with delay leaves the message unacknowledged.
const MAX_UNACKNOWLEDGED_HOOKS: i64 = 1_000_000;

/// Time after which entries of the clock bucket expire.
const CLOCK_AGE: Duration = Duration::from_secs(3600);

/// A pull consumer on the servers.
pub(super) type Consumer = consumer::Consumer<pull::Config>;

/// Handles of the streams, consumers and buckets of one cluster.
#[derive(Clone)]
pub(super) struct Layout {
    prefix: String,
    pub(super) work: Stream,
    pub(super) rows: Stream,
    pub(super) hooks: Stream,
    pub(super) work_consumer: Consumer,
    pub(super) row_consumer: Consumer,
    pub(super) webhook_consumer: Consumer,
    pub(super) records: Store,
    pub(super) keys: Store,
    pub(super) templates: Store,
    pub(super) trash: Store,
    pub(super) clock: Store,
    consumers: [(Stream, pull::Config); 3],
}

impl Layout {
    /// Creates what is missing, and updates what differs from the settings.
    pub(super) async fn create(
        context: &Context,
        settings: &NatsSettings,
        limits: &JobLimits,
    ) -> Result<Self, NatsError> {
        let prefix = settings.prefix.0.clone();
        if prefix.contains('.') {
            let reason = format!("{prefix:?}: names of streams have no dots (TENTER_NATS_PREFIX)");
            return Err(NatsError::Settings(reason));
        }
        let replicas = settings.replicas;
        let of_queue = i64::try_from(limits.queue).unwrap_or(i64::MAX);
        let of_rows = i64::try_from(limits.rows).unwrap_or(i64::MAX);
        let work = Config {
            description: Some("unfinished jobs of tenter, a message each".into()),
            subjects: vec![format!("{prefix}.work.*")],
            max_messages: of_queue,
            // Each owner has a subject.
            max_messages_per_subject: i64::try_from(limits.of_owner).ok().filter(|it| *it > 0).unwrap_or(-1),
            discard_new_per_subject: limits.of_owner > 0,
            ..stream(format!("{prefix}-work"), replicas)
        };
        let rows = Config {
            description: Some("rows of batches of tenter that are to be rendered soon, a message each".into()),
            subjects: vec![format!("{prefix}.rows.*")],
            ..stream(format!("{prefix}-rows"), replicas)
        };
        let hooks = Config {
            description: Some("webhooks of tenter that are not delivered yet, a message each".into()),
            subjects: vec![format!("{prefix}.hooks")],
            ..stream(format!("{prefix}-hooks"), replicas)
        };
        let work = open_stream(context, work).await?;
        let rows = open_stream(context, rows).await?;
        let hooks = open_stream(context, hooks).await?;
        let consumers = [
            (work.clone(), consumer_config(WORKERS, settings.ack_wait, MAX_DELIVERIES, of_queue)),
            (rows.clone(), consumer_config(WORKERS, settings.ack_wait, MAX_DELIVERIES, of_rows)),
            (hooks.clone(), consumer_config("postmen", settings.ack_wait, -1, MAX_UNACKNOWLEDGED_HOOKS)),
        ];
        let work_consumer = open_consumer(&work, consumers[0].1.clone()).await?;
        let row_consumer = open_consumer(&rows, consumers[1].1.clone()).await?;
        let webhook_consumer = open_consumer(&hooks, consumers[2].1.clone()).await?;
        let bucket = |name: &str, description: &str| bucket(&prefix, name, description, replicas);
        let clock = Config {
            max_age: CLOCK_AGE,
            storage: StorageType::Memory,
            ..bucket("clock", "what time the servers say it is, and who feeds batches")
        };
        Ok(Self {
            records: open_bucket(context, bucket("jobs", "jobs and batches of tenter")).await?,
            keys: open_bucket(context, bucket("keys", "idempotency keys of tenter")).await?,
            templates: open_bucket(context, bucket("templates", "templates of tenter")).await?,
            trash: open_bucket(context, bucket("trash", "results to remove")).await?,
            clock: open_bucket(context, clock).await?,
            prefix,
            work,
            rows,
            hooks,
            work_consumer,
            row_consumer,
            webhook_consumer,
            consumers,
        })
    }

    /// Creates consumers that a server lost when it was killed. Messages are not lost with them: a new consumer begins
    /// with all messages of its stream.
    pub(super) async fn create_consumers(&self) -> Result<(), NatsError> {
        for (stream, config) in &self.consumers {
            open_consumer(stream, config.clone()).await?;
        }
        Ok(())
    }

    /// Subject of an owner's jobs. It has a hash, since names of owners may have characters that subjects may not.
    pub(super) fn work_subject(&self, owner: &str) -> String {
        format!("{}.work.{}", self.prefix, &ContentHash::of(owner.as_bytes()).to_string()[..32])
    }

    /// Subject of the rows of a batch.
    pub(super) fn rows_subject(&self, batch: &BatchId) -> String {
        format!("{}.rows.{batch}", self.prefix)
    }

    pub(super) fn hooks_subject(&self) -> String {
        format!("{}.hooks", self.prefix)
    }

    /// Subject of the advisories about messages of `stream` that reached [`MAX_DELIVERIES`].
    pub(super) fn max_deliveries_subject(stream: &Stream) -> String {
        format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{}.{WORKERS}", stream.cached_info().config.name)
    }
}

/// A work queue: a message stays until it is acknowledged, and a message that does not fit is refused.
fn stream(name: String, replicas: usize) -> Config {
    Config {
        name,
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: DUPLICATES,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_bytes: -1,
        max_consumers: -1,
        ..Config::default()
    }
}

/// Opens a stream, which is created or updated only where it differs from `config`: a server of 2.9 that is killed
/// while it writes the configuration of a stream or consumer loses it.
async fn open_stream(context: &Context, mut config: Config) -> Result<Stream, NatsError> {
    let name = config.name.clone();
    let made: Result<(), Box<dyn std::error::Error + Send + Sync>> = match context.get_stream(&name).await {
        Ok(stream) => {
            let there = &stream.cached_info().config;
            config.num_replicas = replicas(&name, there.num_replicas, config.num_replicas);
            if is_same(there, &config) {
                return Ok(stream);
            }
            context.update_stream(config).await.map(drop).map_err(Into::into)
        }
        // Not "create or update": a server of 2.9 crashes on an update of a stream that another front end is just
        // creating. If two create the same stream, both succeed.
        Err(_) => context.create_stream(config).await.map(drop).map_err(Into::into),
    };
    made.map_err(|source| NatsError::Object { action: "create", kind: "stream", name: name.clone(), source })?;
    let opened = context.get_stream(&name).await;
    opened.map_err(|error| NatsError::Object { action: "open", kind: "stream", name, source: error.into() })
}

/// The larger of the two numbers: a process with an old setting must not remove replicas of all others.
fn replicas(stream: &str, found: usize, wanted: usize) -> usize {
    if found > wanted {
        tracing::warn!(stream, found, wanted, "has more replicas than TENTER_NATS_REPLICAS; they stay");
    }
    found.max(wanted)
}

/// Whether everything is equal that settings or a version of this program may change.
fn is_same(there: &Config, wanted: &Config) -> bool {
    let parts = |it: &Config| {
        (
            (it.subjects.clone(), it.retention, it.discard, it.discard_new_per_subject),
            (it.max_messages, it.max_messages_per_subject, it.max_age, it.num_replicas),
            (it.allow_direct, it.deny_delete, it.duplicate_window),
        )
    };
    parts(there) == parts(wanted)
}

/// A key-value bucket is a stream (NATS's ADR-8): a subject a key, whose latest message is the value. It is created as
/// a stream because the client needs account information that servers of 2.9 lack, and would forbid to delete messages,
/// which is how entries are removed without tombstones.
fn bucket(prefix: &str, name: &str, description: &str, replicas: usize) -> Config {
    let bucket = format!("{prefix}-{name}");
    Config {
        name: format!("KV_{bucket}"),
        description: Some(description.to_owned()),
        subjects: vec![format!("$KV.{bucket}.>")],
        max_messages_per_subject: 1,
        max_messages: -1,
        max_bytes: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: replicas,
        duplicate_window: DUPLICATES,
        allow_rollup: true,
        allow_direct: true,
        ..Config::default()
    }
}

async fn open_bucket(context: &Context, config: Config) -> Result<Store, NatsError> {
    let name = config.name.trim_start_matches("KV_").to_owned();
    open_stream(context, config).await?;
    let opened = context.get_key_value(&name).await;
    opened.map_err(|error| NatsError::Object { action: "open", kind: "bucket", name, source: error.into() })
}

/// Opens a consumer, which is created or updated only where it differs from `config`.
async fn open_consumer(stream: &Stream, config: pull::Config) -> Result<Consumer, NatsError> {
    let name = config.durable_name.clone().unwrap_or_default();
    if let Ok(there) = stream.get_consumer::<pull::Config>(&name).await {
        let is = &there.cached_info().config;
        let same = (is.ack_wait, is.max_deliver, is.max_ack_pending)
            == (config.ack_wait, config.max_deliver, config.max_ack_pending);
        if same {
            return Ok(there);
        }
    }
    let made = stream.create_consumer(config).await;
    made.map_err(|error| NatsError::Object { action: "create", kind: "consumer", name, source: error.into() })
}

fn consumer_config(name: &str, ack_wait: Duration, max_deliver: i64, max_ack_pending: i64) -> pull::Config {
    pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait,
        max_deliver,
        max_ack_pending,
        ..pull::Config::default()
    }
}
