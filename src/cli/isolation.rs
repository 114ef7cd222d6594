//! Where the commands for files render: in this process, or with `--isolate` in confined render processes.

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::failure::Failure;
use super::startup::start_engine;
use crate::calls::DESIGN;
use crate::config::Settings;
use crate::error::Error;
use crate::output::Format;
use crate::renderers::Renderers;
use crate::report::{JsonPath, Problem, Warning};

#[derive(clap::Args)]
pub(super) struct IsolationFlags {
    /// Render in confined processes, as `tenter serve` does: for designs, pictures and fonts that you do not trust
    #[arg(long)]
    isolate: bool,
}

impl IsolationFlags {
    /// Starts what renders. `processes`: number of render processes with `--isolate`.
    pub(super) fn start(&self, runtime: &Runtime, settings: &Settings, processes: usize) -> Result<Renderers, Failure> {
        if !self.isolate {
            return Ok(Renderers::in_process(start_engine(settings)?, settings));
        }
        let mut settings = settings.clone();
        settings.render.renderers = processes.max(1);
        runtime.block_on(Renderers::start(&settings)).map_err(|error| Failure::Usage(error.to_string()))
    }
}

/// The body of a job, or of a batch's template: the design and, beside it, its options. `options`: an object or null.
pub(super) fn body(design: &Value, options: &Value, format: &dyn Format) -> Bytes {
    let mut body = options.as_object().cloned().unwrap_or_else(Map::new);
    body.remove("mimeType");
    body.insert("format".into(), format.name().into());
    body.insert(DESIGN.into(), design.clone());
    Value::Object(body).to_string().into()
}

/// The error with paths in the design's own file, instead of in a body that contains it.
pub(super) fn in_design_file(error: Error) -> Error {
    error.map_problems(|problem| Problem { path: outside(&problem.path), ..problem })
}

/// The warnings with paths in the design's own file.
pub(super) fn warnings_in_design_file(warnings: Vec<Warning>) -> Vec<Warning> {
    warnings.into_iter().map(|warning| Warning { path: outside(&warning.path), ..warning }).collect()
}

fn outside(path: &JsonPath) -> JsonPath {
    path.inside(DESIGN).unwrap_or_else(|| path.clone())
}
