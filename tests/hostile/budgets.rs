//! Small requests for much work: each is refused with the name of its limit before the work begins, or drawn.

use std::fmt::Write as _;

use axum::http::StatusCode;
use serde_json::json;

use super::program::{MIB, serve};
use super::*;

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const ELEMENT: &str = "design.pages[0].children[0]";

/// An SVG document of 900 x 900 px.
fn svg(inside: &str) -> String {
    let source = format!("<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'>{inside}</svg>");
    data_url("image/svg+xml", source.as_bytes())
}

fn shown(src: &str) -> serde_json::Value {
    json!({"id": "s", "type": "svg", "src": src, "width": 900, "height": 900})
}

/// A request for a page of `side` x `side` px.
fn page(side: u32, element: serde_json::Value) -> serde_json::Value {
    let page = json!({"id": "page", "children": [element]});
    json!({"design": {"width": side, "height": side, "pages": [page]}, "outputFormat": "file"})
}

/// `count` lines from side to side, as the data of a path.
fn zigzag(count: usize) -> String {
    let mut path = String::from("M0 0");
    for at in 0..count {
        let _ = write!(path, "L{} {}", if at % 2 == 0 { 900 } else { 0 }, at % 900);
    }
    path
}

#[test]
fn paths_of_long_edges_are_refused_in_little_memory() {
    let service = serve(&[("TENTER_REQUEST_MAX_BYTES", "20 MiB"), ("TENTER_DEADLINE", "60 s")]);
    let before = service.peak();
    let mut element = shown(&svg(&format!("<path d='{}'/>", zigzag(300_000))));
    (element["width"], element["height"]) = (json!(9000), json!(9000));
    let (status, answer) = service.call(page(9000, element).to_string().as_bytes());
    assert!(status == 400 && answer.contains("the limit is 16 million"), "{status} {answer:.400}");
    assert!(answer.contains(ELEMENT), "{answer:.400}");
    assert!(service.peak() < before + 400 * MIB, "{} MiB", service.peak() / MIB);
}

#[test]
fn strokes_of_many_segments_take_bounded_memory() {
    let service = serve(&[("TENTER_REQUEST_MAX_BYTES", "20 MiB"), ("TENTER_DEADLINE", "60 s")]);
    let before = service.peak();
    let path = format!("M0 0{}", "l1 1l1-1".repeat(280_000));
    let element = shown(&svg(&format!("<path d='{path}' fill='none' stroke='red'/>")));
    let (status, answer) = service.call(page(400, element).to_string().as_bytes());
    assert!(matches!(status, 200 | 400), "{status} {answer:.400}");
    assert!(service.peak() < before + 900 * MIB, "{} MiB", service.peak() / MIB);
    let path = format!("M0 0{}", "l1 1l1-1".repeat(700_000));
    let element = shown(&svg(&format!("<path d='{path}' fill='none' stroke='red'/>")));
    let (status, answer) = service.call(page(400, element).to_string().as_bytes());
    assert!(status == 400 && answer.contains("segments"), "{status} {answer:.400}");
}

#[tokio::test]
async fn dashes_of_wide_lines_are_refused() {
    let service = service(&[]);
    let line = "<path d='M0 450H40000' stroke='red' stroke-width='900' stroke-dasharray='.5 .5'/>";
    let answer = service.render(page(900, shown(&svg(line)))).await;
    assert_refused(&answer, StatusCode::BAD_REQUEST, ELEMENT, &["squares"]);
}

fn filtered(filter: &str) -> String {
    svg(&format!(
        "<filter id='f' x='0' y='0' width='1' height='1'>{filter}</filter><rect width='900' height='900' filter='url(#f)'/>"
    ))
}

#[tokio::test]
async fn filters_that_take_too_long_are_refused_without_skip_image_error() {
    let service = service(&[]);
    // No resolution makes fewer octaves.
    let octaves = "<feTurbulence baseFrequency='.1' numOctaves='1000000000'/>";
    let mut request = page(900, shown(&filtered(octaves)));
    let answer = service.render(request.clone()).await;
    assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id s", "too much work"]);
    request["exportOptions"] = json!({"skipImageError": true});
    let answer = service.render(request).await;
    assert_eq!((answer.status, answer.header("x-tenter-warnings")), (StatusCode::OK, "1"));
}

/// These are drawn, at a lower resolution where they would take long.
#[tokio::test]
async fn heavy_filters_are_drawn_at_a_lower_resolution() {
    let matrix = format!("<feConvolveMatrix order='30' kernelMatrix='{}'/>", "1 ".repeat(900));
    let cases = [
        ("octaves", "<feTurbulence baseFrequency='.1' numOctaves='20'/>".repeat(3)),
        ("turbulences", "<feTurbulence baseFrequency='.1' numOctaves='9'/>".repeat(200)),
        ("blurs", "<feGaussianBlur stdDeviation='9'/>".repeat(300)),
        ("matrices", matrix.repeat(2000)),
        ("matrix", matrix),
        ("morphology", "<feMorphology operator='dilate' radius='400'/>".repeat(3000)),
    ];
    let service = service(&[("TENTER_REQUEST_MAX_BYTES", "30 MiB")]);
    for (case, filter) in cases {
        let answer = service.render(page(900, shown(&filtered(&filter)))).await;
        assert_eq!(answer.status, StatusCode::OK, "{case}: {:.300}", String::from_utf8_lossy(&answer.body));
        assert!(answer.header("x-tenter-warnings") != "0", "{case}: its resolution is lower");
    }
    let many: String = (0..40)
        .map(|at| {
            format!(
                "<filter id='f{at}'><feTurbulence baseFrequency='.1' numOctaves='9' seed='{at}'/></filter>\
                 <rect width='900' height='900' filter='url(#f{at})'/>"
            )
        })
        .collect();
    let answer = service.render(page(900, shown(&svg(&many)))).await;
    assert_eq!(answer.status, StatusCode::OK, "{:.300}", String::from_utf8_lossy(&answer.body));
}

/// Of an SVG that lies mostly outside of the page, only the visible part is filtered, at full resolution.
#[tokio::test]
async fn filters_outside_of_the_page_take_no_work() {
    let service = service(&[]);
    let source = "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='100'><filter id='f'><feGaussianBlur stdDeviation='5'/>\
                  </filter><rect x='30' y='20' width='140' height='60' fill='#e53935' filter='url(#f)'/></svg>";
    let src = data_url("image/svg+xml", source.as_bytes());
    let element =
        json!({"id": "s", "type": "svg", "src": src, "x": -40_000, "y": 5, "width": 100_000, "height": 50_000});
    let answer = service.render(page(300, element)).await;
    assert_eq!(answer.status, StatusCode::OK, "{:.300}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("x-tenter-warnings"), "0", "full resolution");
}

#[tokio::test]
async fn svgs_of_endless_texts_styles_and_attributes_are_refused() {
    let attributes: String = (0..200_000).map(|at| format!(" a{at}=''")).collect();
    let cases = [
        (svg(&format!("<text y='20'>{}</text>", "אa".repeat(150_000))), "too complex"),
        (svg(&format!("<text y='20'>{}</text>", "<tspan>אa</tspan>".repeat(50_000))), "too complex"),
        (svg(&format!("<rect{attributes}/>")), "attributes"),
        (svg(&format!("<path d='{}'/>", "M0 0H9".repeat(6_000_000))), "TENTER_REQUEST_MAX_BYTES"),
    ];
    let service = service(&[("TENTER_REQUEST_MAX_BYTES", "30 MiB")]);
    for (src, word) in cases {
        let answer = service.render(page(64, shown(&src))).await;
        if word == "TENTER_REQUEST_MAX_BYTES" {
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
            continue;
        }
        assert_refused(&answer, UNPROCESSABLE, ELEMENT, &["image with id s", word]);
    }
    // Linear, and so drawn.
    let styles = svg(&format!("<rect width='9' height='9' style='{}'/>", "fill:red;".repeat(100_000)));
    assert_eq!(service.render(page(64, shown(&styles))).await.status, StatusCode::OK);
}
