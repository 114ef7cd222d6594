//! Resolves an element's name and `style` attribute to the style of its text.

use std::sync::Arc;

use peniko::Color;

use crate::css_color;
use crate::text::blocks::{
    Align, Decoration, DecorationLine, DecorationStyle, Highlight, LineHeight, SpanStyle, VerticalShift,
};
use crate::text::transform::Case;

/// Maximum length, px, to which longer ones are clamped: Chromium's limit of font sizes.
const MAX_LENGTH: f64 = 10_000.0;

/// Maximum number of decoration lines of one run. Those of the outermost elements are dropped first, because later ones
/// are drawn over them.
const MAX_DECORATIONS: usize = 16;

/// Font size of `<sub>` and `<sup>`, in em of their parent (rendering.md §9.9).
const SHIFTED_SIZE: f64 = 0.83;

const BOLD: f32 = 700.0;

/// Supported inline properties (rendering.md §9.9). The editor accepts `direction` too, but it has no effect.
const PROPERTIES: &[&str] = &[
    "color",
    "background-color",
    "font-size",
    "font-family",
    "font-weight",
    "font-style",
    "text-decoration",
    "text-decoration-line",
    "text-decoration-color",
    "text-decoration-style",
    "letter-spacing",
    "line-height",
    "text-align",
    "text-transform",
];

/// Maximum number of declarations of one element and bytes of one value, which bound the cost of resolving an element
/// again.
const MAX_DECLARATIONS: usize = 64;
const MAX_VALUE: usize = 1024;

/// A `property: value` pair; the property is one of `PROPERTIES`.
#[derive(Clone, Debug)]
pub(super) struct StyleDeclaration {
    property: &'static str,
    value: String,
}

/// The style that an element passes on to its content.
#[derive(Clone, Debug)]
pub(super) struct InheritedStyle {
    pub span: Arc<SpanStyle>,
    pub case: Case,
    /// Value of `text-align`; used for blocks only.
    pub align: Option<Align>,
    /// Base of `em`, `rem` and `%` in font sizes, px: the size outside `<sub>` and `<sup>`, which only reduce text
    /// without its own size.
    pub em: f64,
}

/// Margin above and below a block, in em of its own size.
pub(super) fn margin_em(name: &str) -> f64 {
    match name {
        "h1" => 0.67,
        "h2" => 0.83,
        "h3" | "blockquote" | "pre" => 1.0,
        "h4" => 1.33,
        "h5" => 1.67,
        "h6" => 2.33,
        _ => 0.0,
    }
}

/// Font size of a heading, in em of its parent.
fn heading_em(name: &str) -> Option<f64> {
    match name {
        "h1" => Some(2.0),
        "h2" => Some(1.5),
        "h3" => Some(1.17),
        "h4" => Some(1.0),
        "h5" => Some(0.83),
        "h6" => Some(0.67),
        _ => None,
    }
}

/// The style inside an element `name` with these declarations and `href`.
pub(super) fn resolve(
    name: &str,
    inline: &[StyleDeclaration],
    href: Option<&Arc<str>>,
    parent: &InheritedStyle,
) -> InheritedStyle {
    let mut style = StyleResolver {
        span: (*parent.span).clone(),
        case: parent.case,
        align: parent.align,
        background: None,
        lines: Vec::new(),
        line_style: DecorationStyle::Solid,
        line_color: None,
    };
    style.apply_element(name);
    if let Some(href) = href {
        style.span.link = Some(href.clone());
    }
    let mut em = match style.span.shift {
        VerticalShift::None => style.span.font_size,
        VerticalShift::Super | VerticalShift::Sub => parent.em,
    };
    // `font-size` is applied first, because em in other properties refers to the element's own size.
    for StyleDeclaration { value, .. } in inline.iter().filter(|it| it.property == "font-size") {
        if let Some(size) = length(value, parent.em).filter(|size| *size >= 0.0) {
            style.span.font_size = size;
            em = size;
            let unit = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
            match value[unit.len()..].to_ascii_lowercase().as_str() {
                "px" => style.span.px_size = Some(size),
                "em" | "rem" | "%" => {}
                _ => style.span.px_size = None,
            }
        }
    }
    for StyleDeclaration { property, value } in inline {
        style.apply(property, value);
    }
    style.decorate();
    // A transparent background counts as none, so that of an enclosing element shows.
    if let Some(color) = style.background.filter(|color| color.components[3] > 0.0) {
        let own = SpanStyle { background: None, ..style.span.clone() };
        style.span.background = Some(Arc::new(Highlight { color, style: own.into() }));
    }
    // An unchanged style is shared with the parent.
    let span = if style.span == *parent.span { parent.span.clone() } else { Arc::new(style.span) };
    InheritedStyle { span, case: style.case, align: style.align, em }
}

struct StyleResolver {
    span: SpanStyle,
    case: Case,
    align: Option<Align>,
    background: Option<Color>,
    /// The element's own decoration lines, which are not inherited but drawn on all of its content.
    lines: Vec<DecorationLine>,
    line_style: DecorationStyle,
    line_color: Option<Color>,
}

impl StyleResolver {
    fn apply_element(&mut self, name: &str) {
        match name {
            "strong" | "b" => self.span.weight = BOLD,
            "em" | "i" => self.span.italic = true,
            "u" => self.lines.push(DecorationLine::Underline),
            "s" | "strike" | "del" => self.lines.push(DecorationLine::LineThrough),
            "sub" | "sup" => {
                self.span.shift = if name == "sub" { VerticalShift::Sub } else { VerticalShift::Super };
                self.span.font_size *= SHIFTED_SIZE;
            }
            "code" | "pre" => self.span.family = "monospace".into(),
            _ => {
                if let Some(size) = heading_em(name) {
                    self.span.weight = BOLD;
                    self.span.font_size = (self.span.font_size * size).min(MAX_LENGTH);
                }
            }
        }
    }

    /// Applies one declaration. Invalid values are ignored, as in CSS.
    fn apply(&mut self, property: &str, value: &str) {
        let keyword = value.to_ascii_lowercase();
        let keyword = keyword.as_str();
        let em = self.span.font_size;
        match property {
            "color" => self.span.color = css_color::parse(value).or(self.span.color),
            "background-color" => self.background = css_color::parse(value).or(self.background),
            "font-family" if !matches!(keyword, "inherit" | "initial") => self.span.family = value.into(),
            "font-weight" => self.span.weight = weight(keyword, self.span.weight).unwrap_or(self.span.weight),
            "font-style" => match keyword.split_ascii_whitespace().next() {
                Some("italic" | "oblique") => self.span.italic = true,
                Some("normal") => self.span.italic = false,
                _ => {}
            },
            "letter-spacing" if keyword == "normal" => {
                (self.span.letter_spacing, self.span.spacing_in_px) = (0.0, false);
            }
            "letter-spacing" => {
                if let Some(spacing) = length(value, em) {
                    (self.span.letter_spacing, self.span.spacing_in_px) = (spacing, !is_font_relative(value));
                }
            }
            "line-height" => self.span.line_height = line_height(keyword, em).unwrap_or(self.span.line_height),
            "text-align" => self.align = align(keyword).or(self.align),
            "text-transform" => self.case = case(keyword).unwrap_or(self.case),
            "text-decoration" => {
                (self.line_style, self.line_color) = (DecorationStyle::Solid, None);
                self.lines.clear();
                for part in words(value) {
                    self.apply_decoration(part);
                }
            }
            "text-decoration-line" => {
                self.lines.clear();
                words(value).for_each(|part| self.apply_decoration(part));
            }
            "text-decoration-style" | "text-decoration-color" => self.apply_decoration(value),
            _ => {}
        }
    }

    fn apply_decoration(&mut self, part: &str) {
        match part.to_ascii_lowercase().as_str() {
            "underline" => self.lines.push(DecorationLine::Underline),
            "line-through" => self.lines.push(DecorationLine::LineThrough),
            "overline" => self.lines.push(DecorationLine::Overline),
            "solid" => self.line_style = DecorationStyle::Solid,
            "double" => self.line_style = DecorationStyle::Double,
            "dotted" => self.line_style = DecorationStyle::Dotted,
            "dashed" => self.line_style = DecorationStyle::Dashed,
            "wavy" => self.line_style = DecorationStyle::Wavy,
            _ => self.line_color = css_color::parse(part).or(self.line_color),
        }
    }

    /// Adds the element's decoration lines, which keep the element's colour whatever the colour of the text inside.
    fn decorate(&mut self) {
        let color = self.line_color.or(self.span.color);
        // A line equal to one of an enclosing element is drawn again, which is visible when it is translucent.
        for line in std::mem::take(&mut self.lines) {
            self.span.decorations.push(Decoration { line, style: self.line_style, color });
        }
        let surplus = self.span.decorations.len().saturating_sub(MAX_DECORATIONS);
        self.span.decorations.drain(..surplus);
    }
}

/// The supported declarations of a `style` attribute, without `!important`.
pub(super) fn declarations(style: &str) -> Vec<StyleDeclaration> {
    let known = split(style, |c| c == ';').filter_map(|declaration| {
        let (property, value) = declaration.split_once(':')?;
        let property = PROPERTIES.iter().find(|known| property.trim().eq_ignore_ascii_case(known))?;
        let value = value.trim();
        let value = match value.rfind('!') {
            Some(bang) if value[bang + 1..].trim().eq_ignore_ascii_case("important") => value[..bang].trim_end(),
            _ => value,
        };
        (!value.is_empty() && value.len() <= MAX_VALUE).then(|| StyleDeclaration { property, value: value.to_owned() })
    });
    known.take(MAX_DECLARATIONS).collect()
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    split(value, char::is_whitespace).filter(|word| !word.is_empty())
}

/// Splits `text` at separators outside quotes and parentheses.
fn split(text: &str, separator: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    let (mut quote, mut depth) = (None, 0_usize);
    text.split(move |c| {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, _) => return depth == 0 && separator(c),
        }
        false
    })
}

/// A length in px. `em` is the base of em, rem and % (the editor's engine treats rem as em).
fn length(value: &str, em: f64) -> Option<f64> {
    let value = value.trim().to_ascii_lowercase();
    let unit_at = value.find(|c: char| c.is_ascii_alphabetic() || c == '%').unwrap_or(value.len());
    let number: f64 = value[..unit_at].parse().ok()?;
    let px = match &value[unit_at..] {
        "px" => number,
        "em" | "rem" => number * em,
        "%" => number / 100.0 * em,
        "pt" => number * 4.0 / 3.0,
        "" if number == 0.0 => 0.0,
        _ => return None,
    };
    Some(px.clamp(-MAX_LENGTH, MAX_LENGTH))
}

/// True for lengths relative to a font size.
fn is_font_relative(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    value.ends_with("em") || value.ends_with('%')
}

fn line_height(value: &str, em: f64) -> Option<LineHeight> {
    if value == "normal" {
        return Some(LineHeight::Auto);
    }
    let height = match value.parse::<f64>() {
        Ok(times) if times.is_finite() => LineHeight::Times(times.min(MAX_LENGTH)),
        _ if is_font_relative(value) => LineHeight::Length(length(value, em)?),
        _ => LineHeight::Px(length(value, em)?),
    };
    let (LineHeight::Times(size) | LineHeight::Length(size) | LineHeight::Px(size)) = height else { return None };
    (size >= 0.0).then_some(height)
}

fn weight(value: &str, inherited: f32) -> Option<f32> {
    match value {
        "normal" => Some(400.0),
        "bold" => Some(BOLD),
        "bolder" if inherited < 350.0 => Some(400.0),
        "bolder" => Some(if inherited < 550.0 { BOLD } else { 900.0 }),
        "lighter" if inherited < 550.0 => Some(100.0),
        "lighter" => Some(if inherited < 750.0 { 400.0 } else { BOLD }),
        number => number.parse().ok().filter(|weight| (1.0..=1000.0).contains(weight)),
    }
}

fn align(value: &str) -> Option<Align> {
    match value {
        "left" | "start" => Some(Align::Left),
        "center" => Some(Align::Center),
        "right" | "end" => Some(Align::Right),
        "justify" => Some(Align::Justify),
        _ => None,
    }
}

fn case(value: &str) -> Option<Case> {
    match value {
        "none" => Some(Case::None),
        "uppercase" => Some(Case::Upper),
        "lowercase" => Some(Case::Lower),
        "capitalize" => Some(Case::Capitalize),
        _ => None,
    }
}
