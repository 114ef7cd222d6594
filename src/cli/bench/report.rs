//! Formats measurements as tables for people and JSON for programs.

use super::machine;
use super::measure::{Bench, Measured, STAGES};
use crate::cli::failure::Failure;
use crate::config::Settings;

/// Formats a value as one line of JSON.
pub(super) fn json(measured: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(measured).map_err(|error| Failure::Machine(format!("cannot write JSON: {error}")))
}

/// Header of the report: parameters of the measurement and the machine.
pub(super) fn head(settings: &Settings, bench: &Bench, cold: bool) -> String {
    let caches = if cold { "cold: empty caches for every page" } else { "warm" };
    format!(
        "{}, {} cores; {} threads, {} in flight, {}, {caches}. Times in ms, memory in MB; stages one page at a time.\n",
        machine::processor(),
        machine::cores(),
        if cold { 1 } else { settings.render.threads },
        if cold { 1 } else { bench.in_flight },
        bench.format.name(),
    )
}

/// Table with a row per design.
pub(super) fn table(all: &[Measured]) -> String {
    let mut head = vec!["design", "px", "by", "pages/s", "p50", "p99"];
    head.extend(STAGES);
    head.extend(["page", "/encoding", "/painting", "CPU", "/encoding", "kB", "peak RSS", "GPU"]);
    let rows = all.iter().map(|it| {
        let mut row = vec![
            it.design.clone(),
            format!("{}x{}", it.width, it.height),
            it.rasterizer.to_owned(),
            format!("{:.1}", it.pages_per_second),
            number(Some(it.p50_ms)),
            number(Some(it.p99_ms)),
        ];
        row.extend(STAGES.map(|stage| number(it.stages_ms.get(stage).copied())));
        row.extend([Some(it.page_ms), it.ratio_to_encoding, it.ratio_to_painting].map(number));
        row.extend([it.page_cpu_ms, it.cpu_ratio_to_encoding].map(number));
        row.push(format!("{:.0}", it.file_bytes as f64 / 1000.0));
        row.extend([it.peak_rss_mb, it.gpu_memory_mb].map(|mb| mb.map_or("-".to_owned(), |mb| format!("{mb:.0}"))));
        row
    });
    aligned(&head, rows.collect())
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.2}"))
}

/// Aligns columns under their headings: the first to the left, numbers to the right.
fn aligned(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head = head.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let widths: Vec<usize> = (0..head.len())
        .map(|at| std::iter::once(&head).chain(&rows).map(|row| row[at].len()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells
            .map(|(at, (cell, width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    std::iter::once(&head).chain(&rows).map(line).collect()
}

/// Formats a Markdown table.
pub(super) fn markdown(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_owned(); head.len()];
    [line(head), line(&rule)].into_iter().chain(rows.iter().map(|row| line(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_columns_are_aligned_with_their_headings() {
        let rows = vec![vec!["a".to_owned(), "10.25".to_owned()], vec!["longer".to_owned(), "-".to_owned()]];
        assert_eq!(aligned(&["design", "p50"], rows), "design    p50\na       10.25\nlonger      -\n");
    }

    #[test]
    fn report_markdown_has_a_rule() {
        let cells = |cells: &[&str]| cells.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(markdown(&cells(&["a", "b"]), &[cells(&["1", "2"])]), "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }
}
