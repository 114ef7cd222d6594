//! One document out of many requests: all rows of a batch, one after the other.
//!
//! The writer stays here while sessions come and go: a request that fails, runs out of time or is dropped while a thread
//! works for it takes nothing along. Pages of such a request are taken back before the next one begins, so that the document
//! has requests as wholes. Scenes and pixels are those of one page at a time; what grows is the file's own bytes, its fonts
//! and a short note for each picture.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::choice::OPTIONS;
use super::document;
use super::fingerprint::Ingredients;
use super::render::{self, Ready, RenderRequest, RenderedPage};
use super::sink::painter_told;
use super::{Session, Stage};
use crate::assets::ContentHash;
use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::pdf::{DocumentOptions, PaperScale, Writer};
use crate::output::{Format, Pdf};
use crate::report::{JsonPath, Problem, Warning};

/// A document under way, which [`Session::add_to`] adds to and [`Session::finish_merged`] ends.
pub struct Merged {
    /// Of all requests.
    options: RenderOptions,
    accepts: Accepts,
    /// `None` until the first request has come as far as its pages.
    begun: Option<Begun>,
}

/// Looks at what filling in variables and reading a design have to tell.
type Accepts = fn(&[Warning]) -> Result<(), Error>;

struct Begun {
    /// `None` after a panic in the middle of a page: nobody knows what is written.
    writer: Arc<Mutex<Option<Writer>>>,
    scale: PaperScale,
    created: Timestamp,
    title: String,
    ingredients: Ingredients,
    /// Pages of whole requests.
    pages: usize,
    rasterizer: &'static str,
    /// A request that failed came as far as the writer: what it wrote is among the bytes, and leads nowhere.
    has_leftovers: bool,
}

/// What one request became.
#[derive(Clone, Debug)]
pub struct Added {
    /// Its first page's place in the document, from 0.
    pub first: usize,
    /// How many pages it has; at least one.
    pub count: usize,
    /// What was drawn otherwise than written.
    pub warnings: Vec<Warning>,
}

/// The writer, for one who adds to it. It travels into the work of threads, and is free again when nobody works on it, even
/// if nobody waited for that.
struct Held(OwnedMutexGuard<Option<Writer>>);

impl Merged {
    /// Of no request yet. `options`: of all requests; what is of the document as a whole counts.
    pub fn new(options: RenderOptions) -> Self {
        Self { options, accepts: |_| Ok(()), begun: None }
    }

    /// Asks `accepts` about each request before anything of it is painted: its warnings up to then, those about placeholders
    /// among them. An error is that request's.
    pub fn accepting(self, accepts: Accepts) -> Self {
        Self { accepts, ..self }
    }

    /// Pages up to now.
    pub fn pages(&self) -> usize {
        self.begun.as_ref().map_or(0, |it| it.pages)
    }

    /// What `ready` is added to, made when it is the first.
    fn begin(&mut self, session: &Session, ready: &Ready) -> Result<&mut Begun, Error> {
        let scale = document::scale(&ready.options, &ready.prepared.design)?;
        let other_scale = self.begun.as_ref().is_some_and(|it| it.scale != scale);
        let differing = document::differing(&self.options, &ready.options).or(other_scale.then_some("dpi"));
        if let Some(name) = differing {
            let message = "is of the document as a whole, and other than there; accepted: the same for all".to_owned();
            return Err(Error::invalid(Problem { path: JsonPath::from(OPTIONS).key(name), message }));
        }
        match &mut self.begun {
            Some(begun) => Ok(begun),
            none => {
                let limits = session.engine.0.rooms.rasterizer.limits();
                let options = document::options(&ready.prepared, &ready.options, limits)?;
                Ok(none.insert(Begun::new(options, scale)?))
            }
        }
    }
}

impl Begun {
    fn new(options: DocumentOptions, scale: PaperScale) -> Result<Self, Error> {
        let (created, title) = (options.created, options.title.clone());
        let writer = Arc::new(Mutex::new(Some(Writer::begin(options)?)));
        let ingredients = Ingredients::of_parts();
        let rasterizer = painter_told(&[]);
        Ok(Self { writer, scale, created, title, ingredients, pages: 0, rasterizer, has_leftovers: false })
    }
}

impl Held {
    fn new(guard: OwnedMutexGuard<Option<Writer>>) -> Result<Self, Error> {
        if guard.is_none() { Err(broke_off()) } else { Ok(Self(guard)) }
    }
}

fn broke_off() -> Error {
    Error::Internal("the document broke off in the middle of an earlier page".into())
}

impl Deref for Held {
    type Target = Writer;

    fn deref(&self) -> &Writer {
        self.0.as_ref().expect("`new` has seen it, and only `drop` takes it away")
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Writer {
        self.0.as_mut().expect("`new` has seen it, and only `drop` takes it away")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0 = None;
        }
    }
}

impl Session {
    /// Renders the pages of `request` and adds them to `document`, all of them or none. Its format is the document's,
    /// whatever it says.
    ///
    /// # Errors
    /// As [`Self::render`]; and `Invalid` where options of the document as a whole are other than the document's. The document
    /// is as it was, unless it is `Internal` from then on: a panic in the middle of a page leaves none that could be trusted.
    pub async fn add_to(&mut self, document: &mut Merged, request: RenderRequest) -> Result<Added, Error> {
        let rooms = self.engine.0.rooms.clone();
        let format: &'static dyn Format = &Pdf;
        let mut ready = self.ready(RenderRequest { format, ..request }).await?;
        (document.accepts)(&ready.prepared.design.warnings)?;
        let begun = document.begin(self, &ready)?;
        let asked = self.work(Stage::Resolve, {
            let (rooms, prepared, loaded, options) =
                (rooms.clone(), ready.prepared.clone(), ready.loaded.clone(), ready.options.clone());
            move || {
                let fonts = render::fonts(&rooms, &prepared, &loaded, &options);
                (fonts, Ingredients::new(&rooms, &prepared, &loaded, &options, format))
            }
        });
        let (fonts, ingredients) = asked.await?;
        let mut warnings = ready.prepared.design.warnings.clone();
        let (mut layouter, substituted) = fonts?;
        warnings.extend(substituted);

        // Free, but for work that an earlier request left behind.
        let mut writer = Held::new(self.wait(Stage::Queue, begun.writer.clone().lock_owned()).await?)?;
        writer.truncate(begun.pages);
        let had_leftovers = begun.has_leftovers;
        ready.show_at(writer.detail());
        let mut painters = Vec::with_capacity(ready.prepared.pages.len());
        for (done, index) in ready.prepared.pages.iter().copied().enumerate() {
            if done > 0 {
                self.let_others().await?;
            }
            let (used, pages) = self.resolved(&ready, index, layouter, &mut warnings).await?;
            layouter = used;
            for page in pages {
                let at = ready.prepared.design.pages[index].at.clone();
                begun.has_leftovers = true; // should this request end here
                let (held, painter) = self.document_page(writer, Arc::new(page), at, &mut warnings).await?;
                writer = held;
                painters.push(painter);
            }
            self.progressed(done + 1, ready.prepared.pages.len());
        }
        rooms.layouters.give_back(layouter);
        let (first, count) = (begun.pages, painters.len());
        (begun.pages, begun.has_leftovers) = (writer.len(), had_leftovers);
        begun.ingredients.add_part(&ingredients, painters.iter().map(|it| rooms.painter(it)));
        begun.rasterizer = painter_told(&[&[begun.rasterizer], &*painters].concat());
        Ok(Added { first, count, warnings })
    }

    /// The file with the pages of all requests that were added; `None` when there are none.
    ///
    /// # Errors
    /// As [`Self::render`].
    pub async fn finish_merged(&mut self, document: Merged) -> Result<Option<RenderedPage>, Error> {
        let Some(mut begun) = document.begun.filter(|it| it.pages > 0) else { return Ok(None) };
        let mut writer = self.wait(Stage::Queue, begun.writer.clone().lock_owned()).await?;
        let mut writer = writer.take().ok_or_else(broke_off)?;
        writer.truncate(begun.pages);
        let written = self.work(Stage::Encode, move || {
            let bytes = writer.finish()?;
            let hash = begun.has_leftovers.then(|| ContentHash::of(&bytes));
            Ok::<_, Error>((bytes, hash))
        });
        let (bytes, hash) = written.await??;
        // How far those came that were taken back depends on time: only the bytes say it.
        if let Some(hash) = hash {
            begun.ingredients.add(&hash.to_string());
        }
        let fingerprint = begun.ingredients.document(begun.created, std::iter::once(&*begun.title));
        Ok(Some(RenderedPage { index: 0, bytes: bytes.into(), rasterizer: begun.rasterizer, fingerprint }))
    }
}
