//! The dependency graph has one version of each crate whose types cross modules, and permissive licences only.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

/// Crates of which the graph may have one version only, because two would have incompatible types or separate GPU
/// devices.
const SINGLE: &[&str] = &["kurbo", "peniko", "skrifa", "vello_common", "wgpu"];

/// Second versions that are allowed, with the only crate that may depend on them; it does not expose their types.
const INNER: &[(&str, &str)] = &[
    // subsetter 0.2 reads variable fonts with skrifa internally; its API is bytes in, bytes out.
    ("skrifa", "subsetter"),
];

/// Permissive licences. `deny.toml` has the same list.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "IJG",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Checks the locked versions, which include those of other platforms and features.
#[test]
fn graph_has_one_version_of_crates_that_cross_modules() {
    let lock: toml::Table = read("Cargo.lock").parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array().expect("Cargo.lock lists packages");
    for name in SINGLE {
        let versions: Vec<_> = packages
            .iter()
            .filter(|it| it["name"].as_str() == Some(name))
            .filter_map(|it| it["version"].as_str())
            .filter(|version| !is_inner(packages, name, version))
            .collect();
        assert_eq!(versions.len(), 1, "{name} is locked as {versions:?}; cargo tree --invert {name} shows by whom");
    }
}

#[test]
fn single_crates_are_the_same_in_deny_toml() {
    let deny: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let names = |list: &str, filter: fn(&&toml::Value) -> bool| -> BTreeSet<String> {
        let entries = deny["bans"][list].as_array().expect("a list").iter().filter(filter);
        let names = entries.map(|it| it["crate"].as_str().expect("a crate").split('@').next().unwrap_or_default());
        names.map(str::to_owned).collect()
    };
    let expected = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(names("deny", |it| it.get("deny-multiple-versions").is_some()), expected(&mut SINGLE.iter().copied()));
    assert_eq!(names("skip", |_| true), expected(&mut INNER.iter().map(|(name, _)| *name)));
}

/// Whether only the crates that [`INNER`] names depend on this version.
fn is_inner(packages: &[toml::Value], name: &str, version: &str) -> bool {
    // With two versions of a crate, the lock file names the version as well.
    let listed = format!("{name} {version}");
    let needs = |it: &&toml::Value| {
        it.get("dependencies")
            .and_then(|it| it.as_array())
            .is_some_and(|all| all.iter().any(|it| it.as_str() == Some(&listed)))
    };
    let mut by = packages.iter().filter(needs).filter_map(|it| it["name"].as_str()).peekable();
    by.peek().is_some() && by.all(|by| INNER.contains(&(name, by)))
}

/// Checks the packages of this platform, because only these are certain to be on disk.
#[test]
fn licences_are_all_permissive() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    assert!(packages.len() > 100, "the graph is larger than {}", packages.len());
    let refused: Vec<_> = packages.iter().filter_map(refusal).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn licences_are_evaluated_as_spdx_expressions() {
    for fine in ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "(MIT OR Apache-2.0) AND IJG"] {
        assert!(is_allowed(fine), "{fine}");
    }
    assert!(is_allowed("Apache-2.0 WITH LLVM-exception OR Apache-2.0"), "one side is enough");
    for bad in ["GPL-3.0-only", "MIT AND LGPL-2.1-only", "GPL-2.0-only WITH Classpath-exception-2.0", "see LICENSE", ""]
    {
        assert!(!is_allowed(bad), "{bad}");
    }
}

#[test]
fn licences_are_the_same_in_deny_toml() {
    let deny: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let listed = deny["licenses"]["allow"].as_array().expect("a list").iter().filter_map(|it| it.as_str());
    assert_eq!(listed.collect::<BTreeSet<_>>(), ALLOWED.iter().copied().collect());
}

fn refusal(package: &Value) -> Option<String> {
    let licence = package["license"].as_str().unwrap_or_default();
    let name = || format!("{} {}", package["name"], package["version"]);
    (!is_allowed(licence)).then(|| format!("{}: licence {licence:?} is not in the allowed list", name()))
}

/// Whether the SPDX expression is satisfied by [`ALLOWED`]. `A/B` is the older way to write `A OR B`. Exceptions
/// (`WITH`) are ignored: the licence must be allowed without them.
fn is_allowed(licence: &str) -> bool {
    let allowed =
        |it: &LicenseReq| it.addition.is_none() && it.license.id().is_some_and(|id| ALLOWED.contains(&id.name));
    Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|it| it.evaluate(allowed))
}

fn metadata() -> Value {
    let host = run(&["-vV"]);
    let host = host.lines().find_map(|it| it.strip_prefix("host: ")).expect("cargo says what it runs on");
    let printed = run(&["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host]);
    serde_json::from_str(&printed).expect("cargo metadata prints JSON")
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).expect("a file of this repository")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
