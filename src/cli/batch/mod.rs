//! `tenter batch`: one design and many rows, from files into files.
//!
//! In: looking through the rows beforehand, keeping all threads busy, files and manifest that survive a kill, the bar.
//! Not in: how rows are read and named (`rows`), anything that makes a row differ from a served render.
//! Imports: as `cli`.
//!
//! Rows with files of their own go from one thread that reads them, over as many renders as there are places, to one thread that writes: nobody
//! waits for a disk while a page could be painted, and no more rows are in memory than are under way.

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
    after_help = "Placeholders in the output's name: {row} (from 1), {page} (from 1, with --all-pages), and every \
variable of the rows: -o 'out/{name}-{row}.png'. Values are made safe as names of files. A PDF's name without any is one \
document of all rows: -o out/all.pdf.

The manifest is a line of JSON for each row: what became of it, its file, bytes and SHA-256, warnings, timings, errors. A row \
that fails never ends the run; --resume makes what is missing or failed, after a kill too."
)]
pub(super) struct Arguments {
    /// The design's JSON file
    template: PathBuf,
    /// The rows' file: .csv, .json (an array of objects), .ndjson or .jsonl (an object a line)
    rows: PathBuf,
    /// Where the pictures or PDFs go, with placeholders. The ending chooses the format unless the options do
    #[arg(short, long, value_name = "NAME")]
    output: String,
    /// Options of all rows, as in `exportOptions` of the HTTP API: JSON, or @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE")]
    options: Option<String>,
    /// Variables of all rows; a row's own win: JSON, or a file with JSON
    #[arg(long, value_name = "JSON|FILE")]
    variables: Option<String>,
    /// All pages of each row, one picture each: {page} in the output's name. A PDF has all pages anyway
    #[arg(long)]
    all_pages: bool,
    /// Go on with an earlier run: make what its manifest does not have; one document of all rows is made anew
    #[arg(long)]
    resume: bool,
    /// Rows rendered at once [default: one more than threads; one document takes one after the other]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// Where the manifest goes [default: manifest.ndjson in the folder of the output]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// How the rows are written: csv, json, ndjson [default: by the ending of their file]
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
        loaded.settings.log.level = LogLevel::Warn; // one run, one person: rows that fail are told below
    }
    log::start(&loaded.settings.log);
    let mut settings = loaded.settings;

    let plan = Arc::new(Plan::read(arguments, &settings)?);
    // While one row is between two stages another one can use its thread.
    let mut at_once = arguments.concurrency.map_or(settings.render.threads + 1, usize::from);
    if plan.one_document.is_some() {
        at_once = 1;
    }
    settings.render.workers = settings.render.workers.max(at_once);
    let engine = start_engine(&settings)?;
    engine.check_template(Value::clone(&plan.template), JsonPath::root())?;
    let state = State::open(&plan, arguments.resume, settings.assets.pin_bytes)?;
    start_runtime()?.block_on(async {
        let deadline = settings.render.deadline;
        let driving = async {
            match &plan.one_document {
                Some(document) => merge::run(plan.clone(), document, state, engine, deadline).await,
                None => drive::run(plan.clone(), state, engine, at_once, deadline).await,
            }
        };
        tokio::select! {
            ended = driving => ended,
            never = super::memory::keep_giving_back() => match never {},
        }
    })
}
