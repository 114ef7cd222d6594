//! Sizes of the texts in a record, so that records and webhook bodies stay far below NATS's largest message (1 MB).

use std::collections::BTreeMap;

use crate::report::{Problem, Warning};

/// Largest size of the warnings, and of the problems, of one row, in bytes.
pub(super) const NOTES_BYTES: usize = 64 << 10;

/// Milliseconds by stage, rounded to microseconds: more digits are noise and take room in ten thousand lines.
pub(super) fn timings_of(timings: &[(&'static str, f64)]) -> BTreeMap<String, f64> {
    let to_micros = |ms: f64| (ms * 1000.0).round() / 1000.0;
    timings.iter().map(|(stage, ms)| ((*stage).to_owned(), to_micros(*ms))).collect()
}

/// The first warnings, together at most [`NOTES_BYTES`].
pub(super) fn truncate_warnings(warnings: &[Warning]) -> Vec<Warning> {
    truncate(warnings, |it| it.message.len() + it.path.as_str().len())
}

/// The first problems, together at most [`NOTES_BYTES`].
pub(super) fn truncate_problems(problems: &[Problem]) -> Vec<Problem> {
    truncate(problems, |it| it.message.len() + it.path.as_str().len())
}

fn truncate<T: Clone>(all: &[T], length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut sum = 0;
    let fit = all.iter().take_while(|it| {
        sum += length(it);
        sum <= NOTES_BYTES
    });
    fit.cloned().collect()
}

/// The first `limit` bytes of `text`, or fewer so that no character is cut.
pub(super) fn truncate_text(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}
