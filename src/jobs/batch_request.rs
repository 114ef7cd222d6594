//! The request that creates a batch: a JSON body, or a body with the rows and everything else in the query.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::store::{NewRow, RowError, Template};
use crate::calls::{DESIGN, FILE_NAME, WEBHOOK, with_flat_paths};
use crate::config::BatchSettings;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::json::{JsonParser, Problems, Reader, describe};
use crate::options::RenderOptions;
use crate::output::{Format, Pdf};
use crate::pipeline::{UnknownElements, format_for};
use crate::report::{JsonPath, Problem};
use crate::rows::{BrokenRow, NamePattern, Row, RowFormat, Rows, UsedNames, read_value};

pub(super) const DESIGN_URL: &str = "designUrl";
/// Name of the template whose design the call uses.
const TEMPLATE: &str = "template";
pub(super) const ROWS: &str = "rows";
pub(super) const ROWS_URL: &str = "rowsUrl";
const ROWS_FORMAT: &str = "rowsFormat";
const WEBHOOK_ITEMS: &str = "webhookItems";
const MERGE: &str = "merge";
const FORMAT: &str = "format";
const MIME_TYPE: &str = "mimeType";

/// Default file name of the document of all rows, without its extension.
const DOCUMENT: &str = "document";

/// Members that are not passed on to the template. `fileName` is passed on, so that variables which only file names use
/// do not cause warnings.
const BATCH_MEMBERS: [&str; 9] =
    [DESIGN, DESIGN_URL, TEMPLATE, ROWS, ROWS_URL, ROWS_FORMAT, WEBHOOK, WEBHOOK_ITEMS, MERGE];

/// A valid request. [`Self::finish`] needs the design and the rows inline.
pub(super) struct BatchRequest {
    pub(super) design: Source<Value>,
    pub(super) rows: Source<RowsSent>,
    /// Format of the rows at `rowsUrl`, if the request has it.
    pub(super) rows_format: Option<RowFormat>,
    /// Members of the request that all rows share: options and `fileName`.
    options: Map<String, Value>,
    /// What all rows do with elements of unknown types.
    pub(super) unknown: UnknownElements,
    pub(super) format: &'static dyn Format,
    pub(super) webhook: Option<String>,
    pub(super) webhook_items: bool,
    /// File name of the document of all rows, with its extension. `None`: each row becomes a file.
    pub(super) document: Option<String>,
    /// Pattern of file names without their extension. `None`: row numbers.
    file_name: Option<NamePattern>,
    parser: JsonParser,
}

/// A part of the request, or the URL that it is downloaded from.
pub(super) enum Source<T> {
    Inline(T),
    Url(String),
}

/// Rows that have not been read yet.
pub(super) enum RowsSent {
    Values(Vec<Value>),
    Text(Bytes, RowFormat),
}

const ROW_FORMATS: &[(&str, RowFormat)] =
    &[("csv", RowFormat::Csv), ("json", RowFormat::Json), ("ndjson", RowFormat::Ndjson)];

impl BatchRequest {
    /// Reads a JSON body. `design`: that of the template that the body names.
    ///
    /// # Errors
    /// All problems of the request and the options. Problems of the design and the rows are found when they are
    /// rendered.
    pub(super) fn read(body: &[u8], design: Option<Value>, parser: JsonParser) -> Result<Self, Error> {
        Self::of(parser.parse(body).map_err(Error::invalid)?, design, None, parser)
    }

    /// Reads a body with rows and a decoded query with everything else. The values `true` and `false` become booleans.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(super) fn of_rows(
        rows: Bytes,
        format: RowFormat,
        query: &[(String, String)],
        design: Option<Value>,
        parser: JsonParser,
    ) -> Result<Self, Error> {
        let value = |text: &str| match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => text.into(),
        };
        let call: Map<_, _> = query.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        Self::of(Value::Object(call), design, Some(RowsSent::Text(rows, format)), parser)
    }

    fn of(
        mut call: Value,
        design: Option<Value>,
        rows_beside: Option<RowsSent>,
        parser: JsonParser,
    ) -> Result<Self, Error> {
        if let (Some(design), Some(call)) = (design, call.as_object_mut()) {
            call.insert(DESIGN.into(), design);
        }
        let take_member = |call: &mut Value, key: &str| call.get_mut(key).map(Value::take).filter(|it| !it.is_null());
        // The design and the rows are moved out rather than copied, as they may be large.
        let (design, rows) = (take_member(&mut call, DESIGN), take_member(&mut call, ROWS));
        let mut problems = Problems::new();
        let options = RenderOptions::read(&call, JsonPath::root(), &mut problems);
        let reader = call.is_object().then(|| Reader::new(&call, JsonPath::root(), &mut problems)).flatten();
        let Some(mut json) = reader else { return Err(Error::Invalid(problems.into_vec())) };
        let design = design_source(&mut json, design);
        let (rows_url, rows_format) = (url(&mut json, ROWS_URL), json.one_of(ROWS_FORMAT, ROW_FORMATS));
        let rows = match (rows_beside, rows_url) {
            (Some(_), Some(_)) => problem(&mut json, ROWS_URL, "the body has the rows already; accepted: one of both"),
            (Some(_), None) if rows.is_some() => {
                problem(&mut json, ROWS, "the body has the rows already; accepted: one of both")
            }
            (Some(beside), None) => Some(Source::Inline(beside)),
            (None, Some(url)) if rows.is_none() => Some(Source::Url(url)),
            (None, Some(_)) => problem(&mut json, ROWS_URL, "stands beside rows; accepted: one of both"),
            (None, None) => rows_here(&mut json, rows, rows_format),
        };
        let webhook = url(&mut json, WEBHOOK);
        let webhook_items = json.flag_or(WEBHOOK_ITEMS, false);
        if webhook_items && webhook.is_none() {
            json.problem(WEBHOOK_ITEMS, format!("has no effect without {WEBHOOK}; accepted: true beside {WEBHOOK}"));
        }
        let file_name = file_name(&mut json);
        let merged = merged(&mut json);
        let document = merged.and_then(|format| document(&mut json, format, &options, file_name.as_ref()));
        let (Some(design), Some(rows), true) = (design, rows, problems.is_empty()) else {
            return Err(Error::Invalid(problems.into_vec()));
        };
        let format = match merged {
            Some(format) => format,
            None => format_for(None, &options).map_err(with_flat_paths)?,
        };
        let unknown = UnknownElements::of(&options);
        let Value::Object(mut options) = call else { unreachable_object()? };
        options.retain(|key, _| !BATCH_MEMBERS.contains(&key.as_str()));
        if merged.is_some() {
            options.insert(FORMAT.into(), format.name().into());
        }
        Ok(Self {
            design,
            rows,
            rows_format,
            options,
            unknown,
            format,
            webhook,
            webhook_items,
            document,
            file_name,
            parser,
        })
    }

    /// Creates the template and reads the rows, after their URLs have been replaced by what was downloaded.
    ///
    /// # Errors
    /// A design that is no object, or rows that cannot be read at all. An invalid row is a failed row of the batch.
    pub(super) fn finish(mut self, limits: &BatchSettings) -> Result<(Template, Vec<NewRow>), Error> {
        let not_inline = || Error::Internal("the design or rows of a batch were not downloaded".into());
        let Source::Inline(design) = std::mem::replace(&mut self.design, Source::Url(String::new())) else {
            return Err(not_inline());
        };
        let Source::Inline(sent) = std::mem::replace(&mut self.rows, Source::Url(String::new())) else {
            return Err(not_inline());
        };
        if !design.is_object() {
            let message = "found no object there; accepted: the design as exported by the editor".to_owned();
            return Err(Error::invalid(Problem { path: DESIGN_URL.into(), message }));
        }
        Ok((self.template(design)?, self.rows(sent, limits)?))
    }

    fn template(&self, design: Value) -> Result<Template, Error> {
        let written = |value: &Value| serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()));
        let design_hash = ContentHash::of(&written(&design)?);
        let mut body = self.options.clone();
        body.insert(DESIGN.into(), design);
        Ok(Template { body: written(&Value::Object(body))?.into(), design_hash })
    }

    /// Reads the rows, and gives each the name of its file.
    fn rows(&self, sent: RowsSent, limits: &BatchSettings) -> Result<Vec<NewRow>, Error> {
        let refused = |message: String| Error::invalid(Problem { path: ROWS.into(), message });
        let mut names = FileNames {
            pattern: self.file_name.as_ref(),
            extension: self.format.extension(),
            digits: 0,
            used: UsedNames::default(),
        };
        let mut read = Vec::new();
        match sent {
            RowsSent::Values(values) => {
                if values.len() as u64 > limits.rows {
                    let (found, limit) = (values.len(), limits.rows);
                    return Err(refused(format!("found {found} rows; the limit is {limit} (TENTER_BATCH_MAX_ROWS)")));
                }
                for (value, number) in values.into_iter().zip(1..) {
                    read.push(read_value(number, value, limits));
                }
            }
            RowsSent::Text(text, format) => {
                let rows = Rows::new(&*text, format, limits, self.parser);
                for row in rows.map_err(|error| refused(error.to_string()))? {
                    read.push(row.map_err(|error| refused(error.to_string()))?);
                }
            }
        }
        if read.is_empty() {
            return Err(refused("found no rows; accepted: at least one".into()));
        }
        names.digits = read.len().to_string().len();
        if let Some(document) = &self.document {
            return read.into_iter().map(|row| new_row(document.clone(), row)).collect();
        }
        read.into_iter().zip(1..).map(|(row, number)| names.name(row, number)).collect()
    }
}

/// The error for a request that was an object when its members were read.
fn unreachable_object<T>() -> Result<T, Error> {
    Err(Error::Internal("a call that was an object is none".into()))
}

fn problem<T>(json: &mut Reader<'_>, key: &str, message: &str) -> Option<T> {
    json.problem(key, message);
    None
}

/// Reads a URL; `None` for an empty text.
fn url(json: &mut Reader<'_>, key: &str) -> Option<String> {
    json.string(key).filter(|it| !it.is_empty()).map(Cow::into_owned)
}

fn design_source(json: &mut Reader<'_>, design: Option<Value>) -> Option<Source<Value>> {
    match (design, url(json, DESIGN_URL)) {
        (Some(_), Some(_)) => problem(json, DESIGN_URL, "stands beside design; accepted: one of both"),
        (Some(design), None) if design.is_object() => Some(Source::Inline(design)),
        (None, Some(url)) => Some(Source::Url(url)),
        _ => {
            problem(json, DESIGN, "missing or no object; accepted: the design as exported by the editor, or designUrl")
        }
    }
}

fn rows_here(json: &mut Reader<'_>, rows: Option<Value>, format: Option<RowFormat>) -> Option<Source<RowsSent>> {
    match (rows, format) {
        (Some(Value::Array(values)), None) => Some(Source::Inline(RowsSent::Values(values))),
        (Some(Value::Array(_)), Some(_)) => problem(json, ROWS_FORMAT, "rows are an array; accepted: only beside text"),
        (Some(Value::String(text)), Some(format)) => Some(Source::Inline(RowsSent::Text(text.into(), format))),
        (Some(Value::String(_)), None) => {
            problem(json, ROWS_FORMAT, "missing beside rows as text; accepted: csv, ndjson, json")
        }
        (Some(other), _) => {
            let message = format!("found {}; accepted: an array of rows, or text with rowsFormat", describe(&other));
            problem(json, ROWS, &message)
        }
        (None, _) => problem(json, ROWS, "missing; accepted: an array of rows, text with rowsFormat, or rowsUrl"),
    }
}

fn file_name(json: &mut Reader<'_>) -> Option<NamePattern> {
    let text = json.string(FILE_NAME).filter(|it| !it.is_empty())?;
    if text.contains(['/', '\\']) {
        return problem(json, FILE_NAME, "has a slash; accepted: a name without folders, such as {name}-{row}");
    }
    match NamePattern::parse(&text) {
        Ok(pattern) if pattern.has_page() => {
            problem(json, FILE_NAME, "has {page}, and each row is one file; accepted: {row} and variables")
        }
        Ok(pattern) => Some(pattern),
        Err(error) => problem(json, FILE_NAME, &error.to_string()),
    }
}

/// Reads `merge`: the format of the document of all rows.
fn merged(json: &mut Reader<'_>) -> Option<&'static dyn Format> {
    match json.get(MERGE)? {
        Value::Bool(false) => None,
        Value::String(name) if name.is_empty() => None,
        Value::String(name) if name.eq_ignore_ascii_case(Pdf.name()) => Some(&Pdf),
        other => {
            let found = describe(other);
            problem(json, MERGE, &format!("found {found}; accepted: pdf, or nothing for a file for each row"))
        }
    }
}

/// File name of the document of all rows, with its extension. Reports members of the request that contradict `merge`.
fn document(
    json: &mut Reader<'_>,
    format: &'static dyn Format,
    options: &RenderOptions,
    file_name: Option<&NamePattern>,
) -> Option<String> {
    if json.flag_or(WEBHOOK_ITEMS, false) {
        json.problem(
            WEBHOOK_ITEMS,
            format!(
                "rows of one document ({MERGE}) end together; accepted: {WEBHOOK} alone, which is called at the end"
            ),
        );
    }
    let asked = options.format.as_ref().map(|_| FORMAT).or(options.mime_type.as_ref().map(|_| MIME_TYPE));
    if let Some(asked) = asked
        && format_for(None, options).is_ok_and(|other| other.name() != format.name())
    {
        let (found, accepted) = (json.get(asked).map(describe).unwrap_or_default(), format.name());
        json.problem(asked, format!("found {found}; accepted beside {MERGE}: {accepted}, or nothing"));
    }
    let name = match file_name {
        None => DOCUMENT.to_owned(),
        Some(pattern) if !pattern.is_constant() => {
            let message = format!("has placeholders, and {MERGE} makes one file; accepted: a name without");
            return problem(json, FILE_NAME, &message);
        }
        Some(pattern) => match pattern.fill_in(&Row::default(), 1) {
            Ok(name) => name,
            Err(broken) => {
                let message = broken.problems.first().map(|it| it.message.clone()).unwrap_or_default();
                return problem(json, FILE_NAME, &message);
            }
        },
    };
    Some(format!("{name}.{}", format.extension()))
}

fn new_row(name: String, row: Result<Row, BrokenRow>) -> Result<NewRow, Error> {
    let values = match row {
        Ok(row) => Ok(serde_json::to_vec(&row.to_json()).map_err(|error| Error::Internal(error.to_string()))?.into()),
        Err(broken) => Err(RowError { error: broken.to_string(), problems: broken.problems }),
    };
    Ok(NewRow { name, values })
}

impl Source<RowsSent> {
    /// Format of the rows at `url`, by the extension of its path.
    pub(super) fn format_of(url: &str) -> Option<RowFormat> {
        let parsed = url::Url::parse(url).ok()?;
        let (_, ending) = parsed.path().rsplit_once('.')?;
        RowFormat::from_extension(ending)
    }
}

/// Assigns file names to rows.
struct FileNames<'a> {
    pattern: Option<&'a NamePattern>,
    extension: &'static str,
    /// Number of digits of the highest row number.
    digits: usize,
    used: UsedNames,
}

impl FileNames<'_> {
    fn name(&mut self, row: Result<Row, BrokenRow>, number: u64) -> Result<NewRow, Error> {
        let (extension, digits) = (self.extension, self.digits);
        let by_number = format!("{number:0digits$}.{extension}");
        let named = row.and_then(|row| {
            let name = match self.pattern {
                Some(pattern) => format!("{}.{extension}", pattern.fill_in(&row, 1)?),
                None => by_number.clone(),
            };
            Ok((row, name))
        });
        match named {
            Ok((row, mut name)) => {
                if self.used.take(&name, number).is_err() {
                    // The number makes the name unique.
                    let stem = name.strip_suffix(&format!(".{extension}")).unwrap_or(&name);
                    name = format!("{stem} (row {number}).{extension}");
                    let _ = self.used.take(&name, number);
                }
                new_row(name, Ok(row))
            }
            Err(broken) => new_row(by_number, Err(broken)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LIMITS: BatchSettings = BatchSettings { rows: 3, row_bytes: 1000, queue: 9 };

    fn problems(call: Value) -> Vec<String> {
        match BatchRequest::of(call, None, None, JsonParser::new(100)) {
            Ok(_) => Vec::new(),
            Err(error) => error.problems().iter().map(|it| it.path.as_str().to_owned()).collect(),
        }
    }

    /// Names of the rows, with `!` in front of rows that cannot be read.
    fn rows(mut call: Value, rows: Value) -> Result<Vec<String>, String> {
        call["design"] = json!({});
        call["rows"] = rows;
        let request = BatchRequest::of(call, None, None, JsonParser::new(100)).map_err(|error| error.to_string())?;
        let (_, rows) = request.finish(&LIMITS).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|it| if it.values.is_ok() { it.name } else { format!("!{}", it.name) }).collect())
    }

    #[test]
    fn request_problems_are_reported_together() {
        let call = json!({"pixelRatio": 0, "rowsFormat": "xml", "webhookItems": true, "fileName": "a/b"});
        assert_eq!(problems(call), ["pixelRatio", "design", "rowsFormat", "rows", "webhookItems", "fileName"]);
        assert_eq!(problems(json!({"design": {}, "rows": "a\n1"})), ["rowsFormat"]);
        assert_eq!(problems(json!({"design": {}, "rows": [], "rowsUrl": "http://a/b.csv"})), ["rowsUrl"]);
        assert_eq!(problems(json!([])), [""]);
    }

    #[test]
    fn merged_rows_have_the_name_of_their_document() -> Result<(), String> {
        let some = json!([{"who": "Ada"}, {"who": [1]}]);
        let named = |call: Value| rows(call, some.clone());
        let both = |name: &str| Ok(vec![name.to_owned(), format!("!{name}")]);
        assert_eq!(named(json!({"merge": "pdf"})), both("document.pdf"));
        assert_eq!(named(json!({"merge": "PDF", "fileName": "all", "format": "pdf"})), both("all.pdf"));
        for no in [json!(null), json!(false), json!("")] {
            assert_eq!(named(json!({"merge": no}))?[0], "1.png", "{no}");
        }
        let call = |merge: Value| json!({"design": {}, "rows": [{}], "merge": merge});
        assert_eq!(problems(call(json!(true))), ["merge"]);
        assert_eq!(problems(call(json!("zip"))), ["merge"]);
        let with = |name: &str, value: Value| {
            let mut call = call(json!("pdf"));
            (call["webhook"], call[name]) = ("http://a/".into(), value);
            problems(call)
        };
        assert_eq!(with("format", json!("png")), ["format"]);
        assert_eq!(with("mimeType", json!("image/jpeg")), ["mimeType"]);
        assert_eq!(with("webhookItems", json!(true)), ["webhookItems"]);
        assert_eq!(with("fileName", json!("{who}")), ["fileName"]);
        assert_eq!(with("fileName", json!("x".repeat(300))), ["fileName"]);
        assert!(with("mimeType", json!("application/pdf")).is_empty());
        let request = BatchRequest::of(call(json!("pdf")), None, None, JsonParser::new(100))
            .map_err(|error| error.to_string())?;
        let (template, _) = request.finish(&LIMITS).map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_slice(&template.body).expect("JSON");
        assert_eq!(body, json!({"format": "pdf", "design": {}}), "as if the call had said so");
        Ok(())
    }

    #[test]
    fn rows_of_an_array_have_the_same_length_limit() {
        let of_length = |bytes: usize| json!({"who": "x".repeat(bytes - r#"{"who":""}"#.len())});
        assert_eq!(
            rows(json!({}), json!([of_length(1000), of_length(1001), {}])).expect("read"),
            ["1.png", "!2.png", "3.png"]
        );
    }

    #[test]
    fn rows_have_unique_names() {
        let people = json!([{"who": "Ada"}, {"who": "ada"}, {"who": [1]}]);
        assert_eq!(rows(json!({}), people.clone()), Ok(["1.png", "2.png", "!3.png"].map(String::from).to_vec()));
        let named = json!({"fileName": "{who}", "format": "pdf"});
        assert_eq!(rows(named, people), Ok(["Ada.pdf", "ada (row 2).pdf", "!3.pdf"].map(String::from).to_vec()));
        let traversal = rows(json!({"fileName": "{who}"}), json!([{"who": "a/../b\\c"}]));
        assert_eq!(traversal, Ok(vec!["a_.._b_c.png".to_owned()]));
        let text = rows(json!({"rowsFormat": "csv", "fileName": "{who}"}), json!("who\nAda\n\"\"\n"));
        assert_eq!(text, Ok(["Ada.png", "!2.png"].map(String::from).to_vec()));
    }

    #[test]
    fn number_of_rows_is_limited() {
        assert!(rows(json!({}), json!([])).is_err_and(|it| it.contains("found no rows")));
        let four = rows(json!({}), json!([{}, {}, {}, {}]));
        assert!(four.is_err_and(|it| it.contains("found 4 rows; the limit is 3 (TENTER_BATCH_MAX_ROWS)")));
        let four = rows(json!({"rowsFormat": "ndjson"}), json!("{}\n{}\n{}\n{}\n"));
        assert!(four.is_err_and(|it| it.contains("TENTER_BATCH_MAX_ROWS")));
    }

    #[test]
    fn template_is_the_design_and_the_options() {
        let call = json!({
            "design": {"pages": []}, "rows": [{}], "pixelRatio": "2", "variables": {"a": 1}, "fileName": "{a}",
            "webhook": "http://a/", "webhookItems": true,
        });
        let request =
            BatchRequest::of(call, None, None, JsonParser::new(100)).unwrap_or_else(|error| panic!("{error}"));
        let (template, _) = request.finish(&LIMITS).expect("a template");
        let body: Value = serde_json::from_slice(&template.body).expect("JSON");
        let expected = json!({"pixelRatio": "2", "variables": {"a": 1}, "fileName": "{a}", "design": {"pages": []}});
        assert_eq!(body, expected);
        assert_eq!(template.design_hash, ContentHash::of(b"{\"pages\":[]}"));
    }
}
