//! HTTP only: the classic render call, jobs, batches, links to results, health.
//!
//! In: the router and what every request passes (request id, log line, panics, CORS); one file an endpoint or concern.
//! Not in: what a render is (`pipeline`), what becomes of a job (`jobs`), settings' names beyond the messages that name them.
//! Imports: `jobs`, `pipeline`, `output` (the list of formats), `options`, `rows` (how they are written), `json`, `report`, `config`, `error`; axum and hyper
//! appear only here.

mod auth;
mod batches;
mod body;
mod files;
mod health;
mod limits;
mod listen;
mod log;
mod metrics;
mod openapi;
mod own;
mod pages;
mod patience;
mod prefer;
mod problem;
mod render;
mod renders;
mod traces;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any as AnyOrigin, CorsLayer};

use self::auth::KeyRing;
use self::limits::Limits;
use self::metrics::Metrics;
use self::problem::Refusal;
use crate::config::{Settings, Switch};
use crate::jobs::Jobs;
use crate::pipeline::Engine;

pub use self::files::Files;
pub use self::health::Health;
pub use self::listen::{Stopped, serve};

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    settings: Arc<Settings>,
    keys: Arc<KeyRing>,
    limits: Arc<Limits>,
    files: Files,
    jobs: Jobs,
    health: Health,
    metrics: Metrics,
}

impl App {
    /// `health` starts as not ready; the caller says when it is.
    pub fn new(engine: Engine, settings: Settings, files: Files, jobs: Jobs, health: Health) -> Self {
        let keys = Arc::new(KeyRing::new(&settings.server.keys));
        let limits = Arc::new(Limits::new(&settings.server));
        let metrics = Metrics::new(&engine);
        Self { engine, settings: Arc::new(settings), keys, limits, files, jobs, health, metrics }
    }
}

/// How long a browser may remember a preflight answer.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);

/// What a worker answers, which takes its work from a queue: whether it lives, and counts.
pub fn worker_router(app: App) -> Router {
    complete(Router::new(), app)
}

/// All routes and what every request passes.
pub fn router(app: App) -> Router {
    let pages = match app.settings.server.pages {
        Switch::On => pages::routes(),
        Switch::Off => Router::new(),
    };
    let routes = Router::new()
        .merge(pages)
        .route("/api/render", post(render::classic))
        .route("/api/renders", post(renders::create))
        .route("/api/renders/list", get(renders::list))
        .route("/api/renders/{id}", get(renders::show).delete(renders::remove))
        .route("/api/renders/{id}/deliveries", get(renders::deliveries))
        .route("/api/renders/{id}/deliveries/{delivery}/retry", post(renders::retry))
        .route("/api/batches", post(batches::create).get(batches::list))
        .route("/api/batches/{id}", get(batches::show).delete(batches::remove))
        .route("/api/batches/{id}/items", get(batches::items))
        .route("/api/batches/{id}/manifest", get(batches::manifest))
        .route("/api/batches/{id}/archive", get(batches::archive))
        .route("/api/batches/{id}/retry", post(batches::retry))
        .route("/api/batches/{id}/deliveries", get(batches::deliveries))
        .route("/api/batches/{id}/deliveries/{delivery}/retry", post(batches::retry_delivery))
        .route("/files/{name}", get(files::serve))
        .route("/openapi.json", get(openapi::serve));
    complete(routes, app)
}

/// With the routes that every process has, and what every request passes on its way.
fn complete(routes: Router<App>, app: App) -> Router {
    let metrics = app.metrics.clone();
    routes
        .route("/metrics", get(metrics::serve))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::Method)
        .with_state(app)
        // `body::read` has its own limit, whose answer names the setting.
        .layer(DefaultBodyLimit::disable())
        .layer(cors())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(metrics, metrics::count))
        .layer(middleware::from_fn(log::request))
}

/// Browsers call the API directly (http-api.md §1); the key is in the query or a header, never in a cookie.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE, Method::OPTIONS])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            prefer::PREFER,
            renders::IDEMPOTENCY_KEY,
            log::REQUEST_ID,
        ])
        .expose_headers([
            log::REQUEST_ID,
            header::RETRY_AFTER,
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
            renders::REPLAYED,
        ])
        .max_age(PREFLIGHT_AGE)
}

fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let message = payload.downcast_ref::<&str>().map(|it| (*it).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    Refusal::Panicked(message).into_response()
}
