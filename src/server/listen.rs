//! The accept loop: bounded connections, bounded patience with slow heads, and an orderly stop.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Health;
use super::patience::Patient;
use crate::config::ServerSettings;

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were cut because their requests outlived `TENTER_STOP_GRACE`.
    pub cut: usize,
}

/// Rest after the system refused a connection (no file descriptors left, mostly), before asking again.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// Serves until `stop` is ready; is unready from then on, takes no new connections after `TENTER_STOP_DELAY`, lets admitted
/// requests finish within `TENTER_STOP_GRACE`, and cuts the rest.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: &ServerSettings,
    health: &Health,
    stop: impl Future<Output = ()>,
) -> Stopped {
    let stop = async {
        stop.await;
        health.set_stopping();
        if !settings.stop_delay.is_zero() {
            tokio::time::sleep(settings.stop_delay).await;
        }
    };
    let mut stop = pin!(stop);
    let slots = Arc::new(Semaphore::new(settings.connections));
    let stopping = CancellationToken::new();
    let mut open = JoinSet::new();
    loop {
        let next = tokio::select! {
            biased;
            () = &mut stop => break,
            next = accept(&listener, &slots) => next,
        };
        while open.try_join_next().is_some() {} // forget those that ended
        match next {
            Ok((stream, slot)) => {
                let stream = Patient::new(stream, settings.write_timeout);
                let connection = connection(stream, router.clone(), settings.header_timeout, stopping.clone());
                open.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
    drop(listener);
    stopping.cancel();
    let finished = async { while open.join_next().await.is_some() {} };
    let in_time = timeout(settings.stop_grace, finished).await.is_ok();
    let cut = if in_time { 0 } else { open.len() };
    open.shutdown().await;
    Stopped { cut }
}

/// A connection and its place among the open ones.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are written whole; waiting for more to send would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream, slot))
}

/// Headers of one request; more is answered with 431. Browsers behind proxies send about 40.
const MOST_HEADERS: usize = 100;
/// Bytes of the head of one request; more is answered with 431. Also what is read ahead of a body.
const HEAD_BYTES: usize = 64 << 10;

/// Answers requests until the peer closes, is too slow with a head, or the service stops. Dropping it drops the handler
/// and with it everything the request was doing.
async fn connection(stream: Patient, router: Router, header_timeout: Duration, stopping: CancellationToken) {
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MOST_HEADERS)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut ended = poll_fn(|cx| serving.poll_without_shutdown(cx));
    let stopped = tokio::select! {
        ended = &mut ended => Some(ended),
        () = stopping.cancelled() => None,
    };
    let ended = match stopped {
        Some(ended) => ended,
        None => {
            Pin::new(&mut serving).graceful_shutdown();
            poll_fn(|cx| serving.poll_without_shutdown(cx)).await
        }
    };
    match ended {
        Ok(()) => linger(serving.into_parts().io.into_inner().into_inner(), &stopping).await,
        // Peers vanish and send nonsense all day: not worth more.
        Err(error) => tracing::debug!(%error, "connection ended"),
    }
}

/// How long a peer that is still sending is listened to after its last answer, and how long it may pause: nginx's times.
const LINGER: Duration = Duration::from_secs(30);
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// Closes without losing the answer. A socket that is closed while its peer still sends, as after 413, is reset, and the
/// peer then often sees a broken pipe instead of the answer; so we say that we are done and let the rest run into nothing.
async fn linger(mut stream: TcpStream, stopping: &CancellationToken) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let mut nothing = [0; 16 << 10];
        while let Ok(Ok(1..)) = timeout(LINGER_PAUSE, stream.read(&mut nothing)).await {}
    };
    tokio::select! {
        _ = timeout(LINGER, rest) => {}
        () = stopping.cancelled() => {}
    }
}
