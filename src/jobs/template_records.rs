//! The records of templates, for the room `templates`.

use std::sync::Arc;

use super::ledger::Ledger;
use super::store::{Owner, StoreError, TemplateEntry};

/// Records of templates by owner and id, over the ledger of jobs. Cheap to clone.
#[derive(Clone)]
pub struct TemplateRecords(pub(super) Arc<dyn Ledger>);

impl TemplateRecords {
    /// Loads one record; `None` when there is none.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn load(&self, owner: &Owner, id: &str) -> Result<Option<TemplateEntry>, StoreError> {
        self.0.template(owner, id).await
    }

    /// All records of `owner`, or of all owners, in no particular order. Includes every write that was acknowledged
    /// before the call.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn all(&self, owner: Option<&Owner>) -> Result<Vec<Arc<str>>, StoreError> {
        self.0.templates(owner).await
    }

    /// Creates a record (`revision` is `None`), or replaces the one at `revision`, durably. Returns false when there is
    /// another one by now.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn put(
        &self,
        owner: &Owner,
        id: &str,
        record: Arc<str>,
        revision: Option<u64>,
    ) -> Result<bool, StoreError> {
        self.0.put_template(owner, id, record, revision).await
    }

    /// Removes the record at `revision`. Returns false when there is another one by now, or none.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn remove(&self, owner: &Owner, id: &str, revision: u64) -> Result<bool, StoreError> {
        self.0.remove_template(owner, id, revision).await
    }
}
