//! Calls about batches: submission, lists, retries, removal.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::batch::{Batch, BatchId, BatchListing, Item};
use super::batch_request::{BatchRequest, DESIGN_URL, ROWS_URL, RowsSent, Source};
use super::facade::{JobError, Jobs};
use super::job::Status;
use super::results::Area;
use super::store::{
    BatchDelivery, BatchSubmitOutcome, DeliveryListing, DeliveryQuery, Idempotency, ItemPage, ItemQuery, NewBatch,
    Owner, StoreError,
};
use crate::calls::DESIGN;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::report::{JsonPath, Problem};
use crate::rows::{ManifestRecord, RowFormat, RowStatus};

/// A request that creates a batch.
#[derive(Clone, Debug)]
pub struct BatchSubmission {
    /// Name of the API key of the request.
    pub owner: Owner,
    /// Body and query of the request.
    pub call: BatchCall,
    /// JSON of the design of the template that the call names.
    pub design: Option<Bytes>,
    /// Base of links, `http://host:port`.
    pub link_base: String,
    /// Value of the header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// The two forms of a request that creates a batch.
#[derive(Clone, Debug)]
pub enum BatchCall {
    /// A JSON body with everything in it.
    Json(Bytes),
    /// A body with the rows; everything else is in the query.
    Rows {
        /// The body as it was received.
        rows: Bytes,
        /// Format of the body.
        format: RowFormat,
        /// Decoded names and values of the query, without the API key.
        query: Vec<(String, String)>,
    },
}

impl BatchCall {
    fn hash(&self) -> ContentHash {
        let mut hasher = Sha256::new();
        match self {
            Self::Json(body) => hasher.update(body),
            Self::Rows { rows, format, query } => {
                // Each text is preceded by its length, so that different calls have different hashes.
                for text in query.iter().flat_map(|(name, value)| [name, value]) {
                    hasher.update(text.len().to_be_bytes());
                    hasher.update(text);
                }
                hasher.update(format!("{format:?}"));
                hasher.update(rows);
            }
        }
        hasher.into()
    }
}

impl Jobs {
    /// Validates a request, downloads the design and the rows if it has URLs for them, and stores it as a batch.
    ///
    /// # Errors
    /// An invalid request, a failed download, or a failure of the store.
    pub async fn submit_batch(&self, submission: BatchSubmission) -> Result<BatchSubmitOutcome, JobError> {
        let BatchSubmission { owner, call, design, link_base, idempotency_key } = submission;
        let parser = self.0.parser;
        let read = self.0.renderers.run_on_pool(move || {
            let hash = call.hash();
            let design = design.map(|design| parser.parse(&design)).transpose().map_err(Error::invalid)?;
            let request = match call {
                BatchCall::Json(body) => BatchRequest::read(&body, design, parser)?,
                BatchCall::Rows { rows, format, query } => BatchRequest::of_rows(rows, format, &query, design, parser)?,
            };
            Ok::<_, Error>((request, hash))
        });
        let (mut request, hash) = read.await??;
        let (webhook, webhook_items) = (request.webhook.take(), request.webhook_items);
        self.check_webhook(webhook.as_deref())?;
        if let Source::Url(url) = &request.design {
            let body = self.download(DESIGN_URL, url).await?;
            let design = self.0.renderers.run_on_pool(move || parser.parse(&body)).await?;
            let design = design.map_err(|problem| Problem { path: DESIGN_URL.into(), ..problem });
            request.design = Source::Inline(design.map_err(Error::invalid)?);
        }
        if let Source::Url(url) = &request.rows {
            let format = request.rows_format.or_else(|| Source::format_of(url)).ok_or_else(|| {
                let message =
                    "its path does not end in .csv, .ndjson, .jsonl or .json; say which it is with rowsFormat";
                Error::invalid(Problem { path: ROWS_URL.into(), message: message.into() })
            })?;
            let body = self.download(ROWS_URL, url).await?;
            request.rows = Source::Inline(RowsSent::Text(body, format));
        }
        let (limits, format, document) = (self.0.batch_settings.clone(), request.format, request.document.clone());
        let renderers = self.0.renderers.clone();
        let finished = self.0.renderers.run_on_pool(move || {
            if let Source::Inline(design) = &request.design
                && design.is_object()
            {
                renderers.check_template(design.clone(), DESIGN.into(), request.unknown)?;
            }
            request.finish(&limits)
        });
        let (template, rows) = finished.await??;
        let batch = NewBatch {
            owner,
            template,
            rows,
            document,
            format: format.name(),
            extension: format.extension(),
            webhook,
            webhook_items,
            link_base,
            idempotency: idempotency_key.map(|key| Idempotency { key, hash }),
        };
        Ok(match self.0.service.accept_batch(batch).await? {
            BatchSubmitOutcome::Replayed(batch) => BatchSubmitOutcome::Replayed(self.with_link(batch).await?),
            other => other,
        })
    }

    async fn download(&self, member: &str, url: &str) -> Result<Bytes, Error> {
        self.0
            .downloader
            .get(url)
            .await
            .map_err(|reason| Error::Asset(vec![Problem { path: JsonPath::from(member), message: reason.to_string() }]))
    }

    /// Loads one of `owner`'s batches; `None` when it does not exist.
    ///
    /// # Errors
    /// The store failed, or a link could not be created.
    pub async fn batch(&self, owner: &Owner, id: &BatchId) -> Result<Option<Batch>, StoreError> {
        match self.0.service.batch(owner, id).await? {
            Some(batch) => self.with_link(batch).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lists up to `limit` of `owner`'s batches, newest first, after the first `offset`.
    ///
    /// # Errors
    /// The store failed, or a link could not be created.
    pub async fn batches(&self, owner: &Owner, offset: u64, limit: u64) -> Result<BatchListing, StoreError> {
        let mut listing = self.0.service.batches(owner, offset, limit).await?;
        for batch in &mut listing.batches {
            *batch = self.with_link(batch.clone()).await?;
        }
        Ok(listing)
    }

    /// Replaces the link to the document, since links to a bucket are valid for a limited time.
    async fn with_link(&self, mut batch: Batch) -> Result<Batch, StoreError> {
        if let Some(document) = &mut batch.document {
            document.url = self.link(&document.file, &document.link_base).await?;
        }
        Ok(batch)
    }

    async fn link(&self, file: &str, base: &str) -> Result<String, StoreError> {
        let link = self.0.results.link(Area::Jobs, file, base, self.0.settings.lifetime).await;
        link.map_err(|error| StoreError::Failed { place: "a link to a result".into(), reason: error.to_string() })
    }

    /// Lists rows of one of `owner`'s batches, with links; `None` when the batch does not exist.
    ///
    /// # Errors
    /// The store failed, or a link could not be created.
    pub async fn items(&self, owner: &Owner, id: &BatchId, query: ItemQuery) -> Result<Option<ItemPage>, StoreError> {
        let Some(mut page) = self.0.service.items(owner, id, query).await? else { return Ok(None) };
        for (item, file) in page.listing.items.iter_mut().zip(&page.files) {
            if item.status == Status::Done {
                // Links to a bucket are valid for a limited time, so that each response has new ones.
                item.url = Some(self.link(file, &page.link_base).await?);
            }
        }
        Ok(Some(page))
    }

    /// Schedules the failed rows of a batch again. Returns the number of scheduled rows, which is all rows for a
    /// document; `None` when the batch does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retry_rows(&self, owner: &Owner, id: &BatchId) -> Result<Option<u64>, StoreError> {
        let scheduled = self.0.service.retry_rows(owner, id).await?;
        if scheduled.is_some_and(|it| it > 0) {
            self.0.sweep_now.notify_one(); // the previous document may be a large file
        }
        Ok(scheduled)
    }

    /// Lists the webhook deliveries of a batch, oldest first; `None` when the batch does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub async fn batch_deliveries(
        &self,
        owner: &Owner,
        id: &BatchId,
        query: DeliveryQuery,
    ) -> Result<Option<DeliveryListing>, StoreError> {
        self.0.service.batch_deliveries(owner, id, query).await
    }

    /// Schedules a webhook delivery of a batch again; `None` when it does not exist.
    ///
    /// # Errors
    /// The store failed.
    pub async fn retry_of_batch(
        &self,
        owner: &Owner,
        id: &BatchId,
        delivery: &str,
    ) -> Result<Option<BatchDelivery>, StoreError> {
        self.0.service.retry_of_batch(owner, id, delivery).await
    }

    /// Cancels a batch, or removes it. A sweep that starts at once removes its files. Returns false when it does not
    /// exist.
    ///
    /// # Errors
    /// The store failed, and the batch still exists.
    pub async fn remove_batch(&self, owner: &Owner, id: &BatchId) -> Result<bool, StoreError> {
        let removed = self.0.service.remove_batch(owner, id).await?;
        if removed {
            self.0.running.cancel_batch(id);
            self.0.sweep_now.notify_one(); // not awaited, since a batch may have thousands of files
        }
        Ok(removed)
    }
}

impl Item {
    /// The row as a record of the manifest; `None` while it has not ended.
    pub fn record(self) -> Option<ManifestRecord> {
        let status = match self.status {
            Status::Done => RowStatus::Done,
            Status::Error => RowStatus::Error,
            Status::Scheduled | Status::Progress => return None,
        };
        Some(ManifestRecord {
            id: Some(self.id.as_str().to_owned()),
            file: (status == RowStatus::Done).then_some(self.name),
            url: self.url,
            bytes: self.bytes,
            sha256: self.sha256,
            fingerprint: self.fingerprint,
            first_page: self.first_page.and_then(|it| it.try_into().ok()),
            page_count: self.page_count.and_then(|it| it.try_into().ok()),
            warnings: self.warnings,
            timings: self.timings,
            error: Some(self.error).filter(|it| !it.is_empty()),
            problems: self.problems,
            ..ManifestRecord::new(self.row, status)
        })
    }
}
