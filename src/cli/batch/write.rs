//! Writes the files and manifest lines of rows, on one thread and in the order in which rows end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;

use super::progress::Progress;
use super::state::{Journal, cannot_write, temporary_path};
use crate::assets::SnapshotRecord;
use crate::cli::failure::Failure;
use crate::hash::ContentHash;
use crate::report::Warning;
use crate::rows::{ManifestRecord, PageRecord, RowStatus};

/// Outcome of a row.
#[derive(Debug)]
pub(super) enum RowOutcome {
    Rendered(RenderedRow),
    Failed(Box<ManifestRecord>),
}

/// Encoded files of a row, not yet written.
#[derive(Debug)]
pub(super) struct RenderedRow {
    pub(super) row: u64,
    /// Files in page order; at least one.
    pub(super) files: Vec<NamedFile>,
    /// Whether the manifest lists pages, even if there is only one.
    pub(super) all_pages: bool,
    pub(super) warnings: Vec<Warning>,
    /// Time per stage in ms.
    pub(super) timings: BTreeMap<String, f64>,
}

/// One encoded file of a row.
#[derive(Debug)]
pub(super) struct NamedFile {
    pub(super) name: String,
    /// Page number, from 1.
    pub(super) page: usize,
    pub(super) bytes: Bytes,
    pub(super) fingerprint: String,
}

/// Writes until all senders are dropped. Blocks.
pub(super) fn run(
    mut journal: Journal,
    snapshot: &Arc<SnapshotRecord>,
    mut progress: Progress,
    mut ended: Receiver<RowOutcome>,
) -> Result<Progress, Failure> {
    while let Some(ended) = ended.blocking_recv() {
        let record = match ended {
            RowOutcome::Rendered(row) => store(row)?,
            RowOutcome::Failed(record) => *record,
        };
        journal.append(&record, snapshot)?;
        match &record.error {
            Some(error) => progress.failed(error),
            None => progress.done(!record.warnings.is_empty()),
        }
    }
    Ok(progress)
}

/// Writes the files of a row and returns its manifest record.
fn store(rendered: RenderedRow) -> Result<ManifestRecord, Failure> {
    let RenderedRow { row, files, all_pages, warnings, timings } = rendered;
    let mut record = ManifestRecord { warnings, timings, ..ManifestRecord::new(row, RowStatus::Done) };
    for NamedFile { name, page, bytes, fingerprint } in files {
        match write(Path::new(&name), &bytes) {
            Ok(()) => {}
            Err(error) if concerns_file_name(&error) => {
                return Ok(ManifestRecord::failed(row, format!("row {row}: cannot write {name}: {error}"), &[]));
            }
            Err(error) => return Err(cannot_write(Path::new(&name), &error)),
        }
        let (length, sha256) = (bytes.len() as u64, ContentHash::of(&bytes).to_string());
        let fingerprint = Some(fingerprint);
        if all_pages {
            record.pages.push(PageRecord { page, file: name, bytes: length, sha256, fingerprint });
        } else {
            record =
                ManifestRecord { file: Some(name), bytes: Some(length), sha256: Some(sha256), fingerprint, ..record };
        }
    }
    Ok(record)
}

/// Whether the error concerns this file name only, so that other rows can be written; a full disk affects all.
fn concerns_file_name(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidFilename | ErrorKind::IsADirectory | ErrorKind::NotADirectory)
}

/// Writes to a temporary name first, so that a file of this name is always complete, even if the process is killed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = temporary_path(path);
    let file = File::create(&part).or_else(|error| match path.parent() {
        Some(folder) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(folder)?;
            File::create(&part)
        }
        _ => Err(error),
    });
    let done = file.and_then(|mut file| file.write_all(bytes)).and_then(|()| std::fs::rename(&part, path));
    done.inspect_err(|_| drop(std::fs::remove_file(&part)))
}
