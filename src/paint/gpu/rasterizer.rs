//! The GPU rasterizer: it starts the threads of the GPUs and distributes pages over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::adapters::{Adapter, AdapterSelection, NAMES};
use super::check::Check;
use super::commands::RecordError;
use super::encode::encode_steps;
use super::encoded_page::{EncodedPage, PaintRequest};
use super::error::{GpuOpenError, NoUsableGpu};
use super::fallback::FallbackReason;
use super::shared::{Counters, GpuShared};
use super::state::GpuState;
use super::thread;
use crate::config::{GpuSettings, PaintSettings};
use crate::paint::cpu::{CpuPainter, CpuRasterizer};
use crate::paint::error::PaintError;
use crate::paint::limits::SurfaceLimits;
use crate::paint::plan::FramePlan;
use crate::paint::prefix_cache::PagePrefix;
use crate::paint::rasterizer::{Painted, Rasterizer};
use crate::paint::report::Report;
use crate::pool::{Pool, catch_panic};

/// Maximum number of pages queued for one GPU. A queued page keeps its scenes in memory, and beyond this length the CPU
/// finishes a page sooner.
const MAX_QUEUED_PAGES: usize = 64;

/// Rasterizer that distributes pages over one or more GPUs and paints on the CPU what they cannot.
pub struct GpuRasterizer {
    pub(super) shared: Arc<GpuShared>,
    /// `None` only while the rasterizer is dropped: the threads end when their channels are closed.
    pub(super) gpus: Option<Arc<Vec<GpuHandle>>>,
    threads: Vec<JoinHandle<()>>,
    refused: Vec<String>,
}

/// Sending side of one GPU: the queue of its thread and its published state.
pub(super) struct GpuHandle {
    queue: SyncSender<EncodedPage>,
    pub(super) state: Arc<GpuState>,
}

impl GpuRasterizer {
    /// Opens a device on every adapter of `selection` and compiles its pipelines. Blocks for seconds, until all are
    /// ready.
    ///
    /// # Errors
    /// When no adapter could be opened; the error names each adapter and the reason.
    pub fn new(
        pool: Arc<Pool>,
        paint: &PaintSettings,
        settings: &GpuSettings,
        selection: AdapterSelection,
    ) -> Result<Self, NoUsableGpu> {
        let shared = Arc::new(GpuShared {
            pool,
            cpu: CpuPainter::new(paint),
            settings: settings.clone(),
            counters: Counters::default(),
            check: Check::new(settings.check),
            #[cfg(test)]
            hooks: super::tests::TestHooks::default(),
        });
        let (mut gpus, mut threads, mut refused) = (Vec::new(), Vec::new(), selection.refused);
        for adapter in selection.used {
            match start(&shared, gpus.len(), &adapter) {
                Ok((handle, thread)) => {
                    gpus.push(handle);
                    threads.push(thread);
                }
                Err(error) => refused.push(format!("{adapter}: {error}")),
            }
        }
        if gpus.is_empty() {
            return Err(NoUsableGpu { refused });
        }
        Ok(Self { shared, gpus: Some(Arc::new(gpus)), threads, refused })
    }
}

/// Starts the thread of one GPU and waits until its device is open.
fn start(
    shared: &Arc<GpuShared>,
    index: usize,
    adapter: &Adapter,
) -> Result<(GpuHandle, JoinHandle<()>), GpuOpenError> {
    let state = Arc::new(GpuState::new(NAMES[index], adapter.clone()));
    let (sender, receiver) = mpsc::sync_channel(MAX_QUEUED_PAGES);
    let (ready, opened) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(NAMES[index].into()).spawn({
        let (shared, state, adapter) = (shared.clone(), state.clone(), adapter.clone());
        move || thread::run(&state, &adapter, &shared, &receiver, &ready)
    });
    let thread = thread.map_err(GpuOpenError::Thread)?;
    opened.recv().unwrap_or(Err(GpuOpenError::ThreadStopped))?;
    Ok((GpuHandle { queue: sender, state }, thread))
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
                dispatch(&shared, PaintRequest { plan, prefix, sender }, &gpus);
            }
        });
        receiver
    }

    fn report(&self) -> Report {
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let gpus = self.gpus.iter().flat_map(|gpus| gpus.iter());
        let gpus: Vec<_> = gpus.map(|it| it.state.report()).collect();
        let by_gpu = gpus.iter().zip(&counters.by_gpu).map(|(gpu, pages)| (gpu.name.clone(), count(pages)));
        let pages = [(CpuRasterizer::NAME.into(), count(&counters.by_cpu))].into_iter().chain(by_gpu).collect();
        Report {
            pages,
            gpus,
            refused: self.refused.clone(),
            fallbacks: FallbackReason::ALL
                .iter()
                .zip(&counters.fallbacks)
                .map(|(it, n)| (it.label().into(), count(n)))
                .collect(),
            checked: count(&self.shared.check.checked),
            differing: count(&self.shared.check.differing),
        }
    }
}

/// Runs on the CPU pool: encodes the plan for the GPU with the shortest queue and queues it there, or paints it at
/// once.
fn dispatch(shared: &GpuShared, request: PaintRequest, gpus: &[GpuHandle]) {
    let usable = gpus.iter().filter(|it| it.state.up.load(Ordering::SeqCst));
    let Some(gpu) = usable.min_by_key(|it| it.state.queued.load(Ordering::SeqCst)) else {
        return shared.paint_on_cpu(request, FallbackReason::Down);
    };
    let max_side = gpu.state.adapter.max_texture_side;
    // The CPU painter runs neither this code nor vello's encoder, so a panic in them does not affect it.
    let steps = catch_panic(|| encode_steps(&request, &shared.cpu.images, max_side, shared.is_unguarded()))
        .unwrap_or_else(|error| {
            tracing::error!(%error, "encoding a page for the GPU panicked; the CPU paints it");
            Err(RecordError::Refused(FallbackReason::Panic))
        });
    match steps {
        Ok(steps) => {
            gpu.state.queued.fetch_add(1, Ordering::SeqCst);
            if let Err(TrySendError::Full(page) | TrySendError::Disconnected(page)) =
                gpu.queue.try_send(EncodedPage { request, steps })
            {
                gpu.state.queued.fetch_sub(1, Ordering::SeqCst);
                shared.paint_on_cpu(page.request, FallbackReason::Busy);
            }
        }
        Err(RecordError::Refused(refusal)) => shared.paint_on_cpu(request, refusal),
        Err(RecordError::Failed(error)) => shared.finish(request, Err(error)),
    }
}
