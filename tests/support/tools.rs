//! External programs that read PDF files, each from a Debian package.

#![allow(dead_code, reason = "not every test program uses all of it")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Environment variable that `.ci/run` sets; with it, a missing program fails the test.
const REQUIRED: &str = "TEST_TOOLS";

/// Runs `program` on `file`. Returns `None` when the program is not installed, and reports that on the process's
/// standard error, which the test harness does not capture.
///
/// # Panics
/// Panics when the program is missing and `TEST_TOOLS` is set.
#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
pub(crate) fn run(program: &str, package: &str, arguments: &[&str], file: &Path) -> Option<Output> {
    match Command::new(program).args(arguments).arg(file).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            missing(program, package, std::env::var_os(REQUIRED).is_some());
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// Reads a file that a Debian package installs, under the same rules as [`run`].
#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
pub(crate) fn file(path: &str, package: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok();
    if bytes.is_none() {
        missing(path, package, std::env::var_os(REQUIRED).is_some());
    }
    bytes
}

fn missing(what: &str, package: &str, required: bool) {
    assert!(!required, "{what} is missing: apt-get install {package}");
    let written = writeln!(std::io::stderr(), "SKIPPED: a PDF check needs {what}: apt-get install {package}");
    written.expect("standard error is open");
}

/// Runs `program` and returns its standard output as text; `None` when the program is not installed.
///
/// # Panics
/// Panics when the program exits with an error.
pub(crate) fn text(program: &str, package: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let output = run(program, package, arguments, file)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {printed}{messages}", file.display());
    Some(printed)
}

/// Words of each page in content order, separated by single spaces; `None` when poppler is not installed.
pub(crate) fn words_by_page(file: &Path) -> Option<Vec<String>> {
    let name = file.to_str().expect("text");
    // pdftotext takes the output file after the document.
    let text = text("pdftotext", "poppler-utils", &["-raw", name], Path::new("-"))?;
    let pages = text.strip_suffix('\u{C}').unwrap_or(&text).split('\u{C}');
    Some(pages.map(|page| page.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

/// Opens `file` with every PDF reader and fails when one reports an error or a warning.
pub(crate) fn read_by_all(file: &Path) {
    if let Some(output) = run("qpdf", "qpdf", &["--check"], file) {
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let silent = output.status.success() && output.stderr.is_empty() && !printed.contains("WARNING");
        assert!(silent, "qpdf: {printed}{}", String::from_utf8_lossy(&output.stderr));
    }
    let quiet = |program: &str, package: &str, arguments: &[&str]| {
        if let Some(output) = run(program, package, arguments, file) {
            let messages =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            // Debian builds mutool without ICC support, and it warns about that for every file with colours.
            let messages = messages.replace("warning: ICC support is not available\n", "");
            assert!(output.status.success() && messages.trim().is_empty(), "{program}: {messages}");
        }
    };
    quiet("gs", "ghostscript", &["-q", "-dNOPAUSE", "-dBATCH", "-sDEVICE=nullpage", "-dPDFSTOPONERROR"]);
    quiet("mutool", "mupdf-tools", &["draw", "-q", "-r", "20", "-o", "/dev/null", "-F", "pam"]);
    if let Some(output) = run("pdftoppm", "poppler-utils", &["-r", "20", "-png", "-singlefile"], file) {
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && messages.is_empty(), "pdftoppm: {messages}");
    }
}
