//! Hostile files: images and fonts with wrong headers, impossible sizes and changed bytes.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::*;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const ELEMENT: &str = "design.pages[0].children[0]";

/// PNG with a header chunk for this size and no pixels.
fn header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1, 1, &[0; 4]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[tokio::test]
async fn images_that_declare_too_many_pixels_are_refused_by_their_header() {
    let service = service(&[]);
    let longest = i32::MAX as u32;
    for (width, height, word) in
        [(50_000, 50_000, "TENTER_ASSET_MAX_MEGAPIXELS"), (longest, longest, "65535 px"), (longest, 1, "65535 px")]
    {
        let answer = service.element(image(&data_url("image/png", &header(width, height)))).await;
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id i", word]);
    }
    let bmp = [
        &b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"[..],
        &[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0],
        &[1, 0, 24, 0],
        &[0; 24],
    ];
    let answer = service.element(image(&data_url("image/bmp", &bmp.concat()))).await;
    assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["TENTER_ASSET_MAX_MEGAPIXELS"]);
    let gif = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;";
    let answer = service.element(image(&data_url("image/gif", gif))).await;
    assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["TENTER_ASSET_MAX_MEGAPIXELS"]);
}

#[tokio::test]
async fn files_that_are_not_images_are_refused() {
    let service = service(&[]);
    let cut = |bytes: &[u8]| data_url("image/png", bytes);
    let whole = png(2, 2, &[7; 16]);
    let cases = [
        "data:image/png;base64,!!!!".to_owned(),
        "data:image/png;base64,AAAA".to_owned(),
        "data:".to_owned(),
        "data:,".to_owned(),
        data_url("image/png", &[0; 100_000]),
        cut(&header(0, 0)),
        cut(&header(9999, 9999)),
        cut(&whole[..20]),
        data_url(
            "image/jpeg",
            b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03",
        ),
        data_url("image/webp", b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\xff\xff\xff\xff\xff\xffVP8L\0\0\0\0"),
        data_url("image/x-icon", b"\0\0\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for src in cases {
        let answer = service.element(image(&src)).await;
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id i"]);
    }
}

#[tokio::test]
async fn images_with_any_byte_changed_cause_no_internal_error() {
    let service = service(&[]);
    let whole = png(3, 2, &[99; 24]);
    for at in 0..whole.len() {
        for value in [0, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let status = service.element(image(&data_url("image/png", &bytes))).await.status;
            assert!(matches!(status, StatusCode::OK | UNPROCESSABLE), "byte {at} = {value}: {status}");
        }
    }
}

fn in_font(src: &str) -> Value {
    let mut request = call(json!([with(&text("Hello"), &json!({"fontFamily": "Own"}))]));
    request["design"]["fonts"] = json!([{"fontFamily": "Own", "url": src}]);
    request
}

fn bundled(name: &str) -> Vec<u8> {
    let path = format!("{}/assets/fonts/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[tokio::test]
async fn files_that_are_not_fonts_are_refused_or_replaced() {
    let service = service(&[]);
    let (ttf, woff2) = (bundled("Roboto-Regular.ttf"), bundled("LiberationSans-Regular.woff2"));
    let cases: [&[u8]; 9] = [
        &b"garbage".repeat(1000),
        b"",
        &ttf[..12],
        &ttf[..5000],
        &woff2[..2000],
        b"wOF2\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"wOFF\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"ttcf\0\x01\0\0\xff\xff\xff\xff\0\0\0\0",
        b"\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for bytes in cases {
        let mut request = in_font(&data_url("font/ttf", bytes));
        let answer = service.render(request.clone()).await;
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["font \"Own\"", "skipFontError"]);
        request["exportOptions"] = json!({"skipFontError": true});
        let answer = service.render(request).await;
        assert_drawn(&answer, "replaced");
        assert_eq!(answer.header("x-tenter-warnings"), "1");
    }
}

#[tokio::test]
async fn fonts_with_changed_bytes_cause_no_internal_error() {
    let service = service(&[]);
    let whole = bundled("Roboto-Regular.ttf");
    // Every position in the table directory, and about 200 positions spread over the tables.
    let places = (0..300).chain((300..whole.len()).step_by(whole.len() / 200));
    for at in places {
        let mut bytes = whole.clone();
        bytes[at..(at + 4).min(whole.len())].fill(0xff);
        let status = service.render(in_font(&data_url("font/ttf", &bytes))).await.status;
        assert!(matches!(status, StatusCode::OK | UNPROCESSABLE), "byte {at}: {status}");
    }
}
