//! How far a run is: a bar where somebody looks, lines now and then elsewhere. On standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(5);
/// Failures told one by one; the manifest has all.
const MOST_TOLD: u64 = 20;

/// Counts rows and shows them.
#[derive(Debug)]
pub(super) struct Progress {
    /// `None`: lines.
    bar: Option<ProgressBar>,
    begun: Instant,
    last_line: Instant,
    total: u64,
    /// There before this run.
    earlier: u64,
    done: u64,
    with_warnings: u64,
    failed: u64,
}

impl Progress {
    /// `earlier`: rows of `total` that are there already.
    pub(super) fn begin(total: u64, earlier: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{bar:30} {pos} of {len} rows, {per_sec}, {eta} left{msg}";
            // The template is the one above; a bar without it would still count.
            let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total).with_style(style).with_position(earlier);
            bar.reset_eta();
            bar
        });
        let now = Instant::now();
        Self { bar, begun: now, last_line: now, total, earlier, done: 0, with_warnings: 0, failed: 0 }
    }

    /// One more row is there.
    pub(super) fn done(&mut self, with_warnings: bool) {
        self.done += 1;
        self.with_warnings += u64::from(with_warnings);
        self.step();
    }

    /// One more row has failed; `error` names it.
    pub(super) fn failed(&mut self, error: &str) {
        self.failed += 1;
        if self.failed <= MOST_TOLD {
            self.tell(&format!("error: {error}"));
        } else if self.failed == MOST_TOLD + 1 {
            self.tell("error: and more, see the manifest");
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!(", {} failed", self.failed));
        }
        self.step();
    }

    /// Rows that have failed in this run.
    pub(super) fn failures(&self) -> u64 {
        self.failed
    }

    /// Rows that are there, and how fast those of this run came.
    pub(super) fn end(&self) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let Self { total, earlier, done, with_warnings, failed, .. } = self;
        let mut words = format!("{} of {total} rows done", earlier + done);
        if *earlier > 0 {
            words += &format!(" ({earlier} of them before)");
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
        // A day is as good as any time that nobody waits for.
        let left = Duration::from_secs_f64(seconds.min(86_400.0));
        format!(
            "{at} of {} rows, {:.1} rows/s, {} left, {} failed",
            self.total,
            self.rate(),
            HumanDuration(left),
            self.failed
        )
    }

    /// Rows a second, those of this run only.
    fn rate(&self) -> f64 {
        (self.done + self.failed) as f64 / self.begun.elapsed().as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn tell(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }
}
