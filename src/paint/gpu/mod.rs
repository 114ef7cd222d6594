//! The GPU painter: vello's compute pipeline through wgpu, offscreen, and never a wrong page.
//!
//! In: wgpu and vello, and nothing of them outside; the shaders of `shaders/`. Not in: what a plan is made of, file
//! formats. Imports, besides what `paint` may: `paint`'s own parts. A page's way: on the CPU pool it is taken apart
//! (`list`), encoded and held against vello's limits (`scene`, `guards`); the GPU's thread sends it (`thread`, `device`,
//! `passes`); on the CPU pool its rows are read back. What a guard refuses, and what a fault leaves unanswered, the CPU
//! paints.

mod adapters;
mod cache;
mod check;
mod device;
mod guards;
mod list;
mod passes;
mod recolor;
mod ring;
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
use self::guards::{Refusal, SIDE};
use self::list::NoList;
use self::scene::Encoder;
use self::thread::{Job, Step};
use super::cpu::CpuPainter;
use super::plan::{self, FramePlan};
use super::{CpuRasterizer, GpuReport, PaintError, Painted, Rasterizer, Report, SurfaceLimits};
use crate::config::{GpuSettings, PaintSettings};
use crate::pool::{Pool, caught};

pub use self::adapters::{Adapter, Chosen, adapters, choose};

/// What GPUs are called, in the order in which they were chosen.
const NAMES: [&str; 16] = [
    "gpu0", "gpu1", "gpu2", "gpu3", "gpu4", "gpu5", "gpu6", "gpu7", "gpu8", "gpu9", "gpu10", "gpu11", "gpu12", "gpu13",
    "gpu14", "gpu15",
];
/// Jobs that may wait for one GPU. Each holds its scenes in memory; beyond, the CPU is quicker.
const QUEUE: usize = 64;

/// Paints on GPUs, and on the CPU what they cannot.
pub struct GpuRasterizer {
    core: Arc<Core>,
    /// Taken when dropped, so that the threads see their channels closed.
    lanes: Option<Arc<Vec<Entrance>>>,
    threads: Vec<JoinHandle<()>>,
    refused: Vec<String>,
}

/// What the threads and the pool's work share.
struct Core {
    pool: Arc<Pool>,
    cpu: CpuPainter,
    settings: GpuSettings,
    counters: Counters,
    check: Check,
    #[cfg(test)]
    hooks: tests::Hooks,
}

/// A page, and whom to answer.
struct Order {
    plan: FramePlan,
    sender: oneshot::Sender<Result<Painted, PaintError>>,
}

/// The way to one GPU.
struct Entrance {
    jobs: SyncSender<Job>,
    lane: Arc<Lane>,
}

/// What is known of one GPU from outside of its thread.
struct Lane {
    name: &'static str,
    adapter: Adapter,
    up: AtomicBool,
    queued: AtomicUsize,
    rebuilds: AtomicU64,
    latest_fault: Mutex<String>,
}

/// Since the start.
#[derive(Default)]
struct Counters {
    by_cpu: AtomicU64,
    by_gpu: [AtomicU64; NAMES.len()],
    fallbacks: [AtomicU64; Refusal::ALL.len()],
}

impl Counters {
    fn page(&self, by: &'static str) {
        let gpu = NAMES.iter().position(|name| *name == by);
        gpu.map_or(&self.by_cpu, |gpu| &self.by_gpu[gpu]).fetch_add(1, Ordering::Relaxed);
    }

    fn fallback(&self, reason: Refusal) {
        if let Some(at) = Refusal::ALL.iter().position(|it| *it == reason) {
            self.fallbacks[at].fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl GpuRasterizer {
    /// Sets up every adapter of `chosen`, compiles for it, and returns when all are ready; takes seconds.
    ///
    /// # Errors
    /// In words, when none comes up.
    pub fn new(pool: Arc<Pool>, paint: &PaintSettings, settings: &GpuSettings, chosen: Chosen) -> Result<Self, String> {
        let core = Arc::new(Core {
            pool,
            cpu: CpuPainter::new(paint),
            settings: settings.clone(),
            counters: Counters::default(),
            check: Check::new(settings.check),
            #[cfg(test)]
            hooks: tests::Hooks::default(),
        });
        let (mut lanes, mut threads, mut refused) = (Vec::new(), Vec::new(), chosen.refused);
        let starting: Vec<_> = chosen.used.into_iter().map(|adapter| start(&core, lanes.len(), adapter)).collect();
        for started in starting {
            match started {
                Ok((entrance, thread)) => {
                    lanes.push(entrance);
                    threads.push(thread);
                }
                Err(why) => refused.push(why),
            }
        }
        if lanes.is_empty() {
            let none = "no GPU can be used".to_owned();
            return Err(if refused.is_empty() { none } else { format!("{none}: {}", refused.join("; ")) });
        }
        Ok(Self { core, lanes: Some(Arc::new(lanes)), threads, refused })
    }
}

/// One GPU's thread, once it is ready.
fn start(core: &Arc<Core>, index: usize, adapter: Adapter) -> Result<(Entrance, JoinHandle<()>), String> {
    let lane = Arc::new(Lane {
        name: NAMES[index],
        adapter: adapter.clone(),
        up: AtomicBool::new(false),
        queued: AtomicUsize::new(0),
        rebuilds: AtomicU64::new(0),
        latest_fault: Mutex::default(),
    });
    let (sender, receiver) = mpsc::sync_channel(QUEUE);
    let (ready, started) = mpsc::sync_channel(1);
    let running = std::thread::Builder::new().name(NAMES[index].into()).spawn({
        let (core, lane, adapter) = (core.clone(), lane.clone(), adapter.clone());
        move || thread::run(&lane, &adapter, &core, &receiver, &ready)
    });
    let running = running.map_err(|error| format!("{adapter}: no thread: {error}"))?;
    let opened = started.recv().unwrap_or_else(|_| Err("its thread stopped".into()));
    opened.map_err(|why| format!("{adapter}: {why}"))?;
    Ok((Entrance { jobs: sender, lane }, running))
}

impl Drop for GpuRasterizer {
    fn drop(&mut self) {
        self.lanes = None;
        // Pages in flight are answered first; a device that hangs is given up at its deadline.
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

    /// The CPU's: it paints what a GPU cannot.
    fn limits(&self) -> SurfaceLimits {
        self.core.cpu.limits
    }

    fn submit(&self, plan: FramePlan) -> oneshot::Receiver<Result<Painted, PaintError>> {
        let (sender, receiver) = oneshot::channel();
        let Some(lanes) = self.lanes.clone() else { return receiver };
        let core = self.core.clone();
        self.core.pool.spawn(move || {
            if !sender.is_closed() {
                core.prepare(Order { plan, sender }, &lanes);
            }
        });
        receiver
    }

    fn report(&self) -> Report {
        let counters = &self.core.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let lanes = self.lanes.iter().flat_map(|lanes| lanes.iter());
        let gpus: Vec<_> = lanes.map(|it| it.lane.report()).collect();
        let by_gpu = gpus.iter().zip(&counters.by_gpu).map(|(gpu, pages)| (gpu.name, count(pages)));
        let pages = [(CpuRasterizer::NAME, count(&counters.by_cpu))].into_iter().chain(by_gpu).collect();
        Report {
            pages,
            gpus,
            refused: self.refused.clone(),
            fallbacks: Refusal::ALL.iter().zip(&counters.fallbacks).map(|(it, n)| (it.label(), count(n))).collect(),
            checked: count(&self.core.check.checked),
            differing: count(&self.core.check.differing),
        }
    }
}

impl Lane {
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

impl Core {
    /// On the CPU pool: a plan becomes scenes for the GPU with the shortest queue, or a picture here.
    fn prepare(&self, order: Order, lanes: &[Entrance]) {
        let free = lanes.iter().filter(|it| it.lane.up.load(Ordering::SeqCst));
        let Some(to) = free.min_by_key(|it| it.lane.queued.load(Ordering::SeqCst)) else {
            return self.paint_here(order, Refusal::Down);
        };
        let max_side = to.lane.adapter.max_texture_side;
        // A panic here is one of ours or of vello's encoder; the CPU has neither in its way.
        let steps = caught(|| self.steps(&order, max_side)).unwrap_or_else(|error| {
            tracing::error!(%error, "a page could not be encoded for the GPU");
            Err(NoList::Refused(Refusal::Panic))
        });
        match steps {
            Ok(steps) => {
                to.lane.queued.fetch_add(1, Ordering::SeqCst);
                if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) =
                    to.jobs.try_send(Job { order, steps })
                {
                    to.lane.queued.fetch_sub(1, Ordering::SeqCst);
                    self.paint_here(job.order, Refusal::Busy);
                }
            }
            Err(NoList::Refused(refusal)) => self.paint_here(order, refusal),
            Err(NoList::Failed(error)) => self.finish(order, Err(error)),
        }
    }

    fn steps(&self, order: &Order, max_side: u32) -> Result<Vec<Step>, NoList> {
        let FramePlan { surfaces, steps, .. } = &order.plan;
        let unguarded = self.is_unguarded();
        let mut premultiplied = vec![false; surfaces.len()];
        for step in steps {
            if let plan::Step::Filter { into, .. } = step {
                premultiplied[into.0] = true;
            }
        }
        let encoder =
            Encoder { photos: &self.cpu.photos, surfaces, premultiplied: &premultiplied, max_side, unguarded };
        let step = |step: &plan::Step| match step {
            plan::Step::Draw { into, ops } => {
                let size = surfaces[into.0];
                if into.0 > 0 && size.width.max(size.height) > max_side.min(SIDE) {
                    return Err(NoList::Refused(Refusal::PageSize));
                }
                let abandoned = || order.sender.is_closed();
                let commands = list::record(ops, size, surfaces, &self.cpu.photos, unguarded, &abandoned)?;
                let parts = encoder.parts(&commands, size).map_err(NoList::Refused)?;
                Ok(Step::Draw { into: *into, parts })
            }
            plan::Step::Filter { from, into, kernel } => {
                if !passes::is_bounded(kernel, surfaces[into.0].pixels()) {
                    return Err(NoList::Refused(Refusal::Effects));
                }
                Ok(Step::Filter { from: *from, into: *into, kernel: kernel.clone() })
            }
        };
        steps.iter().map(step).collect()
    }

    /// The CPU's picture, on this thread of its pool.
    fn paint_here(&self, order: Order, reason: Refusal) {
        self.counters.fallback(reason);
        let painted = self.cpu.paint(&order.plan, &|| order.sender.is_closed());
        self.finish(order, painted);
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
