//! The GPU painter: vello's compute pipeline on an offscreen wgpu device, with fallback to the CPU painter.
//!
//! In: every use of wgpu and vello, and the shaders of `shaders/`. Not in: how a page is planned, file formats. Imports
//! what `paint` may import, and the rest of `paint`. A page passes through three steps: the CPU pool flattens its
//! operations into commands (`commands`), encodes them as vello scenes and checks those against vello's limits
//! (`scene`, `guards`); the GPU's thread submits them (`thread`, `device`, `passes`); the CPU pool copies the rows out
//! of the mapped buffers. The CPU paints every page that a guard refuses or that a device fault leaves unfinished.

mod adapters;
mod check;
mod commands;
mod device;
mod encode;
mod error;
mod fallback;
mod fault;
mod guards;
mod image_data;
mod encoded_page;
mod passes;
mod pipeline_cache;
mod rasterizer;
mod recolor;
mod resource_pool;
mod scene;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod thread;
mod vertical_edges;

pub use self::adapters::{Adapter, AdapterSelection, adapters, select_adapters};
pub use self::error::NoUsableGpu;
pub use self::rasterizer::GpuRasterizer;
