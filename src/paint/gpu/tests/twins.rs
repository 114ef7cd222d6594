//! Each WGSL pass compared with its CPU implementation on random pictures and parameters.

use super::*;
use crate::paint::gpu::check::visible_share;
use crate::paint::gpu::device::SurfaceTexture;
use crate::paint::gpu::recolor::Recolor;
use crate::paint::gpu::scene::TileArea;
use crate::paint::gpu::thread::copy_rows;
use crate::paint::passes as on_cpu;
use crate::paint::plan::Kernel;
use crate::paint::prepared_image::{PlacedImage, PreparedImages};
use crate::scene::{PixelPass, Tone};
use crate::units::DeviceSize;

/// Maximum difference of colours, in levels: the sums of three products, in 32 and in 64 bits, may round differently.
const MAX_COLOR_DIFFERENCE: u8 = 1;
/// Maximum difference of blurred pixels, in levels.
const MAX_BLUR_DIFFERENCE: u8 = 2;

/// Deterministic random numbers: a linear congruential generator with Knuth's MMIX constants.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as u32) % end
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.below(10_001)) / 10_000.0
    }

    /// Random premultiplied pixels of all alphas, with 0 and 255 more frequent.
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
        let area = TileArea { x: 0, y: 0, width, height };
        let (readback, _) = self.read_back(area, texture);
        readback.buffer.map_async(wgpu::MapMode::Read, .., |mapped| mapped.expect("mapped"));
        self.wait().expect("no fault");
        copy_rows(&[readback], DeviceSize { width, height }, false).expect("readable").into_pixels()
    }
}

fn open_gpu() -> Option<Gpu> {
    let settings = GpuSettings { allow_software: true, ..GpuSettings::default() };
    let selection = select_adapters(adapters(), &settings, true);
    assert!(!selection.used.is_empty() || !is_required(), "GPU tests are required, and there is no adapter");
    Some(Gpu::open(selection.used.first()?, &settings).expect("the adapter comes up"))
}

fn max_difference(expected: &[u8], found: &[u8]) -> u8 {
    assert_eq!(expected.len(), found.len());
    expected.iter().zip(found).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn gpu_kernels_match_the_cpu() {
    let Some(mut gpu) = open_gpu() else { return };
    let mut numbers = Lcg(7);
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
        let result = gpu.filter(&kernel, &SurfaceTexture { texture, is_straight: false }, size);
        let found = gpu.download(&result, (width, height));
        let off = max_difference(&expected, &found);
        assert!(off <= MAX_BLUR_DIFFERENCE, "{kernel:?} on {width} x {height}: {off} levels");
    }
}

#[test]
fn gpu_recoloured_pictures_match_the_cpu() {
    let Some(mut gpu) = open_gpu() else { return };
    let mut numbers = Lcg(11);
    for round in 0..32 {
        let pass = match round % 8 {
            0 | 1 => {
                let row = |numbers: &mut Lcg| {
                    let factor = |numbers: &mut Lcg| numbers.between(-1.5, 2.0);
                    [factor(numbers), factor(numbers), factor(numbers), numbers.between(-100.0, 100.0)]
                };
                PixelPass::ColorMatrix([row(&mut numbers), row(&mut numbers), row(&mut numbers)])
            }
            2 => PixelPass::Tone(Tone::Vibrance(numbers.between(0.0, 1.0))),
            3 => PixelPass::Tone(Tone::Vibrance(numbers.between(-1.0, 0.0))),
            4 => PixelPass::Tone(Tone::Dark(numbers.between(-2.0, 2.0))),
            5 => PixelPass::Tone(Tone::Light(numbers.between(-1.0, 1.0))),
            6 => PixelPass::Tone(Tone::Natural(numbers.between(0.0, 1.0))),
            _ => PixelPass::Blur { radius: numbers.below(9) },
        };
        // Halving is exact in 32 bits, so that the shared conversion to straight colours and back becomes visible.
        let halved = PixelPass::ColorMatrix([[0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0]]);
        let passes = if round < 16 { vec![pass] } else { vec![pass, halved] };
        let (width, height) = (8 + numbers.below(60), 8 + numbers.below(60));
        let picture =
            DecodedImage::new(width, height, numbers.picture(width, height)).expect("as many bytes as pixels");
        // The picture is shown smaller or larger, cropped, mirrored or rotated.
        let scale = numbers.between(0.2, 2.5);
        let source = Rect::new(0.0, 0.0, f64::from(width), f64::from(height) - numbers.between(0.0, 3.0));
        let dest = Rect::from_origin_size((numbers.between(-5.0, 20.0), 3.3), source.size() * scale);
        let source = if round % 2 == 1 { Rect::new(source.x1, source.y0, source.x0, source.y1) } else { source };
        let transform = if round % 3 == 0 { Affine::rotate(0.2) } else { Affine::IDENTITY };
        let placed = PlacedImage::cropped(&picture, &passes, source, dest, transform).expect("visible");
        let surface = DeviceSize { width: 80, height: 80 };
        let expected = PreparedImages::new(0).prepare(&placed, surface).expect("visible");
        let recolor = Recolor::of(&placed, surface, 8192).expect("small enough");
        assert_eq!(recolor.resample_plan.placement, expected.placement);
        let texture = gpu.recolor(&recolor);
        let found = gpu.download(&texture, recolor.resample_plan.size());
        let levels = if passes.iter().any(|it| matches!(it, PixelPass::Blur { .. })) {
            MAX_BLUR_DIFFERENCE
        } else {
            MAX_COLOR_DIFFERENCE
        };
        let off = max_difference(expected.pixmap.data_as_u8_slice(), &found);
        assert!(off <= levels, "{passes:?} on {width} x {height}, times {scale}: {off} levels");
    }
}

/// Maximum share of px that differ for each edge of a gradient, of which there are at most three. vello's ramps have
/// 512 colours, so that an edge may lie 1/1022 of the line off: a quarter of a px on a line of 256 px.
const MAX_SHARE_PER_EDGE: f64 = 0.005;

#[test]
fn gpu_gradients_with_any_stops_match_the_cpu() {
    let Some(gpu) = shared_gpu() else { return };
    let mut numbers = Lcg(7);
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
        assert!(share <= MAX_SHARE_PER_EDGE * edges as f64, "round {round}: {share} with stops at {offsets:?}");
    }
}
