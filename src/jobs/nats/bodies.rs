//! Submitted bodies, from a front end to the workers: small ones in the record, large ones in the bucket.
//!
//! Images and fonts in `data:` URLs are stored apart, once for all jobs that have them. All objects are named by the
//! hash of their content and compressed with zstd. They are in the bucket and not in JetStream's object store, where a
//! second writer of a name deletes the chunks while readers need them; and NATS keeps every message on each of its
//! servers.
//!
//! A body is read exactly as it was submitted, or with an error: the hash of the whole is verified.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::hash::ContentHash;
use crate::jobs::life::blob::{BlobPiece, BlobRef, BlobText};
use crate::jobs::results::{Area, ResultError, Results};

/// Smallest `data:` URL that is stored apart, in bytes. For smaller ones a request to the bucket costs more than it
/// saves.
const BLOB_BYTES: usize = 16 << 10;
/// Most `data:` URLs of one body that are stored apart. The record has the hash of each.
const MOST_BLOBS: usize = 256;
/// Largest compressed rest that is stored in the record, in bytes. A record is written about four times.
const INLINE_BYTES: usize = 8 << 10;
/// Default level of zstd. On JSON the next levels take several times as long for a few percent.
const LEVEL: i32 = 3;
/// Largest body that any setting accepts, in bytes. A blob with a larger length is damaged.
const MOST_BYTES: u64 = 1 << 30;
/// Requests to the bucket at the same time, for one body.
const PARALLEL: usize = 8;
/// Age up to which a stored object need not be stored again; far below [`MIN_AGE`].
const FRESH: Duration = Duration::from_secs(20 * 60);
/// Age below which an object is not deleted: the record of its job may not be written yet.
pub(super) const MIN_AGE: Duration = Duration::from_secs(3600);

const MEDIA_TYPE: &str = "application/zstd";

/// Why a body could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// The bucket failed; another attempt may succeed.
    #[error(transparent)]
    Bucket(#[from] ResultError),
    /// The stored objects are not those that were written.
    #[error("{0}")]
    Damaged(String),
}

/// A body and the objects to store for it, by area and name.
struct Packed {
    body: BlobRef,
    parts: Vec<(Area, ContentHash, Bytes)>,
}

/// Stores a body. All its objects are in the bucket when this returns.
pub(super) async fn store(results: &Results, body: Bytes) -> Result<BlobRef, BodyError> {
    let Packed { body, parts } = run_blocking(move || pack(&body)).await??;
    let storing = parts.into_iter().map(|(area, name, bytes)| async move {
        let name = name.to_string();
        let stored_at = results.stored_at(area, &name).await?;
        let fresh = |at: SystemTime| SystemTime::now().duration_since(at).unwrap_or_default() < FRESH;
        if stored_at.is_some_and(fresh) {
            return Ok(());
        }
        results.put(area, &name, bytes, MEDIA_TYPE).await
    });
    stream::iter(storing.collect::<Vec<_>>()).buffer_unordered(PARALLEL).try_collect::<()>().await?;
    Ok(body)
}

/// Reads a body and verifies its hash.
pub(super) async fn load(results: &Results, body: &BlobRef) -> Result<Bytes, BodyError> {
    let reading = body.objects().collect::<Vec<_>>();
    let reading = reading.into_iter().map(|(area, name)| async move {
        let name = name.to_string();
        let found = results.get(area, &name).await;
        let found = found.map_err(|error| match error {
            ResultError::NotFound => BodyError::Damaged(format!("{name} is no longer in the bucket")),
            error => error.into(),
        })?;
        let bytes = found.bytes().await.map_err(|error| BodyError::Bucket(error.into()))?;
        Ok::<_, BodyError>(bytes)
    });
    let stored: Vec<Bytes> = stream::iter(reading.collect::<Vec<_>>()).buffered(PARALLEL).try_collect().await?;
    let body = body.clone();
    run_blocking(move || unpack(&body, &stored)).await?
}

/// Compressing and hashing megabytes would block the async threads.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, BodyError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| BodyError::Damaged(error.to_string()))
}

fn pack(body: &Bytes) -> Result<Packed, BodyError> {
    let unpackable = |error: std::io::Error| BodyError::Damaged(format!("cannot be compressed: {error}"));
    let (mut pieces, mut parts) = (Vec::new(), Vec::<(Area, ContentHash, Bytes)>::new());
    let mut text = Vec::new();
    let mut from = 0;
    for url in data_urls(body).take(MOST_BLOBS) {
        let bytes = &body[url.clone()];
        let hash = ContentHash::of(bytes);
        pieces.push(BlobPiece::Text((url.start - from) as u64));
        text.extend_from_slice(&body[from..url.start]);
        pieces.push(BlobPiece::DataUrl(hash, url.len() as u64));
        if !parts.iter().any(|(_, name, _)| *name == hash) {
            parts.push((Area::Blobs, hash, zstd::bulk::compress(bytes, LEVEL).map_err(unpackable)?.into()));
        }
        from = url.end;
    }
    pieces.push(BlobPiece::Text((body.len() - from) as u64));
    text.extend_from_slice(&body[from..]);
    let compressed = zstd::bulk::compress(&text, LEVEL).map_err(unpackable)?;
    let text = if compressed.len() <= INLINE_BYTES {
        BlobText::Inline(STANDARD.encode(&compressed))
    } else {
        let hash = ContentHash::of(&text);
        parts.push((Area::Designs, hash, compressed.into()));
        BlobText::Stored(hash)
    };
    Ok(Packed { body: BlobRef { hash: ContentHash::of(body), pieces, text }, parts })
}

/// `stored`: the objects that [`BlobRef::objects`] names, in its order.
fn unpack(body: &BlobRef, stored: &[Bytes]) -> Result<Bytes, BodyError> {
    let damaged = |what: &str| BodyError::Damaged(format!("the body {} is not what was stored: {what}", body.hash));
    let length = |piece: &BlobPiece| match piece {
        BlobPiece::Text(length) | BlobPiece::DataUrl(_, length) => *length,
    };
    let whole = body.pieces.iter().try_fold(0_u64, |sum, piece| sum.checked_add(length(piece)));
    let whole = whole.filter(|it| *it <= MOST_BYTES).ok_or_else(|| damaged("it claims to be too long"))?;
    let of_text = body.pieces.iter().filter(|it| matches!(it, BlobPiece::Text(_))).map(length).sum::<u64>();
    let plain = |compressed: &[u8], length: u64| {
        let plain = zstd::bulk::decompress(compressed, length as usize).map_err(|error| damaged(&error.to_string()))?;
        if plain.len() as u64 == length { Ok(plain) } else { Err(damaged("a part is too short")) }
    };
    let mut stored = stored.iter();
    let mut blobs = Vec::new();
    for piece in &body.pieces {
        if let BlobPiece::DataUrl(_, length) = piece {
            blobs.push(plain(stored.next().ok_or_else(|| damaged("a part is missing"))?, *length)?);
        }
    }
    let text = match &body.text {
        BlobText::Inline(text) => {
            let compressed = STANDARD.decode(text).map_err(|error| damaged(&error.to_string()))?;
            plain(&compressed, of_text)?
        }
        BlobText::Stored(_) => plain(stored.next().ok_or_else(|| damaged("a part is missing"))?, of_text)?,
    };
    let mut bytes = Vec::with_capacity(whole as usize);
    let (mut text, mut blobs) = (text.as_slice(), blobs.into_iter());
    for piece in &body.pieces {
        match piece {
            BlobPiece::Text(length) => {
                let (now, later) = text.split_at(*length as usize);
                bytes.extend_from_slice(now);
                text = later;
            }
            BlobPiece::DataUrl(..) => bytes.extend(blobs.next().unwrap_or_default()),
        }
    }
    if ContentHash::of(&bytes) == body.hash { Ok(bytes.into()) } else { Err(damaged("its hash differs")) }
}

/// Ranges of long `data:` URLs: the contents of JSON strings that begin with `data:`. A range ends at an escaped quote,
/// which is harmless, since the bytes are put back at the same place.
fn data_urls(body: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    const BEGINNING: &[u8] = b"\"data:";
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let quote = from + body[from..].windows(BEGINNING.len()).position(|it| it == BEGINNING)?;
            let start = quote + 1;
            let end = start + body[start..].iter().position(|byte| *byte == b'"')?;
            from = end;
            if end - start >= BLOB_BYTES {
                return Some(start..end);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(letter: char, length: usize) -> String {
        format!("data:image/png;base64,{}", letter.to_string().repeat(length))
    }

    fn round_trip(body: &str) -> Packed {
        let packed = pack(&Bytes::from(body.to_owned())).expect("packed");
        let stored: Vec<Bytes> = packed
            .body
            .objects()
            .map(|(area, name)| {
                let part = packed.parts.iter().find(|it| (it.0, it.1) == (area, name));
                part.expect("what is named is stored").2.clone()
            })
            .collect();
        assert_eq!(unpack(&packed.body, &stored).expect("unpacked"), body.as_bytes());
        packed
    }

    #[test]
    fn body_is_read_as_it_was_stored() {
        let (a, b) = (url('a', 30_000), url('b', 30_000));
        for body in [
            String::new(),
            "{}".into(),
            format!(r#"{{"src":"{a}"}}"#),
            format!(r#"["{a}","{b}","{a}", "data:,short", "data:"#),
            format!(r#"{{"src":"{a}\"{b}\\","x":"data:{b}"#),
            format!("\"{a}\"\u{fffd}\0\"{b}\""),
        ] {
            round_trip(&body);
        }
    }

    #[test]
    fn long_data_urls_are_stored_once_under_their_hash() {
        let (a, b) = (url('a', BLOB_BYTES), url('b', BLOB_BYTES));
        let packed = round_trip(&format!(r#"{{"one":"{a}","two":"{b}","three":"{a}","small":"data:,x"}}"#));
        let names: Vec<_> = packed.parts.iter().map(|it| (it.0, it.1)).collect();
        assert_eq!(names, [(Area::Blobs, ContentHash::of(a.as_bytes())), (Area::Blobs, ContentHash::of(b.as_bytes()))]);
        assert!(matches!(packed.body.text, BlobText::Inline(_)), "the rest is small");
    }

    #[test]
    fn long_text_is_stored_in_the_bucket_and_short_text_in_the_record() {
        let noise: String = (0..40_000_u64).map(|it| format!("{:x}", it.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let packed = round_trip(&noise);
        assert_eq!(packed.parts.len(), 1);
        assert_eq!((packed.parts[0].0, &packed.parts[0].1), (Area::Designs, &ContentHash::of(noise.as_bytes())));
        assert!(round_trip(&"a".repeat(40_000)).parts.is_empty());
    }

    #[test]
    fn damaged_parts_are_an_error() {
        let body = Bytes::from(format!(r#"{{"src":"{}"}}"#, url('a', 30_000)));
        let packed = pack(&body).expect("packed");
        let other = zstd::bulk::compress(url('b', 30_000).as_bytes(), LEVEL).expect("compressed");
        for stored in [vec![], vec![Bytes::from_static(b"nonsense")], vec![other.into()]] {
            assert!(matches!(unpack(&packed.body, &stored), Err(BodyError::Damaged(_))), "{} parts", stored.len());
        }
        let mut claims = packed.body.clone();
        claims.pieces.push(BlobPiece::Text(u64::MAX));
        assert!(unpack(&claims, &[]).is_err());
    }
}
