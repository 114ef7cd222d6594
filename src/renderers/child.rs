//! The render process: performs the calls of the service, and asks it for everything outside.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io;
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::local::{Hooks, Local};
use super::message::{self, Ask, CallId, Frame, QuestionId, Reply, RowHead, Status, StepHead, ToRenderer, ToService};
use super::task::{BatchSource, RowTask, Step, Task, TimeLimit};
use crate::assets::{AssetKind, Fetched, FileSource, Freshness, Reason, SnapshotStore, SnapshotStoreError, StoredFile};
use crate::config::Settings;
use crate::error::Error;
use crate::pipeline::{Engine, Progress, Released};
use crate::sandbox::Confinement;

/// Time after the end of a call within which all work for it must have ended; then the service replaces this process.
const RELEASE_TIME: Duration = Duration::from_secs(1);

/// The connection to the service.
#[derive(Debug)]
struct Link {
    out: mpsc::UnboundedSender<Frame>,
    questions: Mutex<HashMap<QuestionId, oneshot::Sender<(Reply, Bytes)>>>,
    next_question: AtomicU64,
}

/// The service has ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the service has ended")]
struct ServiceEnded;

impl Link {
    fn send(&self, message: &ToService, body: Bytes) {
        // Without the service there is nobody to report to; the reading side ends the process.
        let _ = self.out.send(Frame::new(message, body));
    }

    async fn ask(&self, ask: Ask, body: Bytes) -> Result<(Reply, Bytes), ServiceEnded> {
        let question = self.next_question.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        self.questions.lock().insert(question, sender);
        let mut guard = QuestionGuard { link: self, question: Some(question) };
        self.send(&ToService::Ask { question, ask }, body);
        let reply = receiver.await.map_err(|_| ServiceEnded)?;
        guard.question = None;
        Ok(reply)
    }

    fn reply(&self, question: QuestionId, reply: Reply, body: Bytes) {
        if let Some(sender) = self.questions.lock().remove(&question) {
            // A question that was cancelled meanwhile needs no answer.
            let _ = sender.send((reply, body));
        }
    }
}

/// Tells the service when the answer to a question is not needed any more.
struct QuestionGuard<'a> {
    link: &'a Link,
    question: Option<QuestionId>,
}

impl Drop for QuestionGuard<'_> {
    fn drop(&mut self) {
        if let Some(question) = self.question {
            self.link.questions.lock().remove(&question);
            self.link.send(&ToService::CancelQuestion { question }, Bytes::new());
        }
    }
}

/// The service sent a reply that does not fit the question.
#[derive(Debug, thiserror::Error)]
#[error("the service answered {0:.80?}, which does not fit the question")]
struct UnexpectedReply(Reply);

impl From<UnexpectedReply> for SnapshotStoreError {
    fn from(error: UnexpectedReply) -> Self {
        Self::new(Arc::new(error))
    }
}

impl FileSource for Link {
    fn fetch<'a>(&'a self, url: &'a Url, known: Option<&'a Freshness>) -> BoxFuture<'a, Result<Fetched, Reason>> {
        let ask = Ask::Fetch { url: url.to_string(), known: known.cloned() };
        Box::pin(async move {
            match self.ask(ask, Bytes::new()).await {
                Ok((Reply::Fetched(freshness), body)) => Ok(Fetched::Body(body, freshness)),
                Ok((Reply::NotModified(freshness), _)) => Ok(Fetched::NotModified(freshness)),
                Ok((Reply::NotFetched(failure), _)) => Err(failure.into()),
                Ok((other, _)) => Err(Reason::SnapshotStore(Arc::new(UnexpectedReply(other)))),
                Err(error) => Err(Reason::SnapshotStore(Arc::new(error))),
            }
        })
    }

    fn read_stored<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Option<StoredFile>> {
        let ask = Ask::ReadStored { url: url.to_owned(), limit };
        Box::pin(async move {
            match self.ask(ask, Bytes::new()).await {
                Ok((Reply::Stored(age), bytes)) => Some(StoredFile { bytes, age }),
                _ => None,
            }
        })
    }

    fn store<'a>(&'a self, url: &'a str, bytes: Bytes) -> BoxFuture<'a, ()> {
        let ask = Ask::Store { url: url.to_owned() };
        Box::pin(async move { drop(self.ask(ask, bytes).await) })
    }
}

/// A batch whose template and files the service has.
#[derive(Debug)]
struct RemoteBatch {
    id: String,
    link: Arc<Link>,
}

impl RemoteBatch {
    async fn file(&self, ask: Ask, body: Bytes) -> Result<Option<Bytes>, SnapshotStoreError> {
        match self.link.ask(ask, body).await {
            Ok((Reply::Found, body)) => Ok(Some(body)),
            Ok((Reply::Nothing, _)) => Ok(None),
            Ok((Reply::Changed(file), _)) => Err(SnapshotStoreError::Changed(file)),
            Ok((Reply::StoreFailed(reason), _)) => Err(SnapshotStoreError::new(Arc::new(io::Error::other(reason)))),
            Ok((other, _)) => Err(UnexpectedReply(other).into()),
            Err(error) => Err(SnapshotStoreError::new(Arc::new(error))),
        }
    }
}

impl SnapshotStore for RemoteBatch {
    fn find<'a>(&'a self, kind: AssetKind, url: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        let ask = Ask::FindInBatch { batch: self.id.clone(), kind, url: url.to_owned() };
        Box::pin(self.file(ask, Bytes::new()))
    }

    fn put_if_absent<'a>(
        &'a self,
        kind: AssetKind,
        url: &'a str,
        file: Bytes,
    ) -> BoxFuture<'a, Result<Option<Bytes>, SnapshotStoreError>> {
        let ask = Ask::PutInBatch { batch: self.id.clone(), kind, url: url.to_owned() };
        Box::pin(self.file(ask, file))
    }
}

impl BatchSource for RemoteBatch {
    fn id(&self) -> &str {
        &self.id
    }

    fn template(&self) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            match self.link.ask(Ask::Template { batch: self.id.clone() }, Bytes::new()).await {
                Ok((Reply::Found, body)) => Ok(body),
                Ok((Reply::NoTemplate(error), _)) => Err(error),
                Ok((other, _)) => Err(Error::Internal(UnexpectedReply(other).to_string())),
                Err(error) => Err(Error::Internal(error.to_string())),
            }
        })
    }
}

/// Performs the calls that arrive on `socket` until it is closed. `on_started` is called once the process has opened
/// everything that it needs, before the first call; what it returns is reported to the service.
///
/// # Errors
/// The socket cannot be used, or the engine cannot start; the service has the reason.
pub async fn serve(
    socket: OwnedFd,
    settings: &Settings,
    on_started: impl FnOnce() -> Confinement,
) -> Result<(), Error> {
    let internal = |error: io::Error| Error::Internal(format!("the socket of the service: {error}"));
    // A terminal and a service manager send these to the whole group. The service decides when this process ends.
    let ignored = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    let socket = StdUnixStream::from(socket);
    socket.set_nonblocking(true).map_err(internal)?;
    let (mut input, mut output) = UnixStream::from_std(socket).map_err(internal)?.into_split();
    let (out, mut frames) = mpsc::unbounded_channel::<Frame>();
    let writing = tokio::spawn(async move {
        while let Some(frame) = frames.recv().await {
            if frame.write(&mut output).await.is_err() {
                return; // the reading side sees the end too
            }
        }
    });
    let link = Arc::new(Link { out, questions: Mutex::default(), next_question: AtomicU64::new(0) });
    let engine = Engine::with_source(settings, link.clone());
    let started = match engine {
        Ok(engine) => engine.warm_up().await.map(|()| engine),
        Err(error) => Err(error),
    };
    let engine = match started {
        Ok(engine) => engine,
        Err(error) => {
            link.send(&ToService::Failed { reason: error.to_string() }, Bytes::new());
            drop(link);
            let _ = writing.await; // a panic there is logged; the error is the reason that matters
            return Err(error);
        }
    };
    let confinement = on_started();
    let child = Arc::new(Child { local: Local::new(engine, settings), link, calls: Mutex::default() });
    let rasterizer = child.local.engine.rasterizer().to_owned();
    child.link.send(&ToService::Ready { rasterizer, confinement }, Bytes::new());
    while let Ok((message, body)) = message::read::<ToRenderer>(&mut input).await {
        child.receive(message, body);
    }
    drop(ignored);
    Ok(())
}

struct Child {
    local: Local,
    link: Arc<Link>,
    calls: Mutex<HashMap<CallId, CancellationToken>>,
}

impl Child {
    fn receive(self: &Arc<Self>, message: ToRenderer, body: Bytes) {
        match message {
            ToRenderer::Call { call, step, limit } => {
                let cancel = CancellationToken::new();
                self.calls.lock().insert(call, cancel.clone());
                let child = self.clone();
                let step = child.step(step, body);
                tokio::spawn(async move { child.perform(call, step, limit.into(), cancel).await });
            }
            ToRenderer::Cancel { call } => {
                if let Some(cancel) = self.calls.lock().get(&call) {
                    cancel.cancel();
                }
            }
            ToRenderer::Reply { question, reply } => self.link.reply(question, reply, body),
            ToRenderer::ForgetTemplates => self.local.forget_templates(),
            ToRenderer::ForgetDocument { document } => self.local.forget_document(document),
            ToRenderer::Ping => self.link.send(&ToService::Status(Box::new(self.status())), Bytes::new()),
        }
    }

    fn step(&self, head: StepHead, body: Bytes) -> Step {
        let task = |RowHead { batch, row, all_pages }, values| {
            let batch = Arc::new(RemoteBatch { id: batch, link: self.link.clone() });
            RowTask { batch, row, values, all_pages }
        };
        match head {
            StepHead::Classic => Step::Task(Task::Classic(body)),
            StepHead::Job { all_pages } => Step::Task(Task::Job { body, all_pages }),
            StepHead::Row(row) => Step::Task(Task::Row(task(row, body))),
            StepHead::WarmUp => Step::Task(Task::WarmUp),
            StepHead::AddRow { document, row } => Step::AddRow { document, row: task(row, body) },
            StepHead::Complete { document } => Step::Complete { document },
        }
    }

    fn status(&self) -> Status {
        let engine = &self.local.engine;
        Status {
            assets: engine.asset_counts().drain(),
            paint: engine.paint_report(),
            result_cache_bytes: engine.result_cache_bytes(),
            stuck_threads: engine.stuck_threads(),
        }
    }

    /// Performs one call and reports its end, and when its thread is free.
    async fn perform(self: Arc<Self>, call: CallId, step: Step, limit: TimeLimit, cancel: CancellationToken) {
        let released = Mutex::new(None::<Released>);
        let link = self.link.clone();
        let progress: Progress = Arc::new(move |done, total| {
            if done < total {
                link.send(&ToService::Progress { call, done, total }, Bytes::new());
            }
        });
        let reports_begin = matches!(limit, TimeLimit::FromWorker { .. });
        let on_begun = |future: Option<Released>| {
            *released.lock() = future;
            if reports_begin {
                self.link.send(&ToService::Begun { call }, Bytes::new());
            }
        };
        let running = self.local.run(step, limit, Hooks { progress: Some(progress), on_begun });
        let finished = cancel.run_until_cancelled(running).await;
        self.calls.lock().remove(&call);
        let mut released = released.into_inner();
        let is_released = released.as_mut().is_none_or(|it| it.now_or_never().is_some());
        if let Some(finished) = finished {
            let (message, body) = ToService::finished(call, finished, is_released);
            self.link.send(&message, body);
            if is_released {
                return;
            }
        }
        if let Some(mut released) = released.filter(|_| !is_released)
            && tokio::time::timeout(RELEASE_TIME, &mut released).await.is_err()
        {
            self.link.send(&ToService::Overdue { call }, Bytes::new());
            released.await;
        }
        self.link.send(&ToService::Released { call }, Bytes::new());
    }
}
