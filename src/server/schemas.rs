//! Request bodies and errors, described for the OpenAPI document. No value of these types is constructed: requests are
//! read with [`crate::json::Reader`].

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::output::FORMATS;
use crate::pipeline::ELEMENT_KINDS;
use crate::server::api_error::ErrorBody;

/// Errors of a call that renders.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes JSON")]
pub(super) enum RenderErrors {
    /// The request or the design is invalid or exceeds a limit; every problem has its JSON path
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// The API key is missing or unknown
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The body did not arrive within TENTER_BODY_TIMEOUT
    #[response(status = 408)]
    BodyTimeout(ErrorBody),
    /// The request is larger than TENTER_REQUEST_MAX_BYTES, or the answer than TENTER_INLINE_MAX_BYTES
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is not declared as JSON
    #[response(status = 415)]
    MediaType(ErrorBody),
    /// A picture or font could not be loaded; all of them are listed
    #[response(status = 422)]
    Asset(ErrorBody),
    /// Too many requests; `retry-after` says when to try again
    #[response(status = 429)]
    Busy(ErrorBody),
    /// Internal error of the service
    #[response(status = 500)]
    Internal(ErrorBody),
    /// A feature that is not built yet
    #[response(status = 501)]
    NotBuilt(ErrorBody),
    /// The render took longer than TENTER_DEADLINE
    #[response(status = 504)]
    Timeout(ErrorBody),
}

/// Body of `POST /api/render`. `null` counts as absent; unknown members are ignored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"design": {"width": 60, "height": 40, "pages": [{"background": "tomato", "children": [
    {"type": "text", "text": "Hello {who}", "width": 60, "height": 20, "fontSize": 10}]}]}, "outputFormat": "dataURL", "variables": {"who": "you"}}))]
pub(super) struct ClassicCall {
    /// The design; or `template`.
    design: Option<Design>,
    /// Extension: a template in place of the design, `id` or `id@version`.
    template: Option<String>,
    /// Form of the answer: the picture inside JSON, a link to it, or its bytes.
    #[schema(default = "dataURL")]
    output_format: Option<AnswerFormat>,
    /// Format of the file; takes precedence over `exportOptions.format`.
    #[schema(default = "png")]
    format: Option<FileFormat>,
    export_options: Option<Options>,
    /// Values of the placeholders in the design; also accepted in `exportOptions`.
    variables: Option<BTreeMap<String, VariableValue>>,
}

/// Body of `POST /api/variables`. Unknown members are ignored.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"design": {"pages": [{"children": [{"type": "text", "text": "Hello {{who}}"}]}]}}))]
pub(super) struct VariablesCall {
    design: Design,
}

/// Body of `POST /api/renders`: the design and, beside it, the options. `null` counts as absent; unknown members are
/// ignored.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"design": {"width": 60, "height": 40, "pages": [{"background": "tomato", "children": [
    {"type": "text", "text": "Hello {who}", "width": 60, "height": 20, "fontSize": 10}]}]}, "format": "png", "variables": {"who": "you"}}))]
pub(super) struct JobCall {
    /// The design; or `template`.
    design: Option<Design>,
    /// Extension: a template in place of the design, `id` or `id@version`.
    template: Option<String>,
    /// Address that is notified of every change of the job.
    webhook: Option<String>,
    #[serde(flatten)]
    options: Options,
}

/// Body of `PUT /api/templates/{id}`. What is absent stays as it is; a new template has the name, the description and
/// the tags in `custom` of its design.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"design": {"width": 60, "height": 40, "pages": [{"background": "tomato", "children": [
    {"type": "text", "text": "Hello {who}", "width": 60, "height": 20, "fontSize": 10}]}]}, "name": "Greeting", "tags": ["cards"]}))]
pub(super) struct TemplateBody {
    design: Design,
    /// Name for people. Default: the id.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Words to find it by.
    #[schema(max_items = 50)]
    tags: Option<Vec<String>>,
}

/// Body of `POST /api/batches` in JSON: the design, its rows and, beside them, the options of every row. `null` counts
/// as absent; unknown members are ignored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"design": {"width": 60, "height": 40, "pages": [{"background": "tomato", "children": [
    {"type": "text", "text": "Hello {who}", "width": 60, "height": 20, "fontSize": 10}]}]}, "format": "png",
    "rows": [{"who": "Ada"}, {"who": "Zoë"}], "fileName": "{who}"}))]
pub(super) struct BatchBody {
    /// The design; or `designUrl` or `template`.
    design: Option<Design>,
    /// A template in place of the design, `id` or `id@version`.
    template: Option<String>,
    /// Address of the design.
    design_url: Option<String>,
    /// The rows with their variables; or `rowsUrl`.
    rows: Option<RowsBody>,
    /// Address of the rows: CSV, NDJSON or JSON, by the ending of its path or `rowsFormat`.
    rows_url: Option<String>,
    /// Format of rows in a string or behind `rowsUrl`.
    rows_format: Option<RowsFormat>,
    /// Names of files in the archive, without their ending: `{row}` and variables. Default: the row's number. Beside
    /// `merge` the document's, without placeholders; default: `document`.
    file_name: Option<String>,
    /// One document of all rows, instead of a file for each. Then `format` is `pdf` or absent.
    merge: Option<Merge>,
    /// Address that is notified when the last row has ended.
    webhook: Option<String>,
    /// The webhook is also notified of each row that ends. Not with `merge`.
    #[schema(default = false)]
    webhook_items: Option<bool>,
    #[serde(flatten)]
    options: Options,
}

/// Rows as CSV: a header with the names of variables, then a line for each row. The other members of the call are in
/// the query.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(example = "who\nAda\nZoë\n")]
pub(super) struct CsvRows(String);

/// Rows as NDJSON: an object for each line. The other members of the call are in the query.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(example = "{\"who\": \"Ada\"}\n{\"who\": \"Zoë\"}\n")]
pub(super) struct NdjsonRows(String);

/// Rows: an array of them, or text with `rowsFormat`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes JSON")]
enum RowsBody {
    Objects(Vec<RowBody>),
    Text(String),
}

/// The variables of a row; or an object with `variables`, `options` of this row alone, and the `name` of its file.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
struct RowBody(BTreeMap<String, VariableValue>);

/// Format of the one document of all rows.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum Merge {
    Pdf,
}

/// Format of the rows of a batch.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum RowsFormat {
    Csv,
    Json,
    Ndjson,
}

/// Errors of calls about jobs and batches.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes JSON")]
pub(super) enum JobErrors {
    /// A parameter or header has a wrong value
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// The API key is missing or unknown
    #[response(status = 401)]
    Unauthorized(ErrorBody),
    /// The job or batch does not exist, or no longer
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The job store does not work at the moment; `retry-after` says when to try again
    #[response(status = 503)]
    Store(ErrorBody),
}

/// Form of the answer.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum AnswerFormat {
    #[serde(rename = "dataURL")]
    DataUrl,
    #[serde(rename = "url")]
    Url,
    #[serde(rename = "file")]
    File,
}

/// Format of the rendered file: one of the names in [`FORMATS`].
#[derive(Serialize)]
struct FileFormat(String);

impl PartialSchema for FileFormat {
    fn schema() -> RefOr<Schema> {
        let names = FORMATS.iter().flat_map(|it| std::iter::once(it.name()).chain(it.aliases().iter().copied()));
        // Media types are accepted too, but `mimeType` is the field for them.
        one_of_words("Format of the rendered file.", names.filter(|name| !name.contains('/')))
    }
}

impl ToSchema for FileFormat {}

/// A design as the editor's `toJSON()` gives it, with all the fields of the format; these are the outermost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Design {
    /// Width in px; pages may have their own.
    #[schema(default = 1080)]
    width: Option<Positive>,
    /// Height in px; pages may have their own.
    #[schema(default = 1080)]
    height: Option<Positive>,
    /// The pages; at least one.
    #[schema(min_items = 1)]
    pages: Vec<Page>,
}

/// One page of a design.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Page {
    /// Identifier; generated when absent.
    id: Option<String>,
    /// A colour, a linear gradient, or a picture's address.
    #[schema(default = "white")]
    background: Option<String>,
    /// The elements of the page, from bottom to top.
    children: Option<Vec<Element>>,
}

/// An element; each type has more fields.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Element {
    /// Identifier; generated when absent.
    id: Option<String>,
    #[serde(rename = "type")]
    kind: ElementType,
    /// Left edge in px.
    #[schema(default = 0)]
    x: Option<Number>,
    /// Upper edge in px.
    #[schema(default = 0)]
    y: Option<Number>,
    /// Width of the element in px.
    width: Option<Number>,
    /// Height of the element in px.
    height: Option<Number>,
}

/// Type of an element: one of [`ELEMENT_KINDS`].
#[derive(Serialize)]
struct ElementType(String);

impl PartialSchema for ElementType {
    fn schema() -> RefOr<Schema> {
        one_of_words("Type of an element.", ELEMENT_KINDS.iter().copied())
    }
}

impl ToSchema for ElementType {}

/// Options of a render.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Options {
    /// Device px per design px; 0.5 halves both sides.
    #[schema(default = 1)]
    pixel_ratio: Option<Positive>,
    /// Id of the page to render. Default: the first page.
    page_id: Option<String>,
    /// Ids of the pages of a PDF. Default: all pages.
    page_ids: Option<Vec<String>>,
    /// No page background: transparent in PNG, white in JPEG.
    #[schema(default = false)]
    ignore_background: Option<bool>,
    /// The picture covers the bleed too.
    #[schema(default = false)]
    include_bleed: Option<bool>,
    /// Extension: the version of the editor's SDK that the design is drawn as. Default: `TENTER_SDK` of the service.
    sdk: Option<EditorVersion>,
    /// What happens to text taller than its box: `change-font-size`, `resize` or `ellipsis`.
    #[schema(default = "change-font-size")]
    text_overflow: Option<TextOverflow>,
    /// Texts keep their stored height, and `verticalAlign` counts.
    #[schema(default = false)]
    text_vertical_resize_enabled: Option<bool>,
    /// Extension: the box of texts without height, `fit` or `auto`.
    #[schema(default = "fit")]
    missing_height: Option<MissingHeight>,
    /// Extension: which rules fit texts to their boxes: those of the `editor`, or the fields of each `element`.
    /// Default: the rules of the version `sdk`.
    text_sizing: Option<TextSizing>,
    /// Beside `textSizing: element`: words wider than their box are broken instead of shrinking the text.
    #[schema(default = false)]
    text_split_allowed: Option<bool>,
    /// Extension: rules for line breaks: those of the `editor`, or `unicode` (UAX #14).
    #[schema(default = "editor")]
    line_breaking: Option<LineBreaking>,
    /// Extension: gradient lines as in CSS.
    #[schema(default = false)]
    css_gradients: Option<bool>,
    /// Leave out a picture that cannot be loaded, with a warning.
    #[schema(default = false)]
    skip_image_error: Option<bool>,
    /// Extension: leave out elements of unknown types, with a warning.
    #[schema(default = false)]
    skip_unknown: Option<bool>,
    /// Replace a font that cannot be loaded, with a warning.
    #[schema(default = false)]
    skip_font_error: Option<bool>,
    /// Time limit for one picture, all attempts together, in ms.
    #[schema(default = 30000)]
    asset_load_timeout: Option<Length>,
    /// Time limit for one font, in ms.
    #[schema(default = 6000)]
    font_load_timeout: Option<Length>,
    /// Format of the file.
    format: Option<FileFormat>,
    /// Format of the file as a media type; `format` takes precedence.
    mime_type: Option<MimeType>,
    /// Quality of JPEG and lossy WebP, from 0 to 1.
    #[schema(default = 0.92)]
    quality: Option<Share>,
    /// Extension: effort to compress the same picture into a smaller file.
    #[schema(default = "fast")]
    compression: Option<Compression>,
    /// Design px per inch of paper, or `auto`: the design's.
    dpi: Option<Positive>,
    /// Resolution written into pictures, in px per inch; `true`: that of `dpi`, `false`: none.
    dpi_metadata: Option<DpiMetadata>,
    /// Extension: images shown with fewer of their pixels per inch of paper get a warning; 0 turns it off. Default:
    /// `TENTER_MIN_IMAGE_DPI` of the service.
    min_image_dpi: Option<Length>,
    /// Length of crop marks in design px.
    #[schema(default = 0)]
    crop_mark_size: Option<Length>,
    /// Keep shapes and text as vectors where the format supports them.
    #[schema(default = false)]
    vector: Option<bool>,
    color: Option<Color>,
    /// Print standard the PDF conforms to: `x-4`.
    pdfx: Option<Pdfx>,
    /// The PDF conforms to PDF/X-1a.
    #[schema(default = false)]
    pdfx1a: Option<bool>,
    /// Archive standard: PDF/A is not built yet and is refused.
    pdfa: Option<String>,
    /// Extension: title of a PDF. Default: the design's `custom.name`.
    title: Option<String>,
    /// Extension: creation date of a PDF, from 1970 on, as `2026-11-23T10:00:00Z`. Default: now.
    #[schema(format = DateTime)]
    creation_date: Option<String>,
    /// Extension: the same input gives the same bytes; a PDF without `creationDate` is dated 1970-01-01.
    #[schema(default = false)]
    reproducible: Option<bool>,
    /// Frames per second of animated formats.
    fps: Option<Positive>,
    /// Extension: values of the placeholders and bindings in the design.
    variables: Option<BTreeMap<String, VariableValue>>,
}

/// Colour space of the file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Color {
    /// Colour space of the file: `RGB` or `CMYK`.
    #[schema(default = "RGB")]
    space: Option<Space>,
    /// Output profile of CMYK: `FOGRA39` or `USWebCoatedSWOP`.
    #[schema(default = "FOGRA39")]
    profile: Option<Profile>,
    /// Extension: inks of text in exactly `#000000`: black ink only (`k`), or those of the `profile`.
    #[schema(default = "k")]
    black_text: Option<BlackText>,
}

/// Numbers may be written as strings.
macro_rules! numbers {
    ($($(#[doc = $doc:literal])+ $name:ident($pattern:literal) $(.$bound:ident($value:expr))*;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Serialize)]
        struct $name(f64);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let number = ObjectBuilder::new().schema_type(Type::Number)$(.$bound(Some($value)))*;
                let string = ObjectBuilder::new().schema_type(Type::String).pattern(Some($pattern));
                OneOfBuilder::new().item(number).item(string).description(Some(concat!($($doc),+).trim())).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

numbers! {
    /// A number, or a string that spells one.
    Number("^-?[0-9]{1,4}$");
    /// A number greater than 0, or a string that spells one.
    Positive("^[1-9][0-9]{0,2}$").exclusive_minimum(0.0);
    /// A number from 0, or a string that spells one.
    Length("^[0-9]{1,4}$").minimum(0.0);
    /// A number from 0 to 1, or a string that spells one.
    Share("^0\\.[0-9]{1,3}$").minimum(0.0).maximum(1.0);
}

/// The bytes of a file.
pub(super) struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("The bytes of a file")).into()
    }
}

impl ToSchema for Bytes {}

/// What happens to text that is taller than its box.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(dead_code, reason = "describes JSON")]
enum TextOverflow {
    ChangeFontSize,
    Resize,
    Ellipsis,
}

/// A version of the editor's SDK.
#[derive(Serialize)]
struct EditorVersion(String);

impl PartialSchema for EditorVersion {
    fn schema() -> RefOr<Schema> {
        one_of_words("A version of the editor's SDK.", crate::config::EditorVersion::RELEASES.into_iter())
    }
}

impl ToSchema for EditorVersion {}

/// Rules that fit texts to their boxes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum TextSizing {
    Editor,
    Element,
}

/// Rules for line breaks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum LineBreaking {
    Editor,
    Unicode,
}

/// Effort to compress the same picture into a smaller file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum Compression {
    Fast,
    Balanced,
    Small,
}

/// Inks of black text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum BlackText {
    K,
    Profile,
}

/// The box of a text without height.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum MissingHeight {
    Fit,
    Auto,
}

/// Format of the rendered file as a media type: one of those in [`FORMATS`].
#[derive(Serialize)]
struct MimeType(String);

impl PartialSchema for MimeType {
    fn schema() -> RefOr<Schema> {
        one_of_words("Format of the rendered file, as a media type.", FORMATS.iter().map(|it| it.media_type()))
    }
}

impl ToSchema for MimeType {}

fn one_of_words(description: &str, words: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(words)).into()
}

/// Resolution that a picture carries.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes JSON")]
enum DpiMetadata {
    Number(Positive),
    Flag(bool),
}

/// Print standard of a PDF.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum Pdfx {
    #[serde(rename = "x-4")]
    X4,
    #[serde(rename = "x-1a")]
    X1a,
}

/// Colour space of a file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "describes JSON")]
enum Space {
    Rgb,
    Cmyk,
}

/// Output profile of a printing condition.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum Profile {
    #[serde(rename = "FOGRA39")]
    Fogra39,
    #[serde(rename = "USWebCoatedSWOP")]
    UsWebCoatedSwop,
}

/// Value of a placeholder, drawn as it is written.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes JSON")]
pub(super) enum VariableValue {
    Text(String),
    Number(f64),
    Flag(bool),
}
