//! Signatures of picture URLs: HMAC-SHA256 of the path and the query before the signature, exactly as they are sent, in
//! base64url without padding. The signature is the last parameter, `s`.
//!
//! The text is signed, not its meaning: a URL with the same parameters in another order, or escaped in another way, has
//! another signature. So no two URLs can be made from one.

use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use url::Url;

use crate::config::UrlKeys;
use crate::jobs::Owner;

/// Start of the paths of pictures.
const START: &str = "/i/";
/// The signature as a parameter, up to its value.
const PARAMETER: &str = "s=";

/// A URL whose signature is right.
pub(super) struct Verified<'a> {
    /// The API key whose templates the URL may show: the name of the key that signed it.
    pub(super) owner: Owner,
    /// The query without the signature.
    pub(super) query: &'a str,
}

/// Checks the signature of a request with every key, so that keys can be exchanged.
///
/// # Errors
/// Why the picture may not be seen, for the caller.
pub(super) fn verify<'a>(keys: &UrlKeys, uri: &'a Uri) -> Result<Verified<'a>, &'static str> {
    if keys.iter().next().is_none() {
        return Err("this service has no keys for signed URLs (TENTER_URL_KEYS)");
    }
    const WRONG: &str =
        "the signature of this URL is missing or wrong; `tenter sign` makes one, and nothing after it may change";
    let whole = uri.query().unwrap_or_default();
    let (query, last) = whole.rsplit_once('&').unwrap_or(("", whole));
    let signature = last.strip_prefix(PARAMETER).and_then(|it| URL_SAFE_NO_PAD.decode(it).ok()).ok_or(WRONG)?;
    let mut signer = None;
    for key in keys.iter() {
        // In constant time, for each key.
        if mac(&key.secret, uri.path(), query).verify_slice(&signature).is_ok() {
            signer = signer.or(Some(key));
        }
    }
    let key = signer.ok_or(WRONG)?;
    Ok(Verified { owner: key.name.as_str().into(), query })
}

fn mac(secret: &str, path: &str, query: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(path.as_bytes());
    if !query.is_empty() {
        mac.update(b"?");
        mac.update(query.as_bytes());
    }
    mac
}

/// A URL cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The text is no URL and no path.
    #[error("{0:?} is no URL; accepted: https://host/i/template.png?name=value, or the same from /i/ on")]
    NoUrl(String),
    /// The URL is not one of a picture.
    #[error("the path {0} has no /i/; accepted: /i/, the id of a template, and .png, .jpg, .webp or .pdf")]
    NoPicture(String),
    /// The URL has a signature already, or a variable `s` at its end.
    #[error("the query ends in the parameter s, which is the signature; remove it")]
    Signed,
    /// A part after `#`, which is not sent.
    #[error("the URL has a part after #, which is not sent; remove it")]
    Fragment,
}

/// Signs a picture URL, or the path and query of one. The text is first written as browsers send it. `expires`: seconds
/// since 1970, from which on the URL is refused.
///
/// # Errors
/// A text that is no URL of a picture, or one that is signed.
pub fn sign_url(text: &str, secret: &str, expires: Option<u64>) -> Result<String, SignError> {
    let is_path = text.starts_with('/');
    let no_url = |_| SignError::NoUrl(text.to_owned());
    let url = match is_path {
        true => Url::parse("http://localhost").and_then(|base| base.join(text)).map_err(no_url)?,
        false => Url::parse(text).map_err(no_url)?,
    };
    if url.fragment().is_some() {
        return Err(SignError::Fragment);
    }
    let mut query = url.query().unwrap_or_default().to_owned();
    if query.rsplit('&').next().is_some_and(|it| it.starts_with(PARAMETER)) {
        return Err(SignError::Signed);
    }
    if let Some(expires) = expires {
        let separator = if query.is_empty() { "" } else { "&" };
        query.push_str(&format!("{separator}_expires={expires}"));
    }
    // A proxy may have added what is before.
    let start = url.path().find(START).ok_or_else(|| SignError::NoPicture(url.path().to_owned()))?;
    let signature = URL_SAFE_NO_PAD.encode(mac(secret, &url.path()[start..], &query).finalize().into_bytes());
    let separator = if query.is_empty() { "" } else { "&" };
    let origin = if is_path { String::new() } else { url.origin().ascii_serialization() };
    Ok(format!("{origin}{}?{query}{separator}{PARAMETER}{signature}", url.path()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Given, Settings};

    const KEY: &str = "0123456789abcdef";

    fn keys(text: &str) -> UrlKeys {
        let mut given = Given::default();
        given.environment.insert("TENTER_URL_KEYS".into(), text.into());
        Settings::load(&given).expect("settings").settings.pictures.url_keys
    }

    fn verified(keys: &UrlKeys, url: &str) -> Option<(String, String)> {
        let uri: Uri = url.parse().expect("a URI");
        verify(keys, &uri).ok().map(|it| (it.owner.to_string(), it.query.to_owned()))
    }

    #[test]
    fn signature_is_hmac_sha256_of_path_and_query() {
        // printf '/i/card.png?name=Ada' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | basenc --base64url
        let signed = sign_url("/i/card.png?name=Ada", KEY, None).expect("signed");
        assert_eq!(signed, "/i/card.png?name=Ada&s=iJ6Ms8YcatzBQivzUtjQpUNJjzxJSthPIOcP213Y-_I");
    }

    #[test]
    fn signature_is_of_the_url_as_browsers_send_it() {
        let keys = keys(KEY);
        for text in [
            "/i/a.png",
            "/i/a/b@2.webp?x=1&x=2",
            "/i/a.png?name=Zoë Ada&b='\"<>",
            "/i/a.png?u=https%3A%2F%2Fx%2F%3Fs%3D1",
        ] {
            let signed = sign_url(text, KEY, None).expect(text);
            assert!(signed.is_ascii() && !signed.contains(' '), "{signed}");
            assert!(verified(&keys, &signed).is_some(), "{signed}");
        }
        let whole = sign_url("https://cdn.example.com/pictures/i/a.png?b=1", KEY, Some(7)).expect("signed");
        let path = whole.strip_prefix("https://cdn.example.com/pictures").expect("the same host");
        assert_eq!(verified(&keys, path), Some((String::new(), "b=1&_expires=7".into())));
    }

    #[test]
    fn signature_changes_with_every_part_of_the_url() {
        let keys = keys(KEY);
        let signed = sign_url("/i/a.png?b=1&c=2", KEY, None).expect("signed");
        assert!(verified(&keys, &signed).is_some());
        let signature = signed.rsplit('=').next().expect("a signature").to_owned();
        for other in [
            format!("/i/a.png?c=2&b=1&s={signature}"),
            format!("/i/a.png?b=1&c=3&s={signature}"),
            format!("/i/a.jpg?b=1&c=2&s={signature}"),
            format!("/i/%61.png?b=1&c=2&s={signature}"),
            format!("/i/a.png?b=1&c=2&d=3&s={signature}"),
            format!("/i/a.png?b=1&c=2&s={signature}&d=3"),
            format!("/i/a.png?s={signature}&b=1&c=2"),
            format!("/i/a.png?b=1&c=2&s={}", &signature[1..]),
            format!("/i/a.png?b=1&c=2&s={signature}="),
            "/i/a.png?b=1&c=2&s=".to_owned(),
            "/i/a.png?b=1&c=2".to_owned(),
            "/i/a.png".to_owned(),
        ] {
            assert_eq!(verified(&keys, &other), None, "{other}");
        }
    }

    #[test]
    fn keys_are_exchanged_one_after_the_other() {
        let (old, new) = ("old-key-0123456789", "new-key-0123456789");
        let url = |key| sign_url("/i/a.png", key, None).expect("signed");
        let both = keys(&format!("shop={new},shop={old},press=another-key-of-press"));
        for key in [old, new] {
            assert_eq!(verified(&both, &url(key)).map(|it| it.0).as_deref(), Some("shop"));
        }
        assert_eq!(verified(&keys(&format!("shop={new}")), &url(old)), None);
        assert_eq!(verified(&UrlKeys::default(), &url("")), None);
    }

    #[test]
    fn urls_that_are_none_of_pictures_are_not_signed() {
        let error = |text: &str| sign_url(text, KEY, None).expect_err(text).to_string();
        assert!(error("card.png").starts_with("\"card.png\" is no URL"));
        assert!(error("/files/card.png").contains("has no /i/"));
        assert!(error("/i/card.png?s=1").contains("remove it"));
        assert!(error("/i/card.png#top").contains("after #"));
    }
}
