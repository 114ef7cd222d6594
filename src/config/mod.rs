//! Settings: name, text, default and accepted values of each; the only module that reads the environment.
//!
//! In: one struct of settings per module, passed to the module's constructor. Each is declared with `settings!`, so
//! that a setting is described in one place; reading, printing, flags and `docs/settings.md` use [`SETTINGS`], the list
//! of all declarations. Not in: what the modules do with their settings. Imports: no other module.

#[macro_use]
mod declaration;

mod accepts;
mod addresses;
mod asset_headers;
mod assets;
mod choices;
mod field;
mod jobs;
mod load;
mod names;
mod quantities;
mod render;
mod renderer;
mod secrets;
mod server;
mod table;
mod templates;

pub use addresses::{Bucket, HttpUrl, NatsServers};
pub use asset_headers::AssetHeaders;
pub use assets::{AssetLimits, FontSettings};
pub use choices::{EditorVersion, LogFormat, LogLevel, MetricsAccess, RasterizerChoice};
pub use declaration::Section;
pub use jobs::{BatchSettings, JobSettings, NatsSettings, WebhookSettings};
pub use load::{Given, Loaded, SettingError, SettingsErrors, Source};
pub use names::{AdapterChoice, FileNames, ShortName};
pub use quantities::read_time;
pub use render::{DesignLimits, GpuSettings, IccSettings, PaintSettings, RenderSettings};
pub use renderer::Painter;
pub use secrets::{Key, Keys, Secret, UrlKeys};
pub use server::{FileSettings, KeyLimits, LogSettings, ServerSettings};
pub use table::{SETTINGS, Setting, Settings};
pub use templates::{PictureSettings, TemplateSettings};
