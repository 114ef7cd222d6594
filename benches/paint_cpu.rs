//! CPU painting of planned pages on one core, with scaled images and glyph outlines in the caches.

mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

fn paint_cpu(criterion: &mut Criterion) {
    for subject in support::subjects() {
        let (page, cpu) = (subject.page(), subject.cpu());
        let plan = subject.plan(&page, &cpu);
        criterion.bench_function(&format!("paint_cpu/{}", subject.name), |it| {
            it.iter_batched(|| plan.clone(), |plan| subject.paint(&cpu, plan), BatchSize::LargeInput);
        });
    }
}

criterion_group!(benches, paint_cpu);
criterion_main!(benches);
