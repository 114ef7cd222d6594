//! Vector PDFs of small scenes and designs: page content, images, text and fonts.

use std::sync::Arc;

use kurbo::{Affine, BezPath, Circle, Insets, Rect, Shape as _, Size, Stroke};
use peniko::color::palette::css::{BLUE, RED};
use peniko::{Color, Fill, Gradient, Mix};
use serde_json::{Value, json};
use tenter::paint::pdf::{CmykConverter, ColorTarget, ColorUse, PdfSettings};
use tenter::scene::{DecodedImage, Group, Image, JpegFile, Node, Page, Paint, Path, PixelPass, Shadow};
use tenter::units::{Opacity, Px};

use crate::tools::read_by_all;
use crate::vector_document::{settings, write};
use crate::vector_scenes::Scenes;
use crate::vector_tools::{fonts, keep, lines, picture, text};

fn page(children: Vec<Node>) -> Page {
    Page { size: Size::new(100.0, 80.0), bleed: Insets::ZERO, root: Group { children, ..Group::default() } }
}

fn square(at: f64, side: f64) -> BezPath {
    Rect::new(at, at, at + side, at + side).to_path(0.1)
}

fn group(group: Group) -> Node {
    Node::Group(Box::new(group))
}

fn readable() -> PdfSettings {
    PdfSettings { compress: false, ..settings() }
}

/// The file as text; bytes that are not UTF-8 are replaced.
fn source(pages: &[Page], settings: PdfSettings) -> String {
    String::from_utf8_lossy(&write(pages, settings).unwrap().bytes).into_owned()
}

/// The content stream of the page.
fn content(page: Page) -> String {
    let file = source(&[page], readable());
    // The page's other objects precede its content stream.
    let start = file.find("1 0 0 -1 0 80 cm\n").expect("the page's matrix");
    file[start..file[start..].find("\nendstream").unwrap() + start].to_owned()
}

/// Colours that Poppler shows at these positions in design px; `None` when Poppler is not installed.
fn shown(name: &str, page: Page, at: &[(f64, f64)]) -> Option<Vec<[u8; 3]>> {
    let file = keep(name, &write(&[page], settings()).unwrap().bytes);
    read_by_all(&file);
    let picture = picture(&file, 144.0)?;
    Some(
        at.iter()
            .map(|(x, y)| picture.get_pixel((x * 2.0) as u32, (y * 2.0) as u32).0)
            .map(|[r, g, b, _]| [r, g, b])
            .collect(),
    )
}

#[track_caller]
fn assert_near(found: [u8; 3], expected: [u8; 3]) {
    assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3), "found {found:?}, expected {expected:?}");
}

/// A design with one page of 400 x 300 px.
fn design(children: Value) -> Value {
    json!({"width": 400, "height": 300, "pages": [{"id": "page", "children": children}]})
}

fn text_element(text: &str, more: Value) -> Value {
    let mut element = json!({"id": "t", "type": "text", "text": text, "x": 20, "y": 20, "width": 360, "height": 100,
        "fontSize": 30, "fontFamily": "Roboto"});
    element.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    element
}

/// Fails unless the text extracted from a page with this text element is `expected`, with single spaces between words.
#[track_caller]
fn assert_read(name: &str, written: &str, more: Value, expected: &str) {
    let pages = Scenes::shared().pages(&design(json!([text_element(written, more)])), &Value::Null);
    let file = keep(name, &write(&pages, settings()).unwrap().bytes);
    read_by_all(&file);
    if let Some(text) = text(&file) {
        assert_eq!(text.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{name}");
    }
}

#[test]
fn vector_paths_keep_their_operators() {
    let mut curve = BezPath::new();
    curve.move_to((1.0, 2.0));
    curve.quad_to((4.0, 2.0), (4.0, 5.0));
    curve.close_path();
    let dashed =
        Stroke::new(3.0).with_caps(kurbo::Cap::Butt).with_join(kurbo::Join::Round).with_dashes(1.0, [6.0, 2.0]);
    let turned = Affine::translate((50.0, 10.0)) * Affine::scale(2.0);
    let children = vec![
        Node::Path(Path { stroke: Some((BLUE.into(), dashed)), ..Path::filled(square(10.0, 20.0), RED) }),
        Node::Path(Path { fill: Some((RED.into(), Fill::EvenOdd)), ..Path::filled(curve.clone(), RED) }),
        group(Group {
            transform: turned,
            clip: Some(square(0.0, 4.0)),
            children: vec![Node::Path(Path::filled(curve, BLUE.with_alpha(0.5)))],
            ..Group::default()
        }),
    ];
    insta::assert_snapshot!(content(page(children)), @r"
    1 0 0 -1 0 80 cm
    1 0 0 rg
    10 10 20 20 re
    f
    0 0 1 RG
    q
    3 w
    1 j
    [6 2] 1 d
    10 10 20 20 re
    S
    Q
    1 2 m
    3 2 4 3 4 5 c
    h
    f*
    q
    50 10 8 8 re
    W
    n
    /g3 gs
    0 0 1 rg
    52 14 m
    56 14 58 16 58 20 c
    h
    f
    Q
    ");
}

#[test]
fn vector_graphics_states_are_shared() {
    let children = (0..3).map(|at| Node::Path(Path::filled(square(f64::from(at) * 20.0, 30.0), RED.with_alpha(0.25))));
    let file = source(&[page(children.clone().collect()), page(children.collect())], readable());
    assert_eq!(file.matches("/ca 0.25").count(), 1);
    assert_eq!(file.matches(" gs\n").count(), 2, "once per page");
}

#[test]
fn vector_group_opacity_applies_to_the_flattened_group() {
    let both =
        vec![Node::Path(Path::filled(square(10.0, 40.0), RED)), Node::Path(Path::filled(square(30.0, 40.0), BLUE))];
    let node = group(Group { opacity: Opacity::new(0.5), children: both, ..Group::default() });
    let Some(found) =
        shown("group-opacity", page(vec![node]), &[(20.0, 20.0), (40.0, 40.0), (60.0, 60.0), (90.0, 70.0)])
    else {
        return;
    };
    assert_near(found[0], [255, 127, 127]);
    assert_near(found[1], [127, 127, 255]);
    assert_near(found[2], [127, 127, 255]);
    assert_near(found[3], [255, 255, 255]);
}

#[test]
fn vector_blend_modes_see_the_backdrop() {
    let below = Node::Path(Path::filled(square(0.0, 60.0), Color::from_rgb8(255, 200, 0)));
    let above = group(Group {
        blend: Mix::Multiply.into(),
        children: vec![Node::Path(Path::filled(square(20.0, 60.0), Color::from_rgb8(0, 128, 255)))],
        ..Group::default()
    });
    let Some(found) = shown("blend", page(vec![below, above]), &[(40.0, 40.0), (70.0, 70.0)]) else { return };
    assert_near(found[0], [0, 100, 0]);
    assert_near(found[1], [0, 128, 255]);
}

#[test]
fn vector_mask_of_a_solid_outline_is_a_clip() {
    let masked = |mask: Vec<Node>| {
        let mask = Some(Box::new(Group { children: mask, ..Group::default() }));
        group(Group { mask, children: vec![Node::Path(Path::filled(square(0.0, 80.0), RED))], ..Group::default() })
    };
    let circle = Circle::new((40.0, 40.0), 20.0).to_path(0.1);
    let solid = masked(vec![Node::Path(Path::filled(circle.clone(), BLUE))]);
    let half = masked(vec![Node::Path(Path::filled(circle, BLUE.with_alpha(0.5)))]);
    assert!(!source(&[page(vec![solid.clone()])], readable()).contains("/SMask"));
    assert!(source(&[page(vec![half.clone()])], readable()).contains("/Alpha"));
    for (name, node, inside) in [("mask-solid", solid, [255, 0, 0]), ("mask-half", half, [255, 127, 127])] {
        let Some(found) = shown(name, page(vec![node]), &[(40.0, 40.0), (15.0, 15.0)]) else { return };
        assert_near(found[0], inside);
        assert_near(found[1], [255, 255, 255]);
    }
}

#[test]
fn vector_gradient_with_alpha_is_a_shading_with_a_soft_mask() {
    let gradient = Gradient::new_linear((0.0, 0.0), (100.0, 0.0)).with_stops([(0.0, RED), (1.0, BLUE.with_alpha(0.0))]);
    let node = Node::Path(Path::filled(Rect::new(0.0, 0.0, 100.0, 80.0).to_path(0.1), gradient));
    let file = source(&[page(vec![node.clone()])], readable());
    assert!(file.contains("/ShadingType 2") && file.contains("/Luminosity") && !file.contains("/Image"), "{file}");
    let Some(found) = shown("gradient-alpha", page(vec![node]), &[(0.0, 40.0), (50.0, 40.0), (99.5, 40.0)]) else {
        return;
    };
    assert_near(found[0], [255, 0, 0]);
    // Straight colours are interpolated: half red and half blue, at half opacity.
    assert_near(found[1], [191, 127, 191]);
    assert_near(found[2], [255, 255, 255]);
}

#[test]
fn vector_gradients_repeat_and_reflect() {
    let stops = [(0.0, RED), (1.0, BLUE)];
    for (name, extend, at_25) in [("repeat", peniko::Extend::Repeat, RED), ("reflect", peniko::Extend::Reflect, BLUE)] {
        let gradient = Gradient::new_linear((0.0, 0.0), (20.0, 0.0)).with_stops(stops).with_extend(extend);
        let node = Node::Path(Path::filled(Rect::new(0.0, 0.0, 100.0, 80.0).to_path(0.1), gradient));
        let Some(found) = shown(name, page(vec![node]), &[(21.0, 40.0), (61.0, 40.0)]) else { return };
        for pixel in found {
            let more_red = pixel[0] > pixel[2];
            assert_eq!(more_red, at_25 == RED, "{name}: {pixel:?}");
        }
    }
}

#[test]
fn vector_gradient_strokes_show_through_their_area() {
    let gradient = Gradient::new_radial((50.0, 40.0), 40.0).with_stops([(0.0, RED), (1.0, BLUE)]);
    let circle = Circle::new((50.0, 40.0), 30.0).to_path(0.1);
    let node = Node::Path(Path::stroked(circle, gradient, Stroke::new(10.0)));
    let Some(found) = shown("gradient-stroke", page(vec![node]), &[(80.0, 40.0), (50.0, 40.0)]) else { return };
    assert_near(found[0], [64, 0, 191]);
    assert_near(found[1], [255, 255, 255]);
}

#[test]
fn vector_shadow_is_a_picture_below_an_outline() {
    let shadow = Shadow { offset: (20.0, 20.0).into(), sigma: Px(2.0), color: Color::BLACK.with_alpha(0.5) };
    let node = group(Group {
        shadow: Some(shadow),
        children: vec![Node::Path(Path::filled(square(10.0, 30.0), RED))],
        ..Group::default()
    });
    let file = source(&[page(vec![node.clone()])], readable());
    assert_eq!(file.matches("/Subtype/Image").count(), 2, "the shadow and its mask: {file}");
    assert!(file.contains(" re\nf\n"), "the square itself is an outline");
    let Some(found) = shown("shadow", page(vec![node]), &[(20.0, 20.0), (50.0, 50.0), (80.0, 70.0)]) else { return };
    assert_near(found[0], [255, 0, 0]);
    assert_near(found[1], [127, 127, 127]);
    assert_near(found[2], [255, 255, 255]);
}

fn quadrants(passes: Vec<PixelPass>, jpeg: Option<JpegFile>) -> Node {
    let color = |at: usize| [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [255, 255, 0, 255]][at];
    let pixels = (0..16 * 16).flat_map(|at| color((at / 128) * 2 + at % 16 / 8)).collect();
    let picture = Arc::new(DecodedImage { jpeg, ..DecodedImage::new(16, 16, pixels).unwrap() });
    let source = Rect::new(8.0, 0.0, 16.0, 16.0);
    Node::Image(Image { picture, source, dest: Rect::new(10.0, 10.0, 50.0, 70.0), passes, opacity: Opacity::OPAQUE })
}

#[test]
fn vector_pictures_are_cropped_and_stretched() {
    let Some(found) =
        shown("crop", page(vec![quadrants(Vec::new(), None)]), &[(30.0, 20.0), (30.0, 60.0), (5.0, 40.0)])
    else {
        return;
    };
    assert_near(found[0], [0, 255, 0]);
    assert_near(found[1], [255, 255, 0]);
    assert_near(found[2], [255, 255, 255]);
}

#[test]
fn vector_repeated_pictures_are_written_once() {
    let node = quadrants(Vec::new(), None);
    let pages = [page(vec![node.clone(), node.clone()]), page(vec![node])];
    assert_eq!(source(&pages, readable()).matches("/Subtype/Image").count(), 1);
}

#[test]
fn vector_unchanged_jpegs_are_passed_through() {
    let mut file = Vec::new();
    let grey = vec![127; 16 * 16 * 3];
    jpeg_encoder::Encoder::new(&mut file, 90).encode(&grey, 16, 16, jpeg_encoder::ColorType::Rgb).unwrap();
    let jpeg =
        JpegFile { bytes: file.clone().into(), width: 16, height: 16, grey: false, orientation: Affine::IDENTITY };
    let contains = |passes: Vec<PixelPass>| {
        let bytes = write(&[page(vec![quadrants(passes, Some(jpeg.clone()))])], settings()).unwrap().bytes;
        bytes.windows(file.len()).any(|window| window == file)
    };
    assert!(contains(Vec::new()));
    assert!(!contains(vec![PixelPass::Blur { radius: 2 }]));
}

struct Reversed;

impl CmykConverter for Reversed {
    fn color(&self, [r, g, b]: [f32; 3], purpose: ColorUse) -> [f32; 4] {
        match purpose {
            ColorUse::Text => [0.0, 0.0, 0.0, 0.75],
            ColorUse::Area => [1.0 - r, 1.0 - g, 1.0 - b, 0.0],
        }
    }

    fn pixels(&self, rgb: &[u8]) -> Vec<u8> {
        rgb.chunks_exact(3).flat_map(|p| [255 - p[0], 255 - p[1], 255 - p[2], 0]).collect()
    }
}

#[test]
fn vector_cmyk_leaves_no_rgb_in_the_file() {
    let gradient = Gradient::new_linear((0.0, 0.0), (100.0, 0.0)).with_stops([(0.0, RED), (1.0, BLUE.with_alpha(0.0))]);
    let translucent = group(Group {
        opacity: Opacity::new(0.5),
        children: vec![Node::Path(Path::filled(square(0.0, 30.0), RED))],
        ..Group::default()
    });
    let jpeg = {
        let mut file = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut file, 90);
        encoder.encode(&[127; 16 * 16 * 3], 16, 16, jpeg_encoder::ColorType::Rgb).unwrap();
        JpegFile { bytes: file.into(), width: 16, height: 16, grey: false, orientation: Affine::IDENTITY }
    };
    let scene = || {
        page(vec![
            Node::Path(Path::filled(Rect::new(60.0, 0.0, 100.0, 80.0).to_path(0.1), gradient.clone())),
            translucent.clone(),
            quadrants(Vec::new(), None),
            quadrants(Vec::new(), Some(jpeg.clone())),
        ])
    };
    let inks = |compress| PdfSettings { colors: ColorTarget::Cmyk(Arc::new(Reversed)), compress, ..settings() };
    let file = source(&[scene()], inks(false));
    assert!(file.contains("/DeviceCMYK") && !file.contains("/DeviceRGB"), "{file}");
    assert!(!file.contains(" rg\n") && !file.contains(" RG\n") && !file.contains(" g\n"));
    let file = keep("cmyk", &write(&[scene()], inks(true)).unwrap().bytes);
    read_by_all(&file);
    // The last picture, a re-encoded JPEG, is on top: its CMYK values must not be inverted.
    let Some(picture) = picture(&file, 72.0) else { return };
    let shown = picture.get_pixel(30, 20).0;
    assert!(shown[1] > 150 && shown[0] < 120 && shown[2] < 120, "{shown:?} is not green");
}

#[test]
fn vector_text_extracts_as_written() {
    for (name, written) in [
        ("plain", "Office filling: affluent fjord"),
        ("accents", "Ça et là, naïve cafés"),
        ("wrapped", "A longer text that is wrapped into several lines of the box it stands in"),
    ] {
        assert_read(name, written, json!({}), written);
    }
}

#[test]
fn vector_letter_spaced_text_extracts_as_words() {
    assert_read("spaced", "SPACED OUT", json!({"letterSpacing": 0.4}), "SPACED OUT");
    assert_read("narrow", "Set close", json!({"letterSpacing": -0.15}), "Set close");
}

#[test]
fn vector_stroked_text_extracts_once() {
    let stroke = json!({"strokeWidth": 2, "stroke": "#ff0000"});
    assert_read("stroked", "Outlined", stroke, "Outlined");
    let both = json!({"strokeWidth": 2, "stroke": "#ff0000", "fill": "linear-gradient(90deg,#f00 0%,#00f 100%)"});
    assert_read("stroked-gradient", "Outlined", both, "Outlined");
}

#[test]
fn vector_gradient_and_blurred_text_is_extractable() {
    assert_read("gradient-text", "Colourful", json!({"fill": "linear-gradient(90deg,#f00 0%,#00f 100%)"}), "Colourful");
    assert_read("blurred-text", "Far away", json!({"blurEnabled": true, "blurRadius": 5}), "Far away");
}

#[test]
fn vector_curved_text_extracts_as_words() {
    let curved = json!({"curveEnabled": true, "curvePower": 0.4, "width": 360});
    assert_read("curved", "Round the corner", curved, "Round the corner");
}

#[test]
fn vector_right_to_left_text_is_extractable() {
    // Liberation Sans has Hebrew. The content has the words from left to right; readers reorder them into lines.
    let element = text_element("שלום עולם", json!({"fontFamily": "Liberation Sans"}));
    let pages = Scenes::shared().pages(&design(json!([element])), &Value::Null);
    let file = keep("hebrew", &write(&pages, settings()).unwrap().bytes);
    let is_mark = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    if let Some(lines) = lines(&file) {
        assert_eq!(lines.replace(is_mark, "").trim(), "שלום עולם");
    }
}

#[test]
fn vector_synthetic_bold_is_heavier() {
    // A family with only a regular face.
    let font = json!({"fontFamily": "Lone"});
    let mut inks = Vec::new();
    for weight in ["normal", "bold"] {
        let mut element = text_element("Heavy", font.clone());
        element["fontWeight"] = weight.into();
        let design = json!({"width": 400, "height": 300, "fonts": [{"fontFamily": "Lone", "url": roboto(|_| ())}],
            "pages": [{"id": "page", "children": [element]}]});
        let pages = Scenes::shared().pages(&design, &Value::Null);
        let file = keep(&format!("bold-{weight}"), &write(&pages, settings()).unwrap().bytes);
        read_by_all(&file);
        let (Some(text), Some(picture)) = (text(&file), picture(&file, 144.0)) else { return };
        assert_eq!(text.trim(), "Heavy");
        inks.push(picture.pixels().map(|pixel| u64::from(255 - pixel.0[0])).sum::<u64>());
    }
    assert!(inks[1] as f64 > inks[0] as f64 * 1.15, "{inks:?}");
}

/// Roboto as a data URL after `edit` changed its bytes.
fn roboto(edit: impl FnOnce(&mut [u8])) -> String {
    use base64::Engine as _;
    let mut font = std::fs::read("assets/fonts/Roboto-Regular.ttf").unwrap();
    edit(&mut font);
    format!("data:font/ttf;base64,{}", base64::engine::general_purpose::STANDARD.encode(font))
}

/// Sets `fsType` of the OS/2 table to restricted embedding.
fn restrict(font: &mut [u8]) {
    let count = usize::from(u16::from_be_bytes([font[4], font[5]]));
    let record = (0..count).map(|at| 12 + at * 16).find(|at| &font[*at..at + 4] == b"OS/2").unwrap();
    let table = u32::from_be_bytes(font[record + 8..record + 12].try_into().unwrap()) as usize;
    font[table + 8..table + 10].copy_from_slice(&2_u16.to_be_bytes());
}

#[test]
fn vector_fonts_with_restricted_embedding_are_drawn_as_outlines() {
    let design = json!({"width": 400, "height": 300, "fonts": [{"fontFamily": "Kept", "url": roboto(restrict)}],
        "pages": [{"id": "page", "children": [text_element("Not yours", json!({"fontFamily": "Kept"}))]}]});
    let pages = Scenes::shared().pages(&design, &Value::Null);
    let document = write(&pages, settings()).unwrap();
    assert_eq!(document.warnings.len(), 1, "one warning: {:?}", document.warnings);
    assert!(document.warnings[0].message.contains("fsType"), "{}", document.warnings[0]);
    let file = keep("restricted", &document.bytes);
    read_by_all(&file);
    let (Some(fonts), Some(text), Some(picture)) = (fonts(&file), text(&file), picture(&file, 72.0)) else { return };
    assert!(fonts.iter().all(|font| font.join(" ").contains("Type 3")), "{fonts:?}");
    assert_eq!(text.trim(), "Not yours");
    let dark = picture.pixels().filter(|pixel| pixel.0[0] < 128).count();
    assert!(dark > 300, "{dark} dark px");
}

#[test]
fn vector_links_cover_their_text() {
    let element = text_element("<p>see <a href=\"https://example.com/a\">here</a></p>", json!({}));
    let pages = Scenes::shared().pages(&design(json!([element])), &Value::Null);
    let file = source(&pages, readable());
    assert_eq!(file.matches("(https://example.com/a)").count(), 1, "{file}");
}

#[test]
fn vector_links_of_elements_and_groups_cover_their_boxes() {
    let figure = |x: f64, more: Value| {
        let mut figure = json!({"type": "figure", "x": x, "y": 10, "width": 40, "height": 30});
        figure.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        figure
    };
    let children = json!([
        {"type": "group", "link": "https://example.com/group", "children": [
            figure(10.0, json!({})), figure(60.0, json!({"href": "https://example.com/own"})),
        ]},
        figure(110.0, json!({"link": " "})),
    ]);
    let pages = Scenes::shared().pages(&design(children), &Value::Null);
    let links = tenter::paint::pdf::page_links(&pages[0]);
    let found: Vec<_> = links.iter().map(|link| (link.url.as_str(), link.rect.x0, link.rect.width())).collect();
    assert_eq!(found, [("https://example.com/group", 10.0, 40.0), ("https://example.com/own", 60.0, 40.0)]);
    let file = source(&pages, readable());
    assert_eq!(file.matches("(https://example.com/").count(), 2, "{file}");
}

#[test]
fn vector_groups_may_nest_deeper_than_readers_allow() {
    let mut node = Node::Path(Path::filled(square(10.0, 40.0), RED));
    for _ in 0..500 {
        node = group(Group { opacity: Opacity::new(0.9999), children: vec![node], ..Group::default() });
    }
    let Some(found) = shown("deep", page(vec![node]), &[(30.0, 30.0)]) else { return };
    assert!(found[0][0] > 240 && found[0][1] < 40, "{found:?}");
}

#[test]
fn vector_pages_return_their_objects_page_by_page() {
    use pdf_writer::Ref;
    use tenter::paint::pdf::Painter;
    let mut painter = Painter::new(Ref::new(10), settings());
    let node = quadrants(Vec::new(), None);
    let first = painter.page(&page(vec![node.clone()]), &|| false).unwrap();
    let second = painter.page(&page(vec![node]), &|| false).unwrap();
    assert!(first.objects.refs().count() > 0);
    assert_eq!(second.objects.refs().count(), 0, "the picture is already in the file");
    let (rest, next) = painter.finish().unwrap();
    assert_eq!(rest.refs().count(), 0, "no text, no fonts");
    assert!(first.objects.refs().all(|object| object.get() >= 10 && object.get() < next.get()));
}

#[test]
fn vector_painting_stops_when_cancelled() {
    use tenter::paint::pdf::{Painter, PdfError};
    let mut painter = Painter::new(pdf_writer::Ref::new(1), settings());
    let node = Node::Path(Path::filled(square(10.0, 40.0), Paint::from(RED)));
    assert!(matches!(painter.page(&page(vec![node]), &|| true), Err(PdfError::Abandoned)));
}
