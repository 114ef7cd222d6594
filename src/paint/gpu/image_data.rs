//! Images as vello takes them: pixels in memory, or a placeholder for a texture.

use std::sync::Arc;

use peniko::{Blob, ImageAlphaType, ImageData, ImageFormat};

/// An RGBA8 image whose pixels vello reads from `data`, or from the texture that overrides it.
pub(super) fn image_data(data: Blob<u8>, width: u32, height: u32, alpha_type: ImageAlphaType) -> ImageData {
    ImageData { data, format: ImageFormat::Rgba8, alpha_type, width, height }
}

/// Empty pixels, under an id of their own, for an image whose pixels are in a texture.
pub(super) fn placeholder() -> Blob<u8> {
    Blob::new(Arc::new([]))
}
