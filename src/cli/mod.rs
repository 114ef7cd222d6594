//! The command line: what is typed, what is wired together for it, and how it ends.
//!
//! In: one file a command; settings as flags; exit codes. Not in: anything a second caller could want.
//! Imports: everything.

mod batch;
mod bench;
mod doctor;
mod document;
mod flags;
mod health;
mod log;
mod memory;
mod render;
mod serve;
mod settings;
mod worker;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::flags::SettingFlags;
use crate::config::{Loaded, Settings, SettingsErrors};
use crate::error::{Error, Kind};
use crate::pipeline::Engine;
use crate::report::counted;

/// Renders Polotno designs to PNG, JPEG, WebP and PDF.
#[derive(Parser)]
#[command(
    name = "tenter",
    version,
    about,
    after_help = "Exit codes: 0 done, 1 refused input, 2 wrong usage or settings, \
3 a picture or font could not be had, 4 anything else, 5 some rows of a batch failed."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Render a design from a file into a file.
    Render(Box<render::Arguments>),
    /// Render a design once for each row of a file.
    Batch(Box<batch::Arguments>),
    /// Answer render calls over HTTP. With --queue nats://… jobs go to workers.
    Serve(serve::Arguments),
    /// Take jobs from a cluster (--queue nats://…) and render them.
    Worker(worker::Arguments),
    /// Measure how fast designs are rendered here, and where the time goes.
    Bench(bench::Arguments),
    /// Ask the service on this machine whether it is ready: exit code 0 or 4.
    Health(health::Arguments),
    /// Print every setting: what it does, its bounds, its value and where that came from.
    Settings(settings::Arguments),
    /// Look at this machine and these settings, and say what to do about them.
    Doctor(doctor::Arguments),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    memory::keep_for_the_next_page();
    let done = match Cli::parse().command {
        Command::Render(arguments) => render::run(&arguments),
        Command::Batch(arguments) => batch::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Worker(arguments) => worker::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Settings(arguments) => settings::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
enum Failure {
    /// The command line or the settings are wrong.
    Usage(String),
    /// The render's own error.
    Render(Error),
    /// The machine: files, sockets.
    Machine(String),
    /// `doctor` found something that has to be mended; it has said what.
    Unhealthy,
    /// A batch went to its end, and some of its rows could not be made.
    Rows {
        /// How many.
        failed: u64,
        /// The path of the file that says why.
        manifest: String,
    },
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Render(error) => match error.kind() {
                Kind::Invalid | Kind::NotBuilt => 1,
                Kind::Asset => 3,
                Kind::Busy | Kind::Timeout | Kind::Internal => 4,
            },
            Self::Machine(_) => 4,
            Self::Unhealthy => 1,
            Self::Rows { .. } => 5,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Machine(message) => write!(f, "error: {message}"),
            Self::Render(error) if error.problems().is_empty() => write!(f, "error: {error}"),
            Self::Render(error) => {
                let lines: Vec<_> = error.problems().iter().map(|it| format!("error: {it}")).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Unhealthy => f.write_str("error: see the lines marked FAIL"),
            Self::Rows { failed, manifest } => {
                let (rows, them) = (counted(*failed, "row"), if *failed == 1 { "it" } else { "them" });
                write!(f, "error: {rows} failed; {manifest} says why, and --resume tries {them} again")
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Render(error)
    }
}

impl From<SettingsErrors> for Failure {
    fn from(errors: SettingsErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}

/// Socket and timer threads; work runs on the engine's own pool.
fn start_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::Machine(format!("cannot start threads: {error}")))
}

/// An engine that does not start was set up wrongly: a rasterizer that is not built, a folder that cannot be read.
fn start_engine(settings: &Settings) -> Result<Engine, Failure> {
    Engine::new(settings).map_err(|error| Failure::Usage(error.to_string()))
}

/// Settings from all sources.
fn load(flags: &SettingFlags) -> Result<Loaded, Failure> {
    Ok(Settings::load(&flags.given())?)
}
