//! `tenter bench --study`: measures every design in several formats on the CPU and the GPU, as tables for sizing.

use std::time::Duration;

use serde::Serialize;

use super::measure::{Bench, ConcurrentRun, STAGES, Stages};
use super::sinks::choose_format;
use super::subject::Subject;
use super::{machine, report};
use crate::cli::failure::Failure;
use crate::config::{RasterizerChoice, Settings};
use crate::error::Error;
use crate::pipeline::Engine;

const FORMATS: [&str; 3] = ["raw", "jpeg", "png"];
const IN_FLIGHT: [usize; 5] = [1, 2, 3, 4, 8];
/// Page size whose designs get a mean of their own: most templates have it.
const COMMON_SIZE: (u32, u32) = (1080, 1080);

/// Measurement of one design, format, painter and number of pages in flight.
#[derive(Clone, Debug, Serialize)]
struct Measurement {
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

/// Runs all measurements and prints them. `time`: duration of each measurement.
pub(super) async fn run(
    subjects: &[Subject],
    settings: &Settings,
    time: Duration,
    as_json: bool,
) -> Result<(), Failure> {
    let mut measurements = Vec::new();
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
            for measurement in measure(&engine, subject, time).await? {
                if as_json {
                    println!("{}", report::json(&measurement)?);
                }
                measurements.push(measurement);
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
        print!("{}", tables(&measurements, settings, time, &notes));
    }
    Ok(())
}

/// Measures one design in all formats and numbers of pages in flight.
async fn measure(engine: &Engine, subject: &Subject, time: Duration) -> Result<Vec<Measurement>, Error> {
    let mut measurements = Vec::new();
    let size = super::measure::size(engine, subject).await?;
    for format in FORMATS {
        for in_flight in IN_FLIGHT {
            let bench = Bench { format: choose_format(format, &subject.options)?, in_flight, time };
            let run = bench.run_concurrently(engine, subject).await?;
            eprintln!(
                "{} {format} {in_flight} {}: {:.1} pages/s",
                run.rasterizer(),
                subject.name,
                run.pages_per_second()
            );
            measurements.push(measurement(subject, size, format, in_flight, &run));
        }
    }
    Ok(measurements)
}

fn measurement(
    subject: &Subject,
    (width, height): (u32, u32),
    format: &'static str,
    in_flight: usize,
    run: &ConcurrentRun,
) -> Measurement {
    Measurement {
        design: subject.name.clone(),
        width,
        height,
        rasterizer: run.rasterizer(),
        format,
        in_flight,
        pages_per_second: run.pages_per_second(),
        p50_ms: run.percentile(0.5),
        p99_ms: run.percentile(0.99),
        stages_ms: run.stages(),
    }
}

fn tables(measurements: &[Measurement], settings: &Settings, time: Duration, notes: &[String]) -> String {
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
        let of_format: Vec<_> = measurements.iter().filter(|it| it.format == format).collect();
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

/// Row of the table for one design, format and painter. `loads`: measurements in the order of `IN_FLIGHT`.
fn row(loads: &[&Measurement]) -> Vec<String> {
    let (Some(one), Some(highest)) = (loads.first(), loads.last()) else { return Vec::new() };
    let mut row = vec![one.design.clone(), format!("{}×{}", one.width, one.height), one.rasterizer.to_owned()];
    row.extend(loads.iter().map(|it| format!("{:.1}", it.pages_per_second)));
    row.extend([one.p50_ms, highest.p99_ms].map(|ms| format!("{ms:.1}")));
    row.extend(STAGES.map(|stage| one.stages_ms.get(stage).map_or("-".to_owned(), |ms| format!("{ms:.2}"))));
    row
}

/// Harmonic mean per painter and load: pages/s when these designs are requested equally often.
fn mean_of_common(measurements: &[&Measurement]) -> String {
    let common: Vec<_> = measurements.iter().filter(|it| (it.width, it.height) == COMMON_SIZE).collect();
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
        let (width, height) = COMMON_SIZE;
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

    fn measurements(design: &str, size: (u32, u32), rates: [f64; 5]) -> Vec<Measurement> {
        let measurement = |(in_flight, pages_per_second): (usize, f64)| Measurement {
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
        IN_FLIGHT.into_iter().zip(rates).map(measurement).collect()
    }

    #[test]
    fn study_means_are_harmonic_and_of_one_size() {
        let mut all = measurements("a", COMMON_SIZE, [100.0; 5]);
        all.extend(measurements("b", COMMON_SIZE, [300.0; 5]));
        all.extend(measurements("c", (10, 10), [9000.0; 5]));
        let text = mean_of_common(&all.iter().collect::<Vec<_>>());
        assert!(text.contains("cpu: 150.0 / 150.0 / 150.0 / 150.0 / 150.0 pages/s"), "{text}");
    }

    #[test]
    fn study_has_a_row_per_design_and_painter() {
        let text = tables(
            &measurements("a", COMMON_SIZE, [1.0, 2.0, 3.0, 4.0, 8.0]),
            &Settings::default(),
            Duration::from_secs(1),
            &[],
        );
        let row = "| a | 1080×1080 | cpu | 1.0 | 2.0 | 3.0 | 4.0 | 8.0 | 1.0 | 2.0 | - | - | - | - | 0.50 | - |";
        assert!(text.contains(row), "{text}");
    }
}
