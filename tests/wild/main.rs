//! Renders every design of `../shared/corpus` and `../shared/wild` and measures the distance to the editor's pictures.
//!
//! Single designs may differ, but the share of close designs in each set must reach [`FLOORS`]. A failure names the ten
//! designs that differ most and writes `target/wild/index.html`, which shows reference, ours and difference, worst
//! first. The GPU painter draws the same designs at half size and is compared with the CPU painter.
//!
//! `WILD=rich,00158 cargo test --test wild -- --nocapture` renders only the designs whose `<set>/<name>` contains one
//! of these words, prints their distances, and does not check the shares.

#![expect(clippy::disallowed_methods, reason = "WILD and GPU_COLUMN configure this test, not the program")]

mod designs;
#[cfg(feature = "gpu")]
mod gpu;
mod report;

#[path = "../support/metric.rs"]
mod metric;

#[cfg(feature = "gpu")]
#[path = "../support/compare.rs"]
#[allow(dead_code, reason = "this program needs the numbers and not the picture")]
mod compare;

use std::fs;
use std::path::Path;

use report::Outcome;
use tenter::config::{EditorVersion, RasterizerChoice, Settings};
use tenter::pipeline::Engine;

/// Smallest accepted shares of a set's designs that are close to their references.
struct Floor {
    /// Name of the set, which is its folder in `corpus` or `wild`.
    set: &'static str,
    /// Share of designs with at most 0.5 % of all pixels different.
    diff: f64,
    /// Share of designs with at most 1 % of the drawn pixels different.
    ink_1: f64,
    /// Share of designs with at most 5 % of the drawn pixels different.
    ink_5: f64,
}

/// Measured shares, rounded down to whole percents. Raise them when the measurements improve.
const FLOORS: &[Floor] = &[
    Floor { set: "features", diff: 1.0, ink_1: 1.0, ink_5: 1.0 },
    Floor { set: "peer", diff: 1.0, ink_1: 0.88, ink_5: 1.0 },
    Floor { set: "templates", diff: 1.0, ink_1: 1.0, ink_5: 1.0 },
    Floor { set: "cases", diff: 0.97, ink_1: 0.94, ink_5: 0.97 },
    Floor { set: "random", diff: 1.0, ink_1: 0.93, ink_5: 0.99 },
    Floor { set: "pages", diff: 1.0, ink_1: 1.0, ink_5: 1.0 },
];

#[test]
fn wild_pictures_are_close_to_the_editors() {
    let designs = designs::chosen();
    if designs.is_empty() {
        println!("skipped: no designs under {}", designs::ROOT);
        return;
    }
    let mut settings = Settings::default();
    settings.render.rasterizer = RasterizerChoice::Cpu;
    settings.render.sdk = EditorVersion::OLDEST; // the release that drew the references
    let engine = Engine::new(&settings).expect("the default settings start an engine");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let tasks: Vec<_> = designs
        .into_iter()
        .map(|design| {
            let engine = engine.clone();
            runtime.spawn(async move {
                let rendered = design.render(&engine, 1.0).await.map(|page| page.bytes);
                tokio::task::spawn_blocking(move || Outcome::of(design, rendered)).await.expect("no panic")
            })
        })
        .collect();
    let mut outcomes: Vec<_> = tasks.into_iter().map(|task| runtime.block_on(task).expect("no panic")).collect();
    outcomes.sort_by(|a, b| b.ink.total_cmp(&a.ink));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/wild");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("scores.tsv"), report::scores(&outcomes)).expect("written");
    fs::write(folder.join("index.html"), report::page(&outcomes)).expect("written");

    if designs::selection().is_some() {
        print!("{}", report::scores(&outcomes));
        return;
    }
    let mut below = Vec::new();
    for floor in FLOORS {
        let set: Vec<_> = outcomes.iter().filter(|it| it.design.set == floor.set).collect();
        let share = |close: &dyn Fn(&Outcome) -> bool| {
            set.iter().filter(|it| close(it)).count() as f64 / set.len().max(1) as f64
        };
        let found = [
            ("diff <= 0.5 %", share(&|it| it.diff <= 0.005), floor.diff),
            ("ink <= 1 %", share(&|it| it.ink <= 0.01), floor.ink_1),
            ("ink <= 5 %", share(&|it| it.ink <= 0.05), floor.ink_5),
        ];
        let shares: Vec<_> = found.iter().map(|(what, share, _)| format!("{what}: {:.1} %", 100.0 * share)).collect();
        println!("{}: {} designs; {}", floor.set, set.len(), shares.join(", "));
        for (what, share, min_share) in found {
            if !set.is_empty() && share < min_share {
                below.push(format!(
                    "{}: {what} for {:.1} %, at least {:.0} %",
                    floor.set,
                    100.0 * share,
                    100.0 * min_share
                ));
            }
        }
    }
    let worst: Vec<_> = outcomes.iter().take(10).map(ToString::to_string).collect();
    println!("the ten designs that differ most:\n{}", worst.join("\n"));
    assert!(below.is_empty(), "{}\nsee {}/index.html", below.join("\n"), folder.display());
}
