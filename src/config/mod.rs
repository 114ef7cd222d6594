//! Every setting: name, unit, default, bound; the only reader of the environment.
//!
//! In: one settings struct for each room, handed to the room's constructor; the table that drives reading, printing and
//! `docs/settings.md`. Not in: what the rooms do with them.
//! Imports: `units`, `report`.

mod load;
mod table;
mod value;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use load::{Given, Loaded, SettingError, SettingsErrors, Source};
pub use table::{SETTINGS, Section, Setting};

/// All settings, one struct for each room.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The HTTP side.
    pub server: ServerSettings,
    /// Results behind links.
    pub files: FileSettings,
    /// Renders that outlive their request.
    pub jobs: JobSettings,
    /// Jobs on several machines.
    pub nats: NatsSettings,
    /// Calls to those who want to know what became of a job.
    pub webhooks: WebhookSettings,
    /// Many rows of one design.
    pub batches: BatchSettings,
    /// How renders are admitted and where they run.
    pub render: RenderSettings,
    /// Of the design.
    pub design: DesignLimits,
    /// Of what a design points to.
    pub assets: AssetLimits,
    /// Fonts besides the design's.
    pub fonts: FontSettings,
    /// Of one page's pixels.
    pub paint: PaintSettings,
    /// The graphics processors.
    pub gpu: GpuSettings,
    /// Colour profiles of presses.
    pub icc: IccSettings,
    /// What is written to standard error.
    pub log: LogSettings,
}

/// Who may call, and how much one call may carry.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `TENTER_LISTEN` — address and port. Default 127.0.0.1:8080. Other than loopback only with keys.
    pub listen: SocketAddr,
    /// `TENTER_KEYS` — who may call. Default none: open, and then only on loopback.
    pub keys: Keys,
    /// `TENTER_PUBLIC_URL` — what links to results start with, without a final `/`. Default: from the request's `Host`.
    pub public_url: Option<String>,
    /// `TENTER_REQUEST_MAX_BYTES` — of one request body. Default 5 MiB.
    pub request_bytes: usize,
    /// `TENTER_INLINE_MAX_BYTES` — of one answer body (`dataURL` and `file`). Default 5 MiB.
    pub inline_bytes: usize,
    /// `TENTER_HEADER_TIMEOUT` — from one answer to the end of the next request's head. Default 75 s: load balancers
    /// keep connections idle for 60 s and must not find them closed.
    pub header_timeout: Duration,
    /// `TENTER_BODY_TIMEOUT` — for the client to send the request's body. Default 30 s.
    pub body_timeout: Duration,
    /// `TENTER_CONNECTIONS` — open at once; further ones wait in the system's backlog. Default 1024.
    pub connections: usize,
    /// `TENTER_WRITE_TIMEOUT` — for a client to take the next piece of an answer. Default 30 s.
    pub write_timeout: Duration,
    /// `TENTER_STOP_DELAY` — after SIGTERM, for balancers to look elsewhere, before new connections are refused. Default 0 s.
    pub stop_delay: Duration,
    /// `TENTER_STOP_GRACE` — after SIGTERM, for admitted requests and jobs to finish. Default 60 s.
    pub stop_grace: Duration,
    /// `TENTER_METRICS` — who may read `/metrics`. Default: whoever may call.
    pub metrics: MetricsAccess,
    /// `TENTER_WEB_PAGES` — whether `/` and `/api` show pages for people. Default on.
    pub pages: Switch,
    /// What one key may ask for.
    pub key_limits: KeyLimits,
}

/// Who may read `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Who has one of `TENTER_KEYS`; anyone when there are none.
    #[default]
    Key,
    /// Anyone who reaches the port.
    Open,
    /// Nobody.
    Off,
}

/// Something that is there or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// It is there.
    #[default]
    On,
    /// It is not.
    Off,
}

/// What one key may ask for; without keys, what all callers together may. 0 is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyLimits {
    /// `TENTER_KEY_RATE` — renders and jobs a minute. Default 0.
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

/// The keys that may call, each with the name it is logged by. Neither `Debug` nor a log shows a key.
#[derive(Clone, Default)]
pub struct Keys(Vec<Key>);

/// One caller's key.
#[derive(Clone)]
pub struct Key {
    /// For logs.
    pub name: String,
    /// Never logged.
    pub secret: String,
}

impl Keys {
    /// In the order given.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }

    /// True when calls need no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

/// Where results behind links are kept, and for how long.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// `TENTER_DATA_DIR` — the store of jobs (`jobs.db`), results (`files`, `jobs`), downloaded fonts (`fonts`). Default
    /// ./tenter-data.
    pub data_dir: PathBuf,
    /// `TENTER_LINK_LIFETIME` — of a link to a result. Default 24 h (http-api.md §2).
    pub link_lifetime: Duration,
    /// `TENTER_SWEEP_INTERVAL` — between two removals of expired results and jobs. Default 10 min.
    pub sweep_interval: Duration,
    /// `TENTER_RESULTS` — the bucket that keeps results. Default none: folders in `data_dir`.
    pub bucket: Option<Bucket>,
    /// `TENTER_S3_ENDPOINT` — of an S3-compatible service. Default none: AWS in that region.
    pub s3_endpoint: Option<String>,
    /// `TENTER_S3_REGION`. Default us-east-1.
    pub s3_region: Word,
    /// `TENTER_S3_ACCESS_KEY_ID`. Default none: the machine's role.
    pub s3_access_key_id: Secret,
    /// `TENTER_S3_SECRET_ACCESS_KEY`.
    pub s3_secret_access_key: Secret,
}

/// A place in an S3-compatible bucket: `s3://name/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What keys start with, without slashes at its ends; may be empty.
    pub prefix: String,
}

/// One word of letters, digits and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

/// Something only the service and its peer know. Neither `Debug` nor a log shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Option<String>);

impl Secret {
    /// The secret itself; `None` when it is not set.
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

/// Renders that outlive their request.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// `TENTER_JOB_WORKERS` — jobs rendered at once; each also takes one of `TENTER_WORKERS`. Default: as many.
    pub workers: usize,
    /// `TENTER_JOB_QUEUE` — unfinished jobs before the next is refused with 429. Default 10 000.
    pub queue: u64,
    /// `TENTER_JOB_DEADLINE` — for one job, from the moment it has a worker. Default 10 min.
    pub deadline: Duration,
    /// `TENTER_JOB_ATTEMPTS` — times a job is begun when the process dies under it. Default 3.
    pub attempts: u32,
    /// `TENTER_JOB_LIFETIME` — of a finished job and its file. Default 7 days (http-api.md §3.4).
    pub lifetime: Duration,
    /// `TENTER_RESULT_PATIENCE` — how long a result that cannot be stored is tried again. Default 24 h.
    pub result_patience: Duration,
    /// `TENTER_PREFER_WAIT` — longest answer to `Prefer: wait`. Default 60 s.
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

/// Jobs on several machines: where their NATS servers are, and how they are spoken to.
#[derive(Clone, Debug)]
pub struct NatsSettings {
    /// `TENTER_NATS_URL`, or `TENTER_QUEUE` when that is such an address. Default none: jobs are kept in `data_dir`.
    pub servers: Servers,
    /// `TENTER_NATS_USER` and `TENTER_NATS_PASSWORD`. Default none.
    pub user: Secret,
    /// Belongs to `user`.
    pub password: Secret,
    /// `TENTER_NATS_TOKEN`. Default none.
    pub token: Secret,
    /// `TENTER_NATS_CREDS` — a file with a JWT and its seed. Default none.
    pub credentials: Option<PathBuf>,
    /// `TENTER_NATS_TLS_CA` — certificates in PEM that sign the servers'. Default none: those of the system.
    pub tls_ca: Option<PathBuf>,
    /// `TENTER_NATS_TLS_CERT` — our own certificate, PEM. Default none.
    pub tls_certificate: Option<PathBuf>,
    /// `TENTER_NATS_TLS_KEY` — its key, PEM.
    pub tls_key: Option<PathBuf>,
    /// `TENTER_NATS_PREFIX` — what names of streams and buckets start with. Default tenter.
    pub prefix: Word,
    /// `TENTER_NATS_REPLICAS` — servers that keep each message. Default 1.
    pub replicas: usize,
    /// `TENTER_NATS_ACK_WAIT` — a worker that is silent for so long is taken for dead. Default 30 s.
    pub ack_wait: Duration,
}

/// Addresses of one cluster of NATS servers, `nats://host:port` or `tls://host:port`; may be none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers(Vec<String>);

impl Servers {
    /// In the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True when there is no cluster.
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

/// Calls to those who want to know what became of a job (http-api.md §3.5).
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// `TENTER_WEBHOOK_SECRET` — signs what is sent. Default none: unsigned.
    pub secret: Secret,
    /// `TENTER_WEBHOOK_RETRIES` — waits before the second, third, … try. Default 1, 5, 30, 120, 600 s.
    pub retries: Vec<Duration>,
    /// `TENTER_WEBHOOK_TIMEOUT` — for one try. Default 10 s.
    pub timeout: Duration,
    /// `TENTER_WEBHOOK_PARALLEL` — tries at once. Default 32.
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

/// Many rows of one design.
#[derive(Clone, Debug)]
pub struct BatchSettings {
    /// `TENTER_BATCH_MAX_ROWS` — of one batch. Default 10 000.
    pub rows: u64,
    /// `TENTER_BATCH_MAX_ROW_BYTES` — of one row as written. Default 1 MiB.
    pub row_bytes: usize,
    /// `TENTER_BATCH_QUEUE` — unfinished rows of all batches before the next batch is refused with 429. Default 100 000.
    pub queue: u64,
}

impl Default for BatchSettings {
    fn default() -> Self {
        Self { rows: 10_000, row_bytes: 1 << 20, queue: 100_000 }
    }
}

/// What paints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RasterizerChoice {
    /// Hardware GPUs where there are any, else the CPU.
    #[default]
    Auto,
    /// The CPU painter.
    Cpu,
    /// The GPU painter, or no start.
    Gpu,
}

/// Releases of the editor's SDK whose pictures differ, each named after the first one that draws so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EditorVersion {
    /// `4.4`
    #[default]
    V4_4,
}

impl EditorVersion {
    /// From the oldest on.
    pub const ALL: [Self; 1] = [Self::V4_4];
}

/// Admission, threads and deadlines.
#[derive(Clone, Debug)]
pub struct RenderSettings {
    /// `TENTER_RASTERIZER`. Default auto.
    pub rasterizer: RasterizerChoice,
    /// `TENTER_THREADS` — of the CPU pool. Default: CPU cores.
    pub threads: usize,
    /// `TENTER_WORKERS` — requests at work at once. Default: CPU cores, at least 2.
    pub workers: usize,
    /// `TENTER_QUEUE` — requests waiting before the next is refused with 429. Default: 4 × workers.
    pub queue: usize,
    /// `TENTER_DEADLINE` — for one request, waiting included. Default 60 s.
    pub deadline: Duration,
    /// `TENTER_SDK` — the editor's version that designs are drawn as. Default 4.4.
    pub sdk: EditorVersion,
    /// `TENTER_MIN_IMAGE_DPI` — of pictures; fewer is a warning, 0 turns it off. Default 36.
    pub min_image_dpi: f64,
    /// `TENTER_RESULT_CACHE_BYTES` — of finished files, kept to answer repeats. Default 0: none.
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
            // At the usual 72 dpi: enlarged more than twice.
            min_image_dpi: 36.0,
            result_cache_bytes: 0,
        }
    }
}

/// Waiting requests for each one at work: a request then waits for about four others before it starts.
const QUEUE_PER_WORKER: usize = 4;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The least important line that is still written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Failures of the service.
    Error,
    /// And what deserves attention.
    Warn,
    /// And one line a request.
    #[default]
    Info,
    /// And the steps of a request.
    Debug,
    /// Everything.
    Trace,
}

/// Logging.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// `TENTER_LOG_FORMAT`. Default text.
    pub format: LogFormat,
    /// `TENTER_LOG_LEVEL`. Default info.
    pub level: LogLevel,
    /// `TENTER_TRACES_URL` — an OTLP collector that takes protobuf over HTTP, such as `http://127.0.0.1:4318/v1/traces`.
    /// Default none: no traces.
    pub traces_url: Option<String>,
}

/// What a design may cost before anything is fetched.
#[derive(Clone, Debug)]
pub struct DesignLimits {
    /// `TENTER_MAX_JSON_DEPTH` — nesting of arrays and objects. Default 100. 8 to 120.
    pub json_depth: usize,
    /// `TENTER_MAX_ELEMENTS` — elements and table cells of the whole design. Default 20 000.
    pub elements: usize,
    /// `TENTER_MAX_PAGES` — pages. Default 1000.
    pub pages: usize,
    /// `TENTER_MAX_TEXT_CHARS` — characters of one text. Default 100 000.
    pub text_chars: usize,
    /// `TENTER_MAX_VARIABLE_BYTES` — what the values of `variables` may add. Default 16 MiB.
    pub variable_bytes: usize,
}

impl Default for DesignLimits {
    fn default() -> Self {
        Self { json_depth: 100, elements: 20_000, pages: 1000, text_chars: 100_000, variable_bytes: 16 << 20 }
    }
}

/// What fetching and decoding one asset may cost, what is kept of it, and which addresses may be reached.
#[derive(Clone, Debug)]
pub struct AssetLimits {
    /// `TENTER_ASSET_MAX_BYTES` — of one asset, as transferred. Default 50 MiB.
    pub bytes: u64,
    /// `TENTER_ASSET_MAX_MEGAPIXELS` — of one source picture. Default 100.
    pub megapixels: f64,
    /// `TENTER_ASSET_TIMEOUT` — for one try, in seconds; `assetLoadTimeout` bounds all tries. Default 20 s.
    pub timeout: Duration,
    /// `TENTER_ASSET_TRIES` — for network errors and 5xx. Default 3. 1 to 10.
    pub tries: u32,
    /// `TENTER_ASSET_REDIRECTS` — followed before giving up. Default 5. 0 to 20.
    pub redirects: u32,
    /// `TENTER_ASSET_PARALLEL` — fetches at once for one request. Default 8.
    pub parallel: usize,
    /// `TENTER_ALLOW_ADDRESSES` — networks (CIDR) that may be reached although they are private. Default none.
    pub allow_addresses: Vec<String>,
    /// `TENTER_ASSET_CACHE_BYTES` — decoded assets kept between requests. Default 256 MiB.
    pub cache_bytes: usize,
    /// `TENTER_PIN_BYTES` — decoded assets that one batch holds on to. Default 128 MiB.
    pub pin_bytes: usize,
    /// `TENTER_DRAWING_CACHE_BYTES` — SVG documents made into shapes, kept between requests. Default 32 MiB; 0 keeps none.
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

/// Where fonts come from besides the design, and what of them is kept.
#[derive(Clone, Debug)]
pub struct FontSettings {
    /// `TENTER_FONT_DIR` — the operator's folder, read at start. Default none.
    pub directory: Option<PathBuf>,
    /// `TENTER_GOOGLE_FONTS_URL` — a Google-Fonts-compatible CSS endpoint (`…/css2`). Default none: off.
    pub google_fonts_url: Option<String>,
    /// Where fonts from that endpoint are kept: `fonts` in `TENTER_DATA_DIR`.
    pub cache_directory: Option<PathBuf>,
    /// `TENTER_TEXT_CACHE_BYTES` — fonts of designs opened, and texts shaped, kept for the next request. Default 32 MiB;
    /// 0 keeps none.
    pub text_cache_bytes: usize,
}

impl Default for FontSettings {
    fn default() -> Self {
        Self { directory: None, google_fonts_url: None, cache_directory: None, text_cache_bytes: 32 << 20 }
    }
}

/// Where colour profiles of presses come from; none is ours to ship.
#[derive(Clone, Debug)]
pub struct IccSettings {
    /// `TENTER_ICC_DIR` — the operator's folder, read when a profile is first asked for. Default none: no CMYK.
    pub directory: Option<PathBuf>,
    /// `TENTER_ICC_FOGRA39` — files there for `FOGRA39`; the first that exists counts.
    pub fogra39: FileNames,
    /// `TENTER_ICC_SWOP` — files there for `USWebCoatedSWOP`; the first that exists counts.
    pub swop: FileNames,
}

impl Default for IccSettings {
    /// The names under which ECI, Adobe and Linux distributions hand them out.
    fn default() -> Self {
        let names = |names: &[&str]| FileNames(names.iter().map(|it| (*it).to_owned()).collect());
        Self {
            directory: None,
            fogra39: names(&["ISOcoated_v2_eci.icc", "CoatedFOGRA39.icc", "FOGRA39L_coated.icc"]),
            swop: names(&["USWebCoatedSWOP.icc", "SWOP2006_Coated3v2.icc"]),
        }
    }
}

/// Names of files in a folder, none of which leads out of it; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNames(Vec<String>);

impl FileNames {
    /// In the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What one painted page may cost, and what is kept for the next.
#[derive(Clone, Debug)]
pub struct PaintSettings {
    /// `TENTER_MAX_MEGAPIXELS` — of one output page, in millions of device px. Default 100.
    pub megapixels: f64,
    /// `TENTER_PICTURE_CACHE_BYTES` — pictures scaled to the size they were last shown at. Default 64 MiB; 0 keeps none.
    pub picture_cache_bytes: usize,
}

impl Default for PaintSettings {
    fn default() -> Self {
        Self { megapixels: 100.0, picture_cache_bytes: 64 << 20 }
    }
}

/// Which graphics processors paint, and how carefully.
#[derive(Clone, Debug)]
pub struct GpuSettings {
    /// `TENTER_GPU_ADAPTERS` — by index, part of the name, or PCI bus id. Default: every hardware adapter.
    pub adapters: AdapterChoice,
    /// `TENTER_GPU_ALLOW_SOFTWARE` — adapters that compute on the CPU after all may be used, with `TENTER_RASTERIZER = gpu`.
    /// Default no: they are some hundred times slower than the CPU painter.
    pub allow_software: bool,
    /// `TENTER_GPU_IN_FLIGHT` — pages that one GPU works on before the first is read back. Default 3.
    pub in_flight: usize,
    /// `TENTER_GPU_TIMEOUT` — after which a submission counts as hung. Default 20 s.
    pub timeout: Duration,
    /// `TENTER_GPU_CHECK` — one in this many pages is painted on the CPU as well and compared. Default 0: none.
    pub check: u64,
    /// Where compiled pipelines are kept: `gpu` in `TENTER_DATA_DIR`. None: they are compiled at each start.
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

/// Names of adapters, each as an index, a part of the name, or a PCI bus id. Empty: every hardware adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterChoice(Vec<String>);

impl AdapterChoice {
    /// In the order given; the first is `gpu0`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True when no adapter is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<String>> for AdapterChoice {
    fn from(words: Vec<String>) -> Self {
        Self(words)
    }
}
