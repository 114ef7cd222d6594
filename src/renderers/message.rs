//! Messages between the service and its render processes.
//!
//! Each message is a frame: the length of its head as 4 bytes and that of its body as 8 bytes, both in big-endian
//! order, then the head as JSON, then the body as it is. Files travel in bodies, so that they are not encoded.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::task::{DocumentId, Finished, PageFile, RenderedFiles, RowTask, Step, StepOutput, Task, TimeLimit};
use crate::assets::{AssetKind, AssetTally, ChangedFile, FailureSummary, Freshness};
use crate::calls::AnswerForm;
use crate::error::Error;
use crate::output;
use crate::pipeline::{AddedPages, CacheUse, PaintReport, Timings};
use crate::report::Warning;
use crate::sandbox::Confinement;

/// Number of a call, unique in one renderer.
pub(super) type CallId = u64;
/// Number of a question, unique in one renderer.
pub(super) type QuestionId = u64;

/// Longest head that is read, in bytes: an answer with some ten thousand warnings.
const MAX_HEAD: u32 = 64 << 20;
/// Bytes of a body that are allocated before they arrive.
const MAX_PREALLOCATED: u64 = 4 << 20;

/// A message of the service to a renderer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToRenderer {
    /// Asks for work. The body is that of the call, or the values of the row.
    Call { call: CallId, step: StepHead, limit: Limit },
    /// The caller of this call has left.
    Cancel { call: CallId },
    /// The answer to a question; the body is a file or a template.
    Reply { question: QuestionId, reply: Reply },
    /// No batch is in progress.
    ForgetTemplates,
    /// The document will not be completed.
    ForgetDocument { document: DocumentId },
    /// Asks for [`ToService::Status`].
    Ping,
}

/// A message of a renderer to the service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToService {
    /// The first message: the renderer is warm.
    Ready { rasterizer: String, confinement: Confinement },
    /// The first message of a renderer that cannot start.
    Failed { reason: String },
    /// The call has a worker; its time begins.
    Begun { call: CallId },
    /// The call has finished `done` of `total` pages.
    Progress { call: CallId, done: usize, total: usize },
    /// The call has ended. `released`: its worker is free already, and no [`Self::Released`] follows.
    Finished { call: CallId, result: Result<OutputHead, Error>, timings: Timings, released: bool },
    /// Nothing is computed for the call any more.
    Released { call: CallId },
    /// The call has ended, and work for it still runs a second later.
    Overdue { call: CallId },
    /// Asks for something that only the service may reach; the body is a file to store.
    Ask { question: QuestionId, ask: Ask },
    /// The answer to this question is not needed any more.
    CancelQuestion { question: QuestionId },
    /// Counts since the last message of this kind, and the state of the painter.
    Status(Box<Status>),
}

/// The state of a renderer.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) assets: AssetTally,
    pub(super) paint: PaintReport,
    pub(super) result_cache_bytes: usize,
    pub(super) stuck_threads: usize,
}

/// A [`Step`] without its body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum StepHead {
    Classic,
    Job { all_pages: bool },
    Row(RowHead),
    WarmUp,
    AddRow { document: DocumentId, row: RowHead },
    Complete { document: DocumentId },
}

/// A [`RowTask`] without its values.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RowHead {
    pub(super) batch: String,
    pub(super) row: u64,
    pub(super) all_pages: bool,
}

impl From<&RowTask> for RowHead {
    fn from(task: &RowTask) -> Self {
        Self { batch: task.batch.id().to_owned(), row: task.row, all_pages: task.all_pages }
    }
}

impl StepHead {
    /// The head and the body of `step`.
    pub(super) fn of(step: &Step) -> (Self, Bytes) {
        match step {
            Step::Task(Task::Classic(body)) => (Self::Classic, body.clone()),
            Step::Task(Task::Job { body, all_pages }) => (Self::Job { all_pages: *all_pages }, body.clone()),
            Step::Task(Task::Row(row)) => (Self::Row(row.into()), row.values.clone()),
            Step::Task(Task::WarmUp) => (Self::WarmUp, Bytes::new()),
            Step::AddRow { document, row } => {
                (Self::AddRow { document: *document, row: row.into() }, row.values.clone())
            }
            Step::Complete { document } => (Self::Complete { document: *document }, Bytes::new()),
        }
    }
}

/// A [`TimeLimit`] as it travels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Limit {
    Remaining(Duration),
    FromWorker(Duration, String),
}

impl From<&TimeLimit> for Limit {
    fn from(limit: &TimeLimit) -> Self {
        match limit {
            TimeLimit::Remaining(remaining) => Self::Remaining(*remaining),
            TimeLimit::FromWorker { limit, setting } => Self::FromWorker(*limit, setting.to_string()),
        }
    }
}

impl From<Limit> for TimeLimit {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Remaining(remaining) => Self::Remaining(remaining),
            Limit::FromWorker(limit, setting) => Self::FromWorker { limit, setting: Cow::Owned(setting) },
        }
    }
}

/// A [`StepOutput`] without the bytes of its files.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum OutputHead {
    Files {
        pages: Vec<PageHead>,
        format: String,
        rasterizer: String,
        warnings: Vec<Warning>,
        cache: CacheUse,
        output: AnswerForm,
    },
    Added(AddedPages),
    Ready,
}

/// A [`PageFile`] whose bytes are the next ones of the body.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PageHead {
    index: usize,
    fingerprint: String,
    bytes: usize,
}

impl OutputHead {
    /// The head and the body of `output`.
    pub(super) fn of(output: StepOutput) -> (Self, Bytes) {
        match output {
            StepOutput::Files(files) => {
                let RenderedFiles { pages, format, rasterizer, warnings, cache, output } = *files;
                let body = match &pages[..] {
                    [page] => page.bytes.clone(),
                    _ => pages.iter().map(|page| &*page.bytes).collect::<Vec<_>>().concat().into(),
                };
                let head = |page: PageFile| PageHead {
                    index: page.index,
                    fingerprint: page.fingerprint,
                    bytes: page.bytes.len(),
                };
                let pages = pages.into_iter().map(head).collect();
                let (format, rasterizer) = (format.name().to_owned(), rasterizer.into_owned());
                (Self::Files { pages, format, rasterizer, warnings, cache, output }, body)
            }
            StepOutput::Added(pages) => (Self::Added(pages), Bytes::new()),
            StepOutput::Ready => (Self::Ready, Bytes::new()),
        }
    }

    pub(super) fn with_body(self, mut body: Bytes) -> Result<StepOutput, Error> {
        let wrong = |what: fmt::Arguments<'_>| Error::Internal(format!("a renderer answered {what}"));
        Ok(match self {
            Self::Files { pages, format, rasterizer, warnings, cache, output } => {
                let format =
                    output::format(&format).ok_or_else(|| wrong(format_args!("in the format {format:.20?}")))?;
                let mut files = Vec::with_capacity(pages.len());
                for PageHead { index, fingerprint, bytes } in pages {
                    if bytes > body.len() {
                        return Err(wrong(format_args!("with {} bytes of a file of {bytes}", body.len())));
                    }
                    files.push(PageFile { index, bytes: body.split_to(bytes), fingerprint });
                }
                let rasterizer = rasterizer.into();
                StepOutput::Files(Box::new(RenderedFiles { pages: files, format, rasterizer, warnings, cache, output }))
            }
            Self::Added(pages) => StepOutput::Added(pages),
            Self::Ready => StepOutput::Ready,
        })
    }
}

impl ToService {
    /// The message that ends a call, with its body.
    pub(super) fn finished(call: CallId, finished: Finished<StepOutput>, released: bool) -> (Self, Bytes) {
        let Finished { result, timings } = finished;
        match result.map(OutputHead::of) {
            Ok((head, body)) => (Self::Finished { call, result: Ok(head), timings, released }, body),
            Err(error) => (Self::Finished { call, result: Err(error), timings, released }, Bytes::new()),
        }
    }
}

/// A question of a renderer. URLs are absolute.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ask {
    /// The file of a URL, unless the known version is still valid.
    Fetch { url: String, known: Option<Freshness> },
    /// A file of the font service from the disk cache, of at most `limit` bytes.
    ReadStored { url: String, limit: u64 },
    /// Stores the body as a file of the font service in the disk cache.
    Store { url: String },
    /// The template of a batch.
    Template { batch: String },
    /// The file of a URL as the batch first fetched it.
    FindInBatch { batch: String, kind: AssetKind, url: String },
    /// Stores the body as the batch's file of a URL, unless there is one.
    PutInBatch { batch: String, kind: AssetKind, url: String },
}

/// The answer to an [`Ask`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The body is the file.
    Fetched(Freshness),
    /// The known version is still valid.
    NotModified(Freshness),
    /// The file could not be fetched.
    NotFetched(FailureSummary),
    /// The body is the stored file, which is as old as this.
    Stored(Duration),
    /// The body is the file of the batch, or its template.
    Found,
    /// There is none; or it is stored.
    Nothing,
    /// The file has changed since the batch first fetched it.
    Changed(ChangedFile),
    /// The store of the batch failed.
    StoreFailed(String),
    /// The template is not available.
    NoTemplate(Error),
}

/// A message with its body, ready to be written.
#[derive(Debug)]
pub(super) struct Frame {
    head: Vec<u8>,
    body: Bytes,
}

impl Frame {
    pub(super) fn new(head: &impl Serialize, body: Bytes) -> Self {
        // Serialisation to memory fails only for maps with keys that are no strings, which no message has.
        Self { head: serde_json::to_vec(head).unwrap_or_default(), body }
    }

    pub(super) async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut start = Vec::with_capacity(12 + self.head.len());
        start.extend_from_slice(&(self.head.len() as u32).to_be_bytes());
        start.extend_from_slice(&(self.body.len() as u64).to_be_bytes());
        start.extend_from_slice(&self.head);
        stream.write_all(&start).await?;
        stream.write_all(&self.body).await
    }
}

/// Reads one message with its body. Memory is allocated as the bytes arrive.
///
/// # Errors
/// The stream has ended, or the message cannot be understood.
pub(super) async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(T, Bytes)> {
    let head_len = stream.read_u32().await?;
    let body_len = stream.read_u64().await?;
    if head_len > MAX_HEAD {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message with a head of {head_len} bytes")));
    }
    let head = read_bytes(stream, u64::from(head_len)).await?;
    let body = read_bytes(stream, body_len).await?;
    Ok((serde_json::from_slice(&head)?, body.into()))
}

async fn read_bytes(stream: &mut (impl AsyncRead + Unpin), count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count.min(MAX_PREALLOCATED) as usize);
    let read = stream.take(count).read_to_end(&mut bytes).await?;
    if read as u64 == count { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_with_their_bodies() {
        let (mut one, mut other) = tokio::io::duplex(7);
        let body = Bytes::from(vec![7; 100_000]);
        let sent = Frame::new(&ToService::Progress { call: 3, done: 1, total: 2 }, body.clone());
        let writing = async {
            sent.write(&mut one).await.expect("written");
            Frame::new(&ToService::Released { call: 4 }, Bytes::new()).write(&mut one).await.expect("written");
            drop(one);
        };
        let reading = async {
            let first = read::<ToService>(&mut other).await.expect("a message");
            assert!(matches!(first.0, ToService::Progress { call: 3, done: 1, total: 2 }));
            assert_eq!(first.1, body);
            let second = read::<ToService>(&mut other).await.expect("a message");
            assert!(matches!(second.0, ToService::Released { call: 4 }));
            assert_eq!(read::<ToService>(&mut other).await.expect_err("the end").kind(), io::ErrorKind::UnexpectedEof);
        };
        tokio::join!(writing, reading);
    }

    #[tokio::test]
    async fn lengths_that_are_announced_are_not_allocated() {
        let mut announced = Vec::new();
        announced.extend_from_slice(&2_u32.to_be_bytes());
        announced.extend_from_slice(&u64::MAX.to_be_bytes());
        announced.extend_from_slice(b"{}");
        let ended = read::<ToService>(&mut announced.as_slice()).await.expect_err("no body");
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
        let long = read::<ToService>(&mut [0xff; 12].as_slice()).await.expect_err("too long");
        assert_eq!(long.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn files_of_several_pages_are_taken_from_one_body() {
        let page = |index, bytes: &'static [u8]| PageFile {
            index,
            bytes: Bytes::from_static(bytes),
            fingerprint: format!("f{index}"),
        };
        let files = |pages| {
            StepOutput::Files(Box::new(RenderedFiles {
                pages,
                format: output::FORMATS[0],
                rasterizer: "cpu".into(),
                warnings: Vec::new(),
                cache: CacheUse::Off,
                output: AnswerForm::File,
            }))
        };
        let pages = vec![page(0, b"one"), page(2, b""), page(5, b"three")];
        let (head, body) = OutputHead::of(files(pages.clone()));
        assert_eq!(&body[..], b"onethree");
        let again = head.with_body(body).and_then(StepOutput::into_files).expect("files");
        assert_eq!(again.pages, pages);
        let (head, body) = OutputHead::of(files(pages));
        let cut = head.with_body(body.slice(..7)).expect_err("too short").to_string();
        assert!(cut.contains("4 bytes of a file of 5"), "{cut}");
    }

    #[test]
    fn errors_keep_their_kind_and_message() {
        let error = Error::Timeout {
            stage: "paint".into(),
            slowest: "paint".into(),
            took: Duration::from_millis(1500),
            limit: Duration::from_secs(1),
            setting: "TENTER_DEADLINE".into(),
        };
        let text = serde_json::to_string(&error).expect("JSON");
        let again: Error = serde_json::from_str(&text).expect("the same");
        assert_eq!((again.kind(), again.to_string()), (error.kind(), error.to_string()));
    }
}
