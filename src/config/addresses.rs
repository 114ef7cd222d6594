//! Settings that are addresses: URLs, networks, NATS servers and buckets.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

use super::accepts::Accepts;
use super::field::{Field, join, split_list};

/// An http or https URL without user, query and fragment. Its text has no final `/`, so that paths can be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(Url);

impl HttpUrl {
    pub(super) const ACCEPTS: Accepts =
        Accepts::Text("an http or https address without query, or nothing", "https://render.example.com");

    /// Parses `text`; `None` when it is no such URL.
    pub fn parse(text: &str) -> Option<Self> {
        let mut url = Url::parse(text).ok()?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !matches!(url.scheme(), "http" | "https") || !is_plain {
            return None;
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Some(Self(url))
    }

    /// The text of the URL, without a final `/`.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Field for Option<HttpUrl> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = if text.is_empty() { None } else { Some(HttpUrl::parse(text)?) };
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.as_ref().map(HttpUrl::to_string).unwrap_or_default()
    }
}

/// A list of networks.
pub(super) const NETWORKS: Accepts = Accepts::Text(
    "networks in CIDR form or single addresses, separated by commas, or nothing",
    "10.1.2.0/24, 192.168.7.15",
);

impl Field for Vec<IpNet> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let network = |it: &str| it.parse().ok().or_else(|| it.parse::<IpAddr>().ok().map(IpNet::from));
        *self = split_list(text).map(network).collect::<Option<_>>()?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        let is_address = |it: &IpNet| it.prefix_len() == it.max_prefix_len();
        join(self.iter().map(|it| if is_address(it) { it.addr().to_string() } else { it.to_string() }))
    }
}

/// Addresses of the NATS servers of one cluster, `nats://host:port` or `tls://host:port`; may be empty.
///
/// They have no user and password, which have their own settings because addresses are logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsServers(Vec<Url>);

impl NatsServers {
    pub(super) const ACCEPTS: Accepts = Accepts::Text(
        "nats://host:port or tls://host:port, several separated by commas, or nothing",
        "nats://nats:4222",
    );

    /// Iterates in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|it| it.as_str().trim_end_matches('/'))
    }

    /// Whether no cluster is configured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `text` is meant as the address of a NATS server.
    pub(super) fn is_address(text: &str) -> bool {
        let text = text.trim_start();
        text.starts_with("nats://") || text.starts_with("tls://")
    }
}

impl Field for NatsServers {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let is_server = |url: &Url| {
            let is_plain = url.query().is_none() && url.fragment().is_none() && url.path().trim_matches('/').is_empty();
            let is_anonymous = url.username().is_empty() && url.password().is_none();
            matches!(url.scheme(), "nats" | "tls") && url.host_str().is_some() && is_plain && is_anonymous
        };
        let servers: Option<Vec<_>> = split_list(text).map(|it| Url::parse(it).ok().filter(is_server)).collect();
        *self = Self(servers?);
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        join(self.iter().map(str::to_owned))
    }
}

/// A prefix in an S3-compatible bucket: `s3://name/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Name of the bucket.
    pub name: String,
    /// Prefix of all object keys, without slashes at its ends; may be empty.
    pub prefix: String,
}

impl Bucket {
    pub(super) const ACCEPTS: Accepts =
        Accepts::Text("s3://bucket or s3://bucket/prefix, or nothing", "s3://pictures/tenter");

    fn parse(text: &str) -> Option<Self> {
        let path = text.strip_prefix("s3://")?;
        let (name, prefix) = path.split_once('/').unwrap_or((path, ""));
        let is_plain =
            |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        let prefix = prefix.trim_matches('/');
        let is_valid =
            !name.is_empty() && is_plain(name) && is_plain(prefix) && !prefix.split('/').any(|it| it.contains(".."));
        is_valid.then(|| Self { name: name.to_owned(), prefix: prefix.to_owned() })
    }
}

impl Field for Option<Bucket> {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = if text.is_empty() { None } else { Some(Bucket::parse(text)?) };
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.as_ref().map_or_else(String::new, |it| {
            let separator = if it.prefix.is_empty() { "" } else { "/" };
            format!("s3://{}{separator}{}", it.name, it.prefix)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_no_final_slash() {
        let read = |text: &str| HttpUrl::parse(text).map(|url| url.to_string());
        assert_eq!(read("https://render.example.com/").as_deref(), Some("https://render.example.com"));
        assert_eq!(read("HTTP://Host:8080/a/b//").as_deref(), Some("http://host:8080/a/b"));
        for bad in ["", "ftp://host", "http://host/?a=b", "http://host/#a", "http://me@host", "host"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn buckets_have_a_name_and_an_optional_prefix() {
        let read = |text: &str| {
            let mut bucket: Option<Bucket> = None;
            bucket.read(text, Bucket::ACCEPTS).map(|()| bucket.show(Bucket::ACCEPTS))
        };
        assert_eq!(read("s3://pictures/a/b/").as_deref(), Some("s3://pictures/a/b"));
        assert_eq!(read("s3://pictures").as_deref(), Some("s3://pictures"));
        assert_eq!(read("").as_deref(), Some(""));
        for bad in ["s3://", "s3:///a", "https://pictures", "pictures", "s3://a/../b", "s3://a b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn networks_are_cidr_or_single_addresses() {
        let read = |text: &str| {
            let mut networks: Vec<IpNet> = Vec::new();
            networks.read(text, NETWORKS).map(|()| networks.show(NETWORKS))
        };
        assert_eq!(read("10.0.0.0/8,::1, fd00::/8").as_deref(), Some("10.0.0.0/8, ::1, fd00::/8"));
        assert_eq!(read("").as_deref(), Some(""));
        for bad in ["10.0.0.0/33", "intranet", "10.0.0/8", "10.0.0.1, x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
