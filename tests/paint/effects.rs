//! Effects and filters of designs, and masks, checked pixel by pixel.

use std::sync::Arc;

use kurbo::Rect;
use serde_json::{Value, json};
use tenter::config::DesignLimits;
use tenter::design::Design;
use tenter::design::elements::Element;
use tenter::scene::{DecodedImage, Image};
use tenter::units::{DeviceSize, Opacity};

use super::*;

/// Paints an image with these column colours, `height` rows high, at its own size with the effects of this image
/// element.
fn drawn(columns: &[[u8; 3]], height: u32, mut element: Value) -> Vec<[u8; 3]> {
    element["type"] = json!("image");
    element["src"] = json!("a.png");
    let design = json!({"width": 10, "height": 10, "schemaVersion": 4, "pages": [{"children": [element]}]});
    let design = Design::parse(design.to_string().as_bytes(), &DesignLimits::default()).unwrap();
    let Element::Image(image) = &design.pages[0].children[0] else { panic!("not an image") };
    let size = DeviceSize { width: columns.len() as u32, height };
    let pixels = columns.repeat(height as usize).into_iter().flat_map(|[r, g, b]| [r, g, b, 255]).collect();
    let picture = Arc::new(DecodedImage::new(size.width, height, pixels).unwrap());
    let whole = Rect::new(0.0, 0.0, f64::from(size.width), f64::from(height));
    let passes = image.effects.passes(size);
    let image = Image { picture, source: whole, dest: whole, passes, opacity: Opacity::OPAQUE };
    let raster = paint(whole.width(), whole.height(), vec![Node::Image(image)]);
    (0..size.width).map(|x| raster.pixel(x, height / 2)).map(|[r, g, b, _]| [r, g, b]).collect()
}

fn pixel(rgb: [u8; 3], element: Value) -> [u8; 3] {
    drawn(&[rgb], 1, element)[0]
}

fn filtered(rgb: [u8; 3], name: &str, intensity: f64) -> [u8; 3] {
    pixel(rgb, json!({"filters": {name: {"intensity": intensity}}}))
}

const BROWN: [u8; 3] = [200, 100, 50];

#[test]
fn effects_classic_as_measured() {
    // Values from fixtures.md 16 and rendering.md §4.1.
    assert_eq!(pixel(BROWN, json!({"brightnessEnabled": true, "brightness": 0.25})), [255, 164, 114]);
    assert_eq!(pixel(BROWN, json!({"sepiaEnabled": true})), [165, 147, 114]);
    assert_eq!(pixel([128; 3], json!({"sepiaEnabled": true})), [173, 154, 120]);
    assert_eq!(pixel(BROWN, json!({"grayscaleEnabled": true})), [126; 3]);
    assert_eq!(pixel([40, 80, 160], json!({"grayscaleEnabled": true})), [79; 3]);
    assert_eq!(pixel(BROWN, json!({"brightness": 0.25, "blurRadius": 900})), BROWN, "not enabled");
}

#[test]
fn effects_filters_as_measured() {
    // Values from fixtures.md 17 and 43 and rendering.md §4.3.
    for (name, intensity, expected) in [
        ("contrast", 0.5, [235, 86, 12]),
        ("saturation", 0.5, [241, 91, 16]),
        ("vibrance", 0.5, [200, 75, 12]),
        ("warm", 1.0, [230, 115, 50]),
        ("cold", 1.0, [185, 90, 65]),
        ("natural", 1.0, [238, 106, 40]),
        ("warm", 0.5, [215, 108, 50]),
        ("natural", 0.5, [219, 103, 45]),
        ("warm", -1.0, BROWN),
        ("contrast", 0.0, BROWN),
    ] {
        assert_eq!(filtered(BROWN, name, intensity), expected, "{name} {intensity}");
    }
    assert_eq!(filtered([128; 3], "warm", 1.0), [158, 143, 128]);
    assert_eq!(filtered([128; 3], "cold", 1.0), [113, 118, 143]);
    assert_eq!(filtered([128; 3], "temperature", 0.5), [136, 128, 120]);
    assert_eq!(filtered([64; 3], "contrast", 0.5), [33; 3]);
    for name in ["white", "highlights"] {
        let greys = [160, 200, 255, 100].map(|grey| filtered([grey; 3], name, -0.5)[0]);
        assert_eq!(greys, [140, 143, 128, 100], "{name}");
    }
    // `shadows` is 64 · (1 + 2 · 0.5 · 0.5); `black` has no factor of 2.
    assert_eq!((filtered([64; 3], "shadows", 0.5), filtered([64; 3], "black", 0.5)), ([96; 3], [80; 3]));
}

#[test]
fn effects_happen_in_the_editors_order() {
    // Brightness clamps to 255, 228, 178 before grayscale weighs the channels by .34, .5, .16.
    let both = json!({"grayscaleEnabled": true, "brightnessEnabled": true, "brightness": 0.5});
    assert_eq!(pixel(BROWN, both), [229; 3]);
    let presets = json!({"filters": {"warm": {"intensity": 1}, "cold": {"intensity": 1}}});
    assert_eq!(pixel([128; 3], presets), [143, 133, 143]);
}

#[test]
fn effects_blur_as_measured() {
    // Values from fixtures.md 44.
    let halves: Vec<_> = (0..200).map(|x| if x < 100 { [0; 3] } else { [255; 3] }).collect();
    let mixed = |radius: u32| -> Vec<u8> {
        let row = drawn(&halves, 100, json!({"blurEnabled": true, "blurRadius": radius}));
        row.into_iter().map(|rgb| rgb[0]).filter(|grey| !matches!(grey, 0 | 255)).collect()
    };
    assert_eq!(mixed(10), [63, 191]);
    assert_eq!(mixed(40), [10, 30, 61, 102, 153, 193, 224, 245]);
}

#[test]
fn mask_uses_alpha_and_ignores_colour() {
    let half_blue = fill(rect(0.0, 0.0, 4.0, 8.0), Color::from_rgba8(0, 0, 255, 128));
    let mask = Some(Box::new(Group { children: vec![half_blue], ..Group::default() }));
    let masked = Group { mask, children: vec![fill(rect(2.0, 0.0, 6.0, 6.0), RED)], ..Group::default() };
    let raster = paint(10.0, 10.0, vec![fill(rect(0.0, 6.0, 10.0, 4.0), BLACK), group(masked)]);
    assert_near(raster.pixel(3, 3), [255, 0, 0, 128], 1);
    // Outside of the mask, outside of the masked content, and over the content below.
    assert_eq!([raster.pixel(5, 3), raster.pixel(1, 3)], [[0; 4]; 2]);
    assert_eq!(raster.pixel(1, 7), [0, 0, 0, 255]);
}

#[test]
fn empty_mask_hides_everything() {
    let masked =
        Group { mask: Some(Box::default()), children: vec![fill(rect(0.0, 0.0, 4.0, 4.0), RED)], ..Group::default() };
    assert_eq!(masked.layer_bounds(), None);
    let raster = paint(4.0, 4.0, vec![group(masked)]);
    assert_eq!(raster.pixel(1, 1), [0; 4]);
}
