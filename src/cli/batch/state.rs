//! The files of a run: the manifest, and beside it the run file with the data for resuming. Both are only appended to
//! in complete lines, so that a kill loses at most the last line.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plan::{InputHashes, Plan};
use crate::assets::{SnapshotEntry, SnapshotRecord};
use crate::cli::failure::Failure;
use crate::hash::ContentHash;
use crate::rows::{ManifestRecord, RowStatus};

/// Extension of the run file: `manifest.ndjson` has `manifest.run.ndjson`.
const RUN_ENDING: &str = "run.ndjson";

/// First line of the run file; a line for each asset of the snapshot follows.
#[derive(Debug, Serialize, Deserialize)]
struct RunHeader {
    /// Version of the program that started the run.
    tenter: String,
    #[serde(flatten)]
    input_hashes: InputHashes,
}

/// State of a run, locked by one process.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) done: DoneRows,
    pub(super) snapshot: Arc<SnapshotRecord>,
    pub(super) journal: Journal,
}

/// The set of rows that are done.
#[derive(Debug)]
pub(super) struct DoneRows {
    rows: Vec<bool>,
    count: u64,
}

impl DoneRows {
    fn none_of(total: u64) -> Self {
        Self { rows: vec![false; total as usize], count: 0 }
    }

    pub(super) fn has(&self, row: u64) -> bool {
        self.at(row).is_some_and(|at| self.rows[at])
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Adds a row; false when its number is out of range or already in the set.
    fn add(&mut self, row: u64) -> bool {
        let Some(at) = self.at(row).filter(|at| !self.rows[*at]) else { return false };
        self.rows[at] = true;
        self.count += 1;
        true
    }

    fn at(&self, row: u64) -> Option<usize> {
        (row as usize).checked_sub(1).filter(|at| *at < self.rows.len())
    }
}

impl RunState {
    /// Starts a run, or continues an earlier one when `resume` is set and there is one.
    pub(super) fn open(plan: &Plan, resume: bool) -> Result<Self, Failure> {
        let manifest = &plan.manifest;
        let run_path = manifest.with_extension(RUN_ENDING);
        let manifest_exists = manifest.exists();
        if manifest_exists && !resume {
            return Err(Failure::Usage(format!(
                "{} exists from an earlier run: continue it with --resume, write another with --manifest FILE, or \
                 remove it",
                manifest.display()
            )));
        }
        if manifest_exists && !run_path.exists() {
            return Err(Failure::Usage(format!(
                "{} is missing, and {} cannot be resumed without it; remove that as well to start again",
                run_path.display(),
                manifest.display()
            )));
        }
        let mut run = lock_file(&run_path)?;
        let earlier = if resume { read_run(&mut run, &run_path)? } else { None };
        match earlier {
            Some((earlier, entries)) => {
                check_same_input(&earlier, plan)?;
                let mut done = DoneRows::none_of(plan.total);
                let file = match &plan.one_document {
                    None => rewrite_with_done_rows(manifest, &mut done)?,
                    Some(document) => {
                        eprintln!("{}: rendering all rows again, as they are in one document", document.display());
                        empty_manifest(manifest)?
                    }
                };
                Ok(Self::new(plan, done, SnapshotRecord::new(entries), file, run))
            }
            None => {
                let file = start(plan, &mut run, &run_path)?;
                Ok(Self::new(plan, DoneRows::none_of(plan.total), SnapshotRecord::default(), file, run))
            }
        }
    }

    fn new(plan: &Plan, done: DoneRows, snapshot: SnapshotRecord, manifest: File, run: File) -> Self {
        Self { done, snapshot: Arc::new(snapshot), journal: Journal { path: plan.manifest.clone(), manifest, run } }
    }
}

/// Writes the run file, then creates and returns an empty manifest.
fn start(plan: &Plan, run: &mut File, run_path: &Path) -> Result<File, Failure> {
    let begun = RunHeader { tenter: env!("CARGO_PKG_VERSION").into(), input_hashes: plan.input_hashes.clone() };
    let written = run.set_len(0).and_then(|()| run.rewind()).and_then(|()| append_line(run, &begun));
    written.map_err(|error| cannot_write(run_path, &error))?;
    let file = File::options().create_new(true).append(true).open(&plan.manifest);
    file.map_err(|error| cannot_write(&plan.manifest, &error))
}

/// Opens and locks the file for this process; creates it if it is missing.
fn lock_file(path: &Path) -> Result<File, Failure> {
    let wrong = |error: io::Error| cannot_write(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Usage(format!(
            "another tenter process is working on this run and has locked {}",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(wrong(error)),
    }
}

/// Reads the run file of an earlier run and cuts off an incomplete last line; `None` when the first line is incomplete.
fn read_run(file: &mut File, path: &Path) -> Result<Option<(RunHeader, Vec<SnapshotEntry>)>, Failure> {
    let mut lines = Lines::new(&mut *file, path);
    let Some(run) = lines.next_as::<RunHeader>()? else { return Ok(None) };
    let mut entries = Vec::new();
    while let Some(line) = lines.next_as::<SnapshotEntry>()? {
        entries.push(line);
    }
    let whole = lines.bytes;
    let cut = file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole)));
    cut.map_err(|error| cannot_write(path, &error))?;
    Ok(Some((run, entries)))
}

/// Fails when the input of `earlier` differs from that of `plan`.
fn check_same_input(earlier: &RunHeader, plan: &Plan) -> Result<(), Failure> {
    let (then, now) = (&earlier.input_hashes, &plan.input_hashes);
    let changed = [
        (then.template != now.template, "the template"),
        (then.rows != now.rows, "the file of the rows"),
        (then.options != now.options, "the options"),
        (then.output != now.output, "the output name"),
    ];
    let changed: Vec<_> = changed.iter().filter(|(changed, _)| *changed).map(|(_, what)| *what).collect();
    if !changed.is_empty() {
        return Err(Failure::Usage(format!(
            "cannot resume the run of {}, because this has changed: {}. Restore it; or, to start again, remove the \
             manifest and leave out --resume",
            plan.manifest.display(),
            changed.join(", ")
        )));
    }
    if earlier.tenter != env!("CARGO_PKG_VERSION") {
        let then = &earlier.tenter;
        eprintln!("warning: the run was started by tenter {then}; rows rendered by this version may look different");
    }
    Ok(())
}

/// Rewrites the manifest with the done rows whose files are unchanged, each once, so that failed rows are rendered
/// again. Returns it for appending.
fn rewrite_with_done_rows(path: &Path, done: &mut DoneRows) -> Result<File, Failure> {
    let wrong = |error: io::Error| cannot_write(path, &error);
    let temporary = temporary_path(path);
    let mut rewritten = BufWriter::new(File::create(&temporary).map_err(wrong)?);
    match File::open(path) {
        Ok(mut file) => {
            let mut lines = Lines::new(&mut file, path);
            while let Some(record) = lines.next_as::<ManifestRecord>()? {
                if has_intact_files(&record) && done.add(record.row) {
                    append_line(&mut rewritten, &record).map_err(wrong)?;
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::Machine(format!("cannot read {}: {error}", path.display()))),
    }
    let rewritten = rewritten.into_inner().map_err(|error| wrong(error.into_error()))?;
    rewritten.sync_all().and_then(|()| std::fs::rename(&temporary, path)).map_err(wrong)?;
    File::options().append(true).open(path).map_err(wrong)
}

/// Empties the manifest and returns it for appending.
fn empty_manifest(path: &Path) -> Result<File, Failure> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.and_then(|file| file.set_len(0).map(|()| file));
    file.map_err(|error| cannot_write(path, &error))
}

/// Whether all files of a row exist with the recorded length and hash.
fn has_intact_files(record: &ManifestRecord) -> bool {
    let one = (record.file.as_ref(), record.bytes, record.sha256.as_ref());
    let is_one = match one {
        (Some(file), Some(bytes), Some(sha256)) => is_file(file, bytes, sha256),
        _ => !record.pages.is_empty(),
    };
    record.status == RowStatus::Done && is_one && record.pages.iter().all(|it| is_file(&it.file, it.bytes, &it.sha256))
}

fn is_file(path: &str, bytes: u64, sha256: &str) -> bool {
    let hash = || {
        let mut hasher = Sha256::new();
        io::copy(&mut File::open(path)?, &mut hasher)?;
        io::Result::Ok(ContentHash::from(hasher).to_string())
    };
    std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() == bytes) && hash().is_ok_and(|it| it == sha256)
}

/// Reader of complete lines of JSON.
struct Lines<'a> {
    input: BufReader<&'a mut File>,
    path: &'a Path,
    /// Length of the lines read so far.
    bytes: u64,
    number: u64,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a mut File, path: &'a Path) -> Self {
        Self { input: BufReader::new(file), path, bytes: 0, number: 0, line: Vec::new() }
    }

    /// Reads the next line; `None` at the end, and at an incomplete last line.
    fn next_as<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, Failure> {
        self.line.clear();
        let path = self.path.display();
        let read = self.input.read_until(b'\n', &mut self.line);
        read.map_err(|error| Failure::Machine(format!("cannot read {path}: {error}")))?;
        if self.line.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.number += 1;
        self.bytes += self.line.len() as u64;
        let value = serde_json::from_slice(&self.line);
        value.map(Some).map_err(|error| {
            Failure::Usage(format!(
                "{path}: line {} is not valid: {error}; remove the file to start again",
                self.number
            ))
        })
    }
}

/// The files that a run appends to.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    manifest: File,
    run: File,
}

impl Journal {
    /// Appends the row to the manifest. New assets of the snapshot are appended to the run file before, so that a
    /// recorded row always has its assets recorded.
    pub(super) fn append(&mut self, record: &ManifestRecord, snapshot: &SnapshotRecord) -> Result<(), Failure> {
        for entry in snapshot.drain_new() {
            append_line(&mut self.run, &entry)
                .map_err(|error| cannot_write(&self.path.with_extension(RUN_ENDING), &error))?;
        }
        append_line(&mut self.manifest, record).map_err(|error| cannot_write(&self.path, &error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Appends one line in a single write.
fn append_line(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Temporary path of a file until it is complete. It is always the same, so that a killed run leaves no more than the
/// next one overwrites.
pub(super) fn temporary_path(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Machine(format!("cannot write {}: {error}", path.display()))
}
