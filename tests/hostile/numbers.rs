//! Extreme numbers in every numeric field of every element type.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::*;

const BAD: StatusCode = StatusCode::BAD_REQUEST;

const EXTREMES: [f64; 15] = [0.0, -0.0, 5e-324, 1e-9, 0.1, -1.0, -1e9, 1e5, 1e7, 1e9, 1e18, 1e38, 1e300, 1e308, -1e308];

/// One element of each type, with every feature enabled that a number controls.
fn kinds() -> Vec<(Value, &'static [&'static str])> {
    let placed = json!({"x": 2, "y": 3, "shadowEnabled": true, "blurEnabled": true, "brightnessEnabled": true});
    let svg = data_url(
        "image/svg+xml",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>
        <filter id='f'><feGaussianBlur stdDeviation='1'/></filter><g opacity='.5'><path d='M0 0L9 9L0 9z' stroke='red'/>
        <path d='M0 0L9 9' stroke='red' filter='url(#f)'/></g></svg>",
    );
    let cells = json!([{"text": "abc"}, {"text": "d"}, {"text": "e"}, {"text": "f"}]);
    let kind = |element: Value, own: &'static [&'static str]| (with(&placed, &element), own);
    vec![
        kind(
            with(
                &text("Hello <b>world</b> &amp; all"),
                &json!({"stroke": "blue", "strokeWidth": 1, "backgroundEnabled": true}),
            ),
            &["fontSize", "letterSpacing", "lineHeight", "strokeWidth", "backgroundPadding", "backgroundCornerRadius"],
        ),
        kind(
            with(&text("On an arc"), &json!({"curveEnabled": true, "curvePower": 0.5})),
            &["curvePower", "fontSize", "letterSpacing"],
        ),
        kind(
            with(&figure(), &json!({"stroke": "blue", "strokeWidth": 2, "dash": [4, 1]})),
            &["strokeWidth", "cornerRadius"],
        ),
        kind(
            json!({"id": "l", "type": "line", "width": 50, "height": 4, "dash": [2, 1], "startHead": "arrow", "endHead": "circle"}),
            &[],
        ),
        kind(
            with(&image(&small_png()), &json!({"borderSize": 1, "borderColor": "red", "cornerRadius": 3})),
            &["cropX", "cropY", "cropWidth", "cropHeight", "cornerRadius", "borderSize"],
        ),
        kind(
            json!({"id": "s", "type": "svg", "src": svg, "width": 50, "height": 50}),
            &["cropX", "cropWidth", "cropHeight"],
        ),
        kind(
            json!({"id": "tb", "type": "table", "width": 60, "height": 60, "rows": 2, "cols": 2, "cells": cells,
                "borderStyle": "dashed"}),
            &["fontSize", "borderWidth", "cellPadding", "lineHeight", "letterSpacing"],
        ),
    ]
}

const COMMON: [&str; 12] = [
    "x",
    "y",
    "width",
    "height",
    "rotation",
    "opacity",
    "blurRadius",
    "brightness",
    "shadowBlur",
    "shadowOffsetX",
    "shadowOffsetY",
    "shadowOpacity",
];

#[tokio::test]
async fn extreme_numbers_are_drawn_or_cause_warnings() {
    let service = service(&[]);
    for (kind, own) in kinds() {
        for member in COMMON.iter().chain(own) {
            for overflow in ["change-font-size", "resize", "ellipsis"] {
                if overflow != "change-font-size"
                    && !matches!(*member, "fontSize" | "letterSpacing" | "lineHeight" | "width")
                {
                    continue;
                }
                for extreme in EXTREMES {
                    let mut request = call(json!([with(&kind, &json!({ *member: extreme }))]));
                    request["exportOptions"] = json!({"textOverflow": overflow});
                    let case = format!("{} {member} {extreme} {overflow}", kind["type"]);
                    assert_drawn(&service.render(request).await, &case);
                }
            }
        }
    }
}

/// The vector painter has margins and rasters of its own.
#[tokio::test]
async fn extreme_numbers_are_written_to_vector_pages_or_cause_warnings() {
    let service = service(&[]);
    for (kind, own) in kinds() {
        for member in COMMON.iter().chain(own) {
            for extreme in [1e-9, -1e9, 1e7, 1e9, 1e38, 1e308] {
                let mut request = call(json!([with(&kind, &json!({ *member: extreme }))]));
                request["exportOptions"] = json!({"vector": true});
                request["format"] = json!("pdf");
                let answer = service.render(request).await;
                let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]);
                assert_eq!(answer.status, StatusCode::OK, "{} {member} {extreme}: {text}", kind["type"]);
            }
        }
    }
}

#[tokio::test]
async fn omitted_shapes_cause_warnings() {
    let service = service(&[]);
    for (member, value) in [("x", 1e308), ("width", 1e13), ("height", 1e300)] {
        let answer = service.element(with(&figure(), &json!({ member: value }))).await;
        assert_drawn(&answer, member);
        assert_eq!(answer.header("x-tenter-warnings"), "1", "{member} {value}");
    }
}

#[tokio::test]
async fn shapes_beyond_the_page_are_clipped_to_it() {
    let service = service(&[]);
    let band = json!({"id": "b", "type": "figure", "x": -1e9, "y": 16, "width": 2e9, "height": 16, "fill": "red"});
    let answer = service.element(band).await;
    assert_drawn(&answer, "a band");
    assert_eq!(answer.header("x-tenter-warnings"), "0");
    let picture = image::load_from_memory(&answer.body).expect("a picture").into_rgba8();
    assert_eq!([8, 24, 40].map(|y| picture.get_pixel(30, y).0[1]), [255, 0, 255]);
}

#[tokio::test]
async fn pixel_ratio_is_positive_and_bounded() {
    let service = service(&[]);
    let at = async |ratio: Value| {
        let request = json!({"design": {"width": 64, "height": 64, "pages": [{}]}, "outputFormat": "file",
            "exportOptions": {"pixelRatio": ratio}});
        service.render(request).await
    };
    for bad in [json!(0), json!(-1), json!("NaN"), json!("inf"), json!("1e999"), json!("two"), json!([2])] {
        assert_refused(&at(bad).await, BAD, "exportOptions.pixelRatio", &["accepted: a number"]);
    }
    assert_refused(&at(json!(1e9)).await, BAD, "design.pages[0]", &["65280 px", "lower pixelRatio"]);
    assert_refused(&at(json!(200)).await, BAD, "design.pages[0]", &["100 megapixels (TENTER_MAX_MEGAPIXELS)"]);
    assert_eq!(png_size(&at(json!("2")).await.body), (128, 128));
    assert_eq!(png_size(&at(json!(5e-324)).await.body), (1, 1));
}

#[tokio::test]
async fn pages_are_positive_and_bounded() {
    let service = service(&[]);
    let of = async |width: f64| {
        let request = json!({"design": {"width": width, "height": 2, "pages": [{"children": [figure()]}]}, "outputFormat": "file"});
        service.render(request).await
    };
    for bad in [0.0, -5.0] {
        assert_refused(&of(bad).await, BAD, "design.width", &["greater than 0"]);
    }
    for huge in [1e7, 1e18, 1e308] {
        assert_refused(&of(huge).await, BAD, "design.pages[0]", &["65280 px"]);
    }
    assert_eq!(png_size(&of(1e-9).await.body), (1, 2));
    let bleed = json!({"design": {"width": 5, "height": 5, "pages": [{"bleed": 1e308}]}, "exportOptions": {"includeBleed": true}});
    assert_refused(&service.render(bleed).await, BAD, "design.pages[0]", &["65280 px"]);
}

#[tokio::test]
async fn extremely_fine_dashes_are_drawn_solid() {
    let service = service(&[]);
    for dash in
        [vec![1e-9], vec![1e-9; 2], vec![1e308; 2], vec![0.0; 2], vec![1e-300; 1000], vec![0.11; 100_000], vec![-1.0]]
    {
        let case = format!("{} dashes of {}", dash.len(), dash[0]);
        let line = json!({"id": "l", "type": "line", "width": 1e6, "height": 1, "dash": dash});
        assert_drawn(&service.element(line).await, &case);
        let figure = with(&figure(), &json!({"stroke": "blue", "strokeWidth": 1, "dash": dash}));
        assert_drawn(&service.element(figure).await, &case);
    }
}

#[tokio::test]
async fn gradients_of_ten_thousand_stops_are_black_or_transparent() {
    let service = service(&[]);
    let stops: String = (0..10_000).map(|at| format!(", rgb({}, 0, 0) {}%", at % 256, f64::from(at) / 100.0)).collect();
    let gradient = format!("linear-gradient(45deg{stops})");
    for element in [figure(), text("abc")] {
        let answer = service.element(with(&element, &json!({"fill": gradient}))).await;
        assert_drawn(&answer, "drawn black");
        assert_eq!(answer.header("x-tenter-warnings"), "1");
    }
    let mut request = call(json!([]));
    request["design"]["pages"][0]["background"] = json!(gradient);
    let answer = service.render(request).await;
    assert_drawn(&answer, "drawn transparent");
    assert_eq!(answer.header("x-tenter-warnings"), "1");
    let odd = "linear-gradient(1e308turn, red 1e38%, blue -1e38%)";
    assert_drawn(&service.element(with(&figure(), &json!({"fill": odd}))).await, odd);
}

#[tokio::test]
async fn page_above_the_work_limit_is_refused() {
    let service = service(&[("TENTER_MAX_MEGAPIXELS", "1")]);
    let gradient =
        json!({"type": "figure", "fill": "linear-gradient(30deg, red, blue)", "width": 1e5, "height": 1e5, "x": -9});
    let mut request = call(json!(vec![gradient; 100]));
    (request["design"]["width"], request["design"]["height"]) = (json!(900), json!(900));
    let answer = service.render(request).await;
    assert_refused(&answer, BAD, "", &["1000 × TENTER_MAX_MEGAPIXELS"]);
}
