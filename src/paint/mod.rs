//! Painters: scenes to pixels, and to the content of PDF pages.
//!
//! In: planning the drawing operations in device px (`plan`), and rasterizers that execute a plan. Not in: JSON,
//! fetching, decoding, text layout, file formats. Imports: `units`, `report`, `config`, `scene`, `raster`, `pool`.
//! vello_cpu is used here only.

mod color_layers;
mod cpu;
mod cut;
mod draw_color_layers;
mod draw_target;
mod dump;
mod edge_budget;
mod edges;
mod error;
mod glyph_edges;
mod glyphs;
mod hairline;
#[cfg(feature = "gpu")]
pub mod gpu;
mod limits;
mod ops;
mod ops_cpu;
mod outline_pen;
mod passes;
pub mod pdf;
pub mod plan;
mod planner;
mod prefix_cache;
mod prepared_image;
mod rasterized_group;
mod rasterizer;
mod report;
mod resample;
mod shadows;
mod surfaces;
mod transforms;
mod work;

pub use cpu::CpuRasterizer;
pub use error::{FontFileError, GlyphError, PaintError};
pub use limits::SurfaceLimits;
pub use plan::FramePlan;
pub use planner::plan;
pub use prefix_cache::{PagePrefix, PrefixCache};
pub use rasterizer::{Painted, Rasterizer};
pub use report::{GpuReport, Report};
