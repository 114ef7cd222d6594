//! What a design points to: fetched, guarded, decoded.

pub mod decode;
pub mod svg;
