//! GET /api/batches/{id}/archive: all files of a batch in one zip, which is written while the client reads it.
//!
//! Memory holds one chunk of one file at a time. Files are stored without compression, since their formats compress already.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::manifest::{Reading, lines_of};
use crate::jobs::{Area, BatchId, Jobs, Status};
use crate::server::api_error::ApiError;
use crate::server::app::App;
use crate::server::owner::Owned;
use crate::server::schemas;

/// Name of the last entry; no file of a row has this ending.
const MANIFEST: &str = "manifest.ndjson";

/// Number of chunks that are written ahead of the client.
const AHEAD: usize = 2;

/// GET /api/batches/{id}/archive
#[utoipa::path(
    get,
    path = "/api/batches/{id}/archive",
    operation_id = "getBatchArchive",
    summary = "All files in one zip",
    params(("id" = String, Path, description = "Id of the batch")),
    responses(
        (status = 200, description = "A zip of the rows that are done, and the manifest",
            content((schemas::Bytes = "application/zip"))),
        schemas::JobErrors,
    ),
    security(("key" = []), ("bearer" = [])),
)]
pub(crate) async fn archive(State(app): State<App>, Owned { owner, id }: Owned<BatchId>) -> Result<Response, ApiError> {
    let begin = |status| Reading::begin(app.jobs.clone(), owner.clone(), id.clone(), status);
    let (done, all) = (begin(Some(Status::Done)).await?, begin(None).await?);
    let (Some(done), Some(all)) = (done, all) else { return Err(ApiError::NotFound) };
    let (pieces, mut waiting) = mpsc::channel(AHEAD);
    let jobs = app.jobs.clone();
    let mut writing = Some(Box::pin(async move {
        if let Err(error) = write(&jobs, done, all, &pieces).await {
            // Breaks the answer off: half an archive must not look like a whole one.
            let _ = pieces.send(Err(error)).await;
        }
    }));
    // Written by whoever reads: when the reader leaves, the writing ends with the answer.
    let body = stream::poll_fn(move |context| {
        if let Some(future) = &mut writing
            && Pin::new(future).poll(context).is_ready()
        {
            writing = None;
        }
        waiting.poll_recv(context)
    });
    let named = format!("attachment; filename=\"batch-{id}.zip\"");
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, &*named),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// What the zip's writer has written and nobody has sent yet.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for it.
    async fn send(&self, pieces: &Pieces) -> io::Result<()> {
        let piece = std::mem::take(&mut *self.lock());
        if piece.is_empty() {
            return Ok(());
        }
        pieces.send(Ok(piece.into())).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn write(jobs: &Jobs, mut done: Reading, mut all: Reading, pieces: &Pieces) -> io::Result<()> {
    let written = Written::default();
    let mut zip = ZipWriter::new_stream(written.clone());
    let mut before = None;
    while let Some(page) = done.next().await.map_err(io::Error::other)? {
        for (item, file) in page.listing.items.iter().zip(page.files) {
            if before.as_ref() == Some(&file) {
                continue; // all rows are in one document
            }
            begin(&mut zip, &item.name, item.bytes.unwrap_or(0))?;
            let found = jobs.results().get(Area::Jobs, &file).await.map_err(io::Error::other)?;
            let mut contents = found.into_stream();
            while let Some(piece) = contents.next().await {
                zip.write_all(&piece?)?;
                written.send(pieces).await?;
            }
            before = Some(file);
        }
    }
    begin(&mut zip, MANIFEST, 0)?;
    while let Some(page) = all.next().await.map_err(io::Error::other)? {
        zip.write_all(&lines_of(page)?)?;
        written.send(pieces).await?;
    }
    zip.finish()?;
    written.send(pieces).await
}

/// `bytes`: how many there will be, as far as that is known.
fn begin(zip: &mut ZipWriter<StreamWriter<Written>>, name: &str, bytes: u64) -> io::Result<()> {
    let large = bytes > u64::from(u32::MAX);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
    Ok(zip.start_file(name, options)?)
}
