//! Formats that only a measurement wants: nothing written, and pixels kept for writing them again and again.

use std::sync::{Mutex, PoisonError};

use crate::output::{Format, FormatKind, OutputError, OutputOptions, PictureFormat};
use crate::raster::{Raster, Straight};

/// No file: the page ends with its pixels in memory.
#[derive(Debug)]
pub(super) struct Raw;

/// Keeps the pixels of the last page written, for [`Kept::take`].
#[derive(Debug)]
pub(super) struct Kept(Mutex<Option<Page>>);

/// What a format is given to write.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) raster: Raster<Straight>,
    pub(super) options: OutputOptions,
}

/// One for the process: formats live as long as it does.
pub(super) static KEPT: Kept = Kept(Mutex::new(None));

impl Kept {
    /// The last page written since the last call.
    pub(super) fn take(&self) -> Option<Page> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
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

impl Format for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn media_type(&self) -> &'static str {
        MEDIA_TYPE
    }

    fn extension(&self) -> &'static str {
        "kept"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    fn kind(&self) -> FormatKind<'_> {
        FormatKind::Pictures(self)
    }
}

impl PictureFormat for Kept {
    fn holds_cmyk(&self) -> bool {
        true
    }

    fn write(&self, raster: &Raster<Straight>, options: &OutputOptions) -> Result<Vec<u8>, OutputError> {
        let page = Page { raster: raster.clone(), options: options.clone() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(page);
        Ok(Vec::new())
    }
}
