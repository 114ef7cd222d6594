//! Records of templates in a key-value bucket, with a copy of all in memory for lists.
//!
//! The copy follows a watch that begins with the first list, so that workers, which list nothing, have none. A list
//! asks the servers for the latest revision, and waits until the watch has reached it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::{CreateErrorKind, Entry as KvEntry, Operation, Store, UpdateErrorKind};
use futures_util::StreamExt;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::error::NatsError;
use super::ledger::NatsLedger;
use super::reconcile::latest_revision;
use crate::hash::ContentHash;
use crate::jobs::ledger::TemplateLedger;
use crate::jobs::store::{Owner, StoreError, StoreFuture, TemplateEntry};
use crate::report::with_causes;

/// Longest wait for the watch, which is some milliseconds behind unless it has just begun.
const WATCH_TIMEOUT: Duration = Duration::from_secs(4);
/// Delay before a watch that ended is begun again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Hexadecimal digits of the hash that stands for an owner in keys, since names of owners may have characters that keys
/// may not.
const OWNER_DIGITS: usize = 32;

/// The copy of all records of templates.
#[derive(Default)]
pub(super) struct TemplateIndex {
    known: Arc<Known>,
    watching: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Known {
    records: Mutex<Records>,
    /// Notified when the watch has reached another revision.
    reached: Notify,
}

#[derive(Default)]
struct Records {
    by_key: HashMap<String, Arc<str>>,
    /// Revision that the watch has reached.
    revision: u64,
}

impl Drop for TemplateIndex {
    fn drop(&mut self) {
        if let Some(watching) = self.watching.lock().take() {
            watching.abort();
        }
    }
}

impl TemplateIndex {
    /// Begins the watch of `bucket`, if it has not begun.
    fn begin(&self, bucket: &Store) {
        let mut watching = self.watching.lock();
        if watching.is_none() {
            let (known, bucket) = (self.known.clone(), bucket.clone());
            *watching = Some(tokio::spawn(async move { known.watch(&bucket).await }).abort_handle());
        }
    }

    /// The records whose keys begin with `prefix`, once the watch has reached `revision`; `None` when it does not in
    /// time.
    async fn list(&self, prefix: &str, revision: u64) -> Option<Vec<Arc<str>>> {
        let deadline = Instant::now() + WATCH_TIMEOUT;
        loop {
            let reached = self.known.reached.notified();
            {
                let records = self.known.records.lock();
                if records.revision >= revision {
                    let found = records.by_key.iter().filter(|(key, _)| key.starts_with(prefix));
                    return Some(found.map(|(_, record)| record.clone()).collect());
                }
            }
            tokio::time::timeout_at(deadline, reached).await.ok()?;
        }
    }
}

impl Known {
    async fn watch(&self, bucket: &Store) {
        loop {
            if let Err(error) = self.watch_once(bucket).await {
                tracing::warn!(%error, "cannot watch the records of templates; trying again");
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }

    /// Reads all records, and then their changes until the watch ends.
    async fn watch_once(&self, bucket: &Store) -> Result<(), NatsError> {
        let mut news = bucket.watch_with_history(">").await.map_err(NatsError::request)?;
        // What was deleted while nothing was watched is only missing from what follows.
        *self.records.lock() = Records::default();
        while let Some(entry) = news.next().await {
            self.apply(entry.map_err(NatsError::request)?);
        }
        Ok(())
    }

    fn apply(&self, entry: KvEntry) {
        {
            let mut records = self.records.lock();
            match (entry.operation, std::str::from_utf8(&entry.value)) {
                (Operation::Put, Ok(record)) => drop(records.by_key.insert(entry.key, record.into())),
                _ => drop(records.by_key.remove(&entry.key)),
            }
            records.revision = records.revision.max(entry.revision);
        }
        self.reached.notify_waiters();
    }
}

fn owner_prefix(owner: &Owner) -> String {
    format!("{}.", &ContentHash::of(owner.as_bytes()).to_string()[..OWNER_DIGITS])
}

/// The id in hexadecimal digits: in a key, dots separate words that may not be empty.
fn key_of(owner: &Owner, id: &str) -> String {
    format!("{}{}", owner_prefix(owner), const_hex::encode(id))
}

impl NatsLedger {
    fn template_failed(&self, action: &str, error: &dyn std::error::Error) -> StoreError {
        self.cluster.failed(&format!("cannot {action} a template"), with_causes(error))
    }
}

impl TemplateLedger for NatsLedger {
    fn template<'a>(&'a self, owner: &'a Owner, id: &'a str) -> StoreFuture<'a, Option<TemplateEntry>> {
        Box::pin(async move {
            self.cluster.connected()?;
            let entry = self.cluster.layout.templates.entry(key_of(owner, id)).await;
            let entry = entry.map_err(|error| self.template_failed("read", &error))?;
            let Some(entry) = entry.filter(|it| it.operation == Operation::Put) else { return Ok(None) };
            let record = std::str::from_utf8(&entry.value).map_err(|error| self.template_failed("read", &error))?;
            Ok(Some(TemplateEntry { record: record.into(), revision: entry.revision }))
        })
    }

    fn templates<'a>(&'a self, owner: Option<&'a Owner>) -> StoreFuture<'a, Vec<Arc<str>>> {
        Box::pin(async move {
            self.cluster.connected()?;
            let bucket = &self.cluster.layout.templates;
            self.templates.begin(bucket);
            let revision = latest_revision(bucket).await.map_err(|error| self.template_failed("list", &error))?;
            let found = self.templates.list(&owner.map(owner_prefix).unwrap_or_default(), revision).await;
            found.ok_or_else(|| self.cluster.failed("cannot list templates", "the servers send no changes"))
        })
    }

    fn put_template<'a>(
        &'a self,
        owner: &'a Owner,
        id: &'a str,
        record: Arc<str>,
        revision: Option<u64>,
    ) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.cluster.connected()?;
            let (bucket, key, value) = (&self.cluster.layout.templates, key_of(owner, id), record.to_string().into());
            match revision {
                None => match bucket.create(key, value).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(false),
                    Err(error) => Err(self.template_failed("store", &error)),
                },
                Some(revision) => match bucket.update(key, value, revision).await {
                    Ok(_) => Ok(true),
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
                    Err(error) => Err(self.template_failed("store", &error)),
                },
            }
        })
    }

    fn remove_template<'a>(&'a self, owner: &'a Owner, id: &'a str, revision: u64) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            self.cluster.connected()?;
            let bucket = &self.cluster.layout.templates;
            match bucket.delete_expect_revision(key_of(owner, id), Some(revision)).await {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
                Err(error) => Err(self.template_failed("remove", &error)),
            }
        })
    }
}
