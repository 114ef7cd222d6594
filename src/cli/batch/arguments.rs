//! The command line of `tenter batch`.

use std::path::PathBuf;

use crate::cli::document::DocumentFlags;
use crate::cli::flags::SettingFlags;
use crate::cli::isolation::IsolationFlags;

#[derive(clap::Args)]
#[command(
    after_help = "Placeholders in the output name: {row} (from 1), {page} (from 1, with --all-pages), and every \
variable of the rows: -o 'out/{name}-{row}.png'. Values are made safe for file names. A PDF name without \
placeholders writes one document of all rows: -o out/all.pdf.

The manifest has a line of JSON per row: status, file, bytes and SHA-256, warnings, timings, errors. A row \
that fails does not end the run; --resume renders missing and failed rows, also after a kill."
)]
pub(crate) struct Arguments {
    /// JSON file of the design
    pub(super) template: PathBuf,
    /// File of the rows: .csv, .json (an array of objects), .ndjson or .jsonl (one object per line)
    pub(super) rows: PathBuf,
    /// Name pattern of the output files. The extension selects the format unless the options do
    #[arg(short, long, value_name = "NAME")]
    pub(super) output: String,
    /// Render options of all rows, as in `exportOptions` of the HTTP API: JSON, or @FILE with JSON
    #[arg(long, value_name = "JSON|@FILE")]
    pub(super) options: Option<String>,
    /// Variables of all rows, which a row's own override: JSON, or a file with JSON
    #[arg(long, value_name = "JSON|FILE")]
    pub(super) variables: Option<String>,
    /// Render all pages of each row, one picture each: needs {page} in the output name. A PDF always has all pages
    #[arg(long)]
    pub(super) all_pages: bool,
    /// Continue an earlier run: render the rows that its manifest lacks. One document of all rows starts again
    #[arg(long)]
    pub(super) resume: bool,
    /// Rows to render at once [default: threads + 1; always 1 for one document]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) concurrency: Option<u16>,
    /// Manifest file [default: manifest.ndjson in the folder of the output]
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Format of the rows: csv, json, ndjson [default: from the file extension]
    #[arg(long, value_name = "FORMAT")]
    pub(super) rows_format: Option<String>,
    #[command(flatten)]
    pub(super) isolation: IsolationFlags,
    #[command(flatten)]
    pub(super) document: DocumentFlags,
    #[command(flatten)]
    pub(super) settings: SettingFlags,
}
