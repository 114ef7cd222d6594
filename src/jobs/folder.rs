//! The data folder (`TENTER_DATA_DIR`), which one process at a time may use.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::store::StoreError;

/// The data folder with its lock, which the operating system releases when the last clone is dropped or the process
/// ends.
#[derive(Clone, Debug)]
pub struct DataFolder {
    path: Arc<Path>,
    _lock: Arc<File>,
}

/// Name of the lock file.
const LOCK: &str = "lock";

/// How long a lock may stay after its process was killed: a render process that it was just starting has a copy until
/// it executes the program.
const RELEASE_TIME: Duration = Duration::from_secs(1);
const RETRY_DELAY: Duration = Duration::from_millis(20);

impl DataFolder {
    /// Creates the folder if it is missing, and locks it. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be created or written, or another process has locked it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let place = || path.display().to_string();
        let failed = |error: io::Error| {
            let (place, reason) = (place(), error.to_string());
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { place, reason },
                _ => StoreError::ReadOnly { place, reason },
            }
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(failed)?;
        let mut locked = lock.try_lock();
        let begun = Instant::now();
        while matches!(locked, Err(TryLockError::WouldBlock)) && begun.elapsed() < RELEASE_TIME {
            std::thread::sleep(RETRY_DELAY);
            locked = lock.try_lock();
        }
        match locked {
            Ok(()) => Ok(Self { path: path.into(), _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Failed {
                place: place(),
                reason: "another tenter uses this folder; stop it, or give this one a TENTER_DATA_DIR of its own"
                    .into(),
            }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// The path that the folder was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the subfolder `name` if it is missing, and returns its path. Removes files from it that a process did
    /// not finish writing.
    pub(super) fn subfolder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)?.flatten() {
            // `object_store` writes to `name#1` and then renames the file.
            if entry.file_name().to_string_lossy().contains('#') {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_locked_until_it_is_dropped() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let folder = DataFolder::open(&parent.path().join("data")).expect("a folder");
        let error = DataFolder::open(folder.path()).expect_err("locked");
        assert!(error.to_string().contains("another tenter uses this folder"), "{error}");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn unfinished_files_are_removed() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let folder = DataFolder::open(parent.path()).expect("a folder");
        let files = folder.subfolder("jobs").expect("made");
        for name in ["whole.png", "half.png#1"] {
            std::fs::write(files.join(name), "x").expect("written");
        }
        folder.subfolder("jobs").expect("there");
        assert!(files.join("whole.png").exists() && !files.join("half.png#1").exists());
    }
}
