//! POST /api/render: renders a design and answers with the result.

use std::borrow::Cow;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::api_error::ApiError;
use super::app::App;
use super::body;
use super::links::link_base;
use super::log::RenderNotes;
use super::schemas;
use crate::error::Error;
use crate::json::{JsonParser, Problems, Reader};
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pipeline::{Pages, RenderRequest, Rendered, RenderedPage, Session, Stage, format_for};
use crate::report::{JsonPath, Warning};

/// Header with the painter of the page.
pub(super) const RENDERED_BY: HeaderName = HeaderName::from_static("x-rendered-by");
/// Header with the number of warnings; JSON answers contain them.
pub(super) const WARNINGS: HeaderName = HeaderName::from_static("x-tenter-warnings");
/// Header with the same value as [`RENDERED_BY`], for callers that count GPU pages.
pub(super) const RASTERIZER: HeaderName = HeaderName::from_static("x-tenter-rasterizer");
/// Header with the fingerprint: SHA-256 of all inputs of the file.
pub(super) const FINGERPRINT: HeaderName = HeaderName::from_static("x-tenter-fingerprint");
/// Header with `hit` or `miss`; absent without a result cache.
pub(super) const CACHE: HeaderName = HeaderName::from_static("x-tenter-cache");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Form of the answer (`outputFormat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OutputFormat {
    /// A data URL in a JSON answer.
    #[default]
    DataUrl,
    /// A link in a JSON answer.
    Url,
    /// The bytes of the file.
    File,
}

const OUTPUT_FORMATS: &[(&str, OutputFormat)] =
    &[("dataURL", OutputFormat::DataUrl), ("url", OutputFormat::Url), ("file", OutputFormat::File)];

const DESIGN: &str = "design";
const OPTIONS: &str = "exportOptions";

/// Options that are also accepted beside `design`; those in `exportOptions` take precedence.
const OPTIONS_BESIDE_DESIGN: &[&str] = &["textVerticalResizeEnabled", "variables"];

/// The request body of the call.
struct ClassicCall {
    design: Value,
    options: RenderOptions,
    format: &'static dyn Format,
    output: OutputFormat,
}

impl ClassicCall {
    fn read(bytes: &[u8], parser: JsonParser) -> Result<Self, Error> {
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
    fn read_members(
        value: &mut Value,
        problems: &mut Problems,
    ) -> Option<(RenderOptions, OutputFormat, Option<String>)> {
        let mut options = value.get_mut(OPTIONS).map(Value::take).unwrap_or_default();
        let mut body = Reader::new(value, JsonPath::root(), problems)?;
        let output = body.one_of("outputFormat", OUTPUT_FORMATS).unwrap_or_default();
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
}

/// Handler of `POST /api/render?KEY=…`.
#[utoipa::path(
    post,
    path = "/api/render",
    operation_id = "renderDesign",
    summary = "Render a design and wait for it",
    description = "Answers with the picture inside JSON, a link to it, or its bytes, as `outputFormat` asks.",
    request_body = schemas::ClassicCall,
    responses(
        (
            status = 200,
            description = "The picture",
            content(
                (Answer = "application/json"),
                (schemas::Bytes = "image/png"),
                (schemas::Bytes = "image/jpeg"),
                (schemas::Bytes = "image/webp"),
                (schemas::Bytes = "application/pdf"),
            ),
            headers(
                ("x-rendered-by" = String, description = "Name of the painter"),
                ("x-tenter-warnings" = String, description = "Number of warnings"),
                ("x-tenter-fingerprint" = String, description = "SHA-256 of all inputs of the file, in hex"),
                ("x-tenter-cache" = Option<String>, description = "With a result cache: `hit` or `miss`"),
                ("server-timing" = String, description = "Duration of each stage in milliseconds"),
            ),
        ),
        schemas::RenderErrors,
    ),
    security(("key" = []), ("bearer" = [])),
)]
pub(super) async fn classic(State(app): State<App>, request: Request) -> Response {
    let mut notes = RenderNotes::default();
    let answered = answer(&app, request, &mut notes).await;
    let timing = HeaderValue::from_str(&notes.timings.server_timing()).ok();
    let mut response = notes.attach_to(answered);
    if let Some(timing) = timing.filter(|it| !it.is_empty()) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    response
}

/// Checks in the order of their cost: the body is read after the key is checked, and parsed after admission.
async fn answer(app: &App, request: Request, notes: &mut RenderNotes) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let caller = app.keys.check(&head.uri, &head.headers)?;
    notes.caller = caller.map(str::to_owned);
    let _permit = app.limits.enter(caller, &mut notes.quota)?;
    body::check_media_type(&head.headers)?;
    let bytes = body::read(&head.headers, body, &app.settings.server).await?;
    let mut session = app.engine.admit().await?;
    let answered = answer_admitted(app, &mut session, &head.headers, bytes, notes).await;
    notes.timings = session.timings().clone();
    answered
}

async fn answer_admitted(
    app: &App,
    session: &mut Session,
    headers: &HeaderMap,
    bytes: Bytes,
    notes: &mut RenderNotes,
) -> Result<Response, ApiError> {
    let parser = JsonParser::new(app.settings.design.json_depth);
    let call = session.work(Stage::Parse, move || ClassicCall::read(&bytes, parser)).await??;
    let ClassicCall { design, options, format, output } = call;
    let pages = Pages::of(&options, format);
    let Rendered { mut pages, media_type, mut warnings, cache } =
        session.render(RenderRequest { design, at: DESIGN.into(), options, format, pages }).await?;
    let page = pages.pop().ok_or_else(|| Error::Internal("a render without pages".into()))?;
    let RenderedPage { bytes, rasterizer, fingerprint, .. } = page;
    notes.warnings = warnings.len();
    warnings.truncate(MAX_WARNINGS);
    let mut response = match output {
        OutputFormat::DataUrl => data_url(app, session, bytes, media_type, warnings).await?,
        OutputFormat::Url => link(app, session, headers, bytes, format, warnings).await?,
        OutputFormat::File => file(app, bytes, format)?,
    };
    let headers = response.headers_mut();
    headers.insert(RENDERED_BY, HeaderValue::from_static(rasterizer));
    headers.insert(RASTERIZER, HeaderValue::from_static(rasterizer));
    headers.insert(WARNINGS, HeaderValue::from(notes.warnings));
    if let Ok(fingerprint) = HeaderValue::from_str(&fingerprint.to_string()) {
        headers.insert(FINGERPRINT, fingerprint);
    }
    if let Some(cache) = cache.as_str() {
        headers.insert(CACHE, HeaderValue::from_static(cache));
    }
    Ok(response)
}

/// Maximum number of warnings in an answer; the header has the number of all.
const MAX_WARNINGS: usize = 100;

/// Body of a JSON answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Answer {
    /// A data URL or a link.
    url: String,
    /// Differences between the result and the design; at most 100 entries.
    warnings: Vec<Warning>,
}

async fn data_url(
    app: &App,
    session: &mut Session,
    bytes: Bytes,
    media_type: &'static str,
    warnings: Vec<Warning>,
) -> Result<Response, ApiError> {
    let limit = app.settings.server.inline_bytes;
    let encoded = bytes.len().div_ceil(3) * 4; // length in base64
    check_inline(encoded, limit)?;
    let json = session
        .work(Stage::Answer, move || {
            let url = format!("data:{media_type};base64,{}", STANDARD.encode(&bytes));
            serde_json::to_vec(&Answer { url, warnings })
        })
        .await?
        .map_err(|error| Error::Internal(error.to_string()))?;
    check_inline(json.len(), limit)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response())
}

async fn link(
    app: &App,
    session: &mut Session,
    headers: &HeaderMap,
    bytes: Bytes,
    format: &'static dyn Format,
    warnings: Vec<Warning>,
) -> Result<Response, ApiError> {
    let base = link_base(&app.settings.server, headers);
    let url = session.wait(Stage::Answer, app.files.put(bytes, format.extension(), &base)).await??;
    Ok(Json(Answer { url, warnings }).into_response())
}

fn file(app: &App, bytes: Bytes, format: &'static dyn Format) -> Result<Response, ApiError> {
    check_inline(bytes.len(), app.settings.server.inline_bytes)?;
    let disposition = format!("inline; filename=\"design.{}\"", format.extension());
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn check_inline(found: usize, limit: usize) -> Result<(), ApiError> {
    if found > limit { Err(ApiError::AnswerTooLarge { found, limit }) } else { Ok(()) }
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
        assert_eq!((call.format.name(), call.output), ("png", OutputFormat::DataUrl));
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
