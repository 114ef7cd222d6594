//! HTTP: the classic render call, jobs, batches, links to results, health checks. In: the router and its layers
//! (request id, log line, panics, CORS); one file for each endpoint or concern. Not in: rendering (`pipeline`), the
//! states of a job (`jobs`). Imports: `jobs`, `pipeline`, `output` (the list of formats), `options`, `rows` (formats of
//! rows), `json`, `report`, `config`, `error`; axum and hyper appear only here.

// Lowest first: a file imports only from those above it.
mod api_error;
mod auth;
mod body;
mod lifecycle;
mod limits;
mod links;
mod metrics;
mod peer;
mod prefer;
mod query;
mod ranges;
mod schemas;
mod signed;
mod traces;

mod listen;

mod app;
mod log;
mod owner;
mod submission;

mod batches;
mod files;
mod health;
mod openapi;
mod pages;
mod render;
mod renders;
mod scrape;
mod templates;
mod variables;

use std::any::Any;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any as AnyOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::api_error::ApiError;

pub use self::app::App;
pub use self::lifecycle::Health;
pub use self::links::Files;
pub use self::listen::{Stopped, serve};
pub use self::signed::{SignError, sign_url};

/// How long browsers may cache the answer to a preflight request.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);

/// The routes of a worker, which takes its jobs from a queue: only health checks and metrics.
pub fn worker_router(app: App) -> Router {
    complete(process_routes().into(), app)
}

/// All routes of the service, with the layers that every request passes through.
pub fn router(app: App) -> Router {
    let pages = if app.settings.server.web_pages { pages::routes() } else { Router::new() };
    let (routes, document) = routes().split_for_parts();
    complete(routes.merge(pages).layer(Extension(openapi::ApiDescription::new(document))), app)
}

/// All calls of the API with their descriptions. Both the router and the OpenAPI document are built from this list.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(render::classic))
        .routes(routes!(variables::list))
        .routes(routes!(renders::create))
        .routes(routes!(renders::list))
        .routes(routes!(renders::show, renders::remove))
        .routes(routes!(renders::deliveries))
        .routes(routes!(renders::retry))
        .routes(routes!(batches::create, batches::list))
        .routes(routes!(batches::show, batches::remove))
        .routes(routes!(batches::items))
        .routes(routes!(batches::manifest))
        .routes(routes!(batches::archive))
        .routes(routes!(batches::retry))
        .routes(routes!(batches::deliveries))
        .routes(routes!(batches::retry_delivery))
        .routes(routes!(templates::list))
        .routes(routes!(templates::show, templates::put, templates::remove))
        .routes(routes!(templates::preview))
        .routes(routes!(files::serve))
        // The document has it as `/i/{picture}`, since a path there has no parameter with slashes.
        .route("/i/{*picture}", get(signed::serve))
        .routes(routes!(openapi::serve))
        .merge(process_routes())
}

/// Calls about the process: metrics and health checks. `/livez` and `/readyz` are aliases.
fn process_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(scrape::serve))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
}

/// `routes` with the answers to unknown calls, and the layers that every request passes through.
fn complete(routes: Router<App>, app: App) -> Router {
    let metrics = app.metrics.clone();
    let routes = routes
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .with_state(app)
        // `body::read` has its own limit, whose answer names the setting.
        .layer(DefaultBodyLimit::disable())
        .layer(cors())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(peer::WrongKeys::new(), peer::check))
        .layer(middleware::from_fn_with_state(metrics, metrics::count))
        .layer(middleware::from_fn(log::request));
    // A layer of the routes themselves would run after the path was matched.
    Router::new().fallback_service(routes).layer(middleware::map_request(without_trailing_slash))
}

/// `request` without a slash at the end of its path: some clients send one.
async fn without_trailing_slash(mut request: Request) -> Request {
    let uri = request.uri();
    let Some(path) = uri.path().strip_suffix('/').filter(|it| !it.is_empty()) else { return request };
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// CORS for browsers that call the API directly. Any origin is allowed, since keys are in the query or a header, never
/// in a cookie.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            auth::API_KEY,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::RANGE,
            prefer::PREFER,
            submission::IDEMPOTENCY_KEY,
            log::REQUEST_ID,
        ])
        .expose_headers([
            log::REQUEST_ID,
            header::RETRY_AFTER,
            header::ACCEPT_RANGES,
            header::CONTENT_RANGE,
            header::ETAG,
            HeaderName::from_static("server-timing"),
            limits::LIMIT,
            limits::REMAINING,
            limits::RESET,
            prefer::APPLIED,
            render::RENDERED_BY,
            render::RASTERIZER,
            render::WARNINGS,
            render::FINGERPRINT,
            render::CACHE,
            submission::REPLAYED,
        ])
        .max_age(PREFLIGHT_AGE)
}

fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let message = payload.downcast_ref::<&str>().map(|it| (*it).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    ApiError::Panicked(message).into_response()
}
