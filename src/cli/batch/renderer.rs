//! Renders rows, each for itself or into a document.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::plan::{OPTIONS, Plan};
use crate::assets::{AssetKind, SnapshotRecord, SnapshotStore, SnapshotStoreError};
use crate::cli::isolation;
use crate::error::Error;
use crate::json::Problems;
use crate::options::RenderOptions;
use crate::pipeline::Timings;
use crate::renderers::{BatchSource, Finished, RenderedFiles, Renderers, RowTask, Task, TimeLimit};
use crate::report::JsonPath;
use crate::rows::{ManifestRecord, Row};

/// Options that a row must not set, as the output's extension is the same for all rows.
const FOR_ALL_ROWS: [&str; 2] = ["format", "mimeType"];
/// The setting with the time limit of a row.
pub(super) const DEADLINE: &str = "TENTER_DEADLINE";

/// State that all rows of a run share.
pub(super) struct RowRenderer {
    pub(super) plan: Arc<Plan>,
    pub(super) renderers: Renderers,
    source: Arc<RunSource>,
    pub(super) deadline: Duration,
}

impl RowRenderer {
    /// `snapshot`: the hashes of the files that rows have used. `deadline`: `TENTER_DEADLINE`, for each row.
    pub(super) fn new(
        plan: Arc<Plan>,
        renderers: Renderers,
        snapshot: Arc<SnapshotRecord>,
        deadline: Duration,
    ) -> Self {
        let template = isolation::body(&plan.template, &plan.options, plan.format);
        Self { plan, renderers, source: Arc::new(RunSource { template, snapshot }), deadline }
    }

    /// The task that renders `row`.
    ///
    /// # Errors
    /// Invalid options of the row.
    pub(super) fn task(&self, row: &Row) -> Result<RowTask, Error> {
        let mut problems = Problems::new();
        for name in FOR_ALL_ROWS.iter().filter(|name| row.options.contains_key(**name)) {
            let message = "must be the same for all rows; set it by the extension of --output, or in --options";
            problems.push(JsonPath::from(OPTIONS).key(name), message);
        }
        RenderOptions::read(&row.options_over(&self.plan.options), OPTIONS.into(), &mut problems);
        if !problems.is_empty() {
            return Err(Error::Invalid(problems.into_vec()));
        }
        let (batch, values) = (self.source.clone(), row.to_json().to_string().into());
        Ok(RowTask { batch, row: row.number, values, all_pages: self.plan.all_pages })
    }

    /// Renders a row into files of its own.
    pub(super) async fn render(&self, row: &Row) -> Result<(RenderedFiles, Timings), Error> {
        let limit = TimeLimit::FromWorker { limit: self.deadline, setting: DEADLINE.into() };
        let Finished { result, timings } = self.renderers.run_pages(Task::Row(self.task(row)?), limit).await;
        let mut files = result.map_err(isolation::in_design_file)?;
        files.warnings = isolation::warnings_in_design_file(files.warnings);
        Ok((files, timings))
    }
}

/// The template of a run, and the hashes of the files that its rows use.
#[derive(Debug)]
struct RunSource {
    template: Bytes,
    snapshot: Arc<SnapshotRecord>,
}

impl BatchSource for RunSource {
    fn id(&self) -> &str {
        "run" // the only one of this process
    }

    fn template(&self) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async { Ok(self.template.clone()) })
    }
}

impl SnapshotStore for RunSource {
    fn find<'a>(&'a self, kind: AssetKind, url: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        self.snapshot.find(kind, url)
    }

    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        self.snapshot.put_if_absent(kind, url, file)
    }
}

/// The manifest line of a failed row.
pub(super) fn failed(row: &Row, error: &Error) -> ManifestRecord {
    let number = row.number;
    ManifestRecord::failed(number, format!("row {number}: {error}"), error.problems())
}

/// Time per stage in ms, with microsecond precision.
pub(super) fn in_ms(timings: &Timings) -> BTreeMap<String, f64> {
    let in_ms = |took: Duration| took.as_micros() as f64 / 1000.0;
    timings.iter().map(|(stage, took)| (stage.as_str().to_owned(), in_ms(took))).collect()
}
