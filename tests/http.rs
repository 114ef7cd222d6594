//! The HTTP API: statuses, bodies and headers of responses. Most tests call the router without a socket.

#[path = "support/service.rs"]
mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenter::jobs::Clock;
use tenter::server::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use service::{Service, png_size, post, service, service_at};

/// A design with two pages of 30 × 20 px.
fn design() -> Value {
    json!({"width": 30, "height": 20, "pages": [{"id": "one", "children": []}, {"id": "two", "children": []}]})
}

#[tokio::test]
async fn data_url_is_the_default() {
    let answer = service(&[]).render(json!({"design": design(), "exportOptions": {"pixelRatio": "2"}})).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-rendered-by"), "cpu");
    assert_eq!(answer.header("x-tenter-rasterizer"), "cpu");
    assert_eq!(answer.header("x-tenter-warnings"), "0");
    assert!(answer.header("server-timing").contains("paint;dur="), "{}", answer.header("server-timing"));
    let body = answer.json();
    assert_eq!(body["warnings"], json!([]));
    let encoded = body["url"].as_str().expect("url").strip_prefix("data:image/png;base64,").expect("a PNG data URL");
    assert_eq!(png_size(&STANDARD.decode(encoded).expect("base64")), (60, 40));
}

#[tokio::test]
async fn file_answers_with_the_image_bytes() {
    let service = service(&[]);
    let answer = service.render(json!({"design": design(), "outputFormat": "file"})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "image/png");
    assert_eq!(answer.header("content-disposition"), "inline; filename=\"design.png\"");
    assert_eq!(answer.header("x-tenter-warnings"), "0");
    assert_eq!(png_size(&answer.body), (30, 20));
    let jpeg = service.render(json!({"design": design(), "outputFormat": "file", "format": "jpg"})).await;
    assert_eq!((jpeg.status, jpeg.header("content-type")), (StatusCode::OK, "image/jpeg"));
    assert_eq!(jpeg.header("content-disposition"), "inline; filename=\"design.jpg\"");
    assert!(jpeg.body.starts_with(&[0xff, 0xd8]));
}

/// A clock that tests set, in seconds after a fixed time.
fn test_clock() -> (Arc<AtomicU64>, Clock) {
    let later = Arc::new(AtomicU64::new(0));
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock: Clock = Arc::new({
        let later = later.clone();
        move || start + Duration::from_secs(later.load(Ordering::SeqCst))
    });
    (later, clock)
}

#[tokio::test]
async fn url_works_until_it_expires_and_is_swept() {
    let (later, clock) = test_clock();
    let service = service_at(&[], clock);
    let answer = service.render(json!({"design": design(), "outputFormat": "url"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let url = answer.json()["url"].as_str().expect("url").to_owned();
    let path = url.strip_prefix("http://render.test:8080").expect("the caller's host").to_owned();

    later.store(24 * 3600 - 1, Ordering::SeqCst);
    let file = service.get(&path).await;
    assert_eq!(file.status, StatusCode::OK);
    assert_eq!(file.header("content-type"), "image/png");
    assert_eq!(file.header("content-length"), file.body.len().to_string());
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(file.header("cache-control"), "private, max-age=1, immutable");
    assert_eq!(png_size(&file.body), (30, 20));
    let head = service.call(Request::head(&path).body(Body::empty()).expect("a request")).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header("content-length"), file.body.len().to_string());
    assert_eq!(service.files.sweep().await, 0);

    later.store(24 * 3600, Ordering::SeqCst);
    assert_eq!(service.get(&path).await.status, StatusCode::NOT_FOUND, "refused before the sweep");
    let foreign = service.folder.path().join("files/kept.txt");
    std::fs::write(&foreign, "not ours").expect("written");
    assert_eq!(service.files.sweep().await, 1);
    assert_eq!(service.files.sweep().await, 0);
    assert!(foreign.exists(), "the sweeper does not delete files of others");
    let left = std::fs::read_dir(service.folder.path().join("files")).expect("a folder").count();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn url_starts_with_the_public_address() {
    let service = service(&[("TENTER_PUBLIC_URL", "https://cdn.example.com/tenter/")]);
    let answer = service.render(json!({"design": design(), "outputFormat": "url"})).await;
    let url = answer.json()["url"].as_str().expect("url").to_owned();
    assert!(url.starts_with("https://cdn.example.com/tenter/files/"), "{url}");
}

#[tokio::test]
async fn url_ignores_an_invalid_host() {
    let service = service(&[]);
    let body = json!({"design": design(), "outputFormat": "url"}).to_string();
    let mut request = post("/api/render", &body);
    request.headers_mut().insert("host", "evil.test/path?".parse().expect("a header"));
    let url = service.call(request).await.json()["url"].as_str().expect("url").to_owned();
    assert!(url.starts_with("http://127.0.0.1:8080/files/"), "{url}");
}

#[tokio::test]
async fn files_are_answered_in_parts_and_only_when_changed() {
    let service = service(&[]);
    let answer = service.render(json!({"design": design(), "outputFormat": "url"})).await;
    let url = answer.json()["url"].as_str().expect("url").to_owned();
    let path = &url[url.find("/files/").expect("a path")..];
    let get = async |headers: &[(&str, &str)]| {
        let mut request = axum::http::Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        service.call(request.body(axum::body::Body::empty()).expect("a request")).await
    };
    let whole = get(&[]).await;
    let (size, etag) = (whole.body.len(), whole.header("etag").to_owned());
    assert_eq!((whole.status, whole.header("accept-ranges")), (StatusCode::OK, "bytes"));
    let part = get(&[("range", "bytes=8-15")]).await;
    assert_eq!((part.status, &part.body[..]), (StatusCode::PARTIAL_CONTENT, &whole.body[8..16]));
    assert_eq!(part.header("content-range"), format!("bytes 8-15/{size}"));
    assert_eq!(part.header("content-length"), "8");
    let rest = get(&[("range", "bytes=8-"), ("if-range", "\"other\"")]).await;
    assert_eq!((rest.status, rest.body.len()), (StatusCode::OK, size));
    let outside = get(&[("range", "bytes=100000000-")]).await;
    assert_eq!(outside.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(outside.header("content-range"), format!("bytes */{size}"));
    let known = get(&[("if-none-match", &etag)]).await;
    assert_eq!((known.status, known.body.len(), known.header("etag")), (StatusCode::NOT_MODIFIED, 0, etag.as_str()));
    assert!(known.header("cache-control").contains("immutable"));
}

#[tokio::test]
async fn all_missing_fonts_and_pictures_are_listed() {
    let service = service(&[]);
    let text =
        |id: &str, family: &str| json!({"id": id, "type": "text", "text": "a", "width": 9, "fontFamily": family});
    let image = json!({"id": "i", "type": "image", "src": "data:image/png;base64,AAAA", "width": 9, "height": 9});
    let page = json!({"id": "p", "children": [text("a", "Nowhere One"), text("b", "Nowhere Two"), image]});
    let body = json!({"design": {"width": 9, "height": 9, "pages": [page]}, "outputFormat": "file"});
    let answer = service.render(body).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problems = answer.json()["problems"].as_array().expect("a list").clone();
    let messages: Vec<_> = problems.iter().map(|it| it["message"].as_str().expect("text")).collect();
    assert_eq!(messages.len(), 3, "{messages:#?}");
    for (message, words) in messages.iter().zip(["image with id i", "font \"Nowhere One\"", "font \"Nowhere Two\""]) {
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn files_with_unknown_names_are_not_found() {
    let service = service(&[]);
    std::fs::write(service.folder.path().join("secret"), "x").expect("written");
    for path in
        ["/files/", "/files/x", "/files/..%2fsecret", "/files/%2e%2e%2fsecret", "/files/kept.txt", "/files/a%00b"]
    {
        let answer = service.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.json(), json!({"error": "not found", "problems": []}), "{path}");
    }
}

#[tokio::test]
async fn keys_missing_wrong_and_right() {
    let service = service(&[("TENTER_KEYS", "shop=right-key, other-key+/")]);
    let body = json!({"design": design(), "outputFormat": "file"}).to_string();
    for path in ["/api/render", "/api/render?KEY=wrong", "/api/render?KEY=", "/api/render?Key=right-key"] {
        let answer = service.post(path, &body).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.error().contains("?KEY="), "{}", answer.error());
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    for path in ["/api/render?KEY=right-key", "/api/render?a=b&KEY=other-key%2B%2F", "/api/render/?key=right-key"] {
        assert_eq!(service.post(path, &body).await.status, StatusCode::OK, "{path}");
    }
    let header = async |name: &'static str, token: &str| {
        let mut request = post("/api/render", &body);
        request.headers_mut().insert(name, token.parse().expect("a header"));
        service.call(request).await.status
    };
    let bearer = async |token: &str| header("authorization", token).await;
    assert_eq!(header("x-api-key", "right-key").await, StatusCode::OK);
    assert_eq!(header("x-api-key", "wrong").await, StatusCode::UNAUTHORIZED);
    assert_eq!(bearer("Bearer right-key").await, StatusCode::OK);
    assert_eq!(bearer("Bearer wrong").await, StatusCode::UNAUTHORIZED);
    assert_eq!(bearer("Basic right-key").await, StatusCode::UNAUTHORIZED);
    assert_eq!(service.get("/health/live").await.status, StatusCode::OK, "health needs no key");
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_is_ignored() {
    let service = service(&[]);
    let body = json!({"design": design(), "outputFormat": "file"}).to_string();
    assert_eq!(service.post("/api/render/", &body).await.status, StatusCode::OK);
    assert_eq!(service.get("/api/renders/list/?per_page=1").await.status, StatusCode::OK);
    assert_eq!(service.get("/").await.status, StatusCode::OK);
    assert_eq!(service.get("/api/render//").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pictures_carry_the_resolution_that_is_asked_for() {
    let service = service(&[]);
    let per_metre = async |metadata: Value| {
        let options = json!({"dpiMetadata": metadata, "pixelRatio": 2});
        let body = json!({"design": design(), "outputFormat": "file", "exportOptions": options});
        let bytes = service.render(body).await.body;
        let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a PNG");
        reader.info().pixel_dims.map(|it| it.xppu)
    };
    // 72 dpi at twice the size; an inch has 0.0254 m.
    assert_eq!(per_metre(Value::Null).await, Some(5669));
    assert_eq!(per_metre(json!("300")).await, Some(11_811));
    assert_eq!(per_metre(json!(false)).await, None);
}

#[tokio::test]
async fn media_type_other_than_json_is_415() {
    let service = service(&[]);
    for content_type in ["text/plain", "application/json; charset=utf-16", "multipart/form-data; boundary=x"] {
        let request = Request::post("/api/render").header("content-type", content_type);
        let answer = service.call(request.body(Body::from("{}")).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        assert!(answer.error().contains("application/json"), "{}", answer.error());
    }
    let mut zipped = post("/api/render", "{}");
    zipped.headers_mut().insert("content-encoding", "gzip".parse().expect("a header"));
    assert_eq!(service.call(zipped).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let charset = Request::post("/api/render").header("content-type", "application/json; charset=utf-8");
    let answer = service.call(charset.body(Body::from(json!({"design": design()}).to_string())).expect("a request"));
    assert_eq!(answer.await.status, StatusCode::OK);
}

#[tokio::test]
async fn request_beyond_the_limit_is_413_announced_or_not() {
    let service = service(&[("TENTER_REQUEST_MAX_BYTES", "1 KiB")]);
    let body = format!("{{\"design\": \"{}\"}}", "x".repeat(2000));
    let announced = service.post("/api/render", &body).await;
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(body))]);
    let request = Request::post("/api/render").header("content-type", "application/json");
    let streamed = service.call(request.body(Body::from_stream(chunks)).expect("a request")).await;
    for answer in [announced, streamed] {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        let error = answer.error();
        assert!(
            error.contains("payload too large") && error.contains("1024 bytes (TENTER_REQUEST_MAX_BYTES)"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn answer_beyond_the_limit_is_413_and_names_the_alternative() {
    let service = service(&[("TENTER_INLINE_MAX_BYTES", "1 KiB")]);
    let mut request = json!({"design": design(), "exportOptions": {"pixelRatio": 40}});
    for output in ["dataURL", "file"] {
        request["outputFormat"] = json!(output);
        let answer = service.render(request.clone()).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{output}");
        let error = answer.error();
        assert!(error.contains("TENTER_INLINE_MAX_BYTES") && error.contains("outputFormat: \"url\""), "{error}");
    }
    request["outputFormat"] = json!("url");
    assert_eq!(service.render(request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn invalid_input_lists_every_problem() {
    let service = service(&[]);
    let answer = service
        .render(
            json!({"design": design(), "outputFormat": "fax", "exportOptions": {"pixelRatio": 0, "quality": "high"}}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let body = answer.json();
    let paths: Vec<_> =
        body["problems"].as_array().expect("problems").iter().map(|it| it["path"].as_str().expect("path")).collect();
    assert_eq!(paths, ["outputFormat", "exportOptions.pixelRatio", "exportOptions.quality"]);
    assert!(body["error"].as_str().expect("error").starts_with("outputFormat: "), "{body}");

    for (bad, path) in [("{", ""), ("[]", ""), ("{}", "design"), (r#"{"design": []}"#, "design")] {
        let answer = service.post("/api/render", bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert_eq!(answer.json()["problems"][0]["path"], path, "{bad}");
    }
}

#[tokio::test]
async fn unknown_page_is_400_with_the_engines_message() {
    let service = service(&[]);
    let call = async |id: &str| service.render(json!({"design": design(), "exportOptions": {"pageId": id}})).await;
    assert_eq!(call("two").await.status, StatusCode::OK);
    let answer = call("three").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("No page for export with id three"), "{}", answer.error());
}

/// A design with two images at private addresses and a text in an unknown font.
fn design_without_assets() -> Value {
    let image = |id: &str, src: &str| json!({"id": id, "type": "image", "src": src, "width": 9, "height": 9});
    let text =
        json!({"id": "t", "type": "text", "text": "a", "fontFamily": "No Such Family", "width": 20, "height": 20});
    let children = json!([image("p", "http://127.0.0.1:9/p.png"), image("q", "data:image/png;base64,AAAA"), text]);
    json!({"width": 30, "height": 20, "pages": [{"id": "one", "children": children}]})
}

#[tokio::test]
async fn assets_failed_are_422_and_all_named() {
    let service = service(&[]);
    let answer = service.render(json!({"design": design_without_assets()})).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let problems = answer.json()["problems"].clone();
    assert_eq!(problems[0]["path"], "design.pages[0].children[0]");
    assert_eq!(problems[1]["path"], "design.pages[0].children[1]");
    assert_eq!(problems[2]["path"], "design.pages[0].children[2]");
    assert_eq!(problems.as_array().map(Vec::len), Some(3), "{problems}");
    assert!(answer.error().contains("image with id p url: http://127.0.0.1:9/p.png"), "{}", answer.error());

    let options = json!({"skipImageError": true});
    let answer = service.render(json!({"design": design_without_assets(), "exportOptions": options})).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.error().contains("Timeout for loading font \"No Such Family\""), "{}", answer.error());
}

#[tokio::test]
async fn assets_skipped_are_warnings() {
    let options = json!({"skipImageError": true, "skipFontError": true});
    let request = json!({"design": design_without_assets(), "exportOptions": options});
    let answer = service(&[]).render(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    assert_eq!(answer.header("x-tenter-warnings"), "3");
    let warnings = answer.json()["warnings"].clone();
    let mut reported: Vec<_> =
        warnings.as_array().expect("warnings").iter().map(|it| (&it["code"], &it["element"])).collect();
    reported.sort_by_key(|(_, element)| element.to_string());
    let (skipped, substituted) = (json!("image_skipped"), json!("font_substituted"));
    assert_eq!(reported, [(&skipped, &json!("p")), (&skipped, &json!("q")), (&substituted, &json!("t"))]);
}

/// A design with four reasons for warnings: an enlarged image (8 × 4 px on 80 × 40), an effect on a figure, an unknown
/// member and a character without a glyph.
fn design_with_warnings() -> Value {
    let mut png = Vec::new();
    let encoder = png::Encoder::new(&mut png, 8, 4);
    encoder.write_header().expect("a header").write_image_data(&[0; 32]).expect("pixels");
    let src = format!("data:image/png;base64,{}", STANDARD.encode(png));
    json!({"width": 100, "height": 100, "schemaVersion": 4, "pages": [{"children": [
        {"id": "photo", "type": "image", "src": src, "width": 80, "height": 40, "stretchEnabled": true},
        {"id": "box", "type": "figure", "blurEnabled": true, "glow": 3},
        {"id": "words", "type": "text", "text": "\u{e123}", "width": 90},
    ]}]})
}

#[tokio::test]
async fn warnings_reach_json_and_header_with_path_and_element() {
    let service = service(&[]);
    let answer = service.render(json!({"design": design_with_warnings()})).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let warnings = answer.json()["warnings"].clone();
    let mut reported: Vec<_> = warnings.as_array().expect("warnings").iter().collect();
    reported.sort_by_key(|it| it["path"].to_string());
    let reported: Vec<_> =
        reported.iter().map(|it| ["code", "path", "element"].map(|key| it[key].as_str().expect("a string"))).collect();
    assert_eq!(
        reported,
        [
            ["image_enlarged", "design.pages[0].children[0]", "photo"],
            ["ignored", "design.pages[0].children[1].blurEnabled", "box"],
            ["ignored", "design.pages[0].children[1].glow", "box"],
            ["glyph_missing", "design.pages[0].children[2]", "words"],
        ]
    );

    let file = service.render(json!({"design": design_with_warnings(), "outputFormat": "file"})).await;
    assert_eq!(file.header("x-tenter-warnings"), "4");
    assert_eq!(file.header("content-type"), "image/png");
}

#[tokio::test]
async fn images_are_enlarged_up_to_the_limits_of_setting_and_option() {
    let design = || {
        let mut design = design_with_warnings();
        let children = design["pages"][0]["children"].as_array_mut().expect("children");
        children.truncate(1);
        design
    };
    // 8 image px on 80 design px at 72 dpi are 7.2 dpi.
    for (setting, options, expected) in [
        ("7", json!({}), "0"),
        ("8", json!({}), "1"),
        ("8", json!({"dpi": 100}), "0"),
        ("0", json!({"minImageDpi": 10}), "1"),
        ("300", json!({"minImageDpi": 0}), "0"),
    ] {
        let service = service(&[("TENTER_MIN_IMAGE_DPI", setting)]);
        let answer = service.render(json!({"design": design(), "exportOptions": options})).await;
        assert_eq!(answer.header("x-tenter-warnings"), expected, "{setting} {options}");
    }
}

#[tokio::test]
async fn texts_that_shrink_are_warnings_with_both_sizes() {
    let element =
        |id: &str, height: f64| json!({"id": id, "type": "text", "text": "H", "fontSize": 48, "height": height});
    let children = json!([element("fits", 60.0), element("small", 38.0), element("gone", 0.0)]);
    let design = json!({"schemaVersion": 4, "width": 100, "height": 100, "pages": [{"children": children}]});
    let answer = service(&[]).render(json!({"design": design})).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let reported = |at: usize| answer.json()["warnings"][at].clone();
    assert_eq!(answer.header("x-tenter-warnings"), "2");
    let message = "text shrunk from 48 to 31.5 px to fit its box";
    let path = "design.pages[0].children[1]";
    assert_eq!(reported(0), json!({"code": "text_shrunk", "path": path, "element": "small", "message": message}));
    assert_eq!((&reported(1)["code"], &reported(1)["element"]), (&json!("text_shrunk"), &json!("gone")));
}

#[tokio::test]
async fn pixels_beyond_the_limit_are_400_and_name_the_setting() {
    let service = service(&[("TENTER_MAX_MEGAPIXELS", "0.01")]);
    let answer = service.render(json!({"design": design(), "exportOptions": {"pixelRatio": 100}})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.error().contains("TENTER_MAX_MEGAPIXELS"), "{}", answer.error());
}

#[tokio::test]
async fn formats_unsupported_are_501_or_400() {
    let service = service(&[]);
    let options = json!({"pdfa": "2b"});
    let archive = service.render(json!({"design": design(), "format": "pdf", "exportOptions": options})).await;
    assert_eq!(archive.status, StatusCode::NOT_IMPLEMENTED);
    assert!(archive.error().contains("PDF/A is not supported"), "{}", archive.error());
    for format in ["gif", "mp4", "bmp"] {
        let answer = service.render(json!({"design": design(), "format": format})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{format}");
        assert_eq!(answer.json()["problems"][0]["path"], "format");
    }
}

#[tokio::test]
async fn overload_is_429_with_retry_after() {
    let service = service(&[("TENTER_WORKERS", "1"), ("TENTER_QUEUE", "0")]);
    let at_work = service.engine.admit().await.expect("the only worker");
    let answer = service.render(json!({"design": design()})).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "1");
    assert!(answer.error().contains("TENTER_WORKERS") && answer.error().contains("TENTER_QUEUE"), "{}", answer.error());
    drop(at_work);
    assert_eq!(service.render(json!({"design": design()})).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn deadline_is_504_and_names_the_stage() {
    let service = service(&[("TENTER_WORKERS", "1"), ("TENTER_QUEUE", "1"), ("TENTER_DEADLINE", "5 s")]);
    let _at_work = service.engine.admit().await.expect("the only worker");
    let answer = service.render(json!({"design": design()})).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    let error = answer.error();
    assert!(error.contains("5 s (TENTER_DEADLINE)") && error.contains("stopped at stage queue"), "{error}");
}

#[tokio::test]
async fn preflight_allows_what_browsers_send() {
    let request = Request::options("/api/render?KEY=x")
        .header("origin", "https://editor.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, prefer");
    let service = service(&[("TENTER_KEYS", "some-key")]);
    let answer = service.call(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    let allowed = answer.header("access-control-allow-headers").to_ascii_lowercase();
    assert!(allowed.contains("content-type") && allowed.contains("prefer"), "{allowed}");
    let mut request = post("/api/render", "{}");
    request.headers_mut().insert("origin", "https://editor.example.com".parse().expect("a header"));
    let refused = service.call(request).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.header("access-control-allow-origin"), "*", "browsers may read errors");
}

#[tokio::test]
async fn unknown_routes_and_wrong_methods_answer_with_json() {
    let service = service(&[]);
    for method in [Method::GET, Method::POST] {
        let request = Request::builder().method(method).uri("/api/nothing").body(Body::empty()).expect("a request");
        let answer = service.call(request).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::NOT_FOUND, "not found"));
    }
    let answer = service.get("/api/render").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), "POST");
    assert!(answer.error().contains("Allow header"));
    let head = service.call(Request::head("/health/live").body(Body::empty()).expect("a request")).await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn request_ids_are_passed_on_or_generated() {
    let service = service(&[]);
    let with_id = |id: &'static str| Request::get("/health/live").header("x-request-id", id).body(Body::empty());
    assert_eq!(service.call(with_id("abc-1").expect("a request")).await.header("x-request-id"), "abc-1");
    let made = service.call(with_id("not plain\"").expect("a request")).await;
    assert_eq!(made.header("x-request-id").len(), 16);
}

#[tokio::test]
async fn ready_follows_start_and_stop() {
    let service = service(&[]);
    assert_eq!(service.get("/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    service.engine.warm_up().await.expect("a first render");
    service.health.set_ready();
    assert_eq!(service.get("/health/ready").await.status, StatusCode::OK);
    service.health.set_stopping();
    service.health.set_ready();
    let answer = service.get("/health/ready").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let body = answer.json();
    assert_eq!((&body["status"], &body["rasterizer"]), (&json!("stopping"), &json!(service.engine.rasterizer())));
    assert!(body["gpus"].is_array() && body["refusedAdapters"].is_array(), "{body}");
    assert_eq!(service.get("/health/live").await.status, StatusCode::OK);
}

/// Starts the service on a socket. A send on the channel stops it.
struct Listening {
    address: std::net::SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    served: tokio::task::JoinHandle<tenter::server::Stopped>,
}

async fn listen(service: &Service) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (router, settings, health) = (service.router.clone(), service.settings.server.clone(), service.health.clone());
    let served = tokio::spawn(async move {
        let stop = async { drop(stopped.await) };
        serve(listener, router, &settings, &health, stop).await
    });
    Listening { address, stop, served }
}

async fn send(address: std::net::SocketAddr, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let head = format!(
        "POST /api/render HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

async fn status_line(stream: &mut TcpStream) -> String {
    let mut text = [0; 12];
    stream.read_exact(&mut text).await.expect("an answer");
    String::from_utf8_lossy(&text).into_owned()
}

/// Waits until the service refuses a request because its queue is full, or until it no longer does.
async fn wait_for_queue(service: &Service, full: bool) {
    while service.engine.is_full() != full {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn dropped_connection_frees_its_queue_slot() {
    let service = service(&[("TENTER_WORKERS", "1"), ("TENTER_QUEUE", "1")]);
    let listening = listen(&service).await;
    let _at_work = service.engine.admit().await.expect("the only worker");
    let waiting = send(listening.address, &json!({"design": design()}).to_string()).await;
    wait_for_queue(&service, true).await;
    drop(waiting);
    wait_for_queue(&service, false).await;
}

#[tokio::test]
async fn stop_finishes_admitted_requests_and_refuses_new_ones() {
    let service = service(&[("TENTER_WORKERS", "1"), ("TENTER_QUEUE", "1")]);
    let Listening { address, stop, served } = listen(&service).await;
    let at_work = service.engine.admit().await.expect("the only worker");
    let mut waiting = send(address, &json!({"design": design()}).to_string()).await;
    let mut idle = TcpStream::connect(address).await.expect("a connection");
    wait_for_queue(&service, true).await;
    stop.send(()).expect("still serving");
    assert_eq!(idle.read(&mut [0; 1]).await.expect("closed"), 0, "idle connections are closed at once");
    assert!(TcpStream::connect(address).await.is_err(), "no new connections");
    assert_eq!(service.get("/health/ready").await.json()["status"], "stopping");
    drop(at_work);
    assert_eq!(status_line(&mut waiting).await, "HTTP/1.1 200");
    drop(waiting);
    assert_eq!(served.await.expect("served").cut, 0);
}

#[tokio::test]
async fn stop_delay_keeps_serving_while_not_ready() {
    let service = service(&[("TENTER_STOP_DELAY", "2 s")]);
    let Listening { address, stop, served } = listen(&service).await;
    stop.send(()).expect("still serving");
    while service.get("/health/ready").await.json()["status"] != "stopping" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut late = send(address, &json!({"design": design()}).to_string()).await;
    assert_eq!(status_line(&mut late).await, "HTTP/1.1 200");
    drop(late);
    assert_eq!(served.await.expect("served").cut, 0);
    assert!(TcpStream::connect(address).await.is_err(), "no new connections");
}

#[tokio::test]
async fn stop_aborts_requests_after_the_grace_period() {
    let service = service(&[("TENTER_WORKERS", "1"), ("TENTER_QUEUE", "1"), ("TENTER_STOP_GRACE", "0")]);
    let Listening { address, stop, served } = listen(&service).await;
    let _at_work = service.engine.admit().await.expect("the only worker");
    let _waiting = send(address, &json!({"design": design()}).to_string()).await;
    wait_for_queue(&service, true).await;
    stop.send(()).expect("still serving");
    assert_eq!(served.await.expect("served").cut, 1);
    wait_for_queue(&service, false).await;
}

#[tokio::test]
async fn slow_heads_and_bodies_time_out() {
    let service = service(&[("TENTER_HEADER_TIMEOUT", "1 s"), ("TENTER_BODY_TIMEOUT", "1 s")]);
    let listening = listen(&service).await;
    let mut slow_head = TcpStream::connect(listening.address).await.expect("a connection");
    slow_head.write_all(b"GET /health/live HTTP/1.1\r\nx: ").await.expect("sent");
    let mut slow_body = TcpStream::connect(listening.address).await.expect("a connection");
    let head = b"POST /api/render HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    slow_body.write_all(head).await.expect("sent");
    assert_eq!(status_line(&mut slow_body).await, "HTTP/1.1 408");
    let mut rest = Vec::new();
    slow_head.read_to_end(&mut rest).await.expect("closed");
}

#[tokio::test]
async fn variables_are_read_beside_the_design_or_from_the_options() {
    let text = |text: &str| json!({"id": "t", "type": "text", "text": text, "fontSize": 4, "width": 30, "height": 20});
    let mut design = design();
    design["pages"][0]["children"] = json!([text("{who} {where}")]);
    let service = service(&[]);
    let beside = service.render(json!({"design": design, "variables": {"who": "Ada"}})).await;
    assert_eq!(beside.status, StatusCode::OK, "{:?}", beside.body);
    let warnings = beside.json()["warnings"].clone();
    assert_eq!(warnings.as_array().map(Vec::len), Some(1), "{warnings}");
    assert_eq!(warnings[0]["code"], "placeholder_unknown");
    assert_eq!(warnings[0]["path"], "design.pages[0].children[0].text");
    assert_eq!(warnings[0]["element"], "t");
    let inside = json!({"design": design, "exportOptions": {"variables": {"who": "Ada", "where": 7}}});
    assert_eq!(service.render(inside).await.header("x-tenter-warnings"), "0");
    let none = service.render(json!({"design": design})).await;
    assert_eq!(none.header("x-tenter-warnings"), "0", "without variables, braces mean nothing");
    let wrong = service.render(json!({"design": design, "variables": {"who": []}})).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert_eq!(wrong.json()["problems"][0]["path"], "exportOptions.variables.who");
}

#[tokio::test]
async fn variables_of_a_design_are_listed() {
    let mut design = design();
    design["pages"][0]["children"] = json!([
        {"id": "t", "type": "text", "text": "{{who}}", "fill": "#ff0000", "bindings": {"fill": "brand"}},
    ]);
    let service = service(&[]);
    let list = async |design: &Value| service.post("/api/variables", &json!({"design": design}).to_string()).await;
    let listed = list(&design).await;
    assert_eq!(listed.status, StatusCode::OK, "{:?}", listed.body);
    let expected = json!({"variables": [
        {"name": "brand", "kind": "color", "value": "#ff0000",
            "uses": [{"path": "pages[0].children[0].fill", "by": "binding", "kind": "color"}]},
        {"name": "who", "kind": "text", "value": null,
            "uses": [{"path": "pages[0].children[0].text", "by": "placeholder", "kind": "text"}]},
    ]});
    assert_eq!(listed.json(), expected);

    design["pages"][0]["children"][0]["bindings"] = json!({"children": "brand"});
    let refused = list(&design).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let problem = refused.json()["problems"][0].clone();
    assert_eq!(problem["path"], "design.pages[0].children[0].bindings.children");
    assert!(problem["message"].as_str().is_some_and(|it| it.contains("accepted: align, ")), "{problem}");
    assert_eq!(list(&json!(5)).await.json()["problems"][0]["path"], "design");
}

#[tokio::test]
async fn variables_in_a_cycle_and_invalid_bindings_are_refused() {
    let service = service(&[]);
    let cycle = json!({"design": design(), "variables": {"a": "{{b}}", "b": "{{a}}"}});
    let refused = service.render(cycle).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["problems"][0]["path"], "variables.a");
    let mut bound = design();
    bound["pages"][0]["children"] = json!([{"type": "line", "bindings": {"id": "x"}}]);
    let refused = service.render(json!({"design": bound})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["problems"][0]["path"], "design.pages[0].children[0].bindings.id");
}

/// Value of the only metric line that starts with `start`.
fn metric(text: &str, start: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("no {start} in {text}"));
    line.trim().parse().expect("a number")
}

#[tokio::test]
async fn metrics_count_requests_stages_caches_and_refusals() {
    let service = service(&[]);
    let image = |src: &str| json!({"type": "image", "src": src, "width": 9, "height": 9});
    let picture = image("data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>");
    let mut good = design();
    good["pages"][0]["children"] = json!([picture]);
    for _ in 0..2 {
        assert_eq!(service.render(json!({"design": good})).await.status, StatusCode::OK);
    }
    let mut bad = design();
    bad["pages"][0]["children"] = json!([image("http://127.0.0.1/secret-path")]);
    assert_eq!(service.render(json!({"design": bad})).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(service.get("/nowhere/secret-path").await.status, StatusCode::NOT_FOUND);

    let answer = service.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    let render =
        |status| format!("tenter_http_requests_total{{route=\"/api/render\",method=\"POST\",status=\"{status}\"}}");
    assert_eq!(metric(&text, &render("200")), 2.0);
    assert_eq!(metric(&text, &render("422")), 1.0);
    assert_eq!(metric(&text, "tenter_http_requests_total{route=\"none\",method=\"GET\",status=\"404\"}"), 1.0);
    assert_eq!(metric(&text, "tenter_stage_duration_seconds_count{stage=\"queue\"}"), 3.0);
    assert_eq!(metric(&text, "tenter_stage_duration_seconds_count{stage=\"paint\"}"), 2.0);
    assert_eq!(metric(&text, "tenter_asset_cache_misses_total"), 1.0);
    assert_eq!(metric(&text, "tenter_asset_cache_hits_total"), 1.0);
    assert_eq!(metric(&text, "tenter_fetch_refusals_total{network=\"loopback\"}"), 1.0);
    assert_eq!(metric(&text, "tenter_renders_waiting"), 0.0);
    assert!(metric(&text, "tenter_memory_resident_bytes") > 1e6);
    assert!(!text.contains("secret-path"), "labels contain no text from callers");
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn metrics_need_a_key_unless_set_otherwise() {
    let key = ("TENTER_KEYS", "ops=0123456789abcdef");
    let status_of = async |settings: &[(&str, &str)], path: &str| service(settings).get(path).await.status;
    assert_eq!(status_of(&[key], "/metrics").await, StatusCode::UNAUTHORIZED);
    assert_eq!(status_of(&[key], "/metrics?KEY=0123456789abcdef").await, StatusCode::OK);
    assert_eq!(status_of(&[key, ("TENTER_METRICS", "open")], "/metrics").await, StatusCode::OK);
    assert_eq!(status_of(&[("TENTER_METRICS", "off")], "/metrics").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_are_served_with_a_strict_policy_and_can_be_off() {
    let on = service(&[("TENTER_KEYS", "ops=0123456789abcdef")]);
    for path in ["/", "/api", "/web/try.js", "/web/style.css", "/web/icon.svg", "/web/examples/social-post.json"] {
        let answer = on.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    let page = String::from_utf8(on.get("/").await.body.to_vec()).expect("text");
    assert!(
        !page.contains("https://") && !page.contains("style=\"") && !page.contains("onclick"),
        "no external resources, no inline code"
    );
    let off = service(&[("TENTER_WEB_PAGES", "off")]);
    for path in ["/", "/api", "/web/try.js"] {
        assert_eq!(off.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(off.get("/openapi.json").await.status, StatusCode::OK);
}
