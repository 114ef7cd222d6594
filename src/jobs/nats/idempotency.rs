//! Idempotency keys: each names the one job or batch that all calls with the key create.

use async_nats::jetstream::kv::{CreateErrorKind, Operation};
use serde::{Deserialize, Serialize};

use super::cluster::ClusterConnection;
use super::message::UNRECORDED;
use crate::hash::ContentHash;
use crate::jobs::job::JobId;
use crate::jobs::ledger::Stored;
use crate::jobs::life::batch_record::BatchRecord;
use crate::jobs::life::entry::RecordKind;
use crate::jobs::life::key::Key;
use crate::jobs::life::record::JobRecord;
use crate::jobs::names::result_stem;
use crate::jobs::store::{Idempotency, Owner, StoreError};
use crate::jobs::timestamp::Timestamp;
use crate::report::with_causes;

/// The entry of an idempotency key. It has everything about the job that is random, so that two front ends with the
/// same call create the same job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeyEntry {
    id: String,
    stem: String,
    /// Hash of the body.
    digest: ContentHash,
}

/// Identity of a job or batch that is about to be created.
pub(super) struct Reservation {
    pub(super) id: JobId,
    pub(super) stem: String,
    pub(super) key: Option<String>,
    /// Whether this call made the reservation; otherwise another call may be creating the same job.
    is_new: bool,
}

/// Outcome of an earlier call with the same idempotency key.
pub(super) enum ExistingKey<R> {
    /// It had the same body and created this record.
    Same(R),
    /// It had another body.
    Other,
}

/// A record that an idempotency key can name.
pub(super) trait ReservedRecord: RecordKind {
    fn key_of(id: &JobId) -> Key;
    /// Whether its idempotency key is free again.
    fn has_expired(&self, now: Timestamp) -> bool;
}

impl ReservedRecord for JobRecord {
    fn key_of(id: &JobId) -> Key {
        Key::Job(id.clone())
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.has_expired(now)
    }
}

impl ReservedRecord for BatchRecord {
    fn key_of(id: &JobId) -> Key {
        Key::Batch(id.clone().into())
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.has_expired(now)
    }
}

impl ClusterConnection {
    /// A reservation that no other call has.
    pub(super) fn new_reservation(&self, key: Option<String>) -> Result<Reservation, StoreError> {
        let failed = |error: getrandom::Error| self.failed("no randomness for an id", error);
        let id = JobId::random().map_err(failed)?;
        let stem = result_stem(&id).map_err(failed)?;
        Ok(Reservation { id, stem, key, is_new: true })
    }

    /// Reserves the idempotency key of `call`, or returns the outcome of an earlier call with it. `kind`: prefix that
    /// keeps the keys of jobs and batches apart.
    pub(super) async fn reserve<R: ReservedRecord>(
        &self,
        kind: &str,
        owner: &Owner,
        call: &Idempotency,
    ) -> Result<Result<Reservation, ExistingKey<R>>, StoreError> {
        let key = ContentHash::of(format!("{kind}{owner}\0{}", call.key).as_bytes()).to_string();
        let digest = call.hash;
        let keys = &self.layout.keys;
        let failed =
            |error: &dyn std::error::Error| self.failed("cannot look up an idempotency key", with_causes(error));
        loop {
            self.connected()?;
            let entry = keys.entry(&key).await.map_err(|error| failed(&error))?;
            let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else {
                let reserved = self.new_reservation(Some(key.clone()))?;
                let text = KeyEntry { id: reserved.id.to_string(), stem: reserved.stem.clone(), digest };
                let text = serde_json::to_vec(&text).map_err(|error| failed(&error))?;
                match keys.create(&key, text.into()).await {
                    Ok(_) => return Ok(Ok(reserved)),
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => continue,
                    Err(error) => return Err(failed(&error)),
                }
            };
            let before: KeyEntry = serde_json::from_slice(&entry.value).map_err(|error| failed(&error))?;
            let id =
                JobId::parse(&before.id).ok_or_else(|| self.failed("an idempotency key names no job", &before.id))?;
            let found = self.load::<R>(&R::key_of(&id)).await?;
            let expired = found.as_ref().is_some_and(|it| it.record.has_expired(self.now()));
            let same = before.digest == digest;
            let made = Timestamp::from_micros(i64::try_from(entry.created.unix_timestamp_nanos() / 1000).unwrap_or(0));
            let abandoned = found.is_none() && !same && self.now().since(made) > UNRECORDED;
            if expired || abandoned {
                // By revision: another call may have replaced the entry meanwhile.
                let _ = keys.stream.delete_message(entry.revision).await;
                continue;
            }
            return Ok(match found {
                Some(Stored { record, .. }) if same => Err(ExistingKey::Same(record)),
                // The earlier call is in progress, or its process has died. The first to write the record creates the
                // job.
                None if same => Ok(Reservation { id, stem: before.stem, key: Some(key), is_new: false }),
                _ => Err(ExistingKey::Other),
            });
        }
    }

    /// Deletes the idempotency key, unless another call with it may be creating the job.
    pub(super) async fn cancel_reservation(&self, reserved: Reservation) -> Result<(), StoreError> {
        match reserved.key.filter(|_| reserved.is_new) {
            Some(key) => self.delete_key(&key, &reserved.id).await,
            None => Ok(()),
        }
    }

    /// Deletes an idempotency key if it names `id`.
    pub(super) async fn delete_key(&self, key: &str, id: &JobId) -> Result<(), StoreError> {
        self.connected()?;
        let keys = &self.layout.keys;
        let entry = keys.entry(key).await;
        let entry = entry.map_err(|error| self.failed("cannot look up an idempotency key", with_causes(&error)))?;
        let Some(entry) = entry else { return Ok(()) };
        let theirs: Option<KeyEntry> = serde_json::from_slice(&entry.value).ok();
        if theirs.is_some_and(|it| it.id == id.as_str()) {
            let _ = keys.stream.delete_message(entry.revision).await;
        }
        Ok(())
    }
}
