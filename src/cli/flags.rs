//! Settings as flags: one per row of the table, except secrets, which other users could read in the process list.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::failure::Failure;
use crate::config::{Given, Loaded, SETTINGS, Settings};

/// The settings flags and `--config` of one command line.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingFlags {
    config: Option<PathBuf>,
    values: Vec<(&'static str, String)>,
}

impl SettingFlags {
    /// Loads the settings from these flags, the environment of the process, and the settings file.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        Ok(Settings::load(&Given::from_process(self.values.clone(), self.config.clone()))?)
    }
}

const HEADING: &str = "Settings (also as TENTER_… in the environment, or in the file; see `tenter settings`)";
const CONFIG: &str = "config";

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("TOML file with settings [env: TENTER_CONFIG]")
            .help_heading(HEADING);
        let rows = SETTINGS.iter().filter(|it| !it.is_secret).map(|setting| {
            Arg::new(setting.name)
                .long(setting.flag())
                .value_name("VALUE")
                .allow_hyphen_values(true)
                .help(format!("{} [default: {}]", setting.about, setting.default_text()))
                .hide_short_help(true)
                .help_heading(HEADING)
        });
        command.arg(config).args(rows)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>(CONFIG).cloned();
        let value = |name: &'static str| Some((name, matches.get_one::<String>(name)?.clone()));
        self.values = SETTINGS.iter().filter(|it| !it.is_secret).filter_map(|it| value(it.name)).collect();
        Ok(())
    }
}
