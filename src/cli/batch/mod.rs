//! `tenter batch`: renders one design once per row, from files into files.
//!
//! In: checking all rows before the first render, rendering in parallel, files and manifest that survive a kill, the
//! progress bar. Not in: how rows are read and named (`rows`), anything that makes a row differ from a served render.
//! Imports: as `cli`.
//!
//! Rows with their own files flow from one reading thread through parallel renders to one writing thread: no render
//! waits for the disk, and memory holds only the rows in flight.

mod drive;
mod merge;
mod plan;
mod progress;
mod renderer;
mod state;
mod survey;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use self::plan::Plan;
use self::state::State;
use super::document::DocumentFlags;
use super::flags::SettingFlags;
use super::{Failure, load, log, start_engine, start_runtime};
use crate::config::{LogLevel, Source};
use crate::report::JsonPath;

#[derive(clap::Args)]
#[command(
    after_help = "Placeholders in the output name: {row} (from 1), {page} (from 1, with --all-pages), and every \
variable of the rows: -o 'out/{name}-{row}.png'. Values are made safe for file names. A PDF name without \
placeholders writes one document of all rows: -o out/all.pdf.

The manifest has a line of JSON per row: status, file, bytes and SHA-256, warnings, timings, errors. A row \
that fails does not end the run; --resume renders missing and failed rows, also after a kill."
)]
pub(super) struct Arguments {
    /// JSON file of the design
    template: PathBuf,
    /// File of the rows: .csv, .json (an array of objects), .ndjson or .jsonl (one object per line)
    rows: PathBuf,
    /// Name pattern of the output files. The extension selects the format unless the options do
    #[arg(short, long, value_name = "NAME")]
    output: String,
    /// Render options of all rows, as in `exportOptions` of the HTTP API: JSON, or @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE")]
    options: Option<String>,
    /// Variables of all rows, which a row's own override: JSON, or a file with JSON
    #[arg(long, value_name = "JSON|FILE")]
    variables: Option<String>,
    /// Render all pages of each row, one picture each: needs {page} in the output name. A PDF always has all pages
    #[arg(long)]
    all_pages: bool,
    /// Continue an earlier run: render the rows that its manifest lacks. One document of all rows starts again
    #[arg(long)]
    resume: bool,
    /// Rows to render at once [default: threads + 1; always 1 for one document]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// Manifest file [default: manifest.ndjson in the folder of the output]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Format of the rows: csv, json, ndjson [default: from the file extension]
    #[arg(long, value_name = "FORMAT")]
    rows_format: Option<String>,
    #[command(flatten)]
    document: DocumentFlags,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut loaded = load(&arguments.settings)?;
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
    let state = State::open(&plan, arguments.resume, settings.assets.pin_bytes)?;
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
            never = super::memory::trim_periodically() => match never {},
        }
    })
}
