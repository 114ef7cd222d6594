//! Request bodies: media type, size limit (`TENTER_REQUEST_MAX_BYTES`) and time limit (`TENTER_BODY_TIMEOUT`).

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::api_error::ApiError;
use crate::config::ServerSettings;

/// Rejects bodies that are not declared as JSON in UTF-8.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    media_type(headers, JSON, |found| found.eq_ignore_ascii_case(JSON).then_some(()))
}

const JSON: &str = "application/json";

/// Maps the media type of the body, without its parameters, with `known`.
///
/// `accepted` lists the media types for the error message.
///
/// # Errors
/// [`ApiError::MediaType`] when `known` returns `None`, the charset is not UTF-8, or the body is compressed.
pub(super) fn media_type<T>(
    headers: &HeaderMap,
    accepted: &'static str,
    known: impl Fn(&str) -> Option<T>,
) -> Result<T, ApiError> {
    let refused = |found| ApiError::MediaType { found, accepted };
    let found = headers.get(header::CONTENT_TYPE).map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned());
    let mut parts = found.as_deref().unwrap_or_default().split(';').map(str::trim);
    let kind = parts.next().and_then(known);
    let is_utf8 = parts.filter(|it| !it.is_empty()).all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            matches!(value.trim().trim_matches('"').to_ascii_lowercase().as_str(), "utf-8" | "utf8")
        }
        _ => true,
    });
    let Some(kind) = kind.filter(|_| is_utf8) else {
        return Err(refused(match found {
            Some(found) => format!("found content-type: {found}"),
            None => "the content-type is missing".into(),
        }));
    };
    match headers.get(header::CONTENT_ENCODING).map(|it| it.as_bytes()) {
        None | Some(b"identity") => Ok(kind),
        Some(found) => Err(refused(format!("found content-encoding: {}", String::from_utf8_lossy(found)))),
    }
}

/// Reads the whole body.
///
/// # Errors
/// [`ApiError::BodyTooLarge`], by `Content-Length` before anything is read; [`ApiError::BodyTimeout`];
/// [`ApiError::IncompleteBody`] when the client disconnects.
pub(super) async fn read(headers: &HeaderMap, body: Body, settings: &ServerSettings) -> Result<Bytes, ApiError> {
    let limit = settings.request_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()).and_then(|it| it.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > limit as u64) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let reading = collect(body, announced.unwrap_or(0) as usize, limit);
    match tokio::time::timeout(settings.body_timeout, reading).await {
        Ok(read) => read,
        Err(_) => Err(ApiError::BodyTimeout { limit: settings.body_timeout }),
    }
}

async fn collect(body: Body, announced: usize, limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::with_capacity(announced);
    let mut stream = body.into_data_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ApiError::IncompleteBody)?;
        if bytes.len() + chunk.len() > limit {
            return Err(ApiError::BodyTooLarge { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_type_must_be_json_in_utf8() {
        let accepted = |content_type: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().expect("a header"));
            check_media_type(&headers).is_ok()
        };
        assert!(accepted("application/json"));
        assert!(accepted("Application/JSON; charset=\"UTF-8\""));
        assert!(!accepted("application/json; charset=latin1"));
        assert!(!accepted("text/plain") && !accepted("application/jsonp") && !accepted(""));
        assert!(check_media_type(&HeaderMap::new()).is_err());
    }
}
