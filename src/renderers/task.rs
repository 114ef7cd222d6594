//! What a renderer is asked to do, and what it answers.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::assets::SnapshotStore;
use crate::calls::AnswerForm;
use crate::error::Error;
use crate::output::Format;
use crate::pipeline::{AddedPages, CacheUse, Timings};
use crate::report::Warning;

/// Work for a renderer. Cheap to clone: if the renderer's process ends, another one gets the same task.
#[derive(Clone, Debug)]
pub enum Task {
    /// The body of a render call.
    Classic(Bytes),
    /// The body of a job.
    Job {
        /// The JSON of the body.
        body: Bytes,
        /// Whether every page becomes a file.
        all_pages: bool,
    },
    /// One row of a batch.
    Row(RowTask),
    /// A small page, which shows that the renderer works.
    WarmUp,
}

/// One row of a batch.
#[derive(Clone, Debug)]
pub struct RowTask {
    /// The batch that has the row.
    pub batch: Arc<dyn BatchSource>,
    /// Number of the row, from 1.
    pub row: u64,
    /// The values of the row as JSON.
    pub values: Bytes,
    /// Whether every page becomes a file, whatever the options select.
    pub all_pages: bool,
}

/// The template and the assets that all rows of one batch share.
pub trait BatchSource: SnapshotStore {
    /// Identifies the batch, so that renderers read its template once.
    fn id(&self) -> &str;

    /// The body of the template, for [`crate::calls::RowTemplate`].
    ///
    /// # Errors
    /// The template is not available any more.
    fn template(&self) -> BoxFuture<'_, Result<Bytes, Error>>;
}

/// The time limit of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// This much is left of `TENTER_DEADLINE`, which began when the request was admitted.
    Remaining(Duration),
    /// The time begins when the renderer has a worker for the task.
    FromWorker {
        /// The time limit.
        limit: Duration,
        /// Name of the setting that gave it.
        setting: Cow<'static, str>,
    },
}

/// The end of a task.
#[derive(Debug)]
pub struct Finished<T> {
    /// The result of the task.
    pub result: Result<T, Error>,
    /// Time spent in each stage.
    pub timings: Timings,
}

impl<T> Finished<T> {
    /// A task that failed before a renderer had it.
    pub(super) fn failed(error: Error) -> Self {
        Self { result: Err(error), timings: Timings::default() }
    }

    /// Converts the result of a task that succeeded.
    pub(super) fn and_then<U>(self, convert: impl FnOnce(T) -> Result<U, Error>) -> Finished<U> {
        Finished { result: self.result.and_then(convert), timings: self.timings }
    }
}

/// A finished file with everything that its answer says.
#[derive(Clone, Debug)]
pub struct RenderedFile {
    /// The bytes of the file. Cheap to clone.
    pub bytes: Bytes,
    /// Format of the file.
    pub format: &'static dyn Format,
    /// Name of the painter.
    pub rasterizer: Cow<'static, str>,
    /// Hash of everything that the bytes depend on, in hexadecimal.
    pub fingerprint: String,
    /// Deviations of the output from the design.
    pub warnings: Vec<Warning>,
    /// Whether the file comes from the result cache.
    pub cache: CacheUse,
    /// Form in which the caller of [`Task::Classic`] wants it.
    pub output: AnswerForm,
}

/// The files of a task that makes one for each page, with everything that they have in common.
#[derive(Clone, Debug)]
pub struct RenderedFiles {
    /// The files in page order; at least one.
    pub pages: Vec<PageFile>,
    /// Format of the files.
    pub format: &'static dyn Format,
    /// Name of the painter of the first page.
    pub rasterizer: Cow<'static, str>,
    /// Deviations of the output from the design.
    pub warnings: Vec<Warning>,
    /// Whether the files come from the result cache.
    pub cache: CacheUse,
    /// Form in which the caller of [`Task::Classic`] wants them.
    pub output: AnswerForm,
}

/// The file of one page, or of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageFile {
    /// Index of the page in the design; 0 for a document.
    pub index: usize,
    /// The bytes of the file. Cheap to clone.
    pub bytes: Bytes,
    /// Hash of everything that the bytes depend on, in hexadecimal.
    pub fingerprint: String,
}

/// Number that identifies a document under construction.
pub(super) type DocumentId = u64;

/// A task, or a step of a document. Steps go to the renderer that has the document.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A task, for any renderer.
    Task(Task),
    /// Adds the pages of one row to a document, and begins the document if there is none.
    AddRow { document: DocumentId, row: RowTask },
    /// Completes a document.
    Complete { document: DocumentId },
}

/// The result of a [`Step`].
#[derive(Debug)]
pub(super) enum StepOutput {
    Files(Box<RenderedFiles>),
    Added(AddedPages),
    Ready,
}

impl StepOutput {
    pub(super) fn into_files(self) -> Result<RenderedFiles, Error> {
        match self {
            Self::Files(files) if !files.pages.is_empty() => Ok(*files),
            other => Err(mismatch("files", &other)),
        }
    }

    /// The first file, for tasks that make one.
    pub(super) fn into_file(self) -> Result<RenderedFile, Error> {
        let RenderedFiles { mut pages, format, rasterizer, warnings, cache, output } = self.into_files()?;
        let PageFile { bytes, fingerprint, .. } = pages.swap_remove(0);
        Ok(RenderedFile { bytes, format, rasterizer, fingerprint, warnings, cache, output })
    }

    /// Renames the painter of a file.
    pub(super) fn painted_by(mut self, rename: impl FnOnce(Cow<'static, str>) -> Cow<'static, str>) -> Self {
        if let Self::Files(files) = &mut self {
            files.rasterizer = rename(std::mem::take(&mut files.rasterizer));
        }
        self
    }

    pub(super) fn into_added(self) -> Result<AddedPages, Error> {
        match self {
            Self::Added(pages) => Ok(pages),
            other => Err(mismatch("pages", &other)),
        }
    }
}

fn mismatch(expected: &str, found: &dyn fmt::Debug) -> Error {
    Error::Internal(format!("a renderer answered {found:.80?} instead of {expected}"))
}
