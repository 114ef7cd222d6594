//! Who may work now, who waits, and who is turned away: decided before anything is parsed or fetched.
//!
//! A request has its [`Place`] from its acceptance to its end, and a [`Turn`] only while something is computed for it: it
//! steps aside while it waits for the network, and between pages when others wait, so that neither a slow server nor a
//! document of 500 pages keeps a thumbnail from being made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::counts::Fill;
use crate::error::Error;

/// Two bounds: requests inside (at work or waiting), and requests at work.
#[derive(Debug)]
pub(super) struct Admission {
    inside: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    working: usize,
    waiting: usize,
    /// Requests that would work if there were a worker.
    held_up: AtomicUsize,
    /// How long a request holds its worker, smoothed, in ms; 0 before the first.
    usual_ms: AtomicU64,
}

/// A place inside. Shared with the pool work done for the request, so that it is free again only when nothing is computed
/// for the request any more, even if the caller has left.
#[derive(Debug)]
pub(super) struct Place {
    /// `None` for work that never stood in the queue and found it full.
    _inside: Option<OwnedSemaphorePermit>,
}

/// A worker. Shared with pool work as [`Place`] is.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

/// Counts one who waits, until dropped.
struct HeldUp<'a>(&'a AtomicUsize);

impl<'a> HeldUp<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub(super) fn new(working: usize, waiting: usize) -> Self {
        let most = Semaphore::MAX_PERMITS;
        Self {
            inside: Arc::new(Semaphore::new(working.saturating_add(waiting).min(most))),
            workers: Arc::new(Semaphore::new(working.min(most))),
            working,
            waiting,
            held_up: AtomicUsize::new(0),
            usual_ms: AtomicU64::new(0),
        }
    }

    /// A place in the queue, at once or not at all.
    pub(super) fn enter(&self) -> Result<Place, Error> {
        match self.inside.clone().try_acquire_owned() {
            Ok(permit) => Ok(Place { _inside: Some(permit) }),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                Err(Error::Busy { working: self.working, waiting: self.waiting, retry_after: self.retry_after() })
            }
        }
    }

    /// Read one after the other: at most a request off while others come and go.
    pub(super) fn fill(&self) -> Fill {
        let inside = (self.working + self.waiting).saturating_sub(self.inside.available_permits());
        let working = self.working.saturating_sub(self.workers.available_permits());
        Fill { working, waiting: inside.saturating_sub(working), workers: self.working, queue: self.waiting }
    }

    pub(super) fn is_full(&self) -> bool {
        self.inside.available_permits() == 0
    }

    /// A place for work that has a queue of its own: never refused. At work it counts as inside, so that as many may wait as
    /// the setting says; a full queue stays as it is.
    pub(super) fn enter_queued_elsewhere(&self) -> Place {
        Place { _inside: self.inside.clone().try_acquire_owned().ok() }
    }

    /// Waits for a worker, first come first served.
    pub(super) async fn turn(&self) -> Result<Turn, Error> {
        let held_up = HeldUp::new(&self.held_up);
        let worker = self.workers.clone().acquire_owned().await;
        drop(held_up);
        worker.map(Turn).map_err(|_| Error::Internal("the engine is closed".into()))
    }

    /// True when somebody waits for a worker.
    pub(super) fn holds_up_others(&self) -> bool {
        self.held_up.load(Ordering::Relaxed) > 0
    }

    /// Learns how long one request was at work.
    pub(super) fn learn(&self, took: Duration) {
        let new = took.as_millis().min(u128::from(u32::MAX)) as u64;
        let old = self.usual_ms.load(Ordering::Relaxed);
        // A lost update between load and store costs one sample of an estimate.
        self.usual_ms.store(if old == 0 { new } else { (old * 7 + new) / 8 }, Ordering::Relaxed);
    }

    /// When the requests now waiting will have gone through the workers; 1 s to 60 s.
    fn retry_after(&self) -> Duration {
        let rounds = (self.waiting / self.working.max(1) + 1) as u64;
        let seconds = (self.usual_ms.load(Ordering::Relaxed).saturating_mul(rounds)).div_ceil(1000);
        Duration::from_secs(seconds.clamp(1, 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_refuses_beyond_workers_and_queue() {
        let admission = Admission::new(1, 1);
        let at_work = (admission.enter().expect("first"), pollster::block_on(admission.turn()).expect("a worker"));
        let waiting = admission.enter().expect("second waits");
        assert_eq!(admission.fill(), Fill { working: 1, waiting: 1, workers: 1, queue: 1 });
        let Err(refused) = admission.enter() else { panic!("third has no place") };
        assert!(matches!(refused, Error::Busy { working: 1, waiting: 1, .. }), "{refused}");
        drop(at_work);
        assert!(admission.enter().is_ok(), "a place is free again");
        assert!(pollster::block_on(admission.turn()).is_ok());
        drop(waiting);
    }

    #[test]
    fn work_queued_elsewhere_takes_a_worker_and_no_place_in_the_queue() {
        let admission = Admission::new(1, 1);
        let job = (pollster::block_on(admission.turn()).expect("a worker"), admission.enter_queued_elsewhere());
        let _waiting = admission.enter().expect("the one that may wait");
        assert!(admission.enter().is_err(), "the worker and the queue are taken");
        drop(job);
        let _request = pollster::block_on(admission.turn()).expect("a worker");
        let _next = admission.enter().expect("waits");
        assert!(admission.is_full());
    }

    #[tokio::test]
    async fn turns_are_taken_in_order_and_those_who_left_hold_up_nobody() {
        let admission = Admission::new(1, 2);
        let first = admission.turn().await.expect("a worker");
        assert!(!admission.holds_up_others());
        let (mut second, mut third) = (Box::pin(admission.turn()), Box::pin(admission.turn()));
        assert!(futures_util::poll!(&mut second).is_pending() && futures_util::poll!(&mut third).is_pending());
        assert!(admission.holds_up_others());
        drop(first);
        assert!(futures_util::poll!(&mut third).is_pending(), "it is the second's turn");
        drop(third);
        let _second = second.await.expect("a worker");
        assert!(!admission.holds_up_others());
    }

    #[test]
    fn retry_after_follows_what_requests_take() {
        let admission = Admission::new(2, 8);
        assert_eq!(admission.retry_after(), Duration::from_secs(1));
        admission.learn(Duration::from_secs(3));
        assert_eq!(admission.retry_after(), Duration::from_secs(15));
        admission.learn(Duration::from_secs(3600));
        assert_eq!(admission.retry_after(), Duration::from_secs(60));
    }
}
