use super::super::blocks::{Decoration, DecorationLine, DecorationStyle};
use super::super::layout::tests::{layouter, style};
use super::*;
use crate::scene::Node;
use crate::text::DrawStyle;
use crate::units::Opacity;

fn laid_out(text: &str, style: &Arc<SpanStyle>, width: f64, align: Align, overflow: Overflow) -> Option<CellText> {
    lay_out_cell(&mut layouter(), text, style, Size::new(width, 1000.0), align, overflow)
}

fn texts(cell: &CellText) -> Vec<String> {
    cell.lines.iter().map(|line| line.runs.iter().map(|run| run.text.as_ref()).collect()).collect()
}

fn lines_of(text: &str, width: f64) -> Vec<String> {
    texts(&laid_out(text, &style("Roboto", 16.0), width, Align::Left, Overflow::Grow).expect("drawn"))
}

const SHRINK: Overflow = Overflow::Shrink { height: 1000.0 };

#[test]
fn cell_text_has_no_markup() {
    assert_eq!(lines_of("<ol><li>one</li><li>two</li></ol>", 200.0), ["onetwo"]);
    assert_eq!(lines_of("a<br>b &amp; <b>c</b>", 200.0), ["ab & c"]);
    assert_eq!(lines_of("<p>a</p><p>b<br></p>", 200.0), ["a", "b"]);
    assert_eq!(lines_of("a\r\nb\tc", 200.0), ["a", "b c"]);
}

#[test]
fn cell_lines_break_at_spaces_and_after_hyphens_else_anywhere() {
    // Roboto at 16 px: W is 14.2 px wide.
    assert_eq!(lines_of("WW WW", 60.0), ["WW", "WW"]);
    assert_eq!(lines_of("WW-WW", 60.0), ["WW-", "WW"]);
    assert_eq!(lines_of("WWWWW", 60.0), ["WWWW", "W"]);
    assert_eq!(lines_of("W", 10.0), Vec::<String>::new());
}

#[test]
fn cell_text_shrinks_until_its_longest_word_fits() {
    let size = |text: &str, width: f64| {
        laid_out(text, &style("Roboto", 16.0), width, Align::Left, SHRINK).map(|cell| cell.font_size)
    };
    assert_eq!(size("WWWWWWWWWWWWWWWW", 140.5), Some(9.5));
    assert_eq!(size("a WWWWWWWWWWWWWWWW", 140.5), Some(9.5));
    // The parts between hyphens are words.
    assert_eq!(size("WWWWWWW-WWWWWWW", 140.5), Some(16.0));
    assert_eq!(size("W", 0.1), None);
}

#[test]
fn cell_lines_wider_than_the_room_overflow_by_their_alignment() {
    let x = |align| laid_out("W", &style("Roboto", 16.0), 14.2, align, Overflow::Grow).map(|it| it.lines[0].x);
    assert!(x(Align::Center).is_some_and(|x| x.abs() < 0.1));
    let cell = laid_out("W W", &style("Roboto", 16.0), 100.25, Align::Right, Overflow::Grow).expect("drawn");
    assert!((cell.lines[0].x + cell.lines[0].width - 100.25).abs() < 1e-9, "not rounded to whole px");
}

#[test]
fn cell_ellipsis_takes_letter_by_letter() {
    let cut = |text: &str, width: f64| {
        let overflow = Overflow::Ellipsis { height: 40.0 };
        texts(&laid_out(text, &style("Roboto", 30.0), width, Align::Left, overflow).expect("drawn"))
    };
    // `1` is 16.9 px wide, `…` 20.1 px.
    assert_eq!(cut("149", 37.0), ["1…"]);
    assert_eq!(cut("149", 36.5), ["…"]);
    assert_eq!(cut("149", 60.0), ["149"]);
}

#[test]
fn cell_decorations_are_strokes_a_quarter_em_from_the_baseline() {
    let decoration = |line| Decoration { line, style: DecorationStyle::Solid, color: None };
    let lines = [DecorationLine::Underline, DecorationLine::LineThrough, DecorationLine::Overline];
    let base = SpanStyle { decorations: lines.map(decoration).to_vec(), ..(*style("Roboto", 16.0)).clone() };
    let cell = laid_out("gyp", &Arc::new(base), 100.0, Align::Left, Overflow::Grow).expect("drawn");
    // Ascent 15 and descent 4 px in a line of 19.2 px.
    assert!((cell.lines[0].baseline - 15.1).abs() < 1e-9);
    let style = DrawStyle {
        fill: peniko::Color::BLACK.into(),
        stroke: None,
        background: None,
        opacity: Opacity::OPAQUE,
        word_by_word: false,
        decoration_pieces: Default::default(),
    };
    let of_node = |node: &Node| match node {
        Node::Path(path) => Some(path.outline.elements()[0]),
        Node::Glyphs(_) => None,
        Node::Group(_) | Node::Image(_) => panic!("no groups or images"),
    };
    let nodes: Vec<_> = draw_cell(&cell, &style).iter().map(of_node).collect();
    let from = |y: f64| Some(kurbo::PathEl::MoveTo((0.0, y).into()));
    assert_eq!(nodes.len(), 3, "no overline");
    assert_eq!((nodes[0], nodes[1], nodes[2]), (from(15.1 + 4.0), None, from(15.1 - 4.0)));
}
