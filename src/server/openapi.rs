//! GET /openapi.json: the calls, for tools and for the page at `/api`.
//!
//! Bodies of requests are read by hand (`json::Reader`), so that every problem is told at once; the structs of `bodies` describe
//! them and are held against the reader by the tests below. Answers are described where they are written.

mod bodies;

use axum::Json;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

pub(super) use self::bodies::{BatchBody, Bytes, ClassicCall, JobCall, JobErrors, RenderErrors};
use super::{batches, files, health, metrics, render, renders};

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
        batches::create,
        batches::list,
        batches::show,
        batches::items,
        batches::manifest,
        batches::archive,
        batches::retry,
        batches::deliveries,
        batches::retry_delivery,
        batches::remove,
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
