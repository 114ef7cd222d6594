//! Documents to nodes and pixels, by value; then everything a hostile document may try.

use std::fmt::Write as _;

use kurbo::{Rect, Shape};
use peniko::{Brush, Color};

use super::*;
use crate::scene::{DecodedImage, Group, Image, Node, Path};

fn asset(source: &str) -> SvgAsset {
    SvgAsset::new(source.as_bytes(), &AssetLimits::default()).unwrap_or_else(|error| panic!("{error}\n{source}"))
}

fn refused(source: &str) -> SvgError {
    SvgAsset::new(source.as_bytes(), &AssetLimits::default()).expect_err("refused")
}

/// An SVG of 100 x 100 px.
fn svg(inside: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='100' height='100'>{inside}</svg>"
    )
}

fn nodes(inside: &str) -> Vec<Node> {
    asset(&svg(inside)).nodes(&[], 1.0).expect("drawn").nodes
}

/// All paths, with groups unpacked and their transforms applied to the outline.
fn paths(nodes: &[Node]) -> Vec<Path> {
    nodes
        .iter()
        .flat_map(|node| match node {
            Node::Group(group) => paths(&group.children)
                .into_iter()
                .map(|path| Path { outline: group.transform * path.outline, ..path })
                .collect(),
            Node::Path(path) => vec![path.clone()],
            _ => Vec::new(),
        })
        .collect()
}

fn images(nodes: &[Node]) -> Vec<Image> {
    nodes
        .iter()
        .flat_map(|node| match node {
            Node::Group(group) => images(&group.children),
            Node::Image(image) => vec![image.clone()],
            _ => Vec::new(),
        })
        .collect()
}

fn groups(nodes: &[Node]) -> Vec<&Group> {
    nodes
        .iter()
        .flat_map(|node| match node {
            Node::Group(group) => [vec![&**group], groups(&group.children)].concat(),
            _ => Vec::new(),
        })
        .collect()
}

fn fill(path: &Path) -> [u8; 4] {
    match &path.fill.as_ref().expect("filled").0.brush {
        Brush::Solid(color) => color.to_rgba8().to_u8_array(),
        other => panic!("not solid: {other:?}"),
    }
}

fn pixel(picture: &DecodedImage, x: u32, y: u32) -> [u8; 4] {
    let at = (y * picture.width + x) as usize * 4;
    picture.pixels.data()[at..at + 4].try_into().expect("four bytes")
}

fn drawn(source: &str, width: u32, height: u32) -> DecodedImage {
    Arc::unwrap_or_clone(rasterize(&asset(source), DeviceSize { width, height }, &[], None).expect("drawn").picture)
}

/// A data URL of one PNG px of this colour.
fn png_url(rgba: [u8; 4]) -> String {
    use base64::Engine;
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, 1, 1);
    encoder.set_color(png::ColorType::Rgba);
    encoder.write_header().and_then(|mut it| it.write_image_data(&rgba)).expect("written");
    format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(out))
}

/// Sizes that Chromium 156 reports to scripts, and draws, on a canvas of 436 x 431 px.
#[test]
fn sizes_are_those_of_browsers() {
    let canvas = Size::new(436.0, 431.0);
    for (attributes, natural, drawn) in [
        ("width='20' height='10' viewBox='0 0 5 5'", (20.0, 10.0), (20.0, 10.0)),
        ("width='1in' height=' 48pt '", (96.0, 64.0), (96.0, 64.0)),
        ("width='2em' height='1REM'", (32.0, 16.0), (32.0, 16.0)),
        ("width='1e2' height='5e1'", (100.0, 50.0), (100.0, 50.0)),
        ("", (300.0, 150.0), (436.0, 431.0)),
        ("width='200'", (200.0, 150.0), (200.0, 431.0)),
        ("width='auto' height='40'", (300.0, 40.0), (436.0, 40.0)),
        ("width='20' viewBox='0 0 80 40'", (20.0, 10.0), (20.0, 10.0)),
        ("width='50%' height='100' viewBox='0 0 200 200'", (100.0, 100.0), (100.0, 100.0)),
        ("viewBox='-5,-5 60 30'", (300.0, 150.0), (436.0, 218.0)),
        ("viewBox='0 0 200 200'", (150.0, 150.0), (431.0, 431.0)),
        ("width='0' height='10'", (0.0, 10.0), (0.0, 10.0)),
        ("width='-5' height='50'", (0.0, 50.0), (0.0, 50.0)),
        ("width='100vw' height='10VH' viewBox='0 0 9 9'", (0.0, 0.0), (0.0, 0.0)),
    ] {
        let source = format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}/>");
        let sizes = asset(&source).sizes(canvas, SvgRole::Picture);
        let expected = SvgSizes { natural: natural.into(), drawn: drawn.into() };
        assert_eq!(sizes, expected, "{attributes}");
    }
    // Of an element, sides that are missing are those of the `viewBox` (`public--svg-sizes` of the reference designs).
    for (attributes, size) in [
        ("viewBox='0 0 200 200'", (200.0, 200.0)),
        ("width='200' viewBox='0 0 100 50'", (200.0, 50.0)),
        ("height='100' viewBox='0 0 100 50'", (100.0, 100.0)),
    ] {
        let source = format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}/>");
        let sizes = asset(&source).sizes(canvas, SvgRole::Element);
        assert_eq!(sizes, SvgSizes { natural: size.into(), drawn: size.into() }, "{attributes}");
    }
}

#[test]
fn size_can_be_given_to_a_document_without_one() {
    let circle = asset("<svg xmlns='http://www.w3.org/2000/svg' width='100%'><rect width='100%' height='100%'/></svg>");
    let sized = circle.with_size(Size::new(40.0, 20.0));
    assert_eq!(sized.absolute_size(), Some(Size::new(40.0, 20.0)));
    let drawn = sized.nodes(&[], 1.0).expect("drawn");
    assert_eq!(drawn.size, Size::new(40.0, 20.0));
    assert_eq!(paths(&drawn.nodes)[0].outline.bounding_box(), Rect::new(0.0, 0.0, 40.0, 20.0));
}

#[test]
fn encodings_of_browsers_are_read() {
    let text = svg("<text>é</text>");
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    assert_eq!(&*asset(&text).source, &*SvgAsset::new(&utf16, &AssetLimits::default()).expect("read").source);
    let latin: Vec<u8> =
        b"<?xml version='1.0' encoding='iso-8859-1'?>".iter().copied().chain(text.chars().map(|c| c as u8)).collect();
    assert_eq!(&*asset(&text).source, &*SvgAsset::new(&latin, &AssetLimits::default()).expect("read").source);
    // What is no text becomes a replacement character, and the rest is there.
    let undeclared = svg("<!-- ? --><rect width='9' height='9'/>").replace('?', "\u{e9}");
    let undeclared: Vec<u8> = undeclared.chars().map(|c| c as u8).collect();
    let drawn = SvgAsset::new(&undeclared, &AssetLimits::default()).expect("read").nodes(&[], 1.0).expect("drawn");
    assert_eq!(paths(&drawn.nodes).len(), 1);
}

#[test]
fn entities_of_drawing_programs_are_resolved() {
    let source = "<!DOCTYPE svg [<!ENTITY ns_svg \"http://www.w3.org/2000/svg\"><!ENTITY c \"#ff0000\">]>
        <svg xmlns=\"&ns_svg;\" width=\"10\" height=\"10\"><rect width=\"10\" height=\"10\" fill=\"&c;\"/></svg>";
    let red = asset(source);
    assert!(!red.source.contains("ENTITY"));
    assert_eq!(fill(&paths(&red.nodes(&[], 1.0).expect("drawn").nodes)[0]), [255, 0, 0, 255]);
}

#[test]
fn path_has_fill_rule_stroke_and_transform() {
    let nodes = nodes(
        "<g transform='translate(10 20) scale(2)'><path d='M0 0H10V10z' fill='red' fill-opacity='.5' fill-rule='evenodd'
         stroke='#00f' stroke-width='3' stroke-linecap='round' stroke-linejoin='bevel' stroke-dasharray='4 2'
         stroke-dashoffset='1'/></g>",
    );
    let path = &paths(&nodes)[0];
    assert_eq!(path.outline.bounding_box(), Rect::new(10.0, 20.0, 30.0, 40.0));
    assert_eq!(fill(path), [255, 0, 0, 128]);
    assert_eq!(path.fill.as_ref().expect("filled").1, peniko::Fill::EvenOdd);
    let (paint, stroke) = path.stroke.as_ref().expect("stroked");
    assert_eq!(paint.brush, Brush::Solid(Color::from_rgb8(0, 0, 255)));
    assert_eq!((stroke.width, stroke.dash_offset, stroke.dash_pattern.as_slice()), (3.0, 1.0, [4.0, 2.0].as_slice()));
    assert_eq!((stroke.start_cap, stroke.join), (kurbo::Cap::Round, kurbo::Join::Bevel));
}

#[test]
fn paint_order_puts_the_stroke_below() {
    let nodes = nodes("<rect width='9' height='9' fill='red' stroke='blue' paint-order='stroke'/>");
    let paths = paths(&nodes);
    assert!(paths[0].fill.is_none() && paths[0].stroke.is_some());
    assert!(paths[1].fill.is_some() && paths[1].stroke.is_none());
}

#[test]
fn gradient_of_the_box_is_resolved() {
    let nodes = nodes(
        "<linearGradient id='g' spreadMethod='reflect' x2='.5'><stop stop-color='red'/>
         <stop offset='1' stop-color='blue' stop-opacity='.5'/></linearGradient>
         <rect x='20' y='30' width='40' height='10' fill='url(#g)'/>",
    );
    let paint = paths(&nodes)[0].fill.clone().expect("filled").0;
    let Brush::Gradient(gradient) = &paint.brush else { panic!("not a gradient") };
    let peniko::GradientKind::Linear(line) = gradient.kind else { panic!("not linear") };
    assert_eq!(paint.transform * line.start, kurbo::Point::new(20.0, 30.0));
    assert_eq!(paint.transform * line.end, kurbo::Point::new(40.0, 30.0));
    assert_eq!(gradient.extend, peniko::Extend::Reflect);
    assert_eq!(
        gradient.stops[1].color.to_alpha_color::<peniko::color::Srgb>().to_rgba8().to_u8_array(),
        [0, 0, 255, 128]
    );
}

#[test]
fn opacity_of_one_shape_needs_no_layer() {
    let single = nodes("<g opacity='.5'><rect width='9' height='9' fill='red'/></g>");
    assert_eq!(fill(&paths(&single)[0]), [255, 0, 0, 128]);
    assert!(groups(&single).iter().all(|group| group.opacity == crate::units::Opacity::OPAQUE));
    let two = nodes("<g opacity='.5'><rect width='9' height='9'/><rect width='5' height='5' fill='red'/></g>");
    assert!(groups(&two).iter().any(|group| group.opacity.get() == 0.5));
}

#[test]
fn clip_of_one_outline_stays_vector() {
    let nodes = nodes(
        "<clipPath id='a'><circle cx='50' cy='50' r='20'/></clipPath>
         <clipPath id='b' clip-path='url(#a)'><rect width='50' height='100'/></clipPath>
         <g clip-path='url(#b)'><rect width='100' height='100'/></g>",
    );
    let clips: Vec<Rect> =
        groups(&nodes).iter().filter_map(|group| group.clip.as_ref()).map(Shape::bounding_box).collect();
    assert_eq!(clips.len(), 2);
    assert!((clips[0].x0 - 30.0).abs() < 0.01 && (clips[0].x1 - 70.0).abs() < 0.01, "outer clip first: {clips:?}");
    assert_eq!(clips[1], Rect::new(0.0, 0.0, 50.0, 100.0));
    assert!(images(&nodes).is_empty());
}

#[test]
fn what_nodes_cannot_hold_becomes_an_image() {
    let shape = "<rect x='20' y='20' width='60' height='60' fill='red'";
    for inside in [
        format!("<mask id='m'><rect width='50' height='100' fill='white'/></mask>{shape} mask='url(#m)'/>"),
        format!("<filter id='f'><feOffset dx='0'/></filter>{shape} filter='url(#f)'/>"),
        String::from(
            "<pattern id='p' width='10' height='10' patternUnits='userSpaceOnUse'><rect width='10' height='10' fill='red'/>
             </pattern><rect x='20' y='20' width='60' height='60' fill='url(#p)'/>"
        ),
        format!(
            "<clipPath id='c'><path clip-rule='evenodd' d='M20 20H80V80H20zM40 40H60V60H40z'/></clipPath>{shape} clip-path='url(#c)'/>"
        ),
    ] {
        let result = asset(&svg(&inside)).nodes(&[], 2.0).expect("drawn");
        let image = &images(&result.nodes)[0];
        // Two px for each px, placed where it was.
        let scale = f64::from(image.picture.width) / image.dest.width();
        assert!((scale - 2.0).abs() < 1e-9 && !result.reduced, "{inside}");
        let at = |x: f64, y: f64| {
            pixel(&image.picture, ((x - image.dest.x0) * 2.0) as u32, ((y - image.dest.y0) * 2.0) as u32)
        };
        assert_eq!(at(30.0, 30.0), [255, 0, 0, 255], "{inside}");
    }
}

#[test]
fn rasterised_part_inside_transforms_stays_in_place() {
    let source = svg("<g transform='translate(50 50) scale(2)'><g transform='rotate(90)'>
         <filter id='f'><feOffset dx='0'/></filter><rect width='10' height='5' fill='red' filter='url(#f)'/></g></g>");
    // (0..10, 0..5) turned by 90 degrees is (-5..0, 0..10); doubled and moved: (40..50, 50..70).
    let result = asset(&source).nodes(&[], 1.0).expect("drawn");
    let image = &images(&result.nodes)[0];
    assert_eq!(image.picture.width, (image.dest.width() * 2.0).round() as u32);
    let mut place = kurbo::Affine::IDENTITY;
    for group in groups(&result.nodes) {
        place *= group.transform;
    }
    let inside = place.inverse() * kurbo::Point::new(45.0, 60.0);
    let at = (inside - image.dest.origin()) * 2.0;
    assert_eq!(pixel(&image.picture, at.x as u32, at.y as u32), [255, 0, 0, 255]);
}

#[test]
fn blends_stay_inside_the_document() {
    let result = asset(&svg("<rect width='100' height='100' fill='#808080'/>
         <rect width='100' height='100' fill='#808080' style='mix-blend-mode:multiply'/>"))
    .nodes(&[], 1.0)
    .expect("drawn");
    let [Node::Image(image)] = result.nodes.as_slice() else { panic!("{:?}", result.nodes) };
    assert_eq!(pixel(&image.picture, 50, 50), [64, 64, 64, 255]);
}

#[test]
fn content_is_clipped_to_the_viewport() {
    let inside = nodes("<rect width='100' height='100'/>");
    assert!(groups(&inside).is_empty(), "{inside:?}");
    let beyond = nodes("<rect width='200' height='50'/>");
    assert_eq!(groups(&beyond)[0].clip.as_ref().expect("clipped").bounding_box(), Rect::new(0.0, 0.0, 100.0, 100.0));
}

#[test]
fn embedded_picture_becomes_an_image_node() {
    let href = png_url([200, 100, 0, 128]);
    let twice = format!("<image id='i' x='10' width='20' height='20' href='{href}'/><use xlink:href='#i' x='30'/>");
    let nodes = nodes(&twice);
    let images = images(&nodes);
    assert_eq!(images.len(), 2);
    assert_eq!(pixel(&images[0].picture, 0, 0), [100, 50, 0, 128]);
    assert!(Arc::ptr_eq(&images[0].picture, &images[1].picture), "decoded once");
    assert_eq!(groups(&nodes)[0].transform.transform_rect_bbox(images[0].dest), Rect::new(10.0, 0.0, 30.0, 20.0));
}

#[test]
fn nested_document_is_drawn_and_clipped() {
    let inner = "%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 width=%2210%22 height=%2210%22%3E%3Crect width=%2220%22 height=%2210%22 fill=%22red%22/%3E%3C/svg%3E";
    let source = svg(&format!("<image width='50' height='50' href='data:image/svg+xml,{inner}'/>"));
    let picture = drawn(&source, 100, 100);
    assert_eq!(pixel(&picture, 25, 25), [255, 0, 0, 255]);
    assert_eq!(pixel(&picture, 75, 25), [0; 4]);
    let result = asset(&source).nodes(&[], 1.0).expect("drawn");
    assert_eq!(fill(&paths(&result.nodes)[0]), [255, 0, 0, 255]);
}

#[test]
fn nothing_outside_the_file_is_loaded() {
    for href in ["file:///etc/hostname", "/etc/hostname", "Cargo.toml", "http://127.0.0.1/a.png", "../a.svg"] {
        let result = asset(&svg(&format!("<image width='9' height='9' xlink:href='{href}'/>"))).nodes(&[], 1.0);
        let result = result.expect("drawn without it");
        assert!(result.nodes.is_empty());
        assert_eq!(
            result.skipped,
            [format!("an image inside the SVG is not loaded because it is not a data: URL: {href}")]
        );
    }
    // XInclude, external entities and style sheets are removed.
    let source = "<?xml-stylesheet href='http://127.0.0.1/a.css'?><svg xmlns='http://www.w3.org/2000/svg'
        xmlns:xi='http://www.w3.org/2001/XInclude' width='9' height='9'><xi:include href='/etc/hostname' parse='text'/>
        <script>alert(1)</script><foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>x</body></foreignObject></svg>";
    let read = asset(source).source;
    assert!(!read.contains("hostname") && !read.contains("alert") && !read.contains("body"), "{read}");
    let external =
        "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><svg xmlns='http://www.w3.org/2000/svg'>&x;</svg>";
    assert!(matches!(refused(external), SvgError::Xml(_)));
}

#[test]
fn broken_embedded_picture_is_left_out_and_reported() {
    let result =
        asset(&svg("<image width='9' height='9' href='data:image/png;base64,AAAA'/><rect width='9' height='9'/>"))
            .nodes(&[], 1.0)
            .expect("drawn");
    assert_eq!(paths(&result.nodes).len(), 1);
    assert!(result.skipped[0].starts_with("an image inside the SVG is not drawn: the file is not a supported image"));
}

#[test]
fn colours_are_replaced_by_value() {
    let source = svg("<style>.a, .b { fill: #f00; stroke:rgb(255,0,0) } .c{fill:blue}</style>
         <rect class='a' width='9' height='9'/><rect width='9' height='9' style='fill:RED;stroke:none'/>
         <rect width='9' height='9' fill='rgb(100%,0%,0%)'/><rect class='c' width='9' height='9'/>
         <rect width='9' height='9' fill='#ff0001'/>");
    let pairs = [("red".into(), "rgba(0, 255, 0, 0.5)".into()), ("#0000FF".into(), "white".into())];
    let nodes = asset(&source).nodes(&pairs, 1.0).expect("drawn").nodes;
    let fills: Vec<_> = paths(&nodes).iter().map(fill).collect();
    let green = [0, 255, 0, 128];
    assert_eq!(fills, [green, green, green, [255; 4], [255, 0, 1, 255]]);
    let stroke = paths(&nodes)[0].stroke.clone().expect("stroked").0.brush;
    assert!(matches!(stroke, Brush::Solid(color) if color.to_rgba8().to_u8_array() == green));
}

#[test]
fn colours_of_gradients_stay() {
    let source = svg(
        "<linearGradient id='g'><stop stop-color='#ff5722'/><stop offset='1' style='stop-color:#3f51b5'/></linearGradient>
         <rect width='9' height='9' fill='url(#g)'/>",
    );
    let pairs = [("#FF5722".into(), "#4caf50".into()), ("rgb(63,81,181)".into(), "#000".into())];
    let nodes = asset(&source).nodes(&pairs, 1.0).expect("drawn").nodes;
    let Some(Brush::Gradient(gradient)) = paths(&nodes)[0].fill.as_ref().map(|it| it.0.brush.clone()) else {
        panic!("not a gradient")
    };
    let stops: Vec<_> = gradient
        .stops
        .iter()
        .map(|it| it.color.to_alpha_color::<peniko::color::Srgb>().to_rgba8().to_u8_array())
        .collect();
    assert_eq!(stops, [[0xff, 0x57, 0x22, 255], [0x3f, 0x51, 0xb5, 255]]);
}

#[test]
fn colours_become_gradients_across_each_shape() {
    let source = svg("<rect x='10' y='20' width='40' height='60' fill='rgb(0, 161, 255)'/>");
    let line = |to: &str| {
        let pairs = [("#00a1ff".to_owned(), to.to_owned())];
        let nodes = asset(&source).nodes(&pairs, 1.0).expect("drawn").nodes;
        let paint = paths(&nodes)[0].fill.clone().expect("filled").0;
        let Brush::Gradient(gradient) = &paint.brush else { panic!("not a gradient: {to}") };
        let peniko::GradientKind::Linear(line) = gradient.kind else { panic!("not linear") };
        let offsets: Vec<_> = gradient.stops.iter().map(|it| it.offset).collect();
        let round = |it: kurbo::Point| (it.x.round(), it.y.round());
        (round(paint.transform * line.start), round(paint.transform * line.end), offsets)
    };
    let up = line("linear-gradient(0deg, rgba(223,138,223,1) 0%,rgba(155,98,226,1) 100%)");
    assert_eq!(up, ((30.0, 80.0), (30.0, 20.0), vec![0.0, 1.0]));
    assert_eq!(line("linear-gradient(red, lime, blue)"), ((30.0, 80.0), (30.0, 20.0), vec![0.0, 0.5, 1.0]));
    let right = line("Linear-Gradient(to right, red 25%, rgb(0 0 255 / 50%) 75%)");
    assert_eq!(right, ((10.0, 50.0), (50.0, 50.0), vec![0.25, 0.75]));
}

#[test]
fn colours_black_means_shapes_without_a_fill() {
    let source = svg("<rect width='9' height='9'/><rect width='9' height='9' fill='#123456'/>");
    let nodes = asset(&source).nodes(&[("black".into(), "#fff".into())], 1.0).expect("drawn").nodes;
    let fills: Vec<_> = paths(&nodes).iter().map(fill).collect();
    assert_eq!(fills, [[255; 4], [0x12, 0x34, 0x56, 255]]);
}

#[test]
fn colours_that_are_none_are_ignored() {
    let source = svg("<rect width='9' height='9' fill='red' stroke='none'/>");
    let pairs = [("none".into(), "blue".into()), ("red".into(), "\"/><script>".into()), ("".into(), "".into())];
    let nodes = asset(&source).nodes(&pairs, 1.0).expect("drawn").nodes;
    assert_eq!(fill(&paths(&nodes)[0]), [255, 0, 0, 255]);
}

#[test]
fn rasterize_stretches_to_the_size() {
    let source = "<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10' viewBox='0 0 10 10'>
        <rect width='5' height='10' fill='red'/></svg>";
    let picture = drawn(source, 40, 20);
    assert_eq!((picture.width, picture.height), (40, 20));
    assert_eq!(pixel(&picture, 18, 10), [255, 0, 0, 255]);
    assert_eq!(pixel(&picture, 21, 10), [0; 4]);
    let huge = DeviceSize { width: 60_000, height: 60_000 };
    assert!(matches!(rasterize(&asset(source), huge, &[], None), Err(SvgError::TooManyPixels { .. })));
}

/// `levels` groups, each showing the one before ten times by way of `show`.
fn explosion(levels: usize, show: impl Fn(usize) -> String) -> String {
    let mut inside = String::from("<rect id='e0' width='1' height='1'/>");
    for level in 1..levels {
        let _ = write!(inside, "<g id='e{level}'>{}</g>", show(level - 1).repeat(10));
    }
    svg(&inside)
}

#[test]
fn explosions_are_refused_before_they_are_built() {
    let by_use = explosion(12, |below| format!("<use xlink:href='#e{below}'/>"));
    assert!(matches!(refused(&by_use), SvgError::TooComplex { .. }));

    let patterns = |paint: &str| {
        let mut inside = String::from("<pattern id='p0' width='1' height='1'><rect width='1' height='1'/></pattern>");
        for level in 1..12 {
            let shapes = paint.replace('#', &format!("#p{}", level - 1));
            let _ = write!(inside, "<pattern id='p{level}' width='1' height='1'>{shapes}</pattern>");
        }
        svg(&format!("{inside}<rect width='9' height='9' fill='url(#p11)'/>"))
    };
    let shape = "<rect width='1' height='1'/>".repeat(10);
    let direct = shape.replace("/>", " fill='url(#)'/>");
    assert!(matches!(refused(&patterns(&direct)), SvgError::TooComplex { .. }));
    assert!(matches!(refused(&patterns(&format!("<g fill='url(#)'>{shape}</g>"))), SvgError::TooComplex { .. }));
    let styled = shape.replace("/>", " style='fill:url(\"#\") none'/>");
    assert!(matches!(refused(&patterns(&styled)), SvgError::TooComplex { .. }));

    let masks = {
        let mut inside = String::from("<mask id='m0'><rect width='1' height='1'/></mask>");
        let mut style = String::new();
        for level in 1..12 {
            let _ =
                write!(inside, "<mask id='m{level}'>{}</mask>", format!("<g class='c{level}'><rect/></g>").repeat(10));
            let _ = write!(style, ".c{level}{{mask:url(#m{})}}", level - 1);
        }
        svg(&format!("<style>{style}</style>{inside}"))
    };
    assert!(matches!(refused(&masks), SvgError::TooComplex { .. }), "by a style sheet");

    let vertices = svg(&format!(
        "<marker id='m'>{}</marker><path marker-mid='url(#m)' d='M0 0{}'/>",
        "<rect width='1' height='1'/>".repeat(1000),
        "h1".repeat(20_000)
    ));
    assert!(matches!(refused(&vertices), SvgError::TooComplex { .. }));
}

#[test]
fn entity_bombs_are_refused() {
    let mut entities = String::from("<!ENTITY a0 \"lol\">");
    for level in 1..10 {
        let _ = write!(entities, "<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10));
    }
    let laughs = format!("<!DOCTYPE svg [{entities}]>{}", svg("<text>&a9;</text>"));
    assert!(matches!(refused(&laughs), SvgError::Entities { .. }));
    let blowup = format!(
        "<!DOCTYPE svg [<!ENTITY a \"{}\">]>{}",
        "x".repeat(100_000),
        svg(&format!("<text>{}</text>", "&a;".repeat(10_000)))
    );
    assert!(matches!(refused(&blowup), SvgError::Entities { .. }));
}

/// As Chromium 156 draws them.
#[test]
fn long_text_is_refused_however_it_is_divided() {
    let text = |spans: usize, letters: usize| {
        svg(&format!("<text>{}</text>", format!("<tspan>{}</tspan>", "\u{5d0}a".repeat(letters)).repeat(spans)))
    };
    assert!(matches!(refused(&text(1, 300_000)), SvgError::TooComplex { .. }));
    assert!(matches!(refused(&text(3000, 100)), SvgError::TooComplex { .. }));
    assert!(SvgAsset::new(text(10, 100).as_bytes(), &AssetLimits::default()).is_ok());
}

#[test]
fn element_with_too_many_attributes_is_refused() {
    let svg = |count: usize| {
        let attributes: String = (0..count).map(|at| format!(" a{at} = '>'")).collect();
        format!("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect{attributes}/></svg>")
    };
    assert!(super::source::parse(&svg(1000)).is_ok());
    assert!(matches!(refused(&svg(1001)), SvgError::Attributes { found: 1001, limit: 1000 }));
    // Text may have as many as it likes.
    let text = format!("<svg xmlns='http://www.w3.org/2000/svg'><text>{}</text></svg>", "a = 1; ".repeat(2000));
    assert!(super::source::parse(&text).is_ok());
}

#[test]
fn references_to_what_is_around_them_are_left_out() {
    let pattern = |id: &str, inside: &str| {
        format!("<pattern id='{id}' width='100' height='100' patternUnits='userSpaceOnUse'>{inside}</pattern>")
    };
    let square = |x: u32, more: &str| format!("<rect x='{x}' width='20' height='20' {more}/>");
    let green = |x: u32| square(x, "fill='#0f0'");
    let whole = |more: &str| format!("<rect width='100' height='20' {more}/>");
    let line =
        |id: &str| format!("<path id='p{id}' d='M0 10h20' stroke='#0f0' stroke-width='20' marker-end='url(#m{id})'/>");
    let marker = |id: &str| {
        let size = "refY='10' markerWidth='100' markerHeight='100' markerUnits='userSpaceOnUse'";
        format!("<marker id='m{id}' {size}><use href='#p{id}'/></marker>")
    };
    let cases = [
        (pattern("a", &(green(0) + &square(20, "fill='url(#a)'"))) + &whole("fill='url(#a)'"), "G----"),
        (pattern("a", &(green(0) + &square(20, "fill='url(#a) #00f'"))) + &whole("fill='url(#a)'"), "GB---"),
        (
            pattern("a", &(green(0) + &square(20, "fill='url(#b)'")))
                + &pattern("b", &(whole("fill='#00f'") + &square(40, "fill='url(#a)'")))
                + &whole("fill='url(#a)'"),
            "GB---",
        ),
        (format!("<g fill='url(#a)'>{}{}</g>", pattern("a", &square(0, "")), whole("")), "-----"),
        (format!("<g id='a'>{}<use href='#a' x='20'/></g>{}", green(0), square(60, "fill='#00f'")), "G--B-"),
        (
            format!("<g id='a'>{}<use href='#b'/></g><g id='b'><use href='#c'/></g><g id='c'><use href='#a'/></g>", green(0)),
            "G----",
        ),
        (
            format!(
                "<clipPath id='c'>{}{}</clipPath>{}",
                square(0, "clip-path='url(#c)'"),
                square(20, ""),
                whole("fill='#0f0' clip-path='url(#c)'")
            ),
            "GG---",
        ),
        (
            format!("<mask id='c' mask='url(#c)'>{}</mask>{}", square(0, "fill='white'"), whole("fill='#0f0' mask='url(#c)'")),
            "G----",
        ),
        (format!("<filter id='f'><feImage href='#b'/></filter><g id='b' filter='url(#f)'>{}</g>", green(0)), "G----"),
        (
            "<g marker-end='url(#m)'><marker id='m' markerWidth='20' markerHeight='20' markerUnits='userSpaceOnUse'>
             <path d='M0 10h20' stroke='#0f0' stroke-width='20'/></marker><path d='M20 0h20' stroke='#00f' stroke-width='40'/></g>"
                .into(),
            "-BG--",
        ),
        // Lines in their own markers have none there, in both orders.
        (format!("{}{}", line(""), marker("")), "GG---"),
        (format!("{}{}", marker(""), line("")), "GG---"),
        // Two lines that are each other's marker.
        (
            format!("{}{}{}{}", line(""), marker(""), line("2"), marker("2")).replace("href='#p'", "href='#q'").replace("href='#p2'", "href='#p'").replace("href='#q'", "href='#p2'"),
            "GGG--",
        ),
    ];
    for (inside, expected) in cases {
        let document = asset(&svg(&inside));
        let picture = rasterize(&document, DeviceSize { width: 100, height: 100 }, &[], None).expect("drawn");
        let found: String = (0..5)
            .map(|at| match pixel(&picture.picture, at * 20 + 10, 10) {
                [0, 255, 0, 255] => 'G',
                [0, 0, 255, 255] => 'B',
                [0, 0, 0, 0] => '-',
                other => panic!("{other:?} in {inside}"),
            })
            .collect();
        assert_eq!(found, expected, "{inside}");
        assert_eq!(picture.skipped, ["a part of the SVG that refers to itself is not drawn there"], "{inside}");
    }
}

/// As Chromium 156 draws them.
#[test]
fn gradients_of_a_cycle_have_the_stops_that_are_in_it() {
    let cycle = "<linearGradient id='a' href='#b'/>
        <linearGradient id='b' href='#c' x2='0' y2='1'><stop stop-color='#f00'/><stop offset='1' stop-color='#00f'/></linearGradient>
        <linearGradient id='c' xlink:href='#a'/><radialGradient id='r' href='#c'/>";
    for id in ["a", "b", "c"] {
        let result = asset(&svg(&format!("{cycle}<rect width='100' height='100' fill='url(#{id})'/>"))).nodes(&[], 1.0);
        let result = result.expect("drawn");
        assert!(result.skipped.is_empty(), "nothing is left out: {:?}", result.skipped);
        let fill = paths(&result.nodes)[0].fill.clone().expect("filled").0;
        let peniko::Brush::Gradient(gradient) = fill.brush else { panic!("{id}: {fill:?}") };
        assert_eq!(gradient.stops.len(), 2, "{id}");
        let peniko::GradientKind::Linear(line) = gradient.kind else { panic!("{id}: {:?}", gradient.kind) };
        let down = fill.transform * line.end - fill.transform * line.start;
        assert!(down.x.abs() < 1e-3 && down.y > 0.0, "{id} runs down: {down:?}");
    }
    let radial = nodes(&format!("{cycle}<rect width='100' height='100' fill='url(#r)'/>"));
    let brush = paths(&radial)[0].fill.clone().expect("filled").0.brush;
    assert!(matches!(&brush, peniko::Brush::Gradient(it) if it.stops.len() == 2), "{brush:?}");
    let pattern = "<pattern id='p' href='#q' width='20' height='20' patternUnits='userSpaceOnUse'/>
        <pattern id='q' href='#p'><rect width='20' height='20' fill='#0f0'/></pattern><rect width='40' height='20' fill='url(#p)'/>
        <rect x='40' width='40' height='20' fill='url(#q)'/>";
    let picture = drawn(&svg(pattern), 100, 100);
    assert_eq!([10, 30, 50, 70].map(|x| pixel(&picture, x, 10)), [[0, 255, 0, 255]; 4]);
}

#[test]
fn markers_of_many_lines_are_not_too_complex() {
    let lines = "<path d='M0 0h9'/>".repeat(20_000);
    let inherited = format!(
        "<g marker-end='url(#m)'><marker id='m' markerWidth='2' markerHeight='2'><rect width='2' height='2'/></marker>{lines}</g>"
    );
    asset(&svg(&inherited));
}

#[test]
fn html_is_left_out_with_a_word() {
    let skipped = |inside: &str| asset(&svg(inside)).nodes(&[], 1.0).expect("drawn").skipped;
    let html = "<foreignObject width='9' height='9'><p xmlns='http://www.w3.org/1999/xhtml'>x</p></foreignObject>";
    assert_eq!(skipped(html), ["HTML inside the SVG (foreignObject) is not drawn"]);
    assert!(skipped("<foreignObject width='9' height='9'> </foreignObject>").is_empty());
    assert!(skipped(&html.replace("<foreignObject", "<foreignObject requiredExtensions='a:b'")).is_empty());
}

#[test]
fn background_of_the_root_covers_the_picture() {
    let source = "<svg xmlns='http://www.w3.org/2000/svg' width='40' height='20' viewBox='0 0 10 10'
        style='display:none;background:#fc8'><rect width='1' height='1'/></svg>";
    let picture = drawn(source, 40, 20);
    assert_eq!((pixel(&picture, 0, 0), pixel(&picture, 39, 19)), ([255, 204, 136, 255], [255, 204, 136, 255]));
}

#[test]
fn deep_documents_are_refused_and_allowed_ones_fit_the_stack() {
    let nested = |levels: usize, open: &str, close: &str| {
        svg(&format!("{}<rect width='1' height='1'/>{}", open.repeat(levels), close.repeat(levels)))
    };
    for levels in [1_000, 400_000] {
        assert!(matches!(refused(&nested(levels, "<g>", "</g>")), SvgError::TooDeep { .. }));
    }
    // Threads of the pool have 2 MiB, as test threads do.
    for (open, close) in [("<g opacity='.9'>", "</g>"), ("<svg width='90' height='90'>", "</svg>")] {
        let source = nested(120, open, close);
        assert!(!asset(&source).nodes(&[], 1.0).expect("drawn").nodes.is_empty());
        drawn(&source, 10, 10);
    }
    let mut uses = String::from("<g id='u0'><rect width='1' height='1'/></g>");
    for level in 1..50 {
        let _ = write!(uses, "<g id='u{level}'><use href='#u{}'/></g>", level - 1);
    }
    assert!(!asset(&svg(&uses)).nodes(&[], 1.0).expect("drawn").nodes.is_empty());
    let mut patterns = String::from("<pattern id='p0' width='1' height='1'><rect width='1' height='1'/></pattern>");
    for level in 1..50 {
        let _ = write!(
            patterns,
            "<pattern id='p{level}' width='1' height='1'><rect width='1' height='1' fill='url(#p{})'/></pattern>",
            level - 1
        );
    }
    let patterns = asset(&svg(&format!("{patterns}<rect width='9' height='9' fill='url(#p49)'/>")));
    patterns.nodes(&[], 1.0).expect("drawn");
}

#[test]
fn style_bombs_are_refused() {
    let refused = |inside: String| match refused(&svg(&inside)) {
        SvgError::Styles { what, .. } => what,
        error => panic!("{error}"),
    };
    let declarations = format!("<style>a{{{}}}</style>", "fill:red;".repeat(600_000));
    assert_eq!(refused(declarations), "declarations and selectors");
    let rules = format!("<style>{}</style>{}", ":hover{fill:red}".repeat(3_000), "<g/>".repeat(10_000));
    assert_eq!(refused(rules), "selectors tried on elements");
    let rules = format!("<style>*{{{}}}</style>{}", "fill:red;".repeat(3_000), "<g/>".repeat(10_000));
    assert_eq!(refused(rules), "declarations applied to elements");
    let siblings = format!("<style>rect ~ g{{fill:red}}</style>{}", "<g/>".repeat(20_000));
    assert_eq!(refused(siblings), "steps of matching selectors");
    let values = format!("<style>g{{font-family:{}}}</style>{}", "a".repeat(100_000), "<g/>".repeat(1_000));
    assert_eq!(refused(values), "bytes of values");
}

#[test]
fn elements_are_counted_before_style_sheets_are_resolved() {
    let sheet = format!("<style>{}</style>", "*{fill:red}".repeat(40));
    let many = svg(&format!("{sheet}{}", "<g/>".repeat(500_000)));
    assert!(matches!(refused(&many), SvgError::Elements { found: 500_002, limit: 500_000 }));
}

#[test]
fn style_of_many_declarations_takes_no_longer_than_its_text() {
    let long = svg(&format!("<rect width='9' height='9' style='{}fill:blue'/>", "fill:red;".repeat(380_000)));
    let start = std::time::Instant::now();
    let nodes = asset(&long).nodes(&[], 1.0).expect("drawn").nodes;
    assert_eq!(fill(&paths(&nodes)[0]), [0, 0, 255, 255]);
    // Half a second in these tests; an hour where it grew with the square.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// Fills of the elements in `inside`, a black rectangle where nothing says otherwise.
fn fills(inside: &str) -> Vec<[u8; 4]> {
    paths(&nodes(&inside.replace("/>", " width='9' height='9'/>"))).iter().map(fill).collect()
}

const RED: [u8; 4] = [255, 0, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const BLACK: [u8; 4] = [0, 0, 0, 255];

#[test]
fn style_sheets_have_the_selectors_of_browsers() {
    let three = "<rect class='a b' id='x'/><rect data-k='one-two'/><rect fill='#00f'/>";
    for (selector, expected) in [
        ("rect", [RED, RED, RED]),
        (":root > rect", [RED, RED, RED]),
        ("rect:not([fill])", [RED, RED, BLUE]),
        ("[data-k^='one']", [BLACK, RED, BLUE]),
        ("[data-k|='one' i]", [BLACK, RED, BLUE]),
        ("rect:nth-child(2n + 1 of rect)", [RED, BLACK, RED]),
        ("rect:nth-last-of-type(1)", [BLACK, BLACK, RED]),
        (".a ~ rect", [BLACK, RED, RED]),
        (".a + rect", [BLACK, RED, BLUE]),
        (":is(.a.b, circle)", [RED, BLACK, BLUE]),
        (":where(#x), .none", [RED, BLACK, BLUE]),
        ("rect:hover", [BLACK, BLACK, BLUE]),
        ("Rect", [BLACK, BLACK, BLUE]),
        ("rect::before, rect", [BLACK, BLACK, BLUE]),
        ("svg:has(> #x) rect[fill]", [BLACK, BLACK, RED]),
        ("rect:has(+ [fill])", [BLACK, RED, BLUE]),
        ("rect:not(:has(~ rect))", [BLACK, BLACK, RED]),
    ] {
        let found = fills(&format!("{three}<style>{selector}{{fill:red}}</style>"));
        assert_eq!(found, expected, "{selector}");
    }
}

#[test]
fn style_sheets_cascade() {
    let rect = "<rect id='x' class='a' fill='#00f'/>";
    for (sheet, expected) in [
        ("rect{fill:red}", RED),
        (".a{fill:red}rect{fill:blue}", RED),
        ("#x{fill:blue}.a{fill:red!important}", RED),
        ("rect{fill:red}rect{fill:nonsense}", RED),
        ("@layer one{#x{fill:blue}}rect{fill:red}", RED),
        ("@layer b,a;@layer a{rect{fill:red}}@layer b{#x{fill:blue}}", RED),
        ("rect{fill:unset}", BLACK),
        ("@media print{rect{fill:red}}", BLUE),
        ("@media screen and (min-width:50px){rect{fill:red}}", RED),
        ("@media (prefers-color-scheme:dark){rect{fill:red}}", BLUE),
        ("@media not print{rect{fill:red}}", RED),
        ("@media (width > 200px), (40px <= height < 101px){rect{fill:red}}", RED),
        ("@supports (fill:red) and (not (a:b)){rect{fill:red}}", RED),
        ("@import url(x.css);rect{fill:red}", RED),
        ("rect{fill:blue;/*}*/} <!-- .a{fill:red} -->", RED),
        ("a{}}rect{fill:red}.a{fill:red}", RED),
        ("svg{rect{fill:red}}", RED),
        ("svg{.b &{fill:red}> #x{fill:red}}", RED),
        ("rect{&.a{fill:red}fill:blue}", RED),
        ("rect{fill:blue;&{fill:blue}fill:red}", RED),
        ("circle,rect{@media screen{&.a{fill:red}}}", RED),
        ("rect{@supports (fill:red){fill:red}}", RED),
        ("rect{a:hover{fill:blue}fill:red}", RED),
        (".a{rect{fill:red}}", BLUE),
        ("svg{svg &{svg &{svg &{rect{fill:red}}}}}", BLUE),
    ] {
        let sheet = sheet.replace('&', "&amp;").replace('<', "&lt;");
        assert_eq!(fills(&format!("{rect}<style>{sheet}</style>")), [expected], "{sheet}");
    }
    assert_eq!(fills("<rect style='fill:red'/><style>rect{fill:blue}</style>"), [RED]);
    assert_eq!(fills("<rect style='fill:red'/><style>rect{fill:blue!important}</style>"), [BLUE]);
    assert_eq!(fills("<rect/><style media='print'>rect{fill:red}</style>"), [BLACK]);
    assert_eq!(fills("<rect/><style type='text/less'>rect{fill:red}</style>"), [BLACK]);
}

#[test]
fn style_variables_are_inherited_and_have_alternatives() {
    let sheet = "<style>:root{--c:red}rect{fill:var(--c)}</style>";
    assert_eq!(fills(&format!("{sheet}<rect/><g style='--c:blue'><rect/></g>")), [RED, BLUE]);
    assert_eq!(fills("<rect style='fill:var(--none, blue)'/>"), [BLUE]);
    // Invalid when the value is known: the weaker declaration is gone by then.
    assert_eq!(fills("<g fill='red'><rect fill='blue' style='fill:var(--none)'/></g>"), [RED]);
}

#[test]
fn style_variables_reach_into_what_use_shows() {
    let symbol = "<defs><g id='s'><rect style='fill:var(--c,blue)'/></g></defs>";
    assert_eq!(fills(&format!("{symbol}<use href='#s'/><use href='#s' style='--c:red'/>")), [BLUE, RED]);
    // From around the `use`, through another one, and from the nearest that says something.
    assert_eq!(
        fills(&format!("{symbol}<g style='--c:red'><use href='#s'/><use href='#s' style='--c:blue'/></g>")),
        [RED, BLUE]
    );
    let outer = "<g id='o'><use href='#s'/></g>";
    assert_eq!(fills(&format!("{symbol}{outer}<use href='#o' style='--c:red'/>")), [BLUE, RED]);
    let own = "<g id='s' style='--c:blue'><rect style='fill:var(--c)'/></g><use href='#s' style='--c:red'/>";
    assert_eq!(fills(own), [BLUE, BLUE]);
    // Rules of style sheets hold for instances as for what they show.
    let sheet = "<style>#s rect{fill:var(--c)}</style><g id='s' fill='red'><rect/></g>";
    assert_eq!(fills(&format!("{sheet}<use href='#s' style='--c:blue'/>")), [RED, BLUE]);
    // What shows itself ends.
    let itself = "<g id='s'><rect style='fill:var(--c,blue)'/><use href='#s' style='--c:red'/></g>";
    assert!(!fills(itself).is_empty());
}

#[test]
fn lengths_are_calculated() {
    let bounds = |inside: &str| paths(&nodes(inside))[0].outline.bounding_box();
    // Of a document 100 px wide and high.
    let style =
        "<rect style='x:calc(10px + 2 * 5px);y:calc(25% / 2);width:calc(100% - 60px);height:calc((1in - 6px) / 3)'/>";
    assert_eq!(bounds(style), Rect::new(20.0, 12.5, 60.0, 42.5));
    let attributes = "<rect x='calc(50% - 10px)' width='calc(2 * 10)' height='calc(1px + 9px)'/>";
    assert_eq!(bounds(attributes), Rect::new(40.0, 0.0, 60.0, 10.0));
    assert!(paths(&nodes("<rect width='calc(9px +)' height='9'/>")).is_empty());
}

#[test]
fn style_transforms_and_clips_become_attributes() {
    let bounds = |inside: &str| paths(&nodes(inside))[0].outline.bounding_box();
    let rect = |style: &str| bounds(&format!("<rect x='20' y='30' width='40' height='20' style='{style}'/>"));
    assert_eq!(rect("transform:translate(10px,-50%)"), Rect::new(30.0, -20.0, 70.0, 0.0));
    assert_eq!(
        rect("transform:scale(.5);transform-box:fill-box;transform-origin:center"),
        Rect::new(30.0, 35.0, 50.0, 45.0)
    );
    assert_eq!(rect("transform:scale(2);transform-origin:20px 30px"), Rect::new(20.0, 30.0, 100.0, 70.0));
    assert_eq!(rect("translate:5px;scale:2"), Rect::new(45.0, 60.0, 125.0, 100.0));
    assert_eq!(bounds("<circle style='cx:50px;cy:40px;r:10px'/>"), Rect::new(40.0, 30.0, 60.0, 50.0));
    assert_eq!(
        bounds("<path d='M0 0h9v9z' style='d:path(\"M10 10h50v20h-50z\")'/>"),
        Rect::new(10.0, 10.0, 60.0, 30.0)
    );
    let clipped = nodes("<rect x='20' y='30' width='40' height='20' style='clip-path:polygon(0 0,30px 0,0 15px)'/>");
    let clip = groups(&clipped)[0].clip.as_ref().expect("clipped").bounding_box();
    assert_eq!(clip, Rect::new(20.0, 30.0, 50.0, 45.0));
}

#[test]
fn patterns_keep_their_period_at_every_scale() {
    // Tiles of 6.6 px: the twentieth begins at 132 px, not at 140 or 120.
    let source =
        "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='20'><pattern id='p' width='10' height='20'
        patternUnits='userSpaceOnUse'><rect width='5' height='20' fill='#f00'/></pattern>
        <rect width='200' height='20' fill='url(#p)'/></svg>";
    let picture = drawn(source, 132, 13);
    for tile in 0..20 {
        let x = f64::from(tile) * 6.6;
        assert!(pixel(&picture, (x + 1.65) as u32, 6)[3] > 250, "inside of tile {tile}");
        assert!(pixel(&picture, (x + 4.95) as u32, 6)[3] < 5, "between tiles {tile} and {}", tile + 1);
    }
}

#[test]
fn rasterised_parts_are_reduced_to_fit() {
    // A hundred thousand px wide at this scale.
    let mask = svg(
        "<mask id='m'><rect width='99' height='99' fill='white'/></mask><rect width='99' height='99' mask='url(#m)'/>",
    );
    let result = asset(&mask).nodes(&[], 1000.0).expect("drawn");
    let picture = &images(&result.nodes)[0].picture;
    assert!(result.reduced && picture.width * picture.height < 20_000_000, "{}x{}", picture.width, picture.height);

    let heavy = svg("<filter id='f'><feTurbulence baseFrequency='.1' numOctaves='1000000000'/></filter>
         <rect width='99' height='99' filter='url(#f)'/>");
    assert!(matches!(
        rasterize(&asset(&heavy), DeviceSize { width: 100, height: 100 }, &[], None),
        Err(SvgError::TooManyPixels { .. })
    ));
    // No resolution makes fewer octaves: 1 px would take a minute.
    assert!(matches!(asset(&heavy).nodes(&[], 1.0), Err(SvgError::RasterWork { .. })));
}

#[test]
fn text_needs_fonts() {
    let source = svg("<text x='0' y='50' font-size='40'>A</text>");
    assert!(asset(&source).nodes(&[], 1.0).expect("drawn").nodes.is_empty());
}

#[test]
fn damaged_documents_never_panic() {
    let source = svg(&format!(
        "<!DOCTYPE svg [<!ENTITY c '#f00'>]><style>.a{{fill:#f00}}</style><linearGradient id='g'><stop offset='.5'/>
         <stop offset='1' stop-color='red'/></linearGradient><filter id='f'><feGaussianBlur stdDeviation='2'/></filter>
         <g transform='rotate(5)' clip-path='url(#c)' filter='url(#f)'><path class='a' d='M1 2C3 4 5 6 7 8z' stroke='url(#g)'
         stroke-dasharray='1 2'/></g><clipPath id='c'><circle r='9'/></clipPath><image href='{}' width='5' height='5'/>",
        png_url([1, 2, 3, 4])
    ));
    let pairs = [("red".to_owned(), "blue".to_owned())];
    for at in 0..source.len() {
        for value in [b'0', b'<', b'-', b'9', b' '] {
            let mut bytes = source.as_bytes().to_vec();
            bytes[at] = value;
            if let Ok(asset) = SvgAsset::new(&bytes, &AssetLimits::default()) {
                let _ = asset.nodes(&pairs, 0.5);
            }
        }
    }
}
