//! Files of the font service, kept on disk between starts.
//!
//! Names are hashes of URLs, so that nothing of a URL reaches the file system. Files are written beside their place and
//! renamed, so that a reader sees a whole file or none. A disk that fails costs a download, never a render.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Older files are deleted at the start, and downloaded anew if still wanted.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// A folder of ours alone; without one, nothing is kept.
#[derive(Clone, Debug)]
pub(super) struct Disk(Option<PathBuf>);

/// A file that was kept.
#[derive(Debug)]
pub(super) struct KeptFile {
    pub(super) bytes: Vec<u8>,
    /// Since it was written; zero when the clock went back.
    pub(super) age: Duration,
}

impl Disk {
    /// Deletes what is too old. The folder need not exist yet.
    pub(super) fn open(directory: Option<PathBuf>) -> Self {
        if let Some(directory) = &directory {
            sweep(directory, SystemTime::now());
        }
        Self(directory)
    }

    /// What was kept of `url`; `None` when there is nothing, or more than `limit` bytes.
    pub(super) async fn read(&self, url: &str, limit: u64) -> Option<KeptFile> {
        let path = self.path(url)?;
        tokio::task::spawn_blocking(move || read_file(&path, limit).ok()).await.ok().flatten()
    }

    /// Keeps `bytes` of `url`. Runs to its end even if the caller goes away.
    pub(super) async fn write(&self, url: &str, bytes: Bytes) {
        let Some(path) = self.path(url) else { return };
        let written = tokio::task::spawn_blocking(move || write_file(&path, &bytes).map_err(|error| (path, error)));
        if let Ok(Err((path, error))) = written.await {
            tracing::warn!(path = %path.display(), %error, "a font file could not be kept on disk");
        }
    }

    fn path(&self, url: &str) -> Option<PathBuf> {
        let name: String = Sha256::digest(url).iter().map(|byte| format!("{byte:02x}")).collect();
        Some(self.0.as_ref()?.join(name))
    }
}

fn read_file(path: &Path, limit: u64) -> io::Result<KeptFile> {
    let file = fs::File::open(path)?;
    let age = file.metadata()?.modified()?.elapsed().unwrap_or_default();
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(KeptFile { bytes, age })
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let unique = getrandom::u64().map_err(io::Error::other)?;
    let beside = path.with_extension(format!("{unique:016x}"));
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: the next start sweeps what is left.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Deletes files older than `KEPT`, the halves of broken writes among them. Only names that we give.
fn sweep(directory: &Path, now: SystemTime) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = path.file_stem().is_some_and(|stem| stem.len() == 64);
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > KEPT));
        if ours && old {
            // Another process on the same folder may have been faster.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn disk_keeps_files_under_safe_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::open(Some(folder.path().join("fonts")));
        let url = "https://x/../../etc/passwd";
        assert!(disk.read(url, 10).await.is_none());
        disk.write(url, Bytes::from_static(b"first")).await;
        disk.write(url, Bytes::from_static(b"second")).await;
        assert_eq!(disk.read(url, 6).await.expect("kept").bytes, b"second");
        assert!(disk.read(url, 5).await.is_none(), "larger than the limit");
        let names: Vec<_> = fs::read_dir(folder.path().join("fonts")).expect("made").flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert_eq!(names[0].file_name().len(), 64);
    }

    #[tokio::test]
    async fn disk_sweeps_only_old_files_of_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Disk::open(Some(folder.path().to_owned()));
        disk.write("https://x/a", Bytes::from_static(b"a")).await;
        fs::write(folder.path().join("notes.txt"), "not ours").expect("written");
        sweep(folder.path(), SystemTime::now());
        assert!(disk.read("https://x/a", 10).await.is_some());
        sweep(folder.path(), SystemTime::now() + KEPT + Duration::from_secs(60));
        assert!(disk.read("https://x/a", 10).await.is_none());
        assert!(folder.path().join("notes.txt").exists());
    }

    #[tokio::test]
    async fn disk_may_be_missing_or_unwritable() {
        let none = Disk::open(None);
        none.write("https://x/a", Bytes::from_static(b"a")).await;
        assert!(none.read("https://x/a", 10).await.is_none());
        let file = tempfile::NamedTempFile::new().expect("a file");
        let blocked = Disk::open(Some(file.path().join("fonts")));
        blocked.write("https://x/a", Bytes::from_static(b"a")).await;
        assert!(blocked.read("https://x/a", 10).await.is_none());
    }
}
