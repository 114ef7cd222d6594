//! Scene to pixels.
//!
//! In: planning what to draw in device px (`plan`), and rasterizers that run a plan. Not in: JSON, fetching, decoding,
//! text layout, file formats. Imports: `units`, `report`, `config`, `scene`, `raster`, `pool`; vello_cpu appears only
//! here.

mod color_layers;
mod cpu;
mod cut;
mod dump;
mod edges;
mod flatten;
mod glyphs;
mod hairline;
#[cfg(feature = "gpu")]
pub mod gpu;
mod ops;
mod ops_cpu;
mod passes;
pub mod pdf;
mod photo;
pub mod plan;
mod report;
mod resample;
mod series;
mod shadows;
mod stamps;
mod surfaces;
mod work;

use tokio::sync::oneshot;

pub use cpu::CpuRasterizer;
pub use plan::{FramePlan, plan};
pub use report::{GpuReport, Report};
pub use series::Series;

use crate::raster::{Raster, Straight};
use crate::units::DeviceSize;

/// Largest page a rasterizer takes, in device px. Larger ones are refused before memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceLimits {
    /// Width and height, each; a property of the painter that no setting raises.
    pub side: u32,
    /// Width times height, in millions (`TENTER_MAX_MEGAPIXELS`).
    pub megapixels: f64,
}

impl SurfaceLimits {
    /// An error that says which limit `size` breaks.
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

/// How often all pixels of the largest page may be painted over. Painting cannot be interrupted while it makes pixels;
/// this many take some twenty seconds. Large posters stay below a tenth of it.
const PAINTS_A_PIXEL: f64 = 1000.0;

/// Why there is no picture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PaintError {
    /// The page has too many pixels.
    #[error(
        "the page would be {width} x {height} px ({megapixels:.1} megapixels); the limit is {limit} megapixels \
         (TENTER_MAX_MEGAPIXELS): lower pixelRatio or the page size"
    )]
    TooManyPixels {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
        /// Their product, in millions.
        megapixels: f64,
        /// The setting, in millions.
        limit: f64,
    },
    /// The page is too wide or too high.
    #[error(
        "the page would be {width} x {height} px; neither side may exceed {limit} px (fixed, no setting raises it): \
         lower pixelRatio or the page size"
    )]
    SideTooLong {
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
        /// What the painter can do.
        limit: u32,
    },
    /// Too much to draw on one page.
    #[error(
        "drawing this page means filling about {found:.0} million px, gradients and pictures counted several times; the limit \
         is {limit:.0} million ({PAINTS_A_PIXEL} × TENTER_MAX_MEGAPIXELS): draw fewer or smaller elements, or lower pixelRatio"
    )]
    TooMuchWork {
        /// In millions, weighted by what paints them.
        found: f64,
        /// In millions.
        limit: f64,
    },
    /// Too much memory inside one layer.
    #[error(
        "the pictures inside one translucent or blended group take more than {limit} MiB (fixed; {found} MiB): lower pixelRatio, or \
         use fewer or smaller pictures there"
    )]
    TooManyPictures {
        /// MiB, when counting stopped.
        found: usize,
        /// MiB.
        limit: usize,
    },
    /// Nobody waits for the picture any more, so nobody reads this.
    #[error("nobody waits for the picture any more")]
    Abandoned,
    /// A face's tables cannot be read, so its text cannot be drawn.
    #[error("a font is damaged: {0}; replace the file")]
    Font(String),
    /// The painter panicked: a bug of ours.
    #[error("internal error while painting: {0}")]
    Internal(String),
}

/// A picture, and what painted it.
#[derive(Clone, Debug)]
pub struct Painted {
    /// The pixels.
    pub raster: Raster<Straight>,
    /// For logs, metrics and the response header: `cpu`, `gpu0`.
    pub by: &'static str,
}

/// Runs plans. Dropping the receiver before the work started cancels it.
pub trait Rasterizer: Send + Sync {
    /// What paints as a rule, for logs: `cpu`, `gpu`. A page may be painted by another: [`Painted::by`].
    fn name(&self) -> &'static str;
    /// What `plan` has to respect.
    fn limits(&self) -> SurfaceLimits;
    /// Queues and returns at once. Any number of plans may be under way.
    fn submit(&self, plan: FramePlan) -> oneshot::Receiver<Result<Painted, PaintError>>;
    /// What it did so far and what it runs on, for metrics and readiness.
    fn report(&self) -> Report {
        Report::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surface_limits_name_what_to_change() {
        let limits = SurfaceLimits { side: 65_535, megapixels: 1.0 };
        assert_eq!(limits.check(DeviceSize { width: 1000, height: 1000 }), Ok(()));
        let message = |width, height| limits.check(DeviceSize { width, height }).expect_err("too large").to_string();
        assert!(message(1001, 1000).contains("TENTER_MAX_MEGAPIXELS"));
        assert!(message(70_000, 1).contains("65535"));
    }
}
