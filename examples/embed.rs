//! Renders the first page of a design to a PNG, without the service:
//!
//! ```sh
//! cargo run --release --no-default-features --example embed -- examples/event-ticket.json ticket.png
//! ```

use std::error::Error;

use tenter::config::Settings;
use tenter::options::RenderOptions;
use tenter::pipeline::{Engine, Pages, RenderRequest, format_for};
use tenter::report::JsonPath;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(design), Some(png)) = (arguments.next(), arguments.next()) else {
        return Err("usage: embed DESIGN.json PICTURE.png".into());
    };
    let design = serde_json::from_slice(&std::fs::read(design)?)?;
    let engine = Engine::new(&Settings::default())?;
    let options = RenderOptions::default();
    let format = format_for(Some(("png", JsonPath::root())), &options)?;
    let pages = Pages::of(&options, format);
    let rendered = engine.render(RenderRequest { design, at: JsonPath::root(), options, format, pages }).await?;
    for warning in &rendered.warnings {
        eprintln!("{}: {}", warning.path, warning.message);
    }
    std::fs::write(png, &rendered.pages[0].bytes)?;
    Ok(())
}
