//! HTTP only: the classic render call, links to results, health.
//!
//! In: the router and what every request passes (request id, log line, panics, CORS); one file an endpoint or concern.
//! Not in: what a render is (`pipeline`), settings' names beyond the messages that name them.
//! Imports: `pipeline`, `output` (the list of formats), `options`, `json`, `report`, `config`, `error`; axum and hyper
//! appear only here.

mod auth;
mod body;
mod files;
mod health;
mod listen;
mod log;
mod problem;
mod render;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{Any as AnyOrigin, CorsLayer};

use self::auth::KeyRing;
use self::problem::Refusal;
use crate::config::Settings;
use crate::error::Error;
use crate::pipeline::Engine;

pub use self::files::{Files, FilesError};
pub use self::health::Health;
pub use self::listen::{Stopped, serve};

/// What time it is. Tests bring their own.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The clock of the machine.
pub fn system_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    settings: Arc<Settings>,
    keys: Arc<KeyRing>,
    files: Files,
    health: Health,
}

impl App {
    /// `health` starts as not ready; the caller says when it is.
    pub fn new(engine: Engine, settings: Settings, files: Files, health: Health) -> Self {
        let keys = Arc::new(KeyRing::new(&settings.server.keys));
        Self { engine, settings: Arc::new(settings), keys, files, health }
    }
}

/// How long a browser may remember a preflight answer.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 3600);

/// All routes and what every request passes.
pub fn router(app: App) -> Router {
    let routes = Router::new()
        .route("/api/render", post(render::classic))
        .route("/api/renders", any(jobs))
        .route("/api/renders/{*rest}", any(jobs))
        .route("/files/{name}", get(files::serve))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::Method)
        .with_state(app);
    routes
        // `body::read` has its own limit, whose answer names the setting.
        .layer(DefaultBodyLimit::disable())
        .layer(cors())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(log::request))
}

/// The jobs API (http-api.md §3).
async fn jobs() -> Refusal {
    Error::NotBuilt("the jobs API is not built yet; POST /api/render answers with the picture or a link to it".into())
        .into()
}

/// Browsers call the API directly (http-api.md §1); the key is in the query or a header, never in a cookie.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AnyOrigin)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::OPTIONS])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            HeaderName::from_static("prefer"),
            log::REQUEST_ID,
        ])
        .expose_headers([
            log::REQUEST_ID,
            header::RETRY_AFTER,
            HeaderName::from_static("server-timing"),
            render::RENDERED_BY,
            render::RASTERIZER,
            render::WARNINGS,
        ])
        .max_age(PREFLIGHT_AGE)
}

fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let message = payload.downcast_ref::<&str>().map(|it| (*it).to_owned());
    let message = message.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    Refusal::Panicked(message).into_response()
}
