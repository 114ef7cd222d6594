//! Renders the pages of one request: each is resolved to a scene and given to a sink, which has it painted.

use std::sync::Arc;

use super::executor::Executor;
use super::loaded_request::LoadedRequest;
use super::timings::Stage;
use crate::design::resolve::{self, ResolveSettings};
use crate::error::Error;
use crate::paint::{self, PagePrefix, Painted, PrefixCache};
use crate::report::Warning;
use crate::scene::Page;
use crate::text::Layouter;
use crate::units::DeviceScale;

/// Callback after each page, with the number of finished pages and the total.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Takes the pages of a request, in order.
pub(super) trait PageSink: Sized {
    /// Device px per design px of the pictures that resolving creates.
    fn raster_scale(&self) -> DeviceScale;

    /// Has `page` painted and adds it to the output. `index`: the page's index in the design.
    ///
    /// # Errors
    /// Those of planning, painting and encoding.
    fn add(
        self,
        pages: &mut PageRenderer<'_>,
        page: Page,
        index: usize,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// Hands pages to the painter for all renders of a session.
#[derive(Default)]
pub(super) struct PagePainter {
    /// Cache of the drawing operations that pages have in common with those of other sessions.
    pub(super) prefix_cache: Option<Arc<PrefixCache>>,
    /// Number of pages submitted to the rasterizer.
    submitted: usize,
}

impl PagePainter {
    async fn paint(
        &mut self,
        executor: &mut Executor,
        page: &Arc<Page>,
        scale: DeviceScale,
        warnings: &mut Vec<Warning>,
    ) -> Result<Painted, Error> {
        let resources = executor.shared.resources.clone();
        let (page, limits) = (page.clone(), resources.rasterizer.limits());
        let mut plan = executor.work(Stage::Plan, move || paint::plan(&page, scale, limits)).await??;
        warnings.append(&mut plan.warnings);
        let prefix = self.prefix_cache.clone().map(|cache| PagePrefix { cache, page: self.submitted });
        self.submitted += 1;
        let painted = executor.wait(Stage::Paint, resources.rasterizer.submit(plan, prefix)).await?;
        Ok(painted.map_err(|_| Error::Internal("the painter thread stopped".into()))??)
    }
}

/// Renders the pages of one loaded request.
pub(super) struct PageRenderer<'s> {
    pub(super) executor: &'s mut Executor,
    painter: &'s mut PagePainter,
    progress: Option<&'s Progress>,
    pub(super) request: Arc<LoadedRequest>,
    /// Deviations of the output from the design so far.
    pub(super) warnings: Vec<Warning>,
}

impl<'s> PageRenderer<'s> {
    /// `warnings`: those of the stages before.
    pub(super) fn new(
        executor: &'s mut Executor,
        painter: &'s mut PagePainter,
        progress: Option<&'s Progress>,
        request: Arc<LoadedRequest>,
        warnings: Vec<Warning>,
    ) -> Self {
        Self { executor, painter, progress, request, warnings }
    }

    /// Renders all pages of the request into `sink`, one after the other, and returns it with all warnings. A design of
    /// many pages needs the memory for the scene and pixels of one.
    ///
    /// # Errors
    /// Those of resolving and of `sink`; `Timeout` at the deadline.
    pub(super) async fn render_into<S: PageSink>(
        mut self,
        mut sink: S,
        mut layouter: Layouter,
    ) -> Result<(S, Vec<Warning>), Error> {
        let resources = self.executor.shared.resources.clone();
        let request = self.request.clone();
        let (design, pages) = (&request.prepared.design, &request.prepared.pages);
        let scale = sink.raster_scale();
        let settings = ResolveSettings::new(&request.prepared.options, &resources.defaults, design, scale);
        let settings = Arc::new(settings);
        for (done, index) in pages.iter().copied().enumerate() {
            if done > 0 {
                self.executor.yield_worker().await?;
            }
            let (returned, scenes) = self.resolve(index, settings.clone(), layouter).await?;
            layouter = returned;
            for page in scenes {
                sink = sink.add(&mut self, page, index).await?;
            }
            if let Some(progress) = self.progress {
                progress(done + 1, pages.len());
            }
        }
        resources.layouters.give_back(layouter);
        Ok((sink, self.warnings))
    }

    /// Resolves the page at `index` of the design; returns the layouter for the next page.
    async fn resolve(
        &mut self,
        index: usize,
        settings: Arc<ResolveSettings>,
        mut layouter: Layouter,
    ) -> Result<(Layouter, Vec<Page>), Error> {
        let (resources, request) = (self.executor.shared.resources.clone(), self.request.clone());
        let abandoned = self.executor.abandoned();
        let resolved = self.executor.work(Stage::Resolve, move || {
            let (design, assets) = (&request.prepared.design, &request.loaded.assets);
            let fonts = &resources.svg_fonts;
            let resolved = resolve::resolve(design, &[index], assets, fonts, &mut layouter, &settings, &abandoned);
            (layouter, resolved)
        });
        let (layouter, resolved) = resolved.await?;
        let resolved = resolved?;
        self.warnings.extend(resolved.warnings);
        Ok((layouter, resolved.document.pages))
    }

    /// Paints a page as pixels.
    ///
    /// # Errors
    /// A page that exceeds the limits, and failures of the painter.
    pub(super) async fn paint(&mut self, page: &Arc<Page>, scale: DeviceScale) -> Result<Painted, Error> {
        self.painter.paint(self.executor, page, scale, &mut self.warnings).await
    }
}
