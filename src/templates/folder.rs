//! Templates in a folder: every file `….json` below `TENTER_TEMPLATES_DIR` is one, and its path is its id.
//!
//! The folder is looked at twice a second, by the times and sizes of its files, which also works where the kernel
//! reports no changes, such as on network drives. A design is read again when it is used, if its file has changed.
//! Hidden files and folders are left out; symbolic links are followed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::RwLock;

use super::error::{TemplateError, refused};
use super::facts::{Facts, Labels};
use super::id::TemplateId;
use super::record::{Origin, Template, preview_path};
use crate::cache::SharedLru;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::jobs::Timestamp;
use crate::json::JsonParser;
use crate::report::JsonPath;

/// Interval between looks at the folder.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);
/// Depth of folders below which files are not found, which ends circles of symbolic links.
const MAX_DEPTH: usize = 16;
/// Size of the cache of designs, in bytes.
const CACHE_BYTES: usize = 64 << 20;
const EXTENSION: &str = ".json";

/// The templates in a folder.
pub(super) struct TemplateFolder {
    root: PathBuf,
    parser: JsonParser,
    /// Maximum size of a file in bytes: a larger design could not be sent either.
    max_bytes: u64,
    files: RwLock<BTreeMap<TemplateId, TemplateFile>>,
    designs: SharedLru<ContentHash, Bytes>,
}

/// A file as it was seen last.
#[derive(Clone)]
struct TemplateFile {
    path: PathBuf,
    stamp: Stamp,
    /// The template, as of the latest content that was a design; else why the file is not one.
    template: Result<Arc<Template>, Arc<str>>,
}

/// Changes when the content of a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), bytes: metadata.len() }
    }
}

impl TemplateFolder {
    /// Reads all files below `root`. Blocks. Files that are no designs are logged and left out.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub(super) fn open(root: &Path, parser: JsonParser, max_bytes: u64) -> io::Result<Self> {
        fs::read_dir(root)?;
        let folder = Self {
            root: root.to_owned(),
            parser,
            max_bytes,
            files: RwLock::default(),
            designs: SharedLru::new(CACHE_BYTES, 4),
        };
        folder.look();
        Ok(folder)
    }

    /// Looks for new, changed and removed files. Blocks.
    pub(super) fn look(&self) {
        let mut found = Vec::new();
        visit(&self.root, "", 0, &mut found);
        let mut changed = Vec::new();
        {
            let known = self.files.read();
            for (id, path, stamp) in &found {
                if known.get(id).is_none_or(|it| it.stamp != *stamp) {
                    changed.push((id.clone(), path.clone(), *stamp));
                }
            }
        }
        for (id, path, stamp) in changed {
            self.update(&id, &path, stamp);
        }
        let ids: std::collections::HashSet<&TemplateId> = found.iter().map(|(id, ..)| id).collect();
        self.files.write().retain(|id, _| ids.contains(id));
    }

    /// Reads a new or changed file. A file that is no design does not replace one that was: it may be half written.
    fn update(&self, id: &TemplateId, path: &Path, stamp: Stamp) -> Option<(Arc<Template>, Bytes)> {
        let read = self.read(id, path);
        let mut files = self.files.write();
        let before = files.get(id).and_then(|it| it.template.as_ref().ok().cloned());
        let (template, design) = match read {
            Ok((template, design)) => {
                let template = Arc::new(template);
                self.designs.put(template.sha256, design.clone(), design.len());
                (Ok(template.clone()), Some((template, design)))
            }
            Err(problem) => {
                tracing::warn!(file = %path.display(), %problem, "is not used as a template");
                (before.ok_or(problem.into()), None)
            }
        };
        files.insert(id.clone(), TemplateFile { path: path.to_owned(), stamp, template });
        design
    }

    fn read(&self, id: &TemplateId, path: &Path) -> Result<(Template, Bytes), String> {
        let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
        if metadata.len() > self.max_bytes {
            return Err(format!("has {} bytes; the limit is TENTER_REQUEST_MAX_BYTES", metadata.len()));
        }
        let bytes = fs::read(path).map_err(|error| error.to_string())?;
        let design = self.parser.parse(&bytes).map_err(|problem| problem.message)?;
        if !design.get("pages").is_some_and(serde_json::Value::is_array) {
            return Err("has no pages; accepted: a design as exported by the editor".into());
        }
        // As it is parsed: without a byte order mark and other things that a call may not contain.
        let bytes = serde_json::to_vec(&design).map_err(|error| error.to_string())?;
        let labels = Labels::of(&design);
        let since = metadata.modified().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let modified = Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let template = Template {
            id: id.clone(),
            source: Origin::Folder,
            name: labels.name.unwrap_or_else(|| id.to_string()),
            description: labels.description.unwrap_or_default(),
            tags: labels.tags.unwrap_or_default(),
            version: None,
            facts: Facts::of(&design),
            bytes: bytes.len() as u64,
            sha256: ContentHash::of(&bytes),
            preview: preview_path(id),
            created_at: modified,
            updated_at: modified,
        };
        Ok((template, bytes.into()))
    }

    /// All templates, sorted by id.
    pub(super) fn list(&self) -> Vec<Arc<Template>> {
        self.files.read().values().filter_map(|it| it.template.as_ref().ok().cloned()).collect()
    }

    /// Whether there is a file with this id, even one that is no design.
    pub(super) fn has(&self, id: &TemplateId) -> bool {
        self.files.read().contains_key(id)
    }

    /// The template `id` with its design, as the file is now. Blocks. `None` when there is no such file. `at`: path of
    /// the name in the call, for errors.
    pub(super) fn design(
        &self,
        id: &TemplateId,
        at: &JsonPath,
    ) -> Result<Option<(Arc<Template>, Bytes)>, TemplateError> {
        let Some(file) = self.files.read().get(id).cloned() else { return Ok(None) };
        let Ok(metadata) = fs::metadata(&file.path) else {
            self.files.write().remove(id);
            return Ok(None);
        };
        let stamp = Stamp::of(&metadata);
        if stamp == file.stamp
            && let Ok(template) = &file.template
            && let Some(design) = self.designs.get(&template.sha256)
        {
            return Ok(Some((template.clone(), design)));
        }
        if let Some(read) = self.update(id, &file.path, stamp) {
            return Ok(Some(read));
        }
        let now = self.files.read().get(id).map(|it| it.template.clone());
        match now {
            Some(Ok(template)) => match self.designs.get(&template.sha256) {
                Some(design) => Ok(Some((template, design))),
                None => Err(Error::used_up(format!("the file of the template {id} is being written")).into()),
            },
            Some(Err(problem)) => Err(refused(at, format!("the file of the template {id} cannot be used: {problem}"))),
            None => Ok(None),
        }
    }
}

/// Finds all files of templates below `folder`, whose ids begin with `prefix`.
fn visit(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<(TemplateId, PathBuf, Stamp)>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "cannot read a folder of templates");
            return;
        }
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|it| !it.starts_with('.')) else { continue };
        // Follows symbolic links, by which orchestrators mount files.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if metadata.is_dir() {
            if depth < MAX_DEPTH {
                visit(&entry.path(), &format!("{prefix}{name}/"), depth + 1, found);
            }
        } else if let Some(stem) = name.strip_suffix(EXTENSION)
            && let Some(id) = TemplateId::parse(&format!("{prefix}{stem}"))
        {
            found.push((id, entry.path(), Stamp::of(&metadata)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path) -> TemplateFolder {
        TemplateFolder::open(folder, JsonParser::new(100), 1 << 20).expect("a folder")
    }

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs::write(path, text).expect("written");
    }

    fn ids(folder: &TemplateFolder) -> Vec<String> {
        folder.list().iter().map(|it| it.id.to_string()).collect()
    }

    fn width(folder: &TemplateFolder, id: &str) -> f64 {
        let id = TemplateId::parse(id).expect("an id");
        let (template, design) = folder.design(&id, &JsonPath::root()).expect("readable").expect("a template");
        let read: serde_json::Value = serde_json::from_slice(&design).expect("JSON");
        assert_eq!(read["width"].as_f64(), Some(template.facts.width));
        template.facts.width
    }

    #[test]
    fn folder_ids_are_paths_of_designs() {
        let root = tempfile::tempdir().expect("a folder");
        let design = r#"{"width": 30, "pages": [], "custom": {"name": "Card"}}"#;
        for name in ["card.json", "cards/b.v2.json", ".git/x.json", "cards/.hidden.json", "a b.json", "readme.md"] {
            write(root.path(), name, design);
        }
        write(root.path(), "broken.json", "{");
        write(root.path(), "other.json", "{}");
        let folder = open(root.path());
        assert_eq!(ids(&folder), ["card", "cards/b.v2"]);
        let broken = TemplateId::parse("broken").expect("an id");
        assert!(folder.has(&broken));
        let error = folder.design(&broken, &"template".into()).expect_err("no design").to_string();
        assert!(
            error.starts_with("template: the file of the template broken cannot be used: this is not JSON"),
            "{error}"
        );
        assert_eq!(folder.list()[0].name, "Card");
    }

    #[test]
    fn folder_changes_are_seen_when_used_and_when_looked_at() {
        let root = tempfile::tempdir().expect("a folder");
        let design = |width: u32| format!(r#"{{"width": {width}, "pages": []}}"#);
        write(root.path(), "a.json", &design(1));
        write(root.path(), "b.json", &design(2));
        let folder = open(root.path());
        assert_eq!((width(&folder, "a"), width(&folder, "b")), (1.0, 2.0));
        write(root.path(), "a.json", &design(100));
        assert_eq!(width(&folder, "a"), 100.0, "without a look at the folder");
        write(root.path(), "a.json", "{\"half\": ");
        assert_eq!(width(&folder, "a"), 100.0, "the file is being written");
        write(root.path(), "c.json", &design(3));
        fs::remove_file(root.path().join("b.json")).expect("removed");
        let b = TemplateId::parse("b").expect("an id");
        assert!(folder.design(&b, &JsonPath::root()).expect("readable").is_none());
        folder.look();
        assert_eq!(ids(&folder), ["a", "c"]);
    }
}
