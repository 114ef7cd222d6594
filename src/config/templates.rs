//! Settings of templates: where they come from, and how many there may be.

use std::path::PathBuf;

use super::accepts::Accepts;
use super::field::OPTIONAL_FOLDER;

settings! {
    /// Where templates come from, and how many there may be.
    pub struct TemplateSettings {
        in Templates {
            /// Folder with designs that are templates for all keys, such as a git checkout: `cards/birthday.json` is
            /// the template `cards/birthday`. A changed file is used within a second. None: only the templates that
            /// callers store.
            "TENTER_TEMPLATES_DIR" directory: Option<PathBuf> = None, OPTIONAL_FOLDER;
            /// Maximum number of stored templates per key; without keys, of all callers together. More are answered
            /// with 400.
            "TENTER_KEY_TEMPLATES" templates: usize = 10_000, Accepts::Whole(1, 1_000_000);
            /// Number of versions of a template that are kept. A new one removes the oldest beyond it.
            "TENTER_TEMPLATE_VERSIONS" versions: usize = 100, Accepts::Whole(1, 1000);
        }
    }
}
