//! The plan of a batch run, checked before the first render.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::arguments::Arguments;
use super::rows_file::RowsFile;
use super::survey::{Survey, survey};
use crate::cli::failure::Failure;
use crate::cli::render::{choose_format, options_json, parse_options, read, set_variables, variables_json};
use crate::config::Settings;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::json::JsonParser;
use crate::output::{Format, FormatKind};
use crate::rows::NamePattern;

/// Path of the options in problems.
pub(super) const OPTIONS: &str = "options";
const MANIFEST: &str = "manifest.ndjson";

/// Everything that is the same for all rows.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) template: Value,
    /// Options of all rows: an object or null, in the caller's JSON.
    pub(super) options: Value,
    pub(super) format: &'static dyn Format,
    pub(super) all_pages: bool,
    pub(super) names: NamePattern,
    /// Path of the one document to write instead of files per row.
    pub(super) one_document: Option<PathBuf>,
    pub(super) rows: RowsFile,
    /// Number of rows, broken ones included.
    pub(super) total: u64,
    pub(super) manifest: PathBuf,
    pub(super) input_hashes: InputHashes,
}

/// Input of a run; a run can resume another with equal digests.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct InputHashes {
    pub(super) template: ContentHash,
    pub(super) rows: ContentHash,
    /// Hash of the options, including flags that change the output.
    pub(super) options: ContentHash,
    pub(super) output: String,
}

impl Plan {
    /// Reads the template and checks all rows.
    pub(super) fn read(arguments: &Arguments, settings: &Settings) -> Result<Self, Failure> {
        let parser = JsonParser::new(settings.design.json_depth);
        let names =
            NamePattern::parse(&arguments.output).map_err(|error| Failure::Usage(format!("--output: {error}")))?;
        let mut options = options_json(arguments.options.as_deref(), Some(&arguments.document), parser)?;
        if let Some(given) = &arguments.variables {
            set_variables(&mut options, variables_json(given, parser)?);
        }
        let parsed = parse_options(&options, OPTIONS)?;
        let format = choose_format(&parsed, Path::new(&arguments.output))?;
        check_name(&names, &arguments.output, arguments.all_pages, format)?;
        let one_document = names.is_constant().then(|| PathBuf::from(&arguments.output));
        if one_document.is_some() && arguments.concurrency.is_some_and(|it| it > 1) {
            let message =
                "--concurrency is for one file per row: the rows of one document are rendered one after the other";
            return Err(Failure::Usage(message.into()));
        }

        let bytes = read(&arguments.template)?;
        let template_hash = ContentHash::of(&bytes);
        let template = parser.parse(&bytes).map_err(Error::invalid)?;
        let pages = template.get("pages").and_then(Value::as_array).map_or(1, Vec::len);
        let rows = RowsFile::open(&arguments.rows, arguments.rows_format.as_deref(), settings)?;
        let pages_per_row = match (&one_document, arguments.all_pages) {
            (Some(_), _) => 0,
            (None, true) => pages,
            (None, false) => 1,
        };
        let Survey { total, hash } = survey(&rows, &names, &arguments.output, pages_per_row)?;
        let options_text = serde_json::json!([&options, format.name(), arguments.all_pages]).to_string();
        let input_hashes = InputHashes {
            template: template_hash,
            rows: hash,
            options: ContentHash::of(options_text.as_bytes()),
            output: arguments.output.clone(),
        };
        let manifest = arguments.manifest.clone().unwrap_or_else(|| Path::new(names.folder()).join(MANIFEST));
        let all_pages = arguments.all_pages;
        Ok(Self { template, options, format, all_pages, names, one_document, rows, total, manifest, input_hashes })
    }
}

fn check_name(names: &NamePattern, output: &str, all_pages: bool, format: &dyn Format) -> Result<(), Failure> {
    let is_document = matches!(format.kind(), FormatKind::Document);
    let wrong = if names.is_constant() && !is_document {
        format!("all rows would be written to {output}; add {{row}} or a variable to the name: -o out/{{row}}.png")
    } else if names.is_constant() && names.has_page() {
        "{page} is for picture formats: leave it out for one PDF of all rows, or use {row} for a PDF per row".into()
    } else if all_pages && is_document {
        "--all-pages is for picture formats: a PDF contains all pages, or those of --pages, in one file".into()
    } else if all_pages && !names.has_page() {
        "--all-pages needs {page} in the output name: -o out/{row}-{page}.png".into()
    } else {
        return Ok(());
    };
    Err(Failure::Usage(wrong))
}
