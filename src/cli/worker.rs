//! `tenter worker`: takes jobs from a cluster, renders them and sends webhooks. It answers only `/livez`, `/readyz` and
//! `/metrics` on `TENTER_LISTEN`.

use super::failure::Failure;
use super::flags::SettingFlags;
use super::serve::{Role, start};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingFlags,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = arguments.settings.load()?;
    loaded.check_cluster()?;
    if loaded.settings.nats.servers.is_empty() {
        let reason =
            "a worker takes jobs from a cluster: set its servers with --nats-url nats://host:4222 (TENTER_NATS_URL)";
        return Err(Failure::Usage(reason.into()));
    }
    if loaded.settings.jobs.workers == 0 {
        return Err(Failure::Usage(
            "a worker with TENTER_JOB_WORKERS=0 would take no jobs; set it to at least 1".into(),
        ));
    }
    // A worker answers no render calls, so other machines may reach it without keys.
    start(loaded, Role::Worker)
}
