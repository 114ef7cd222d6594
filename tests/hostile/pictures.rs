//! Hostile picture files of every format that is read: headers that promise too much, data that does not end, and
//! structures that refer to themselves.

use std::io::Write as _;

use axum::http::StatusCode;
use serde_json::json;

use super::bombs::{chunk, zlib};
use super::program::{MIB, serve};
use super::*;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const ELEMENT: &str = "design.pages[0].children[0]";

fn be32(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

/// A PNG file: a header for a grey picture of this size and depth, and these chunks.
fn grey_png(width: u32, height: u32, interlaced: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let header = [&be32(width)[..], &be32(height), &[8, 0, 0, 0, interlaced]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunks.concat(), chunk(b"IEND", b"")].concat()
}

fn idat(pixels: &[u8]) -> Vec<u8> {
    chunk(b"IDAT", &zlib(pixels))
}

/// A segment of a JPEG file with its length.
fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat()
}

fn jpeg(width: u16, height: u16, progressive: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, 60);
    encoder.set_progressive(progressive);
    let pixels = vec![128; usize::from(width) * usize::from(height)];
    encoder.encode(&pixels, width, height, jpeg_encoder::ColorType::Luma).expect("encoded");
    out
}

/// `file` with the height and width of its frame replaced.
fn resized(file: &[u8], frame: u8, width: u16, height: u16) -> Vec<u8> {
    let at = file.windows(2).position(|bytes| bytes == [0xff, frame]).expect("a frame");
    let mut file = file.to_vec();
    file[at + 5..at + 9].copy_from_slice(&[height.to_be_bytes(), width.to_be_bytes()].concat());
    file
}

fn webp(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend([&name[..], &(data.len() as u32).to_le_bytes(), data].concat());
        body.extend(vec![0; data.len() % 2]);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// A BMP file with a header of 40 bytes, and these pixels.
fn bmp(width: i32, height: i32, depth: u16, compression: u32, pixels: &[u8]) -> Vec<u8> {
    let header = [
        &40_u32.to_le_bytes()[..],
        &width.to_le_bytes(),
        &height.to_le_bytes(),
        &1_u16.to_le_bytes(),
        &depth.to_le_bytes(),
        &compression.to_le_bytes(),
        &[0; 20],
    ];
    let file = [&b"BM"[..], &u32::MAX.to_le_bytes(), &[0; 4], &1078_u32.to_le_bytes(), &header.concat(), &[0; 1024]];
    [&file.concat(), pixels].concat()
}

/// An ICO file whose entries all show the same data.
fn ico(entries: u16, data: &[u8]) -> Vec<u8> {
    let offset = 6 + 16 * u32::from(entries);
    let entry = [&[9, 9, 0, 0, 1, 0, 32, 0][..], &(data.len() as u32).to_le_bytes(), &offset.to_le_bytes()].concat();
    [&[0, 0, 1, 0][..], &entries.to_le_bytes(), &entry.repeat(usize::from(entries)), data].concat()
}

/// A box of an AVIF file.
fn avif_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&be32(content.len() as u32 + 8)[..], kind, content].concat()
}

/// An AVIF file whose primary picture is a grid of `rows` x `columns` tiles that share one item.
fn avif_grid(rows: u8, columns: u8, side: u32) -> Vec<u8> {
    let full = |kind, content: &[u8]| avif_box(kind, &[&[0; 4][..], content].concat());
    let infe = |id: u16, kind: &[u8; 4]| {
        avif_box(b"infe", &[&[2, 0, 0, 0][..], &id.to_be_bytes(), &[0, 0], kind, &[0]].concat())
    };
    let tiles = (u16::from(rows) + 1) * (u16::from(columns) + 1);
    let grid = [&[0, 1, rows, columns][..], &be32(side), &be32(side)].concat();
    let references = [&1_u16.to_be_bytes()[..], &tiles.to_be_bytes(), &[0, 2].repeat(usize::from(tiles))].concat();
    // Both items are in `idat`, with offsets and lengths of four bytes.
    let location =
        |id: u16, at: u32, length: u32| [&id.to_be_bytes()[..], &[0, 1, 0, 0, 0, 1], &be32(at), &be32(length)].concat();
    let iloc = [&[1, 0, 0, 0, 0x44, 0, 0, 2][..], &location(1, 0, 12), &location(2, 12, 64)].concat();
    let meta = [
        full(b"pitm", &[0, 1]),
        full(b"iinf", &[&[0, 2][..], &infe(1, b"grid"), &infe(2, b"av01")].concat()),
        avif_box(b"iloc", &iloc),
        full(b"iref", &avif_box(b"dimg", &references)),
        avif_box(
            b"iprp",
            &[
                avif_box(b"ipco", &full(b"ispe", &[be32(side), be32(side)].concat())),
                full(b"ipma", &[&be32(2)[..], &[0, 1, 1, 1, 0, 2, 1, 1]].concat()),
            ]
            .concat(),
        ),
        avif_box(b"idat", &[grid, vec![0x12; 64]].concat()),
    ];
    [avif_box(b"ftyp", b"avif\0\0\0\0avifmif1"), full(b"meta", &meta.concat())].concat()
}

/// Files that are refused, with a word of the reason.
fn refused() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let limit = "TENTER_ASSET_MAX_MEGAPIXELS";
    let small = jpeg(64, 64, false);
    let progressive = jpeg(2048, 2048, true);
    let scan = progressive.windows(2).position(|bytes| bytes == [0xff, 0xda]).expect("a scan");
    let scans = [&progressive[..scan], &progressive[scan..progressive.len() - 2].repeat(200), &[0xff, 0xd9]].concat();
    let vp8x = |side: u32| {
        let side = (side - 1).to_le_bytes();
        [&[0, 0, 0, 0][..], &side[..3], &side[..3]].concat()
    };
    let vp8l = [0x2f, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0];
    vec![
        ("png of 50 000 px", grey_png(50_000, 50_000, 0, &[idat(&[0; 99])]), limit),
        ("png without a width", grey_png(0, 9, 0, &[idat(&[0; 99])]), "PNG"),
        ("png without pixels", grey_png(9, 9, 0, &[]), "PNG"),
        ("png with a broken checksum", grey_png(9, 9, 0, &[b"\0\0\0\x01IDATx\0\0\0\0".to_vec()]), "PNG"),
        ("png of a billion chunks", grey_png(9, 9, 0, &[b"\xff\xff\xff\xffIDAT".to_vec()]), "PNG"),
        ("interlaced png of 50 000 px", grey_png(50_000, 50_000, 1, &[idat(&[0; 99])]), limit),
        ("jpeg of 65 500 px", resized(&small, 0xc0, 65_500, 65_500), limit),
        ("jpeg without a height", resized(&small, 0xc0, 64, 0), "JPEG"),
        ("jpeg of 200 scans", scans, "megapixels in all scans"),
        ("jpeg without tables", [&[0xff, 0xd8][..], &segment(0xc0, &[8, 0, 9, 0, 9, 1, 1, 0x11, 0])].concat(), "JPEG"),
        ("jpeg of empty segments", [&[0xff, 0xd8][..], &segment(0xfe, b"").repeat(500_000)].concat(), "JPEG"),
        (
            "gif of 65 535 px",
            b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;".to_vec(),
            limit,
        ),
        (
            "gif frame far outside",
            b"GIF89a\x01\0\x01\0\0\0\0,\xff\xff\xff\xff\x01\0\x01\0\0\x02\x02\x44\x01\0;".to_vec(),
            limit,
        ),
        (
            "gif with an impossible code size",
            b"GIF89a\x09\0\x09\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x09\0\x09\0\0\xff\x02\x44\x01\0;".to_vec(),
            "GIF",
        ),
        ("gif of comments", [&b"GIF89a\x01\0\x01\0\0\0\0"[..], &b"\x21\xfe\x01x\0".repeat(200_000)].concat(), "GIF"),
        ("webp canvas of 16 384 px", webp(&[(b"VP8X", &vp8x(16_384)[..]), (b"VP8L", &vp8l[..])]), limit),
        ("lossless webp of 16 384 px", webp(&[(b"VP8L", &vp8l[..])]), "WebP"),
        ("webp of empty chunks", webp(&vec![(b"XXXX", &b""[..]); 100_000]), "WebP"),
        ("webp that ends", webp(&[(b"VP8 ", &b""[..])]), "WebP"),
        ("bmp of 60 000 px", bmp(60_000, 60_000, 1, 0, &[]), limit),
        ("bmp with the lowest height", bmp(9, i32::MIN, 24, 0, &[]), "BMP"),
        ("bmp with a negative width", bmp(-9, 9, 24, 0, &[]), "BMP"),
        ("ico without entries", ico(0, &[]), "ICO"),
        ("ico of 65 535 entries", ico(u16::MAX, b""), "ICO"),
        ("ico with a png of 50 000 px", ico(1, &grey_png(50_000, 50_000, 0, &[idat(&[0; 99])])), "ICO"),
        ("avif of 60 000 px", avif_grid(0, 0, 60_000), limit),
        ("avif of 65 280 tiles", avif_grid(255, 254, 64), "AVIF"),
        ("avif of tiles that share their data", avif_grid(31, 31, 64), "AVIF"),
        ("avif without AV1 data", avif_grid(0, 0, 64), "AVIF"),
        (
            "avif of empty boxes",
            [avif_box(b"ftyp", b"avif\0\0\0\0avif"), avif_box(b"free", b"").repeat(500_000)].concat(),
            "AVIF",
        ),
    ]
}

#[tokio::test]
async fn picture_bombs_are_refused_with_their_reason() {
    let service = service(&[("TENTER_REQUEST_MAX_BYTES", "30 MiB")]);
    for (case, file, word) in refused() {
        let answer = service.element(image(&data_url("image/png", &file))).await;
        assert_eq!(answer.status, UNPROCESSABLE, "{case}: {:.300}", String::from_utf8_lossy(&answer.body));
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id i"]);
        // Some decoders refuse such a header themselves, before its size is checked.
        let error = answer.error();
        assert!(error.contains(word) || error.contains("image is damaged"), "{case}: {word:?} is not in {error:.400}");
    }
}

/// Files with little to show, which browsers show nevertheless.
#[tokio::test]
async fn odd_pictures_are_drawn() {
    let small = jpeg(64, 64, false);
    let comments = [&small[..2], &segment(0xfe, &[b'x'; 1000]).repeat(1000), &small[2..]].concat();
    let pieces: Vec<_> = zlib(&[[0; 10]; 9].concat()).iter().map(|byte| chunk(b"IDAT", &[*byte])).collect();
    let frames = chunk(b"acTL", &[be32(u32::MAX), be32(u32::MAX)].concat());
    let cases = [
        ("jpeg with a megabyte of comments", comments),
        ("png in chunks of one byte", grey_png(9, 9, 0, &pieces)),
        ("png of 4 294 967 295 frames", grey_png(9, 9, 0, &[frames, idat(&[[0; 10]; 9].concat())])),
        ("png with rows missing", grey_png(9, 9000, 0, &[idat(&[[0; 10]; 9].concat())])),
        ("ico in which a hundred entries share a picture", ico(100, &png(9, 9, &[200; 324]))),
    ];
    let service = service(&[]);
    for (case, file) in cases {
        assert_drawn(&service.element(image(&data_url("image/png", &file))).await, case);
    }
}

/// A PNG of `side` x `side` grey pixels, all black: about a thousandth of its pixels.
fn black_png(side: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let row = vec![0; side + 1];
    (0..side).for_each(|_| encoder.write_all(&row).expect("written"));
    let pixels = encoder.finish().expect("written");
    grey_png(side as u32, side as u32, 0, &[chunk(b"IDAT", &pixels)])
}

/// A request for `count` different pictures, shown small.
fn many(file: &[u8], count: usize) -> serde_json::Value {
    let children: Vec<_> = (0..count)
        .map(|at| {
            // Different files, because equal ones are decoded once.
            let text =
                [&file[..file.len() - 12], &chunk(b"tEXt", format!("a\0{at}").as_bytes()), &file[file.len() - 12..]];
            let mut element = image(&data_url("image/png", &text.concat()));
            element["id"] = json!(format!("i{at}"));
            element
        })
        .collect();
    call(json!(children))
}

#[test]
fn pictures_of_a_request_share_a_limit_of_memory() {
    let service = serve(&[("TENTER_REQUEST_DECODED_BYTES", "300 MiB"), ("TENTER_ASSET_CACHE_BYTES", "0")]);
    // 64 MB each.
    let request = many(&black_png(4000), 20).to_string();
    let (status, answer) = service.call(request.as_bytes());
    assert!(status == 422 && answer.contains("TENTER_REQUEST_DECODED_BYTES"), "{status} {answer:.400}");
    assert!(service.peak() < 900 * MIB, "{} MiB", service.peak() / MIB);
    let (status, answer) = service.call(many(&black_png(4000), 4).to_string().as_bytes());
    assert_eq!(status, 200, "{answer:.400}");
}

#[tokio::test]
async fn pictures_beyond_the_memory_of_all_requests_are_answered_with_503() {
    let limits = [("TENTER_DECODED_BYTES", "1 MiB"), ("TENTER_ASSET_CACHE_BYTES", "0")];
    let service = service(&limits);
    let mut element = image(&data_url("image/png", &black_png(2000)));
    for skip in [false, true] {
        element["id"] = json!("large");
        let mut request = call(json!([element]));
        request["exportOptions"] = json!({"skipImageError": skip});
        let answer = service.render(request).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{:.400}", String::from_utf8_lossy(&answer.body));
        assert!(answer.error().contains("TENTER_DECODED_BYTES"), "{}", answer.error());
        assert_eq!(answer.header("retry-after"), "10");
    }
    assert_drawn(&service.element(image(&small_png())).await, "a small picture");
}

#[tokio::test]
async fn pictures_inside_svgs_count_for_the_request() {
    let service = service(&[("TENTER_REQUEST_DECODED_BYTES", "10 MiB")]);
    let inside = data_url("image/png", &black_png(2000));
    let svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><image href='{inside}' width='9' height='9'/></svg>"
    );
    let answer =
        service.element(json!({"id": "s", "type": "svg", "src": data_url("image/svg+xml", svg.as_bytes())})).await;
    assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id s", "TENTER_REQUEST_DECODED_BYTES"]);
}
