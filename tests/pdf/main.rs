//! PDF files, read back by the tools that people read them with.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod calls;
mod documents;
mod memory;
mod merged;
mod print;
#[path = "../support/service.rs"]
mod service;
mod structure;
#[path = "../support/tools.rs"]
mod tools;
mod vector;
mod vector_corpus;
mod vector_document;
mod vector_pixels;
mod vector_scenes;
mod vector_tools;
