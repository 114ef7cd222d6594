//! Jobs for several machines, on NATS JetStream: front ends accept, workers work, each started as often as needed.
//!
//! In: what is kept where on the servers, how a job goes from record to message and back, what is mended after a crash between
//! two steps. Not in: rendering, sending, and what a result is; bodies of jobs go through `results` into the bucket.
//! The only place that knows async-nats. Nothing is asked of a server that 2.9 does not have.
//!
//! | on the servers | what |
//! | --- | --- |
//! | stream `…-work` | one message an unfinished job, below 4 kB; removed when the job ends; full means: nothing is accepted |
//! | stream `…-rows` | one message for each of the rows that come next, of all batches: some four for each under way |
//! | stream `…-hooks` | one message an undelivered webhook |
//! | bucket `…-jobs` | one record a job, a batch, a row that was in the queue; deliveries included; every change is compare-and-set |
//! | bucket `…-keys` | idempotency keys |
//! | bucket `…-trash` | names of results whose jobs are gone |
//! | bucket `…-clock` | to ask the servers what time it is; who feeds batches |
//!
//! The message comes first, the record second, the answer third: a message without a record is nobody's job and is dropped after
//! a while, a record without a message gets another (`reconcile`).

mod blobs;
mod bodies;
mod clock;
mod connect;
mod dispatch;
mod idempotency;
mod index;
mod layout;
mod ledger;
mod pull;
mod reconcile;
mod records;
mod row_feeder;

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{Context, ContextBuilder};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use self::clock::ServerClock;
use self::connect::connect;
use self::dispatch::Claims;
use self::index::Index;
use self::layout::Layout;
use self::pull::Puller;
use self::row_feeder::Leasing;
use crate::cache::SharedLru;
use crate::config::Settings;
use crate::hash::ContentHash;
use crate::jobs::life::limits::Limits;
use crate::jobs::life::row_list::RowList;
use crate::jobs::results::Results;
use crate::jobs::store::StoreError;
use crate::jobs::timestamp::Timestamp;

/// Lists of rows that are at hand, in bytes: a batch is fed some rows at a time.
const LISTS_BYTES: usize = 64 << 20;
/// For one answer of the servers.
const ANSWER: Duration = Duration::from_secs(4);
/// For the first connection: servers and we may be started in any order.
const FIRST_CONNECTION: Duration = Duration::from_secs(30);
/// Between two tries to connect, the first time and after a break.
const AGAIN: Duration = Duration::from_millis(500);
/// Between two looks whether consumers are there; each costs two requests.
const BETWEEN_LOOKS: Duration = Duration::from_secs(60);

/// The ledger of a cluster. Cheap to clone.
#[derive(Clone)]
pub(super) struct Nats(Arc<Inner>);

struct Inner {
    client: Client,
    context: Context,
    layout: Layout,
    clock: ServerClock,
    index: Index,
    /// Jobs for this process.
    work: Puller,
    /// Rows for this process.
    rows: Puller,
    /// Webhooks for this process.
    hooks: Puller,
    claims: Claims,
    leasing: Leasing,
    /// Row lists by their hash.
    lists: SharedLru<ContentHash, Arc<RowList>>,
    results: Results,
    limits: Limits,
    /// Names this process in records.
    holder: String,
    place: String,
    keeping: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Nats {
    /// Connects, makes what is missing on the servers, and asks them what time it is. `results`: the bucket, for bodies of jobs.
    ///
    /// # Errors
    /// When no server can be reached within half a minute, refuses us, or has no JetStream.
    pub(super) async fn connect(settings: &Settings, limits: Limits, results: Results) -> Result<Self, StoreError> {
        let nats = &settings.nats;
        let place = format!("NATS at {} (TENTER_NATS_URL)", nats.servers.iter().collect::<Vec<_>>().join(", "));
        let failed = |reason: String| StoreError::Failed { place: place.clone(), reason };
        let begun = Instant::now();
        let connected = Arc::new(Notify::new());
        let client = connect(nats, connected.clone()).await.map_err(failed)?;
        let context = ContextBuilder::new().timeout(ANSWER).ack_timeout(ANSWER).build(client.clone());
        let (layout, clock) = loop {
            let made = async {
                let layout = Layout::make(&context, nats, &limits).await?;
                let clock = ServerClock::start(&layout.clock).await?;
                Ok((layout, clock))
            };
            match made.await {
                Ok(made) => break made,
                Err(reason) if begun.elapsed() > FIRST_CONNECTION => return Err(failed(reason)),
                Err(reason) => tracing::warn!(reason, "NATS is not ready for us yet; trying again"),
            }
            tokio::time::sleep(AGAIN).await;
        };
        let keeping = tokio::spawn(keep_consumers(layout.clone(), connected)).abort_handle();
        let work = Puller::new(layout.worker.clone(), nats.ack_wait);
        let rows = Puller::new(layout.row_worker.clone(), nats.ack_wait);
        let hooks = Puller::new(layout.postman.clone(), nats.ack_wait);
        let holder = uuid::Uuid::new_v4().simple().to_string();
        Ok(Self(Arc::new(Inner {
            client,
            context,
            layout,
            clock,
            index: Index::default(),
            work,
            rows,
            hooks,
            claims: Claims::default(),
            leasing: Leasing::default(),
            lists: SharedLru::new(LISTS_BYTES, 1),
            results,
            limits,
            holder,
            place,
            keeping,
        })))
    }

    fn now(&self) -> Timestamp {
        Timestamp::now(&self.0.clock.as_clock())
    }

    fn failed(&self, what: &str, error: impl std::fmt::Display) -> StoreError {
        StoreError::Failed { place: self.0.place.clone(), reason: format!("{what}: {error}") }
    }

    /// Refuses at once while there is no connection: the client would hold what is sent back until there is one, and say so
    /// only after its time is over.
    fn connected(&self) -> Result<(), StoreError> {
        use async_nats::connection::State;
        match self.0.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => {
                Err(self.failed("not connected", "the client tries again by itself"))
            }
        }
    }
}

/// After each new connection, and now and again: whether what hands messages out is there.
async fn keep_consumers(layout: Layout, connected: Arc<Notify>) {
    loop {
        // Woken or not: both are a reason to look.
        let _ = tokio::time::timeout(BETWEEN_LOOKS, connected.notified()).await;
        while let Err(reason) = layout.keep_consumers().await {
            tracing::warn!(reason, "what hands out jobs is missing; trying again");
            tokio::time::sleep(AGAIN).await;
        }
    }
}
