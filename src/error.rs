//! The rooms' errors summed: one type that a request ends with, and who can fix it.
//!
//! In: turning each room's error into one of six kinds, with its problems and their places. Not in: status codes
//! (`server` maps [`Kind`] to one), exit codes (`cli` does).
//! Imports: `report` and the rooms whose errors are summed.

use std::time::Duration;

use crate::assets::SetupError;
use crate::design::DesignError;
use crate::design::resolve::{FontError, ResolveError};
use crate::output::OutputError;
use crate::paint::PaintError;
use crate::pool::PoolError;
use crate::report::{JsonPath, Problem};
use crate::text::LibraryError;

/// Who can fix it. The server maps this to a status, the command line to an exit code, and neither looks further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller: the request or the design is wrong or beyond a limit.
    Invalid,
    /// The caller, or whoever serves the pictures and fonts: one could not be had.
    Asset,
    /// Nobody yet: asked for something that is not built.
    NotBuilt,
    /// Time: too many requests at once.
    Busy,
    /// The caller or the operator: it took longer than the deadline.
    Timeout,
    /// Us.
    Internal,
}

/// Why a request gave no picture.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Every problem of the input that was found; at least one.
    #[error("{}", summary(.0))]
    Invalid(Vec<Problem>),
    /// Every picture and font that could not be had; at least one.
    #[error("{}", summary(.0))]
    Asset(Vec<Problem>),
    /// What was asked for, and what can be asked for instead.
    #[error("{0}")]
    NotBuilt(String),
    /// All workers are at work and the queue is full.
    #[error("busy: {working} requests at work (TENTER_WORKERS) and {waiting} waiting (TENTER_QUEUE); try again in {} s", .retry_after.as_secs())]
    Busy {
        /// The setting: requests at work.
        working: usize,
        /// The setting: requests waiting.
        waiting: usize,
        /// An estimate, whole seconds, at least 1.
        retry_after: Duration,
    },
    /// The deadline passed.
    #[error("not done within {} s ({setting}): stopped at {stage}; the slowest step was {slowest} with {} ms", .limit.as_secs_f64(), .took.as_millis())]
    Timeout {
        /// The step that was under way.
        stage: &'static str,
        /// The step that took longest.
        slowest: &'static str,
        /// How long that one took.
        took: Duration,
        /// The deadline.
        limit: Duration,
        /// The setting that gave it.
        setting: &'static str,
    },
    /// A bug, or the machine: memory, disk, threads. The text is for the log, not for the caller.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// One problem with the input.
    pub fn invalid(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }

    /// Who can fix it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Asset(_) => Kind::Asset,
            Self::NotBuilt(_) => Kind::NotBuilt,
            Self::Busy { .. } => Kind::Busy,
            Self::Timeout { .. } => Kind::Timeout,
            Self::Internal(_) => Kind::Internal,
        }
    }

    /// Each with its place in the caller's JSON; empty when the input is not to blame.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) | Self::Asset(problems) => problems,
            _ => &[],
        }
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<DesignError> for Error {
    fn from(error: DesignError) -> Self {
        Self::Invalid(error.problems)
    }
}

impl From<FontError> for Error {
    fn from(error: FontError) -> Self {
        ResolveError::Font(error).into()
    }
}

impl From<ResolveError> for Error {
    fn from(error: ResolveError) -> Self {
        Self::Asset(vec![Problem { path: error.at().clone(), message: error.to_string() }])
    }
}

/// Settings of an operator: told at start.
impl From<LibraryError> for Error {
    fn from(error: LibraryError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Settings of an operator: told at start.
impl From<SetupError> for Error {
    fn from(error: SetupError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<PaintError> for Error {
    fn from(error: PaintError) -> Self {
        match error {
            PaintError::TooManyPixels { .. }
            | PaintError::SideTooLong { .. }
            | PaintError::TooMuchWork { .. }
            | PaintError::TooManyPictures { .. } => {
                Self::invalid(Problem { path: JsonPath::root(), message: error.to_string() })
            }
            PaintError::Font(_) => Self::Asset(vec![Problem { path: JsonPath::root(), message: error.to_string() }]),
            PaintError::Internal(message) => Self::Internal(message),
            error @ PaintError::Abandoned => Self::Internal(error.to_string()),
        }
    }
}

impl From<OutputError> for Error {
    fn from(error: OutputError) -> Self {
        match error {
            OutputError::TooLarge { .. } => {
                Self::invalid(Problem { path: "exportOptions".into(), message: error.to_string() })
            }
            OutputError::Encoder { .. } => Self::Internal(error.to_string()),
        }
    }
}

/// The first problem in full, and how many there are besides.
fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "the input was refused".into(), // no room builds this
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more, see problems)", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &str, message: &str) -> Problem {
        Problem { path: path.into(), message: message.into() }
    }

    #[test]
    fn invalid_tells_the_first_and_counts_the_rest() {
        let one = Error::invalid(problem("pages[0].width", "is \"wide\"; accepted: a number"));
        assert_eq!(one.to_string(), "pages[0].width: is \"wide\"; accepted: a number");
        let three = Error::Invalid(vec![problem("a", "x"), problem("b", "y"), problem("c", "z")]);
        assert_eq!(three.to_string(), "a: x (and 2 more, see problems)");
        assert_eq!(three.problems().len(), 3);
    }

    #[test]
    fn messages_name_the_settings_that_decide() {
        let busy = Error::Busy { working: 2, waiting: 8, retry_after: Duration::from_secs(3) };
        assert_eq!(
            busy.to_string(),
            "busy: 2 requests at work (TENTER_WORKERS) and 8 waiting (TENTER_QUEUE); try again in 3 s"
        );
        let late = Error::Timeout {
            stage: "assets",
            slowest: "assets",
            took: Duration::from_millis(1400),
            limit: Duration::from_millis(1500),
            setting: "TENTER_DEADLINE",
        };
        assert_eq!(
            late.to_string(),
            "not done within 1.5 s (TENTER_DEADLINE): stopped at assets; the slowest step was assets with 1400 ms"
        );
    }
}
