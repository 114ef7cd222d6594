//! What front ends do all the time: watch the bucket of records, and mend what a crash left between two steps.
//!
//! Every front end does all of it. They may find the same thing at the same time: what they do about it is compare-and-set, or
//! sent under the same name, and happens once.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::kv::Operation;
use async_nats::jetstream::stream::RawMessageErrorKind;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::Nats;
use super::bodies::KEPT;
use super::jobs::PARALLEL;
use super::queue::{Note, UNRECORDED};
use super::records::Found;
use crate::jobs::job::JobId;
use crate::jobs::moment::Moment;
use crate::jobs::results::{Area, ResultError};
use crate::jobs::store::StoreError;
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

impl Nats {
    pub(super) async fn tend_all(&self) {
        futures_util::join!(self.watch(), self.mend(), self.hear_of_given_up());
    }

    /// Keeps the index, for ever.
    async fn watch(&self) {
        loop {
            let Err(error) = self.watch_once().await;
            tracing::warn!(error, "cannot watch the records of jobs; trying again");
            tokio::time::sleep(REST).await;
        }
    }

    async fn watch_once(&self) -> Result<Infallible, String> {
        let records = &self.0.layout.records;
        let reached = self.0.index.reached();
        let mut news = match reached {
            0 => {
                let status = records.status().await.map_err(|error| with_causes(&error))?;
                let news = records.watch_with_history(">").await.map_err(|error| with_causes(&error))?;
                // An empty bucket has nothing to tell.
                let target = if status.values() == 0 { 0 } else { status.info.state.last_sequence };
                self.0.index.begin(target);
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
                let status = records.status().await.map_err(|error| with_causes(&error))?;
                if status.info.state.last_sequence > self.0.index.reached() {
                    return Err("it fell silent while jobs went on".into());
                }
                continue;
            };
            let entry = entry.ok_or("it ended")?.map_err(|error| with_causes(&error))?;
            if entry.operation == Operation::Put {
                match self.read(&entry) {
                    Ok(Found { record, revision }) => self.0.index.saw(&record, revision),
                    Err(error) => tracing::error!(%error, "a record makes no sense"),
                }
            } else if let Some(id) = JobId::parse(&entry.key) {
                let at = i64::try_from(entry.created.unix_timestamp_nanos() / 1000).unwrap_or(0);
                self.0.index.saw_removal(&id, entry.revision, Moment::from_micros(at));
            }
            self.0.index.watched(entry.revision);
        }
    }

    /// Sends messages anew that are missing, for ever.
    async fn mend(&self) {
        for round in 1_u32.. {
            tokio::time::sleep(BETWEEN_COUNTS).await;
            if !self.0.index.is_complete() || self.connected().is_err() {
                continue;
            }
            if let Err(error) = self.mend_jobs(round.is_multiple_of(COUNTS_BEFORE_ALL)).await {
                tracing::warn!(%error, "cannot look for jobs without a message; trying again");
            }
            if let Err(error) = self.mend_hooks(round.is_multiple_of(COUNTS_BEFORE_HOOKS)).await {
                tracing::warn!(%error, "cannot look for webhooks without a message; trying again");
            }
        }
    }

    /// Jobs whose message is gone, or will not be handed out any more, get another. Counts tell whether to look at each.
    async fn mend_jobs(&self, all: bool) -> Result<u64, StoreError> {
        let failed = |error: &dyn std::error::Error| self.failed("cannot look into the stream", with_causes(error));
        let unfinished = self.0.index.unfinished();
        let there = self.0.layout.work.get_info().await.map_err(|error| failed(&error))?.state.messages;
        if !all && there >= unfinished.len() as u64 {
            return Ok(0);
        }
        let workers = self.0.work.consumer().get_info().await.map_err(|error| failed(&error))?;
        let floor = workers.ack_floor.stream_sequence;
        let mending = unfinished.iter().map(|id| self.mend_job(id, floor));
        let mended = stream::iter(mending.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
        let mended = mended.try_fold(0, async |sum, it| Ok(sum + it)).await?;
        if mended > 0 {
            tracing::warn!(jobs = mended, "jobs without a message were put into the queue again");
        }
        Ok(mended)
    }

    async fn mend_job(&self, id: &JobId, floor: u64) -> Result<u64, StoreError> {
        let Some(found) = self.find(id).await? else { return Ok(0) };
        let record = &found.record;
        let now = self.now();
        // What changed a moment ago is somebody's.
        let touched = Moment::from_micros(record.touched());
        if record.status.is_end() || now.since(touched) < UNRECORDED {
            return Ok(0);
        }
        let work = &self.0.layout.work;
        match work.get_raw_message(record.sequence).await {
            Ok(_) if record.sequence > floor => return Ok(0),
            // Nobody will get it: the server counts it as dealt with.
            Ok(_) => drop(work.delete_message(record.sequence).await),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
            Err(error) if with_causes(&error).contains("no message found") => {}
            Err(error) => return Err(self.failed("cannot look up a message", with_causes(&error))),
        }
        tracing::warn!(%id, "the message of a job is gone; sending another");
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
        for id in telling {
            let Some(Found { record, revision }) = self.find(&id).await? else { continue };
            let now = self.now();
            let overdue = |at: i64| now.since(Moment::from_micros(at)) > UNRECORDED;
            if let Some(hook) = record.pending().filter(|it| overdue(it.next) && overdue(it.leased_until)) {
                let posted = self.post_hook(&record, &hook.id, &format!("{}-{revision}", hook.id)).await;
                posted.map_err(|error| self.failed("cannot send a webhook anew", with_causes(&error)))?;
                tracing::warn!(%id, delivery = hook.id, "the message of a webhook is gone; another was sent");
            }
        }
        Ok(())
    }

    /// A message that the server gives up stays in the stream, where nobody gets it. It is removed; a job whose attempts are used
    /// up ends, any other gets a new message from [`Nats::mend_jobs`].
    async fn hear_of_given_up(&self) {
        let subject = self.0.layout.given_up_subject();
        loop {
            // Each is told to one front end.
            match self.0.client.queue_subscribe(subject.clone(), "tenter".to_owned()).await {
                Ok(mut advisories) => {
                    while let Some(advisory) = advisories.next().await {
                        if let Ok(GivenUp { stream_seq, deliveries }) = serde_json::from_slice(&advisory.payload)
                            && let Err(error) = self.given_up(stream_seq, deliveries).await
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

    async fn given_up(&self, sequence: u64, deliveries: u64) -> Result<(), StoreError> {
        let work = &self.0.layout.work;
        let Ok(message) = work.get_raw_message(sequence).await else { return Ok(()) };
        let note: Option<Note> = serde_json::from_slice(&message.payload).ok();
        if let Some(id) = note.and_then(|note| JobId::parse(&note.id))
            && let Some(Found { mut record, revision }) = self.find(&id).await?
            && !record.status.is_end()
            && record.sequence == sequence
            && record.attempts >= self.0.rules.attempts
        {
            tracing::error!(%id, deliveries, "a job whose message came back too often is given up");
            let error = format!("given up: begun {} times and never finished (TENTER_JOB_ATTEMPTS)", record.attempts);
            record.give_up(error, self.0.rules.lifetime, self.now());
            if self.replace(&record, revision).await? {
                self.ended(&record).await;
            }
        }
        let deleted = work.delete_message(sequence).await;
        deleted.map(drop).map_err(|error| self.failed("cannot remove a message", with_causes(&error)))
    }

    /// Deletions leave a marker each, which servers of this age keep for ever.
    pub(super) async fn sweep_markers(&self) {
        let before = Moment::from_micros(self.now().micros() - MARKERS_KEPT.as_micros() as i64);
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

    async fn sweep_area(&self, area: Area, needed: &HashSet<(Area, String)>) -> Result<(), ResultError> {
        let mut stored = std::pin::pin!(self.0.results.stored(area));
        while let Some(entry) = stored.next().await {
            let (name, at) = entry?;
            let old = SystemTime::now().duration_since(at).unwrap_or_default() > KEPT;
            if old && !needed.contains(&(area, name.clone())) {
                self.0.results.remove(area, &name).await?;
            }
        }
        Ok(())
    }
}
