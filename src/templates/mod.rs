//! Templates: designs that calls use by name instead of sending them.
//!
//! In: names and versions; templates that callers store, over the ledger and the results of `jobs`; templates in a
//! folder, which is watched; what a template says about itself; calls with the design in place of its name. Not in:
//! HTTP (`server`), filling in values and rendering (`design`, `renderers`). Imports: `jobs`, `renderers` (the thread
//! pool, and the check of a design), `json`, `error`.

// Lowest first: a file imports only from those above it.
mod id;
mod fields;
mod facts;
mod record;
mod error;
mod folder;
mod store;
mod expand;
mod library;

pub use self::error::TemplateError;
pub use self::expand::Named;
pub use self::facts::Facts;
pub use self::fields::{Field, FieldKind};
pub use self::id::{TemplateId, TemplateName};
pub use self::library::{Filter, TemplateDesign, TemplateListing, Templates};
pub use self::record::{Origin, Template, TemplateVersion};
