//! The GPU painter: vello's compute pipeline on an offscreen wgpu device, with fallback to the CPU painter.
//!
//! In: every use of wgpu and vello, and the shaders of `shaders/`. Not in: how a page is planned, file formats. Imports
//! what `paint` may import, and the rest of `paint`. A page passes through three steps: the CPU pool flattens its
//! operations into commands (`list`), encodes them as vello scenes and checks those against vello's limits (`scene`,
//! `guards`); the GPU's thread submits them (`thread`, `device`, `passes`); the CPU pool copies the rows out of the
//! mapped buffers. The CPU paints every page that a guard refuses or that a device fault leaves unfinished.

mod adapters;
mod cache;
mod check;
mod device;
mod guards;
mod list;
mod passes;
mod recolor;
mod resource_pool;
mod scene;
#[cfg(test)]
mod tests;
mod thread;
mod upright;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use self::check::Check;
use self::guards::{FallbackReason, MAX_SCENE_SIDE};
use self::list::RecordError;
use self::scene::Encoder;
use self::thread::{GpuJob, GpuStep};
use super::cpu::CpuPainter;
use super::plan::{self, FramePlan};
use super::{CpuRasterizer, GpuReport, PagePrefix, PaintError, Painted, Rasterizer, Report, SurfaceLimits};
use crate::config::{GpuSettings, PaintSettings};
use crate::pool::{Pool, catch_panic};

pub use self::adapters::{Adapter, AdapterSelection, adapters, select_adapters};

/// Names of the GPUs in reports, metrics and `x-tenter-rasterizer`, in the order in which the adapters were chosen.
const NAMES: [&str; 16] = [
    "gpu0", "gpu1", "gpu2", "gpu3", "gpu4", "gpu5", "gpu6", "gpu7", "gpu8", "gpu9", "gpu10", "gpu11", "gpu12", "gpu13",
    "gpu14", "gpu15",
];
/// Maximum number of jobs queued for one GPU. A queued job keeps its scenes in memory, and beyond this length the CPU
/// finishes a page sooner.
const MAX_QUEUED_JOBS: usize = 64;

/// Rasterizer that distributes pages over one or more GPUs and paints on the CPU what they cannot.
pub struct GpuRasterizer {
    shared: Arc<Shared>,
    /// `None` only while the rasterizer is dropped: the threads end when their channels are closed.
    gpus: Option<Arc<Vec<GpuHandle>>>,
    threads: Vec<JoinHandle<()>>,
    refused: Vec<String>,
}

/// State shared by the GPU threads and the tasks on the CPU pool.
struct Shared {
    pool: Arc<Pool>,
    cpu: CpuPainter,
    settings: GpuSettings,
    counters: Counters,
    check: Check,
    #[cfg(test)]
    hooks: tests::TestHooks,
}

/// A planned page and the channel that receives its picture.
struct PaintRequest {
    plan: FramePlan,
    /// Used when the CPU paints the page.
    prefix: Option<PagePrefix>,
    sender: oneshot::Sender<Result<Painted, PaintError>>,
}

/// Sending side of one GPU: the queue of its thread and its published state.
struct GpuHandle {
    jobs: SyncSender<GpuJob>,
    state: Arc<GpuState>,
}

/// State of one GPU that its thread publishes for other threads.
struct GpuState {
    name: &'static str,
    adapter: Adapter,
    up: AtomicBool,
    queued: AtomicUsize,
    rebuilds: AtomicU64,
    latest_fault: Mutex<String>,
}

/// Counts of pages since the program started.
#[derive(Default)]
struct Counters {
    by_cpu: AtomicU64,
    by_gpu: [AtomicU64; NAMES.len()],
    fallbacks: [AtomicU64; FallbackReason::ALL.len()],
}

impl Counters {
    fn count_page(&self, by: &'static str) {
        let gpu = NAMES.iter().position(|name| *name == by);
        gpu.map_or(&self.by_cpu, |gpu| &self.by_gpu[gpu]).fetch_add(1, Ordering::Relaxed);
    }

    fn count_fallback(&self, reason: FallbackReason) {
        if let Some(index) = FallbackReason::ALL.iter().position(|it| *it == reason) {
            self.fallbacks[index].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl GpuRasterizer {
    /// Opens a device on every adapter of `chosen` and compiles its pipelines. Blocks for seconds, until all are ready.
    ///
    /// # Errors
    /// A message that names each adapter and its failure, when no adapter could be opened.
    pub fn new(
        pool: Arc<Pool>,
        paint: &PaintSettings,
        settings: &GpuSettings,
        chosen: AdapterSelection,
    ) -> Result<Self, String> {
        let shared = Arc::new(Shared {
            pool,
            cpu: CpuPainter::new(paint),
            settings: settings.clone(),
            counters: Counters::default(),
            check: Check::new(settings.check),
            #[cfg(test)]
            hooks: tests::TestHooks::default(),
        });
        let (mut gpus, mut threads, mut refused) = (Vec::new(), Vec::new(), chosen.refused);
        let starting: Vec<_> = chosen.used.into_iter().map(|adapter| start(&shared, gpus.len(), adapter)).collect();
        for started in starting {
            match started {
                Ok((handle, thread)) => {
                    gpus.push(handle);
                    threads.push(thread);
                }
                Err(why) => refused.push(why),
            }
        }
        if gpus.is_empty() {
            let message = "no GPU can be used".to_owned();
            return Err(if refused.is_empty() { message } else { format!("{message}: {}", refused.join("; ")) });
        }
        Ok(Self { shared, gpus: Some(Arc::new(gpus)), threads, refused })
    }
}

/// Starts the thread of one GPU and waits until its device is open.
fn start(shared: &Arc<Shared>, index: usize, adapter: Adapter) -> Result<(GpuHandle, JoinHandle<()>), String> {
    let state = Arc::new(GpuState {
        name: NAMES[index],
        adapter: adapter.clone(),
        up: AtomicBool::new(false),
        queued: AtomicUsize::new(0),
        rebuilds: AtomicU64::new(0),
        latest_fault: Mutex::default(),
    });
    let (sender, receiver) = mpsc::sync_channel(MAX_QUEUED_JOBS);
    let (ready, started) = mpsc::sync_channel(1);
    let running = std::thread::Builder::new().name(NAMES[index].into()).spawn({
        let (shared, state, adapter) = (shared.clone(), state.clone(), adapter.clone());
        move || thread::run(&state, &adapter, &shared, &receiver, &ready)
    });
    let running = running.map_err(|error| format!("{adapter}: its thread could not be started: {error}"))?;
    let opened = started.recv().unwrap_or_else(|_| Err("its thread stopped while the device was opened".into()));
    opened.map_err(|why| format!("{adapter}: {why}"))?;
    Ok((GpuHandle { jobs: sender, state }, running))
}

impl Drop for GpuRasterizer {
    fn drop(&mut self) {
        self.gpus = None;
        // Each thread first finishes its pages in flight; a device that hangs is abandoned at the page's deadline.
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a GPU's thread panicked");
            }
        }
    }
}

impl Rasterizer for GpuRasterizer {
    fn name(&self) -> &'static str {
        "gpu"
    }

    /// The CPU painter's limits, because it paints what a GPU cannot.
    fn limits(&self) -> SurfaceLimits {
        self.shared.cpu.limits
    }

    fn submit(&self, plan: FramePlan, prefix: Option<PagePrefix>) -> oneshot::Receiver<Result<Painted, PaintError>> {
        let (sender, receiver) = oneshot::channel();
        let Some(gpus) = self.gpus.clone() else { return receiver };
        let shared = self.shared.clone();
        self.shared.pool.spawn(move || {
            if !sender.is_closed() {
                shared.prepare(PaintRequest { plan, prefix, sender }, &gpus);
            }
        });
        receiver
    }

    fn report(&self) -> Report {
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let gpus = self.gpus.iter().flat_map(|gpus| gpus.iter());
        let gpus: Vec<_> = gpus.map(|it| it.state.report()).collect();
        let by_gpu = gpus.iter().zip(&counters.by_gpu).map(|(gpu, pages)| (gpu.name, count(pages)));
        let pages = [(CpuRasterizer::NAME, count(&counters.by_cpu))].into_iter().chain(by_gpu).collect();
        Report {
            pages,
            gpus,
            refused: self.refused.clone(),
            fallbacks: FallbackReason::ALL
                .iter()
                .zip(&counters.fallbacks)
                .map(|(it, n)| (it.label(), count(n)))
                .collect(),
            checked: count(&self.shared.check.checked),
            differing: count(&self.shared.check.differing),
        }
    }
}

impl GpuState {
    fn report(&self) -> GpuReport {
        GpuReport {
            name: self.name,
            adapter: self.adapter.name.clone(),
            driver: self.adapter.driver.clone(),
            pci_bus_id: self.adapter.pci_bus_id.clone(),
            software: self.adapter.software,
            max_texture_side: self.adapter.max_texture_side,
            up: self.up.load(Ordering::SeqCst),
            queued: self.queued.load(Ordering::SeqCst),
            rebuilds: self.rebuilds.load(Ordering::Relaxed),
            latest_fault: self.latest_fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Shared {
    /// Runs on the CPU pool: encodes the plan for the GPU with the shortest queue and queues it there, or paints it at
    /// once.
    fn prepare(&self, request: PaintRequest, gpus: &[GpuHandle]) {
        let usable = gpus.iter().filter(|it| it.state.up.load(Ordering::SeqCst));
        let Some(gpu) = usable.min_by_key(|it| it.state.queued.load(Ordering::SeqCst)) else {
            return self.paint_on_cpu(request, FallbackReason::Down);
        };
        let max_side = gpu.state.adapter.max_texture_side;
        // The CPU painter runs neither this code nor vello's encoder, so a panic in them does not affect it.
        let steps = catch_panic(|| self.encode_steps(&request, max_side)).unwrap_or_else(|error| {
            tracing::error!(%error, "encoding a page for the GPU panicked; the CPU paints it");
            Err(RecordError::Refused(FallbackReason::Panic))
        });
        match steps {
            Ok(steps) => {
                gpu.state.queued.fetch_add(1, Ordering::SeqCst);
                if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) =
                    gpu.jobs.try_send(GpuJob { request, steps })
                {
                    gpu.state.queued.fetch_sub(1, Ordering::SeqCst);
                    self.paint_on_cpu(job.request, FallbackReason::Busy);
                }
            }
            Err(RecordError::Refused(refusal)) => self.paint_on_cpu(request, refusal),
            Err(RecordError::Failed(error)) => self.finish(request, Err(error)),
        }
    }

    fn encode_steps(&self, request: &PaintRequest, max_side: u32) -> Result<Vec<GpuStep>, RecordError> {
        let FramePlan { surfaces, steps, .. } = &request.plan;
        let unguarded = self.is_unguarded();
        let mut premultiplied = vec![false; surfaces.len()];
        for step in steps {
            if let plan::Step::Filter { into, .. } = step {
                premultiplied[into.0] = true;
            }
        }
        let encoder =
            Encoder { images: &self.cpu.images, surfaces, premultiplied: &premultiplied, max_side, unguarded };
        let step = |step: &plan::Step| match step {
            plan::Step::Draw { into, ops } => {
                let size = surfaces[into.0];
                if into.0 > 0 && size.width.max(size.height) > max_side.min(MAX_SCENE_SIDE) {
                    return Err(RecordError::Refused(FallbackReason::PageSize));
                }
                let abandoned = || request.sender.is_closed();
                let commands = list::record(ops, size, surfaces, &self.cpu.images, unguarded, &abandoned)?;
                let parts = encoder.parts(&commands, size).map_err(RecordError::Refused)?;
                Ok(GpuStep::Draw { into: *into, parts })
            }
            plan::Step::Filter { from, into, kernel } => {
                if !passes::is_bounded(kernel, surfaces[into.0].pixels()) {
                    return Err(RecordError::Refused(FallbackReason::Effects));
                }
                Ok(GpuStep::Filter { from: *from, into: *into, kernel: kernel.clone() })
            }
        };
        steps.iter().map(step).collect()
    }

    /// Paints on the current thread, which belongs to the CPU pool, and replies.
    fn paint_on_cpu(&self, request: PaintRequest, reason: FallbackReason) {
        self.counters.count_fallback(reason);
        let painted = self.cpu.paint(&request.plan, request.prefix.as_ref(), &|| request.sender.is_closed());
        self.finish(request, painted);
    }

    #[cfg(test)]
    fn is_unguarded(&self) -> bool {
        self.hooks.unguarded.load(Ordering::SeqCst)
    }

    #[cfg(not(test))]
    fn is_unguarded(&self) -> bool {
        false
    }
}
