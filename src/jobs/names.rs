//! What both stores call things: events, receivers, results.

use super::job::JobId;

pub(super) const PROGRESS: &str = "job.progress";
pub(super) const DONE: &str = "job.done";
pub(super) const ERROR: &str = "job.error";
pub(super) const ITEM_DONE: &str = "item.done";
pub(super) const ITEM_ERROR: &str = "item.error";
pub(super) const COMPLETED: &str = "batch.completed";

/// Random bytes in the name of a result, which make it impossible to guess.
const RANDOM_BYTES: usize = 16;

/// What the name of a job's result starts with: its id, and 128 random bits.
pub(super) fn result_stem(id: &JobId) -> Result<String, getrandom::Error> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{id}-{:032x}", u128::from_be_bytes(bytes)))
}

/// Host and port: one that is down holds up its own calls and no others.
pub(super) fn receiver(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let authority = parsed.and_then(|it| Some(format!("{}:{}", it.host_str()?, it.port_or_known_default()?)));
    authority.unwrap_or_default()
}
