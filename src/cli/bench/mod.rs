//! `tenter bench`: measures how fast this machine renders given designs, and how the time is spent.
//!
//! In: reading the designs, driving the engine as the server does (JSON bytes in, file bytes out), the report. Not in:
//! anything that makes rendering differ from a served request; sockets. Imports: as `cli`.

mod machine;
mod measure;
mod report;
mod sinks;
mod study;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use self::measure::{Bench, Measured};
use self::sinks::choose_format;
use self::subject::Subject;
use super::failure::Failure;
use super::flags::SettingFlags;
use super::log;
use super::render::{OPTIONS, options_json, parse_options};
use super::startup::start_runtime;
use crate::config::{LogLevel, Settings, Source};
use crate::json::JsonParser;

#[derive(clap::Args)]
#[command(after_help = "`--rasterizer`, `--threads` and all other settings work as for `serve`; see `tenter settings`.

Measures from JSON bytes to file bytes, with the same admission, pool and caches as a request over HTTP.
The ratios compare the whole page to encoding its pixels alone and to painting alone: each is the fastest of \
many, one page at a time on one thread, alternating in one loop.")]
pub(super) struct Arguments {
    /// JSON files of the designs
    #[arg(required = true)]
    designs: Vec<PathBuf>,
    /// Output format: png, jpeg or another file format; raw ends with the pixels in memory
    #[arg(long, default_value = "png")]
    format: String,
    /// Seconds to render each design with many pages in flight; then as long again one page at a time, at most 30
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Pages rendered at once [default: as many as threads]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: Option<u16>,
    /// Measure with empty caches: a new engine for every page, one page at a time
    #[arg(long, conflicts_with = "in_flight")]
    cold: bool,
    /// Print one line of JSON per design instead of a table
    #[arg(long)]
    json: bool,
    /// Measure all designs as raw, jpeg and png with 1, 2, 3, 4 and 8 in flight, on the CPU and, where there is one, on
    /// the GPU: Markdown tables, or with --json one object per measurement. Use a few --seconds
    #[arg(long, conflicts_with_all = ["cold", "in_flight", "format"])]
    study: bool,
    /// Render options as in `exportOptions` of the HTTP API: JSON, or @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE")]
    options: Option<String>,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Maximum of `--seconds`: 12 hours.
const MAX_SECONDS: f64 = 43_200.0;

/// A value of `--seconds` that is no number or out of range.
#[derive(Debug, thiserror::Error)]
#[error("accepted: seconds, more than 0, at most {MAX_SECONDS}")]
struct InvalidSeconds;

fn seconds(text: &str) -> Result<f64, InvalidSeconds> {
    text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= MAX_SECONDS).ok_or(InvalidSeconds)
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut loaded = arguments.settings.load()?;
    if loaded.source("TENTER_LOG_LEVEL") == Source::Default {
        loaded.settings.log.level = LogLevel::Warn; // writing a line per request would distort the measurement
    }
    log::start(&loaded.settings.log);
    let parser = JsonParser::new(loaded.settings.design.json_depth);
    let options = parse_options(&options_json(arguments.options.as_deref(), None, parser)?, OPTIONS)?;
    let subjects: Result<Vec<_>, _> =
        arguments.designs.iter().map(|path| Subject::read(path, &options, parser)).collect();
    let subjects = subjects?;
    let runtime = start_runtime()?;
    let time = Duration::from_secs_f64(arguments.seconds);
    if arguments.study {
        return runtime.block_on(study::run(&subjects, &loaded.settings, time, arguments.json));
    }

    let bench = Bench {
        format: choose_format(&arguments.format, &options)?,
        in_flight: arguments.in_flight.map_or(loaded.settings.render.threads, usize::from),
        time,
    };
    let settings = bench.settings(&loaded.settings);
    let measured = runtime.block_on(measure_all(&bench, arguments.cold, &settings, &subjects, arguments.json))?;
    if !arguments.json {
        println!("{}", report::head(&settings, &bench, arguments.cold));
        print!("{}", report::table(&measured));
    }
    Ok(())
}

async fn measure_all(
    bench: &Bench,
    cold: bool,
    settings: &Settings,
    subjects: &[Subject],
    as_json: bool,
) -> Result<Vec<Measured>, Failure> {
    let mut all = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let measured = if cold { bench.cold(settings, subject).await } else { bench.warm(settings, subject).await }?;
        if as_json {
            println!("{}", report::json(&measured)?);
        }
        all.push(measured);
    }
    Ok(all)
}
