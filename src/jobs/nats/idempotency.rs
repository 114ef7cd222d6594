//! Ids of what is about to be made, and the idempotency keys under which they stand.

use async_nats::jetstream::kv::{CreateErrorKind, Operation};
use serde::{Deserialize, Serialize};

use super::Nats;
use super::dispatch::UNRECORDED;
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

/// What stands under an idempotency key. Everything about the job that is chosen at random is chosen here, so that two front
/// ends with the same call make the same job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeyEntry {
    id: String,
    stem: String,
    /// Hash of the body.
    digest: ContentHash,
}

/// A job that gets its message and its record now, or a batch.
pub(super) struct Reserved {
    pub(super) id: JobId,
    pub(super) stem: String,
    pub(super) key: Option<String>,
    /// Whether nobody else may be making the same.
    alone: bool,
}

/// What an earlier call with the same key came to.
pub(super) enum ExistingKey<R> {
    /// It was the same.
    Same(R),
    /// It was another.
    Other,
}

/// A kind of record that stands under an idempotency key.
pub(super) trait ReservedRecord: RecordKind {
    /// The key of the record with this id.
    fn key_of(id: &JobId) -> Key;
    /// Whether it no longer counts.
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

impl Nats {
    pub(super) fn reserve_anew(&self, key: Option<String>) -> Result<Reserved, StoreError> {
        let failed = |error: getrandom::Error| self.failed("no randomness for an id", error);
        let id = JobId::random().map_err(failed)?;
        let stem = result_stem(&id).map_err(failed)?;
        Ok(Reserved { id, stem, key, alone: true })
    }

    /// What this call makes, or what an earlier call with its key came to. What has expired frees its key. `kind`: keys of
    /// different kinds have nothing to do with each other.
    pub(super) async fn reserve<R: ReservedRecord>(
        &self,
        kind: &str,
        owner: &Owner,
        call: &Idempotency,
    ) -> Result<Result<Reserved, ExistingKey<R>>, StoreError> {
        let key = ContentHash::of(format!("{kind}{owner}\0{}", call.key).as_bytes()).to_string();
        let digest = ContentHash::from_bytes(call.digest);
        let keys = &self.0.layout.keys;
        let failed =
            |error: &dyn std::error::Error| self.failed("cannot look up an idempotency key", with_causes(error));
        loop {
            self.connected()?;
            let entry = keys.entry(&key).await.map_err(|error| failed(&error))?;
            let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else {
                let reserved = self.reserve_anew(Some(key.clone()))?;
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
            let found = self.look_up::<R>(&R::key_of(&id)).await?;
            let expired = found.as_ref().is_some_and(|it| it.record.has_expired(self.now()));
            let same = before.digest == digest;
            let made = Timestamp::from_micros(i64::try_from(entry.created.unix_timestamp_nanos() / 1000).unwrap_or(0));
            let abandoned = found.is_none() && !same && self.now().since(made) > UNRECORDED;
            if expired || abandoned {
                // Exactly this entry: another call may have made its own meanwhile.
                let _ = keys.stream.delete_message(entry.revision).await;
                continue;
            }
            return Ok(match found {
                Some(Stored { record, .. }) if same => Err(ExistingKey::Same(record)),
                // Somebody began to make this very thing, and may have died: who is first with the record has made it.
                None if same => Ok(Reserved { id, stem: before.stem, key: Some(key), alone: false }),
                _ => Err(ExistingKey::Other),
            });
        }
    }

    /// Nothing is made there: the key stays for whoever comes next with it, unless it was made for this call.
    pub(super) async fn give_up(&self, reserved: Reserved) -> Result<(), StoreError> {
        match reserved.key.filter(|_| reserved.alone) {
            Some(key) => self.drop_key(&key, &reserved.id).await,
            None => Ok(()),
        }
    }

    pub(super) async fn drop_key(&self, key: &str, id: &JobId) -> Result<(), StoreError> {
        self.connected()?;
        let keys = &self.0.layout.keys;
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
