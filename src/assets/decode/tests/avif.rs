//! AVIF files by libavif 1.4.2: 48 x 32 px in four quarters, red and green above blue and yellow.

use super::*;

const FULL: &[u8] = include_bytes!("quarters-444.avif");
const LIMITED: &[u8] = include_bytes!("quarters-420-limited.avif");
const ALPHA: &[u8] = include_bytes!("quarters-alpha.avif");
const GREY: &[u8] = include_bytes!("quarters-grey.avif");
/// With a quarter turn clockwise.
const TURNED: &[u8] = include_bytes!("quarters-turned.avif");

const COLORS: [[u8; 4]; 4] = [[200, 30, 60, 255], [20, 160, 90, 255], [40, 70, 220, 255], [250, 240, 20, 255]];

/// The middle of each quarter.
fn quarters(file: &[u8]) -> [[u8; 4]; 4] {
    let picture = picture(file);
    let (x, y) = (picture.width / 4, picture.height / 4);
    [(x, y), (3 * x, y), (x, 3 * y), (3 * x, 3 * y)].map(|(x, y)| pixel(&picture, x, y))
}

#[track_caller]
fn assert_quarters(file: &[u8], expected: [[u8; 4]; 4], tolerance: u8) {
    let found = quarters(file);
    found.into_iter().zip(expected).for_each(|(found, expected)| assert_near(found, expected, tolerance));
}

#[test]
fn avif_has_the_colours_of_its_file() {
    assert_quarters(FULL, COLORS, 2);
    assert_quarters(LIMITED, COLORS, 3);
    assert_quarters(GREY, [84, 110, 78, 218].map(|grey| [grey, grey, grey, 255]), 1);
    let chroma = picture(LIMITED);
    assert_eq!((chroma.width, chroma.height, chroma.opaque), (48, 32, true));
}

#[test]
fn avif_alpha_is_that_of_its_second_picture() {
    let [red, green, blue, yellow] = quarters(ALPHA);
    assert_near(red, COLORS[0], 2);
    // Premultiplied: 20, 160, 90 times a half; nothing; 250, 240, 20 times a quarter.
    assert_near(green, [10, 80, 45, 128], 2);
    assert_eq!(blue, [0; 4]);
    assert_near(yellow, [63, 60, 5, 64], 2);
}

#[test]
fn avif_is_turned_as_its_container_says() {
    let picture = picture(TURNED);
    assert_eq!((picture.width, picture.height), (32, 48));
    let [red, green, blue, yellow] = COLORS;
    assert_quarters(TURNED, [blue, red, yellow, green], 2);
}

#[test]
fn avif_that_is_damaged_never_panics() {
    for file in [FULL, ALPHA] {
        for at in 0..file.len() {
            let mut damaged = file.to_vec();
            damaged[at] ^= 0xff;
            if let Err(error) = decode(&damaged, &limits()) {
                assert!(!error.to_string().contains("panicked"), "byte {at}: {error}");
            }
            let _ = decode(&file[..at], &limits());
        }
    }
}

/// `file` with another width and height in each of its headers.
fn with_size(file: &[u8], side: u32) -> Vec<u8> {
    let mut changed = file.to_vec();
    for at in 0..file.len() - 16 {
        if file[at..].starts_with(b"ispe") {
            changed[at + 8..at + 16].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
        }
    }
    changed
}

#[test]
fn avif_bombs_are_rejected_by_their_header() {
    for file in [FULL, ALPHA] {
        let message = |side| message(&with_size(file, side));
        assert!(message(60_000).contains("TENTER_ASSET_MAX_MEGAPIXELS"), "{}", message(60_000));
        assert!(message(0).contains("sides may be"), "{}", message(0));
        // The data is larger, or smaller, than the header says.
        for side in [8, 4000] {
            assert!(message(side).starts_with("the AVIF image is damaged"), "{}", message(side));
        }
    }
}

#[test]
fn avif_boxes_are_within_the_file() {
    let end = |kind: &[u8]| FULL.windows(4).position(|bytes| bytes == kind).expect("a box");
    for (kind, size) in [(b"meta", u32::MAX), (b"iloc", 3), (b"iprp", 1), (b"ipma", 7), (b"pitm", 9)] {
        let mut file = FULL.to_vec();
        let at = end(kind);
        file[at - 4..at].copy_from_slice(&size.to_be_bytes());
        assert!(message(&file).starts_with("the AVIF image is damaged"), "{}", message(&file));
    }
    let empty = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf";
    assert_eq!(message(empty), "the AVIF image is damaged: animations without a still picture are not supported");
}
