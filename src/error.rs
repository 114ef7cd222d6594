//! The error of a request: unifies the errors of all modules and classifies who can fix it.
//!
//! In: conversion of each module's error into one of eight kinds, with problems and their paths. Not in: status codes
//! (`server` maps [`Kind`] to one), exit codes (`cli` does). Imports: `report` and the modules whose errors are
//! converted.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::assets::SetupError;
use crate::design::DesignError;
use crate::design::resolve::ResolveError;
use crate::output::OutputError;
use crate::paint::PaintError;
use crate::paint::pdf::PdfError;
use crate::pool::PoolError;
use crate::report::{JsonPath, Problem};
use crate::text::LibraryError;

/// Classification of an error by who can fix it. The server maps it to a status code, the command line to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller: the request or the design is invalid or exceeds a limit.
    Invalid,
    /// The caller or the provider of the assets: an image, font or colour profile could not be loaded.
    Asset,
    /// The developers: the request needs a feature that does not exist yet.
    NotBuilt,
    /// The caller, by retrying later: there are too many concurrent requests.
    Busy,
    /// The caller: the design makes a renderer process end.
    Fatal,
    /// The operator, and the caller by retrying later: nothing can render at the moment, or memory, disk or threads are
    /// used up.
    Unavailable,
    /// The caller or the operator: the request exceeded its deadline.
    Timeout,
    /// The developers or the operator: a bug, or a failure of the machine.
    Internal,
}

/// Estimated time until something that is used up is free again.
const USED_UP_RETRY: Duration = Duration::from_secs(10);

/// Reason why a request has no result.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum Error {
    /// All problems found in the input; at least one.
    #[error("{}", summary(.0))]
    Invalid(Vec<Problem>),
    /// All assets that could not be loaded; at least one.
    #[error("{}", summary(.0))]
    Asset(Vec<Problem>),
    /// Description of the missing feature, and what to use instead.
    #[error("{0}")]
    NotBuilt(String),
    /// All workers are occupied and the queue is full.
    #[error(
        "the service is busy: {working} requests are running (TENTER_WORKERS) and {waiting} are waiting (TENTER_QUEUE); \
         retry in {} s",
        .retry_after.as_secs()
    )]
    Busy {
        /// Maximum number of running requests (`TENTER_WORKERS`).
        working: usize,
        /// Maximum number of waiting requests (`TENTER_QUEUE`).
        waiting: usize,
        /// Estimated time until a retry can succeed; whole seconds, at least 1.
        retry_after: Duration,
    },
    /// The request exceeded its deadline.
    #[error(
        "not finished within {} s ({setting}): stopped at stage {stage}; the slowest stage was {slowest} with {} ms",
        .limit.as_secs_f64(),
        .took.as_millis()
    )]
    Timeout {
        /// Stage that was running.
        stage: Cow<'static, str>,
        /// Stage that took longest.
        slowest: Cow<'static, str>,
        /// Duration of the slowest stage.
        took: Duration,
        /// Duration of the deadline.
        limit: Duration,
        /// Name of the setting that gave the deadline.
        setting: Cow<'static, str>,
    },
    /// The renderer process ended twice while it rendered the request, the second time with no other request beside
    /// it.
    #[error("the request ended the renderer: {0}")]
    EndedRenderer(String),
    /// Nothing can render at the moment, or something that the request needs is used up.
    #[error("the service cannot answer this request at the moment: {reason}; retry in {} s", .retry_after.as_secs())]
    Unavailable {
        /// What is missing.
        reason: Cow<'static, str>,
        /// Estimated time until a retry can succeed; whole seconds, at least 1.
        retry_after: Duration,
    },
    /// A bug, or a failure of memory, disk or threads. The text is for the log, not for the caller.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// An `Invalid` error with one problem.
    pub fn invalid(problem: Problem) -> Self {
        Self::Invalid(vec![problem])
    }

    /// An `Unavailable` error: memory, disk or threads are used up. `reason`: which, and how to get more of it.
    pub fn used_up(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable { reason: reason.into(), retry_after: USED_UP_RETRY }
    }

    /// The classification of this error.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) => Kind::Invalid,
            Self::Asset(_) => Kind::Asset,
            Self::NotBuilt(_) => Kind::NotBuilt,
            Self::Busy { .. } => Kind::Busy,
            Self::Timeout { .. } => Kind::Timeout,
            Self::EndedRenderer(_) => Kind::Fatal,
            Self::Unavailable { .. } => Kind::Unavailable,
            Self::Internal(_) => Kind::Internal,
        }
    }

    /// The error with every problem replaced by what `change` makes of it.
    pub fn map_problems(self, change: impl Fn(Problem) -> Problem) -> Self {
        match self {
            Self::Invalid(problems) => Self::Invalid(problems.into_iter().map(change).collect()),
            Self::Asset(problems) => Self::Asset(problems.into_iter().map(change).collect()),
            other => other,
        }
    }

    /// The problems with their paths in the caller's JSON; empty for other errors than `Invalid` and `Asset`.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) | Self::Asset(problems) => problems,
            _ => &[],
        }
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        if error.is_exhaustion() { Self::used_up(error.to_string()) } else { Self::Internal(error.to_string()) }
    }
}

impl From<DesignError> for Error {
    fn from(error: DesignError) -> Self {
        Self::Invalid(error.problems)
    }
}

impl From<ResolveError> for Error {
    fn from(error: ResolveError) -> Self {
        if let ResolveError::Svg { error: svg, .. } = &error
            && svg.is_exhaustion()
        {
            return Self::used_up(error.to_string());
        }
        Self::Asset(vec![Problem { path: error.at().clone(), message: error.to_string() }])
    }
}

/// An invalid setting, reported at the start.
impl From<LibraryError> for Error {
    fn from(error: LibraryError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// An invalid setting, reported at the start.
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
            | PaintError::TooMuchInLayer { .. } => {
                Self::invalid(Problem { path: JsonPath::root(), message: error.to_string() })
            }
            PaintError::TooManySegments { ref at, .. } | PaintError::TooManyEdges { ref at, .. } => {
                Self::invalid(Problem { path: at.clone(), message: error.to_string() })
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
            OutputError::Content(PdfError::Paint(error)) => error.into(),
            OutputError::Content(PdfError::Font { .. }) => {
                Self::Asset(vec![Problem { path: JsonPath::root(), message: error.to_string() }])
            }
            OutputError::Content(PdfError::Abandoned | PdfError::Internal(_)) => Self::Internal(error.to_string()),
            OutputError::Content(PdfError::TooManyObjects)
            | OutputError::TooLarge { .. }
            | OutputError::SheetTooLarge { .. } => {
                Self::invalid(Problem { path: "exportOptions".into(), message: error.to_string() })
            }
            OutputError::Encoder { .. } => Self::Internal(error.to_string()),
        }
    }
}

/// The first problem in full, and the number of further ones.
fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "the input was refused".into(), // never constructed
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
    fn invalid_displays_the_first_problem_and_counts_the_rest() {
        let one = Error::invalid(problem("pages[0].width", "is \"wide\"; accepted: a number"));
        assert_eq!(one.to_string(), "pages[0].width: is \"wide\"; accepted: a number");
        let three = Error::Invalid(vec![problem("a", "x"), problem("b", "y"), problem("c", "z")]);
        assert_eq!(three.to_string(), "a: x (and 2 more, see problems)");
        assert_eq!(three.problems().len(), 3);
    }

    #[test]
    fn messages_name_the_settings() {
        let busy = Error::Busy { working: 2, waiting: 8, retry_after: Duration::from_secs(3) };
        assert_eq!(
            busy.to_string(),
            "the service is busy: 2 requests are running (TENTER_WORKERS) and 8 are waiting (TENTER_QUEUE); retry in \
             3 s"
        );
        let late = Error::Timeout {
            stage: "assets".into(),
            slowest: "assets".into(),
            took: Duration::from_millis(1400),
            limit: Duration::from_millis(1500),
            setting: "TENTER_DEADLINE".into(),
        };
        assert_eq!(
            late.to_string(),
            "not finished within 1.5 s (TENTER_DEADLINE): stopped at stage assets; the slowest stage was assets with \
             1400 ms"
        );
    }
}
