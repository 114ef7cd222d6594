//! Web pages: `/` to try a design, `/api` for the documentation of the API. The files of `web/` are part of the
//! program.
//!
//! They use the public API with a key that the user enters, and load nothing from other origins: the policy of every
//! file allows neither foreign nor inline code, and no other page may frame them.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::app::App;

/// One file with the route that serves it.
struct File {
    route: &'static str,
    media_type: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JSON: &str = "application/json";

macro_rules! file {
    ($route:literal, $media_type:expr, $path:literal) => {
        File { route: $route, media_type: $media_type, text: include_str!(concat!("../../", $path)) }
    };
}

static FILES: &[File] = &[
    file!("/", HTML, "web/index.html"),
    file!("/api", HTML, "web/api.html"),
    file!("/web/style.css", STYLE, "web/style.css"),
    file!("/web/try.js", SCRIPT, "web/try.js"),
    file!("/web/call.js", SCRIPT, "web/call.js"),
    file!("/web/locate.js", SCRIPT, "web/locate.js"),
    file!("/web/api.js", SCRIPT, "web/api.js"),
    file!("/web/icon.svg", SVG, "web/icon.svg"),
    file!("/web/examples/social-post.json", JSON, "examples/social-post.json"),
    file!("/web/examples/event-ticket.json", JSON, "examples/event-ticket.json"),
    file!("/web/examples/product-billboard.json", JSON, "examples/product-billboard.json"),
    file!("/web/examples/trail-brochure.json", JSON, "examples/trail-brochure.json"),
];

/// `blob:` URLs are created by the pages: for the rendered picture, and for the PDF in its frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                      frame-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of all files.
pub(super) fn routes() -> Router<App> {
    FILES.iter().fold(Router::new(), |router, file| router.route(file.route, get(async || serve(file))))
}

fn serve(file: &'static File) -> Response {
    let headers = [
        (header::CONTENT_TYPE, file.media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        // The next version of the program has other files under the same names.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (headers, file.text).into_response()
}
