//! Settings of renders: admission, threads, painting, GPUs, limits of a design, and colour profiles.

use std::path::PathBuf;
use std::time::Duration;

use super::accepts::Accepts;
use super::choices::{EditorVersion, RasterizerChoice};
use super::field::OPTIONAL_FOLDER;
use super::names::{AdapterChoice, FileNames};
use super::quantities::{GIB, HOUR, KIB};

/// Number of queue slots per worker in the default of `TENTER_QUEUE`: a request then waits for about four others before
/// it starts.
pub(super) const QUEUE_PER_WORKER: usize = 4;

/// Minimum number of render processes in the default of `TENTER_RENDERERS`: while one is replaced, another renders.
pub(super) const MIN_RENDERERS: usize = 2;
/// Number of threads for each render process in the default of `TENTER_RENDERERS`.
pub(super) const THREADS_PER_RENDERER: usize = 4;

/// Number of CPU cores that this process may use.
fn cpu_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Default of `TENTER_WORKERS`: while one request waits for its assets, another can compute.
pub(super) fn default_workers() -> usize {
    cpu_cores().max(2)
}

settings! {
    /// Admission, threads, deadlines and caches of renders.
    pub struct RenderSettings {
        in Rendering {
            /// Painter. `auto`: hardware GPUs if there are any, else the CPU. `gpu`: the service does not start without
            /// one. Pages that a GPU cannot paint correctly are always painted on the CPU.
            "TENTER_RASTERIZER" rasterizer: RasterizerChoice = RasterizerChoice::default(), RasterizerChoice::ACCEPTS;
            /// Threads that parse, decode, paint and encode. They are divided among the render processes, each of which
            /// has at least four, or all if there are fewer.
            "TENTER_THREADS" threads: usize = cpu_cores(), Accepts::Whole(1, 1024), default "CPU cores";
            /// Requests that compute at once. Each may need memory for several times its output's pixels. A request
            /// that waits for assets releases its worker to others, and so does a request of many pages after each
            /// page.
            "TENTER_WORKERS" workers: usize = default_workers(), Accepts::Whole(1, 4096),
                default "CPU cores, at least 2";
            /// Maximum number of requests that wait for a worker or for assets. More are answered with 429 and
            /// Retry-After.
            "TENTER_QUEUE" queue: usize = default_workers() * QUEUE_PER_WORKER, Accepts::Whole(0, 1_000_000),
                default "4 × TENTER_WORKERS";
            /// Render processes, among which threads, workers and caches are divided. A process that hangs, crashes or
            /// takes too much memory is replaced, and the others go on. 0: the service renders itself, so that one
            /// request can end it; for designs that you trust.
            "TENTER_RENDERERS" renderers: usize = MIN_RENDERERS, Accepts::Whole(0, 256),
                default "a quarter of TENTER_THREADS, at least 2";
            /// Resident memory of one render process above which it is replaced; half as much more ends it at once. 0:
            /// three quarters of the machine's memory, or of the container's, less 512 MiB, divided by
            /// TENTER_RENDERERS.
            "TENTER_RENDERER_MEMORY" renderer_memory: usize = 0, Accepts::Bytes(0, 1024 * GIB);
            /// Time limit of a request from its admission to its answer, waiting included. Later ones are answered with
            /// 504.
            "TENTER_DEADLINE" deadline: Duration = Duration::from_secs(60), Accepts::seconds(1, HOUR);
            /// Version of the editor's SDK to draw designs like, for requests without the option `sdk`.
            "TENTER_SDK" sdk: EditorVersion = EditorVersion::default(), EditorVersion::ACCEPTS;
            /// Resolution in px per inch (`dpi` of the design or the request) below which a picture causes the warning
            /// `image_enlarged`. The option `minImageDpi` of a request overrides it; 0 turns it off.
            // Below 36, a picture in a design of 72 dpi is enlarged more than twice.
            "TENTER_MIN_IMAGE_DPI" min_image_dpi: f64 = 36.0, Accepts::Number(0.0, 10_000.0);
            /// Size of the memory cache of finished files, which answers repeated requests without painting; assets are
            /// revalidated each time. 0 turns it off.
            "TENTER_RESULT_CACHE_BYTES" result_cache_bytes: usize = 0, Accepts::Bytes(0, 1024 * GIB);
        }
    }
}

settings! {
    /// Selection of GPUs, and their limits.
    pub struct GpuSettings {
        in Gpu {
            /// Adapters that paint, one thread each; `tenter doctor` lists them. A name that matches several adapters
            /// selects all of them.
            "TENTER_GPU_ADAPTERS" adapters: AdapterChoice = AdapterChoice::default(), AdapterChoice::ACCEPTS,
                default "every hardware adapter";
            /// Also use adapters that compute on the CPU (llvmpipe), with TENTER_RASTERIZER=gpu. For tests only: some
            /// hundred times slower than the CPU painter.
            "TENTER_GPU_ALLOW_SOFTWARE" allow_software: bool = false, Accepts::OnOff;
            /// Pages submitted to one GPU at once. Each needs GPU memory for its pixels.
            "TENTER_GPU_IN_FLIGHT" in_flight: usize = 3, Accepts::Whole(1, 16);
            /// Time after which a page on a GPU counts as hung: the CPU paints it, and the GPU is reinitialised.
            "TENTER_GPU_TIMEOUT" timeout: Duration = Duration::from_secs(20), Accepts::seconds(1, HOUR);
            /// One in this many GPU pages is also painted on the CPU and compared; if they differ, the CPU's is the
            /// answer, and the log describes the page. 0: none.
            "TENTER_GPU_CHECK" check: u64 = 0, Accepts::Whole(0, 1_000_000);
        }
        others {
            /// Folder for compiled pipelines: `gpu` in `TENTER_DATA_DIR`. `None` compiles them at each start.
            cache_directory: Option<PathBuf> = None;
        }
    }
}

settings! {
    /// Limits of a design, checked before anything is fetched.
    pub struct DesignLimits {
        in Design {
            /// Maximum number of pages of a design.
            "TENTER_MAX_PAGES" pages: usize = 1000, Accepts::Whole(1, 1_000_000);
            /// Maximum number of elements and table cells of a design.
            "TENTER_MAX_ELEMENTS" elements: usize = 20_000, Accepts::Whole(1, 10_000_000);
            /// Maximum number of characters of a text element.
            "TENTER_MAX_TEXT_CHARS" text_chars: usize = 100_000, Accepts::Whole(1, 100_000_000);
            /// Maximum number of bytes that the values of `variables` add to a design, summed over all placeholders.
            "TENTER_MAX_VARIABLE_BYTES" variable_bytes: usize = 16 << 20, Accepts::Bytes(KIB, GIB);
            /// Maximum nesting of arrays and objects in a request.
            // At most 120, as serde_json itself stops at 128 with a message that names no setting.
            "TENTER_MAX_JSON_DEPTH" json_depth: usize = 100, Accepts::Whole(8, 120);
        }
    }
}

settings! {
    /// Limit of a painted page, and the size of the picture cache.
    pub struct PaintSettings {
        in Design {
            /// Maximum size of an output page, in millions of pixels: width × height × pixelRatio².
            "TENTER_MAX_MEGAPIXELS" megapixels: f64 = 100.0, Accepts::Number(0.01, 10_000.0);
        }
        in Assets {
            /// Size of the memory cache of pictures scaled to their displayed size. 0 turns it off.
            "TENTER_PICTURE_CACHE_BYTES" picture_cache_bytes: usize = 64 << 20, Accepts::Bytes(0, 1024 * GIB);
        }
    }
}

settings! {
    /// Files of the CMYK output profiles; none is bundled, as their licences do not allow it.
    pub struct IccSettings {
        in Color {
            /// Folder with the ICC profiles for `color.space: "CMYK"` and PDF/X. None: requests for CMYK fail.
            "TENTER_ICC_DIR" directory: Option<PathBuf> = None, OPTIONAL_FOLDER;
            // The defaults are the file names that ECI, Adobe and Linux distributions use.
            /// Names of files in TENTER_ICC_DIR with the profile `FOGRA39`; the first that exists is used.
            "TENTER_ICC_FOGRA39" fogra39: FileNames =
                FileNames::new(&["ISOcoated_v2_eci.icc", "CoatedFOGRA39.icc", "FOGRA39L_coated.icc"]),
                FileNames::ACCEPTS;
            /// Names of files in TENTER_ICC_DIR with the profile `USWebCoatedSWOP`; the first that exists is used.
            "TENTER_ICC_SWOP" swop: FileNames = FileNames::new(&["USWebCoatedSWOP.icc", "SWOP2006_Coated3v2.icc"]),
                FileNames::ACCEPTS;
        }
    }
}
