//! Files and lines of the manifest, written by one thread in the order in which rows end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;

use super::super::Failure;
use super::progress::Progress;
use super::state::{Journal, cannot_write, part_of};
use crate::assets::{AssetSnapshot, ContentHash};
use crate::pipeline::Fingerprint;
use crate::report::Warning;
use crate::rows::{PageRecord, Record, RowStatus};

/// How a row ended.
#[derive(Debug)]
pub(super) enum Ended {
    Made(Made),
    Failed(Box<Record>),
}

/// A row's files, not yet written.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) row: u64,
    /// At least one.
    pub(super) files: Vec<MadeFile>,
    /// Whether each page is a file, however many there are.
    pub(super) all_pages: bool,
    pub(super) warnings: Vec<Warning>,
    /// ms by stage.
    pub(super) timings: BTreeMap<String, f64>,
}

/// One file.
#[derive(Debug)]
pub(super) struct MadeFile {
    pub(super) name: String,
    /// From 1.
    pub(super) page: usize,
    pub(super) bytes: Bytes,
    pub(super) fingerprint: Fingerprint,
}

/// Writes until all senders are gone. Blocks.
pub(super) fn run(
    mut journal: Journal,
    snapshot: &Arc<AssetSnapshot>,
    mut progress: Progress,
    mut ended: Receiver<Ended>,
) -> Result<Progress, Failure> {
    while let Some(ended) = ended.blocking_recv() {
        let record = match ended {
            Ended::Made(made) => store(made)?,
            Ended::Failed(record) => *record,
        };
        journal.note(&record, snapshot)?;
        match &record.error {
            Some(error) => progress.failed(error),
            None => progress.done(!record.warnings.is_empty()),
        }
    }
    Ok(progress)
}

/// The files first, their line in the manifest after them.
fn store(made: Made) -> Result<Record, Failure> {
    let Made { row, files, all_pages, warnings, timings } = made;
    let mut record = Record { warnings, timings, ..Record::new(row, RowStatus::Done) };
    for MadeFile { name, page, bytes, fingerprint } in files {
        match write(Path::new(&name), &bytes) {
            Ok(()) => {}
            Err(error) if is_names_fault(&error) => {
                return Ok(Record::failed(row, format!("row {row}: cannot write {name}: {error}"), &[]));
            }
            Err(error) => return Err(cannot_write(Path::new(&name), &error)),
        }
        let (length, sha256) = (bytes.len() as u64, ContentHash::of(&bytes).to_string());
        let fingerprint = Some(fingerprint.to_string());
        if all_pages {
            record.pages.push(PageRecord { page, file: name, bytes: length, sha256, fingerprint });
        } else {
            record = Record { file: Some(name), bytes: Some(length), sha256: Some(sha256), fingerprint, ..record };
        }
    }
    Ok(record)
}

/// Another row's name may do; a full disk is full for all.
fn is_names_fault(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidFilename | ErrorKind::IsADirectory | ErrorKind::NotADirectory)
}

/// Under another name first: a file of this name is whole, whenever the process dies.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = part_of(path);
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
