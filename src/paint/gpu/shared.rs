//! State shared by the threads of all GPUs and the tasks on the CPU pool, and how requests are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::adapters::NAMES;
use super::check::Check;
use super::encoded_page::PaintRequest;
use super::fallback::FallbackReason;
#[cfg(test)]
use super::tests::TestHooks;
use crate::config::GpuSettings;
use crate::paint::cpu::CpuPainter;
use crate::paint::error::PaintError;
use crate::paint::rasterizer::Painted;
use crate::pool::Pool;

/// State shared by the GPU threads and the tasks on the CPU pool.
pub(super) struct GpuShared {
    pub(super) pool: Arc<Pool>,
    pub(super) cpu: CpuPainter,
    pub(super) settings: GpuSettings,
    pub(super) counters: Counters,
    pub(super) check: Check,
    #[cfg(test)]
    pub(super) hooks: TestHooks,
}

/// Counts of pages since the program started.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) by_cpu: AtomicU64,
    pub(super) by_gpu: [AtomicU64; NAMES.len()],
    pub(super) fallbacks: [AtomicU64; FallbackReason::ALL.len()],
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

impl GpuShared {
    /// Paints on the current thread, which belongs to the CPU pool, and replies.
    pub(super) fn paint_on_cpu(&self, request: PaintRequest, reason: FallbackReason) {
        self.counters.count_fallback(reason);
        let painted = self.cpu.paint(&request.plan, request.prefix.as_ref(), &|| request.sender.is_closed());
        self.finish(request, painted);
    }

    /// True when a test paints scenes without guards.
    #[cfg(test)]
    pub(super) fn is_unguarded(&self) -> bool {
        self.hooks.unguarded.load(Ordering::SeqCst)
    }

    /// True when a test paints scenes without guards.
    #[cfg(not(test))]
    pub(super) fn is_unguarded(&self) -> bool {
        false
    }

    /// Queues the request on the CPU pool, where the CPU painter paints it.
    pub(super) fn spawn_paint_on_cpu(self: &Arc<Self>, request: PaintRequest, reason: FallbackReason) {
        let shared = self.clone();
        self.pool.spawn(move || shared.paint_on_cpu(request, reason));
    }

    /// Answers the request with a GPU's picture, after a comparison with the CPU's picture when one is due.
    pub(super) fn answer(&self, request: PaintRequest, painted: Painted) {
        let painted = match self.check.is_due() {
            true => self.check.compare(&request, painted, &self.cpu),
            false => Ok(painted),
        };
        self.finish(request, painted);
    }

    /// Counts the page and sends the result to the caller.
    pub(super) fn finish(&self, request: PaintRequest, painted: Result<Painted, PaintError>) {
        if let Ok(painted) = &painted {
            self.counters.count_page(painted.by);
        }
        // Sending fails only when the caller has left.
        let _ = request.sender.send(painted);
    }
}
