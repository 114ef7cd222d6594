//! Jobs: their life from submission to removal, and the limits of owners.

use std::time::Duration;

use tenter::hash::ContentHash;
use tenter::jobs::{
    AttemptId, AttemptReport, Fetched, Idempotency, NewJob, Outcome, Owner, Requeue, Status, SubmitOutcome, Work,
};

use crate::{Bench, Engine, NOT_ALONE, cases, done, failed, new_job, until};

cases![
    job_goes_from_scheduled_over_progress_to_done,
    job_that_fails_says_why,
    end_said_again_changes_nothing,
    error_after_a_result_changes_nothing,
    end_of_another_attempt_is_refused,
    job_is_its_owners_only,
    owners_take_turns,
    jobs_are_listed_newest_first,
    same_key_gives_the_same_job,
    same_key_with_another_body_is_refused,
    keys_of_owners_have_nothing_to_do_with_each_other,
    storm_of_one_key_makes_one_job,
    queue_is_bounded,
    owner_is_bounded,
    job_handed_back_uncounted_is_like_new,
    job_handed_back_counted_is_begun_alone,
    job_handed_back_rests,
    handing_back_another_attempt_does_nothing,
    progress_is_told_and_that_of_another_attempt_is_not,
    log_is_cut_where_it_is_too_long,
    removed_job_is_gone_and_its_file_goes_later,
    removed_job_that_was_never_begun_leaves_nothing,
    finished_job_expires_with_its_file,
    result_is_known_by_its_name,
    worker_that_died_leaves_its_job_to_another,
    trace_goes_with_the_job,
    waiting_ends_with_the_job,
    counts_tell_what_waits,
];

async fn job_goes_from_scheduled_over_progress_to_done(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let fresh = bench.accept(new_job("")).await;
    assert_eq!((fresh.status, fresh.progress, fresh.logs.as_str()), (Status::Scheduled, 0.0, ""));
    assert_eq!((fresh.started_at, fresh.updated_at, fresh.completed_at), (None, None, None));
    let fetched = bench.take().await;
    assert_eq!(
        (&fetched.attempt_id.job, fetched.attempt_id.number, &fetched.work),
        (&fresh.id, 1, &Work::Job("{}".into()))
    );
    assert!(fetched.file.starts_with(&format!("{}-", fresh.id)) && fetched.file.ends_with(".png"), "{}", fetched.file);
    let begun = bench.job(&fresh.id).await;
    assert_eq!((begun.status, begun.created_at), (Status::Progress, fresh.created_at));
    assert!(begun.started_at.is_some() && begun.logs.ends_with("attempt 1 began\n"), "{}", begun.logs);
    let report = AttemptReport { logs: "paint 1 ms\n".into(), ..AttemptReport::default() };
    assert!(bench.service.finish(&fetched.attempt_id, done(), report).await.expect("a ledger"));
    let ended = bench.job(&fresh.id).await;
    assert_eq!((ended.status, ended.progress, ended.error.as_str()), (Status::Done, 100.0, ""));
    assert_eq!(ended.output.as_deref(), Some("http://here/files/a.png"));
    assert_eq!(ended.fingerprint.as_deref(), Some("f1"));
    assert!(ended.completed_at.is_some() && ended.logs.ends_with("attempt 1 began\npaint 1 ms\n"), "{}", ended.logs);
    assert!(bench.takes_nothing().await);
}

async fn job_that_fails_says_why(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    assert!(bench.finish(&fetched, failed()).await);
    let ended = bench.job(&id).await;
    assert_eq!((ended.status, ended.error.as_str(), ended.output), (Status::Error, "no picture", None));
}

async fn end_said_again_changes_nothing(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    assert!(bench.finish(&fetched, done()).await);
    let ended = bench.job(&id).await;
    assert!(bench.finish(&fetched, done()).await, "its answer may have been lost");
    assert_eq!(bench.job(&id).await, ended);
}

async fn error_after_a_result_changes_nothing(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    assert!(bench.finish(&fetched, done()).await);
    assert!(!bench.finish(&fetched, failed()).await);
    assert_eq!(bench.job(&id).await.status, Status::Done);
}

async fn end_of_another_attempt_is_refused(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    let other = AttemptId { job: id.clone(), number: fetched.attempt_id.number + 1 };
    assert!(!bench.service.finish(&other, failed(), AttemptReport::default()).await.expect("a ledger"));
    assert_eq!(bench.job(&id).await.status, Status::Progress);
    assert!(bench.finish(&fetched, done()).await);
}

async fn job_is_its_owners_only(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("a")).await.id;
    let other = Owner::from("b");
    assert_eq!(bench.service.get(&other, &id).await.expect("a ledger"), None);
    assert!(!bench.service.remove(&other, &id).await.expect("a ledger"));
    assert_eq!(bench.service.list(&other, 0, 9).await.expect("a ledger").total, 0);
    assert_eq!(bench.service.deliveries(&other, &id).await.expect("a ledger"), None);
    assert!(bench.service.get(&Owner::from("a"), &id).await.expect("a ledger").is_some());
}

/// The queue of a cluster is first in, first out; the embedded one takes turns between owners.
async fn owners_take_turns(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let mut ids = Vec::new();
    for name in ["a", "a", "a", "b"] {
        ids.push(bench.accept(new_job(name)).await.id);
    }
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(bench.take().await.attempt_id.job);
    }
    let expected = match engine {
        Engine::Embedded => [0, 3, 1, 2],
        #[cfg(feature = "cluster")]
        Engine::Cluster => [0, 1, 2, 3],
    };
    assert_eq!(order, expected.map(|at: usize| ids[at].clone()));
}

async fn jobs_are_listed_newest_first(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(bench.accept(new_job("")).await.id);
    }
    let page = async |offset, limit| {
        let listing = bench.service.list(&Owner::from(""), offset, limit).await.expect("a ledger");
        assert_eq!(listing.total, 3);
        listing.renders.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, [ids[2].clone(), ids[1].clone()]);
    assert_eq!(page(2, 2).await, [ids[0].clone()]);
    assert_eq!(page(3, 2).await, []);
}

fn with_key(key: &str, digest: u8, owner: &str) -> NewJob {
    NewJob {
        idempotency: Some(Idempotency { key: key.into(), hash: ContentHash::from_bytes([digest; 32]) }),
        ..new_job(owner)
    }
}

async fn same_key_gives_the_same_job(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let first = bench.accept(with_key("k", 1, "")).await.id;
    let again = bench.service.accept(with_key("k", 1, "")).await.expect("a ledger");
    assert!(matches!(&again, SubmitOutcome::Replayed(job) if job.id == first), "{again:?}");
    assert_eq!(bench.service.list(&Owner::from(""), 0, 9).await.expect("a ledger").total, 1);
}

async fn same_key_with_another_body_is_refused(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    bench.accept(with_key("k", 1, "")).await;
    assert!(matches!(bench.service.accept(with_key("k", 2, "")).await, Ok(SubmitOutcome::KeyReused)));
}

async fn keys_of_owners_have_nothing_to_do_with_each_other(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let first = bench.accept(with_key("k", 1, "a")).await.id;
    assert_ne!(bench.accept(with_key("k", 1, "b")).await.id, first);
}

async fn storm_of_one_key_makes_one_job(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let calls = (0..20).map(|_| bench.service.accept(with_key("k", 1, "")));
    let accepted = futures_util::future::join_all(calls).await;
    let mut ids: Vec<_> = accepted
        .into_iter()
        .map(|it| match it {
            Ok(SubmitOutcome::New(job) | SubmitOutcome::Replayed(job)) => job.id,
            other => panic!("{other:?}"),
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(bench.service.list(&Owner::from(""), 0, 9).await.expect("a ledger").total, 1);
}

async fn queue_is_bounded(engine: Engine) {
    let Some(bench) = Bench::with(engine, |settings| settings.jobs.queue = 2).await else { return };
    bench.accept(new_job("a")).await;
    bench.accept(new_job("b")).await;
    assert!(matches!(bench.service.accept(new_job("c")).await, Ok(SubmitOutcome::QueueFull)));
    let fetched = bench.take().await;
    assert!(
        matches!(bench.service.accept(new_job("c")).await, Ok(SubmitOutcome::QueueFull)),
        "under way is unfinished"
    );
    bench.finish(&fetched, done()).await;
    until("there is room", async || {
        matches!(bench.service.accept(new_job("c")).await, Ok(SubmitOutcome::New(_))).then_some(())
    })
    .await;
}

async fn owner_is_bounded(engine: Engine) {
    let Some(bench) = Bench::with(engine, |settings| settings.server.key_limits.jobs = 1).await else { return };
    bench.accept(new_job("a")).await;
    assert!(matches!(bench.service.accept(new_job("a")).await, Ok(SubmitOutcome::OwnerFull)));
    bench.accept(new_job("b")).await;
}

fn back(after: Duration, counts: bool) -> Requeue {
    Requeue { after, counts, note: "bucket down".into() }
}

async fn job_handed_back_uncounted_is_like_new(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    bench.service.requeue(&fetched.attempt_id, back(Duration::ZERO, false)).await.expect("a ledger");
    let waiting = bench.job(&id).await;
    assert_eq!(waiting.status, Status::Scheduled);
    assert!(waiting.logs.ends_with("bucket down\n"), "{}", waiting.logs);
    let again = until("it is due", async || match bench.service.fetch(NOT_ALONE).await.expect("a ledger") {
        Fetched::Job(fetched) => Some(fetched),
        Fetched::RunAlone => panic!("it killed nobody"),
        Fetched::Empty(_) => None,
    })
    .await;
    assert_eq!((again.attempt_id.number, &again.file), (1, &fetched.file));
}

async fn job_handed_back_counted_is_begun_alone(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    bench.accept(new_job("")).await;
    let fetched = bench.take().await;
    bench.service.requeue(&fetched.attempt_id, back(Duration::ZERO, true)).await.expect("a ledger");
    until("it is due", async || match bench.service.fetch(NOT_ALONE).await.expect("a ledger") {
        Fetched::RunAlone => Some(()),
        Fetched::Job(_) => panic!("others may run beside it"),
        Fetched::Empty(_) => None,
    })
    .await;
    assert_eq!(bench.take().await.attempt_id.number, 2);
}

async fn job_handed_back_rests(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    bench.service.requeue(&fetched.attempt_id, back(Duration::from_secs(3600), false)).await.expect("a ledger");
    assert!(bench.takes_nothing().await);
    assert_eq!(bench.job(&id).await.status, Status::Scheduled);
}

async fn handing_back_another_attempt_does_nothing(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    let other = AttemptId { job: id.clone(), number: fetched.attempt_id.number + 1 };
    bench.service.requeue(&other, back(Duration::ZERO, true)).await.expect("a ledger");
    assert_eq!(bench.job(&id).await.status, Status::Progress);
}

async fn progress_is_told_and_that_of_another_attempt_is_not(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    bench.service.progress(&fetched.attempt_id, 50.0).await.expect("a ledger");
    assert_eq!(bench.job(&id).await.progress, 50.0);
    let other = AttemptId { job: id.clone(), number: fetched.attempt_id.number + 1 };
    bench.service.progress(&other, 75.0).await.expect("a ledger");
    assert_eq!(bench.job(&id).await.progress, 50.0);
}

async fn log_is_cut_where_it_is_too_long(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    let report = AttemptReport { logs: "a line of the log\n".repeat(10_000), ..AttemptReport::default() };
    bench.service.finish(&fetched.attempt_id, done(), report).await.expect("a ledger");
    let logs = bench.job(&id).await.logs;
    assert!(logs.len() <= 24 << 10 && logs.ends_with("… the log is cut here\n"), "{} bytes", logs.len());
}

async fn removed_job_is_gone_and_its_file_goes_later(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    assert!(bench.service.remove(&Owner::from(""), &id).await.expect("a ledger"));
    assert_eq!(bench.service.get(&Owner::from(""), &id).await.expect("a ledger"), None);
    assert!(!bench.finish(&fetched, done()).await, "nobody wants it");
    assert!(bench.service.trash(9).await.expect("a ledger").is_empty(), "it may be written at this moment");
    assert!(!bench.service.remove(&Owner::from(""), &id).await.expect("a ledger"), "once");
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    bench.finish(&fetched, done()).await;
    assert!(bench.service.remove(&Owner::from(""), &id).await.expect("a ledger"));
    assert_eq!(bench.service.trash(9).await.expect("a ledger"), std::slice::from_ref(&fetched.file));
    bench.service.remove_from_trash(&fetched.file).await.expect("a ledger");
    assert!(bench.service.trash(9).await.expect("a ledger").is_empty());
}

async fn removed_job_that_was_never_begun_leaves_nothing(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    assert!(bench.service.remove(&Owner::from(""), &id).await.expect("a ledger"));
    assert!(bench.service.trash(9).await.expect("a ledger").is_empty());
    assert!(bench.takes_nothing().await);
}

async fn finished_job_expires_with_its_file(engine: Engine) {
    let short = Duration::from_millis(300);
    let Some(bench) = Bench::with(engine, |settings| settings.jobs.lifetime = short).await else { return };
    let id = bench.accept(with_key("k", 1, "")).await.id;
    let fetched = bench.take().await;
    bench.finish(&fetched, done()).await;
    until("it is over", async || {
        bench.service.get(&Owner::from(""), &id).await.expect("a ledger").is_none().then_some(())
    })
    .await;
    until("it is swept", async || (bench.service.expire().await.expect("a ledger") == 1).then_some(())).await;
    assert_eq!(bench.service.trash(9).await.expect("a ledger"), [fetched.file]);
    assert_eq!(bench.service.list(&Owner::from(""), 0, 9).await.expect("a ledger").total, 0);
    assert_ne!(bench.accept(with_key("k", 2, "")).await.id, id, "its key is free");
}

async fn result_is_known_by_its_name(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    assert_eq!(bench.service.expiry(&id, &fetched.file).await.expect("a ledger"), None, "no result yet");
    bench.finish(&fetched, done()).await;
    let ended = bench.job(&id).await.completed_at.expect("ended");
    let expiry = bench.service.expiry(&id, &fetched.file).await.expect("a ledger");
    assert_eq!(expiry, Some(ended.plus(bench.settings.jobs.lifetime)));
    assert_eq!(bench.service.expiry(&id, "other.png").await.expect("a ledger"), None);
}

async fn worker_that_died_leaves_its_job_to_another(engine: Engine) {
    let Some(mut bench) = Bench::with(engine, |settings| settings.jobs.attempts = 2).await else { return };
    let id = bench.accept(new_job("")).await.id;
    for attempt in 1..=2 {
        let fetched = bench.take().await;
        assert_eq!((&fetched.attempt_id.job, fetched.attempt_id.number), (&id, attempt));
        bench.restart(engine).await;
    }
    let ended = until("it is given up", async || {
        assert!(bench.takes_nothing().await);
        Some(bench.job(&id).await).filter(|job| job.status.is_end())
    })
    .await;
    assert_eq!(ended.error, "given up: its worker died 2 times while it rendered this (TENTER_JOB_ATTEMPTS)");
    assert!(ended.logs.contains("the worker of attempt 1 died or was cut off; waiting for another"), "{}", ended.logs);
}

async fn trace_goes_with_the_job(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned();
    bench.accept(NewJob { traceparent: Some(parent.clone()), ..new_job("") }).await;
    assert_eq!(bench.take().await.traceparent, Some(parent));
}

async fn waiting_ends_with_the_job(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let id = bench.accept(new_job("")).await.id;
    let fetched = bench.take().await;
    let nobody = Owner::from("");
    let (waited, finished) = futures_util::join!(bench.service.ended(&nobody, &id), async {
        tokio::task::yield_now().await;
        bench.finish(&fetched, done()).await
    });
    assert!(waited.is_ok() && finished);
    bench.service.ended(&nobody, &id).await.expect("at once");
}

async fn counts_tell_what_waits(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    for _ in 0..3 {
        bench.accept(new_job("")).await;
    }
    let fetched = bench.take().await;
    let of = async || {
        let counts = bench.service.counts().await.expect("a ledger");
        (counts.scheduled, counts.progress, counts.rows_scheduled, counts.rows_progress)
    };
    assert_eq!(of().await, (2, 1, 0, 0));
    bench.finish(&fetched, Outcome::Error("no".into())).await;
    until("it counts no more", async || (of().await == (2, 0, 0, 0)).then_some(())).await;
}
