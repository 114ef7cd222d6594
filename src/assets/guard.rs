//! The guard against server-side request forgery: it decides which URLs and addresses may be reached.
//!
//! In: pure checks of a parsed URL and of one IP address against closed networks and `TENTER_ALLOW_ADDRESSES`.
//! Not in: sockets and name resolution (`fetch` calls [`check`] on every address before it connects). Imports no other
//! room.
//!
//! URLs are parsed by the WHATWG parser and never matched as text: upper-case schemes, backslashes and octal,
//! hexadecimal or short IPv4 forms are normalised before the checks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// IPv4 networks that contain no public web servers (IANA special-purpose registry, RFC 6890 and successors).
const CLOSED_V4: &[(Ipv4Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), "this host"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "carrier-grade NAT"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    // In a public range, but Azure's host answers at this address in every virtual machine.
    (v4([168, 63, 129, 16], 32), "cloud metadata"),
    // Contains the metadata service of most clouds, 169.254.169.254.
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "IETF protocol assignments"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "6to4 relays"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([255, 255, 255, 255], 32), "broadcast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// Closed IPv6 networks with names. Every other address outside of [`GLOBAL_V6`] that embeds no IPv4 address is
/// "reserved".
const CLOSED_V6: &[(Ipv6Net, &str)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    // RFC 6052 allows the embedded IPv4 address at several offsets here, so it cannot be extracted reliably.
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local NAT64"),
    // Tunnels through a relay and a client, both embedded in the address; no longer operated.
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "IETF protocol assignments"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "documentation"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "documentation"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique local"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

/// The only part of IPv6 that is allocated as global unicast so far.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Prefixes that embed an IPv4 address in the last four bytes: IPv4-mapped, IPv4-translated (SIIT), NAT64 (RFC 6052)
/// and the obsolete IPv4-compatible form.
const V4_AT_END: &[Ipv6Net] = &[
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96),
];

/// 6to4 addresses (RFC 3056), which embed an IPv4 address in bytes 2 to 5.
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

/// Networks that the operator allows (`TENTER_ALLOW_ADDRESSES`). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct AllowedNetworks(Arc<[IpNet]>);

impl AllowedNetworks {
    fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

impl From<&[IpNet]> for AllowedNetworks {
    fn from(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }
}

/// An address that may not be reached. The message names the kind of network, but not whether a host answers there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its address is in a closed network ({network}); to allow it, add it to TENTER_ALLOW_ADDRESSES")]
pub struct BlockedAddress {
    /// Kind of the network, such as `loopback`, `private` or `link-local`.
    pub network: &'static str,
}

/// Reason why a URL may not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The text is empty, a relative URL, or no URL at all.
    #[error("it is not an absolute URL ({0}); use an http:, https: or data: URL")]
    Malformed(#[from] url::ParseError),
    /// The scheme is not supported, such as `file:`, `ftp:` or `blob:`.
    #[error("{0}: URLs are not supported here; use http:, https:, or a data: URL in the design itself")]
    Scheme(String),
    /// The URL has credentials, as in `https://user:password@host/`, which can also disguise the real host.
    #[error("URLs with a user name or password are not supported; remove the part before @")]
    Credentials,
    /// The host is an IP address in a closed network.
    #[error(transparent)]
    Blocked(#[from] BlockedAddress),
}

/// Checks that `ip` and every IPv4 address it embeds is public or in an allowed network.
///
/// # Errors
/// [`BlockedAddress`] with the kind of the closed network.
pub(super) fn check(ip: IpAddr, allowed: &AllowedNetworks) -> Result<(), BlockedAddress> {
    if allowed.contains(ip) {
        return Ok(());
    }
    match ip {
        IpAddr::V4(ip) => {
            block_if_named(CLOSED_V4.iter().find(|(network, _)| network.contains(&ip)).map(|(_, name)| *name))
        }
        IpAddr::V6(ip) => {
            block_if_named(CLOSED_V6.iter().find(|(network, _)| network.contains(&ip)).map(|(_, name)| *name))?;
            let at_end = V4_AT_END.iter().any(|network| network.contains(&ip));
            if !at_end && !GLOBAL_V6.contains(&ip) {
                return Err(BlockedAddress { network: "reserved" });
            }
            let octets = ip.octets();
            let v4_at = |at: usize| {
                check(Ipv4Addr::new(octets[at], octets[at + 1], octets[at + 2], octets[at + 3]).into(), allowed)
            };
            if at_end || is_isatap(&octets) {
                v4_at(12)?;
            }
            if SIX_TO_FOUR.contains(&ip) {
                v4_at(2)?;
            }
            Ok(())
        }
    }
}

fn block_if_named(network: Option<&'static str>) -> Result<(), BlockedAddress> {
    network.map_or(Ok(()), |network| Err(BlockedAddress { network }))
}

/// True for ISATAP addresses (RFC 5214): after any prefix, the interface id `0000:5efe` or `0200:5efe` precedes an IPv4
/// address. The two lowest bits of the first byte are flags.
fn is_isatap(octets: &[u8; 16]) -> bool {
    octets[8] & 0xfc == 0 && octets[9..12] == [0x00, 0x5e, 0xfe]
}

/// Parses `text` and checks it without resolving its host: it must be an absolute http or https URL without
/// credentials, whose host, if it is an IP address, passes [`check`].
///
/// # Errors
/// The reason why the URL may not be fetched.
pub(super) fn check_url(text: &str, allowed: &AllowedNetworks) -> Result<Url, UrlError> {
    let url = Url::parse(text)?;
    check_parsed(&url, allowed)?;
    Ok(url)
}

/// As [`check_url`], for a URL that is parsed already, such as the target of a redirect.
pub(super) fn check_parsed(url: &Url, allowed: &AllowedNetworks) -> Result<(), UrlError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    match url.host() {
        Some(Host::Ipv4(ip)) => Ok(check(ip.into(), allowed)?),
        Some(Host::Ipv6(ip)) => Ok(check(ip.into(), allowed)?),
        Some(Host::Domain(_)) => Ok(()),
        None => Err(url::ParseError::EmptyHost.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_network(ip: &str, allowed: &AllowedNetworks) -> Option<&'static str> {
        check(ip.parse().expect("an address"), allowed).err().map(|refused| refused.network)
    }

    fn allowing(entries: &[&str]) -> AllowedNetworks {
        let network = |it: &&str| it.parse().unwrap_or_else(|_| IpNet::from(it.parse::<IpAddr>().expect("an address")));
        AllowedNetworks(entries.iter().map(network).collect())
    }

    #[test]
    fn guard_address_matrix() {
        // Private networks and their boundaries, and every way to embed IPv4 in IPv6.
        const MATRIX: &[(&str, Option<&str>)] = &[
            ("8.8.8.8", None),
            ("1.1.1.1", None),
            ("10.0.0.1", Some("private")),
            ("172.15.255.255", None),
            ("172.16.0.1", Some("private")),
            ("172.31.255.255", Some("private")),
            ("172.32.0.0", None),
            ("192.168.1.1", Some("private")),
            ("100.63.255.255", None),
            ("100.64.0.0", Some("carrier-grade NAT")),
            ("100.100.100.200", Some("carrier-grade NAT")),
            ("100.127.255.255", Some("carrier-grade NAT")),
            ("100.128.0.0", None),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.254", Some("loopback")),
            ("0.0.0.0", Some("this host")),
            ("0.1.2.3", Some("this host")),
            ("169.254.169.254", Some("link-local")),
            ("168.63.129.16", Some("cloud metadata")),
            ("192.0.0.192", Some("IETF protocol assignments")),
            ("192.0.2.1", Some("documentation")),
            ("198.19.255.255", Some("benchmarking")),
            ("198.20.0.0", None),
            ("224.0.0.1", Some("multicast")),
            ("240.0.0.1", Some("reserved")),
            ("255.255.255.255", Some("broadcast")),
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("2001:4860:4860::8888", None),
            ("2606:4700::1111", None),
            ("fc00::1", Some("unique local")),
            ("fd00:ec2::254", Some("unique local")),
            ("fe80::1", Some("link-local")),
            ("fec0::1", Some("site-local")),
            ("ff02::1", Some("multicast")),
            ("2001:db8::1", Some("documentation")),
            ("3fff:0fff::1", Some("documentation")),
            ("2001:2::1", Some("IETF protocol assignments")),
            ("100::1", Some("reserved")),
            ("4000::1", Some("reserved")),
            // IPv4-mapped
            ("::ffff:127.0.0.1", Some("loopback")),
            ("::ffff:a9fe:a9fe", Some("link-local")),
            ("::ffff:8.8.8.8", None),
            // IPv4-translated
            ("::ffff:0:127.0.0.1", Some("loopback")),
            ("::ffff:0:8.8.8.8", None),
            // IPv4-compatible
            ("::10.0.0.1", Some("private")),
            ("::100.64.0.1", Some("carrier-grade NAT")),
            ("::127.0.0.1", Some("loopback")),
            ("::169.254.0.1", Some("link-local")),
            ("::8.8.8.8", None),
            // 6to4
            ("2002:0a00:0001::", Some("private")),
            ("2002:c0a8:0001::", Some("private")),
            ("2002:6440:0001::", Some("carrier-grade NAT")),
            ("2002:7f00:0001::1", Some("loopback")),
            ("2002:0808:0808::", None),
            // NAT64
            ("64:ff9b::10.0.0.1", Some("private")),
            ("64:ff9b::100.64.0.1", Some("carrier-grade NAT")),
            ("64:ff9b::169.254.169.254", Some("link-local")),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1:a00:0:100::", Some("local NAT64")),
            ("64:ff9b:1:c0a8:1:100::", Some("local NAT64")),
            // Teredo is closed as a whole
            ("2001::f5ff:fffe", Some("Teredo")),
            ("2001::f7f7:f7f7", Some("Teredo")),
            // ISATAP, alone and inside 6to4
            ("2606:4700::5efe:10.0.0.1", Some("private")),
            ("2606:4700::200:5efe:192.168.1.1", Some("private")),
            ("2606:4700::200:5efe:8.8.8.8", None),
            ("2002:0808:0808::5efe:127.0.0.1", Some("loopback")),
        ];
        for (ip, closed) in MATRIX {
            assert_eq!(closed_network(ip, &AllowedNetworks::default()), *closed, "{ip}");
        }
    }

    #[test]
    fn guard_allowed_networks_apply_to_every_spelling() {
        let allowed = allowing(&["127.0.0.0/8", "fd00::/8", "10.1.2.3"]);
        for open in ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1", "10.1.2.3", "8.8.8.8"] {
            assert_eq!(closed_network(open, &allowed), None, "{open}");
        }
        for closed in ["::1", "10.1.2.4", "fc00::1", "169.254.169.254"] {
            assert!(closed_network(closed, &allowed).is_some(), "{closed}");
        }
    }

    #[test]
    fn guard_url_disguises_of_closed_addresses() {
        const DISGUISES: &[(&str, &str)] = &[
            ("http://127.0.0.1/a.png", "loopback"),
            ("HTTP://169.254.169.254/latest/meta-data", "link-local"),
            ("hTTps://[::ffff:127.0.0.1]/", "loopback"),
            ("http:\\\\127.0.0.1\\a.png", "loopback"),
            ("http:/127.0.0.1/", "loopback"),
            (" http://127.0.0.1/ ", "loopback"),
            ("ht\ntp://127.0.0.1/", "loopback"),
            ("http://0177.0.0.1/", "loopback"),
            ("http://0x7f.1/", "loopback"),
            ("http://0x7f000001/", "loopback"),
            ("http://2130706433/", "loopback"),
            ("http://127.1/", "loopback"),
            ("http://127.0.0.1./", "loopback"),
            ("http://%31%32%37.0.0.1/", "loopback"),
            ("http://１２７.0.0.1/", "loopback"),
            ("http://127。0。0。1/", "loopback"),
            ("http://0/", "this host"),
            ("http://0.0.0.0/", "this host"),
            ("http://[::]/", "unspecified"),
            ("http://[::1]:8080/", "loopback"),
            ("http://[fec0::1]/", "site-local"),
            ("http://192.168.0.1:80/?x=http://example.com", "private"),
        ];
        for (url, network) in DISGUISES {
            let problem = check_url(url, &AllowedNetworks::default()).expect_err(url);
            assert_eq!(problem, UrlError::Blocked(BlockedAddress { network }), "{url}");
        }
    }

    #[test]
    fn guard_url_rejects_other_schemes_and_credentials() {
        let problem = |url: &str| check_url(url, &AllowedNetworks::default()).expect_err(url);
        for url in ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://example.com/", "blob:https://a/b", "gopher://x/"] {
            assert!(matches!(problem(url), UrlError::Scheme(_)), "{url}: {:?}", problem(url));
        }
        for url in ["", "notacolor", "/logo.png", "\\\\localhost/etc/passwd", "//cdn.example.com/a.png", "http://"] {
            assert!(matches!(problem(url), UrlError::Malformed(_)), "{url}: {:?}", problem(url));
        }
        for url in ["http://example.com@127.0.0.1/", "http://a:b@example.com/", "http://example.com\\@evil.test@x/"] {
            let found = check_url(url, &AllowedNetworks::default());
            // A backslash ends the host, so that the rest of the last URL is a path at example.com.
            let expected = if url.contains('\\') { None } else { Some(UrlError::Credentials) };
            assert_eq!(found.err(), expected, "{url}");
        }
        assert_eq!(
            problem("file:///x").to_string(),
            "file: URLs are not supported here; use http:, https:, or a data: URL in the design itself"
        );
    }

    #[test]
    fn guard_url_accepts_names_and_public_addresses() {
        for url in ["https://example.com/a.png", "http://8.8.8.8/", "HTTPS://EXAMPLE.com", "http://localhost/"] {
            assert!(check_url(url, &AllowedNetworks::default()).is_ok(), "{url}");
        }
    }
}
