//! Accepting jobs and telling about them.

use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Nats;
use super::bodies;
use super::places::{Earlier, Place};
use super::queue::Note;
use super::records::{Change, Found, StoredRecord};
use crate::jobs::job::{Job, JobId, Listing, Status};
use crate::jobs::life::blob::BlobRef;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::{JobRecord, JobSeed};
use crate::jobs::moment::Moment;
use crate::jobs::store::{Accepted, Answer, Counts, JobStore, NewJob, Owner, StoreError};
use crate::report::with_causes;

/// A worker that lost its job may still be storing the result: it is looked for after this time, when it must be there.
pub(super) const STORING: Duration = Duration::from_secs(120);
/// Requests to the servers at once, for one page of a list or one sweep.
pub(super) const PARALLEL: usize = 16;
/// Tries to write the record of a job whose message is sent. Each takes its time while servers are away, and all together
/// stay below [`UNRECORDED`].
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);
/// A job's end is told by the bucket; should that be late, it is looked up.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// For the index to see what is on record: it is some ms behind, unless the watch is being mended, or has just begun.
const CATCHING_UP: Duration = Duration::from_secs(4);
/// What a full stream says, of all messages and of those of one subject.
const FULL: &str = "maximum messages exceeded";
const OWNER_FULL: &str = "maximum messages per subject exceeded";

/// How a message was taken in.
pub(super) enum Sent {
    Sequence(u64),
    QueueFull,
    OwnerFull,
}

impl JobStore for Nats {
    fn accept(&self, job: NewJob) -> Answer<'_, Accepted> {
        Box::pin(async move {
            self.connected()?;
            let place = match &job.idempotency {
                Some(call) => match self.place_of::<JobRecord>("", &job.owner, call).await? {
                    Ok(place) => place,
                    Err(Earlier::Same(before)) => return self.as_job(&before).map(Accepted::Again),
                    Err(Earlier::Other) => return Ok(Accepted::OtherBody),
                },
                None => self.new_place(None)?,
            };
            if self.has_too_many(&job.owner) {
                self.give_up_place(place).await?;
                return Ok(Accepted::OwnerFull);
            }
            let body = bodies::store(&self.0.results, job.body.clone()).await;
            let body = body.map_err(|error| self.failed("cannot store what was sent (TENTER_RESULTS)", error))?;
            let note = Note {
                id: place.id.to_string(),
                digest: body.digest.clone(),
                format: job.extension.to_owned(),
                batch: None,
                traceparent: job.traceparent.clone(),
            };
            let subject = self.0.layout.work_subject(&job.owner);
            let full = match self.send(subject, &note, place.id.as_str()).await? {
                Sent::Sequence(sequence) => return self.record(&job, place, body, sequence).await,
                Sent::QueueFull => Accepted::QueueFull,
                Sent::OwnerFull => Accepted::OwnerFull,
            };
            self.give_up_place(place).await?;
            Ok(full)
        })
    }

    fn get<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, Option<Job>> {
        Box::pin(async move {
            let found = self.own(owner, id).await?;
            Ok(found.and_then(|it| it.record.job()))
        })
    }

    fn list<'a>(&'a self, owner: &'a Owner, offset: u64, limit: u64) -> Answer<'a, Listing> {
        Box::pin(async move {
            self.complete().await?;
            let page = self.0.index.page(owner, offset, limit, self.now());
            let reading = page.ids.iter().map(|id| self.get(owner, id));
            let found: Vec<Option<Job>> =
                stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
            Ok(Listing { renders: found.into_iter().flatten().collect(), total: page.total })
        })
    }

    fn remove<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, bool> {
        Box::pin(async move {
            loop {
                let Some(Found { record, revision }) = self.own(owner, id).await? else { return Ok(false) };
                let under_way = record.status == Status::Progress;
                if self.clear(&record, revision, if under_way { STORING } else { Duration::ZERO }).await? {
                    if !record.status.is_end() {
                        // Should it stay, whoever gets it finds no job.
                        let gone = self.0.layout.work.delete_message(record.sequence).await;
                        gone.map(drop).unwrap_or_else(|error| tracing::debug!(%id, %error, "a message stays for now"));
                    }
                    return Ok(true);
                }
            }
        })
    }

    fn ended<'a>(&'a self, owner: &'a Owner, id: &'a JobId) -> Answer<'a, ()> {
        Box::pin(async move {
            loop {
                let signal = self.0.index.of(id);
                let mut told = std::pin::pin!(signal.notified());
                // From here on an end is not missed; before, it is on record.
                told.as_mut().enable();
                if self.get(owner, id).await?.is_none_or(|job| job.status.is_end()) {
                    self.0.index.tell_ended(id);
                    return Ok(());
                }
                let _ = tokio::time::timeout(LOOK_AGAIN, told).await;
            }
        })
    }

    fn expiry<'a>(&'a self, id: &'a JobId, file: &'a str) -> Answer<'a, Option<Moment>> {
        Box::pin(async move {
            let Some(Found { record, .. }) = self.find(&Key::Job(id.clone())).await? else { return Ok(None) };
            let there = record.file.as_deref() == Some(file) && !record.has_expired(self.now());
            Ok(record.expires.filter(|_| there).map(Moment::from_micros))
        })
    }

    fn expire(&self) -> Answer<'_, u64> {
        Box::pin(async move {
            if !self.0.index.is_complete() {
                // What is not known yet expires next time, and nothing is thrown away that may be needed.
                return Ok(0);
            }
            let expired = self.0.index.expired(self.now());
            let expiring = expired.iter().map(|id| async move {
                let Some(Found { record, revision }) = self.find(&Key::Job(id.clone())).await? else { return Ok(0) };
                if !record.has_expired(self.now()) {
                    return Ok(0);
                }
                Ok::<_, StoreError>(u64::from(self.clear(&record, revision, Duration::ZERO).await?))
            });
            let removed = stream::iter(expiring.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
            let removed = removed.try_fold(0, async |sum, one| Ok(sum + one)).await?;
            let removed = removed + self.clear_batches().await;
            self.sweep_markers().await;
            self.sweep_bodies().await?;
            Ok(removed)
        })
    }

    fn trash(&self, limit: u64) -> Answer<'_, Vec<String>> {
        Box::pin(async move {
            self.connected()?;
            let failed =
                |error: &dyn std::error::Error| self.failed("cannot list results to remove", with_causes(error));
            let (now, trash) = (self.now(), &self.0.layout.trash);
            let mut due = Vec::new();
            // Who watches an empty bucket waits.
            if trash.stream.get_info().await.map_err(|error| failed(&error))?.state.messages == 0 {
                return Ok(due);
            }
            let mut all = trash.watch_with_history(">").await.map_err(|error| failed(&error))?;
            while let Some(entry) = all.next().await {
                let entry = entry.map_err(|error| failed(&error))?;
                let since = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<i64>().ok());
                if since.is_some_and(|since| since <= now.micros()) {
                    due.push(entry.key);
                }
                if due.len() as u64 >= limit || entry.delta == 0 {
                    break;
                }
            }
            Ok(due)
        })
    }

    fn removed<'a>(&'a self, file: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.connected()?;
            let trash = &self.0.layout.trash;
            let entry = trash.entry(file).await;
            let entry = entry.map_err(|error| self.failed("cannot read what is to be removed", with_causes(&error)))?;
            if let Some(entry) = entry {
                // The message itself goes, and leaves no marker. Gone already is as good.
                let _ = trash.stream.delete_message(entry.revision).await;
            }
            Ok(())
        })
    }

    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(async move {
            self.connected()?;
            let failed = |error: &dyn std::error::Error| self.failed("cannot count jobs", with_causes(error));
            let workers = self.0.work.consumer().get_info().await.map_err(|error| failed(&error))?;
            let rows = self.0.rows.consumer().get_info().await.map_err(|error| failed(&error))?;
            let hooks = self.0.hooks.consumer().get_info().await.map_err(|error| failed(&error))?;
            // A front end knows of rows that are not in the queue yet.
            let (rows_scheduled, rows_progress) = match self.0.index.is_complete() {
                true => {
                    let (unfinished, under_way) = (self.0.index.unfinished_rows(None), self.0.index.rows_under_way());
                    (unfinished.saturating_sub(under_way), under_way)
                }
                false => (rows.num_pending, rows.num_ack_pending as u64),
            };
            Ok(Counts {
                scheduled: workers.num_pending,
                progress: workers.num_ack_pending as u64,
                deliveries: hooks.num_pending + hooks.num_ack_pending as u64,
                rows_scheduled,
                rows_progress,
            })
        })
    }

    fn reachable(&self) -> Result<(), StoreError> {
        self.connected()
    }

    fn tend(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.tend_all())
    }
}

impl Nats {
    /// One of `owner`'s jobs, unless it has expired.
    pub(super) async fn own(&self, owner: &Owner, id: &JobId) -> Result<Option<Found>, StoreError> {
        let now = self.now();
        Ok(self
            .find(&Key::Job(id.clone()))
            .await?
            .filter(|it| it.record.owner == **owner && !it.record.has_expired(now)))
    }

    /// Resolves when all jobs are known that there were when this process began.
    pub(super) async fn complete(&self) -> Result<(), StoreError> {
        let complete = tokio::time::timeout(CATCHING_UP, self.0.index.completed()).await;
        complete.map_err(|_| self.failed("not all jobs are known yet", "this front end has just been started"))
    }

    /// Resolves when the index has seen all that was on record at `revision`.
    pub(super) async fn caught_up(&self, revision: u64) -> Result<(), StoreError> {
        let watched = tokio::time::timeout(CATCHING_UP, self.0.index.has_watched(revision)).await;
        watched.map_err(|_| self.failed("not all rows are known yet", "watching the records is being mended"))
    }

    /// Batches count among jobs, and have no message beside theirs, by which the server counts.
    fn has_too_many(&self, owner: &str) -> bool {
        let limit = self.0.rules.of_owner;
        let (jobs, batches) = if limit > 0 { self.0.index.unfinished_of(owner) } else { (0, 0) };
        batches > 0 && jobs + batches >= limit
    }

    fn as_job(&self, record: &JobRecord) -> Result<Job, StoreError> {
        record.job().ok_or_else(|| self.failed("a record is no job", &record.id))
    }

    /// Puts a message into the stream that has `subject`. `name`: two of the same within two minutes are one.
    pub(super) async fn send(&self, subject: String, note: &Note, name: &str) -> Result<Sent, StoreError> {
        self.connected()?;
        let text = serde_json::to_vec(note).map_err(|error| self.failed("cannot write a message", error))?;
        let message = PublishMessage::build().payload(text.into()).message_id(name);
        let sending = self.0.context.send_publish(subject, message).await;
        let sent = match sending {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match sent.map_err(|error| with_causes(&error)) {
            Ok(answer) => Ok(Sent::Sequence(answer.sequence)),
            Err(reason) if reason.contains(OWNER_FULL) => Ok(Sent::OwnerFull),
            Err(reason) if reason.contains(FULL) => Ok(Sent::QueueFull),
            Err(reason) => Err(self.failed("cannot put a job into the queue", reason)),
        }
    }

    /// The last step: from here on it is a job.
    async fn record(&self, job: &NewJob, place: Place, body: BlobRef, sequence: u64) -> Result<Accepted, StoreError> {
        let Place { id, stem, key, .. } = place;
        let record = JobRecord::new(job, JobSeed { id: &id, stem, key, body: Some(body), sequence, now: self.now() });
        // Should it fail, its message is dropped by whoever finds no record for it.
        if self.make_surely(&record, &id).await? {
            return self.as_job(&record).map(Accepted::New);
        }
        // By the same call at another front end, or by ourselves, in a try whose answer was lost.
        let Some(Found { record: theirs, .. }) = self.find(&Key::Job(id.clone())).await? else {
            return Err(self.failed("a job was removed while it was accepted", &id));
        };
        let ours = theirs.sequence == sequence && theirs.created == record.created;
        match theirs.job() {
            Some(job) if ours => Ok(Accepted::New(job)),
            Some(job) if theirs.key.is_some() && theirs.key == record.key => Ok(Accepted::Again(job)),
            _ => Err(self.failed("another job has this id", &id)),
        }
    }

    /// Makes a record, trying again while there is time. False when there is one of that name.
    pub(super) async fn make_surely<R: StoredRecord>(&self, record: &R, id: &JobId) -> Result<bool, StoreError> {
        let mut tries = 0;
        loop {
            match self.make(record).await {
                Ok(made) => return Ok(made.is_some()),
                Err(error) => {
                    tries += 1;
                    if tries == TRIES {
                        return Err(error);
                    }
                    tracing::warn!(%id, %error, "cannot write a record yet; trying again");
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
            }
        }
    }

    /// Sends the message of a job or a row anew, and notes it. False when it needs none any more, or there is no room.
    pub(super) async fn send_anew(&self, found: &Found) -> Result<bool, StoreError> {
        let record = &found.record;
        if record.status.is_end() {
            return Ok(false);
        }
        let note = Note {
            id: record.id.clone(),
            digest: record.body.as_ref().map(|body| body.digest.clone()).unwrap_or_default(),
            format: record.extension.clone(),
            batch: record.row.as_ref().and_then(|row| row.batch()).map(|it| it.to_string()),
            traceparent: record.traceparent.clone(),
        };
        let subject = match record.row.as_ref().and_then(|row| row.batch()) {
            Some(batch) => self.0.layout.rows_subject(&batch),
            None => self.0.layout.work_subject(&record.owner),
        };
        // Front ends that find the same at the same time send one.
        let name = format!("{}-{}", record.id, found.revision);
        let Sent::Sequence(sequence) = self.send(subject, &note, &name).await? else { return Ok(false) };
        let mut changed = record.clone();
        changed.sequence = sequence;
        Ok(self.replace(&changed, found.revision).await?.is_some())
    }

    /// Removes a job with everything that belongs to it. False when it has changed meanwhile.
    async fn clear(&self, record: &JobRecord, revision: u64, after: Duration) -> Result<bool, StoreError> {
        let Some(id) = JobId::parse(&record.id) else { return Ok(false) };
        let from = self.now().plus(after);
        // Before the record, which is the only one to know of them.
        for file in record.leftovers(true) {
            self.throw_away(&file, from).await?;
        }
        if let Some(key) = &record.key {
            self.drop_key(key, &id).await?;
        }
        self.forget(&Key::Job(id), revision).await
    }

    /// Remembers that a result is to be removed from `from` on.
    pub(super) async fn throw_away(&self, file: &str, from: Moment) -> Result<(), StoreError> {
        self.connected()?;
        let noted = self.0.layout.trash.put(file, from.micros().to_string().into()).await;
        noted.map(drop).map_err(|error| self.failed("cannot note what to remove", with_causes(&error)))
    }

    /// Changes a job or batch of `owner`.
    pub(super) async fn change_own<R: StoredRecord, T>(
        &self,
        owner: &Owner,
        key: &Key,
        mut change: impl FnMut(&mut R) -> Change<Option<T>> + Send,
    ) -> Result<Option<(Found<R>, T)>, StoreError> {
        let now = self.now();
        let changed = self
            .change(key, |record: &mut R| {
                if record.owner() != &**owner || record.has_expired(now) {
                    return Change::Leave(None);
                }
                change(record)
            })
            .await?;
        Ok(changed.and_then(|(found, answer)| Some((found, answer?))))
    }
}
