//! The built program, as tests start it.

use std::path::Path;
use std::process::Command;

/// The program in `folder`, with no settings but those that the caller adds.
#[expect(clippy::disallowed_methods, reason = "what a child inherits is taken away from it")]
pub(crate) fn tenter(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenter"));
    // The tester's own settings must not decide what is tested.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TENTER_")) {
        command.env_remove(name);
    }
    command.current_dir(folder);
    // Mesa's layer that chooses among adapters writes to standard error by itself.
    command.env("NODEVICE_SELECT", "1");
    command
}
