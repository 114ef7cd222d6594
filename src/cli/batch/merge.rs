//! Renders all rows into one document, one after the other. The document is written after the last row and the manifest
//! after the document: a run that ends earlier leaves the files of the run before.

use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::drive::{ReadRow, Signals, send_rows};
use super::progress::Progress;
use super::renderer::{DEADLINE, RowRenderer, failed, in_ms};
use super::state::{Journal, RunState, cannot_write};
use super::write;
use crate::assets::SnapshotRecord;
use crate::cli::failure::Failure;
use crate::cli::isolation;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::pipeline::AddedPages;
use crate::renderers::{Document, Finished, RenderedFile};
use crate::report::counted;
use crate::rows::{ManifestRecord, RowStatus};

/// Renders all rows into the document at `path`.
pub(super) async fn run(renderer: RowRenderer, path: &Path, state: RunState) -> Result<(), Failure> {
    let plan = renderer.plan.clone();
    let RunState { done, snapshot, journal } = state;
    let manifest = journal.path().display().to_string();
    let mut signals = Signals::new()?;
    let mut progress = Progress::begin(plan.total, done.count());
    let (row_sender, mut rows) = mpsc::channel(1);
    let reading = spawn_blocking({
        let plan = plan.clone();
        move || send_rows(&plan, &done, &row_sender)
    });

    let document = renderer.renderers.begin_document().await?;
    let mut pages = 0;
    let mut records = Vec::new();
    while let Some(item) = rows.recv().await {
        let record = tokio::select! {
            biased;
            signal = signals.next() => {
                let path = path.display();
                return Err(Failure::Machine(format!(
                    "stopped by {signal} after {} of {} rows; {path} was not written, as it needs all rows; \
                     --resume starts again",
                    records.len(),
                    plan.total
                )));
            }
            record = renderer.add(item, &document) => record?,
        };
        pages += record.page_count.unwrap_or(0);
        match &record.error {
            Some(error) => progress.failed(error),
            None => progress.done(!record.warnings.is_empty()),
        }
        records.push(record);
    }
    let panicked = |error| Failure::Machine(format!("a thread failed: {error}"));
    reading.await.map_err(panicked)??;

    let file = if pages == 0 { None } else { Some(renderer.complete(document).await?) };
    let storing = spawn_blocking({
        let path = path.to_owned();
        move || store(&path, file.as_ref(), records, journal, &snapshot)
    });
    storing.await.map_err(panicked)??;
    let path = path.display();
    let summary = if pages == 0 {
        format!("no pages, so {path} was not written")
    } else {
        format!("{} in {path}", counted(pages as u64, "page"))
    };
    eprintln!("{}; {summary}; manifest: {manifest}", progress.end());
    match progress.failures() {
        0 => Ok(()),
        failed => Err(Failure::Rows { failed, manifest }),
    }
}

impl RowRenderer {
    /// Adds the pages of a row. A row that fails has a record of that; an error means that the document is lost.
    async fn add(&self, item: ReadRow, document: &Document) -> Result<ManifestRecord, Failure> {
        let row = match item {
            Ok(row) => row,
            Err(broken) => return Ok(ManifestRecord::from(&broken)),
        };
        let task = match self.task(&row) {
            Ok(task) => task,
            Err(error) => return Ok(failed(&row, &error)),
        };
        let Finished { result, timings } = document.add(task, self.deadline, DEADLINE).await;
        match result.map_err(isolation::in_design_file) {
            Ok(AddedPages { first, count, warnings }) => Ok(ManifestRecord {
                first_page: Some(first + 1),
                page_count: Some(count),
                warnings: isolation::warnings_in_design_file(warnings),
                timings: in_ms(&timings),
                ..ManifestRecord::new(row.number, RowStatus::Done)
            }),
            Err(error) if document.is_lost() => {
                Err(Failure::Machine(format!("row {}: {error}; --resume starts again", row.number)))
            }
            Err(error) => Ok(failed(&row, &error)),
        }
    }

    /// Completes the document. The deadline is that of all rows together.
    async fn complete(&self, document: Document) -> Result<RenderedFile, Error> {
        let rows = u32::try_from(self.plan.total).unwrap_or(u32::MAX).max(1);
        let deadline = self.deadline.saturating_mul(rows);
        document.complete(deadline, "TENTER_DEADLINE for each row").await.result
    }
}

/// Writes the document, then the manifest lines of its rows. Blocks.
fn store(
    path: &Path,
    rendered: Option<&RenderedFile>,
    records: Vec<ManifestRecord>,
    mut journal: Journal,
    snapshot: &SnapshotRecord,
) -> Result<(), Failure> {
    let file = path.to_string_lossy();
    let mut hash = String::new();
    if let Some(RenderedFile { bytes, .. }) = rendered {
        write::write(path, bytes).map_err(|error| cannot_write(path, &error))?;
        hash = ContentHash::of(bytes).to_string();
    }
    for mut record in records {
        if let (RowStatus::Done, Some(RenderedFile { bytes, fingerprint, .. })) = (record.status, rendered) {
            record.file = Some(file.clone().into_owned());
            record.bytes = Some(bytes.len() as u64);
            record.sha256 = Some(hash.clone());
            record.fingerprint = Some(fingerprint.clone());
        }
        journal.append(&record, snapshot)?;
    }
    Ok(())
}
