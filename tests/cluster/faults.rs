//! A thousand jobs, while workers are killed, servers are started anew, the bucket is away and a worker is cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::bucket::{Line, follow};
use super::program::{Running, until};
use super::receiver::Receiver;
use super::{Cluster, small, submit};

const JOBS: usize = 1000;
const KILLS: usize = 10;
/// Time for which the bucket cannot be reached.
const BUCKET_AWAY: Duration = Duration::from_secs(10);

/// Numbers that look random and are the same each time (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    /// `seed`: not 0.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Polls for up to `minutes`, far longer than it takes.
pub(crate) fn within<T>(minutes: u32, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..minutes * 60 * 2 {
        if let Some(found) = found() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("not within {minutes} minutes: {what}");
}

fn waiting(front: &Running) -> String {
    let metrics = String::from_utf8_lossy(&front.get("/metrics").body).into_owned();
    metrics.lines().filter(|line| line.starts_with("tenter_webhooks_waiting")).collect()
}

#[test]
fn thousand_jobs_survive_kills_restarts_and_cuts() {
    let Some(mut cluster) = Cluster::start() else { return };
    let receiver = Receiver::start();
    let fronts: Vec<Running> = (0..2).map(|_| cluster.program("serve").start()).collect();
    // The third worker reaches both servers through lines of its own.
    let lines = [Line::to(cluster.nats.address), Line::to(cluster.bucket.line.address)];
    let own = [format!("nats://{}", lines[0].address), format!("http://{}", lines[1].address)];
    let programs =
        [cluster.program("worker"), cluster.program("worker"), cluster.program_through("worker", &own[0], &own[1])];
    let mut workers: Vec<Option<Running>> = programs.iter().map(|it| Some(it.start())).collect();
    let accepted = Mutex::new(BTreeMap::new());
    // A tenth of the jobs comes with each fault, so that none of them strikes an idle cluster.
    let stage = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (at, front) in fronts.iter().enumerate() {
            let (accepted, stage, url) = (&accepted, &stage, receiver.url());
            scope.spawn(move || {
                for number in (at..JOBS).step_by(2) {
                    while number >= stage.load(Ordering::SeqCst) * (JOBS / KILLS) {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                    let mut body = small(number);
                    body["webhook"] = json!(url);
                    let id = within(3, "a job is accepted", || submit(front, &format!("job-{number}"), &body));
                    accepted.lock().expect("no panic").insert(number, id);
                }
            });
        }
        let mut dice = Dice::new(0x9e37_79b9_7f4a_7c15);
        for kill in 0..KILLS {
            stage.store(kill + 1, Ordering::SeqCst);
            match kill {
                2 | 6 => {
                    std::thread::sleep(Duration::from_millis(dice.below(300)));
                    cluster.nats.kill();
                    std::thread::sleep(Duration::from_millis(500 + dice.below(1500)));
                    cluster.nats.start_again();
                }
                4 => {
                    cluster.bucket.line.cut.store(true, Ordering::SeqCst);
                    let cut = cluster.bucket.line.cut.clone();
                    scope.spawn(move || {
                        std::thread::sleep(BUCKET_AWAY);
                        cut.store(false, Ordering::SeqCst);
                    });
                }
                5 => lines.iter().for_each(|line| line.cut.store(true, Ordering::SeqCst)),
                9 => lines.iter().for_each(|line| line.cut.store(false, Ordering::SeqCst)),
                _ => {}
            }
            std::thread::sleep(Duration::from_millis(200 + dice.below(1000)));
            // The one that is cut off lives on, and comes back with what it had begun.
            let victim = dice.below(if (5..9).contains(&kill) { 2 } else { 3 }) as usize;
            if let Some(worker) = workers[victim].take() {
                worker.kill();
            }
            workers[victim] = Some(programs[victim].start());
        }
    });
    let accepted = accepted.into_inner().expect("no panic");
    let ids: BTreeSet<String> = accepted.values().cloned().collect();
    assert_eq!((accepted.len(), ids.len()), (JOBS, JOBS));

    let all = within(5, "all end", || {
        let all = fronts[0].all_jobs();
        let over = all.iter().all(|job| matches!(job["status"].as_str(), Some("done" | "error")));
        (over && all.len() >= JOBS).then_some(all)
    });
    let listed: BTreeSet<String> = all.iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect();
    assert_eq!((all.len(), &listed), (JOBS, &ids), "none lost, none besides, none twice");
    for job in &all {
        assert_eq!(job["status"], "done", "{job}");
    }
    let links: BTreeMap<&str, &str> =
        all.iter().map(|job| (job["id"].as_str().expect("an id"), job["output"].as_str().expect("a link"))).collect();
    for (number, id) in &accepted {
        let (head, picture) = follow(links[id.as_str()]);
        assert!(head.starts_with("http/1.1 200"), "{id}: {head}");
        let reader = png::Decoder::new(std::io::Cursor::new(&picture)).read_info().expect("a PNG");
        assert_eq!(reader.info().width as usize, 20 + number % 7, "{id} has its own picture");
    }

    let told = || {
        let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for call in receiver.calls().iter().filter(|it| it.header("x-tenter-event") == "job.done") {
            let id = call.job()["id"].as_str().expect("an id").to_owned();
            told.entry(id).or_default().insert(call.header("x-tenter-delivery").to_owned());
        }
        told
    };
    let missing = || {
        let told = told();
        let missing: Vec<_> = ids.iter().filter(|id| !told.contains_key(*id)).take(3).collect();
        missing
            .iter()
            .map(|id| fronts[0].get(&format!("/api/renders/{id}/deliveries")).json().to_string())
            .collect::<Vec<_>>()
    };
    let mut seen = String::new();
    let told = within(5, "no webhook is missing", || {
        let now = missing().join("\n");
        if now != seen {
            println!("not told yet, and what is on record about it:\n{now}\n{}", waiting(&fronts[0]));
            seen = now;
        }
        Some(told()).filter(|told| told.len() >= JOBS)
    });
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), ids);
    assert!(told.values().all(|deliveries| deliveries.len() == 1), "one end a job, whoever tells it how often");
    let second = until("both front ends know the same", || Some(fronts[1].all_jobs()).filter(|it| it.len() == JOBS));
    assert!(second.iter().all(|job| job["status"] == "done"));
    let again =
        all.iter().filter(|job| job["logs"].as_str().is_some_and(|it| it.contains("died or was cut off"))).count();
    println!("{again} of {JOBS} jobs were under way when their worker died or was cut off");
}
