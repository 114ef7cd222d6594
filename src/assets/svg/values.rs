//! Attribute values parsed as in browsers and written in a form that usvg supports.

use std::borrow::Cow;

use peniko::Color;

use crate::css_color;

/// Properties whose value is a colour or, for the first two, a paint.
const COLOR_PROPERTIES: [&str; 6] = ["fill", "stroke", "color", "stop-color", "flood-color", "lighting-color"];

/// The value of an attribute without surrounding white space and with colours in sRGB; `None` when browsers ignore it.
pub(super) fn attribute<'v>(name: &str, value: &'v str) -> Option<Cow<'v, str>> {
    if name == "id" {
        return Some(value.into());
    }
    let value = value.trim();
    if COLOR_PROPERTIES.contains(&name) { paint(value) } else { Some(value.into()) }
}

/// A paint: a colour, keyword, or reference with a fallback; `None` when it is invalid.
pub(super) fn paint(value: &str) -> Option<Cow<'_, str>> {
    if !value.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("url(")) {
        return color_or_keyword(value);
    }
    let (reference, alternative) = value.split_at(value.find(')')? + 1);
    let id = reference[4..reference.len() - 1].trim().trim_matches(['"', '\'']).trim();
    let alternative = alternative.trim();
    if alternative.is_empty() {
        return Some(format!("url({id})").into());
    }
    Some(format!("url({id}) {}", color_or_keyword(alternative)?).into())
}

fn color_or_keyword(value: &str) -> Option<Cow<'_, str>> {
    const KEYWORDS: [&str; 5] = ["none", "inherit", "currentColor", "context-fill", "context-stroke"];
    if let Some(known) = KEYWORDS.iter().find(|it| value.eq_ignore_ascii_case(it)) {
        return Some((*known).into());
    }
    css_color::parse(value).map(|color| written(color).into())
}

/// A colour in a notation that every SVG reader supports.
pub(super) fn written(color: Color) -> String {
    let [r, g, b, a] = color.to_rgba8().to_u8_array();
    if a == 255 { format!("#{r:02x}{g:02x}{b:02x}") } else { format!("rgba({r},{g},{b},{})", color.components[3]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_paints_are_plain_colours() {
        let read = |value| attribute("fill", value);
        assert_eq!(read(" #06c ").as_deref(), Some("#0066cc"));
        assert_eq!(read("oklch(0.7 0.15 140)").as_deref(), Some("#68b457"));
        assert_eq!(read("rgb(255 0 0 / 50%)").as_deref(), Some("rgba(255,0,0,0.5)"));
        assert_eq!(read("CURRENTCOLOR").as_deref(), Some("currentColor"));
        assert_eq!(read("url( '#a' ) lab(50% 40 59)").as_deref(), Some("url(#a) #bf5702"));
        assert_eq!(read("url(#a)").as_deref(), Some("url(#a)"));
        assert_eq!(read("url(#a) green icc-color(b, 1)"), None);
        assert_eq!(read("nonsense"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn values_lose_the_space_around_them() {
        assert_eq!(attribute("x", " 20 ").as_deref(), Some("20"));
        assert_eq!(attribute("id", " a ").as_deref(), Some(" a "));
    }
}
