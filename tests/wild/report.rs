//! Results of all designs, as lines of text and as an HTML page.

use std::fmt;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use image::RgbaImage;

use crate::designs::Design;
use crate::metric;

/// Number of designs on the HTML page.
const SHOWN: usize = 60;

/// A design with the result of its comparison.
pub(crate) struct Outcome {
    pub(crate) design: Design,
    /// Share of all pixels that differ; 1 when there is no picture of the reference's size.
    pub(crate) diff: f64,
    /// Share of the drawn pixels that differ; 1 when there is no picture of the reference's size.
    pub(crate) ink: f64,
    /// Reason why the design could not be compared.
    failure: Option<String>,
    mask: Vec<bool>,
}

impl Outcome {
    /// Writes the picture and compares it with the reference.
    pub(crate) fn of(design: Design, rendered: Result<Bytes, String>) -> Self {
        let compared = rendered.and_then(|bytes| {
            let path = design.ours();
            fs::create_dir_all(path.parent().expect("has a set")).map_err(|error| error.to_string())?;
            fs::write(&path, &bytes).map_err(|error| error.to_string())?;
            let ours = image::load_from_memory(&bytes).map_err(|error| error.to_string())?.into_rgba8();
            let reference = image::open(design.reference()).map_err(|error| error.to_string())?.into_rgba8();
            let sizes = format!("is {:?}, its reference {:?}", ours.dimensions(), reference.dimensions());
            metric::distance(&ours, &reference).ok_or(sizes)
        });
        match compared {
            Ok(found) => Self { design, diff: found.diff, ink: found.ink, failure: None, mask: found.mask },
            Err(why) => Self { design, diff: 1.0, ink: 1.0, failure: Some(why), mask: Vec::new() },
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (diff, ink) = (100.0 * self.diff, 100.0 * self.ink);
        write!(f, "{diff:8.3} %\tink {ink:8.3} %\t{}/{}", self.design.set, self.design.name)?;
        self.failure.as_ref().map_or(Ok(()), |why| write!(f, "\t{why}"))
    }
}

/// One line per design: share of pixels that differ, share of drawn pixels that differ, name, failure.
pub(crate) fn scores(outcomes: &[Outcome]) -> String {
    outcomes.iter().map(|outcome| format!("{outcome}\n")).collect()
}

/// HTML page with reference, ours and difference of the first designs.
pub(crate) fn page(outcomes: &[Outcome]) -> String {
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><title>Distance to the editor</title>\
         <style>body{font:14px sans-serif}td{vertical-align:top;border-top:1px solid #ccc}img{max-width:420px}</style>\
         <p>Reference, ours, difference (red).</p><table>",
    );
    for outcome in outcomes.iter().take(SHOWN).filter(|it| it.ink > 0.0) {
        let escaped = outcome.to_string().replace('&', "&amp;").replace('<', "&lt;");
        let [reference, ours] = [outcome.design.reference(), outcome.design.ours()].map(|path| picture(&path));
        let difference = difference(outcome).map_or_else(String::new, |bytes| inline(&bytes));
        let _ = write!(page, "<tr><td colspan=3>{escaped}<tr><td>{reference}<td>{ours}<td>{difference}");
    }
    page
}

fn picture(path: &Path) -> String {
    fs::read(path).map_or_else(|_| String::new(), |bytes| inline(&bytes))
}

fn inline(png: &[u8]) -> String {
    format!("<img src='data:image/png;base64,{}'>", STANDARD.encode(png))
}

fn difference(outcome: &Outcome) -> Option<Vec<u8>> {
    let mut picture: RgbaImage = image::open(outcome.design.reference()).ok()?.into_rgba8();
    if outcome.mask.len() != picture.pixels().len() {
        return None;
    }
    for (pixel, differs) in picture.pixels_mut().zip(&outcome.mask) {
        let [r, g, b, _] = pixel.0.map(u32::from);
        let pale = (255 - (255 - (r + g + b) / 3) / 6) as u8;
        pixel.0 = if *differs { [255, 0, 0, 255] } else { [pale, pale, pale, 255] };
    }
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).ok()?;
    Some(bytes.into_inner())
}
