//! GPU painting of the pages of `paint_cpu`, as raw pixels through the engine with `TENTER_RASTERIZER=gpu`: painting,
//! passes and readback. Prints the reason when no GPU can be used.

mod support;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use tenter::config::RasterizerChoice;
use tenter::pipeline::{Engine, Pages, RenderRequest, Stage, format_for};
use tenter::report::JsonPath;

fn paint_gpu(criterion: &mut Criterion) {
    for subject in support::subjects() {
        let mut settings = subject.settings.clone();
        settings.render.rasterizer = RasterizerChoice::Gpu;
        let engine = match Engine::new(&settings) {
            Ok(engine) => engine,
            Err(reason) => return eprintln!("paint_gpu: not measured: {reason}"),
        };
        let format = format_for(None, &subject.options).expect("the default format");
        let painted = || {
            let (design, options) = (subject.parse(), subject.options.clone());
            let request = RenderRequest { design, at: JsonPath::root(), options, format, pages: Pages::First };
            subject.runtime.block_on(async {
                let mut session = engine.admit().await.expect("a worker");
                session.render(request).await.expect("rendered");
                let stages = session.timings().iter().filter(|(stage, _)| *stage == Stage::Paint);
                stages.map(|(_, took)| took).sum::<Duration>()
            })
        };
        criterion.bench_function(&format!("paint_gpu/{}", subject.name), |it| {
            it.iter_custom(|laps| (0..laps).map(|_| painted()).sum());
        });
    }
}

criterion_group!(benches, paint_gpu);
criterion_main!(benches);
