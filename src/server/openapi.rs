//! GET /openapi.json: the calls of the router as an OpenAPI 3.1 document, for tools and for the page at `/api`.
//!
//! The document is built from the list of routes, so that it has every call. Request bodies are read with
//! [`crate::json::Reader`], which reports all problems at once; the structs of [`super::schemas`] describe them, and
//! the tests below compare the two. Answers are described by the types that are serialised.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use utoipa::openapi::RefOr;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::output::FORMATS;

/// Media type by which the descriptions of calls mean a file of any output format.
const ANY_FORMAT: &str = "*/*";

/// The document without calls: title, description, and the ways to send a key.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tenter",
        description = "Renders Polotno designs to files. Paths, fields and answers are those of Polotno's cloud render API \
                       where that is documented; a client changes the host."
    ),
    modifiers(&KeySchemes),
    paths(super::signed::serve)
)]
pub(super) struct Description;

/// The complete document, which the router hands to [`serve`]. Cheap to clone.
#[derive(Clone)]
pub(super) struct ApiDescription(Arc<utoipa::openapi::OpenApi>);

impl ApiDescription {
    /// Completes the document that describes the routes of the service.
    pub(super) fn new(document: utoipa::openapi::OpenApi) -> Self {
        Self(Arc::new(with_media_types(document)))
    }
}

/// Replaces [`ANY_FORMAT`] in answers by the media types of all output formats.
fn with_media_types(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let paths = document.paths.paths.values_mut();
    let operations = paths.flat_map(|path| [&mut path.get, &mut path.post]).flatten();
    for response in operations.flat_map(|operation| operation.responses.responses.values_mut()) {
        let RefOr::T(response) = response else { continue };
        if let Some(file) = response.content.shift_remove(ANY_FORMAT) {
            response.content.extend(FORMATS.iter().map(|format| (format.media_type().to_owned(), file.clone())));
        }
    }
    document
}

/// Adds the two ways to send an API key.
struct KeySchemes;

impl Modify for KeySchemes {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Query(ApiKeyValue::new("KEY"))));
        let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        components.add_security_scheme("header", header);
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Handler of `GET /openapi.json`.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "getDescription",
    summary = "This description",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object))
)]
pub(super) async fn serve(Extension(document): Extension<ApiDescription>) -> Response {
    Json(&*document.0).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::json::Problems;
    use crate::options::RenderOptions;
    use crate::output::FORMATS;
    use crate::report::JsonPath;

    fn description() -> Value {
        let document = super::ApiDescription::new(crate::server::routes().into_openapi());
        serde_json::to_value(&*document.0).expect("JSON")
    }

    /// Names of the members of the schema `name`.
    fn members(name: &str) -> BTreeSet<String> {
        let schema = &description()["components"]["schemas"][name];
        schema["properties"].as_object().expect("an object").keys().cloned().collect()
    }

    #[test]
    fn openapi_describes_exactly_the_options_that_are_read() {
        let mut problems = Problems::new();
        // Nested objects are present, so that their members are read too.
        RenderOptions::read(&json!({"color": {}, "variables": {}}), JsonPath::root(), &mut problems);
        let described = members("Options").into_iter();
        let described = described.chain(members("Color").into_iter().map(|it| format!("color.{it}")));
        assert_eq!(described.collect::<BTreeSet<_>>(), problems.asked());
    }

    #[test]
    fn openapi_has_all_output_formats() {
        let description = description();
        let schemas = &description["components"]["schemas"];
        assert_eq!(schemas["FileFormat"]["enum"], json!(["png", "jpeg", "jpg", "webp", "pdf"]));
        let media_types: BTreeSet<&str> = FORMATS.iter().map(|it| it.media_type()).collect();
        assert_eq!(schemas["MimeType"]["enum"].as_array().map(Vec::len), Some(media_types.len()));
        let answers = |path: &str, method: &str| {
            let content = &description["paths"][path][method]["responses"]["200"]["content"];
            content.as_object().expect("media types").keys().map(String::as_str).collect::<BTreeSet<_>>()
        };
        assert_eq!(answers("/files/{name}", "get"), media_types);
        assert_eq!(answers("/api/render", "post"), &media_types | &BTreeSet::from(["application/json"]));
    }

    #[test]
    fn openapi_has_one_id_for_each_operation() {
        let description = description();
        let paths = description["paths"].as_object().expect("paths").values();
        let operations = paths.flat_map(|path| path.as_object().expect("a path").values());
        let ids: Vec<_> = operations.map(|it| it["operationId"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        assert!(ids.len() >= 22, "{ids:?}");
    }

    #[test]
    fn openapi_references_exist() {
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
