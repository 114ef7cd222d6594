//! Pixel passes on the CPU: pure functions of pixels and parameters, each the twin of a shader to come.

mod shadow;

use super::plan::Kernel;
use crate::units::DeviceSize;

/// Runs one pass over a premultiplied RGBA8 surface of `size`; the outcome has the same size.
pub(super) fn run(kernel: &Kernel, source: &[u8], size: DeviceSize) -> Vec<u8> {
    match kernel {
        Kernel::Blur { .. } => source.to_vec(),
        Kernel::Shadow { sigma, color } => shadow::shadow(source, size.width as usize, *sigma, *color),
    }
}
