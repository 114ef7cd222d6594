//! Loads settings from their sources: flags, then the environment, then the file, then the defaults.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::addresses::NatsServers;
use super::render::{MIN_RENDERERS, QUEUE_PER_WORKER, THREADS_PER_RENDERER};
use super::table::{SETTINGS, Setting, Settings};

/// Source of one setting's value. Later variants override earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The default that is built into the program.
    Default,
    /// The file named by `--config` or `TENTER_CONFIG`.
    File(PathBuf),
    /// An environment variable of the process.
    Environment,
    /// A flag on the command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Input of [`Settings::load`]: everything that was given outside the program.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Flags as pairs of `TENTER_…` name and value.
    pub flags: Vec<(&'static str, String)>,
    /// File of `--config`; `None` uses `TENTER_CONFIG`.
    pub config: Option<PathBuf>,
    /// Environment variables that start with `TENTER_`.
    pub environment: BTreeMap<String, String>,
}

impl Given {
    /// Combines the environment of the process with these flags.
    pub fn from_process(flags: Vec<(&'static str, String)>, config: Option<PathBuf>) -> Self {
        let named = |name: &std::ffi::OsString| name.to_str().is_some_and(|it| it.starts_with("TENTER_"));
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let environment = std::env::vars_os()
            .filter(|(name, _)| named(name))
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        Self { flags, config, environment }
    }
}

/// A setting with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// Name of the setting, `TENTER_…`, or an unknown key of the file.
    pub setting: String,
    /// What is wrong, without the values of secrets.
    pub problem: String,
    /// Description of accepted values.
    pub accepted: String,
    /// Source of the value.
    pub given_by: Source,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, problem, accepted, given_by } = self;
        write!(f, "{setting}: {problem} ({given_by}); accepted: {accepted}")
    }
}

/// All invalid settings, one line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(SettingError::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SettingsErrors(pub Vec<SettingError>);

/// The settings with the source of each value.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Settings for the constructors of the modules.
    pub settings: Settings,
    /// Source of each row of [`SETTINGS`], in its order.
    pub sources: Vec<Source>,
    /// Environment variables `TENTER_…` that name no setting. They are no error: orchestrators add such variables for a
    /// service of this name (`TENTER_SERVICE_HOST`).
    pub unknown_variables: Vec<String>,
}

impl Loaded {
    /// Source of the setting `name`; `Default` for an unknown name.
    pub fn source(&self, name: &str) -> Source {
        let row = SETTINGS.iter().position(|it| it.name == name);
        row.map_or(Source::Default, |row| self.sources[row].clone())
    }
}

/// Name of the file's setting; it is a source rather than a setting, so it has no row in the table.
const CONFIG: &str = "TENTER_CONFIG";

impl Settings {
    /// Reads the settings from all sources.
    ///
    /// # Errors
    /// All invalid settings, not only the first.
    pub fn load(given: &Given) -> Result<Loaded, SettingsErrors> {
        let mut errors = Vec::new();
        let from_environment = || given.environment.get(CONFIG).filter(|it| !it.is_empty()).map(PathBuf::from);
        let file = given.config.clone().or_else(from_environment);
        let in_file = file.map_or_else(BTreeMap::new, |path| read_file(&path, &mut errors));

        let mut settings = Settings::default();
        let mut sources = Vec::with_capacity(SETTINGS.len());
        for setting in SETTINGS.iter() {
            let (text, source) = match secret_file(setting, given) {
                None => pick(setting, given, &in_file),
                Some(Ok((text, source))) => (Some(text), source),
                Some(Err(error)) => {
                    errors.push(error);
                    (None, Source::Default)
                }
            };
            if let Some(text) = text
                && !setting.read(&mut settings, &text)
            {
                errors.push(SettingError {
                    setting: setting.name.into(),
                    problem: if setting.is_secret {
                        "found an invalid value".into()
                    } else {
                        format!("found {text:?}")
                    },
                    accepted: accepted(setting, &text),
                    given_by: source.clone(),
                });
            }
            sources.push(source);
        }
        if !errors.is_empty() {
            return Err(SettingsErrors(errors));
        }

        let known = |name: &str| {
            name == CONFIG
                || SETTINGS.iter().any(|it| it.name == name || (it.is_secret && variable_of_file(it) == name))
        };
        let unknown_variables = given.environment.keys().filter(|it| !known(it)).cloned().collect();
        let mut loaded = Loaded { settings, sources, unknown_variables };
        loaded.derive();
        Ok(loaded)
    }
}

impl Loaded {
    /// Checks that the service needs keys if other machines can reach it.
    ///
    /// # Errors
    /// `TENTER_LISTEN` is not a loopback address and there are no keys.
    pub fn check_exposure(&self) -> Result<(), SettingsErrors> {
        let server = &self.settings.server;
        if server.listen.ip().is_loopback() || !server.keys.is_empty() {
            return Ok(());
        }
        Err(SettingsErrors(vec![SettingError {
            setting: "TENTER_LISTEN".into(),
            problem: format!("{} is reachable from other machines, but TENTER_KEYS is not set", server.listen),
            accepted: "a loopback address such as 127.0.0.1:8080, or any address with TENTER_KEYS".into(),
            given_by: self.source("TENTER_LISTEN"),
        }]))
    }

    /// Checks that the processes of a cluster can share results.
    ///
    /// # Errors
    /// `TENTER_NATS_URL` is set without a bucket.
    pub fn check_cluster(&self) -> Result<(), SettingsErrors> {
        let Settings { nats, files, .. } = &self.settings;
        if nats.servers.is_empty() || files.bucket.is_some() {
            return Ok(());
        }
        Err(SettingsErrors(vec![SettingError {
            setting: "TENTER_RESULTS".into(),
            problem: format!("not set, but jobs are on {}", nats.servers.iter().collect::<Vec<_>>().join(", ")),
            accepted: "s3://bucket or s3://bucket/prefix, where front ends and workers share results".into(),
            given_by: self.source("TENTER_RESULTS"),
        }]))
    }

    /// Sets the values that depend on other settings.
    fn derive(&mut self) {
        if self.source(QUEUE) == Source::Default {
            self.settings.render.queue = self.settings.render.workers * QUEUE_PER_WORKER;
        }
        if self.source("TENTER_RENDERERS") == Source::Default {
            self.settings.render.renderers =
                self.settings.render.threads.div_ceil(THREADS_PER_RENDERER).max(MIN_RENDERERS);
        }
        self.settings.gpu.cache_directory = Some(self.settings.files.data_dir.join("gpu"));
        if self.source("TENTER_JOB_WORKERS") == Source::Default {
            self.settings.jobs.workers = self.settings.render.workers;
        }
        if self.settings.fonts.google_fonts_url.is_some() {
            self.settings.fonts.cache_directory = Some(self.settings.files.data_dir.join("fonts"));
        }
    }
}

const QUEUE: &str = "TENTER_QUEUE";

/// Accepted values of `setting`, with an example and, where `text` is a value of another setting, the name of that.
fn accepted(setting: &Setting, text: &str) -> String {
    let accepted = setting.accepts_with_example();
    if setting.name == QUEUE && NatsServers::is_address(text) {
        return format!("{accepted}; set the address of NATS servers with TENTER_NATS_URL or --nats-url");
    }
    accepted
}

/// Value and source of `setting` with the highest precedence. An empty variable counts as unset, as compose files pass
/// those on.
fn pick(setting: &Setting, given: &Given, in_file: &BTreeMap<String, (String, Source)>) -> (Option<String>, Source) {
    // The last flag wins, as usual on command lines.
    if let Some((_, text)) = given.flags.iter().rev().find(|(name, _)| *name == setting.name) {
        return (Some(text.clone()), Source::Flag);
    }
    if let Some(text) = given.environment.get(setting.name).filter(|it| !it.trim().is_empty()) {
        return (Some(text.clone()), Source::Environment);
    }
    match in_file.get(setting.name) {
        Some((text, source)) => (Some(text.clone()), source.clone()),
        None => (None, Source::Default),
    }
}

/// Name of the environment variable with the path of a file that contains a secret, such as `TENTER_KEYS_FILE`.
fn variable_of_file(setting: &Setting) -> String {
    format!("{}_FILE", setting.name)
}

/// The content of the file that the environment names for a secret, without white space at its ends. `None` when it
/// names none.
fn secret_file(setting: &Setting, given: &Given) -> Option<Result<(String, Source), SettingError>> {
    let variable = variable_of_file(setting);
    let path = given.environment.get(&variable).filter(|it| setting.is_secret && !it.trim().is_empty())?;
    let refuse = |problem: String| SettingError {
        setting: variable.clone(),
        problem,
        accepted: format!("a readable file with a value of {}, instead of that variable", setting.name),
        given_by: Source::Environment,
    };
    if given.environment.get(setting.name).is_some_and(|it| !it.trim().is_empty()) {
        return Some(Err(refuse(format!("{} is set as well", setting.name))));
    }
    let path = PathBuf::from(path);
    Some(match std::fs::read_to_string(&path) {
        Ok(text) => Ok((text.trim().to_owned(), Source::File(path))),
        Err(error) => Err(refuse(format!("cannot read {}: {error}", path.display()))),
    })
}

/// Reads the file to a map from setting name to text. An unknown key is an error: a mistyped limit must not be ignored.
fn read_file(path: &Path, errors: &mut Vec<SettingError>) -> BTreeMap<String, (String, Source)> {
    let given_by = Source::File(path.to_owned());
    let refuse = |problem: String, accepted: &str| SettingError {
        setting: CONFIG.into(),
        problem,
        accepted: accepted.into(),
        given_by: given_by.clone(),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            errors.push(refuse(format!("cannot read the file: {error}"), "a readable TOML file"));
            return BTreeMap::new();
        }
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            // The error message itself would quote the line, which may contain a secret.
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            errors.push(refuse(
                format!("line {line} is not valid TOML: {}", error.message()),
                "one `key = value` per line",
            ));
            return BTreeMap::new();
        }
    };
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let Some(setting) = SETTINGS.iter().find(|it| it.key() == key) else {
            errors.push(SettingError {
                setting: key.clone(),
                problem: "is not a setting".into(),
                accepted: nearest(&key),
                given_by: given_by.clone(),
            });
            continue;
        };
        match plain_text(setting, &value) {
            Some(text) => drop(values.insert(setting.name.to_owned(), (text, given_by.clone()))),
            None => errors.push(SettingError {
                setting: setting.name.into(),
                problem: format!("found a {}", value.type_str()),
                accepted: format!(
                    "{}, written as a string, a number or a list of strings",
                    setting.accepts_with_example()
                ),
                given_by: given_by.clone(),
            }),
        }
    }
    values
}

/// The text of a TOML value; `None` for a type that the setting does not take.
fn plain_text(setting: &Setting, value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::Boolean(value) if setting.is_switch() => Some(value.to_string()),
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Array(entries) => {
            let entries: Option<Vec<_>> = entries.iter().map(toml::Value::as_str).collect();
            entries.map(|it| it.join(","))
        }
        _ => None,
    }
}

/// A hint with the known key that shares the most letter pairs with `key`, which finds typing errors.
fn nearest(key: &str) -> String {
    let pairs = |text: &str| text.as_bytes().windows(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let given_pairs = pairs(&key.to_ascii_lowercase());
    let shared = |it: &Setting| pairs(&it.key()).iter().filter(|pair| given_pairs.contains(pair)).count();
    match SETTINGS.iter().max_by_key(|it| shared(it)) {
        Some(setting) if shared(setting) >= 3 => {
            format!("a key such as `{}`; `tenter settings` lists all", setting.key())
        }
        _ => "one of the keys that `tenter settings` lists".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn given(environment: &[(&str, &str)], file: Option<&str>) -> (Given, Option<tempfile::NamedTempFile>) {
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let file = file.map(|text| {
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), text).expect("written");
            file
        });
        let config = file.as_ref().map(|it| it.path().to_owned());
        (Given { flags: Vec::new(), config, environment }, file)
    }

    fn errors(environment: &[(&str, &str)], file: Option<&str>) -> Vec<SettingError> {
        let (given, _file) = given(environment, file);
        Settings::load(&given).expect_err("refused").0
    }

    #[test]
    fn sources_flag_over_environment_over_file_over_default() {
        let (mut given, _file) = given(
            &[("TENTER_MAX_PAGES", "20"), ("TENTER_DEADLINE", "20 s")],
            Some("max_pages = 10\ndeadline = \"10 s\"\nmax_elements = 10\n"),
        );
        given.flags = vec![("TENTER_MAX_PAGES", "29".into()), ("TENTER_MAX_PAGES", "30".into())];
        let loaded = Settings::load(&given).expect("accepted");
        assert_eq!(loaded.settings.design.pages, 30);
        assert_eq!(loaded.settings.render.deadline, Duration::from_secs(20));
        assert_eq!(loaded.settings.design.elements, 10);
        assert_eq!(loaded.settings.design.text_chars, 100_000);
        assert_eq!(loaded.source("TENTER_MAX_PAGES"), Source::Flag);
        assert_eq!(loaded.source("TENTER_DEADLINE"), Source::Environment);
        assert!(matches!(loaded.source("TENTER_MAX_ELEMENTS"), Source::File(_)));
        assert_eq!(loaded.source("TENTER_MAX_TEXT_CHARS"), Source::Default);
    }

    #[test]
    fn invalid_values_are_all_reported_with_accepted_ones() {
        let found = errors(&[("TENTER_MAX_PAGES", "0"), ("TENTER_DEADLINE", "soon")], None);
        let lines: Vec<_> = found.iter().map(SettingError::to_string).collect();
        assert_eq!(
            lines,
            [
                "TENTER_DEADLINE: found \"soon\" (environment); accepted: a time, 1 s to 1 h, for example 1 min",
                "TENTER_MAX_PAGES: found \"0\" (environment); accepted: a whole number, 1 to 1000000, for example \
                 1000",
            ]
        );
    }

    #[test]
    fn file_unknown_key_is_refused_with_the_nearest_key() {
        let found = errors(&[], Some("max_page = 3"));
        assert_eq!((found[0].setting.as_str(), found[0].problem.as_str()), ("max_page", "is not a setting"));
        assert!(found[0].accepted.starts_with("a key such as `max_pages`;"), "{}", found[0].accepted);
    }

    #[test]
    fn file_missing_or_broken_or_of_wrong_type_is_refused() {
        let missing = Given { config: Some("/nonexistent/tenter.toml".into()), ..Given::default() };
        assert_eq!(Settings::load(&missing).expect_err("no such file").0[0].setting, "TENTER_CONFIG");
        assert_eq!(errors(&[], Some("a = \n"))[0].setting, "TENTER_CONFIG");
        assert_eq!(errors(&[], Some("max_pages = true"))[0].problem, "found a boolean");
    }

    #[test]
    fn secrets_are_not_repeated_in_errors() {
        let found = errors(&[("TENTER_KEYS", "a=hush hush")], None);
        assert!(!found[0].to_string().contains("hush"), "{}", found[0]);
        let found = errors(&[], Some("keys = \"hush\nx"));
        assert!(!found[0].to_string().contains("hush"), "{}", found[0]);
    }

    #[test]
    fn secrets_come_from_files_of_their_own() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "shop=aaaa\n").expect("written");
        let path = file.path().to_string_lossy().into_owned();
        let loaded = Settings::load(&given(&[("TENTER_KEYS_FILE", &path)], None).0).expect("accepted");
        assert_eq!(loaded.settings.server.keys.iter().map(|it| it.secret.as_str()).collect::<Vec<_>>(), ["aaaa"]);
        assert_eq!(loaded.source("TENTER_KEYS"), Source::File(path.clone().into()));
        assert_eq!(loaded.unknown_variables, Vec::<String>::new());
        let found = errors(&[("TENTER_KEYS_FILE", &path), ("TENTER_KEYS", "shop=bbbb")], None);
        assert_eq!(found[0].problem, "TENTER_KEYS is set as well");
        assert!(errors(&[("TENTER_KEYS_FILE", "/nonexistent")], None)[0].problem.starts_with("cannot read"));
        let loaded = Settings::load(&given(&[("TENTER_MAX_PAGES_FILE", &path)], None).0).expect("accepted");
        assert_eq!(loaded.unknown_variables, ["TENTER_MAX_PAGES_FILE"], "is no secret");
    }

    #[test]
    fn lists_come_as_strings_or_arrays() {
        let (given, _file) = given(&[], Some("keys = [\"shop=aaaa\", \"press=bbbb\"]"));
        let names: Vec<_> =
            Settings::load(&given).expect("accepted").settings.server.keys.iter().map(|it| it.name.clone()).collect();
        assert_eq!(names, ["shop", "press"]);
    }

    #[test]
    fn queue_follows_workers_unless_set() {
        let queue =
            |environment: &[_]| Settings::load(&given(environment, None).0).expect("accepted").settings.render.queue;
        assert_eq!(queue(&[("TENTER_WORKERS", "3")]), 12);
        assert_eq!(queue(&[("TENTER_WORKERS", "3"), ("TENTER_QUEUE", "0")]), 0);
    }

    #[test]
    fn queue_that_is_an_address_is_refused_and_names_the_right_setting() {
        for address in ["tls://a:4222, nats://b:4222", "nats://c"] {
            let refused = errors(&[("TENTER_QUEUE", address)], None)[0].to_string();
            assert!(refused.starts_with("TENTER_QUEUE: found ") && refused.contains("TENTER_NATS_URL"), "{refused}");
        }
        let refused = errors(&[("TENTER_QUEUE", "many")], None)[0].to_string();
        assert!(!refused.contains("TENTER_NATS_URL"), "{refused}");
    }

    #[test]
    fn cluster_needs_a_bucket() {
        let (mut given, _file) = given(&[("TENTER_NATS_URL", "tls://a:4222, nats://b:4222/")], None);
        let loaded = Settings::load(&given).expect("accepted");
        assert_eq!(loaded.settings.nats.servers.iter().collect::<Vec<_>>(), ["tls://a:4222", "nats://b:4222"]);
        let refused = loaded.check_cluster().expect_err("no bucket").to_string();
        assert!(refused.starts_with("TENTER_RESULTS: not set, but jobs are on tls://a:4222"), "{refused}");
        given.environment.insert("TENTER_RESULTS".into(), "s3://pictures".into());
        assert!(Settings::load(&given).expect("accepted").check_cluster().is_ok());
        for bad in ["nats://me:secret@host", "nats://host/path", "http://host"] {
            assert!(errors(&[("TENTER_NATS_URL", bad)], None)[0].accepted.starts_with("nats://host:port"), "{bad}");
        }
    }

    #[test]
    fn switches_are_booleans_in_the_file() {
        let web_pages = |file: &str| {
            let (given, _file) = given(&[], Some(file));
            Settings::load(&given).expect("accepted").settings.server.web_pages
        };
        assert!(!web_pages("web_pages = false") && !web_pages("web_pages = \"off\"") && web_pages("web_pages = 1"));
    }

    #[test]
    fn environment_empty_is_unset_and_unknown_is_reported() {
        let environment = [("TENTER_MAX_PAGES", ""), ("TENTER_SERVICE_HOST", "10.0.0.1"), ("TENTER_CONFIG", "")];
        let loaded = Settings::load(&given(&environment, None).0).expect("accepted");
        assert_eq!(loaded.source("TENTER_MAX_PAGES"), Source::Default);
        assert_eq!(loaded.unknown_variables, ["TENTER_SERVICE_HOST"]);
    }

    #[test]
    fn exposure_needs_keys_beyond_loopback() {
        let exposed = |listen, keys| {
            let environment = [("TENTER_LISTEN", listen), ("TENTER_KEYS", keys)];
            Settings::load(&given(&environment, None).0).expect("accepted").check_exposure().is_err()
        };
        assert!(!exposed("127.0.0.1:1", "") && !exposed("[::1]:1", "") && !exposed("localhost:1", ""));
        assert!(exposed("0.0.0.0:1", "") && exposed("[::]:1", ""));
        assert!(!exposed("0.0.0.0:1", "a=b"));
    }
}
