//! The table of settings: one row per setting. Reading, printing, flags and `docs/settings.md` all iterate over it.

use std::time::Duration;

use super::value::{Accepts, Field};
use super::{EditorVersion, LogFormat, LogLevel, MetricsAccess, RasterizerChoice, Settings, Switch};

/// Groups of settings, in the order of the docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// The HTTP server.
    Server,
    /// Storage of results behind links.
    Results,
    /// Jobs: renders that outlive their request.
    Jobs,
    /// Batches: many rows of one design.
    Batches,
    /// Jobs shared by several machines.
    Cluster,
    /// Webhooks, which report the end of jobs.
    Webhooks,
    /// Admission, threads and deadlines.
    Rendering,
    /// GPUs for painting.
    Gpu,
    /// Limits of one design.
    Design,
    /// Assets that a design refers to.
    Assets,
    /// Sources of fonts.
    Fonts,
    /// ICC profiles for CMYK output.
    Color,
    /// Log lines and traces.
    Log,
}

impl Section {
    /// Heading of the section in the docs.
    pub fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Results => "Results behind links",
            Self::Jobs => "Jobs",
            Self::Batches => "Batches",
            Self::Cluster => "Cluster",
            Self::Webhooks => "Webhooks",
            Self::Rendering => "Rendering",
            Self::Gpu => "GPUs",
            Self::Design => "Limits of a design",
            Self::Assets => "Pictures and fonts of designs",
            Self::Fonts => "Fonts",
            Self::Color => "Colour profiles for print",
            Self::Log => "Log",
        }
    }
}

/// One setting: its name, the accepted values and the field it sets.
pub struct Setting {
    /// Name of the environment variable, `TENTER_…`.
    pub name: &'static str,
    /// Group in which it is printed.
    pub section: Section,
    /// Description for operators.
    pub about: &'static str,
    /// Description of the default where it depends on the machine.
    default_description: Option<&'static str>,
    /// Whether values are masked wherever they are printed.
    pub secret: bool,
    accepts: Accepts,
    field: fn(&mut Settings) -> &mut dyn Field,
}

impl Setting {
    /// Key in the file: `TENTER_MAX_PAGES` is `max_pages`.
    pub fn key(&self) -> String {
        self.name.trim_start_matches("TENTER_").to_ascii_lowercase()
    }

    /// Name of the flag, without the dashes: `TENTER_MAX_PAGES` is `max-pages`.
    pub fn flag(&self) -> String {
        self.key().replace('_', "-")
    }

    /// Accepted values with unit and bounds: `a size, 1 KiB to 1 GiB`.
    pub fn accepts(&self) -> String {
        self.accepts.to_string()
    }

    /// The default as the docs print it; `none` if there is none.
    pub fn default_text(&self) -> String {
        let shown = || or_none((self.field)(&mut Settings::default()).show(self.accepts));
        self.default_description.map_or_else(shown, str::to_owned)
    }

    /// The value in `settings` as text; secrets are masked, and `none` stands for an absent value.
    pub fn value_text(&self, settings: &Settings) -> String {
        let mut settings = settings.clone(); // rows hold one accessor, the mutable one
        let field = (self.field)(&mut settings);
        or_none(if self.secret { field.masked() } else { field.show(self.accepts) })
    }

    /// Parses `text` into the field; false when it is not accepted.
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
    Setting { name, section, about, default_description: None, secret: false, accepts, field }
}

const fn row_with_default(default: &'static str, row: Setting) -> Setting {
    Setting { default_description: Some(default), ..row }
}

const fn secret(row: Setting) -> Setting {
    Setting { secret: true, ..row }
}

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

const fn seconds(min: u64, max: u64) -> Accepts {
    Accepts::Time(Duration::from_secs(min), Duration::from_secs(max))
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

const URL: Accepts = Accepts::Words("an http or https address without query, or nothing");

const FILE_NAMES: Accepts = Accepts::Words("file names without folders, separated by commas");

/// All settings, in the order of the docs.
pub static SETTINGS: &[Setting] = {
    use Section::{
        Assets, Batches, Cluster, Color, Design, Fonts, Gpu, Jobs, Log, Rendering, Results, Server, Webhooks,
    };
    &[
        row(
            Server,
            "TENTER_LISTEN",
            Accepts::Words("address:port, such as 127.0.0.1:8080 or [::]:8080"),
            "Address and port to listen on. An address other than loopback requires TENTER_KEYS.",
            |s| &mut s.server.listen,
        ),
        secret(row(
            Server,
            "TENTER_KEYS",
            Accepts::Words("name=key or bare keys of printable ASCII, separated by commas; no name twice"),
            "Keys of the callers. The log shows the name of a key, never the key. None: calls need no key.",
            |s| &mut s.server.keys,
        )),
        row_with_default(
            "from the request's Host header",
            row(
                Server,
                "TENTER_PUBLIC_URL",
                URL,
                "Start of links to results. Set it if the service is behind a proxy.",
                |s| &mut s.server.public_url,
            ),
        ),
        row(
            Server,
            "TENTER_REQUEST_MAX_BYTES",
            Accepts::Bytes(KIB, GIB),
            "Maximum size of a request body. Larger ones are answered with 413.",
            |s| &mut s.server.request_bytes,
        ),
        row(
            Server,
            "TENTER_INLINE_MAX_BYTES",
            Accepts::Bytes(KIB, GIB),
            "Maximum size of an answer body for `dataURL` and `file`. Larger ones are answered with 413, which \
             suggests `url`.",
            |s| &mut s.server.inline_bytes,
        ),
        row(
            Server,
            "TENTER_HEADER_TIMEOUT",
            seconds(1, 300),
            "Maximum idle time of a connection, and maximum time for the head of a request. Keep it above the idle \
             timeout of a load balancer in front.",
            |s| &mut s.server.header_timeout,
        ),
        row(
            Server,
            "TENTER_BODY_TIMEOUT",
            seconds(1, HOUR),
            "Maximum time for a client to send the body of a request. Longer ones are answered with 408.",
            |s| &mut s.server.body_timeout,
        ),
        row(
            Server,
            "TENTER_CONNECTIONS",
            Accepts::Whole(1, 1_000_000),
            "Maximum number of open connections. More wait in the backlog of the operating system.",
            |s| &mut s.server.connections,
        ),
        row(
            Server,
            "TENTER_STOP_DELAY",
            seconds(0, HOUR),
            "After SIGTERM or SIGINT, how long new connections are still accepted while `/readyz` already answers 503, \
             so that load balancers stop using this instance. TENTER_STOP_GRACE follows.",
            |s| &mut s.server.stop_delay,
        ),
        row(
            Server,
            "TENTER_STOP_GRACE",
            seconds(0, HOUR),
            "After SIGTERM or SIGINT, how long admitted requests and started jobs may take to finish. The orchestrator \
             must wait longer.",
            |s| &mut s.server.stop_grace,
        ),
        row(
            Server,
            "TENTER_METRICS",
            Accepts::OneOf(MetricsAccess::WORDS),
            "Access to `/metrics`: callers with one of TENTER_KEYS (anyone if there are none), anyone, or nobody.",
            |s| &mut s.server.metrics,
        ),
        row(
            Server,
            "TENTER_WEB_PAGES",
            Accepts::OneOf(Switch::WORDS),
            "Web pages: `/` to try a design, `/api` for the documentation of the API. They use the same calls and keys \
             as other clients.",
            |s| &mut s.server.pages,
        ),
        row(
            Server,
            "TENTER_WRITE_TIMEOUT",
            seconds(1, HOUR),
            "Maximum time for which a client may accept no data of an answer. Then the connection is closed.",
            |s| &mut s.server.write_timeout,
        ),
        row(
            Server,
            "TENTER_KEY_RATE",
            Accepts::Whole(0, 1_000_000),
            "Maximum renders and jobs per key and minute (without keys, of all callers together). More are answered \
             with 429; RateLimit-* headers report the remaining number. 0: no limit.",
            |s| &mut s.server.key_limits.rate,
        ),
        row(
            Server,
            "TENTER_KEY_CONCURRENCY",
            Accepts::Whole(0, 1_000_000),
            "Maximum concurrent render calls per key. More are answered with 429. 0: no limit.",
            |s| &mut s.server.key_limits.concurrency,
        ),
        row(
            Server,
            "TENTER_KEY_JOBS",
            Accepts::Whole(0, 1_000_000_000),
            "Maximum unfinished jobs per key; a batch counts as one. More are answered with 429. 0: no limit.",
            |s| &mut s.server.key_limits.jobs,
        ),
        row(
            Server,
            "TENTER_KEY_ROWS",
            Accepts::Whole(0, 1_000_000_000),
            "Maximum unfinished rows of batches per key. A batch that would exceed it is answered with 429. 0: no \
             limit.",
            |s| &mut s.server.key_limits.rows,
        ),
        row(
            Results,
            "TENTER_DATA_DIR",
            Accepts::Words("a folder"),
            "Folder for jobs (`jobs.db`), results behind links (`files`, `jobs`), asset snapshots of batches (`pins`) \
             and downloaded fonts (`fonts`). Created if missing; must be writable. Only one process can use it at a \
             time.",
            |s| &mut s.files.data_dir,
        ),
        row(Results, "TENTER_LINK_LIFETIME", seconds(1, 365 * DAY), "Lifetime of a link to a result.", |s| {
            &mut s.files.link_lifetime
        }),
        row(
            Results,
            "TENTER_SWEEP_INTERVAL",
            seconds(1, DAY),
            "Interval at which expired results and jobs are deleted. They are inaccessible from their expiry, even if \
             not yet deleted.",
            |s| &mut s.files.sweep_interval,
        ),
        row(
            Results,
            "TENTER_RESULTS",
            Accepts::Words("s3://bucket or s3://bucket/prefix, or nothing"),
            "Bucket for results; links are then presigned. None: folders in TENTER_DATA_DIR.",
            |s| &mut s.files.bucket,
        ),
        row(
            Results,
            "TENTER_S3_ENDPOINT",
            URL,
            "Address of an S3-compatible service, reachable for the users of links as well. None: AWS in \
             TENTER_S3_REGION.",
            |s| &mut s.files.s3_endpoint,
        ),
        row(Results, "TENTER_S3_REGION", Accepts::Words("a region name"), "Region of the bucket.", |s| {
            &mut s.files.s3_region
        }),
        secret(row(
            Results,
            "TENTER_S3_ACCESS_KEY_ID",
            Accepts::Words("printable ASCII, or nothing"),
            "Access key id for the bucket. None: the IAM role of the machine.",
            |s| &mut s.files.s3_access_key_id,
        )),
        secret(row(
            Results,
            "TENTER_S3_SECRET_ACCESS_KEY",
            Accepts::Words("printable ASCII, or nothing"),
            "Secret of TENTER_S3_ACCESS_KEY_ID.",
            |s| &mut s.files.s3_secret_access_key,
        )),
        row_with_default(
            "the value of TENTER_WORKERS",
            row(
                Jobs,
                "TENTER_JOB_WORKERS",
                Accepts::Whole(0, 4096),
                "Jobs rendered at once; each also occupies one of TENTER_WORKERS. 0: jobs are accepted but not \
                 rendered here, which is the default of `tenter serve` with NATS, where workers render them.",
                |s| &mut s.jobs.workers,
            ),
        ),
        row(
            Jobs,
            "TENTER_JOB_QUEUE",
            Accepts::Whole(1, 100_000_000),
            "Maximum number of unfinished jobs. More are answered with 429 and Retry-After.",
            |s| &mut s.jobs.queue,
        ),
        row(
            Jobs,
            "TENTER_JOB_DEADLINE",
            seconds(1, DAY),
            "Time limit for one job, or one row of a merged batch, from the moment it has a worker. After that it ends \
             with `error`.",
            |s| &mut s.jobs.deadline,
        ),
        row(
            Jobs,
            "TENTER_JOB_ATTEMPTS",
            Accepts::Whole(1, 100),
            "Maximum number of starts of a job whose process dies. After that it ends with `error`.",
            |s| &mut s.jobs.attempts,
        ),
        row(
            Jobs,
            "TENTER_JOB_LIFETIME",
            // 7 days, the maximum lifetime of a presigned link.
            seconds(1, 7 * DAY),
            "Lifetime of a finished job and its file.",
            |s| &mut s.jobs.lifetime,
        ),
        row(
            Jobs,
            "TENTER_RESULT_PATIENCE",
            seconds(0, 30 * DAY),
            "How long storing a result is retried (bucket down, disk full). After that the job ends with `error`.",
            |s| &mut s.jobs.result_patience,
        ),
        row(Jobs, "TENTER_PREFER_WAIT", seconds(0, HOUR), "Maximum delay of an answer to `Prefer: wait`.", |s| {
            &mut s.jobs.prefer_wait
        }),
        row(
            Batches,
            "TENTER_BATCH_MAX_ROWS",
            Accepts::Whole(1, 10_000_000),
            "Maximum number of rows of a batch.",
            |s| &mut s.batches.rows,
        ),
        row(
            Batches,
            "TENTER_BATCH_MAX_ROW_BYTES",
            Accepts::Bytes(KIB, GIB),
            "Maximum size of a row as written, or as compact JSON if the call contains the rows as an array. A longer \
             row is an item with an error.",
            |s| &mut s.batches.row_bytes,
        ),
        row(
            Batches,
            "TENTER_BATCH_QUEUE",
            Accepts::Whole(1, 100_000_000),
            "Maximum number of unfinished rows of all batches. A batch that would exceed it is answered with 429 and \
             Retry-After. Rows do not count as jobs (TENTER_JOB_QUEUE).",
            |s| &mut s.batches.queue,
        ),
        row(
            Cluster,
            "TENTER_NATS_URL",
            Accepts::Words("nats://host:port or tls://host:port, several separated by commas, or nothing"),
            "NATS servers (2.9 or later, with JetStream) for the jobs of front ends and workers. `--queue nats://…` \
             and TENTER_QUEUE=nats://… are equivalent. Requires a bucket (TENTER_RESULTS). None: jobs are stored in \
             TENTER_DATA_DIR.",
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
            "Password of TENTER_NATS_USER.",
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
            "File with credentials for the NATS servers: a JWT and its seed, as `nsc` writes them.",
            |s| &mut s.nats.credentials,
        ),
        row(
            Cluster,
            "TENTER_NATS_TLS_CA",
            Accepts::Words("a file, or nothing"),
            "File with PEM certificates that sign those of the NATS servers. None: the system's certificates.",
            |s| &mut s.nats.tls_ca,
        ),
        row(
            Cluster,
            "TENTER_NATS_TLS_CERT",
            Accepts::Words("a file, or nothing"),
            "File with the PEM client certificate of this process, for NATS servers that require one.",
            |s| &mut s.nats.tls_certificate,
        ),
        row(
            Cluster,
            "TENTER_NATS_TLS_KEY",
            Accepts::Words("a file, or nothing"),
            "File with the PEM key of TENTER_NATS_TLS_CERT.",
            |s| &mut s.nats.tls_key,
        ),
        row(
            Cluster,
            "TENTER_NATS_PREFIX",
            Accepts::Words("up to 32 letters, digits and `-`"),
            "Prefix of the names of streams and buckets; clusters that share servers need different prefixes.",
            |s| &mut s.nats.prefix,
        ),
        row(
            Cluster,
            "TENTER_NATS_REPLICAS",
            Accepts::Whole(1, 5),
            "Number of NATS servers that store each message and record. 3 survives the loss of one.",
            |s| &mut s.nats.replicas,
        ),
        row(
            Cluster,
            "TENTER_NATS_ACK_WAIT",
            seconds(1, 600),
            "Time without a sign of life after which a worker counts as dead and its jobs go to others. Workers report \
             at a third of this interval.",
            |s| &mut s.nats.ack_wait,
        ),
        secret(row(
            Webhooks,
            "TENTER_WEBHOOK_SECRET",
            Accepts::Words("printable ASCII, or nothing"),
            "Secret that signs webhooks with HMAC-SHA256 (`x-tenter-signature`). None: webhooks are not signed.",
            |s| &mut s.webhooks.secret,
        )),
        row(
            Webhooks,
            "TENTER_WEBHOOK_RETRIES",
            Accepts::Words("times from 10 ms to 24 h, separated by commas; at most 20"),
            "Delays before the second, third, … attempt to deliver a webhook, after network errors, 429 and 5xx.",
            |s| &mut s.webhooks.retries,
        ),
        row(Webhooks, "TENTER_WEBHOOK_TIMEOUT", seconds(1, 300), "Time limit of one attempt to deliver.", |s| {
            &mut s.webhooks.timeout
        }),
        row(
            Webhooks,
            "TENTER_WEBHOOK_PARALLEL",
            Accepts::Whole(1, 4096),
            "Webhooks delivered at once; at most a quarter of them to one receiver (host and port).",
            |s| &mut s.webhooks.parallel,
        ),
        row(
            Rendering,
            "TENTER_RASTERIZER",
            Accepts::OneOf(RasterizerChoice::WORDS),
            "Painter. `auto`: hardware GPUs if there are any, else the CPU. `gpu`: the service does not start without \
             one. Pages that a GPU cannot paint correctly are always painted on the CPU.",
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
                "Requests that compute at once. Each may need memory for several times its output's pixels. A request \
                 that waits for assets releases its worker to others, and so does a request of many pages after each \
                 page.",
                |s| &mut s.render.workers,
            ),
        ),
        row_with_default(
            "4 × TENTER_WORKERS",
            row(
                Rendering,
                "TENTER_QUEUE",
                Accepts::Whole(0, 1_000_000),
                "Maximum number of requests that wait for a worker or for assets. More are answered with 429 and \
                 Retry-After. An address (nats://…) sets TENTER_NATS_URL instead.",
                |s| &mut s.render.queue,
            ),
        ),
        row(
            Rendering,
            "TENTER_DEADLINE",
            seconds(1, HOUR),
            "Time limit of a request from its admission to its answer, waiting included. Later ones are answered with \
             504.",
            |s| &mut s.render.deadline,
        ),
        row(
            Rendering,
            "TENTER_SDK",
            Accepts::OneOf(EditorVersion::WORDS),
            "Version of the editor's SDK to draw designs like, for requests without the option `sdk`.",
            |s| &mut s.render.sdk,
        ),
        row(
            Rendering,
            "TENTER_MIN_IMAGE_DPI",
            Accepts::Number(0.0, 10_000.0),
            "Resolution in px per inch (`dpi` of the design or the request) below which a picture causes the warning \
             `image_enlarged`. The option `minImageDpi` of a request overrides it; 0 turns it off.",
            |s| &mut s.render.min_image_dpi,
        ),
        row(
            Rendering,
            "TENTER_RESULT_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Size of the memory cache of finished files, which answers repeated requests without painting; assets are \
             revalidated each time. 0 turns it off.",
            |s| &mut s.render.result_cache_bytes,
        ),
        row_with_default(
            "every hardware adapter",
            row(
                Gpu,
                "TENTER_GPU_ADAPTERS",
                Accepts::Words("adapters by index, part of the name or PCI bus id, separated by commas, or nothing"),
                "Adapters that paint, one thread each; `tenter doctor` lists them. A name that matches several \
                 adapters selects all of them.",
                |s| &mut s.gpu.adapters,
            ),
        ),
        row(
            Gpu,
            "TENTER_GPU_ALLOW_SOFTWARE",
            Accepts::Words("1 or 0"),
            "Also use adapters that compute on the CPU (llvmpipe), with TENTER_RASTERIZER=gpu. For tests only: some \
             hundred times slower than the CPU painter.",
            |s| &mut s.gpu.allow_software,
        ),
        row(
            Gpu,
            "TENTER_GPU_IN_FLIGHT",
            Accepts::Whole(1, 16),
            "Pages submitted to one GPU at once. Each needs GPU memory for its pixels.",
            |s| &mut s.gpu.in_flight,
        ),
        row(
            Gpu,
            "TENTER_GPU_TIMEOUT",
            seconds(1, HOUR),
            "Time after which a page on a GPU counts as hung: the CPU paints it, and the GPU is reinitialised.",
            |s| &mut s.gpu.timeout,
        ),
        row(
            Gpu,
            "TENTER_GPU_CHECK",
            Accepts::Whole(0, 1_000_000),
            "One in this many GPU pages is also painted on the CPU and compared; if they differ, the CPU's is the \
             answer, and the log describes the page. 0: none.",
            |s| &mut s.gpu.check,
        ),
        row(Design, "TENTER_MAX_PAGES", Accepts::Whole(1, 1_000_000), "Maximum number of pages of a design.", |s| {
            &mut s.design.pages
        }),
        row(
            Design,
            "TENTER_MAX_ELEMENTS",
            Accepts::Whole(1, 10_000_000),
            "Maximum number of elements and table cells of a design.",
            |s| &mut s.design.elements,
        ),
        row(
            Design,
            "TENTER_MAX_TEXT_CHARS",
            Accepts::Whole(1, 100_000_000),
            "Maximum number of characters of a text element.",
            |s| &mut s.design.text_chars,
        ),
        row(
            Design,
            "TENTER_MAX_VARIABLE_BYTES",
            Accepts::Bytes(KIB, GIB),
            "Maximum number of bytes that the values of `variables` add to a design, summed over all placeholders.",
            |s| &mut s.design.variable_bytes,
        ),
        row(
            Design,
            "TENTER_MAX_JSON_DEPTH",
            // 120, as serde_json itself stops at 128 with a message that names no setting.
            Accepts::Whole(8, 120),
            "Maximum nesting of arrays and objects in a request.",
            |s| &mut s.design.json_depth,
        ),
        row(
            Design,
            "TENTER_MAX_MEGAPIXELS",
            Accepts::Number(0.01, 10_000.0),
            "Maximum size of an output page, in millions of pixels: width × height × pixelRatio².",
            |s| &mut s.paint.megapixels,
        ),
        row(
            Assets,
            "TENTER_ASSET_MAX_BYTES",
            Accepts::Bytes(KIB, 4 * GIB),
            "Maximum size of a picture or font, as transferred.",
            |s| &mut s.assets.bytes,
        ),
        row(
            Assets,
            "TENTER_ASSET_MAX_MEGAPIXELS",
            Accepts::Number(0.01, 10_000.0),
            "Maximum size of a source picture, in millions of pixels.",
            |s| &mut s.assets.megapixels,
        ),
        row(
            Assets,
            "TENTER_ASSET_TIMEOUT",
            seconds(1, HOUR),
            "Time limit of one attempt to fetch. The option `assetLoadTimeout` limits all attempts together.",
            |s| &mut s.assets.timeout,
        ),
        row(
            Assets,
            "TENTER_ASSET_TRIES",
            Accepts::Whole(1, 10),
            "Attempts to fetch, after network errors and status codes of 500 and above.",
            |s| &mut s.assets.tries,
        ),
        row(
            Assets,
            "TENTER_ASSET_REDIRECTS",
            Accepts::Whole(0, 20),
            "Maximum number of redirects for one asset; each target is checked like the first address.",
            |s| &mut s.assets.redirects,
        ),
        row(Assets, "TENTER_ASSET_PARALLEL", Accepts::Whole(1, 256), "Parallel fetches of one request.", |s| {
            &mut s.assets.parallel
        }),
        row(
            Assets,
            "TENTER_ASSET_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Size of the memory cache of decoded assets.",
            |s| &mut s.assets.cache_bytes,
        ),
        row(
            Assets,
            "TENTER_PICTURE_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Size of the memory cache of pictures scaled to their displayed size. 0 turns it off.",
            |s| &mut s.paint.picture_cache_bytes,
        ),
        row(
            Assets,
            "TENTER_PIN_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Maximum size of the decoded assets that one batch holds in memory, so that all its rows use the same. \
             Over HTTP, others are read from their stored copy; `tenter batch` fetches them again, and a row with a \
             changed asset fails.",
            |s| &mut s.assets.pin_bytes,
        ),
        row(
            Assets,
            "TENTER_DRAWING_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Size of the memory cache of parsed SVG documents. 0 turns it off.",
            |s| &mut s.assets.drawing_cache_bytes,
        ),
        row(
            Assets,
            "TENTER_ALLOW_ADDRESSES",
            Accepts::Words("networks in CIDR form or single addresses, separated by commas, or nothing"),
            "Private networks that designs may fetch from and webhooks may be sent to, such as 10.1.2.0/24.",
            |s| &mut s.assets.allow_addresses,
        ),
        row(
            Fonts,
            "TENTER_TEXT_CACHE_BYTES",
            Accepts::Bytes(0, 1024 * GIB),
            "Size of the memory cache of opened fonts and shaped texts. 0 turns it off.",
            |s| &mut s.fonts.text_cache_bytes,
        ),
        row(
            Fonts,
            "TENTER_FONT_DIR",
            Accepts::Words("a folder, or nothing"),
            "Folder with additional fonts, read once at the start.",
            |s| &mut s.fonts.directory,
        ),
        row(
            Fonts,
            "TENTER_GOOGLE_FONTS_URL",
            URL,
            "CSS endpoint compatible with https://fonts.googleapis.com/css2, for families that neither the design nor \
             TENTER_FONT_DIR contains. None: such a family is an error, or is substituted with `skipFontError`.",
            |s| &mut s.fonts.google_fonts_url,
        ),
        row(
            Color,
            "TENTER_ICC_DIR",
            Accepts::Words("a folder, or nothing"),
            "Folder with the ICC profiles for `color.space: \"CMYK\"` and PDF/X. None: requests for CMYK fail.",
            |s| &mut s.icc.directory,
        ),
        row(
            Color,
            "TENTER_ICC_FOGRA39",
            FILE_NAMES,
            "Names of files in TENTER_ICC_DIR with the profile `FOGRA39`; the first that exists is used.",
            |s| &mut s.icc.fogra39,
        ),
        row(
            Color,
            "TENTER_ICC_SWOP",
            FILE_NAMES,
            "Names of files in TENTER_ICC_DIR with the profile `USWebCoatedSWOP`; the first that exists is used.",
            |s| &mut s.icc.swop,
        ),
        row(
            Log,
            "TENTER_LOG_FORMAT",
            Accepts::OneOf(LogFormat::WORDS),
            "Format of log lines: one JSON object per line, or text.",
            |s| &mut s.log.format,
        ),
        row(
            Log,
            "TENTER_LOG_LEVEL",
            Accepts::OneOf(LogLevel::WORDS),
            "Minimum level of log lines. `info` includes one line per request.",
            |s| &mut s.log.level,
        ),
        row(
            Log,
            "TENTER_TRACES_URL",
            URL,
            "OTLP address of an OpenTelemetry collector for protobuf over HTTP, such as \
             http://127.0.0.1:4318/v1/traces. A caller's `traceparent` is continued. None: no traces. The OTEL_… \
             variables of the SDK (sampling, queue, attributes) apply as well.",
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
    fn names_are_unique_and_start_with_tenter() {
        let mut names: Vec<_> = SETTINGS.iter().map(|it| it.name).collect();
        assert!(names.iter().all(|it| it.starts_with("TENTER_")));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
    }
}
