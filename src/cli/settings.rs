//! `tenter settings`: prints the table of settings.

use std::fmt::Write as _;

use super::failure::Failure;
use super::flags::SettingFlags;
use super::print::print;
use crate::config::{Loaded, SETTINGS, Section};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Print docs/settings.md: only defaults, the same on every machine
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let text = if arguments.markdown { markdown() } else { text(&arguments.settings.load()?) };
    print(&text)
}

fn text(loaded: &Loaded) -> String {
    let mut out = String::new();
    for section in Section::ALL {
        line(&mut out, section.title());
        for (setting, source) in SETTINGS.iter().zip(&loaded.sources).filter(|(it, _)| it.section == section) {
            let value = setting.value_text(&loaded.settings);
            line(&mut out, &format!("  {} = {value}  ({source})", setting.name));
            line(&mut out, &format!("      {}", setting.about));
            line(&mut out, &format!("      Accepts {}. Default: {}.", setting.accepts(), setting.default_text()));
        }
        out.push('\n');
    }
    for variable in &loaded.unknown_variables {
        line(&mut out, &format!("{variable} is set in the environment, but there is no such setting."));
    }
    out
}

const INTRODUCTION: &str = "\
# Settings

<!-- Written by `tenter settings --markdown`; change the declarations in src/config/ instead. -->

The value of a setting comes from the first of these sources: flag, environment, file, default. `TENTER_MAX_PAGES`
in the environment is `--max-pages` as a flag and `max_pages` in the file. The file is TOML, one `key = value` per line,
and is named by `--config` or `TENTER_CONFIG`; an unknown key in it is an error. An empty variable counts as unset.
Secrets have no flag, because other users can read the process list. A secret may be in a file of its own, which a
variable with the ending `_FILE` names: `TENTER_KEYS_FILE=/run/secrets/keys`. `tenter settings` prints every value and
its source.

Sizes are written `5 MiB`, `300 kB` or in bytes; times `500 ms`, `30 s`, `10 min`, `24 h` or in seconds; lists with
commas; switches `on` or `off` (`true`, `false`, `1` and `0` are read as well).
";

fn markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    for section in Section::ALL {
        line(
            &mut out,
            &format!("\n## {}\n\n| setting | accepts | default | |\n| --- | --- | --- | --- |", section.title()),
        );
        for setting in SETTINGS.iter().filter(|it| it.section == section) {
            let cells = [setting.accepts(), setting.default_text(), setting.about.to_owned()];
            let cells = cells.map(|it| it.replace('|', "\\|")).join(" | ");
            line(&mut out, &format!("| `{}` | {cells} |", setting.name));
        }
    }
    out
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
