//! Cache on disk for files of the font service.
//!
//! File names are hashes of URLs, so that no part of a URL reaches the file system. Files are written under a temporary
//! name and renamed, so that a reader sees a complete file or none. A disk error costs a download, but no render fails.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::assets::file_source::{FileSource, StoredFile};
use crate::hash::ContentHash;

/// Maximum age of a file. Older ones are deleted at the start, and downloaded again when they are needed.
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where the cache is.
#[derive(Clone, Debug)]
pub(in crate::assets) enum DiskCache {
    /// There is none.
    Off,
    /// In a folder of its own, which need not exist.
    Folder(PathBuf),
    /// Behind another process, which has the folder.
    Elsewhere(Arc<dyn FileSource>),
}

impl DiskCache {
    /// Opens the cache and deletes files that are too old. The folder need not exist.
    pub(in crate::assets) fn open(directory: Option<PathBuf>) -> Self {
        let Some(directory) = directory else { return Self::Off };
        delete_old_files(&directory, SystemTime::now());
        Self::Folder(directory)
    }

    /// Reads the file of `url`; `None` when there is none, or when it has more than `limit` bytes.
    pub(in crate::assets) async fn read(&self, url: &str, limit: u64) -> Option<StoredFile> {
        let path = match self {
            Self::Off => return None,
            Self::Folder(folder) => path_in(folder, url),
            Self::Elsewhere(source) => return source.read_stored(url, limit).await,
        };
        tokio::task::spawn_blocking(move || read_file(&path, limit).ok()).await.ok().flatten()
    }

    /// Writes `bytes` as the file of `url`. The write completes even if the future is dropped.
    pub(in crate::assets) async fn write(&self, url: &str, bytes: Bytes) {
        let path = match self {
            Self::Off => return,
            Self::Folder(folder) => path_in(folder, url),
            Self::Elsewhere(source) => return source.store(url, bytes).await,
        };
        let written = tokio::task::spawn_blocking(move || write_file(&path, &bytes).map_err(|error| (path, error)));
        if let Ok(Err((path, error))) = written.await {
            tracing::warn!(path = %path.display(), %error, "a font file could not be written to the disk cache");
        }
    }
}

fn path_in(folder: &Path, url: &str) -> PathBuf {
    folder.join(ContentHash::of(url.as_bytes()).to_string())
}

fn read_file(path: &Path, limit: u64) -> io::Result<StoredFile> {
    let file = fs::File::open(path)?;
    let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(StoredFile { bytes: bytes.into(), age })
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let unique = getrandom::u64().map_err(io::Error::other)?;
    let temporary = path.with_extension(format!("{unique:016x}"));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // If this fails too, the next start deletes the file when it is old enough.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Deletes files older than [`MAX_AGE`] whose names this cache gives, including those of interrupted writes.
fn delete_old_files(directory: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_cache_file = path.file_stem().is_some_and(|stem| stem.len() == 64);
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > MAX_AGE));
        if is_cache_file && old {
            // Another process may have deleted it already.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn disk_cache_uses_safe_file_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DiskCache::open(Some(folder.path().join("fonts")));
        let url = "https://x/../../etc/passwd";
        assert!(disk.read(url, 10).await.is_none());
        disk.write(url, Bytes::from_static(b"first")).await;
        disk.write(url, Bytes::from_static(b"second")).await;
        assert_eq!(disk.read(url, 6).await.expect("stored").bytes, "second");
        assert!(disk.read(url, 5).await.is_none(), "larger than the limit");
        let names: Vec<_> = fs::read_dir(folder.path().join("fonts")).expect("made").flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(names[0].file_name().len(), 64);
    }

    #[tokio::test]
    async fn disk_cache_deletes_only_old_files_of_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = DiskCache::open(Some(folder.path().to_owned()));
        disk.write("https://x/a", Bytes::from_static(b"a")).await;
        fs::write(folder.path().join("notes.txt"), "not ours").expect("written");
        delete_old_files(folder.path(), SystemTime::now());
        assert!(disk.read("https://x/a", 10).await.is_some());
        delete_old_files(folder.path(), SystemTime::now() + MAX_AGE + Duration::from_secs(60));
        assert!(disk.read("https://x/a", 10).await.is_none());
        assert!(folder.path().join("notes.txt").exists());
    }

    #[tokio::test]
    async fn disk_cache_may_be_missing_or_unwritable() {
        let none = DiskCache::open(None);
        none.write("https://x/a", Bytes::from_static(b"a")).await;
        assert!(none.read("https://x/a", 10).await.is_none());
        let file = tempfile::NamedTempFile::new().expect("a file");
        let blocked = DiskCache::open(Some(file.path().join("fonts")));
        blocked.write("https://x/a", Bytes::from_static(b"a")).await;
        assert!(blocked.read("https://x/a", 10).await.is_none());
    }
}
