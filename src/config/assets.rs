//! Settings of the pictures and fonts that designs refer to.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::accepts::Accepts;
use super::addresses::{HttpUrl, NETWORKS};
use super::asset_headers::AssetHeaders;
use super::field::OPTIONAL_FOLDER;
use super::quantities::{GIB, HOUR, KIB};

settings! {
    /// Limits of fetching and decoding one asset, sizes of the asset caches, and the reachable private networks.
    pub struct AssetLimits {
        in Assets {
            /// Maximum size of a picture or font, as transferred.
            "TENTER_ASSET_MAX_BYTES" bytes: u64 = 50 << 20, Accepts::Bytes(KIB, 4 * GIB);
            /// Maximum size of a source picture, in millions of pixels.
            "TENTER_ASSET_MAX_MEGAPIXELS" megapixels: f64 = 100.0, Accepts::Number(0.01, 10_000.0);
            /// Maximum size of the decoded pictures of one request, at 4 bytes per pixel. More are refused.
            "TENTER_REQUEST_DECODED_BYTES" request_decoded_bytes: usize = 1 << 30, Accepts::Bytes(KIB, 1024 * GIB);
            /// Maximum size of the decoded pictures of all requests, and of pictures being decoded, besides
            /// TENTER_ASSET_CACHE_BYTES. A request that needs more waits for two seconds and is then answered with 503.
            "TENTER_DECODED_BYTES" decoded_bytes: usize = 3 << 30, Accepts::Bytes(KIB, 1024 * GIB);
            /// Time limit of one attempt to fetch. The option `assetLoadTimeout` limits all attempts together.
            "TENTER_ASSET_TIMEOUT" timeout: Duration = Duration::from_secs(20), Accepts::seconds(1, HOUR);
            /// Attempts to fetch, after network errors and status codes of 500 and above.
            "TENTER_ASSET_TRIES" tries: u32 = 3, Accepts::Whole(1, 10);
            /// Maximum number of redirects for one asset; each target is checked like the first address.
            "TENTER_ASSET_REDIRECTS" redirects: u32 = 5, Accepts::Whole(0, 20);
            /// Parallel fetches of one request.
            "TENTER_ASSET_PARALLEL" parallel: usize = 8, Accepts::Whole(1, 256);
            /// Size of the memory cache of decoded assets.
            "TENTER_ASSET_CACHE_BYTES" cache_bytes: usize = 256 << 20, Accepts::Bytes(0, 1024 * GIB);
            /// Maximum size of the decoded assets that one batch holds in memory, so that all its rows use the same.
            /// Over HTTP, others are read from their stored copy; `tenter batch` fetches them again, and a row with a
            /// changed asset fails.
            "TENTER_PIN_BYTES" pin_bytes: usize = 128 << 20, Accepts::Bytes(0, 1024 * GIB);
            /// Size of the memory cache of parsed SVG documents. 0 turns it off.
            "TENTER_DRAWING_CACHE_BYTES" drawing_cache_bytes: usize = 32 << 20, Accepts::Bytes(0, 1024 * GIB);
            /// Private networks that designs may fetch from and webhooks may be sent to, such as 10.1.2.0/24.
            "TENTER_ALLOW_ADDRESSES" allow_addresses: Vec<IpNet> = Vec::new(), NETWORKS;
            /// Headers of requests for pictures, fonts, `designUrl` and `rowsUrl`, by host. After a redirect, only
            /// those of the host that it leads to are sent. Any caller can use what such a host answers.
            "TENTER_ASSET_HEADERS" headers: AssetHeaders = AssetHeaders::default(), AssetHeaders::ACCEPTS;
        }
    }
}

settings! {
    /// Sources of fonts besides the design, and the size of the text cache.
    pub struct FontSettings {
        in Fonts {
            /// Size of the memory cache of opened fonts and shaped texts. 0 turns it off.
            "TENTER_TEXT_CACHE_BYTES" text_cache_bytes: usize = 32 << 20, Accepts::Bytes(0, 1024 * GIB);
            /// Folder with additional fonts, read once at the start.
            "TENTER_FONT_DIR" directory: Option<PathBuf> = None, OPTIONAL_FOLDER;
            /// CSS endpoint compatible with `https://fonts.googleapis.com/css2`, for families that neither the design
            /// nor TENTER_FONT_DIR contains. None: such a family is an error, or is substituted with `skipFontError`.
            "TENTER_GOOGLE_FONTS_URL" google_fonts_url: Option<HttpUrl> = None, HttpUrl::ACCEPTS;
        }
        others {
            /// Folder for fonts from that endpoint: `fonts` in `TENTER_DATA_DIR`. `None` does not store them.
            cache_directory: Option<PathBuf> = None;
        }
    }
}
