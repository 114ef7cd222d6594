//! Merges the pages of many requests into one document: all rows of a batch, in order.
//!
//! The writer outlives sessions: a request that fails, times out or is cancelled while a thread works for it does not
//! destroy the document. The pages of such a request are removed before the next one begins, so that the document
//! contains only complete requests. Memory holds the scene and pixels of one page at a time; what grows is the file's
//! bytes, its fonts and a short record per picture.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::choice::OPTIONS;
use super::document;
use super::ingredients::Ingredients;
use super::loaded_request::PreparedRequest;
use super::pages::{PageRenderer, PageSink};
use super::prepare;
use super::request::{RenderRequest, RenderedPage};
use super::session::Session;
use super::sinks::{DocumentSink, document_rasterizer};
use super::timings::Stage;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::options::RenderOptions;
use crate::output::Pdf;
use crate::output::pdf::{DocumentOptions, PaperScale, Writer};
use crate::paint::SurfaceLimits;
use crate::report::{JsonPath, Problem, Warning};
use crate::scene::Page;
use crate::units::DeviceScale;

/// A document under construction: [`MergedDocument::add`] adds to it and [`MergedDocument::finish`] completes it.
pub struct MergedDocument {
    /// Options that all requests have in common.
    options: RenderOptions,
    /// `None` until the first request has loaded its assets.
    open: Option<OpenDocument>,
}

struct OpenDocument {
    /// `None` after a panic in the middle of a page, which leaves the written bytes undefined.
    writer: Arc<Mutex<Option<Writer>>>,
    scale: PaperScale,
    created: Timestamp,
    title: String,
    ingredients: Ingredients,
    /// Number of pages of complete requests.
    pages: usize,
    rasterizer: &'static str,
    /// Whether a failed request has written bytes: they stay in the file, unreferenced.
    has_leftovers: bool,
}

/// Position and warnings of the pages that one request added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddedPages {
    /// Index of its first page in the document, from 0.
    pub first: usize,
    /// Number of its pages; at least one.
    pub count: usize,
    /// Deviations of the output from the design.
    pub warnings: Vec<Warning>,
}

/// Exclusive access to the writer. It moves into pool work and is released when that work ends, even if the work is no
/// longer awaited.
struct WriterGuard(OwnedMutexGuard<Option<Writer>>);

impl MergedDocument {
    /// Creates an empty document. `options`: those of all requests; only the ones that concern the whole document
    /// matter.
    pub fn new(options: RenderOptions) -> Self {
        Self { options, open: None }
    }

    /// Number of pages so far.
    pub fn pages(&self) -> usize {
        self.open.as_ref().map_or(0, |it| it.pages)
    }

    /// The open document to which `request` is added; the first request creates it.
    fn open_for(&mut self, request: &PreparedRequest, limits: SurfaceLimits) -> Result<&mut OpenDocument, Error> {
        let scale = document::scale(&request.options, &request.design)?;
        let other_scale = self.open.as_ref().map(|it| it.scale).filter(|it| *it != scale);
        let differing = document::differing(&self.options, &request.options)
            .or_else(|| other_scale.map(|it| ("dpi", Some(((it.dpi() * 1e3).round() / 1e3).to_string()))));
        if let Some((name, value)) = differing {
            let mut message = "must be the same for every row of one PDF".to_owned();
            if let Some(value) = value {
                message.push_str(&format!(" (the document has {value})"));
            }
            return Err(Error::invalid(Problem { path: JsonPath::from(OPTIONS).key(name), message }));
        }
        match &mut self.open {
            Some(open) => Ok(open),
            none => Ok(none.insert(OpenDocument::new(document::options(request, limits)?, scale)?)),
        }
    }

    /// Renders the pages of `request` in `session` and adds all of them, or none. The format is PDF, whatever `request`
    /// says.
    ///
    /// # Errors
    /// As [`Session::render`]; and `Invalid` where an option that concerns the whole document differs from the
    /// document's. The document stays as it was; after a panic in the middle of a page, every further call fails with
    /// `Internal`.
    pub async fn add(&mut self, session: &mut Session, request: RenderRequest) -> Result<AddedPages, Error> {
        let resources = session.executor.shared.resources.clone();
        let request = session.load(RenderRequest { format: &Pdf, ..request }).await?;
        let open = self.open_for(&request.prepared, resources.rasterizer.limits())?;
        let prepared = session.work(Stage::Resolve, {
            let (resources, request) = (resources.clone(), request.clone());
            move || (prepare::fonts(&resources, &request), Ingredients::new(&resources, &request))
        });
        let (fonts, ingredients) = prepared.await?;
        let (layouter, substituted) = fonts?;

        // The lock is free unless work of an earlier, cancelled request still runs.
        let mut writer = WriterGuard::new(session.wait(Stage::Queue, open.writer.clone().lock_owned()).await?)?;
        writer.truncate(open.pages);
        let had_leftovers = open.has_leftovers;
        let painters = Vec::with_capacity(request.prepared.pages.len());
        let sink = RequestSink { document: DocumentSink { writer, painters }, has_leftovers: &mut open.has_leftovers };
        let (sink, warnings) = session.pages(request, substituted).render_into(sink, layouter).await?;
        let DocumentSink { writer, painters } = sink.document;
        let (first, count) = (open.pages, painters.len());
        (open.pages, open.has_leftovers) = (writer.len(), had_leftovers);
        open.ingredients.add_part(&ingredients, painters.iter().map(|it| resources.painter_name(it)));
        open.rasterizer = document_rasterizer(&[&[open.rasterizer], &*painters].concat());
        Ok(AddedPages { first, count, warnings })
    }

    /// Completes the file with the pages of all added requests; `None` when there are none.
    ///
    /// # Errors
    /// As [`Session::render`].
    pub async fn finish(self, session: &mut Session) -> Result<Option<RenderedPage>, Error> {
        let Some(mut open) = self.open.filter(|it| it.pages > 0) else { return Ok(None) };
        let mut writer = session.wait(Stage::Queue, open.writer.clone().lock_owned()).await?;
        let mut writer = writer.take().ok_or_else(writer_lost)?;
        writer.truncate(open.pages);
        let written = session.work(Stage::Encode, move || {
            let bytes = writer.finish()?;
            let hash = open.has_leftovers.then(|| ContentHash::of(&bytes));
            Ok::<_, Error>((bytes, hash))
        });
        let (bytes, hash) = written.await??;
        // How much a removed request had written depends on timing: only the bytes show it.
        if let Some(hash) = hash {
            open.ingredients.add(&hash.to_string());
        }
        let fingerprint = open.ingredients.document(open.created, std::iter::once(&*open.title));
        Ok(Some(RenderedPage { index: 0, bytes: bytes.into(), rasterizer: open.rasterizer, fingerprint }))
    }
}

impl OpenDocument {
    fn new(options: DocumentOptions, scale: PaperScale) -> Result<Self, Error> {
        let (created, title) = (options.created, options.title.clone());
        let writer = Arc::new(Mutex::new(Some(Writer::begin(options)?)));
        let ingredients = Ingredients::of_parts();
        let rasterizer = document_rasterizer(&[]);
        Ok(Self { writer, scale, created, title, ingredients, pages: 0, rasterizer, has_leftovers: false })
    }
}

/// Adds the pages of one request to the document.
struct RequestSink<'a> {
    document: DocumentSink<WriterGuard>,
    /// Set before the first page, in case the request ends before it is complete.
    has_leftovers: &'a mut bool,
}

impl PageSink for RequestSink<'_> {
    fn raster_scale(&self) -> DeviceScale {
        self.document.raster_scale()
    }

    async fn add(self, pages: &mut PageRenderer<'_>, page: Page, index: usize) -> Result<Self, Error> {
        *self.has_leftovers = true;
        Ok(Self { document: self.document.add(pages, page, index).await?, ..self })
    }
}

impl WriterGuard {
    fn new(guard: OwnedMutexGuard<Option<Writer>>) -> Result<Self, Error> {
        if guard.is_none() { Err(writer_lost()) } else { Ok(Self(guard)) }
    }
}

fn writer_lost() -> Error {
    Error::Internal("the document broke off in the middle of an earlier page".into())
}

impl Deref for WriterGuard {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        self.0.as_ref().expect("`new` checks it, and only `drop` takes it")
    }
}

impl DerefMut for WriterGuard {
    fn deref_mut(&mut self) -> &mut Writer {
        self.0.as_mut().expect("`new` checks it, and only `drop` takes it")
    }
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0 = None;
        }
    }
}
