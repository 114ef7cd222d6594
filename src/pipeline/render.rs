//! The stages of one render, in order: parse, load assets, resolve, paint, encode. `sink` collects painted pages into
//! one file each or into one document.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ingredients::Ingredients;
use super::prepare::{Fonts, check_filled, fonts, prepare};
use super::prepared::{Prepared, Ready};
use super::request::{CacheUse, RenderRequest, Rendered};
use super::resources::{Loaded, Resources, check_images};
use super::results::CacheKey;
use super::session::Session;
use super::sink::PageSink;
use super::timings::Stage;
use crate::design::resolve;
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::Format;
use crate::report::{JsonPath, Warning};
use crate::scene::Page;
use crate::text::Layouter;

/// Result of [`lookup`].
enum CacheLookup {
    /// The result cache has the answer.
    Hit(Arc<Rendered>),
    /// The answer has to be rendered.
    Miss(Box<Miss>),
}

/// State for rendering an answer that is not in the result cache.
struct Miss {
    fonts: Fonts,
    ingredients: Ingredients,
    /// Key to store the answer under; `None` when it must not be cached.
    cache_key: Option<CacheKey>,
}

impl Session {
    /// Renders all pages of `request`. Pages are resolved, painted and encoded one after the other, so that a design of
    /// many pages needs the memory for the pixels of one.
    ///
    /// # Errors
    /// Those of every stage; see [`Error`].
    pub async fn render(&mut self, request: RenderRequest) -> Result<Rendered, Error> {
        let resources = self.shared.resources.clone();
        let (format, at) = (request.format, request.at.clone());
        let mut ready = self.load(request).await?;
        let Ready { prepared, loaded, options } = &ready;

        let lookup = self.work(Stage::Resolve, {
            let (resources, prepared, loaded, options) =
                (resources.clone(), prepared.clone(), loaded.clone(), options.clone());
            move || lookup(&resources, &prepared, &loaded, &options, format, &at)
        });
        let total = prepared.pages.len();
        let Miss { fonts, ingredients, cache_key } = match lookup.await? {
            CacheLookup::Hit(answer) => {
                self.shared.counts.result_hits.inc();
                self.report_progress(total, total);
                return Ok(Rendered { cache: CacheUse::Hit, ..(*answer).clone() });
            }
            CacheLookup::Miss(miss) => *miss,
        };
        let cache = if resources.results.is_on() { CacheUse::Miss } else { CacheUse::Off };
        if cache == CacheUse::Miss {
            self.shared.counts.result_misses.inc();
        }
        let mut warnings = prepared.design.warnings.clone();
        let (mut layouter, substituted) = fonts?;
        warnings.extend(substituted);

        let mut sink = PageSink::begin(format, prepared, options, resources.rasterizer.limits(), ingredients)?;
        ready.set_raster_scale(sink.raster_scale());
        for (done, index) in ready.prepared.pages.iter().copied().enumerate() {
            if done > 0 {
                self.yield_worker().await?;
            }
            let (returned, pages) = self.resolve(&ready, index, layouter, &mut warnings).await?;
            layouter = returned;
            for page in pages {
                sink = self.page(sink, page, index, &ready.prepared, &mut warnings).await?;
            }
            self.report_progress(done + 1, total);
        }
        resources.layouters.give_back(layouter);
        let pages = self.finish(sink).await?;
        let rendered = Rendered { pages, media_type: format.media_type(), warnings, cache };
        if let Some(key) = cache_key {
            resources.results.put(key, Arc::new(rendered.clone()));
        }
        Ok(rendered)
    }

    /// Runs the first stages: reads the design and loads all assets.
    ///
    /// # Errors
    /// Problems in the design or the options (`Invalid`), and assets that cannot be loaded (`Asset`).
    pub(super) async fn load(&mut self, request: RenderRequest) -> Result<Ready, Error> {
        let resources = self.shared.resources.clone();
        let min_image_dpi = request.options.min_image_dpi.or(Some(resources.min_image_dpi));
        let sdk = request.options.sdk.or(Some(resources.sdk));
        let options = Arc::new(RenderOptions { min_image_dpi, sdk, ..request.options.clone() });

        let prepared = self.work(Stage::Parse, {
            let (resources, refuses_unfilled) = (resources.clone(), self.refuses_unfilled);
            move || {
                let prepared = prepare(&resources, request)?;
                if refuses_unfilled {
                    check_filled(&prepared.design.warnings)?;
                }
                Ok::<_, Error>(prepared)
            }
        });
        let prepared = Arc::new(prepared.await??);

        let snapshot = self.snapshot.clone();
        let loaded = resources.load(&prepared.requests, &prepared.families, &options, snapshot.as_deref());
        let loaded = self.wait_without_worker(Stage::Assets, loaded).await?;
        check_images(&loaded.assets, &options)?;
        Ok(Ready { prepared, loaded: Arc::new(loaded), options })
    }

    /// Resolves the page at `index` of the design to a scene; returns the layouter for the next page.
    ///
    /// # Errors
    /// Those of [`resolve::resolve`].
    pub(super) async fn resolve(
        &mut self,
        ready: &Ready,
        index: usize,
        mut layouter: Layouter,
        warnings: &mut Vec<Warning>,
    ) -> Result<(Layouter, Vec<Page>), Error> {
        let resolved = self.work(Stage::Resolve, {
            let resources = self.shared.resources.clone();
            let (prepared, loaded, options) = (ready.prepared.clone(), ready.loaded.clone(), ready.options.clone());
            let abandoned = self.abandoned.clone();
            move || {
                let (design, assets) = (&prepared.design, &loaded.assets);
                let resolved =
                    resolve::resolve(design, &[index], assets, &resources.svg_fonts, &mut layouter, &options, &|| {
                        abandoned.load(Ordering::Relaxed)
                    });
                (layouter, resolved)
            }
        });
        let (layouter, resolved) = resolved.await?;
        let resolved = resolved?;
        warnings.extend(resolved.warnings);
        Ok((layouter, resolved.document.pages))
    }
}

/// Looks the request up in the result cache, and prepares rendering on a miss. An answer with missing assets is not
/// cached, as the next request may have them.
fn lookup(
    resources: &Resources,
    prepared: &Prepared,
    loaded: &Loaded,
    options: &RenderOptions,
    format: &dyn Format,
    at: &JsonPath,
) -> CacheLookup {
    let ingredients = Ingredients::new(resources, prepared, loaded, options, format);
    let is_complete = loaded.assets.failures().is_empty() && loaded.web_failures.is_empty();
    let cache_key = (resources.results.is_on() && is_complete).then(|| ingredients.cache_key(options, at));
    if let Some(answer) = cache_key.and_then(|key| resources.results.get(&key)) {
        return CacheLookup::Hit(answer);
    }
    CacheLookup::Miss(Box::new(Miss { fonts: fonts(resources, prepared, loaded, options), ingredients, cache_key }))
}
