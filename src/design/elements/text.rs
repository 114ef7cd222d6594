//! `text` (design-format.md §6.1).

use std::sync::Arc;

use kurbo::Size;
use peniko::Color;

use super::text_style::TextStyle;
use crate::design::input::Input;
use crate::design::props::{Common, Effects, Placement};
use crate::units::Opacity;

/// A text box.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// Fields of every kind.
    pub common: Common,
    /// The box. Default 100 wide; `height` is 0 when absent, see [`Text::height`].
    pub placement: Placement,
    /// Effects and shadow.
    pub effects: Effects,
    /// `height`; `None` when absent: not yet measured, which is not the same as 0 (rendering.md §9.7).
    pub height: Option<f64>,
    /// `text` — plain, or a subset of HTML.
    pub text: Arc<str>,
    /// `placeholder` — drawn faintly when `text` is empty.
    pub placeholder: Arc<str>,
    /// Font, colours, alignment.
    pub style: TextStyle,
    /// `backgroundEnabled` — default false.
    pub background_enabled: bool,
    /// `backgroundColor` — default `#7ED321`.
    pub background_color: Color,
    /// `backgroundOpacity` — default 1.
    pub background_opacity: Opacity,
    /// `backgroundCornerRadius` — as a fraction of half the line height. Default 0.5, not negative.
    pub background_corner_radius: f64,
    /// `backgroundPadding` — likewise. Default 0.5, not negative.
    pub background_padding: f64,
    /// `legacyBackground` — one rectangle instead of one per line. Also set by migration.
    pub legacy_background: bool,
    /// `curveEnabled` — default false.
    pub curve_enabled: bool,
    /// `curvePower` — −1 to 1. Default 0.5.
    pub curve_power: f64,
}

impl Text {
    pub(super) fn read(mut input: Input<'_>) -> Self {
        let input = &mut input;
        for key in ["textOverflow", "maxLines", "minFontSize", "maxFontSize"] {
            if input.json.get(key).is_some() {
                input.warn(
                    key,
                    format!("{key} of an element has no effect; the option textOverflow applies to all texts"),
                );
            }
        }
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
            legacy_background: input.json.flag_or("legacyBackground", false),
            curve_enabled: input.json.flag_or("curveEnabled", false),
            curve_power: input.json.number_or("curvePower", 0.5).clamp(-1.0, 1.0),
        }
    }
}
