//! Settings of jobs, batches and webhooks, and of the cluster that shares them.

use std::path::PathBuf;
use std::time::Duration;

use super::accepts::Accepts;
use super::addresses::NatsServers;
use super::field::{DELAYS, OPTIONAL_FILE};
use super::names::ShortName;
use super::quantities::{DAY, GIB, HOUR, KIB};
use super::render::default_workers;
use super::secrets::Secret;

settings! {
    /// Settings of jobs: renders that outlive their request.
    pub struct JobSettings {
        in Jobs {
            /// Jobs rendered at once; each also occupies one of TENTER_WORKERS. 0: jobs are accepted but not rendered
            /// here, which is the default of `tenter serve` with NATS, where workers render them.
            "TENTER_JOB_WORKERS" workers: usize = default_workers(), Accepts::Whole(0, 4096),
                default "the value of TENTER_WORKERS";
            /// Maximum number of unfinished jobs. More are answered with 429 and Retry-After.
            "TENTER_JOB_QUEUE" queue: u64 = 10_000, Accepts::Whole(1, 100_000_000);
            /// Time limit for one job, or one row of a merged batch, from the moment it has a worker. After that it
            /// ends with `error`.
            "TENTER_JOB_DEADLINE" deadline: Duration = Duration::from_secs(600), Accepts::seconds(1, DAY);
            /// Maximum number of starts of a job whose service dies. After that it ends with `error`. A job that ends
            /// render processes is refused after two.
            // The service does not render, so that its death says little about the jobs that it had.
            "TENTER_JOB_ATTEMPTS" attempts: u32 = 10, Accepts::Whole(1, 100);
            /// Lifetime of a finished job and its file.
            // 7 days are the maximum lifetime of a presigned link.
            "TENTER_JOB_LIFETIME" lifetime: Duration = Duration::from_secs(7 * DAY), Accepts::seconds(1, 7 * DAY);
            /// How long storing a result is retried (bucket down, disk full). After that the job ends with `error`.
            "TENTER_RESULT_PATIENCE" result_patience: Duration = Duration::from_secs(DAY),
                Accepts::seconds(0, 30 * DAY);
            /// Maximum delay of an answer to `Prefer: wait`.
            "TENTER_PREFER_WAIT" prefer_wait: Duration = Duration::from_secs(60), Accepts::seconds(0, HOUR);
        }
    }
}

settings! {
    /// Limits of batches: many rows of one design.
    pub struct BatchSettings {
        in Batches {
            /// Maximum number of rows of a batch.
            "TENTER_BATCH_MAX_ROWS" rows: u64 = 10_000, Accepts::Whole(1, 10_000_000);
            /// Maximum size of a row as written, or as compact JSON if the call contains the rows as an array. A longer
            /// row is an item with an error.
            "TENTER_BATCH_MAX_ROW_BYTES" row_bytes: usize = 1 << 20, Accepts::Bytes(KIB, GIB);
            /// Maximum number of unfinished rows of all batches. A batch that would exceed it is answered with 429 and
            /// Retry-After. Rows do not count as jobs (TENTER_JOB_QUEUE).
            "TENTER_BATCH_QUEUE" queue: u64 = 100_000, Accepts::Whole(1, 100_000_000);
        }
    }
}

settings! {
    /// Connection to the NATS servers that hold the jobs of a cluster.
    pub struct NatsSettings {
        in Cluster {
            /// NATS servers (2.9 or later, with JetStream) for the jobs of front ends and workers. Requires a bucket
            /// (TENTER_RESULTS). None: jobs are stored in TENTER_DATA_DIR.
            "TENTER_NATS_URL" servers: NatsServers = NatsServers::default(), NatsServers::ACCEPTS;
            /// User for the NATS servers.
            "TENTER_NATS_USER" user: Secret = Secret::default(), Secret::ACCEPTS;
            /// Password of the user TENTER_NATS_USER.
            "TENTER_NATS_PASSWORD" password: Secret = Secret::default(), Secret::ACCEPTS;
            /// Token for the NATS servers.
            "TENTER_NATS_TOKEN" token: Secret = Secret::default(), Secret::ACCEPTS;
            /// File with credentials for the NATS servers: a JWT and its seed, as `nsc` writes them.
            "TENTER_NATS_CREDS" credentials: Option<PathBuf> = None, OPTIONAL_FILE;
            /// File with PEM certificates that sign those of the NATS servers. None: the system's certificates.
            "TENTER_NATS_TLS_CA" tls_ca: Option<PathBuf> = None, OPTIONAL_FILE;
            /// File with the PEM client certificate of this process, for NATS servers that require one.
            "TENTER_NATS_TLS_CERT" tls_certificate: Option<PathBuf> = None, OPTIONAL_FILE;
            /// File with the PEM key of TENTER_NATS_TLS_CERT.
            "TENTER_NATS_TLS_KEY" tls_key: Option<PathBuf> = None, OPTIONAL_FILE;
            /// Prefix of the names of streams and buckets; clusters that share servers need different prefixes.
            "TENTER_NATS_PREFIX" prefix: ShortName = ShortName("tenter".into()),
                Accepts::Text("up to 32 letters, digits and `-`", "tenter");
            /// Number of NATS servers that store each message and record. 3 survives the loss of one.
            "TENTER_NATS_REPLICAS" replicas: usize = 1, Accepts::Whole(1, 5);
            /// Time without a sign of life after which a worker counts as dead and its jobs go to others. Workers
            /// report at a third of this interval.
            "TENTER_NATS_ACK_WAIT" ack_wait: Duration = Duration::from_secs(30), Accepts::seconds(1, 600);
        }
    }
}

settings! {
    /// Delivery of webhooks, which report the end of jobs (http-api.md §3.5).
    pub struct WebhookSettings {
        in Webhooks {
            /// Secret that signs webhooks with HMAC-SHA256 (`x-tenter-signature`). None: webhooks are not signed.
            "TENTER_WEBHOOK_SECRET" secret: Secret = Secret::default(), Secret::ACCEPTS;
            /// Delays before the second, third, … attempt to deliver a webhook, after network errors, 429 and 5xx.
            "TENTER_WEBHOOK_RETRIES" retries: Vec<Duration> = [1, 5, 30, 120, 600].map(Duration::from_secs).to_vec(),
                DELAYS;
            /// Time limit of one attempt to deliver.
            "TENTER_WEBHOOK_TIMEOUT" timeout: Duration = Duration::from_secs(10), Accepts::seconds(1, 300);
            /// Webhooks delivered at once; at most a quarter of them to one receiver (host and port).
            "TENTER_WEBHOOK_PARALLEL" parallel: usize = 32, Accepts::Whole(1, 4096);
        }
    }
}
