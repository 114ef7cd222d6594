use kurbo::{Affine, Stroke, Vec2};
use tenter::scene::{Glyph, GlyphRun, GlyphStyle, Group, Node, Paint};
use tenter::units::Px;

use super::square_font::{cut_font, gradient_font, layered_font, picture_font, square_font, svg_font};
use super::*;

/// Run of one square glyph of 10 px whose lower left corner is on the baseline at (`x`, `y`).
fn run(x: f64, y: f64) -> GlyphRun {
    GlyphRun {
        font: square_font(),
        coords: Arc::new([]),
        font_size: Px(20.0),
        origin: kurbo::Point::new(x, y),
        skew: 0.0,
        embolden: Px(0.0),
        style: GlyphStyle::Fill,
        paint: Paint::from(BLACK),
        glyphs: vec![Glyph { id: 1, offset: Vec2::ZERO, advance: Px(10.0), cluster: 0 }],
        text: "x".into(),
    }
}

fn alphas(raster: &Raster<Straight>, y: u32) -> Vec<u8> {
    (0..raster.size().width).map(|x| raster.pixel(x, y)[3]).collect()
}

#[test]
fn glyph_stands_on_the_baseline() {
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(run(4.0, 15.0))]);
    assert_eq!(raster.pixel(4, 14), [0, 0, 0, 255]);
    assert_eq!(raster.pixel(13, 5), [0, 0, 0, 255]);
    assert_eq!([raster.pixel(3, 14), raster.pixel(14, 14), raster.pixel(4, 15), raster.pixel(4, 4)], [[0; 4]; 4]);
}

#[test]
fn glyph_baseline_snaps_to_whole_device_pixels() {
    // Baselines round half up (rendering.md §9.2).
    for (y, expected) in [(14.4, 14), (14.5, 15), (14.75, 15), (15.0, 15)] {
        let raster = paint(20.0, 20.0, vec![Node::Glyphs(run(4.0, y))]);
        assert_eq!([raster.pixel(6, expected - 1)[3], raster.pixel(6, expected)[3]], [255, 0], "{y}");
    }
    // At 1.5 device px per design px, 14.5 is 21.75, which is drawn on row 22.
    let raster = try_paint(&page(20.0, 20.0, vec![Node::Glyphs(run(4.0, 14.5))]), 1.5).unwrap();
    assert_eq!([raster.pixel(10, 21)[3], raster.pixel(10, 22)[3]], [255, 0]);
}

#[test]
fn glyph_pen_snaps_to_quarters() {
    for (x, expected) in [(4.0, 255), (4.1, 255), (4.13, 191), (4.3, 191), (4.6, 128), (4.8, 64)] {
        let raster = paint(20.0, 20.0, vec![Node::Glyphs(run(x, 15.0))]);
        assert_near(raster.pixel(4, 10), [0, 0, 0, expected], 1);
    }
}

#[test]
fn glyph_does_not_snap_when_turned() {
    let transform = Affine::translate((0.0, 0.5)) * Affine::rotate(std::f64::consts::PI * 2.0 - 1e-3);
    let turned = Group { transform, children: vec![Node::Glyphs(run(4.0, 15.0))], ..Group::default() };
    let raster = paint(20.0, 20.0, vec![group(turned)]);
    assert_near(raster.pixel(8, 15), [0, 0, 0, 126], 4);
}

#[test]
fn glyph_slants_to_the_right() {
    let mut slanted = run(2.0, 15.0);
    slanted.skew = 0.5;
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(slanted)]);
    assert_eq!(raster.pixel(3, 14)[3], 255);
    assert_eq!(raster.pixel(3, 6)[3], 0);
    assert_eq!(raster.pixel(14, 6)[3], 255);
}

#[test]
fn glyph_grows_on_every_side_when_emboldened() {
    let mut bold = run(5.0, 15.0);
    bold.embolden = Px(1.0);
    bold.paint = Paint::from(BLACK.with_alpha(0.5));
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(bold)]);
    let mut expected = vec![0; 20];
    expected[4..16].fill(128);
    assert_eq!(alphas(&raster, 10), expected);
    assert_eq!([4, 15].map(|y| raster.pixel(10, y)[3]), [128, 128]);
    assert_eq!([3, 16].map(|y| raster.pixel(10, y)[3]), [0, 0]);
}

#[test]
fn glyph_stroke_is_centred_on_the_outline() {
    let mut outlined = run(5.0, 15.0);
    outlined.style = GlyphStyle::Stroke(Stroke::new(2.0).with_join(kurbo::Join::Miter));
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(outlined)]);
    let mut expected = vec![0; 20];
    expected[4..6].fill(255);
    expected[14..16].fill(255);
    assert_eq!(alphas(&raster, 10), expected);
}

#[test]
fn glyph_gradient_lies_in_the_runs_space() {
    let gradient = peniko::Gradient::new_linear((0.0, 0.0), (100.0, 0.0)).with_stops([BLACK, WHITE]);
    let mut shaded = run(45.0, 15.0);
    shaded.paint = Paint { brush: peniko::Brush::Gradient(gradient), transform: Affine::IDENTITY };
    for (style, x) in [(GlyphStyle::Fill, 50), (GlyphStyle::Stroke(Stroke::new(2.0)), 45)] {
        let shaded = GlyphRun { style, ..shaded.clone() };
        let raster = paint(100.0, 20.0, vec![translated(0.0, 1.0, vec![Node::Glyphs(shaded)])]);
        let expected = (f64::from(x) * 2.55) as u8;
        assert_near(raster.pixel(x, 10), [expected, expected, expected, 255], 3);
    }
}

#[test]
fn glyph_missing_from_the_face_is_blank() {
    let mut missing = run(4.0, 15.0);
    missing.glyphs[0].id = 0;
    missing.glyphs.push(Glyph { id: 60_000, ..missing.glyphs[0] });
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(missing)]);
    assert!(raster.pixels().iter().all(|byte| *byte == 0));
}

#[test]
fn glyph_that_is_damaged_is_an_error() {
    let mut damaged = run(4.0, 15.0);
    damaged.glyphs[0].id = 2;
    let error = try_paint(&page(20.0, 20.0, vec![Node::Glyphs(damaged)]), 1.0).unwrap_err();
    assert!(matches!(&error, PaintError::Font(reason) if reason.to_string().contains("glyph 2")), "{error}");
    let mut nothing = run(4.0, 15.0);
    nothing.font = peniko::FontData::new(peniko::Blob::from(b"no font".to_vec()), 0);
    assert!(matches!(try_paint(&page(20.0, 20.0, vec![Node::Glyphs(nothing)]), 1.0), Err(PaintError::Font(_))));
}

fn coloured(font: peniko::FontData, alpha: f32) -> GlyphRun {
    let mut coloured = run(4.0, 15.0);
    coloured.font = font;
    coloured.glyphs[0].id = 0;
    coloured.paint = Paint::from(RED.with_alpha(alpha));
    coloured
}

#[test]
fn glyph_layers_keep_their_colours() {
    for (alpha, expected) in [(1.0, 255), (0.5, 128)] {
        let raster = paint(20.0, 20.0, vec![Node::Glyphs(coloured(layered_font(1), alpha))]);
        assert_near(raster.pixel(4, 14), [0, 255, 0, expected], 1);
        assert_eq!([raster.pixel(3, 14), raster.pixel(4, 15)], [[0; 4]; 2]);
    }
    let damaged = page(20.0, 20.0, vec![Node::Glyphs(coloured(layered_font(2), 1.0))]);
    assert!(matches!(try_paint(&damaged, 1.0), Err(PaintError::Font(_))));
}

#[test]
fn glyph_layers_look_the_same_when_stroked() {
    // Chromium's strokeText draws the layers and no outline around them.
    let filled = coloured(layered_font(1), 0.5);
    let stroked = GlyphRun { style: GlyphStyle::Stroke(Stroke::new(4.0)), ..filled.clone() };
    let [filled, stroked] = [filled, stroked].map(|run| paint(20.0, 20.0, vec![Node::Glyphs(run)]));
    assert_near(stroked.pixel(4, 14), [0, 255, 0, 128], 1);
    assert_eq!(stroked.pixels(), filled.pixels());
}

#[test]
fn glyph_contours_of_one_paint_have_no_seam() {
    // The cut is at 2.5 px: each contour covers half of that pixel, in opposite directions.
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(coloured(cut_font(), 1.0))]);
    let row: Vec<_> = (3..15).map(|x| raster.pixel(x, 10)).collect();
    assert_eq!(row[1..11], [[0, 255, 0, 255]; 10]);
    assert_eq!([row[0], row[11]], [[0; 4]; 2]);
}

#[test]
fn glyph_layers_may_be_gradients() {
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(coloured(gradient_font(), 1.0))]);
    // The gradient is ten px long, so the middle of the first pixel is at 1/20.
    assert_near(raster.pixel(4, 10), [0, 242, 13, 255], 2);
    assert_near(raster.pixel(13, 10), [0, 13, 242, 255], 2);
    assert_eq!(raster.pixel(14, 10), [0; 4]);
}

#[test]
fn glyph_of_a_font_with_svg_documents_is_its_outline() {
    // Chromium does not draw SVG glyphs.
    let mut plain = run(4.0, 15.0);
    plain.font = svg_font();
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(plain.clone())]);
    assert_eq!([raster.pixel(4, 14), raster.pixel(13, 5)], [[0, 0, 0, 255]; 2]);
    assert_eq!([raster.pixel(3, 14), raster.pixel(14, 14)], [[0; 4]; 2]);
    plain.style = GlyphStyle::Stroke(Stroke::new(2.0));
    let raster = paint(20.0, 20.0, vec![Node::Glyphs(plain)]);
    assert_eq!([raster.pixel(3, 10), raster.pixel(4, 10), raster.pixel(14, 10)], [[0, 0, 0, 255]; 3]);
    assert_eq!([raster.pixel(2, 10), raster.pixel(9, 10)], [[0; 4]; 2]);
}

#[test]
fn glyph_pictures_keep_their_colours() {
    let png = |side: u32| {
        let size = tenter::units::DeviceSize { width: side, height: side };
        let pixels = [0, 0, 255, 255].repeat((side * side) as usize);
        let raster = Raster::from_pixels(size, pixels).unwrap();
        tenter::output::PictureFormat::write(&tenter::output::Png, &raster, &Default::default()).unwrap()
    };
    for (alpha, expected) in [(1.0, 255), (0.5, 128)] {
        let raster = paint(20.0, 20.0, vec![Node::Glyphs(coloured(picture_font(&png(10)), alpha))]);
        assert_near(raster.pixel(4, 14), [0, 0, 255, expected], 1);
        assert_near(raster.pixel(13, 5), [0, 0, 255, expected], 1);
        assert_eq!([raster.pixel(3, 14), raster.pixel(4, 15), raster.pixel(14, 9)], [[0; 4]; 3]);
    }
    for png in [png(1025), png(10)[..40].to_vec()] {
        let page = page(20.0, 20.0, vec![Node::Glyphs(coloured(picture_font(&png), 1.0))]);
        assert!(
            matches!(try_paint(&page, 1.0), Err(PaintError::Font(reason)) if reason.to_string().contains("glyph 0"))
        );
    }
}
