use serde_json::{Value, json};

use super::elements::Element;
use super::elements::text_style::{Align, FontStyle, LineHeight, TextTransform, VerticalAlign};
use super::*;
use crate::css_gradient::Fill;

fn parse(design: &Value) -> Result<Design, DesignError> {
    Design::parse(design.to_string().as_bytes(), &DesignLimits::default())
}

/// A design of version 4 with one page of `children`.
fn with_children(children: Value) -> Value {
    json!({"schemaVersion": 4, "pages": [{"id": "p", "children": children}]})
}

fn problems(design: &Value) -> Vec<String> {
    let error = parse(design).expect_err("refused");
    error.problems.iter().map(ToString::to_string).collect()
}

/// The only child of the only page, and the warnings.
fn element(element: Value) -> (Element, Vec<String>) {
    let mut design = parse(&with_children(json!([element]))).expect("a design");
    (design.pages[0].children.remove(0), design.warnings.iter().map(ToString::to_string).collect())
}

macro_rules! read_as {
    ($kind:ident, $json:tt) => {
        match element(json!($json)) {
            (Element::$kind(it), warnings) => (*it, warnings),
            (other, _) => panic!("read as {other:?}"),
        }
    };
}

#[test]
fn design_defaults() {
    let design = parse(&json!({"pages": [{}]})).expect("a design");
    let page = &design.pages[0];
    assert_eq!((page.size, page.bleed, design.dpi), (Size::new(1080.0, 1080.0), Insets::ZERO, 72.0));
    assert_eq!((&*page.id, page.at.as_str()), ("page-0", "pages[0]"));
    assert_eq!(page.background, Background::Fill(peniko::Color::WHITE.into()));
    assert!(page.children.is_empty() && design.fonts.is_empty() && design.warnings.is_empty());
}

#[test]
fn page_size_auto_is_the_designs() {
    let design = parse(&json!({"width": "300", "height": 200, "pages": [
        {"width": "auto", "height": "auto"}, {"width": 50}, {"height": "60.5"}, {"width": null},
    ]}))
    .expect("a design");
    let sizes: Vec<_> = design.pages.iter().map(|page| (page.size.width, page.size.height)).collect();
    assert_eq!(sizes, [(300.0, 200.0), (50.0, 200.0), (300.0, 60.5), (300.0, 200.0)]);
}

#[test]
fn page_bleed_sides_override() {
    // fixtures.md 23
    let design =
        parse(&json!({"pages": [{"bleed": 10, "bleedLeft": 30, "bleedTop": 0}, {"bleedLeft": 30}, {"bleed": -5}]}));
    let bleeds: Vec<_> = design.expect("a design").pages.iter().map(|page| page.bleed).collect();
    assert_eq!(bleeds, [Insets::new(30.0, 0.0, 10.0, 10.0), Insets::new(30.0, 0.0, 0.0, 0.0), Insets::ZERO]);
}

#[test]
fn pages_must_be_there() {
    for design in [json!({}), json!({"pages": null}), json!({"pages": []}), json!({"pages": [null]})] {
        assert_eq!(
            problems(&design),
            ["pages: No page for export: missing or empty; accepted: an array of at least one page"]
        );
    }
    assert_eq!(problems(&json!({"pages": {}})), ["pages: found an object; accepted: an array"]);
    assert_eq!(problems(&json!([])), ["the document: found an empty array; accepted: an object"]);
}

#[test]
fn problems_come_all_at_once() {
    let design = json!({"width": 0, "height": "tall", "pages": [
        {"background": "radial-gradient(circle, red, blue)", "children": [
            {"type": "figure", "id": "f", "x": "left"},
            {"type": "hologram", "id": "l"},
            {"id": "none"},
            {"type": 3},
            "text",
        ]},
        {"children": {}},
    ]});
    assert_eq!(
        problems(&design),
        [
            "width: found the number 0; accepted: a number of px greater than 0",
            "height: found \"tall\"; accepted: a number",
            "pages[0].children[1].type: Unknown element type: \"hologram\" (element \"l\"); accepted: text, image, svg, \
             figure, line, group, table, gif, video",
            "pages[0].children[2].type: missing (element \"none\"); accepted: text, image, svg, figure, line, group, \
             table, gif, video",
            "pages[0].children[3].type: Unknown element type: the number 3 (element \"el-0-3\"); accepted: text, image, svg, \
             figure, line, group, table, gif, video",
            "pages[0].children[4]: found \"text\"; accepted: an object",
            "pages[1].children: found an object; accepted: an array",
        ]
    );
}

#[test]
fn elements_without_a_picture_are_left_out() {
    let children =
        json!([{"type": "lottie", "id": "l", "src": "a.json"}, {"type": "figure"}, {"type": "hologram", "id": "h"}]);
    let design = json!({"pages": [{"children": [{"type": "group", "children": children}]}]});
    let limits = DesignLimits::default();
    let skipped = Design::from_value_with(&design, JsonPath::root(), &limits, UnknownElements::Skip).expect("a design");
    assert_eq!(skipped.pages[0].children[0].children().len(), 1);
    let warnings: Vec<_> = skipped.warnings.iter().map(ToString::to_string).collect();
    let at = "pages[0].children[0].children";
    assert_eq!(
        warnings,
        [
            format!("{at}[0].type (l): elements of type lottie are not drawn, as in the editor's picture exports"),
            format!("{at}[2].type (h): elements of the unknown type \"hologram\" are left out (skipUnknown)"),
        ]
    );
    assert!(skipped.warnings.iter().all(|it| it.code == WarningCode::ElementSkipped));
    let refused = Design::from_value(&design, JsonPath::root(), &limits).expect_err("unknown");
    assert_eq!(refused.problems.len(), 1);
}

#[test]
fn error_shows_the_first_problem() {
    let error = parse(&json!({"pages": [{"width": 0, "height": 0}]})).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "pages[0].width: found the number 0; accepted: a number of px greater than 0 (the first of several problems)"
    );
}

#[test]
fn from_value_keeps_the_outer_path() {
    let value = json!({"pages": [{"children": [{"type": "line", "x": "?"}, {}]}]});
    let error = Design::from_value(&value, "design".into(), &DesignLimits::default()).expect_err("refused");
    assert_eq!(error.problems[0].path.as_str(), "design.pages[0].children[1].type");
}

#[test]
fn values_that_cannot_be_used_are_replaced_with_a_warning() {
    let children = json!([
        {"type": "figure", "id": 7, "x": "left", "rotation": "15deg", "visible": "yes", "fill": 5, "filters": {"warm": 1}},
        {"type": "group", "id": "g", "children": [
            {"type": "line", "id": true, "endHead": "fish", "opacity": "50%", "dash": [4, "x"], "showInExport": 0},
        ]},
        {"type": "text", "id": "t", "align": "foo", "fontStyle": "bold", "lineHeight": "150%", "text": 5},
        {"type": "text", "align": "", "text": "a\u{fffd}b"},
        {"type": "table", "id": "tb", "rows": 0, "cols": 2.5, "cells": [{"text": {}}]},
    ]);
    let page = json!({"background": "conic-gradient(red, blue)", "children": children});
    let design = parse(&json!({"schemaVersion": "two", "fonts": [{"url": "a.ttf"}, {"fontFamily": 5, "url": "b.ttf"}],
        "pages": [page, {"background": null}, {"background": 5}]}))
    .expect("a design");
    let [
        Element::Figure(figure),
        Element::Group(group),
        Element::Text(text),
        Element::Text(other),
        Element::Table(table),
    ] = &design.pages[0].children[..]
    else {
        panic!("{:?}", design.pages[0].children)
    };
    assert_eq!((&*figure.common.origin.element, figure.placement.x, figure.common.visible), ("7", 0.0, true));
    assert_eq!((figure.placement.rotation.0, &figure.fill), (0.0, &Fill::Solid(peniko::Color::BLACK)));
    let Element::Line(line) = &group.children[0] else { panic!("{group:?}") };
    assert_eq!((&*line.common.origin.element, line.common.opacity.get(), line.common.is_shown()), ("true", 1.0, false));
    assert_eq!((text.style.align, text.style.font_style, &*text.text), (Align::Left, FontStyle::Normal, "5"));
    assert_eq!((text.style.line_height, other.style.align), (LineHeight::Times(1.2), Align::Center));
    assert_eq!((table.rows, table.cols, &*table.cells[0].text), (3, 3, ""));
    assert_eq!((design.fonts.len(), &*design.fonts[0].family), (1, "5"));
    let transparent = Background::Fill(peniko::Color::TRANSPARENT.into());
    assert_eq!([&design.pages[0].background, &design.pages[1].background], [&transparent; 2]);
    assert_eq!(design.pages[2].background, Background::Image("5".into()));
    let warnings: Vec<_> = design.warnings.iter().map(ToString::to_string).collect();
    let accepted = "accepted: a CSS colour, linear-gradient(<angle>deg, <colour> <position>%, …) of at most 256 colours, \
        or the URL of an image";
    for expected in [
        "pages[0].children[0].x (7): found \"left\"; accepted: a number; the default is used",
        "pages[0].children[0].visible (7): found \"yes\"; accepted: true or false; read as true, as the editor does",
        "pages[0].children[0].fill (7): the number 5 is not a CSS colour or linear-gradient(…); drawn black, as in the editor",
        "pages[0].children[0].filters.warm (7): found the number 1; accepted: an object; the default is used",
        "pages[0].children[1].children[0].endHead (true): found \"fish\"; accepted: none, arrow, triangle, circle, square, \
         bar; the default is used",
        "pages[0].children[1].children[0].dash[1] (true): found \"x\"; accepted: a number; left out",
        "pages[0].children[2].align (t): found \"foo\"; accepted: left, center, right, justify, start, end; drawn \
         left-aligned, as in the editor",
        "pages[0].children[3].text (el-0-3): the text contains U+FFFD: a character was lost before the request, such as half of a surrogate \
         pair",
        "pages[0].children[4].rows (tb): found the number 0; accepted: a whole number of at least 1; the default is used",
        "pages[0].children[4].cells[0].text (tb): found an object; accepted: a string; the default is used",
        "fonts[0].fontFamily: found null; accepted: the name of the font family; the entry is ignored",
        &format!(
            "pages[0].background: found \"conic-gradient(red, blue)\"; {accepted}; drawn transparent, as the editor does"
        ),
    ] {
        assert!(warnings.iter().any(|it| it == expected), "{expected}\n{warnings:#?}");
    }
    assert_eq!(warnings.len(), 20, "{warnings:#?}");
}

#[test]
fn null_counts_as_absent_and_null_entries_are_dropped() {
    let (figure, warnings) = read_as!(Figure, {"type": "figure", "rotation": null, "stroke": null, "dash": [4, null, 2], "foo": [1],
        "filters": null, "name": 5});
    assert_eq!(figure.placement.rotation.0, 0.0);
    assert_eq!(figure.stroke, Fill::Solid(peniko::Color::from_rgb8(98, 197, 255)));
    assert_eq!(figure.dash, [4.0, 2.0]);
    // The editor's own `name` does not change the picture; an unknown member might.
    assert!(matches!(&warnings[..], [one] if one.contains("children[0].foo")), "{warnings:?}");
    let design = parse(&with_children(json!([null, {"type": "line"}, null]))).expect("a design");
    assert_eq!(design.pages[0].children.len(), 1);
    assert_eq!(design.pages[0].children[0].common().origin.path.as_str(), "pages[0].children[1]");
}

#[test]
fn ids_are_made_from_places() {
    let design = parse(&json!({"pages": [{"id": "el-0-1", "children": [
        {"type": "line", "id": "a"},
        {"type": "line"},
        {"type": "group", "children": [{"type": "line"}, {"type": "line", "id": ""}]},
        {"type": "table", "rows": 1, "cols": 2, "cells": [{"id": "c"}, {}]},
        {"type": "line", "id": "el-0-1_2"},
    ]}, {}]}))
    .expect("a design");
    let children = &design.pages[0].children;
    let id = |element: &Element| element.common().origin.element.to_string();
    assert_eq!(children.iter().map(id).collect::<Vec<_>>(), ["a", "el-0-1_3", "el-0-2", "el-0-3", "el-0-1_2"]);
    let Element::Group(group) = &children[2] else { panic!("a group") };
    assert_eq!(group.children.iter().map(id).collect::<Vec<_>>(), ["el-0-2-0", "el-0-2-1"]);
    let Element::Table(table) = &children[3] else { panic!("a table") };
    let cells: Vec<_> = table.cells.iter().map(|cell| cell.origin.element.to_string()).collect();
    assert_eq!(cells, ["c", "cell-0-3-1"]);
    assert_eq!(&*design.pages[1].id, "page-1");
}

#[test]
fn limits_name_their_settings() {
    let limits = DesignLimits { json_depth: 10, elements: 4, pages: 2, text_chars: 3, ..DesignLimits::default() };
    let refused = |design: Value| {
        let error = Design::parse(design.to_string().as_bytes(), &limits).expect_err("refused");
        assert_eq!(error.problems.len(), 1, "{error:?}");
        error.problems[0].to_string()
    };
    let line = json!({"type": "line"});
    assert_eq!(
        refused(with_children(json!([line, {"type": "group", "children": [line, line]}, line, line]))),
        "pages[0].children[2].type: the design has more elements and table cells than the limit of 4 \
         (TENTER_MAX_ELEMENTS)"
    );
    for huge in [json!(2), json!(1e300)] {
        let message = refused(with_children(json!([{"type": "table", "rows": huge, "cols": huge}])));
        assert!(message.starts_with("pages[0].children[0].cells: ") && message.ends_with("(TENTER_MAX_ELEMENTS)"));
    }
    assert_eq!(
        refused(json!({"pages": [{}, {}, {}]})),
        "pages: the design has 3 pages; the limit is 2 (TENTER_MAX_PAGES)"
    );
    assert_eq!(
        refused(with_children(json!([{"type": "text", "text": "ääää"}]))),
        "pages[0].children[0].text: this text has 4 characters; the limit is 3 (TENTER_MAX_TEXT_CHARS)"
    );
    let deep = (0..5).fold(json!({"type": "line"}), |inner, _| json!({"type": "group", "children": [inner]}));
    assert!(refused(with_children(json!([deep]))).contains("(TENTER_MAX_JSON_DEPTH)"));
    let fits = with_children(json!([line, line, line, {"type": "text", "text": "äää"}]));
    assert!(Design::parse(fits.to_string().as_bytes(), &limits).is_ok());
}

#[test]
fn schema_version_newer_is_accepted_with_a_warning() {
    let design = parse(&json!({"schemaVersion": 7, "pages": [{}]})).expect("a design");
    assert_eq!(
        design.warnings[0].to_string(),
        "schemaVersion: schemaVersion 7 is newer than 4, the latest supported; the design is drawn as version 4"
    );
}

#[test]
fn common_fields_are_coerced_and_clamped() {
    let (line, warnings) = read_as!(Line, {"type": "line", "id": "l", "x": "100", "y": -5, "width": -1, "height": "8", "rotation": "45",
        "opacity": 7, "visible": false, "showInExport": false, "alwaysOnTop": true});
    let place = line.placement;
    assert_eq!((place.x, place.y, place.width, place.height, place.rotation.0), (100.0, -5.0, 1.0, 8.0, 45.0));
    assert_eq!(line.mirror, kurbo::Affine::scale_non_uniform(-1.0, 1.0), "to the other side of the corner");
    assert_eq!(line.common.opacity, crate::units::Opacity::OPAQUE);
    assert!(
        !line.common.visible && !line.common.show_in_export && line.common.always_on_top && !line.common.is_shown()
    );
    assert_eq!(warnings, [""; 0]);
    let (image, warnings) = read_as!(Image, {"type": "image", "id": "i", "src": "a.png", "width": -1});
    assert_eq!((image.placement.width, image.placement.height), (0.0, 100.0));
    assert_eq!(warnings, ["pages[0].children[0].width (i): width is negative (-1); drawn as 0"]);
}

#[test]
fn effects_and_filters_in_the_order_written() {
    let (image, warnings) = read_as!(Image, {"type": "image", "id": "i", "src": "a.png", "blurEnabled": true, "brightness": -3,
    "shadowColor": "rgba(0,0,255,0.5)", "shadowOpacity": 0.25, "filters": {
        "warm": {"intensity": -1}, "sparkle": {"intensity": 1}, "contrast": {"intensity": "0.5"}, "black": {"intensity": -9},
        "cold": null, "natural": {},
    }});
    let effects = image.effects;
    assert!(effects.blur_enabled && !effects.shadow_enabled);
    assert_eq!((effects.blur_radius, effects.brightness, effects.shadow_blur), (10.0, -1.0, 5.0));
    assert_eq!(effects.shadow_color.to_rgba8().to_u8_array(), [0, 0, 255, 128]);
    let filters: Vec<_> = effects.filters.iter().map(|it| (it.kind.name(), it.intensity)).collect();
    assert_eq!(filters, [("warm", 0.0), ("contrast", 0.5), ("black", -1.0), ("natural", 0.0)]);
    assert_eq!(warnings, ["pages[0].children[0].filters (i): unknown filter \"sparkle\"; ignored, as in the editor"]);
    assert!(read_as!(Image, {"type": "image", "filters": []}).0.effects.filters.is_empty());
}

#[test]
fn text_defaults() {
    let (text, warnings) = read_as!(Text, {"type": "text"});
    assert_eq!((text.height, text.placement.width, text.placement.height), (None, 100.0, 0.0));
    let style = &text.style;
    assert_eq!((style.font_size, &*style.font_family, style.font_weight), (14.0, "Roboto", 400));
    assert_eq!(
        (style.align, style.vertical_align, style.line_height),
        (Align::Center, VerticalAlign::Top, LineHeight::Times(1.2))
    );
    assert_eq!(text.background_color.to_rgba8().to_u8_array(), [0x7E, 0xD3, 0x21, 255]);
    assert_eq!((text.background_corner_radius, text.background_padding, text.curve_power), (0.5, 0.5, 0.5));
    assert!(!text.background_enabled && !text.legacy_background && !text.curve_enabled && warnings.is_empty());
}

#[test]
fn text_styles_are_read() {
    let (text, warnings) = read_as!(Text, {"type": "text", "id": "t", "height": 0, "fontSize": "20", "fontStyle": "italic", "fontWeight": "700",
        "textDecoration": "underline blink line-through", "textTransform": "uppercase", "align": "end", "verticalAlign": "middle",
        "lineHeight": "auto", "letterSpacing": -0.1, "strokeLineJoin": "miter", "fill": "linear-gradient(90deg, red, blue)",
        "stroke": "nocolor", "maxLines": 2, "minFontSize": null});
    let style = &text.style;
    assert_eq!(
        (text.height, style.font_size, style.font_style, style.font_weight),
        (Some(0.0), 20.0, FontStyle::Italic, 700)
    );
    let decoration = style.text_decoration;
    assert!(decoration.underline && decoration.line_through && !decoration.overline);
    assert_eq!((style.text_transform, style.align), (TextTransform::Uppercase, Align::Right));
    assert_eq!((style.line_height, style.letter_spacing), (LineHeight::Auto, -0.1));
    assert_eq!(style.stroke_line_join, kurbo::Join::Miter);
    assert!(matches!(style.fill, Fill::Linear(_)));
    assert_eq!((text.sizing.max_lines, &text.sizing.written), (Some(2), &vec!["maxLines"]));
    assert_eq!(style.stroke, Fill::Solid(peniko::Color::BLACK));
    assert_eq!(
        warnings,
        [
            "pages[0].children[0].textDecoration (t): found \"blink\"; accepted: underline, line-through, overline; ignored",
            "pages[0].children[0].stroke (t): \"nocolor\" is not a CSS colour or linear-gradient(…); drawn black, as in \
             the editor",
        ]
    );
    for (weight, expected) in
        [(json!("bold"), 700), (json!(300), 300), (json!("100"), 100), (json!(""), 400), (json!(null), 400)]
    {
        assert_eq!(read_as!(Text, {"type": "text", "fontWeight": weight}).0.style.font_weight, expected);
    }
    let (text, warnings) = read_as!(Text, {"type": "text", "fontWeight": "heavy"});
    assert_eq!((text.style.font_weight, warnings.len()), (400, 1));
    assert!(warnings[0].contains("found \"heavy\"; accepted: normal, bold, or 1 to 1000"), "{warnings:?}");
}

#[test]
fn figure_paint_that_cannot_be_read_is_black() {
    // design-format.md §6.4
    for fill in ["radial-gradient(circle, #ff0000 0%, #0000ff 100%)", "nocolor", "abc"] {
        let (figure, warnings) = read_as!(Figure, {"type": "figure", "fill": fill});
        assert_eq!((figure.fill, warnings.len()), (Fill::Solid(peniko::Color::BLACK), 1));
    }
    let (figure, warnings) = read_as!(Figure, {"type": "figure", "fill": "", "dash": [-1], "subType": "ellipse"});
    assert_eq!(figure.fill, Fill::Solid(peniko::Color::TRANSPARENT));
    assert_eq!((figure.dash.len(), warnings.len(), &*figure.sub_type), (0, 1, "ellipse"));
    assert_eq!(read_as!(Figure, {"type": "figure"}).0.fill, Fill::Solid(peniko::Color::from_rgb8(0, 161, 255)));
}

#[test]
fn picture_fields_and_their_defaults() {
    let (image, _) = read_as!(Image, {"type": "image", "src": " a.png ", "cropX": 0.5, "cropWidth": 0.75, "cropHeight": 0, "clipSrc": ""});
    assert_eq!((&*image.picture.src, image.clip_src), ("a.png", None));
    assert_eq!(image.picture.crop, kurbo::Rect::new(0.5, 0.0, 1.25, 1.0));
    assert!(!image.picture.stretch_enabled);
    let (svg, warnings) = read_as!(Svg, {"type": "svg", "svgSource": "b.svg", "maskSrc": "m.png",
        "colorsReplace": {"red": "#00ff0080", "url(#a)": "blue", "blue": null}});
    assert_eq!((&*svg.picture.src, svg.mask_src.as_deref()), ("b.svg", Some("m.png")));
    assert!(svg.picture.stretch_enabled);
    assert_eq!(svg.colors_replace, [("red".to_owned(), "#00ff0080".to_owned())]);
    assert_eq!(warnings.len(), 1);
    assert!(read_as!(Svg, {"type": "svg", "colorsReplace": []}).0.colors_replace.is_empty());
    assert_eq!(read_as!(Video, {"type": "video", "src": "v.mp4", "startTime": 0.5}).0.start_time, 0.5);
    assert_eq!(&*read_as!(Gif, {"type": "gif", "src": "g.gif"}).0.picture.src, "g.gif");
}

#[test]
fn table_cells_inherit() {
    let (table, warnings) = read_as!(Table, {"type": "table", "id": "t", "rows": "2", "cols": 2, "fill": "red", "cellPadding": 8, "borderWidth": 2,
    "colWidths": [0.25, 0.75], "rowHeights": [1], "cells": [
        null,
        {"id": "a", "text": "x", "fontSize": 10, "rowSpan": 5, "colSpan": 2, "opacity": 0.5,
         "borders": {"top": {"color": "blue", "style": "dotted"}, "left": {"width": 4}, "right": null}},
        {"mergedInto": "a", "cellBackground": "white"},
    ]});
    assert_eq!((table.rows, table.cols, table.cells.len()), (2, 2, 4));
    assert_eq!((table.col_widths, table.row_heights), (vec![0.25, 0.75], vec![0.5, 0.5]));
    let red = Fill::Solid(peniko::Color::from_rgb8(255, 0, 0));
    let cell = &table.cells[0];
    assert_eq!((cell.style.font_size, &cell.style.fill, cell.padding), (10.0, &red, 8.0));
    assert_eq!((cell.row_span, cell.col_span, cell.merged_into.as_deref()), (2, 2, None));
    assert_eq!(cell.style.vertical_align, VerticalAlign::Middle);
    use super::elements::table::{Border, BorderStyle};
    let plain = Border { color: peniko::Color::BLACK, width: 2.0, style: BorderStyle::Solid };
    let blue = peniko::Color::from_rgb8(0, 0, 255);
    assert_eq!(cell.borders.top, Border { color: blue, style: BorderStyle::Dotted, ..plain });
    assert_eq!((cell.borders.left, cell.borders.right), (Border { width: 4.0, ..plain }, plain));
    assert_eq!(table.cells[1].merged_into.as_deref(), Some("a"));
    assert_eq!((table.cells[3].style.font_size, &*table.cells[3].text), (30.0, ""));
    assert_eq!(
        warnings,
        [
            "pages[0].children[0].rowHeights (t): found 1 fraction with the sum 1; accepted: 2 with a sum above 0; equal sizes are used"
        ]
    );
    let (_, warnings) = read_as!(Table, {"type": "table", "rows": 1, "cols": 1, "cells": [{}, {}, {}]});
    assert!(warnings[0].contains("2 cells more than the 1 × 1"));
}

#[test]
fn warnings_are_bounded() {
    let lines: Vec<_> = (0..500).map(|_| json!({"type": "line", "color": "nocolor"})).collect();
    let design = parse(&with_children(lines.into())).expect("a design");
    assert_eq!(design.warnings.len(), 201);
    assert_eq!(design.warnings[200].to_string(), "the document: and 300 more values like these");
}
