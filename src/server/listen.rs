//! The accept loop: a limit of open connections, time limits for slow clients, and graceful shutdown.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use super::lifecycle::Health;
use super::peer::PeerAddress;
use crate::config::ServerSettings;

/// Outcome of [`serve`] after a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Number of connections that were closed because their requests took longer than `TENTER_STOP_GRACE`.
    pub cut: usize,
}

/// Pause after `accept` failed, which is mostly a lack of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// Serves until `stop` is ready. From then on readiness fails; after `TENTER_STOP_DELAY` no new connections are
/// accepted; requests in progress may finish within `TENTER_STOP_GRACE`, and the remaining connections are closed.
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
        while open.try_join_next().is_some() {} // drop the results of closed connections
        match next {
            Ok((stream, peer, slot)) => {
                let connection = connection(
                    with_timeout(stream, settings.write_timeout),
                    peer,
                    router.clone(),
                    settings.header_timeout,
                    stopping.clone(),
                );
                open.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
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

/// The next connection, with its permit (`TENTER_CONNECTIONS`).
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, PeerAddress, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // Answers are written in one piece; Nagle's algorithm would only delay them.
    stream.set_nodelay(true)?;
    Ok((stream, PeerAddress(peer.ip()), slot))
}

/// Largest number of request headers; more are answered with 431. Browsers behind proxies send about 40.
const MAX_HEADERS: usize = 100;
/// Largest size of the request line and headers in bytes; more is answered with 431. Also the read buffer of a body.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A connection whose writes fail when the peer reads nothing for the time `limit` (`TENTER_WRITE_TIMEOUT`).
type Connection = Pin<Box<TimeoutStream<TcpStream>>>;

fn with_timeout(stream: TcpStream, limit: Duration) -> Connection {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limit));
    Box::pin(stream)
}

/// Answers requests until the peer closes the connection, is too slow with a request head, or the service stops.
/// Dropping the future cancels the handler of the current request.
async fn connection(
    stream: Connection,
    peer: PeerAddress,
    router: Router,
    header_timeout: Duration,
    stopping: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
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
        Ok(()) => linger(serving.into_parts().io.into_inner(), &stopping).await,
        // Disconnects and malformed requests are common.
        Err(error) => tracing::debug!(%error, "connection ended"),
    }
}

/// How long a client may continue to send after the last answer: nginx's default of `lingering_time`.
const LINGER: Duration = Duration::from_secs(30);
/// How long such a client may pause: nginx's default of `lingering_timeout`.
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// Closes the connection without losing the answer. A socket that is closed while its peer still sends, as after 413,
/// is reset, and the peer then often sees a broken pipe instead of the answer; so the write side is closed first, and
/// what still arrives is read and discarded.
async fn linger(mut stream: Connection, stopping: &CancellationToken) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let mut discarded = [0; 16 << 10];
        while let Ok(Ok(1..)) = timeout(LINGER_PAUSE, stream.read(&mut discarded)).await {}
    };
    tokio::select! {
        _ = timeout(LINGER, rest) => {}
        () = stopping.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pair(limit: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (stream, _) = listener.accept().await.expect("a connection");
        (with_timeout(stream, limit), client)
    }

    #[tokio::test]
    async fn writes_fail_when_the_client_reads_nothing() {
        let (mut stream, _client) = pair(Duration::from_millis(50)).await;
        let chunk = vec![0; 1 << 20];
        // Once the buffers of the system are full.
        let error = loop {
            if let Err(error) = stream.write_all(&chunk).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn clients_that_read_receive_everything() {
        let (mut stream, mut client) = pair(Duration::from_secs(60)).await;
        let size = 20 << 20; // more than the buffers of the system hold
        let sending = async {
            stream.write_all(&vec![7; size]).await.expect("sent");
            stream.shutdown().await.expect("closed");
        };
        let mut read = Vec::new();
        let (_, count) = tokio::join!(sending, client.read_to_end(&mut read));
        assert_eq!(count.expect("read"), size);
    }
}
