//! Pages that vello draws blank or incomplete without an error, drawn with and without the guards.

use peniko::{BlendMode, Compose, Mix};

use super::*;
use crate::paint::gpu::passes;
use crate::paint::plan::Kernel;
use crate::units::Opacity;

const RED: Color = Color::from_rgb8(255, 0, 0);
const BLUE: Color = Color::from_rgb8(0, 0, 255);
const PAINTED_RED: [u8; 4] = [255, 0, 0, 255];

/// A page filled with red inside `depth` nested translucent groups, each as large as the page.
fn nested(side: f64, depth: usize) -> FramePlan {
    let mut node = filled(rect(0.0, 0.0, side, side), RED);
    for _ in 0..depth {
        node = group(Group { opacity: Opacity::new(0.999), children: vec![node], ..Group::default() });
    }
    planned(side, side, vec![node])
}

#[test]
fn gpu_layers_too_deep_for_one_scene_are_painted_in_tiles() {
    let Some(gpu) = shared_gpu() else { return };
    // 256 tiles with 20 layers beyond the free ones need 5120 spills of the 4096 there are.
    let plan = nested(256.0, 24);
    let blank = gpu.paint_unguarded(&plan);
    assert_eq!(blank.pixel(128, 128), [0; 4], "vello leaves the page blank; if it no longer does, the guard can go");
    let painted = gpu.paint(&plan);
    assert_eq!(painted.by, "gpu0");
    assert!(painted.raster.pixels().chunks_exact(4).all(|it| it[0] > 250 && it[1] == 0 && it[3] > 230));
}

#[test]
fn gpu_layers_too_deep_for_tiles_are_painted_by_the_cpu() {
    let Some(gpu) = shared_gpu() else { return };
    let plan = nested(256.0, 64);
    assert_eq!(gpu.paint_unguarded(&plan).pixel(128, 128), [0; 4], "blank without the guard");
    let before = gpu.fallbacks(FallbackReason::Layers);
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, gpu.fallbacks(FallbackReason::Layers) - before), ("cpu", 1));
    assert_eq!(painted.raster.pixels(), gpu.paint_on_the_cpu(&plan).pixels());
    assert!(painted.raster.pixel(128, 128)[0] > 250);
}

#[test]
fn gpu_pictures_beyond_the_atlas_are_shrunk_to_what_is_shown() {
    let Some(gpu) = shared_gpu() else { return };
    let wide = solid_picture(9000, 16, PAINTED_RED);
    let plan = planned(64.0, 64.0, vec![image_node(&wide, Rect::new(0.0, 0.0, 64.0, 64.0))]);
    assert_eq!(gpu.paint_unguarded(&plan).pixel(32, 32)[..3], [0; 3], "not drawn without the guard");
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, painted.raster.pixel(32, 32)), ("gpu0", PAINTED_RED));
}

#[test]
fn gpu_pictures_beyond_the_atlas_together_are_shrunk_to_what_is_shown() {
    // Uses a separate rasterizer, because the atlas grows to 256 MiB.
    let Some(gpu) = rasterizer(|_| ()) else { return };
    // Two of them do not fit side by side in the 8192 px of the atlas.
    let pictures = [solid_picture(4100, 4100, PAINTED_RED), solid_picture(4100, 4100, [0, 0, 255, 255])];
    let halves = [Rect::new(0.0, 0.0, 32.0, 64.0), Rect::new(32.0, 0.0, 64.0, 64.0)];
    let nodes =
        pictures.iter().zip(halves).map(|(picture, half)| rotated(image_node(picture, half), 1e-3, (32.0, 32.0)));
    let plan = planned(64.0, 64.0, nodes.collect());
    let drawn = |raster: &Raster<Straight>| [raster.pixel(16, 32), raster.pixel(48, 32)].map(|it| it[3] > 0);
    assert_ne!(drawn(&gpu.paint_unguarded(&plan)), [true; 2], "one of them is not drawn without the guard");
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, drawn(&painted.raster)), ("gpu0", [true; 2]));
}

#[test]
fn gpu_pictures_survive_a_page_without_pictures() {
    let Some(gpu) = shared_gpu() else { return };
    let picture = solid_picture(40, 40, PAINTED_RED);
    let with =
        planned(64.0, 64.0, vec![rotated(image_node(&picture, Rect::new(0.0, 0.0, 64.0, 64.0)), 1e-3, (32.0, 32.0))]);
    let without = planned(64.0, 64.0, vec![filled(rect(0.0, 0.0, 64.0, 64.0), BLUE)]);
    let again = |paint: &dyn Fn(&FramePlan) -> Raster<Straight>| {
        [&with, &without, &with].map(|plan| paint(plan).pixel(32, 32))[2]
    };
    assert_ne!(again(&|plan| gpu.paint_unguarded(plan)), PAINTED_RED, "vello drops its atlas in between");
    assert_eq!(again(&|plan| gpu.paint(plan).raster), PAINTED_RED);
}

#[test]
fn gpu_pages_beyond_the_limit_are_painted_in_tiles() {
    // Uses a separate rasterizer, because the textures take hundreds of MiB.
    let Some(gpu) = rasterizer(|_| ()) else { return };
    // The page has 1024 x 129 tiles; vello's buffer fits the command lists of 1024 x 128.
    let (width, height) = (16_384.0, 2064.0);
    let plan = planned(width, height, vec![filled(rect(0.0, 0.0, width, height), RED)]);
    let corners = |raster: &Raster<Straight>| {
        [(0, 0), (16_383, 0), (0, 2063), (16_383, 2063)].map(|(x, y)| raster.pixel(x, y)[0])
    };
    assert_ne!(corners(&gpu.paint_unguarded(&plan)), [255; 4], "the end of the page is missing without the guard");
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, corners(&painted.raster)), ("gpu0", [255; 4]));
}

#[test]
fn gpu_pages_of_too_many_areas_are_painted_in_tiles() {
    let Some(gpu) = shared_gpu() else { return };
    // Bounding boxes of 256 tiles each: 2.3 million tiles in all, and vello's buffer fits 2 million. The two small
    // squares at their corners fill almost nothing.
    let corners = BezPath::from_svg("M0 0 h1 v1 h-1 z M255 255 h1 v1 h-1 z").expect("a path");
    let mut nodes = vec![filled(corners, BLUE); 9000];
    nodes.push(filled(rect(0.0, 0.0, 256.0, 256.0), RED));
    let plan = planned(256.0, 256.0, nodes);
    assert_ne!(gpu.paint_unguarded(&plan).pixel(128, 128), PAINTED_RED, "the last area is missing without the guard");
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, painted.raster.pixel(128, 128)), ("gpu0", PAINTED_RED));
}

#[test]
fn gpu_pages_of_too_many_areas_for_tiles_are_painted_by_the_cpu() {
    let Some(gpu) = shared_gpu() else { return };
    let mut nodes = vec![filled(rect(0.0, 0.0, 16.0, 16.0), BLUE); 250_000];
    nodes.push(filled(rect(0.0, 0.0, 64.0, 64.0), RED));
    let plan = planned(64.0, 64.0, nodes);
    let before = gpu.fallbacks(FallbackReason::Paths);
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, gpu.fallbacks(FallbackReason::Paths) - before), ("cpu", 1));
    assert_eq!(painted.raster.pixel(32, 32), PAINTED_RED);
}

#[test]
fn gpu_blends_inside_of_clips_are_painted_by_the_cpu() {
    let Some(gpu) = shared_gpu() else { return };
    let blend = BlendMode::new(Mix::Multiply, Compose::SrcOver);
    let multiplied =
        group(Group { blend, children: vec![filled(rect(0.0, 0.0, 64.0, 64.0), BLUE)], ..Group::default() });
    let clip = Some(kurbo::Circle::new((32.0, 32.0), 20.0).to_path(0.1));
    let clipped = group(Group { clip, children: vec![multiplied], ..Group::default() });
    let plan = planned(64.0, 64.0, vec![filled(rect(0.0, 0.0, 64.0, 64.0), RED), clipped]);
    assert_eq!(
        gpu.paint_unguarded(&plan).pixel(32, 32),
        [0, 0, 255, 255],
        "the blend does not see the backdrop without the guard"
    );
    let before = gpu.fallbacks(FallbackReason::Blend);
    let painted = gpu.paint(&plan);
    assert_eq!((painted.by, gpu.fallbacks(FallbackReason::Blend) - before), ("cpu", 1));
    assert_eq!(painted.raster.pixel(32, 32), [0, 0, 0, 255]);
}

#[test]
fn gpu_shadows_too_wide_are_painted_by_the_cpu() {
    let kernel = |sigma| Kernel::Shadow { sigma, color: RED };
    assert!(passes::is_bounded(&kernel(40.0), 1080 * 1080));
    assert!(!passes::is_bounded(&kernel(2000.0), 4096 * 4096));
    assert!(!passes::is_bounded(&Kernel::Blur { radius: 4001 }, 1));
}
