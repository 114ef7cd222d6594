//! Path and query of a picture URL, read to a render call.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::json::Problems;
use crate::report::{Problem, truncated};
use crate::server::api_error::ApiError;
use crate::templates::TemplateName;

/// Endings of paths with the names of the formats.
const FORMATS: [(&str, &str); 5] =
    [("png", "png"), ("jpg", "jpeg"), ("jpeg", "jpeg"), ("webp", "webp"), ("pdf", "pdf")];

/// Parameter with the time of expiry.
const EXPIRES: &str = "_expires";
/// Options of a render that a URL may have, each as a parameter with `_` before its name.
const OPTIONS: [&str; 10] = [
    "dpi",
    "ignoreBackground",
    "includeBleed",
    "pageId",
    "pixelRatio",
    "quality",
    "skipFontError",
    "skipImageError",
    "textOverflow",
    "vector",
];

/// What a picture URL asks for.
#[derive(Debug)]
pub(super) struct PictureCall {
    pub(super) name: TemplateName,
    format: &'static str,
    /// Time of expiry in seconds since 1970.
    pub(super) expires: Option<u64>,
    options: Map<String, Value>,
}

impl PictureCall {
    /// Reads a decoded path behind `/i/`, and a query without its signature. Of equal parameters the last counts.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] for a path that names no template or format; all problems of the query.
    pub(super) fn read(path: &str, query: &str) -> Result<Self, ApiError> {
        let (name, ending) = path.rsplit_once('.').ok_or(ApiError::NotFound)?;
        let format = FORMATS.iter().find(|(known, _)| *known == ending).ok_or(ApiError::NotFound)?.1;
        let name = name.parse().map_err(|_| ApiError::NotFound)?;
        let (mut options, mut variables, mut expires) = (Map::new(), Map::new(), None);
        let mut problems = Problems::new();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match key.strip_prefix('_') {
                None => drop(variables.insert(key.into_owned(), value.into())),
                Some(_) if key == EXPIRES => match value.parse::<u64>() {
                    Ok(seconds) => expires = Some(seconds),
                    Err(_) => problems.push(EXPIRES.into(), "accepted: seconds since 1970 as a whole number"),
                },
                Some(option) if OPTIONS.contains(&option) => {
                    let value = match &*value {
                        "true" => Value::Bool(true),
                        "false" => Value::Bool(false),
                        text => text.into(),
                    };
                    options.insert(option.to_owned(), value);
                }
                Some(_) => {
                    let accepted = OPTIONS.map(|it| format!("_{it}")).join(", ");
                    problems.push((&*truncated(&key)).into(), format!("is no option; accepted: {EXPIRES}, {accepted}"));
                }
            }
        }
        if !problems.is_empty() {
            return Err(Error::Invalid(problems.into_vec()).into());
        }
        options.insert("variables".into(), Value::Object(variables));
        Ok(Self { name, format, expires, options })
    }

    /// What decides about the picture besides the design, as text.
    pub(super) fn choices(&self) -> String {
        json!({"format": self.format, "options": self.options}).to_string()
    }

    /// The body of a render call with this design.
    pub(super) fn body(&self, design: &[u8]) -> Bytes {
        let choices = json!({"outputFormat": "file", "format": self.format, "exportOptions": self.options}).to_string();
        let mut body = Vec::with_capacity(design.len() + choices.len() + 16);
        body.extend_from_slice(b"{\"design\":");
        body.extend_from_slice(design);
        body.push(b',');
        body.extend_from_slice(&choices.as_bytes()[1..]);
        body.into()
    }
}

/// Names the parameters of the URL in the problems of its options, which are in `exportOptions` of the render call.
pub(super) fn with_parameters(error: Error) -> Error {
    let Error::Invalid(problems) = error else { return error };
    let renamed = problems.into_iter().map(|problem| {
        let option = problem.path.as_str().strip_prefix("exportOptions.");
        let parameter = option.map(|it| it.strip_prefix("variables.").map_or_else(|| format!("_{it}"), str::to_owned));
        Problem { path: parameter.map_or_else(|| problem.path.clone(), |it| it.as_str().into()), ..problem }
    });
    Error::Invalid(renamed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(path: &str, query: &str) -> Result<Value, String> {
        let call = PictureCall::read(path, query).map_err(|error| format!("{error:?}"))?;
        Ok(serde_json::from_slice(&call.body(b"{\"pages\":[]}")).expect("JSON"))
    }

    #[test]
    fn parameters_are_variables_and_options() {
        let query = "name=Ada+L%26&name=Zo%C3%AB&_pixelRatio=2&_ignoreBackground=true&s=1";
        let expected = json!({
            "design": {"pages": []}, "outputFormat": "file", "format": "jpeg",
            "exportOptions": {"pixelRatio": "2", "ignoreBackground": true, "variables": {"name": "Zoë", "s": "1"}},
        });
        assert_eq!(body("cards/a.b@3.jpg", query), Ok(expected));
        let call = PictureCall::read("cards/a.b@3.jpg", "_expires=7").expect("a call");
        assert_eq!((call.name.to_string(), call.expires), ("cards/a.b@3".into(), Some(7)));
    }

    #[test]
    fn parameters_that_are_no_options_are_refused_by_name() {
        let error = body("a.png", "_expires=soon&_webhook=x").expect_err("no options");
        assert!(error.contains("_expires") && error.contains("_webhook") && error.contains("_pixelRatio"), "{error}");
        for path in ["a", "a.gif", "../a.png", "a@0.png", ".png", ""] {
            assert_eq!(body(path, ""), Err("NotFound".into()), "{path}");
        }
    }

    #[test]
    fn choices_do_not_depend_on_the_time_of_expiry() {
        let choices = |query: &str| PictureCall::read("a.png", query).expect("a call").choices();
        assert_eq!(choices("a=1&_expires=7"), choices("a=1&_expires=8"));
        assert_ne!(choices("a=1"), choices("a=2"));
    }
}
