//! Templates of batches: the design, options and assets that all rows share, and the request for one row.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::batch::BatchId;
use super::batch_assets::BatchAssets;
use super::batch_request::FILE_NAME;
use super::request::{DESIGN, with_flat_paths};
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

/// Number of cached templates, each with up to `TENTER_PIN_BYTES` of assets. With more batches in progress, templates
/// are loaded repeatedly.
const CACHED_TEMPLATES: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// Loads templates, and caches those that were used last.
pub(super) struct Templates {
    service: Arc<Service>,
    results: Results,
    pin_bytes: usize,
    parser: JsonParser,
    cache: Mutex<LruCache<BatchId, Arc<RowTemplate>>>,
}

/// The part of a batch that its rows share.
pub(super) struct RowTemplate {
    design: Value,
    options: Value,
    /// Pattern of the file names in the archive, if the call has one.
    names: Option<NamePattern>,
    pub(super) format: &'static dyn Format,
    snapshot: Arc<AssetSnapshot>,
    /// Painted elements at the beginning of pages that do not differ between rows.
    prefix_cache: Arc<PrefixCache>,
    /// Storage of the files in `snapshot`.
    pub(super) batch_assets: Arc<BatchAssets>,
    parser: JsonParser,
}

/// A template cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    /// The store failed; a retry may succeed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The batch was removed.
    #[error("the batch was removed")]
    Removed,
    /// The stored template is invalid. It was valid when the batch was accepted.
    #[error(transparent)]
    Invalid(Error),
}

impl Templates {
    pub(super) fn new(service: Arc<Service>, results: Results, pin_bytes: usize, parser: JsonParser) -> Self {
        Self { service, results, pin_bytes, parser, cache: Mutex::new(LruCache::new(CACHED_TEMPLATES)) }
    }

    /// Loads the template of `batch`.
    ///
    /// # Errors
    /// A failure of the store, a batch that was removed, or an invalid template.
    pub(super) async fn load(&self, batch: &BatchId) -> Result<Arc<RowTemplate>, TemplateError> {
        if let Some(template) = self.cache.lock().get(batch) {
            return Ok(template.clone());
        }
        let stored = self.service.template(batch).await?.ok_or(TemplateError::Removed)?;
        let read = self.read(batch, &stored.body).map_err(TemplateError::Invalid)?;
        // When two rows load it at once, both use the first, so that a batch has one snapshot.
        Ok(self.cache.lock().get_or_insert(batch.clone(), || Arc::new(read)).clone())
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
        let batch_assets = Arc::new(BatchAssets::new(batch.clone(), self.service.clone(), self.results.clone()));
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

    /// Empties the cache, when no job is due.
    pub(super) fn clear(&self) {
        self.cache.lock().clear();
    }
}

impl RowTemplate {
    /// Prepares `session` for rendering a row of this batch.
    pub(super) fn attach_to(&self, session: &mut Session) {
        session.use_asset_snapshot(self.snapshot.clone());
        session.refuse_unfilled_placeholders();
        session.use_prefix_cache(self.prefix_cache.clone());
    }

    /// The options that all rows share, without variables.
    ///
    /// # Errors
    /// Invalid options. They were valid when the batch was accepted.
    pub(super) fn options(&self) -> Result<RenderOptions, Error> {
        let mut problems = Problems::new();
        let options = RenderOptions::read(&self.options, JsonPath::root(), &mut problems);
        if problems.is_empty() { Ok(options) } else { Err(Error::Invalid(problems.into_vec())) }
    }

    /// Creates the request that renders the row with the number `row`.
    ///
    /// # Errors
    /// Invalid values or options of the row.
    pub(super) fn fill_in(&self, row: u64, values: &Bytes) -> Result<RenderRequest, Error> {
        let value = self.parser.parse(values).map_err(Error::invalid)?;
        let row = Row::read(row, value).map_err(|broken| Error::Invalid(broken.problems))?;
        let mut problems = Problems::new();
        let options = RenderOptions::read(&row.options_over(&self.options), JsonPath::root(), &mut problems);
        if !problems.is_empty() {
            return Err(Error::Invalid(problems.into_vec()));
        }
        let format = format_for(None, &options).map_err(with_flat_paths)?;
        if format.name() != self.format.name() {
            let message =
                format!("found {}; all files of a batch are of one format, here {}", format.name(), self.format.name());
            return Err(Error::invalid(Problem { path: "format".into(), message }));
        }
        let pages = Pages::of(&options, format);
        Ok(RenderRequest { design: self.design.clone(), at: DESIGN.into(), options, format, pages })
    }

    /// Whether `warning` is about a variable that the design does not use but the file names do.
    pub(super) fn explains(&self, warning: &Warning) -> bool {
        self.names.as_ref().is_some_and(|names| names.explains(warning))
    }
}
