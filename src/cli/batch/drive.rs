//! Renders rows in parallel and writes their files, until the rows end or a signal stops the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::{JoinSet, spawn_blocking};

use super::plan::Plan;
use super::progress::Progress;
use super::renderer::{RowRenderer, failed, in_ms};
use super::state::{DoneRows, RunState};
use super::write::{self, NamedFile, RenderedRow, RowOutcome};
use crate::cli::failure::Failure;
use crate::renderers::{PageFile, RenderedFiles};
use crate::report::counted;
use crate::rows::{BrokenRow, ManifestRecord, Row};

/// A row of the input, or the reason why it cannot be read.
pub(super) type ReadRow = Result<Row, BrokenRow>;

/// Renders the missing rows. `concurrency`: renders at once, at least 1.
pub(super) async fn run(renderer: RowRenderer, state: RunState, concurrency: usize) -> Result<(), Failure> {
    let plan = renderer.plan.clone();
    let RunState { done, snapshot, journal } = state;
    let manifest = journal.path().display().to_string();
    let mut signals = Signals::new()?;
    let progress = Progress::begin(plan.total, done.count());
    let (row_sender, mut rows) = mpsc::channel(concurrency);
    let (end_sender, ended) = mpsc::channel(concurrency);
    let reading = spawn_blocking(move || send_rows(&plan, &done, &row_sender));
    let writing = spawn_blocking(move || write::run(journal, &snapshot, progress, ended));

    let renderer = Arc::new(renderer);
    let mut in_flight = JoinSet::new();
    let (mut stopped, mut all_read, mut broken) = (None, false, None);
    while !(in_flight.is_empty() && (all_read || stopped.is_some())) {
        let wanted = in_flight.len() < concurrency && !all_read && stopped.is_none();
        tokio::select! {
            biased;
            signal = signals.next() => match stopped {
                None => {
                    stopped = Some(signal);
                    let rows = counted(in_flight.len() as u64, "row");
                    eprintln!("{signal}: finishing {rows} in progress; repeat the signal to cancel them");
                }
                Some(_) => break,
            },
            Some(joined) = in_flight.join_next() => match joined {
                Ok(true) => {}
                Ok(false) => break, // the writer has failed; its error is returned below
                Err(error) => {
                    broken = Some(Failure::Machine(format!("a render task failed: {error}")));
                    break;
                }
            },
            item = rows.recv(), if wanted => match item {
                Some(item) => {
                    let (renderer, end_sender) = (renderer.clone(), end_sender.clone());
                    in_flight.spawn(async move { end_sender.send(renderer.row(item).await).await.is_ok() });
                }
                None => all_read = true,
            },
        }
    }
    // Cancelled rows have no line in the manifest; a resumed run renders them.
    in_flight.shutdown().await;
    drop((rows, end_sender));
    let panicked = |error| Failure::Machine(format!("a thread failed: {error}"));
    let read = reading.await.map_err(panicked)?;
    let progress = writing.await.map_err(panicked)??;
    eprintln!("{}; manifest: {manifest}", progress.end());
    read?;
    match (broken, stopped) {
        (Some(failure), _) => Err(failure),
        (None, Some(signal)) => Err(Failure::Machine(format!("stopped by {signal}; continue with --resume"))),
        (None, None) if progress.failures() > 0 => Err(Failure::Rows { failed: progress.failures(), manifest }),
        (None, None) => Ok(()),
    }
}

/// Sends the rows that are not done to `rows`, until the input ends or the receiver is gone. Blocks.
pub(super) fn send_rows(plan: &Plan, done: &DoneRows, rows: &Sender<ReadRow>) -> Result<(), Failure> {
    let wrong = |error| plan.rows.failure(&error);
    let (read, hash) = plan.rows.rows().map_err(wrong)?;
    for item in read {
        let item = item.map_err(wrong)?;
        let number = item.as_ref().map_or_else(|broken| broken.number, |row| row.number);
        if !done.has(number) && rows.blocking_send(item).is_err() {
            return Ok(());
        }
    }
    if hash.get() != plan.input_hashes.rows {
        let path = plan.rows.path.display();
        return Err(Failure::Machine(format!(
            "{path} has changed during the run; remove the manifest and start again"
        )));
    }
    Ok(())
}

impl RowRenderer {
    async fn row(&self, item: ReadRow) -> RowOutcome {
        let row = match item {
            Ok(row) => row,
            Err(broken) => return RowOutcome::Failed(Box::new(ManifestRecord::from(&broken))),
        };
        match self.render(&row).await {
            Ok((rendered, timings)) => self.outcome(&row, rendered, in_ms(&timings)),
            Err(error) => RowOutcome::Failed(Box::new(failed(&row, &error))),
        }
    }

    fn outcome(&self, row: &Row, rendered: RenderedFiles, timings: BTreeMap<String, f64>) -> RowOutcome {
        let RenderedFiles { pages, mut warnings, .. } = rendered;
        warnings.retain(|warning| !self.plan.names.explains(warning));
        let mut files = Vec::with_capacity(pages.len());
        for PageFile { index, bytes, fingerprint } in pages {
            match self.plan.names.fill_in(row, index + 1) {
                Ok(name) => files.push(NamedFile { name, page: index + 1, bytes, fingerprint }),
                Err(broken) => return RowOutcome::Failed(Box::new(ManifestRecord::from(&broken))),
            }
        }
        RowOutcome::Rendered(RenderedRow { row: row.number, files, all_pages: self.plan.all_pages, warnings, timings })
    }
}

/// The signals that stop a run.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::Machine(format!("cannot listen for signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
