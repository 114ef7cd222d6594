//! All settings: the structs of the modules in one struct, and their declarations in one list.

use std::fmt;
use std::sync::LazyLock;

use super::accepts::Accepts;
use super::assets::{AssetLimits, FontSettings};
use super::declaration::{Section, SettingDeclaration};
use super::field::Field;
use super::jobs::{BatchSettings, JobSettings, NatsSettings, WebhookSettings};
use super::render::{DesignLimits, GpuSettings, IccSettings, PaintSettings, RenderSettings};
use super::server::{FileSettings, KeyLimits, LogSettings, ServerSettings};
use super::templates::{PictureSettings, TemplateSettings};

/// All settings, one struct per module.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Settings of the HTTP server.
    pub server: ServerSettings,
    /// Storage of results behind links.
    pub files: FileSettings,
    /// Settings of jobs: renders that outlive their request.
    pub jobs: JobSettings,
    /// Connection to the NATS servers that hold the jobs of a cluster.
    pub nats: NatsSettings,
    /// Delivery of webhooks, which report the end of jobs (http-api.md §3.5).
    pub webhooks: WebhookSettings,
    /// Limits of batches: many rows of one design.
    pub batches: BatchSettings,
    /// Where templates come from, and how many there may be.
    pub templates: TemplateSettings,
    /// Pictures by signed URL.
    pub pictures: PictureSettings,
    /// Admission, threads, deadlines and caches of renders.
    pub render: RenderSettings,
    /// Limits of one design.
    pub design: DesignLimits,
    /// Limits of the assets that a design refers to.
    pub assets: AssetLimits,
    /// Sources of fonts besides the design.
    pub fonts: FontSettings,
    /// Limits and caches of painting.
    pub paint: PaintSettings,
    /// Selection and limits of GPUs.
    pub gpu: GpuSettings,
    /// ICC profiles for CMYK output.
    pub icc: IccSettings,
    /// Log lines and traces.
    pub log: LogSettings,
}

/// The field of a setting in [`Settings`].
type Accessor = Box<dyn Send + Sync + Fn(&mut Settings) -> &mut dyn Field>;

/// One setting: its name, its description, the accepted values, and the field it sets.
pub struct Setting {
    /// Name of the environment variable, `TENTER_…`.
    pub name: &'static str,
    /// Group in which it is printed.
    pub section: Section,
    /// Description for operators, in full sentences.
    pub about: &'static str,
    /// Whether values are masked wherever they are printed.
    pub is_secret: bool,
    default_text: Option<&'static str>,
    accepts: Accepts,
    field: Accessor,
}

impl Setting {
    /// Key in the file: `TENTER_MAX_PAGES` is `max_pages`.
    pub fn key(&self) -> String {
        self.name.trim_start_matches("TENTER_").to_ascii_lowercase()
    }

    /// Name of the flag, without the dashes: `TENTER_MAX_PAGES` is `max-pages`.
    pub fn flag(&self) -> String {
        self.key().replace('_', "-")
    }

    /// Accepted values with unit and bounds: `a size, 1 KiB to 1 GiB`.
    pub fn accepts(&self) -> String {
        self.accepts.to_string()
    }

    /// Accepted values with an example, for error messages.
    pub(super) fn accepts_with_example(&self) -> String {
        self.accepts.with_example(&self.value_text(&Settings::default()))
    }

    /// Whether the setting is either on or off.
    pub(super) fn is_switch(&self) -> bool {
        matches!(self.accepts, Accepts::OnOff)
    }

    /// The default as the docs print it; `none` if there is none.
    pub fn default_text(&self) -> String {
        self.default_text.map_or_else(|| self.value_text(&Settings::default()), str::to_owned)
    }

    /// The value in `settings` as text; secrets are masked, and `none` stands for an absent value.
    pub fn value_text(&self, settings: &Settings) -> String {
        // Declarations have one accessor, the mutable one.
        let text = self.shortest_text(&mut settings.clone());
        if text.is_empty() { "none".into() } else { text }
    }

    /// The shortest text that [`Self::read`] converts to the value in `settings`; empty for an absent value.
    pub(super) fn shortest_text(&self, settings: &mut Settings) -> String {
        (self.field)(settings).show(self.accepts)
    }

    /// Parses `text` into the field; false when it is not accepted.
    pub(super) fn read(&self, settings: &mut Settings, text: &str) -> bool {
        (self.field)(settings).read(text.trim(), self.accepts).is_some()
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Setting").field(&self.name).finish()
    }
}

/// All settings, in the order of the docs.
pub static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let mut all = Vec::new();
    add(&mut all, ServerSettings::DECLARATIONS, |settings| &mut settings.server);
    add(&mut all, KeyLimits::DECLARATIONS, |settings| &mut settings.server.key_limits);
    add(&mut all, FileSettings::DECLARATIONS, |settings| &mut settings.files);
    add(&mut all, JobSettings::DECLARATIONS, |settings| &mut settings.jobs);
    add(&mut all, BatchSettings::DECLARATIONS, |settings| &mut settings.batches);
    add(&mut all, TemplateSettings::DECLARATIONS, |settings| &mut settings.templates);
    add(&mut all, PictureSettings::DECLARATIONS, |settings| &mut settings.pictures);
    add(&mut all, NatsSettings::DECLARATIONS, |settings| &mut settings.nats);
    add(&mut all, WebhookSettings::DECLARATIONS, |settings| &mut settings.webhooks);
    add(&mut all, RenderSettings::DECLARATIONS, |settings| &mut settings.render);
    add(&mut all, GpuSettings::DECLARATIONS, |settings| &mut settings.gpu);
    add(&mut all, DesignLimits::DECLARATIONS, |settings| &mut settings.design);
    add(&mut all, PaintSettings::DECLARATIONS, |settings| &mut settings.paint);
    add(&mut all, AssetLimits::DECLARATIONS, |settings| &mut settings.assets);
    add(&mut all, FontSettings::DECLARATIONS, |settings| &mut settings.fonts);
    add(&mut all, IccSettings::DECLARATIONS, |settings| &mut settings.icc);
    add(&mut all, LogSettings::DECLARATIONS, |settings| &mut settings.log);
    all
});

/// Adds the declarations of the struct that `part` selects.
fn add<S>(all: &mut Vec<Setting>, declarations: &'static [SettingDeclaration<S>], part: fn(&mut Settings) -> &mut S) {
    all.extend(declarations.iter().map(|declaration| {
        let SettingDeclaration { name, section, about, default_text, accepts, field } = *declaration;
        let is_secret = field(part(&mut Settings::default())).is_secret();
        let field: Accessor = Box::new(move |settings: &mut Settings| field(part(settings)));
        Setting { name, section, about, is_secret, default_text, accepts, field }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_accepted_by_its_own_setting() {
        let defaults = Settings::default();
        for setting in SETTINGS.iter().filter(|it| !it.is_secret) {
            let text = (setting.field)(&mut defaults.clone()).show(setting.accepts);
            assert!(setting.read(&mut Settings::default(), &text), "{}: {text:?}", setting.name);
        }
    }

    #[test]
    fn every_example_is_accepted_by_its_own_setting() {
        for setting in SETTINGS.iter() {
            let text = setting.accepts_with_example();
            if let Some((_, example)) = text.split_once(", for example ") {
                assert!(setting.read(&mut Settings::default(), example), "{}: {example:?}", setting.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_start_with_tenter() {
        let mut names: Vec<_> = SETTINGS.iter().map(|it| it.name).collect();
        assert!(names.iter().all(|it| it.starts_with("TENTER_")));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SETTINGS.len());
    }

    #[test]
    fn sections_are_complete() {
        assert!(SETTINGS.iter().all(|it| Section::ALL.contains(&it.section)));
    }
}
