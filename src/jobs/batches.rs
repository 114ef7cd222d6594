//! Batches, as the server asks for them.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::batch::{Batch, BatchId, BatchListing, Item, ItemListing};
use super::batch_request::{BatchRequest, DESIGN_URL, ROWS_URL, RowsSent, Source};
use super::job::Status;
use super::request::{DESIGN, WEBHOOK};
use super::results::{Area, Results};
use super::store::{
    AcceptedBatch, BatchDelivery, DeliveryListing, DeliveryQuery, Idempotency, ItemQuery, NewBatch, NewRow, Owner,
    StoreError, Template,
};
use super::{JobError, Jobs};
use crate::error::Error;
use crate::report::{JsonPath, Problem};
use crate::rows::{ManifestRecord, RowFormat, RowStatus};

/// What a caller sent to become a batch.
#[derive(Clone, Debug)]
pub struct BatchSubmission {
    /// Whose it will be.
    pub owner: Owner,
    /// The call.
    pub call: BatchCall,
    /// What links start with: `http://host:port`.
    pub link_base: String,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// The two forms of the call.
#[derive(Clone, Debug)]
pub enum BatchCall {
    /// All of it in JSON.
    Json(Bytes),
    /// Rows; the rest are members of the query, decoded, without the key.
    Rows {
        /// As sent.
        rows: Bytes,
        /// How they are written.
        format: RowFormat,
        /// Names and values.
        query: Vec<(String, String)>,
    },
}

impl BatchCall {
    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        match self {
            Self::Json(body) => digest.update(body),
            Self::Rows { rows, format, query } => {
                // Lengths before texts, so that no two calls read alike.
                for text in query.iter().flat_map(|(name, value)| [name, value]) {
                    digest.update(text.len().to_be_bytes());
                    digest.update(text);
                }
                digest.update(format!("{format:?}"));
                digest.update(rows);
            }
        }
        digest.finalize().into()
    }
}

/// Some items of a batch, and the names of their files among the results.
#[derive(Clone, Debug)]
pub struct FoundItems {
    /// With links.
    pub listing: ItemListing,
    /// One an item.
    pub files: Vec<String>,
}

impl Jobs {
    /// Fetches what the call points to, looks at it, and makes it a batch.
    ///
    /// # Errors
    /// `Render` when the call cannot become one.
    pub async fn submit_batch(&self, submission: BatchSubmission) -> Result<AcceptedBatch, JobError> {
        let BatchSubmission { owner, call, link_base, idempotency_key } = submission;
        let parser = self.0.parser;
        let looked_at = self.0.engine.run_on_pool(move || {
            let digest = call.digest();
            let request = match call {
                BatchCall::Json(body) => BatchRequest::read(&body, parser)?,
                BatchCall::Rows { rows, format, query } => BatchRequest::of_rows(rows, format, &query, parser)?,
            };
            Ok::<_, Error>((request, digest))
        });
        let (mut request, digest) = looked_at.await??;
        let (webhook, webhook_items) = (request.webhook.take(), request.webhook_items);
        if let Some(url) = &webhook {
            let checked = self.0.poster.check(url);
            checked.map_err(|error| Error::invalid(Problem { path: WEBHOOK.into(), message: error.to_string() }))?;
        }
        if let Source::Url(url) = &request.design {
            let body = self.download(DESIGN_URL, url).await?;
            let read = self.0.engine.run_on_pool(move || parser.parse(&body)).await?;
            let read = read.map_err(|problem| Problem { path: DESIGN_URL.into(), ..problem });
            request.design = Source::Here(read.map_err(Error::invalid)?);
        }
        if let Source::Url(url) = &request.rows {
            let format = request.rows_format.or_else(|| Source::format_of(url)).ok_or_else(|| {
                let message =
                    "its path does not end in .csv, .ndjson, .jsonl or .json; say which it is with rowsFormat";
                Error::invalid(Problem { path: ROWS_URL.into(), message: message.into() })
            })?;
            let body = self.download(ROWS_URL, url).await?;
            request.rows = Source::Here(RowsSent::Text(body, format));
        }
        let (limits, format, document) = (self.0.batch_settings.clone(), request.format, request.document.clone());
        let engine = self.0.engine.clone();
        let read = self.0.engine.run_on_pool(move || {
            if let Source::Here(design) = &request.design
                && design.is_object()
            {
                engine.check_template(design.clone(), DESIGN.into())?;
            }
            request.finish(&limits)
        });
        let (template, rows): (Template, Vec<NewRow>) = read.await??;
        let idempotency = idempotency_key.map(|key| Idempotency { key, digest });
        let (format, extension) = (format.name(), format.extension());
        let batch = NewBatch {
            owner,
            template,
            rows,
            document,
            format,
            extension,
            webhook,
            webhook_items,
            link_base,
            idempotency,
        };
        Ok(match self.0.service.accept_batch(batch).await? {
            AcceptedBatch::Again(batch) => AcceptedBatch::Again(self.linked(batch).await?),
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

    /// One of `owner`'s batches.
    ///
    /// # Errors
    /// When the store fails, or a link cannot be made.
    pub async fn batch(&self, owner: &Owner, id: &BatchId) -> Result<Option<Batch>, StoreError> {
        match self.0.service.batch(owner, id).await? {
            Some(batch) => self.linked(batch).await.map(Some),
            None => Ok(None),
        }
    }

    /// `limit` of `owner`'s batches after the newest `offset`.
    ///
    /// # Errors
    /// When the store fails, or a link cannot be made.
    pub async fn batches(&self, owner: &Owner, offset: u64, limit: u64) -> Result<BatchListing, StoreError> {
        let mut listing = self.0.service.batches(owner, offset, limit).await?;
        for batch in &mut listing.batches {
            *batch = self.linked(batch.clone()).await?;
        }
        Ok(listing)
    }

    /// `batch` with a link to its document that is as old as the answer: those to a bucket end.
    async fn linked(&self, mut batch: Batch) -> Result<Batch, StoreError> {
        if let Some(document) = &mut batch.document {
            document.url = self.link(&document.file, &document.link_base).await?;
        }
        Ok(batch)
    }

    async fn link(&self, file: &str, base: &str) -> Result<String, StoreError> {
        let link = self.0.results.link(Area::Jobs, file, base, self.0.settings.lifetime).await;
        link.map_err(|error| StoreError::Failed { place: "a link to a result".into(), reason: error.to_string() })
    }

    /// Rows of one of `owner`'s batches, with links; `None` when there is no such batch.
    ///
    /// # Errors
    /// When the store fails, or a link cannot be made.
    pub async fn items(&self, owner: &Owner, id: &BatchId, which: ItemQuery) -> Result<Option<FoundItems>, StoreError> {
        let Some(mut found) = self.0.service.items(owner, id, which).await? else { return Ok(None) };
        for (item, file) in found.listing.items.iter_mut().zip(&found.files) {
            if item.status == Status::Done {
                // Links to a bucket end: one is as old as the answer, and not as the picture.
                item.url = Some(self.link(file, &found.link_base).await?);
            }
        }
        Ok(Some(FoundItems { listing: found.listing, files: found.files }))
    }

    /// Has the failed rows of a batch rendered again; how many wait for that, which is all of them in a document. `None` when
    /// there is no such batch.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retry_rows(&self, owner: &Owner, id: &BatchId) -> Result<Option<u64>, StoreError> {
        let waiting = self.0.service.retry_rows(owner, id).await?;
        if waiting.is_some_and(|it| it > 0) {
            self.0.sweep_now.notify_one(); // a document that is made anew may be large
        }
        Ok(waiting)
    }

    /// What the receiver of one of `owner`'s batches was told; `None` when there is no such batch.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn batch_deliveries(
        &self,
        owner: &Owner,
        id: &BatchId,
        which: DeliveryQuery,
    ) -> Result<Option<DeliveryListing>, StoreError> {
        self.0.service.batch_deliveries(owner, id, which).await
    }

    /// Begins a delivery of a batch again; `None` when there is no such one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn retry_of_batch(
        &self,
        owner: &Owner,
        id: &BatchId,
        delivery: &str,
    ) -> Result<Option<BatchDelivery>, StoreError> {
        self.0.service.retry_of_batch(owner, id, delivery).await
    }

    /// Where the files of jobs and rows are.
    pub fn results(&self) -> &Results {
        &self.0.results
    }

    /// Cancels a batch, or removes it; its files go with the next sweep, which begins at once. False when there is none.
    ///
    /// # Errors
    /// When the store fails; the batch is then still there.
    pub async fn remove_batch(&self, owner: &Owner, id: &BatchId) -> Result<bool, StoreError> {
        let removed = self.0.service.remove_batch(owner, id).await?;
        if removed {
            self.0.under_way.cancel_batch(id);
            self.0.sweep_now.notify_one(); // ten thousand files: nobody should wait for that
        }
        Ok(removed)
    }
}

impl Item {
    /// As a manifest has it; `None` while the row has not ended.
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
