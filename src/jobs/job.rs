//! A single job as API callers see it (http-api.md §3.1).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::timestamp::Timestamp;

/// Id of a job or a row: nine lower-case letters and digits, as in the vendor's API, and unique in its store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

const ID_CHARS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 9;

impl JobId {
    /// A random id of 46 bits. The store checks that it is not in use.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        let mut number = u128::from_be_bytes(bytes);
        let mut text = String::with_capacity(ID_LENGTH);
        for _ in 0..ID_LENGTH {
            text.push(char::from(ID_CHARS[(number % 36) as usize]));
            number /= 36;
        }
        Ok(Self(text.into()))
    }

    /// Reads an id; `None` when `text` does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == ID_LENGTH && text.bytes().all(|it| ID_CHARS.contains(&it));
        valid.then(|| Self(text.into()))
    }

    /// The id as nine ASCII characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Status of a job: `scheduled`, `progress`, then `done` or `error`. A job that is attempted again is `scheduled`
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The job waits for a worker.
    Scheduled,
    /// A worker renders the job.
    Progress,
    /// The job has a result.
    Done,
    /// The job failed and is not attempted again.
    Error,
}

impl Status {
    /// Whether the status is final: `done` or `error`.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Error)
    }

    /// The status as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Progress => "progress",
            Self::Done => "done",
            Self::Error => "error",
        }
    }
}

/// A job, as in responses and in the webhooks `job.progress`, `job.done` and `job.error`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Job {
    /// Id of the job.
    #[schema(value_type = String)]
    pub id: JobId,
    /// Status of the job.
    pub status: Status,
    /// Link to the result, once the job is done.
    pub output: Option<String>,
    /// Hash of everything that the result depends on, SHA-256 in hex, once the job is done: results painted by the CPU
    /// with equal fingerprints are equal. Null for jobs of versions that did not record it.
    pub fingerprint: Option<String>,
    /// Why the job failed; empty when it did not fail.
    pub error: String,
    /// Time at which the job was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Time at which the last attempt began.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub started_at: Option<Timestamp>,
    /// Time at which the job ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub completed_at: Option<Timestamp>,
    /// Time of the last change; null before the first one.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub updated_at: Option<Timestamp>,
    /// Share of finished pages, 0 to 100.
    pub progress: f64,
    /// Log of the job, one line per event: attempts, durations of the stages, warnings.
    pub logs: String,
}

/// A page of an owner's jobs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Listing {
    /// The jobs, newest first.
    pub renders: Vec<Job>,
    /// Number of all jobs of the owner.
    pub total: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn id_has_nine_letters_and_digits() {
        let id = JobId::random().expect("randomness");
        assert_eq!(JobId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(JobId::random().expect("randomness"), id);
        for bad in ["", "fp1f2rtv", "fp1f2rtvaa", "FP1F2RTVA", "../../etc", "fp1f2rtv%"] {
            assert_eq!(JobId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn job_is_written_field_for_field() {
        let job = Job {
            id: JobId::parse("fp1f2rtva").expect("an id"),
            status: Status::Scheduled,
            output: None,
            fingerprint: None,
            error: String::new(),
            created_at: Timestamp::from_micros(1_800_000_000_000_000),
            started_at: None,
            completed_at: None,
            updated_at: None,
            progress: 0.0,
            logs: String::new(),
        };
        let expected = json!({
            "id": "fp1f2rtva", "status": "scheduled", "output": null, "fingerprint": null, "error": "",
            "created_at": "2027-01-15T08:00:00.000000+00:00", "started_at": null, "completed_at": null,
            "updated_at": null, "progress": 0.0, "logs": "",
        });
        assert_eq!(serde_json::to_value(job).expect("JSON"), expected);
    }
}
