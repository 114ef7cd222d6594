//! `tenter sign`: signs the URL of a picture.

use std::time::{SystemTime, UNIX_EPOCH};

use super::failure::Failure;
use super::flags::SettingFlags;
use crate::config::read_time;
use crate::server::sign_url;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// URL to sign, or its path and query from /i/ on
    url: String,
    /// Name of the key in TENTER_URL_KEYS [default: the first key]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Time after which the URL is refused, such as "36 h" [default: never]
    #[arg(long, value_name = "TIME")]
    valid_for: Option<String>,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.load()?.settings;
    let mut keys = settings.pictures.url_keys.iter();
    let found = keys.find(|it| arguments.key.as_ref().is_none_or(|name| it.name == *name));
    let key = found.ok_or_else(|| match &arguments.key {
        Some(name) => Failure::Usage(format!("TENTER_URL_KEYS has no key called {name:?}")),
        None => Failure::Usage("there is no key to sign with; set TENTER_URL_KEYS".into()),
    })?;
    let expires = match &arguments.valid_for {
        None => None,
        Some(text) => {
            let time = read_time(text).ok_or_else(|| {
                Failure::Usage(format!("--valid-for: found {text:?}; accepted: a time, such as 30 min or 36 h"))
            })?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(now.saturating_add(time).as_secs())
        }
    };
    let signed = sign_url(&arguments.url, &key.secret, expires).map_err(|error| Failure::Usage(error.to_string()))?;
    println!("{signed}");
    Ok(())
}
