//! Converts a row to a render request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::plan::{OPTIONS, Plan};
use crate::assets::AssetSnapshot;
use crate::error::Error;
use crate::json::Problems;
use crate::options::RenderOptions;
use crate::pipeline::{Engine, Pages, PrefixCache, RenderRequest, Session, Stage, Timings};
use crate::report::JsonPath;
use crate::rows::{ManifestRecord, Row};

/// Options that a row must not set, as the output's extension is the same for all rows.
const FOR_ALL_ROWS: [&str; 2] = ["format", "mimeType"];

/// State that all rows of a run share.
pub(super) struct Renderer {
    pub(super) plan: Arc<Plan>,
    pub(super) engine: Engine,
    pub(super) snapshot: Arc<AssetSnapshot>,
    pub(super) prefix_cache: Arc<PrefixCache>,
    pub(super) deadline: Duration,
}

impl Renderer {
    /// Waits for a worker and builds the render request of `row`.
    pub(super) async fn begin(&self, row: &Row) -> Result<(Session, RenderRequest), Error> {
        let Plan { template, format, all_pages, .. } = &*self.plan;
        let options = self.options(row)?;
        let pages = if *all_pages { Pages::All } else { Pages::of(&options, *format) };
        let mut session = self.engine.admit_queued_elsewhere(self.deadline, "TENTER_DEADLINE").await?;
        session.use_asset_snapshot(self.snapshot.clone());
        session.refuse_unfilled_placeholders();
        session.use_prefix_cache(self.prefix_cache.clone());
        let design = session
            .work(Stage::Parse, {
                let template = template.clone();
                move || serde_json::Value::clone(&template)
            })
            .await?;
        Ok((session, RenderRequest { design, at: JsonPath::root(), options, format: *format, pages }))
    }

    fn options(&self, row: &Row) -> Result<RenderOptions, Error> {
        let mut problems = Problems::new();
        for name in FOR_ALL_ROWS.iter().filter(|name| row.options.contains_key(**name)) {
            let message = "must be the same for all rows; set it by the extension of --output, or in --options";
            problems.push(JsonPath::from(OPTIONS).key(name), message);
        }
        let options = RenderOptions::read(&row.options_over(&self.plan.options), OPTIONS.into(), &mut problems);
        if problems.is_empty() { Ok(options) } else { Err(Error::Invalid(problems.into_vec())) }
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
