//! GET /openapi.json: the calls, for tools and for the page at `/api`.
//!
//! Bodies of requests are read by hand (`json::Reader`), so that every problem is told at once; the structs here describe
//! them and are held against the reader by the tests below. Answers are described where they are written.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, PartialSchema, ToSchema};

use super::problem::ErrorBody;
use super::{files, health, metrics, render, renders};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "tenter",
        description = "Renders Polotno designs to files. Paths, fields and answers are those of Polotno's cloud render API \
                       where that is documented; a client changes the host."
    ),
    paths(
        render::classic,
        renders::create,
        renders::list,
        renders::show,
        renders::remove,
        renders::deliveries,
        renders::retry,
        files::serve,
        metrics::serve,
        health::live,
        health::ready,
        serve,
    ),
    modifiers(&Keys)
)]
struct Description;

/// Both ways to show a key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new("KEY"))));
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// What the calls take and answer, as OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/openapi.json",
    summary = "This description",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object))
)]
pub(super) async fn serve() -> Response {
    Json(Description::openapi()).into_response()
}

/// Why a render call gives no picture.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes JSON")]
pub(super) enum RenderErrors {
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
pub(super) struct ClassicCall {
    design: Design,
    /// Form of the answer: the picture inside JSON, a link to it, or its bytes.
    #[schema(default = "dataURL")]
    output_format: Option<OutputFormat>,
    /// Kind of file; wins over `exportOptions.format`.
    #[schema(default = "png")]
    format: Option<FileFormat>,
    export_options: Option<Options>,
    /// What placeholders of the design become; also taken in `exportOptions`.
    variables: Option<BTreeMap<String, Value>>,
}

/// Body of `POST /api/renders`: the design and, beside it, the options. `null` counts as absent; unknown members are
/// ignored.
#[derive(Serialize, ToSchema)]
pub(super) struct JobCall {
    design: Design,
    /// Is told of every change of the job.
    webhook: Option<String>,
    #[serde(flatten)]
    options: Options,
}

/// Why a call about jobs gives none.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes JSON")]
pub(super) enum JobErrors {
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
}

/// A design as the editor's `toJSON()` gives it, with all the fields of the format; these are the outermost.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Design {
    /// In px; pages may have their own.
    #[schema(default = 1080)]
    width: Option<Number>,
    /// In px; pages may have their own.
    #[schema(default = 1080)]
    height: Option<Number>,
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
    pixel_ratio: Option<Number>,
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
    /// What happens to text taller than its box: `change-font-size`, `resize` or `ellipsis`.
    #[schema(default = "change-font-size")]
    text_overflow: Option<String>,
    /// Texts keep their stored height, and `verticalAlign` counts.
    #[schema(default = false)]
    text_vertical_resize_enabled: Option<bool>,
    /// Ours: the box of texts without height, `fit` or `auto`.
    #[schema(default = "fit")]
    missing_height: Option<String>,
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
    asset_load_timeout: Option<Number>,
    /// For one font, in ms.
    #[schema(default = 6000)]
    font_load_timeout: Option<Number>,
    /// Kind of file.
    format: Option<FileFormat>,
    /// Kind of file, as a media type; `format` wins.
    mime_type: Option<String>,
    /// Of JPEG, 0 to 1.
    #[schema(default = 0.92)]
    quality: Option<Number>,
    /// Design px per inch of paper, or `auto`: the design's.
    dpi: Option<Number>,
    /// Length of crop marks in design px.
    #[schema(default = 0)]
    crop_mark_size: Option<Number>,
    /// Keep shapes and text as such where the format can.
    #[schema(default = false)]
    vector: Option<bool>,
    color: Option<Color>,
    /// Print standard: `x-4`.
    pdfx: Option<String>,
    /// Conform to PDF/X-1a.
    #[schema(default = false)]
    pdfx1a: Option<bool>,
    /// Frames per second of animated formats.
    fps: Option<Number>,
    /// Ours: what placeholders of the design become.
    variables: Option<BTreeMap<String, Value>>,
}

/// Colour space of the file.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Color {
    /// `RGB` or `CMYK`.
    #[schema(default = "RGB")]
    space: Option<String>,
    /// `FOGRA39` or `USWebCoatedSWOP`.
    #[schema(default = "FOGRA39")]
    profile: Option<String>,
}

/// A number, or a string that spells one.
#[derive(Serialize)]
struct Number(f64);

impl PartialSchema for Number {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::from_iter([Type::Number, Type::String]))
            .description(Some("A number, or a string that spells one"))
            .into()
    }
}

impl ToSchema for Number {}

/// The bytes of a file.
pub(super) struct Bytes;

impl PartialSchema for Bytes {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).description(Some("The bytes of a file")).into()
    }
}

impl ToSchema for Bytes {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Problems;
    use crate::options::RenderOptions;

    fn description() -> Value {
        serde_json::to_value(Description::openapi()).expect("JSON")
    }

    #[test]
    fn openapi_describes_the_options_that_are_read() {
        let description = description();
        let options =
            description["components"]["schemas"]["Options"]["properties"].as_object().expect("options").clone();
        for name in options.keys() {
            let mut problems = Problems::new();
            let value = json!({name: [[]]});
            RenderOptions::read(&value, "o".into(), &mut problems);
            let told = problems.into_vec().iter().any(|it| it.path.as_str().starts_with(&format!("o.{name}")));
            assert!(told, "{name} is described, but not read");
        }
        assert!(options["pixelRatio"].to_string().contains("0.5 halves both sides"), "{}", options["pixelRatio"]);
    }

    #[test]
    fn openapi_points_to_nothing_that_is_missing() {
        fn check(value: &Value, whole: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                        assert!(whole.pointer(target.trim_start_matches('#')).is_some(), "{target}");
                    }
                    members.values().for_each(|it| check(it, whole));
                }
                Value::Array(entries) => entries.iter().for_each(|it| check(it, whole)),
                _ => {}
            }
        }
        let description = description();
        check(&description, &description);
        assert!(description["paths"]["/api/render"]["post"]["responses"]["429"].is_object());
    }
}
