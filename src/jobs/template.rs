//! Templates of batches in the store, with what a worker needs of them. Renderers read their designs.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use super::batch::BatchId;
use super::batch_assets::BatchAssets;
use super::results::Results;
use super::service::Service;
use super::store::StoreError;
use crate::calls::RowTemplate;
use crate::error::Error;
use crate::json::JsonParser;
use crate::report::Warning;
use crate::rows::NamePattern;

/// Number of cached templates. With more batches in progress, templates are loaded repeatedly.
const CACHED_TEMPLATES: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// Loads templates, and caches those that were used last.
pub(super) struct Templates {
    service: Arc<Service>,
    results: Results,
    parser: JsonParser,
    cache: Mutex<LruCache<BatchId, Arc<BatchTemplate>>>,
}

/// The part of a batch that its rows share.
pub(super) struct BatchTemplate {
    /// Pattern of the file names in the archive, if the call has one.
    names: Option<NamePattern>,
    /// The body of the template and the storage of its files, for renderers.
    pub(super) batch_assets: Arc<BatchAssets>,
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
    pub(super) fn new(service: Arc<Service>, results: Results, parser: JsonParser) -> Self {
        Self { service, results, parser, cache: Mutex::new(LruCache::new(CACHED_TEMPLATES)) }
    }

    /// Loads the template of `batch`.
    ///
    /// # Errors
    /// A failure of the store, a batch that was removed, or an invalid template.
    pub(super) async fn load(&self, batch: &BatchId) -> Result<Arc<BatchTemplate>, TemplateError> {
        if let Some(template) = self.cache.lock().get(batch) {
            return Ok(template.clone());
        }
        let body = self.service.template(batch).await?.ok_or(TemplateError::Removed)?.body;
        let template = RowTemplate::read(&body, self.parser).map_err(TemplateError::Invalid)?;
        let batch_assets = BatchAssets::new(batch.clone(), body, self.service.clone(), self.results.clone());
        let read = BatchTemplate { names: template.names().cloned(), batch_assets: Arc::new(batch_assets) };
        // When two rows load it at once, both use the first, so that failures of its storage are counted together.
        Ok(self.cache.lock().get_or_insert(batch.clone(), || Arc::new(read)).clone())
    }

    /// Empties the cache, when no job is due.
    pub(super) fn clear(&self) {
        self.cache.lock().clear();
    }
}

impl BatchTemplate {
    /// Whether `warning` is about a variable that the design does not use but the file names do.
    pub(super) fn explains(&self, warning: &Warning) -> bool {
        self.names.as_ref().is_some_and(|names| names.explains(warning))
    }
}
