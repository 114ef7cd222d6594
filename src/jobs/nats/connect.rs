//! The connection to the servers: who we say we are, whom we believe, and what is said when it does not come about.

use std::path::Path;
use std::sync::Arc;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{AGAIN, ANSWER, FIRST_CONNECTION};
use crate::config::NatsSettings;

/// Connects, as the settings say. `connected` is told each time that a connection stands.
///
/// # Errors
/// Settings that contradict each other, files that are not what they should be, servers that turn us away, or are not there for
/// half a minute; said with the settings to look at.
pub(super) async fn connect(settings: &NatsSettings, connected: Arc<Notify>) -> Result<Client, String> {
    let mut options = ConnectOptions::new()
        .name("tenter")
        .connection_timeout(ANSWER)
        .request_timeout(Some(ANSWER))
        .reconnect_delay_callback(|tries| AGAIN * u32::try_from(tries.min(4)).unwrap_or(4))
        .event_callback(move |event| {
            match event {
                Event::Connected => {
                    tracing::info!("connected to NATS");
                    connected.notify_one();
                }
                Event::Disconnected => tracing::warn!("the connection to NATS is lost; trying again"),
                event => tracing::debug!(%event, "NATS"),
            }
            std::future::ready(())
        });
    match (settings.user.reveal(), settings.password.reveal()) {
        (Some(user), Some(password)) => options = options.user_and_password(user.to_owned(), password.to_owned()),
        (None, None) => {}
        _ => return Err("set both TENTER_NATS_USER and TENTER_NATS_PASSWORD, or neither".into()),
    }
    if let Some(token) = settings.token.reveal() {
        options = options.token(token.to_owned());
    }
    if let Some(file) = &settings.credentials {
        let read = options.credentials_file(file).await;
        options = read.map_err(|error| format!("{} (TENTER_NATS_CREDS): {error}", file.display()))?;
    }
    if let Some(file) = &settings.tls_ca {
        has_certificate(file, "TENTER_NATS_TLS_CA")?;
        options = options.add_root_certificates(file.clone());
    }
    match (&settings.tls_certificate, &settings.tls_key) {
        (Some(certificate), Some(key)) => {
            has_certificate(certificate, "TENTER_NATS_TLS_CERT")?;
            PrivateKeyDer::from_pem_file(key)
                .map_err(|error| unlike(key, "TENTER_NATS_TLS_KEY", "a private key", error))?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        (None, None) => {}
        _ => return Err("set both TENTER_NATS_TLS_CERT and TENTER_NATS_TLS_KEY, or neither".into()),
    }
    let servers: Vec<_> = settings.servers.iter().map(str::to_owned).collect();
    let begun = Instant::now();
    loop {
        let error = match options.clone().connect(&servers[..]).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if let Some(advice) = advice(&error) {
            return Err(format!("{error}: {advice}"));
        }
        if begun.elapsed() > FIRST_CONNECTION {
            return Err(error.to_string());
        }
        tracing::warn!(%error, "cannot connect to NATS yet; trying again");
        tokio::time::sleep(AGAIN).await;
    }
}

/// The library takes a file without any for one with none more.
fn has_certificate(file: &Path, setting: &str) -> Result<(), String> {
    let first = CertificateDer::from_pem_file(file);
    first.map(drop).map_err(|error| unlike(file, setting, "a certificate", error))
}

fn unlike(file: &Path, setting: &str, wanted: &str, error: pem::Error) -> String {
    let found = match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => format!("there is not {wanted} in it, in PEM"),
        error => error.to_string(),
    };
    format!("{} ({setting}): {found}", file.display())
}

/// What to do about what no other try will mend; `None`: another may.
fn advice(error: &ConnectError) -> Option<&'static str> {
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => Some(
            "who we are is said by TENTER_NATS_USER and TENTER_NATS_PASSWORD, TENTER_NATS_TOKEN, or TENTER_NATS_CREDS",
        ),
        ConnectErrorKind::ServerParse => Some("addresses are nats://host:port or tls://host:port"),
        ConnectErrorKind::Tls => Some("see TENTER_NATS_TLS_CA, TENTER_NATS_TLS_CERT and TENTER_NATS_TLS_KEY"),
        _ => match handshake(error)? {
            rustls::Error::InvalidCertificate(_) => Some(
                "the servers' certificate must be signed by one of TENTER_NATS_TLS_CA, and be for the host in their address",
            ),
            rustls::Error::AlertReceived(_) => {
                Some("the server may want TENTER_NATS_TLS_CERT and TENTER_NATS_TLS_KEY, signed by whom it believes")
            }
            _ => None,
        },
    }
}

/// Why the two sides did not come to speak TLS.
fn handshake(error: &ConnectError) -> Option<&rustls::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An error inside one of input and output is not called its source.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(found);
        }
        source = error.source();
    }
    None
}
