//! Encoding of painted pages, in every format and at every compression effort.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use tenter::output::{FORMATS, FormatKind, OutputOptions};

fn encode(criterion: &mut Criterion) {
    for subject in support::subjects() {
        let (page, cpu) = (subject.page(), subject.cpu());
        let raster = subject.paint(&cpu, subject.plan(&page, &cpu));
        let mut group = criterion.benchmark_group(format!("encode/{}", subject.name));
        for format in FORMATS {
            let options = OutputOptions::default();
            let FormatKind::Pictures(picture) = format.kind() else { continue };
            group.bench_function(format.name(), |it| it.iter(|| picture.write(&raster, &options).expect("written")));
        }
        group.finish();
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
