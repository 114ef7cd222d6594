//! Admission control: decides before anything is parsed or fetched which requests run, wait or are refused.
//!
//! A request has a [`QueueSlot`] from its acceptance to its end, and a [`WorkerPermit`] only while something is
//! computed for it. It releases the worker while it waits for the network, and between pages when other requests wait,
//! so that neither a slow server nor a document of 500 pages delays a thumbnail.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::counts::QueueUsage;
use crate::error::Error;

/// Two semaphores: one for requests inside (running or waiting), one for running requests.
#[derive(Debug)]
pub(super) struct Admission {
    inside: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    working: usize,
    waiting: usize,
    /// Number of requests that wait for a worker.
    waiting_count: AtomicUsize,
    /// Exponentially smoothed time that a request occupies a worker, in ms; 0 before the first request.
    smoothed_ms: AtomicU64,
}

/// A permit to be inside, running or waiting. Pool work for the request shares it, so that the slot is free again only
/// when nothing is computed for the request any more, even if the caller has left.
#[derive(Debug)]
pub(super) struct QueueSlot {
    /// `None` for work that has its own queue and found this one full.
    _inside: Option<OwnedSemaphorePermit>,
    /// Its drop completes [`Released`].
    _occupied: oneshot::Sender<Infallible>,
}

/// Completes when nothing is computed for a request any more, even if its caller has left.
#[derive(Debug)]
pub struct Released(oneshot::Receiver<Infallible>);

impl Future for Released {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(|_| ())
    }
}

impl QueueSlot {
    fn new(inside: Option<OwnedSemaphorePermit>) -> (Self, Released) {
        let (occupied, released) = oneshot::channel();
        (Self { _inside: inside, _occupied: occupied }, Released(released))
    }
}

/// A permit to compute. Pool work for the request shares it, as it does [`QueueSlot`].
#[derive(Debug)]
pub(super) struct WorkerPermit(#[expect(dead_code, reason = "only its drop matters")] OwnedSemaphorePermit);

/// Counts one waiting request until it is dropped.
struct WaitingGuard<'a>(&'a AtomicUsize);

impl<'a> WaitingGuard<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub(super) fn new(working: usize, waiting: usize) -> Self {
        let max_permits = Semaphore::MAX_PERMITS;
        Self {
            inside: Arc::new(Semaphore::new(working.saturating_add(waiting).min(max_permits))),
            workers: Arc::new(Semaphore::new(working.min(max_permits))),
            working,
            waiting,
            waiting_count: AtomicUsize::new(0),
            smoothed_ms: AtomicU64::new(0),
        }
    }

    /// Takes a slot at once, or fails with `Busy`.
    pub(super) fn enter(&self) -> Result<(QueueSlot, Released), Error> {
        match self.inside.clone().try_acquire_owned() {
            Ok(permit) => Ok(QueueSlot::new(Some(permit))),
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                Err(Error::Busy { working: self.working, waiting: self.waiting, retry_after: self.retry_after() })
            }
        }
    }

    /// The counts are read one after the other: they may be off by one request while others come and go.
    pub(super) fn queue_usage(&self) -> QueueUsage {
        let inside = (self.working + self.waiting).saturating_sub(self.inside.available_permits());
        let working = self.working.saturating_sub(self.workers.available_permits());
        QueueUsage { working, waiting: inside.saturating_sub(working), workers: self.working, queue: self.waiting }
    }

    pub(super) fn is_full(&self) -> bool {
        self.inside.available_permits() == 0
    }

    /// A slot for work that has its own queue; never refused. While it runs it counts as inside, so that the number of
    /// waiting requests stays as configured; a full queue stays as it is.
    pub(super) fn enter_without_queue(&self) -> (QueueSlot, Released) {
        QueueSlot::new(self.inside.clone().try_acquire_owned().ok())
    }

    /// Waits for a worker, in order of arrival.
    pub(super) async fn acquire_worker(&self) -> Result<WorkerPermit, Error> {
        let waiting = WaitingGuard::new(&self.waiting_count);
        let worker = self.workers.clone().acquire_owned().await;
        drop(waiting);
        worker.map(WorkerPermit).map_err(|_| Error::Internal("the engine is closed".into()))
    }

    /// Whether any request waits for a worker.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting_count.load(Ordering::Relaxed) > 0
    }

    /// Updates the estimate of how long a request occupies a worker.
    pub(super) fn record_busy_time(&self, took: Duration) {
        let new = took.as_millis().min(u128::from(u32::MAX)) as u64;
        let old = self.smoothed_ms.load(Ordering::Relaxed);
        // A lost update between load and store costs one sample of an estimate.
        self.smoothed_ms.store(if old == 0 { new } else { (old * 7 + new) / 8 }, Ordering::Relaxed);
    }

    /// Time until the requests that wait now have passed the workers; 1 s to 60 s.
    fn retry_after(&self) -> Duration {
        let rounds = (self.waiting / self.working.max(1) + 1) as u64;
        let seconds = (self.smoothed_ms.load(Ordering::Relaxed).saturating_mul(rounds)).div_ceil(1000);
        Duration::from_secs(seconds.clamp(1, 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admission_refuses_beyond_workers_and_queue() {
        let admission = Admission::new(1, 1);
        let at_work =
            (admission.enter().expect("first"), pollster::block_on(admission.acquire_worker()).expect("a worker"));
        let waiting = admission.enter().expect("second waits");
        assert_eq!(admission.queue_usage(), QueueUsage { working: 1, waiting: 1, workers: 1, queue: 1 });
        let Err(refused) = admission.enter() else { panic!("the third has no slot") };
        assert!(matches!(refused, Error::Busy { working: 1, waiting: 1, .. }), "{refused}");
        drop(at_work);
        assert!(admission.enter().is_ok(), "a slot is free again");
        assert!(pollster::block_on(admission.acquire_worker()).is_ok());
        drop(waiting);
    }

    #[test]
    fn work_with_its_own_queue_takes_a_worker_and_no_queue_slot() {
        let admission = Admission::new(1, 1);
        let job = (pollster::block_on(admission.acquire_worker()).expect("a worker"), admission.enter_without_queue());
        let _waiting = admission.enter().expect("the one that may wait");
        assert!(admission.enter().is_err(), "the worker and the queue are taken");
        drop(job);
        let _request = pollster::block_on(admission.acquire_worker()).expect("a worker");
        let _next = admission.enter().expect("waits");
        assert!(admission.is_full());
    }

    #[tokio::test]
    async fn workers_are_granted_in_order_and_skip_cancelled_waiters() {
        let admission = Admission::new(1, 2);
        let first = admission.acquire_worker().await.expect("a worker");
        assert!(!admission.has_waiting());
        let (mut second, mut third) = (Box::pin(admission.acquire_worker()), Box::pin(admission.acquire_worker()));
        assert!(futures_util::poll!(&mut second).is_pending() && futures_util::poll!(&mut third).is_pending());
        assert!(admission.has_waiting());
        drop(first);
        assert!(futures_util::poll!(&mut third).is_pending(), "the second is next");
        drop(third);
        let _second = second.await.expect("a worker");
        assert!(!admission.has_waiting());
    }

    #[test]
    fn retry_after_follows_what_requests_take() {
        let admission = Admission::new(2, 8);
        assert_eq!(admission.retry_after(), Duration::from_secs(1));
        admission.record_busy_time(Duration::from_secs(3));
        assert_eq!(admission.retry_after(), Duration::from_secs(15));
        admission.record_busy_time(Duration::from_secs(3600));
        assert_eq!(admission.retry_after(), Duration::from_secs(60));
    }
}
