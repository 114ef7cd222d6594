//! What is asked of the kernel, and how far it does it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a confined process may still reach besides its open files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Files, and folders with everything below them, that can be opened for reading. Paths that do not exist when the
    /// process is confined stay out of reach, and so does what symbolic links inside a folder name elsewhere.
    pub read: Vec<PathBuf>,
    /// Folders in which files can be created and replaced until system calls are confined, for the compiled pipelines
    /// of a GPU. Afterwards only files that are there can be opened for writing, so these must be read-only by their
    /// mode. A folder must exist when the process is confined.
    pub write: Vec<PathBuf>,
    /// Whether the process can open GPUs: their device nodes, and the drivers with the files these read. A driver
    /// outside the system's folders (`VK_DRIVER_FILES`, `LD_LIBRARY_PATH`) must be listed in `read`.
    pub devices: bool,
}

/// How far the kernel enforces one kind of confinement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "level", content = "reason", rename_all = "snake_case")]
pub enum Level {
    /// Everything that was asked for is enforced.
    Full,
    /// A part is enforced; the text says what is not, and why.
    Partial(String),
    /// Nothing is enforced; the text says why.
    None(String),
}

/// How far the kernel confines a process, for `tenter doctor`, the readiness endpoint and the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The result of [`confine_files`](super::confine_files).
    pub files: Level,
    /// The result of [`confine_system_calls`](super::confine_system_calls).
    pub system_calls: Level,
}

impl Confinement {
    /// Whether everything that was asked for is enforced.
    pub fn is_full(&self) -> bool {
        self.files == Level::Full && self.system_calls == Level::Full
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("confined"),
            Self::Partial(reason) => write!(f, "confined in part ({reason})"),
            Self::None(reason) => write!(f, "not confined ({reason})"),
        }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "files {}, system calls {}", self.files, self.system_calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_back_from_json_and_printed_in_words() {
        let confinement = Confinement { files: Level::Partial("no signals".to_owned()), system_calls: Level::Full };
        let json = serde_json::to_value(&confinement).unwrap();
        let written = serde_json::json!({
            "files": { "level": "partial", "reason": "no signals" },
            "system_calls": { "level": "full" },
        });
        assert_eq!(json, written);
        assert_eq!(serde_json::from_value::<Confinement>(json).unwrap(), confinement);
        assert_eq!(confinement.to_string(), "files confined in part (no signals), system calls confined");
        assert!(!confinement.is_full());
        assert_eq!(Level::None("no Landlock".to_owned()).to_string(), "not confined (no Landlock)");
    }
}
