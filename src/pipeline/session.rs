//! One admitted request: what the caller has set for its renders, and the order of their stages.

use std::future::Future;
use std::sync::Arc;

use super::admission::Released;
use super::executor::Executor;
use super::loaded_request::LoadedRequest;
use super::lookup::{CacheLookup, Miss, lookup};
use super::pages::{PagePainter, PageRenderer, Progress};
use super::prepare::{check_filled, fonts, prepare};
use super::request::{CacheUse, RenderRequest, Rendered};
use super::resources::check_images;
use super::sinks::{DocumentSink, PictureSink};
use super::timings::{Stage, Timings};
use crate::assets::AssetSnapshot;
use crate::error::Error;
use crate::output::FormatKind;
use crate::paint::PrefixCache;
use crate::report::Warning;

/// One admitted request. Dropping it frees its worker and its queue slot.
pub struct Session {
    pub(super) executor: Executor,
    painter: PagePainter,
    progress: Option<Progress>,
    snapshot: Option<Arc<AssetSnapshot>>,
    refuses_unfilled: bool,
}

impl Session {
    pub(super) fn new(executor: Executor) -> Self {
        Self { executor, painter: PagePainter::default(), progress: None, snapshot: None, refuses_unfilled: false }
    }

    /// Sets the callback that is invoked after each page of the renders to come; it must return quickly.
    pub fn on_progress(&mut self, progress: Progress) {
        self.progress = Some(progress);
    }

    /// Makes the renders to come use the assets of `snapshot`, and record in it those that they load.
    pub fn use_asset_snapshot(&mut self, snapshot: Arc<AssetSnapshot>) {
        self.snapshot = Some(snapshot);
    }

    /// Makes a placeholder that stays unfilled an error (`Invalid`) instead of a warning, for rows of a batch, as ten
    /// thousand files are not inspected for a `{name}`.
    pub fn refuse_unfilled_placeholders(&mut self) {
        self.refuses_unfilled = true;
    }

    /// Makes the renders to come share `cache` with other renders of the same design: the prefix of drawing operations
    /// that their pages have in common is painted once. The output bytes do not change.
    pub fn use_prefix_cache(&mut self, cache: Arc<PrefixCache>) {
        self.painter.prefix_cache = Some(cache);
    }

    /// A future that completes when this session is dropped and the last work for it has ended; `None` if it was taken
    /// before.
    pub fn take_released(&mut self) -> Option<Released> {
        self.executor.take_released()
    }

    /// Time spent in each stage so far.
    pub fn timings(&self) -> &Timings {
        self.executor.timings()
    }

    /// Runs `work` on the CPU pool and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline (running work is not interrupted, only no longer awaited); `Internal` when `work`
    /// panicked.
    pub async fn work<T, W>(&mut self, stage: Stage, work: W) -> Result<T, Error>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        self.executor.work(stage, work).await
    }

    /// Awaits `future`, which needs no worker's CPU time, and counts its time as `stage`.
    ///
    /// # Errors
    /// `Timeout` at the deadline; `future` is dropped then.
    pub async fn wait<T>(&mut self, stage: Stage, future: impl Future<Output = T>) -> Result<T, Error> {
        self.executor.wait(stage, future).await
    }

    /// Renders a small page, which opens fonts and fills the painter's tables.
    ///
    /// # Errors
    /// Any error means that this process cannot render.
    pub async fn warm_up(&mut self) -> Result<(), Error> {
        self.render(RenderRequest::warm_up()?).await.map(drop)
    }

    /// Renders all pages of `request`: parse, load assets, look up in the result cache, then resolve, paint and encode
    /// one page after the other.
    ///
    /// # Errors
    /// Those of every stage; see [`Error`].
    pub async fn render(&mut self, request: RenderRequest) -> Result<Rendered, Error> {
        let shared = self.executor.shared.clone();
        let resources = &shared.resources;
        let request = self.load(request).await?;
        let (prepared, format) = (&request.prepared, request.prepared.format);

        let looked_up = self.work(Stage::Resolve, {
            let (resources, request) = (resources.clone(), request.clone());
            move || lookup(&resources, &request)
        });
        let Miss { fonts, ingredients, cache_key } = match looked_up.await? {
            CacheLookup::Hit(answer) => {
                shared.counts.result_hits.inc();
                if let Some(progress) = &self.progress {
                    progress(prepared.pages.len(), prepared.pages.len());
                }
                return Ok(Rendered { cache: CacheUse::Hit, ..(*answer).clone() });
            }
            CacheLookup::Miss(miss) => *miss,
        };
        let cache = if resources.results.is_on() { CacheUse::Miss } else { CacheUse::Off };
        if cache == CacheUse::Miss {
            shared.counts.result_misses.inc();
        }

        let (layouter, substituted) = fonts?;
        let (pages, warnings) = match format.kind() {
            FormatKind::Pictures(format) => {
                let sink = PictureSink::new(format, prepared, ingredients);
                let renderer = self.pages(request.clone(), substituted);
                let (sink, warnings) = renderer.render_into(sink, layouter).await?;
                (sink.finish(), warnings)
            }
            FormatKind::Document => {
                let (sink, created) = DocumentSink::begin(prepared, resources.rasterizer.limits())?;
                let renderer = self.pages(request.clone(), substituted);
                let (sink, warnings) = renderer.render_into(sink, layouter).await?;
                (vec![sink.finish(&mut self.executor, &ingredients, created).await?], warnings)
            }
        };
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
    pub(super) async fn load(&mut self, request: RenderRequest) -> Result<Arc<LoadedRequest>, Error> {
        let resources = self.executor.shared.resources.clone();
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
        let prepared = prepared.await??;

        let snapshot = self.snapshot.as_deref();
        let loaded = resources.load(&prepared.requests, &prepared.families, &prepared.options, snapshot);
        let loaded = self.executor.wait_without_worker(Stage::Assets, loaded).await?;
        let checked = check_images(&loaded.assets, &prepared.options);
        let request = Arc::new(LoadedRequest { prepared, loaded });
        if let Err(mut error) = checked {
            if let Error::Asset(problems) = &mut error {
                // The caller learns of all missing assets at once.
                let fonts = self.work(Stage::Resolve, {
                    let request = request.clone();
                    move || fonts(&resources, &request)
                });
                problems.extend(fonts.await?.err().iter().flat_map(Error::problems).cloned());
            }
            return Err(error);
        }
        Ok(request)
    }

    /// A renderer of the pages of `request`. `substituted`: warnings about its fonts.
    pub(super) fn pages(&mut self, request: Arc<LoadedRequest>, substituted: Vec<Warning>) -> PageRenderer<'_> {
        let mut warnings = request.prepared.design.warnings.clone();
        warnings.extend(substituted);
        PageRenderer::new(&mut self.executor, &mut self.painter, self.progress.as_ref(), request, warnings)
    }
}
