//! One job as its caller sees it (http-api.md §3.1).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::timestamp::Timestamp;

/// Nine letters and digits, as the vendor's. Unique in its store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(Arc<str>);

const ID_CHARS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 9;

impl JobId {
    /// Another one: 46 random bits. Whoever stores it makes sure that it is new.
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

    /// `None` for what is no id of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let sound = text.len() == ID_LENGTH && text.bytes().all(|it| ID_CHARS.contains(&it));
        sound.then(|| Self(text.into()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a job is in its life: `scheduled` → `progress` → `done` or `error`. A job that is tried again is `scheduled` again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for a worker.
    Scheduled,
    /// Is being rendered.
    Progress,
    /// Has a result.
    Done,
    /// Will never have one.
    Error,
}

impl Status {
    /// `done` or `error`.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Done | Self::Error)
    }

    /// As in the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Progress => "progress",
            Self::Done => "done",
            Self::Error => "error",
        }
    }
}

/// The job object: what calls answer and webhooks carry, field for field.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Job {
    /// By which it is asked for.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    pub id: JobId,
    /// Where it is.
    pub status: Status,
    /// A link to the result, once done.
    pub output: Option<String>,
    /// What the result was made of, SHA-256 in hex, once done: the same one painted by the CPU means the same bytes. Null when
    /// the job ended before this was kept.
    pub fingerprint: Option<String>,
    /// Why it failed; empty when it did not.
    pub error: String,
    /// When it was accepted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last begun.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub completed_at: Option<Timestamp>,
    /// When it last changed; `None` for a fresh one.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub updated_at: Option<Timestamp>,
    /// 0 to 100, by pages.
    pub progress: f64,
    /// One line an event: attempts, times of the stages, warnings.
    pub logs: String,
}

pub(super) fn as_text<S: serde::Serializer>(id: &JobId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

/// Some of an owner's jobs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Listing {
    /// Newest first.
    pub renders: Vec<Job>,
    /// How many there are in all.
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
