//! Stand-in until the output room lands.
use crate::raster::{Raster, Straight};
/// A file format.
pub trait Format: Sync {
    /// `format=png`.
    fn name(&self) -> &'static str;
    /// `image/png`.
    fn media_type(&self) -> &'static str;
    /// Bytes.
    fn write(&self, raster: &Raster<Straight>) -> Result<Vec<u8>, String>;
}
struct Png;
impl Format for Png {
    fn name(&self) -> &'static str {
        "png"
    }
    fn media_type(&self) -> &'static str {
        "image/png"
    }
    fn write(&self, raster: &Raster<Straight>) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, raster.size().width, raster.size().height);
        encoder.set_color(png::ColorType::Rgba);
        let mut writer = encoder.write_header().map_err(|e| e.to_string())?;
        writer.write_image_data(raster.pixels()).map_err(|e| e.to_string())?;
        writer.finish().map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}
struct Jpeg;
impl Format for Jpeg {
    fn name(&self) -> &'static str {
        "jpeg"
    }
    fn media_type(&self) -> &'static str {
        "image/jpeg"
    }
    fn write(&self, raster: &Raster<Straight>) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let size = raster.size();
        jpeg_encoder::Encoder::new(&mut bytes, 90)
            .encode(raster.pixels(), size.width as u16, size.height as u16, jpeg_encoder::ColorType::Rgba)
            .map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}
/// All.
pub static FORMATS: &[&dyn Format] = &[&Png, &Jpeg];
