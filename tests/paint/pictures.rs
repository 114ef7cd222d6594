use std::sync::Arc;

use kurbo::{Affine, Rect};
use tenter::scene::{DecodedImage, Group, Image, Node};
use tenter::units::Opacity;

use super::*;

fn picture(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Arc<DecodedImage> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
    Arc::new(DecodedImage::new(width, height, pixels).unwrap())
}

fn whole(picture: &DecodedImage) -> Rect {
    Rect::new(0.0, 0.0, f64::from(picture.width), f64::from(picture.height))
}

fn shown(picture: &Arc<DecodedImage>, source: Rect, dest: Rect) -> Node {
    Node::Image(Image { picture: picture.clone(), source, dest, passes: Vec::new(), opacity: Opacity::OPAQUE })
}

const R: [u8; 4] = [255, 0, 0, 255];
const G: [u8; 4] = [0, 255, 0, 255];
const B: [u8; 4] = [0, 0, 255, 255];
const Y: [u8; 4] = [255, 255, 0, 255];

/// Picture of 200 x 100 px: red and green above blue and yellow (fixtures.md 11).
fn quadrants() -> Arc<DecodedImage> {
    picture(200, 100, |x, y| [[R, G], [B, Y]][usize::from(y >= 50)][usize::from(x >= 100)])
}

#[test]
fn picture_at_its_size_keeps_its_bytes() {
    let noise = picture(7, 5, |x, y| [(x * 31 + y * 7) as u8, (x * 3) as u8, (y * 50) as u8, 255]);
    let raster = paint(9.0, 9.0, vec![shown(&noise, whole(&noise), Rect::new(1.0, 2.0, 8.0, 7.0))]);
    let found: Vec<u8> =
        (2..7).flat_map(|y| (1..8).map(move |x| (x, y))).flat_map(|(x, y)| raster.pixel(x, y)).collect();
    assert_eq!(found, noise.pixels.data());
}

#[test]
fn picture_crop_never_shows_its_neighbours() {
    // A red square in a blue picture is cropped to the red, then enlarged, reduced, shifted by half a pixel and
    // rotated.
    let picture = picture(40, 40, |x, y| if (10..30).contains(&x) && (10..30).contains(&y) { R } else { B });
    let red = Rect::new(10.0, 10.0, 30.0, 30.0);
    for dest in [Rect::new(1.0, 1.0, 90.0, 90.0), Rect::new(3.0, 3.0, 9.0, 9.0), Rect::new(1.5, 1.5, 21.5, 21.5)] {
        for turn in [0.0, 0.1, std::f64::consts::FRAC_PI_2] {
            let transform = Affine::rotate_about(turn, dest.center());
            let turned = Group { transform, children: vec![shown(&picture, red, dest)], ..Group::default() };
            let raster = paint(100.0, 100.0, vec![group(turned)]);
            let blue = raster.pixels().chunks_exact(4).filter(|p| p[2] > 0).count();
            assert_eq!(blue, 0, "{dest:?} turned by {turn}");
            let center = dest.center();
            assert_eq!(raster.pixel(center.x as u32, center.y as u32), R);
        }
    }
}

#[test]
fn picture_made_smaller_is_averaged() {
    let board = picture(400, 400, |x, y| if (x + y) % 2 == 0 { [255; 4] } else { [0, 0, 0, 255] });
    for turn in [0.0, 0.3] {
        let transform = Affine::rotate_about(turn, (50.0, 50.0));
        let dest = Rect::new(0.0, 0.0, 100.0, 100.0);
        let turned = Group { transform, children: vec![shown(&board, whole(&board), dest)], ..Group::default() };
        let raster = paint(100.0, 100.0, vec![group(turned)]);
        for (x, y) in [(50, 50), (40, 61), (55, 43)] {
            assert_near(raster.pixel(x, y), [128, 128, 128, 255], 1);
        }
    }
}

#[test]
fn picture_made_larger_is_bilinear() {
    let two = picture(2, 1, |x, _| if x == 0 { [0, 0, 0, 255] } else { [255; 4] });
    let raster = paint(16.0, 8.0, vec![shown(&two, whole(&two), Rect::new(0.0, 0.0, 16.0, 8.0))]);
    let row: Vec<u8> = (0..16).map(|x| raster.pixel(x, 4)[0]).collect();
    // Edge pixels are repeated; between pixel centres the weights are multiples of 1/16, rounded down.
    assert_eq!(row, [0, 0, 0, 0, 15, 47, 79, 111, 143, 175, 207, 239, 255, 255, 255, 255]);
}

#[test]
fn picture_flipped_and_turned_lands_where_it_should() {
    // Values from fixtures.md 14: width 200, flipX, rotation 90, x 200, y 50.
    let picture = quadrants();
    let flipped = Affine::translate((200.0, 50.0))
        * Affine::rotate(std::f64::consts::FRAC_PI_2)
        * Affine::new([-1.0, 0.0, 0.0, 1.0, 200.0, 0.0]);
    let children = vec![shown(&picture, whole(&picture), Rect::new(0.0, 0.0, 200.0, 100.0))];
    let raster = paint(300.0, 300.0, vec![group(Group { transform: flipped, children, ..Group::default() })]);
    for (x, y, expected) in
        [(110, 60, Y), (190, 60, G), (110, 240, B), (190, 240, R), (99, 100, [0; 4]), (150, 251, [0; 4])]
    {
        assert_eq!(raster.pixel(x, y), expected, "at {x}, {y}");
    }
}

#[test]
fn picture_edges_are_sharp_unless_it_is_slanted() {
    let red = picture(10, 10, |_, _| R);
    let raster = paint(20.0, 20.0, vec![shown(&red, whole(&red), Rect::new(2.25, 2.0, 12.25, 12.0))]);
    let alphas = |raster: &Raster<Straight>, columns: [u32; 4]| columns.map(|x| raster.pixel(x, 5)[3]);
    assert_eq!(alphas(&raster, [1, 2, 11, 12]), [0, 255, 255, 0]);
    assert_eq!(raster.pixel(7, 12), [0; 4]);
    // An edge in the middle of a pixel belongs to the pixel on its right.
    let raster = paint(20.0, 20.0, vec![shown(&red, whole(&red), Rect::new(2.5, 2.0, 12.5, 12.0))]);
    assert_eq!(alphas(&raster, [2, 3, 12, 13]), [0, 255, 255, 0]);
    let children = vec![shown(&red, whole(&red), Rect::new(0.0, 0.0, 10.0, 10.0))];
    let turned = |x: f64, angle: f64| {
        let transform = Affine::translate((x, 2.0)) * Affine::rotate(angle);
        paint(20.0, 20.0, vec![group(Group { transform, children: children.clone(), ..Group::default() })])
    };
    assert_eq!(alphas(&turned(12.25, std::f64::consts::FRAC_PI_2), [1, 2, 11, 12]), [0, 255, 255, 0]);
    let turned = turned(2.25, 1e-4);
    assert_near(turned.pixel(2, 5), [255, 0, 0, 191], 1);
    assert_near(turned.pixel(12, 5), [255, 0, 0, 64], 1);
}

#[test]
fn picture_opacity_and_alpha_multiply() {
    let half = picture(4, 4, |_, _| [128, 0, 0, 128]);
    let image = Image {
        picture: half.clone(),
        source: whole(&half),
        dest: whole(&half),
        passes: Vec::new(),
        opacity: Opacity::new(0.5),
    };
    let raster = paint(4.0, 4.0, vec![Node::Image(image)]);
    assert_near(raster.pixel(1, 1), [255, 0, 0, 64], 1);
}

#[test]
fn picture_mostly_off_the_page_is_scaled_only_where_visible() {
    let picture = quadrants();
    let dest = Rect::new(-1e6, -1e6, 1e6, 1e6);
    let raster = paint(4.0, 4.0, vec![shown(&picture, whole(&picture), dest)]);
    assert_eq!(raster.pixel(3, 3)[3], 255);
}
