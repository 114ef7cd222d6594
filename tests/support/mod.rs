//! Shared by the tests that look at pictures.

pub(crate) mod compare;
pub(crate) mod golden;
pub(crate) mod painter;
pub(crate) mod report;
