//! Planning: from a scene to the painter's steps.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

fn plan(criterion: &mut Criterion) {
    for subject in support::subjects() {
        let (page, cpu) = (subject.page(), subject.cpu());
        criterion.bench_function(&format!("plan/{}", subject.name), |it| it.iter(|| subject.plan(&page, &cpu)));
    }
}

criterion_group!(benches, plan);
criterion_main!(benches);
