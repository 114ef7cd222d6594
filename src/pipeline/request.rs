//! What a render takes and gives: one design with its options, and finished files.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::choice::{Pages, format_for};
use super::fingerprint::Fingerprint;
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::Format;
use crate::report::{JsonPath, Warning};

/// One design to render, with its options, format and pages.
#[derive(Clone, Debug)]
pub struct RenderRequest {
    /// The design's JSON, as [`crate::json::JsonParser`] gives it.
    pub design: Value,
    /// Path of the design in the caller's JSON, for the paths in problems.
    pub at: JsonPath,
    /// Render options of the caller (`exportOptions`).
    pub options: RenderOptions,
    /// File format to write.
    pub format: &'static dyn Format,
    /// The pages of the design that are rendered.
    pub pages: Pages,
}

/// Finished files with the warnings for the caller.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// For a picture format, one file per page in design order, at least one. For a document format, the one document,
    /// as if it were its first page.
    pub pages: Vec<RenderedPage>,
    /// Media type of every file.
    pub media_type: &'static str,
    /// Deviations of the output from the design.
    pub warnings: Vec<Warning>,
    /// Whether the files come from the result cache.
    pub cache: CacheUse,
}

/// Role of the result cache in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CacheUse {
    /// The result cache is off: `TENTER_RESULT_CACHE_BYTES` is 0.
    Off,
    /// The files come from the result cache.
    Hit,
    /// The files were rendered for this request.
    Miss,
}

impl CacheUse {
    /// Value for the HTTP answer; `None` without a cache.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Hit => Some("hit"),
            Self::Miss => Some("miss"),
        }
    }
}

/// One output file: the picture of a page, or a whole document.
#[derive(Clone, Debug)]
pub struct RenderedPage {
    /// Index of the page in the design, from 0.
    pub index: usize,
    /// The bytes of the file, in the requested format. Cheap to clone.
    pub bytes: Bytes,
    /// Name of the painter: `cpu`, `gpu0`; `pdf` for vector pages that needed no pixels. For a document of pictures,
    /// that of its last page.
    pub rasterizer: &'static str,
    /// Hash of everything that the bytes depend on.
    pub fingerprint: Fingerprint,
}

impl RenderRequest {
    /// A page with text and a shape, which opens fonts and fills the painter's tables.
    pub(super) fn warm_up() -> Result<Self, Error> {
        let design = json!({
            "width": 64, "height": 64,
            "pages": [{"id": "warm-up", "children": [
                {"id": "text", "type": "text", "text": "Ready", "width": 60, "height": 20, "fontSize": 12},
                {"id": "star", "type": "figure", "subType": "star", "y": 24, "width": 40, "height": 40},
            ]}],
        });
        let options = RenderOptions::default();
        let format = format_for(None, &options)?;
        Ok(Self { design, at: JsonPath::root(), options, format, pages: Pages::First })
    }
}
