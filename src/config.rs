//! Every setting: name, unit, default, bound; the only reader of the environment.
//!
//! In: one settings struct for each room, handed to the room's constructor. Not in: what the rooms do with them.
//! Imports: `units`.

use std::path::PathBuf;
use std::time::Duration;

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
    /// `TENTER_MAX_MEGAPIXELS` — of one output page, in millions of device px. Default 100.
    pub megapixels: f64,
}

impl Default for DesignLimits {
    fn default() -> Self {
        Self { json_depth: 100, elements: 20_000, pages: 1000, text_chars: 100_000, megapixels: 100.0 }
    }
}

/// What fetching and decoding one asset may cost, and which addresses may be reached.
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
        }
    }
}

/// Where fonts come from besides the design.
#[derive(Clone, Debug, Default)]
pub struct FontSettings {
    /// `TENTER_FONT_DIR` — the operator's folder, read at start. Default none.
    pub directory: Option<PathBuf>,
    /// `TENTER_GOOGLE_FONTS_URL` — a Google-Fonts-compatible CSS endpoint (`…/css2`). Default none: off.
    pub google_fonts_url: Option<String>,
    /// Where fonts from that endpoint are kept: `fonts` in `TENTER_DATA_DIR`.
    pub cache_directory: Option<PathBuf>,
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
