//! Handing jobs out and taking their outcome.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Nats;
use super::bodies::{self, BodyError};
use super::pull::{Held, Puller};
use super::records::{Change, Found};
use crate::jobs::batch::BatchId;
use crate::jobs::job::{JobId, Status};
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::moment::Moment;
use crate::jobs::store::{Answer, HandBack, Next, Outcome, Queue, Report, StoreError, Taken, Ticket, Work};
use crate::report::with_causes;

/// How long a message without a record is somebody's who may still write one: a front end gives up far earlier.
pub(super) const UNRECORDED: Duration = Duration::from_secs(60);
/// Looks for a record that comes a moment after its message, and between them.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);
/// Before a message is looked at again for which there is nothing to do yet.
const SOON: Duration = Duration::from_millis(500);
/// Rest before a job is tried again whose worker died, times the attempts up to then.
const AFTER_DEATH: Duration = Duration::from_secs(1);
/// Before a job is tried again whose body cannot be read: the time it has been around, within these.
const READ_AGAIN: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// Messages looked at in one go that turn out to be nothing to do.
const MOST_LOOKS: usize = 64;

/// What stands in the stream of work: enough to find the rest, and for somebody who reads along.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    /// The job's id.
    pub(super) id: String,
    /// SHA-256 of what was sent.
    pub(super) digest: String,
    /// Ending of its result's name.
    pub(super) format: String,
    /// Of a row, its batch.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) batch: Option<String>,
    /// W3C Trace Context.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) traceparent: Option<String>,
}

impl Note {
    pub(super) fn of_row(batch: &BatchId, id: &JobId, digest: &str, format: &str) -> Self {
        let batch = Some(batch.to_string());
        Self { id: id.to_string(), digest: digest.to_owned(), format: format.to_owned(), batch, traceparent: None }
    }

    /// Where the record stands; `None` when this is no note of ours.
    pub(super) fn key(&self) -> Option<Key> {
        let id = JobId::parse(&self.id)?;
        match &self.batch {
            Some(batch) => Some(Key::Row(BatchId::parse(batch)?, id)),
            None => Some(Key::Job(id)),
        }
    }
}

/// What this process works on: the attempt, where its record stands, its message.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<JobId, (u32, Key, Held)>>);

impl UnderWay {
    fn begin(&self, ticket: &Ticket, key: Key, held: Held) {
        self.lock().insert(ticket.id.clone(), (ticket.attempt, key, held));
    }

    fn has(&self, ticket: &Ticket) -> bool {
        self.lock().get(&ticket.id).is_some_and(|(attempt, ..)| *attempt == ticket.attempt)
    }

    /// Where the record of what was handed out stands.
    fn key(&self, ticket: &Ticket) -> Key {
        self.lock().get(&ticket.id).map_or_else(|| Key::Job(ticket.id.clone()), |(_, key, _)| key.clone())
    }

    fn end(&self, ticket: &Ticket) -> Option<Held> {
        let mut all = self.lock();
        match all.get(&ticket.id) {
            Some((attempt, ..)) if *attempt == ticket.attempt => all.remove(&ticket.id).map(|(.., held)| held),
            _ => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, (u32, Key, Held)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message is worth now.
enum Verdict {
    Take(Box<Taken>),
    Alone,
    /// Nothing will ever be to do for it.
    Done,
    Later(Duration),
    /// We are at it; it came again because our word was late.
    Ours,
}

impl Queue for Nats {
    fn take(&self, alone: bool) -> Answer<'_, Next> {
        Box::pin(async move {
            for _ in 0..MOST_LOOKS {
                self.connected()?;
                let Some((source, held)) = self.fetch().await? else { return Ok(Next::Nothing(None)) };
                let note: Result<Note, _> = serde_json::from_slice(&held.payload);
                let Some(key) = note.ok().and_then(|note| note.key()) else {
                    tracing::error!(sequence = held.sequence, "a message in the queue is none of ours; it is removed");
                    held.done().await;
                    continue;
                };
                match self.judge(&key, &held, alone).await {
                    Ok(Verdict::Take(taken)) => {
                        self.0.under_way.begin(&taken.ticket, key, held);
                        return Ok(Next::Job(taken));
                    }
                    Ok(Verdict::Alone) => {
                        source.put_back(held);
                        return Ok(Next::Alone);
                    }
                    Ok(Verdict::Done) => held.done().await,
                    Ok(Verdict::Later(after)) => held.later(after).await,
                    Ok(Verdict::Ours) => drop(held),
                    Err(error) => {
                        // Perhaps the attempt is on record as ours: whoever looks again is told.
                        source.put_back(held);
                        return Err(error);
                    }
                }
            }
            Ok(Next::Nothing(Some(self.now())))
        })
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            tokio::select! {
                () = self.0.work.arrival() => {}
                () = self.0.rows.arrival() => {}
            }
        })
    }

    fn progress<'a>(&'a self, ticket: &'a Ticket, percent: f64) -> Answer<'a, ()> {
        Box::pin(async move {
            let now = self.now();
            self.change(&self.0.under_way.key(ticket), |record: &mut JobRecord| {
                match record.set_progress(ticket, percent, now) {
                    true => Change::Write(()),
                    false => Change::Leave(()),
                }
            })
            .await
            .map(drop)
        })
    }

    fn finish<'a>(&'a self, ticket: &'a Ticket, outcome: Outcome, report: Report) -> Answer<'a, bool> {
        Box::pin(async move {
            let (now, lifetime) = (self.now(), self.0.rules.lifetime);
            // What became of rows is there before anybody may ask for it.
            let rows = match report.rows.is_empty() {
                true => None,
                false => Some(self.store_ends(&outcome, &report).await?),
            };
            let changed = self
                .change(&self.0.under_way.key(ticket), |record: &mut JobRecord| {
                    let ended = record.status.is_end();
                    match record.finish(ticket, outcome.clone(), &report, lifetime, now) {
                        true if !ended => {
                            if let Some(row) = record.row.as_mut().filter(|_| rows.is_some()) {
                                row.ended = rows.clone();
                            }
                            Change::Write(true)
                        }
                        answer => Change::Leave(answer),
                    }
                })
                .await?;
            let finished = match &changed {
                Some((Found { record, .. }, finished)) => {
                    if *finished {
                        self.ended(record).await;
                    }
                    *finished
                }
                None => false,
            };
            let held = self.0.under_way.end(ticket);
            // While the job goes on without us, the message is another's: an answer of ours would count as theirs.
            if let Some(held) = held
                && changed.is_none_or(|(found, _)| found.record.status.is_end())
            {
                held.done().await;
            }
            Ok(finished)
        })
    }

    fn hand_back<'a>(&'a self, ticket: &'a Ticket, why: HandBack) -> Answer<'a, ()> {
        Box::pin(async move {
            let now = self.now();
            let changed = self
                .change(&self.0.under_way.key(ticket), |record: &mut JobRecord| {
                    match record.hand_back(ticket, &why, now) {
                        true => Change::Write(true),
                        false => Change::Leave(false),
                    }
                })
                .await?;
            match (self.0.under_way.end(ticket), changed) {
                (Some(held), Some((_, true))) => held.later(why.after).await,
                (Some(held), None) => held.done().await,
                _ => {}
            }
            Ok(())
        })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.work.leave().await;
            self.0.rows.leave().await;
            self.give_back_lease().await;
            // Words that are on their way have to leave before the process does.
            if self.connected().is_ok()
                && let Err(error) = self.0.client.flush().await
            {
                tracing::debug!(%error, "cannot say good-bye");
            }
        })
    }
}

impl Nats {
    /// The next message, and where it is from: single jobs before rows.
    async fn fetch(&self) -> Result<Option<(&Puller, Held)>, StoreError> {
        for source in [&self.0.work, &self.0.rows] {
            let pulled = source.now(1).await.map_err(|error| self.failed("cannot fetch a job", error))?;
            if let Some(held) = pulled.into_iter().next() {
                return Ok(Some((source, held)));
            }
        }
        Ok(None)
    }

    /// What to do about a message; when that is to work, the attempt is on record.
    async fn judge(&self, key: &Key, held: &Held, alone: bool) -> Result<Verdict, StoreError> {
        loop {
            let Some(Found { mut record, revision }) = self.find_soon(key).await? else {
                let age = self.now().since(held.published);
                return Ok(if age > UNRECORDED { Verdict::Done } else { Verdict::Later(SOON) });
            };
            let now = self.now();
            if record.status.is_end() || record.sequence > held.sequence {
                return Ok(Verdict::Done);
            }
            if record.sequence < held.sequence {
                // Sent to replace one that was lost, and not yet on record as such; or of somebody who gave up.
                let age = now.since(held.published);
                return Ok(if age > UNRECORDED { Verdict::Done } else { Verdict::Later(SOON) });
            }
            if record.status == Status::Progress {
                if record.holder.as_deref() == Some(&self.0.holder) {
                    if self.0.under_way.has(&record.ticket()) {
                        return Ok(Verdict::Ours);
                    }
                    // We began, and were not told that it was noted.
                    return self.hand_out(key, &record).await;
                }
                match self.lost(record, revision, now).await? {
                    Some(verdict) => return Ok(verdict),
                    None => continue,
                }
            }
            let rest = Moment::from_micros(record.due).since(now);
            if rest > Duration::ZERO {
                return Ok(Verdict::Later(rest));
            }
            if record.attempts > 0 && !alone {
                return Ok(Verdict::Alone);
            }
            let body = match self.body_of(&record).await {
                Ok(body) => body,
                Err(error) => match self.no_body(record, revision, &error, now).await? {
                    Some(verdict) => return Ok(verdict),
                    None => continue,
                },
            };
            let ticket = record.begin(&self.0.holder, now);
            if self.replace(&record, revision).await?.is_some() {
                self.announce(&record).await;
                return Ok(Verdict::Take(Box::new(taken(key, &record, ticket, body))));
            }
        }
    }

    /// The record comes after its message, as a rule before the message is here.
    async fn find_soon(&self, key: &Key) -> Result<Option<Found>, StoreError> {
        for _ in 0..LOOKS {
            if let Some(found) = self.find(key).await? {
                return Ok(Some(found));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Ok(None)
    }

    /// Its worker said nothing for so long that the message came to us. `None` when it has changed meanwhile.
    async fn lost(&self, mut record: JobRecord, revision: u64, now: Moment) -> Result<Option<Verdict>, StoreError> {
        let (attempts, holder) = (record.attempts, record.holder.clone());
        record.lost(self.0.rules.attempts, AFTER_DEATH, self.0.rules.lifetime, now);
        if self.replace(&record, revision).await?.is_none() {
            return Ok(None);
        }
        let id = &record.id;
        if record.status.is_end() {
            tracing::error!(%id, attempts, "a job whose workers died too often is given up");
            self.ended(&record).await;
            return Ok(Some(Verdict::Done));
        }
        tracing::warn!(%id, attempts, holder, "the worker of a job is silent; another will try");
        Ok(Some(Verdict::Later(AFTER_DEATH * attempts)))
    }

    async fn hand_out(&self, key: &Key, record: &JobRecord) -> Result<Verdict, StoreError> {
        match self.body_of(record).await {
            Ok(body) => Ok(Verdict::Take(Box::new(taken(key, record, record.ticket(), body)))),
            Err(error) => {
                tracing::warn!(id = record.id, %error, "cannot read what a job was sent");
                let note = "what was sent could not be read; the job is tried again".to_owned();
                let why = HandBack { after: *READ_AGAIN.start(), counts: false, note };
                self.hand_back(&record.ticket(), why).await?;
                Ok(Verdict::Later(*READ_AGAIN.start()))
            }
        }
    }

    async fn body_of(&self, record: &JobRecord) -> Result<bytes::Bytes, BodyError> {
        match &record.body {
            // Of all rows.
            None if record.is_document() => Ok(bytes::Bytes::new()),
            Some(body) => bodies::load(&self.0.results, body).await,
            None => Err(BodyError::Damaged("the record has no body".into())),
        }
    }

    /// Bucket down: somebody mends that, and the job waits, within reason. `None` when it has changed meanwhile.
    async fn no_body(
        &self,
        mut record: JobRecord,
        revision: u64,
        error: &BodyError,
        now: Moment,
    ) -> Result<Option<Verdict>, StoreError> {
        let age = now.since(Moment::from_micros(record.created));
        let patience = self.0.rules.result_patience;
        let told = match error {
            BodyError::Bucket(_) if age < patience => {
                let after = age.clamp(*READ_AGAIN.start(), *READ_AGAIN.end());
                let again_s = after.as_secs();
                tracing::warn!(id = record.id, %error, again_s, "cannot read what a job was sent; trying again later");
                return Ok(Some(Verdict::Later(after)));
            }
            BodyError::Bucket(_) => {
                let hours = patience.as_secs_f64() / 3600.0;
                format!("what was sent could not be read from the bucket for {hours:.1} h (TENTER_RESULT_PATIENCE)")
            }
            BodyError::Damaged(_) => {
                format!("what was sent is lost; the service's log has more under the job {}", record.id)
            }
        };
        tracing::error!(id = record.id, %error, "job given up: what was sent cannot be read");
        record.give_up(told, self.0.rules.lifetime, now);
        if self.replace(&record, revision).await?.is_none() {
            return Ok(None);
        }
        self.ended(&record).await;
        Ok(Some(Verdict::Done))
    }

    /// What follows the end of a job that is on record; whatever is not done here is found and done later.
    pub(super) async fn ended(&self, record: &JobRecord) {
        self.announce(record).await;
        // A worker that was cut off may be storing at this moment.
        for file in record.leftovers(false) {
            if let Err(error) = self.throw_away(&file, self.now().plus(super::jobs::STORING)).await {
                tracing::warn!(id = record.id, %error, "cannot note what an attempt may have left in the bucket");
            }
        }
    }

    /// Sends word to those who send webhooks; the webhook itself is on record.
    pub(super) async fn announce(&self, record: &JobRecord) {
        if let Some(hook) = record.pending()
            && let Some(place) = record.key()
            && let Err(error) = self.post_hook(&place, &hook.id, &hook.id).await
        {
            tracing::warn!(id = record.id, error = with_causes(&error), "a webhook is not sent yet; it is found later");
        }
    }
}

fn taken(key: &Key, record: &JobRecord, ticket: Ticket, body: bytes::Bytes) -> Taken {
    Taken {
        file: record.file_of(ticket.attempt),
        ticket,
        work: match (key, &record.row) {
            (Key::Row(batch, _), Some(row)) => match row.of {
                Some(rows) => Work::Document { batch: batch.clone(), rows },
                None => Work::Row { batch: batch.clone(), row: row.number, values: body },
            },
            _ => Work::Job(body),
        },
        link_base: record.link_base.clone(),
        created_at: Moment::from_micros(record.created),
        traceparent: record.traceparent.clone(),
    }
}
