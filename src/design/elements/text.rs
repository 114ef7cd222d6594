//! Elements of type `text` (design-format.md §6.1).

use std::sync::Arc;

use kurbo::Size;
use peniko::Color;

use super::text_style::TextStyle;
use crate::design::effects::Effects;
use crate::design::input::Input;
use crate::design::props::{Common, Placement};
use crate::units::Opacity;

/// An element of type `text`: its box, text, style and background.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The fields of every kind.
    pub common: Common,
    /// The box. Default 100 wide; `height` is 0 when absent, see [`Text::height`].
    pub placement: Placement,
    /// Effects and shadow of the element.
    pub effects: Effects,
    /// `height` — `None` when absent, which means not measured yet and differs from 0 (rendering.md §9.7).
    pub height: Option<f64>,
    /// `text` — plain text, or a subset of HTML.
    pub text: Arc<str>,
    /// `placeholder` — drawn at reduced opacity when `text` is empty.
    pub placeholder: Arc<str>,
    /// Font, colours and alignment of the text.
    pub style: TextStyle,
    /// `backgroundEnabled` — whether a background is drawn behind the text. Default false.
    pub background_enabled: bool,
    /// `backgroundColor` — colour of the background. Default `#7ED321`.
    pub background_color: Color,
    /// `backgroundOpacity` — opacity of the background, multiplied with that of the element. Default 1.
    pub background_opacity: Opacity,
    /// `backgroundCornerRadius` — as a fraction of half the line height. Default 0.5, not negative.
    pub background_corner_radius: f64,
    /// `backgroundPadding` — as a fraction of half the line height. Default 0.5, not negative.
    pub background_padding: f64,
    /// `borderSize` — width of the border of the box, px, inside of it. Default 0, not negative.
    pub border_size: f64,
    /// `borderColor` — colour of the border. Default black.
    pub border_color: Color,
    /// `cornerRadius` — px, of the border of a box without background; `None` for that of the background.
    pub corner_radius: Option<f64>,
    /// `legacyBackground` — a single rectangle instead of one per line. Also set by migration.
    pub legacy_background: bool,
    /// Fields about fitting, which are used only if the option `textSizing` is `element`.
    pub sizing: ElementSizing,
    /// `curveEnabled` — whether the text runs along an arc. Default false.
    pub curve_enabled: bool,
    /// `curvePower` — curvature of the arc, −1 to 1. Default 0.5.
    pub curve_power: f64,
}

/// Fields of a text element about fitting its box (design-format.md §6.1), which the editor ignores. Invalid values
/// count as absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ElementSizing {
    /// `textOverflow` — replaces the option of that name.
    pub overflow: Option<ElementOverflow>,
    /// `maxLines` — maximum number of lines drawn, at least 1.
    pub max_lines: Option<usize>,
    /// `minFontSize` — px, greater than 0; for [`ElementOverflow::Fit`]. Default 1.
    pub min_font_size: Option<f64>,
    /// `maxFontSize` — px, greater than 0; for [`ElementOverflow::Fit`]. Default `fontSize`.
    pub max_font_size: Option<f64>,
    /// The names of those fields that the design has.
    pub written: Vec<&'static str>,
}

/// The rule of an element for a text taller than its box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementOverflow {
    /// `resize` — the box grows.
    Resize,
    /// `ellipsis` — lines that do not fit are dropped, with `…`.
    Ellipsis,
    /// `fit` — the largest font size between `minFontSize` and `maxFontSize` that fits.
    Fit,
}

impl ElementSizing {
    fn read(input: &Input<'_>) -> Self {
        let keys = ["textOverflow", "maxLines", "minFontSize", "maxFontSize"];
        let number = |key: &str| {
            let value = input.json.get(key)?;
            let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
            (number.is_finite() && number > 0.0).then_some(number)
        };
        let overflow = match input.json.get("textOverflow").and_then(|value| value.as_str()) {
            Some("resize") => Some(ElementOverflow::Resize),
            Some("ellipsis") => Some(ElementOverflow::Ellipsis),
            Some("fit") => Some(ElementOverflow::Fit),
            _ => None,
        };
        Self {
            overflow,
            max_lines: number("maxLines").filter(|lines| *lines >= 1.0).map(|lines| lines as usize),
            min_font_size: number("minFontSize"),
            max_font_size: number("maxFontSize"),
            written: keys.into_iter().filter(|key| input.json.get(key).is_some()).collect(),
        }
    }
}

impl Text {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        let mut style = TextStyle::read(input, &TextStyle::default());
        style.letter_spacing = input.reading.version.letter_spacing(style.letter_spacing, style.font_size);
        let placement = Placement::read(input, Size::new(100.0, 0.0));
        Self {
            common: Common::read(input),
            placement,
            effects: Effects::read(input),
            height: input.json.get("height").map(|_| placement.height),
            text: input.text("text"),
            placeholder: input.text("placeholder"),
            style,
            background_enabled: input.json.flag_or("backgroundEnabled", false),
            background_color: input.color("backgroundColor", Color::from_rgb8(0x7E, 0xD3, 0x21)),
            background_opacity: Opacity::new(input.json.number_or("backgroundOpacity", 1.0)),
            background_corner_radius: input.json.length_or("backgroundCornerRadius", 0.5),
            background_padding: input.json.length_or("backgroundPadding", 0.5),
            border_size: input.json.length_or("borderSize", 0.0),
            border_color: input.color("borderColor", Color::BLACK),
            corner_radius: input.json.number("cornerRadius").map(|radius| radius.max(0.0)),
            legacy_background: input.json.flag_or("legacyBackground", false),
            sizing: ElementSizing::read(input),
            curve_enabled: input.json.flag_or("curveEnabled", false),
            curve_power: input.json.number_or("curvePower", 0.5).clamp(-1.0, 1.0),
        }
    }
}
