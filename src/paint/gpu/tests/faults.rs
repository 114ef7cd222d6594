//! Device faults: the page in flight is answered once, by the CPU, and the GPU is reopened.

use super::*;
use crate::paint::gpu::check::visible_share;

const GREEN: [u8; 4] = [0, 128, 0, 255];

fn green() -> FramePlan {
    planned(48.0, 32.0, vec![filled(rect(0.0, 0.0, 48.0, 32.0), Color::from_rgb8(0, 128, 0))])
}

/// Asserts that the CPU paints the page hit by `fault`, counted once for `reason`, and that the GPU paints the next
/// one.
fn assert_recovers(gpu: &GpuRasterizer, fault: InjectedFault, reason: FallbackReason) {
    gpu.wait_until_up();
    let (before, rebuilds) = (gpu.fallbacks(reason), gpu.report().gpus[0].rebuilds);
    gpu.inject(fault);
    let painted = gpu.paint(&green());
    assert_eq!((painted.by, painted.raster.pixel(40, 20)), ("cpu", GREEN), "{fault:?}");
    assert_eq!(gpu.fallbacks(reason) - before, 1, "{fault:?}");
    gpu.wait_until_up();
    let report = gpu.report();
    assert_eq!(report.gpus[0].rebuilds - rebuilds, 1, "{fault:?}");
    assert!(report.gpus[0].latest_fault.starts_with(reason.label()), "{:?}", report.gpus[0].latest_fault);
    let painted = gpu.paint(&green());
    assert_eq!((painted.by, painted.raster.pixel(40, 20)), ("gpu0", GREEN), "after {fault:?}");
}

#[test]
fn gpu_device_lost_with_a_page_in_flight() {
    let Some(gpu) = shared_gpu() else { return };
    assert_recovers(&gpu, InjectedFault::Destroyed, FallbackReason::DeviceLost);
}

#[test]
fn gpu_out_of_memory() {
    let Some(gpu) = shared_gpu() else { return };
    assert_recovers(&gpu, InjectedFault::OutOfMemory, FallbackReason::OutOfMemory);
}

#[test]
fn gpu_invalid_call() {
    let Some(gpu) = shared_gpu() else { return };
    assert_recovers(&gpu, InjectedFault::Invalid, FallbackReason::Validation);
}

#[test]
fn gpu_panic_on_its_thread() {
    let Some(gpu) = shared_gpu() else { return };
    assert_recovers(&gpu, InjectedFault::Panic, FallbackReason::Panic);
}

#[test]
fn gpu_submission_that_hangs() {
    let Some(gpu) = rasterizer(|settings| settings.timeout = Duration::from_secs(1)) else { return };
    gpu.shared.hooks.hangs.store(true, Ordering::SeqCst);
    let receivers: Vec<_> = (0..4).map(|_| gpu.submit(green(), None)).collect();
    for receiver in receivers {
        let painted = receiver.blocking_recv().expect("the rasterizer answers").expect("the page is painted");
        assert_eq!((painted.by, painted.raster.pixel(40, 20)), ("cpu", GREEN));
    }
    gpu.shared.hooks.hangs.store(false, Ordering::SeqCst);
    assert!(gpu.fallbacks(FallbackReason::Hung) >= 1, "{:?}", gpu.report());
    assert_eq!(gpu.report().pages[0], ("cpu".into(), 4));
}

#[test]
fn gpu_that_is_down_leaves_pages_to_the_cpu() {
    let Some(gpu) = shared_gpu() else { return };
    gpu.wait_until_up();
    let state = &gpu.gpus.as_ref().expect("not dropped")[0].state;
    state.up.store(false, Ordering::SeqCst);
    let before = gpu.fallbacks(FallbackReason::Down);
    let painted = gpu.paint(&green());
    state.up.store(true, Ordering::SeqCst);
    assert_eq!(
        (painted.by, painted.raster.pixel(1, 1), gpu.fallbacks(FallbackReason::Down) - before),
        ("cpu", GREEN, 1)
    );
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
    gpu.shared.hooks.unguarded.store(true, Ordering::SeqCst);
    let painted = gpu.paint(&planned(256.0, 256.0, vec![node]));
    assert_eq!((painted.by, gpu.report().checked, gpu.report().differing), ("cpu", 2, 1));
    assert!(painted.raster.pixel(128, 128)[3] > 230);
}

#[test]
fn gpu_check_finds_gradients_that_vello_stretches() {
    let Some(gpu) = rasterizer(|settings| settings.check = 1) else { return };
    let plan = gradient_without_end_stops(256.0);
    let expected = gpu.paint_on_the_cpu(&plan);
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, gpu.report().checked, gpu.report().differing), ("gpu0", 1, 0));
    assert!(visible_share(&expected, &painted.raster) <= 0.001);
    // Without guards the gradient is passed to vello unchanged.
    gpu.shared.hooks.unguarded.store(true, Ordering::SeqCst);
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, gpu.report().checked, gpu.report().differing), ("cpu", 2, 1));
    assert_eq!(visible_share(&expected, &painted.raster), 0.0, "the CPU's picture is the answer");
}
