//! Runs `examples/client.mjs`, a client of the vendor's API, against the built program.

#[path = "support/program.rs"]
mod program;

use std::process::Command;

use program::Program;

#[test]
#[expect(clippy::disallowed_methods, reason = "whether this run may go without is no setting of the program")]
fn existing_client_passes_unchanged() {
    let node = Command::new("node").arg("--version").output();
    if let Err(error) = node {
        // `.ci/run` installs node and sets `CI_TESTS`, which makes a missing one a failure.
        assert!(std::env::var_os("CI_TESTS").is_none(), "node: {error}");
        eprintln!("skipped: there is no node on this machine");
        return;
    }
    let service = Program::new()
        .with("TENTER_KEYS", "shop=s3cret")
        .with("TENTER_ALLOW_ADDRESSES", "127.0.0.1")
        .with("TENTER_WEBHOOK_SECRET", "hush")
        .start();
    let ran = Command::new("node")
        .args(["examples/client.mjs", &service.url(""), "s3cret"])
        .env("WEBHOOK_SECRET", "hush")
        .output()
        .expect("runs");
    let text = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{text}");
    assert_eq!(text.matches("ok  ").count(), 9, "{text}");
    let log = service.stop();
    assert!(!log.contains("s3cret") && !log.contains("hush"), "the log contains a key or secret:\n{log}");
    assert!(log.contains("\"caller\":\"shop\""), "{log}");
}
