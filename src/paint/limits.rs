//! Limits that are checked before a page is planned, so that no request can exhaust memory or time.

use super::error::PaintError;
use crate::units::DeviceSize;

/// Size limits of a rasterizer's surfaces, in device px, checked before any memory is allocated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceLimits {
    /// Maximum width and maximum height; a property of the painter that no setting raises.
    pub side: u32,
    /// Maximum product of width and height, in millions (`TENTER_MAX_MEGAPIXELS`).
    pub megapixels: f64,
}

impl SurfaceLimits {
    /// Checks `size` against both limits.
    ///
    /// # Errors
    /// [`PaintError::SideTooLong`] or [`PaintError::TooManyPixels`].
    pub fn check(self, size: DeviceSize) -> Result<(), PaintError> {
        let DeviceSize { width, height } = size;
        if width.max(height) > self.side {
            return Err(PaintError::SideTooLong { width, height, limit: self.side });
        }
        let megapixels = size.pixels() as f64 / 1e6;
        if megapixels > self.megapixels {
            return Err(PaintError::TooManyPixels { width, height, megapixels, limit: self.megapixels });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surface_limits_name_the_setting() {
        let limits = SurfaceLimits { side: 65_535, megapixels: 1.0 };
        assert!(limits.check(DeviceSize { width: 1000, height: 1000 }).is_ok());
        let message = |width, height| limits.check(DeviceSize { width, height }).expect_err("too large").to_string();
        assert!(message(1001, 1000).contains("TENTER_MAX_MEGAPIXELS"));
        assert!(message(70_000, 1).contains("65535"));
    }
}
