//! Starts what several commands need: the tokio runtime and the render engine.

use super::failure::Failure;
use crate::config::Settings;
use crate::pipeline::Engine;

/// Starts tokio for sockets and timers; computing runs on the engine's own pool.
pub(super) fn start_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::Machine(format!("cannot start threads: {error}")))
}

/// Starts the engine. Its errors concern the settings, such as a rasterizer that is not built or an unreadable folder.
pub(super) fn start_engine(settings: &Settings) -> Result<Engine, Failure> {
    Engine::new(settings).map_err(|error| Failure::Usage(error.to_string()))
}
