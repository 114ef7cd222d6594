//! The body of a render call: a design, its options, and the form of the answer (http-api.md §2).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Error;
use crate::json::{JsonParser, Problems, Reader};
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pipeline::{Pages, RenderRequest, format_for};
use crate::report::JsonPath;

/// Form of the answer (`outputFormat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerForm {
    /// A data URL in a JSON answer.
    #[default]
    DataUrl,
    /// A link in a JSON answer.
    Url,
    /// The bytes of the file.
    File,
}

const ANSWER_FORMS: &[(&str, AnswerForm)] =
    &[("dataURL", AnswerForm::DataUrl), ("url", AnswerForm::Url), ("file", AnswerForm::File)];

const DESIGN: &str = "design";
const OPTIONS: &str = "exportOptions";

/// Options that are also accepted beside `design`; those in `exportOptions` take precedence.
const OPTIONS_BESIDE_DESIGN: &[&str] = &["textVerticalResizeEnabled", "variables"];

/// A valid request body.
#[derive(Debug)]
pub struct ClassicCall {
    /// The design's JSON, not yet read as a design.
    pub design: Value,
    /// Render options of the caller.
    pub options: RenderOptions,
    /// File format to write.
    pub format: &'static dyn Format,
    /// Form of the answer.
    pub output: AnswerForm,
}

impl ClassicCall {
    /// Reads a request body.
    ///
    /// # Errors
    /// All problems of the options and of the form of the answer. Problems of the design are found when it is rendered.
    pub fn read(bytes: &[u8], parser: JsonParser) -> Result<Self, Error> {
        let mut value = parser.parse(bytes).map_err(Error::invalid)?;
        let mut problems = Problems::new();
        let Some(call) = Self::read_members(&mut value, &mut problems) else {
            return Err(Error::Invalid(problems.into_vec()));
        };
        let (options, output, format_name) = call;
        let design = value.get_mut(DESIGN).map(Value::take).unwrap_or_default();
        if !design.is_object() {
            problems.push(DESIGN.into(), "missing or no object; accepted: the design as exported by the editor");
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems.into_vec()));
        }
        let format = format_for(format_name.as_deref().map(|name| (name, "format".into())), &options)?;
        Ok(Self { design, options, format, output })
    }

    /// Reads all members except the design: options, form of the answer, name of the format.
    fn read_members(value: &mut Value, problems: &mut Problems) -> Option<(RenderOptions, AnswerForm, Option<String>)> {
        let mut options = value.get_mut(OPTIONS).map(Value::take).unwrap_or_default();
        let mut body = Reader::new(value, JsonPath::root(), problems)?;
        let output = body.one_of("outputFormat", ANSWER_FORMS).unwrap_or_default();
        let format = body.string("format").map(Cow::into_owned);
        for name in OPTIONS_BESIDE_DESIGN {
            let Some(outside) = body.get(name).cloned() else { continue };
            if options.is_null() {
                options = Value::Object(serde_json::Map::new());
            }
            if let Some(inside) = options.as_object_mut()
                && inside.get(*name).is_none_or(Value::is_null)
            {
                inside.insert((*name).into(), outside);
            }
        }
        Some((RenderOptions::read(&options, OPTIONS.into(), problems), output, format))
    }
    /// The request to the pipeline.
    pub fn into_render(self) -> RenderRequest {
        let Self { design, options, format, .. } = self;
        let pages = Pages::of(&options, format);
        RenderRequest { design, at: DESIGN.into(), options, format, pages }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::Problem;

    fn read(body: Value) -> Result<ClassicCall, Vec<String>> {
        ClassicCall::read(body.to_string().as_bytes(), JsonParser::new(100))
            .map_err(|error| error.problems().iter().map(Problem::to_string).collect())
    }

    #[test]
    fn call_defaults_are_png_as_data_url() {
        let call = read(json!({"design": {"pages": []}})).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!((call.format.name(), call.output), ("png", AnswerForm::DataUrl));
        assert_eq!(call.options, RenderOptions::default());
        assert_eq!(call.design, json!({"pages": []}));
    }

    #[test]
    fn call_reports_all_problems_at_once() {
        let problems =
            read(json!({"outputFormat": "fax", "exportOptions": {"pixelRatio": -1}})).err().unwrap_or_default();
        let paths: Vec<_> = problems.iter().filter_map(|it| it.split(": ").next()).collect();
        assert_eq!(paths, ["outputFormat", "exportOptions.pixelRatio", "design"]);
        assert_eq!(read(json!([])).err().map(|it| it.len()), Some(1));
    }

    #[test]
    fn call_options_beside_design_count_unless_in_export_options() {
        let resize = |body| read(body).map(|it| it.options.text_vertical_resize).ok();
        assert_eq!(resize(json!({"design": {}, "textVerticalResizeEnabled": true})), Some(true));
        let inside = json!({"textVerticalResizeEnabled": false});
        assert_eq!(
            resize(json!({"design": {}, "textVerticalResizeEnabled": true, "exportOptions": inside})),
            Some(false)
        );
    }
}
