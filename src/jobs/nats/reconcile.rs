//! Background work of front ends: they watch the bucket of records, and repair what a crash left between two steps.
//!
//! Every front end does all of it. When two repair the same thing, compare-and-set and equal message ids make it happen
//! once.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::kv::{Entry as KvEntry, Operation, Store};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::bodies::MIN_AGE;
use super::cluster::{ClusterConnection, PARALLEL};
use super::error::NatsError;
use super::layout::{Consumer, Layout};
use super::message::{UNRECORDED, WorkMessage};
use crate::hash::ContentHash;
use crate::jobs::ledger::Stored;
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::results::{Area, ResultError};
use crate::jobs::store::StoreError;
use crate::jobs::timestamp::Timestamp;
use crate::report::with_causes;

/// Interval between comparisons of the numbers of records and messages, which cost two requests.
const CHECK_INTERVAL: Duration = Duration::from_secs(15);
/// Comparisons after which the message of every unfinished job is looked up.
const CHECKS_BEFORE_JOBS: u32 = 40;
/// Comparisons after which the record of every overdue webhook is looked up: an undeliverable message hides a missing
/// one.
const CHECKS_BEFORE_WEBHOOKS: u32 = 4;
/// Time without news after which it is checked whether the watch has missed any.
const WATCH_TIMEOUT: Duration = Duration::from_secs(20);
/// Delay before a watch or subscription that ended is begun again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Age at which tombstones are deleted. By then the watches of all front ends have seen them.
const TOMBSTONE_AGE: Duration = Duration::from_secs(600);

/// Advisory of the server about a message that reached its maximum of deliveries.
#[derive(Debug, Deserialize)]
struct MaxDeliveries {
    stream_seq: u64,
    deliveries: u64,
}

/// The latest revision in a bucket; 0 if it is empty. The last sequence of its stream may be that of a deleted message,
/// and the client's "status" is as old as the handle.
pub(super) async fn latest_revision(bucket: &Store) -> Result<u64, NatsError> {
    match bucket.stream.get_last_raw_message_by_subject(&format!("{}>", bucket.prefix)).await {
        Ok(message) => Ok(message.sequence),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(0),
        Err(error) => Err(NatsError::request(error)),
    }
}

impl ClusterConnection {
    /// Runs until it is dropped.
    pub(super) async fn reconcile(&self) {
        let layout = &self.layout;
        futures_util::join!(
            self.watch(),
            self.repair(),
            self.handle_dead_messages(&layout.work),
            self.handle_dead_messages(&layout.rows),
        );
    }

    /// Keeps the index up to date.
    async fn watch(&self) {
        let mut heard = self.now();
        loop {
            let Err(error) = self.watch_once(&mut heard).await;
            tracing::warn!(%error, "cannot watch the records of jobs; trying again");
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// `heard`: time of the last news, or of the last check that there were none.
    async fn watch_once(&self, heard: &mut Timestamp) -> Result<Infallible, NatsError> {
        let records = &self.layout.records;
        if self.now().since(*heard) > TOMBSTONE_AGE / 2 {
            // Tombstones of records that were deleted meanwhile may be gone.
            tracing::warn!("no connection to the servers for minutes; reading all records again");
            self.index.reset();
        }
        let revision = self.index.revision();
        let mut news = match revision {
            0 => {
                let latest = latest_revision(records).await?;
                let news = records.watch_with_history(">").await.map_err(NatsError::request)?;
                self.index.begin_watch(latest);
                news
            }
            revision => {
                let next = records.watch_all_from_revision(revision + 1).await;
                next.map_err(NatsError::request)?
            }
        };
        loop {
            let Ok(entry) = tokio::time::timeout(WATCH_TIMEOUT, news.next()).await else {
                // No record has changed, or the watch has stopped.
                let latest = latest_revision(records).await?;
                *heard = self.now();
                if latest > self.index.revision() {
                    return Err(NatsError::Unexpected("it stopped while records changed"));
                }
                // The last of the records that the watch began with may have been deleted before it was sent.
                if !self.index.is_complete() {
                    self.index.begin_watch(latest);
                }
                continue;
            };
            let entry = entry.ok_or(NatsError::Unexpected("it ended"))?.map_err(NatsError::request)?;
            match Key::parse(&entry.key) {
                Some(key) if entry.operation != Operation::Put => {
                    let at = i64::try_from(entry.created.unix_timestamp_nanos() / 1000).unwrap_or(0);
                    self.index.apply_removal(&key, entry.revision, Timestamp::from_micros(at));
                }
                Some(Key::Pin(batch, _)) => self.index.apply_asset(&batch),
                Some(Key::Batch(_) | Key::Job(_) | Key::Row(..)) => self.apply(&entry),
                None => tracing::error!(key = entry.key, "the key of a record is invalid"),
            }
            self.index.set_revision(entry.revision);
            *heard = self.now();
        }
    }

    fn apply(&self, entry: &KvEntry) {
        match self.read(entry) {
            Ok(Stored { record, revision }) => self.index.apply(&record, revision),
            Err(error) => tracing::error!(%error, "a record cannot be read"),
        }
    }

    /// Publishes messages that are missing.
    async fn repair(&self) {
        for round in 1_u32.. {
            tokio::time::sleep(CHECK_INTERVAL).await;
            if !self.index.is_complete() || self.connected().is_err() {
                continue;
            }
            let all = round.is_multiple_of(CHECKS_BEFORE_JOBS);
            let (layout, index) = (&self.layout, &self.index);
            let jobs = self.repair_messages(&layout.work, &layout.work_consumer, index.unfinished_jobs(), all);
            let rows = self.repair_messages(&layout.rows, &layout.row_consumer, index.rows_with_message(), all);
            for repaired in [jobs.await, rows.await] {
                if let Err(error) = repaired {
                    tracing::warn!(%error, "cannot look for jobs without a message; trying again");
                }
            }
            if let Err(error) = self.repair_webhooks(round.is_multiple_of(CHECKS_BEFORE_WEBHOOKS)).await {
                tracing::warn!(%error, "cannot look for webhooks without a message; trying again");
            }
        }
    }

    /// Publishes new messages for jobs or rows whose message is missing or is no longer delivered. Looks up each
    /// message if there are fewer than jobs, or `all` says so.
    async fn repair_messages(
        &self,
        stream: &Stream,
        consumer: &Consumer,
        unfinished: Vec<Key>,
        all: bool,
    ) -> Result<u64, StoreError> {
        let failed = |error: &dyn std::error::Error| self.failed("cannot look into the stream", with_causes(error));
        let messages = stream.get_info().await.map_err(|error| failed(&error))?.state.messages;
        if !all && messages >= unfinished.len() as u64 {
            return Ok(0);
        }
        let workers = consumer.get_info().await.map_err(|error| failed(&error))?;
        let floor = workers.ack_floor.stream_sequence;
        let repairing = unfinished.iter().map(|key| self.repair_message(stream, key, floor));
        let repaired = futures_util::stream::iter(repairing.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let repaired = repaired.try_fold(0, async |sum, it| Ok(sum + it)).await?;
        if repaired > 0 {
            tracing::warn!(jobs = repaired, "jobs without a message were put into the queue again");
        }
        Ok(repaired)
    }

    async fn repair_message(&self, stream: &Stream, key: &Key, floor: u64) -> Result<u64, StoreError> {
        let Some(found) = self.load::<JobRecord>(key).await? else { return Ok(0) };
        let record = &found.record;
        let now = self.now();
        // Another process may be between two steps.
        let changed = Timestamp::from_micros(record.last_change());
        if record.status.is_end() || record.sequence == 0 || now.since(changed) < UNRECORDED {
            return Ok(0);
        }
        match stream.get_raw_message(record.sequence).await {
            Ok(_) if record.sequence > floor => return Ok(0),
            // The server counts it as acknowledged and does not deliver it.
            Ok(_) => drop(stream.delete_message(record.sequence).await),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(self.failed("cannot look up a message", with_causes(&error))),
        }
        tracing::warn!(%key, "the message of a job is missing; publishing another");
        Ok(u64::from(self.republish(&found).await?))
    }

    async fn repair_webhooks(&self, all: bool) -> Result<(), StoreError> {
        let keys = self.index.with_pending_webhook();
        if keys.is_empty() {
            return Ok(());
        }
        let info = self.layout.hooks.get_info().await;
        let info = info.map_err(|error| self.failed("cannot look into the stream", with_causes(&error)))?;
        if !all && info.state.messages >= keys.len() as u64 {
            return Ok(());
        }
        for key in keys {
            self.repair_webhooks_of(&key).await?;
        }
        Ok(())
    }

    async fn repair_webhooks_of(&self, key: &Key) -> Result<(), StoreError> {
        let Some(Stored { record, revision }) = self.load::<Entry>(key).await? else { return Ok(()) };
        let now = self.now();
        let overdue = |at: i64| now.since(Timestamp::from_micros(at)) > UNRECORDED;
        for delivery in record.deliveries().iter().filter(|it| it.is_pending()) {
            if overdue(delivery.next) && overdue(delivery.leased_until) {
                self.publish_webhook(key, &delivery.id, &format!("{}-{revision}", delivery.id)).await?;
                tracing::warn!(%key, delivery = delivery.id, "the message of a webhook is missing; another was published");
            }
        }
        Ok(())
    }

    /// Deletes messages that reached their maximum of deliveries, which stay in the stream and are not delivered. A job
    /// whose attempts are used up fails; any other gets a new message from [`ClusterConnection::repair_messages`].
    async fn handle_dead_messages(&self, stream: &Stream) {
        let subject = Layout::max_deliveries_subject(stream);
        loop {
            // Each advisory goes to one member of the queue group.
            match self.client.queue_subscribe(subject.clone(), "tenter".to_owned()).await {
                Ok(mut advisories) => {
                    while let Some(advisory) = advisories.next().await {
                        if let Ok(MaxDeliveries { stream_seq, deliveries }) = serde_json::from_slice(&advisory.payload)
                            && let Err(error) = self.handle_dead_message(stream, stream_seq, deliveries).await
                        {
                            tracing::warn!(%error, "cannot handle a message with too many deliveries; trying again later");
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot subscribe to advisories about messages"),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    async fn handle_dead_message(&self, stream: &Stream, sequence: u64, deliveries: u64) -> Result<(), StoreError> {
        let Ok(message) = stream.get_raw_message(sequence).await else { return Ok(()) };
        let read: Option<WorkMessage> = serde_json::from_slice(&message.payload).ok();
        if let Some(key) = read.and_then(|it| it.key())
            && let Some(Stored { mut record, revision }) = self.load::<JobRecord>(&key).await?
            && !record.status.is_end()
            && record.sequence == sequence
            && record.attempts >= self.limits.attempts
        {
            tracing::error!(%key, deliveries, "a job failed: its message was delivered too often");
            let now = self.now();
            record.worker_lost(self.limits.attempts, Duration::ZERO, self.limits.lifetime, now);
            let trash = record.trash_at_end(now);
            let ended = Entry::Job(record);
            if self.replace_with_trash(&ended, revision, &trash).await?.is_some() {
                self.publish_pending_webhooks(&ended).await;
            }
        }
        let deleted = stream.delete_message(sequence).await;
        deleted.map(drop).map_err(|error| self.failed("cannot remove a message", with_causes(&error)))
    }

    /// Deletes old tombstones, which servers of version 2.9 keep without limit.
    pub(super) async fn sweep_tombstones(&self) {
        let before = Timestamp::from_micros(self.now().micros() - TOMBSTONE_AGE.as_micros() as i64);
        for revision in self.index.take_tombstones(before) {
            // An error means that another front end was faster.
            let _ = self.layout.records.stream.delete_message(revision).await;
        }
    }

    /// Deletes bodies that no unfinished job refers to. Young ones stay, since the record of their job may not be
    /// written yet.
    pub(super) async fn sweep_bodies(&self) -> Result<(), StoreError> {
        let referenced = self.index.referenced_objects();
        for area in [Area::Designs, Area::Blobs] {
            let swept = self.sweep_area(area, &referenced).await;
            swept.map_err(|error| self.failed("cannot remove what jobs were sent (TENTER_RESULTS)", error))?;
        }
        Ok(())
    }

    async fn sweep_area(&self, area: Area, referenced: &HashSet<(Area, ContentHash)>) -> Result<(), ResultError> {
        let mut stored = std::pin::pin!(self.results.stored(area));
        while let Some(entry) = stored.next().await {
            let (name, at) = entry?;
            let old = |at: SystemTime| SystemTime::now().duration_since(at).unwrap_or_default() > MIN_AGE;
            // The listing is read page by page, and the object may have been stored again meanwhile.
            if old(at)
                && name.parse().is_ok_and(|hash| !referenced.contains(&(area, hash)))
                && self.results.stored_at(area, &name).await?.is_some_and(old)
            {
                self.results.remove(area, &name).await?;
            }
        }
        Ok(())
    }
}
