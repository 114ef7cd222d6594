//! Output formats for measurements: one that writes nothing, and one that captures the pixels.

use parking_lot::Mutex;

use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::{Format, FormatKind, OutputError, OutputOptions, PictureFormat};
use crate::pipeline::format_for;
use crate::raster::{Raster, Straight};

/// Format without a file: the render ends with the pixels in memory.
#[derive(Debug)]
pub(super) struct Raw;

/// Format that captures the pixels of the last page, for [`Capture::take`].
#[derive(Debug)]
pub(super) struct Capture(Mutex<Option<CapturedPage>>);

/// Input of a picture format.
#[derive(Clone, Debug)]
pub(super) struct CapturedPage {
    pub(super) raster: Raster<Straight>,
    pub(super) options: OutputOptions,
}

/// The one instance; formats are `'static`.
pub(super) static CAPTURE: Capture = Capture(Mutex::new(None));

impl Capture {
    /// Takes the last page written since the previous call.
    pub(super) fn take(&self) -> Option<CapturedPage> {
        self.0.lock().take()
    }
}

/// The format called `name`: `raw`, or one of the engine's.
pub(super) fn choose_format(name: &str, options: &RenderOptions) -> Result<&'static dyn Format, Error> {
    if name.eq_ignore_ascii_case("raw") {
        return Ok(&Raw);
    }
    format_for(Some((name, "--format".into())), options)
}

const MEDIA_TYPE: &str = "application/octet-stream";

impl Format for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn media_type(&self) -> &'static str {
        MEDIA_TYPE
    }

    fn extension(&self) -> &'static str {
        "raw"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn kind(&self) -> FormatKind<'_> {
        FormatKind::Pictures(self)
    }
}

impl PictureFormat for Raw {
    fn holds_cmyk(&self) -> bool {
        true
    }

    fn write(&self, _: &Raster<Straight>, _: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        Ok(Vec::new())
    }
}

impl Format for Capture {
    fn name(&self) -> &'static str {
        "capture"
    }

    fn media_type(&self) -> &'static str {
        MEDIA_TYPE
    }

    fn extension(&self) -> &'static str {
        "capture"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn kind(&self) -> FormatKind<'_> {
        FormatKind::Pictures(self)
    }
}

impl PictureFormat for Capture {
    fn holds_cmyk(&self) -> bool {
        true
    }

    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        let page = CapturedPage { raster: raster.clone(), options: options.clone() };
        *self.0.lock() = Some(page);
        Ok(Vec::new())
    }
}
