use super::*;

// Conversions through a real profile are tested in tests/pdf/print.rs, which needs the profile installed.

fn settings(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Profiles) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("written");
    }
    let settings = IccSettings { directory: Some(folder.path().to_owned()), ..IccSettings::default() };
    (folder, Profiles::new(&settings))
}

fn profile_error(profiles: &Profiles) -> String {
    profiles.output_profile(CmykProfile::Fogra39).expect_err("no profile").to_string()
}

#[test]
fn profile_without_folder_names_the_setting() {
    let message = profile_error(&Profiles::new(&IccSettings::default()));
    assert!(message.contains("FOGRA39") && message.contains("TENTER_ICC_DIR"), "{message}");
}

#[test]
fn profile_missing_or_broken_names_the_accepted_files() {
    let (_folder, profiles) = settings(&[]);
    let message = profile_error(&profiles);
    assert!(message.contains("ISOcoated_v2_eci.icc") && message.contains("TENTER_ICC_FOGRA39"), "{message}");
    let (_folder, profiles) = settings(&[("CoatedFOGRA39.icc", b"hello, this is no profile".as_slice())]);
    let message = profile_error(&profiles);
    assert!(message.contains("CoatedFOGRA39.icc") && message.contains("is not an ICC profile"), "{message}");
    let screen = moxcms::ColorProfile::new_srgb().encode().expect("a profile");
    let (_folder, profiles) = settings(&[("CoatedFOGRA39.icc", &screen)]);
    assert!(profile_error(&profiles).contains("is a profile for Rgb"), "{}", profile_error(&profiles));
}

#[test]
fn srgb_encoding_and_decoding_are_inverse() {
    for level in [0.0, 0.02, 0.040_45, 0.5, 1.0] {
        assert!((encoded(linear(level)) - level).abs() < 1e-5, "{level}");
    }
}
