//! The design's own fonts, in all forms of design-format.md §4.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::Value;

use super::elements::text_style::{FontStyle, parse_weight};
use crate::json::Reader;
use crate::report::JsonPath;

/// A face of a family, with one font file or several alternatives.
#[derive(Clone, Debug, PartialEq)]
pub struct FontFace {
    /// Path of the declaration in the JSON.
    pub at: JsonPath,
    /// Family name without quotes around it, not empty. Compare through [`family_key`].
    pub family: Arc<str>,
    /// URLs or data URIs in order of preference; the first that loads is used. Never empty.
    pub sources: Vec<Arc<str>>,
    /// Declared slant; `None` when the file serves both upright and italic text.
    pub style: Option<FontStyle>,
    /// Declared weights, within 1–1000; `None` when the file serves every weight. It may be a variable font.
    pub weight: Option<RangeInclusive<u16>>,
}

/// The form in which family names are compared: in lower case, without surrounding quotes and space.
pub fn family_key(name: &str) -> String {
    trim_quotes(name).to_lowercase()
}

/// Reads `fonts`. A family without files is provided elsewhere and has no faces here. If a family has files in
/// `styles`, its `url` is not used, as in the editor.
pub(super) fn read(design: &mut Reader<'_>) -> Vec<FontFace> {
    let mut faces = Vec::new();
    design.objects("fonts", |_, mut font| {
        let name = font.name("fontFamily").unwrap_or_default();
        let family: Arc<str> = trim_quotes(&name).into();
        if family.is_empty() {
            let found = font.get("fontFamily").unwrap_or(&Value::Null);
            return font.replace("fontFamily", found, "the name of the font family", "the entry is ignored");
        }
        let before = faces.len();
        font.objects("styles", |_, mut style| {
            let sources = style.string("src").map(|src| sources(&src)).unwrap_or_default();
            let face = FontFace {
                at: style.at().clone(),
                family: family.clone(),
                sources,
                style: style.one_of("fontStyle", FontStyle::NAMES),
                weight: weight_range(&mut style),
            };
            faces.extend(Some(face).filter(|face| !face.sources.is_empty()));
        });
        let sources = font.string("url").map(|url| sources(&url)).unwrap_or_default();
        if !sources.is_empty() && faces.len() == before {
            faces.push(FontFace { at: font.at().clone(), family, sources, style: None, weight: None });
        }
    });
    faces
}

fn trim_quotes(name: &str) -> &str {
    name.trim().trim_matches(['"', '\'']).trim()
}

/// `fontWeight` of a face: one weight, or two for the range of a variable file.
fn weight_range(style: &mut Reader<'_>) -> Option<RangeInclusive<u16>> {
    let value = style.get("fontWeight")?;
    let range = match value {
        Value::Number(number) => number.as_f64().and_then(|it| parse_weight(&it.to_string())).map(|it| it..=it),
        Value::String(text) => {
            let mut words = text.split_ascii_whitespace();
            match (words.next(), words.next(), words.next()) {
                (None, ..) => return None,
                (Some(one), None, _) => parse_weight(one).map(|it| it..=it),
                (Some(from), Some(to), None) => {
                    parse_weight(from).zip(parse_weight(to)).map(|(from, to)| from.min(to)..=from.max(to))
                }
                _ => None,
            }
        }
        _ => None,
    };
    if range.is_none() {
        style.refuse("fontWeight", value, "normal, bold, 1 to 1000, or a range like \"200 900\"");
    }
    range
}

/// URLs of a CSS `src`: `url("a") format("woff2"), url(b)`, or one bare URL. `format`, `tech` and `local` are ignored:
/// formats are detected from the bytes, and only files are loaded.
fn sources(src: &str) -> Vec<Arc<str>> {
    let src = src.trim();
    let starts_with = |name: &str| src.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    if !starts_with("url(") && !starts_with("local(") {
        // A bare data URI contains a comma, so a list of bare URLs would be ambiguous and is not supported.
        return Some(src).filter(|src| !src.is_empty()).map(Into::into).into_iter().collect();
    }
    let mut sources = Vec::new();
    let mut rest = src;
    while let Some(open) = rest.find('(') {
        let name = rest[..open].trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
        let (argument, after) = argument(&rest[open + 1..]);
        if name.eq_ignore_ascii_case("url") && !argument.is_empty() {
            sources.push(argument);
        }
        rest = after;
    }
    sources
}

/// The argument of a CSS function, `text` starting after its parenthesis, and what follows the closing one.
fn argument(text: &str) -> (Arc<str>, &str) {
    let text = text.trim_start();
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        let end = text.find(')').unwrap_or(text.len());
        return (text[..end].trim().into(), text.get(end + 1..).unwrap_or_default());
    };
    let inside = &text[1..];
    let mut escaped = false;
    let end = inside.find(|c| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    let end = end.unwrap_or(inside.len());
    let after = inside.get(end + 1..).unwrap_or_default();
    let after = after.find(')').map_or("", |close| &after[close + 1..]);
    let argument = &inside[..end];
    // Copied only once, because the argument may be a font of megabytes.
    let argument = if argument.contains('\\') { unescape(argument).into() } else { argument.into() };
    (argument, after)
}

/// Removes the backslashes of CSS strings before quotes and backslashes; hex escapes do not occur in addresses.
fn unescape(text: &str) -> String {
    let mut chars = text.chars();
    let mut result = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        result.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Problems;

    fn faces(fonts: Value) -> (Vec<FontFace>, Vec<String>) {
        let mut problems = Problems::forgiving();
        let design = json!({"fonts": fonts});
        let faces = Reader::new(&design, JsonPath::root(), &mut problems).map(|mut it| read(&mut it));
        let (refused, replaced) = problems.into_refused_and_replaced();
        (faces.expect("an object"), refused.iter().chain(&replaced).map(ToString::to_string).collect())
    }

    #[test]
    fn font_url_serves_every_weight_and_style() {
        let (faces, problems) = faces(json!([
            {"fontFamily": "A", "url": "https://example.com/a.woff2"},
            {"fontFamily": "'B C'", "url": "url('data:font/ttf;base64,AA/=')"},
            {"fontFamily": "Elsewhere"},
            {"fontFamily": "Elsewhere", "url": null, "styles": []},
            null,
        ]));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(faces.len(), 2);
        assert_eq!((&*faces[0].family, &*faces[0].sources[0]), ("A", "https://example.com/a.woff2"));
        assert_eq!((&*faces[1].family, &*faces[1].sources[0]), ("B C", "data:font/ttf;base64,AA/="));
        assert_eq!((faces[0].style, &faces[0].weight, faces[1].at.as_str()), (None, &None, "fonts[1]"));
    }

    #[test]
    fn font_url_is_unused_beside_styles() {
        let (faces, problems) = faces(json!([{"fontFamily": "A", "url": "u", "styles": [
            {"src": "url(\"b\")", "fontStyle": "italic", "fontWeight": "bold"},
            {"src": "c", "fontStyle": "normal", "fontWeight": 300},
            {"src": "d", "fontWeight": "900 200"},
            {"src": "e"},
            {"fontWeight": "normal"},
        ]}]));
        assert_eq!(problems, Vec::<String>::new());
        let summary: Vec<_> = faces.iter().map(|it| (&*it.sources[0], it.style, it.weight.clone())).collect();
        assert_eq!(
            summary,
            [
                ("b", Some(FontStyle::Italic), Some(700..=700)),
                ("c", Some(FontStyle::Normal), Some(300..=300)),
                ("d", None, Some(200..=900)),
                ("e", None, None),
            ]
        );
    }

    #[test]
    fn font_problems_name_what_is_accepted() {
        let (faces, problems) = faces(json!([
            {"url": "a"},
            {"fontFamily": 5, "url": "a"},
            {"fontFamily": " '' ", "url": "a"},
            {"fontFamily": "A", "styles": [{"src": "a", "fontWeight": "heavy", "fontStyle": "tilted"}, "b"], "url": {}},
        ]));
        assert_eq!(faces.iter().map(|face| &*face.family).collect::<Vec<_>>(), ["5", "A"]);
        assert_eq!(
            problems,
            [
                "fonts[3].styles[1]: found \"b\"; accepted: an object",
                "fonts[0].fontFamily: found null; accepted: the name of the font family; the entry is ignored",
                "fonts[2].fontFamily: found \" '' \"; accepted: the name of the font family; the entry is ignored",
                "fonts[3].styles[0].fontStyle: found \"tilted\"; accepted: normal, italic, oblique; the default is used",
                "fonts[3].styles[0].fontWeight: found \"heavy\"; accepted: normal, bold, 1 to 1000, \
                 or a range like \"200 900\"; the default is used",
                "fonts[3].url: found an object; accepted: a string; the default is used",
            ]
        );
    }

    #[test]
    fn font_sources_of_css() {
        let list = |src: &str| sources(src).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            list("url('a') format('woff2'), URL( \"b,c\" ) format(\"woff\") , url(d) tech(variations)"),
            ["a", "b,c", "d"]
        );
        assert_eq!(list("local('Arial'), url(data:font/ttf;base64,AA==)"), ["data:font/ttf;base64,AA=="]);
        assert_eq!(list("data:font/ttf;base64,AA=="), ["data:font/ttf;base64,AA=="]);
        assert_eq!(list(r#"url("a\"b\\c")"#), [r#"a"b\c"#]);
        for empty in ["", " ", "url()", "url('')", "local(x)"] {
            assert_eq!(list(empty), Vec::<String>::new(), "{empty}");
        }
        // Broken CSS must not panic or loop.
        for broken in ["url(", "url('", "url('a", "url(a", "url('a'", "url('é\\", "url(((", "url('a' x) )) url("] {
            list(broken);
        }
    }

    #[test]
    fn font_families_compare_without_quotes_and_case() {
        assert_eq!(family_key(" 'Open Sans' "), family_key("OPEN sans"));
    }
}
