//! Overhead of a job besides its render: `cargo bench --bench queue` accepts 200 jobs per second at a steady pace and
//! finishes them without painting, with the embedded store and, when nats-server is installed, with NATS. Then it
//! accepts a batch of 10 000 rows and takes the first ones, with the embedded store; in a cluster rows are in a bucket.
//! Prints two tables.
//!
//! A job's overhead is the time of its calls to the store (accept, take, finish). The time between them is waiting.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tenter::config::{Given, Settings};
use tenter::hash::ContentHash;
use tenter::jobs::{
    AttemptReport, BatchSubmitOutcome, FetchFilter, Fetched, NewBatch, NewJob, NewRow, Outcome, Service, StoreLimits,
    StoredFile, SubmitOutcome, Template, system_clock,
};
use tokio::sync::Semaphore;

/// Rate at which jobs are accepted, per second.
const RATE: u32 = 200;
const SECONDS: u32 = 10;
/// Number of tasks that take jobs in parallel.
const TAKERS: usize = 4;
/// Number of rows of the batch.
const ROWS: u64 = 10_000;
/// Number of its rows that are taken.
const TAKEN_ROWS: usize = 200;

fn main() {
    // `cargo test --benches` runs the program without `--bench`, only to check that it starts.
    if !std::env::args().any(|it| it == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    println!("{RATE} jobs/s for {SECONDS} s, {TAKERS} takers; ms per job, median and 95th percentile");
    println!("| store | accept | take | finish | sum of medians |");
    println!("| --- | --- | --- | --- | --- |");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings(&[]);
    let file = folder.path().join("jobs.db");
    let limits = StoreLimits { jobs: &settings.jobs, batches: &settings.batches, keys: &settings.server.key_limits };
    let store = Service::embedded(&file, &limits, system_clock()).expect("a ledger");
    let store = Arc::new(store);
    runtime.block_on(measure("embedded (SQLite)", store.clone()));
    #[cfg(feature = "cluster")]
    on_nats(&runtime);
    runtime.block_on(measure_rows(store));
}

fn settings(environment: &[(&str, &str)]) -> Settings {
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Settings::load(&Given { environment, ..Given::default() }).expect("settings").settings
}

#[cfg(feature = "cluster")]
fn on_nats(runtime: &tokio::runtime::Runtime) {
    use tenter::jobs::Results;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let Some(mut server) = serve(address, folder.path()) else {
        println!("skipped NATS: nats-server is not installed (apt-get install nats-server)");
        return;
    };
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Small bodies are stored in the record, so the bucket is never called.
    let url = format!("nats://{address}");
    let settings = settings(&[("TENTER_NATS_URL", &url), ("TENTER_RESULTS", "s3://nowhere")]);
    let results = Results::shared(&settings.files).expect("settings of a bucket");
    let store = runtime.block_on(Service::cluster(&settings, results)).expect("a server");
    runtime.block_on(measure("NATS JetStream, one server", Arc::new(store)));
    let _ = server.kill();
    let _ = server.wait();
}

fn serve(address: SocketAddr, folder: &std::path::Path) -> Option<Child> {
    let port = address.port().to_string();
    let start = |program: &str| {
        let mut command = Command::new(program);
        command.args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"]).arg(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    // Debian installs nats-server in /usr/sbin, which is only on root's PATH.
    start("nats-server").or_else(|_| start("/usr/sbin/nats-server")).ok()
}

async fn measure(name: &str, store: Arc<Service>) {
    let jobs = RATE * SECONDS;
    let left = Arc::new(Semaphore::new(jobs as usize));
    let takers: Vec<_> = (0..TAKERS).map(|_| tokio::spawn(work(store.clone(), left.clone()))).collect();
    let begun = Instant::now();
    let mut accepting = Vec::new();
    for number in 0..jobs {
        tokio::time::sleep_until((begun + Duration::from_secs(1) / RATE * number).into()).await;
        let store = store.clone();
        accepting.push(tokio::spawn(async move {
            let body = Bytes::from_static(br#"{"design":{"width":9,"height":9,"pages":[{"background":"tomato"}]}}"#);
            let job = NewJob::new("", body, "png", "");
            let started = Instant::now();
            let accepted = store.accept(job).await.expect("a store");
            assert!(matches!(accepted, SubmitOutcome::New(_)), "{accepted:?}");
            started.elapsed()
        }));
    }
    let mut accept = Vec::new();
    for call in accepting {
        accept.push(call.await.expect("no panic"));
    }
    let (mut take, mut finish) = (Vec::new(), Vec::new());
    for taker in takers {
        let (of_take, of_finish) = taker.await.expect("no panic");
        take.extend(of_take);
        finish.extend(of_finish);
    }
    assert_eq!(finish.len(), jobs as usize, "every job once");
    let columns = [accept, take, finish].map(quantiles);
    let sum: f64 = columns.iter().map(|it| it.0).sum();
    let shown = columns.map(|(median, p95)| format!("{median:.2}, {p95:.2}"));
    println!("| {name} | {} | {} | {} | {sum:.2} |", shown[0], shown[1], shown[2]);
}

/// Accepts a batch and takes its first rows. Prints the times.
async fn measure_rows(store: Arc<Service>) {
    let begun = Instant::now();
    let accepted = store.accept_batch(batch()).await.expect("a store");
    assert!(matches!(accepted, BatchSubmitOutcome::New(_)), "{accepted:?}");
    let accepting = begun.elapsed().as_secs_f64() * 1000.0;
    let mut take = Vec::new();
    while take.len() < TAKEN_ROWS {
        let started = Instant::now();
        match store.fetch(FetchFilter::ALL).await.expect("a store") {
            Fetched::Job(_) => take.push(started.elapsed()),
            Fetched::RunAlone => unreachable!("asked for one that may be alone"),
            Fetched::Empty(_) => drop(tokio::time::timeout(Duration::from_millis(100), store.work_ready()).await),
        }
    }
    let (take, p95) = quantiles(take);
    println!("\n| batch of {ROWS} rows | accept, ms | take a row, ms per row, median and 95th percentile |");
    println!("| --- | --- | --- |");
    println!("| embedded (SQLite) | {accepting:.0} | {take:.2}, {p95:.2} |");
}

fn batch() -> NewBatch {
    let row = |number| {
        let values = format!("{{\"variables\":{{\"name\":\"Guest {number}\"}}}}");
        NewRow { name: format!("{number}.png"), values: Ok(values.into()) }
    };
    let body = Bytes::from_static(br#"{"design":{"width":9,"height":9,"pages":[{"background":"tomato"}]}}"#);
    NewBatch {
        owner: "".into(),
        template: Template { design_hash: ContentHash::of(&body), body },
        rows: (1..=ROWS).map(row).collect(),
        document: None,
        format: "png",
        extension: "png",
        webhook: None,
        webhook_items: false,
        link_base: "http://here".into(),
        idempotency: None,
    }
}

type Times = Vec<Duration>;

/// Takes jobs and finishes them at once until none are left. Returns the times of the calls to take and to finish.
async fn work(store: Arc<Service>, left: Arc<Semaphore>) -> (Times, Times) {
    let (mut take, mut finish) = (Vec::new(), Vec::new());
    while left.available_permits() > 0 {
        let started = Instant::now();
        match store.fetch(FetchFilter::ALL).await.expect("a store") {
            Fetched::Job(fetched) => {
                take.push(started.elapsed());
                left.try_acquire().expect("one permit per job").forget();
                let started = Instant::now();
                let file = StoredFile {
                    link: "link".into(),
                    bytes: 4,
                    hash: ContentHash::from_bytes([0; 32]),
                    fingerprint: "0".repeat(64),
                };
                let done = store.finish(&fetched.attempt_id, Outcome::Done(file), AttemptReport::default()).await;
                assert!(done.expect("a store"));
                finish.push(started.elapsed());
            }
            Fetched::RunAlone => unreachable!("asked for one that may be alone"),
            Fetched::Empty(_) => {
                let _ = tokio::time::timeout(Duration::from_millis(100), store.work_ready()).await;
            }
        }
    }
    (take, finish)
}

/// Median and 95th percentile of `times` in ms.
fn quantiles(mut times: Times) -> (f64, f64) {
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    (at(0.5), at(0.95))
}
