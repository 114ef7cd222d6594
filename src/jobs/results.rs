//! Finished files: in folders of `TENTER_DATA_DIR`, or in an S3-compatible bucket.
//!
//! In: storing whole files or nothing, reading, removing, listing, links. Not in: what the names mean.
//! The only place that knows `object_store`.

use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "cluster")]
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetResult, ObjectStore, ObjectStoreExt, PutOptions,
    PutPayload, RetryConfig,
};

use super::batch::BatchId;
use super::folder::DataFolder;
use super::store::StoreError;
use crate::assets::operators_client;
use crate::config::{Bucket, FileSettings};
use crate::report::with_causes;

/// Which results: they have names and lives of different kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Of the classic call.
    Links,
    /// Of jobs, and of rows of batches.
    Jobs,
    /// What jobs were sent, for workers elsewhere, by digest.
    Designs,
    /// Pictures and fonts that stood inside designs, by digest.
    Blobs,
}

impl Area {
    fn folder(self) -> &'static str {
        match self {
            Self::Links => "files",
            Self::Jobs => "jobs",
            Self::Designs => "designs",
            Self::Blobs => "blobs",
        }
    }
}

/// Where the files that batches are made of are.
const PINS: &str = "pins";

/// Where results are. Cheap to clone.
#[derive(Clone)]
pub struct Results {
    store: Arc<dyn ObjectStore>,
    /// Of files that batches are made of, a folder a batch.
    pins: Arc<dyn ObjectStore>,
    bucket: Option<Signing>,
}

/// What a bucket needs besides storing.
#[derive(Clone)]
struct Signing {
    store: Arc<AmazonS3>,
    prefix: Arc<str>,
}

/// A result could not be stored, read or removed. Another try may do better.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// There is none of that name.
    #[error("there is no such result")]
    NotFound,
    /// Whatever else; the text is for the log.
    #[error("{0}")]
    Failed(String),
}

impl From<object_store::Error> for ResultError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error => Self::Failed(with_causes(&error)),
        }
    }
}

/// Tries of one call to a bucket, within this time; whoever called then decides what next.
const BUCKET_TRIES: usize = 3;
const BUCKET_PATIENCE: Duration = Duration::from_secs(20);

impl Results {
    /// Opens what the settings name: a bucket, or folders in `folder`. Blocks; does not talk to the bucket.
    ///
    /// # Errors
    /// When a folder cannot be made, or the settings of the bucket cannot be used.
    pub fn open(settings: &FileSettings, folder: &DataFolder) -> Result<Self, StoreError> {
        if settings.bucket.is_some() {
            return Self::shared(settings);
        }
        let place = || folder.path().display().to_string();
        let wrong = |reason: String| StoreError::ReadOnly { place: place(), reason };
        for area in [Area::Links, Area::Jobs] {
            folder.subfolder(area.folder()).map_err(|error| wrong(error.to_string()))?;
        }
        let pins = folder.subfolder(PINS).map_err(|error| wrong(error.to_string()))?;
        for batch in std::fs::read_dir(&pins).map_err(|error| wrong(error.to_string()))?.flatten() {
            let name = format!("{PINS}/{}", batch.file_name().to_string_lossy());
            folder.subfolder(&name).map_err(|error| wrong(error.to_string()))?;
        }
        let open =
            |path: &std::path::Path| LocalFileSystem::new_with_prefix(path).map_err(|error| wrong(with_causes(&error)));
        // Written elsewhere, on the disk, then renamed: a result is whole or not there.
        let store = open(folder.path())?.with_fsync(true);
        // The folder of a batch goes with its last file.
        let pins = open(&pins)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), pins: Arc::new(pins), bucket: None })
    }

    /// Opens the bucket that the settings name; it needs no folder.
    ///
    /// # Errors
    /// When there is none, or its settings cannot be used.
    pub fn shared(settings: &FileSettings) -> Result<Self, StoreError> {
        let wrong = |place: String, reason: String| StoreError::Failed { place, reason };
        match &settings.bucket {
            Some(bucket) => Self::in_bucket(settings, bucket)
                .map_err(|reason| wrong(format!("the bucket {} (TENTER_RESULTS)", bucket.name), reason)),
            None => Err(wrong("results".into(), "several machines share them in a bucket (TENTER_RESULTS)".into())),
        }
    }

    fn in_bucket(settings: &FileSettings, bucket: &Bucket) -> Result<Self, String> {
        let client = operators_client().map_err(|error| error.to_string())?;
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() };
        let retry = RetryConfig { max_retries: BUCKET_TRIES, retry_timeout: BUCKET_PATIENCE, backoff };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&bucket.name)
            .with_region(&settings.s3_region.0)
            .with_retry(retry)
            .with_http_connector(Connector(HttpClient::new(client)));
        if let Some(endpoint) = &settings.s3_endpoint {
            builder =
                builder.with_endpoint(endpoint.as_str()).with_allow_http(endpoint.as_str().starts_with("http://"));
        }
        match (settings.s3_access_key_id.reveal(), settings.s3_secret_access_key.reveal()) {
            (Some(id), Some(secret)) => builder = builder.with_access_key_id(id).with_secret_access_key(secret),
            (None, None) => {}
            _ => return Err("set both TENTER_S3_ACCESS_KEY_ID and TENTER_S3_SECRET_ACCESS_KEY, or neither".into()),
        }
        let store = Arc::new(builder.build().map_err(|error| with_causes(&error))?);
        Ok(Self {
            store: store.clone(),
            pins: store.clone(),
            bucket: Some(Signing { store, prefix: bucket.prefix.as_str().into() }),
        })
    }

    /// Stores `bytes` whole, over whatever had that name.
    pub async fn put(&self, area: Area, name: &str, bytes: Bytes, media_type: &'static str) -> Result<(), ResultError> {
        let mut attributes = Attributes::new();
        if self.bucket.is_some() {
            // Whoever follows the link asks the bucket, which has to know.
            attributes.insert(Attribute::ContentType, media_type.into());
            attributes.insert(Attribute::ContentDisposition, "inline".into());
        }
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.store.put_opts(&self.path(area, name), PutPayload::from(bytes), options).await?;
        Ok(())
    }

    /// The result called `name`.
    pub async fn get(&self, area: Area, name: &str) -> Result<GetResult, ResultError> {
        Ok(self.store.get(&self.path(area, name)).await?)
    }

    /// Removes it; gone already is as good.
    pub async fn remove(&self, area: Area, name: &str) -> Result<(), ResultError> {
        match self.store.delete(&self.path(area, name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// When what has that name was stored, by the bucket's clock; `None` when there is none.
    #[cfg(feature = "cluster")]
    pub(super) async fn stored_at(&self, area: Area, name: &str) -> Result<Option<SystemTime>, ResultError> {
        match self.store.head(&self.path(area, name)).await {
            Ok(meta) => Ok(Some(meta.last_modified.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// All names, each with when it was stored.
    #[cfg(feature = "cluster")]
    pub(super) fn stored(&self, area: Area) -> impl Stream<Item = Result<(String, SystemTime), ResultError>> + '_ {
        let all = self.store.list(Some(&self.folder(area)));
        all.map(|entry| {
            let entry = entry?;
            Ok((entry.location.filename().unwrap_or_default().to_owned(), entry.last_modified.into()))
        })
    }

    /// All names, in no order.
    pub fn names(&self, area: Area) -> impl Stream<Item = Result<String, ResultError>> + '_ {
        let all = self.store.list(Some(&self.folder(area)));
        all.map(|entry| Ok(entry?.location.filename().unwrap_or_default().to_owned()))
    }

    /// What a caller follows: below `base` (`http://host:port`) when we serve it, else a presigned link to the bucket, good
    /// for `lifetime`.
    pub async fn link(&self, area: Area, name: &str, base: &str, lifetime: Duration) -> Result<String, ResultError> {
        let Some(bucket) = &self.bucket else { return Ok(format!("{base}/files/{name}")) };
        let path = self.path(area, name);
        let get = Default::default(); // of all methods, GET
        Ok(bucket.store.signed_url(get, &path, lifetime).await?.to_string())
    }

    /// Asks the bucket for its first entry, to tell an operator at the start what users would find out later. A folder was
    /// looked at when it was opened.
    pub async fn check(&self) -> Result<(), ResultError> {
        match self.bucket {
            Some(_) => {
                self.names(Area::Jobs).take(1).collect::<Vec<_>>().await.into_iter().try_for_each(|it| it.map(drop))
            }
            None => Ok(()),
        }
    }

    /// Stores a file that `batch` is made of, under its digest in hex; the same again changes nothing.
    pub async fn put_pin(&self, batch: &BatchId, digest: &str, bytes: Bytes) -> Result<(), ResultError> {
        self.pins.put(&self.pins_of(batch).join(digest), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// That file.
    pub async fn get_pin(&self, batch: &BatchId, digest: &str) -> Result<Bytes, ResultError> {
        Ok(self.pins.get(&self.pins_of(batch).join(digest)).await?.bytes().await?)
    }

    /// Removes all files that `batch` was made of; gone already is as good.
    pub async fn remove_pins(&self, batch: &BatchId) -> Result<(), ResultError> {
        let mut files = self.pins.list(Some(&self.pins_of(batch)));
        while let Some(file) = files.next().await {
            match self.pins.delete(&file?.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn pins_of(&self, batch: &BatchId) -> Path {
        match &self.bucket {
            Some(bucket) => Path::from(format!("{}/{PINS}/{batch}", bucket.prefix)),
            None => Path::from(batch.as_str()),
        }
    }

    fn folder(&self, area: Area) -> Path {
        let prefix = self.bucket.as_ref().map_or("", |it| &it.prefix);
        Path::from(format!("{prefix}/{}", area.folder()))
    }

    fn path(&self, area: Area, name: &str) -> Path {
        self.folder(area).join(name)
    }
}

/// Gives the bucket's client our TLS and our timeouts.
#[derive(Clone, Debug)]
struct Connector(HttpClient);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}
