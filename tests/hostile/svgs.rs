//! Hostile SVG documents: exponential expansion, includes and external references.

use std::fmt::Write as _;

use axum::http::StatusCode;
use serde_json::json;

use super::*;

fn svg(inside: &str) -> String {
    document(&format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='9' height='9'>{inside}</svg>"
    ))
}

fn document(source: &str) -> String {
    data_url("image/svg+xml", source.as_bytes())
}

/// Concatenates `level(0)` to `level(levels - 1)`, each of which references the one before.
fn levels(levels: usize, level: impl Fn(usize) -> String) -> String {
    (1..levels).fold(level(0), |mut all, at| {
        let _ = write!(all, "{}", level(at));
        all
    })
}

#[tokio::test]
async fn documents_with_exponential_expansion_are_refused() {
    let laughs = levels(9, |at| match at {
        0 => "<!ENTITY a0 'lol'>".to_owned(),
        _ => format!("<!ENTITY a{at} '{}'>", format!("&a{};", at - 1).repeat(10)),
    });
    let uses = levels(9, |at| match at {
        0 => "<g id='a0'><rect width='1' height='1'/></g>".to_owned(),
        _ => format!("<g id='a{at}'>{}</g>", format!("<use href='#a{}'/>", at - 1).repeat(10)),
    });
    let masks = levels(25, |at| {
        let inner = format!("<rect width='9' height='9' mask='url(#m{})'/>", at.wrapping_sub(1)).repeat(2);
        format!("<mask id='m{at}'>{inner}</mask>")
    });
    let chain = |name: &str, use_it: &str| {
        levels(25, |at| {
            let below = at.wrapping_sub(1);
            let inner = format!("<rect width='9' height='9' {use_it}='url(#n{below})'/>").repeat(2);
            format!("<{name} id='n{at}' width='9' height='9' patternUnits='userSpaceOnUse'>{inner}</{name}>")
        })
    };
    let (patterns, clips) = (chain("pattern", "fill"), chain("clipPath", "clip-path"));
    let markers = levels(25, |at| {
        let below = at.wrapping_sub(1);
        let inner = format!("<path d='M0 0 1 1 2 2 3 3' marker-mid='url(#n{below})'/>");
        format!("<marker id='n{at}'>{inner}</marker>")
    });
    let cases = [
        (svg(&format!("{patterns}<rect width='9' height='9' fill='url(#n24)'/>")), "too complex"),
        (svg(&format!("{clips}<rect width='9' height='9' clip-path='url(#n24)'/>")), "too complex"),
        (svg(&format!("{markers}<path d='M0 0 1 1 2 2 3 3' marker-mid='url(#n24)'/>")), "too complex"),
        (
            document(&format!(
                "<!DOCTYPE svg [{laughs}]><svg xmlns='http://www.w3.org/2000/svg'><text>&a8;</text></svg>"
            )),
            "entities",
        ),
        (svg(&format!("<defs>{uses}</defs><use href='#a8'/>")), "too complex"),
        (svg(&format!("{masks}<rect width='9' height='9' mask='url(#m24)'/>")), "too complex"),
        (svg(&("<g>".repeat(100_000) + &"</g>".repeat(100_000))), "nest"),
        (
            svg(&("<use href='#a'/>".repeat(2_000) + "<g id='a'>" + &"<use href='#a'/>".repeat(2_000) + "</g>")),
            "refers to itself",
        ),
        (svg(&format!("<style>{}</style>{}", "*{fill:red}".repeat(5000), "<rect/>".repeat(5000))), "too complex"),
        (document("<svg"), "cannot be read"),
        (document("<html/>"), "cannot be read"),
        (
            document(
                "<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg xmlns='http://www.w3.org/2000/svg'>&x;</svg>",
            ),
            "cannot be read",
        ),
    ];
    let service = service(&[]);
    for (src, word) in cases {
        let answer = service.element(json!({"id": "s", "type": "svg", "src": src})).await;
        assert_refused(
            &answer,
            StatusCode::UNPROCESSABLE_ENTITY,
            "design.pages[0].children[0]",
            &["image with id s", word],
        );
    }
}

#[tokio::test]
async fn nothing_outside_the_document_is_read() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let here = format!("http://{}/a.png", listener.local_addr().expect("an address"));
    // Documents load nothing, even from addresses that are allowed.
    let service = service(&[("TENTER_ALLOW_ADDRESSES", "127.0.0.0/8")]);
    let cases = [
        "<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='HERE' parse='text'/>",
        "<image href='HERE' width='9' height='9'/>",
        "<image xlink:href='file:///etc/passwd' width='9' height='9'/>",
        "<image href='/etc/passwd' width='9' height='9'/>",
        "<style>@import url(HERE); rect{fill:url(HERE)} @font-face{font-family:x;src:url(HERE)}</style><rect width='9' height='9'/>",
        "<filter id='f'><feImage href='HERE'/></filter><rect width='9' height='9' filter='url(#f)'/>",
        "<use href='HERE#a'/>",
        "<script href='HERE'/><foreignObject><img src='HERE'/></foreignObject>",
        "<rect width='9' height='9' fill='url(HERE#a)'/>",
    ];
    for inside in cases {
        let src = svg(&inside.replace("HERE", &here));
        let answer = service.element(json!({"id": "s", "type": "svg", "src": src})).await;
        assert_drawn(&answer, inside);
    }
    let met = listener.accept();
    assert!(met.is_err(), "a connection was made: {met:?}");
}

#[tokio::test]
async fn documents_with_too_many_pixels_are_drawn_coarser_or_in_part() {
    let noise = "<filter id='f'><feTurbulence numOctaves='1000000000' baseFrequency='1'/></filter>";
    let matrix =
        format!("<filter id='f'><feConvolveMatrix order='100' kernelMatrix='{}'/></filter>", "1 ".repeat(10_000));
    let blur =
        "<filter id='f' x='-1000' y='-1000' width='99999' height='99999'><feGaussianBlur stdDeviation='1e6'/></filter>";
    let tiles = "<pattern id='p' width='1e-6' height='1e-6' patternUnits='userSpaceOnUse'><rect width='1' height='1'/></pattern>";
    let filtered = "<rect width='9' height='9' filter='url(#f)'/>";
    let service = service(&[]);
    for inside in [
        format!("{noise}{filtered}"),
        format!("{matrix}{filtered}"),
        format!("{blur}{filtered}"),
        format!("{tiles}<rect width='9' height='9' fill='url(#p)'/>"),
        "<path d='M0 0L1e9 1e9' stroke='red' stroke-dasharray='1e-6 1e-6'/>".to_owned(),
        "<text font-size='1e9'>".to_owned() + &"a".repeat(1000) + "</text>",
        "<rect width='1e30' height='1e30' transform='scale(1e30)'/>".to_owned(),
    ] {
        for size in [50.0, 1e6] {
            let svg = json!({"id": "s", "type": "svg", "src": svg(&inside), "width": size, "height": size});
            let mut request = call(json!([svg]));
            // No resolution makes fewer octaves of noise.
            request["exportOptions"] = json!({"skipImageError": true});
            assert_drawn(&service.render(request).await, &inside);
        }
    }
}

#[tokio::test]
async fn external_declarations_are_ignored() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let here = listener.local_addr().expect("an address");
    let service = service(&[("TENTER_ALLOW_ADDRESSES", "127.0.0.0/8")]);
    for declaration in [
        format!("<!DOCTYPE svg SYSTEM 'http://{here}/svg.dtd'>"),
        format!("<!DOCTYPE svg PUBLIC '-//x//y' 'http://{here}/svg.dtd'>"),
        format!("<?xml-stylesheet href='http://{here}/a.css' type='text/css'?>"),
    ] {
        let source = format!(
            "{declaration}<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><rect width='9' height='9'/></svg>"
        );
        let answer = service.element(json!({"id": "s", "type": "svg", "src": document(&source)})).await;
        assert!(matches!(answer.status, StatusCode::OK | StatusCode::UNPROCESSABLE_ENTITY), "{declaration}");
    }
    let met = listener.accept();
    assert!(met.is_err(), "a connection was made: {met:?}");
}

/// Scripts never reach a browser: there is no SVG output, and everything that is served has a restrictive policy.
#[tokio::test]
async fn documents_are_never_echoed() {
    let service = service(&[]);
    let script = svg("<script>alert('echo')</script><rect width='9' height='9' onclick='alert(1)' fill='red'/>");
    let element = json!({"id": "s", "type": "svg", "src": script, "width": 64, "height": 64});
    for format in ["svg", "html", "image/svg+xml"] {
        let mut request = call(json!([element]));
        request["format"] = json!(format);
        assert_eq!(service.render(request).await.status, StatusCode::BAD_REQUEST, "{format}");
    }
    let mut request = call(json!([element]));
    request["outputFormat"] = json!("url");
    let answer = service.render(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
    let url = answer.json()["url"].as_str().expect("a link").to_owned();
    let path = url.find("/files/").map(|at| &url[at..]).expect("a path");
    let file = service.get(path).await;
    assert_eq!(file.header("content-type"), "image/png");
    assert_eq!(file.header("x-content-type-options"), "nosniff");
    assert_eq!(file.header("content-security-policy"), "default-src 'none'; sandbox");
    assert!(!file.body.windows(4).any(|it| it == b"echo"));
}
