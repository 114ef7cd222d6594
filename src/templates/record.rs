//! A template: as it is stored, and as callers see it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::facts::Facts;
use super::id::TemplateId;
use crate::hash::ContentHash;
use crate::jobs::Timestamp;

/// The record of a stored template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TemplateRecord {
    pub(super) id: TemplateId,
    pub(super) owner: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// Time of the first version, in µs since 1970.
    pub(super) created: i64,
    /// The versions that are kept, oldest first; at least one.
    pub(super) versions: Vec<VersionRecord>,
    /// Facts of the latest version.
    pub(super) facts: Facts,
}

/// A version of a stored template. Its design never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VersionRecord {
    /// From 1; numbers of removed versions are not used again.
    pub(super) version: u64,
    /// Time at which it was stored, in µs since 1970.
    pub(super) created: i64,
    /// Name of the file with the design, without its extension. The preview has the same.
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) sha256: ContentHash,
}

impl TemplateRecord {
    /// The version with this number, or the latest; `None` when it is not kept.
    pub(super) fn version(&self, number: Option<u64>) -> Option<&VersionRecord> {
        match number {
            None => self.versions.last(),
            Some(number) => self.versions.iter().find(|it| it.version == number),
        }
    }
}

/// Where a template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A caller has stored it.
    Store,
    /// It is a file in `TENTER_TEMPLATES_DIR`, which calls cannot change.
    Folder,
}

/// A template as callers see it, without its design.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Template {
    /// Id by which calls use it.
    #[schema(value_type = String)]
    pub id: TemplateId,
    /// Where it comes from.
    pub source: Origin,
    /// Name that people see in lists.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Words by which a list finds it.
    pub tags: Vec<String>,
    /// Number of the latest version; `null` for a file, which has no versions.
    pub version: Option<u64>,
    /// The part that is derived from the design.
    #[serde(flatten)]
    pub facts: Facts,
    /// Size of the design in bytes.
    pub bytes: u64,
    /// SHA-256 of the design, in hexadecimal.
    #[schema(value_type = String)]
    pub sha256: ContentHash,
    /// Path of a preview picture on this service.
    pub preview: String,
    /// Time of the first version, or of the file.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
    /// Time of the latest version, or of the file.
    #[schema(value_type = String)]
    pub updated_at: Timestamp,
}

/// A version of a stored template as callers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct TemplateVersion {
    /// Number of the version, from 1.
    pub version: u64,
    /// Size of the design in bytes.
    pub bytes: u64,
    /// SHA-256 of the design, in hexadecimal.
    #[schema(value_type = String)]
    pub sha256: ContentHash,
    /// Time at which it was stored.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

impl From<&VersionRecord> for TemplateVersion {
    fn from(record: &VersionRecord) -> Self {
        let VersionRecord { version, created, bytes, sha256, .. } = *record;
        Self { version, bytes, sha256, created_at: Timestamp::from_micros(created) }
    }
}

/// Path of the preview of a template. Slashes in ids are escaped, as the id is one segment of the path.
pub(super) fn preview_path(id: &TemplateId) -> String {
    format!("/api/templates/{}/preview", id.as_str().replace('/', "%2F"))
}

impl TemplateRecord {
    /// The template as callers see it; `None` for a record without versions, which is not written.
    pub(super) fn into_template(self) -> Option<Template> {
        let latest = self.versions.last()?;
        Some(Template {
            source: Origin::Store,
            version: Some(latest.version),
            bytes: latest.bytes,
            sha256: latest.sha256,
            preview: preview_path(&self.id),
            created_at: Timestamp::from_micros(self.created),
            updated_at: Timestamp::from_micros(latest.created),
            id: self.id,
            name: self.name,
            description: self.description,
            tags: self.tags,
            facts: self.facts,
        })
    }
}
