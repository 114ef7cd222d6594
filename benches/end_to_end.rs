//! Rendering JSON bytes to file bytes through the engine, one request at a time with warm caches. `tenter bench`
//! measures parallel requests.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use tenter::output::FORMATS;
use tenter::pipeline::{Engine, Pages, RenderRequest};
use tenter::report::JsonPath;

fn end_to_end(criterion: &mut Criterion) {
    for subject in support::subjects() {
        let engine = Engine::new(&subject.settings).expect("an engine");
        let mut group = criterion.benchmark_group(format!("end_to_end/{}", subject.name));
        for format in FORMATS.iter().copied() {
            let render = || {
                let (design, options) = (subject.parse(), subject.options.clone());
                let request = RenderRequest { design, at: JsonPath::root(), options, format, pages: Pages::First };
                subject.runtime.block_on(engine.render(request)).expect("rendered")
            };
            group.bench_function(format.name(), |it| it.iter(render));
        }
        group.finish();
    }
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
