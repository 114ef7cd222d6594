//! Transitions of a job, in whatever order the calls of its workers arrive.

use bytes::Bytes;

use super::*;
use crate::jobs::life::samples::{at, body, done};
use crate::jobs::store::{DeliveryAttempt, NextAction};

const LIFETIME: Duration = Duration::from_secs(100);
const PAUSE: Duration = Duration::from_secs(1);

fn record() -> JobRecord {
    let id = JobId::parse("fp1f2rtva").expect("an id");
    let job =
        NewJob { webhook: Some("http://hook.test/".into()), ..NewJob::new("shop", Bytes::new(), "png", "http://here") };
    let seed = JobSeed { body: Some(body()), sequence: 3, ..JobSeed::new(&id, "fp1f2rtva-7".into(), at(0)) };
    JobRecord::new(&job, seed)
}

fn logs(text: &str) -> AttemptReport {
    AttemptReport { logs: text.into(), ..AttemptReport::default() }
}

fn events(record: &JobRecord) -> Vec<(&'static str, &'static str)> {
    record.deliveries.iter().map(|it| (it.event.as_str(), it.status.as_str())).collect()
}

#[test]
fn job_is_begun_and_done_and_its_webhooks_are_pending() {
    let mut record = record();
    let attempt_id = record.begin("one", at(1));
    assert_eq!(
        (record.status, record.attempts, record.file_of(1).as_str()),
        (Status::Progress, 1, "fp1f2rtva-7-1.png")
    );
    assert!(record.set_progress(&attempt_id, 50.0, at(2)));
    assert!(record.finish(&attempt_id, done(), &logs("paint 1 ms\n"), None, LIFETIME, at(3)));
    let job = record.to_job().expect("a job");
    assert_eq!((job.status, job.progress, job.output.as_deref()), (Status::Done, 100.0, Some("http://bucket/a.png")));
    assert_eq!(job.fingerprint.as_deref(), Some("f1"));
    assert_eq!(job.logs, "2027-01-15T08:00:01.000000+00:00 attempt 1 began\npaint 1 ms\n");
    assert_eq!((record.file.as_deref(), record.body.is_none()), (Some("fp1f2rtva-7-1.png"), true));
    assert_eq!(events(&record), [("job.progress", "superseded"), ("job.done", "pending")]);
    assert!(!record.has_expired(at(102)) && record.has_expired(at(103)));
    assert!(
        record.finish(&attempt_id, done(), &logs(""), None, LIFETIME, at(4)),
        "repeated, because the answer was lost"
    );
}

#[test]
fn first_result_counts_of_whatever_attempt() {
    let mut record = record();
    let dead = record.begin("one", at(1));
    record.worker_lost(3, PAUSE, LIFETIME, at(30));
    assert_eq!((record.status, record.due), (Status::Scheduled, at(31).micros()));
    let second = record.begin("two", at(31));
    assert!(
        !record.clone().finish(&dead, Outcome::Error("no network".into()), &logs(""), None, LIFETIME, at(32)),
        "cut off"
    );
    assert!(record.finish(&dead, done(), &logs(""), None, LIFETIME, at(32)), "its worker was alive");
    assert!(!record.finish(&second, done(), &logs(""), None, LIFETIME, at(33)));
    assert_eq!(record.file.as_deref(), Some("fp1f2rtva-7-1.png"));
    assert_eq!(record.attempt_files(false), ["fp1f2rtva-7-2.png"], "the file of the second attempt");
    assert_eq!(record.attempt_files(true).len(), 2);
}

#[test]
fn job_whose_workers_die_is_given_up_after_three() {
    let mut record = record();
    for attempt in 1..=3 {
        assert_eq!(record.begin("one", at(attempt)).number, attempt as u32);
        record.worker_lost(3, PAUSE, LIFETIME, at(attempt));
    }
    assert_eq!(record.status, Status::Error);
    let job = record.to_job().expect("a job");
    assert_eq!(job.error, "given up: its worker died 3 times while it rendered this (TENTER_JOB_ATTEMPTS)");
    assert_eq!(events(&record).last(), Some(&("job.error", "pending")));
    assert_eq!(record.attempt_files(false).len(), 3);
}

#[test]
fn attempt_handed_back_uncounted_keeps_its_file_name() {
    let mut record = record();
    let attempt_id = record.begin("one", at(1));
    let why = Requeue { after: Duration::from_secs(5), counts: false, note: "bucket down".into() };
    assert!(record.requeue(&attempt_id, &why, at(2)));
    assert_eq!((record.status, record.attempts, record.due), (Status::Scheduled, 0, at(7).micros()));
    assert!(!record.requeue(&attempt_id, &why, at(2)), "once");
    assert_eq!(record.attempt_files(true), ["fp1f2rtva-7-1.png"]);
}

#[test]
fn attempts_before_a_retry_do_not_count() {
    let mut record = record();
    let cut_off = record.begin("one", at(1));
    record.worker_lost(3, PAUSE, LIFETIME, at(2));
    let second = record.begin("two", at(3));
    assert!(record.finish(&second, Outcome::Error("no".into()), &AttemptReport::default(), None, LIFETIME, at(4)));
    record.retry("fp1f2rtva-8".into(), None, at(5));
    assert_eq!((record.created, record.attempts), (at(5).micros(), 0));
    assert!(record.attempt_files(true).is_empty());
    assert!(
        !record.finish(&cut_off, done(), &AttemptReport::default(), None, LIFETIME, at(6)),
        "its file is in the trash"
    );
    assert_eq!(record.status, Status::Scheduled);
    let third = record.begin("three", at(7));
    assert!(third != cut_off && third != second);
    for late in [&cut_off, &second] {
        assert!(!record.finish(late, Outcome::Error("late".into()), &AttemptReport::default(), None, LIFETIME, at(8)));
        assert!(!record.finish(late, done(), &AttemptReport::default(), None, LIFETIME, at(8)));
    }
    assert!(record.finish(&third, done(), &AttemptReport::default(), None, LIFETIME, at(9)));
    assert_eq!(record.file, Some(record.file_of(third.number)));
    assert!(
        record.attempt_files(true).contains(&record.file_of(third.number)) && record.attempt_files(false).is_empty()
    );
}

#[test]
fn record_stays_small_with_long_logs() {
    let mut record = record();
    for attempt in 0..30 {
        let attempt_id = record.begin("one", at(attempt));
        let why = Requeue { after: Duration::ZERO, counts: false, note: "x".repeat(5000) };
        assert!(record.requeue(&attempt_id, &why, at(attempt)));
    }
    let attempt_id = record.begin("one", at(99));
    record.finish(&attempt_id, Outcome::Error("é".repeat(40_000)), &logs(""), None, LIFETIME, at(100));
    let bytes = serde_json::to_vec(&record).expect("JSON").len();
    assert!(bytes < 900_000, "{bytes} bytes, and NATS takes 1 MB");
    assert!(record.to_job().expect("a job").logs.ends_with("… the log is cut here\n"));
}

#[test]
fn webhook_is_retried_unless_superseded() {
    let mut record = record();
    record.begin("one", at(1));
    let again = DeliveryAttempt {
        answer: Some(503),
        error: "503".into(),
        next: NextAction::RetryAfter(Duration::from_secs(5)),
    };
    record.deliveries[0].add_attempt(&again, at(2));
    assert_eq!((record.deliveries[0].next, record.deliveries[0].attempts), (at(7).micros(), 1));
    record.finish(&record.attempt_id(), done(), &logs(""), None, LIFETIME, at(3));
    record.deliveries[0].add_attempt(&again, at(4));
    assert_eq!(events(&record), [("job.progress", "superseded"), ("job.done", "pending")]);
    record.deliveries[1]
        .add_attempt(&DeliveryAttempt { answer: Some(200), error: String::new(), next: NextAction::Delivered }, at(5));
    assert!(record.pending_delivery().is_none());
    record.deliveries[1].restart(at(6));
    assert_eq!(record.pending_delivery().map(|it| it.attempts), Some(0));
}
