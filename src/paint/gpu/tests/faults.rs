//! Devices that are lost, full, misused or stuck: the page in flight is answered once and right, and the GPU comes back.

use super::*;
use crate::paint::gpu::check::visible_share;

const GREEN: [u8; 4] = [0, 128, 0, 255];

fn green() -> FramePlan {
    planned(48.0, 32.0, vec![filled(rect(0.0, 0.0, 48.0, 32.0), Color::from_rgb8(0, 128, 0))])
}

/// The page during the accident is the CPU's, counted once for `reason`; then the GPU paints again.
fn survives(gpu: &GpuRasterizer, accident: Accident, reason: Refusal) {
    gpu.wait_until_up();
    let (before, rebuilds) = (gpu.fallbacks(reason), gpu.report().gpus[0].rebuilds);
    gpu.cause(accident);
    let painted = gpu.paint(&green());
    assert_eq!((painted.by, painted.raster.pixel(40, 20)), ("cpu", GREEN), "{accident:?}");
    assert_eq!(gpu.fallbacks(reason) - before, 1, "{accident:?}");
    gpu.wait_until_up();
    let report = gpu.report();
    assert_eq!(report.gpus[0].rebuilds - rebuilds, 1, "{accident:?}");
    assert!(report.gpus[0].latest_fault.starts_with(reason.label()), "{:?}", report.gpus[0].latest_fault);
    let painted = gpu.paint(&green());
    assert_eq!((painted.by, painted.raster.pixel(40, 20)), ("gpu0", GREEN), "after {accident:?}");
}

#[test]
fn gpu_device_lost_with_a_page_in_flight() {
    let Some(gpu) = shared() else { return };
    survives(&gpu, Accident::Destroyed, Refusal::DeviceLost);
}

#[test]
fn gpu_out_of_memory() {
    let Some(gpu) = shared() else { return };
    survives(&gpu, Accident::OutOfMemory, Refusal::OutOfMemory);
}

#[test]
fn gpu_call_that_is_not_valid() {
    let Some(gpu) = shared() else { return };
    survives(&gpu, Accident::Invalid, Refusal::Validation);
}

#[test]
fn gpu_panic_on_its_thread() {
    let Some(gpu) = shared() else { return };
    survives(&gpu, Accident::Panic, Refusal::Panic);
}

#[test]
fn gpu_submission_that_hangs() {
    let Some(gpu) = rasterizer(|settings| settings.timeout = Duration::from_secs(1)) else { return };
    gpu.core.hooks.hangs.store(true, Ordering::SeqCst);
    let receivers: Vec<_> = (0..4).map(|_| gpu.submit(green())).collect();
    for receiver in receivers {
        let painted = receiver.blocking_recv().expect("an answer").expect("a picture");
        assert_eq!((painted.by, painted.raster.pixel(40, 20)), ("cpu", GREEN));
    }
    gpu.core.hooks.hangs.store(false, Ordering::SeqCst);
    assert!(gpu.fallbacks(Refusal::Hung) >= 1, "{:?}", gpu.report());
    assert_eq!(gpu.report().pages[0], ("cpu", 4));
}

#[test]
fn gpu_that_is_down_leaves_pages_to_the_cpu() {
    let Some(gpu) = shared() else { return };
    gpu.wait_until_up();
    let lane = &gpu.lanes.as_ref().expect("not dropped")[0].lane;
    lane.up.store(false, Ordering::SeqCst);
    let before = gpu.fallbacks(Refusal::Down);
    let painted = gpu.paint(&green());
    lane.up.store(true, Ordering::SeqCst);
    assert_eq!((painted.by, painted.raster.pixel(1, 1), gpu.fallbacks(Refusal::Down) - before), ("cpu", GREEN, 1));
}

#[test]
fn gpu_check_answers_with_the_cpus_picture_when_they_differ() {
    let Some(gpu) = rasterizer(|settings| settings.check = 1) else { return };
    let painted = gpu.paint(&green());
    assert_eq!((painted.by, gpu.report().checked, gpu.report().differing), ("gpu0", 1, 0));
    // Without guards this page is blank on the GPU.
    let mut node = filled(rect(0.0, 0.0, 256.0, 256.0), Color::from_rgb8(0, 128, 0));
    for _ in 0..24 {
        let opacity = crate::units::Opacity::new(0.999);
        node = group(Group { opacity, children: vec![node], ..Group::default() });
    }
    gpu.core.hooks.unguarded.store(true, Ordering::SeqCst);
    let painted = gpu.paint(&planned(256.0, 256.0, vec![node]));
    assert_eq!((painted.by, gpu.report().checked, gpu.report().differing), ("cpu", 2, 1));
    assert!(painted.raster.pixel(128, 128)[3] > 230);
}

#[test]
fn gpu_check_finds_gradients_that_vello_stretches() {
    let Some(gpu) = rasterizer(|settings| settings.check = 1) else { return };
    let plan = gradient_inside_its_line(256.0);
    let expected = gpu.paint_on_the_cpu(&plan);
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, gpu.report().checked, gpu.report().differing), ("gpu0", 1, 0));
    assert!(visible_share(&expected, &painted.raster) <= 0.001);
    // As vello does it by itself.
    gpu.core.hooks.unguarded.store(true, Ordering::SeqCst);
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, gpu.report().checked, gpu.report().differing), ("cpu", 2, 1));
    assert_eq!(visible_share(&expected, &painted.raster), 0.0, "the CPU's picture is the answer");
}
