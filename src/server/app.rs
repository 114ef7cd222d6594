//! The state that all handlers share.

use std::sync::Arc;

use super::auth::KeyRing;
use super::lifecycle::Health;
use super::limits::Limits;
use super::links::Files;
use super::metrics::Metrics;
use super::signed::Pictures;
use crate::config::Settings;
use crate::jobs::Jobs;
use crate::renderers::Renderers;
use crate::templates::Templates;

/// State that all handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(super) renderers: Renderers,
    pub(super) settings: Arc<Settings>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) limits: Arc<Limits>,
    pub(super) files: Files,
    pub(super) jobs: Jobs,
    pub(super) templates: Templates,
    pub(super) pictures: Pictures,
    pub(super) health: Health,
    pub(super) metrics: Metrics,
}

impl App {
    /// State of a service whose `health` is still "starting"; the caller sets it to ready.
    pub fn new(
        renderers: Renderers,
        settings: Settings,
        files: Files,
        jobs: Jobs,
        templates: Templates,
        health: Health,
    ) -> Self {
        let keys = Arc::new(KeyRing::new(&settings.server.keys));
        let limits = Arc::new(Limits::new(&settings.server));
        let pictures = Pictures::new(&settings.pictures);
        let metrics = Metrics::new(&renderers, pictures.counts());
        let settings = Arc::new(settings);
        Self { renderers, settings, keys, limits, files, jobs, templates, pictures, health, metrics }
    }
}
