//! The manifests in `deploy/` agree with the program: settings and their values, arguments, ports, probe paths, grace
//! periods.

#[path = "support/command.rs"]
mod command;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use saphyr::{LoadableYamlNode as _, ScalarOwned, YamlOwned};
use serde_json::{Map, Value};

/// Paths of the liveness and readiness probes.
const HEALTH: [&str; 4] = ["/livez", "/readyz", "/health/live", "/health/ready"];

/// Every YAML document of every file in `deploy/`, with the file's name.
fn documents() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for folder in ["deploy", "deploy/kubernetes"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
        files.sort();
        for path in files {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("UTF-8");
            let parsed = YamlOwned::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!parsed.is_empty(), "{name} is empty");
            found.extend(parsed.iter().map(|document| (name.clone(), value(document, &name))));
        }
    }
    found
}

/// Converts YAML to JSON. `<<` merges members that the object does not have itself, as in compose files.
fn value(yaml: &YamlOwned, file: &str) -> Value {
    match yaml {
        YamlOwned::Value(scalar) => match scalar {
            ScalarOwned::Null => Value::Null,
            ScalarOwned::Boolean(flag) => (*flag).into(),
            ScalarOwned::Integer(number) => (*number).into(),
            ScalarOwned::FloatingPoint(number) => number.into_inner().into(),
            ScalarOwned::String(text) => text.as_str().into(),
        },
        YamlOwned::Sequence(entries) => entries.iter().map(|entry| value(entry, file)).collect(),
        YamlOwned::Mapping(members) => {
            let mut object = Map::new();
            for (name, member) in members {
                let Value::String(name) = value(name, file) else { panic!("{file}: a key that is not a string") };
                let before = object.insert(name.clone(), value(member, file));
                assert_eq!(before, None, "{file}: {name} stands there twice");
            }
            if let Some(Value::Object(base)) = object.remove("<<") {
                for (name, member) in base {
                    object.entry(name).or_insert(member);
                }
            }
            Value::Object(object)
        }
        other => panic!("{file}: cannot read {other:?}"),
    }
}

/// A container that runs the program.
struct Ours {
    file: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    /// Time in seconds between the stop signal and the kill.
    grace_s: f64,
    /// The container of the Kubernetes manifest; `None` for compose files.
    container: Option<Value>,
    /// Whether the pod is annotated for Prometheus.
    scraped: bool,
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(|it| it.as_str().expect("text").to_owned()).collect()
}

fn of_pairs(members: &Value) -> BTreeMap<String, String> {
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    members.as_object().expect("an object").iter().map(|(name, it)| (name.clone(), text(it))).collect()
}

fn ours() -> Vec<Ours> {
    let documents = documents();
    let mut shared = BTreeMap::new();
    for (_, document) in documents.iter().filter(|(_, it)| it["metadata"]["name"] == "tenter") {
        match document["kind"].as_str() {
            Some("ConfigMap") => shared.extend(of_pairs(&document["data"])),
            Some("Secret") => shared.extend(of_pairs(&document["stringData"])),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (file, document) in &documents {
        let pod = &document["spec"]["template"]["spec"];
        for container in pod["containers"].as_array().into_iter().flatten().filter(|it| it["name"] == "tenter") {
            let mut environment = shared.clone();
            for entry in container["env"].as_array().into_iter().flatten() {
                let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{file}: {entry}")).to_owned();
                environment.insert(text("name"), text("value"));
            }
            found.push(Ours {
                file: file.clone(),
                arguments: texts(&container["args"]),
                environment,
                grace_s: pod["terminationGracePeriodSeconds"].as_f64().expect("a time"),
                container: Some(container.clone()),
                scraped: document["spec"]["template"]["metadata"]["annotations"]["prometheus.io/scrape"] == "true",
            });
        }
        for service in document["services"].as_object().into_iter().flat_map(Map::values) {
            if service["image"].as_str().is_some_and(|image| image.starts_with("tenter")) {
                let grace = service["stop_grace_period"].as_str().expect("a time").trim_end_matches('s');
                found.push(Ours {
                    file: file.clone(),
                    arguments: texts(&service["command"]),
                    environment: of_pairs(&service["environment"]),
                    grace_s: grace.parse().expect("seconds"),
                    container: None,
                    scraped: false,
                });
            }
        }
    }
    assert_eq!(found.len(), 5, "front end and two kinds of workers in Kubernetes, front end and worker in compose");
    found
}

/// Runs the program with only these settings, in an empty folder.
fn with(environment: &BTreeMap<String, String>, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    command::tenter(folder.path()).envs(environment).args(arguments).output().expect("runs")
}

#[test]
fn manifests_use_existing_settings_with_accepted_values() {
    for Ours { file, environment, .. } in ours() {
        let known: Vec<_> = tenter::config::SETTINGS.iter().map(|it| it.name).collect();
        for name in environment.keys().filter(|name| name.starts_with("TENTER_")) {
            assert!(known.contains(&name.as_str()), "{file}: no setting is called {name}");
        }
        let output = with(&environment, &["settings"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{file}: {stderr}");
    }
}

/// With `--help` at the end the program starts nothing, but still parses the arguments before it.
#[test]
fn manifests_pass_accepted_arguments() {
    let wrong = with(&BTreeMap::new(), &["serve", "--no-such-flag", "--help"]);
    assert_eq!(wrong.status.code(), Some(2), "unknown arguments are refused");
    for Ours { file, arguments, environment, .. } in ours() {
        let [role, flag, url] = &arguments[..] else { panic!("{file}: {arguments:?}") };
        let output = with(&environment, &[role, flag, url, "--help"]);
        assert!(output.status.success(), "{file}: {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(["serve", "worker"].contains(&role.as_str()) && flag == "--nats-url", "{file}: {arguments:?}");
        assert_eq!(
            Some(url),
            environment.get("TENTER_NATS_URL"),
            "{file}: argument and environment name different servers"
        );
    }
}

#[test]
fn manifests_allow_longer_stops_than_the_grace_period() {
    for Ours { file, environment, grace_s, .. } in ours() {
        let seconds = |text: &str| text.trim_end_matches(" s").parse::<f64>().expect("seconds");
        let delay = environment.get("TENTER_STOP_DELAY").map_or(0.0, |it| seconds(it));
        let stop = delay + seconds(&environment["TENTER_STOP_GRACE"]);
        assert!(grace_s > stop, "{file}: killed after {grace_s} s, and stops for up to {stop} s");
    }
}

/// The manifests set keys, and pod annotations cannot give Prometheus one, so scraped ports must not need a key.
#[test]
fn manifests_scrape_ports_that_need_no_key() {
    let scraped: Vec<_> = ours().into_iter().filter(|it| it.scraped).collect();
    assert_eq!(scraped.len(), 2, "CPU and GPU workers");
    for Ours { file, environment, .. } in scraped {
        assert_eq!(environment.get("TENTER_METRICS").map(String::as_str), Some("open"), "{file}");
    }
}

#[test]
fn manifests_probe_listening_ports() {
    for Ours { file, environment, container, .. } in ours() {
        let Some(container) = container else { continue };
        let port = environment["TENTER_LISTEN"].rsplit(':').next().expect("a port").parse::<u64>().expect("a number");
        let ports = container["ports"].as_array().expect("a list");
        let named: BTreeMap<_, _> =
            ports.iter().map(|it| (it["name"].as_str(), it["containerPort"].as_u64())).collect();
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let call = &container[probe]["httpGet"];
            assert!(HEALTH.contains(&call["path"].as_str().expect("a path")), "{file}: {probe}");
            assert_eq!(named.get(&call["port"].as_str()), Some(&Some(port)), "{file}: {probe}");
        }
    }
    // Services must target a port of one of our containers or of NATS.
    let documents = documents();
    for (file, service) in documents.iter().filter(|(_, it)| it["kind"] == "Service") {
        let app = &service["spec"]["selector"]["app"];
        let pods = documents.iter().filter(|(_, it)| it["spec"]["template"]["metadata"]["labels"]["app"] == *app);
        let containers = pods.flat_map(|(_, it)| it["spec"]["template"]["spec"]["containers"].as_array()).flatten();
        let names: Vec<_> = containers.flat_map(|it| it["ports"].as_array()).flatten().map(|it| &it["name"]).collect();
        for port in service["spec"]["ports"].as_array().expect("a list") {
            assert!(names.contains(&&port["targetPort"]), "{file}: {port}");
        }
    }
}

#[test]
fn manifests_run_unprivileged_on_a_read_only_root() {
    let documents = documents();
    let mut seen = 0;
    for (file, document) in &documents {
        let pod = &document["spec"]["template"]["spec"];
        for container in pod["containers"].as_array().into_iter().flatten() {
            seen += 1;
            let context = &container["securityContext"];
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
            assert!(pod["securityContext"]["runAsUser"].as_u64().is_some_and(|user| user > 0), "{file}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{file}");
            assert_eq!(context["allowPrivilegeEscalation"], false, "{file}");
            assert_eq!(context["capabilities"]["drop"][0], "ALL", "{file}");
            for limit in ["cpu", "memory"] {
                assert!(container["resources"]["limits"][limit].is_string(), "{file}: {limit}");
            }
            let image = container["image"].as_str().expect("an image");
            let version = image.rsplit_once(':').filter(|(_, tag)| tag.starts_with(|c: char| c.is_ascii_digit()));
            assert!(version.is_some() || image.contains("@sha256:"), "{file}: {image} may change");
        }
    }
    assert_eq!(seen, 4, "front end, two kinds of workers, NATS");
}

/// A size such as `4Gi`, `512Mi` or systemd's `4G`, in bytes.
fn bytes(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim_end_matches('i') {
        "G" => 30,
        "M" => 20,
        other => panic!("{text}: unknown unit {other}"),
    };
    digits.parse::<u64>().expect("a number") << unit
}

#[test]
fn memory_limits_hold_what_the_processes_may_take() {
    let unit = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/tenter.service")).expect("a unit");
    let unit = unit.lines().find_map(|line| line.strip_prefix("MemoryMax=")).expect("a limit").to_owned();
    let mut limits = vec![("tenter.service".to_owned(), unit, 2)];
    for (file, document) in documents().into_iter().filter(|(file, _)| file != "nats.yaml") {
        for container in document["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten() {
            let limit = &container["resources"]["limits"];
            let cores: u64 = limit["cpu"].as_str().expect("a limit").parse().expect("whole cores");
            limits.push((
                file.clone(),
                limit["memory"].as_str().expect("a limit").to_owned(),
                cores.div_ceil(4).max(2),
            ));
        }
    }
    assert_eq!(limits.len(), 4, "the unit, front end and two kinds of workers");
    for (file, limit, renderers) in limits {
        let machine = bytes(&limit);
        let each = tenter::sandbox::memory_for_each(Some(machine), renderers as usize).expect("known");
        // All processes at their limits, one of them half as much above it, and the service.
        let most = each * renderers + each / 2 + (512 << 20);
        assert!(most <= machine, "{file}: {limit} for {renderers} renderers of {each} bytes each");
    }
}

#[test]
fn manifests_close_the_network() {
    let documents = documents();
    let of_kind = |kind: &'static str| documents.iter().map(|(_, it)| it).filter(move |it| it["kind"] == kind);
    let policies: Vec<_> = of_kind("NetworkPolicy").map(|it| &it["spec"]).collect();
    let closed = policies.iter().find(|it| it["podSelector"].as_object().is_some_and(|it| it.is_empty()));
    let closed = closed.expect("a policy for all pods");
    assert_eq!(texts(&closed["policyTypes"]), ["Ingress", "Egress"]);
    assert!(closed["ingress"].is_null() && closed["egress"].is_null(), "nothing is allowed by default");
    // The monitor of NATS needs no password.
    for rule in policies.iter().filter_map(|it| it["ingress"].as_array()).flatten() {
        let opens = |port: &str| rule["ports"].as_array().expect("a list").iter().any(|it| it["port"] == port);
        let from_pods = rule["from"].as_array().expect("a list").iter().any(|it| !it["podSelector"].is_null());
        assert!(!(opens("monitor") && from_pods), "{rule}");
    }
    for service in of_kind("Service").filter(|it| it["metadata"]["name"] == "nats") {
        assert_eq!(service["spec"]["ports"].as_array().map(Vec::len), Some(1), "clients only");
    }
    // Pictures come from anywhere, but not from the network of the cluster.
    let blocks =
        policies.iter().filter_map(|it| it["egress"].as_array()).flatten().filter_map(|it| it["to"].as_array());
    let public = blocks.flatten().find(|it| it["ipBlock"]["cidr"] == "0.0.0.0/0").expect("a rule");
    for network in ["10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"] {
        assert!(texts(&public["ipBlock"]["except"]).contains(&network.to_owned()), "{network}");
    }
}

#[test]
fn manifests_scale_workers_by_their_own_stream() {
    let documents = documents();
    let of_kind = |kind: &str| documents.iter().map(|(_, it)| it).filter(|it| it["kind"] == kind).collect::<Vec<_>>();
    let names: Vec<_> = of_kind("Deployment").iter().map(|it| it["metadata"]["name"].clone()).collect();
    let scalers = of_kind("ScaledObject");
    assert_eq!(scalers.len(), 2);
    for scaler in scalers {
        assert!(names.contains(&scaler["spec"]["scaleTargetRef"]["name"]), "{scaler}");
        // Names from jobs/nats/layout.rs with the default TENTER_NATS_PREFIX.
        for (at, stream) in ["tenter-work", "tenter-rows"].into_iter().enumerate() {
            let trigger = &scaler["spec"]["triggers"][at]["metadata"];
            assert_eq!((&trigger["stream"], &trigger["consumer"]), (&stream.into(), &"workers".into()));
            let threshold = trigger["lagThreshold"].as_str().expect("KEDA requires a string").parse::<u64>();
            assert!(threshold.expect("a number") > 0);
        }
    }
    let budgets: Vec<_> =
        of_kind("PodDisruptionBudget").iter().map(|it| it["spec"]["selector"]["matchLabels"]["app"].clone()).collect();
    for kind in ["Deployment", "StatefulSet"] {
        for workload in of_kind(kind) {
            assert!(budgets.contains(&workload["spec"]["selector"]["matchLabels"]["app"]), "{}", workload["metadata"]);
        }
    }
}
