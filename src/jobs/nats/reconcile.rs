//! What front ends do all the time: watch the bucket of records, and put right what a crash left between two steps.
//!
//! Every front end does all of it. They may find the same thing at the same time: what they do about it is compare-and-set, or
//! sent under the same name, and happens once.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::kv::{Entry as KvEntry, Operation, Store};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::Nats;
use super::bodies::KEPT;
use super::dispatch::{UNRECORDED, WorkMessage};
use super::layout::Layout;
use super::ledger::PARALLEL;
use super::pull::Puller;
use crate::hash::ContentHash;
use crate::jobs::ledger::{Dispatch, Ledger, Stored, Swap};
use crate::jobs::life::entry::Entry;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::results::{Area, ResultError};
use crate::jobs::store::StoreError;
use crate::jobs::timestamp::Timestamp;
use crate::report::with_causes;

/// Between two looks whether messages are missing: two requests.
const BETWEEN_COUNTS: Duration = Duration::from_secs(15);
/// Looks after which every unfinished job's message is looked up, whatever the counts say.
const COUNTS_BEFORE_ALL: u32 = 40;
/// Looks after which every overdue webhook's record is looked up: one message that nobody gets hides the lack of another.
const COUNTS_BEFORE_HOOKS: u32 = 4;
/// A watch that says nothing for so long is asked whether there was nothing to say.
const SILENCE: Duration = Duration::from_secs(20);
/// After the watch ended, before the next.
const REST: Duration = Duration::from_secs(1);
/// What deleted records leave is kept until every front end must have seen it.
const MARKERS_KEPT: Duration = Duration::from_secs(600);

/// What the server says when it gives up a message.
#[derive(Debug, Deserialize)]
struct GivenUp {
    stream_seq: u64,
    deliveries: u64,
}

/// The latest revision that is there; 0 in an empty bucket. The stream's own last sequence may be that of a message which is
/// gone, and the client's "status" is of the moment when the bucket was opened.
async fn latest_of(bucket: &Store) -> Result<u64, String> {
    match bucket.stream.get_last_raw_message_by_subject(&format!("{}>", bucket.prefix)).await {
        Ok(message) => Ok(message.sequence),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(0),
        Err(error) if with_causes(&error).contains("no message found") => Ok(0),
        Err(error) => Err(with_causes(&error)),
    }
}

impl Nats {
    pub(super) async fn reconcile(&self) {
        let layout = &self.0.layout;
        futures_util::join!(
            self.watch(),
            self.mend(),
            self.hear_of_given_up(&layout.work),
            self.hear_of_given_up(&layout.rows),
        );
    }

    /// Keeps the index, for ever.
    async fn watch(&self) {
        let mut heard = self.now();
        loop {
            let Err(error) = self.watch_once(&mut heard).await;
            tracing::warn!(error, "cannot watch the records of jobs; trying again");
            tokio::time::sleep(REST).await;
        }
    }

    /// `heard`: when the servers last said what there is.
    async fn watch_once(&self, heard: &mut Timestamp) -> Result<Infallible, String> {
        let records = &self.0.layout.records;
        if self.now().since(*heard) > MARKERS_KEPT / 2 {
            // What was removed meanwhile may have left nothing that tells.
            tracing::warn!("out of touch with the servers for minutes; reading anew what there is");
            self.0.index.begin_anew();
        }
        let reached = self.0.index.reached();
        let mut news = match reached {
            0 => {
                let latest = latest_of(records).await?;
                let news = records.watch_with_history(">").await.map_err(|error| with_causes(&error))?;
                self.0.index.begin(latest);
                news
            }
            reached => {
                let next = records.watch_all_from_revision(reached + 1).await;
                next.map_err(|error| with_causes(&error))?
            }
        };
        loop {
            let Ok(entry) = tokio::time::timeout(SILENCE, news.next()).await else {
                // Nothing happened, or nobody told us.
                let latest = latest_of(records).await?;
                *heard = self.now();
                if latest > self.0.index.reached() {
                    return Err("it fell silent while jobs went on".into());
                }
                // What this began with may have been removed before it was told.
                if !self.0.index.is_complete() {
                    self.0.index.begin(latest);
                }
                continue;
            };
            let entry = entry.ok_or("it ended")?.map_err(|error| with_causes(&error))?;
            match Key::parse(&entry.key) {
                Some(key) if entry.operation != Operation::Put => {
                    let at = i64::try_from(entry.created.unix_timestamp_nanos() / 1000).unwrap_or(0);
                    self.0.index.saw_removal(&key, entry.revision, Timestamp::from_micros(at));
                }
                Some(Key::Pin(batch, _)) => self.0.index.saw_pin(&batch),
                Some(Key::Batch(_) | Key::Job(_) | Key::Row(..)) => self.show(&entry),
                None => tracing::error!(key = entry.key, "a record has no name of ours"),
            }
            self.0.index.watched(entry.revision);
            *heard = self.now();
        }
    }

    fn show(&self, entry: &KvEntry) {
        match self.read(entry) {
            Ok(Stored { record, revision }) => self.0.index.saw(&record, revision),
            Err(error) => tracing::error!(%error, "a record makes no sense"),
        }
    }

    /// Sends messages anew that are missing, for ever.
    async fn mend(&self) {
        for round in 1_u32.. {
            tokio::time::sleep(BETWEEN_COUNTS).await;
            if !self.0.index.is_complete() || self.connected().is_err() {
                continue;
            }
            let all = round.is_multiple_of(COUNTS_BEFORE_ALL);
            let (layout, index) = (&self.0.layout, &self.0.index);
            let jobs = self.mend_messages(&layout.work, &self.0.work, index.unfinished(), all);
            let rows = self.mend_messages(&layout.rows, &self.0.rows, index.sent_rows(), all);
            for mended in [jobs.await, rows.await] {
                if let Err(error) = mended {
                    tracing::warn!(%error, "cannot look for jobs without a message; trying again");
                }
            }
            if let Err(error) = self.mend_hooks(round.is_multiple_of(COUNTS_BEFORE_HOOKS)).await {
                tracing::warn!(%error, "cannot look for webhooks without a message; trying again");
            }
        }
    }

    /// Jobs or rows whose message is gone, or will not be handed out any more, get another. Counts tell whether to look at each.
    async fn mend_messages(
        &self,
        stream: &Stream,
        puller: &Puller,
        unfinished: Vec<Key>,
        all: bool,
    ) -> Result<u64, StoreError> {
        let failed = |error: &dyn std::error::Error| self.failed("cannot look into the stream", with_causes(error));
        let there = stream.get_info().await.map_err(|error| failed(&error))?.state.messages;
        if !all && there >= unfinished.len() as u64 {
            return Ok(0);
        }
        let workers = puller.consumer().get_info().await.map_err(|error| failed(&error))?;
        let floor = workers.ack_floor.stream_sequence;
        let mending = unfinished.iter().map(|key| self.mend_message(stream, key, floor));
        let mended = futures_util::stream::iter(mending.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let mended = mended.try_fold(0, async |sum, it| Ok(sum + it)).await?;
        if mended > 0 {
            tracing::warn!(jobs = mended, "jobs without a message were put into the queue again");
        }
        Ok(mended)
    }

    async fn mend_message(&self, stream: &Stream, key: &Key, floor: u64) -> Result<u64, StoreError> {
        let Some(found) = self.look_up::<JobRecord>(key).await? else { return Ok(0) };
        let record = &found.record;
        let now = self.now();
        // What changed a moment ago is somebody's.
        let touched = Timestamp::from_micros(record.last_change());
        if record.status.is_end() || record.sequence == 0 || now.since(touched) < UNRECORDED {
            return Ok(0);
        }
        match stream.get_raw_message(record.sequence).await {
            Ok(_) if record.sequence > floor => return Ok(0),
            // Nobody will get it: the server counts it as dealt with.
            Ok(_) => drop(stream.delete_message(record.sequence).await),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
            Err(error) if with_causes(&error).contains("no message found") => {}
            Err(error) => return Err(self.failed("cannot look up a message", with_causes(&error))),
        }
        tracing::warn!(%key, "the message of a job is gone; sending another");
        Ok(u64::from(self.send_anew(&found).await?))
    }

    async fn mend_hooks(&self, all: bool) -> Result<(), StoreError> {
        let telling = self.0.index.telling();
        if telling.is_empty() {
            return Ok(());
        }
        let there = self.0.layout.hooks.get_info().await;
        let there = there.map_err(|error| self.failed("cannot look into the stream", with_causes(&error)))?;
        if !all && there.state.messages >= telling.len() as u64 {
            return Ok(());
        }
        for key in telling {
            self.mend_hooks_of(&key).await?;
        }
        Ok(())
    }

    async fn mend_hooks_of(&self, key: &Key) -> Result<(), StoreError> {
        let Some(Stored { record, revision }) = self.look_up::<Entry>(key).await? else { return Ok(()) };
        let now = self.now();
        let overdue = |at: i64| now.since(Timestamp::from_micros(at)) > UNRECORDED;
        for hook in record.deliveries().iter().filter(|it| it.is_pending()) {
            if overdue(hook.next) && overdue(hook.leased_until) {
                self.announce(key, &hook.id, &format!("{}-{revision}", hook.id)).await?;
                tracing::warn!(%key, delivery = hook.id, "the message of a webhook is gone; another was sent");
            }
        }
        Ok(())
    }

    /// A message that the server gives up stays in the stream, where nobody gets it. It is removed; a job whose attempts are used
    /// up ends, any other gets a new message from [`Nats::mend_messages`].
    async fn hear_of_given_up(&self, stream: &Stream) {
        let subject = Layout::given_up_subject(stream);
        loop {
            // Each is told to one front end.
            match self.0.client.queue_subscribe(subject.clone(), "tenter".to_owned()).await {
                Ok(mut advisories) => {
                    while let Some(advisory) = advisories.next().await {
                        if let Ok(GivenUp { stream_seq, deliveries }) = serde_json::from_slice(&advisory.payload)
                            && let Err(error) = self.given_up(stream, stream_seq, deliveries).await
                        {
                            tracing::warn!(%error, "cannot look into a message that the server gave up; later");
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot hear of messages that the server gives up"),
            }
            tokio::time::sleep(REST).await;
        }
    }

    async fn given_up(&self, stream: &Stream, sequence: u64, deliveries: u64) -> Result<(), StoreError> {
        let Ok(message) = stream.get_raw_message(sequence).await else { return Ok(()) };
        let read: Option<WorkMessage> = serde_json::from_slice(&message.payload).ok();
        if let Some(key) = read.and_then(|it| it.key())
            && let Some(Stored { mut record, revision }) = self.look_up::<JobRecord>(&key).await?
            && !record.status.is_end()
            && record.sequence == sequence
            && record.attempts >= self.0.limits.attempts
        {
            tracing::error!(%key, deliveries, "a job whose message came back too often is given up");
            let now = self.now();
            record.worker_lost(self.0.limits.attempts, Duration::ZERO, self.0.limits.lifetime, now);
            let trash = record.trash_at_end(now);
            let ended = Entry::Job(record);
            if self.swap(Swap { entry: &ended, revision, trash, on_disk: true }).await?.is_some() {
                self.announce_all(&ended).await;
            }
        }
        let deleted = stream.delete_message(sequence).await;
        deleted.map(drop).map_err(|error| self.failed("cannot remove a message", with_causes(&error)))
    }

    /// Has those who send hear of all that waits to be told of a record.
    pub(super) async fn announce_all(&self, record: &Entry) {
        let Some(key) = record.key() else { return };
        for delivery in record.deliveries().iter().filter(|it| it.is_pending()) {
            if let Err(error) = self.announce(&key, &delivery.id, &delivery.id).await {
                tracing::warn!(%key, %error, "a webhook is not sent yet; it is found later");
            }
        }
    }

    /// Deletions leave a marker each, which servers of this age keep for ever.
    pub(super) async fn sweep_markers(&self) {
        let before = Timestamp::from_micros(self.now().micros() - MARKERS_KEPT.as_micros() as i64);
        for revision in self.0.index.take_markers(before) {
            // Gone already is as good: another front end was here.
            let _ = self.0.layout.records.stream.delete_message(revision).await;
        }
    }

    /// Removes bodies that no unfinished job needs. Young ones stay: their job may not be on record yet.
    pub(super) async fn sweep_bodies(&self) -> Result<(), StoreError> {
        let needed = self.0.index.needed();
        for area in [Area::Designs, Area::Blobs] {
            let swept = self.sweep_area(area, &needed).await;
            swept.map_err(|error| self.failed("cannot remove what jobs were sent (TENTER_RESULTS)", error))?;
        }
        Ok(())
    }

    async fn sweep_area(&self, area: Area, needed: &HashSet<(Area, ContentHash)>) -> Result<(), ResultError> {
        let mut stored = std::pin::pin!(self.0.results.stored(area));
        while let Some(entry) = stored.next().await {
            let (name, at) = entry?;
            let old = |at: SystemTime| SystemTime::now().duration_since(at).unwrap_or_default() > KEPT;
            // A list is read page by page, and what it names may have been stored again since.
            if old(at)
                && name.parse().is_ok_and(|hash| !needed.contains(&(area, hash)))
                && self.0.results.stored_at(area, &name).await?.is_some_and(old)
            {
                self.0.results.remove(area, &name).await?;
            }
        }
        Ok(())
    }
}
