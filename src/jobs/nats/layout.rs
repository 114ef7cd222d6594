//! What is made on the servers, and under which names.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, pull};
use async_nats::jetstream::kv::{self, Store};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};

use super::Rules;
use super::bodies;
use crate::config::NatsSettings;

/// A message that was sent twice within this time is one.
const DUPLICATES: Duration = Duration::from_secs(120);

/// Deliveries of one message before the server gives it up, and we look into it. Attempts are counted in the record and stop far
/// earlier; this also counts every time that a job was given back because the bucket was down.
const DELIVERIES: i64 = 1000;

/// Webhooks that wait: their naks with delay count as unacknowledged.
const UNACKNOWLEDGED_HOOKS: i64 = 1_000_000;

/// Names of the clock are forgotten.
const CLOCK_AGE: Duration = Duration::from_secs(3600);

/// The streams and buckets of one cluster.
#[derive(Clone)]
pub(super) struct Layout {
    prefix: String,
    pub(super) work: Stream,
    pub(super) hooks: Stream,
    pub(super) worker: Consumer<pull::Config>,
    pub(super) postman: Consumer<pull::Config>,
    pub(super) records: Store,
    pub(super) keys: Store,
    pub(super) trash: Store,
    pub(super) clock: Store,
}

impl Layout {
    /// Makes what is missing, and changes what the settings say otherwise now.
    pub(super) async fn make(context: &Context, settings: &NatsSettings, rules: &Rules) -> Result<Self, String> {
        let prefix = settings.prefix.0.clone();
        if prefix.contains('.') {
            return Err(format!("{prefix:?}: names of streams have no dots (TENTER_NATS_PREFIX)"));
        }
        let replicas = settings.replicas;
        let of_queue = i64::try_from(rules.queue).unwrap_or(i64::MAX);
        let work = Config {
            description: Some("unfinished jobs of tenter, a message each".into()),
            subjects: vec![format!("{prefix}.work.*")],
            max_messages: of_queue,
            // Of one owner: its subject.
            max_messages_per_subject: i64::try_from(rules.of_owner).ok().filter(|it| *it > 0).unwrap_or(-1),
            discard_new_per_subject: rules.of_owner > 0,
            ..stream(format!("{prefix}-work"), replicas)
        };
        let hooks = Config {
            description: Some("webhooks of tenter that are not delivered yet, a message each".into()),
            subjects: vec![format!("{prefix}.hooks")],
            ..stream(format!("{prefix}-hooks"), replicas)
        };
        let work = stream_of(context, work).await?;
        let hooks = stream_of(context, hooks).await?;
        let worker = consumer(&work, "workers", settings.ack_wait, DELIVERIES, of_queue).await?;
        let postman = consumer(&hooks, "postmen", settings.ack_wait, -1, UNACKNOWLEDGED_HOOKS).await?;
        let bucket = |name: &str, description: &str| kv::Config {
            bucket: format!("{prefix}-{name}"),
            description: description.to_owned(),
            history: 1,
            num_replicas: replicas,
            ..kv::Config::default()
        };
        let clock = kv::Config {
            max_age: CLOCK_AGE,
            storage: StorageType::Memory,
            ..bucket("clock", "what time the servers say it is")
        };
        Ok(Self {
            records: bucket_of(context, bucket("jobs", "jobs of tenter")).await?,
            keys: bucket_of(context, bucket("keys", "idempotency keys of tenter")).await?,
            trash: bucket_of(context, bucket("trash", "results to remove")).await?,
            clock: bucket_of(context, clock).await?,
            prefix,
            work,
            hooks,
            worker,
            postman,
        })
    }

    /// Where an owner's jobs go. Names of owners are anything; subjects are not.
    pub(super) fn work_subject(&self, owner: &str) -> String {
        format!("{}.work.{}", self.prefix, &bodies::digest(owner.as_bytes())[..32])
    }

    pub(super) fn hooks_subject(&self) -> String {
        format!("{}.hooks", self.prefix)
    }

    /// What the server says when it gives up a message.
    pub(super) fn given_up_subject(&self) -> String {
        format!("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{}-work.workers", self.prefix)
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

async fn stream_of(context: &Context, config: Config) -> Result<Stream, String> {
    let name = config.name.clone();
    let made = context.create_or_update_stream(config).await;
    made.map_err(|error| format!("cannot make the stream {name}: {}", with_causes(&error)))?;
    context.get_stream(&name).await.map_err(|error| format!("cannot open the stream {name}: {}", with_causes(&error)))
}

async fn bucket_of(context: &Context, config: kv::Config) -> Result<Store, String> {
    let name = config.bucket.clone();
    let made = context.create_or_update_key_value(config).await;
    made.map_err(|error| format!("cannot make the bucket {name}: {}", with_causes(&error)))
}

async fn consumer(
    stream: &Stream,
    name: &str,
    ack_wait: Duration,
    max_deliver: i64,
    max_ack_pending: i64,
) -> Result<Consumer<pull::Config>, String> {
    let config = pull::Config {
        durable_name: Some(name.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait,
        max_deliver,
        max_ack_pending,
        ..pull::Config::default()
    };
    let made = stream.create_consumer(config).await;
    made.map_err(|error| format!("cannot make the consumer {name}: {}", with_causes(&error)))
}

/// The message and those of its causes: the top one alone says little.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}
