//! `tenter doctor`: prints one line per finding, with the fix where there is a problem.

use std::path::Path;

use super::failure::Failure;
use super::flags::SettingFlags;
use super::renderer::ProbeReport;
use crate::config::{Loaded, Settings};
use crate::options::CmykProfile;
use crate::print::Profiles;
use crate::renderers::memory_limit;
use crate::report::counted;
use crate::text::{FamilySource, FontLibrary};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingFlags,
}

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Ok,
    Note,
    Fail,
}

/// One line of the report.
struct Finding {
    mark: Mark,
    text: String,
}

fn ok(text: impl Into<String>) -> Finding {
    Finding { mark: Mark::Ok, text: text.into() }
}

fn note(text: impl Into<String>) -> Finding {
    Finding { mark: Mark::Note, text: text.into() }
}

fn fail(text: impl Into<String>) -> Finding {
    Finding { mark: Mark::Fail, text: text.into() }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let loaded = arguments.settings.load()?;
    let settings = &loaded.settings;
    let mut findings = vec![cpu(settings)];
    findings.extend(gpus(settings));
    findings.push(fonts(settings));
    findings.extend(icc_profiles(settings));
    findings.push(renderers(settings));
    findings.push(data_folder(&settings.files.data_dir));
    findings.extend(settings_findings(&loaded));
    for Finding { mark, text } in &findings {
        let mark = match mark {
            Mark::Ok => "ok  ",
            Mark::Note => "note",
            Mark::Fail => "FAIL",
        };
        println!("{mark} {text}");
    }
    if findings.iter().any(|it| it.mark == Mark::Fail) { Err(Failure::Unhealthy) } else { Ok(()) }
}

fn cpu(settings: &Settings) -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (wide, features) = cpu_features();
    let text = format!(
        "CPU: {}, {}, {} (TENTER_THREADS), {}",
        std::env::consts::ARCH,
        counted(cores as u64, "core"),
        counted(settings.render.threads as u64, "thread"),
        if features.is_empty() { "no known vector extensions".to_owned() } else { features.join(" ") }
    );
    if settings.render.threads > cores {
        return note(format!("{text}: more threads than cores do not run faster; lower TENTER_THREADS to {cores}"));
    }
    if wide { ok(text) } else { note(format!("{text}: painting is slower without AVX2 or NEON; use a newer CPU type")) }
}

/// How a service with these settings would render.
fn renderers(settings: &Settings) -> Finding {
    let count = settings.render.renderers;
    if count == 0 {
        return note("renderers: TENTER_RENDERERS is 0: one request can end the service; for designs that you trust");
    }
    let memory = memory_limit(&settings.render, count);
    let memory = memory.map_or_else(|| "unbounded memory".to_owned(), |it| format!("{} MiB each", it >> 20));
    let text = format!("renderers: {count} of at most {memory} (TENTER_RENDERERS, TENTER_RENDERER_MEMORY)");
    match probe() {
        Ok(ProbeReport { confinement, attempts }) => {
            let text = format!("{text}; {confinement}");
            let succeeded: Vec<_> = attempts.iter().filter(|it| !it.is_refused()).collect();
            match succeeded.first() {
                None if confinement.is_full() => ok(text),
                None => note(text),
                Some(probe) => note(format!("{text}; not refused: {:?}", probe.attempt)),
            }
        }
        Err(error) => fail(format!("{text}; a renderer cannot be started: {error}")),
    }
}

/// What confines a renderer on this machine, tried in a process of its own.
fn probe() -> std::io::Result<ProbeReport> {
    let program = std::env::current_exe()?;
    let output = std::process::Command::new(program).args(["renderer", "--probe"]).env_clear().output()?;
    if !output.status.success() {
        return Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Whether the painter's fast paths can run, and the names of the vector extensions found.
fn cpu_features() -> (bool, Vec<&'static str>) {
    #[cfg(target_arch = "x86_64")]
    let all = [
        ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(target_arch = "aarch64")]
    let all = [("neon", std::arch::is_aarch64_feature_detected!("neon"))];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let all: [(&str, bool); 0] = [];
    let present: Vec<_> = all.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
    (present.contains(&"avx2") || present.contains(&"neon"), present)
}

#[cfg(feature = "gpu")]
fn gpus(settings: &Settings) -> Vec<Finding> {
    use crate::config::RasterizerChoice;
    use crate::paint::gpu::{adapters, select_adapters};

    let found = adapters();
    let choice = settings.render.rasterizer;
    if found.is_empty() {
        let text = "GPU: none found (no Vulkan driver, or no loader such as libvulkan1)";
        return vec![match choice {
            RasterizerChoice::Gpu => {
                fail(format!("{text}, but TENTER_RASTERIZER is gpu: install them, or set TENTER_RASTERIZER to auto"))
            }
            _ => ok(format!("{text}; pages are painted on the CPU")),
        }];
    }
    if choice == RasterizerChoice::Cpu {
        let seen = found.iter().map(|it| ok(format!("GPU: {it}; not used, TENTER_RASTERIZER is cpu")));
        return seen.collect();
    }
    let chosen = select_adapters(found, &settings.gpu, choice == RasterizerChoice::Gpu);
    let mut findings: Vec<_> =
        chosen.used.iter().enumerate().map(|(at, it)| ok(format!("GPU: {it}; paints as gpu{at}"))).collect();
    findings.extend(chosen.refused.iter().map(|it| note(format!("GPU: not used: {it}"))));
    if chosen.used.is_empty() && choice == RasterizerChoice::Gpu {
        findings.push(fail("GPU: none can be used, but TENTER_RASTERIZER is gpu: set it to auto or cpu"));
    }
    findings
}

#[cfg(not(feature = "gpu"))]
fn gpus(_: &Settings) -> Vec<Finding> {
    vec![ok("GPU: not checked; this program was built without the feature `gpu`")]
}

fn fonts(settings: &Settings) -> Finding {
    let library = match FontLibrary::new(&settings.fonts) {
        Ok(library) => library,
        Err(error) => return fail(format!("fonts: {error}")),
    };
    let families = library.families();
    let in_folder = families.iter().filter(|(_, source)| *source == FamilySource::Folder).count();
    let bundled = families.len() - in_folder;
    match (&settings.fonts.directory, &settings.fonts.google_fonts_url) {
        (Some(folder), _) if in_folder == 0 => {
            note(format!("fonts: none in {} (TENTER_FONT_DIR), {bundled} families bundled", folder.display()))
        }
        (Some(_), _) => ok(format!("fonts: {in_folder} families in TENTER_FONT_DIR, {bundled} bundled")),
        (None, Some(url)) => ok(format!("fonts: {bundled} families bundled, others from {url}")),
        (None, None) => note(format!(
            "fonts: {bundled} families bundled; for other families, include them in the designs, or set \
             TENTER_FONT_DIR or TENTER_GOOGLE_FONTS_URL"
        )),
    }
}

/// Whether the ICC profiles for CMYK and PDF/X are available.
fn icc_profiles(settings: &Settings) -> Vec<Finding> {
    if settings.icc.directory.is_none() {
        return vec![ok(
            "print: CMYK and PDF/X are not available; to use them, set TENTER_ICC_DIR to a folder of ICC profiles",
        )];
    }
    let profiles = Profiles::new(&settings.icc);
    let found = |profile| match profiles.output_profile(profile) {
        Ok(found) => ok(format!("print: the ICC profile for {} is valid", found.output_condition().name)),
        Err(error) => note(format!("print: {error}")),
    };
    [CmykProfile::Fogra39, CmykProfile::UsWebCoatedSwop].map(found).into()
}

fn data_folder(folder: &Path) -> Finding {
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let created = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"probe"));
    match created.and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => ok(format!("data: {} is writable (TENTER_DATA_DIR)", folder.display())),
        Err(error) => fail(format!(
            "data: {} is not writable: {error}; set TENTER_DATA_DIR to a folder that this user may write",
            folder.display()
        )),
    }
}

/// Minimum length of a key in characters; shorter ones can be guessed over the network in time.
const MIN_KEY_LENGTH: usize = 16;

fn settings_findings(loaded: &Loaded) -> Vec<Finding> {
    let settings = &loaded.settings;
    let server = &settings.server;
    let mut findings = Vec::new();
    if let Err(errors) = loaded.check_exposure() {
        findings.push(fail(format!("settings: {errors}")));
    } else if server.keys.is_empty() {
        findings.push(ok("settings: TENTER_KEYS is not set; only this machine can call the service"));
    }
    for key in server.keys.iter().filter(|it| it.secret.len() < MIN_KEY_LENGTH) {
        findings.push(note(format!(
            "settings: key {} has fewer than {MIN_KEY_LENGTH} characters (TENTER_KEYS); create one with \
             `openssl rand -hex 24`",
            key.name
        )));
    }
    if server.public_url.is_none() && !server.listen.ip().is_loopback() {
        findings.push(note(
            "settings: links to results start with http:// and the Host header of the call; behind a TLS proxy, set \
             TENTER_PUBLIC_URL",
        ));
    }
    if server.stop_grace < settings.render.deadline {
        findings.push(note(
            "settings: TENTER_STOP_GRACE is shorter than TENTER_DEADLINE; a stop may cancel requests that \
             would have finished",
        ));
    }
    if !settings.assets.allow_addresses.is_empty() {
        findings.push(note(format!(
            "settings: designs may fetch from {} (TENTER_ALLOW_ADDRESSES); keep this list as short as possible",
            settings.assets.allow_addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )));
    }
    for variable in &loaded.unknown_variables {
        findings
            .push(note(format!("settings: {variable} is set, but there is no such setting; see `tenter settings`")));
    }
    findings
}
