//! Properties that hold for every design, without reference pictures: random pages rendered in two ways that must look
//! alike.
//!
//! The pages are the same in every run. `PROPTEST_CASES` sets their number, [`CASES`] by default.

#[path = "../support/compare.rs"]
#[allow(dead_code, reason = "this program needs the numbers and not the picture")]
mod compare;
#[path = "../support/metric.rs"]
#[allow(dead_code, reason = "this program needs one of the distances")]
mod metric;
#[path = "../support/painter.rs"]
mod painter;
mod pages;
#[path = "../support/tools.rs"]
mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use compare::{Difference, compare};
use image::RgbaImage;
use image::imageops;
use painter::Painter;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

/// Number of random pages for each test, unless `PROPTEST_CASES` is set.
const CASES: u32 = 24;

/// Runs `test` on pages of `strategy`. On failure, proptest reports the smallest failing page.
#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
fn check<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(CASES);
    let config =
        ProptestConfig { cases, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    if let Err(error) = TestRunner::new_with_rng(config, rng).run(strategy, test) {
        panic!("{error}");
    }
}

fn picture(painter: &Painter, design: Value) -> RgbaImage {
    // Warnings about placeholders and shrunk texts are irrelevant here.
    let (page, _) = painter.render(design).expect("a picture");
    image::load_from_memory(&page.bytes).expect("a picture").into_rgba8()
}

fn painted(elements: Vec<Value>) -> RgbaImage {
    picture(Painter::shared(), pages::design(elements))
}

/// Fails unless at most `share` of the pixels are more than 8 levels off, and none more than `max_levels`.
fn assert_alike(expected: &RgbaImage, actual: &RgbaImage, share: f64, max_levels: u8) -> Result<(), TestCaseError> {
    let difference @ Difference { max, visible_share, .. } = compare(expected, actual).expect("of one size");
    prop_assert!(
        visible_share <= share && max <= max_levels,
        "{difference:?}; see {}",
        write_pictures(expected, actual).display()
    );
    Ok(())
}

/// Writes both pictures to the target folder for inspection and returns that folder.
fn write_pictures(expected: &RgbaImage, actual: &RgbaImage) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("invariants");
    fs::create_dir_all(&folder).expect("a folder");
    expected.save(folder.join("expected.png")).expect("written");
    actual.save(folder.join("actual.png")).expect("written");
    folder
}

#[test]
fn moving_elements_by_whole_px_moves_their_pixels() {
    check(&(pages::page(), 0..20_u32, 0..20_u32), |(page, right, down)| {
        let still = painted(page.elements((0.0, 0.0)));
        let moved = painted(page.elements((f64::from(right), f64::from(down))));
        let (width, height) = (still.width() - right, still.height() - down);
        let still = imageops::crop_imm(&still, 0, 0, width, height).to_image();
        let moved = imageops::crop_imm(&moved, right, down, width, height).to_image();
        assert_alike(&still, &moved, 0.0, 8)
    });
}

#[test]
fn rendering_at_twice_the_scale_and_halving_is_nearly_the_same() {
    check(&pages::page(), |page| {
        let elements = page.elements((0.0, 0.0));
        let one = painted(elements.clone());
        let mut design = pages::design(elements);
        design["exportOptions"] = json!({"pixelRatio": 2});
        let two = picture(Painter::shared(), design);
        let halved = imageops::resize(&two, one.width(), one.height(), imageops::FilterType::Triangle);
        let difference = compare(&one, &halved).expect("of one size");
        prop_assert!(
            difference.mean < MAX_HALVED_DIFFERENCE,
            "{difference:?}; see {}",
            write_pictures(&one, &halved).display()
        );
        Ok(())
    });
}

/// Largest mean difference in levels between a page and the halved page at twice the scale: edges and glyphs fall on
/// different fractions of a px.
const MAX_HALVED_DIFFERENCE: f64 = 2.0;

#[test]
fn flipped_images_equal_the_mirrored_output() {
    check(&pages::upright_image(), |image| {
        let side = |key: &str| image[key].as_u64().expect("a whole number") as u32;
        let (x, y, width, height) = (side("x"), side("y"), side("width"), side("height"));
        let of = |flip_x: bool, flip_y: bool| {
            let mut image = image.clone();
            (image["flipX"], image["flipY"]) = (json!(flip_x), json!(flip_y));
            // Stretched images are not cropped; the part that a crop keeps is not mirrored.
            image["stretchEnabled"] = json!(true);
            imageops::crop_imm(&painted(vec![image]), x, y, width, height).to_image()
        };
        let plain = of(false, false);
        assert_alike(&plain, &imageops::flip_horizontal(&of(true, false)), 1.0, MAX_MIRRORED_DIFFERENCE)?;
        assert_alike(&plain, &imageops::rotate180(&of(true, true)), 1.0, MAX_MIRRORED_DIFFERENCE)
    });
}

/// Allowed difference in levels: images are sampled at multiples of 1/16 px, rounded down, so that a mirrored sample
/// may be off by that much on each axis.
const MAX_MIRRORED_DIFFERENCE: u8 = 32;

#[test]
fn group_of_one_element_looks_like_the_element() {
    check(&pages::page(), |page| {
        let elements = page.elements((0.0, 0.0));
        let grouped = elements.iter().map(|element| json!({"type": "group", "children": [element]})).collect();
        assert_alike(&painted(elements), &painted(grouped), 0.0, 0)
    });
}

#[test]
fn order_of_disjoint_elements_does_not_matter() {
    check(&pages::page(), |page| {
        let elements = page.elements((0.0, 0.0));
        let backwards = elements.iter().rev().cloned().collect();
        assert_alike(&painted(elements), &painted(backwards), 0.0, 0)
    });
}

/// Skipped without an adapter, unless `GPU_COLUMN=required` makes that a failure.
#[cfg(feature = "gpu")]
#[test]
#[expect(clippy::disallowed_methods, reason = "an environment variable of the tests, not of the program")]
fn gpu_and_cpu_paint_alike() {
    let gpu = match Painter::on_the_gpu() {
        Ok(gpu) => gpu,
        Err(why) => {
            let required = std::env::var("GPU_COLUMN").is_ok_and(|it| it == "required");
            assert!(!required, "no GPU: {why}");
            return println!("skipped: {why}");
        }
    };
    check(&pages::page(), |page| {
        let elements = page.elements((0.0, 0.0));
        let found = picture(&gpu, pages::design(elements.clone()));
        assert_alike(&painted(elements), &found, 0.005, u8::MAX)
    });
}

#[test]
fn vector_pdf_looks_like_the_raster_output() {
    check(&pages::page(), |page| {
        let design = |options: Value| {
            let elements = page.elements((0.0, 0.0)).into_iter().filter(pages::is_scaled_alike).collect();
            let mut design = pages::design(elements);
            design["exportOptions"] = options;
            design
        };
        let expected = picture(Painter::shared(), design(json!({"pixelRatio": 2})));
        let (document, _) = Painter::shared().render(design(json!({"format": "pdf", "vector": true}))).expect("a file");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("invariants.pdf");
        fs::write(&file, &document.bytes).expect("written");
        // Design px are 1/72 inch.
        let arguments = ["-r", "144", "-png", "-singlefile"];
        let Some(output) = tools::run("pdftoppm", "poppler-utils", &arguments, &file) else { return Ok(()) };
        let found = image::load_from_memory(&output.stdout).expect("a picture").into_rgba8();
        let distance = metric::distance(&found, &expected).expect("of one size");
        prop_assert!(
            distance.diff <= 0.01,
            "{} differs; see {}",
            distance.diff,
            write_pictures(&expected, &found).display()
        );
        Ok(())
    });
}
