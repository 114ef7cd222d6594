//! Settings of the HTTP server, of results behind links, and of the log.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::accepts::Accepts;
use super::addresses::{Bucket, HttpUrl};
use super::choices::{LogFormat, LogLevel, MetricsAccess};
use super::field::{FOLDER, LISTEN_ADDRESS};
use super::names::ShortName;
use super::quantities::{DAY, GIB, HOUR, KIB};
use super::secrets::{Keys, Secret};

settings! {
    /// Access to the HTTP server, and the limits of one call.
    pub struct ServerSettings {
        in Server {
            /// Address and port to listen on. An address other than loopback requires TENTER_KEYS.
            "TENTER_LISTEN" listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)), LISTEN_ADDRESS;
            /// Keys of the callers. The log shows the name of a key, never the key. None: calls need no key.
            "TENTER_KEYS" keys: Keys = Keys::default(), Keys::ACCEPTS;
            /// Start of links to results. Set it if the service is behind a proxy.
            "TENTER_PUBLIC_URL" public_url: Option<HttpUrl> = None, HttpUrl::ACCEPTS,
                default "from the request's Host header";
            /// Maximum size of a request body. Larger ones are answered with 413.
            "TENTER_REQUEST_MAX_BYTES" request_bytes: usize = 5 << 20, Accepts::Bytes(KIB, GIB);
            /// Maximum size of an answer body for `dataURL` and `file`. Larger ones are answered with 413, which
            /// suggests `url`.
            "TENTER_INLINE_MAX_BYTES" inline_bytes: usize = 5 << 20, Accepts::Bytes(KIB, GIB);
            /// Maximum idle time of a connection, and maximum time for the head of a request. Keep it above the idle
            /// timeout of a load balancer in front.
            // Load balancers keep idle connections for 60 s and must not find them closed.
            "TENTER_HEADER_TIMEOUT" header_timeout: Duration = Duration::from_secs(75), Accepts::seconds(1, 300);
            /// Maximum time for a client to send the body of a request. Longer ones are answered with 408.
            "TENTER_BODY_TIMEOUT" body_timeout: Duration = Duration::from_secs(30), Accepts::seconds(1, HOUR);
            /// Maximum number of open connections. More wait in the backlog of the operating system.
            "TENTER_CONNECTIONS" connections: usize = 1024, Accepts::Whole(1, 1_000_000);
            /// After SIGTERM or SIGINT, how long new connections are still accepted while `/readyz` already answers
            /// 503, so that load balancers stop using this instance. TENTER_STOP_GRACE follows.
            "TENTER_STOP_DELAY" stop_delay: Duration = Duration::ZERO, Accepts::seconds(0, HOUR);
            /// After SIGTERM or SIGINT, how long admitted requests and started jobs may take to finish. The
            /// orchestrator must wait longer.
            "TENTER_STOP_GRACE" stop_grace: Duration = Duration::from_secs(60), Accepts::seconds(0, HOUR);
            /// Access to `/metrics`. `key`: callers with one of TENTER_KEYS, or any caller if there are none; `open`:
            /// any caller; `off`: the path does not exist.
            "TENTER_METRICS" metrics: MetricsAccess = MetricsAccess::default(), MetricsAccess::ACCEPTS;
            /// Web pages: `/` to try a design, `/api` for the documentation of the API. They use the same calls and
            /// keys as other clients.
            "TENTER_WEB_PAGES" web_pages: bool = true, Accepts::OnOff;
            /// Maximum time for which a client may accept no data of an answer. Then the connection is closed.
            "TENTER_WRITE_TIMEOUT" write_timeout: Duration = Duration::from_secs(30), Accepts::seconds(1, HOUR);
        }
        others {
            /// Limits per key; without keys, for all callers together.
            key_limits: KeyLimits = KeyLimits::default();
        }
    }
}

settings! {
    /// Limits per key; without keys, for all callers together. 0 is no limit.
    #[derive(Copy)]
    pub struct KeyLimits {
        in Server {
            /// Maximum renders and jobs per key and minute (without keys, of all callers together). More are answered
            /// with 429; RateLimit-* headers report the remaining number. 0: no limit.
            "TENTER_KEY_RATE" rate: u32 = 0, Accepts::Whole(0, 1_000_000);
            /// Maximum concurrent render calls per key. More are answered with 429. 0: no limit.
            "TENTER_KEY_CONCURRENCY" concurrency: usize = 0, Accepts::Whole(0, 1_000_000);
            /// Maximum unfinished jobs per key; a batch counts as one. More are answered with 429. 0: no limit.
            "TENTER_KEY_JOBS" jobs: u64 = 0, Accepts::Whole(0, 1_000_000_000);
            /// Maximum unfinished rows of batches per key. A batch that would exceed it is answered with 429. 0: no
            /// limit.
            "TENTER_KEY_ROWS" rows: u64 = 0, Accepts::Whole(0, 1_000_000_000);
        }
    }
}

settings! {
    /// Storage of results behind links, and their lifetime.
    pub struct FileSettings {
        in Results {
            /// Folder for jobs (`jobs.db`), results behind links (`files`, `jobs`), designs of templates (`templates`),
            /// asset snapshots of batches (`pins`) and downloaded fonts (`fonts`). Created if missing; must be
            /// writable. Only one process can use it at a time.
            "TENTER_DATA_DIR" data_dir: PathBuf = PathBuf::from("./tenter-data"), FOLDER;
            /// Lifetime of a link to a result.
            "TENTER_LINK_LIFETIME" link_lifetime: Duration = Duration::from_secs(DAY), Accepts::seconds(1, 365 * DAY);
            /// Interval at which expired results and jobs are deleted. They are inaccessible from their expiry, even if
            /// not yet deleted.
            "TENTER_SWEEP_INTERVAL" sweep_interval: Duration = Duration::from_secs(600), Accepts::seconds(1, DAY);
            /// Bucket for results; links are then presigned. None: folders in TENTER_DATA_DIR.
            "TENTER_RESULTS" bucket: Option<Bucket> = None, Bucket::ACCEPTS;
            /// Address of an S3-compatible service, reachable for the users of links as well. None: AWS in
            /// TENTER_S3_REGION.
            "TENTER_S3_ENDPOINT" s3_endpoint: Option<HttpUrl> = None, HttpUrl::ACCEPTS;
            /// Region of the bucket.
            "TENTER_S3_REGION" s3_region: ShortName = ShortName("us-east-1".into()),
                Accepts::Text("a region name", "eu-central-1");
            /// Access key id for the bucket. None: the IAM role of the machine.
            "TENTER_S3_ACCESS_KEY_ID" s3_access_key_id: Secret = Secret::default(), Secret::ACCEPTS;
            /// Secret that belongs to TENTER_S3_ACCESS_KEY_ID.
            "TENTER_S3_SECRET_ACCESS_KEY" s3_secret_access_key: Secret = Secret::default(), Secret::ACCEPTS;
        }
    }
}

settings! {
    /// Log lines and traces.
    pub struct LogSettings {
        in Log {
            /// Format of log lines: one JSON object per line, or text.
            "TENTER_LOG_FORMAT" format: LogFormat = LogFormat::default(), LogFormat::ACCEPTS;
            /// Minimum level of log lines. `info` includes one line per request.
            "TENTER_LOG_LEVEL" level: LogLevel = LogLevel::default(), LogLevel::ACCEPTS;
            /// OTLP address of an OpenTelemetry collector for protobuf over HTTP, such as
            /// `http://127.0.0.1:4318/v1/traces`. A caller's `traceparent` is continued. None: no traces. The OTEL_…
            /// variables of the SDK (sampling, queue, attributes) apply as well.
            "TENTER_TRACES_URL" traces_url: Option<HttpUrl> = None, HttpUrl::ACCEPTS;
        }
    }
}
