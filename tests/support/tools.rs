//! Programs that read PDF, each from a Debian package.

#![allow(dead_code, reason = "each test program uses a part")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// Set by `.ci/run`: then a missing program is a failure.
const REQUIRED: &str = "TEST_TOOLS";

/// Runs `program`; `None` when it is not there, which is told on the real standard error, past the test's capture.
///
/// # Panics
/// When the program is missing and `TEST_TOOLS` is set.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
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

/// The bytes of a file of a Debian package, under the same rules.
#[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
pub(crate) fn file(path: &str, package: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(path).ok();
    if bytes.is_none() {
        missing(path, package, std::env::var_os(REQUIRED).is_some());
    }
    bytes
}

fn missing(what: &str, package: &str, required: bool) {
    assert!(!required, "{what} is missing: apt-get install {package}");
    let told = writeln!(std::io::stderr(), "SKIPPED: a check of PDF needs {what}: apt-get install {package}");
    told.expect("standard error is open");
}

/// What `program` printed, when it is there.
///
/// # Panics
/// When it failed.
pub(crate) fn text(program: &str, package: &str, arguments: &[&str], file: &Path) -> Option<String> {
    let output = run(program, package, arguments, file)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {printed}{told}", file.display());
    Some(printed)
}

/// The words on each page, in reading order, with single spaces between them; `None` without poppler.
pub(crate) fn words_by_page(file: &Path) -> Option<Vec<String>> {
    let name = file.to_str().expect("text");
    // Its output file stands behind the document.
    let text = text("pdftotext", "poppler-utils", &["-raw", name], Path::new("-"))?;
    let pages = text.strip_suffix('\u{C}').unwrap_or(&text).split('\u{C}');
    Some(pages.map(|page| page.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

/// Has every reader look at `file`; none may have anything to say.
pub(crate) fn read_by_all(file: &Path) {
    if let Some(output) = run("qpdf", "qpdf", &["--check"], file) {
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let silent = output.status.success() && output.stderr.is_empty() && !printed.contains("WARNING");
        assert!(silent, "qpdf: {printed}{}", String::from_utf8_lossy(&output.stderr));
    }
    let quiet = |program: &str, package: &str, arguments: &[&str]| {
        if let Some(output) = run(program, package, arguments, file) {
            let told =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            // Debian's own mutool is built without, and says so whenever it meets colours.
            let told = told.replace("warning: ICC support is not available\n", "");
            assert!(output.status.success() && told.trim().is_empty(), "{program}: {told}");
        }
    };
    quiet("gs", "ghostscript", &["-q", "-dNOPAUSE", "-dBATCH", "-sDEVICE=nullpage", "-dPDFSTOPONERROR"]);
    quiet("mutool", "mupdf-tools", &["draw", "-q", "-r", "20", "-o", "/dev/null", "-F", "pam"]);
    if let Some(output) = run("pdftoppm", "poppler-utils", &["-r", "20", "-png", "-singlefile"], file) {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && told.is_empty(), "pdftoppm: {told}");
    }
}
