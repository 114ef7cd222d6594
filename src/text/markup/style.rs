//! From an element's name and `style` attribute to how its text looks.

use std::sync::Arc;

use peniko::Color;

use crate::css_color;
use crate::text::blocks::{
    Align, Decoration, DecorationLine, DecorationStyle, Highlight, LineHeight, SpanStyle, VerticalShift,
};
use crate::text::transform::Case;

/// Chromium's own bound for font sizes, px; lengths beyond it are cut down to it.
const MAX_LENGTH: f64 = 10_000.0;

/// Of lines on one run. The outermost go first: later ones are drawn over them.
const MAX_DECORATIONS: usize = 16;

/// sub and sup (rendering.md §9.9).
const SHIFTED_SIZE: f64 = 0.83;

const BOLD: f32 = 700.0;

/// Inline properties that count (rendering.md §9.9). `direction` is known too but has no effect.
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

/// Of one element, and bytes of one value: ample for any editor, and a bound on reading one element many times.
const MAX_DECLARATIONS: usize = 64;
const MAX_VALUE: usize = 1024;

/// A `property: value` pair; the property is one of `PROPERTIES`.
#[derive(Clone, Debug)]
pub(super) struct Declaration {
    property: &'static str,
    value: String,
}

/// What an element hands on to what it holds.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    pub span: Arc<SpanStyle>,
    pub case: Case,
    /// From `text-align`; counts on blocks only.
    pub align: Option<Align>,
    /// What `em`, `rem` and `%` of a font size are of, px: the size outside of `<sub>` and `<sup>`, which reduce only text
    /// without a size of its own.
    pub em: f64,
}

/// Room above and below a block, in em of its own size.
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

/// Size of a heading, in em of what surrounds it.
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
pub(super) fn resolve(name: &str, inline: &[Declaration], href: Option<&str>, parent: &Inherited) -> Inherited {
    let mut style = Resolving {
        span: (*parent.span).clone(),
        case: parent.case,
        align: parent.align,
        background: None,
        lines: Vec::new(),
        line_style: DecorationStyle::Solid,
        line_color: None,
    };
    style.apply_element(name);
    if let Some(href) = href.map(str::trim).filter(|href| !href.is_empty()) {
        style.span.link = Some(href.into());
    }
    let mut em = match style.span.shift {
        VerticalShift::None => style.span.font_size,
        VerticalShift::Super | VerticalShift::Sub => parent.em,
    };
    // Lengths in em of all other properties need the element's own size, wherever that stands.
    for Declaration { value, .. } in inline.iter().filter(|it| it.property == "font-size") {
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
    for Declaration { property, value } in inline {
        style.apply(property, value);
    }
    style.decorate();
    // A clear background is none: what an element around it has shows instead.
    if let Some(color) = style.background.filter(|color| color.components[3] > 0.0) {
        let own = SpanStyle { background: None, ..style.span.clone() };
        style.span.background = Some(Arc::new(Highlight { color, style: own.into() }));
    }
    // Sharing tells that nothing changed, and saves room.
    let span = if style.span == *parent.span { parent.span.clone() } else { Arc::new(style.span) };
    Inherited { span, case: style.case, align: style.align, em }
}

struct Resolving {
    span: SpanStyle,
    case: Case,
    align: Option<Align>,
    background: Option<Color>,
    /// The element's own: not inherited, but drawn on all it holds.
    lines: Vec<DecorationLine>,
    line_style: DecorationStyle,
    line_color: Option<Color>,
}

impl Resolving {
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

    /// Values that CSS would refuse change nothing.
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
                    (self.span.letter_spacing, self.span.spacing_in_px) = (spacing, !is_of_font(value));
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

    /// Lines keep the colour of the element that asked for them, whatever the colour of a run inside.
    fn decorate(&mut self) {
        let color = self.line_color.or(self.span.color);
        // Also one like that of an element around it is drawn, which shows where it lets something through.
        for line in std::mem::take(&mut self.lines) {
            self.span.decorations.push(Decoration { line, style: self.line_style, color });
        }
        let surplus = self.span.decorations.len().saturating_sub(MAX_DECORATIONS);
        self.span.decorations.drain(..surplus);
    }
}

/// The declarations of a `style` attribute that count, without `!important`.
pub(super) fn declarations(style: &str) -> Vec<Declaration> {
    let known = split(style, |c| c == ';').filter_map(|declaration| {
        let (property, value) = declaration.split_once(':')?;
        let property = PROPERTIES.iter().find(|known| property.trim().eq_ignore_ascii_case(known))?;
        let value = value.trim();
        let value = match value.rfind('!') {
            Some(bang) if value[bang + 1..].trim().eq_ignore_ascii_case("important") => value[..bang].trim_end(),
            _ => value,
        };
        (!value.is_empty() && value.len() <= MAX_VALUE).then(|| Declaration { property, value: value.to_owned() })
    });
    known.take(MAX_DECLARATIONS).collect()
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    split(value, char::is_whitespace).filter(|word| !word.is_empty())
}

/// Parts between separators that stand outside quotes and brackets.
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

/// A length in px. `em`: what em, rem and % are of (the editor's engine reads rem as em).
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

/// True for lengths that are shares of a font size.
fn is_of_font(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    value.ends_with("em") || value.ends_with('%')
}

fn line_height(value: &str, em: f64) -> Option<LineHeight> {
    if value == "normal" {
        return Some(LineHeight::Auto);
    }
    let height = match value.parse::<f64>() {
        Ok(times) if times.is_finite() => LineHeight::Times(times.min(MAX_LENGTH)),
        _ if is_of_font(value) => LineHeight::Length(length(value, em)?),
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
