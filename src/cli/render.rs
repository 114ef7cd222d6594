//! `tenter render`: renders a design from a file into a file.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::DocumentFlags;
use super::failure::Failure;
use super::flags::SettingFlags;
use super::isolation::{self, IsolationFlags};
use super::log;
use super::startup::start_runtime;
use crate::config::{LogLevel, RasterizerChoice, Source};
use crate::error::Error;
use crate::json::{JsonParser, Problems};
use crate::options::{RenderOptions, Variables};
use crate::output::{Format, FormatKind};
use crate::pipeline::format_for;
use crate::renderers::{RenderedFiles, Task, TimeLimit};
use crate::report::Problem;

/// File name that denotes standard input or output.
const STANDARD: &str = "-";
/// Placeholder for the page number, from 1.
const PAGE: &str = "{page}";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// JSON file of the design; - for standard input
    design: PathBuf,
    /// Picture or PDF to write; - for standard output. The extension selects the format unless the options do
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Render options as in `exportOptions` of the HTTP API: JSON, or @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE")]
    options: Option<String>,
    /// Values for the placeholders of the design, as `variables` of the HTTP API: JSON, or a file with JSON
    #[arg(long, value_name = "JSON|FILE")]
    variables: Option<String>,
    /// Render all pages, one picture each: -o out-{page}.png. A PDF always has all pages
    #[arg(long)]
    all_pages: bool,
    #[command(flatten)]
    isolation: IsolationFlags,
    #[command(flatten)]
    document: DocumentFlags,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.output.to_string_lossy();
    if arguments.all_pages && !output.contains(PAGE) {
        return Err(Failure::Usage(format!("--all-pages needs {PAGE} in the output file name: -o out-{PAGE}.png")));
    }
    let mut loaded = arguments.settings.load()?;
    if loaded.source("TENTER_LOG_LEVEL") == Source::Default {
        loaded.settings.log.level = LogLevel::Warn; // the warnings of the render are printed below
    }
    if loaded.source("TENTER_RASTERIZER") == Source::Default {
        loaded.settings.render.rasterizer = RasterizerChoice::Cpu; // a GPU takes longer to start than the CPU to paint
    }
    log::start(&loaded.settings.log);
    let parser = JsonParser::new(loaded.settings.design.json_depth);

    let design = parser.parse(&read(&arguments.design)?).map_err(Error::invalid)?;
    let mut options = options_json(arguments.options.as_deref(), Some(&arguments.document), parser)?;
    if let Some(given) = &arguments.variables {
        set_variables(&mut options, variables_json(given, parser)?);
    }
    let format = choose_format(&parse_options(&options, OPTIONS)?, &arguments.output)?;
    if arguments.all_pages && matches!(format.kind(), FormatKind::Document) {
        let message = "--all-pages is for picture formats: a PDF contains all pages, or those of --pages, in one file";
        return Err(Failure::Usage(message.into()));
    }

    let runtime = start_runtime()?;
    let renderers = arguments.isolation.start(&runtime, &loaded.settings, 1)?;
    let task = Task::Job { body: isolation::body(&design, &options, format), all_pages: arguments.all_pages };
    let limit = TimeLimit::Remaining(loaded.settings.render.deadline);
    let rendered = runtime.block_on(renderers.run_pages(task, limit)).result;
    let RenderedFiles { pages, warnings, .. } = rendered.map_err(isolation::in_design_file)?;
    for warning in isolation::warnings_in_design_file(warnings) {
        eprintln!("warning: {warning}");
    }
    for page in &pages {
        write(&PathBuf::from(output.replace(PAGE, &(page.index + 1).to_string())), &page.bytes)?;
    }
    Ok(())
}

/// Reads render options from the JSON of [`options_json`]. `at`: where problems are.
pub(super) fn parse_options(options: &Value, at: &str) -> Result<RenderOptions, Failure> {
    let mut problems = Problems::new();
    let read = RenderOptions::read(options, at.into(), &mut problems);
    if problems.is_empty() { Ok(read) } else { Err(Error::Invalid(problems.into_vec()).into()) }
}

/// Sets the member `variables` of options.
pub(super) fn set_variables(options: &mut Value, variables: Value) {
    match options {
        Value::Null => *options = serde_json::json!({ "variables": variables }),
        Value::Object(options) => drop(options.insert("variables".into(), variables)),
        _ => {} // reported when the options are read
    }
}

/// The JSON of the render options; null without options. `given`: JSON, or `@` and the name of a JSON file. Flags of
/// `document` override it.
pub(super) fn options_json(
    given: Option<&str>,
    document: Option<&DocumentFlags>,
    parser: JsonParser,
) -> Result<Value, Failure> {
    let mut value = match given.map(|it| it.strip_prefix('@').ok_or(it)) {
        None => Value::Null,
        Some(Ok(file)) => parser.parse(&read(Path::new(file))?).map_err(in_options)?,
        Some(Err(text)) => parser.parse(text.as_bytes()).map_err(in_options)?,
    };
    if let Some(document) = document {
        document.add_to(&mut value);
    }
    Ok(value)
}

/// The flag with the options, as the path of problems in them.
pub(super) const OPTIONS: &str = "--options";

fn in_options(problem: Problem) -> Error {
    Error::invalid(Problem { path: OPTIONS.into(), ..problem })
}

/// The JSON of the variables: an object. `given`: JSON, or the name of a file that contains it.
pub(super) fn variables_json(given: &str, parser: JsonParser) -> Result<Value, Failure> {
    let value = match given.trim_start().starts_with('{') {
        true => parser.parse(given.as_bytes()),
        false => parser.parse(&read(Path::new(given.strip_prefix('@').unwrap_or(given)))?),
    };
    let value = value.map_err(|problem| Error::invalid(Problem { path: VARIABLES.into(), ..problem }))?;
    let mut problems = Problems::new();
    Variables::read(&value, VARIABLES.into(), &mut problems);
    if problems.is_empty() { Ok(value) } else { Err(Error::Invalid(problems.into_vec()).into()) }
}

const VARIABLES: &str = "--variables";

/// The format of the options, or else of the file extension, or else PNG.
pub(super) fn choose_format(options: &RenderOptions, output: &Path) -> Result<&'static dyn Format, Error> {
    let ending = output.extension().map(|it| it.to_string_lossy().into_owned());
    let in_options = options.format.is_some() || options.mime_type.is_some();
    format_for(ending.as_deref().filter(|_| !in_options).map(|it| (it, "--output".into())), options)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let done = if path.as_os_str() == STANDARD {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    done.map(|()| bytes).map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))
}

/// Writes a file atomically: at any time, the path has the complete old or the complete new content.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let done = if path.as_os_str() == STANDARD {
        let mut output = std::io::stdout().lock();
        output.write_all(bytes).and_then(|()| output.flush())
    } else if path.metadata().is_ok_and(|it| !it.is_file()) {
        std::fs::write(path, bytes) // a pipe or a device cannot be replaced
    } else {
        replace(path, bytes)
    };
    done.map_err(|error| Failure::Machine(format!("cannot write {}: {error}", path.display())))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Follows symbolic links: the caller means the target.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}.part", std::process::id()));
    let done = std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, &path));
    done.inspect_err(|_| drop(std::fs::remove_file(&beside)))
}
