//! `tenter doctor`: one line a finding, and what to do about it.

use std::path::Path;

use super::flags::SettingFlags;
use super::{Failure, load};
use crate::config::{Loaded, Settings};
use crate::options::CmykProfile;
use crate::print::Profiles;
use crate::report::counted;
use crate::text::{FamilySource, FontLibrary};

#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    settings: SettingFlags,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Ok,
    Note,
    Fail,
}

/// One line.
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
    let loaded = load(&arguments.settings)?;
    let settings = &loaded.settings;
    let mut findings = vec![cpu(settings)];
    findings.extend(gpus(settings));
    findings.push(fonts(settings));
    findings.extend(presses(settings));
    findings.push(data_folder(&settings.files.data_dir));
    findings.extend(attention(&loaded));
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
        if features.is_empty() { "no vector units known".to_owned() } else { features.join(" ") }
    );
    if settings.render.threads > cores {
        return note(format!("{text}: more threads than cores only take turns; lower TENTER_THREADS to {cores}"));
    }
    if wide {
        ok(text)
    } else {
        note(format!("{text}: painting is slower without wide vector units; use a newer CPU type"))
    }
}

/// Whether the painter's fast paths can run, and what there is of vector units.
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
    use crate::paint::gpu::{adapters, choose};

    let found = adapters();
    let choice = settings.render.rasterizer;
    if found.is_empty() {
        let text = "GPU: none seen (no Vulkan driver, or no loader such as libvulkan1)";
        return vec![match choice {
            RasterizerChoice::Gpu => fail(format!("{text}, and TENTER_RASTERIZER is gpu: install them, or set auto")),
            _ => ok(format!("{text}; pages are painted on the CPU")),
        }];
    }
    if choice == RasterizerChoice::Cpu {
        let seen = found.iter().map(|it| ok(format!("GPU: {it}; not used, TENTER_RASTERIZER is cpu")));
        return seen.collect();
    }
    let chosen = choose(found, &settings.gpu, choice == RasterizerChoice::Gpu);
    let mut findings: Vec<_> =
        chosen.used.iter().enumerate().map(|(at, it)| ok(format!("GPU: {it}; paints as gpu{at}"))).collect();
    findings.extend(chosen.refused.iter().map(|it| note(format!("GPU: not used: {it}"))));
    if chosen.used.is_empty() && choice == RasterizerChoice::Gpu {
        findings.push(fail("GPU: none can be used, and TENTER_RASTERIZER is gpu"));
    }
    findings
}

#[cfg(not(feature = "gpu"))]
fn gpus(_: &Settings) -> Vec<Finding> {
    vec![ok("GPU: not looked for; this program was built without the feature `gpu`")]
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
            "fonts: {bundled} families bundled; designs that name others must bring them, or set TENTER_FONT_DIR or \
             TENTER_GOOGLE_FONTS_URL"
        )),
    }
}

/// What CMYK and PDF/X need.
fn presses(settings: &Settings) -> Vec<Finding> {
    if settings.icc.directory.is_none() {
        return vec![ok("print: no TENTER_ICC_DIR; CMYK and PDF/X are refused")];
    }
    let profiles = Profiles::new(&settings.icc);
    let found = |profile| match profiles.output_profile(profile) {
        Ok(press) => ok(format!("print: {} has its ICC profile", press.output_condition().name)),
        Err(error) => note(format!("print: {error}")),
    };
    [CmykProfile::Fogra39, CmykProfile::UsWebCoatedSwop].map(found).into()
}

fn data_folder(folder: &Path) -> Finding {
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let made = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"probe"));
    match made.and_then(|()| std::fs::remove_file(&probe)) {
        Ok(()) => ok(format!("data: {} can be written (TENTER_DATA_DIR)", folder.display())),
        Err(error) => fail(format!(
            "data: {} cannot be written: {error}; point TENTER_DATA_DIR to a folder this user may write",
            folder.display()
        )),
    }
}

/// Shorter keys can be guessed over the network in time.
const SHORT_KEY: usize = 16;

fn attention(loaded: &Loaded) -> Vec<Finding> {
    let settings = &loaded.settings;
    let server = &settings.server;
    let mut findings = Vec::new();
    if let Err(errors) = loaded.check_exposure() {
        findings.push(fail(format!("settings: {errors}")));
    } else if server.keys.is_empty() {
        findings.push(ok("settings: no TENTER_KEYS; only this machine can call"));
    }
    for key in server.keys.iter().filter(|it| it.secret.len() < SHORT_KEY) {
        findings.push(note(format!(
            "settings: key {} has fewer than {SHORT_KEY} characters (TENTER_KEYS); make one with `openssl rand -hex 24`",
            key.name
        )));
    }
    if server.public_url.is_none() && !server.listen.ip().is_loopback() {
        findings.push(note(
            "settings: links start with http:// and the caller's Host header; behind TLS set TENTER_PUBLIC_URL",
        ));
    }
    if server.stop_grace < settings.render.deadline {
        findings.push(note(
            "settings: TENTER_STOP_GRACE is shorter than TENTER_DEADLINE; a stop may cut requests that would have finished",
        ));
    }
    if !settings.assets.allow_addresses.is_empty() {
        findings.push(note(format!(
            "settings: designs may fetch from {} (TENTER_ALLOW_ADDRESSES); keep this as narrow as you can",
            settings.assets.allow_addresses.join(", ")
        )));
    }
    for variable in &loaded.unknown_variables {
        findings
            .push(note(format!("settings: {variable} is set, but no setting has this name; see `tenter settings`")));
    }
    findings
}
