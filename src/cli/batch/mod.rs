//! `tenter batch`: renders one design once per row, from files into files.
//!
//! In: checking all rows before the first render, rendering in parallel, files and manifest that survive a kill, the
//! progress bar. Not in: how rows are read and named (`rows`), anything that makes a row differ from a served render.
//! Imports: as `cli`.
//!
//! Rows with their own files flow from one reading thread through parallel renders to one writing thread: no render
//! waits for the disk, and memory holds only the rows in flight.

mod arguments;
mod drive;
mod merge;
mod plan;
mod progress;
mod renderer;
mod rows_file;
mod state;
mod survey;
mod write;

use std::sync::Arc;

use serde_json::Value;

pub(super) use self::arguments::Arguments;
use self::plan::Plan;
use self::state::RunState;
use super::failure::Failure;
use super::startup::{start_engine, start_runtime};
use super::{log, memory};
use crate::config::{LogLevel, Source};
use crate::report::JsonPath;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut loaded = arguments.settings.load()?;
    if loaded.source("TENTER_LOG_LEVEL") == Source::Default {
        loaded.settings.log.level = LogLevel::Warn; // failed rows are printed below
    }
    log::start(&loaded.settings.log);
    let mut settings = loaded.settings;

    let plan = Arc::new(Plan::read(arguments, &settings)?);
    // While one row is between two stages, another can use its thread.
    let mut concurrency = arguments.concurrency.map_or(settings.render.threads + 1, usize::from);
    if plan.one_document.is_some() {
        concurrency = 1;
    }
    settings.render.workers = settings.render.workers.max(concurrency);
    let engine = start_engine(&settings)?;
    engine.check_template(Value::clone(&plan.template), JsonPath::root())?;
    let state = RunState::open(&plan, arguments.resume, settings.assets.pin_bytes)?;
    start_runtime()?.block_on(async {
        let deadline = settings.render.deadline;
        let driving = async {
            match &plan.one_document {
                Some(document) => merge::run(plan.clone(), document, state, engine, deadline).await,
                None => drive::run(plan.clone(), state, engine, concurrency, deadline).await,
            }
        };
        tokio::select! {
            ended = driving => ended,
            never = memory::trim_periodically() => match never {},
        }
    })
}
