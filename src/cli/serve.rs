//! `tenter serve`: connects engine, results, jobs, listener and signals.

use std::convert::Infallible;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::failure::Failure;
use super::flags::SettingFlags;
use super::startup::start_runtime;
use super::{log, memory};
use crate::config::{Loaded, Settings, Source};
use crate::jobs::{DataFolder, Jobs, Results, system_clock};
use crate::renderers::Renderers;
use crate::sandbox;
use crate::server::{self, App, Files, Health};
use crate::templates::Templates;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingFlags,
}

/// Role of a process in the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Answers API calls, and renders jobs unless they are in a cluster.
    FrontEnd,
    /// Takes jobs from a cluster; answers only health and metrics requests.
    Worker,
}

/// The components of a running service.
struct Components {
    settings: Settings,
    renderers: Renderers,
    results: Results,
    jobs: Jobs,
    /// Lock on the data folder while the service writes there; `None` in a cluster.
    folder: Option<DataFolder>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut loaded = arguments.settings.load()?;
    loaded.check_exposure()?;
    loaded.check_cluster()?;
    if !loaded.settings.nats.servers.is_empty() && loaded.source("TENTER_JOB_WORKERS") == Source::Default {
        // Separate worker processes render the jobs.
        loaded.settings.jobs.workers = 0;
    }
    start(loaded, Role::FrontEnd)
}

/// Runs the service in `role` until a signal.
pub(super) fn start(loaded: Loaded, role: Role) -> Result<(), Failure> {
    let Loaded { settings, unknown_variables, .. } = loaded;
    let runtime = start_runtime()?;
    let traces = log::start_with_traces(&settings.log, runtime.handle())?;
    for variable in unknown_variables {
        tracing::warn!(%variable, "there is no such setting; see `tenter settings`");
    }
    let components =
        if settings.nats.servers.is_empty() { embedded(&runtime, settings)? } else { clustered(&runtime, settings)? };
    let served = runtime.block_on(serve(components, role));
    drop(traces); // while there is a runtime to send the last ones
    served
}

fn embedded(runtime: &Runtime, settings: Settings) -> Result<Components, Failure> {
    let folder = DataFolder::open(&settings.files.data_dir).map_err(machine_failure)?;
    let results = Results::open(&settings.files, &folder).map_err(machine_failure)?;
    let renderers = start_renderers(runtime, &settings)?;
    let jobs =
        Jobs::open(&settings, &folder, renderers.clone(), results.clone(), system_clock()).map_err(machine_failure)?;
    Ok(Components { settings, renderers, results, jobs, folder: Some(folder) })
}

#[cfg(feature = "cluster")]
fn clustered(runtime: &Runtime, settings: Settings) -> Result<Components, Failure> {
    let results = Results::shared(&settings.files).map_err(machine_failure)?;
    let renderers = start_renderers(runtime, &settings)?;
    let jobs = runtime.block_on(Jobs::join(&settings, renderers.clone(), results.clone())).map_err(machine_failure)?;
    Ok(Components { settings, renderers, results, jobs, folder: None })
}

#[cfg(not(feature = "cluster"))]
fn clustered(_: &Runtime, _: Settings) -> Result<Components, Failure> {
    let reason = "TENTER_NATS_URL: this program was built without the feature `cluster`";
    Err(Failure::Usage(reason.into()))
}

/// Starts everything that renders. Errors concern the settings, such as a rasterizer that is not built or an unreadable
/// folder.
fn start_renderers(runtime: &Runtime, settings: &Settings) -> Result<Renderers, Failure> {
    if !sandbox::avoid_oom_kill() {
        tracing::debug!("the kernel does not protect this process when memory runs out");
    }
    runtime.block_on(Renderers::start(settings)).map_err(|error| Failure::Usage(error.to_string()))
}

fn machine_failure(error: impl std::fmt::Display) -> Failure {
    Failure::Machine(error.to_string())
}

async fn serve(components: Components, role: Role) -> Result<(), Failure> {
    let Components { settings, renderers, results, jobs, folder: _locked } = components;
    let templates = open_templates(&settings, role, &jobs, &renderers)?;
    let machine = |what: &str, error: std::io::Error| Failure::Machine(format!("{what}: {error}"));
    let listen = settings.server.listen;
    let listener = TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| machine(&format!("cannot listen on {listen} (TENTER_LISTEN)"), error))?;
    let address = listener.local_addr().map_err(|error| machine("cannot read the address of the listener", error))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| machine("cannot listen for signals", error))?;
    // A write beyond the limit of file sizes (RLIMIT_FSIZE) then fails instead of ending the process.
    let _file_size = signal(SignalKind::from_raw(libc::SIGXFSZ));
    let _file_size = _file_size.map_err(|error| machine("cannot listen for signals", error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| machine("cannot listen for signals", error))?;
    tracing::info!(
        %address,
        rasterizer = %renderers.rasterizer(),
        renderers = settings.render.renderers,
        workers = settings.render.workers,
        job_workers = settings.jobs.workers,
        queue = settings.render.queue,
        threads = settings.render.threads,
        keys = settings.server.keys.iter().count(),
        "listening"
    );

    let health = Health::default();
    let mut failed = None;
    let stop = async {
        let asked = async {
            tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" }
        };
        let mut asked = std::pin::pin!(asked);
        let started = async {
            match renderers.warm_up().await {
                Ok(()) => {
                    health.set_ready();
                    tracing::info!("ready");
                    std::future::pending().await
                }
                Err(error) => error,
            }
        };
        tokio::select! {
            signal = &mut asked => tracing::info!(signal, "stopping: finishing admitted requests"),
            error = started => failed = Some(error),
        }
        jobs.stop();
    };
    let files = Files::new(results.clone(), &settings.files, system_clock());
    let app =
        App::new(renderers.clone(), settings.clone(), files.clone(), jobs.clone(), templates.clone(), health.clone());
    let router = match role {
        Role::FrontEnd => server::router(app),
        Role::Worker => server::worker_router(app),
    };
    let serving = server::serve(listener, router, &settings.server, &health, stop);
    let working = work(&jobs, settings.server.stop_grace);
    // In a cluster, front ends do the maintenance for all processes.
    let maintaining = async {
        match role {
            Role::FrontEnd => {
                let sweep = settings.files.sweep_interval;
                tokio::select! {
                    () = files.keep_sweeping(sweep) => std::future::pending().await,
                    never = jobs.run_sweeps(sweep) => never,
                    never = jobs.run_maintenance() => never,
                    () = templates.watch() => std::future::pending().await,
                    () = templates.keep_sweeping(sweep) => std::future::pending().await,
                }
            }
            Role::Worker => std::future::pending().await,
        }
    };
    let (stopped, abandoned) = tokio::select! {
        both = async { tokio::join!(serving, working) } => both,
        // None of these futures completes.
        never = maintaining => match never {},
        never = check_bucket(&results) => match never {},
        never = memory::trim_periodically() => match never {},
    };
    if let Some(error) = failed {
        tracing::error!(%error, "the first render failed; not starting");
        return Err(error.into());
    }
    tracing::info!(cut = stopped.cut, abandoned, "stopped");
    Ok(())
}

/// Opens the templates. A worker gets calls with their designs, so that it needs no folder.
fn open_templates(settings: &Settings, role: Role, jobs: &Jobs, renderers: &Renderers) -> Result<Templates, Failure> {
    let mut settings = settings.clone();
    if role == Role::Worker {
        settings.templates.directory = None;
    }
    Templates::open(&settings, jobs, renderers).map_err(Failure::Usage)
}

/// Logs an unreachable or misconfigured bucket at the start; jobs only wait for it.
async fn check_bucket(results: &Results) -> Infallible {
    if let Err(error) = results.check().await {
        tracing::error!(%error, "cannot store results in TENTER_RESULTS");
    }
    std::future::pending().await
}

/// Runs jobs until the service stops; jobs that outlive `grace` are returned to the queue. Returns the number of those.
async fn work(jobs: &Jobs, grace: Duration) -> usize {
    let grace_over = async {
        jobs.stopped().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        () = jobs.run() => 0,
        () = grace_over => jobs.requeue_running().await,
    }
}
