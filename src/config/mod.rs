//! Settings: name, unit, default and bounds of each; the only module that reads the environment.
//!
//! In: one settings struct per module, passed to the module's constructor; the table that drives reading, printing and
//! `docs/settings.md`. Not in: what the modules do with them. Imports: `units`, `report`.

mod load;
mod table;
mod value;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use load::{Given, Loaded, SettingError, SettingsErrors, Source};
pub use table::{SETTINGS, Section, Setting};

/// All settings, one struct per module.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Settings of the HTTP server.
    pub server: ServerSettings,
    /// Storage of results behind links.
    pub files: FileSettings,
    /// Settings of jobs: renders that outlive their request.
    pub jobs: JobSettings,
    /// Connection to the NATS servers that hold the jobs of a cluster.
    pub nats: NatsSettings,
    /// Delivery of webhooks, which report the end of jobs (http-api.md §3.5).
    pub webhooks: WebhookSettings,
    /// Limits of batches: many rows of one design.
    pub batches: BatchSettings,
    /// Admission, threads, deadlines and caches of renders.
    pub render: RenderSettings,
    /// Limits of one design.
    pub design: DesignLimits,
    /// Limits of the assets that a design refers to.
    pub assets: AssetLimits,
    /// Sources of fonts besides the design.
    pub fonts: FontSettings,
    /// Limits and caches of painting.
    pub paint: PaintSettings,
    /// GPUs for painting.
    pub gpu: GpuSettings,
    /// ICC profiles for CMYK output.
    pub icc: IccSettings,
    /// Log lines and traces.
    pub log: LogSettings,
}

/// Access to the HTTP server, and the limits of one call.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `TENTER_LISTEN` — address and port. Default 127.0.0.1:8080. An address other than loopback requires keys.
    pub listen: SocketAddr,
    /// `TENTER_KEYS` — keys of the callers. Default none: open, and then only on loopback.
    pub keys: Keys,
    /// `TENTER_PUBLIC_URL` — start of links to results, without a final `/`. Default: from the request's `Host`.
    pub public_url: Option<String>,
    /// `TENTER_REQUEST_MAX_BYTES` — maximum size of a request body. Default 5 MiB.
    pub request_bytes: usize,
    /// `TENTER_INLINE_MAX_BYTES` — maximum size of an answer body (`dataURL` and `file`). Default 5 MiB.
    pub inline_bytes: usize,
    /// `TENTER_HEADER_TIMEOUT` — from an answer to the end of the next request's head. Default 75 s: load balancers
    /// keep connections idle for 60 s and must not find them closed.
    pub header_timeout: Duration,
    /// `TENTER_BODY_TIMEOUT` — time for the client to send the request's body. Default 30 s.
    pub body_timeout: Duration,
    /// `TENTER_CONNECTIONS` — maximum number of open connections; more wait in the system's backlog. Default 1024.
    pub connections: usize,
    /// `TENTER_WRITE_TIMEOUT` — time for a client to accept the next part of an answer. Default 30 s.
    pub write_timeout: Duration,
    /// `TENTER_STOP_DELAY` — time after SIGTERM in which load balancers notice the stop, before new connections are
    /// refused. Default 0 s.
    pub stop_delay: Duration,
    /// `TENTER_STOP_GRACE` — time after SIGTERM for admitted requests and jobs to finish. Default 60 s.
    pub stop_grace: Duration,
    /// `TENTER_METRICS` — access to `/metrics`. Default: the same callers as for renders.
    pub metrics: MetricsAccess,
    /// `TENTER_WEB_PAGES` — whether `/` and `/api` serve pages for people. Default on.
    pub pages: Switch,
    /// Limits per key.
    pub key_limits: KeyLimits,
}

/// Access to `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Callers with one of `TENTER_KEYS`; anyone when there are none.
    #[default]
    Key,
    /// Anyone who can reach the port.
    Open,
    /// Nobody; the path does not exist.
    Off,
}

/// State of a part of the service that can be turned off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// The part is enabled.
    #[default]
    On,
    /// The part is disabled.
    Off,
}

/// Limits per key; without keys, for all callers together. 0 is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyLimits {
    /// `TENTER_KEY_RATE` — renders and jobs per minute. Default 0.
    pub rate: u32,
    /// `TENTER_KEY_CONCURRENCY` — render calls at once. Default 0.
    pub concurrency: usize,
    /// `TENTER_KEY_JOBS` — unfinished jobs and batches. Default 0.
    pub jobs: u64,
    /// `TENTER_KEY_ROWS` — unfinished rows of batches. Default 0.
    pub rows: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            keys: Keys::default(),
            public_url: None,
            request_bytes: 5 << 20,
            inline_bytes: 5 << 20,
            header_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            connections: 1024,
            stop_delay: Duration::ZERO,
            stop_grace: Duration::from_secs(60),
            metrics: MetricsAccess::default(),
            pages: Switch::default(),
            key_limits: KeyLimits::default(),
        }
    }
}

/// Keys of the callers, each with a name for logs. Neither `Debug` nor a log shows a key.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

/// Key of one caller.
#[derive(Clone)]
pub struct Key {
    /// Name in logs and job records.
    pub name: String,
    /// The key itself, which is never logged.
    pub secret: String,
}

impl Keys {
    /// Iterates in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// Whether calls need no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

/// Storage of results behind links, and their lifetime.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// `TENTER_DATA_DIR` — folder for the store of jobs (`jobs.db`), results (`files`, `jobs`) and downloaded fonts
    /// (`fonts`). Default ./tenter-data.
    pub data_dir: PathBuf,
    /// `TENTER_LINK_LIFETIME` — lifetime of a link to a result. Default 24 h (http-api.md §2).
    pub link_lifetime: Duration,
    /// `TENTER_SWEEP_INTERVAL` — time between two removals of expired results and jobs. Default 10 min.
    pub sweep_interval: Duration,
    /// `TENTER_RESULTS` — bucket for results. Default none: folders in `data_dir`.
    pub bucket: Option<Bucket>,
    /// `TENTER_S3_ENDPOINT` — address of an S3-compatible service. Default none: AWS in `s3_region`.
    pub s3_endpoint: Option<String>,
    /// `TENTER_S3_REGION` — region of the bucket. Default us-east-1.
    pub s3_region: Word,
    /// `TENTER_S3_ACCESS_KEY_ID` — access key id for the bucket. Default none: the machine's role.
    pub s3_access_key_id: Secret,
    /// `TENTER_S3_SECRET_ACCESS_KEY` — secret of `s3_access_key_id`.
    pub s3_secret_access_key: Secret,
}

/// A prefix in an S3-compatible bucket: `s3://name/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name of the bucket.
    pub name: String,
    /// Prefix of all object keys, without slashes at its ends; may be empty.
    pub prefix: String,
}

/// A word of letters, digits, `-`, `_` and `.`; at most 32 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

/// A secret shared by the service and a peer. Neither `Debug` nor a log shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    /// The secret in plain text; `None` when it is not set.
    pub fn reveal(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "***" } else { "none" })
    }
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./tenter-data"),
            link_lifetime: Duration::from_secs(24 * 3600),
            sweep_interval: Duration::from_secs(600),
            bucket: None,
            s3_endpoint: None,
            s3_region: Word("us-east-1".into()),
            s3_access_key_id: Secret::default(),
            s3_secret_access_key: Secret::default(),
        }
    }
}

/// Settings of jobs: renders that outlive their request.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// `TENTER_JOB_WORKERS` — jobs rendered at once; each also takes one of `TENTER_WORKERS`. Default: the same number.
    pub workers: usize,
    /// `TENTER_JOB_QUEUE` — maximum number of unfinished jobs; more are refused with 429. Default 10 000.
    pub queue: u64,
    /// `TENTER_JOB_DEADLINE` — time limit for one job, from the moment it has a worker. Default 10 min.
    pub deadline: Duration,
    /// `TENTER_JOB_ATTEMPTS` — maximum number of starts of a job whose process died. Default 3.
    pub attempts: u32,
    /// `TENTER_JOB_LIFETIME` — lifetime of a finished job and its file. Default 7 days (http-api.md §3.4).
    pub lifetime: Duration,
    /// `TENTER_RESULT_PATIENCE` — how long storing a result is retried. Default 24 h.
    pub result_patience: Duration,
    /// `TENTER_PREFER_WAIT` — maximum delay of an answer to `Prefer: wait`. Default 60 s.
    pub prefer_wait: Duration,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            workers: RenderSettings::default().workers,
            queue: 10_000,
            deadline: Duration::from_secs(600),
            attempts: 3,
            lifetime: Duration::from_secs(7 * 24 * 3600),
            result_patience: Duration::from_secs(24 * 3600),
            prefer_wait: Duration::from_secs(60),
        }
    }
}

/// Connection to the NATS servers that hold the jobs of a cluster.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// `TENTER_NATS_URL`, or `TENTER_QUEUE` when that is such an address. Default none: jobs are stored in `data_dir`.
    pub servers: Servers,
    /// `TENTER_NATS_USER` — user name. Default none.
    pub user: Secret,
    /// `TENTER_NATS_PASSWORD` — password of `user`. Default none.
    pub password: Secret,
    /// `TENTER_NATS_TOKEN` — authentication token. Default none.
    pub token: Secret,
    /// `TENTER_NATS_CREDS` — file with a JWT and its seed. Default none.
    pub credentials: Option<PathBuf>,
    /// `TENTER_NATS_TLS_CA` — file with PEM certificates that sign those of the servers. Default none: those of the
    /// system.
    pub tls_ca: Option<PathBuf>,
    /// `TENTER_NATS_TLS_CERT` — file with the client certificate, PEM. Default none.
    pub tls_certificate: Option<PathBuf>,
    /// `TENTER_NATS_TLS_KEY` — file with the key of `tls_certificate`, PEM.
    pub tls_key: Option<PathBuf>,
    /// `TENTER_NATS_PREFIX` — prefix of the names of streams and buckets. Default tenter.
    pub prefix: Word,
    /// `TENTER_NATS_REPLICAS` — number of servers that store each message. Default 1.
    pub replicas: usize,
    /// `TENTER_NATS_ACK_WAIT` — time without a sign of life after which a worker counts as dead. Default 30 s.
    pub ack_wait: Duration,
}

/// Addresses of the NATS servers of one cluster, `nats://host:port` or `tls://host:port`; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers(Vec<String>);

impl Servers {
    /// Iterates in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether no cluster is configured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self {
            servers: Servers::default(),
            user: Secret::default(),
            password: Secret::default(),
            token: Secret::default(),
            credentials: None,
            tls_ca: None,
            tls_certificate: None,
            tls_key: None,
            prefix: Word("tenter".into()),
            replicas: 1,
            ack_wait: Duration::from_secs(30),
        }
    }
}

/// Delivery of webhooks, which report the end of jobs (http-api.md §3.5).
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `TENTER_WEBHOOK_SECRET` — secret that signs webhooks. Default none: unsigned.
    pub secret: Secret,
    /// `TENTER_WEBHOOK_RETRIES` — delays before the second, third, … attempt. Default 1, 5, 30, 120, 600 s.
    pub retries: Vec<Duration>,
    /// `TENTER_WEBHOOK_TIMEOUT` — time limit of one attempt. Default 10 s.
    pub timeout: Duration,
    /// `TENTER_WEBHOOK_PARALLEL` — deliveries at once. Default 32.
    pub parallel: usize,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            secret: Secret::default(),
            retries: [1, 5, 30, 120, 600].map(Duration::from_secs).to_vec(),
            timeout: Duration::from_secs(10),
            parallel: 32,
        }
    }
}

/// Limits of batches: many rows of one design.
#[derive(Clone, Debug)]
pub struct BatchSettings {
    /// `TENTER_BATCH_MAX_ROWS` — maximum number of rows of a batch. Default 10 000.
    pub rows: u64,
    /// `TENTER_BATCH_MAX_ROW_BYTES` — maximum size of a row as written. Default 1 MiB.
    pub row_bytes: usize,
    /// `TENTER_BATCH_QUEUE` — maximum number of unfinished rows of all batches; a batch with more is refused with 429.
    /// Default 100 000.
    pub queue: u64,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { rows: 10_000, row_bytes: 1 << 20, queue: 100_000 }
    }
}

/// Choice of the painter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RasterizerChoice {
    /// Hardware GPUs if there are any, else the CPU.
    #[default]
    Auto,
    /// The CPU painter.
    Cpu,
    /// The GPU painter; the service does not start without a GPU.
    Gpu,
}

/// Releases of the editor's SDK that draw differently, each named after the first release that draws so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EditorVersion {
    /// Release 4.4 and later.
    #[default]
    V4_4,
}

impl EditorVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 1] = [Self::V4_4];
}

/// Admission, threads and deadlines.
#[derive(Clone, Debug)]
pub struct RenderSettings {
    /// `TENTER_RASTERIZER` — painter. Default auto.
    pub rasterizer: RasterizerChoice,
    /// `TENTER_THREADS` — threads of the CPU pool. Default: CPU cores.
    pub threads: usize,
    /// `TENTER_WORKERS` — requests that compute at once. Default: CPU cores, at least 2.
    pub workers: usize,
    /// `TENTER_QUEUE` — maximum number of waiting requests; more are refused with 429. Default: 4 × workers.
    pub queue: usize,
    /// `TENTER_DEADLINE` — time limit of one request, waiting included. Default 60 s.
    pub deadline: Duration,
    /// `TENTER_SDK` — editor version to draw designs like. Default 4.4.
    pub sdk: EditorVersion,
    /// `TENTER_MIN_IMAGE_DPI` — resolution below which a picture causes a warning, in px per inch; 0 turns it off.
    /// Default 36.
    pub min_image_dpi: f64,
    /// `TENTER_RESULT_CACHE_BYTES` — size of the cache of finished files, which answers repeated requests. Default 0:
    /// none.
    pub result_cache_bytes: usize,
}

impl Default for RenderSettings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.max(2);
        Self {
            rasterizer: RasterizerChoice::Auto,
            threads: cores,
            workers,
            queue: workers * QUEUE_PER_WORKER,
            deadline: Duration::from_secs(60),
            sdk: EditorVersion::default(),
            // Below this, a picture in a design of 72 dpi is enlarged more than twice.
            min_image_dpi: 36.0,
            result_cache_bytes: 0,
        }
    }
}

/// Default number of queue slots per worker: a request then waits for about four others before it starts.
const QUEUE_PER_WORKER: usize = 4;

/// Format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Readable text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Minimum level of the log lines that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures of the service.
    Error,
    /// Also conditions that deserve attention.
    Warn,
    /// Also one line per request.
    #[default]
    Info,
    /// Also the stages of a request.
    Debug,
    /// Also the details of libraries.
    Trace,
}

/// Log lines and traces.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// `TENTER_LOG_FORMAT` — format of log lines. Default text.
    pub format: LogFormat,
    /// `TENTER_LOG_LEVEL` — minimum level of log lines. Default info.
    pub level: LogLevel,
    /// `TENTER_TRACES_URL` — OTLP collector for protobuf over HTTP, such as `http://127.0.0.1:4318/v1/traces`. Default
    /// none: no traces.
    pub traces_url: Option<String>,
}

/// Limits of a design, checked before anything is fetched.
#[derive(Clone, Debug)]
pub struct DesignLimits {
    /// `TENTER_MAX_JSON_DEPTH` — maximum nesting of arrays and objects. Default 100. 8 to 120.
    pub json_depth: usize,
    /// `TENTER_MAX_ELEMENTS` — maximum number of elements and table cells of the whole design. Default 20 000.
    pub elements: usize,
    /// `TENTER_MAX_PAGES` — maximum number of pages. Default 1000.
    pub pages: usize,
    /// `TENTER_MAX_TEXT_CHARS` — maximum number of characters of one text. Default 100 000.
    pub text_chars: usize,
    /// `TENTER_MAX_VARIABLE_BYTES` — maximum number of bytes that the values of `variables` add. Default 16 MiB.
    pub variable_bytes: usize,
}

impl Default for DesignLimits {
    fn default() -> Self {
        Self { json_depth: 100, elements: 20_000, pages: 1000, text_chars: 100_000, variable_bytes: 16 << 20 }
    }
}

/// Limits of fetching and decoding one asset, sizes of the asset caches, and the reachable private networks.
#[derive(Clone, Debug)]
pub struct AssetLimits {
    /// `TENTER_ASSET_MAX_BYTES` — maximum size of an asset, as transferred. Default 50 MiB.
    pub bytes: u64,
    /// `TENTER_ASSET_MAX_MEGAPIXELS` — maximum size of a source picture. Default 100.
    pub megapixels: f64,
    /// `TENTER_ASSET_TIMEOUT` — time limit of one attempt; `assetLoadTimeout` limits all attempts together. Default 20
    /// s.
    pub timeout: Duration,
    /// `TENTER_ASSET_TRIES` — attempts after network errors and 5xx. Default 3. 1 to 10.
    pub tries: u32,
    /// `TENTER_ASSET_REDIRECTS` — maximum number of redirects. Default 5. 0 to 20.
    pub redirects: u32,
    /// `TENTER_ASSET_PARALLEL` — parallel fetches of one request. Default 8.
    pub parallel: usize,
    /// `TENTER_ALLOW_ADDRESSES` — private networks (CIDR) that may be reached. Default none.
    pub allow_addresses: Vec<String>,
    /// `TENTER_ASSET_CACHE_BYTES` — size of the cache of decoded assets. Default 256 MiB.
    pub cache_bytes: usize,
    /// `TENTER_PIN_BYTES` — maximum size of the decoded assets that one batch holds in memory. Default 128 MiB.
    pub pin_bytes: usize,
    /// `TENTER_DRAWING_CACHE_BYTES` — size of the cache of parsed SVG documents. Default 32 MiB; 0 turns it off.
    pub drawing_cache_bytes: usize,
}

impl Default for AssetLimits {
    fn default() -> Self {
        Self {
            bytes: 50 << 20,
            megapixels: 100.0,
            timeout: Duration::from_secs(20),
            tries: 3,
            redirects: 5,
            parallel: 8,
            allow_addresses: Vec::new(),
            cache_bytes: 256 << 20,
            pin_bytes: 128 << 20,
            drawing_cache_bytes: 32 << 20,
        }
    }
}

/// Sources of fonts besides the design, and the size of the text cache.
#[derive(Clone, Debug)]
pub struct FontSettings {
    /// `TENTER_FONT_DIR` — the operator's folder of fonts, read at start. Default none.
    pub directory: Option<PathBuf>,
    /// `TENTER_GOOGLE_FONTS_URL` — CSS endpoint compatible with Google Fonts (`…/css2`). Default none: off.
    pub google_fonts_url: Option<String>,
    /// Folder for fonts from that endpoint: `fonts` in `TENTER_DATA_DIR`.
    pub cache_directory: Option<PathBuf>,
    /// `TENTER_TEXT_CACHE_BYTES` — size of the cache of opened fonts and shaped texts. Default 32 MiB; 0 turns it off.
    pub text_cache_bytes: usize,
}

impl Default for FontSettings {
    fn default() -> Self {
        Self { directory: None, google_fonts_url: None, cache_directory: None, text_cache_bytes: 32 << 20 }
    }
}

/// Files of the CMYK output profiles; none is bundled, as their licences do not allow it.
#[derive(Clone, Debug)]
pub struct IccSettings {
    /// `TENTER_ICC_DIR` — the operator's folder of profiles; a profile is read on first use. Default none: no CMYK.
    pub directory: Option<PathBuf>,
    /// `TENTER_ICC_FOGRA39` — names of files with the profile `FOGRA39`; the first that exists is used.
    pub fogra39: FileNames,
    /// `TENTER_ICC_SWOP` — names of files with the profile `USWebCoatedSWOP`; the first that exists is used.
    pub swop: FileNames,
}

impl Default for IccSettings {
    /// The file names that ECI, Adobe and Linux distributions use.
    fn default() -> Self {
        let names = |names: &[&str]| FileNames(names.iter().map(|it| (*it).to_owned()).collect());
        Self {
            directory: None,
            fogra39: names(&["ISOcoated_v2_eci.icc", "CoatedFOGRA39.icc", "FOGRA39L_coated.icc"]),
            swop: names(&["USWebCoatedSWOP.icc", "SWOP2006_Coated3v2.icc"]),
        }
    }
}

/// Names of files in one folder, without path separators; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNames(Vec<String>);

impl FileNames {
    /// Iterates in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Limit of a painted page, and the size of the picture cache.
#[derive(Clone, Debug)]
pub struct PaintSettings {
    /// `TENTER_MAX_MEGAPIXELS` — maximum size of an output page, in millions of device px. Default 100.
    pub megapixels: f64,
    /// `TENTER_PICTURE_CACHE_BYTES` — size of the cache of pictures scaled to their displayed size. Default 64 MiB; 0
    /// turns it off.
    pub picture_cache_bytes: usize,
}

impl Default for PaintSettings {
    fn default() -> Self {
        Self { megapixels: 100.0, picture_cache_bytes: 64 << 20 }
    }
}

/// Selection of GPUs, and their limits.
#[derive(Clone, Debug)]
pub struct GpuSettings {
    /// `TENTER_GPU_ADAPTERS` — adapters by index, part of the name, or PCI bus id. Default: every hardware adapter.
    pub adapters: AdapterChoice,
    /// `TENTER_GPU_ALLOW_SOFTWARE` — also use adapters that compute on the CPU, with `TENTER_RASTERIZER=gpu`. Default
    /// no: they are some hundred times slower than the CPU painter.
    pub allow_software: bool,
    /// `TENTER_GPU_IN_FLIGHT` — pages submitted to one GPU before the first is read back. Default 3.
    pub in_flight: usize,
    /// `TENTER_GPU_TIMEOUT` — time after which a submission counts as hung. Default 20 s.
    pub timeout: Duration,
    /// `TENTER_GPU_CHECK` — one in this many pages is also painted on the CPU and compared. Default 0: none.
    pub check: u64,
    /// Folder for compiled pipelines: `gpu` in `TENTER_DATA_DIR`. `None` compiles them at each start.
    pub cache_directory: Option<PathBuf>,
}

impl Default for GpuSettings {
    fn default() -> Self {
        Self {
            adapters: AdapterChoice::default(),
            allow_software: false,
            in_flight: 3,
            timeout: Duration::from_secs(20),
            check: 0,
            cache_directory: None,
        }
    }
}

/// Names of GPU adapters, each an index, a part of the name, or a PCI bus id. Empty selects every hardware adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterChoice(Vec<String>);

impl AdapterChoice {
    /// Iterates in the order given; the first is `gpu0`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether no adapter is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<String>> for AdapterChoice {
    fn from(words: Vec<String>) -> Self {
        Self(words)
    }
}
