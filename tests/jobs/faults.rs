//! Restarts after kills, read-only and full disks, damaged files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::design;
use super::program::{Program, Running, until};
use super::receiver::Receiver;

/// Part of the log of a job whose worker died.
const DIED: &str = "died or was cut off";

/// Reproducible pseudo-random numbers (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Submits a job until the service answers, as a client would after a lost response. The idempotency key avoids
/// duplicates.
fn submit(service: &Running, number: usize, body: &Value) -> Option<String> {
    let key = format!("idempotency-key: job-{number}\r\n");
    let answer = service.try_call("POST", "/api/renders", &key, &body.to_string())?;
    (answer.status == 200).then(|| answer.json()["id"].as_str().expect("an id").to_owned())
}

fn small(number: usize) -> Value {
    json!({"design": {"width": 20 + number % 7, "height": 20, "pages": [{"background": "tomato"}]}})
}

/// Kills the service after a while, in whatever state it is.
#[expect(clippy::disallowed_methods, reason = "strikes while the test goes on")]
fn kill_within(service: &Running, ms: u64) -> std::thread::JoinHandle<()> {
    let victim = service.pid().to_string();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(ms));
        let struck = Command::new("kill").args(["-9", &victim]).status().expect("runs");
        assert!(struck.success(), "there was nobody to kill");
    })
}

#[test]
fn two_hundred_jobs_survive_five_kills() {
    const JOBS: usize = 200;
    let program = Program::new();
    let mut service = program.start();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut accepted: BTreeMap<usize, String> = BTreeMap::new();
    // Number of submissions before each kill; the last kill comes after all submissions.
    let near: Vec<usize> = (0..4).map(|turn| turn * 50 + dice.below(40) as usize).chain([JOBS]).collect();
    let mut deaths = 0;
    for number in 0..=JOBS {
        let dying = near.contains(&number).then(|| kill_within(&service, dice.below(60)));
        if number < JOBS {
            let id = until("a job is accepted", || {
                submit(&service, number, &small(number)).or_else(|| {
                    deaths += 1;
                    service = program.start();
                    None
                })
            });
            accepted.insert(number, id);
        }
        if let Some(dying) = dying {
            dying.join().expect("killed");
            if service.try_call("GET", "/health/live", "", "").is_none() {
                deaths += 1;
                service = program.start();
            }
        }
    }
    assert_eq!(deaths, 5);
    let all = until("all end", || {
        let all = service.all_jobs();
        all.iter().all(|job| matches!(job["status"].as_str(), Some("done" | "error"))).then_some(all)
    });
    let ids: BTreeSet<_> = all.iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!((all.len(), ids.len()), (JOBS, JOBS), "none twice");
    assert_eq!(accepted.values().cloned().collect::<BTreeSet<_>>(), ids, "none lost, none besides");
    for job in &all {
        assert_eq!(job["status"], "done", "{job}");
    }
    let of_jobs: BTreeSet<_> =
        all.iter().filter_map(|job| job["output"].as_str()?.rsplit('/').next().map(str::to_owned)).collect();
    assert_eq!(names(&program.folder().join("tenter-data/jobs")), of_jobs, "no file without a job, no job without");
    let again = all.iter().filter(|job| job["logs"].as_str().is_some_and(|it| it.contains(DIED))).count();
    println!("{again} of {JOBS} jobs were under way when the service died");
    // Results from before the last kill are unchanged.
    let one = service.get(&format!("/api/renders/{}", accepted[&0])).json();
    let file = one["output"].as_str().expect("a link").rsplit('/').next().expect("a name").to_owned();
    assert_eq!(&service.get(&format!("/files/{file}")).body[1..4], b"PNG");
}

#[test]
fn webhooks_are_delivered_after_a_receiver_was_down() {
    let receiver = Receiver::start();
    let (address, url) = (receiver.address, receiver.url());
    drop(receiver);
    let program = Program::new()
        .with("TENTER_ALLOW_ADDRESSES", "127.0.0.1")
        .with("TENTER_WEBHOOK_RETRIES", "100 ms, 200 ms, 400 ms, 800 ms, 1 s, 1 s, 1 s, 1 s, 1 s, 1 s, 1 s, 1 s");
    let service = program.start();
    let create = |number| {
        let mut body = small(number);
        body["webhook"] = json!(url);
        service.post("/api/renders", &body).json()["id"].as_str().expect("an id").to_owned()
    };
    let ids: BTreeSet<_> = (0..40).map(create).collect();
    until("all are rendered, and no webhook is delivered", || {
        service.all_jobs().iter().all(|job| job["status"] == "done").then_some(())
    });
    // Pending deliveries survive a restart as well.
    service.kill();
    let service = program.start();
    std::thread::sleep(Duration::from_millis(500));
    let receiver = Receiver::at(address);
    let told = || -> BTreeSet<String> {
        let calls = receiver.calls();
        let done = calls.iter().filter(|it| it.header("x-tenter-event") == "job.done");
        done.map(|it| it.job()["id"].as_str().expect("an id").to_owned()).collect()
    };
    until("all are delivered", || (told() == ids).then_some(()));
    for id in &ids {
        until("the delivery is recorded", || {
            let listed = service.get(&format!("/api/renders/{id}/deliveries")).json();
            listed["deliveries"]
                .as_array()?
                .iter()
                .any(|it| it["event"] == "job.done" && it["status"] == "delivered")
                .then_some(())
        });
    }
}

/// The service is killed whenever it renders one of the jobs, and gives that job up after three attempts. The request
/// for an image that is never sent shows when the job is rendered.
#[test]
fn job_that_kills_the_process_is_given_up_and_no_other_job() {
    let source = TcpListener::bind("127.0.0.1:0").expect("a port");
    let src = format!("http://{}/a.png", source.local_addr().expect("an address"));
    let program = Program::new().with("TENTER_ALLOW_ADDRESSES", "127.0.0.1").with("TENTER_JOB_ATTEMPTS", "3");
    let mut service = program.start();
    let image = json!({"type": "image", "src": src, "width": 9, "height": 9});
    let deadly = json!({"design": {"width": 9, "height": 9, "pages": [{"children": [image]}]}});
    let deadly = submit(&service, 0, &deadly).expect("accepted");
    for attempt in 1..=3 {
        for number in 0..5 {
            submit(&service, attempt * 10 + number, &small(number)).expect("accepted");
        }
        let asked = source.accept().expect("the picture is asked for");
        service.kill();
        drop(asked);
        service = program.start();
    }
    let all = until("all end", || {
        let all = service.all_jobs();
        all.iter().all(|job| matches!(job["status"].as_str(), Some("done" | "error"))).then_some(all)
    });
    assert_eq!(all.len(), 16);
    for job in &all {
        assert_eq!(job["status"] == "error", job["id"] == deadly.as_str(), "{job}");
    }
    let error = all.iter().find_map(|job| job["error"].as_str().filter(|it| !it.is_empty())).expect("an error");
    assert_eq!(error, "given up: its worker died 3 times while it rendered this (TENTER_JOB_ATTEMPTS)");
}

/// On a regular stop, running jobs are finished, and waiting jobs continue after the restart without a counted attempt.
#[test]
fn jobs_continue_after_a_regular_restart() {
    let program = Program::new().with("TENTER_JOB_WORKERS", "1");
    let service = program.start();
    for number in 0..30 {
        submit(&service, number, &small(number)).expect("accepted");
    }
    let log = service.stop();
    assert!(log.contains("\"abandoned\":0"), "{log}");
    let service = program.start();
    let all = until("all end", || {
        let all = service.all_jobs();
        all.iter().all(|job| job["status"] == "done").then_some(all)
    });
    assert_eq!(all.len(), 30);
    assert!(all.iter().all(|job| !job["logs"].as_str().expect("logs").contains(DIED)));
}

#[test]
fn unusable_data_folder_fails_the_start() {
    let program = Program::new();
    let held = program.start();
    let refused = program.refuses();
    assert!(refused.contains("another tenter uses this folder"), "{refused}");
    held.stop(); // and with it what was written is in the one file

    let store = program.folder().join("tenter-data/jobs.db");
    let mut bytes = std::fs::read(&store).expect("a store");
    // The header of the file stays intact, so that the damage is found only when the store is read.
    bytes[100..].fill(0xff);
    std::fs::write(&store, &bytes).expect("written");
    let refused = program.refuses();
    assert!(refused.contains("jobs.db: is damaged") && refused.contains("restore it from a backup"), "{refused}");

    let program = Program::new().with("TENTER_DATA_DIR", "/proc/tenter");
    let refused = program.refuses();
    assert!(refused.contains("/proc/tenter: cannot be written") && refused.contains("TENTER_DATA_DIR"), "{refused}");
}

/// A file in place of the results folder makes storing fail for every user, including root.
#[test]
fn result_that_cannot_be_stored_is_tried_again() {
    let program = Program::new();
    let service = program.start();
    let jobs = program.folder().join("tenter-data/jobs");
    std::fs::remove_dir(&jobs).expect("empty");
    std::fs::write(&jobs, "in the way").expect("written");
    let created = service.post("/api/renders", &json!({"design": design()})).json();
    let path = format!("/api/renders/{}", created["id"].as_str().expect("an id"));
    let job = until("it is requeued", || {
        Some(service.get(&path).json())
            .filter(|it| it["logs"].as_str().is_some_and(|it| it.contains("could not be stored")))
    });
    assert_ne!(job["status"], "error", "{job}");
    std::fs::remove_file(&jobs).expect("there");
    std::fs::create_dir(&jobs).expect("made");
    let job = until("it is done", || Some(service.get(&path).json()).filter(|it| it["status"] == "done"));
    let name = job["output"].as_str().expect("a link").rsplit('/').next().expect("a name").to_owned();
    assert_eq!(names(&jobs), BTreeSet::from([name]));

    let program = Program::new().with("TENTER_RESULT_PATIENCE", "0");
    let service = program.start();
    let jobs = program.folder().join("tenter-data/jobs");
    std::fs::remove_dir(&jobs).expect("empty");
    std::fs::write(&jobs, "in the way").expect("written");
    let created = service.post("/api/renders", &json!({"design": design()})).json();
    let path = format!("/api/renders/{}", created["id"].as_str().expect("an id"));
    let job = until("it ends", || Some(service.get(&path).json()).filter(|it| it["status"] == "error"));
    assert!(job["error"].as_str().expect("text").contains("TENTER_RESULT_PATIENCE"), "{job}");
}
