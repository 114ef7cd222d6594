//! Decompression bombs: bodies, images, SVG and fonts that are small but expand to a large size.

use std::io::Write;

use axum::http::StatusCode;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::json;

use super::program::{MIB, serve};
use super::*;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const ELEMENT: &str = "design.pages[0].children[0]";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("written")
}

pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("written")
}

/// PNG chunk with a correct checksum.
pub(super) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &crc.sum().to_be_bytes()].concat()
}

/// PNG of 1 × 1 px of RGBA, with the chunks `before` its pixels and with `pixels` as the uncompressed pixel data.
fn small_png_with(before: &[u8], pixels: &[u8]) -> Vec<u8> {
    let header = chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 6, 0, 0, 0]);
    [b"\x89PNG\r\n\x1a\n", &header[..], before, &chunk(b"IDAT", &zlib(pixels)), &chunk(b"IEND", b"")].concat()
}

#[tokio::test]
async fn compressed_bodies_are_refused_unread() {
    let service = service(&[]);
    let bomb = gzip(&vec![b' '; 200 * MIB]);
    for encoding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        let request = axum::http::Request::post("/api/render")
            .header("content-type", "application/json")
            .header("content-encoding", encoding);
        let answer = service.call(request.body(bomb.clone().into()).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
        assert!(answer.error().contains("content-encoding"), "{}", answer.error());
    }
    // Compressed, but without `content-encoding`.
    let request = axum::http::Request::post("/api/render").header("content-type", "application/json");
    let answer = service.call(request.body(bomb.into()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("not JSON"), "{}", answer.error());
}

#[tokio::test]
async fn compressed_svg_is_not_decompressed() {
    let service = service(&[]);
    let svg = format!("<svg xmlns='http://www.w3.org/2000/svg'>{}</svg>", " ".repeat(50 * MIB));
    let answer = service.element(image(&data_url("image/svg+xml", &gzip(svg.as_bytes())))).await;
    assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id i", "not a supported image"]);
}

#[test]
fn image_bombs_take_little_memory() {
    let service = serve(&[]);
    let before = service.peak();
    let zeros = vec![0; 300 * MIB];
    let profile = chunk(b"iCCP", &[b"x\0\0", &zlib(&zeros)[..]].concat());
    let text = chunk(b"zTXt", &[b"x\0\0", &zlib(&zeros)[..]].concat());
    for (case, bytes) in [
        ("more rows than the header says", small_png_with(b"", &zeros)),
        ("a colour profile", small_png_with(&profile, &[0; 5])),
        ("a text", small_png_with(&text, &[0; 5])),
    ] {
        let (status, answer) =
            service.call(call(json!([image(&data_url("image/png", &bytes))])).to_string().as_bytes());
        assert!(matches!(status, 200 | 422), "{case}: {answer:.300}");
    }
    assert!(service.peak() < before + 100 * MIB, "{} MiB", service.peak() / MIB);
}

#[tokio::test]
async fn gif_of_ten_thousand_frames_is_one_picture() {
    let frame = b"\x21\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0";
    let mut gif = b"GIF89a\x01\0\x01\0\x80\0\0\xff\0\0\0\0\xff".to_vec();
    gif.extend(frame.repeat(10_000));
    gif.push(b';');
    let service = service(&[]);
    assert_drawn(&service.element(image(&data_url("image/gif", &gif))).await, "frames");
}

#[tokio::test]
async fn bitmaps_with_impossible_depths_are_refused() {
    let service = service(&[]);
    for depth in [0_u16, 3, 40, 64, 255, 65_535] {
        let mut bytes = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x02\0\0\0\x01\0".to_vec();
        bytes.extend(depth.to_le_bytes());
        bytes.extend([0; 40]);
        let answer = service.element(image(&data_url("image/bmp", &bytes))).await;
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id i", "BMP"]);
    }
}

#[test]
fn font_bombs_take_little_memory() {
    let service = serve(&[]);
    let before = service.peak();
    let table = |promised: u32| {
        [&b"glyf"[..], &64_u32.to_be_bytes(), &10_u32.to_be_bytes(), &promised.to_be_bytes(), &[0; 4]].concat()
    };
    let woff = [
        &b"wOFF\0\x01\0\0"[..],
        &[0, 0, 1, 0, 0, 1, 0, 0],
        &u32::MAX.to_be_bytes(),
        &[0; 24],
        &table(u32::MAX),
        &zlib(&vec![0; MIB]),
    ];
    let woff2 = [
        &b"wOF2\0\x01\0\0"[..],
        &[0, 0, 1, 0, 0, 1, 0, 0],
        &u32::MAX.to_be_bytes(),
        &64_u32.to_be_bytes(),
        &[0; 24],
        // A transformed `glyf` table with lengths near 4 GB.
        &[10, 0x8f, 0xff, 0xff, 0xff, 0x7f, 0x8f, 0xff, 0xff, 0xff, 0x7f],
        &[0; 64],
    ];
    for bytes in [woff.concat(), woff2.concat()] {
        let mut request = call(json!([with(&text("a"), &json!({"fontFamily": "Own"}))]));
        request["design"]["fonts"] = json!([{"fontFamily": "Own", "url": data_url("font/woff2", &bytes)}]);
        let (status, answer) = service.call(request.to_string().as_bytes());
        assert_eq!(status, 422, "{answer:.300}");
    }
    assert!(service.peak() < before + 100 * MIB, "{} MiB", service.peak() / MIB);
}

#[test]
fn data_urls_of_a_hundred_megabytes_are_413() {
    let service = serve(&[]);
    let before = service.peak();
    let body = call(json!([image(&format!("data:image/png;base64,{}", "A".repeat(100 * MIB)))])).to_string();
    let (status, answer) = service.call(body.as_bytes());
    assert_eq!(status, 413, "{answer:.300}");
    assert!(service.peak() < before + 20 * MIB, "{} MiB", service.peak() / MIB);
}

#[tokio::test]
async fn data_urls_larger_than_an_asset_may_be_are_refused() {
    let service = service(&[("TENTER_ASSET_MAX_BYTES", "1 KiB")]);
    let answer = service.element(image(&data_url("image/png", &[7; 2000]))).await;
    assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["TENTER_ASSET_MAX_BYTES"]);
}
