//! Reasons why a command fails, with their exit codes and messages.

use std::fmt;

use crate::config::SettingsErrors;
use crate::error::{Error, Kind};
use crate::report::counted;

/// Reason for a command's failure; decides about the exit code.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line or the settings are invalid; the text says how to fix them.
    Usage(String),
    /// A render failed, with the error of the pipeline.
    Render(Error),
    /// A file, socket or other resource of the machine failed.
    Machine(String),
    /// `doctor` found a problem and has printed it.
    Unhealthy,
    /// A batch ran to its end, but some of its rows failed.
    Rows {
        /// Number of failed rows.
        failed: u64,
        /// Path of the manifest, which lists the errors.
        manifest: String,
    },
}

impl Failure {
    /// The exit code of the process, as `tenter --help` lists them.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Render(error) => match error.kind() {
                Kind::Invalid | Kind::NotBuilt => 1,
                Kind::Asset => 3,
                Kind::Busy | Kind::Timeout | Kind::Fatal | Kind::Unavailable | Kind::Internal => 4,
            },
            Self::Machine(_) => 4,
            Self::Unhealthy => 1,
            Self::Rows { .. } => 5,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Machine(message) => write!(f, "error: {message}"),
            Self::Render(error) if error.problems().is_empty() => write!(f, "error: {error}"),
            Self::Render(error) => {
                let lines: Vec<_> = error.problems().iter().map(|it| format!("error: {it}")).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Unhealthy => f.write_str("error: fix the problems in the lines marked FAIL"),
            Self::Rows { failed, manifest } => {
                let (rows, them) = (counted(*failed, "row"), if *failed == 1 { "it" } else { "them" });
                write!(f, "error: {rows} failed; see {manifest} for the reasons, or retry {them} with --resume")
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Render(error)
    }
}

impl From<SettingsErrors> for Failure {
    fn from(errors: SettingsErrors) -> Self {
        Self::Usage(errors.to_string())
    }
}
