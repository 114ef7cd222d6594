//! `TENTER_DATA_DIR`: made, checked, and held by one process at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::StoreError;

/// The folder, held until the last clone is dropped or the process ends, however it ends.
#[derive(Clone, Debug)]
pub struct DataFolder {
    path: Arc<Path>,
    _lock: Arc<File>,
}

const LOCK: &str = "lock";

impl DataFolder {
    /// Makes the folder when it is missing and takes hold of it. Blocks.
    ///
    /// # Errors
    /// When it cannot be made or written, or another process has it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let place = || path.display().to_string();
        let wrong = |error: io::Error| {
            let (place, reason) = (place(), error.to_string());
            match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { place, reason },
                _ => StoreError::ReadOnly { place, reason },
            }
        };
        std::fs::create_dir_all(path).map_err(wrong)?;
        let lock = File::options().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(wrong)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Failed {
                place: place(),
                reason: "another tenter uses this folder; stop it, or give this one a TENTER_DATA_DIR of its own"
                    .into(),
            }),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `name` in it, made when it is missing. Files that a killed process had begun to write are removed from it.
    pub(super) fn subfolder(&self, name: &str) -> io::Result<PathBuf> {
        let folder = self.path.join(name);
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)?.flatten() {
            // `name#1`: what `object_store` writes to before it renames.
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
    fn folder_belongs_to_one_at_a_time() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let held = DataFolder::open(&place.path().join("data")).expect("a folder");
        let refused = DataFolder::open(held.path()).expect_err("held");
        assert!(refused.to_string().contains("another tenter uses this folder"), "{refused}");
        let path = held.path().to_owned();
        drop(held);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn half_written_files_are_removed() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = DataFolder::open(place.path()).expect("a folder");
        let files = folder.subfolder("jobs").expect("made");
        for name in ["whole.png", "half.png#1"] {
            std::fs::write(files.join(name), "x").expect("written");
        }
        folder.subfolder("jobs").expect("there");
        assert!(files.join("whole.png").exists() && !files.join("half.png#1").exists());
    }
}
