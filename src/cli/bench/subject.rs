//! A design to measure.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::render::read;
use crate::error::Error;
use crate::json::JsonParser;
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pipeline::{Pages, RenderRequest};
use crate::report::JsonPath;

/// A design to measure, as JSON bytes.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// Short name from the file's folder and name: `invoice` for `…/invoice/design.json`.
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) options: Arc<RenderOptions>,
    pub(super) parser: JsonParser,
}

/// File name without extension that is replaced by the folder's name.
const PLAIN_NAME: &str = "design";

impl Subject {
    pub(super) fn read(path: &Path, options: &RenderOptions, parser: JsonParser) -> Result<Self, Failure> {
        let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().and_then(|it| it.file_name()).map(|it| it.to_string_lossy().into_owned());
        let name = folder.filter(|_| stem == PLAIN_NAME).unwrap_or(stem);
        Ok(Self { name, bytes: read(path)?.into(), options: Arc::new(options.clone()), parser })
    }

    pub(super) fn parse(bytes: &[u8], parser: JsonParser) -> Result<Value, Error> {
        parser.parse(bytes).map_err(Error::invalid)
    }

    pub(super) fn request(&self, design: Value, format: &'static dyn Format) -> RenderRequest {
        let options = RenderOptions::clone(&self.options);
        let pages = Pages::of(&options, format);
        RenderRequest { design, at: JsonPath::root(), options, format, pages }
    }
}
