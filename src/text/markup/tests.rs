use peniko::Color;

use super::*;
use crate::text::blocks::{
    Align, Block, Decoration, DecorationLine, DecorationStyle, LineHeight, ListMarker, VerticalShift,
};

use crate::text::layout::LayoutOptions;
use crate::text::layout::tests::{layouter, style as laid_out_style};

fn base() -> Arc<SpanStyle> {
    Arc::new(SpanStyle {
        family: "Roboto".into(),
        font_size: 40.0,
        px_size: None,
        optical_factor: 1.0,
        weight: 400.0,
        italic: false,
        color: None,
        background: None,
        decorations: Vec::new(),
        spacing_in_px: false,
        letter_spacing: 0.0,
        line_height: LineHeight::Times(1.2),
        shift: VerticalShift::None,
        link: None,
    })
}

fn blocks(text: &str) -> Vec<Block> {
    parse(text, &base(), Case::None).blocks
}

/// The text of each block.
fn texts(text: &str) -> Vec<String> {
    blocks(text).iter().map(|block| block.spans.iter().map(|span| span.text.as_str()).collect()).collect()
}

/// The style of the span that holds `part`.
fn style(text: &str, part: &str) -> Arc<SpanStyle> {
    let blocks = blocks(text);
    let mut spans = blocks.iter().flat_map(|block| &block.spans);
    spans.find(|span| span.text.contains(part)).expect("part stands in one span").style.clone()
}

fn is_plain(text: &str) -> bool {
    blocks(text).len() == 1 && texts(text) == [text]
}

fn markers(text: &str) -> Vec<(f64, Option<ListMarker>)> {
    blocks(text).into_iter().map(|block| (block.indent_list, block.marker.map(|it| it.kind))).collect()
}

fn numbers(text: &str) -> Vec<i64> {
    let number = |block: Block| match block.marker.map(|it| it.kind) {
        Some(ListMarker::Number(number)) => Some(number),
        _ => None,
    };
    blocks(text).into_iter().filter_map(number).collect()
}

fn line(line: DecorationLine) -> Decoration {
    Decoration { line, style: DecorationStyle::Solid, color: None }
}

#[test]
fn plain_texts_are_drawn_as_typed() {
    for text in
        ["H<br>H", "a <hr> b", "<img src=x>", "<foo@bar.com>", "3 < 4", "x <3", "a & b", "a\n  b", "<!-- a -->", ""]
    {
        assert!(is_plain(text), "{text}: {:?}", texts(text));
    }
}

#[test]
fn plain_texts_leave_out_bare_spans_and_what_follows_an_unfinished_tag() {
    assert_eq!(texts("<span>a</span>  <SPAN >b</span>\nc"), ["a  b\nc"]);
    assert_eq!(texts("a <b & c"), ["a "]);
    assert_eq!(texts("a<br>b <i title='x>"), ["a<br>b "]);
}

#[test]
fn entities_are_decoded_once_in_plain_text_and_in_markup() {
    assert_eq!(texts("&amp;lt; &eacute; &#128512; &nope;"), ["&lt; é 😀 &nope;"]);
    assert_eq!(texts("<p>&amp;lt; &lt;b&gt; &nbsp;</p>"), ["&lt; <b> \u{a0}"]);
}

#[test]
fn markup_needs_an_element_that_is_known_or_closed() {
    assert_eq!(texts("<span style='color:red'>a</span>"), ["a"]);
    assert_eq!(texts("<b>a"), ["a"]);
    assert_eq!(texts("<foo>a</foo>b"), ["a", "b"]);
    assert_eq!(texts("HH<br>H<sup>H</sup>"), ["HH\nHH"]);
    assert_eq!(texts("<P>a</P>"), ["a"]);
}

#[test]
fn markup_keeps_white_space() {
    assert_eq!(texts("<b>a</b>  b\tc\nd "), ["a  b\tc\nd "]);
    assert_eq!(blocks("<b>a</b>  b")[0].spans.len(), 2);
}

#[test]
fn paragraphs_have_no_margin_and_empty_ones_no_line() {
    let all = blocks("<p>a</p><p></p><div>b</div><p><br></p><p>c</p>");
    assert_eq!(texts("<p>a</p><p></p><div>b</div><p><br></p><p>c</p>"), ["a", "b", "", "c"]);
    assert!(all.iter().all(|block| block.margin_top == 0.0 && block.margin_bottom == 0.0));
    assert_eq!(texts("<p></p>"), Vec::<String>::new());
}

#[test]
fn line_breaks_at_the_end_of_a_block_add_no_line() {
    assert_eq!(texts("<p>a<br></p><p>b<br><br></p>c"), ["a", "b\n", "c"]);
    assert_eq!(texts("<p>a</p>\n<p>b</p>"), ["a", "", "b"]);
    assert_eq!(texts("<p>a</p>\n\n<p>b</p>"), ["a", "\n", "b"]);
}

#[test]
fn headings_are_bold_and_keep_their_margins_at_the_edges() {
    let all = blocks("<h1>a</h1><p>b</p>");
    assert_eq!((all[0].spans[0].style.font_size, all[0].spans[0].style.weight), (80.0, 700.0));
    let space = [all[0].margin_top, all[1].margin_top, all[1].margin_bottom];
    // 53.6 + 96 + 53.6 + 48 = 251.2 px, measured.
    assert_eq!(space, [53.6, 53.6, 0.0]);
    for (name, size, margin) in
        [("h2", 1.5, 0.83), ("h3", 1.17, 1.0), ("h4", 1.0, 1.33), ("h5", 0.83, 1.67), ("h6", 0.67, 2.33)]
    {
        let only = &blocks(&format!("<{name}>a</{name}>"))[0];
        assert!((only.spans[0].style.font_size - 40.0 * size).abs() < 1e-9, "{name}");
        assert!((only.margin_top - 40.0 * size * margin).abs() < 1e-9, "{name}");
        assert_eq!(only.margin_top, only.margin_bottom);
    }
}

#[test]
fn markup_is_laid_out_at_the_heights_measured() {
    let height = |text: &str| {
        let mut layouter = layouter();
        let shaped = layouter.shape(&parse(text, &laid_out_style("Liberation Sans", 40.0), Case::None));
        let options = LayoutOptions::new(400.0, Align::Left);
        (layouter.lay_out(&shaped, options).height * 10.0).round() / 10.0
    };
    assert_eq!(height("<h1>a</h1><p>b</p>"), 251.2);
    assert_eq!(height("<p>a</p><p><br></p><p></p><p>b</p>"), 144.0);
    assert_eq!(height("<p style='line-height:.8'>a</p>"), 32.0);
    assert_eq!(height("<p><span style='font-size:20px'>a</span></p>"), 48.0);
    assert_eq!(height("<p>a<span style='font-size:80px'>b</span></p>"), 96.0);
    assert_eq!(height("<p></p>"), 0.0);
}

#[test]
fn margins_of_siblings_collapse_but_not_those_of_parent_and_child() {
    let all = blocks("<h1>a</h1><h4>b</h4>");
    assert_eq!((all[1].margin_top, all[1].margin_bottom), (53.6, 53.2));
    let all = blocks("<blockquote><h4>a</h4></blockquote>");
    assert_eq!((all[0].margin_top, all[0].margin_bottom), (93.2, 93.2));
    // Lists and their items are the exception.
    let all = blocks("<h4>a</h4><ul><li><h1>b</h1></li></ul><p>c</p>");
    assert_eq!((all[1].margin_top, all[2].margin_top), (53.6, 53.6));
}

#[test]
fn blocks_inside_a_heading_line_have_its_strut() {
    assert_eq!(blocks("<p style='color:red'>a</p>")[0].strut, None);
    assert_eq!(blocks("<h6>a</h6>")[0].strut.as_ref().map(|strut| strut.weight), Some(700.0));
}

#[test]
fn quotes_are_indented_on_both_sides() {
    let quote = &blocks("<blockquote>a</blockquote>")[0];
    assert_eq!((quote.indent_left, quote.indent_right), (40.0, 40.0));
    assert_eq!((quote.margin_top, quote.margin_bottom), (40.0, 40.0));
}

#[test]
fn pre_and_code_are_monospace() {
    let pre = &blocks("<pre>\na  b\n</pre>")[0];
    assert_eq!((pre.spans[0].text.as_str(), pre.margin_top, pre.margin_bottom), ("a  b", 40.0, 40.0));
    assert_eq!(&*pre.spans[0].style.family, "monospace");
    assert_eq!(&*style("<p>a<code>b</code></p>", "b").family, "monospace");
}

#[test]
fn line_height_is_honoured_on_paragraphs_and_spans() {
    let block = &blocks("<p style='line-height: 0.8'>a</p>")[0];
    assert_eq!(block.strut.as_ref().map(|strut| strut.line_height), Some(LineHeight::Times(0.8)));
    let height = |css: &str| style(&format!("<p><span style='line-height: {css}'>a</span></p>"), "a").line_height;
    assert_eq!(height("30px"), LineHeight::Px(30.0));
    assert_eq!(height("150%"), LineHeight::Length(60.0));
    assert_eq!(height("normal"), LineHeight::Auto);
    assert_eq!(height("-1"), LineHeight::Times(1.2));
}

#[test]
fn lists_indent_each_level_by_2_1_em_of_the_element() {
    let bullet = Some(ListMarker::Bullet);
    assert_eq!(markers("<ul><li>H</li></ul>"), [(84.0, bullet.clone())]);
    let nested = "<ul><li>a<ul><li style='font-size:10px'>b</li></ul></li></ul>c";
    assert_eq!(markers(nested), [(84.0, bullet.clone()), (168.0, bullet.clone()), (0.0, None)]);
}

#[test]
fn list_items_are_nested_at_most_one_level_deeper_than_the_item_before() {
    let lefts = |levels: &[usize]| -> Vec<f64> {
        let items = levels.iter().map(|level| format!("<li class='ql-indent-{level}'>x</li>"));
        let found = markers(&format!("<ul>{}</ul>", items.collect::<String>()));
        found.into_iter().map(|(left, _)| left / 84.0 - 1.0).collect()
    };
    assert_eq!(lefts(&[0, 2, 1, 3]), [0.0, 1.0, 1.0, 2.0]);
    assert_eq!(lefts(&[2, 2, 9]), [0.0, 0.0, 1.0]);
    assert_eq!(numbers("<ul><li class='ql-indent-1'>a</li></ul><ol><li class='ql-indent-1'>b<li>c</ol>"), [1, 1]);
}

#[test]
fn list_items_that_begin_together_have_both_markers() {
    let blocks = blocks("<ul><li><ol><li>a</li><li>b</li></ol></li></ul>");
    let kind = |block: &Block| block.marker.as_ref().map(|it| it.kind.clone());
    assert_eq!((kind(&blocks[0]), blocks[0].indent_list), (Some(ListMarker::Number(1)), 168.0));
    let outer: Vec<_> = blocks[0].outer_markers.iter().map(|(it, indent)| (it.kind.clone(), *indent)).collect();
    assert_eq!(outer, [(ListMarker::Bullet, 84.0)]);
    assert_eq!((kind(&blocks[1]), blocks[1].outer_markers.len()), (Some(ListMarker::Number(2)), 0));
}

#[test]
fn lists_reversed_count_down_to_one_or_from_their_start() {
    let numbers = |text| -> Vec<_> { markers(text).into_iter().filter_map(|it| it.1).collect() };
    let down = [3, 2, 1].map(ListMarker::Number);
    assert_eq!(numbers("<ol reversed><li>a</li><li>b</li><li>c</li></ol>"), down);
    assert_eq!(numbers("<ol reversed start=9><li>a</li><li>b</li></ol>"), [9, 8].map(ListMarker::Number));
    let nested = "<ol reversed><li>a<ol><li>b</li></ol></li><li>c</li></ol><ol reversed><li>d</li></ol>";
    assert_eq!(numbers(nested), [2, 1, 1, 1].map(ListMarker::Number));
}

#[test]
fn pre_keeps_lines_as_they_are_written() {
    let no_wrap: Vec<_> = blocks("<pre>a<p>b</p></pre><p>c</p>").iter().map(|block| block.no_wrap).collect();
    assert_eq!(no_wrap, [true, true, false]);
}

#[test]
fn sizes_in_px_and_sizes_relative_to_them_are_marked() {
    let px = |text, of| style(text, of).px_size;
    assert_eq!(px("<p style='font-size: 50px'>a <sub>b</sub></p>", "a "), Some(50.0));
    assert_eq!(px("<p style='font-size: 50px'>a <sub>b</sub></p>", "b"), Some(50.0));
    assert_eq!(px("<p style='font-size: 2em'>a</p>", "a"), None);
}

#[test]
fn list_items_have_their_marker_on_the_first_block_only() {
    let found: Vec<_> = markers("<ul><li><p>a</p><p>b</p></li><li></li></ul>").into_iter().map(|it| it.1).collect();
    assert_eq!(found, [Some(ListMarker::Bullet), None, Some(ListMarker::Bullet)]);
}

#[test]
fn list_kind_of_the_item_beats_that_of_the_list() {
    let text = "<ol><li data-list='bullet'>a</li><li data-list='checked'>b</li><li data-list='ordered'>c</li></ol>\
                <ul><li data-list='ordered'>d</li></ul>";
    let found: Vec<_> = markers(text).into_iter().filter_map(|it| it.1).collect();
    let (bullet, one) = (ListMarker::Bullet, ListMarker::Number(1));
    assert_eq!(found, [bullet.clone(), bullet, one.clone(), one]);
}

#[test]
fn list_numbers_count_by_level_and_restart_below_a_shallower_item() {
    let items = |levels: &[usize]| {
        let items = levels.iter().map(|level| format!("<li class='ql-indent-{level}'>x</li>"));
        format!("<ol>{}</ol>", items.collect::<String>())
    };
    assert_eq!(numbers(&items(&[0, 1, 1, 0])), [1, 1, 2, 2]);
    assert_eq!(numbers(&items(&[0, 1, 0, 1])), [1, 1, 2, 1]);
    assert_eq!(numbers("<ol><li>a</li><li data-list='bullet'>b</li><li>c</li></ol>"), [1, 2]);
    assert_eq!(numbers("<ol start='7'><li>a<ol><li>b</li></ol></li><li>c</li></ol><ol><li>d</li></ol>"), [7, 1, 8, 1]);
    assert_eq!(numbers("<ol start='9223372036854775807'><li>a<li>b</ol>"), [i64::MAX, i64::MAX]);
}

#[test]
fn paragraphs_indent_half_an_em_a_step() {
    let left = |text| blocks(text)[0].indent_left;
    assert_eq!(left("<p class='a ql-indent-3'>a</p>"), 60.0);
    assert_eq!(left("<p class='ql-indent-10'>a</p>"), 0.0);
}

#[test]
fn alignment_comes_from_inline_style_only() {
    let align = |text: &str| blocks(text)[0].align;
    assert_eq!(align("<p class='ql-align-right' align='right'>a</p>"), None);
    assert_eq!(align("<p style='text-align:right'>a</p>"), Some(Align::Right));
    assert_eq!(align("<p style='TEXT-ALIGN: start !important'>a</p>"), Some(Align::Left));
    assert_eq!(align("<div style='text-align:justify'><p>a</p></div>"), Some(Align::Justify));
    assert_eq!(align("<p><span style='text-align:right'>a</span></p>"), None);
}

#[test]
fn sub_and_sup_are_smaller_and_shifted() {
    let sup = style("<p>x<sup>2</sup></p>", "2");
    assert_eq!((sup.shift, sup.font_size), (VerticalShift::Super, 40.0 * 0.83));
    assert_eq!(style("<p>x<sub>2</sub></p>", "2").shift, VerticalShift::Sub);
    assert_eq!(style("<p>x<sub style='font-size:10px'>2</sub></p>", "2").font_size, 10.0);
    // A relative size inside them refers to the size outside, and is not reduced again.
    let share = |size: &str| style(&format!("<sub>x<span style='font-size:{size}'>2</span></sub>"), "2").font_size;
    assert_eq!([share("0.75em"), share("150%"), share("10px")], [30.0, 60.0, 10.0]);
}

#[test]
fn inline_elements_style_their_text() {
    assert_eq!(style("<p><strong>a</strong></p>", "a").weight, 700.0);
    assert_eq!(style("<p><b>a</b></p>", "a").weight, 700.0);
    assert!(style("<p><em>a</em></p>", "a").italic && style("<p><i>a</i></p>", "a").italic);
    assert_eq!(style("<p><u>a</u></p>", "a").decorations, [line(DecorationLine::Underline)]);
    for name in ["s", "strike", "del"] {
        let found = style(&format!("<p><{name}>a</{name}></p>"), "a").decorations.clone();
        assert_eq!(found, [line(DecorationLine::LineThrough)], "{name}");
    }
}

#[test]
fn links_have_no_style_but_are_kept() {
    let link = style("<p><a href=' https://x.org/?a&amp;b '>a</a></p>", "a");
    assert_eq!(link.link.as_deref(), Some("https://x.org/?a&b"));
    assert_eq!((link.color, link.decorations.len()), (None, 0));
    assert_eq!(style("<p><a>a</a></p>", "a").link, None);
}

#[test]
fn unknown_elements_are_blocks_without_style() {
    assert_eq!(texts("a<mark>b</mark>c<font color='red'>d</font>"), ["a", "b", "c", "d"]);
    assert_eq!(*style("<p>a<ins>b</ins></p>", "b"), *base());
    assert_eq!(texts("<p>a</p><hr><p>b<img>c</p>"), ["a", "b", "c"]);
}

#[test]
fn table_tags_are_ignored() {
    assert_eq!(texts("<table><tr><td>a</td><td><b>b</b></td></tr></table>c"), ["abc"]);
}

#[test]
fn scripts_styles_and_comments_are_no_text() {
    assert_eq!(texts("<p>a</p><script>'<p>x</p>'</script><style>p{}</style><!-- <p>y</p> --><p>b</p>"), ["a", "b"]);
    assert_eq!(texts("<p>a</p><style>rest"), ["a"]);
}

#[test]
fn inline_style_sets_sizes_in_px_em_and_percent() {
    let size = |css: &str| style(&format!("<p><span style='font-size: {css}'>a</span></p>"), "a").font_size;
    let found = ["10px", "1.5em", "50%", "2rem", "12pt", "-3px", "20", "big", "1e999px", "nan"].map(size);
    assert_eq!(found, [10.0, 60.0, 20.0, 80.0, 16.0, 40.0, 40.0, 40.0, 40.0, 40.0]);
    assert_eq!(size("999999px"), 10_000.0);
    let nested = "<p style='font-size:2em'><span style='letter-spacing:.1em; font-size:50%'>a</span></p>";
    assert_eq!((style(nested, "a").font_size, style(nested, "a").letter_spacing), (40.0, 4.0));
}

#[test]
fn inline_style_sets_face_and_colours() {
    let css = "color: rgb(255, 0, 0); background-color:#00f; font-family: \"Open; Sans\", serif; font-weight:300;\
               font-style:oblique; letter-spacing: -2px";
    let found = style(&format!("<p><span style='{css}'>a</span></p>"), "a");
    assert_eq!(found.color, Some(Color::from_rgb8(255, 0, 0)));
    assert_eq!(found.background.as_ref().map(|it| it.color), Some(Color::from_rgb8(0, 0, 255)));
    assert_eq!(&*found.family, "\"Open; Sans\", serif");
    assert_eq!((found.weight, found.italic, found.letter_spacing), (300.0, true, -2.0));
    let undone = "<b><i><span style='font-weight:normal;font-style:normal;color:nonsense'>a</span></i></b>";
    assert_eq!(*style(undone, "a"), *base());
}

#[test]
fn text_decoration_knows_lines_styles_and_colours() {
    let red = Some(Color::from_rgb8(255, 0, 0));
    let found = |css: &str| style(&format!("<p><span style='{css}'>a</span></p>"), "a").decorations.clone();
    let wavy = Decoration { line: DecorationLine::Underline, style: DecorationStyle::Wavy, color: red };
    assert_eq!(found("text-decoration: wavy underline rgb(255, 0, 0) 2px"), [wavy]);
    let long = "text-decoration-line: underline overline; text-decoration-color: red; text-decoration-style: wavy";
    assert_eq!(found(long), [wavy, Decoration { line: DecorationLine::Overline, ..wavy }]);
    // A line keeps the colour of the element that has it.
    let inner = style("<p><u style='color:red'><s><span style='color:blue'>a</span></s></u></p>", "a");
    assert_eq!(inner.decorations.iter().map(|it| it.color).collect::<Vec<_>>(), [red, red]);
    // Equal lines are both drawn.
    let twice = line(DecorationLine::Underline);
    assert_eq!(style("<p><u><u>a</u></u></p>", "a").decorations, [twice, twice]);
    let none = style("<p><u style='text-decoration:none'>a</u></p>", "a");
    assert_eq!(none.decorations, []);
}

#[test]
fn case_is_applied_run_by_run_and_inline_style_beats_the_element() {
    let capitalized = parse("h<b>el</b>lo", &base(), Case::Capitalize);
    let texts: Vec<_> = capitalized.blocks[0].spans.iter().map(|span| span.text.as_str()).collect();
    assert_eq!(texts, ["H", "El", "Lo"]);
    let mixed = parse("<p>a<span style='text-transform:none'>b</span></p>", &base(), Case::Upper);
    assert_eq!(mixed.blocks[0].spans[0].text, "Ab");
    assert_eq!(parse("straße", &base(), Case::Upper).blocks[0].spans[0].text, "STRASSE");
}

#[test]
fn direction_has_no_effect() {
    let found = blocks("<p dir='rtl' class='ql-direction-rtl' style='direction:rtl'>a</p>");
    assert_eq!(found, [Block::of(vec![crate::text::Span { text: "a".into(), style: base() }])]);
}

#[test]
fn tags_that_do_not_match_are_repaired_as_browsers_do() {
    assert_eq!(texts("<p>a<p>b<div>c</div>d"), ["a", "b", "c", "d"]);
    assert_eq!(texts("<ul><li>a<li>b</ul>c"), ["a", "b", "c"]);
    assert_eq!(texts("</p>a</span><b>b</i></b></div>"), ["ab"]);
    // Formatting continues after its block, and other formatting after it.
    assert_eq!(style("<p><b>a</p><p>b</p>", "b").weight, 700.0);
    let overlapping = "<p><b>x<i>y</b>z</i></p>";
    assert_eq!((style(overlapping, "z").weight, style(overlapping, "z").italic), (400.0, true));
    assert_eq!(*style("<p><span style='color:red'>a</p><p>b</p>", "b"), *base());
    assert_eq!(*style("<ul><li><b>a</b></li></ul></b>b", "b"), *base());
}

#[test]
fn formatting_that_ends_inside_a_block_ends_there_as_in_browsers() {
    let text = "<b><p>x</b>y</p>";
    assert_eq!(texts(text), ["xy"]);
    assert_eq!((style(text, "x").weight, style(text, "y").weight), (700.0, 400.0));
    // The paragraph is no longer inside <b>, so that its strut is the base style.
    assert_eq!(blocks(text)[0].strut, None);
    assert_eq!(blocks("<b><p>x</p></b>")[0].strut.as_ref().map(|strut| strut.weight), Some(700.0));
    // A link ends where the next one starts.
    let links = "<a href='one'><p>x<a href='two'>y</a>z</p>";
    let link = |part| style(links, part).link.as_deref().map(str::to_owned);
    assert_eq!([link("x"), link("y"), link("z")], [Some("one".to_owned()), Some("two".to_owned()), None]);
}

#[test]
fn formatting_ends_other_inline_elements_inside_it() {
    let text = "<p><b>v<span style='color:red'>x</b>y</span>z</p>";
    assert_eq!((style(text, "x").weight, style(text, "x").color), (700.0, Some(Color::from_rgb8(255, 0, 0))));
    assert_eq!(*style(text, "yz"), *base());
}

#[test]
fn formatting_is_repeated_at_most_three_levels_deep() {
    // <i> is the fourth element above the paragraph, which browsers do not repeat.
    let text = "<b><i><u><s><code><p>x</b>y</p>";
    let (x, y) = (style(text, "x"), style(text, "y"));
    assert_eq!((x.weight, x.italic, &*x.family), (700.0, false, "monospace"));
    assert_eq!((y.weight, y.italic, &*y.family), (400.0, false, "monospace"));
    assert_eq!(
        y.decorations.iter().map(|it| it.line).collect::<Vec<_>>(),
        [DecorationLine::Underline, DecorationLine::LineThrough]
    );
}

#[test]
fn markup_of_any_order_of_tags_keeps_its_text() {
    const NAMES: [&str; 32] = [
        "a",
        "b",
        "blockquote",
        "br",
        "button",
        "code",
        "dd",
        "div",
        "font",
        "form",
        "frameset",
        "hr",
        "i",
        "li",
        "math",
        "nobr",
        "noscript",
        "object",
        "ol",
        "option",
        "p",
        "pre",
        "select",
        "span",
        "sub",
        "svg",
        "table",
        "td",
        "template",
        "textarea",
        "title",
        "ul",
    ];
    let mut state = 1_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    for _ in 0..3000 {
        // A known element makes the text markup.
        let (mut text, mut digits) = ("<b></b>".to_owned(), String::new());
        for _ in 0..below(40) {
            let name = NAMES[below(NAMES.len())];
            match below(4) {
                0 => text += &format!("<{name} id='{}'>", char::from(b'a' + below(4) as u8)),
                1 => text += &format!("<{name}>"),
                2 => text += &format!("</{name}>"),
                _ => {
                    let digit = below(10).to_string();
                    text += &digit;
                    digits += &digit;
                }
            }
        }
        let drawn: String = texts(&text).concat();
        assert_eq!(drawn.chars().filter(char::is_ascii_digit).collect::<String>(), digits, "{text}");
    }
}

#[test]
fn markup_of_any_depth_is_read() {
    for name in ["div", "b", "ul", "li", "blockquote", "span style='color:red'", "mark", "sup", "p", "u"] {
        let end = name.split(' ').next().unwrap_or_default();
        let text = format!("{}x{}y", format!("<{name}>").repeat(100_000), format!("</{end}>").repeat(100_000));
        let found = parse(&text, &base(), Case::None);
        let all: String = found.blocks.iter().flat_map(|block| &block.spans).map(|it| it.text.as_str()).collect();
        assert_eq!(all, "xy", "{name}");
        let sizes = found.blocks.iter().flat_map(|block| &block.spans).map(|span| span.style.font_size);
        assert!(sizes.into_iter().all(f64::is_finite));
        let last = found.blocks.last().and_then(|block| block.spans.last()).expect("y is there");
        assert_eq!(*last.style, *base(), "{name}");
    }
}

#[test]
fn markup_of_any_width_is_read() {
    let attributes: String = (0..100_000).map(|at| format!(" a{at}='>'")).collect();
    assert_eq!(texts(&format!("<p style='color:red'{attributes}>x</p>")), ["x"]);
    assert_eq!(texts(&format!("<p>x</p><p{attributes}")), ["x"]);
    assert_eq!(texts(&"<b>x".repeat(100_000)), ["x".repeat(100_000)]);
    assert_eq!(texts(&"<p><b>x</p>".repeat(20_000)).len(), 20_000);
    // Formatting that continues in every paragraph, more of it each time: a limit bounds the tree.
    let growing: String = (0..20_000).map(|at| format!("<p><b id='{at}'>x</p>")).collect();
    assert_eq!(texts(&growing).concat(), "x".repeat(20_000));
    let long = "color:red;".repeat(10_000);
    let repeated = format!("<p><b style='{long}'>x</p>{}", "<p>x</p>".repeat(20_000));
    assert_eq!(texts(&repeated).len(), 20_001);
    let style = "color:red;".repeat(100_000);
    let nested = format!("{}<b style='{style}'>x{}", "<i>".repeat(500), "</i>".repeat(500));
    assert_eq!(texts(&nested), ["x"]);
    assert_eq!(texts(&"<".repeat(100_000)), ["<".repeat(100_000)]);
    assert_eq!(texts(&format!("<b>x</b>{}", "&".repeat(100_000)))[0].len(), 100_001);
}

#[test]
fn lists_restart_after_a_deeper_item() {
    // `list-wrap-width`: a first item with a deeper level is alone in its list.
    assert_eq!(numbers("<ol><li class='ql-indent-1'>e</li><li>f</li><li>g</li></ol>"), [1, 1, 2]);
    // `list-indent-jump`: levels 2, then 1, are two lists at the same position.
    let text = "<ol><li>a<li class='ql-indent-2'>b<li class='ql-indent-1'>c<li class='ql-indent-1'>d</ol>";
    assert_eq!(numbers(text), [1, 1, 1, 2]);
}

#[test]
fn letter_spacing_in_px_is_marked() {
    let spacing = |value: &str| {
        let found = style(&format!("<p style='letter-spacing: {value}'>x</p>"), "x");
        (found.letter_spacing, found.spacing_in_px)
    };
    assert_eq!(spacing("5px"), (5.0, true));
    assert_eq!(spacing("0.5em"), (20.0, false));
    assert_eq!(spacing("normal"), (0.0, false));
}
