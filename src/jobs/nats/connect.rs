//! Connecting to the servers: login, TLS, and advice for errors that another attempt does not cure.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::NatsError;
use crate::config::NatsSettings;

/// Timeout of one request to the servers.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
/// Time for the first connection: the servers and this process may be started in any order.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Delay between two attempts to connect.
pub(super) const RECONNECT_DELAY: Duration = Duration::from_millis(500);

/// Connects with the login and certificates of `settings`. `connected` is notified of each new connection.
///
/// # Errors
/// When settings contradict each other, a file cannot be used, a server refuses the login, or none can be reached
/// within [`CONNECT_TIMEOUT`]. The message names the settings.
pub(super) async fn connect(settings: &NatsSettings, connected: Arc<Notify>) -> Result<Client, NatsError> {
    let mut options = ConnectOptions::new()
        .name("tenter")
        .connection_timeout(ANSWER_TIMEOUT)
        .request_timeout(Some(ANSWER_TIMEOUT))
        .reconnect_delay_callback(|tries| RECONNECT_DELAY * u32::try_from(tries.min(4)).unwrap_or(4))
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
        _ => return Err(contradiction("TENTER_NATS_USER", "TENTER_NATS_PASSWORD")),
    }
    if let Some(token) = settings.token.reveal() {
        options = options.token(token.to_owned());
    }
    if let Some(file) = &settings.credentials {
        let read = options.credentials_file(file).await;
        options = read.map_err(|error| unusable(file, "TENTER_NATS_CREDS", error))?;
    }
    if let Some(file) = &settings.tls_ca {
        check_certificate(file, "TENTER_NATS_TLS_CA")?;
        options = options.add_root_certificates(file.clone());
    }
    match (&settings.tls_certificate, &settings.tls_key) {
        (Some(certificate), Some(key)) => {
            check_certificate(certificate, "TENTER_NATS_TLS_CERT")?;
            PrivateKeyDer::from_pem_file(key)
                .map_err(|error| invalid_file(key, "TENTER_NATS_TLS_KEY", "a private key", error))?;
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        (None, None) => {}
        _ => return Err(contradiction("TENTER_NATS_TLS_CERT", "TENTER_NATS_TLS_KEY")),
    }
    let servers: Vec<_> = settings.servers.iter().map(str::to_owned).collect();
    let begun = Instant::now();
    loop {
        let error = match options.clone().connect(&servers[..]).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        if let Some(advice) = advice(&error) {
            return Err(NatsError::Refused { source: error, advice });
        }
        if begun.elapsed() > CONNECT_TIMEOUT {
            return Err(error.into());
        }
        tracing::warn!(%error, "cannot connect to NATS yet; trying again");
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

/// The client accepts a file without certificates, so that the file is checked here.
fn check_certificate(file: &Path, setting: &'static str) -> Result<(), NatsError> {
    let first = CertificateDer::from_pem_file(file);
    first.map(drop).map_err(|error| invalid_file(file, setting, "a certificate", error))
}

fn invalid_file(file: &Path, setting: &'static str, wanted: &str, error: pem::Error) -> NatsError {
    match error {
        pem::Error::Io(error) => unusable(file, setting, error),
        pem::Error::NoItemsFound => unusable(file, setting, format!("there is not {wanted} in it, in PEM")),
        error => unusable(file, setting, error),
    }
}

fn unusable(
    file: &Path,
    setting: &'static str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> NatsError {
    NatsError::File { file: file.to_owned(), setting, source: error.into() }
}

/// The error for two settings of which only one is set.
fn contradiction(one: &str, other: &str) -> NatsError {
    NatsError::Settings(format!("set both {one} and {other}, or neither"))
}

/// Advice for an error that another attempt does not cure; `None` when it may.
fn advice(error: &ConnectError) -> Option<&'static str> {
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            Some("log in with TENTER_NATS_USER and TENTER_NATS_PASSWORD, TENTER_NATS_TOKEN, or TENTER_NATS_CREDS")
        }
        ConnectErrorKind::ServerParse => Some("addresses are nats://host:port or tls://host:port"),
        ConnectErrorKind::Tls => Some("see TENTER_NATS_TLS_CA, TENTER_NATS_TLS_CERT and TENTER_NATS_TLS_KEY"),
        _ => match tls_error(error)? {
            rustls::Error::InvalidCertificate(_) => Some(
                "the servers' certificate must be signed by one of TENTER_NATS_TLS_CA, and be for the host in their address",
            ),
            rustls::Error::AlertReceived(_) => Some(
                "the server may require a client certificate that it trusts: TENTER_NATS_TLS_CERT and TENTER_NATS_TLS_KEY",
            ),
            _ => None,
        },
    }
}

/// The TLS error among the sources of `error`.
fn tls_error(error: &ConnectError) -> Option<&rustls::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // `source` of an I/O error skips the error that it wraps.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(found);
        }
        source = error.source();
    }
    None
}
