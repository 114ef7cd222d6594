use kurbo::{Affine, Insets, Stroke};
use peniko::{BlendMode, Color, Compose, Gradient, Mix};
use tenter::paint::{PaintError, SurfaceLimits};
use tenter::scene::{Group, Node, Paint, Path};
use tenter::units::Opacity;

use super::*;

#[test]
fn page_size_rounds_half_up() {
    // Values from fixtures.md 24.
    for (width, height, scale, expected) in
        [(101.0, 51.0, 0.5, (51, 26)), (100.5, 50.5, 1.0, (101, 51)), (99.0, 99.0, 1.5, (149, 149))]
    {
        let size = try_paint(&page(width, height, vec![]), scale).unwrap().size();
        assert_eq!((size.width, size.height), expected);
    }
}

#[test]
fn page_scale_is_exact_although_the_size_is_rounded() {
    // 51 x 26 px hold 50.5 x 25.5 px of content: the last row and column are half covered.
    let raster = try_paint(&page(101.0, 51.0, vec![fill(rect(0.0, 0.0, 101.0, 51.0), RED)]), 0.5).unwrap();
    assert_eq!(raster.pixel(49, 24), [255, 0, 0, 255]);
    assert_near(raster.pixel(50, 24), [255, 0, 0, 128], 1);
    assert_near(raster.pixel(50, 25), [255, 0, 0, 64], 1);
}

#[test]
fn page_bleed_shifts_the_content() {
    let mut page = page(20.0, 10.0, vec![fill(rect(0.0, 0.0, 20.0, 10.0), RED)]);
    page.bleed = Insets::new(3.0, 1.0, 2.0, 4.0);
    let raster = try_paint(&page, 1.0).unwrap();
    assert_eq!((raster.size().width, raster.size().height), (25, 15));
    assert_eq!(raster.pixel(2, 1), [0; 4]);
    assert_eq!(raster.pixel(3, 1), [255, 0, 0, 255]);
    assert_eq!(raster.pixel(22, 10), [255, 0, 0, 255]);
    assert_eq!(raster.pixel(23, 11), [0; 4]);
}

#[test]
fn page_too_large_names_the_limit() {
    let error = try_paint(&page(40_000.0, 40_000.0, vec![]), 1.0).unwrap_err();
    assert!(matches!(error, PaintError::TooManyPixels { .. }) && error.to_string().contains("TENTER_MAX_MEGAPIXELS"));
    let error = try_paint(&page(1e300, 1.0, vec![]), 1.0).unwrap_err();
    assert!(matches!(error, PaintError::SideTooLong { limit: 65_280, .. }));
}

#[test]
fn page_that_takes_too_long_is_refused_and_names_the_limit() {
    let limits = SurfaceLimits { side: 1000, megapixels: 0.01 };
    let planned = |count: usize| {
        let gradient = Gradient::new_linear((0.0, 0.0), (9.0, 9.0)).with_stops([RED, BLUE]);
        let full = Node::Path(Path::filled(rect(-1e6, -1e6, 2e6, 2e6), gradient));
        plan(&page(100.0, 100.0, vec![full; count]), tenter::units::DeviceScale::ONE, limits).map(drop)
    };
    // Each fill counts 300 000, and its edges inside the page a little more; the limit is ten million.
    assert!(planned(32).is_ok());
    let error = planned(33).unwrap_err();
    assert!(matches!(error, PaintError::TooMuchWork { .. }) && error.to_string().contains("TENTER_MAX_MEGAPIXELS"));
    // A thin line across the page counts by its length, about 10 000 here, and not as a filled page in addition.
    let line = || {
        let mut line = BezPath::new();
        line.move_to((0.0, 0.0));
        line.line_to((100.0, 100.0));
        Node::Path(Path::stroked(line, RED, kurbo::Stroke::new(0.1)))
    };
    let lines = page(100.0, 100.0, (0..800).map(|_| line()).collect());
    assert!(plan(&lines, tenter::units::DeviceScale::ONE, limits).is_ok());
}

#[test]
fn page_of_the_longest_side_is_painted() {
    let over = |x, y| kurbo::Ellipse::new((x, y), (20.0, 20.0), 0.0).to_path(0.1);
    let raster = paint(65_280.0, 2.0, vec![fill(rect(65_270.0, 0.0, 9.0, 2.0), BLUE), fill(over(65_290.0, 1.0), RED)]);
    assert_eq!([raster.pixel(65_269, 1), raster.pixel(65_279, 1)], [[0; 4], [255, 0, 0, 255]]);
    let raster = paint(2.0, 65_280.0, vec![fill(rect(0.0, 65_270.0, 2.0, 99.0), BLUE), fill(over(1.0, 65_290.0), RED)]);
    assert_eq!([raster.pixel(1, 65_269), raster.pixel(1, 65_279)], [[0; 4], [255, 0, 0, 255]]);
}

#[test]
fn output_alpha_is_straight() {
    let half = paint(4.0, 4.0, vec![fill(rect(0.0, 0.0, 4.0, 4.0), Color::from_rgba8(255, 0, 0, 128))]);
    assert_eq!(half.pixel(1, 1), [255, 0, 0, 128]);
}

#[test]
fn clip_does_not_isolate_blending() {
    // A blend inside a clip blends with the page below.
    let multiply = BlendMode::new(Mix::Multiply, Compose::SrcOver);
    let inner = Group { blend: multiply, children: vec![fill(rect(0.0, 0.0, 10.0, 10.0), BLUE)], ..Group::default() };
    let clipped = Group { clip: Some(rect(0.0, 0.0, 5.0, 10.0)), children: vec![group(inner)], ..Group::default() };
    let raster = paint(10.0, 10.0, vec![fill(rect(0.0, 0.0, 10.0, 10.0), RED), group(clipped)]);
    assert_eq!(raster.pixel(2, 5), [0, 0, 0, 255]);
    assert_eq!(raster.pixel(7, 5), [255, 0, 0, 255]);
}

#[test]
fn clips_nest_and_end() {
    let inner = Group {
        clip: Some(rect(0.0, 4.0, 10.0, 10.0)),
        children: vec![fill(rect(0.0, 0.0, 10.0, 10.0), RED)],
        ..Group::default()
    };
    let outer = Group { clip: Some(rect(0.0, 0.0, 4.0, 10.0)), children: vec![group(inner)], ..Group::default() };
    let raster = paint(10.0, 10.0, vec![group(outer), fill(rect(8.0, 0.0, 2.0, 2.0), BLUE)]);
    assert_eq!(raster.pixel(2, 6), [255, 0, 0, 255]);
    assert_eq!(raster.pixel(2, 2), [0; 4]);
    assert_eq!(raster.pixel(6, 6), [0; 4]);
    assert_eq!(raster.pixel(9, 1), [0, 0, 255, 255]);
}

#[test]
fn opacity_layer_is_flattened_first() {
    let both = vec![fill(rect(0.0, 0.0, 6.0, 4.0), RED), fill(rect(3.0, 0.0, 6.0, 4.0), BLUE)];
    let layer = Group { opacity: Opacity::new(0.5), children: both, ..Group::default() };
    let raster = paint(10.0, 4.0, vec![fill(rect(0.0, 0.0, 10.0, 4.0), WHITE), group(layer)]);
    assert_near(raster.pixel(1, 1), [255, 127, 127, 255], 1);
    assert_near(raster.pixel(4, 1), [127, 127, 255, 255], 1);
}

#[test]
fn translucent_parts_show_through_each_other() {
    // Values from fixtures.md 8: the opacity is in the colours, without a layer.
    let half = |color: Color| color.with_alpha(0.5);
    let raster = paint(
        10.0,
        4.0,
        vec![
            fill(rect(0.0, 0.0, 10.0, 4.0), WHITE),
            fill(rect(0.0, 0.0, 6.0, 4.0), half(RED)),
            fill(rect(3.0, 0.0, 6.0, 4.0), half(BLUE)),
        ],
    );
    assert_near(raster.pixel(4, 1), [127, 63, 191, 255], 1);
}

#[test]
fn gradient_at_45_degrees_has_the_editors_length() {
    // Values from fixtures.md 21: a page of 300 x 100 px, a gradient line through the middle, 100 px long.
    let (dx, dy) = (50.0 * 45f64.to_radians().sin(), -50.0 * 45f64.to_radians().cos());
    let gradient = Gradient::new_linear((150.0 - dx, 50.0 - dy), (150.0 + dx, 50.0 + dy)).with_stops([BLACK, WHITE]);
    let path = Path::filled(rect(0.0, 0.0, 300.0, 100.0), peniko::Brush::Gradient(gradient));
    let raster = paint(300.0, 100.0, vec![Node::Path(path)]);
    for (x, y, expected) in [(75, 50, 0), (150, 50, 127), (225, 50, 255)] {
        assert_near(raster.pixel(x, y), [expected, expected, expected, 255], 2);
    }
}

#[test]
fn gradient_mixes_straight_colours() {
    // Halfway to transparent blue, half of the red is left: a canvas interpolates straight colours, then premultiplies.
    let stops = [RED, BLUE.with_alpha(0.0)];
    let gradient = Gradient::new_linear((0.0, 0.0), (100.0, 0.0)).with_stops(stops);
    let path = Path::filled(rect(0.0, 0.0, 100.0, 2.0), peniko::Brush::Gradient(gradient));
    assert_near(paint(100.0, 2.0, vec![Node::Path(path)]).pixel(50, 0), [127, 0, 128, 127], 3);
}

#[test]
fn gradient_follows_its_own_transform_and_the_groups() {
    let gradient = Gradient::new_linear((0.0, 0.0), (1.0, 0.0)).with_stops([BLACK, WHITE]);
    let paint_100 = Paint { brush: peniko::Brush::Gradient(gradient), transform: Affine::scale(100.0) };
    let path = Node::Path(Path::filled(rect(0.0, 0.0, 100.0, 10.0), paint_100));
    let turned = Group {
        transform: Affine::translate((10.0, 0.0)) * Affine::rotate(std::f64::consts::FRAC_PI_2),
        children: vec![path],
        ..Group::default()
    };
    let raster = paint(10.0, 100.0, vec![group(turned)]);
    assert_near(raster.pixel(5, 25), [64, 64, 64, 255], 2);
    assert_near(raster.pixel(5, 75), [192, 192, 192, 255], 2);
}

#[test]
fn stroke_dashes_are_drawn() {
    // Values from fixtures.md 5: dashes of 16 px, gaps of 8 px.
    let stroke = Stroke::new(4.0).with_dashes(0.0, [16.0, 8.0]).with_caps(kurbo::Cap::Butt);
    let line = kurbo::Line::new((0.0, 2.0), (100.0, 2.0)).to_path(0.1);
    let raster = paint(100.0, 4.0, vec![Node::Path(Path::stroked(line, BLACK, stroke))]);
    let drawn: Vec<bool> = (0..48).map(|x| raster.pixel(x, 2)[3] == 255).collect();
    let expected: Vec<bool> = (0..48).map(|x| x % 24 < 16).collect();
    assert_eq!(drawn, expected);
}

#[test]
fn nesting_a_thousand_layers_deep_is_painted() {
    let mut node = fill(rect(0.0, 0.0, 8.0, 8.0), RED);
    for depth in 0..1000 {
        let opacity = Opacity::new(if depth % 2 == 0 { 1.0 } else { 0.9999 });
        node = group(Group { clip: Some(rect(0.0, 0.0, 8.0, 8.0)), opacity, children: vec![node], ..Group::default() });
    }
    let raster = paint(8.0, 8.0, vec![node]);
    assert_eq!(raster.pixel(4, 4)[0], 255);
    assert!(raster.pixel(4, 4)[3] > 200, "{:?}", raster.pixel(4, 4));
}

#[test]
fn extreme_numbers_paint_nothing() {
    let odd = [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e300, -1e12, 1e7, 1e-300, 0.0];
    let mut nodes = Vec::new();
    for a in odd {
        for b in odd {
            nodes.push(fill(rect(a, b, b, a), RED));
            nodes.push(Node::Path(Path::stroked(rect(0.0, 0.0, a, b), RED, Stroke::new(b).with_dashes(a, [b, a]))));
            let transform = Affine::new([a, b, b, a, 1.0, 1.0]);
            let clip = Some(rect(a, a, b, b));
            let children = vec![fill(rect(0.0, 0.0, 1.0, 1.0), RED)];
            nodes.push(group(Group { transform, clip, children, ..Group::default() }));
        }
    }
    nodes.push(fill(rect(2.0, 2.0, 4.0, 4.0), BLUE));
    assert_eq!(paint(8.0, 8.0, nodes).pixel(3, 3), [0, 0, 255, 255]);
}

#[test]
fn dropped_receivers_cancel_and_the_next_page_is_clean() {
    let rasterizer = rasterizer();
    let page = page(4.0, 4.0, vec![fill(rect(0.0, 0.0, 4.0, 4.0), RED)]);
    let planned = tenter::paint::plan(&page, tenter::units::DeviceScale::ONE, rasterizer.limits()).unwrap();
    drop(rasterizer.submit(planned.clone(), None));
    let raster = rasterizer.submit(planned, None).blocking_recv().unwrap().unwrap().raster;
    assert_eq!(raster.pixel(0, 0), [255, 0, 0, 255]);
}
