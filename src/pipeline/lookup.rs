//! Looks a loaded request up in the result cache, and prepares its rendering when there is no answer.

use std::sync::Arc;

use super::ingredients::Ingredients;
use super::loaded_request::LoadedRequest;
use super::prepare::{Fonts, fonts};
use super::request::Rendered;
use super::resources::Resources;
use super::results::CacheKey;

/// Result of looking a request up with [`lookup`].
pub(super) enum CacheLookup {
    /// The result cache has the answer.
    Hit(Arc<Rendered>),
    /// The answer has to be rendered.
    Miss(Box<Miss>),
}

/// State for rendering an answer that is not in the result cache.
pub(super) struct Miss {
    pub(super) fonts: Fonts,
    pub(super) ingredients: Ingredients,
    /// Key to store the answer under; `None` when it must not be cached.
    pub(super) cache_key: Option<CacheKey>,
}

/// Looks the request up in the result cache, and prepares rendering on a miss. An answer with missing assets is not
/// cached, as the next request may have them.
pub(super) fn lookup(resources: &Resources, request: &LoadedRequest) -> CacheLookup {
    let LoadedRequest { prepared, loaded } = request;
    let ingredients = Ingredients::new(resources, request);
    let is_complete = loaded.assets.failures().is_empty() && loaded.web_failures.is_empty();
    let cache_key = (resources.results.is_on() && is_complete)
        .then(|| ingredients.cache_key(&prepared.options, &resources.defaults, &prepared.at));
    if let Some(answer) = cache_key.and_then(|key| resources.results.get(&key)) {
        return CacheLookup::Hit(answer);
    }
    CacheLookup::Miss(Box::new(Miss { fonts: fonts(resources, request), ingredients, cache_key }))
}
