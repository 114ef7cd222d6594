//! The command line: parses arguments, connects the modules for each command, and maps errors to exit codes.
//!
//! In: one file per command; settings as flags; exit codes. Not in: anything that another program could use; that
//! belongs to the other modules. Imports: all modules.

mod batch;
mod bench;
mod doctor;
mod document;
mod failure;
mod flags;
mod health;
mod isolation;
mod log;
mod memory;
mod print;
mod render;
mod renderer;
mod serve;
mod settings;
mod sign;
mod startup;
mod variables;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Print the variables of a design as JSON: names, kinds and current values.
    Variables(variables::Arguments),
    /// Serve the render API over HTTP. With --nats-url nats://…, workers render the jobs
    Serve(serve::Arguments),
    /// Take jobs from a cluster (--nats-url nats://…) and render them
    Worker(worker::Arguments),
    /// A render process of a service, which starts it.
    #[command(hide = true)]
    Renderer(renderer::Arguments),
    /// Sign the URL of a picture, https://host/i/template.png?name=value, with a key of TENTER_URL_KEYS.
    Sign(sign::Arguments),
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
        Command::Variables(arguments) => variables::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Worker(arguments) => worker::run(&arguments),
        Command::Renderer(arguments) => renderer::run(&arguments),
        Command::Sign(arguments) => sign::run(&arguments),
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
