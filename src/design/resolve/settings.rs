//! The settings of a render that resolving depends on.

use super::super::Design;
use super::super::version::{Rules, WideWords};
use crate::options::{LineBreaking, MissingHeight, OptionDefaults, RenderOptions, TextOverflow, TextSizing};
use crate::units::DeviceScale;

/// What resolving depends on besides the design and its assets: no value is optional any more, as the defaults of the
/// design and of the service are filled in.
#[derive(Clone, Debug)]
pub struct ResolveSettings {
    /// Rules of the editor version as which the design is drawn.
    pub rules: Rules,
    /// Design px per inch of paper, greater than 0.
    pub dpi: f64,
    /// Device px per design px of the pictures that resolving creates.
    pub raster_scale: DeviceScale,
    /// Whether shapes, text and masks stay vectors where the scene can express them.
    pub vector: bool,
    /// Whether page backgrounds are left out.
    pub ignore_background: bool,
    /// Whether pages are drawn with their bleed.
    pub include_bleed: bool,
    /// Whether gradient lines of backgrounds and figures have the length that CSS defines.
    pub css_gradients: bool,
    /// Whether an image that could not be loaded is a warning instead of an error.
    pub skip_image_error: bool,
    /// Whether a glyph of a damaged font is a warning instead of an error.
    pub skip_font_error: bool,
    /// Resolution in px per inch of paper below which a picture causes a warning; 0 turns it off.
    pub min_image_dpi: f64,
    /// How texts fit into their boxes.
    pub text: TextSettings,
}

/// How texts fit into their boxes.
#[derive(Clone, Copy, Debug)]
pub struct TextSettings {
    /// Treatment of text that is taller than its box.
    pub overflow: TextOverflow,
    /// Whether a text keeps its stored height and is aligned within it.
    pub vertical_resize: bool,
    /// The box of a text without a height.
    pub missing_height: MissingHeight,
    /// Whether the options or the element decide how a text fits its box.
    pub sizing: TextSizing,
    /// Whether words wider than the box are broken; otherwise they make the text smaller.
    pub split_words: bool,
    /// Rules for line breaks.
    pub line_breaking: LineBreaking,
}

impl ResolveSettings {
    /// The settings for rendering `design` with the caller's `options`. `raster_scale`: device px per design px of the
    /// pictures that resolving creates.
    pub fn new(options: &RenderOptions, defaults: &OptionDefaults, design: &Design, raster_scale: DeviceScale) -> Self {
        let rules = Rules::of(defaults.sdk(options));
        let wide_words = match options.text_sizing {
            None => rules.wide_words,
            Some(TextSizing::Editor) => WideWords::Break,
            Some(TextSizing::Element) => WideWords::Shrink,
        };
        let text = TextSettings {
            overflow: options.text_overflow,
            vertical_resize: options.text_vertical_resize,
            missing_height: options.missing_height,
            sizing: options.text_sizing.unwrap_or(rules.text_sizing),
            split_words: wide_words == WideWords::Break || options.text_split_allowed,
            line_breaking: options.line_breaking,
        };
        Self {
            rules,
            dpi: options.dpi.unwrap_or(design.dpi),
            raster_scale,
            vector: options.vector,
            ignore_background: options.ignore_background,
            include_bleed: options.include_bleed,
            css_gradients: options.css_gradients,
            skip_image_error: options.skip_image_error,
            skip_font_error: options.skip_font_error,
            min_image_dpi: defaults.min_image_dpi(options),
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{DesignLimits, EditorVersion};

    fn settings(options: RenderOptions) -> ResolveSettings {
        let design = json!({"pages": [{"children": []}]}).to_string();
        let design = Design::parse(design.as_bytes(), &DesignLimits::default()).expect("a design");
        let defaults = OptionDefaults::default();
        ResolveSettings::new(&options, &defaults, &design, DeviceScale::ONE)
    }

    #[test]
    fn rules_are_those_of_the_release_that_the_request_names() {
        let newest = settings(RenderOptions { sdk: Some(EditorVersion::NEWEST), ..RenderOptions::default() });
        assert_eq!(newest.rules, Rules::of(EditorVersion::NEWEST));
        assert_eq!((newest.text.sizing, newest.text.split_words), (TextSizing::Element, false));
        let oldest = settings(RenderOptions::default());
        assert_eq!(oldest.rules, Rules::of(EditorVersion::OLDEST));
        assert_eq!((oldest.text.sizing, oldest.text.split_words), (TextSizing::Editor, true));
    }

    #[test]
    fn wide_words_are_broken_unless_elements_decide_their_size() {
        let split = |text_sizing, text_split_allowed| {
            settings(RenderOptions { text_sizing, text_split_allowed, ..RenderOptions::default() }).text.split_words
        };
        assert!(split(None, true) && split(Some(TextSizing::Editor), false));
        assert!(!split(Some(TextSizing::Element), false) && split(Some(TextSizing::Element), true));
    }
}
