//! The command line: parses arguments, connects the modules for each command, and maps errors to exit codes.
//!
//! In: one file per command; settings as flags; exit codes. Not in: anything that a second caller could use. Imports:
//! everything.

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
3 a picture or font could not be loaded, 4 any other failure, 5 some rows of a batch failed."
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
    /// Serve the render API over HTTP. With --queue nats://… jobs go to workers.
    Serve(serve::Arguments),
    /// Take jobs from a cluster (--queue nats://…) and render them.
    Worker(worker::Arguments),
    /// Measure how fast this machine renders designs, and which stages take the time.
    Bench(bench::Arguments),
    /// Check whether the service on this machine is ready: exit code 0 or 4.
    Health(health::Arguments),
    /// Print every setting with its description, bounds, value and source.
    Settings(settings::Arguments),
    /// Check this machine and its settings, and print how to fix problems.
    Doctor(doctor::Arguments),
}

/// Parses the arguments of the process, runs the command and returns its exit code.
pub fn run() -> ExitCode {
    memory::retain_free_blocks();
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

/// Reason for a command's failure; decides about the exit code.
#[derive(Debug)]
enum Failure {
    /// The command line or the settings are invalid; the text tells how to fix them.
    Usage(String),
    /// A render failed.
    Render(Error),
    /// A file, socket or other resource of the machine failed.
    Machine(String),
    /// `doctor` found a problem and has printed it.
    Unhealthy,
    /// A batch ran to its end, but some of its rows failed.
    Rows {
        /// Number of failed rows.
        failed: u64,
        /// Path of the manifest, which lists the errors.
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
            Self::Unhealthy => f.write_str("error: fix the problems in the lines marked FAIL"),
            Self::Rows { failed, manifest } => {
                let (rows, them) = (counted(*failed, "row"), if *failed == 1 { "it" } else { "them" });
                write!(f, "error: {rows} failed; see {manifest} for the reasons, or retry {them} with --resume")
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

/// Starts tokio for sockets and timers; computing runs on the engine's own pool.
fn start_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::Machine(format!("cannot start threads: {error}")))
}

/// Starts the engine. Its errors concern the settings, such as a rasterizer that is not built or an unreadable folder.
fn start_engine(settings: &Settings) -> Result<Engine, Failure> {
    Engine::new(settings).map_err(|error| Failure::Usage(error.to_string()))
}

/// Loads the settings from all sources.
fn load(flags: &SettingFlags) -> Result<Loaded, Failure> {
    Ok(Settings::load(&flags.given())?)
}
