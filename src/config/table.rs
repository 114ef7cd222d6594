//! The table: one row a setting. Reading, printing, flags and `docs/settings.md` all walk it.

use std::time::Duration;

use super::value::{Accepts, Field};
use super::{EditorVersion, LogFormat, LogLevel, MetricsAccess, RasterizerChoice, Settings, Switch};

/// Groups of settings, in the order of the docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// HTTP.
    Server,
    /// Results behind links.
    Results,
    /// Renders that outlive their request.
    Jobs,
    /// Many rows of one design.
    Batches,
    /// Jobs on several machines.
    Cluster,
    /// Calls that tell what became of jobs.
    Webhooks,
    /// Admission, threads, deadlines.
    Rendering,
    /// Graphics processors.
    Gpu,
    /// What one design may cost.
    Design,
    /// What a design points to.
    Assets,
    /// Fonts.
    Fonts,
    /// Inks.
    Color,
    /// Logging.
    Log,
}

impl Section {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Results => "Results behind links",
            Self::Jobs => "Jobs",
            Self::Batches => "Batches",
            Self::Cluster => "Jobs on several machines",
            Self::Webhooks => "Webhooks",
            Self::Rendering => "Rendering",
            Self::Gpu => "Graphics processors",
            Self::Design => "Limits of a design",
            Self::Assets => "Pictures and fonts a design points to",
            Self::Fonts => "Fonts",
            Self::Color => "Colour profiles of presses",
            Self::Log => "Log",
        }
    }
}

/// One setting: how it is called, what it accepts, and which field it fills.
pub struct Setting {
    /// In the environment, `TENTER_…`.
    pub name: &'static str,
    /// Which group it is printed in.
    pub section: Section,
    /// One or two sentences for an operator.
    pub about: &'static str,
    /// Replaces the printed default where it depends on the machine.
    default_words: Option<&'static str>,
    /// Values are masked wherever they are printed.
    pub secret: bool,
    accepts: Accepts,
    field: fn(&mut Settings) -> &mut dyn Field,
}

impl Setting {
    /// In the file: `TENTER_MAX_PAGES` is `max_pages`.
    pub fn key(&self) -> String {
        self.name.trim_start_matches("TENTER_").to_ascii_lowercase()
    }

    /// On the command line, without the dashes: `TENTER_MAX_PAGES` is `max-pages`.
    pub fn flag(&self) -> String {
        self.key().replace('_', "-")
    }

    /// What is accepted, with unit and bounds: `a size, 1 KiB to 1 GiB`.
    pub fn accepts(&self) -> String {
        self.accepts.to_string()
    }

    /// As the docs print it; `none` for an absent one.
    pub fn default_text(&self) -> String {
        let shown = || or_none((self.field)(&mut Settings::default()).show(self.accepts));
        self.default_words.map_or_else(shown, str::to_owned)
    }

    /// The value in `settings`; secrets masked, `none` for an absent one.
    pub fn value_text(&self, settings: &Settings) -> String {
        let mut settings = settings.clone(); // rows hold one accessor, the mutable one
        let field = (self.field)(&mut settings);
        or_none(if self.secret { field.masked() } else { field.show(self.accepts) })
    }

    /// Puts `text` into its field; false when it is not accepted.
    pub(super) fn read(&self, settings: &mut Settings, text: &str) -> bool {
        (self.field)(settings).read(text.trim(), self.accepts).is_some()
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "none".into() } else { text }
}

const fn row(
    section: Section,
    name: &'static str,
    accepts: Accepts,
    about: &'static str,
    field: fn(&mut Settings) -> &mut dyn Field,
) -> Setting {
    Setting { name, section, about, default_words: None, secret: false, accepts, field }
}

const fn row_with_default(default: &'static str, row: Setting) -> Setting {
    Setting { default_words: Some(default), ..row }
}

const fn secret(row: Setting) -> Setting {
    Setting { secret: true, ..row }
}

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

const fn seconds(least: u64, most: u64) -> Accepts {
    Accepts::Time(Duration::from_secs(least), Duration::from_secs(most))
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

const URL: Accepts = Accepts::Words("an http or https address without query, or nothing");

const FILE_NAMES: Accepts = Accepts::Words("names of files without folders, separated by commas");

/// Every setting there is.
pub static SETTINGS: &[Setting] = {
    use Section::{
        Assets, Batches, Cluster, Color, Design, Fonts, Gpu, Jobs, Log, Rendering, Results, Server, Webhooks,
    };
    &[
        row(
            Server,
            "TENTER_LISTEN",
            Accepts::Words("address:port, such as 127.0.0.1:8080 or [::]:8080"),
            "Where the service listens. Anything but loopback needs TENTER_KEYS.",
            |s| &mut s.server.listen,
        ),
        secret(row(
            Server,
            "TENTER_KEYS",
            Accepts::Words("name=key or bare keys of printable ASCII, separated by commas; no name twice"),
            "Who may call. The name appears in the log, the key never does. None: calls need no key.",
            |s| &mut s.server.keys,
        )),
        row_with_default(
            "from the request's Host header",
            row(
                Server,
                "TENTER_PUBLIC_URL",
                URL,
                "What links to results start with. Set it when a proxy stands in front.",
                |s| &mut s.server.public_url,
            ),
        ),
        row(
            Server,
            "TENTER_REQUEST_MAX_BYTES",
            Accepts::Bytes(KIB, GIB),
            "Largest request body. More is answered with 413.",
            |s| &mut s.server.request_bytes,
        ),
        row(
            Server,
            "TENTER_INLINE_MAX_BYTES",
            Accepts::Bytes(KIB, GIB),
            "Largest answer body for `dataURL` and `file`. More is answered with 413, which names `url` as the way out.",
            |s| &mut s.server.inline_bytes,
        ),
        row(
            Server,
            "TENTER_HEADER_TIMEOUT",
            seconds(1, 300),
            "How long a connection may be idle, and how long the head of a request may take. Keep it above the idle time of a \
             load balancer in front.",
            |s| &mut s.server.header_timeout,
        ),
        row(
            Server,
            "TENTER_BODY_TIMEOUT",
            seconds(1, HOUR),
            "How long a client may take to send the body of a request. More is answered with 408.",
            |s| &mut s.server.body_timeout,
        ),
        row(
            Server,
            "TENTER_CONNECTIONS",
            Accepts::Whole(1, 1_000_000),
            "Open connections. Further ones wait in the system's backlog.",
            |s| &mut s.server.connections,
        ),
        row(
            Server,
            "TENTER_STOP_DELAY",
            seconds(0, HOUR),
            "After SIGTERM or SIGINT: how long new connections are still taken, while `/readyz` already says 503, so that \
             balancers look elsewhere. TENTER_STOP_GRACE follows.",
            |s| &mut s.server.stop_delay,
        ),
        row(
            Server,
            "TENTER_STOP_GRACE",
            seconds(0, HOUR),
            "After SIGTERM or SIGINT: how long admitted requests and begun jobs may take to finish. Let the orchestrator \
             wait longer.",
            |s| &mut s.server.stop_grace,
        ),
        row(
            Server,
            "TENTER_METRICS",
            Accepts::OneOf(MetricsAccess::WORDS),
            "Who may read `/metrics`: those with one of TENTER_KEYS (anyone when there are none), anyone, or nobody.",
            |s| &mut s.server.metrics,
        ),
        row(
            Server,
            "TENTER_WEB_PAGES",
            Accepts::OneOf(Switch::WORDS),
            "The pages for people: `/` to try a design, `/api` to read about the calls. They bring no way in that the calls \
             do not have.",
            |s| &mut s.server.pages,
        ),
        row(
            Server,
            "TENTER_WRITE_TIMEOUT",
            seconds(1, HOUR),
            "How long a client may take none of an answer that is being sent. Then the connection is closed.",
            |s| &mut s.server.write_timeout,
        ),
        row(
            Server,
            "TENTER_KEY_RATE",
            Accepts::Whole(0, 1_000_000),
            "Renders and jobs that one key may ask for in a minute (all callers together, without keys). More is answered \
             with 429; RateLimit-* headers tell what is left. 0: no limit.",
            |s| &mut s.server.key_limits.rate,
        ),
        row(
            Server,
            "TENTER_KEY_CONCURRENCY",
            Accepts::Whole(0, 1_000_000),
            "Render calls of one key at once. More is answered with 429. 0: no limit.",
            |s| &mut s.server.key_limits.concurrency,
        ),
        row(
            Server,
            "TENTER_KEY_JOBS",
            Accepts::Whole(0, 1_000_000_000),
            "Unfinished jobs of one key; a batch counts as one. More is answered with 429. 0: no limit.",
            |s| &mut s.server.key_limits.jobs,
        ),
        row(
            Server,
            "TENTER_KEY_ROWS",
            Accepts::Whole(0, 1_000_000_000),
            "Unfinished rows of one key's batches. A batch that would bring more is answered with 429. 0: no limit.",
            |s| &mut s.server.key_limits.rows,
        ),
        row(
            Results,
            "TENTER_DATA_DIR",
            Accepts::Words("a folder"),
            "Jobs (`jobs.db`), results behind links (`files`, `jobs`), what batches are made of (`pins`) and downloaded fonts \
             (`fonts`). Made when missing; must be writable, and belongs to one process at a time.",
            |s| &mut s.files.data_dir,
        ),
        row(Results, "TENTER_LINK_LIFETIME", seconds(1, 365 * DAY), "How long a link to a result works.", |s| {
            &mut s.files.link_lifetime
        }),
        row(
            Results,
            "TENTER_SWEEP_INTERVAL",
            seconds(1, DAY),
            "How often expired results and jobs are removed. They are refused from their expiry on, swept or not.",
            |s| &mut s.files.sweep_interval,
        ),
        row(
            Results,
            "TENTER_RESULTS",
            Accepts::Words("s3://bucket or s3://bucket/prefix, or nothing"),
            "A bucket that keeps results; links are then presigned ones. None: folders in TENTER_DATA_DIR.",
            |s| &mut s.files.bucket,
        ),
        row(
            Results,
            "TENTER_S3_ENDPOINT",
            URL,
            "Of an S3-compatible service, as clients of the links reach it too. None: AWS in TENTER_S3_REGION.",
            |s| &mut s.files.s3_endpoint,
        ),
        row(Results, "TENTER_S3_REGION", Accepts::Words("a region's name"), "Region of the bucket.", |s| {
            &mut s.files.s3_region
        }),
        secret(row(
            Results,
            "TENTER_S3_ACCESS_KEY_ID",
            Accepts::Words("printable ASCII, or nothing"),
            "Key to the bucket. None: the role of the machine, as AWS gives it.",
            |s| &mut s.files.s3_access_key_id,
        )),
        secret(row(
            Results,
            "TENTER_S3_SECRET_ACCESS_KEY",
            Accepts::Words("printable ASCII, or nothing"),
            "Belongs to TENTER_S3_ACCESS_KEY_ID.",
            |s| &mut s.files.s3_secret_access_key,
        )),
        row_with_default(
            "as TENTER_WORKERS",
            row(
                Jobs,
                "TENTER_JOB_WORKERS",
                Accepts::Whole(0, 4096),
                "Jobs rendered at once; each also takes one of TENTER_WORKERS while it is rendered. 0: jobs are accepted \
                 and wait; so is the default of `tenter serve` with NATS, where workers render.",
                |s| &mut s.jobs.workers,
            ),
        ),
        row(
            Jobs,
            "TENTER_JOB_QUEUE",
            Accepts::Whole(1, 100_000_000),
            "Unfinished jobs. The next one is answered with 429 and Retry-After.",
            |s| &mut s.jobs.queue,
        ),
        row(
            Jobs,
            "TENTER_JOB_DEADLINE",
            seconds(1, DAY),
            "For one job, or one row of a merged batch, from the moment it has a worker. Then it ends in `error`.",
            |s| &mut s.jobs.deadline,
        ),
        row(
            Jobs,
            "TENTER_JOB_ATTEMPTS",
            Accepts::Whole(1, 100),
            "How often a job is begun when the process dies under it. Then it ends in `error`.",
            |s| &mut s.jobs.attempts,
        ),
        row(
            Jobs,
            "TENTER_JOB_LIFETIME",
            // 7 days: the longest that a presigned link can live.
            seconds(1, 7 * DAY),
            "How long a finished job and its file are kept.",
            |s| &mut s.jobs.lifetime,
        ),
        row(
            Jobs,
            "TENTER_RESULT_PATIENCE",
            seconds(0, 30 * DAY),
            "How long a job whose result cannot be stored (bucket down, disk full) is tried again. Then it ends in `error`.",
            |s| &mut s.jobs.result_patience,
        ),
        row(Jobs, "TENTER_PREFER_WAIT", seconds(0, HOUR), "Longest time an answer to `Prefer: wait` is held.", |s| {
            &mut s.jobs.prefer_wait
        }),
        row(Batches, "TENTER_BATCH_MAX_ROWS", Accepts::Whole(1, 10_000_000), "Rows of one batch.", |s| {
            &mut s.batches.rows
        }),
        row(
            Batches,
            "TENTER_BATCH_MAX_ROW_BYTES",
            Accepts::Bytes(KIB, GIB),
            "Bytes of one row as written, or as the shortest JSON where the rows stand in a call as an array. A longer one is an \
             item with an error.",
            |s| &mut s.batches.row_bytes,
        ),
        row(
            Batches,
            "TENTER_BATCH_QUEUE",
            Accepts::Whole(1, 100_000_000),
            "Unfinished rows of all batches in the service. A batch that would bring more is answered with 429 and \
             Retry-After. Rows do not count as jobs (TENTER_JOB_QUEUE).",
            |s| &mut s.batches.queue,
        ),
        row(
            Cluster,
            "TENTER_NATS_URL",
            Accepts::Words("nats://host:port or tls://host:port, several separated by commas, or nothing"),
            "NATS servers (2.9 or later, with JetStream) that keep jobs for front ends and workers. `--queue nats://…` and \
             TENTER_QUEUE=nats://… say the same. Needs a bucket (TENTER_RESULTS). None: jobs are kept in TENTER_DATA_DIR.",
            |s| &mut s.nats.servers,
        ),
        secret(row(
            Cluster,
            "TENTER_NATS_USER",
            Accepts::Words("printable ASCII, or nothing"),
            "User for the NATS servers.",
            |s| &mut s.nats.user,
        )),
        secret(row(
            Cluster,
            "TENTER_NATS_PASSWORD",
            Accepts::Words("printable ASCII, or nothing"),
            "Belongs to TENTER_NATS_USER.",
            |s| &mut s.nats.password,
        )),
        secret(row(
            Cluster,
            "TENTER_NATS_TOKEN",
            Accepts::Words("printable ASCII, or nothing"),
            "Token for the NATS servers.",
            |s| &mut s.nats.token,
        )),
        row(
            Cluster,
            "TENTER_NATS_CREDS",
            Accepts::Words("a file, or nothing"),
            "Credentials for the NATS servers: a JWT and its seed, as `nsc` writes them.",
            |s| &mut s.nats.credentials,
        ),
        row(
            Cluster,
            "TENTER_NATS_TLS_CA",
            Accepts::Words("a file, or nothing"),
            "PEM certificates that sign the NATS servers'. None: those of the system.",
            |s| &mut s.nats.tls_ca,
        ),
        row(
            Cluster,
            "TENTER_NATS_TLS_CERT",
            Accepts::Words("a file, or nothing"),
            "PEM certificate of this process, for NATS servers that ask for one.",
            |s| &mut s.nats.tls_certificate,
        ),
        row(
            Cluster,
            "TENTER_NATS_TLS_KEY",
            Accepts::Words("a file, or nothing"),
            "PEM key of TENTER_NATS_TLS_CERT.",
            |s| &mut s.nats.tls_key,
        ),
        row(
            Cluster,
            "TENTER_NATS_PREFIX",
            Accepts::Words("up to 32 letters, digits and `-`"),
            "What names of streams and buckets start with; clusters that share servers need different ones.",
            |s| &mut s.nats.prefix,
        ),
        row(
            Cluster,
            "TENTER_NATS_REPLICAS",
            Accepts::Whole(1, 5),
            "NATS servers that keep each message and record. 3 survives the loss of one.",
            |s| &mut s.nats.replicas,
        ),
        row(
            Cluster,
            "TENTER_NATS_ACK_WAIT",
            seconds(1, 600),
            "A worker that is silent for so long is taken for dead, and its jobs go to others. Workers that live speak three \
             times as often.",
            |s| &mut s.nats.ack_wait,
        ),
        secret(row(
            Webhooks,
            "TENTER_WEBHOOK_SECRET",
            Accepts::Words("printable ASCII, or nothing"),
            "Signs webhooks with HMAC-SHA256 (`x-tenter-signature`). None: they are not signed.",
            |s| &mut s.webhooks.secret,
        )),
        row(
            Webhooks,
            "TENTER_WEBHOOK_RETRIES",
            Accepts::Words("times from 10 ms to 24 h, separated by commas; at most 20"),
            "Waits before the second, third, … try of a webhook, after network errors, 429 and 5xx.",
            |s| &mut s.webhooks.retries,
        ),
        row(Webhooks, "TENTER_WEBHOOK_TIMEOUT", seconds(1, 300), "For one try to deliver.", |s| {
            &mut s.webhooks.timeout
        }),
        row(
            Webhooks,
            "TENTER_WEBHOOK_PARALLEL",
            Accepts::Whole(1, 4096),
            "Webhooks under way at once; one receiver (host and port) has at most a quarter of them.",
            |s| &mut s.webhooks.parallel,
        ),
        row(
            Rendering,
            "TENTER_RASTERIZER",
            Accepts::OneOf(RasterizerChoice::WORDS),
            "What paints. `auto`: hardware GPUs where there are any, else the CPU. `gpu`: no start without one. Pages that a \
             GPU cannot paint right are painted on the CPU in any case.",
            |s| &mut s.render.rasterizer,
        ),
        row_with_default(
            "CPU cores",
            row(
                Rendering,
                "TENTER_THREADS",
                Accepts::Whole(1, 1024),
                "Threads that parse, decode, paint and encode.",
                |s| &mut s.render.threads,
            ),
        ),
        row_with_default(
            "CPU cores, at least 2",
            row(
                Rendering,
                "TENTER_WORKERS",
                Accepts::Whole(1, 4096),
                "Requests at work at once. Each may hold several times its output's pixels in memory. One that waits for \
                 its pictures leaves its worker to others, and so does one of many pages after each of them.",
                |s| &mut s.render.workers,
            ),
        ),
        row_with_default(
            "4 × TENTER_WORKERS",
            row(
                Rendering,
                "TENTER_QUEUE",
                Accepts::Whole(0, 1_000_000),
                "Requests that may wait: for a worker, or for their pictures. The next one is answered with 429 and \
                 Retry-After. An address (nats://…) is taken for TENTER_NATS_URL.",
                |s| &mut s.render.queue,
            ),
        ),
        row(
            Rendering,
            "TENTER_DEADLINE",
            seconds(1, HOUR),
            "For one request from its admission to its answer, waiting included. More is answered with 504.",
            |s| &mut s.render.deadline,
        ),
        row(
            Rendering,
            "TENTER_SDK",
            Accepts::OneOf(EditorVersion::WORDS),
            "The version of the editor's SDK that designs are drawn as, for requests without the option `sdk`.",
            |s| &mut s.render.sdk,
        ),
        row(
            Rendering,
            "TENTER_MIN_IMAGE_DPI",
            Accepts::Number(0.0, 10_000.0),
            "A picture that is drawn with fewer of its pixels per inch (`dpi` of the design or the request) is a warning \
             `image_enlarged`. A request's `minImageDpi` beats it; 0 turns it off.",
            |s| &mut s.render.min_image_dpi,
        ),
        row(
            Rendering,
            "TENTER_RESULT_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Finished files kept in memory, to answer the same request again without painting; pictures and fonts are \
             looked at each time. 0 keeps none.",
            |s| &mut s.render.result_cache_bytes,
        ),
        row_with_default(
            "every hardware adapter",
            row(
                Gpu,
                "TENTER_GPU_ADAPTERS",
                Accepts::Words("adapters by index, part of the name or PCI bus id, separated by commas, or nothing"),
                "Which adapters paint, one thread each; `tenter doctor` lists them. A name that fits several stands for all of \
                 them.",
                |s| &mut s.gpu.adapters,
            ),
        ),
        row(
            Gpu,
            "TENTER_GPU_ALLOW_SOFTWARE",
            Accepts::Words("1 or 0"),
            "Also take adapters that compute on the CPU (llvmpipe), with `TENTER_RASTERIZER` = gpu. For tests only: some hundred \
             times slower than the CPU painter.",
            |s| &mut s.gpu.allow_software,
        ),
        row(
            Gpu,
            "TENTER_GPU_IN_FLIGHT",
            Accepts::Whole(1, 16),
            "Pages that one GPU works on at once. Each takes GPU memory for its pixels.",
            |s| &mut s.gpu.in_flight,
        ),
        row(
            Gpu,
            "TENTER_GPU_TIMEOUT",
            seconds(1, HOUR),
            "After which a page on a GPU counts as hung: it is painted on the CPU and the GPU is set up anew.",
            |s| &mut s.gpu.timeout,
        ),
        row(
            Gpu,
            "TENTER_GPU_CHECK",
            Accepts::Whole(0, 1_000_000),
            "One in this many pages of the GPUs is painted on the CPU as well and compared; where they differ, the CPU's is \
             the answer, and the page is described in the log. 0: none.",
            |s| &mut s.gpu.check,
        ),
        row(Design, "TENTER_MAX_PAGES", Accepts::Whole(1, 1_000_000), "Pages of a design.", |s| &mut s.design.pages),
        row(
            Design,
            "TENTER_MAX_ELEMENTS",
            Accepts::Whole(1, 10_000_000),
            "Elements and table cells of a whole design.",
            |s| &mut s.design.elements,
        ),
        row(Design, "TENTER_MAX_TEXT_CHARS", Accepts::Whole(1, 100_000_000), "Characters of one text element.", |s| {
            &mut s.design.text_chars
        }),
        row(
            Design,
            "TENTER_MAX_VARIABLE_BYTES",
            Accepts::Bytes(KIB, GIB),
            "What the values of `variables` may add to a design, everywhere they are filled in together.",
            |s| &mut s.design.variable_bytes,
        ),
        row(
            Design,
            "TENTER_MAX_JSON_DEPTH",
            // 120: serde_json itself stops at 128, and its message names no setting.
            Accepts::Whole(8, 120),
            "Nesting of arrays and objects in a request.",
            |s| &mut s.design.json_depth,
        ),
        row(
            Design,
            "TENTER_MAX_MEGAPIXELS",
            Accepts::Number(0.01, 10_000.0),
            "Of one output page, in millions of pixels: width × height × pixelRatio².",
            |s| &mut s.paint.megapixels,
        ),
        row(
            Assets,
            "TENTER_ASSET_MAX_BYTES",
            Accepts::Bytes(KIB, 4 * GIB),
            "Of one picture or font, as transferred.",
            |s| &mut s.assets.bytes,
        ),
        row(
            Assets,
            "TENTER_ASSET_MAX_MEGAPIXELS",
            Accepts::Number(0.01, 10_000.0),
            "Of one source picture, in millions of pixels.",
            |s| &mut s.assets.megapixels,
        ),
        row(
            Assets,
            "TENTER_ASSET_TIMEOUT",
            seconds(1, HOUR),
            "For one try to fetch. `assetLoadTimeout` of the request bounds all tries.",
            |s| &mut s.assets.timeout,
        ),
        row(
            Assets,
            "TENTER_ASSET_TRIES",
            Accepts::Whole(1, 10),
            "Tries to fetch, for network errors and answers of 500 and above.",
            |s| &mut s.assets.tries,
        ),
        row(
            Assets,
            "TENTER_ASSET_REDIRECTS",
            Accepts::Whole(0, 20),
            "Redirects followed for one asset; each target is checked like the first.",
            |s| &mut s.assets.redirects,
        ),
        row(Assets, "TENTER_ASSET_PARALLEL", Accepts::Whole(1, 256), "Fetches at once for one request.", |s| {
            &mut s.assets.parallel
        }),
        row(
            Assets,
            "TENTER_ASSET_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Decoded assets kept in memory between requests.",
            |s| &mut s.assets.cache_bytes,
        ),
        row(
            Assets,
            "TENTER_PICTURE_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Pictures scaled to the size they were last shown at, kept in memory. 0 keeps none.",
            |s| &mut s.paint.picture_cache_bytes,
        ),
        row(
            Assets,
            "TENTER_PIN_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Decoded assets that one batch holds on to, so that all its rows are made of the same. Over HTTP \
             others are read again from what is kept; `tenter batch` fetches them again, and a row for which one has changed fails.",
            |s| &mut s.assets.pin_bytes,
        ),
        row(
            Assets,
            "TENTER_DRAWING_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "SVG documents made into shapes, kept in memory between requests. 0 keeps none.",
            |s| &mut s.assets.drawing_cache_bytes,
        ),
        row(
            Assets,
            "TENTER_ALLOW_ADDRESSES",
            Accepts::Words("networks in CIDR form or single addresses, separated by commas, or nothing"),
            "Private networks that designs may fetch from, and webhooks go to, all the same; such as 10.1.2.0/24.",
            |s| &mut s.assets.allow_addresses,
        ),
        row(
            Fonts,
            "TENTER_TEXT_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Fonts of designs opened, and texts shaped, kept in memory between requests. 0 keeps none.",
            |s| &mut s.fonts.text_cache_bytes,
        ),
        row(
            Fonts,
            "TENTER_FONT_DIR",
            Accepts::Words("a folder, or nothing"),
            "Fonts of your own, read once at the start.",
            |s| &mut s.fonts.directory,
        ),
        row(
            Fonts,
            "TENTER_GOOGLE_FONTS_URL",
            URL,
            "A CSS endpoint that speaks like https://fonts.googleapis.com/css2, asked for families that neither the \
             design nor TENTER_FONT_DIR brings. None: such a family is an error, or replaced with `skipFontError`.",
            |s| &mut s.fonts.google_fonts_url,
        ),
        row(
            Color,
            "TENTER_ICC_DIR",
            Accepts::Words("a folder, or nothing"),
            "ICC profiles for `color.space: \"CMYK\"` and PDF/X. None: asking for inks is an error.",
            |s| &mut s.icc.directory,
        ),
        row(
            Color,
            "TENTER_ICC_FOGRA39",
            FILE_NAMES,
            "Files in TENTER_ICC_DIR that are the profile `FOGRA39`; the first that exists counts.",
            |s| &mut s.icc.fogra39,
        ),
        row(
            Color,
            "TENTER_ICC_SWOP",
            FILE_NAMES,
            "Files in TENTER_ICC_DIR that are the profile `USWebCoatedSWOP`; the first that exists counts.",
            |s| &mut s.icc.swop,
        ),
        row(Log, "TENTER_LOG_FORMAT", Accepts::OneOf(LogFormat::WORDS), "One JSON object a line, or text.", |s| {
            &mut s.log.format
        }),
        row(
            Log,
            "TENTER_LOG_LEVEL",
            Accepts::OneOf(LogLevel::WORDS),
            "The least important line that is still written. `info` has one line a request.",
            |s| &mut s.log.level,
        ),
        row(
            Log,
            "TENTER_TRACES_URL",
            URL,
            "Where OpenTelemetry traces go: a collector's OTLP address for protobuf over HTTP, such as \
             http://127.0.0.1:4318/v1/traces. A caller's `traceparent` is continued. None: no traces. The SDK's own OTEL_… \
             variables (sampling, queue, attributes) count too.",
            |s| &mut s.log.traces_url,
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_accepted_by_its_own_row() {
        let defaults = Settings::default();
        for setting in SETTINGS.iter().filter(|it| !it.secret) {
            let text = (setting.field)(&mut defaults.clone()).show(setting.accepts);
            assert!(setting.read(&mut Settings::default(), &text), "{}: {text:?}", setting.name);
        }
    }

    #[test]
    fn names_are_unique_and_of_one_form() {
        let mut names: Vec<_> = SETTINGS.iter().map(|it| it.name).collect();
        assert!(names.iter().all(|it| it.starts_with("TENTER_")));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
    }
}
