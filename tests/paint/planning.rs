use kurbo::{Affine, Insets, Rect, Stroke};
use tenter::paint::{FramePlan, SurfaceLimits};
use tenter::report::Origin;
use tenter::scene::{Bitmap, BitmapGrid, Group, Node, Path};
use tenter::units::{Opacity, Px};

use super::*;

const LIMITS: SurfaceLimits = SurfaceLimits { side: 65_535, megapixels: 100.0 };

fn planned(page: &Page, scale: f64) -> FramePlan {
    tenter::paint::plan(page, DeviceScale::new(scale).unwrap(), LIMITS).unwrap()
}

#[test]
fn plan_opens_layers_only_where_needed() {
    let square = || vec![fill(rect(0.0, 0.0, 4.0, 4.0), RED)];
    let page = page(
        10.0,
        10.0,
        vec![
            group(Group { transform: Affine::translate((1.0, 0.0)), children: square(), ..Group::default() }),
            group(Group { clip: Some(rect(0.0, 0.0, 2.0, 2.0)), children: square(), ..Group::default() }),
            group(Group { opacity: Opacity::new(0.5), children: square(), ..Group::default() }),
            group(Group { opacity: Opacity::new(0.0), children: square(), ..Group::default() }),
            group(Group { opacity: Opacity::new(0.5), ..Group::default() }),
        ],
    );
    insta::assert_snapshot!(planned(&page, 2.0).dump(), @r"
    surface 0: 20x20
    draw into 0
      fill M0,0 L4,0 L4,4 L0,4 Z #ff0000ff at [2.00 0.00 0.00 2.00 2.00 0.00]
      clip M0,0 L2,0 L2,2 L0,2 Z at [2.00 0.00 0.00 2.00 0.00 0.00]
        fill M0,0 L4,0 L4,4 L0,4 Z #ff0000ff at [2.00 0.00 0.00 2.00 0.00 0.00]
      layer opacity 0.50
        fill M0,0 L4,0 L4,4 L0,4 Z #ff0000ff at [2.00 0.00 0.00 2.00 0.00 0.00]
    ");
}

#[test]
fn plan_moves_content_by_the_bleed() {
    let mut page = page(10.0, 10.0, vec![fill(rect(0.0, 0.0, 4.0, 4.0), RED)]);
    page.bleed = Insets::new(3.0, 2.0, 1.0, 0.0);
    insta::assert_snapshot!(planned(&page, 1.5).dump(), @r"
    surface 0: 21x18
    draw into 0
      fill M0,0 L4,0 L4,4 L0,4 Z #ff0000ff at [1.50 0.00 0.00 1.50 4.50 3.00]
    ");
}

#[test]
fn plan_warns_about_what_it_leaves_out() {
    let origin = Some(Origin { path: "pages[0].children[2]".into(), element: "e2".into() });
    let children = vec![
        fill(rect(0.0, 0.0, f64::NAN, 4.0), RED),
        Node::Path(Path::stroked(rect(0.0, 0.0, 9.0, 9.0), RED, Stroke::new(1.0).with_dashes(0.0, [1e-9, 1e-9]))),
    ];
    let page = page(10.0, 10.0, vec![group(Group { origin, children, ..Group::default() })]);
    insta::assert_snapshot!(planned(&page, 1.0).dump(), @r"
    surface 0: 10x10
    draw into 0
      stroke 1.00 M0,0 L9,0 L9,9 L0,9 Z #ff0000ff
    warning pages[0].children[2] (e2): left out: it is too large or its position is not a finite number
    warning pages[0].children[2] (e2): the dashes are too fine to see; the line is drawn solid
    ");
}

#[test]
fn plan_draws_bitmaps_unrotated_and_places_them_at_fractions_of_px() {
    let of = |transform| Group {
        transform,
        bitmap: Some(Bitmap { area: Rect::new(-1.0, 0.0, 3.0, 4.0), grid: BitmapGrid::Covering }),
        blur: Px(1.0),
        children: vec![fill(rect(0.0, 0.0, 9.0, 2.0), RED)],
        ..Group::default()
    };
    let turned = of(Affine::translate((5.0, 5.0)) * Affine::rotate(std::f64::consts::FRAC_PI_2));
    let page = page(10.0, 10.0, vec![group(of(Affine::translate((2.0, 1.25)))), group(turned)]);
    insta::assert_snapshot!(planned(&page, 2.0).dump(), @r"
    surface 0: 20x20
    surface 1: 8x7
    surface 2: 8x7
    surface 3: 8x7
    surface 4: 8x7
    draw into 1
      fill M0,0 L9,0 L9,2 L0,2 Z #ff0000ff at [2.00 0.00 0.00 2.00 2.00 0.00]
    filter 1 into 2: Blur { radius: 2 }
    draw into 3
      fill M0,0 L9,0 L9,2 L0,2 Z #ff0000ff at [2.00 0.00 0.00 2.00 2.00 0.00]
    filter 3 into 4: Blur { radius: 2 }
    draw into 0
      surface 2 at 2.00 2.50
      surface 4 at 10.00 8.00 linear 0.00 1.00 -1.00 0.00
    ");
}

#[test]
fn plan_stretches_bitmaps_of_whole_px_to_their_area() {
    let area = Rect::new(0.0, 0.0, 3.3, 2.2);
    let stretched = Group {
        transform: Affine::translate((5.0, 5.25)),
        bitmap: Some(Bitmap { area, grid: BitmapGrid::Stretched }),
        children: vec![fill(rect(0.0, 0.0, 9.0, 2.2), RED)],
        ..Group::default()
    };
    // 6.6 x 4.4 px at a scale of 2 are 6 x 4.
    insta::assert_snapshot!(planned(&page(10.0, 10.0, vec![group(stretched)]), 2.0).dump(), @r"
    surface 0: 20x20
    surface 1: 6x4
    draw into 1
      fill M0,0 L9,0 L9,2.2 L0,2.2 Z #ff0000ff at [1.82 0.00 0.00 1.82 0.00 0.00]
    draw into 0
      surface 1 at 10.00 10.50 linear 1.10 0.00 0.00 1.10
    ");
}

#[test]
fn plan_detects_pages_covered_by_an_opaque_element() {
    let cover = |side, color| planned(&page(100.0, 100.0, vec![fill(rect(0.0, 0.0, side, side), color)]), 1.0).opaque;
    assert!(cover(100.0, Color::WHITE));
    assert!(!cover(99.0, Color::WHITE));
    assert!(!cover(100.0, Color::from_rgba8(255, 255, 255, 254)));
}
