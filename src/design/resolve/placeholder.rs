//! The placeholder of an image that failed to load (rendering.md §6).

use kurbo::{Affine, Rect, Size};
use peniko::Color;

use super::super::elements::text_style::{LineHeight, TextStyle};
use super::texts::{blocks, draw_style};
use crate::scene::{Group, Node, Path, outline_of};
use crate::text::{self, Layouter, Overflow};
use crate::units::Opacity;

/// Text of the placeholder for an image that failed to load, as in `skip-image-error` of the reference corpus.
const PLACEHOLDER_TEXT: &str = "Can not load the image...";
const PLACEHOLDER_COLOR: Color = Color::from_rgba8(223, 102, 102, 204);
/// The font size of the placeholder is its width divided by this, px, within [`PLACEHOLDER_FONT_SIZES`].
const PLACEHOLDER_WIDTH_PER_FONT_SIZE: f64 = 25.0;
const PLACEHOLDER_FONT_SIZES: (f64, f64) = (10.0, 30.0);
/// Padding of the placeholder's text on each side, px.
const PLACEHOLDER_PADDING: f64 = 5.0;

/// The editor's placeholder for an image that failed to load: a red box with a text (`skip-image-error` of the
/// reference corpus).
pub(super) fn placeholder(layouter: &mut Layouter, area: Rect, opacity: Opacity) -> Vec<Node> {
    let (min, max) = PLACEHOLDER_FONT_SIZES;
    let font_size = (area.width() / PLACEHOLDER_WIDTH_PER_FONT_SIZE).clamp(min, max);
    let style = TextStyle {
        font_size,
        line_height: LineHeight::Times(1.0),
        font_family: "Arial".into(),
        fill: Color::WHITE.into(),
        ..TextStyle::default()
    };
    let shaped = layouter.shape(&blocks(PLACEHOLDER_TEXT, &style));
    let room = area.size() - Size::new(2.0 * PLACEHOLDER_PADDING, 2.0 * PLACEHOLDER_PADDING);
    let (mut laid_out, _) = text::fit(layouter, &shaped, room.width.max(0.0), text::Align::Center, Overflow::Grow);
    let red = PLACEHOLDER_COLOR.multiply_alpha(opacity.get());
    let mut nodes = vec![Node::Path(Path::filled(outline_of(&area), red))];
    // Lines that do not fit are dropped.
    laid_out.lines.truncate((room.height.max(0.0) / font_size) as usize);
    laid_out.height = laid_out.lines.len() as f64 * font_size;
    let lines = Rect::from_origin_size((0.0, 0.0), (laid_out.width, laid_out.height));
    let drawn = text::draw(&laid_out, &draw_style(&style, lines, opacity));
    let transform = Affine::translate((PLACEHOLDER_PADDING, (area.height() - laid_out.height) / 2.0));
    nodes.push(Node::Group(Box::new(Group { transform, children: drawn.into_nodes(), ..Group::default() })));
    nodes
}
