//! The ledger of a cluster, on NATS JetStream. Front ends accept jobs, workers render them; any number of each may run.
//!
//! In: which records, messages and objects there are on the servers, how a job goes from record to message and back,
//! and how a crash between two steps is repaired. Not in: rendering, delivering webhooks, results; large bodies go to
//! the bucket through `results`. No other module uses async-nats. Servers from 2.9 on have all that is used here.
//!
//! | on the servers | content |
//! | --- | --- |
//! | stream `…-work` | a message for each unfinished job, deleted when it ends; full: submissions are refused |
//! | stream `…-rows` | messages for the rows that come next, of all batches: about four for each row in progress |
//! | stream `…-hooks` | a message for each webhook that is not delivered |
//! | bucket `…-jobs` | a record for each job, batch and row that has been in the queue, with its outbox |
//! | bucket `…-keys` | idempotency keys |
//! | bucket `…-templates` | records of templates |
//! | bucket `…-trash` | names of result files to delete |
//! | bucket `…-clock` | the servers' time; the lease of the front end that enqueues rows |
//!
//! A submission writes the message first and the record second, and is then answered. A message without a record is
//! deleted after a minute; a record without a message gets a new one (`reconcile`). Messages are delivered at least
//! once: a worker extends the lease of its message, acknowledges it when the job has ended, and compares its sequence
//! number with the record's.

mod blobs;
mod bodies;
mod claims;
mod clock;
mod cluster;
mod connect;
mod dispatch;
mod error;
mod idempotency;
mod index;
mod layout;
mod ledger;
mod message;
mod publish;
mod pull;
mod reconcile;
mod records;
mod row_feeder;
mod templates;

pub(super) use self::ledger::NatsLedger;
