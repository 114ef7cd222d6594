//! The CPU pool: a fixed number of threads for decoding, shaping, painting and encoding.
//!
//! In: running closures there and awaiting their result; panics come back as errors. Not in: what the work is, sockets,
//! timers. Imports nothing of ours. Work must not block on the network or on other pool work.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

/// Bytes of stack a thread. Fonts, SVGs and scenes recurse to bounded depths; this leaves them ample room.
const STACK_BYTES: usize = 16 << 20;

/// Why work gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The work panicked: a bug of ours. The thread lives on.
    #[error("internal error: the work panicked: {0}")]
    Panicked(String),
    /// The pool was dropped before the work ran.
    #[error("the service is shutting down")]
    Stopped,
    /// The work did not end in time, or too much of its kind has not.
    #[error("it took longer than {} s", .limit.as_secs_f64())]
    Stuck {
        /// How long was waited.
        limit: Duration,
    },
    /// The operating system refused the threads.
    #[error("cannot start {threads} CPU threads: {reason}; lower TENTER_THREADS")]
    NoThreads {
        /// How many were asked for.
        threads: usize,
        /// The system's words.
        reason: String,
    },
}

/// A fixed set of threads. Dropping the pool lets queued work finish first.
#[derive(Debug)]
pub struct Pool {
    threads: rayon::ThreadPool,
}

impl Pool {
    /// `threads`: at least 1; 0 counts as 1.
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

    /// How many threads there are, at least 1.
    pub fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Queues `work` at once, first come first served, and returns its result. Dropping the future before the work
    /// started skips the work; work that runs is never interrupted.
    pub fn run<T, W>(&self, work: W) -> impl Future<Output = Result<T, PoolError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.threads.spawn_fifo(move || {
            if !sender.is_closed() {
                // A caller that left meanwhile does not need the result.
                let _ = sender.send(caught(work));
            }
        });
        async move { receiver.await.unwrap_or(Err(PoolError::Stopped)) }
    }

    /// Queues `work` that answers by itself (through a channel it owns). A panic drops what it owned, so that the
    /// channel's other end sees it closed, and is logged here: nobody else would hear of it.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.threads.spawn_fifo(move || {
            if let Err(error) = caught(work) {
                tracing::error!(%error, "pool work failed");
            }
        });
    }
}

/// Parsers of others', run where a hang of theirs costs a thread and no more. For untrusted input.
#[derive(Debug)]
pub struct Parsers {
    stuck: AtomicUsize,
}

/// Those of this process: the threads that hang are the process's, whatever engine waited for them.
pub static PARSERS: Parsers = Parsers::new();

/// How many threads may hang before further work is refused: each keeps a core busy, and only a new process ends it.
const MOST_STUCK: usize = 4;

impl Parsers {
    /// None hangs.
    pub const fn new() -> Self {
        Self { stuck: AtomicUsize::new(0) }
    }

    /// How many threads hang.
    pub fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Runs `work` on a thread of its own, which takes about 50 µs to make, and waits at most `limit` for it.
    ///
    /// # Errors
    /// `Stuck` when `limit` passed, or at once when as many threads hang as may; `Panicked`; `NoThreads`.
    pub fn run<T, W>(&'static self, limit: Duration, work: W) -> Result<T, PoolError>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        if self.stuck() >= MOST_STUCK {
            return Err(PoolError::Stuck { limit });
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let state = Arc::new(AtomicU8::new(WAITED_FOR));
        let thread = std::thread::Builder::new().name("parser".into()).stack_size(STACK_BYTES).spawn({
            let state = state.clone();
            move || {
                let result = caught(work);
                if state.swap(DONE, Ordering::AcqRel) == GIVEN_UP {
                    self.stuck.fetch_sub(1, Ordering::Relaxed);
                }
                // Whoever gave up does not need it.
                let _ = sender.send(result);
            }
        });
        thread.map_err(|error| PoolError::NoThreads { threads: 1, reason: error.to_string() })?;
        if let Ok(result) = receiver.recv_timeout(limit) {
            return result.inspect_err(|error| tracing::error!(%error, "a parser failed"));
        }
        self.stuck.fetch_add(1, Ordering::Relaxed);
        if state.swap(GIVEN_UP, Ordering::AcqRel) == DONE {
            self.stuck.fetch_sub(1, Ordering::Relaxed); // it came back this very moment
        }
        tracing::error!(stuck = self.stuck(), "a parser did not come back in time; its thread is given up");
        Err(PoolError::Stuck { limit })
    }
}

impl Default for Parsers {
    fn default() -> Self {
        Self::new()
    }
}

/// States of work in [`Parsers::run`].
const WAITED_FOR: u8 = 0;
const DONE: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Runs `work`; a panic becomes an error with its message. What `work` owned is dropped either way, so no broken
/// invariant can be seen afterwards.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, PoolError> {
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
    fn parsers_give_up_a_hang_and_refuse_the_next_when_there_are_many() {
        static OWN: Parsers = Parsers::new();
        let (long, limit) = (Duration::from_secs(60), Duration::from_millis(1));
        assert_eq!(OWN.run(long, || 6 * 7), Ok(42));
        assert!(matches!(OWN.run(long, || panic!("x")), Err::<(), _>(PoolError::Panicked(_))));
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        for count in 1..=MOST_STUCK {
            let held = held.clone();
            let hang = move || assert!(held.lock().expect("not poisoned").recv().is_err(), "released by dropping");
            assert_eq!(OWN.run(limit, hang), Err(PoolError::Stuck { limit }));
            assert_eq!(OWN.stuck(), count);
        }
        assert_eq!(OWN.run(long, || 1), Err(PoolError::Stuck { limit: long }), "without being tried");
        drop(release);
        while OWN.stuck() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(OWN.run(long, || 1), Ok(1));
    }

    #[test]
    fn pool_skips_work_nobody_waits_for() {
        let pool = pool();
        let (release, held) = mpsc::channel::<()>();
        pool.spawn(move || held.recv().expect("released below"));
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
