//! `tenter health`: checks whether the service on this machine is ready, for containers without curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::failure::Failure;
use super::flags::SettingFlags;

/// Timeout for connecting and for each read; a slower service counts as not ready.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum length of an answer in bytes; the service's is shorter.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingFlags,
}

/// Prints the readiness report of the service.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let address = reachable(arguments.settings.load()?.settings.server.listen);
    let machine =
        |error: std::io::Error| Failure::Machine(format!("nothing answers on {address} (TENTER_LISTEN): {error}"));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(machine)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(machine)?;
    let request = format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(machine)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).map_err(machine)?;
    let answer = String::from_utf8_lossy(&answer);
    println!("{}", body(&answer));
    if status(&answer) == Some(200) { Ok(()) } else { Err(Failure::Machine("the service is not ready".into())) }
}

/// Address to connect to a listener on `listen`: the loopback address if it listens on all interfaces.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_connects_to_loopback_for_unspecified_addresses() {
        let reached = |listen: &str| reachable(listen.parse().expect("an address")).to_string();
        assert_eq!(reached("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(reached("[::]:80"), "[::1]:80");
        assert_eq!(reached("10.1.2.3:80"), "10.1.2.3:80");
    }

    #[test]
    fn health_reads_status_and_body() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!((status(answer), body(answer)), (Some(503), "{}"));
        assert_eq!((status("SSH-2.0"), body("SSH-2.0")), (None, ""));
    }
}
