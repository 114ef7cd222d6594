//! `tenter bench --study`: every design in every form, CPU beside GPU, as the tables that sizing is done with.

use std::time::Duration;

use serde::Serialize;

use super::measure::{Bench, Flight, STAGES, Stages};
use super::{Subject, choose_format, machine, report};
use crate::cli::Failure;
use crate::config::{RasterizerChoice, Settings};
use crate::error::Error;
use crate::pipeline::Engine;

const FORMATS: [&str; 3] = ["raw", "jpeg", "png"];
const IN_FLIGHT: [usize; 5] = [1, 2, 3, 4, 8];
/// The size that most templates are made for; their mean is told apart.
const COMMON: (u32, u32) = (1080, 1080);

/// One measurement.
#[derive(Clone, Debug, Serialize)]
struct Cell {
    design: String,
    width: u32,
    height: u32,
    rasterizer: &'static str,
    format: &'static str,
    in_flight: usize,
    pages_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    stages_ms: Stages,
}

/// `time`: of each measurement.
pub(super) async fn run(
    subjects: &[Subject],
    settings: &Settings,
    time: Duration,
    as_json: bool,
) -> Result<(), Failure> {
    let mut cells = Vec::new();
    let mut notes = Vec::new();
    for choice in [RasterizerChoice::Cpu, RasterizerChoice::Gpu] {
        let mut settings = settings.clone();
        settings.render.rasterizer = choice;
        settings.render.workers = settings.render.workers.max(IN_FLIGHT[IN_FLIGHT.len() - 1]);
        settings.render.queue = settings.render.queue.max(settings.render.workers);
        let engine = match Engine::new(&settings) {
            Ok(engine) => engine,
            Err(error) if choice == RasterizerChoice::Gpu => {
                notes.push(format!("Not measured on a GPU: {error}"));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for subject in subjects {
            for cell in measure(&engine, subject, time).await? {
                if as_json {
                    println!("{}", report::json(&cell)?);
                }
                cells.push(cell);
            }
        }
        if let Some(used) = machine::gpu_memory_mb().filter(|_| choice == RasterizerChoice::Gpu) {
            notes.push(format!("Memory in use on the graphics cards at the end: {used:.0} MB."));
        }
        notes.extend(
            machine::peak_rss_mb().map(|mb| format!("Peak RSS up to the end of {}: {mb:.0} MB.", engine.rasterizer())),
        );
    }
    if as_json {
        notes.iter().for_each(|note| eprintln!("{note}"));
    } else {
        print!("{}", tables(&cells, settings, time, &notes));
    }
    Ok(())
}

/// All formats and loads of one design.
async fn measure(engine: &Engine, subject: &Subject, time: Duration) -> Result<Vec<Cell>, Error> {
    let mut cells = Vec::new();
    let size = super::measure::size(engine, subject).await?;
    for format in FORMATS {
        for in_flight in IN_FLIGHT {
            let bench = Bench { format: choose_format(format, &subject.options)?, in_flight, time };
            let flight = bench.fly(engine, subject).await?;
            eprintln!(
                "{} {format} {in_flight} {}: {:.1} pages/s",
                flight.rasterizer(),
                subject.name,
                flight.pages_per_second()
            );
            cells.push(cell(subject, size, format, in_flight, &flight));
        }
    }
    Ok(cells)
}

fn cell(
    subject: &Subject,
    (width, height): (u32, u32),
    format: &'static str,
    in_flight: usize,
    flight: &Flight,
) -> Cell {
    Cell {
        design: subject.name.clone(),
        width,
        height,
        rasterizer: flight.rasterizer(),
        format,
        in_flight,
        pages_per_second: flight.pages_per_second(),
        p50_ms: flight.percentile(0.5),
        p99_ms: flight.percentile(0.99),
        stages_ms: flight.stages(),
    }
}

fn tables(cells: &[Cell], settings: &Settings, time: Duration, notes: &[String]) -> String {
    let mut text = format!(
        "{}, {} cores, {} threads; {:.1} s a measurement, warm.\n",
        machine::processor(),
        machine::cores(),
        settings.render.threads,
        time.as_secs_f64()
    );
    adapters().iter().for_each(|adapter| text.push_str(&format!("Adapter: {adapter}.\n")));
    notes.iter().for_each(|note| text.push_str(&format!("{note}\n")));
    for format in FORMATS {
        let of_format: Vec<_> = cells.iter().filter(|it| it.format == format).collect();
        text.push_str(&format!("\n### {format}: pages/s by requests in flight, stages in ms with one\n\n"));
        let mut head: Vec<String> = ["design", "px", "by"].map(str::to_owned).into();
        head.extend(IN_FLIGHT.map(|it| it.to_string()));
        head.extend(["p50 at 1", "p99 at 8"].map(str::to_owned));
        head.extend(STAGES.map(str::to_owned));
        let rows: Vec<_> = of_format.chunks(IN_FLIGHT.len()).map(row).collect();
        text.push_str(&report::markdown(&head, &rows));
        text.push_str(&mean_of_common(&of_format));
    }
    text
}

/// `loads`: one design, format and painter, in the order of `IN_FLIGHT`.
fn row(loads: &[&Cell]) -> Vec<String> {
    let (Some(one), Some(most)) = (loads.first(), loads.last()) else { return Vec::new() };
    let mut row = vec![one.design.clone(), format!("{}×{}", one.width, one.height), one.rasterizer.to_owned()];
    row.extend(loads.iter().map(|it| format!("{:.1}", it.pages_per_second)));
    row.extend([one.p50_ms, most.p99_ms].map(|ms| format!("{ms:.1}")));
    row.extend(STAGES.map(|stage| one.stages_ms.get(stage).map_or("-".to_owned(), |ms| format!("{ms:.2}"))));
    row
}

/// The harmonic mean, by painter and load: pages/s when these designs come in equal numbers.
fn mean_of_common(cells: &[&Cell]) -> String {
    let common: Vec<_> = cells.iter().filter(|it| (it.width, it.height) == COMMON).collect();
    let mut painters: Vec<_> = common.iter().map(|it| it.rasterizer).collect();
    painters.sort_unstable();
    painters.dedup();
    let mut text = String::new();
    for painter in painters {
        let means = IN_FLIGHT.map(|in_flight| {
            let of_load = common.iter().filter(|it| it.rasterizer == painter && it.in_flight == in_flight);
            let (count, seconds) = of_load.fold((0, 0.0), |(n, sum), it| (n + 1, sum + 1.0 / it.pages_per_second));
            format!("{:.1}", f64::from(count) / seconds)
        });
        let (width, height) = COMMON;
        text.push_str(&format!("\nAll {width}×{height} designs alike, {painter}: {} pages/s.\n", means.join(" / ")));
    }
    text
}

#[cfg(feature = "gpu")]
fn adapters() -> Vec<String> {
    let describe = |it: &crate::paint::gpu::Adapter| {
        let kind = if it.software { ", in software" } else { "" };
        format!("{} ({} {}{kind})", it.name, it.backend, it.driver)
    };
    crate::paint::gpu::adapters().iter().map(describe).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<String> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(design: &str, size: (u32, u32), rates: [f64; 5]) -> Vec<Cell> {
        let cell = |(in_flight, pages_per_second): (usize, f64)| Cell {
            design: design.to_owned(),
            width: size.0,
            height: size.1,
            rasterizer: "cpu",
            format: "raw",
            in_flight,
            pages_per_second,
            p50_ms: 1.0,
            p99_ms: 2.0,
            stages_ms: Stages::from([("paint", 0.5)]),
        };
        IN_FLIGHT.into_iter().zip(rates).map(cell).collect()
    }

    #[test]
    fn study_means_are_harmonic_and_of_one_size() {
        let mut all = cells("a", COMMON, [100.0; 5]);
        all.extend(cells("b", COMMON, [300.0; 5]));
        all.extend(cells("c", (10, 10), [9000.0; 5]));
        let text = mean_of_common(&all.iter().collect::<Vec<_>>());
        assert!(text.contains("cpu: 150.0 / 150.0 / 150.0 / 150.0 / 150.0 pages/s"), "{text}");
    }

    #[test]
    fn study_has_a_row_a_design_and_painter() {
        let text =
            tables(&cells("a", COMMON, [1.0, 2.0, 3.0, 4.0, 8.0]), &Settings::default(), Duration::from_secs(1), &[]);
        let row = "| a | 1080×1080 | cpu | 1.0 | 2.0 | 3.0 | 4.0 | 8.0 | 1.0 | 2.0 | - | - | - | - | 0.50 | - |";
        assert!(text.contains(row), "{text}");
    }
}
