//! One module per element type of a design.

pub mod dash;
pub mod figure;
pub mod line_heads;
