//! Sends webhooks: signed POST requests that are repeated on a schedule until the receiver accepts them (http-api.md
//! §3.5).
//!
//! The outbox is in the job records ([`Service::due_deliveries`]). A delivery is leased while it is sent, so that no
//! other process sends it too, and the lease of a process that died ends by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::life::delivery;
use super::service::Service;
use super::store::{Delivery, DeliveryCapacity, NextAction, StoreError};
use super::timestamp::{Clock, Timestamp};
use crate::assets::{HttpPoster, PostResponse, Reason};
use crate::config::WebhookSettings;

/// Header with the signature, by which a receiver recognises the sender: HMAC-SHA256 of `<t>.<body>`.
const SIGNATURE: &str = "x-tenter-signature";
/// Header with the id of the delivery, the same for every attempt.
const DELIVERY: &str = "x-tenter-delivery";
/// Header with the name of the event.
const EVENT: &str = "x-tenter-event";

/// Shortest time between two polls of the outbox.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Time until the next poll when no delivery is known to become due, or after the store failed.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// One receiver gets at most 1/`RECEIVER_SHARE` of the simultaneous requests, because each request to a receiver that
/// is down occupies its place until the timeout.
const RECEIVER_SHARE: usize = 4;

/// Time by which a lease is longer than the timeout of a request.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Sends the webhooks in the outbox.
pub(super) struct WebhookSender {
    service: Arc<Service>,
    poster: HttpPoster,
    settings: WebhookSettings,
    clock: Clock,
}

impl WebhookSender {
    pub(super) fn new(service: Arc<Service>, poster: HttpPoster, settings: WebhookSettings, clock: Clock) -> Self {
        Self { service, poster, settings, clock }
    }

    /// Runs until `stop`. Requests in progress are then dropped and repeated after the next start.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(self.settings.parallel));
        let mut requests = JoinSet::new();
        loop {
            let until_next = match self.send_due(&permits, &mut requests).await {
                Ok(until_next) => until_next,
                Err(error) => {
                    tracing::error!(%error, "cannot read the webhooks to send");
                    MAX_POLL_INTERVAL
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.service.delivery_ready() => {}
                () = tokio::time::sleep(until_next) => {}
                Some(_) = requests.join_next() => {}
            }
        }
    }

    /// Starts the deliveries that are due, up to the number of free permits. Returns the time until the next poll.
    async fn send_due(
        self: &Arc<Self>,
        permits: &Arc<Semaphore>,
        requests: &mut JoinSet<()>,
    ) -> Result<Duration, StoreError> {
        let total = permits.available_permits();
        if total == 0 {
            return Ok(MAX_POLL_INTERVAL);
        }
        let capacity = DeliveryCapacity { total, per_receiver: self.settings.parallel.div_ceil(RECEIVER_SHARE) };
        let (due, next) = self.service.due_deliveries(capacity, self.settings.timeout + LEASE_MARGIN).await?;
        for delivery in due {
            let Ok(permit) = permits.clone().try_acquire_owned() else { break };
            let sender = self.clone();
            requests.spawn(async move {
                sender.deliver(delivery).await;
                drop(permit);
            });
        }
        let now = Timestamp::now(&self.clock);
        Ok(next.map_or(MAX_POLL_INTERVAL, |next| next.since(now).clamp(MIN_POLL_INTERVAL, MAX_POLL_INTERVAL)))
    }

    /// Sends `delivery` once, and records the result.
    async fn deliver(&self, delivery: Delivery) {
        let response = tokio::time::timeout(self.settings.timeout, self.post(&delivery)).await;
        let attempt = match response {
            Ok(response) => delivery::evaluate(response, delivery.attempts, &self.settings.retries),
            Err(_) => {
                let limit = self.settings.timeout.as_secs_f64();
                let error = format!("no answer within {limit} s (TENTER_WEBHOOK_TIMEOUT)");
                delivery::temporary_failure(None, error, delivery.attempts, &self.settings.retries, None)
            }
        };
        let Delivery { id, event, attempts, .. } = &delivery;
        match attempt.next {
            NextAction::Delivered => tracing::debug!(%id, %event, attempts, "webhook delivered"),
            NextAction::RetryAfter(_) => {
                tracing::info!(%id, %event, attempts, error = attempt.error, "webhook not delivered yet")
            }
            NextAction::Failed => tracing::warn!(%id, %event, attempts, error = attempt.error, "webhook given up"),
        }
        if let Err(error) = self.service.add_attempt(&delivery, attempt).await {
            // It is sent again when its lease ends; receivers recognise the repetition by the delivery id.
            tracing::error!(%id, %error, "cannot record the attempt to deliver a webhook");
        }
    }

    async fn post(&self, delivery: &Delivery) -> Result<PostResponse, Reason> {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            (DELIVERY, delivery.id.clone()),
            (EVENT, delivery.event.to_owned()),
        ];
        if let Some(secret) = self.settings.secret.reveal() {
            headers.push((SIGNATURE, signature(secret, Timestamp::now(&self.clock).seconds(), &delivery.body)));
        }
        self.poster.post(&delivery.url, &headers, Bytes::from(delivery.body.clone())).await
    }
}

/// Value of the signature header: `t=<seconds since 1970>,v1=<hex>`.
fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", const_hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_hmac_sha256_of_time_and_body() {
        // printf '1800000000.{"id":"a"}' | openssl dgst -sha256 -hmac secret
        let expected = "e6ea0431edcabc18c8dedb1fdcf50cb5f2ee58aeb080d681485883d01dd55a2a";
        let header = signature("secret", 1_800_000_000, "{\"id\":\"a\"}");
        assert_eq!(header, format!("t=1800000000,v1={expected}"));
    }
}
