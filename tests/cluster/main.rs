//! A cluster of NATS servers, an S3 server, front ends and workers as processes: jobs survive the failure of any of
//! them.
#![cfg(feature = "cluster")]

mod batches;
#[path = "../support/bucket.rs"]
mod bucket;
mod calls;
mod faults;
mod logins;
#[path = "../support/nats.rs"]
mod nats;
#[path = "../support/pictures.rs"]
mod pictures;
mod poison;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/receiver.rs"]
mod receiver;

use serde_json::{Value, json};

use self::bucket::Bucket;
use self::nats::Nats;
use self::program::{Program, Running, until};

/// The servers that front ends and workers connect to.
struct Cluster {
    nats: Nats,
    bucket: Bucket,
}

impl Cluster {
    fn start() -> Option<Self> {
        Some(Self { nats: Nats::start()?, bucket: bucket::bucket()? })
    }

    fn program(&self, command: &'static str) -> Program {
        self.program_through(command, &self.nats.url(), &self.bucket.endpoint())
    }

    fn program_through(&self, command: &'static str, nats: &str, bucket: &str) -> Program {
        Program::of(command)
            .with("TENTER_NATS_URL", nats)
            .with("TENTER_NATS_ACK_WAIT", "2 s")
            .with("TENTER_RESULTS", "s3://pictures/tenter/test")
            .with("TENTER_S3_ENDPOINT", bucket)
            .with("TENTER_S3_ACCESS_KEY_ID", "somebody")
            .with("TENTER_S3_SECRET_ACCESS_KEY", "hush-hush")
            .with("TENTER_ALLOW_ADDRESSES", "127.0.0.1")
            .with("TENTER_RASTERIZER", "cpu")
            .with("TENTER_WORKERS", "2")
            .with(
                "TENTER_WEBHOOK_RETRIES",
                "200 ms, 500 ms, 1 s, 1 s, 2 s, 2 s, 5 s, 5 s, 5 s, 5 s, 5 s, 5 s, 5 s, 5 s, 5 s, 5 s",
            )
    }
}

/// A page whose width identifies it.
fn small(number: usize) -> Value {
    json!({"design": {"width": 20 + number % 7, "height": 20, "pages": [{"background": "tomato"}]}})
}

/// Submits with an idempotency key and retries, like a client whose answers may be lost.
fn submit(front: &Running, key: &str, body: &Value) -> Option<String> {
    let answer = front.try_call("POST", "/api/renders", &format!("idempotency-key: {key}\r\n"), &body.to_string())?;
    match answer.status {
        200 => Some(answer.json()["id"].as_str().expect("an id").to_owned()),
        503 => {
            assert!(answer.head.contains("retry-after:"), "{}", answer.head);
            None
        }
        status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
    }
}

fn ended(front: &Running, id: &str) -> Value {
    let path = format!("/api/renders/{id}");
    until("a job ends", || {
        let job = front.try_call("GET", &path, "", "").filter(|it| it.status == 200)?.json();
        matches!(job["status"].as_str(), Some("done" | "error")).then_some(job)
    })
}
