//! Comparison of the GPU painter with the CPU painter on every design.

use std::fs;
use std::path::Path;
use std::time::Duration;

use image::RgbaImage;
use tenter::config::{EditorVersion, RasterizerChoice, Settings};
use tenter::pipeline::Engine;

use crate::compare;
use crate::designs::{self, Design};

/// Largest share of a design's pixels that the GPU may paint more than eight levels off.
const VISIBLE_SHARE: f64 = 0.005;

/// Renders every design at half size on the CPU and on a GPU. Skipped without an adapter, unless `GPU_COLUMN=required`
/// makes that a failure.
#[test]
fn wild_gpu_paints_as_the_cpu_does() {
    let designs = designs::chosen();
    if designs.is_empty() {
        println!("skipped: no designs under {}", designs::ROOT);
        return;
    }
    let mut settings = Settings::default();
    settings.render.rasterizer = RasterizerChoice::Cpu;
    settings.render.sdk = EditorVersion::OLDEST;
    let cpu = Engine::new(&settings).expect("the default settings start an engine");
    settings.render.rasterizer = RasterizerChoice::Gpu;
    settings.gpu.allow_software = true;
    (settings.gpu.timeout, settings.render.deadline) = (Duration::from_secs(120), Duration::from_secs(240));
    let gpu = match Engine::new(&settings) {
        Ok(gpu) => gpu,
        Err(why) => {
            let required = std::env::var("GPU_COLUMN").is_ok_and(|it| it == "required");
            assert!(!required, "{} designs would be skipped: {why}", designs.len());
            println!("skipped: {} designs: {why}", designs.len());
            return;
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut failures, mut refused, mut by_cpu) = (Vec::new(), 0, 0);
    for design in &designs {
        let half = |engine: &Engine| {
            let page = runtime.block_on(design.render(engine, 0.5))?;
            let pixels = image::load_from_memory(&page.bytes).map_err(|error| error.to_string())?.into_rgba8();
            Ok::<_, String>((pixels, page.rasterizer))
        };
        // The comparison with the references reports designs that both painters refuse.
        let Ok((expected, _)) = half(&cpu) else {
            refused += 1;
            continue;
        };
        let name = format!("{}/{}", design.set, design.name);
        let (found, by) = half(&gpu).unwrap_or_else(|error| panic!("{name}: {error}"));
        by_cpu += usize::from(!by.starts_with("gpu"));
        let difference = compare::compare(&expected, &found).expect("of one size");
        let percent = difference.visible_share * 100.0;
        if difference.visible_share > VISIBLE_SHARE {
            write(design, &expected, &found);
            failures.push(format!("{name}: by {by}, {percent:.3} % over 8 levels, at most {}", difference.max));
        }
    }
    println!(
        "{} designs, {refused} refused, {by_cpu} left to the CPU: {:?}",
        designs.len(),
        gpu.paint_report().fallbacks
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn write(design: &Design, cpu: &RgbaImage, gpu: &RgbaImage) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/wild-gpu");
    let folder = root.join(&design.set).join(&design.name);
    fs::create_dir_all(&folder).expect("a folder");
    cpu.save(folder.join("cpu.png")).expect("written");
    gpu.save(folder.join("gpu.png")).expect("written");
}
