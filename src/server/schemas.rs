//! What requests hold and why they are refused, described. Requests are read elsewhere, by hand; nothing here is ever built.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::server::problem::ErrorBody;

/// Why a render call gives no picture.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes JSON")]
pub(in crate::server) enum RenderErrors {
    /// The request or the design is wrong, or beyond a limit; every problem with its place
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// No key, or an unknown one
    #[response(status = 401)]
    Key(ErrorBody),
    /// The body did not arrive within TENTER_BODY_TIMEOUT
    #[response(status = 408)]
    Slow(ErrorBody),
    /// The request is larger than TENTER_REQUEST_MAX_BYTES, or the answer than TENTER_INLINE_MAX_BYTES
    #[response(status = 413)]
    TooLarge(ErrorBody),
    /// The body is not declared as JSON
    #[response(status = 415)]
    MediaType(ErrorBody),
    /// A picture or font could not be had; all of them are listed
    #[response(status = 422)]
    Asset(ErrorBody),
    /// Too many requests; `retry-after` says when to come again
    #[response(status = 429)]
    Busy(ErrorBody),
    /// Our fault
    #[response(status = 500)]
    Internal(ErrorBody),
    /// Not built yet
    #[response(status = 501)]
    NotBuilt(ErrorBody),
    /// Not done within TENTER_DEADLINE
    #[response(status = 504)]
    Late(ErrorBody),
}

/// Body of `POST /api/render`. `null` counts as absent; unknown members are ignored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"design": {"width": 60, "height": 40, "pages": [{"background": "tomato", "children": [
    {"type": "text", "text": "Hello {who}", "width": 60, "height": 20, "fontSize": 10}]}]}, "outputFormat": "dataURL", "variables": {"who": "you"}}))]
pub(in crate::server) struct ClassicCall {
    design: Design,
    /// Form of the answer: the picture inside JSON, a link to it, or its bytes.
    #[schema(default = "dataURL")]
    output_format: Option<OutputFormat>,
    /// Kind of file; wins over `exportOptions.format`.
    #[schema(default = "png")]
    format: Option<FileFormat>,
    export_options: Option<Options>,
    /// What placeholders of the design become; also taken in `exportOptions`.
    variables: Option<BTreeMap<String, VariableValue>>,
}

/// Body of `POST /api/renders`: the design and, beside it, the options. `null` counts as absent; unknown members are
/// ignored.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"design": {"width": 60, "height": 40, "pages": [{"background": "tomato", "children": [
    {"type": "text", "text": "Hello {who}", "width": 60, "height": 20, "fontSize": 10}]}]}, "format": "png", "variables": {"who": "you"}}))]
pub(in crate::server) struct JobCall {
    design: Design,
    /// Is told of every change of the job.
    webhook: Option<String>,
    #[serde(flatten)]
    options: Options,
}

/// Body of `POST /api/batches` in JSON: the design, its rows and, beside them, the options of every row. `null` counts as
/// absent; unknown members are ignored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"design": {"width": 60, "height": 40, "pages": [{"background": "tomato", "children": [
    {"type": "text", "text": "Hello {who}", "width": 60, "height": 20, "fontSize": 10}]}]}, "format": "png",
    "rows": [{"who": "Ada"}, {"who": "Zoë"}], "fileName": "{who}"}))]
pub(in crate::server) struct BatchBody {
    /// The design; or `designUrl`.
    design: Option<Design>,
    /// Where the design is.
    design_url: Option<String>,
    /// What each row fills in; or `rowsUrl`.
    rows: Option<RowsBody>,
    /// Where the rows are: CSV, NDJSON or JSON, by the ending of its path or `rowsFormat`.
    rows_url: Option<String>,
    /// How rows as text or behind `rowsUrl` are written.
    rows_format: Option<RowsFormat>,
    /// Names of files in the archive, without their ending: `{row}` and variables. Default: the row's number. Beside `merge`
    /// the document's, without placeholders; default: `document`.
    file_name: Option<String>,
    /// One document of all rows, instead of a file for each. Then `format` is `pdf` or absent.
    merge: Option<Merge>,
    /// Is told when the last row has ended.
    webhook: Option<String>,
    /// The webhook is also told of each row that ends. Not beside `merge`.
    #[schema(default = false)]
    webhook_items: Option<bool>,
    #[serde(flatten)]
    options: Options,
}

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

/// What all rows become together.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum Merge {
    Pdf,
}

/// How rows are written.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum RowsFormat {
    Csv,
    Json,
    Ndjson,
}

/// Why a call about jobs gives none.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes JSON")]
pub(in crate::server) enum JobErrors {
    /// A parameter or header cannot be used
    #[response(status = 400)]
    Invalid(ErrorBody),
    /// No key, or an unknown one
    #[response(status = 401)]
    Key(ErrorBody),
    /// No such job, or no longer
    #[response(status = 404)]
    NotFound(ErrorBody),
    /// The store of jobs cannot do its work; `retry-after` says when to come again
    #[response(status = 503)]
    Store(ErrorBody),
}

/// Form of the answer.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum OutputFormat {
    #[serde(rename = "dataURL")]
    DataUrl,
    #[serde(rename = "url")]
    Url,
    #[serde(rename = "file")]
    File,
}

/// Kind of file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum FileFormat {
    Png,
    Jpeg,
    Jpg,
    Webp,
    Pdf,
}

/// A design as the editor's `toJSON()` gives it, with all the fields of the format; these are the outermost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Design {
    /// In px; pages may have their own.
    #[schema(default = 1080)]
    width: Option<Positive>,
    /// In px; pages may have their own.
    #[schema(default = 1080)]
    height: Option<Positive>,
    /// At least one.
    #[schema(min_items = 1)]
    pages: Vec<Page>,
}

/// One page of a design.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Page {
    /// Made up when absent.
    id: Option<String>,
    /// A colour, a linear gradient, or a picture's address.
    #[schema(default = "white")]
    background: Option<String>,
    /// Elements, the lowest first.
    children: Option<Vec<Element>>,
}

/// One element; more fields by its type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Element {
    /// Made up when absent.
    id: Option<String>,
    #[serde(rename = "type")]
    kind: ElementType,
    /// Of the left edge, in px.
    #[schema(default = 0)]
    x: Option<Number>,
    /// Of the upper edge, in px.
    #[schema(default = 0)]
    y: Option<Number>,
    /// In px.
    width: Option<Number>,
    /// In px.
    height: Option<Number>,
}

/// Kind of an element.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum ElementType {
    Text,
    Image,
    Svg,
    Figure,
    Line,
    Group,
    Table,
    Gif,
    Video,
}

/// What a caller may ask of a render.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Options {
    /// Device px per design px; 0.5 halves both sides.
    #[schema(default = 1)]
    pixel_ratio: Option<Positive>,
    /// Which page. Default: the first.
    page_id: Option<String>,
    /// Pages of a format with several. Default: all.
    page_ids: Option<Vec<String>>,
    /// No page background: transparent in PNG, white in JPEG.
    #[schema(default = false)]
    ignore_background: Option<bool>,
    /// The picture covers the bleed too.
    #[schema(default = false)]
    include_bleed: Option<bool>,
    /// Ours: the version of the editor's SDK that the design is drawn as. Default: `TENTER_SDK` of the service.
    sdk: Option<EditorVersion>,
    /// What happens to text taller than its box: `change-font-size`, `resize` or `ellipsis`.
    #[schema(default = "change-font-size")]
    text_overflow: Option<TextOverflow>,
    /// Texts keep their stored height, and `verticalAlign` counts.
    #[schema(default = false)]
    text_vertical_resize_enabled: Option<bool>,
    /// Ours: the box of texts without height, `fit` or `auto`.
    #[schema(default = "fit")]
    missing_height: Option<MissingHeight>,
    /// Ours: gradient lines as in CSS.
    #[schema(default = false)]
    css_gradients: Option<bool>,
    /// Draw without a picture that cannot be had, with a warning.
    #[schema(default = false)]
    skip_image_error: Option<bool>,
    /// Replace a font that cannot be had, with a warning.
    #[schema(default = false)]
    skip_font_error: Option<bool>,
    /// For one picture, all tries together, in ms.
    #[schema(default = 30000)]
    asset_load_timeout: Option<Length>,
    /// For one font, in ms.
    #[schema(default = 6000)]
    font_load_timeout: Option<Length>,
    /// Kind of file.
    format: Option<FileFormat>,
    /// Kind of file, as a media type; `format` wins.
    mime_type: Option<MimeType>,
    /// Of JPEG, 0 to 1.
    #[schema(default = 0.92)]
    quality: Option<Share>,
    /// Design px per inch of paper, or `auto`: the design's.
    dpi: Option<Positive>,
    /// Length of crop marks in design px.
    #[schema(default = 0)]
    crop_mark_size: Option<Length>,
    /// Keep shapes and text as such where the format can.
    #[schema(default = false)]
    vector: Option<bool>,
    color: Option<Color>,
    /// Print standard: `x-4`.
    pdfx: Option<Pdfx>,
    /// Conform to PDF/X-1a.
    #[schema(default = false)]
    pdfx1a: Option<bool>,
    /// Frames per second of animated formats.
    fps: Option<Positive>,
    /// Ours: what placeholders of the design become.
    variables: Option<BTreeMap<String, VariableValue>>,
}

/// Colour space of the file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Color {
    /// `RGB` or `CMYK`.
    #[schema(default = "RGB")]
    space: Option<Space>,
    /// `FOGRA39` or `USWebCoatedSWOP`.
    #[schema(default = "FOGRA39")]
    profile: Option<Profile>,
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
pub(in crate::server) struct Bytes;

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
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum EditorVersion {
    #[serde(rename = "4.4")]
    V4_4,
}

/// The box of a text without height.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes JSON")]
enum MissingHeight {
    Fit,
    Auto,
}

/// Kind of file, as a media type.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum MimeType {
    #[serde(rename = "image/png")]
    Png,
    #[serde(rename = "image/jpeg")]
    Jpeg,
}

/// Print standard.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum Pdfx {
    #[serde(rename = "x-4")]
    X4,
}

/// Colour space.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "describes JSON")]
enum Space {
    Rgb,
    Cmyk,
}

/// Printing condition.
#[derive(Serialize, ToSchema)]
#[expect(dead_code, reason = "describes JSON")]
enum Profile {
    #[serde(rename = "FOGRA39")]
    Fogra39,
    #[serde(rename = "USWebCoatedSWOP")]
    UsWebCoatedSwop,
}

/// Drawn as it is written.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes JSON")]
enum VariableValue {
    Text(String),
    Number(f64),
    Flag(bool),
}
