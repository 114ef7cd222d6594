//! [`Templates`]: the stored templates and those of the folder as one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{TemplateError, refused, unknown};
use super::expand::{Named, with_design};
use super::facts::Facts;
use super::folder::{INTERVAL, TemplateFolder};
use super::id::{TemplateId, TemplateName};
use super::record::{Template, TemplateVersion, VersionRecord};
use super::store::{NewVersion, TemplateStore, from_json};
use crate::config::Settings;
use crate::error::Error;
use crate::hash::ContentHash;
use crate::jobs::{Jobs, Owner, Timestamp};
use crate::json::JsonParser;
use crate::renderers::Renderers;
use crate::report::JsonPath;

/// All templates. Those of the folder are for every caller, and hide stored ones of the same id. Cheap to clone.
#[derive(Clone)]
pub struct Templates(Arc<Inner>);

struct Inner {
    store: TemplateStore,
    folder: Option<TemplateFolder>,
    renderers: Renderers,
    jobs: Jobs,
    parser: JsonParser,
}

/// Which templates a list has. The default is all of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Part of the name or of the id, in any case.
    pub name: Option<String>,
    /// A tag of the template, exactly.
    pub tag: Option<String>,
}

impl Filter {
    fn matches(&self, template: &Template) -> bool {
        let has_name = |name: &String| {
            let name = name.to_lowercase();
            template.name.to_lowercase().contains(&name) || template.id.as_str().to_lowercase().contains(&name)
        };
        self.name.as_ref().is_none_or(has_name) && self.tag.as_ref().is_none_or(|tag| template.tags.contains(tag))
    }
}

/// A page of the list of templates, sorted by id.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TemplateListing {
    /// The templates of the page.
    #[schema(value_type = Vec<Template>)]
    pub templates: Vec<Arc<Template>>,
    /// Number of templates on all pages.
    pub total: u64,
}

/// A template with the design of one of its versions.
#[derive(Clone, Debug)]
pub struct TemplateDesign {
    /// The template as it is now.
    pub template: Arc<Template>,
    /// JSON of the design.
    pub design: Bytes,
    /// Hash of the design.
    pub sha256: ContentHash,
    /// All versions, oldest first; empty for a file.
    pub versions: Vec<TemplateVersion>,
    /// The version of the design; `None` for a file.
    version: Option<VersionRecord>,
}

impl Templates {
    /// Opens the templates of a service: those in the store of `jobs`, and those in `TENTER_TEMPLATES_DIR`. Blocks
    /// while it reads the files there.
    ///
    /// # Errors
    /// A folder that cannot be read, as text for the operator.
    pub fn open(settings: &Settings, jobs: &Jobs, renderers: &Renderers) -> Result<Self, String> {
        let parser = JsonParser::new(settings.design.json_depth);
        let max_bytes = settings.server.request_bytes as u64;
        let folder = settings.templates.directory.as_ref().map(|root| {
            TemplateFolder::open(root, parser, max_bytes)
                .map_err(|error| format!("cannot read {} (TENTER_TEMPLATES_DIR): {error}", root.display()))
        });
        Ok(Self(Arc::new(Inner {
            store: TemplateStore::new(jobs, &settings.templates),
            folder: folder.transpose()?,
            renderers: renderers.clone(),
            jobs: jobs.clone(),
            parser,
        })))
    }

    /// Looks at the folder until it is dropped.
    pub async fn watch(&self) {
        if self.0.folder.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            let templates = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                if let Some(folder) = &templates.0.folder {
                    folder.look();
                }
            });
            if let Err(error) = looked.await {
                tracing::error!(%error, "cannot look at TENTER_TEMPLATES_DIR");
            }
        }
    }

    /// Removes files of removed templates every `interval`, until it is dropped.
    pub async fn keep_sweeping(&self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            let removed = self.0.store.sweep((self.0.jobs.clock())()).await;
            if removed > 0 {
                tracing::info!(removed, "removed files of removed templates");
            }
        }
    }

    /// Removes files of removed templates that are old enough, and returns their number.
    pub async fn sweep(&self) -> usize {
        self.0.store.sweep((self.0.jobs.clock())()).await
    }

    /// Stores a version of the template `id`. `body`: JSON with a `design`, and its `name`, `description` and `tags`;
    /// or a design alone. Returns the template, and whether it is new.
    ///
    /// # Errors
    /// An invalid body or design; a template of the folder; a failure of the store.
    pub async fn put(&self, owner: &Owner, id: &TemplateId, body: Bytes) -> Result<(Template, bool), TemplateError> {
        if self.0.folder.as_ref().is_some_and(|it| it.has(id)) {
            return Err(TemplateError::IsFile(id.clone()));
        }
        let (parser, renderers) = (self.0.parser, self.0.renderers.clone());
        let new = self.0.renderers.run_on_pool(move || NewVersion::read(&body, parser, &renderers)).await??;
        let written = self.0.store.put(owner, id, new).await?;
        let template = written.record.into_template();
        let template = template.ok_or_else(|| Error::Internal("a template without versions was written".into()))?;
        Ok((template, written.is_new))
    }

    /// A template with its design; `None` when there is none of this name. A version that is not kept is an error at
    /// the path `at`.
    ///
    /// # Errors
    /// A version that does not exist, a file that is no design, or a failure of the store.
    pub async fn get(
        &self,
        owner: &Owner,
        name: &TemplateName,
        at: &JsonPath,
    ) -> Result<Option<TemplateDesign>, TemplateError> {
        if let Some(found) = self.in_folder(name, at).await? {
            return Ok(Some(found));
        }
        // Another call may remove the version between the two reads; then the record says what there is now.
        let mut is_again = false;
        loop {
            let Some((record, _)) = self.0.store.load(owner, &name.id).await? else { return Ok(None) };
            let Some(version) = record.version(name.version).cloned() else {
                let of = |at: Option<&VersionRecord>| at.map_or(0, |it| it.version);
                let (first, last) = (of(record.versions.first()), of(record.versions.last()));
                let message = format!("{name} does not exist; accepted: the versions {first} to {last} of {}", name.id);
                return Err(refused(at, message));
            };
            match self.0.store.design(&version).await {
                Ok(design) => {
                    let versions = record.versions.iter().map(TemplateVersion::from).collect();
                    let template = record.into_template().map(Arc::new);
                    let template = template.ok_or_else(|| Error::Internal("a template without versions".into()))?;
                    let sha256 = version.sha256;
                    return Ok(Some(TemplateDesign { template, design, sha256, versions, version: Some(version) }));
                }
                Err(TemplateError::Storage(crate::jobs::ResultError::NotFound)) if !is_again => is_again = true,
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`Self::get`], where the template says the number, the size and the facts of the version that `name` asks
    /// for, instead of those of the latest.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn show(
        &self,
        owner: &Owner,
        name: &TemplateName,
        at: &JsonPath,
    ) -> Result<Option<TemplateDesign>, TemplateError> {
        let Some(mut found) = self.get(owner, name, at).await? else { return Ok(None) };
        if let Some(version) = &found.version
            && found.template.version != Some(version.version)
        {
            let (parser, design) = (self.0.parser, found.design.clone());
            let read = self.0.renderers.run_on_pool(move || parser.parse(&design).map(|it| Facts::of(&it))).await?;
            let mut template = Template::clone(&found.template);
            template.facts = read.map_err(|problem| Error::Internal(format!("a stored design: {problem}")))?;
            template.version = Some(version.version);
            (template.bytes, template.sha256) = (version.bytes, version.sha256);
            template.updated_at = Timestamp::from_micros(version.created);
            found.template = Arc::new(template);
        }
        Ok(Some(found))
    }

    async fn in_folder(&self, name: &TemplateName, at: &JsonPath) -> Result<Option<TemplateDesign>, TemplateError> {
        if self.0.folder.as_ref().is_none_or(|it| !it.has(&name.id)) {
            return Ok(None);
        }
        let (inner, id, place) = (self.0.clone(), name.id.clone(), at.clone());
        let read = tokio::task::spawn_blocking(move || match &inner.folder {
            Some(folder) => folder.design(&id, &place),
            None => Ok(None),
        });
        let read = read.await.map_err(|error| Error::Internal(error.to_string()))??;
        let Some((template, design)) = read else { return Ok(None) };
        if name.version.is_some() {
            let message = format!("{} is a file, which has no versions; accepted: the id without a version", name.id);
            return Err(refused(at, message));
        }
        let sha256 = template.sha256;
        Ok(Some(TemplateDesign { template, design, sha256, versions: Vec::new(), version: None }))
    }

    /// The templates of `owner` and of the folder that match `filter`, sorted by id: at most `limit` after the first
    /// `offset`.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn list(
        &self,
        owner: &Owner,
        filter: Filter,
        offset: u64,
        limit: u64,
    ) -> Result<TemplateListing, TemplateError> {
        let texts = self.0.store.texts(owner).await?;
        let inner = self.0.clone();
        let listed = self.0.renderers.run_on_pool(move || {
            let mut all = inner.folder.as_ref().map(TemplateFolder::list).unwrap_or_default();
            for text in texts {
                let Some(template) = from_json(&text)?.into_template() else { continue };
                if inner.folder.as_ref().is_none_or(|it| !it.has(&template.id)) {
                    all.push(Arc::new(template));
                }
            }
            all.retain(|it| filter.matches(it));
            all.sort_by(|a, b| a.id.cmp(&b.id));
            let total = all.len() as u64;
            let skipped = all.into_iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
            let templates = skipped.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
            Ok::<_, TemplateError>(TemplateListing { templates, total })
        });
        listed.await?
    }

    /// Removes a stored template with all its versions. Returns false when there is none.
    ///
    /// # Errors
    /// A template of the folder, or a failure of the store.
    pub async fn remove(&self, owner: &Owner, id: &TemplateId) -> Result<bool, TemplateError> {
        if self.0.folder.as_ref().is_some_and(|it| it.has(id)) {
            return Err(TemplateError::IsFile(id.clone()));
        }
        self.0.store.remove(owner, id).await
    }

    /// The design that a call names. The problem of an unknown one has the path `template`.
    ///
    /// # Errors
    /// An unknown template or version, or a failure of the store.
    pub async fn named(&self, owner: &Owner, Named(name): &Named) -> Result<TemplateDesign, TemplateError> {
        let at = Named::at();
        self.get(owner, name, &at).await?.ok_or_else(|| unknown(&at, name))
    }

    /// The JSON body of a call with the design of the template that it names; `None` when it names none.
    ///
    /// # Errors
    /// As [`Self::named`]; or a name that is none, or one beside a design.
    pub async fn expand(&self, owner: &Owner, body: &Bytes) -> Result<Option<Bytes>, TemplateError> {
        let Some(named) = Named::in_body(body)? else { return Ok(None) };
        let design = self.named(owner, &named).await?.design;
        with_design(body, &design).map(Some)
    }

    /// The preview of a stored version, if it has been made; a file has none.
    pub async fn preview(&self, design: &TemplateDesign) -> Option<Bytes> {
        self.0.store.preview(design.version.as_ref()?).await
    }

    /// Stores the preview of a version. Does nothing for a file.
    ///
    /// # Errors
    /// A failure of the storage.
    pub async fn put_preview(&self, design: &TemplateDesign, png: Bytes) -> Result<(), TemplateError> {
        match &design.version {
            Some(version) => self.0.store.put_preview(version, png).await,
            None => Ok(()),
        }
    }
}
