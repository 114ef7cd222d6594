//! The service over the embedded ledger, on a real file: what is promised to callers, workers and senders.

mod batches;
mod documents;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;

use super::*;
use crate::hash::ContentHash;
use crate::jobs::store::{
    AttemptReport, DeliveryAttempt, DeliveryCapacity, FetchFilter, Fetched, FetchedJob, Idempotency, NextAction,
    Outcome, Requeue, StoredFile, Work,
};

const ROOM: DeliveryCapacity = DeliveryCapacity { total: 9, per_receiver: 9 };

struct Bench {
    store: Service,
    folder: tempfile::TempDir,
    later: Arc<AtomicU64>,
    jobs: JobSettings,
    keys: KeyLimits,
}

impl Bench {
    fn new(jobs: JobSettings, keys: KeyLimits) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let later = Arc::new(AtomicU64::new(0));
        let store = open(&folder, &jobs, &keys, &later).expect("a store");
        Self { store, folder, later, jobs, keys }
    }

    /// As after `kill -9`: nothing is said to the store.
    fn restart(&mut self) {
        self.store = open(&self.folder, &self.jobs, &self.keys, &self.later).expect("a store");
    }

    fn pass(&self, time: Duration) {
        self.later.fetch_add(time.as_micros() as u64, Ordering::SeqCst);
    }

    async fn accept(&self, job: NewJob) -> Job {
        match self.store.accept(job).await.expect("a store") {
            SubmitOutcome::New(job) => job,
            other => panic!("{other:?}"),
        }
    }

    async fn take(&self) -> FetchedJob {
        match self.store.fetch(FetchFilter::ALL).await.expect("a store") {
            Fetched::Job(fetched) => *fetched,
            other => panic!("{other:?}"),
        }
    }

    async fn job(&self, id: &JobId) -> Job {
        self.store.get(&Owner::from(""), id).await.expect("a store").expect("a job")
    }
}

fn open(
    folder: &tempfile::TempDir,
    jobs: &JobSettings,
    keys: &KeyLimits,
    later: &Arc<AtomicU64>,
) -> Result<Service, StoreError> {
    let later = later.clone();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock: Clock = Arc::new(move || start + Duration::from_micros(later.load(Ordering::SeqCst)));
    let limits = StoreLimits { jobs, batches: &BatchSettings::default(), keys };
    Service::embedded(&folder.path().join("jobs.db"), &limits, clock)
}

/// Other jobs run in the process.
const NOT_ALONE: FetchFilter = FetchFilter { alone: false, ..FetchFilter::ALL };

fn bench() -> Bench {
    Bench::new(JobSettings { attempts: 3, ..JobSettings::default() }, KeyLimits::default())
}

fn new_job(owner: &str) -> NewJob {
    NewJob::new(owner, Bytes::from_static(b"{}"), "png", "http://here")
}

fn with_webhook() -> NewJob {
    NewJob { webhook: Some("http://hook.test/".into()), ..new_job("") }
}

fn done() -> Outcome {
    let fingerprint = "f1".into();
    Outcome::Done(StoredFile {
        link: "http://here/files/a.png".into(),
        bytes: 3,
        hash: ContentHash::from_bytes([7; 32]),
        fingerprint,
    })
}

#[tokio::test]
async fn job_goes_from_scheduled_over_progress_to_done() {
    let bench = bench();
    let fresh = bench.accept(new_job("")).await;
    assert_eq!((fresh.status, fresh.progress, fresh.logs.as_str()), (Status::Scheduled, 0.0, ""));
    assert_eq!((fresh.started_at, fresh.updated_at, fresh.completed_at), (None, None, None));
    bench.pass(Duration::from_secs(1));
    let fetched = bench.take().await;
    assert_eq!(
        (&fetched.attempt_id.job, fetched.attempt_id.number, &fetched.work),
        (&fresh.id, 1, &Work::Job("{}".into()))
    );
    assert!(fetched.file.starts_with(&format!("{}-", fresh.id)) && fetched.file.ends_with(".png"), "{}", fetched.file);
    bench.store.progress(&fetched.attempt_id, 50.0).await.expect("noted");
    let begun = bench.job(&fresh.id).await;
    assert_eq!((begun.status, begun.progress), (Status::Progress, 50.0));
    assert_eq!(begun.started_at, Some(fresh.created_at.plus(Duration::from_secs(1))));
    bench.pass(Duration::from_secs(1));
    assert!(
        bench
            .store
            .finish(
                &fetched.attempt_id,
                done(),
                AttemptReport { logs: "paint 1 ms\n".into(), ..AttemptReport::default() }
            )
            .await
            .expect("a store")
    );
    let ended = bench.job(&fresh.id).await;
    assert_eq!((ended.status, ended.progress), (Status::Done, 100.0));
    assert_eq!((begun.fingerprint, ended.fingerprint.as_deref()), (None, Some("f1")));
    assert_eq!(ended.output.as_deref(), Some("http://here/files/a.png"));
    assert_eq!(ended.completed_at, Some(fresh.created_at.plus(Duration::from_secs(2))));
    assert_eq!(ended.logs, "2027-01-15T08:00:01.000000+00:00 attempt 1 began\npaint 1 ms\n");
    assert!(
        bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store"),
        "said again"
    );
    assert_eq!(bench.job(&fresh.id).await, ended, "and nothing changes");
    assert!(matches!(bench.store.fetch(FetchFilter::ALL).await, Ok(Fetched::Empty(None))));
}

#[tokio::test]
async fn owners_take_turns_and_see_their_own_only() {
    let bench = bench();
    let mut of_a = Vec::new();
    for _ in 0..3 {
        of_a.push(bench.accept(new_job("a")).await.id);
    }
    let of_b = bench.accept(new_job("b")).await.id;
    let order = [bench.take().await, bench.take().await, bench.take().await].map(|it| it.attempt_id.job);
    assert_eq!(order, [of_a[0].clone(), of_b.clone(), of_a[1].clone()]);
    assert_eq!(bench.store.get(&Owner::from("a"), &of_b).await.expect("a store"), None);
    assert!(!bench.store.remove(&Owner::from("a"), &of_b).await.expect("a store"));
    let listing = bench.store.list(&Owner::from("a"), 1, 1).await.expect("a store");
    assert_eq!((listing.total, listing.renders.len()), (3, 1));
    assert_eq!(listing.renders[0].id, of_a[1], "newest first, after one");
}

#[tokio::test]
async fn idempotency_key_gives_the_same_job_until_it_expires() {
    let bench = bench();
    let call = |digest: u8, owner: &str| NewJob {
        idempotency: Some(Idempotency { key: "k".into(), hash: ContentHash::from_bytes([digest; 32]) }),
        ..new_job(owner)
    };
    let first = bench.accept(call(1, "")).await;
    let again = bench.store.accept(call(1, "")).await.expect("a store");
    assert!(matches!(&again, SubmitOutcome::Replayed(job) if job.id == first.id), "{again:?}");
    assert!(matches!(bench.store.accept(call(2, "")).await, Ok(SubmitOutcome::KeyReused)));
    assert_ne!(bench.accept(call(2, "other")).await.id, first.id, "keys are each owner's own");
    let fetched = bench.take().await;
    bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store");
    bench.pass(bench.jobs.lifetime);
    assert_ne!(bench.accept(call(2, "")).await.id, first.id);
}

#[tokio::test]
async fn idempotency_storm_makes_one_job() {
    let bench = bench();
    let call = NewJob {
        idempotency: Some(Idempotency { key: "k".into(), hash: ContentHash::from_bytes([1; 32]) }),
        ..new_job("")
    };
    let calls = (0..50).map(|_| bench.store.accept(call.clone()));
    let accepted = futures_util::future::join_all(calls).await;
    let new = accepted.iter().filter(|it| matches!(it, Ok(SubmitOutcome::New(_)))).count();
    let again = accepted.iter().filter(|it| matches!(it, Ok(SubmitOutcome::Replayed(_)))).count();
    assert_eq!((new, again), (1, 49));
}

#[tokio::test]
async fn limits_count_unfinished_jobs() {
    let bench =
        Bench::new(JobSettings { queue: 3, ..JobSettings::default() }, KeyLimits { jobs: 2, ..KeyLimits::default() });
    bench.accept(new_job("a")).await;
    bench.accept(new_job("a")).await;
    assert!(matches!(bench.store.accept(new_job("a")).await, Ok(SubmitOutcome::OwnerFull)));
    bench.accept(new_job("b")).await;
    assert!(matches!(bench.store.accept(new_job("b")).await, Ok(SubmitOutcome::QueueFull)));
    let fetched = bench.take().await;
    assert!(
        matches!(bench.store.accept(new_job("b")).await, Ok(SubmitOutcome::QueueFull)),
        "under way is unfinished too"
    );
    bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store");
    bench.accept(new_job("b")).await;
}

#[tokio::test]
async fn restart_gives_the_job_out_again_alone_and_then_gives_up() {
    let mut bench = bench();
    let id = bench.accept(with_webhook()).await.id;
    let fresh = bench.accept(new_job("")).await.id;
    for attempt in 1..=3 {
        let fetched = bench.take().await;
        assert_eq!((&fetched.attempt_id.job, fetched.attempt_id.number), (&id, attempt));
        bench.restart();
        if attempt == 3 {
            break;
        }
        assert_eq!(bench.job(&id).await.status, Status::Scheduled);
        let cut_off = Outcome::Error("no network".into());
        assert!(
            !bench.store.finish(&fetched.attempt_id, cut_off, AttemptReport::default()).await.expect("a store"),
            "no longer its job"
        );
        let Ok(Fetched::Job(other)) = bench.store.fetch(NOT_ALONE).await else {
            panic!("the fresh one is not held up")
        };
        assert_eq!(other.attempt_id.job, fresh);
        let why = Requeue { after: Duration::ZERO, counts: false, note: "stopped".into() };
        bench.store.requeue(&other.attempt_id, why).await.expect("a store");
        bench.pass(Duration::from_secs(u64::from(attempt)));
        assert!(matches!(bench.store.fetch(NOT_ALONE).await, Ok(Fetched::RunAlone)), "it may have killed the process");
    }
    let given_up = bench.job(&id).await;
    assert_eq!(given_up.status, Status::Error);
    assert!(given_up.error.contains("3 times") && given_up.error.contains("TENTER_JOB_ATTEMPTS"), "{}", given_up.error);
    assert_eq!(bench.take().await.attempt_id.job, fresh, "and the others go on");
    assert_eq!(bench.store.trash(9).await.expect("a store").len(), 1, "what it may have stored is removed");
    let received = bench.store.deliveries(&Owner::from(""), &id).await.expect("a store").expect("a job");
    let last = received.last().map(|it| (it.event, it.status));
    assert_eq!(last, Some(("job.error", "pending")));
}

#[tokio::test]
async fn handed_back_uncounted_waits_and_is_like_new() {
    let bench = bench();
    bench.accept(new_job("")).await;
    let fetched = bench.take().await;
    let why = Requeue { after: Duration::from_secs(5), counts: false, note: "bucket down".into() };
    bench.store.requeue(&fetched.attempt_id, why).await.expect("a store");
    let due = fetched.created_at.plus(Duration::from_secs(5));
    assert!(matches!(bench.store.fetch(FetchFilter::ALL).await, Ok(Fetched::Empty(Some(at))) if at == due));
    bench.pass(Duration::from_secs(5));
    let Ok(Fetched::Job(again)) = bench.store.fetch(NOT_ALONE).await else { panic!("not alone") };
    assert_eq!((again.attempt_id.number, again.file), (1, fetched.file));
}

#[tokio::test]
async fn removed_jobs_leave_their_file_to_the_trash() {
    let bench = bench();
    let waiting = bench.accept(new_job("")).await.id;
    assert!(bench.store.remove(&Owner::from(""), &waiting).await.expect("a store"));
    assert_eq!(bench.store.get(&Owner::from(""), &waiting).await.expect("a store"), None);
    assert!(bench.store.trash(9).await.expect("a store").is_empty(), "it never had one");

    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    bench.store.remove(&Owner::from(""), &id).await.expect("a store");
    assert!(!bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store"));
    assert!(bench.store.trash(9).await.expect("a store").is_empty(), "it may be written at this moment");
    bench.pass(Duration::from_secs(120));
    assert_eq!(bench.store.trash(9).await.expect("a store"), std::slice::from_ref(&fetched.file));
    bench.store.remove_from_trash(&fetched.file).await.expect("a store");
    assert!(bench.store.trash(9).await.expect("a store").is_empty());
}

#[tokio::test]
async fn finished_jobs_expire_with_their_file() {
    let bench = bench();
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    assert_eq!(bench.store.expiry(&id, &fetched.file).await.expect("a store"), None, "no result yet");
    bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store");
    let week = Duration::from_secs(7 * 24 * 3600);
    assert_eq!(bench.store.expiry(&id, &fetched.file).await.expect("a store"), Some(fetched.created_at.plus(week)));
    assert_eq!(bench.store.expiry(&id, "other.png").await.expect("a store"), None);
    bench.pass(week - Duration::from_micros(1));
    assert_eq!(bench.store.expire().await.expect("a store"), 0);
    bench.pass(Duration::from_micros(1));
    assert_eq!(bench.store.get(&Owner::from(""), &id).await.expect("a store"), None, "before the sweep");
    assert_eq!(bench.store.expiry(&id, &fetched.file).await.expect("a store"), None);
    assert_eq!(bench.store.expire().await.expect("a store"), 1);
    assert_eq!(bench.store.trash(9).await.expect("a store"), [fetched.file]);
}

#[tokio::test]
async fn receivers_hear_of_progress_and_end_in_order() {
    let bench = bench();
    let id = bench.accept(with_webhook()).await.id;
    let lease = Duration::from_secs(15);
    assert!(bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.is_empty(), "nothing happened yet");
    let fetched = bench.take().await;
    let (due, _) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(due.iter().map(|it| (it.event, it.attempts)).collect::<Vec<_>>(), [("job.progress", 0)]);
    bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store");
    assert!(
        bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.is_empty(),
        "the first call is still under way"
    );
    let failed = DeliveryAttempt {
        answer: Some(503),
        error: "503".into(),
        next: NextAction::RetryAfter(Duration::from_secs(1)),
    };
    bench.store.add_attempt(&due[0], failed).await.expect("a store");
    let (due, _) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(due.iter().map(|it| it.event).collect::<Vec<_>>(), ["job.done"], "the end replaces the beginning");
    let body: serde_json::Value = serde_json::from_str(&due[0].body).expect("JSON");
    assert_eq!((&body["id"], &body["status"]), (&id.as_str().into(), &"done".into()));
    let delivered = DeliveryAttempt { answer: Some(200), error: String::new(), next: NextAction::Delivered };
    bench.store.add_attempt(&due[0], delivered).await.expect("a store");
    let received = bench.store.deliveries(&Owner::from(""), &id).await.expect("a store").expect("a job");
    let received: Vec<_> = received.iter().map(|it| (it.event, it.status, it.attempts, it.answer)).collect();
    assert_eq!(received, [("job.progress", "superseded", 1, Some(503)), ("job.done", "delivered", 1, Some(200))]);
}

#[tokio::test]
async fn deliveries_come_again_after_a_death_and_on_demand() {
    let mut bench = bench();
    let id = bench.accept(with_webhook()).await.id;
    let fetched = bench.take().await;
    bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await.expect("a store");
    let lease = Duration::from_secs(15);
    let (due, next) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(next, Some(fetched.created_at.plus(lease)));
    bench.pass(lease);
    let (again, _) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(again, due, "its lease ended without a word");
    bench.restart();
    bench.pass(lease);
    let failed = DeliveryAttempt { answer: None, error: "gone".into(), next: NextAction::Failed };
    bench.store.add_attempt(&due[0], failed).await.expect("a store");
    assert!(bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.is_empty());
    let begun = bench.store.retry(&Owner::from(""), &id, &due[0].id).await.expect("a store").expect("a delivery");
    assert_eq!((begun.status, begun.attempts, begun.next_at.is_some()), ("pending", 0, true));
    assert_eq!(bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.len(), 1);
    assert_eq!(bench.store.retry(&Owner::from("x"), &id, &due[0].id).await.expect("a store"), None);
    assert_eq!(bench.store.counts().await.expect("a store"), Counts { deliveries: 1, ..Counts::default() });
}

#[tokio::test]
async fn receiver_that_is_down_holds_up_no_other() {
    let bench = bench();
    let to = |url: &str| NewJob { webhook: Some(url.into()), ..new_job("") };
    for _ in 0..5 {
        bench.accept(to("http://down.test/a")).await;
    }
    bench.accept(to("http://well.test:8080/a")).await;
    for _ in 0..6 {
        bench.take().await;
    }
    let room = DeliveryCapacity { total: 9, per_receiver: 2 };
    let lease = Duration::from_secs(15);
    let urls = async || -> Vec<String> {
        bench.store.due_deliveries(room, lease).await.expect("a store").0.into_iter().map(|it| it.url).collect()
    };
    assert_eq!(urls().await, ["http://down.test/a", "http://down.test/a", "http://well.test:8080/a"]);
    assert!(urls().await.is_empty(), "its two calls are still under way");
    bench.pass(lease);
    assert_eq!(urls().await.len(), 3);
}

#[tokio::test]
async fn waiting_ends_with_the_job() {
    let bench = bench();
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    let without_key = Owner::from("");
    let waiting = bench.store.ended(&without_key, &id);
    let finishing = async {
        tokio::task::yield_now().await;
        bench.store.finish(&fetched.attempt_id, done(), AttemptReport::default()).await
    };
    let (waited, finished) = futures_util::join!(waiting, finishing);
    assert!(waited.is_ok() && finished.expect("a store"));
    bench.store.ended(&without_key, &id).await.expect("at once");
    assert!(bench.store.ledger.end_signals().is_empty(), "no signal is left");
}
