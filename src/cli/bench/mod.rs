//! `tenter bench`: how fast this machine renders given designs, and where the time goes.
//!
//! In: reading the designs, driving the engine as the server does (JSON bytes in, file bytes out), the report. Not in:
//! anything that makes rendering differ from a served request; sockets. Imports: as `cli`.

mod machine;
mod measure;
mod report;
mod sinks;
mod study;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use self::measure::{Bench, Measured};
use super::flags::SettingFlags;
use super::render::{read, read_options};
use super::{Failure, load, log, start_runtime};
use crate::config::{LogLevel, Settings, Source};
use crate::error::Error;
use crate::json;
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pipeline::{Pages, RenderRequest, format_for};
use crate::report::JsonPath;

#[derive(clap::Args)]
#[command(after_help = "`--rasterizer`, `--threads` and all other settings work as for `serve`; see `tenter settings`.

What is measured: JSON bytes in, file bytes out, through the same admission, pool and caches as a request over HTTP.
Ratios: the whole page against encoding its pixels alone and painting its plan alone, each the fastest of many, one page \
at a time on one thread, alternating in one loop.")]
pub(super) struct Arguments {
    /// Designs' JSON files
    #[arg(required = true)]
    designs: Vec<PathBuf>,
    /// png, jpeg or another file format; raw stops with the pixels in memory
    #[arg(long, default_value = "png")]
    format: String,
    /// How long to render each design with many in flight; one at a time takes as long again, half a minute at most
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Requests at once [default: as many as threads]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: Option<u16>,
    /// Empty caches for every page: a new engine each, one page at a time
    #[arg(long, conflicts_with = "in_flight")]
    cold: bool,
    /// One JSON object a design, a line each, instead of a table
    #[arg(long)]
    json: bool,
    /// All designs as raw, jpeg and png with 1, 2, 3, 4 and 8 in flight, on the CPU and, where there is one, on the GPU:
    /// Markdown tables, or with --json one object a measurement. Use a few --seconds
    #[arg(long, conflicts_with_all = ["cold", "in_flight", "format"])]
    study: bool,
    /// Options as in `exportOptions` of the HTTP API: JSON, or @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE")]
    options: Option<String>,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Longer than a night is a slip of the finger.
const MOST_SECONDS: f64 = 43_200.0;

fn seconds(text: &str) -> Result<f64, String> {
    let accepted = || format!("accepted: seconds, more than 0, at most {MOST_SECONDS}");
    let seconds: f64 = text.parse().map_err(|_| accepted())?;
    if seconds > 0.0 && seconds <= MOST_SECONDS { Ok(seconds) } else { Err(accepted()) }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut loaded = load(&arguments.settings)?;
    if loaded.source("TENTER_LOG_LEVEL") == Source::Default {
        loaded.settings.log.level = LogLevel::Warn; // a line a request would be measured too
    }
    log::start(&loaded.settings.log);
    let depth = loaded.settings.design.json_depth;
    let options = read_options(arguments.options.as_deref(), None, depth)?;
    let subjects: Result<Vec<_>, _> =
        arguments.designs.iter().map(|path| Subject::read(path, &options, depth)).collect();
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

/// `raw`, or a format that the engine has.
fn choose_format(name: &str, options: &RenderOptions) -> Result<&'static dyn Format, Error> {
    if name.eq_ignore_ascii_case("raw") {
        return Ok(&sinks::Raw);
    }
    format_for(Some((name, "--format".into())), options)
}

/// A design as a client would send it.
#[derive(Clone, Debug)]
struct Subject {
    /// The file's folder and name as far as they tell designs apart: `invoice` for `…/invoice/design.json`.
    name: String,
    bytes: Bytes,
    options: Arc<RenderOptions>,
    /// `TENTER_MAX_JSON_DEPTH`.
    json_depth: usize,
}

/// What designs of a collection are called when their folder has the name.
const PLAIN_NAME: &str = "design";

impl Subject {
    fn read(path: &std::path::Path, options: &RenderOptions, json_depth: usize) -> Result<Self, Failure> {
        let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().and_then(|it| it.file_name()).map(|it| it.to_string_lossy().into_owned());
        let name = folder.filter(|_| stem == PLAIN_NAME).unwrap_or(stem);
        Ok(Self { name, bytes: read(path)?.into(), options: Arc::new(options.clone()), json_depth })
    }

    fn parse(bytes: &[u8], json_depth: usize) -> Result<Value, Error> {
        json::parse(bytes, json_depth).map_err(Error::invalid)
    }

    fn request(&self, design: Value, format: &'static dyn Format) -> RenderRequest {
        let options = RenderOptions::clone(&self.options);
        let pages = Pages::of(&options, format);
        RenderRequest { design, at: JsonPath::root(), options, format, pages }
    }
}
