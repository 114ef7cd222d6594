//! What the rows of a batch share while they are rendered, and one row put into it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lru::LruCache;
use serde_json::{Map, Value};

use super::batch::BatchId;
use super::batch_assets::BatchAssets;
use super::batch_request::FILE_NAME;
use super::request::{DESIGN, flat};
use super::results::Results;
use super::service::Service;
use super::store::StoreError;
use crate::assets::AssetSnapshot;
use crate::error::Error;
use crate::json::{JsonParser, Problems};
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pipeline::{Pages, PrefixCache, RenderRequest, Session, format_for};
use crate::report::{JsonPath, Problem, Warning};
use crate::rows::{NamePattern, Row};

/// Batches whose template is at hand at once: each may hold `TENTER_PIN_BYTES`. Batches take turns, and with more of them under
/// way than this templates are read anew.
const AT_HAND: NonZeroUsize = NonZeroUsize::new(4).expect("four");

/// The templates at hand.
pub(super) struct Templates {
    store: Arc<Service>,
    results: Results,
    pin_bytes: usize,
    parser: JsonParser,
    at_hand: Mutex<LruCache<BatchId, Arc<RowTemplate>>>,
}

/// A batch's design and options, and the files that its rows are made of.
pub(super) struct RowTemplate {
    design: Value,
    options: Value,
    /// Of files in the archive, where the call gave them any.
    names: Option<NamePattern>,
    pub(super) format: &'static dyn Format,
    snapshot: Arc<AssetSnapshot>,
    /// What pages of its rows begin with.
    prefix_cache: Arc<PrefixCache>,
    /// Where `snapshot` comes from.
    pub(super) batch_assets: Arc<BatchAssets>,
    parser: JsonParser,
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    /// The store failed: another try may do better.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The batch is gone, and its rows with it.
    #[error("the batch is gone")]
    Gone,
    /// It was read before it was accepted, and cannot be read now.
    #[error(transparent)]
    Unreadable(Error),
}

impl Templates {
    pub(super) fn new(store: Arc<Service>, results: Results, pin_bytes: usize, parser: JsonParser) -> Self {
        Self { store, results, pin_bytes, parser, at_hand: Mutex::new(LruCache::new(AT_HAND)) }
    }

    /// That of `batch`.
    pub(super) async fn of(&self, batch: &BatchId) -> Result<Arc<RowTemplate>, TemplateError> {
        if let Some(template) = self.lock().get(batch) {
            return Ok(template.clone());
        }
        let stored = self.store.template(batch).await?.ok_or(TemplateError::Gone)?;
        let read = self.read(batch, &stored.body).map_err(TemplateError::Unreadable)?;
        // Of two who read it at once, the first counts, so that there is one list of pins.
        Ok(self.lock().get_or_insert(batch.clone(), || Arc::new(read)).clone())
    }

    fn read(&self, batch: &BatchId, body: &[u8]) -> Result<RowTemplate, Error> {
        let mut value = self.parser.parse(body).map_err(Error::invalid)?;
        let design = value.get_mut(DESIGN).map(Value::take).unwrap_or_default();
        let mut options = match value {
            Value::Object(options) => options,
            _ => Map::new(),
        };
        options.remove(DESIGN);
        let names = options.remove(FILE_NAME);
        let names = names.as_ref().and_then(Value::as_str).and_then(|text| NamePattern::parse(text).ok());
        let options = Value::Object(options);
        let format = format_for(None, &RenderOptions::read(&options, JsonPath::root(), &mut Problems::new()))?;
        let batch_assets = Arc::new(BatchAssets::new(batch.clone(), self.store.clone(), self.results.clone()));
        let snapshot = Arc::new(AssetSnapshot::with_store(self.pin_bytes, batch_assets.clone()));
        Ok(RowTemplate {
            design,
            options,
            names,
            format,
            snapshot,
            prefix_cache: Arc::default(),
            batch_assets,
            parser: self.parser,
        })
    }

    /// Lets go of all: nothing is to be rendered now.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<BatchId, Arc<RowTemplate>>> {
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RowTemplate {
    /// A row is rendered in `session`: with what its batch has at hand.
    pub(super) fn attach_to(&self, session: &mut Session) {
        session.use_asset_snapshot(self.snapshot.clone());
        session.refuse_unfilled_placeholders();
        session.use_prefix_cache(self.prefix_cache.clone());
    }

    /// Of a row that has none of its own, without its variables.
    ///
    /// # Errors
    /// `Invalid` when they are wrong, which they were not when the batch was accepted.
    pub(super) fn options(&self) -> Result<RenderOptions, Error> {
        let mut problems = Problems::new();
        let options = RenderOptions::read(&self.options, JsonPath::root(), &mut problems);
        if problems.is_empty() { Ok(options) } else { Err(Error::Invalid(problems.into_vec())) }
    }

    /// Row number `row`, ready to be rendered.
    ///
    /// # Errors
    /// `Invalid` when its values or options are wrong.
    pub(super) fn fill_in(&self, row: u64, values: &Bytes) -> Result<RenderRequest, Error> {
        let value = self.parser.parse(values).map_err(Error::invalid)?;
        let row = Row::read(row, value).map_err(|broken| Error::Invalid(broken.problems))?;
        let mut problems = Problems::new();
        let options = RenderOptions::read(&row.options_over(&self.options), JsonPath::root(), &mut problems);
        if !problems.is_empty() {
            return Err(Error::Invalid(problems.into_vec()));
        }
        let format = format_for(None, &options).map_err(flat)?;
        if format.name() != self.format.name() {
            let message =
                format!("found {}; all files of a batch are of one format, here {}", format.name(), self.format.name());
            return Err(Error::invalid(Problem { path: "format".into(), message }));
        }
        let pages = Pages::of(&options, format);
        Ok(RenderRequest { design: self.design.clone(), at: DESIGN.into(), options, format, pages })
    }

    /// Whether `warning` is none for a row: of a variable that names of files use.
    pub(super) fn explains(&self, warning: &Warning) -> bool {
        self.names.as_ref().is_some_and(|names| names.explains(warning))
    }
}
