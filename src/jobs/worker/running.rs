//! The jobs that this process renders, each with a token that cancels it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::jobs::batch::BatchId;
use crate::jobs::job::JobId;
use crate::jobs::store::{AttemptId, FetchedJob, Work};

/// The running jobs of this process. Clones share their contents.
#[derive(Clone, Default)]
pub(in crate::jobs) struct RunningJobs(Arc<State>);

#[derive(Default)]
struct State {
    jobs: Mutex<HashMap<JobId, RunningJob>>,
    document_ended: Notify,
}

struct RunningJob {
    attempt: AttemptId,
    /// The batch of a row or document.
    batch: Option<BatchId>,
    is_document: bool,
    cancel: CancellationToken,
}

impl RunningJobs {
    /// Adds a job, and returns the token that [`Self::cancel`] and [`Self::cancel_batch`] cancel.
    pub(super) fn add(&self, fetched: &FetchedJob) -> CancellationToken {
        let cancel = CancellationToken::new();
        let (batch, is_document) = match &fetched.work {
            Work::Job(_) => (None, false),
            Work::Row { batch, .. } => (Some(batch.clone()), false),
            Work::Document { batch, .. } => (Some(batch.clone()), true),
        };
        let attempt = fetched.attempt_id.clone();
        let job = RunningJob { attempt, batch, is_document, cancel: cancel.clone() };
        self.0.jobs.lock().insert(fetched.attempt_id.job.clone(), job);
        cancel
    }

    pub(super) fn remove(&self, id: &JobId) {
        let removed = self.0.jobs.lock().remove(id);
        if removed.is_some_and(|it| it.is_document) {
            self.0.document_ended.notify_one();
        }
    }

    /// Stops rendering a job that was removed.
    pub(in crate::jobs) fn cancel(&self, id: &JobId) {
        if let Some(job) = self.0.jobs.lock().get(id) {
            job.cancel.cancel();
        }
    }

    /// Stops rendering the rows or the document of a batch that was removed.
    pub(in crate::jobs) fn cancel_batch(&self, id: &BatchId) {
        for job in self.0.jobs.lock().values().filter(|it| it.batch.as_ref() == Some(id)) {
            job.cancel.cancel();
        }
    }

    /// Number of documents of all rows of a batch.
    pub(super) fn documents(&self) -> usize {
        self.0.jobs.lock().values().filter(|it| it.is_document).count()
    }

    /// Resolves when a document was removed.
    pub(super) async fn document_ended(&self) {
        self.0.document_ended.notified().await;
    }

    /// The attempts that are running.
    pub(in crate::jobs) fn attempts(&self) -> Vec<AttemptId> {
        self.0.jobs.lock().values().map(|job| job.attempt.clone()).collect()
    }
}
