//! Tests of the GPU painter on the first adapter of the machine, which may be a software adapter.
//!
//! Without an adapter they print a note and pass, unless `GPU_COLUMN=required`.

mod faults;
mod guards;
mod soak;
mod twins;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kurbo::{Affine, BezPath, Insets, Rect, Shape, Size};
use parking_lot::{Mutex, MutexGuard};
use peniko::Color;

use super::adapters::{adapters, select_adapters};
use super::device::Gpu;
use super::fallback::FallbackReason;
use super::rasterizer::GpuRasterizer;
use crate::config::{GpuSettings, PaintSettings};
use crate::paint::plan::FramePlan;
use crate::paint::planner::plan;
use crate::paint::{Painted, Rasterizer, SurfaceLimits};
use crate::pool::Pool;
use crate::raster::{Raster, Straight};
use crate::scene::{DecodedImage, Group, Node, Page, Path};
use crate::units::DeviceScale;

/// Behaviour that tests inject into a rasterizer.
#[derive(Default)]
pub(super) struct TestHooks {
    /// Pages are submitted without guards, which shows what the guards prevent.
    pub(super) unguarded: AtomicBool,
    /// Submitted pages never seem to finish.
    pub(super) hangs: AtomicBool,
    /// The fault that hits the next page.
    pub(super) next_fault: Mutex<Option<InjectedFault>>,
}

/// Kinds of faults that tests inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InjectedFault {
    /// The device is destroyed while a page is in flight.
    Destroyed,
    /// The driver reports that the device is out of memory.
    OutOfMemory,
    /// The device receives an invalid call.
    Invalid,
    /// The code that submits the page panics.
    Panic,
}

impl TestHooks {
    pub(super) fn before_submit(&self, gpu: &Gpu) {
        match self.take(|it| it != InjectedFault::Destroyed && it != InjectedFault::Panic) {
            // As the driver's callback does; a software adapter cannot run out of memory before the machine does.
            Some(InjectedFault::OutOfMemory) => {
                gpu.faults.on_error(&wgpu::Error::OutOfMemory { source: "injected".into() })
            }
            Some(InjectedFault::Invalid) => {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE;
                let descriptor = wgpu::BufferDescriptor { label: None, size: 16, usage, mapped_at_creation: false };
                drop(gpu.device.create_buffer(&descriptor));
            }
            Some(InjectedFault::Destroyed | InjectedFault::Panic) | None => {}
        }
    }

    pub(super) fn panic_if_requested(&self) {
        assert!(self.take(|it| it == InjectedFault::Panic).is_none(), "injected");
    }

    pub(super) fn after_submit(&self, gpu: &Gpu) {
        if self.take(|it| it == InjectedFault::Destroyed).is_some() {
            gpu.device.destroy();
        }
    }

    fn take(&self, which: impl Fn(InjectedFault) -> bool) -> Option<InjectedFault> {
        self.next_fault.lock().take_if(|it| which(*it))
    }
}

/// A rasterizer on the first adapter, with settings adjusted by `change`; `None` without an adapter.
fn rasterizer(change: impl FnOnce(&mut GpuSettings)) -> Option<GpuRasterizer> {
    let mut settings =
        GpuSettings { allow_software: true, timeout: Duration::from_secs(120), ..GpuSettings::default() };
    change(&mut settings);
    let mut selection = select_adapters(adapters(), &settings, true);
    selection.used.truncate(1);
    if selection.used.is_empty() {
        assert!(!is_required(), "GPU tests are required, and there is no adapter: {:?}", selection.refused);
        println!("skipped: this machine has no GPU adapter");
        return None;
    }
    let pool = Arc::new(Pool::new(2).expect("two threads"));
    Some(GpuRasterizer::new(pool, &PaintSettings::default(), &settings, selection).expect("the adapter comes up"))
}

/// The rasterizer shared by the tests of this process, locked for one test at a time.
fn shared_gpu() -> Option<MutexGuard<'static, GpuRasterizer>> {
    static SHARED: OnceLock<Option<Mutex<GpuRasterizer>>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| rasterizer(|_| ()).map(Mutex::new)).as_ref()?;
    Some(shared.lock())
}

#[expect(clippy::disallowed_methods, reason = "GPU_COLUMN configures these tests; it is no setting of the program")]
fn is_required() -> bool {
    std::env::var("GPU_COLUMN").is_ok_and(|it| it == "required")
}

impl GpuRasterizer {
    fn paint(&self, plan: &FramePlan) -> Painted {
        self.submit(plan.clone(), None).blocking_recv().expect("the rasterizer answers").expect("the page is painted")
    }

    fn paint_unguarded(&self, plan: &FramePlan) -> Raster<Straight> {
        self.shared.hooks.unguarded.store(true, Ordering::SeqCst);
        let painted = self.paint(plan);
        self.shared.hooks.unguarded.store(false, Ordering::SeqCst);
        assert_eq!(painted.by, "gpu0");
        painted.raster
    }

    fn paint_on_the_cpu(&self, plan: &FramePlan) -> Raster<Straight> {
        self.shared.cpu.paint(plan, None, &|| false).expect("a picture").raster
    }

    fn fallbacks(&self, reason: FallbackReason) -> u64 {
        let report = self.report();
        report.fallbacks.iter().find(|(label, _)| *label == reason.label()).map_or(0, |(_, count)| *count)
    }

    fn inject(&self, fault: InjectedFault) {
        *self.shared.hooks.next_fault.lock() = Some(fault);
    }

    fn wait_until_up(&self) {
        while !self.report().gpus.iter().all(|it| it.up) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn planned(width: f64, height: f64, children: Vec<Node>) -> FramePlan {
    let root = Group { children, ..Group::default() };
    let page = Page { size: Size::new(width, height), bleed: Insets::ZERO, root };
    plan(&page, DeviceScale::ONE, SurfaceLimits { side: 65_280, megapixels: 100.0 }).expect("within limits")
}

fn group(group: Group) -> Node {
    Node::Group(Box::new(group))
}

fn rect(x: f64, y: f64, width: f64, height: f64) -> BezPath {
    Rect::new(x, y, x + width, y + height).to_path(0.1)
}

fn filled(outline: BezPath, color: Color) -> Node {
    Node::Path(Path::filled(outline, color))
}

/// A page whose gradient has no stop at either end. vello by itself paints it up to 27 levels off.
fn gradient_without_end_stops(side: f64) -> FramePlan {
    let stops = [(0.2, Color::from_rgb8(0x3b, 0x53, 0x2a)), (0.94, Color::from_rgb8(0xb2, 0x9a, 0xa6))];
    let gradient = peniko::Gradient::new_linear((0.0, 0.0), (side, 0.0)).with_stops(stops);
    planned(side, side, vec![Node::Path(Path::filled(rect(0.0, 0.0, side, side), gradient))])
}

/// A picture of which every px is `color`.
fn solid_picture(width: u32, height: u32, color: [u8; 4]) -> Arc<DecodedImage> {
    let pixels = color.repeat(width as usize * height as usize);
    Arc::new(DecodedImage::new(width, height, pixels).expect("as many bytes as pixels"))
}

fn image_node(picture: &Arc<DecodedImage>, dest: Rect) -> Node {
    let source = Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height));
    let (picture, passes) = (picture.clone(), Vec::new());
    Node::Image(crate::scene::Image { picture, source, dest, passes, opacity: crate::units::Opacity::OPAQUE })
}

fn rotated(node: Node, degrees: f64, around: (f64, f64)) -> Node {
    let transform = Affine::rotate_about(degrees.to_radians(), around);
    group(Group { transform, children: vec![node], ..Group::default() })
}
