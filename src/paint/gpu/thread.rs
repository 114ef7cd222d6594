//! The thread that owns one GPU: jobs in, pixels out, faults mended.
//!
//! It never waits for anything but its jobs and its device. Scenes come ready made from the CPU pool; rows are copied
//! out of mapped buffers there too. Whatever happens to the device, each order is answered once: by the GPU, or, handed
//! back to the CPU, by that.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::adapters::Adapter;
use super::device::{Fault, Gpu, Readback};
use super::guards::Refusal;
use super::scene::Part;
use super::{Core, Lane, Order};
use crate::paint::plan::{Kernel, SurfaceId};
use crate::paint::{PaintError, Painted};
use crate::raster::{Raster, Straight};
use crate::units::DeviceSize;

/// How long to wait for another job before looking at the device again.
const GLANCE: Duration = Duration::from_micros(200);
/// Before a device is set up anew: doubles from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// One step of a page, ready for the GPU.
pub(super) enum Step {
    /// Scenes that together make a surface.
    Draw { into: SurfaceId, parts: Vec<Part> },
    /// A pixel pass over a surface.
    Filter { from: SurfaceId, into: SurfaceId, kernel: Kernel },
}

/// A page for the GPU, and whom to answer.
pub(super) struct Job {
    pub(super) order: Order,
    pub(super) steps: Vec<Step>,
}

/// A page that the device works on.
struct Frame {
    order: Order,
    readbacks: Vec<Readback>,
    sent: Option<wgpu::SubmissionIndex>,
    /// Buffers not mapped yet.
    left: Arc<AtomicUsize>,
    deadline: Instant,
}

/// Why the thread stopped serving.
enum End {
    /// Nobody can send jobs any more.
    Closed,
    /// The device is of no use any more; these pages were in flight.
    Fault(Fault, Vec<Order>),
}

/// Runs until nobody can send jobs any more. Says once how the start went.
pub(super) fn run(
    lane: &Lane,
    adapter: &Adapter,
    core: &Arc<Core>,
    jobs: &Receiver<Job>,
    ready: &mpsc::SyncSender<Result<(), String>>,
) {
    let open = || {
        let opened = catch_unwind(AssertUnwindSafe(|| Gpu::open(adapter, &core.settings)));
        opened.unwrap_or_else(|_| Err("the driver's library panicked".into()))
    };
    let mut gpu = match open() {
        Ok(gpu) => gpu,
        // Whoever waited is gone when this fails.
        Err(message) => return drop(ready.send(Err(message))),
    };
    lane.set_up();
    let _ = ready.send(Ok(()));
    loop {
        let (fault, orders) = match serve(&mut gpu, lane, core, jobs) {
            End::Closed => return,
            End::Fault(fault, orders) => (fault, orders),
        };
        // Calls on a lost device are called invalid before anybody says that it is lost.
        let fault = match fault.kind {
            Refusal::Validation => {
                let _ = gpu.device.poll(wgpu::PollType::Poll);
                gpu.faults.get().unwrap_or(fault)
            }
            _ => fault,
        };
        tracing::error!(gpu = lane.name, %adapter, reason = fault.kind.label(), message = %fault.message, "GPU fault");
        lane.set_down(&fault);
        orders.into_iter().for_each(|order| core.paint_on_cpu(order, fault.kind));
        drop(gpu);
        let mut pause = FIRST_PAUSE;
        gpu = loop {
            if !hand_on(lane, core, jobs, pause) {
                return;
            }
            match open() {
                Ok(gpu) => break gpu,
                Err(message) => tracing::error!(gpu = lane.name, message, "the GPU does not come back; trying again"),
            }
            pause = (pause * 2).min(LAST_PAUSE);
        };
        lane.set_up();
        tracing::warn!(gpu = lane.name, "the GPU is back");
    }
}

/// Gives jobs to the CPU for the time of `pause`. False when nobody can send jobs any more.
fn hand_on(lane: &Lane, core: &Arc<Core>, jobs: &Receiver<Job>, pause: Duration) -> bool {
    let end = Instant::now() + pause;
    loop {
        match jobs.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(job) => {
                lane.left_queue();
                core.paint_on_cpu(job.order, Refusal::Down);
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn serve(gpu: &mut Gpu, lane: &Lane, core: &Arc<Core>, jobs: &Receiver<Job>) -> End {
    let mut ring: VecDeque<Frame> = VecDeque::new();
    let (unmapped, returned) = mpsc::channel();
    let mut open = true;
    let failed = |fault, ring: VecDeque<Frame>| End::Fault(fault, ring.into_iter().map(|it| it.order).collect());
    loop {
        returned.try_iter().for_each(|buffer| gpu.buffers.give(buffer));
        let room = ring.len() < core.settings.in_flight;
        let job = match (room && open, ring.is_empty()) {
            (false, true) => return End::Closed,
            (false, false) => None,
            (true, true) => jobs.recv().map_err(|_| open = false).ok(),
            (true, false) => match jobs.try_recv() {
                Ok(job) => Some(job),
                Err(TryRecvError::Empty) => jobs.recv_timeout(GLANCE).ok(),
                Err(TryRecvError::Disconnected) => {
                    open = false;
                    None
                }
            },
        };
        if let Some(Job { order, steps }) = job {
            lane.left_queue();
            if order.sender.is_closed() {
                continue;
            }
            match send(gpu, &order, &steps, core) {
                Ok((readbacks, sent, left)) => {
                    let deadline = Instant::now() + core.settings.timeout;
                    ring.push_back(Frame { order, readbacks, sent, left, deadline });
                }
                Err(fault) => {
                    let mut orders = vec![order];
                    orders.extend(ring.into_iter().map(|it| it.order));
                    return End::Fault(fault, orders);
                }
            }
        }
        let full = ring.len() >= core.settings.in_flight || !open;
        let Some(oldest) = ring.front() else { continue };
        let time_left = oldest.deadline.saturating_duration_since(Instant::now());
        if time_left.is_zero() {
            return failed(Fault::new(Refusal::Hung, format!("no answer in {:?}", core.settings.timeout)), ring);
        }
        #[cfg(test)]
        if core.hooks.hangs.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let poll = match (full, &oldest.sent) {
            (true, Some(index)) => {
                wgpu::PollType::Wait { submission_index: Some(index.clone()), timeout: Some(time_left) }
            }
            _ => wgpu::PollType::Poll,
        };
        // A wait that ran out is found by the deadline above.
        if let Err(error) = gpu.device.poll(poll)
            && !matches!(error, wgpu::PollError::Timeout)
        {
            gpu.faults.set(Fault::new(Refusal::DeviceLost, error.to_string()));
        }
        if let Some(fault) = gpu.faults.get() {
            return failed(fault, ring);
        }
        while ring.front().is_some_and(|it| it.left.load(Ordering::Acquire) == 0) {
            let Some(frame) = ring.pop_front() else { break };
            let (core, unmapped, name) = (core.clone(), unmapped.clone(), lane.name);
            let pool = core.pool.clone();
            pool.spawn(move || answer(frame, name, &core, &unmapped));
        }
    }
}

/// What was sent: buffers, the submission to wait for, and how many buffers are not mapped yet.
type Sent = (Vec<Readback>, Option<wgpu::SubmissionIndex>, Arc<AtomicUsize>);

/// Sends a page and asks for its buffers. A panic inside is a fault like others.
fn send(gpu: &mut Gpu, order: &Order, steps: &[Step], core: &Core) -> Result<Sent, Fault> {
    #[cfg(test)]
    core.hooks.before(gpu);
    #[cfg(not(test))]
    let _ = core;
    let sent = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(test)]
        core.hooks.panics();
        gpu.send(steps, &order.plan.surfaces)
    }));
    let (readbacks, sent) = sent.unwrap_or_else(|_| Err(Fault::new(Refusal::Panic, "a panic while sending")))?;
    let left = Arc::new(AtomicUsize::new(readbacks.len()));
    for readback in &readbacks {
        let (left, faults) = (left.clone(), gpu.faults.clone());
        readback.buffer.map_async(wgpu::MapMode::Read, .., move |mapped| match mapped {
            Ok(()) => drop(left.fetch_sub(1, Ordering::Release)),
            Err(error) => faults.set(Fault::new(Refusal::DeviceLost, error.to_string())),
        });
    }
    #[cfg(test)]
    core.hooks.after(gpu);
    match gpu.faults.get() {
        Some(fault) => Err(fault),
        None => Ok((readbacks, sent, left)),
    }
}

/// On the CPU pool: mapped rows into a picture, and that to whoever asked.
fn answer(frame: Frame, name: &'static str, core: &Core, unmapped: &mpsc::Sender<wgpu::Buffer>) {
    let Frame { order, readbacks, .. } = frame;
    let read = collect(&readbacks, order.plan.surfaces[0], order.plan.opaque);
    for Readback { buffer, .. } in readbacks {
        buffer.unmap();
        // The thread may be gone, and the buffer with it.
        let _ = unmapped.send(buffer);
    }
    match read {
        Some(raster) => core.answer(order, Painted { raster, by: name }),
        None => core.paint_here(order, Refusal::DeviceLost),
    }
}

/// `None` when a buffer cannot be read: its device is gone.
pub(super) fn collect(readbacks: &[Readback], size: DeviceSize, opaque: bool) -> Option<Raster<Straight>> {
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

impl Core {
    /// On the CPU pool, some time soon.
    fn paint_on_cpu(self: &Arc<Self>, order: Order, reason: Refusal) {
        let core = self.clone();
        self.pool.spawn(move || core.paint_here(order, reason));
    }

    /// The answer of a GPU, compared with the CPU's when its turn has come.
    fn answer(&self, order: Order, painted: Painted) {
        let painted = match self.check.is_due() {
            true => self.check.compare(&order, painted, &self.cpu),
            false => Ok(painted),
        };
        self.finish(order, painted);
    }

    /// Counts and sends.
    pub(super) fn finish(&self, order: Order, painted: Result<Painted, PaintError>) {
        if let Ok(painted) = &painted {
            self.counters.page(painted.by);
        }
        // A caller that left meanwhile does not need the picture.
        let _ = order.sender.send(painted);
    }
}

impl Lane {
    fn set_up(&self) {
        self.up.store(true, Ordering::SeqCst);
    }

    fn set_down(&self, fault: &Fault) {
        self.up.store(false, Ordering::SeqCst);
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
        let message = format!("{}: {}", fault.kind.label(), fault.message);
        *self.latest_fault.lock().unwrap_or_else(PoisonError::into_inner) = message;
    }

    fn left_queue(&self) {
        self.queued.fetch_sub(1, Ordering::SeqCst);
    }
}
