//! Starts the built program without inherited settings.

use std::path::Path;
use std::process::Command;

/// A command that runs the program in `folder` with only the settings that the caller adds.
#[expect(clippy::disallowed_methods, reason = "removes inherited settings from the child process")]
pub(crate) fn tenter(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenter"));
    // Settings in the developer's environment must not change the test.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TENTER_")) {
        command.env_remove(name);
    }
    command.current_dir(folder);
    // Mesa's device selection layer writes to standard error.
    command.env("NODEVICE_SELECT", "1");
    command
}
