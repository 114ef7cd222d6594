//! Answers to the questions of render processes: files from the network, and templates and files of batches.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;
use url::Url;

use super::message::{Ask, Reply};
use super::task::BatchSource;
use crate::assets::{AssetTally, Fetched, FileSource, Reason, SnapshotStoreError, StoredFile, UrlError, WebFiles};
use crate::error::Error;
use crate::report::with_causes;

/// What renderers may reach through the service.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) files: WebFiles,
    /// The batches that have calls in progress.
    batches: Mutex<HashMap<String, Weak<dyn BatchSource>>>,
}

impl Answers {
    pub(super) fn new(files: WebFiles) -> Self {
        Self { files, batches: Mutex::default() }
    }

    /// Makes `batch` available to renderers while there are references to it.
    pub(super) fn register(&self, batch: &Arc<dyn BatchSource>) {
        let mut batches = self.batches.lock();
        let known = batches.get(batch.id()).is_some_and(|it| it.strong_count() > 0);
        if !known {
            batches.retain(|_, batch| batch.strong_count() > 0);
            batches.insert(batch.id().to_owned(), Arc::downgrade(batch));
        }
    }

    fn batch(&self, id: &str) -> Option<Arc<dyn BatchSource>> {
        self.batches.lock().get(id).and_then(Weak::upgrade)
    }

    /// Adds what a renderer has counted.
    pub(super) fn count(&self, tally: AssetTally) {
        self.files.counts().add(tally);
    }

    /// The reply to `ask`. `body`: the file that came with it.
    pub(super) async fn answer(&self, ask: Ask, body: Bytes) -> (Reply, Bytes) {
        match ask {
            Ask::Fetch { url, known } => {
                let fetched = match Url::parse(&url) {
                    Ok(url) => self.files.fetch(&url, known.as_ref()).await,
                    Err(error) => Err(Reason::from(UrlError::from(error))),
                };
                match fetched {
                    Ok(Fetched::Body(bytes, freshness)) => (Reply::Fetched(freshness), bytes),
                    Ok(Fetched::NotModified(freshness)) => (Reply::NotModified(freshness), Bytes::new()),
                    Err(reason) => (Reply::NotFetched((&reason).into()), Bytes::new()),
                }
            }
            Ask::ReadStored { url, limit } => match self.files.read_stored(&url, limit).await {
                Some(StoredFile { bytes, age }) => (Reply::Stored(age), bytes),
                None => (Reply::Nothing, Bytes::new()),
            },
            Ask::Store { url } => {
                self.files.store(&url, body).await;
                (Reply::Nothing, Bytes::new())
            }
            Ask::Template { batch } => {
                let template = match self.batch(&batch) {
                    Some(batch) => batch.template().await,
                    None => Err(Error::Internal(format!("batch {batch:.40} has no calls in progress"))),
                };
                match template {
                    Ok(body) => (Reply::Found, body),
                    Err(error) => (Reply::NoTemplate(error), Bytes::new()),
                }
            }
            Ask::FindInBatch { batch, kind, url } => match self.batch(&batch) {
                Some(batch) => stored(batch.find(kind, &url).await),
                None => no_batch(&batch),
            },
            Ask::PutInBatch { batch, kind, url } => match self.batch(&batch) {
                Some(batch) => stored(batch.put_if_absent(kind, &url, body).await),
                None => no_batch(&batch),
            },
        }
    }
}

fn stored(result: Result<Option<Bytes>, SnapshotStoreError>) -> (Reply, Bytes) {
    match result {
        Ok(Some(file)) => (Reply::Found, file),
        Ok(None) => (Reply::Nothing, Bytes::new()),
        Err(SnapshotStoreError::Changed(file)) => (Reply::Changed(file), Bytes::new()),
        Err(error) => (Reply::StoreFailed(with_causes(&error)), Bytes::new()),
    }
}

fn no_batch(batch: &str) -> (Reply, Bytes) {
    (Reply::StoreFailed(format!("batch {batch:.40} has no calls in progress")), Bytes::new())
}
