//! The CPU pool: a fixed number of threads for decoding, shaping, painting and encoding.
//!
//! In: running closures on these threads and awaiting their results; panics become errors. Not in: what the work is,
//! sockets, timers. Imports nothing of the crate. Work must not block on the network or on other pool work.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

/// Stack size of a thread in bytes. Fonts, SVGs and scenes recurse to bounded depths, for which this is ample.
const STACK_BYTES: usize = 16 << 20;

/// Reason why work has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The work panicked, which is a bug. The thread continues.
    #[error("internal error: a task panicked: {0}")]
    Panicked(String),
    /// The pool was dropped before the work ran.
    #[error("the service is shutting down")]
    Stopped,
    /// So much work that exceeded its time limit still runs that no more is started. It may succeed later.
    #[error("{stuck} fonts or SVG documents of earlier requests still occupy all threads for reading such files")]
    Exhausted {
        /// Number of threads that hang.
        stuck: usize,
    },
    /// The work exceeded its time limit.
    #[error("it took longer than {} s", .limit.as_secs_f64())]
    Stuck {
        /// Time that the work was allowed to take.
        limit: Duration,
    },
    /// The operating system refused to start the threads.
    #[error("cannot start {threads} CPU threads: {reason}; lower TENTER_THREADS")]
    NoThreads {
        /// Number of threads that were requested.
        threads: usize,
        /// Message of the operating system.
        reason: String,
    },
}

impl PoolError {
    /// True when the work was not tried because something is used up, so that it may succeed later.
    pub fn is_exhaustion(&self) -> bool {
        match self {
            Self::Exhausted { .. } | Self::NoThreads { .. } => true,
            Self::Panicked(_) | Self::Stopped | Self::Stuck { .. } => false,
        }
    }
}

/// A fixed set of threads. Dropping the pool finishes queued work first.
#[derive(Debug)]
pub struct Pool {
    threads: rayon::ThreadPool,
}

impl Pool {
    /// Starts the threads. `threads`: at least 1; 0 counts as 1.
    pub fn new(threads: usize) -> Result<Self, PoolError> {
        let threads = threads.max(1);
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("cpu-{index}"))
            .stack_size(STACK_BYTES)
            .build()
            .map(|threads| Self { threads })
            .map_err(|error| PoolError::NoThreads { threads, reason: error.to_string() })
    }

    /// Number of threads, at least 1.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Queues `work` in order of arrival and returns its result. Dropping the future before the work has started skips
    /// the work; running work is never interrupted.
    pub fn run<T, W>(&self, work: W) -> impl Future<Output = Result<T, PoolError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.threads.spawn_fifo(move || {
            if !sender.is_closed() {
                // A cancelled caller does not need the result.
                let _ = sender.send(catch_panic(work));
            }
        });
        async move { receiver.await.unwrap_or(Err(PoolError::Stopped)) }
    }

    /// Queues `work` that sends its own result, for instance through a channel. A panic drops what the work owned,
    /// which closes the channel, and is logged here because no caller receives it.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.threads.spawn_fifo(move || {
            if let Err(error) = catch_panic(work) {
                tracing::error!(%error, "pool work failed");
            }
        });
    }
}

/// Runs third-party parsers of untrusted input on separate threads, so that a hanging parser costs no more than its
/// thread.
#[derive(Debug)]
pub struct Parsers {
    stuck: AtomicUsize,
}

/// The instance of this process, as hanging threads outlive the engine that started them.
pub static PARSERS: Parsers = Parsers::new();

/// Maximum number of hanging threads before further work is refused: each occupies a core until the process ends.
const MAX_STUCK: usize = 4;

impl Parsers {
    /// Creates an instance without threads.
    pub const fn new() -> Self {
        Self { stuck: AtomicUsize::new(0) }
    }

    /// Number of threads that hang at this moment.
    pub fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Runs `work` on a new thread, which takes about 50 µs to start, and waits at most `limit` for it.
    ///
    /// # Errors
    /// `Stuck` when `limit` has passed; `Exhausted` at once when the maximum number of threads hang; `Panicked`;
    /// `NoThreads`.
    pub fn run<T, W>(&'static self, limit: Duration, work: W) -> Result<T, PoolError>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let stuck = self.stuck();
        if stuck >= MAX_STUCK {
            return Err(PoolError::Exhausted { stuck });
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let state = Arc::new(AtomicU8::new(RUNNING));
        let thread = std::thread::Builder::new().name("parser".into()).stack_size(STACK_BYTES).spawn({
            let state = state.clone();
            move || {
                let result = catch_panic(work);
                if state.swap(DONE, Ordering::AcqRel) == ABANDONED {
                    self.stuck.fetch_sub(1, Ordering::Relaxed);
                }
                // A caller that has given up does not need it.
                let _ = sender.send(result);
            }
        });
        thread.map_err(|error| PoolError::NoThreads { threads: 1, reason: error.to_string() })?;
        if let Ok(result) = receiver.recv_timeout(limit) {
            return result.inspect_err(|error| tracing::error!(%error, "a parser failed"));
        }
        self.stuck.fetch_add(1, Ordering::Relaxed);
        if state.swap(ABANDONED, Ordering::AcqRel) == DONE {
            self.stuck.fetch_sub(1, Ordering::Relaxed); // it finished at this moment
        }
        tracing::error!(stuck = self.stuck(), "a parser exceeded its time limit; its thread is abandoned");
        Err(PoolError::Stuck { limit })
    }
}

impl Default for Parsers {
    fn default() -> Self {
        Self::new()
    }
}

/// States of work in [`Parsers::run`].
const RUNNING: u8 = 0;
const DONE: u8 = 1;
const ABANDONED: u8 = 2;

/// Runs `work` and converts a panic to an error with its message. What `work` owned is dropped in any case, so that no
/// broken invariant is visible afterwards.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Result<T, PoolError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| PoolError::Panicked(panic_message(payload.as_ref())))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(message), _) => (*message).to_owned(),
        (_, Some(message)) => message.clone(),
        _ => "no message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn pool() -> Pool {
        Pool::new(1).expect("one thread")
    }

    #[test]
    fn pool_returns_the_result() {
        assert_eq!(pollster::block_on(pool().run(|| 6 * 7)), Ok(42));
    }

    #[test]
    fn pool_survives_a_panic() {
        let pool = pool();
        let number = 7;
        let failed = pollster::block_on(pool.run(move || assert_eq!(number, 8, "seven is not eight")));
        let Err(PoolError::Panicked(message)) = failed else { panic!("{failed:?}") };
        assert!(message.contains("seven is not eight"), "{message}");
        pool.spawn(|| panic!("logged"));
        assert_eq!(pollster::block_on(pool.run(|| 1)), Ok(1));
    }

    #[test]
    fn parsers_abandon_hanging_work_and_refuse_more_at_the_maximum() {
        static OWN: Parsers = Parsers::new();
        let (long, limit) = (Duration::from_secs(60), Duration::from_millis(1));
        assert_eq!(OWN.run(long, || 6 * 7), Ok(42));
        assert!(matches!(OWN.run(long, || panic!("x")), Err::<(), _>(PoolError::Panicked(_))));
        let (release, released) = mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        for count in 1..=MAX_STUCK {
            let released = released.clone();
            let hang = move || assert!(released.lock().expect("not poisoned").recv().is_err(), "released by dropping");
            assert_eq!(OWN.run(limit, hang), Err(PoolError::Stuck { limit }));
            assert_eq!(OWN.stuck(), count);
        }
        assert_eq!(OWN.run(long, || 1), Err(PoolError::Exhausted { stuck: MAX_STUCK }), "the work is not started");
        drop(release);
        while OWN.stuck() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(OWN.run(long, || 1), Ok(1));
    }

    #[test]
    fn pool_skips_cancelled_work() {
        let pool = pool();
        let (release, released) = mpsc::channel::<()>();
        pool.spawn(move || released.recv().expect("released below"));
        let ran = Arc::new(AtomicBool::new(false));
        let skipped = pool.run({
            let ran = ran.clone();
            move || ran.store(true, Ordering::SeqCst)
        });
        drop(skipped);
        release.send(()).expect("the first work waits");
        pollster::block_on(pool.run(|| ())).expect("runs after the skipped one");
        assert!(!ran.load(Ordering::SeqCst));
    }
}
