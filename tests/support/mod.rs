//! Helpers shared by the test programs that compare pictures.

pub(crate) mod compare;
pub(crate) mod golden;
pub(crate) mod painter;
pub(crate) mod report;
