//! Fonts by family name from a CSS endpoint compatible with Google Fonts (`TENTER_GOOGLE_FONTS_URL`, off by default).
//!
//! In: requests for the style sheet of a family and for the files it names, and the caches of both. Not in: choosing a
//! face for a text, fonts of the design itself. All requests use the guarded client.

mod css;
mod disk;
mod error;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use lru::LruCache;
use parking_lot::Mutex;
use peniko::Blob;
use url::Url;

use super::asset::{Asset, LoadResult, LoadedAsset};
use super::cache::AssetKey;
use super::error::{AssetError, Reason, SetupError, shorten_url};
use super::loader::{Loader, with_timeout};
use super::request::AssetKind;
use crate::config::FontSettings;
use crate::hash::ContentHash;
use crate::report::JsonPath;
use css::FaceRule;
pub(super) use disk::DiskCache;
pub use error::FontServiceError;

/// Lifetime of a cached style sheet, as in the reference implementation (http-api.md §6).
const SHEET_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Lifetime of a cached "no such family" response.
const MISSING_LIFETIME: Duration = Duration::from_secs(600);
/// Maximum number of style sheets cached in memory, including "no such family" responses.
const MAX_SHEETS: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");
/// Maximum length of a family name, in characters.
const MAX_NAME_CHARS: usize = 100;
/// Maximum number of files of one family. A family that is split by script has about 120 per weight.
const MAX_FACES: usize = 1000;
/// Maximum size of a style sheet, in bytes.
const MAX_SHEET_BYTES: u64 = 1 << 20;

/// A face that a text requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaceRequest {
    /// True for italic faces.
    pub italic: bool,
    /// CSS weight; clamped to 1 to 1000.
    pub weight: u16,
}

/// A face from the font service.
#[derive(Clone, Debug)]
pub struct WebFace {
    /// CSS weights of the face: a single one, or the range of a variable font.
    pub weights: RangeInclusive<u16>,
    /// True for italic faces.
    pub italic: bool,
    /// TrueType or OpenType file, unpacked.
    pub font: Blob<u8>,
    /// Hash of the file as downloaded.
    pub hash: ContentHash,
}

/// Client of the font service.
#[derive(Debug)]
pub struct GoogleFonts {
    endpoint: Url,
    disk: DiskCache,
    sheets: Mutex<LruCache<String, CachedSheet>>,
    loader: Arc<Loader>,
}

#[derive(Clone, Debug)]
struct CachedSheet {
    /// `None` when the service has no such family or faces.
    rules: Option<Arc<[FaceRule]>>,
    expires: Instant,
}

impl GoogleFonts {
    /// Creates a client; `None` when no endpoint is configured. An endpoint in a closed network also needs
    /// `TENTER_ALLOW_ADDRESSES`.
    ///
    /// # Errors
    /// When the endpoint is not a URL that may be reached.
    pub fn new(settings: &FontSettings, loader: Arc<Loader>) -> Result<Option<Self>, SetupError> {
        let Some(endpoint) = &settings.google_fonts_url else { return Ok(None) };
        let endpoint = loader.fetcher().parse(endpoint.as_str()).map_err(SetupError::FontService)?;
        let disk = match loader.fetcher().source() {
            Some(source) => DiskCache::Elsewhere(source.clone()),
            None => DiskCache::open(settings.cache_directory.clone()),
        };
        Ok(Some(Self { endpoint, disk, sheets: Mutex::new(LruCache::new(MAX_SHEETS)), loader }))
    }

    /// Loads the faces of `family` that best match `requests`: exactly those if the family has all of them, otherwise
    /// the regular face and those it has.
    ///
    /// A family that is split by script has many files, of which those with Latin letters come first. `timeout` applies
    /// to all requests together (`fontLoadTimeout`).
    ///
    /// # Errors
    /// When the family does not exist, or when one of its files cannot be loaded.
    pub async fn family(
        &self,
        family: &str,
        requests: &[FaceRequest],
        timeout: Duration,
    ) -> Result<Vec<WebFace>, AssetError> {
        with_timeout((timeout, "fontLoadTimeout"), self.faces(family, requests)).await.map_err(|reason| AssetError {
            at: JsonPath::root(),
            element: family.into(),
            kind: AssetKind::Font,
            url: shorten_url(self.endpoint.as_str()).into(),
            reason,
        })
    }

    async fn faces(&self, family: &str, requests: &[FaceRequest]) -> Result<Vec<WebFace>, Reason> {
        let rules = self.rules(family, requests).await?;
        let loads = rules.into_iter().map(|rule| async move {
            let LoadedAsset { asset, hash, .. } = self.file(&rule.url).await?;
            match asset {
                Asset::Font(font) => Ok(WebFace { weights: rule.weights, italic: rule.italic, font, hash }),
                Asset::Picture(_) | Asset::Svg(_) => unreachable!("a file of AssetKind::Font is decoded as a font"),
            }
        });
        futures_util::stream::iter(loads).buffered(self.loader.limits().parallel.max(1)).try_collect().await
    }

    /// The endpoint rejects a request if one of its faces is missing; then the faces are requested one by one.
    async fn rules(&self, family: &str, requests: &[FaceRequest]) -> Result<Vec<FaceRule>, Reason> {
        let family = family.trim();
        if family.is_empty() || family.chars().count() > MAX_NAME_CHARS || family.chars().any(char::is_control) {
            return Err(FontServiceError::FamilyName { max_chars: MAX_NAME_CHARS }.into());
        }
        let requests: BTreeSet<FaceRequest> =
            requests.iter().map(|face| FaceRequest { weight: face.weight.clamp(1, 1000), ..*face }).collect();
        if let Some(rules) = self.sheet(&self.sheet_url(family, &requests)).await? {
            return Ok(rules.to_vec());
        }
        let regular = self.sheet(&self.sheet_url(family, &BTreeSet::new())).await?;
        let mut rules = regular.ok_or(FontServiceError::UnknownFamily)?.to_vec();
        for face in &requests {
            if let Some(more) = self.sheet(&self.sheet_url(family, &BTreeSet::from([*face]))).await? {
                rules.extend(
                    more.iter()
                        .filter(|rule| !rules.iter().any(|known| known.url == rule.url))
                        .cloned()
                        .collect::<Vec<_>>(),
                );
            }
        }
        Ok(rules)
    }

    /// URL of a style sheet, such as `…/css2?family=Name:ital,wght@0,400;1,700`; without `faces`, that of the regular
    /// face.
    fn sheet_url(&self, family: &str, faces: &BTreeSet<FaceRequest>) -> Url {
        let italics = faces.iter().any(|face| face.italic);
        let tuple = |face: &FaceRequest| match italics {
            true => format!("{},{}", u8::from(face.italic), face.weight),
            false => face.weight.to_string(),
        };
        // The endpoint requires sorted faces; the set is ordered by italic, then weight.
        let tuples: Vec<String> = faces.iter().map(tuple).collect();
        let axes = if italics { "ital,wght" } else { "wght" };
        let value = if tuples.is_empty() { family.to_owned() } else { format!("{family}:{axes}@{}", tuples.join(";")) };
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().append_pair("family", &value);
        url
    }

    /// Returns the rules of one style sheet from memory, disk or the service; `None` when the service has no such
    /// faces.
    async fn sheet(&self, url: &Url) -> Result<Option<Arc<[FaceRule]>>, Reason> {
        let cached = self.sheets.lock().get(url.as_str()).cloned();
        if let Some(cached) = cached.filter(|cached| Instant::now() < cached.expires) {
            return Ok(cached.rules);
        }
        let file = self.disk.read(url.as_str(), MAX_SHEET_BYTES).await;
        let fresh_for = file.as_ref().map(|file| SHEET_LIFETIME.saturating_sub(file.age)).unwrap_or_default();
        let (rules, fresh_for) = match file {
            Some(file) if !fresh_for.is_zero() => (Some(parse_sheet(&file.bytes, url)?), fresh_for),
            file => match (self.download(url).await, file) {
                (Ok(css), _) => {
                    let rules = parse_sheet(&css, url)?;
                    self.disk.write(url.as_str(), css).await;
                    (Some(rules), SHEET_LIFETIME)
                }
                (Err(Reason::Status(400 | 404)), _) => (None, MISSING_LIFETIME),
                // Font files stay available longer than their style sheet, so an expired sheet is still useful.
                (_, Some(old)) => (Some(parse_sheet(&old.bytes, url)?), MISSING_LIFETIME),
                (Err(reason), None) => return Err(reason),
            },
        };
        self.sheets
            .lock()
            .put(url.to_string(), CachedSheet { rules: rules.clone(), expires: Instant::now() + fresh_for });
        Ok(rules)
    }

    /// Returns one font file from memory, disk or the service. Its URL contains a version, so that its contents never
    /// change.
    async fn file(&self, url: &Url) -> LoadResult {
        let load = async {
            let file = self.disk.read(url.as_str(), self.loader.limits().bytes).await;
            // A file that was damaged on disk is downloaded again.
            if let Some(file) = file
                && let Ok(decoded) = self.loader.decode(AssetKind::Font, file.bytes, &Arc::default()).await
            {
                return Ok(decoded);
            }
            let url = self.loader.fetcher().parse(url.as_str())?;
            let bytes = self.download(&url).await?;
            let decoded = self.loader.decode(AssetKind::Font, bytes.clone(), &Arc::default()).await?;
            self.disk.write(url.as_str(), bytes).await;
            Ok(decoded)
        };
        self.loader.load_immutable(AssetKey::of(AssetKind::Font, url.as_str()), load).await
    }

    async fn download(&self, url: &Url) -> Result<Bytes, Reason> {
        self.loader.fetcher().get_body(url).await
    }
}

fn parse_sheet(css: &[u8], url: &Url) -> Result<Arc<[FaceRule]>, FontServiceError> {
    if css.len() as u64 > MAX_SHEET_BYTES {
        return Err(FontServiceError::SheetTooLarge { found: css.len(), limit: MAX_SHEET_BYTES });
    }
    let rules = css::parse(&String::from_utf8_lossy(css), url);
    match rules.len() {
        0 => Err(FontServiceError::NoFiles),
        found if found > MAX_FACES => Err(FontServiceError::TooManyFiles { found, limit: MAX_FACES }),
        _ => Ok(rules.into()),
    }
}

#[cfg(test)]
mod tests;
