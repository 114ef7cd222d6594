//! Painters: scenes to pixels, and to the content of PDF pages.
//!
//! In: planning the drawing operations in device px (`plan`), and rasterizers that execute a plan. Not in: JSON,
//! fetching, decoding, text layout, file formats. Imports: `units`, `report`, `config`, `scene`, `raster`, `pool`.
//! vello_cpu is used here only.

mod color_layers;
mod cpu;
mod cut;
mod dump;
mod edges;
mod flatten;
mod glyph_edges;
mod glyphs;
mod hairline;
#[cfg(feature = "gpu")]
pub mod gpu;
mod ops;
mod ops_cpu;
mod outline_pen;
mod passes;
pub mod pdf;
pub mod plan;
mod prefix_cache;
mod prepared_image;
mod report;
mod resample;
mod shadows;
mod surfaces;
mod work;

use tokio::sync::oneshot;

pub use cpu::CpuRasterizer;
pub use plan::{FramePlan, plan};
pub use prefix_cache::{PagePrefix, PrefixCache};
pub use report::{GpuReport, Report};

use crate::raster::{Raster, Straight};
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

/// Maximum number of times that all pixels of the largest page may be painted over. Rasterising cannot be interrupted,
/// and this much of it takes about twenty seconds. Large posters stay below a tenth of it.
const MAX_OVERDRAW: f64 = 1000.0;

/// Error of planning or rasterising a page.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PaintError {
    /// The page has too many pixels.
    #[error(
        "the page would be {width} x {height} px ({megapixels:.1} megapixels); the limit is {limit} megapixels \
         (TENTER_MAX_MEGAPIXELS): lower pixelRatio or the page size"
    )]
    TooManyPixels {
        /// Requested width in px.
        width: u32,
        /// Requested height in px.
        height: u32,
        /// Product of width and height, in millions.
        megapixels: f64,
        /// The setting's value, in millions.
        limit: f64,
    },
    /// The page is too wide or too high.
    #[error(
        "the page would be {width} x {height} px; neither side may exceed {limit} px (fixed, no setting raises it): \
         lower pixelRatio or the page size"
    )]
    SideTooLong {
        /// Requested width in px.
        width: u32,
        /// Requested height in px.
        height: u32,
        /// Maximum side of the painter, in px.
        limit: u32,
    },
    /// The operations of the page would take too long to rasterise.
    #[error(
        "drawing this page fills about {found:.0} million px, with gradients and pictures counted several \
         times; the limit is {limit:.0} million ({MAX_OVERDRAW} × TENTER_MAX_MEGAPIXELS): draw fewer or \
         smaller elements, or lower pixelRatio"
    )]
    TooMuchWork {
        /// Px that the operations fill, in millions, weighted by the cost of their paint.
        found: f64,
        /// Maximum of `found`, in millions.
        limit: f64,
    },
    /// The pictures inside one layer would take too much memory.
    #[error(
        "the pictures inside one translucent or blended group take more than {limit} MiB (fixed; {found} MiB): \
         lower pixelRatio, or use fewer or smaller pictures there"
    )]
    TooManyPictures {
        /// Memory of the pictures in MiB, when counting stopped.
        found: usize,
        /// Maximum memory in MiB.
        limit: usize,
    },
    /// The caller has left, so that no one reads this error.
    #[error("the render was abandoned: its caller has left")]
    Abandoned,
    /// The tables of a face cannot be read.
    #[error("a font is damaged: {0}; replace the file")]
    Font(String),
    /// The painter panicked or found a broken invariant.
    #[error("internal error while painting: {0}")]
    Internal(String),
}

/// A painted page and the name of its painter.
#[derive(Clone, Debug)]
pub struct Painted {
    /// Pixels of the page.
    pub raster: Raster<Straight>,
    /// Name of the painter for logs, metrics and the response header, such as `cpu` or `gpu0`.
    pub by: &'static str,
}

/// A rasterizer executes plans. Dropping the receiver cancels work that has not started.
pub trait Rasterizer: Send + Sync {
    /// Name for logs: `cpu` or `gpu`. Another painter may paint a single page, see [`Painted::by`].
    fn name(&self) -> &'static str;
    /// Limits that plans for this rasterizer must respect.
    fn limits(&self) -> SurfaceLimits;
    /// Queues `plan` and returns at once. Any number of plans may be in progress. With `prefix`, a painter that can
    /// resume from cached pixels does so; the pixels of the page are the same without.
    fn submit(&self, plan: FramePlan, prefix: Option<PagePrefix>) -> oneshot::Receiver<Result<Painted, PaintError>>;
    /// Counts since the start and the state of its devices, for metrics and readiness.
    fn report(&self) -> Report {
        Report::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surface_limits_name_the_setting() {
        let limits = SurfaceLimits { side: 65_535, megapixels: 1.0 };
        assert_eq!(limits.check(DeviceSize { width: 1000, height: 1000 }), Ok(()));
        let message = |width, height| limits.check(DeviceSize { width, height }).expect_err("too large").to_string();
        assert!(message(1001, 1000).contains("TENTER_MAX_MEGAPIXELS"));
        assert!(message(70_000, 1).contains("65535"));
    }
}
