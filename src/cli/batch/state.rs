//! What of a run is kept: the manifest, and beside it what a later run must know to go on. Whole lines are appended and
//! nothing else, so that a kill at any moment costs no more than the last line.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::Failure;
use super::plan::{Digests, Plan};
use crate::assets::{AssetSnapshot, ContentHash, SnapshotEntry};
use crate::rows::{Record, RowStatus};

/// Of the file beside the manifest: `manifest.ndjson` has `manifest.run.ndjson`.
const RUN_ENDING: &str = "run.ndjson";

/// First line of the file beside the manifest; then a line for each asset that is in the snapshot.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    /// Version of the program.
    tenter: String,
    #[serde(flatten)]
    digests: Digests,
}

/// A run under way, held by one process.
#[derive(Debug)]
pub(super) struct State {
    pub(super) done: Done,
    pub(super) snapshot: Arc<AssetSnapshot>,
    pub(super) journal: Journal,
}

/// Which rows are there.
#[derive(Debug)]
pub(super) struct Done {
    rows: Vec<bool>,
    count: u64,
}

impl Done {
    fn none_of(total: u64) -> Self {
        Self { rows: vec![false; total as usize], count: 0 }
    }

    /// `row`: from 1.
    pub(super) fn has(&self, row: u64) -> bool {
        self.at(row).is_some_and(|at| self.rows[at])
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// False when it is none of these rows, or there already.
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

impl State {
    /// Begins, or goes on when `resume` is set and there is something to go on with. `pin_bytes`: `TENTER_PIN_BYTES`.
    pub(super) fn open(plan: &Plan, resume: bool, pin_bytes: usize) -> Result<Self, Failure> {
        let manifest = &plan.manifest;
        let run_path = manifest.with_extension(RUN_ENDING);
        let is_there = manifest.exists();
        if is_there && !resume {
            return Err(Failure::Usage(format!(
                "{} is of an earlier run: --resume goes on with it, --manifest FILE writes another, or remove it",
                manifest.display()
            )));
        }
        if is_there && !run_path.exists() {
            return Err(Failure::Usage(format!(
                "{} is not there, and without it {} cannot be gone on with; remove that too to begin anew",
                run_path.display(),
                manifest.display()
            )));
        }
        let mut run = hold(&run_path)?;
        let earlier = if resume { read_run(&mut run, &run_path)? } else { None };
        match earlier {
            Some((earlier, entries)) => {
                check(&earlier, plan)?;
                let mut done = Done::none_of(plan.total);
                let file = match &plan.one_document {
                    None => keep_done(manifest, &mut done)?,
                    Some(document) => {
                        eprintln!("{}: one document of all rows is made anew", document.path.display());
                        emptied(manifest)?
                    }
                };
                Ok(Self::new(plan, done, AssetSnapshot::new(pin_bytes, entries), file, run))
            }
            None => {
                let file = begin(plan, &mut run, &run_path)?;
                Ok(Self::new(plan, Done::none_of(plan.total), AssetSnapshot::new(pin_bytes, []), file, run))
            }
        }
    }

    fn new(plan: &Plan, done: Done, snapshot: AssetSnapshot, manifest: File, run: File) -> Self {
        Self { done, snapshot: Arc::new(snapshot), journal: Journal { path: plan.manifest.clone(), manifest, run } }
    }
}

/// Writes what a later run must know, and then an empty manifest, which is returned.
fn begin(plan: &Plan, run: &mut File, run_path: &Path) -> Result<File, Failure> {
    let begun = Run { tenter: env!("CARGO_PKG_VERSION").into(), digests: plan.digests.clone() };
    let written = run.set_len(0).and_then(|()| run.rewind()).and_then(|()| append(run, &begun));
    written.map_err(|error| cannot_write(run_path, &error))?;
    let file = File::options().create_new(true).append(true).open(&plan.manifest);
    file.map_err(|error| cannot_write(&plan.manifest, &error))
}

/// The file, made when it is missing, for this process alone.
fn hold(path: &Path) -> Result<File, Failure> {
    let wrong = |error: io::Error| cannot_write(path, &error);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    }
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::Usage(format!("another tenter is at this run: it has {}", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(wrong(error)),
    }
}

/// What an earlier run wrote, a torn last line cut off; `None` when it did not come to its first line.
fn read_run(file: &mut File, path: &Path) -> Result<Option<(Run, Vec<SnapshotEntry>)>, Failure> {
    let mut lines = Lines::new(&mut *file, path);
    let Some(run) = lines.next_as::<Run>()? else { return Ok(None) };
    let mut entries = Vec::new();
    while let Some(line) = lines.next_as::<SnapshotEntry>()? {
        entries.push(line);
    }
    let whole = lines.bytes;
    let cut = file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole)));
    cut.map_err(|error| cannot_write(path, &error))?;
    Ok(Some((run, entries)))
}

/// Whether a run of `earlier` would have made the same.
fn check(earlier: &Run, plan: &Plan) -> Result<(), Failure> {
    let (then, now) = (&earlier.digests, &plan.digests);
    let changed = [
        (then.template != now.template, "the template"),
        (then.rows != now.rows, "the rows' file"),
        (then.options != now.options, "the options"),
        (then.output != now.output, "the output's name"),
    ];
    let changed: Vec<_> = changed.iter().filter(|(changed, _)| *changed).map(|(_, what)| *what).collect();
    if !changed.is_empty() {
        return Err(Failure::Usage(format!(
            "cannot go on with the run of {}: other than then: {}. Give it what it had; or, to begin anew, remove the \
             manifest and leave out --resume",
            plan.manifest.display(),
            changed.join(", ")
        )));
    }
    if earlier.tenter != env!("CARGO_PKG_VERSION") {
        let then = &earlier.tenter;
        eprintln!("warning: the run was begun by tenter {then}; rows of this version may look otherwise");
    }
    Ok(())
}

/// Writes the manifest anew, with the rows whose files are as they were, each once; so failed rows are tried again.
/// Returns it for appending.
fn keep_done(path: &Path, done: &mut Done) -> Result<File, Failure> {
    let wrong = |error: io::Error| cannot_write(path, &error);
    let beside = part_of(path);
    let mut kept = BufWriter::new(File::create(&beside).map_err(wrong)?);
    match File::open(path) {
        Ok(mut file) => {
            let mut lines = Lines::new(&mut file, path);
            while let Some(record) = lines.next_as::<Record>()? {
                if is_there(&record) && done.add(record.row) {
                    append(&mut kept, &record).map_err(wrong)?;
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::Machine(format!("cannot read {}: {error}", path.display()))),
    }
    let kept = kept.into_inner().map_err(|error| wrong(error.into_error()))?;
    kept.sync_all().and_then(|()| std::fs::rename(&beside, path)).map_err(wrong)?;
    File::options().append(true).open(path).map_err(wrong)
}

/// The manifest without a line, for appending.
fn emptied(path: &Path) -> Result<File, Failure> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.and_then(|file| file.set_len(0).map(|()| file));
    file.map_err(|error| cannot_write(path, &error))
}

/// Whether all files of a row are what was written.
fn is_there(record: &Record) -> bool {
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

/// Whole lines of JSON.
struct Lines<'a> {
    input: BufReader<&'a mut File>,
    path: &'a Path,
    /// Of the lines read.
    bytes: u64,
    number: u64,
    line: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a mut File, path: &'a Path) -> Self {
        Self { input: BufReader::new(file), path, bytes: 0, number: 0, line: Vec::new() }
    }

    /// `None` at the end, and at a last line that was not finished.
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
                "{path}: line {} is none that a run wrote: {error}; remove it to begin anew",
                self.number
            ))
        })
    }
}

/// Where lines go.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    manifest: File,
    run: File,
}

impl Journal {
    /// Appends the new entries of `snapshot` and then `record`, so that a row is never recorded before its assets.
    pub(super) fn note(&mut self, record: &Record, snapshot: &AssetSnapshot) -> Result<(), Failure> {
        for entry in snapshot.drain_new() {
            append(&mut self.run, &entry)
                .map_err(|error| cannot_write(&self.path.with_extension(RUN_ENDING), &error))?;
        }
        append(&mut self.manifest, record).map_err(|error| cannot_write(&self.path, &error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// One line, in one write.
fn append(file: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(line)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Where a file is written before it gets its name: always the same place, so that a killed run leaves no more than the
/// next one writes over.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Machine(format!("cannot write {}: {error}", path.display()))
}
