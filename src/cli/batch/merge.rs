//! Renders all rows into one document, one after the other. The document is written after the last row and the manifest
//! after the document: a run that ends earlier leaves the files of the run before.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::drive::{ReadRow, Signals, send_rows};
use super::plan::{OneDocument, Plan};
use super::progress::Progress;
use super::renderer::{Renderer, failed, in_ms};
use super::state::{Journal, RunState, cannot_write};
use super::write;
use crate::assets::AssetSnapshot;
use crate::cli::failure::Failure;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::pipeline::{AddedPages, Engine, MergedDocument, RenderedPage};
use crate::report::counted;
use crate::rows::{ManifestRecord, Row, RowStatus};

/// Renders all rows into `document`. `deadline`: `TENTER_DEADLINE`, per row.
pub(super) async fn run(
    plan: Arc<Plan>,
    document: &OneDocument,
    state: RunState,
    engine: Engine,
    deadline: Duration,
) -> Result<(), Failure> {
    let RunState { done, snapshot, journal } = state;
    let manifest = journal.path().display().to_string();
    let mut signals = Signals::new()?;
    let mut progress = Progress::begin(plan.total, done.count());
    let (row_sender, mut rows) = mpsc::channel(1);
    let reading = spawn_blocking({
        let plan = plan.clone();
        move || send_rows(&plan, &done, &row_sender)
    });

    let renderer =
        Renderer { plan: plan.clone(), engine, snapshot: snapshot.clone(), prefix_cache: Arc::default(), deadline };
    let mut merged = MergedDocument::new(document.options.clone());
    let mut records = Vec::new();
    while let Some(item) = rows.recv().await {
        let record = tokio::select! {
            biased;
            signal = signals.next() => {
                let path = document.path.display();
                return Err(Failure::Machine(format!(
                    "stopped by {signal} after {} of {} rows; {path} was not written, as it needs all rows; \
                     --resume starts again",
                    records.len(),
                    plan.total
                )));
            }
            record = renderer.add(item, &mut merged) => record,
        };
        match &record.error {
            Some(error) => progress.failed(error),
            None => progress.done(!record.warnings.is_empty()),
        }
        records.push(record);
    }
    let panicked = |error| Failure::Machine(format!("a thread failed: {error}"));
    reading.await.map_err(panicked)??;

    let pages = merged.pages();
    let file = renderer.finish(merged).await?;
    let path = document.path.clone();
    let storing = spawn_blocking(move || store(&path, file.as_ref(), records, journal, &snapshot));
    storing.await.map_err(panicked)??;
    let path = document.path.display();
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

impl Renderer {
    async fn add(&self, item: ReadRow, document: &mut MergedDocument) -> ManifestRecord {
        let row = match item {
            Ok(row) => row,
            Err(broken) => return ManifestRecord::from(&broken),
        };
        self.add_row(&row, document).await.unwrap_or_else(|error| failed(&row, &error))
    }

    async fn add_row(&self, row: &Row, document: &mut MergedDocument) -> Result<ManifestRecord, Error> {
        let (mut session, request) = self.begin(row).await?;
        let AddedPages { first, count, warnings } = document.add(&mut session, request).await?;
        Ok(ManifestRecord {
            first_page: Some(first + 1),
            page_count: Some(count),
            warnings,
            timings: in_ms(session.timings()),
            ..ManifestRecord::new(row.number, RowStatus::Done)
        })
    }

    /// Completes the document; `None` without pages. The deadline is that of all rows together.
    async fn finish(&self, document: MergedDocument) -> Result<Option<RenderedPage>, Error> {
        let rows = u32::try_from(self.plan.total).unwrap_or(u32::MAX).max(1);
        let deadline = self.deadline.saturating_mul(rows);
        let mut session = self.engine.admit_queued_elsewhere(deadline, "TENTER_DEADLINE for each row").await?;
        document.finish(&mut session).await
    }
}

/// Writes the document, then the manifest lines of its rows. Blocks.
fn store(
    path: &Path,
    rendered: Option<&RenderedPage>,
    records: Vec<ManifestRecord>,
    mut journal: Journal,
    snapshot: &AssetSnapshot,
) -> Result<(), Failure> {
    let file = path.to_string_lossy();
    let mut hash = String::new();
    if let Some(RenderedPage { bytes, .. }) = rendered {
        write::write(path, bytes).map_err(|error| cannot_write(path, &error))?;
        hash = ContentHash::of(bytes).to_string();
    }
    for mut record in records {
        if let (RowStatus::Done, Some(RenderedPage { bytes, fingerprint, .. })) = (record.status, rendered) {
            record.file = Some(file.clone().into_owned());
            record.bytes = Some(bytes.len() as u64);
            record.sha256 = Some(hash.clone());
            record.fingerprint = Some(fingerprint.to_string());
        }
        journal.append(&record, snapshot)?;
    }
    Ok(())
}
