//! The connection to the servers and what every part of the ledger shares: streams and buckets, clock, index, results.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{Context, ContextBuilder};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::clock::ServerClock;
use super::connect::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, RECONNECT_DELAY, connect};
use super::error::NatsError;
use super::index::Index;
use super::layout::Layout;
use crate::config::NatsSettings;
use crate::jobs::life::limits::JobLimits;
use crate::jobs::results::Results;
use crate::jobs::store::StoreError;
use crate::jobs::timestamp::Timestamp;

/// Interval between checks that the consumers exist. Each check costs two requests a consumer.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// Requests to the servers at the same time, for one page of a list or one sweep.
pub(super) const PARALLEL: usize = 16;

/// A connection to a cluster.
pub(super) struct ClusterConnection {
    pub(super) client: Client,
    pub(super) context: Context,
    pub(super) layout: Layout,
    pub(super) clock: ServerClock,
    pub(super) index: Index,
    pub(super) results: Results,
    pub(super) limits: JobLimits,
    /// The servers, for messages.
    pub(super) place: String,
    checking: AbortHandle,
}

impl Drop for ClusterConnection {
    fn drop(&mut self) {
        self.checking.abort();
    }
}

impl ClusterConnection {
    /// Connects, creates the streams and buckets that are missing, and reads the servers' clock. `results`: the bucket,
    /// where large bodies of jobs are stored.
    ///
    /// # Errors
    /// When no server can be reached within half a minute, refuses the login, or has no JetStream.
    pub(super) async fn connect(nats: &NatsSettings, limits: JobLimits, results: Results) -> Result<Self, StoreError> {
        let place = format!("NATS at {} (TENTER_NATS_URL)", nats.servers.iter().collect::<Vec<_>>().join(", "));
        let failed = |error: NatsError| StoreError::Failed { place: place.clone(), reason: error.to_string() };
        let begun = Instant::now();
        let connected = Arc::new(Notify::new());
        let client = connect(nats, connected.clone()).await.map_err(failed)?;
        let context = ContextBuilder::new().timeout(ANSWER_TIMEOUT).ack_timeout(ANSWER_TIMEOUT).build(client.clone());
        let (layout, clock) = loop {
            let made = async {
                let layout = Layout::create(&context, nats, &limits).await?;
                let clock = ServerClock::start(&layout.clock).await?;
                Ok((layout, clock))
            };
            match made.await {
                Ok(made) => break made,
                Err(error) if begun.elapsed() > CONNECT_TIMEOUT => return Err(failed(error)),
                Err(error) => tracing::warn!(%error, "NATS is not ready yet; trying again"),
            }
            tokio::time::sleep(RECONNECT_DELAY).await;
        };
        let checking = tokio::spawn(check_consumers(layout.clone(), connected)).abort_handle();
        Ok(Self { client, context, layout, clock, index: Index::default(), results, limits, place, checking })
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now(&self.clock.as_clock())
    }

    pub(super) fn failed(&self, action: &str, error: impl std::fmt::Display) -> StoreError {
        StoreError::Failed { place: self.place.clone(), reason: format!("{action}: {error}") }
    }

    /// # Errors
    /// While there is no connection. The client would buffer requests and fail them only after their timeout.
    pub(super) fn connected(&self) -> Result<(), StoreError> {
        use async_nats::connection::State;
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => {
                Err(self.failed("not connected", "the client tries again by itself"))
            }
        }
    }
}

/// Creates consumers that are missing: after each new connection, and every [`CHECK_INTERVAL`].
async fn check_consumers(layout: Layout, connected: Arc<Notify>) {
    loop {
        // The check is due after the notification and after the timeout.
        let _ = tokio::time::timeout(CHECK_INTERVAL, connected.notified()).await;
        while let Err(error) = layout.create_consumers().await {
            tracing::warn!(%error, "cannot create the consumers of the queues; trying again");
            tokio::time::sleep(RECONNECT_DELAY).await;
        }
    }
}
