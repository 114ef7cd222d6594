//! The supported properties of SVG, and their values in a form that usvg supports.

use std::borrow::Cow;
use std::rc::Rc;

use cssparser::{ParseError, Parser, Token};
use kurbo::Size;

use super::calc;
use super::length_units::to_px;
use crate::assets::svg::values;

/// The property that a declaration sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PropertyName {
    /// A custom property, with its dashes: `--name`.
    Custom(Rc<str>),
    /// A property whose value contains `var()` and is computed per element.
    Pending(Rc<str>),
    /// A property in the list [`PROPERTIES`].
    Known(&'static str),
}

/// The syntax of a property's values.
#[derive(Clone, Copy, PartialEq)]
enum ValueSyntax {
    Paint,
    Color,
    /// One length; a plain number only for properties of SVG 1.1.
    Length {
        plain: bool,
    },
    /// Lengths separated by commas or spaces.
    Lengths,
    /// Keywords and numbers, without regard to case.
    Words,
    /// Any value, which may contain references.
    Text,
    /// The function `path("…")` with path data.
    PathData,
}

/// The properties: name, syntax, and the initial value of those that are inherited.
const PROPERTIES: &[(&str, ValueSyntax, Option<&str>)] = &[
    ("alignment-baseline", ValueSyntax::Words, None),
    ("background-color", ValueSyntax::Color, None),
    ("baseline-shift", ValueSyntax::Length { plain: true }, None),
    ("clip-path", ValueSyntax::Text, None),
    ("clip-rule", ValueSyntax::Words, Some("nonzero")),
    ("color", ValueSyntax::Color, Some("black")),
    ("color-interpolation", ValueSyntax::Words, Some("sRGB")),
    ("color-interpolation-filters", ValueSyntax::Words, Some("linearRGB")),
    ("cx", ValueSyntax::Length { plain: false }, None),
    ("cy", ValueSyntax::Length { plain: false }, None),
    ("d", ValueSyntax::PathData, None),
    ("direction", ValueSyntax::Words, Some("ltr")),
    ("display", ValueSyntax::Words, None),
    ("dominant-baseline", ValueSyntax::Words, Some("auto")),
    ("fill", ValueSyntax::Paint, Some("black")),
    ("fill-opacity", ValueSyntax::Words, Some("1")),
    ("fill-rule", ValueSyntax::Words, Some("nonzero")),
    ("filter", ValueSyntax::Text, None),
    ("flood-color", ValueSyntax::Color, None),
    ("flood-opacity", ValueSyntax::Words, None),
    ("font-family", ValueSyntax::Text, Some("serif")),
    ("font-kerning", ValueSyntax::Words, Some("auto")),
    ("font-size", ValueSyntax::Length { plain: false }, Some("16")),
    ("font-size-adjust", ValueSyntax::Words, Some("none")),
    ("font-stretch", ValueSyntax::Words, Some("normal")),
    ("font-style", ValueSyntax::Words, Some("normal")),
    ("font-variant", ValueSyntax::Words, Some("normal")),
    ("font-variation-settings", ValueSyntax::Text, Some("normal")),
    ("font-weight", ValueSyntax::Words, Some("normal")),
    ("height", ValueSyntax::Length { plain: false }, None),
    ("image-rendering", ValueSyntax::Words, Some("auto")),
    ("isolation", ValueSyntax::Words, None),
    ("letter-spacing", ValueSyntax::Length { plain: true }, Some("normal")),
    ("lighting-color", ValueSyntax::Color, None),
    ("marker-end", ValueSyntax::Text, Some("none")),
    ("marker-mid", ValueSyntax::Text, Some("none")),
    ("marker-start", ValueSyntax::Text, Some("none")),
    ("mask", ValueSyntax::Text, None),
    ("mask-type", ValueSyntax::Words, None),
    ("mix-blend-mode", ValueSyntax::Words, None),
    ("opacity", ValueSyntax::Words, None),
    ("overflow", ValueSyntax::Words, None),
    ("paint-order", ValueSyntax::Words, Some("normal")),
    ("r", ValueSyntax::Length { plain: false }, None),
    ("rotate", ValueSyntax::Words, None),
    ("rx", ValueSyntax::Length { plain: false }, None),
    ("ry", ValueSyntax::Length { plain: false }, None),
    ("scale", ValueSyntax::Words, None),
    ("shape-rendering", ValueSyntax::Words, Some("auto")),
    ("stop-color", ValueSyntax::Color, None),
    ("stop-opacity", ValueSyntax::Words, None),
    ("stroke", ValueSyntax::Paint, Some("none")),
    ("stroke-dasharray", ValueSyntax::Lengths, Some("none")),
    ("stroke-dashoffset", ValueSyntax::Length { plain: true }, Some("0")),
    ("stroke-linecap", ValueSyntax::Words, Some("butt")),
    ("stroke-linejoin", ValueSyntax::Words, Some("miter")),
    ("stroke-miterlimit", ValueSyntax::Words, Some("4")),
    ("stroke-opacity", ValueSyntax::Words, Some("1")),
    ("stroke-width", ValueSyntax::Length { plain: true }, Some("1")),
    ("text-anchor", ValueSyntax::Words, Some("start")),
    ("text-decoration", ValueSyntax::Words, None),
    ("text-rendering", ValueSyntax::Words, Some("auto")),
    ("transform", ValueSyntax::Text, None),
    ("transform-box", ValueSyntax::Words, None),
    ("transform-origin", ValueSyntax::Words, None),
    ("translate", ValueSyntax::Words, None),
    ("unicode-bidi", ValueSyntax::Words, None),
    ("vector-effect", ValueSyntax::Words, None),
    ("visibility", ValueSyntax::Words, Some("visible")),
    ("white-space", ValueSyntax::Words, Some("normal")),
    ("width", ValueSyntax::Length { plain: false }, None),
    ("word-spacing", ValueSyntax::Length { plain: true }, Some("normal")),
    ("writing-mode", ValueSyntax::Words, Some("lr-tb")),
    ("x", ValueSyntax::Length { plain: false }, None),
    ("y", ValueSyntax::Length { plain: false }, None),
];

/// Properties that usvg reads from a `style` attribute only.
pub(super) const OF_STYLE_ONLY: [&str; 4] = ["font-kerning", "image-rendering", "isolation", "mix-blend-mode"];

/// Keywords equivalent to `unset`, because there is no origin below the author's.
const UNSET: [&str; 3] = ["unset", "revert", "revert-layer"];

/// The property of this name.
pub(super) fn known(name: &str) -> Option<&'static str> {
    PROPERTIES.binary_search_by(|(it, ..)| (*it).cmp(name)).ok().map(|at| PROPERTIES[at].0)
}

fn syntax_and_initial(name: &str) -> Option<(ValueSyntax, Option<&'static str>)> {
    let at = PROPERTIES.binary_search_by(|(it, ..)| (*it).cmp(name)).ok()?;
    Some((PROPERTIES[at].1, PROPERTIES[at].2))
}

/// The properties that a declaration sets, with normalised values; none when browsers ignore it. `units`: size of the
/// viewport in units of the document.
pub(super) fn declared(name: &str, value: &str, units: Size, set: &mut dyn FnMut(PropertyName, Rc<str>)) {
    if name.starts_with("--") {
        return set(PropertyName::Custom(name.into()), value.into());
    }
    let name = name.to_ascii_lowercase();
    let has_var = |text: &str| text.to_ascii_lowercase().contains("var(");
    if value.contains('(') && has_var(value) {
        let takes = syntax_and_initial(&name).is_some() || longhands(&name).is_some();
        return if takes {
            set(PropertyName::Pending(name.into()), value.into())
        };
    }
    let mut set_known = |name: &str, value: Cow<'_, str>| {
        if let Some(name) = known(name) {
            set(PropertyName::Known(name), value.as_ref().into());
        }
    };
    if name == "font" {
        font(value, units, &mut set_known);
    } else if let Some(names) = longhands(&name) {
        for name in names {
            if let Some(value) = normal(name, value, units) {
                set_known(name, value);
            }
        }
    } else if let Some(value) = normal(&name, value, units) {
        set_known(&name, value);
    }
}

/// The properties for which a shorthand or an alias stands.
pub(super) fn longhands(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "marker" => Some(&["marker-start", "marker-mid", "marker-end"]),
        "font" => Some(&["font-style", "font-variant", "font-weight", "font-stretch", "font-size", "font-family"]),
        // Only a colour, because background images are not drawn.
        "background" => Some(&["background-color"]),
        "text-decoration-line" => Some(&["text-decoration"]),
        "mask-image" | "-webkit-mask" | "-webkit-mask-image" => Some(&["mask"]),
        "-webkit-clip-path" => Some(&["clip-path"]),
        "-webkit-transform" => Some(&["transform"]),
        "-webkit-transform-origin" => Some(&["transform-origin"]),
        "-webkit-filter" => Some(&["filter"]),
        _ => None,
    }
}

/// A declared value as an attribute value, CSS-wide keywords included; `None` when it is invalid.
fn normal<'v>(name: &str, value: &'v str, units: Size) -> Option<Cow<'v, str>> {
    let (syntax, initial) = syntax_and_initial(name)?;
    if value.is_empty() {
        return None;
    }
    if UNSET.iter().any(|it| value.eq_ignore_ascii_case(it)) {
        return Some("unset".into());
    }
    if value.eq_ignore_ascii_case("initial") {
        return Some(initial.unwrap_or("unset").into());
    }
    if value.eq_ignore_ascii_case("inherit") {
        return Some("inherit".into());
    }
    match syntax {
        ValueSyntax::Paint => values::paint(value),
        ValueSyntax::Color => values::paint(value).filter(|it| !it.starts_with("url(") && !it.starts_with("context")),
        ValueSyntax::Length { plain } => lengths(value, plain, false, calc::whole(name, units)).map(Cow::Owned),
        ValueSyntax::Lengths => lengths(value, true, true, calc::whole(name, units)).map(Cow::Owned),
        ValueSyntax::Words if name == "text-decoration" => Some(lines_of(value).into()),
        // The only keywords of SVG with capitals, which usvg compares exactly.
        ValueSyntax::Words if name.starts_with("color-interpolation") => {
            Some(match value.to_ascii_lowercase().as_str() {
                "linearrgb" => "linearRGB".into(),
                "srgb" => "sRGB".into(),
                _ => "auto".into(),
            })
        }
        ValueSyntax::Words => Some(if value.bytes().any(|it| it.is_ascii_uppercase()) {
            value.to_ascii_lowercase().into()
        } else {
            value.into()
        }),
        ValueSyntax::Text => Some(text(name, value)),
        ValueSyntax::PathData => path_data(value).map(Cow::Owned),
    }
}

/// The lines of `text-decoration`, without colour and style.
fn lines_of(value: &str) -> String {
    let words = value.split_ascii_whitespace().map(str::to_ascii_lowercase);
    let lines: Vec<_> = words.filter(|it| matches!(it.as_str(), "underline" | "overline" | "line-through")).collect();
    if lines.is_empty() { "none".into() } else { lines.join(" ") }
}

/// A value without quotes around references; for a mask only the reference.
fn text<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    let is_reference = value.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("url("));
    if !is_reference || name == "font-family" {
        return value.into();
    }
    let Some(end) = value.find(')') else { return value.into() };
    let id = value[4..end].trim().trim_matches(['"', '\'']).trim();
    let rest = if name == "mask" { "" } else { &value[end + 1..] };
    format!("url({id}){rest}").into()
}

/// The text of `path()`, without a fill rule.
fn path_data(value: &str) -> Option<String> {
    if value.eq_ignore_ascii_case("none") {
        return Some(String::new());
    }
    let mut input = Parser::new(value);
    input.expect_function_matching("path").ok()?;
    let data = input.parse_nested_block(|inside| Ok::<_, ParseError<()>>(inside.expect_string_cloned()?)).ok()?;
    Some(data.to_string())
}

/// Attributes that are lengths but not properties.
const LENGTH_ATTRIBUTES: [&str; 15] = [
    "dx",
    "dy",
    "fr",
    "fx",
    "fy",
    "markerHeight",
    "markerWidth",
    "refX",
    "refY",
    "startOffset",
    "textLength",
    "x1",
    "x2",
    "y1",
    "y2",
];

/// Whether an attribute is a length.
pub(super) fn is_length(name: &str) -> bool {
    let is_property = matches!(syntax_and_initial(name), Some((ValueSyntax::Length { .. } | ValueSyntax::Lengths, _)));
    is_property || LENGTH_ATTRIBUTES.contains(&name)
}

/// The value of a length attribute with its `calc()` evaluated; `None` when it is invalid. `units`: size of the
/// viewport in units of the document.
pub(super) fn calculated(name: &str, value: &str, units: Size) -> Option<String> {
    lengths(value, true, matches!(syntax_and_initial(name), Some((ValueSyntax::Lengths, _))), calc::whole(name, units))
}

/// Lengths in units that usvg supports: units of the root font and the viewport are converted to px. `whole`: length of
/// 100 %, px, for `calc()`.
fn lengths(value: &str, plain: bool, many: bool, whole: Option<f64>) -> Option<String> {
    let mut input = Parser::new(value);
    let mut out = String::new();
    while let Ok(token) = input.next().cloned() {
        let one = match &token {
            Token::Function(name) if name.eq_ignore_ascii_case("calc") => {
                let read = |it: &mut Parser<'_>| {
                    calc::written(it, plain, whole).ok_or_else(ParseError::<()>::unexpected_token)
                };
                input.parse_nested_block(read).ok()?
            }
            Token::Number { value, .. } if plain || *value == 0.0 => format!("{value}"),
            Token::Percentage { unit_value, .. } => format!("{}%", unit_value * 100.0),
            Token::Dimension { value, unit, .. } => {
                let unit = unit.to_ascii_lowercase();
                match unit.as_str() {
                    "em" | "ex" => format!("{value}{unit}"),
                    // The width of a digit is about half an em.
                    "ch" => format!("{}em", value / 2.0),
                    _ => format!("{}", to_px(f64::from(*value), &unit, 16.0)? as f32),
                }
            }
            Token::Comma if many => continue,
            Token::Ident(word) if out.is_empty() => word.to_ascii_lowercase(),
            _ => return None,
        };
        if !out.is_empty() {
            if !many {
                return None;
            }
            out.push(' ');
        }
        out.push_str(&one);
    }
    (!out.is_empty()).then_some(out)
}

/// Parses the shorthand `font`, such as `italic small-caps bold condensed 12px/1.5 Arial, serif`.
fn font(value: &str, units: Size, set: &mut dyn FnMut(&str, Cow<'_, str>)) {
    if UNSET.iter().chain(&["initial", "inherit"]).any(|it| value.eq_ignore_ascii_case(it)) {
        for name in longhands("font").unwrap_or_default() {
            if let Some(value) = normal(name, value, units) {
                set(name, value);
            }
        }
        return;
    }
    let mut input = Parser::new(value);
    let (mut style, mut variant, mut weight, mut stretch) = ("normal", "normal", Cow::from("normal"), "normal");
    const STRETCHES: [&str; 8] = [
        "ultra-condensed",
        "extra-condensed",
        "condensed",
        "semi-condensed",
        "semi-expanded",
        "expanded",
        "extra-expanded",
        "ultra-expanded",
    ];
    let size = loop {
        let Ok(token) = input.next() else { return };
        match token {
            Token::Ident(word) => {
                let word = word.to_ascii_lowercase();
                match word.as_str() {
                    "normal" => {}
                    "italic" => style = "italic",
                    "oblique" => style = "oblique",
                    "small-caps" => variant = "small-caps",
                    "bold" | "bolder" | "lighter" => weight = word.into(),
                    word => match STRETCHES.iter().find(|it| **it == word) {
                        Some(known) => stretch = known,
                        None => break word.to_owned(),
                    },
                }
            }
            Token::Number { int_value: Some(number), .. } => weight = number.to_string().into(),
            Token::Dimension { value, unit, .. } => break format!("{value}{unit}"),
            Token::Percentage { unit_value, .. } => break format!("{}%", unit_value * 100.0),
            _ => return,
        }
    };
    let Some(size) = lengths(&size, false, false, None) else { return };
    if input.try_parse(|it| it.expect_delim('/')).is_ok() && input.next().is_err() {
        return;
    }
    input.skip_whitespace();
    let start = input.position();
    while input.next().is_ok() {}
    let family = input.slice_from(start).trim();
    if family.is_empty() {
        return;
    }
    set("font-style", style.into());
    set("font-variant", variant.into());
    set("font-weight", weight);
    set("font-stretch", stretch.into());
    set("font-size", size.into());
    set("font-family", family.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        declared(name, value, Size::new(200.0, 100.0), &mut |name, value| {
            let name = match name {
                PropertyName::Custom(name) | PropertyName::Pending(name) => name.to_string(),
                PropertyName::Known(name) => name.to_owned(),
            };
            found.push((name, value.to_string()));
        });
        found
    }

    fn one(name: &str, value: &str) -> Option<String> {
        set(name, value).pop().map(|(_, value)| value)
    }

    #[test]
    fn properties_are_sorted_for_searching() {
        assert!(PROPERTIES.is_sorted_by_key(|(name, ..)| *name));
    }

    #[test]
    fn properties_of_lengths_have_units() {
        assert_eq!(one("r", "20px").as_deref(), Some("20"));
        assert_eq!(one("r", "1IN").as_deref(), Some("96"));
        assert_eq!(one("r", "2em").as_deref(), Some("2em"));
        assert_eq!(one("font-size", "1.5rem").as_deref(), Some("24"));
        assert_eq!(one("r", "20"), None, "a number is no length in CSS");
        assert_eq!(one("stroke-width", "3").as_deref(), Some("3"));
        assert_eq!(one("stroke-dasharray", "4px, 2px 1").as_deref(), Some("4 2 1"));
        assert_eq!(one("stroke-dasharray", "none").as_deref(), Some("none"));
    }

    #[test]
    fn properties_with_invalid_values_are_not_set() {
        assert_eq!(one("fill", "nonsense"), None);
        assert_eq!(one("color", "url(#a)"), None);
        assert_eq!(one("no-such-property", "red"), None);
        assert_eq!(one("FILL", "Red").as_deref(), Some("#ff0000"));
    }

    #[test]
    fn properties_for_all_sides_are_spelled_out() {
        let markers = set("marker", "url('#m')");
        assert_eq!(markers.len(), 3);
        assert_eq!(markers[0], ("marker-start".into(), "url(#m)".into()));
        let font: Vec<_> =
            set("font", "italic 700 12pt/1.5 'A B', serif").into_iter().map(|(_, value)| value).collect();
        assert_eq!(font, ["italic", "normal", "700", "normal", "16", "'A B', serif"]);
        assert!(set("font", "12px").is_empty(), "without a family");
    }

    #[test]
    fn properties_know_the_keywords_of_all() {
        assert_eq!(one("fill", "initial").as_deref(), Some("black"));
        assert_eq!(one("opacity", "initial").as_deref(), Some("unset"));
        assert_eq!(one("fill", "revert").as_deref(), Some("unset"));
        assert_eq!(one("d", "path('M0 0h9')").as_deref(), Some("M0 0h9"));
    }
}
