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

pub(super) use self::arguments::Arguments;
use self::plan::Plan;
use self::renderer::RowRenderer;
use self::state::RunState;
use super::failure::Failure;
use super::startup::start_runtime;
use super::{log, memory};
use crate::config::{LogLevel, Source};
use crate::json::Problems;
use crate::options::RenderOptions;
use crate::pipeline::UnknownElements;
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
    let runtime = start_runtime()?;
    let processes = settings.render.renderers;
    let renderers = arguments.isolation.start(&runtime, &settings, processes)?;
    // Invalid options were refused with the plan.
    let options = RenderOptions::read(&plan.options, JsonPath::root(), &mut Problems::new());
    renderers.check_template(plan.template.clone(), JsonPath::root(), UnknownElements::of(&options))?;
    let state = RunState::open(&plan, arguments.resume)?;
    let renderer = RowRenderer::new(plan.clone(), renderers, state.snapshot.clone(), settings.render.deadline);
    runtime.block_on(async {
        let driving = async {
            match &plan.one_document {
                Some(path) => merge::run(renderer, path, state).await,
                None => drive::run(renderer, state, concurrency).await,
            }
        };
        tokio::select! {
            ended = driving => ended,
            never = memory::trim_periodically() => match never {},
        }
    })
}
