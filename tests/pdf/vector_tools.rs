//! What the programs that people read PDF files with make of one. Each answer is `None` where the program is missing.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbaImage;

use crate::tools;

/// A file on disk for the tools, in the folder of this test run.
pub(crate) fn keep(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vector");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.pdf"));
    fs::write(&path, bytes).unwrap();
    path
}

/// One line a font: name, type, embedded, subset, with characters.
pub(crate) fn fonts(file: &Path) -> Option<Vec<Vec<String>>> {
    let listed = tools::text("pdffonts", "poppler-utils", &[], file)?;
    let columns = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    Some(listed.lines().skip(2).map(columns).collect())
}

/// The text, in the order of the content.
pub(crate) fn text(file: &Path) -> Option<String> {
    read(file, &["-raw", "-enc", "UTF-8"])
}

/// The text as it stands on the page.
pub(crate) fn lines(file: &Path) -> Option<String> {
    read(file, &["-enc", "UTF-8"])
}

/// `pdftotext` writes beside the file.
fn read(file: &Path, arguments: &[&str]) -> Option<String> {
    tools::run("pdftotext", "poppler-utils", arguments, file)?;
    Some(fs::read_to_string(file.with_extension("txt")).unwrap())
}

/// The first page, so many px an inch.
pub(crate) fn picture(file: &Path, pixels_per_inch: f64) -> Option<RgbaImage> {
    let resolution = pixels_per_inch.to_string();
    let output = tools::run("pdftoppm", "poppler-utils", &["-r", &resolution, "-png", "-singlefile"], file)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(image::load_from_memory(&output.stdout).unwrap().into_rgba8())
}

/// The same by MuPDF.
pub(crate) fn picture_by_mupdf(file: &Path, pixels_per_inch: f64) -> Option<RgbaImage> {
    let (resolution, out) = (pixels_per_inch.to_string(), file.with_extension("mupdf.png"));
    let arguments = ["draw", "-q", "-r", &resolution, "-o", out.to_str().unwrap()];
    let output = tools::run("mutool", "mupdf-tools", &arguments, file)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(image::load_from_memory(&fs::read(out).unwrap()).unwrap().into_rgba8())
}
