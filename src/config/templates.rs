//! Settings of templates, and of the pictures that signed URLs show.

use std::path::PathBuf;
use std::time::Duration;

use super::accepts::Accepts;
use super::field::OPTIONAL_FOLDER;
use super::quantities::{DAY, GIB};
use super::secrets::UrlKeys;

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

settings! {
    /// Pictures by signed URL, `GET /i/…`.
    pub struct PictureSettings {
        in Templates {
            /// Keys that sign picture URLs. The name of a key is that of the TENTER_KEYS whose templates it shows; a
            /// bare key is for a service without keys. Names may be there twice: URLs signed with any of them are
            /// valid, and `tenter sign` uses the first. None: `/i/…` answers 403.
            "TENTER_URL_KEYS" url_keys: UrlKeys = UrlKeys::default(), UrlKeys::ACCEPTS;
            /// How long browsers and proxies may use a picture of a signed URL, and how long it is in the memory cache.
            "TENTER_URL_MAX_AGE" max_age: Duration = Duration::from_secs(3600), Accepts::seconds(0, 365 * DAY);
            /// Size of the memory cache of pictures of signed URLs. 0 turns it off.
            "TENTER_URL_CACHE_BYTES" cache_bytes: usize = 128 << 20, Accepts::Bytes(0, 1024 * GIB);
        }
    }
}
