//! Small pictures made here, read back and checked by value; then everything a hostile file may try.

use std::path::Path;

use image::DynamicImage;

use super::*;
use crate::assets::image_file::{self, ImageFile};
use crate::assets::memory::MemoryError;
use crate::sfnt::SfntError;

fn decode(bytes: &[u8], limits: &AssetLimits) -> Result<ImageFile, DecodeError> {
    image_file::decode(bytes, limits, &PictureMemory::default())
}

fn limits() -> AssetLimits {
    AssetLimits::default()
}

fn picture(bytes: &[u8]) -> DecodedImage {
    match decode(bytes, &limits()) {
        Ok(ImageFile::Picture(picture)) => picture,
        other => panic!("not a picture: {other:?}"),
    }
}

fn pixel(picture: &DecodedImage, x: u32, y: u32) -> [u8; 4] {
    let at = (y * picture.width + x) as usize * 4;
    picture.pixels.data()[at..at + 4].try_into().expect("four bytes")
}

fn message(bytes: &[u8]) -> String {
    decode(bytes, &limits()).expect_err("refused").to_string()
}

/// A PNG file with these samples.
fn png_file(width: u32, height: u32, color: ::png::ColorType, depth: ::png::BitDepth, data: &[u8]) -> Vec<u8> {
    png_with(width, height, color, depth, data, |_| {})
}

fn png_with(
    width: u32,
    height: u32,
    color: ::png::ColorType,
    depth: ::png::BitDepth,
    data: &[u8],
    change: impl FnOnce(&mut ::png::Info<'_>),
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut info = ::png::Info::with_size(width, height);
    (info.color_type, info.bit_depth) = (color, depth);
    change(&mut info);
    let encoder = ::png::Encoder::with_info(&mut out, info).expect("valid");
    let mut writer = encoder.write_header().expect("header");
    writer.write_image_data(data).expect("data");
    writer.finish().expect("end");
    out
}

/// Inserts a chunk with its checksum after the header.
fn with_chunk(png: &[u8], name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = (data.len() as u32).to_be_bytes().to_vec();
    chunk.extend_from_slice(name);
    chunk.extend_from_slice(data);
    chunk.extend_from_slice(&crc(&chunk[4..]).to_be_bytes());
    [&png[..33], &chunk, &png[33..]].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn jpeg_file(width: u16, height: u16, color: jpeg_encoder::ColorType, data: &[u8]) -> Vec<u8> {
    jpeg_with(width, height, color, data, |_| {})
}

fn jpeg_with(
    width: u16,
    height: u16,
    color: jpeg_encoder::ColorType,
    data: &[u8],
    change: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut out, 100);
    change(&mut encoder);
    encoder.encode(data, width, height, color).expect("valid");
    out
}

fn assert_near(found: [u8; 4], expected: [u8; 4], tolerance: u8) {
    assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= tolerance), "{found:?} is not {expected:?}");
}

#[test]
fn sniff_uses_the_bytes_only() {
    assert_eq!(sniff(b"\x89PNG\r\n\x1a\n...."), Some(ImageKind::Png));
    assert_eq!(sniff(b"\xff\xd8\xff\xe0"), Some(ImageKind::Jpeg));
    assert_eq!(sniff(b"RIFF\0\0\0\0WEBPVP8 "), Some(ImageKind::WebP));
    assert_eq!(sniff(b"GIF89a"), Some(ImageKind::Gif));
    assert_eq!(sniff(b"\0\0\0\x1cftypavif"), Some(ImageKind::Avif));
    assert_eq!(sniff(b"\xef\xbb\xbf\n <svg/>"), Some(ImageKind::Svg));
    assert_eq!(sniff(b"\xff\xfe<\0s\0"), Some(ImageKind::Svg));
    assert_eq!(sniff(b"{\"error\":1}"), None);
    assert_eq!(sniff(b""), None);
}

#[test]
fn png_palette_and_transparent_entry() {
    // Two bits per pixel: entries 0, 1, 2, 1.
    let png = png_with(4, 1, ::png::ColorType::Indexed, ::png::BitDepth::Two, &[0b0001_1001], |info| {
        info.palette = Some(vec![255, 0, 0, 0, 255, 0, 0, 0, 200].into());
        info.trns = Some(vec![255, 255, 128].into());
    });
    let picture = picture(&png);
    assert_eq!(pixel(&picture, 0, 0), [255, 0, 0, 255]);
    assert_eq!(pixel(&picture, 1, 0), [0, 255, 0, 255]);
    assert_eq!(pixel(&picture, 2, 0), [0, 0, 100, 128], "premultiplied");
    assert!(!picture.opaque);
}

#[test]
fn png_sixteen_bits_round_to_nearest() {
    let samples: Vec<u8> = [0_u16, 128, 129, 65_535].iter().flat_map(|it| it.to_be_bytes()).collect();
    let picture = picture(&png_file(4, 1, ::png::ColorType::Grayscale, ::png::BitDepth::Sixteen, &samples));
    assert_eq!([0, 1, 2, 3].map(|x| pixel(&picture, x, 0)[0]), [0, 0, 1, 255]);
    assert!(picture.opaque);
}

#[test]
fn png_grey_with_alpha_is_premultiplied() {
    let picture =
        picture(&png_file(2, 1, ::png::ColorType::GrayscaleAlpha, ::png::BitDepth::Eight, &[200, 128, 255, 0]));
    assert_eq!(pixel(&picture, 0, 0), [100, 100, 100, 128]);
    assert_eq!(pixel(&picture, 1, 0), [0, 0, 0, 0]);
}

#[test]
fn png_gamma_with_chromaticities_is_applied() {
    let png = png_file(1, 1, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &[128; 3]);
    let srgb_xy = [31_270_u32, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
    let chrm: Vec<u8> = srgb_xy.iter().flat_map(|it| it.to_be_bytes()).collect();
    let linear = with_chunk(&with_chunk(&png, b"cHRM", &chrm), b"gAMA", &100_000_u32.to_be_bytes());
    // Half of the linear light is level 188.
    assert_near(pixel(&picture(&linear), 0, 0), [188, 188, 188, 255], 1);
    let alone = with_chunk(&png, b"gAMA", &100_000_u32.to_be_bytes());
    assert_near(pixel(&picture(&alone), 0, 0), [188, 188, 188, 255], 1);
    let usual = with_chunk(&with_chunk(&png, b"cHRM", &chrm), b"gAMA", &45_455_u32.to_be_bytes());
    assert_eq!(pixel(&picture(&usual), 0, 0), [128, 128, 128, 255]);
}

#[test]
fn png_profile_is_applied_and_a_broken_one_ignored() {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().expect("profile");
    let file = |profile: Vec<u8>| {
        png_with(1, 1, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &[200, 100, 50], |info| {
            info.icc_profile = Some(profile.into());
        })
    };
    // Display P3 (200, 100, 50) is linear .680 .108 .014 by the matrices of the standards.
    assert_near(pixel(&picture(&file(p3)), 0, 0), [215, 93, 31, 255], 1);
    let srgb = moxcms::ColorProfile::new_srgb().encode().expect("profile");
    assert_eq!(pixel(&picture(&file(srgb)), 0, 0), [200, 100, 50, 255]);
    assert_eq!(pixel(&picture(&file(vec![7; 300])), 0, 0), [200, 100, 50, 255]);
}

#[test]
fn png_truncated_shows_the_rows_it_has() {
    // Noise does not compress, so that half of the data is half of the rows.
    let data: Vec<u8> = (0..64 * 64 * 3_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let png = png_file(64, 64, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &data);
    let half = picture(&png[..png.len() / 2]);
    assert_eq!(pixel(&half, 5, 2), pixel(&picture(&png), 5, 2));
    assert_eq!(pixel(&half, 5, 63), [0; 4]);
    assert!(half.truncated && !picture(&png).truncated);
    assert!(message(&png[..40]).starts_with("the PNG image is damaged"));
}

#[test]
fn jpeg_grey_and_colour() {
    let grey = picture(&jpeg_file(8, 8, jpeg_encoder::ColorType::Luma, &[90; 64]));
    assert_near(pixel(&grey, 3, 3), [90, 90, 90, 255], 1);
    let colour = picture(&jpeg_file(8, 8, jpeg_encoder::ColorType::Rgb, &[200, 30, 60].repeat(64)));
    assert_near(pixel(&colour, 3, 3), [200, 30, 60, 255], 2);
    assert!(colour.opaque && grey.opaque);
}

#[test]
fn jpeg_inks_are_inverted_as_adobe_writes_them() {
    // Half cyan without black, and 20 % black: 127 · 255 / 255 and 255 · 204 / 255.
    let inks = [127, 255, 255, 204].repeat(64);
    for color in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
        // The encoder stores the inverted values.
        let file = jpeg_file(8, 8, color, &inks.iter().map(|it| 255 - it).collect::<Vec<_>>());
        assert_near(pixel(&picture(&file), 3, 3), [101, 204, 204, 255], 3);
    }
}

#[test]
fn jpeg_profile_is_applied() {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().expect("profile");
    let file = jpeg_with(8, 8, jpeg_encoder::ColorType::Rgb, &[200, 100, 50].repeat(64), |encoder| {
        encoder.add_icc_profile(&p3).expect("fits");
    });
    assert_near(pixel(&picture(&file), 3, 3), [215, 93, 31, 255], 3);
    let gray = moxcms::ColorProfile::new_gray_with_gamma(1.0).encode().expect("profile");
    let file = jpeg_with(8, 8, jpeg_encoder::ColorType::Luma, &[128; 64], |encoder| {
        encoder.add_icc_profile(&gray).expect("fits");
    });
    assert_near(pixel(&picture(&file), 3, 3), [188, 188, 188, 255], 2);
}

/// EXIF data with an orientation only.
fn exif(orientation: u8) -> Vec<u8> {
    [b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".as_slice(), &[orientation, 0, 0], &[0; 4]].concat()
}

#[test]
fn exif_orientation_turns_the_picture_upright() {
    // A picture of 16x8 with a white left half, and the expected position of white and size.
    let row = [[255; 24], [0; 24]].concat();
    let data = row.repeat(8);
    let expected = [
        (1, 16, 8, (0, 0), (15, 0)),
        (2, 16, 8, (15, 0), (0, 0)),
        (3, 16, 8, (15, 7), (0, 0)),
        (4, 16, 8, (0, 7), (15, 7)),
        (5, 8, 16, (0, 0), (0, 15)),
        (6, 8, 16, (0, 0), (0, 15)),
        (7, 8, 16, (7, 15), (0, 0)),
        (8, 8, 16, (0, 15), (0, 0)),
    ];
    for (orientation, width, height, white, black) in expected {
        let file = jpeg_with(16, 8, jpeg_encoder::ColorType::Rgb, &data, |encoder| {
            encoder.add_app_segment(1, exif(orientation)).expect("fits");
        });
        let picture = picture(&file);
        assert_eq!((picture.width, picture.height), (width, height), "orientation {orientation}");
        assert_near(pixel(&picture, white.0, white.1), [255; 4], 2);
        assert_near(pixel(&picture, black.0, black.1), [0, 0, 0, 255], 2);
    }
}

#[test]
fn jpeg_truncated_shows_the_rows_it_has() {
    let data: Vec<u8> = (0..64 * 64 * 3_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = |sampling| {
        jpeg_with(64, 64, jpeg_encoder::ColorType::Rgb, &data, |encoder| encoder.set_sampling_factor(sampling))
    };
    // Complete rows of blocks: of 8 px, or of 16 px without the two whose chroma needs the next block.
    let factors = [jpeg_encoder::SamplingFactor::F_1_1, jpeg_encoder::SamplingFactor::F_2_2];
    for (sampling, heights) in factors.into_iter().zip([[24, 32], [14, 30]]) {
        let file = file(sampling);
        let half = picture(&file[..file.len() / 2]);
        let shown = (0..64).take_while(|y| pixel(&half, 5, *y)[3] == 255).count();
        assert!(heights.contains(&shown), "{sampling:?}: {shown} rows");
        assert_eq!(pixel(&half, 5, 2), pixel(&picture(&file), 5, 2));
        assert_eq!(pixel(&half, 5, 63), [0; 4]);
        assert!(half.truncated && !half.opaque && !picture(&file).truncated);
        // A file that lacks only its end marker is shown without its last row of blocks.
        let endless = picture(&file[..file.len() - 2]);
        assert!(endless.truncated && pixel(&endless, 5, 60)[3] == 0 && pixel(&endless, 5, 45)[3] == 255);
    }
}

#[test]
fn jpeg_channels_follow_the_markers() {
    // Three channels of 200, 100, 50, which the encoder stores unchanged; its own marker is removed.
    let file = jpeg_file(8, 8, jpeg_encoder::ColorType::Ycbcr, &[200, 100, 50].repeat(64));
    let scan = |name: &[u8], data: &[u8], marker: u8| {
        let length = (2 + name.len() + data.len()) as u16;
        [[0xff, marker].as_slice(), &length.to_be_bytes(), name, data].concat()
    };
    // Skips the start marker and the encoder's JFIF segment, which has 16 bytes.
    let tables = &file[20..];
    let jfif = &file[2..20];
    let adobe = |transform: u8| scan(b"Adobe", &[0, 100, 0, 0, 0, 0, transform], 0xee);
    let shown = |markers: &[u8]| pixel(&picture(&[[0xff, 0xd8].as_slice(), markers, tables].concat()), 3, 3);
    let (as_rgb, as_ycc) = ([200, 100, 50, 255], [91, 255, 150, 255]);
    assert_near(shown(&adobe(0)), as_rgb, 2);
    assert_near(shown(&adobe(2)), as_rgb, 2);
    assert_near(shown(&adobe(1)), as_ycc, 2);
    assert_near(shown(&[]), as_ycc, 2);
    assert_near(shown(&[adobe(0).as_slice(), jfif].concat()), as_ycc, 2);
}

#[test]
fn bmp_truncated_shows_the_rows_it_has() {
    let mut file = std::io::Cursor::new(Vec::new());
    let red = image::RgbImage::from_pixel(4, 8, image::Rgb([255, 0, 0]));
    red.write_to(&mut file, image::ImageFormat::Bmp).expect("a file");
    let file = file.into_inner();
    // Rows of 12 bytes, the bottommost first; three are missing.
    let cut = picture(&file[..file.len() - 36]);
    assert_eq!([2, 3].map(|y| pixel(&cut, 1, y)), [[0; 4], [255, 0, 0, 255]]);
    assert!(cut.truncated);
    assert!(message(&file[..30]).starts_with("the BMP image is damaged"));
}

#[test]
fn gif_shows_its_first_frame_on_its_canvas() {
    // A canvas of 3x2, a frame of one red pixel at (1, 1), and a second frame that must not be visible.
    let gif = [
        b"GIF89a\x03\0\x02\0\x80\0\0".as_slice(),
        &[255, 0, 0, 0, 0, 255],
        b",\x01\0\x01\0\x01\0\x01\0\0\x02\x02\x44\x01\0",
        b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0;",
    ]
    .concat();
    let picture = picture(&gif);
    assert_eq!((picture.width, picture.height), (3, 2));
    assert_eq!(pixel(&picture, 1, 1), [255, 0, 0, 255]);
    assert_eq!(pixel(&picture, 0, 0), [0; 4]);
}

/// An interlaced GIF of 64 × 64 px of noise; `screen` is the side of the canvas in its header.
fn interlaced_gif(screen: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let palette = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
    let mut encoder = ::gif::Encoder::new(&mut file, screen, screen, &palette).expect("a header");
    let pixels: Vec<u8> = (0..64 * 64_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 30) as u8).collect();
    let frame = ::gif::Frame { interlaced: true, ..::gif::Frame::from_indexed_pixels(64, 64, pixels, None) };
    encoder.write_frame(&frame).expect("a frame");
    drop(encoder);
    file
}

#[test]
fn gif_has_a_canvas_as_large_as_its_first_frame() {
    for (screen, expected) in [(0, 64), (63, 64), (80, 80)] {
        let picture = picture(&interlaced_gif(screen));
        assert_eq!((picture.width, picture.height), (expected, expected));
        assert_eq!(pixel(&picture, 63, 63)[3], 255);
    }
}

#[test]
fn gif_truncated_repeats_the_rows_of_its_passes() {
    let file = interlaced_gif(64);
    let (whole, cut) = (picture(&file), picture(&file[..file.len() / 3]));
    assert!(cut.truncated && !whole.truncated);
    let row = |picture: &DecodedImage, y: u32| (0..64).map(|x| pixel(picture, x, y)).collect::<Vec<_>>();
    // A third of the file contains the first pass and a part of the second.
    let source = |y: u32| [y, y & !3, y & !7].into_iter().find(|from| row(&cut, y) == row(&whole, *from));
    let sources: Vec<_> = (0..64).map(source).collect();
    assert!(sources.iter().all(Option::is_some), "{sources:?}");
    assert_eq!([0, 1, 4, 7, 60, 63].map(|y| sources[y]), [0, 0, 4, 4, 56, 56].map(Some));
}

#[test]
fn webp_and_bmp_and_ico() {
    let image = image::RgbaImage::from_pixel(4, 4, image::Rgba([200, 100, 0, 128]));
    for format in [image::ImageFormat::WebP, image::ImageFormat::Ico] {
        let mut file = std::io::Cursor::new(Vec::new());
        image.write_to(&mut file, format).expect("written");
        assert_eq!(pixel(&picture(file.get_ref()), 1, 1), [100, 50, 0, 128], "{format:?}");
    }
    let mut file = std::io::Cursor::new(Vec::new());
    DynamicImage::from(image).to_rgb8().write_to(&mut file, image::ImageFormat::Bmp).expect("written");
    assert_eq!(pixel(&picture(file.get_ref()), 1, 1), [200, 100, 0, 255]);
}

#[test]
fn svg_comes_back_as_a_document() {
    assert!(matches!(decode(b"<svg xmlns='http://www.w3.org/2000/svg'/>", &limits()), Ok(ImageFile::Svg(_))));
    let page = message(b"<!DOCTYPE html><html><body>404</body></html>");
    assert_eq!(page, "the SVG cannot be read: its root element is <html>, not <svg>");
}

#[test]
fn messages_name_the_found_and_the_accepted_formats() {
    assert_eq!(message(b""), "the file is empty");
    assert_eq!(
        message(b"{\"error\": \"gone\"}"),
        format!(
            "the file is not a supported image (it starts with \"{{\\\"error\\\": \\\"g\"); use {}",
            image_kind::supported_names()
        )
    );
    #[cfg(not(feature = "avif"))]
    assert_eq!(
        message(b"\0\0\0\x1cftypavif\0\0\0\0"),
        "AVIF is not supported; use PNG, JPEG, WebP, GIF, BMP, ICO or SVG"
    );
    let small = AssetLimits { bytes: 10, ..limits() };
    assert_eq!(
        decode(&[0; 11], &small).expect_err("refused").to_string(),
        "the file is 11 bytes; the limit is 10 (TENTER_ASSET_MAX_BYTES)"
    );
}

#[test]
fn pictures_beyond_the_memory_of_all_requests_are_not_tried() {
    let png = png_file(8, 8, ::png::ColorType::Rgba, ::png::BitDepth::Eight, &[0; 256]);
    let limits = AssetLimits { decoded_bytes: 0, cache_bytes: 0, ..limits() };
    let refused = decode(&png, &limits).expect_err("no memory");
    assert!(refused.is_exhaustion(), "{refused}");
    assert!(matches!(refused, DecodeError::Memory(MemoryError::Process { limit: 0 })), "{refused}");
}

#[test]
fn jpeg_with_many_scans_is_refused() {
    let data = [90; 1 << 20];
    let file = jpeg_with(1024, 1024, jpeg_encoder::ColorType::Luma, &data, |encoder| encoder.set_progressive(true));
    assert_eq!(picture(&file).width, 1024);
    let first = file.windows(2).position(|bytes| bytes == [0xff, 0xda]).expect("a scan");
    let (head, scans) = file[..file.len() - 2].split_at(first);
    let bomb = [head, &scans.repeat(1000), &[0xff, 0xd9]].concat();
    let message = message(&bomb);
    assert!(message.contains("scans over") && message.contains("the limit is 2000 megapixels"), "{message}");
}

#[cfg(feature = "avif")]
mod avif;

#[test]
fn bombs_are_rejected_by_their_header() {
    // 50 000 x 50 000 px would take 10 GB.
    let png = png_file(1, 1, ::png::ColorType::Rgba, ::png::BitDepth::Eight, &[0; 4]);
    let mut bomb = png.clone();
    bomb[16..24].copy_from_slice(&[50_000_u32.to_be_bytes(), 50_000_u32.to_be_bytes()].concat());
    let sum = crc(&bomb[12..29]).to_be_bytes();
    bomb[29..33].copy_from_slice(&sum);
    assert_eq!(
        message(&bomb),
        "the PNG image is 50000x50000 px, 2500.0 megapixels; the limit is 100 (TENTER_ASSET_MAX_MEGAPIXELS)"
    );
    let wide = [&bomb[..16], &200_000_u32.to_be_bytes(), &1_u32.to_be_bytes(), &bomb[24..29]].concat();
    let wide = [&wide, crc(&wide[12..29]).to_be_bytes().as_slice(), &bomb[33..]].concat();
    assert_eq!(message(&wide), "the PNG image is 200000x1 px; sides may be 1 to 65535 px");

    let gif = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02\x44\x01\0;";
    assert!(message(gif).contains("65535x65535 px"));

    let mut jpeg = jpeg_file(8, 8, jpeg_encoder::ColorType::Luma, &[0; 64]);
    let frame = jpeg.windows(2).position(|it| it == [0xff, 0xc0]).expect("a frame header");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert!(message(&jpeg).contains("65535x65535 px"), "{}", message(&jpeg));

    // A VP8X canvas of 16384 x 16384 px.
    let webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0";
    assert!(decode(webp, &limits()).is_err());
}

#[test]
fn damaged_files_never_panic() {
    let data: Vec<u8> = (0..16 * 16 * 3_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let png = png_file(16, 16, ::png::ColorType::Rgb, ::png::BitDepth::Eight, &data);
    let jpeg = jpeg_with(16, 16, jpeg_encoder::ColorType::Rgb, &data, |encoder| {
        encoder.set_progressive(true);
        encoder.add_app_segment(1, exif(6)).expect("fits");
    });
    let mut files = vec![png, jpeg];
    for format in [image::ImageFormat::WebP, image::ImageFormat::Gif, image::ImageFormat::Bmp, image::ImageFormat::Ico]
    {
        let image = image::RgbImage::from_raw(16, 16, data.clone()).expect("fits");
        let mut file = std::io::Cursor::new(Vec::new());
        DynamicImage::from(image).to_rgba8().write_to(&mut file, format).expect("written");
        files.push(file.into_inner());
    }
    // The limit is low, so that a damaged header cannot request much memory.
    let small = AssetLimits { megapixels: 0.1, ..limits() };
    for file in files {
        for at in 0..file.len() {
            for value in [0, 0x7f, 0xff, file[at] ^ 1] {
                let mut damaged = file.clone();
                damaged[at] = value;
                let _ = decode(&damaged, &small);
            }
            let _ = decode(&file[..at], &small);
        }
    }
}

/// Calls `each` for the fonts and pictures of the reference corpus, if it is present.
fn corpus(mut each: impl FnMut(&Path, &str, &[u8])) {
    use base64::Engine;
    for set in ["features", "templates", "peer"] {
        let Ok(designs) = std::fs::read_dir(Path::new("../shared/corpus").join(set)) else { return };
        for design in designs.flatten() {
            let text = std::fs::read_to_string(design.path().join("design.json")).expect("readable");
            for url in text.split('"').filter_map(|it| it.split("data:").nth(1)) {
                let Some((head, data)) = url.split_once(";base64,") else { continue };
                let data = data.trim_end_matches([')', '\'', '\\']);
                let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
                each(&design.path(), head, &bytes);
            }
        }
    }
}

#[test]
fn corpus_decodes() {
    corpus(|design, head, bytes| match sniff(bytes) {
        Some(_) => match decode(bytes, &limits()) {
            Ok(ImageFile::Svg(svg)) => {
                let nodes = svg.nodes(&[], 2.0).unwrap_or_else(|error| panic!("{}: {error}", design.display()));
                assert!(!nodes.nodes.is_empty() && nodes.skipped.is_empty(), "{}", design.display());
            }
            Ok(ImageFile::Picture(_)) => {}
            Err(error) => panic!("{}: {head}: {error}", design.display()),
        },
        None => {
            unpack_font(bytes, &limits()).unwrap_or_else(|error| panic!("{}: {head}: {error}", design.display()));
        }
    });
}

#[test]
fn font_error_names_the_found_kind() {
    let refused = |bytes: &[u8]| unpack_font(bytes, &limits()).expect_err("refused").to_string();
    assert_eq!(
        refused(b"<html>"),
        "the format of the font is unknown (it starts with <htm); use TTF, OTF, WOFF or WOFF2"
    );
    assert!(refused(b"\0\x01\0\0").starts_with("the font is damaged"));
    assert!(refused(b"wOF2ttcf").contains("collections"));
}

#[test]
fn font_bomb_is_rejected_by_its_directory() {
    // A table of 4 GiB in a file of 64 bytes.
    let mut woff = b"wOFF\0\x01\0\0".to_vec();
    woff.extend_from_slice(&64_u32.to_be_bytes());
    woff.extend_from_slice(&[0, 1]);
    woff.resize(44, 0);
    woff.extend_from_slice(b"glyf");
    woff.extend([64_u32, 0, u32::MAX, 0].iter().flat_map(|it| it.to_be_bytes()));
    let error = unpack_font(&woff, &limits()).expect_err("refused");
    assert!(matches!(error, DecodeError::Font(SfntError::TooLarge)), "{error}");
}

#[test]
fn damaged_fonts_never_panic() {
    // One font of each container format, if the corpus is present.
    let mut tried = std::collections::HashSet::new();
    corpus(|_, _, bytes| {
        let packing: [u8; 4] = bytes[..4].try_into().expect("four bytes");
        if sniff(bytes).is_some() || bytes.len() > 60_000 || !tried.insert(packing) {
            return;
        }
        let head = (0..300.min(bytes.len())).map(|at| (at, 0xff));
        let rest = (300..bytes.len()).step_by(97).map(|at| (at, 0x55));
        for (at, value) in head.chain(rest) {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= value;
            if let Ok(font) = unpack_font(&damaged, &limits()) {
                read_outlines(font.data());
            }
        }
    });
}

/// Reads the tables that layout and painting use.
fn read_outlines(bytes: &[u8]) {
    use skrifa::instance::{LocationRef, Size};
    use skrifa::{FontRef, MetadataProvider};
    struct Nothing;
    impl skrifa::outline::OutlinePen for Nothing {
        fn move_to(&mut self, _: f32, _: f32) {}
        fn line_to(&mut self, _: f32, _: f32) {}
        fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {}
        fn curve_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {}
        fn close(&mut self) {}
    }
    let Ok(font) = FontRef::from_index(bytes, 0) else { return };
    let outlines = font.outline_glyphs();
    for (_, glyph) in font.charmap().mappings().take(20) {
        if let Some(outline) = outlines.get(glyph) {
            let _ = outline.draw((Size::new(20.0), LocationRef::default()), &mut Nothing);
        }
    }
}
