//! Objects of the file under construction: their numbers, and the chunk that collects them.

use std::io::Write as _;

use pdf_writer::{Chunk, Ref, Settings};

use super::color::ColorTarget;
use super::error::PdfError;
use crate::paint::limits::SurfaceLimits;
use crate::units::DeviceScale;

/// Settings of a [`Painter`](super::Painter), the same for all pages of a file.
#[derive(Clone, Debug)]
pub struct PdfSettings {
    /// Colour space of the file.
    pub colors: ColorTarget,
    /// Px per design px of content that is rasterised: the larger of 300 ppi and dpi · pixelRatio (pdf.md §4).
    pub raster_scale: DeviceScale,
    /// Maximum size of rasterised content.
    pub limits: SurfaceLimits,
    /// Whether streams are compressed. Tests turn compression off to read them.
    pub compress: bool,
}

/// Allocates object numbers and collects the objects that were created since [`Self::take_chunk`].
pub(super) struct ObjectWriter {
    pub(super) settings: PdfSettings,
    pub(super) chunk: Chunk,
    next: i32,
}

impl ObjectWriter {
    /// Creates a writer that allocates object numbers from `first_free` on.
    pub(super) fn new(first_free: Ref, settings: PdfSettings) -> Self {
        Self { settings, chunk: new_chunk(), next: first_free.get() }
    }

    /// Allocates an object number.
    ///
    /// # Errors
    /// [`PdfError::TooManyObjects`] after [`i32::MAX`].
    pub(super) fn next_ref(&mut self) -> Result<Ref, PdfError> {
        let this = self.next;
        self.next = this.checked_add(1).ok_or(PdfError::TooManyObjects)?;
        Ok(Ref::new(this))
    }

    /// Returns the objects collected so far and starts a new chunk.
    pub(super) fn take_chunk(&mut self) -> Chunk {
        std::mem::replace(&mut self.chunk, new_chunk())
    }

    /// Returns the objects collected so far and the first free object number.
    pub(super) fn finish(self) -> (Chunk, Ref) {
        (self.chunk, Ref::new(self.next))
    }
}

/// A chunk that writes each object on one line, which saves thousands of bytes per page.
fn new_chunk() -> Chunk {
    Chunk::with_settings(Settings { pretty: false })
}

/// Contents of a stream: `bytes` encoded for `FlateDecode`, or unchanged unless `compress`.
pub(super) fn stream_data(bytes: &[u8], compress: bool) -> Vec<u8> {
    if !compress {
        return bytes.to_vec();
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes all bytes")
}
