//! Renders all rows of a batch into one document.
//!
//! Rows that fail are left out of the document. After the death of the process, and when rows are retried, the document
//! is rendered from the first row again, with the same assets.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{AttemptError, MAX_WARNINGS, PROGRESS_INTERVAL, RenderedJob, Worker, in_ms, public_message};
use crate::calls::with_flat_paths;
use crate::error::{Error, Kind};
use crate::jobs::batch::BatchId;
use crate::jobs::store::{AttemptId, RowError, RowInput, RowOutcome, RowPages};
use crate::jobs::template::BatchTemplate;
use crate::pipeline::AddedPages;
use crate::renderers::{Document, Finished, RowTask};
use crate::report::Problem;

/// Number of rows whose values are loaded at once.
const ROWS_PAGE: u64 = 100;

/// Names of the time limits of one row and of the end of the document, for messages.
const ROW_DEADLINE: &str = "TENTER_JOB_DEADLINE";
const DOCUMENT_DEADLINE: &str = "TENTER_JOB_DEADLINE for each row";

impl Worker {
    /// Renders the document of the `total` rows of `batch`. After each row, other jobs that wait for a slot go first.
    pub(super) async fn document(
        &self,
        attempt: &AttemptId,
        batch: &BatchId,
        total: u64,
        slot: &mut OwnedSemaphorePermit,
    ) -> Result<RenderedJob, AttemptError> {
        let template = self.templates.load(batch).await?;
        let document = self.renderers.begin_document().await.map_err(AttemptError::NoRenderer)?;
        let (mut outcomes, mut pages) = (Vec::new(), 0);
        let (mut after, mut last_update) = (0, Instant::now());
        loop {
            let rows = self.service.row_values(batch, after, ROWS_PAGE).await;
            let rows = rows.map_err(|error| AttemptError::Storage(Arc::new(error.into())))?;
            let rows = rows.ok_or(AttemptError::Removed)?;
            let Some(last) = rows.last() else { break };
            after = last.row;
            for RowInput { row, values } in rows {
                let Ok(values) = values else { continue }; // the row failed when the batch was accepted
                let result = self.add_row(attempt, &template, &document, row, values).await?;
                pages += result.as_ref().map_or(0, |added| added.page_count);
                outcomes.push(RowOutcome { row, result });
                if last_update.elapsed() >= PROGRESS_INTERVAL && row < total {
                    self.set_progress(attempt, row as f64 / total as f64).await;
                    last_update = Instant::now();
                }
                self.yield_slot(slot).await;
            }
        }
        if pages == 0 {
            let message = "all rows failed, so that the document has no pages".to_owned();
            return Err(AttemptError::Document(Error::invalid(Problem { path: "rows".into(), message }), outcomes));
        }
        match self.complete(document, total).await {
            Ok(rendered) => Ok(RenderedJob { rows: outcomes, ..rendered }),
            Err(AttemptError::Render(error, _)) => Err(AttemptError::Document(error, outcomes)),
            Err(other) => Err(other),
        }
    }

    /// Adds the pages of one row. The outer error ends the attempt, the inner one is the outcome of the row.
    async fn add_row(
        &self,
        attempt: &AttemptId,
        template: &BatchTemplate,
        document: &Document,
        row: u64,
        values: Bytes,
    ) -> Result<Result<RowPages, RowError>, AttemptError> {
        let error_count = template.batch_assets.error_count();
        let task = RowTask { batch: template.batch_assets.clone(), row, values, all_pages: false };
        let Finished { result, timings } = document.add(task, self.settings.deadline, ROW_DEADLINE).await;
        match result {
            Ok(AddedPages { first, count, mut warnings }) => {
                warnings.retain(|warning| !template.explains(warning));
                warnings.truncate(MAX_WARNINGS);
                let timings = in_ms(&timings);
                Ok(Ok(RowPages { first_page: first as u64 + 1, page_count: count as u64, warnings, timings }))
            }
            Err(error) => match template.batch_assets.error_since(error_count) {
                Some(storage) if error.kind() == Kind::Internal => Err(AttemptError::Storage(storage)),
                _ if error.kind() == Kind::Unavailable => Err(AttemptError::NoRenderer(error)),
                _ => {
                    let (error, id) = (with_flat_paths(error), &attempt.job);
                    if error.kind() == Kind::Internal {
                        tracing::error!(%id, row, %error, "row of a document failed");
                    } else {
                        tracing::info!(%id, row, %error, "row of a document failed");
                    }
                    Ok(Err(RowError { error: public_message(&error, id), problems: error.problems().to_vec() }))
                }
            },
        }
    }

    /// Writes the end of the document. The time limit is that of all rows together.
    async fn complete(&self, document: Document, total: u64) -> Result<RenderedJob, AttemptError> {
        let rows = u32::try_from(total).unwrap_or(u32::MAX);
        let deadline = self.settings.deadline.saturating_mul(rows);
        let Finished { result, timings } = document.complete(deadline, DOCUMENT_DEADLINE).await;
        match result {
            Ok(file) => {
                let origin = format!("painted by {}", file.rasterizer);
                self.rendered(file, origin, timings).await
            }
            Err(error) if error.kind() == Kind::Unavailable => Err(AttemptError::NoRenderer(error)),
            Err(error) => Err(AttemptError::Render(error, timings)),
        }
    }

    /// Releases the slot and acquires it again behind all jobs that wait for one, since a document may take hours and
    /// there may be only one slot.
    async fn yield_slot(&self, slot: &mut OwnedSemaphorePermit) {
        let (permits, slots) = (slot.num_permits(), slot.semaphore().clone());
        drop(slot.split(permits));
        slot.merge(self.acquire_slots(&slots, permits).await);
    }
}
