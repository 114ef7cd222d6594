//! One render process, as the service sees it: its start, its calls, its questions, its end.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::answers::Answers;
use super::message::{self, CallId, Frame, QuestionId, Status, StepHead, ToRenderer, ToService};
use super::task::{Finished, Step, StepOutput, TimeLimit};
use crate::error::Error;
use crate::pipeline::Progress;
use crate::sandbox::Confinement;

/// Longest time from the start of a process to its first message; a GPU driver may take seconds.
const START_TIME: Duration = Duration::from_secs(60);

/// How a process is started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// The program, and its arguments.
    pub(super) program: std::path::PathBuf,
    pub(super) arguments: Vec<String>,
    /// The complete environment of the process.
    pub(super) environment: Vec<(String, String)>,
    /// Number of the GPU that the process owns: `gpu0` in it is this one of the service.
    pub(super) gpu: Option<usize>,
}

/// Why the service ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A call that has ended still occupies a thread.
    Overdue,
    /// It has more memory than `TENTER_RENDERER_MEMORY`.
    Memory,
    /// It does not answer.
    Unresponsive,
}

impl Reason {
    /// Value of the metric's label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::Memory => "memory",
            Self::Unresponsive => "unresponsive",
        }
    }
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// The service killed it.
    Killed(Reason),
    /// A signal from elsewhere. `near_limit`: it had nearly all the memory that it may have, so that the system may
    /// have killed it for that.
    Signal { signal: i32, near_limit: bool },
    /// It ended by itself.
    Exit(i32),
}

impl Death {
    /// Whether one of its calls may be the cause.
    pub(super) fn blames_calls(self) -> bool {
        match self {
            Self::Killed(Reason::Memory) => true,
            Self::Killed(_) => false,
            Self::Signal { signal, near_limit } => signal != libc::SIGKILL && signal != libc::SIGTERM || near_limit,
            Self::Exit(_) => true,
        }
    }

    /// Value of the metric's label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Killed(reason) => reason.label(),
            Self::Signal { near_limit: true, .. } => Reason::Memory.label(),
            Self::Signal { .. } => "signal",
            Self::Exit(_) => "exit",
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed(Reason::Memory) | Self::Signal { near_limit: true, .. } => {
                f.write_str("it took more memory than a renderer may have (TENTER_RENDERER_MEMORY)")
            }
            Self::Killed(reason) => write!(f, "it was ended ({})", reason.label()),
            Self::Signal { signal: libc::SIGABRT, .. } => {
                f.write_str("it was aborted, as when memory cannot be allocated (TENTER_RENDERER_MEMORY)")
            }
            Self::Signal { signal, .. } => write!(f, "it was ended by signal {signal}"),
            Self::Exit(code) => write!(f, "it ended with exit code {code}"),
        }
    }
}

/// State of a process that has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Gets new calls.
    Serving,
    /// Gets no new calls, and is ended when the others are.
    Draining(Reason),
    Dead(Death),
}

impl State {
    /// Why the process stopped serving, for metrics and the log.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Serving => "none",
            Self::Draining(reason) => reason.label(),
            Self::Dead(death) => death.label(),
        }
    }
}

/// A render process. The last reference does not end it; [`Renderer::kill`] does.
pub(super) struct Renderer {
    pub(super) pid: u32,
    /// Number of the GPU that it owns.
    pub(super) gpu: Option<usize>,
    pub(super) rasterizer: String,
    pub(super) confinement: Confinement,
    out: mpsc::UnboundedSender<Frame>,
    calls: Mutex<HashMap<CallId, PendingCall>>,
    next_call: AtomicU64,
    state: watch::Sender<State>,
    kill: watch::Sender<Option<Reason>>,
    /// Whether one call has this process for itself.
    reserved: AtomicBool,
    status: Mutex<Status>,
    last_message: Mutex<Instant>,
    pub(super) resident_bytes: AtomicU64,
    memory_limit: Option<u64>,
}

impl fmt::Debug for Renderer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renderer").field("pid", &self.pid).finish_non_exhaustive()
    }
}

/// A call from its start to the moment when nothing is computed for it any more.
struct PendingCall {
    /// `None` once the call has ended.
    end: Option<oneshot::Sender<CallEnd>>,
    progress: Option<Progress>,
    begun: Option<oneshot::Sender<()>>,
}

/// How a call ended.
pub(super) enum CallEnd {
    Finished(Finished<StepOutput>),
    /// The process ended before.
    Died(Death),
}

/// Cancels a call whose caller has left.
struct CallGuard<'a> {
    renderer: &'a Renderer,
    call: Option<CallId>,
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            if let Some(pending) = self.renderer.calls.lock().get_mut(&call) {
                pending.end = None;
            }
            self.renderer.send(&ToRenderer::Cancel { call }, Bytes::new());
        }
    }
}

impl Renderer {
    /// Starts a process and waits until it is warm.
    ///
    /// # Errors
    /// The process cannot be started, or cannot start its engine; the text is for an operator.
    pub(super) async fn start(
        launch: &Launch,
        answers: Arc<Answers>,
        memory_limit: Option<u64>,
        on_change: impl Fn() + Send + Sync + 'static,
    ) -> Result<Arc<Self>, Error> {
        let failed =
            |what: &str, error: io::Error| Error::Internal(format!("a renderer cannot be started: {what}: {error}"));
        let (ours, theirs) = StdUnixStream::pair().map_err(|error| failed("socket", error))?;
        ours.set_nonblocking(true).map_err(|error| failed("socket", error))?;
        let mut child = Command::new(&launch.program)
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&launch.program.display().to_string(), error))?;
        let pid = child.id().unwrap_or_default();
        let (mut input, mut output) = UnixStream::from_std(ours).map_err(|error| failed("socket", error))?.into_split();
        let first = tokio::time::timeout(START_TIME, message::read::<ToService>(&mut input)).await;
        let (rasterizer, confinement) = match first {
            Ok(Ok((ToService::Ready { rasterizer, confinement }, _))) => (rasterizer, confinement),
            Ok(Ok((ToService::Failed { reason }, _))) => return Err(Error::Internal(reason)),
            Ok(Ok((other, _))) => return Err(Error::Internal(format!("a renderer began with {other:.80?}"))),
            Ok(Err(_)) => {
                let status = child.wait().await.map_err(|error| failed("wait", error))?;
                return Err(Error::Internal(format!("a renderer ended at its start: {status}")));
            }
            Err(_) => {
                return Err(Error::Internal(format!("a renderer did not start within {} s", START_TIME.as_secs())));
            }
        };
        let (out, mut frames) = mpsc::unbounded_channel::<Frame>();
        tokio::spawn(async move {
            while let Some(frame) = frames.recv().await {
                if frame.write(&mut output).await.is_err() {
                    return; // the process has ended, which its owner sees
                }
            }
        });
        let renderer = Arc::new(Self {
            pid,
            gpu: launch.gpu,
            rasterizer,
            confinement,
            out,
            calls: Mutex::default(),
            next_call: AtomicU64::new(0),
            state: watch::Sender::new(State::Serving),
            kill: watch::Sender::new(None),
            reserved: AtomicBool::new(false),
            status: Mutex::default(),
            last_message: Mutex::new(Instant::now()),
            resident_bytes: AtomicU64::new(0),
            memory_limit,
        });
        tokio::spawn(renderer.clone().own(child, input, answers, on_change));
        Ok(renderer)
    }

    /// Receives messages until the process ends, and waits for its end.
    async fn own(
        self: Arc<Self>,
        mut child: Child,
        mut input: OwnedReadHalf,
        answers: Arc<Answers>,
        on_change: impl Fn() + Send + Sync + 'static,
    ) {
        let questions = Arc::new(Questions::default());
        let receiving = async {
            while let Ok((message, body)) = message::read::<ToService>(&mut input).await {
                *self.last_message.lock() = Instant::now();
                self.receive(message, body, &answers, &questions);
                on_change();
            }
        };
        let mut kill = self.kill.subscribe();
        let killed = async { kill.wait_for(Option::is_some).await.is_ok() };
        tokio::select! {
            () = receiving => {}
            _ = killed => {}
        }
        // A process that has closed its socket is of no use, whatever it still does.
        let _ = child.start_kill();
        let status = child.wait().await;
        questions.abort_all();
        let death = self.death(status.ok());
        self.state.send_replace(State::Dead(death));
        for (_, mut call) in self.calls.lock().drain() {
            if let Some(end) = call.end.take() {
                // A caller that has left does not need it.
                let _ = end.send(CallEnd::Died(death));
            }
        }
        on_change();
    }

    fn death(&self, status: Option<ExitStatus>) -> Death {
        if let Some(reason) = *self.kill.borrow() {
            return Death::Killed(reason);
        }
        let near_limit = self.memory_limit.is_some_and(|limit| self.resident_bytes.load(Ordering::Relaxed) > limit / 2);
        match status.map(|status| (status.signal(), status.code())) {
            Some((Some(signal), _)) => Death::Signal { signal, near_limit },
            Some((None, code)) => Death::Exit(code.unwrap_or_default()),
            None => Death::Signal { signal: libc::SIGKILL, near_limit },
        }
    }

    fn receive(self: &Arc<Self>, message: ToService, body: Bytes, answers: &Arc<Answers>, questions: &Arc<Questions>) {
        match message {
            ToService::Ready { .. } | ToService::Failed { .. } => {}
            ToService::Begun { call } => {
                if let Some(begun) = self.calls.lock().get_mut(&call).and_then(|it| it.begun.take()) {
                    let _ = begun.send(()); // its caller may have left
                }
            }
            ToService::Progress { call, done, total } => {
                let progress = self.calls.lock().get(&call).and_then(|it| it.progress.clone());
                if let Some(progress) = progress {
                    progress(done, total);
                }
            }
            ToService::Finished { call, result, timings, released } => {
                let end = {
                    let mut calls = self.calls.lock();
                    let end = calls.get_mut(&call).and_then(|it| it.end.take());
                    if released {
                        calls.remove(&call);
                    }
                    end
                };
                if let Some(end) = end {
                    let finished = Finished { result, timings }
                        .and_then(|head| Ok(head.with_body(body)?.painted_by(|name| self.service_name(name))));
                    let _ = end.send(CallEnd::Finished(finished)); // its caller may have left
                }
            }
            ToService::Released { call } => drop(self.calls.lock().remove(&call)),
            ToService::Overdue { .. } => self.drain(Reason::Overdue),
            ToService::Ask { question, ask } => {
                let (renderer, answers, table) = (self.clone(), answers.clone(), questions.clone());
                // Locked until it is in the table, so that the answer finds it there.
                let mut questions = questions.0.lock();
                let answering = tokio::spawn(async move {
                    let (reply, body) = answers.answer(ask, body).await;
                    table.0.lock().remove(&question);
                    renderer.send(&ToRenderer::Reply { question, reply }, body);
                });
                questions.insert(question, answering.abort_handle());
            }
            ToService::CancelQuestion { question } => {
                if let Some(answering) = questions.0.lock().remove(&question) {
                    answering.abort();
                }
            }
            ToService::Status(mut status) => {
                for gpu in &mut status.paint.gpus {
                    gpu.name = self.service_name(std::mem::take(&mut gpu.name));
                }
                for (name, _) in &mut status.paint.pages {
                    *name = self.service_name(std::mem::take(name));
                }
                answers.count(status.assets.clone());
                let was_stuck = std::mem::replace(&mut *self.status.lock(), *status).stuck_threads > 0;
                if was_stuck && self.status.lock().stuck_threads > 0 {
                    self.drain(Reason::Overdue);
                }
            }
        }
    }

    /// The service's name of the painter that the process calls `name`: each process has only one GPU.
    fn service_name(&self, name: Cow<'static, str>) -> Cow<'static, str> {
        match self.gpu {
            Some(gpu) if name == "gpu0" => format!("gpu{gpu}").into(),
            _ => name,
        }
    }

    fn send(&self, message: &ToRenderer, body: Bytes) {
        // The owner of a process that has ended answers its calls.
        let _ = self.out.send(Frame::new(message, body));
    }

    /// Performs `step` and waits for its end. Dropping the future cancels it.
    pub(super) async fn call(&self, step: &Step, limit: &TimeLimit, progress: Option<Progress>) -> CallEnd {
        let (end, ended) = oneshot::channel();
        let (begun, begins) = oneshot::channel();
        let call = self.next_call.fetch_add(1, Ordering::Relaxed);
        let pending = PendingCall { end: Some(end), progress, begun: Some(begun) };
        self.calls.lock().insert(call, pending);
        if let State::Dead(death) = *self.state.borrow() {
            self.calls.lock().remove(&call);
            return CallEnd::Died(death);
        }
        let mut guard = CallGuard { renderer: self, call: Some(call) };
        let (head, body) = StepHead::of(step);
        self.send(&ToRenderer::Call { call, step: head, limit: limit.into() }, body);
        // A renderer answers late calls itself. One that does not even do that is replaced.
        let late = async {
            let limit = match limit {
                TimeLimit::Remaining(remaining) => *remaining,
                TimeLimit::FromWorker { limit, .. } => {
                    if begins.await.is_err() {
                        std::future::pending::<()>().await;
                    }
                    *limit
                }
            };
            tokio::time::sleep(limit + LATE).await;
        };
        let mut ended = ended;
        let end = tokio::select! {
            end = &mut ended => end,
            () = late => {
                self.kill(Reason::Unresponsive);
                ended.await
            }
        };
        guard.call = None;
        let died = || match *self.state.borrow() {
            State::Dead(death) => death,
            _ => Death::Killed(Reason::Unresponsive),
        };
        end.unwrap_or_else(|_| CallEnd::Died(died()))
    }

    /// Stops new calls, so that a replacement takes over.
    pub(super) fn drain(&self, reason: Reason) {
        self.state.send_if_modified(|state| {
            let serves = *state == State::Serving;
            if serves {
                *state = State::Draining(reason);
            }
            serves
        });
    }

    /// Ends the process at once. The first reason counts.
    pub(super) fn kill(&self, reason: Reason) {
        self.kill.send_if_modified(|killed| {
            let is_first = killed.is_none();
            if is_first {
                *killed = Some(reason);
            }
            is_first
        });
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Whether the process may get calls: it serves, or owns a GPU for which there is no other process yet.
    pub(super) fn takes_calls(&self) -> bool {
        match self.state() {
            State::Serving => true,
            State::Draining(_) => self.gpu.is_some(),
            State::Dead(_) => false,
        }
    }

    /// Waits until the process gets no new calls.
    pub(super) async fn stops_serving(&self) -> State {
        match self.state.subscribe().wait_for(|state| *state != State::Serving).await {
            Ok(state) => *state,
            Err(_) => self.state(), // impossible, since `self` has the sender
        }
    }

    /// Waits until the process has ended.
    pub(super) async fn ended(&self) -> Death {
        loop {
            let mut states = self.state.subscribe();
            if let Ok(state) = states.wait_for(|state| matches!(state, State::Dead(_))).await
                && let State::Dead(death) = *state
            {
                return death;
            }
        }
    }

    /// Number of calls that occupy the process.
    pub(super) fn load(&self) -> usize {
        self.calls.lock().len()
    }

    /// Number of calls that wait for their end.
    pub(super) fn unanswered(&self) -> usize {
        self.calls.lock().values().filter(|call| call.end.is_some()).count()
    }

    /// Reserves the process for one call; false if it is reserved already.
    pub(super) fn reserve(&self) -> bool {
        !self.reserved.swap(true, Ordering::AcqRel)
    }

    pub(super) fn release(&self) {
        self.reserved.store(false, Ordering::Release);
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.reserved.load(Ordering::Acquire)
    }

    /// Asks for its status, which also shows that it still answers.
    pub(super) fn ping(&self) {
        self.send(&ToRenderer::Ping, Bytes::new());
    }

    pub(super) fn forget_templates(&self) {
        self.send(&ToRenderer::ForgetTemplates, Bytes::new());
    }

    pub(super) fn forget_document(&self, document: u64) {
        self.send(&ToRenderer::ForgetDocument { document }, Bytes::new());
    }

    /// Time since the last message.
    pub(super) fn silence(&self) -> Duration {
        self.last_message.lock().elapsed()
    }

    /// Reads a value of its latest status.
    pub(super) fn with_status<T>(&self, read: impl FnOnce(&Status) -> T) -> T {
        read(&self.status.lock())
    }
}

/// Time after a time limit in which a renderer should have answered.
const LATE: Duration = Duration::from_secs(2);

/// Questions that are being answered.
#[derive(Default)]
struct Questions(Mutex<HashMap<QuestionId, AbortHandle>>);

impl Questions {
    fn abort_all(&self) {
        for (_, answering) in self.0.lock().drain() {
            answering.abort();
        }
    }
}
