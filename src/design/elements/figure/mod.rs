//! Figures: named shapes stretched to a box.

pub mod outline;
