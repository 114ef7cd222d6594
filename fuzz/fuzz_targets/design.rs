//! Designs, from JSON to a PNG.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tenter::config::Settings;
use tenter::json::JsonParser;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, format_for};
use tenter::report::JsonPath;
use tokio::runtime::Runtime;

/// A small engine that fetches nothing: the addresses that it may reach do not answer.
static ENGINE: LazyLock<(Runtime, Engine)> = LazyLock::new(|| {
    let mut settings = Settings::default();
    settings.paint.megapixels = 1.0;
    settings.assets.megapixels = 1.0;
    settings.assets.tries = 1;
    settings.render.threads = 1;
    let runtime = Runtime::new().expect("a runtime");
    (runtime, Engine::new(&settings).expect("an engine"))
});

fuzz_target!(|bytes: &[u8]| {
    // Names are not resolved, so that the target needs no network.
    if bytes.windows(4).any(|it| it.eq_ignore_ascii_case(b"http")) {
        return;
    }
    let Ok(design) = JsonParser::new(100).parse(bytes) else { return };
    let options = RenderOptions { skip_image_error: true, skip_font_error: true, ..RenderOptions::default() };
    let format = format_for(Some(("png", JsonPath::root())), &options).expect("known");
    let request = RenderRequest { design, at: JsonPath::root(), options, format, pages: Pages::First };
    let (runtime, engine) = &*ENGINE;
    let _ = runtime.block_on(engine.render(request));
});
