//! Rows as CSV.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenter::config::BatchSettings;
use tenter::json::JsonParser;
use tenter::rows::{RowFormat, Rows};

fuzz_target!(|bytes: &[u8]| {
    let limits = BatchSettings { rows: 1000, row_bytes: 10_000, ..BatchSettings::default() };
    if let Ok(rows) = Rows::new(bytes, RowFormat::Csv, &limits, JsonParser::new(100)) {
        rows.for_each(drop);
    }
});
