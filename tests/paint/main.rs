//! Scenes built by hand, planned and painted on the CPU, and checked pixel by pixel.

#![expect(clippy::unwrap_used, reason = "tests panic on failure")]

mod effects;
mod pictures;
mod planning;
mod shapes;
mod square_font;
mod text;

use std::sync::Arc;

use kurbo::{Affine, BezPath, Insets, Rect, Shape, Size};
use peniko::Color;
use tenter::config::PaintSettings;
use tenter::paint::{CpuRasterizer, PaintError, Rasterizer, plan};
use tenter::pool::Pool;
use tenter::raster::{Raster, Straight};
use tenter::scene::{Group, Node, Page, Path};
use tenter::units::DeviceScale;

const WHITE: Color = Color::WHITE;
const BLACK: Color = Color::BLACK;
const RED: Color = Color::from_rgb8(255, 0, 0);
const BLUE: Color = Color::from_rgb8(0, 0, 255);

fn rasterizer() -> CpuRasterizer {
    CpuRasterizer::new(Arc::new(Pool::new(1).unwrap()), &PaintSettings::default())
}

fn try_paint(page: &Page, scale: f64) -> Result<Raster<Straight>, PaintError> {
    let rasterizer = rasterizer();
    let plan = plan(page, DeviceScale::new(scale).unwrap(), rasterizer.limits())?;
    rasterizer.submit(plan, None).blocking_recv().unwrap().map(|painted| painted.raster)
}

/// Paints `nodes` on a transparent page at one device px per design px.
fn paint(width: f64, height: f64, nodes: Vec<Node>) -> Raster<Straight> {
    try_paint(&page(width, height, nodes), 1.0).unwrap()
}

fn page(width: f64, height: f64, nodes: Vec<Node>) -> Page {
    let root = Group { children: nodes, ..Group::default() };
    Page { size: Size::new(width, height), bleed: Insets::ZERO, root }
}

fn rect(x: f64, y: f64, width: f64, height: f64) -> BezPath {
    Rect::new(x, y, x + width, y + height).to_path(0.1)
}

fn fill(outline: BezPath, color: Color) -> Node {
    Node::Path(Path::filled(outline, color))
}

fn group(group: Group) -> Node {
    Node::Group(Box::new(group))
}

fn translated(x: f64, y: f64, children: Vec<Node>) -> Node {
    group(Group { transform: Affine::translate((x, y)), children, ..Group::default() })
}

/// Fails unless each channel of `found` is within `tolerance` levels of `expected`.
#[track_caller]
fn assert_near(found: [u8; 4], expected: [u8; 4], tolerance: u8) {
    let near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= tolerance);
    assert!(near, "found {found:?}, expected {expected:?} within {tolerance}");
}
