//! The body of a job: a design and, beside it, flat options (http-api.md §3.1, §4).

use std::borrow::Cow;

use serde_json::Value;

use crate::error::Error;
use crate::json::{JsonParser, Problems, Reader};
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pipeline::{Pages, RenderRequest, format_for};
use crate::report::{JsonPath, Problem};

/// Member with the design.
pub const DESIGN: &str = "design";
/// Member with the URL that is called when the job ends.
pub const WEBHOOK: &str = "webhook";
/// Member that contains the options in other requests, and in the paths of their problems.
const OPTIONS: &str = "exportOptions";

/// A valid request body.
#[derive(Debug)]
pub struct JobRequest {
    /// The design's JSON, not yet read as a design.
    pub design: Value,
    /// The options beside the design.
    pub options: RenderOptions,
    /// File format to write.
    pub format: &'static dyn Format,
    /// URL that is called when the job ends.
    pub webhook: Option<String>,
}

impl JobRequest {
    /// Reads a request body.
    ///
    /// # Errors
    /// All problems of the options and of `webhook`. Problems of the design are found when it is rendered.
    pub fn read(bytes: &[u8], parser: JsonParser) -> Result<Self, Error> {
        let mut value = parser.parse(bytes).map_err(Error::invalid)?;
        let mut problems = Problems::new();
        let options = RenderOptions::read(&value, JsonPath::root(), &mut problems);
        let mut webhook = None;
        if let Some(mut body) =
            value.is_object().then(|| Reader::new(&value, JsonPath::root(), &mut problems)).flatten()
        {
            webhook = body.string(WEBHOOK).filter(|it| !it.is_empty()).map(Cow::into_owned);
            if !body.get(DESIGN).is_some_and(Value::is_object) {
                body.problem(DESIGN, "missing or no object; accepted: the design as exported by the editor");
            }
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems.into_vec()));
        }
        let format = format_for(None, &options).map_err(with_flat_paths)?;
        let design = value.get_mut(DESIGN).map(Value::take).unwrap_or_default();
        Ok(Self { design, options, format, webhook })
    }

    /// The request to the pipeline.
    pub fn into_render(self) -> RenderRequest {
        let Self { design, options, format, .. } = self;
        let pages = Pages::of(&options, format);
        RenderRequest { design, at: DESIGN.into(), options, format, pages }
    }
}

/// Removes `exportOptions` from the paths of problems, since the options of a job are at the root of its body.
pub fn with_flat_paths(error: Error) -> Error {
    error.map_problems(|problem| Problem { path: problem.path.inside(OPTIONS).unwrap_or(problem.path), ..problem })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<JobRequest, Vec<String>> {
        JobRequest::read(body.to_string().as_bytes(), JsonParser::new(100))
            .map_err(|error| error.problems().iter().map(|it| it.path.as_str().to_owned()).collect())
    }

    #[test]
    fn options_stand_beside_the_design() {
        let body = json!({
            "design": {"pages": []}, "format": "jpg", "pixelRatio": "0.5", "outputFormat": "url", "webhook": "http://a/b",
        });
        let read = read(&body).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!((read.format.name(), read.options.pixel_ratio.get()), ("jpeg", 0.5));
        assert_eq!(read.webhook.as_deref(), Some("http://a/b"));
        assert_eq!(read.design, json!({"pages": []}));
    }

    #[test]
    fn problems_have_flat_paths() {
        let problems = |body: Value| read(&body).err().unwrap_or_default();
        assert_eq!(problems(json!({"pixelRatio": 0, "webhook": 3})), ["pixelRatio", "webhook", "design"]);
        assert_eq!(problems(json!({"design": {}, "format": "gif"})), ["format"]);
        assert_eq!(problems(json!({"design": {}, "mimeType": "image/bmp"})), ["mimeType"]);
        assert_eq!(problems(json!([])), [""]);
    }
}
