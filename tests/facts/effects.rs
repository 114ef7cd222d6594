//! Image effects, named filters, and shadows of figures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

/// A PNG of `width` × `height` px as a data URL.
fn png(width: u32, height: u32, color_at: impl Fn(u32) -> Rgb) -> String {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..width * height).flat_map(|at| color_at(at % width)).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

/// Colour of a one-colour image after these effects.
fn recoloured(rgb: Rgb, effects: Value) -> Rgb {
    let image = json!({"type": "image", "src": png(20, 20, |_| rgb), "x": 0, "y": 0, "width": 20, "height": 20});
    draw_one(with(image, effects)).rgb(10, 10)
}

fn filtered(rgb: Rgb, name: &str, intensity: f64) -> Rgb {
    recoloured(rgb, json!({"filters": {name: {"intensity": intensity}}}))
}

const BROWN: Rgb = [200, 100, 50];

#[test]
fn fact_16_classic_effects_of_an_image() {
    for (effects, expected) in [
        (json!({"brightnessEnabled": true, "brightness": 0.25}), [255, 164, 114]),
        (json!({"sepiaEnabled": true}), [165, 147, 114]),
        (json!({"grayscaleEnabled": true}), [126, 126, 126]),
    ] {
        assert_eq!(recoloured(BROWN, effects.clone()), expected, "{effects}");
    }
}

#[test]
fn fact_17_named_filters_of_an_image() {
    for (name, intensity, expected) in [
        ("contrast", 0.5, [235, 86, 12]),
        ("saturation", 0.5, [241, 91, 16]),
        ("vibrance", 0.5, [200, 75, 12]),
        ("warm", 1.0, [230, 115, 50]),
        ("cold", 1.0, [185, 90, 65]),
        ("natural", 1.0, [238, 106, 40]),
        ("warm", 0.5, [215, 108, 50]),
        ("natural", 0.5, [219, 103, 45]),
    ] {
        assert_eq!(filtered(BROWN, name, intensity), expected, "{name} {intensity}");
    }
}

#[test]
fn fact_18_effects_on_a_figure_are_ignored_with_a_warning() {
    let figure = f(json!({"fill": "#804020", "brightnessEnabled": true, "brightness": 0.5, "grayscaleEnabled": true}));
    let (page, warnings) = Painter::shared().render(design(json!([figure]))).unwrap();
    Picture(painter::decode(&page.bytes).unwrap()).has(150, 125, [128, 64, 32]);
    let paths: Vec<_> = warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, ["pages[0].children[0].brightnessEnabled", "pages[0].children[0].grayscaleEnabled"]);
}

#[test]
fn fact_19_shadow_blur_is_two_standard_deviations() {
    let picture =
        draw_one(f(json!({"shadowEnabled": true, "shadowBlur": 20, "shadowOffsetX": 120, "shadowColor": "black"})));
    for (x, expected, tolerance) in [(220, 127, 6), (200, 251, 4), (230, 36, 4)] {
        let found = picture.rgb(x, 125)[0];
        assert!(found.abs_diff(expected) <= tolerance, "column {x} is {found}, expected {expected}");
    }
}

#[test]
fn fact_20_shadow_offset_follows_the_page_not_the_rotation() {
    let picture = draw_one(f(json!({
        "rotation": 90, "shadowEnabled": true, "shadowBlur": 0, "shadowOffsetX": 120, "shadowOpacity": 0.5,
        "shadowColor": "black",
    })));
    picture.has(195, 150, [127, 127, 127]);
    picture.has(75, 150, RED);
    picture.has(125, 150, WHITE);
}

#[test]
fn fact_43_highlights_change_the_light_half() {
    for (grey, intensity, expected) in [
        (160, 0.5, 180),
        (200, 0.5, 255),
        (255, 0.5, 255),
        (100, 0.5, 100),
        (160, -0.5, 140),
        (200, -0.5, 143),
        (255, -0.5, 128),
        (100, -0.5, 100),
    ] {
        assert_eq!(filtered([grey; 3], "highlights", intensity), [expected; 3], "{grey} at {intensity}");
    }
}

#[test]
fn fact_44_blur_of_an_image_goes_by_its_shorter_side() {
    let halves = png(200, 100, |x| if x < 100 { BLACK } else { WHITE });
    let row = |radius: f64, columns: Range<u32>| -> Vec<u8> {
        let image = json!({
            "type": "image", "src": halves, "x": 50, "y": 50, "width": 200, "height": 100, "blurEnabled": true,
            "blurRadius": radius,
        });
        let picture = draw_one(image);
        columns.map(|x| picture.rgb(x, 100)[0]).collect()
    };
    let near = |found: Vec<u8>, expected: &[u8]| {
        assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= LEVELS), "{found:?}, expected {expected:?}");
    };
    near(row(10.0, 148..152), &[0, 63, 191, 255]);
    near(row(40.0, 145..155), &[0, 10, 30, 61, 102, 153, 193, 224, 245, 255]);
}

#[test]
fn effects_of_a_text_change_its_letters_and_not_its_background() {
    let base = json!({"fontSize": 100, "fill": "#804020", "backgroundEnabled": true, "backgroundColor": "#ff0000"});
    let changed = |effects: Value| {
        let picture = draw_one(text("H", with(base.clone(), effects)));
        // One pixel in the left stem of the letter, and one beside it.
        (picture.rgb(63, 110), picture.rgb(45, 110))
    };
    assert_eq!(changed(json!({})), ([128, 64, 32], RED));
    assert_eq!(changed(json!({"grayscaleEnabled": true})), ([81, 81, 81], RED));
    assert_eq!(changed(json!({"brightnessEnabled": true, "brightness": 0.25})), ([192, 128, 96], RED));
    assert_eq!(changed(json!({"filters": {"warm": {"intensity": 1}}})), ([158, 79, 32], RED));
}
