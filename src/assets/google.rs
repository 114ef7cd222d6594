//! Fonts by family name, from a Google-Fonts-compatible CSS endpoint (`TENTER_GOOGLE_FONTS_URL`, off by default).
//!
//! In: asking for a family's style sheet, downloading the files it names, keeping both. Not in: choosing a face for a text,
//! fonts that the design brings itself. Everything goes through the guarded client.

mod css;
mod disk;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use lru::LruCache;
use peniko::Blob;
use url::Url;

use super::cache::{Contents, Key, Landed};
use super::error::{AssetError, Reason, SetupError, shown_url};
use super::fetch::Fetched;
use super::loader::within;
use super::{Asset, AssetKind, ContentHash, Loader};
use crate::config::FontSettings;
use crate::report::JsonPath;
use css::FaceRule;
use disk::Disk;

/// How long a style sheet is trusted: on disk as long as the reference does (http-api.md §6).
const SHEET_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long "no such family" is trusted.
const MISSING_KEPT: Duration = Duration::from_secs(600);
/// Style sheets remembered in memory, "no such family" included.
const SHEETS: NonZeroUsize = NonZeroUsize::new(512).expect("not zero");
/// Characters of a family's name.
const LONGEST_NAME: usize = 100;
/// Files of one family; a family cut by script has about 120 a weight.
const MOST_FACES: usize = 1000;
/// Bytes of one style sheet.
const SHEET_BYTES: u64 = 1 << 20;

/// A face that a text would like to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaceWish {
    /// Slanted.
    pub italic: bool,
    /// CSS weight, 1 to 1000; beyond that it is clamped.
    pub weight: u16,
}

/// A face that the font service has.
#[derive(Clone, Debug)]
pub struct WebFace {
    /// CSS weights: one, or the range of a variable file.
    pub weights: RangeInclusive<u16>,
    /// Slanted.
    pub italic: bool,
    /// TrueType or OpenType, unpacked.
    pub font: Blob<u8>,
    /// Of the file as the service has it.
    pub hash: ContentHash,
}

/// The font service.
#[derive(Debug)]
pub struct GoogleFonts {
    endpoint: Url,
    disk: Disk,
    sheets: Mutex<LruCache<String, Remembered>>,
    loader: Arc<Loader>,
}

#[derive(Clone, Debug)]
struct Remembered {
    /// `None`: no such family, or not in these faces.
    rules: Option<Arc<[FaceRule]>>,
    until: Instant,
}

impl GoogleFonts {
    /// `None` when no endpoint is set. An endpoint in a closed network needs `TENTER_ALLOW_ADDRESSES` too.
    pub fn new(settings: &FontSettings, loader: Arc<Loader>) -> Result<Option<Self>, SetupError> {
        let Some(endpoint) = &settings.google_fonts_url else { return Ok(None) };
        let endpoint =
            loader.fetcher().parse(endpoint).map_err(|reason| SetupError::FontService(reason.to_string()))?;
        let disk = Disk::open(settings.cache_directory.clone());
        Ok(Some(Self { endpoint, disk, sheets: Mutex::new(LruCache::new(SHEETS)), loader }))
    }

    /// The faces of `family` nearest to `wishes`: exactly those when the family has them all, else the regular face and those
    /// it has. A family cut by script comes in many files, those with Latin letters first. `timeout`: for everything
    /// together (`fontLoadTimeout`).
    pub async fn family(
        &self,
        family: &str,
        wishes: &[FaceWish],
        timeout: Duration,
    ) -> Result<Vec<WebFace>, AssetError> {
        within((timeout, "fontLoadTimeout"), self.faces(family, wishes)).await.map_err(|reason| AssetError {
            at: JsonPath::root(),
            element: family.into(),
            kind: AssetKind::Font,
            url: shown_url(self.endpoint.as_str()).into(),
            reason,
        })
    }

    async fn faces(&self, family: &str, wishes: &[FaceWish]) -> Result<Vec<WebFace>, Reason> {
        let rules = self.rules(family, wishes).await?;
        let loads = rules.into_iter().map(|rule| async move {
            let Contents { asset, hash, .. } = self.file(&rule.url).await?;
            match asset {
                Asset::Font(font) => Ok(WebFace { weights: rule.weights, italic: rule.italic, font, hash }),
                Asset::Picture(_) | Asset::Svg(_) => Err(Reason::Internal("a font was decoded as an image".to_owned())),
            }
        });
        futures_util::stream::iter(loads).buffered(self.loader.limits().parallel.max(1)).try_collect().await
    }

    /// The endpoint refuses the whole question when one face is missing, so then they are asked for one by one.
    async fn rules(&self, family: &str, wishes: &[FaceWish]) -> Result<Vec<FaceRule>, Reason> {
        let family = family.trim();
        if family.is_empty() || family.chars().count() > LONGEST_NAME || family.chars().any(char::is_control) {
            return Err(Reason::FontService(format!("no family has this name; 1 to {LONGEST_NAME} characters")));
        }
        let wishes: BTreeSet<FaceWish> =
            wishes.iter().map(|wish| FaceWish { weight: wish.weight.clamp(1, 1000), ..*wish }).collect();
        if let Some(rules) = self.sheet(&self.question(family, &wishes)).await? {
            return Ok(rules.to_vec());
        }
        let regular = self.sheet(&self.question(family, &BTreeSet::new())).await?;
        let mut rules = regular.ok_or_else(|| Reason::FontService("it has no such family".to_owned()))?.to_vec();
        for wish in &wishes {
            if let Some(more) = self.sheet(&self.question(family, &BTreeSet::from([*wish]))).await? {
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

    /// `…/css2?family=Name:ital,wght@0,400;1,700`; without faces, the regular one.
    fn question(&self, family: &str, faces: &BTreeSet<FaceWish>) -> Url {
        let italics = faces.iter().any(|face| face.italic);
        let tuple = |face: &FaceWish| match italics {
            true => format!("{},{}", u8::from(face.italic), face.weight),
            false => face.weight.to_string(),
        };
        // Sorted, as the endpoint demands: the set's order is italic, then weight.
        let tuples: Vec<String> = faces.iter().map(tuple).collect();
        let axes = if italics { "ital,wght" } else { "wght" };
        let value = if tuples.is_empty() { family.to_owned() } else { format!("{family}:{axes}@{}", tuples.join(";")) };
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().append_pair("family", &value);
        url
    }

    /// The rules of one style sheet, from memory, disk or the service; `None` when the service has no such faces.
    async fn sheet(&self, url: &Url) -> Result<Option<Arc<[FaceRule]>>, Reason> {
        let known = self.sheets().get(url.as_str()).cloned();
        if let Some(known) = known.filter(|known| Instant::now() < known.until) {
            return Ok(known.rules);
        }
        let kept = self.disk.read(url.as_str(), SHEET_BYTES).await;
        let fresh_for = kept.as_ref().map(|kept| SHEET_KEPT.saturating_sub(kept.age)).unwrap_or_default();
        let (rules, fresh_for) = match kept {
            Some(kept) if !fresh_for.is_zero() => (Some(parsed(&kept.bytes, url)?), fresh_for),
            kept => match (self.body(url).await, kept) {
                (Ok(css), _) => {
                    let rules = parsed(&css, url)?;
                    self.disk.write(url.as_str(), css).await;
                    (Some(rules), SHEET_KEPT)
                }
                (Err(Reason::Status(400 | 404)), _) => (None, MISSING_KEPT),
                // Font files outlive their sheet, so an old one is better than none.
                (_, Some(old)) => (Some(parsed(&old.bytes, url)?), MISSING_KEPT),
                (Err(reason), None) => return Err(reason),
            },
        };
        self.sheets().put(url.to_string(), Remembered { rules: rules.clone(), until: Instant::now() + fresh_for });
        Ok(rules)
    }

    /// One font file, from the cache in memory, from disk or the service. Such URLs carry a version: contents never change.
    async fn file(&self, url: &Url) -> Landed {
        let load = async {
            let kept = self.disk.read(url.as_str(), self.loader.limits().bytes).await;
            // What the disk spoilt is downloaded anew.
            if let Some(kept) = kept
                && let Ok(decoded) = self.loader.decode(AssetKind::Font, kept.bytes.into()).await
            {
                return Ok(decoded);
            }
            let url = self.loader.fetcher().parse(url.as_str())?;
            let bytes = self.body(&url).await?;
            let decoded = self.loader.decode(AssetKind::Font, bytes.clone()).await?;
            self.disk.write(url.as_str(), bytes).await;
            Ok(decoded)
        };
        self.loader.lasting(Key::of(AssetKind::Font, url.as_str()), load).await
    }

    async fn body(&self, url: &Url) -> Result<Bytes, Reason> {
        match self.loader.fetcher().get(url, None).await? {
            Fetched::Body(bytes, _) => Ok(bytes.into()),
            // Nobody asked whether.
            Fetched::NotModified(_) => Err(Reason::Status(304)),
        }
    }

    /// Holds whole values only, so a poisoned lock guards nothing broken.
    fn sheets(&self) -> MutexGuard<'_, LruCache<String, Remembered>> {
        self.sheets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parsed(css: &[u8], url: &Url) -> Result<Arc<[FaceRule]>, Reason> {
    let unusable = |what: String| Err(Reason::FontService(what));
    if css.len() as u64 > SHEET_BYTES {
        return unusable(format!("a style sheet of {} bytes; the limit is {SHEET_BYTES}", css.len()));
    }
    let rules = css::parse(&String::from_utf8_lossy(css), url);
    match rules.len() {
        0 => unusable("a style sheet without a font file that we read".to_owned()),
        found if found > MOST_FACES => {
            unusable(format!("a style sheet with {found} font files; the limit is {MOST_FACES}"))
        }
        _ => Ok(rules.into()),
    }
}

#[cfg(test)]
mod tests;
