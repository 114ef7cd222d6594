//! Storage of finished files: folders in `TENTER_DATA_DIR`, or an S3-compatible bucket.
//!
//! In: storing files atomically, reading, removing, listing, links. Not in: the meaning of file names. No other file
//! uses `object_store`.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetOptions, GetResult, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutOptions, PutPayload, RetryConfig,
};

use super::batch::BatchId;
use super::folder::DataFolder;
use super::store::error::StoreError;
use crate::assets::{SetupError, operators_client};
use crate::config::{Bucket, FileSettings};
use crate::hash::ContentHash;
use crate::report::with_causes;

/// A folder of results, with its own naming scheme and lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Results of `POST /api/render` that are answered as links.
    Links,
    /// Results of jobs, rows and documents.
    Jobs,
    /// Bodies of jobs for workers on other machines, named by hash.
    Designs,
    /// Images and fonts from `data:` URLs of designs, named by hash.
    Blobs,
    /// Designs of templates and their previews, named at random.
    Templates,
}

impl Area {
    fn folder(self) -> &'static str {
        match self {
            Self::Links => "files",
            Self::Jobs => "jobs",
            Self::Designs => "designs",
            Self::Blobs => "blobs",
            Self::Templates => "templates",
        }
    }
}

/// Folder with a subfolder of asset files for each batch.
const ASSETS: &str = "pins";

/// Suffix of the trash entry that stands for all asset files of a batch.
const TRASHED_ASSETS: &str = ".pins";

/// Name under which the trash lists all asset files of `batch`.
pub(super) fn assets_in_trash(batch: &BatchId) -> String {
    format!("{batch}{TRASHED_ASSETS}")
}

/// The storage of finished files. Cheap to clone.
#[derive(Clone)]
pub struct Results {
    store: Arc<dyn ObjectStore>,
    /// Asset files of batches, in one folder per batch.
    assets: Arc<dyn ObjectStore>,
    bucket: Option<SharedBucket>,
}

/// Why the client of a bucket cannot be created.
#[derive(Debug, thiserror::Error)]
enum BucketError {
    #[error("set both TENTER_S3_ACCESS_KEY_ID and TENTER_S3_SECRET_ACCESS_KEY, or neither")]
    HalfLogin,
    #[error(transparent)]
    Client(#[from] SetupError),
    #[error("{}", with_causes(.0))]
    Settings(#[from] object_store::Error),
}

/// The bucket with its signer for links.
#[derive(Clone)]
struct SharedBucket {
    signer: Arc<AmazonS3>,
    prefix: Arc<str>,
}

/// A result could not be stored, read or removed. A retry may succeed unless the file does not exist.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// No file has this name.
    #[error("there is no such result")]
    NotFound,
    /// Any other failure, with all its causes as text for the log.
    #[error("{}", with_causes(.0))]
    Failed(#[source] object_store::Error),
}

impl ResultError {
    /// True when the disk has no space for the file.
    pub fn is_full_disk(&self) -> bool {
        let Self::Failed(error) = self else { return false };
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(error) = cause.downcast_ref::<io::Error>()
                && matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
                )
            {
                return true;
            }
            next = cause.source();
        }
        false
    }
}

impl From<object_store::Error> for ResultError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error => Self::Failed(error),
        }
    }
}

/// Retries of one request to a bucket, and the time limit for all of them together.
const BUCKET_RETRIES: usize = 3;
const BUCKET_RETRY_TIMEOUT: Duration = Duration::from_secs(20);

impl Results {
    /// Opens the bucket in the settings, or else folders in `folder`. Blocks; does not send requests to the bucket.
    ///
    /// # Errors
    /// A folder that cannot be created, or invalid settings of the bucket.
    pub fn open(settings: &FileSettings, folder: &DataFolder) -> Result<Self, StoreError> {
        if settings.bucket.is_some() {
            return Self::shared(settings);
        }
        let failed = |reason: String| StoreError::ReadOnly { place: folder.path().display().to_string(), reason };
        let subfolder = |name: &str| folder.subfolder(name).map_err(|error| failed(error.to_string()));
        for area in [Area::Links, Area::Jobs, Area::Templates] {
            subfolder(area.folder())?;
        }
        let assets = subfolder(ASSETS)?;
        for batch in std::fs::read_dir(&assets).map_err(|error| failed(error.to_string()))?.flatten() {
            subfolder(&format!("{ASSETS}/{}", batch.file_name().to_string_lossy()))?;
        }
        let open = |path: &std::path::Path| {
            LocalFileSystem::new_with_prefix(path).map_err(|error| failed(with_causes(&error)))
        };
        // `object_store` writes a temporary file and renames it, so that a result is complete or absent.
        let store = open(folder.path())?.with_fsync(true);
        // The cleanup removes the folder of a batch with its last file.
        let assets = open(&assets)?.with_fsync(true).with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), assets: Arc::new(assets), bucket: None })
    }

    /// Opens the bucket in the settings; needs no folder.
    ///
    /// # Errors
    /// No bucket, or invalid settings of the bucket.
    pub fn shared(settings: &FileSettings) -> Result<Self, StoreError> {
        let Some(bucket) = &settings.bucket else {
            let reason = "several machines share them in a bucket (TENTER_RESULTS)".into();
            return Err(StoreError::Failed { place: "results".into(), reason });
        };
        Self::in_bucket(settings, bucket).map_err(|error| StoreError::Failed {
            place: format!("the bucket {} (TENTER_RESULTS)", bucket.name),
            reason: error.to_string(),
        })
    }

    fn in_bucket(settings: &FileSettings, bucket: &Bucket) -> Result<Self, BucketError> {
        let client = operators_client()?;
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(5), ..BackoffConfig::default() };
        let retry = RetryConfig { max_retries: BUCKET_RETRIES, retry_timeout: BUCKET_RETRY_TIMEOUT, backoff };
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
            _ => return Err(BucketError::HalfLogin),
        }
        let store = Arc::new(builder.build()?);
        Ok(Self {
            store: store.clone(),
            assets: store.clone(),
            bucket: Some(SharedBucket { signer: store, prefix: bucket.prefix.as_str().into() }),
        })
    }

    /// Stores `bytes` atomically and replaces a file of the same name.
    pub async fn put(&self, area: Area, name: &str, bytes: Bytes, media_type: &'static str) -> Result<(), ResultError> {
        let mut attributes = Attributes::new();
        if self.bucket.is_some() {
            // The bucket serves the links, so that it needs the headers of the response.
            attributes.insert(Attribute::ContentType, media_type.into());
            attributes.insert(Attribute::ContentDisposition, "inline".into());
        }
        let options = PutOptions { attributes, ..PutOptions::default() };
        self.store.put_opts(&self.path(area, name), PutPayload::from(bytes), options).await?;
        Ok(())
    }

    /// Reads the file `name`.
    pub async fn get(&self, area: Area, name: &str) -> Result<GetResult, ResultError> {
        Ok(self.store.get(&self.path(area, name)).await?)
    }

    /// Size and time of the file `name`.
    pub async fn head(&self, area: Area, name: &str) -> Result<ObjectMeta, ResultError> {
        Ok(self.store.head(&self.path(area, name)).await?)
    }

    /// Reads the bytes `range` of the file `name`.
    pub async fn get_range(&self, area: Area, name: &str, range: Range<u64>) -> Result<GetResult, ResultError> {
        let options = GetOptions { range: Some(range.into()), ..GetOptions::default() };
        Ok(self.store.get_opts(&self.path(area, name), options).await?)
    }

    /// Removes the file `name`; succeeds when it does not exist.
    pub async fn remove(&self, area: Area, name: &str) -> Result<(), ResultError> {
        match self.store.delete(&self.path(area, name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Time at which the file `name` was stored, by the bucket's clock; `None` when it does not exist.
    #[cfg(feature = "cluster")]
    pub(super) async fn stored_at(&self, area: Area, name: &str) -> Result<Option<SystemTime>, ResultError> {
        match self.store.head(&self.path(area, name)).await {
            Ok(meta) => Ok(Some(meta.last_modified.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// All file names with the time at which each was stored, by the clock of the bucket or of the file system.
    pub fn stored(&self, area: Area) -> impl Stream<Item = Result<(String, SystemTime), ResultError>> + '_ {
        let all = self.store.list(Some(&self.folder(area)));
        all.map(|entry| {
            let entry = entry?;
            Ok((entry.location.filename().unwrap_or_default().to_owned(), entry.last_modified.into()))
        })
    }

    /// All file names, in no particular order.
    pub fn names(&self, area: Area) -> impl Stream<Item = Result<String, ResultError>> + '_ {
        let all = self.store.list(Some(&self.folder(area)));
        all.map(|entry| Ok(entry?.location.filename().unwrap_or_default().to_owned()))
    }

    /// Link to the file `name`: below `base` (`http://host:port`) for files in a folder, or else a presigned link to
    /// the bucket that is valid for `lifetime`.
    pub async fn link(&self, area: Area, name: &str, base: &str, lifetime: Duration) -> Result<String, ResultError> {
        let Some(bucket) = &self.bucket else { return Ok(format!("{base}/files/{name}")) };
        let path = self.path(area, name);
        let get = Default::default(); // the method GET
        Ok(bucket.signer.signed_url(get, &path, lifetime).await?.to_string())
    }

    /// Lists the first entry of a bucket, so that wrong settings are found at the start. Folders are checked when they
    /// are opened.
    pub async fn check(&self) -> Result<(), ResultError> {
        if self.bucket.is_some() {
            let mut names = std::pin::pin!(self.names(Area::Jobs));
            names.try_next().await?;
        }
        Ok(())
    }

    /// Stores an asset of `batch` under its hash.
    pub(super) async fn put_asset(&self, batch: &BatchId, hash: ContentHash, bytes: Bytes) -> Result<(), ResultError> {
        self.assets.put(&self.asset_folder(batch).join(hash.to_string()), PutPayload::from(bytes)).await?;
        Ok(())
    }

    /// Reads the asset of `batch` with this hash. The bytes are not compared with the hash.
    pub(super) async fn asset(&self, batch: &BatchId, hash: ContentHash) -> Result<Bytes, ResultError> {
        Ok(self.assets.get(&self.asset_folder(batch).join(hash.to_string())).await?.bytes().await?)
    }

    /// Removes an entry of the trash: a result of a job, or all assets of a batch ([`assets_in_trash`]). Succeeds when
    /// they do not exist.
    pub(super) async fn remove_trashed(&self, entry: &str) -> Result<(), ResultError> {
        let Some(batch) = entry.strip_suffix(TRASHED_ASSETS).and_then(BatchId::parse) else {
            return self.remove(Area::Jobs, entry).await;
        };
        let mut files = self.assets.list(Some(&self.asset_folder(&batch)));
        while let Some(file) = files.next().await {
            match self.assets.delete(&file?.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn asset_folder(&self, batch: &BatchId) -> Path {
        match &self.bucket {
            Some(bucket) => Path::from(format!("{}/{ASSETS}/{batch}", bucket.prefix)),
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

/// Connects to the bucket with the TLS settings and timeouts of [`operators_client`].
#[derive(Clone, Debug)]
struct Connector(HttpClient);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}
