//! Telling receivers what became of a job: signed, one try after the other, from the outbox (http-api.md §3.5).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::service::Service;
use super::store::{Delivery, DeliveryAttempt, DeliveryCapacity, NextAction};
use super::timestamp::{Clock, Timestamp};
use crate::assets::{HttpPoster, PostResponse, Reason};
use crate::config::WebhookSettings;

/// Signs what is sent, so that a receiver can tell us from others: HMAC-SHA256 of `<t>.<body>`.
const SIGNATURE: &str = "x-tenter-signature";
/// The same for every try of a delivery.
const DELIVERY: &str = "x-tenter-delivery";
/// What happened.
const EVENT: &str = "x-tenter-event";

/// Longest wait that a receiver may ask for with `retry-after`.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Between two looks into the outbox.
const SHORTEST_REST: Duration = Duration::from_millis(10);
/// After the store failed, and between looks when nothing is known to become due.
const REST: Duration = Duration::from_secs(5);

/// One receiver gets at most this part of the calls under way: while it is down, each of its calls takes its full time.
const SHARE: usize = 4;

/// How long a try is left alone before it counts as lost with its process: its timeout and this.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Sends what is in the outbox.
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

    /// Until `stop`; calls under way then are dropped and made again after the next start.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let free = Arc::new(Semaphore::new(self.settings.parallel));
        let mut under_way = JoinSet::new();
        loop {
            let rest = match self.send_due(&free, &mut under_way).await {
                Ok(rest) => rest,
                Err(error) => {
                    tracing::error!(%error, "cannot read the webhooks to send");
                    REST
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.service.delivery_ready() => {}
                () = tokio::time::sleep(rest) => {}
                Some(_) = under_way.join_next() => {}
            }
        }
    }

    /// Begins what is due, as far as there is room, and says when to look again.
    async fn send_due(
        self: &Arc<Self>,
        free: &Arc<Semaphore>,
        under_way: &mut JoinSet<()>,
    ) -> Result<Duration, super::StoreError> {
        let of_all = free.available_permits();
        if of_all == 0 {
            return Ok(REST);
        }
        let room = DeliveryCapacity { of_all, of_receiver: self.settings.parallel.div_ceil(SHARE) };
        let (due, next) = self.service.due_deliveries(room, self.settings.timeout + LEASE_MARGIN).await?;
        for delivery in due {
            let Ok(place) = free.clone().try_acquire_owned() else { break };
            let postman = self.clone();
            under_way.spawn(async move {
                postman.deliver(delivery).await;
                drop(place);
            });
        }
        let now = Timestamp::now(&self.clock);
        Ok(next.map_or(REST, |next| next.since(now).clamp(SHORTEST_REST, REST)))
    }

    async fn deliver(&self, delivery: Delivery) {
        let sent = tokio::time::timeout(self.settings.timeout, self.send(&delivery)).await;
        let tried = match sent {
            Ok(reply) => judge(reply, delivery.attempts, &self.settings.retries),
            Err(_) => {
                let limit = self.settings.timeout.as_secs_f64();
                let error = format!("no answer within {limit} s (TENTER_WEBHOOK_TIMEOUT)");
                failed_try(None, error, delivery.attempts, &self.settings.retries, None)
            }
        };
        let Delivery { id, event, attempts, .. } = &delivery;
        match tried.then {
            NextAction::Delivered => tracing::debug!(%id, %event, attempts, "webhook delivered"),
            NextAction::Again(_) => {
                tracing::info!(%id, %event, attempts, error = tried.error, "webhook not delivered yet")
            }
            NextAction::Failed => tracing::warn!(%id, %event, attempts, error = tried.error, "webhook given up"),
        }
        if let Err(error) = self.service.add_attempt(&delivery, tried).await {
            // It is sent again when its lease ends: receivers know deliveries by their id.
            tracing::error!(%id, %error, "cannot note that a webhook was tried");
        }
    }

    async fn send(&self, delivery: &Delivery) -> Result<PostResponse, Reason> {
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

/// `t=<seconds since 1970>,v1=<hex>`.
fn signature(secret: &str, seconds: i64, body: &str) -> String {
    // A key of any length is one for HMAC.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{seconds}.{body}").as_bytes());
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={digest}")
}

/// What an answer, or none, means.
fn judge(reply: Result<PostResponse, Reason>, attempts: u32, retries: &[Duration]) -> DeliveryAttempt {
    match reply {
        Ok(PostResponse { status: status @ 200..300, .. }) => {
            DeliveryAttempt { answer: Some(status), error: String::new(), then: NextAction::Delivered }
        }
        Ok(PostResponse { status, retry_after }) => {
            let error = format!("the receiver answered {status}; 2xx is needed");
            if status == 429 || status >= 500 {
                failed_try(Some(status), error, attempts, retries, retry_after)
            } else {
                DeliveryAttempt { answer: Some(status), error, then: NextAction::Failed }
            }
        }
        Err(reason @ (Reason::Network(_) | Reason::Timeout { .. })) => {
            failed_try(None, reason.to_string(), attempts, retries, None)
        }
        Err(reason) => DeliveryAttempt { answer: None, error: reason.to_string(), then: NextAction::Failed },
    }
}

/// Another try, if the schedule has one.
fn failed_try(
    answer: Option<u16>,
    error: String,
    attempts: u32,
    retries: &[Duration],
    asked: Option<Duration>,
) -> DeliveryAttempt {
    let then = match retries.get(attempts as usize) {
        Some(wait) => NextAction::Again((*wait).max(asked.unwrap_or_default().min(LONGEST_WAIT))),
        None => NextAction::Failed,
    };
    DeliveryAttempt { answer, error, then }
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

    #[test]
    fn answers_decide_what_follows() {
        let retries = [1, 5].map(Duration::from_secs);
        let then = |reply, attempts| judge(reply, attempts, &retries).then;
        let status = |status| Ok(PostResponse { status, retry_after: None });
        assert_eq!(then(status(204), 0), NextAction::Delivered);
        for passing in [429, 500, 503] {
            assert_eq!(then(status(passing), 0), NextAction::Again(retries[0]), "{passing}");
            assert_eq!(then(status(passing), 1), NextAction::Again(retries[1]), "{passing}");
            assert_eq!(then(status(passing), 2), NextAction::Failed, "{passing}: the schedule has no more");
        }
        for lasting in [301, 307, 400, 404, 410] {
            assert_eq!(then(status(lasting), 0), NextAction::Failed, "{lasting}");
        }
        let asked = Ok(PostResponse { status: 503, retry_after: Some(Duration::from_secs(60)) });
        assert_eq!(then(asked, 0), NextAction::Again(Duration::from_secs(60)));
        assert_eq!(then(Err(Reason::Network(crate::assets::NetworkError::Connect)), 0), NextAction::Again(retries[0]));
    }
}
