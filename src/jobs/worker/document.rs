//! All rows of a batch into one document, one after the other.
//!
//! A row that fails is not in it, and the others are. It is begun anew after a death of the process and when rows wait again;
//! what its rows are made of stays the same, as for every batch.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{BETWEEN_NOTES, Failure, MOST_WARNINGS, Rendered, Worker, in_ms, told};
use crate::error::{Error, Kind};
use crate::jobs::batch::BatchId;
use crate::jobs::request::flat;
use crate::jobs::store::{FailedRow, RowEnd, RowPages, StoredRow, Ticket};
use crate::jobs::template::RowTemplate;
use crate::pipeline::{AddedPages, MergedDocument, Session, Stage, Timings};
use crate::report::Problem;

/// Rows that are read at once: their values wait in memory.
const ROWS_READ: u64 = 100;

/// The deadline of a row, and, as often as there are rows, of the end of the file.
const DEADLINE: &str = "TENTER_JOB_DEADLINE";
const DEADLINE_OF_ALL: &str = "TENTER_JOB_DEADLINE for each row";

impl Worker {
    /// The document of the `total` rows of `batch`. Between two rows whoever waits for `slot` has it.
    pub(super) async fn document(
        &self,
        ticket: &Ticket,
        batch: &BatchId,
        total: u64,
        slot: &mut OwnedSemaphorePermit,
    ) -> Result<Rendered, Failure> {
        let template = self.templates.of(batch).await?;
        let options = template.options().map_err(|error| Failure::Error(error, Timings::default()))?;
        let mut document = MergedDocument::new(options);
        let mut ends = Vec::new();
        let (mut after, mut noted) = (0, Instant::now());
        loop {
            let rows = self.service.row_values(batch, after, ROWS_READ).await;
            let rows = rows.map_err(|error| Failure::Later(error.to_string()))?.ok_or(Failure::Gone)?;
            let Some(last) = rows.last() else { break };
            after = last.row;
            for StoredRow { row, values } in rows {
                let Ok(values) = values else { continue }; // it has ended before
                let end = self.add_row(ticket, &template, &mut document, row, values).await?;
                ends.push(RowEnd { row, end });
                if noted.elapsed() >= BETWEEN_NOTES && row < total {
                    self.note_rows(ticket, row, total).await;
                    noted = Instant::now();
                }
                self.yield_slot(slot).await;
            }
        }
        if document.pages() == 0 {
            let message = "none of them could be rendered, and a document needs a page".to_owned();
            return Err(Failure::Document(Error::invalid(Problem { path: "rows".into(), message }), ends));
        }
        match self.end_document(&template, document, total).await {
            Ok(rendered) => Ok(Rendered { rows: ends, ..rendered }),
            Err(error) => Err(Failure::Document(error, ends)),
        }
    }

    /// The outer error ends the attempt, the inner one is the row's.
    async fn add_row(
        &self,
        ticket: &Ticket,
        template: &Arc<RowTemplate>,
        document: &mut MergedDocument,
        row: u64,
        values: Bytes,
    ) -> Result<Result<RowPages, FailedRow>, Failure> {
        let error_count = template.batch_assets.error_count();
        let mut session = self.session(self.settings.deadline, DEADLINE).await?;
        template.attach_to(&mut session);
        let filled_in = template.clone();
        let adding = async {
            let request = session.work(Stage::Parse, move || filled_in.fill_in(row, &values)).await??;
            document.add(&mut session, request).await
        };
        match adding.await {
            Ok(AddedPages { first, count, mut warnings }) => {
                warnings.retain(|warning| !template.explains(warning));
                warnings.truncate(MOST_WARNINGS);
                let timings = in_ms(session.timings());
                Ok(Ok(RowPages { first_page: first as u64 + 1, page_count: count as u64, warnings, timings }))
            }
            Err(error) => match template.batch_assets.error_since(error_count) {
                Some(reason) if error.kind() == Kind::Internal => Err(Failure::Later(reason)),
                _ => {
                    let (error, id) = (flat(error), &ticket.id);
                    if error.kind() == Kind::Internal {
                        tracing::error!(%id, row, %error, "row of a document failed");
                    } else {
                        tracing::info!(%id, row, %error, "row of a document failed");
                    }
                    Ok(Err(FailedRow { error: told(&error, id), problems: error.problems().to_vec() }))
                }
            },
        }
    }

    /// The file. It has as long as its rows had together.
    async fn end_document(
        &self,
        template: &RowTemplate,
        document: MergedDocument,
        total: u64,
    ) -> Result<Rendered, Error> {
        let rows = u32::try_from(total).unwrap_or(u32::MAX);
        let deadline = self.settings.deadline.saturating_mul(rows);
        let mut session = self.engine.admit_queued_elsewhere(deadline, DEADLINE_OF_ALL).await?;
        let made = document.finish(&mut session).await?;
        let made = made.ok_or_else(|| Error::Internal("a document with pages became none".into()))?;
        let bytes = made.bytes.clone();
        let sha256 = session.work(Stage::Encode, move || Sha256::digest(&bytes).into()).await?;
        Ok(Rendered {
            bytes: made.bytes,
            sha256,
            format: template.format,
            fingerprint: made.fingerprint.to_string(),
            origin: format!("painted by {}", made.rasterizer),
            timings: session.timings().clone(),
            warnings: Vec::new(),
            rows: Vec::new(),
        })
    }

    async fn session(&self, deadline: Duration, setting: &'static str) -> Result<Session, Failure> {
        let admitted = self.engine.admit_queued_elsewhere(deadline, setting).await;
        admitted.map_err(|error| Failure::Error(error, Timings::default()))
    }

    /// How many rows are done, well or not.
    async fn note_rows(&self, ticket: &Ticket, done: u64, total: u64) {
        let percent = 100.0 * done as f64 / total as f64;
        if let Err(error) = self.service.progress(ticket, percent).await {
            tracing::warn!(id = %ticket.id, %error, "cannot note how far a document is");
        }
    }

    /// A document may take hours, and there may be one slot: whoever waits for it goes first.
    async fn yield_slot(&self, slot: &mut OwnedSemaphorePermit) {
        let (places, slots) = (slot.num_permits(), slot.semaphore().clone());
        drop(slot.split(places));
        slot.merge(self.slots(&slots, places).await);
    }
}
