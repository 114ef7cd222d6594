//! The service over the embedded ledger, on a real file: what is promised to callers, workers and senders.

mod batches;
mod documents;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;

use super::*;
use crate::jobs::store::{
    DeliveryAttempt, DeliveryCapacity, HandBack, Idempotency, Next, NextAction, Outcome, Report, StoredFile,
    TakeFilter, Taken, Work,
};

const ROOM: DeliveryCapacity = DeliveryCapacity { of_all: 9, of_receiver: 9 };

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
            Accepted::New(job) => job,
            other => panic!("{other:?}"),
        }
    }

    async fn take(&self) -> Taken {
        match self.store.take(TakeFilter::ALL).await.expect("a store") {
            Next::Job(taken) => *taken,
            other => panic!("{other:?}"),
        }
    }

    async fn job(&self, id: &JobId) -> Job {
        self.store.get(&owner(""), id).await.expect("a store").expect("a job")
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
const NOT_ALONE: TakeFilter = TakeFilter { alone: false, ..TakeFilter::ALL };

fn bench() -> Bench {
    Bench::new(JobSettings::default(), KeyLimits::default())
}

fn owner(name: &str) -> Owner {
    name.into()
}

fn new_job(owner: &str) -> NewJob {
    NewJob {
        owner: owner.into(),
        body: Bytes::from_static(b"{}"),
        extension: "png",
        webhook: None,
        link_base: "http://here".into(),
        idempotency: None,
        traceparent: None,
    }
}

fn with_webhook() -> NewJob {
    NewJob { webhook: Some("http://hook.test/".into()), ..new_job("") }
}

fn done() -> Outcome {
    let fingerprint = "f1".into();
    Outcome::Done(StoredFile { link: "http://here/files/a.png".into(), bytes: 3, sha256: [7; 32], fingerprint })
}

#[tokio::test]
async fn job_goes_from_scheduled_over_progress_to_done() {
    let bench = bench();
    let fresh = bench.accept(new_job("")).await;
    assert_eq!((fresh.status, fresh.progress, fresh.logs.as_str()), (Status::Scheduled, 0.0, ""));
    assert_eq!((fresh.started_at, fresh.updated_at, fresh.completed_at), (None, None, None));
    bench.pass(Duration::from_secs(1));
    let taken = bench.take().await;
    assert_eq!((&taken.ticket.id, taken.ticket.attempt, &taken.work), (&fresh.id, 1, &Work::Job("{}".into())));
    assert!(taken.file.starts_with(&format!("{}-", fresh.id)) && taken.file.ends_with(".png"), "{}", taken.file);
    bench.store.progress(&taken.ticket, 50.0).await.expect("noted");
    let begun = bench.job(&fresh.id).await;
    assert_eq!((begun.status, begun.progress), (Status::Progress, 50.0));
    assert_eq!(begun.started_at, Some(fresh.created_at.plus(Duration::from_secs(1))));
    bench.pass(Duration::from_secs(1));
    assert!(
        bench
            .store
            .finish(&taken.ticket, done(), Report { logs: "paint 1 ms\n".into(), ..Report::default() })
            .await
            .expect("a store")
    );
    let ended = bench.job(&fresh.id).await;
    assert_eq!((ended.status, ended.progress), (Status::Done, 100.0));
    assert_eq!((begun.fingerprint, ended.fingerprint.as_deref()), (None, Some("f1")));
    assert_eq!(ended.output.as_deref(), Some("http://here/files/a.png"));
    assert_eq!(ended.completed_at, Some(fresh.created_at.plus(Duration::from_secs(2))));
    assert_eq!(ended.logs, "2027-01-15T08:00:01.000000+00:00 attempt 1 began\npaint 1 ms\n");
    assert!(bench.store.finish(&taken.ticket, done(), Report::default()).await.expect("a store"), "said again");
    assert_eq!(bench.job(&fresh.id).await, ended, "and nothing changes");
    assert!(matches!(bench.store.take(TakeFilter::ALL).await, Ok(Next::Nothing(None))));
}

#[tokio::test]
async fn owners_take_turns_and_see_their_own_only() {
    let bench = bench();
    let mut of_a = Vec::new();
    for _ in 0..3 {
        of_a.push(bench.accept(new_job("a")).await.id);
    }
    let of_b = bench.accept(new_job("b")).await.id;
    let order = [bench.take().await, bench.take().await, bench.take().await].map(|it| it.ticket.id);
    assert_eq!(order, [of_a[0].clone(), of_b.clone(), of_a[1].clone()]);
    assert_eq!(bench.store.get(&owner("a"), &of_b).await.expect("a store"), None);
    assert!(!bench.store.remove(&owner("a"), &of_b).await.expect("a store"));
    let listing = bench.store.list(&owner("a"), 1, 1).await.expect("a store");
    assert_eq!((listing.total, listing.renders.len()), (3, 1));
    assert_eq!(listing.renders[0].id, of_a[1], "newest first, after one");
}

#[tokio::test]
async fn idempotency_key_gives_the_same_job_until_it_expires() {
    let bench = bench();
    let call = |digest: u8, owner: &str| NewJob {
        idempotency: Some(Idempotency { key: "k".into(), digest: [digest; 32] }),
        ..new_job(owner)
    };
    let first = bench.accept(call(1, "")).await;
    let again = bench.store.accept(call(1, "")).await.expect("a store");
    assert!(matches!(&again, Accepted::Again(job) if job.id == first.id), "{again:?}");
    assert!(matches!(bench.store.accept(call(2, "")).await, Ok(Accepted::OtherBody)));
    assert_ne!(bench.accept(call(2, "other")).await.id, first.id, "keys are each owner's own");
    let taken = bench.take().await;
    bench.store.finish(&taken.ticket, done(), Report::default()).await.expect("a store");
    bench.pass(bench.jobs.lifetime);
    assert_ne!(bench.accept(call(2, "")).await.id, first.id);
}

#[tokio::test]
async fn idempotency_storm_makes_one_job() {
    let bench = bench();
    let call = NewJob { idempotency: Some(Idempotency { key: "k".into(), digest: [1; 32] }), ..new_job("") };
    let calls = (0..50).map(|_| bench.store.accept(call.clone()));
    let accepted = futures_util::future::join_all(calls).await;
    let new = accepted.iter().filter(|it| matches!(it, Ok(Accepted::New(_)))).count();
    let again = accepted.iter().filter(|it| matches!(it, Ok(Accepted::Again(_)))).count();
    assert_eq!((new, again), (1, 49));
}

#[tokio::test]
async fn limits_count_unfinished_jobs() {
    let bench =
        Bench::new(JobSettings { queue: 3, ..JobSettings::default() }, KeyLimits { jobs: 2, ..KeyLimits::default() });
    bench.accept(new_job("a")).await;
    bench.accept(new_job("a")).await;
    assert!(matches!(bench.store.accept(new_job("a")).await, Ok(Accepted::OwnerFull)));
    bench.accept(new_job("b")).await;
    assert!(matches!(bench.store.accept(new_job("b")).await, Ok(Accepted::QueueFull)));
    let taken = bench.take().await;
    assert!(matches!(bench.store.accept(new_job("b")).await, Ok(Accepted::QueueFull)), "under way is unfinished too");
    bench.store.finish(&taken.ticket, done(), Report::default()).await.expect("a store");
    bench.accept(new_job("b")).await;
}

#[tokio::test]
async fn restart_gives_the_job_out_again_alone_and_then_gives_up() {
    let mut bench = bench();
    let id = bench.accept(with_webhook()).await.id;
    let fresh = bench.accept(new_job("")).await.id;
    for attempt in 1..=3 {
        let taken = bench.take().await;
        assert_eq!((&taken.ticket.id, taken.ticket.attempt), (&id, attempt));
        bench.restart();
        if attempt == 3 {
            break;
        }
        assert_eq!(bench.job(&id).await.status, Status::Scheduled);
        let cut_off = Outcome::Error("no network".into());
        assert!(
            !bench.store.finish(&taken.ticket, cut_off, Report::default()).await.expect("a store"),
            "no longer its job"
        );
        let Ok(Next::Job(other)) = bench.store.take(NOT_ALONE).await else { panic!("the fresh one is not held up") };
        assert_eq!(other.ticket.id, fresh);
        let why = HandBack { after: Duration::ZERO, counts: false, note: "stopped".into() };
        bench.store.hand_back(&other.ticket, why).await.expect("a store");
        bench.pass(Duration::from_secs(u64::from(attempt)));
        assert!(matches!(bench.store.take(NOT_ALONE).await, Ok(Next::Alone)), "it may have killed the process");
    }
    let given_up = bench.job(&id).await;
    assert_eq!(given_up.status, Status::Error);
    assert!(given_up.error.contains("3 times") && given_up.error.contains("TENTER_JOB_ATTEMPTS"), "{}", given_up.error);
    assert_eq!(bench.take().await.ticket.id, fresh, "and the others go on");
    assert_eq!(bench.store.trash(9).await.expect("a store").len(), 1, "what it may have stored is removed");
    let told = bench.store.deliveries(&owner(""), &id).await.expect("a store").expect("a job");
    let last = told.last().map(|it| (it.event, it.status));
    assert_eq!(last, Some(("job.error", "pending")));
}

#[tokio::test]
async fn handed_back_uncounted_waits_and_is_like_new() {
    let bench = bench();
    bench.accept(new_job("")).await;
    let taken = bench.take().await;
    let why = HandBack { after: Duration::from_secs(5), counts: false, note: "bucket down".into() };
    bench.store.hand_back(&taken.ticket, why).await.expect("a store");
    let due = taken.created_at.plus(Duration::from_secs(5));
    assert!(matches!(bench.store.take(TakeFilter::ALL).await, Ok(Next::Nothing(Some(at))) if at == due));
    bench.pass(Duration::from_secs(5));
    let Ok(Next::Job(again)) = bench.store.take(NOT_ALONE).await else { panic!("not alone") };
    assert_eq!((again.ticket.attempt, again.file), (1, taken.file));
}

#[tokio::test]
async fn removed_jobs_leave_their_file_to_the_trash() {
    let bench = bench();
    let waiting = bench.accept(new_job("")).await.id;
    assert!(bench.store.remove(&owner(""), &waiting).await.expect("a store"));
    assert_eq!(bench.store.get(&owner(""), &waiting).await.expect("a store"), None);
    assert!(bench.store.trash(9).await.expect("a store").is_empty(), "it never had one");

    let id = bench.accept(new_job("")).await.id;
    let taken = bench.take().await;
    bench.store.remove(&owner(""), &id).await.expect("a store");
    assert!(!bench.store.finish(&taken.ticket, done(), Report::default()).await.expect("a store"));
    assert!(bench.store.trash(9).await.expect("a store").is_empty(), "it may be written at this moment");
    bench.pass(Duration::from_secs(120));
    assert_eq!(bench.store.trash(9).await.expect("a store"), std::slice::from_ref(&taken.file));
    bench.store.remove_from_trash(&taken.file).await.expect("a store");
    assert!(bench.store.trash(9).await.expect("a store").is_empty());
}

#[tokio::test]
async fn finished_jobs_expire_with_their_file() {
    let bench = bench();
    let id = bench.accept(new_job("")).await.id;
    let taken = bench.take().await;
    assert_eq!(bench.store.expiry(&id, &taken.file).await.expect("a store"), None, "no result yet");
    bench.store.finish(&taken.ticket, done(), Report::default()).await.expect("a store");
    let week = Duration::from_secs(7 * 24 * 3600);
    assert_eq!(bench.store.expiry(&id, &taken.file).await.expect("a store"), Some(taken.created_at.plus(week)));
    assert_eq!(bench.store.expiry(&id, "other.png").await.expect("a store"), None);
    bench.pass(week - Duration::from_micros(1));
    assert_eq!(bench.store.expire().await.expect("a store"), 0);
    bench.pass(Duration::from_micros(1));
    assert_eq!(bench.store.get(&owner(""), &id).await.expect("a store"), None, "before the sweep");
    assert_eq!(bench.store.expiry(&id, &taken.file).await.expect("a store"), None);
    assert_eq!(bench.store.expire().await.expect("a store"), 1);
    assert_eq!(bench.store.trash(9).await.expect("a store"), [taken.file]);
}

#[tokio::test]
async fn receivers_hear_of_progress_and_end_in_order() {
    let bench = bench();
    let id = bench.accept(with_webhook()).await.id;
    let lease = Duration::from_secs(15);
    assert!(bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.is_empty(), "nothing happened yet");
    let taken = bench.take().await;
    let (due, _) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(due.iter().map(|it| (it.event, it.attempts)).collect::<Vec<_>>(), [("job.progress", 0)]);
    bench.store.finish(&taken.ticket, done(), Report::default()).await.expect("a store");
    assert!(
        bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.is_empty(),
        "the first call is still under way"
    );
    let failed =
        DeliveryAttempt { answer: Some(503), error: "503".into(), then: NextAction::Again(Duration::from_secs(1)) };
    bench.store.add_attempt(&due[0], failed).await.expect("a store");
    let (due, _) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(due.iter().map(|it| it.event).collect::<Vec<_>>(), ["job.done"], "the end replaces the beginning");
    let body: serde_json::Value = serde_json::from_str(&due[0].body).expect("JSON");
    assert_eq!((&body["id"], &body["status"]), (&id.as_str().into(), &"done".into()));
    let delivered = DeliveryAttempt { answer: Some(200), error: String::new(), then: NextAction::Delivered };
    bench.store.add_attempt(&due[0], delivered).await.expect("a store");
    let told = bench.store.deliveries(&owner(""), &id).await.expect("a store").expect("a job");
    let told: Vec<_> = told.iter().map(|it| (it.event, it.status, it.attempts, it.answer)).collect();
    assert_eq!(told, [("job.progress", "superseded", 1, Some(503)), ("job.done", "delivered", 1, Some(200))]);
}

#[tokio::test]
async fn deliveries_come_again_after_a_death_and_on_demand() {
    let mut bench = bench();
    let id = bench.accept(with_webhook()).await.id;
    let taken = bench.take().await;
    bench.store.finish(&taken.ticket, done(), Report::default()).await.expect("a store");
    let lease = Duration::from_secs(15);
    let (due, next) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(next, Some(taken.created_at.plus(lease)));
    bench.pass(lease);
    let (again, _) = bench.store.due_deliveries(ROOM, lease).await.expect("a store");
    assert_eq!(again, due, "its lease ended without a word");
    bench.restart();
    bench.pass(lease);
    let failed = DeliveryAttempt { answer: None, error: "gone".into(), then: NextAction::Failed };
    bench.store.add_attempt(&due[0], failed).await.expect("a store");
    assert!(bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.is_empty());
    let begun = bench.store.retry(&owner(""), &id, &due[0].id).await.expect("a store").expect("a delivery");
    assert_eq!((begun.status, begun.attempts, begun.next_at.is_some()), ("pending", 0, true));
    assert_eq!(bench.store.due_deliveries(ROOM, lease).await.expect("a store").0.len(), 1);
    assert_eq!(bench.store.retry(&owner("x"), &id, &due[0].id).await.expect("a store"), None);
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
    let room = DeliveryCapacity { of_all: 9, of_receiver: 2 };
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
    let taken = bench.take().await;
    let nobody = owner("");
    let waiting = bench.store.ended(&nobody, &id);
    let finishing = async {
        tokio::task::yield_now().await;
        bench.store.finish(&taken.ticket, done(), Report::default()).await
    };
    let (waited, finished) = futures_util::join!(waiting, finishing);
    assert!(waited.is_ok() && finished.expect("a store"));
    bench.store.ended(&nobody, &id).await.expect("at once");
    assert!(bench.store.ledger.end_signals().is_empty(), "nothing is kept about it");
}
