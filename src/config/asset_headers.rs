//! Headers that requests for the pictures and fonts of designs carry, by the host they go to.

use std::fmt;

use url::{Origin, Url};

use super::accepts::Accepts;
use super::field::Field;

/// Headers for requests to some hosts. Values are secrets: neither `Debug` nor a log shows them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AssetHeaders(Vec<AssetHeader>);

#[derive(Clone, PartialEq, Eq)]
struct AssetHeader {
    /// Scheme, host and port; `None` for all hosts.
    origin: Option<Origin>,
    /// In lower case.
    name: String,
    value: String,
}

/// Headers that the HTTP client sets itself, or that would change what is fetched.
const REFUSED: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "proxy-authorization",
    "range",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Headers that identify the service to one host, and must not be sent to all.
const SECRETS: [&str; 2] = ["authorization", "cookie"];

impl AssetHeaders {
    pub(super) const ACCEPTS: Accepts = Accepts::Text(
        "`host Name: value`, a line each or separated by ` | `; `host` means https, others are written http://host:port, \
         and * is every host, though not for authorization and cookie",
        "* User-Agent: shop-renderer | cdn.example.com Authorization: Bearer 4f1c9a7e52d80b36",
    );

    /// The headers of a request to `url`. Where two have one name, the last counts, and one of the host before one of
    /// every host.
    pub fn of<'a>(&'a self, url: &Url) -> Vec<(&'a str, &'a str)> {
        let origin = url.origin();
        let mut found: Vec<(&str, &str)> = Vec::new();
        let of_all = self.0.iter().filter(|it| it.origin.is_none());
        let of_host = self.0.iter().filter(|it| it.origin.as_ref() == Some(&origin));
        for header in of_all.chain(of_host) {
            found.retain(|(name, _)| *name != header.name);
            found.push((&header.name, &header.value));
        }
        found
    }
}

impl AssetHeader {
    fn parse(text: &str) -> Option<Self> {
        let (host, header) = text.split_once(char::is_whitespace)?;
        let (name, value) = header.split_once(':')?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let is_name = !name.is_empty() && name.chars().all(is_token) && !REFUSED.contains(&name.as_str());
        let is_value = !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        let origin = match host {
            "*" if SECRETS.contains(&name.as_str()) => return None,
            "*" => None,
            host if host.contains("://") => Some(host.to_owned()),
            host => Some(format!("https://{host}")),
        };
        let origin = match origin {
            None => None,
            Some(text) => {
                let url = Url::parse(&text).ok()?;
                let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
                Some((matches!(url.scheme(), "http" | "https") && is_plain).then(|| url.origin())?)
            }
        };
        (is_name && is_value).then(|| Self { origin, name, value: value.to_owned() })
    }

    fn masked(&self) -> String {
        let host = self.origin.as_ref().map_or_else(|| "*".to_owned(), Origin::ascii_serialization);
        format!("{host} {}: ***", self.name)
    }
}

impl fmt::Debug for AssetHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(AssetHeader::masked)).finish()
    }
}

impl Field for AssetHeaders {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let entries = text.lines().flat_map(|line| line.split(" | ")).map(str::trim).filter(|it| !it.is_empty());
        *self = Self(entries.map(AssetHeader::parse).collect::<Option<_>>()?);
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.0.iter().map(AssetHeader::masked).collect::<Vec<_>>().join(" | ")
    }

    fn is_secret(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<AssetHeaders> {
        let mut headers = AssetHeaders::default();
        headers.read(text, AssetHeaders::ACCEPTS).map(|()| headers)
    }

    #[test]
    fn asset_headers_belong_to_scheme_host_and_port() {
        let headers = read(
            "* User-Agent: shop/1, like Gecko\ncdn.example.com Authorization: Bearer a:b | http://10.0.0.1:81 X-Key: k\n\
             cdn.example.com User-Agent: special",
        )
        .expect("headers");
        let of = |url: &str| headers.of(&url.parse().expect("a URL"));
        let everywhere = ("user-agent", "shop/1, like Gecko");
        let cdn = vec![("authorization", "Bearer a:b"), ("user-agent", "special")];
        assert_eq!(of("https://cdn.example.com/a.png"), cdn);
        assert_eq!(of("https://CDN.example.com:443/a.png?x"), cdn);
        for other in ["http://cdn.example.com/", "https://cdn.example.com:444/", "https://x.cdn.example.com/"] {
            assert_eq!(of(other), [everywhere], "{other}");
        }
        assert_eq!(of("http://10.0.0.1:81/"), [everywhere, ("x-key", "k")]);
    }

    #[test]
    fn asset_headers_are_never_shown() {
        let headers = read("cdn.example.com Authorization: Bearer hush").expect("headers");
        let shown = headers.show(AssetHeaders::ACCEPTS);
        assert_eq!(shown, "https://cdn.example.com authorization: ***");
        assert_eq!(format!("{headers:?}"), format!("[{shown:?}]"));
    }

    #[test]
    fn asset_headers_refuse_what_is_no_header_of_one_host() {
        for bad in [
            "cdn.example.com",
            "cdn.example.com Authorization",
            "* Authorization: x",
            "* cookie: x",
            "cdn.example.com Host: x",
            "cdn.example.com Range: bytes=0-1",
            "ftp://host A: b",
            "https://host/path A: b",
            "https://me@host A: b",
            "host A b: c",
            "host A: é",
            "host A:",
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
