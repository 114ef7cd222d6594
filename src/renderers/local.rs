//! Runs tasks in this process: in a render process, and in programs that have none.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::Mutex;

use super::task::{DocumentId, Finished, PageFile, RenderedFiles, RowTask, Step, StepOutput, Task, TimeLimit};
use crate::assets::AssetSnapshot;
use crate::calls::{AnswerForm, ClassicCall, JobRequest, RowTemplate};
use crate::config::Settings;
use crate::error::Error;
use crate::json::JsonParser;
use crate::output::{Format, Pdf};
use crate::pipeline::{
    CacheUse, Engine, MergedDocument, Pages, PrefixCache, Progress, Released, RenderRequest, Rendered, RenderedPage,
    Session, Stage,
};
use crate::report::Warning;

/// Number of cached templates, each with up to `TENTER_PIN_BYTES` of assets. With more batches in progress, templates
/// are read repeatedly.
const CACHED_TEMPLATES: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// An engine with the state that tasks share: templates of batches and documents under construction.
pub(super) struct Local {
    pub(super) engine: Engine,
    parser: JsonParser,
    pin_bytes: usize,
    templates: Mutex<LruCache<String, Arc<CachedTemplate>>>,
    next_document: AtomicU64,
    documents: Mutex<HashMap<DocumentId, Arc<tokio::sync::Mutex<MergedDocument>>>>,
}

/// A template with what its rows share besides: assets and painted elements.
struct CachedTemplate {
    template: RowTemplate,
    snapshot: Arc<AssetSnapshot>,
    /// Painted elements at the beginning of pages that do not differ between rows.
    prefix_cache: Arc<PrefixCache>,
}

impl CachedTemplate {
    fn attach_to(&self, session: &mut Session) {
        session.use_asset_snapshot(self.snapshot.clone());
        session.refuse_unfilled_placeholders();
        session.use_prefix_cache(self.prefix_cache.clone());
    }
}

/// What the caller of [`Local::run`] learns before the end.
pub(super) struct Hooks<B> {
    /// Is called after each page.
    pub(super) progress: Option<Progress>,
    /// Is called when the task has a worker, with a future that completes when nothing is computed for it any more.
    pub(super) on_begun: B,
}

impl Local {
    pub(super) fn new(engine: Engine, settings: &Settings) -> Self {
        Self {
            engine,
            parser: JsonParser::new(settings.design.json_depth),
            pin_bytes: settings.assets.pin_bytes,
            templates: Mutex::new(LruCache::new(CACHED_TEMPLATES)),
            next_document: AtomicU64::new(0),
            documents: Mutex::default(),
        }
    }

    /// A number for a new document.
    pub(super) fn new_document(&self) -> DocumentId {
        self.next_document.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for a worker and performs `step`.
    pub(super) async fn run<B: FnOnce(Option<Released>)>(
        &self,
        step: Step,
        limit: TimeLimit,
        hooks: Hooks<B>,
    ) -> Finished<StepOutput> {
        let session = match limit {
            TimeLimit::Remaining(remaining) => self.engine.admit_admitted(remaining).await,
            TimeLimit::FromWorker { limit, setting } => self.engine.admit_queued_elsewhere(limit, setting).await,
        };
        let mut session = match session {
            Ok(session) => session,
            Err(error) => return Finished::failed(error),
        };
        (hooks.on_begun)(session.take_released());
        if let Some(progress) = hooks.progress {
            session.on_progress(progress);
        }
        let result = self.perform(&mut session, step).await;
        Finished { result, timings: session.timings().clone() }
    }

    /// Performs `step` in an admitted session.
    pub(super) async fn perform(&self, session: &mut Session, step: Step) -> Result<StepOutput, Error> {
        let parser = self.parser;
        match step {
            Step::Task(Task::Classic(body)) => {
                let call = session.work(Stage::Parse, move || ClassicCall::read(&body, parser)).await??;
                let output = call.output;
                render(session, call.into_render(), output).await
            }
            Step::Task(Task::Job { body, all_pages }) => {
                let job = session.work(Stage::Parse, move || JobRequest::read(&body, parser)).await??;
                render(session, with_pages(job.into_render(), all_pages), AnswerForm::File).await
            }
            Step::Task(Task::Row(row)) => {
                let request = self.fill_in(session, row).await?.1;
                render(session, request, AnswerForm::File).await
            }
            Step::Task(Task::WarmUp) => {
                session.warm_up().await?;
                Ok(StepOutput::Ready)
            }
            Step::AddRow { document, row } => {
                let (template, request) = self.fill_in(session, row).await?;
                let new = MergedDocument::new(template.template.options()?);
                let document = self.documents.lock().entry(document).or_insert_with(|| Arc::new(new.into())).clone();
                let added = document.lock().await.add(session, request).await?;
                Ok(StepOutput::Added(added))
            }
            Step::Complete { document: id } => {
                let document = self.documents.lock().remove(&id).ok_or_else(|| no_document(id))?;
                // A row that was cancelled may still hold it.
                let document = std::mem::replace(&mut *document.lock().await, MergedDocument::new(Default::default()));
                let page = document.finish(session).await?;
                let page = page.ok_or_else(|| Error::Internal("a document with pages has no file".into()))?;
                Ok(files(vec![page], &Pdf, AnswerForm::File, Vec::new(), CacheUse::Off))
            }
        }
    }

    /// The request that renders `row`, in a session that has been prepared for it.
    async fn fill_in(
        &self,
        session: &mut Session,
        row: RowTask,
    ) -> Result<(Arc<CachedTemplate>, RenderRequest), Error> {
        let RowTask { batch, row, values, all_pages } = row;
        let cached = self.templates.lock().get(batch.id()).cloned();
        let template = match cached {
            Some(template) => template,
            None => {
                let body = session.wait(Stage::Parse, batch.template()).await??;
                let parser = self.parser;
                let template = session.work(Stage::Parse, move || RowTemplate::read(&body, parser)).await??;
                let new = CachedTemplate {
                    template,
                    snapshot: Arc::new(AssetSnapshot::new(self.pin_bytes, batch.clone())),
                    prefix_cache: Arc::default(),
                };
                // When two rows read it at once, both use the first, so that a batch has one snapshot.
                self.templates.lock().get_or_insert(batch.id().to_owned(), || Arc::new(new)).clone()
            }
        };
        template.attach_to(session);
        let for_row = template.clone();
        let request = session.work(Stage::Parse, move || for_row.template.fill_in(row, &values)).await??;
        Ok((template, with_pages(request, all_pages)))
    }

    /// Empties the cache of templates.
    pub(super) fn forget_templates(&self) {
        self.templates.lock().clear();
    }

    /// Removes a document that will not be completed.
    pub(super) fn forget_document(&self, document: DocumentId) {
        self.documents.lock().remove(&document);
    }
}

fn no_document(document: DocumentId) -> Error {
    Error::Internal(format!("no document {document} is under construction"))
}

/// The request for all pages instead of those that its options select, if `all_pages` is set.
fn with_pages(request: RenderRequest, all_pages: bool) -> RenderRequest {
    if all_pages { RenderRequest { pages: Pages::All, ..request } } else { request }
}

async fn render(session: &mut Session, request: RenderRequest, output: AnswerForm) -> Result<StepOutput, Error> {
    let format = request.format;
    let Rendered { pages, warnings, cache, .. } = session.render(request).await?;
    Ok(files(pages, format, output, warnings, cache))
}

fn files(
    pages: Vec<RenderedPage>,
    format: &'static dyn Format,
    output: AnswerForm,
    warnings: Vec<Warning>,
    cache: CacheUse,
) -> StepOutput {
    let rasterizer = pages.first().map_or("none", |page| page.rasterizer).into();
    let file = |RenderedPage { index, bytes, fingerprint, .. }| PageFile {
        index,
        bytes,
        fingerprint: fingerprint.to_string(),
    };
    let pages = pages.into_iter().map(file).collect();
    StepOutput::Files(Box::new(RenderedFiles { pages, format, rasterizer, warnings, cache, output }))
}
