//! Parsing JSON to a design, and resolving a design to a scene, with cold and with warm caches of fonts and shaped
//! text.

mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn parse_resolve(criterion: &mut Criterion) {
    for subject in support::subjects() {
        let mut group = criterion.benchmark_group(format!("parse_resolve/{}", subject.name));
        group.bench_function("json", |it| it.iter(|| subject.parse()));
        let value = subject.parse();
        group.bench_function("design", |it| it.iter(|| subject.design(&value)));
        let design = subject.design(&value);
        group.bench_function("resolve, new fonts", |it| {
            let layouter = || subject.layouter(&design);
            it.iter_batched_ref(layouter, |layouter| subject.resolve(&design, layouter), BatchSize::SmallInput);
        });
        let mut layouter = subject.layouter(&design);
        group.bench_function("resolve", |it| it.iter(|| subject.resolve(&design, &mut layouter)));
        group.finish();
    }
}

criterion_group!(benches, parse_resolve);
criterion_main!(benches);
