//! Text style: fields shared by texts, tables and table cells.

use std::sync::Arc;

use peniko::Color;
use serde_json::Value;

use crate::css_gradient::Fill;
use crate::design::input::Input;

/// The style of a text, or of a table's cells (design-format.md §6.1, §6.8).
#[derive(Clone, Debug, PartialEq)]
pub struct TextStyle {
    /// `fontSize` — px, not negative; 0 draws nothing.
    pub font_size: f64,
    /// `fontFamily` — one family or a list separated by commas, as written. Default Roboto.
    pub font_family: Arc<str>,
    /// `fontStyle` — upright or italic. Default upright.
    pub font_style: FontStyle,
    /// `fontWeight` — 1 to 1000.
    pub font_weight: u16,
    /// `textDecoration` — decoration lines. Default none.
    pub text_decoration: TextDecoration,
    /// `textTransform` — letter case. Default as written.
    pub text_transform: TextTransform,
    /// `fill` — colour or gradient of the letters. Default black.
    pub fill: Fill,
    /// `align` — horizontal alignment. Default centred.
    pub align: Align,
    /// `verticalAlign` — for texts only with `textVerticalResizeEnabled`.
    pub vertical_align: VerticalAlign,
    /// `lineHeight` — default 1.2 font sizes.
    pub line_height: LineHeight,
    /// `letterSpacing` — as a fraction of `font_size`; may be negative.
    pub letter_spacing: f64,
    /// `strokeWidth` — px, centred on the outline, under the fill; not negative.
    pub stroke_width: f64,
    /// `stroke` — colour or gradient of the stroke. Default black.
    pub stroke: Fill,
    /// `strokeLineJoin` — join of the stroke. Default round.
    pub stroke_line_join: kurbo::Join,
}

impl Default for TextStyle {
    /// The defaults of a text element.
    fn default() -> Self {
        Self {
            font_size: 14.0,
            font_family: "Roboto".into(),
            font_style: FontStyle::Normal,
            font_weight: NORMAL_WEIGHT,
            text_decoration: TextDecoration::default(),
            text_transform: TextTransform::None,
            fill: Color::BLACK.into(),
            align: Align::Center,
            vertical_align: VerticalAlign::Top,
            line_height: LineHeight::Times(1.2),
            letter_spacing: 0.0,
            stroke_width: 0.0,
            stroke: Color::BLACK.into(),
            stroke_line_join: kurbo::Join::Round,
        }
    }
}

impl TextStyle {
    /// Reads a style. `inherited` — the values of absent fields.
    pub(super) fn read(input: &mut Input<'_>, inherited: &Self) -> Self {
        Self {
            font_size: input.json.length_or("fontSize", inherited.font_size),
            font_family: read_family(input).unwrap_or_else(|| inherited.font_family.clone()),
            font_style: input.json.one_of("fontStyle", FontStyle::NAMES).unwrap_or(inherited.font_style),
            font_weight: read_weight(input).unwrap_or(inherited.font_weight),
            text_decoration: read_decoration(input).unwrap_or(inherited.text_decoration),
            text_transform: input.json.one_of("textTransform", TRANSFORMS).unwrap_or(inherited.text_transform),
            fill: read_fill(input).unwrap_or_else(|| input.fill("fill", inherited.fill.clone())),
            align: read_align(input).unwrap_or(inherited.align),
            vertical_align: input.json.one_of("verticalAlign", VERTICAL_ALIGNS).unwrap_or(inherited.vertical_align),
            line_height: read_line_height(input).unwrap_or(inherited.line_height),
            letter_spacing: input.json.number_or("letterSpacing", inherited.letter_spacing),
            stroke_width: input.json.length_or("strokeWidth", inherited.stroke_width),
            stroke: input.fill("stroke", inherited.stroke.clone()),
            stroke_line_join: input.json.one_of("strokeLineJoin", JOINS).unwrap_or(inherited.stroke_line_join),
        }
    }
}

/// Slant of a face: upright or italic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FontStyle {
    /// Upright, which is the default.
    #[default]
    Normal,
    /// Italic, or slanted when there is no italic face.
    Italic,
}

impl FontStyle {
    /// The values of `fontStyle`. `oblique` is the same as `italic`.
    pub(crate) const NAMES: &[(&str, Self)] =
        &[("normal", Self::Normal), ("italic", Self::Italic), ("oblique", Self::Italic)];
}

/// Decoration lines of a text, which can be combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextDecoration {
    /// A line below the baseline.
    pub underline: bool,
    /// A line through the letters.
    pub line_through: bool,
    /// A line above the letters.
    pub overline: bool,
}

/// Letter case applied to a text before layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextTransform {
    /// Letters keep their case.
    #[default]
    None,
    /// All letters in upper case.
    Uppercase,
    /// All letters in lower case.
    Lowercase,
    /// The first letter of each word in upper case.
    Capitalize,
}

const TRANSFORMS: &[(&str, TextTransform)] = &[
    ("none", TextTransform::None),
    ("uppercase", TextTransform::Uppercase),
    ("lowercase", TextTransform::Lowercase),
    ("capitalize", TextTransform::Capitalize),
];

/// Horizontal alignment of lines in the box. Left and right do not depend on the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// `left`, `start` — lines are left-aligned.
    Left,
    /// `center` — lines are centred.
    Center,
    /// `right`, `end` — lines are right-aligned.
    Right,
    /// `justify` — spaces are stretched, except in last lines.
    Justify,
}

const ALIGNS: &[(&str, Align)] = &[
    ("left", Align::Left),
    ("center", Align::Center),
    ("right", Align::Right),
    ("justify", Align::Justify),
    ("start", Align::Left),
    ("end", Align::Right),
];

/// Vertical alignment of the text in a taller box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerticalAlign {
    /// `top` — the text is at the top of the box.
    Top,
    /// `middle` — the text is centred vertically.
    Middle,
    /// `bottom` — the text is at the bottom of the box.
    Bottom,
}

const VERTICAL_ALIGNS: &[(&str, VerticalAlign)] =
    &[("top", VerticalAlign::Top), ("middle", VerticalAlign::Middle), ("bottom", VerticalAlign::Bottom)];

const JOINS: &[(&str, kurbo::Join)] =
    &[("round", kurbo::Join::Round), ("bevel", kurbo::Join::Bevel), ("miter", kurbo::Join::Miter)];

/// Line height of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineHeight {
    /// A multiple of the font size, not negative.
    Times(f64),
    /// `auto` — ascent plus descent of the font.
    Auto,
}

/// The font weight `normal`.
const NORMAL_WEIGHT: u16 = 400;

/// Parses a CSS font weight: a name, or a number from 1 to 1000. `bolder` and `lighter` are relative to normal.
pub(crate) fn parse_weight(text: &str) -> Option<u16> {
    let text = text.trim();
    let named = [("normal", NORMAL_WEIGHT), ("bold", 700), ("bolder", 700), ("lighter", 100)];
    if let Some((_, weight)) = named.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Some(*weight);
    }
    let number: f64 = text.parse().ok()?;
    (1.0..=1000.0).contains(&number).then_some(number as u16)
}

fn read_family(input: &mut Input<'_>) -> Option<Arc<str>> {
    input.json.name("fontFamily").filter(|name| !name.trim().is_empty()).map(Into::into)
}

fn read_weight(input: &mut Input<'_>) -> Option<u16> {
    let value = input.json.get("fontWeight")?;
    let weight = match value {
        Value::String(text) if text.trim().is_empty() => return None,
        Value::String(text) => parse_weight(text),
        Value::Number(number) => parse_weight(&number.to_string()),
        _ => None,
    };
    if weight.is_none() {
        input.json.refuse("fontWeight", value, "normal, bold, or 1 to 1000");
    }
    weight
}

/// Reads decoration lines. Unknown words are ignored with a warning, as in CSS.
fn read_decoration(input: &mut Input<'_>) -> Option<TextDecoration> {
    let mut decoration = TextDecoration::default();
    let words = input.json.string("textDecoration")?;
    for word in words.split_ascii_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "underline" => decoration.underline = true,
            "line-through" => decoration.line_through = true,
            "overline" => decoration.overline = true,
            "none" => {}
            _ => input.warn(
                "textDecoration",
                format!("found {word:.40?}; accepted: underline, line-through, overline; ignored"),
            ),
        }
    }
    Some(decoration)
}

/// Black for an empty `fill`, which is not a valid colour of a canvas; `None` otherwise.
fn read_fill(input: &mut Input<'_>) -> Option<Fill> {
    let empty = input.json.get("fill")?.as_str()?.trim().is_empty();
    empty.then(|| Color::BLACK.into())
}

/// Reads `align`. An invalid value is left-aligned, the default of a canvas and not that of the format.
fn read_align(input: &mut Input<'_>) -> Option<Align> {
    const KEY: &str = "align";
    let found = input.json.one_of_or(KEY, ALIGNS, "drawn left-aligned, as in the editor");
    let is_written = input.json.get(KEY).is_some_and(|value| value != "");
    found.or(is_written.then_some(Align::Left))
}

fn read_line_height(input: &mut Input<'_>) -> Option<LineHeight> {
    let value = input.json.get("lineHeight")?;
    // `normal` is the CSS keyword for it.
    if value.as_str().is_some_and(|it| ["auto", "normal"].iter().any(|name| it.trim().eq_ignore_ascii_case(name))) {
        return Some(LineHeight::Auto);
    }
    input.json.number("lineHeight").map(|times| LineHeight::Times(times.max(0.0)))
}
