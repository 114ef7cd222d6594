//! GET /api/batches/{id}/archive: all files of a batch in one zip, which is written while the client reads it.
//!
//! Memory holds one chunk of one file at a time. Files are stored without compression, since their formats compress
//! already.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::manifest::{ItemPages, manifest_lines};
use crate::jobs::{Area, BatchId, Jobs, Status};
use crate::server::api_error::ApiError;
use crate::server::app::App;
use crate::server::owner::Owned;
use crate::server::schemas;

/// Name of the last entry; no file of a row has this ending.
const MANIFEST: &str = "manifest.ndjson";

/// Number of chunks that are written ahead of the client.
const CHUNKS_AHEAD: usize = 2;

/// Handler of `GET /api/batches/{id}/archive`.
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
    security(("key" = []), ("header" = []), ("bearer" = [])),
)]
pub(crate) async fn archive(State(app): State<App>, Owned { owner, id }: Owned<BatchId>) -> Result<Response, ApiError> {
    let open = |status| ItemPages::open(app.jobs.clone(), owner.clone(), id.clone(), status);
    let (done, all) = (open(Some(Status::Done)).await?, open(None).await?);
    let (Some(done), Some(all)) = (done, all) else { return Err(ApiError::NotFound) };
    let (chunks, mut waiting) = mpsc::channel(CHUNKS_AHEAD);
    let jobs = app.jobs.clone();
    let mut writing = Some(Box::pin(async move {
        if let Err(error) = write(&jobs, done, all, &chunks).await {
            // Aborts the answer, as half an archive must not look like a complete one.
            let _ = chunks.send(Err(error)).await;
        }
    }));
    // The archive is written when the body is polled: when the client disconnects, the writing ends with the body.
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

type Chunks = mpsc::Sender<io::Result<Bytes>>;

/// Bytes that the zip's writer has written and that are not sent yet.
#[derive(Clone, Default)]
struct ZipOutput(Arc<Mutex<Vec<u8>>>);

impl ZipOutput {
    /// Sends the bytes to the client; waits while [`CHUNKS_AHEAD`] chunks are waiting.
    async fn send(&self, chunks: &Chunks) -> io::Result<()> {
        let chunk = std::mem::take(&mut *self.0.lock());
        if chunk.is_empty() {
            return Ok(());
        }
        chunks.send(Ok(chunk.into())).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ZipOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn write(jobs: &Jobs, mut done: ItemPages, mut all: ItemPages, chunks: &Chunks) -> io::Result<()> {
    let output = ZipOutput::default();
    let mut zip = ZipWriter::new_stream(output.clone());
    let mut previous = None;
    while let Some(page) = done.next().await.map_err(io::Error::other)? {
        for (item, file) in page.listing.items.iter().zip(page.files) {
            if previous.as_ref() == Some(&file) {
                continue; // all rows are in one document, which is written once
            }
            start_entry(&mut zip, &item.name, item.bytes.unwrap_or(0))?;
            let found = jobs.results().get(Area::Jobs, &file).await.map_err(io::Error::other)?;
            let mut contents = found.into_stream();
            while let Some(chunk) = contents.next().await {
                zip.write_all(&chunk?)?;
                output.send(chunks).await?;
            }
            previous = Some(file);
        }
    }
    start_entry(&mut zip, MANIFEST, 0)?;
    while let Some(page) = all.next().await.map_err(io::Error::other)? {
        zip.write_all(&manifest_lines(page)?)?;
        output.send(chunks).await?;
    }
    zip.finish()?;
    output.send(chunks).await
}

/// Starts the entry `name`. `bytes`: its expected size; from 4 GiB on it needs zip64.
fn start_entry(zip: &mut ZipWriter<StreamWriter<ZipOutput>>, name: &str, bytes: u64) -> io::Result<()> {
    let large = bytes > u64::from(u32::MAX);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
    Ok(zip.start_file(name, options)?)
}
