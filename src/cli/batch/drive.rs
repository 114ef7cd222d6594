//! Rows to renders to files, as many at once as there are places, until they end or somebody says stop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::{JoinSet, spawn_blocking};

use super::super::Failure;
use super::plan::Plan;
use super::progress::Progress;
use super::renderer::{Renderer, failed, in_ms};
use super::state::{Done, State};
use super::write::{self, Ended, Made, MadeFile};
use crate::error::Error;
use crate::pipeline::{Engine, Rendered, RenderedPage};
use crate::report::counted;
use crate::rows::{BrokenRow, Record, Row};

/// A row as it was read.
pub(super) type Item = Result<Row, BrokenRow>;

/// Makes what is missing. `at_once`: renders under way, at least 1; `deadline`: `TENTER_DEADLINE`.
pub(super) async fn run(
    plan: Arc<Plan>,
    state: State,
    engine: Engine,
    at_once: usize,
    deadline: Duration,
) -> Result<(), Failure> {
    let State { done, snapshot, journal } = state;
    let manifest = journal.path().display().to_string();
    let mut signals = Signals::new()?;
    let progress = Progress::begin(plan.total, done.count());
    let (row_sender, mut rows) = mpsc::channel(at_once);
    let (end_sender, ended) = mpsc::channel(at_once);
    let reading = spawn_blocking({
        let plan = plan.clone();
        move || read(&plan, &done, &row_sender)
    });
    let writing = spawn_blocking({
        let snapshot = snapshot.clone();
        move || write::run(journal, &snapshot, progress, ended)
    });

    let renderer = Arc::new(Renderer { plan, engine, snapshot, prefix_cache: Arc::default(), deadline });
    let mut under_way = JoinSet::new();
    let (mut stopped, mut all_read, mut broken) = (None, false, None);
    while !(under_way.is_empty() && (all_read || stopped.is_some())) {
        let wanted = under_way.len() < at_once && !all_read && stopped.is_none();
        tokio::select! {
            biased;
            signal = signals.next() => match stopped {
                None => {
                    stopped = Some(signal);
                    let rows = counted(under_way.len() as u64, "row");
                    eprintln!("{signal}: finishing {rows} under way; once more to drop what is not done");
                }
                Some(_) => break,
            },
            Some(joined) = under_way.join_next() => match joined {
                Ok(true) => {}
                Ok(false) => break, // the writer has stopped, and says why below
                Err(error) => {
                    broken = Some(Failure::Machine(format!("a render broke off: {error}")));
                    break;
                }
            },
            item = rows.recv(), if wanted => match item {
                Some(item) => {
                    let (renderer, end_sender) = (renderer.clone(), end_sender.clone());
                    under_way.spawn(async move { end_sender.send(renderer.row(item).await).await.is_ok() });
                }
                None => all_read = true,
            },
        }
    }
    // What is dropped here has no line in the manifest, and is made by the next run.
    under_way.shutdown().await;
    drop((rows, end_sender));
    let panicked = |error| Failure::Machine(format!("a thread broke off: {error}"));
    let read = reading.await.map_err(panicked)?;
    let progress = writing.await.map_err(panicked)??;
    eprintln!("{}; manifest: {manifest}", progress.end());
    read?;
    match (broken, stopped) {
        (Some(failure), _) => Err(failure),
        (None, Some(signal)) => Err(Failure::Machine(format!("stopped by {signal}; --resume goes on"))),
        (None, None) if progress.failures() > 0 => Err(Failure::Rows { failed: progress.failures(), manifest }),
        (None, None) => Ok(()),
    }
}

/// Hands out the rows that are not done, until they end or nobody takes them. Blocks.
pub(super) fn read(plan: &Plan, done: &Done, rows: &Sender<Item>) -> Result<(), Failure> {
    let wrong = |error| plan.rows.failure(&error);
    let (read, hash) = plan.rows.rows().map_err(wrong)?;
    for item in read {
        let item = item.map_err(wrong)?;
        let number = item.as_ref().map_or_else(|broken| broken.number, |row| row.number);
        if !done.has(number) && rows.blocking_send(item).is_err() {
            return Ok(());
        }
    }
    if hash.get() != plan.digests.rows {
        let path = plan.rows.path.display();
        return Err(Failure::Machine(format!("{path} has changed under way; remove the manifest and begin anew")));
    }
    Ok(())
}

impl Renderer {
    async fn row(&self, item: Item) -> Ended {
        let row = match item {
            Ok(row) => row,
            Err(broken) => return Ended::Failed(Box::new(Record::from(&broken))),
        };
        match self.render(&row).await {
            Ok((rendered, timings)) => self.made(&row, rendered, timings),
            Err(error) => Ended::Failed(Box::new(failed(&row, &error))),
        }
    }

    async fn render(&self, row: &Row) -> Result<(Rendered, BTreeMap<String, f64>), Error> {
        let (mut session, request) = self.begin(row).await?;
        let rendered = session.render(request).await?;
        Ok((rendered, in_ms(session.timings())))
    }

    fn made(&self, row: &Row, rendered: Rendered, timings: BTreeMap<String, f64>) -> Ended {
        let Rendered { pages, mut warnings, .. } = rendered;
        warnings.retain(|warning| !self.plan.names.explains(warning));
        let mut files = Vec::with_capacity(pages.len());
        for page in pages {
            match self.plan.names.fill_in(row, page.index + 1) {
                Ok(name) => {
                    let RenderedPage { index, bytes, fingerprint, .. } = page;
                    files.push(MadeFile { name, page: index + 1, bytes, fingerprint });
                }
                Err(broken) => return Ended::Failed(Box::new(Record::from(&broken))),
            }
        }
        Ended::Made(Made { row: row.number, files, all_pages: self.plan.all_pages, warnings, timings })
    }
}

/// What asks a run to stop.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::Machine(format!("no signals: {error}")));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
