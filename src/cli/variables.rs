//! `tenter variables`: lists the variables of a design.

use std::path::PathBuf;

use serde_json::json;

use super::failure::Failure;
use super::flags::SettingFlags;
use super::print::print;
use super::render::read;
use crate::error::Error;
use crate::json::JsonParser;
use crate::pipeline::list_variables;
use crate::report::JsonPath;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// JSON file of the design; - for standard input
    design: PathBuf,
    /// Print the values alone, as a file for --variables; null where the design has no value
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = arguments.settings.load()?.settings;
    let parser = JsonParser::new(settings.design.json_depth);
    let design = parser.parse(&read(&arguments.design)?).map_err(Error::invalid)?;
    let listed = list_variables(design, JsonPath::root(), &settings.design)?;
    let printed = if arguments.values {
        listed.into_iter().map(|it| (it.name, it.value.unwrap_or_default())).collect()
    } else {
        json!({ "variables": listed })
    };
    print(&format!("{printed:#}\n"))
}
