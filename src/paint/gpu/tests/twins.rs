//! Each WGSL pass against its twin on the CPU, with random pictures and numbers.

use super::*;
use crate::paint::gpu::check::visible_share;
use crate::paint::gpu::device::Surface;
use crate::paint::gpu::recolor::Recolor;
use crate::paint::gpu::scene::Area;
use crate::paint::gpu::thread::collect;
use crate::paint::passes as on_cpu;
use crate::paint::photo::{Photos, Placed};
use crate::paint::plan::Kernel;
use crate::scene::{Pass, Tone};
use crate::units::DeviceSize;

/// Levels that colours may differ by: sums of three products, in 32 bits and in 64, may fall on two sides of a half.
const COLOR_LEVELS: u8 = 1;
/// The same for blurs.
const BLUR_LEVELS: u8 = 2;

/// Numbers that look random and are the same each time (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as u32) % end
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.below(10_001)) / 10_000.0
    }

    /// Premultiplied, of all alphas, 0 and 255 more often.
    fn picture(&mut self, width: u32, height: u32) -> Vec<u8> {
        let pixel = |numbers: &mut Self| {
            let alpha = [0, 255, 255, numbers.below(256)][numbers.below(4) as usize];
            [numbers.below(alpha + 1), numbers.below(alpha + 1), numbers.below(alpha + 1), alpha].map(|it| it as u8)
        };
        (0..width * height).flat_map(|_| pixel(self)).collect()
    }
}

impl Gpu {
    fn download(&mut self, texture: &wgpu::Texture, (width, height): (u32, u32)) -> Vec<u8> {
        let area = Area { x: 0, y: 0, width, height };
        let (readback, _) = self.read(area, texture);
        readback.buffer.map_async(wgpu::MapMode::Read, .., |mapped| mapped.expect("mapped"));
        self.wait().expect("no fault");
        collect(&[readback], DeviceSize { width, height }, false).expect("readable").into_pixels()
    }
}

fn device() -> Option<Gpu> {
    let settings = GpuSettings { allow_software: true, ..GpuSettings::default() };
    let chosen = choose(adapters(), &settings, true);
    assert!(!chosen.used.is_empty() || !is_required(), "GPU tests are required, and there is no adapter");
    Some(Gpu::open(chosen.used.first()?, &settings).expect("the adapter comes up"))
}

fn farthest(expected: &[u8], found: &[u8]) -> u8 {
    assert_eq!(expected.len(), found.len());
    expected.iter().zip(found).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn gpu_kernels_are_twins_of_the_cpus() {
    let Some(mut gpu) = device() else { return };
    let mut numbers = Numbers(7);
    for round in 0..24 {
        let (width, height) = (1 + numbers.below(90), 1 + numbers.below(70));
        let size = DeviceSize { width, height };
        let pixels = numbers.picture(width, height);
        let color = [0; 4].map(|_: i32| numbers.between(0.0, 1.0) as f32);
        let kernel = match round % 4 {
            0 => Kernel::Blur { radius: 1 + numbers.below(12) },
            1 => Kernel::Blur { radius: 1 + numbers.below(300) },
            2 => Kernel::Shadow { sigma: numbers.between(0.0, 2.0), color: Color::new(color) },
            _ => Kernel::Shadow { sigma: numbers.between(2.0, 30.0), color: Color::new(color) },
        };
        let expected = on_cpu::run(&kernel, &pixels, size);
        let texture = gpu.upload(&pixels, (width, height));
        let result = gpu.filter(&kernel, &Surface { texture, is_straight: false }, size);
        let found = gpu.download(&result, (width, height));
        let off = farthest(&expected, &found);
        assert!(off <= BLUR_LEVELS, "{kernel:?} on {width} x {height}: {off} levels");
    }
}

#[test]
fn gpu_recoloured_pictures_are_twins_of_the_cpus() {
    let Some(mut gpu) = device() else { return };
    let mut numbers = Numbers(11);
    for round in 0..32 {
        let pass = match round % 8 {
            0 | 1 => {
                let row = |numbers: &mut Numbers| {
                    let factor = |numbers: &mut Numbers| numbers.between(-1.5, 2.0);
                    [factor(numbers), factor(numbers), factor(numbers), numbers.between(-100.0, 100.0)]
                };
                Pass::ColorMatrix([row(&mut numbers), row(&mut numbers), row(&mut numbers)])
            }
            2 => Pass::Tone(Tone::Vibrance(numbers.between(0.0, 1.0))),
            3 => Pass::Tone(Tone::Vibrance(numbers.between(-1.0, 0.0))),
            4 => Pass::Tone(Tone::Dark(numbers.between(-2.0, 2.0))),
            5 => Pass::Tone(Tone::Light(numbers.between(-1.0, 1.0))),
            6 => Pass::Tone(Tone::Natural(numbers.between(0.0, 1.0))),
            _ => Pass::Blur { radius: numbers.below(9) },
        };
        // Exact in 32 bits, so that what the two share of the way to straight colours and back shows.
        let halved = Pass::ColorMatrix([[0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0]]);
        let passes = if round < 16 { vec![pass] } else { vec![pass, halved] };
        let (width, height) = (8 + numbers.below(60), 8 + numbers.below(60));
        let picture = Picture::new(width, height, numbers.picture(width, height)).expect("as many bytes as pixels");
        // Smaller, larger, cut, or turned.
        let scale = numbers.between(0.2, 2.5);
        let source = Rect::new(0.0, 0.0, f64::from(width), f64::from(height) - numbers.between(0.0, 3.0));
        let dest = Rect::from_origin_size((numbers.between(-5.0, 20.0), 3.3), source.size() * scale);
        let source = if round % 2 == 1 { Rect::new(source.x1, source.y0, source.x0, source.y1) } else { source };
        let transform = if round % 3 == 0 { Affine::rotate(0.2) } else { Affine::IDENTITY };
        let placed = Placed::cropped(&picture, &passes, source, dest, transform).expect("visible");
        let surface = DeviceSize { width: 80, height: 80 };
        let expected = Photos::new(0).prepare(&placed, surface).expect("visible");
        let recolor = Recolor::of(&placed, surface, 8192).expect("small enough");
        assert_eq!(recolor.recipe.place, expected.place);
        let texture = gpu.recolor(&recolor);
        let found = gpu.download(&texture, recolor.recipe.size());
        let levels = if passes.iter().any(|it| matches!(it, Pass::Blur { .. })) { BLUR_LEVELS } else { COLOR_LEVELS };
        let off = farthest(expected.pixmap.data_as_u8_slice(), &found);
        assert!(off <= levels, "{passes:?} on {width} x {height}, times {scale}: {off} levels");
    }
}

/// vello's ramps have 512 colours, so that an edge between two may lie 1/1022 of the line off. Of a line of 256 px that is a
/// quarter of a px: less than this share of the px for each of at most three edges.
const EDGE_SHARE: f64 = 0.005;

#[test]
fn gpu_gradients_with_any_stops_are_the_cpus() {
    let Some(gpu) = shared() else { return };
    let mut numbers = Numbers(7);
    for round in 0..60 {
        let count = 2 + numbers.below(4);
        let mut offsets: Vec<f32> = (0..count).map(|_| numbers.below(101) as f32 / 100.0).collect();
        offsets.sort_by(f32::total_cmp);
        let mut level = || numbers.below(256) as u8;
        let stops = offsets.iter().map(|at| (*at, Color::from_rgba8(level(), level(), level(), level().max(128))));
        let stops: Vec<_> = stops.map(peniko::ColorStop::from).collect();
        let angle = kurbo::Vec2::from_angle(numbers.between(0.0, std::f64::consts::TAU));
        let middle = kurbo::Point::new(128.0, 128.0);
        let mut gradient = peniko::Gradient::new_linear(middle - angle * 128.0, middle + angle * 128.0);
        gradient.stops = peniko::ColorStops::from(stops.as_slice());
        gradient.interpolation_alpha_space = peniko::InterpolationAlphaSpace::Unpremultiplied;
        let whole = rect(0.0, 0.0, 256.0, 256.0);
        let plan = planned(256.0, 256.0, vec![Node::Path(Path::filled(whole, gradient))]);
        let painted = gpu.paint(&plan);
        assert_eq!(painted.by, "gpu0");
        let edges = offsets.windows(2).filter(|pair| pair[1] - pair[0] < 0.04).count();
        let share = visible_share(&gpu.paint_on_the_cpu(&plan), &painted.raster);
        assert!(share <= EDGE_SHARE * edges as f64, "round {round}: {share} with stops at {offsets:?}");
    }
}
