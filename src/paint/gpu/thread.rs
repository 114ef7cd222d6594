//! The thread that owns one GPU: it submits pages, waits for their pixels, and reopens the device after a fault.
//!
//! It blocks only on its queue and its device. The CPU pool encodes the scenes beforehand, and copies the rows out
//! of the mapped buffers afterwards. Each request is answered exactly once, by the GPU or, after a fault, by the CPU.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use super::adapters::Adapter;
use super::device::{Gpu, Readback};
use super::encoded_page::{EncodedPage, GpuStep, PaintRequest};
use super::error::GpuOpenError;
use super::fallback::FallbackReason;
use super::fault::Fault;
use super::shared::GpuShared;
use super::state::GpuState;
use crate::paint::rasterizer::Painted;
use crate::raster::{Raster, Straight};
use crate::units::DeviceSize;

/// Maximum wait for another page between two polls of the device.
const POLL_INTERVAL: Duration = Duration::from_micros(200);
/// Delay before the first attempt to reopen a device; it doubles with each failed attempt.
const MIN_REOPEN_DELAY: Duration = Duration::from_millis(100);
/// Maximum delay between two attempts to reopen a device.
const MAX_REOPEN_DELAY: Duration = Duration::from_secs(30);

/// A page that was submitted to the device and has not been read back.
struct InFlightPage {
    request: PaintRequest,
    readbacks: Vec<Readback>,
    submission: Option<wgpu::SubmissionIndex>,
    /// Number of readback buffers that are not mapped yet.
    unmapped: Arc<AtomicUsize>,
    deadline: Instant,
}

/// The reason why [`serve`] returned.
enum ServeExit {
    /// The queue is closed and all pages are answered.
    Closed,
    /// The device is unusable; the requests are those of the pages in flight.
    Fault(Fault, Vec<PaintRequest>),
}

/// Runs until the queue is closed. Sends exactly one value to `ready`: whether the device could be opened.
pub(super) fn run(
    state: &GpuState,
    adapter: &Adapter,
    shared: &Arc<GpuShared>,
    queue: &Receiver<EncodedPage>,
    ready: &mpsc::SyncSender<Result<(), GpuOpenError>>,
) {
    let open = || {
        let opened = catch_unwind(AssertUnwindSafe(|| Gpu::open(adapter, &shared.settings)));
        opened.unwrap_or(Err(GpuOpenError::DriverPanicked))
    };
    let mut gpu = match open() {
        Ok(gpu) => gpu,
        // Sending fails only when the receiver has given up, which needs no report.
        Err(error) => return drop(ready.send(Err(error))),
    };
    state.mark_up();
    let _ = ready.send(Ok(()));
    loop {
        let (fault, requests) = match serve(&mut gpu, state, shared, queue) {
            ServeExit::Closed => return,
            ServeExit::Fault(fault, requests) => (fault, requests),
        };
        // wgpu rejects calls on a lost device as invalid before it reports the loss.
        let fault = match fault.kind {
            FallbackReason::Validation => {
                let _ = gpu.device.poll(wgpu::PollType::Poll);
                gpu.faults.get().unwrap_or(fault)
            }
            _ => fault,
        };
        tracing::error!(gpu = state.name, %adapter, reason = fault.kind.label(), message = %fault.message, "GPU fault");
        state.mark_down(&fault);
        requests.into_iter().for_each(|request| shared.spawn_paint_on_cpu(request, fault.kind));
        drop(gpu);
        let mut delay = MIN_REOPEN_DELAY;
        gpu = loop {
            if !drain_to_cpu(state, shared, queue, delay) {
                return;
            }
            match open() {
                Ok(gpu) => break gpu,
                Err(error) => {
                    let message = error.to_string();
                    tracing::error!(gpu = state.name, message, "the GPU could not be reopened; trying again");
                }
            }
            delay = (delay * 2).min(MAX_REOPEN_DELAY);
        };
        state.mark_up();
        tracing::warn!(gpu = state.name, "the GPU was reopened after a fault");
    }
}

/// Passes queued pages on to the CPU for the duration of `delay`. Returns false when the queue is closed.
fn drain_to_cpu(state: &GpuState, shared: &Arc<GpuShared>, queue: &Receiver<EncodedPage>, delay: Duration) -> bool {
    let end = Instant::now() + delay;
    loop {
        match queue.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(page) => {
                state.count_dequeued();
                shared.spawn_paint_on_cpu(page.request, FallbackReason::Down);
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Submits pages and answers finished pages until the queue is closed or the device fails.
fn serve(gpu: &mut Gpu, state: &GpuState, shared: &Arc<GpuShared>, queue: &Receiver<EncodedPage>) -> ServeExit {
    let mut in_flight: VecDeque<InFlightPage> = VecDeque::new();
    let (buffer_return, returned_buffers) = mpsc::channel();
    let mut open = true;
    let failed = |fault, pages: VecDeque<InFlightPage>| {
        ServeExit::Fault(fault, pages.into_iter().map(|it| it.request).collect())
    };
    loop {
        returned_buffers.try_iter().for_each(|buffer| gpu.buffers.release(buffer));
        let has_capacity = in_flight.len() < shared.settings.in_flight;
        let page = match (has_capacity && open, in_flight.is_empty()) {
            (false, true) => return ServeExit::Closed,
            (false, false) => None,
            (true, true) => queue.recv().map_err(|_| open = false).ok(),
            (true, false) => match queue.try_recv() {
                Ok(page) => Some(page),
                Err(TryRecvError::Empty) => queue.recv_timeout(POLL_INTERVAL).ok(),
                Err(TryRecvError::Disconnected) => {
                    open = false;
                    None
                }
            },
        };
        if let Some(EncodedPage { request, steps }) = page {
            state.count_dequeued();
            if request.sender.is_closed() {
                continue;
            }
            match submit(gpu, &request, &steps, shared) {
                Ok((readbacks, submission, unmapped)) => {
                    let deadline = Instant::now() + shared.settings.timeout;
                    in_flight.push_back(InFlightPage { request, readbacks, submission, unmapped, deadline });
                }
                Err(fault) => {
                    let mut requests = vec![request];
                    requests.extend(in_flight.into_iter().map(|it| it.request));
                    return ServeExit::Fault(fault, requests);
                }
            }
        }
        let must_wait = in_flight.len() >= shared.settings.in_flight || !open;
        let Some(oldest) = in_flight.front() else { continue };
        let time_left = oldest.deadline.saturating_duration_since(Instant::now());
        if time_left.is_zero() {
            let message =
                format!("the page did not come back within {:?} (TENTER_GPU_TIMEOUT)", shared.settings.timeout);
            return failed(Fault::new(FallbackReason::Hung, message), in_flight);
        }
        #[cfg(test)]
        if shared.hooks.hangs.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let poll = match (must_wait, &oldest.submission) {
            (true, Some(index)) => {
                wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout: Some(time_left) }
            }
            _ => wgpu::PollType::Poll,
        };
        // The deadline above handles a wait that timed out.
        if let Err(error) = gpu.device.poll(poll)
            && !matches!(error, wgpu::PollError::Timeout)
        {
            gpu.faults.set(Fault::new(FallbackReason::DeviceLost, error.to_string()));
        }
        if let Some(fault) = gpu.faults.get() {
            return failed(fault, in_flight);
        }
        while in_flight.front().is_some_and(|it| it.unmapped.load(Ordering::Acquire) == 0) {
            let Some(page) = in_flight.pop_front() else { break };
            let (shared, buffer_return, name) = (shared.clone(), buffer_return.clone(), state.name);
            let pool = shared.pool.clone();
            pool.spawn(move || read_back(page, name, &shared, &buffer_return));
        }
    }
}

/// A submitted page: its readback buffers, the submission to wait for, and the number of buffers that are not mapped.
type Submitted = (Vec<Readback>, Option<wgpu::SubmissionIndex>, Arc<AtomicUsize>);

/// Submits a page and requests the mapping of its buffers. A panic inside becomes a [`Fault`].
fn submit(gpu: &mut Gpu, request: &PaintRequest, steps: &[GpuStep], shared: &GpuShared) -> Result<Submitted, Fault> {
    #[cfg(test)]
    shared.hooks.before_submit(gpu);
    #[cfg(not(test))]
    let _ = shared;
    let submitted = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        shared.hooks.panic_if_requested();
        gpu.submit(steps, &request.plan.surfaces)
    }));
    let panicked = |_| Err(Fault::new(FallbackReason::Panic, "submitting the page panicked"));
    let (readbacks, submission) = submitted.unwrap_or_else(panicked)?;
    let unmapped = Arc::new(AtomicUsize::new(readbacks.len()));
    for readback in &readbacks {
        let (unmapped, faults) = (unmapped.clone(), gpu.faults.clone());
        readback.buffer.map_async(wgpu::MapMode::Read, .., move |mapped| match mapped {
            Ok(()) => drop(unmapped.fetch_sub(1, Ordering::Release)),
            Err(error) => faults.set(Fault::new(FallbackReason::DeviceLost, error.to_string())),
        });
    }
    #[cfg(test)]
    shared.hooks.after_submit(gpu);
    match gpu.faults.get() {
        Some(fault) => Err(fault),
        None => Ok((readbacks, submission, unmapped)),
    }
}

/// Runs on the CPU pool: copies the mapped rows into a picture and answers the request with it.
fn read_back(page: InFlightPage, name: &'static str, shared: &GpuShared, buffer_return: &mpsc::Sender<wgpu::Buffer>) {
    let InFlightPage { request, readbacks, .. } = page;
    let raster = copy_rows(&readbacks, request.plan.surfaces[0], request.plan.opaque);
    for Readback { buffer, .. } in readbacks {
        buffer.unmap();
        // Sending fails only when the thread has ended, and then the buffer is dropped.
        let _ = buffer_return.send(buffer);
    }
    match raster {
        Some(raster) => shared.answer(request, Painted { raster, by: name }),
        None => shared.paint_on_cpu(request, FallbackReason::DeviceLost),
    }
}

/// Copies the rows of all `readbacks` into one picture of `size`; `opaque` sets every alpha to 255.
///
/// `None` when a buffer cannot be read, because its device was lost.
pub(super) fn copy_rows(readbacks: &[Readback], size: DeviceSize, opaque: bool) -> Option<Raster<Straight>> {
    let stride = size.width as usize * 4;
    let mut pixels = vec![0; stride * size.height as usize];
    for Readback { area, buffer, stride: padded } in readbacks {
        let view = buffer.get_mapped_range(..).ok()?;
        let (left, width) = (area.x as usize * 4, area.width as usize * 4);
        let rows = pixels.chunks_exact_mut(stride).skip(area.y as usize).take(area.height as usize);
        for (row, from) in rows.zip(view.chunks_exact(*padded as usize)) {
            row[left..left + width].copy_from_slice(&from[..width]);
        }
    }
    if opaque {
        pixels.chunks_exact_mut(4).for_each(|pixel| pixel[3] = 255);
    }
    Raster::from_pixels(size, pixels)
}
