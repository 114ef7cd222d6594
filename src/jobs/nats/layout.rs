//! What is made on the servers, and under which names.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};

use crate::config::NatsSettings;
use crate::hash::ContentHash;
use crate::jobs::batch::BatchId;
use crate::jobs::life::limits::Limits;
use crate::report::with_causes;

/// A message that was sent twice within this time is one.
const DUPLICATES: Duration = Duration::from_secs(120);

/// Deliveries of one message before the server gives it up, and we look into it. Attempts are counted in the record and stop far
/// earlier; this also counts every time that a job was given back because the bucket was down.
const DELIVERIES: i64 = 1000;

/// Those who take work.
const WORKERS: &str = "workers";

/// Webhooks that wait: their naks with delay count as unacknowledged.
const UNACKNOWLEDGED_HOOKS: i64 = 1_000_000;

/// Names of the clock are forgotten.
const CLOCK_AGE: Duration = Duration::from_secs(3600);

/// The streams and buckets of one cluster.
#[derive(Clone)]
pub(super) struct Layout {
    prefix: String,
    pub(super) work: Stream,
    pub(super) rows: Stream,
    pub(super) hooks: Stream,
    pub(super) worker: Consumer<pull::Config>,
    pub(super) row_worker: Consumer<pull::Config>,
    pub(super) postman: Consumer<pull::Config>,
    pub(super) records: Store,
    pub(super) keys: Store,
    pub(super) trash: Store,
    pub(super) clock: Store,
    consumers: [(Stream, pull::Config); 3],
}

impl Layout {
    /// Makes what is missing, and changes what the settings say otherwise now.
    pub(super) async fn make(context: &Context, settings: &NatsSettings, limits: &Limits) -> Result<Self, String> {
        let prefix = settings.prefix.0.clone();
        if prefix.contains('.') {
            return Err(format!("{prefix:?}: names of streams have no dots (TENTER_NATS_PREFIX)"));
        }
        let replicas = settings.replicas;
        let of_queue = i64::try_from(limits.queue).unwrap_or(i64::MAX);
        let of_rows = i64::try_from(limits.rows).unwrap_or(i64::MAX);
        let work = Config {
            description: Some("unfinished jobs of tenter, a message each".into()),
            subjects: vec![format!("{prefix}.work.*")],
            max_messages: of_queue,
            // Of one owner: its subject.
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
        let work = stream_of(context, work).await?;
        let rows = stream_of(context, rows).await?;
        let hooks = stream_of(context, hooks).await?;
        let consumers = [
            (work.clone(), consuming(WORKERS, settings.ack_wait, DELIVERIES, of_queue)),
            (rows.clone(), consuming(WORKERS, settings.ack_wait, DELIVERIES, of_rows)),
            (hooks.clone(), consuming("postmen", settings.ack_wait, -1, UNACKNOWLEDGED_HOOKS)),
        ];
        let worker = consumer(&work, consumers[0].1.clone()).await?;
        let row_worker = consumer(&rows, consumers[1].1.clone()).await?;
        let postman = consumer(&hooks, consumers[2].1.clone()).await?;
        let bucket = |name: &str, description: &str| bucket(&prefix, name, description, replicas);
        let clock = Config {
            max_age: CLOCK_AGE,
            storage: StorageType::Memory,
            ..bucket("clock", "what time the servers say it is, and who feeds batches")
        };
        Ok(Self {
            records: bucket_of(context, bucket("jobs", "jobs and batches of tenter")).await?,
            keys: bucket_of(context, bucket("keys", "idempotency keys of tenter")).await?,
            trash: bucket_of(context, bucket("trash", "results to remove")).await?,
            clock: bucket_of(context, clock).await?,
            prefix,
            work,
            rows,
            hooks,
            worker,
            row_worker,
            postman,
            consumers,
        })
    }

    /// Makes consumers that a server forgot when it was killed. Messages are not forgotten with them: the new one begins with all
    /// that are there.
    pub(super) async fn keep_consumers(&self) -> Result<(), String> {
        for (stream, config) in &self.consumers {
            consumer(stream, config.clone()).await?;
        }
        Ok(())
    }

    /// Where an owner's jobs go. Names of owners are anything; subjects are not.
    pub(super) fn work_subject(&self, owner: &str) -> String {
        format!("{}.work.{}", self.prefix, &ContentHash::of(owner.as_bytes()).to_string()[..32])
    }

    /// Where a batch's rows go.
    pub(super) fn rows_subject(&self, batch: &BatchId) -> String {
        format!("{}.rows.{batch}", self.prefix)
    }

    pub(super) fn hooks_subject(&self) -> String {
        format!("{}.hooks", self.prefix)
    }

    /// What the server says when it gives up a message of this stream.
    pub(super) fn given_up_subject(stream: &Stream) -> String {
        format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{}.{WORKERS}", stream.cached_info().config.name)
    }
}

/// A message is there until it is acknowledged; what does not fit is refused, never dropped.
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

/// Opens the stream, made or changed only where it is not as it should be: a server of 2.9 that is killed while it writes what a
/// stream or consumer is like forgets it.
async fn stream_of(context: &Context, mut config: Config) -> Result<Stream, String> {
    let name = config.name.clone();
    let made = match context.get_stream(&name).await {
        Ok(stream) => {
            let there = &stream.cached_info().config;
            config.num_replicas = replicas(&name, there.num_replicas, config.num_replicas);
            if is_like(there, &config) {
                return Ok(stream);
            }
            context.update_stream(config).await.map(drop).map_err(|error| with_causes(&error))
        }
        // Not "create or update": a server of 2.9 dies of an update to what another front end is just having made. Two who make
        // the same have both made it.
        Err(_) => context.create_stream(config).await.map(drop).map_err(|error| with_causes(&error)),
    };
    made.map_err(|error| format!("cannot make the stream {name}: {error}"))?;
    context.get_stream(&name).await.map_err(|error| format!("cannot open the stream {name}: {}", with_causes(&error)))
}

/// More where more are asked for; never fewer, or one process that was not told would take from all what survives a lost server.
fn replicas(stream: &str, found: usize, wanted: usize) -> usize {
    if found > wanted {
        tracing::warn!(stream, found, wanted, "has more replicas than TENTER_NATS_REPLICAS; they stay");
    }
    found.max(wanted)
}

/// In all that settings decide, and that a version of ours may change.
fn is_like(there: &Config, wanted: &Config) -> bool {
    let parts = |it: &Config| {
        (
            (it.subjects.clone(), it.retention, it.discard, it.discard_new_per_subject),
            (it.max_messages, it.max_messages_per_subject, it.max_age, it.num_replicas),
            (it.allow_direct, it.deny_delete, it.duplicate_window),
        )
    };
    parts(there) == parts(wanted)
}

/// A key-value bucket is a stream (NATS's ADR-8): a subject a key, of which the latest message counts. FinishedDocument by hand: the client
/// asks an account for more than servers of 2.9 tell, and forbids to delete messages, which is how we leave no markers behind.
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

async fn bucket_of(context: &Context, config: Config) -> Result<Store, String> {
    let name = config.name.trim_start_matches("KV_").to_owned();
    stream_of(context, config).await?;
    context
        .get_key_value(&name)
        .await
        .map_err(|error| format!("cannot open the bucket {name}: {}", with_causes(&error)))
}

/// The consumer called `name`, made or changed only where it is not as it should be.
async fn consumer(stream: &Stream, config: pull::Config) -> Result<Consumer<pull::Config>, String> {
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
    made.map_err(|error| format!("cannot make the consumer {name}: {}", with_causes(&error)))
}

fn consuming(name: &str, ack_wait: Duration, max_deliver: i64, max_ack_pending: i64) -> pull::Config {
    pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait,
        max_deliver,
        max_ack_pending,
        ..pull::Config::default()
    }
}
