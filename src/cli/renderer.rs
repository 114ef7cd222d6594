//! `tenter renderer`: a render process of a service. The service starts it with a socket as standard input.

use std::os::fd::AsFd;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::startup::start_runtime;
use super::{log, memory};
use crate::config::{Given, RasterizerChoice, Settings};
use crate::renderers::{GpuList, serve_calls};
use crate::sandbox::{self, Allowed, Confinement, Probe};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Process id of the service.
    #[arg(long)]
    parent: Option<u32>,
    /// Print the GPUs that paint, and those that do not, as JSON.
    #[arg(long)]
    gpus: bool,
    /// Confine the process, try what it must not do, and print the results as JSON.
    #[arg(long)]
    probe: bool,
}

/// What `tenter renderer --probe` prints.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ProbeReport {
    /// What the kernel enforces.
    pub(super) confinement: Confinement,
    /// What the process tried.
    pub(super) attempts: Vec<Probe>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = Settings::load(&Given::from_process(Vec::new(), None))?.settings;
    let allowed = allowed(&settings);
    give_up(arguments, &settings).map_err(|error| Failure::Machine(format!("cannot confine a renderer: {error}")))?;
    // Before there are other threads, which would not be confined.
    let files = sandbox::confine_files(&allowed);
    let confine = move || Confinement { files, system_calls: sandbox::confine_system_calls(&allowed) };
    if arguments.probe {
        let confinement = confine();
        println!("{}", serde_json::json!(ProbeReport { confinement, attempts: sandbox::probe() }));
        return Ok(());
    }
    if arguments.gpus {
        println!("{}", serde_json::json!(gpus(&settings)));
        return Ok(());
    }
    log::start(&settings.log);
    let socket = std::io::stdin().as_fd().try_clone_to_owned();
    let socket = socket.map_err(|error| Failure::Machine(format!("standard input is no socket: {error}")))?;
    start_runtime()?.block_on(async {
        tokio::select! {
            served = serve_calls(socket, &settings, confine) => Ok(served?),
            never = memory::trim_periodically() => match never {},
        }
    })
}

#[cfg(feature = "gpu")]
fn gpus(settings: &Settings) -> GpuList {
    use crate::paint::gpu::{adapters, select_adapters};

    let is_required = settings.render.rasterizer == RasterizerChoice::Gpu;
    let selection = select_adapters(adapters(), &settings.gpu, is_required);
    GpuList { used: selection.used.iter().map(|it| it.index).collect(), refused: selection.refused }
}

#[cfg(not(feature = "gpu"))]
fn gpus(_: &Settings) -> GpuList {
    GpuList::default()
}

/// Ties the process to its service, and takes from it what it does not need.
fn give_up(arguments: &Arguments, settings: &Settings) -> std::io::Result<()> {
    sandbox::prefer_as_oom_victim()?;
    if settings.render.renderer_memory > 0 {
        // The service ends a process long before. This bounds what can be allocated between two of its looks.
        let resident = settings.render.renderer_memory as u64;
        sandbox::limit_data(resident.saturating_mul(4).saturating_add(1 << 30))?;
    }
    sandbox::give_up_privileges()?;
    arguments.parent.map_or(Ok(()), sandbox::die_with_parent)
}

/// The files that renders need: fonts and colour profiles, the devices of GPUs, and the folder of compiled pipelines.
fn allowed(settings: &Settings) -> Allowed {
    let folders = [&settings.fonts.directory, &settings.icc.directory];
    let read = folders.into_iter().flatten().cloned().collect();
    let devices = settings.render.rasterizer != RasterizerChoice::Cpu;
    // Without the folder, saving the pipelines fails with a warning, and the next start is slower.
    let can_write = |folder: &&PathBuf| devices && std::fs::create_dir_all(folder).is_ok();
    let write = settings.gpu.cache_directory.iter().filter(can_write).cloned().collect();
    Allowed { read, write, devices }
}
