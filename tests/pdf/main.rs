//! PDF output, read back with qpdf, Poppler, MuPDF and ghostscript.

#![expect(clippy::unwrap_used, reason = "tests panic on failure")]

mod calls;
mod documents;
mod memory;
mod merged;
#[path = "../support/metric.rs"]
#[allow(dead_code, reason = "this program needs one of the distances")]
mod metric;
mod print;
#[path = "../support/service.rs"]
mod service;
mod structure;
#[path = "../support/tools.rs"]
mod tools;
mod vector;
mod vector_corpus;
mod vector_document;
mod vector_scenes;
mod vector_tools;
