//! Templates that callers store: a record in the ledger, and a file for the design of each version.
//!
//! A design is written before the record that names it, under a name of its own. So a crash leaves a file that no
//! record names, and never a record without its file; [`TemplateStore::sweep`] removes such files.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;

use super::error::{TemplateError, refused};
use super::facts::{DESCRIPTION_CHARS, Facts, Labels, MAX_TAGS, NAME_CHARS};
use super::id::TemplateId;
use super::record::{TemplateRecord, VersionRecord};
use crate::config::TemplateSettings;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::jobs::{Area, Clock, Jobs, Owner, Results, StoreError, TemplateRecords, Timestamp};
use crate::json::{JsonParser, Problems, Reader};
use crate::pipeline::UnknownElements;
use crate::renderers::Renderers;
use crate::report::JsonPath;

/// Members of a call that stores a template.
const DESIGN: &str = "design";
const PAGES: &str = "pages";

/// Attempts to replace a record that other calls change at the same time.
const ATTEMPTS: usize = 20;
/// Age at which a file that no record names is removed. A call that stores one takes seconds.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// The stored templates of all owners. Cheap to clone.
#[derive(Clone)]
pub(super) struct TemplateStore {
    records: TemplateRecords,
    results: Results,
    clock: Clock,
    settings: TemplateSettings,
}

/// A design to be stored as a version, with what the call says about it.
#[derive(Debug)]
pub(super) struct NewVersion {
    design: Bytes,
    sha256: ContentHash,
    facts: Facts,
    labels: Labels,
    /// Labels in the design, for a template that has none.
    own: Labels,
}

impl NewVersion {
    /// Reads the body of a call: `{"design": …, "name", "description", "tags"}`, or a design alone. Blocks.
    ///
    /// # Errors
    /// All problems of the labels; or all problems of the design that no values of variables can fix.
    pub(super) fn read(body: &[u8], parser: JsonParser, renderers: &Renderers) -> Result<Self, Error> {
        let mut call = parser.parse(body).map_err(Error::invalid)?;
        let is_bare = call.get(DESIGN).is_none() && call.get(PAGES).is_some();
        let mut labels = Labels::default();
        let (design, at) = if is_bare {
            (call, JsonPath::root())
        } else {
            let mut problems = Problems::new();
            if let Some(mut reader) = Reader::new(&call, JsonPath::root(), &mut problems) {
                labels = read_labels(&mut reader);
                if !reader.get(DESIGN).is_some_and(Value::is_object) {
                    reader.problem(DESIGN, "missing or no object; accepted: the design as exported by the editor");
                }
            }
            if !problems.is_empty() {
                return Err(Error::Invalid(problems.into_vec()));
            }
            (call.get_mut(DESIGN).map(Value::take).unwrap_or_default(), JsonPath::from(DESIGN))
        };
        renderers.check_template(design.clone(), at, UnknownElements::Refuse)?;
        let bytes = serde_json::to_vec(&design).map_err(|error| Error::Internal(error.to_string()))?;
        let (facts, own) = (Facts::of(&design), Labels::of(&design));
        Ok(Self { sha256: ContentHash::of(&bytes), design: bytes.into(), facts, labels, own })
    }
}

fn read_labels(call: &mut Reader<'_>) -> Labels {
    let mut text = |key: &str, chars: usize| {
        let text = call.string(key).map(Cow::into_owned);
        if text.as_ref().is_some_and(|it| it.chars().count() > chars) {
            call.problem(key, format!("has more than {chars} characters; accepted: at most that many"));
        }
        text
    };
    let (name, description) = (text("name", NAME_CHARS), text("description", DESCRIPTION_CHARS));
    let tags = call.strings("tags");
    let is_tag = |tag: &String| !tag.is_empty() && tag.chars().count() <= NAME_CHARS;
    if tags.as_ref().is_some_and(|it| it.len() > MAX_TAGS || !it.iter().all(is_tag)) {
        call.problem("tags", format!("accepted: at most {MAX_TAGS} tags of 1 to {NAME_CHARS} characters"));
    }
    Labels { name: name.filter(|it| !it.trim().is_empty()), description, tags }
}

/// A stored template that was written, with whether it is new.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) record: TemplateRecord,
    pub(super) is_new: bool,
}

impl TemplateStore {
    pub(super) fn new(jobs: &Jobs, settings: &TemplateSettings) -> Self {
        Self {
            records: jobs.template_records(),
            results: jobs.results().clone(),
            clock: jobs.clock(),
            settings: settings.clone(),
        }
    }

    /// Stores a version of the template `id`, which is created if there is none.
    pub(super) async fn put(&self, owner: &Owner, id: &TemplateId, new: NewVersion) -> Result<Written, TemplateError> {
        let file = uuid::Uuid::new_v4().simple().to_string();
        let version = VersionRecord {
            version: 1,
            created: Timestamp::now(&self.clock).micros(),
            file: file.clone(),
            bytes: new.design.len() as u64,
            sha256: new.sha256,
        };
        let mut is_stored = false;
        for _ in 0..ATTEMPTS {
            let before = self.load(owner, id).await?;
            if before.is_none() {
                self.check_number(owner).await?;
            }
            if !is_stored {
                let name = design_file(&file);
                self.results.put(Area::Templates, &name, new.design.clone(), "application/json").await?;
                is_stored = true;
            }
            let is_new = before.is_none();
            let (record, removed, revision) = self.with_version(owner, id, before, version.clone(), &new);
            if self.records.put(owner, id.as_str(), to_json(&record)?.into(), revision).await? {
                self.remove_files(&removed).await;
                return Ok(Written { record, is_new });
            }
        }
        self.remove_files(&[version]).await;
        Err(TemplateError::Conflict(id.clone()))
    }

    /// The record with one version more; the versions that are too many; the revision that it replaces.
    fn with_version(
        &self,
        owner: &Owner,
        id: &TemplateId,
        before: Option<(TemplateRecord, u64)>,
        mut version: VersionRecord,
        new: &NewVersion,
    ) -> (TemplateRecord, Vec<VersionRecord>, Option<u64>) {
        let NewVersion { facts, labels, own, .. } = new;
        let (mut record, revision) = match before {
            Some((record, revision)) => (record, Some(revision)),
            None => {
                let record = TemplateRecord {
                    id: id.clone(),
                    owner: owner.to_string(),
                    name: own.name.clone().unwrap_or_else(|| id.to_string()),
                    description: own.description.clone().unwrap_or_default(),
                    tags: own.tags.clone().unwrap_or_default(),
                    created: version.created,
                    versions: Vec::new(),
                    facts: facts.clone(),
                };
                (record, None)
            }
        };
        if let Some(name) = &labels.name {
            record.name.clone_from(name);
        }
        if let Some(description) = &labels.description {
            record.description.clone_from(description);
        }
        if let Some(tags) = &labels.tags {
            record.tags.clone_from(tags);
        }
        version.version = record.versions.last().map_or(1, |latest| latest.version + 1);
        record.facts = facts.clone();
        record.versions.push(version);
        let surplus = record.versions.len().saturating_sub(self.settings.versions.max(1));
        let removed = record.versions.drain(..surplus).collect();
        (record, removed, revision)
    }

    /// Refuses another template of an owner who has as many as allowed.
    async fn check_number(&self, owner: &Owner) -> Result<(), TemplateError> {
        let limit = self.settings.templates;
        let found = self.records.all(Some(owner)).await?.len();
        if found < limit {
            return Ok(());
        }
        let message = format!("there are {found} templates; the limit is {limit} (TENTER_KEY_TEMPLATES)");
        Err(refused(&JsonPath::root(), message))
    }

    /// The record with its revision; `None` when there is none.
    pub(super) async fn load(
        &self,
        owner: &Owner,
        id: &TemplateId,
    ) -> Result<Option<(TemplateRecord, u64)>, TemplateError> {
        let Some(entry) = self.records.load(owner, id.as_str()).await? else { return Ok(None) };
        Ok(Some((from_json(&entry.record)?, entry.revision)))
    }

    /// The texts of all records of `owner`, for [`from_json`].
    pub(super) async fn texts(&self, owner: &Owner) -> Result<Vec<std::sync::Arc<str>>, StoreError> {
        self.records.all(Some(owner)).await
    }

    /// Reads the design of a version.
    pub(super) async fn design(&self, version: &VersionRecord) -> Result<Bytes, TemplateError> {
        let file = self.results.get(Area::Templates, &design_file(&version.file)).await?;
        Ok(file.bytes().await.map_err(crate::jobs::ResultError::from)?)
    }

    /// Removes the template with all its versions. False when there is none.
    pub(super) async fn remove(&self, owner: &Owner, id: &TemplateId) -> Result<bool, TemplateError> {
        for _ in 0..ATTEMPTS {
            let Some((record, revision)) = self.load(owner, id).await? else { return Ok(false) };
            if self.records.remove(owner, id.as_str(), revision).await? {
                self.remove_files(&record.versions).await;
                return Ok(true);
            }
        }
        Err(TemplateError::Conflict(id.clone()))
    }

    /// The preview of a version, if there is one.
    pub(super) async fn preview(&self, version: &VersionRecord) -> Option<Bytes> {
        let file = self.results.get(Area::Templates, &preview_file(&version.file)).await.ok()?;
        file.bytes().await.ok()
    }

    /// Stores the preview of a version.
    pub(super) async fn put_preview(&self, version: &VersionRecord, png: Bytes) -> Result<(), TemplateError> {
        Ok(self.results.put(Area::Templates, &preview_file(&version.file), png, "image/png").await?)
    }

    /// Removes the files of versions that no record has any more. The sweep removes what cannot be removed now.
    async fn remove_files(&self, versions: &[VersionRecord]) {
        for version in versions {
            for file in [design_file(&version.file), preview_file(&version.file)] {
                if let Err(error) = self.results.remove(Area::Templates, &file).await {
                    tracing::warn!(%file, %error, "cannot remove a file of a template; trying again later");
                }
            }
        }
    }

    /// Removes old files that no record names, and returns their number. Failures are logged.
    pub(super) async fn sweep(&self, now: SystemTime) -> usize {
        match self.try_sweep(now).await {
            Ok(removed) => removed,
            Err(error) => {
                tracing::warn!(%error, "cannot remove files of removed templates; trying again later");
                0
            }
        }
    }

    async fn try_sweep(&self, now: SystemTime) -> Result<usize, TemplateError> {
        // Files before records: a file that is listed and named by no record later is an orphan, if it is old.
        let mut old = Vec::new();
        let mut files = std::pin::pin!(self.results.stored(Area::Templates));
        while let Some(file) = files.next().await {
            let (name, stored) = file?;
            if now.duration_since(stored).is_ok_and(|age| age >= ORPHAN_AGE) {
                old.push(name);
            }
        }
        if old.is_empty() {
            return Ok(0);
        }
        let mut named = HashSet::new();
        for text in self.records.all(None).await? {
            named.extend(from_json(&text)?.versions.into_iter().map(|it| it.file));
        }
        let is_orphan = |name: &String| name.split_once('.').is_some_and(|(stem, _)| !named.contains(stem));
        let orphans: Vec<_> = old.into_iter().filter(is_orphan).collect();
        for name in &orphans {
            self.results.remove(Area::Templates, name).await?;
        }
        Ok(orphans.len())
    }
}

fn design_file(stem: &str) -> String {
    format!("{stem}.json")
}

fn preview_file(stem: &str) -> String {
    format!("{stem}.png")
}

fn to_json(record: &TemplateRecord) -> Result<String, Error> {
    serde_json::to_string(record).map_err(|error| Error::Internal(error.to_string()))
}

/// Reads the text of a record.
pub(super) fn from_json(text: &str) -> Result<TemplateRecord, StoreError> {
    let damaged = |error: serde_json::Error| StoreError::Damaged {
        place: "a record of a template".into(),
        reason: error.to_string(),
    };
    let record: TemplateRecord = serde_json::from_str(text).map_err(damaged)?;
    if record.versions.is_empty() {
        return Err(StoreError::Damaged { place: record.id.to_string(), reason: "it has no versions".into() });
    }
    Ok(record)
}
