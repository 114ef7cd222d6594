//! The programs that people read PDF files with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::RgbaImage;

/// A file on disk for the tools, in the folder of this test run.
pub(crate) fn keep(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vector");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.pdf"));
    fs::write(&path, bytes).unwrap();
    path
}

fn run(program: &str, arguments: &[&str], file: &Path, rest: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).arg(file).args(rest).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}; apt-get install poppler-utils qpdf mupdf-tools"))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What is wrong with the file for qpdf, MuPDF and Poppler; empty when nothing is.
pub(crate) fn complaints(file: &Path) -> String {
    let mut found = String::new();
    let qpdf = run("qpdf", &["--check"], file, &[]);
    if !qpdf.status.success() {
        found += &said(&qpdf);
    }
    // Builds without a colour management library say so for every file.
    let harmless = |line: &&str| line.contains("ICC support is not available") || line.starts_with("page ");
    let mupdf = run("mutool", &["draw", "-q", "-r", "36", "-o", "/dev/null", "-F", "png"], file, &[]);
    found.extend(said(&mupdf).lines().filter(|line| !harmless(line)).map(|line| format!("mutool: {line}\n")));
    let poppler = run("pdftoppm", &["-r", "36", "-png", "-singlefile"], file, &[]);
    found.extend(String::from_utf8_lossy(&poppler.stderr).lines().map(|line| format!("pdftoppm: {line}\n")));
    found
}

/// One line a font: name, type, embedded, subset, with characters.
pub(crate) fn fonts(file: &Path) -> Vec<Vec<String>> {
    let listed = String::from_utf8(run("pdffonts", &[], file, &[]).stdout).unwrap();
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    listed.lines().skip(2).map(columns).collect()
}

/// The text, in the order of the content.
pub(crate) fn text(file: &Path) -> String {
    String::from_utf8(run("pdftotext", &["-raw", "-enc", "UTF-8"], file, &["-"]).stdout).unwrap()
}

/// The text as it stands on the page.
pub(crate) fn lines(file: &Path) -> String {
    String::from_utf8(run("pdftotext", &["-enc", "UTF-8"], file, &["-"]).stdout).unwrap()
}

/// The first page, so many px an inch.
pub(crate) fn picture(file: &Path, pixels_per_inch: f64) -> RgbaImage {
    let resolution = pixels_per_inch.to_string();
    let output = run("pdftoppm", &["-r", &resolution, "-png", "-singlefile"], file, &[]);
    assert!(output.status.success(), "{}", said(&output));
    image::load_from_memory(&output.stdout).unwrap().into_rgba8()
}
