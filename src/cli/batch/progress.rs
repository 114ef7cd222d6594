//! Progress of a run on standard error: a bar on a terminal, otherwise a line every few seconds.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(5);
/// Maximum number of failures that are printed; the manifest lists all.
const MAX_PRINTED_FAILURES: u64 = 20;

/// Counts rows and displays the progress.
#[derive(Debug)]
pub(super) struct Progress {
    /// `None` prints lines instead.
    bar: Option<ProgressBar>,
    begun: Instant,
    last_line: Instant,
    total: u64,
    /// Rows done before this run.
    earlier: u64,
    done: u64,
    with_warnings: u64,
    failed: u64,
}

impl Progress {
    /// Starts the display. `earlier`: rows of `total` that are already done.
    pub(super) fn begin(total: u64, earlier: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{bar:30} {pos} of {len} rows, {per_sec}, {eta} left{msg}";
            // The template is a constant; the default bar would still count.
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total).with_style(style).with_position(earlier);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self { bar, begun: now, last_line: now, total, earlier, done: 0, with_warnings: 0, failed: 0 }
    }

    /// Counts a finished row.
    pub(super) fn done(&mut self, with_warnings: bool) {
        self.done += 1;
        self.with_warnings += u64::from(with_warnings);
        self.step();
    }

    /// Counts and prints a failed row; `error` includes its number.
    pub(super) fn failed(&mut self, error: &str) {
        self.failed += 1;
        if self.failed <= MAX_PRINTED_FAILURES {
            self.print_line(&format!("error: {error}"));
        } else if self.failed == MAX_PRINTED_FAILURES + 1 {
            self.print_line("error: more rows failed; see the manifest");
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!(", {} failed", self.failed));
        }
        self.step();
    }

    /// Number of failed rows of this run.
    pub(super) fn failures(&self) -> u64 {
        self.failed
    }

    /// Ends the display and returns the summary line.
    pub(super) fn end(&self) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let Self { total, earlier, done, with_warnings, failed, .. } = self;
        let mut words = format!("{} of {total} rows done", earlier + done);
        if *earlier > 0 {
            words += &format!(" ({earlier} of them in an earlier run)");
        }
        if *with_warnings > 0 {
            words += &format!(", {with_warnings} with warnings");
        }
        let took = self.begun.elapsed().as_secs_f64();
        format!("{words}, {failed} failed, {:.1} rows/s for {took:.1} s", self.rate())
    }

    fn step(&mut self) {
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if self.last_line.elapsed() >= INTERVAL => {
                self.last_line = Instant::now();
                eprintln!("{}", self.line());
            }
            None => {}
        }
    }

    fn line(&self) -> String {
        let at = self.earlier + self.done + self.failed;
        let seconds = (self.total.saturating_sub(at)) as f64 / self.rate().max(f64::MIN_POSITIVE);
        // Limit the estimate to a day.
        let left = Duration::from_secs_f64(seconds.min(86_400.0));
        format!(
            "{at} of {} rows, {:.1} rows/s, {} left, {} failed",
            self.total,
            self.rate(),
            HumanDuration(left),
            self.failed
        )
    }

    /// Rows per second of this run.
    fn rate(&self) -> f64 {
        (self.done + self.failed) as f64 / self.begun.elapsed().as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn print_line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}
