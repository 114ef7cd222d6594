//! The reasons why a design cannot be resolved.

use crate::assets::AssetError;
use crate::report::JsonPath;

/// Why a design cannot become a scene.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// An image could not be loaded and `skipImageError` is off.
    #[error("{0}")]
    Image(AssetError),
}

impl ResolveError {
    /// Path in the JSON of the element that needs the asset.
    pub fn at(&self) -> &JsonPath {
        match self {
            Self::Image(error) => &error.at,
        }
    }
}
