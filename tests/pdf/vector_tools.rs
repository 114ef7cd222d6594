//! Text, fonts and pictures that PDF programs read from a file. Each function returns `None` when its program is not
//! installed.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbaImage;

use crate::tools;

/// Writes a file into the test's temporary folder for the programs to read.
pub(crate) fn keep(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vector");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.pdf"));
    fs::write(&path, bytes).unwrap();
    path
}

/// Columns of `pdffonts`, one row per font: name, type, encoding, embedded, subset, has Unicode, object.
pub(crate) fn fonts(file: &Path) -> Option<Vec<Vec<String>>> {
    let listed = tools::text("pdffonts", "poppler-utils", &[], file)?;
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    Some(listed.lines().skip(2).map(columns).collect())
}

/// Extracted text in content order.
pub(crate) fn text(file: &Path) -> Option<String> {
    read(file, &["-raw", "-enc", "UTF-8"])
}

/// Extracted text in reading order.
pub(crate) fn lines(file: &Path) -> Option<String> {
    read(file, &["-enc", "UTF-8"])
}

/// Runs `pdftotext`, which writes its result to a file beside `file`, and returns the result.
fn read(file: &Path, arguments: &[&str]) -> Option<String> {
    tools::run("pdftotext", "poppler-utils", arguments, file)?;
    Some(fs::read_to_string(file.with_extension("txt")).unwrap())
}

/// Renders the first page with Poppler at a resolution in dpi.
pub(crate) fn picture(file: &Path, pixels_per_inch: f64) -> Option<RgbaImage> {
    let resolution = pixels_per_inch.to_string();
    let output = tools::run("pdftoppm", "poppler-utils", &["-r", &resolution, "-png", "-singlefile"], file)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(image::load_from_memory(&output.stdout).unwrap().into_rgba8())
}

/// Renders the first page with MuPDF at a resolution in dpi.
pub(crate) fn picture_by_mupdf(file: &Path, pixels_per_inch: f64) -> Option<RgbaImage> {
    let (resolution, out) = (pixels_per_inch.to_string(), file.with_extension("mupdf.png"));
    let arguments = ["draw", "-q", "-r", &resolution, "-o", out.to_str().unwrap()];
    let output = tools::run("mutool", "mupdf-tools", &arguments, file)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(image::load_from_memory(&fs::read(out).unwrap()).unwrap().into_rgba8())
}
