//! CMYK conversion, PDF/X-4, PDF/X-1a and CMYK JPEG.

use std::path::Path;

use axum::http::StatusCode;
use serde_json::{Value, json};
use tenter::config::{Given, Settings};
use tenter::options::CmykProfile;
use tenter::print::Profiles;

use crate::calls::{call, card, document, print_service, refusal};
use crate::service::service;
use crate::structure::Objects;
use crate::tools;

#[test]
fn cmyk_white_has_no_ink_and_black_is_dark() {
    let Some(service) = print_service() else { return };
    let profile = Profiles::new(&service.settings.icc).output_profile(CmykProfile::UsWebCoatedSwop).expect("a profile");
    assert_eq!(profile.pixels(&[255, 255, 255]), [0, 0, 0, 0]);
    assert_eq!(profile.color([1.0; 3]), [0.0; 4]);
    assert!(profile.color([0.0; 3])[3] > 0.8, "{:?}", profile.color([0.0; 3]));
    let [cyan, magenta, yellow, _] = profile.color([1.0, 0.0, 0.0]);
    assert!(cyan < 0.1 && magenta > 0.85 && yellow > 0.85, "red is magenta and yellow");
    for (one, many) in profile.pixels(&[128; 3]).iter().zip(profile.color([128.0 / 255.0; 3])) {
        assert!((f32::from(*one) / 255.0 - many).abs() < 0.02, "pixels and colours agree");
    }
}

/// Dark greys keep different values. Without black point compensation, all greys darker than the profile's black are
/// equal.
#[test]
fn cmyk_uses_black_point_compensation() {
    let Some(service) = print_service() else { return };
    let profile = Profiles::new(&service.settings.icc).output_profile(CmykProfile::UsWebCoatedSwop).expect("a profile");
    let ink = |grey: f32| profile.color([grey / 255.0; 3]).iter().sum::<f32>();
    let dark: Vec<_> = [0.0, 12.0, 24.0, 36.0].map(ink).into();
    assert!(dark.windows(2).all(|pair| pair[0] > pair[1] + 0.01), "{dark:?}");
}

const PRINT: &str = "the card with bleed, marks and PDF/X-4";

fn print_options(extra: Value) -> Value {
    let mut options = json!({"includeBleed": true, "cropMarkSize": 20, "reproducible": true});
    options.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    options
}

#[tokio::test]
async fn x4_is_cmyk_only_and_names_the_output_condition() {
    let Some(service) = print_service() else { return };
    for (vector, name) in [(false, "x4-raster"), (true, "x4-vector")] {
        let options = print_options(json!({"pdfx": "x-4", "vector": vector}));
        let file = document(&service, &card(), options, name).await;
        let Some(objects) = Objects::of(&file) else { return };
        assert_eq!(objects.version(), "1.6", "{PRINT}");
        objects.assert_meets_pdfx("FOGRA39");
        let xmp = String::from_utf8(objects.data(&objects.catalog()["/Metadata"])).expect("text");
        assert!(xmp.contains("<pdfxid:GTS_PDFXVersion>PDF/X-4<"), "{xmp}");
        let boxes = objects.boxes();
        assert_eq!((&boxes[0].media, &boxes[0].trim), (&vec![0.0, 0.0, 480.0, 380.0], &vec![40.0, 40.0, 440.0, 340.0]));
        assert!(objects.operators().contains(&"SCN".into()), "marks are in the registration colour");
    }
}

#[tokio::test]
async fn x1a_has_no_transparency_and_keeps_opaque_pages_as_vectors() {
    let Some(service) = print_service() else { return };
    let mut design = card();
    let mut plain = design["pages"][0].clone();
    plain["id"] = json!("plain");
    plain["children"].as_array_mut().expect("children").remove(1);
    design["pages"].as_array_mut().expect("pages").push(plain);
    let profile = json!({"profile": "USWebCoatedSWOP"});
    let options = print_options(json!({"pdfx1a": true, "vector": true, "color": profile}));
    let answer = call(&service, &design, options.clone()).await;
    assert_eq!(answer.header("x-tenter-warnings"), "1", "one page became an image");
    let file = document(&service, &design, options, "x1a").await;
    let Some(objects) = Objects::of(&file) else { return };
    assert_eq!(objects.version(), "1.4");
    assert_eq!(objects.info()["/GTS_PDFXVersion"], "u:PDF/X-1a:2003");
    objects.assert_meets_pdfx("CGATS TR 001");
    objects.assert_opaque();
    let list = tools::text("pdfimages", "poppler-utils", &["-list"], &file).expect("poppler beside qpdf");
    assert!(list.lines().nth(2).is_some_and(|it| it.contains(" cmyk ") && it.contains(" 300 ")), "{list}");
    let fonts = tools::text("pdffonts", "poppler-utils", &[], &file).expect("as before");
    assert!(fonts.contains("Roboto"), "the opaque page has text: {fonts}");
}

#[tokio::test]
async fn black_text_is_black_ink_unless_the_profile_decides() {
    let Some(service) = print_service() else { return };
    let mut design = card();
    design["pages"][0]["children"].as_array_mut().expect("children").truncate(1);
    for (black_text, name, alone) in [("k", "black-k", true), ("profile", "black-profile", false)] {
        let color = json!({"space": "CMYK", "blackText": black_text});
        let file = document(&service, &design, json!({"vector": true, "color": color}), name).await;
        let Some(objects) = Objects::of(&file) else { return };
        objects.assert_no_rgb();
        let content = String::from_utf8_lossy(&objects.data(&objects.pages()[0]["/Contents"])).into_owned();
        assert_eq!(content.contains("0 0 0 1 k"), alone, "{content}");
    }
}

#[tokio::test]
async fn cmyk_jpeg_embeds_its_profile() {
    let Some(service) = print_service() else { return };
    let options = json!({"color": {"space": "CMYK", "profile": "USWebCoatedSWOP"}});
    let body = json!({"design": card(), "format": "jpeg", "outputFormat": "file", "exportOptions": options});
    let answer = service.render(body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let find = |what: &[u8]| answer.body.windows(what.len()).position(|it| it == what);
    let adobe = find(b"Adobe").expect("Adobe's marker");
    assert_eq!(answer.body[adobe + 11], 2, "YCCK");
    assert!(find(b"ICC_PROFILE").is_some());
    // A decoder must show the background as light, as in RGB.
    let decoded = image::load_from_memory(&answer.body).expect("a JPEG").to_rgb8();
    let corner = decoded.get_pixel(390, 10).0;
    assert!(corner.iter().all(|it| *it > 200), "{corner:?}");
}

#[tokio::test]
async fn files_that_are_not_icc_profiles_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("CoatedFOGRA39.icc"), b"this is a text").expect("written");
    let service = service(&[("TENTER_ICC_DIR", folder.path().to_str().expect("text"))]);
    let (status, error) = refusal(&service, &card(), json!({"pdfx": "x-4"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let expected = "exportOptions.color.profile: the ICC profile for FOGRA39, ";
    assert!(error.starts_with(expected) && error.contains("is not an ICC profile"), "{error}");
    let names = [("TENTER_ICC_FOGRA39".to_owned(), "../secret.icc".to_owned())];
    let given = Given { environment: names.into_iter().collect(), ..Given::default() };
    assert!(Settings::load(&given).is_err(), "profile names must not leave the folder");
}

/// Checks the business card of the reference corpus; skipped when the corpus does not exist.
#[tokio::test]
async fn business_card_meets_the_print_standards() {
    let design = Path::new("../shared/corpus/templates/business-card-bleed/design.json");
    let (Ok(design), Some(service)) = (std::fs::read(design), print_service()) else { return };
    let design = serde_json::from_slice(&design).expect("JSON");
    for vector in [false, true] {
        let options = print_options(json!({"pdfx": "x-4", "vector": vector}));
        let file = document(&service, &design, options, &format!("business-card-{vector}")).await;
        let Some(objects) = Objects::of(&file) else { return };
        objects.assert_meets_pdfx("FOGRA39");
    }
}

#[tokio::test]
async fn colours_given_as_inks_keep_them_on_vector_pages() {
    let Some(service) = print_service() else { return };
    let element = |more: Value| {
        let mut base = json!({"type": "figure", "x": 20, "y": 20, "width": 100, "height": 100, "strokeWidth": 4});
        base.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        base
    };
    let design = json!({"width": 200, "height": 200, "pages": [{"background": "device-cmyk(0% 0% 10% 0%)", "children": [
        element(json!({"fill": "device-cmyk(0 0.5 1 0)", "stroke": "device-cmyk(60% 40% 40% 100%)"})),
        {"type": "text", "text": "<p>H<span style=\"color: device-cmyk(1 0 0 0.25)\">H</span></p>", "fontSize": 40, "width": 150,
            "fill": "device-cmyk(0 0 0 1)"},
    ]}]});
    let options = json!({"vector": true, "color": {"space": "CMYK", "blackText": "profile"}});
    let answer = call(&service, &design, options.clone()).await;
    assert_eq!(answer.header("x-tenter-warnings"), "0", "the profile shows the colours");
    let file = document(&service, &design, options, "inks").await;
    let Some(objects) = Objects::of(&file) else { return };
    objects.assert_no_rgb();
    let content = String::from_utf8_lossy(&objects.data(&objects.pages()[0]["/Contents"])).into_owned();
    for inks in ["0 0 0.1 0 k", "0 0.5 1 0 k", "0.6 0.4 0.4 1 K", "1 0 0 0.25 k", "0 0 0 1 k"] {
        assert!(content.contains(inks), "{inks} is not in {content}");
    }
    let screen = Profiles::new(&service.settings.icc).output_profile(CmykProfile::Fogra39).expect("a profile");
    let [red, green, blue] = screen.screen_color([0.0, 1.0, 1.0, 0.0]);
    assert!(red > 0.7 && green < 0.35 && blue < 0.35, "magenta and yellow are red: {red} {green} {blue}");
    assert!(screen.screen_color([0.0; 4]).iter().all(|it| *it > 0.99));
}

#[tokio::test]
async fn colours_given_as_inks_follow_the_naive_formula_without_a_profile() {
    let service = service(&[]);
    let design = json!({"width": 4, "height": 4, "pages": [{"background": "device-cmyk(0 50% 100% 0)"}]});
    let answer = service.render(json!({"design": design, "outputFormat": "file"})).await;
    let pixel = image::load_from_memory(&answer.body).expect("a PNG").to_rgb8().get_pixel(2, 2).0;
    assert_eq!((pixel, answer.header("x-tenter-warnings")), ([255, 128, 0], "1"));
}

#[tokio::test]
async fn cmyk_is_refused_for_formats_that_cannot_hold_it() {
    let service = service(&[]);
    for format in ["png", "webp"] {
        let options = json!({"color": {"space": "CMYK"}});
        let answer = service.render(json!({"design": card(), "format": format, "exportOptions": options})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let expected = "exportOptions.color.space: found \"CMYK\", which ";
        assert!(answer.error().starts_with(expected) && answer.error().contains(format), "{}", answer.error());
    }
}
