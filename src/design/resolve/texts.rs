//! Text elements: blocks fitted into their box, with background, stroke and fill (rendering.md §9).

use std::sync::Arc;

use kurbo::{Affine, Rect, Size, Stroke, Vec2};

use super::super::effects::Effects;
use super::super::elements::text::{ElementOverflow, Text};
use super::super::elements::text_style::{self, FontStyle, TextStyle};
use super::super::version::TextShadow;
use super::borders::{box_border, inner_border};
use super::paints::{GradientLength, is_transparent, paint};
use super::settings::ResolveSettings;
use super::shadow::shadowed;
use crate::options::{MissingHeight, TextOverflow, TextSizing};
use crate::report::{Origin, Warning, WarningCode, counted, truncated};
use crate::scene::{Bitmap, BitmapGrid, Group, Node, Path};
use crate::text::{
    self, Align, Case, Decoration, DecorationLine, DecorationPieces, DecorationStyle, DrawStyle, LaidOut, Layouter,
    LineHeight, Overflow, Sizing, SpanStyle, TextBackground, TextBlocks, TextNodes, TextWarning, VerticalShift,
};
use crate::units::{Opacity, Px};

/// Opacity of placeholder texts (rendering.md §9.6).
const PLACEHOLDER_OPACITY: f64 = 0.6;

/// Line height of `lineHeight: "auto"`, as a multiple of the font size, where a missing height is estimated
/// (rendering.md §9.7).
const AUTO_LINE: f64 = 1.2;

/// Maximum number of shadows of one text. Each one takes a surface and two passes.
const MAX_SHADOWS: usize = 500;

/// Resolves texts: text elements and the cells of tables.
pub(super) struct TextResolver<'a> {
    pub(super) layouter: &'a mut Layouter,
    pub(super) settings: &'a ResolveSettings,
    /// Returns true when the request has ended, so that the remaining texts may be skipped.
    pub(super) abandoned: &'a dyn Fn() -> bool,
    pub(super) warnings: &'a mut Vec<Warning>,
}

impl TextResolver<'_> {
    fn warn(&mut self, origin: &Origin, code: WarningCode, message: impl Into<String>) {
        self.warnings.push(origin.warn(code, message));
    }

    pub(super) fn text(&mut self, text: &Text, opacity: Opacity) -> Vec<Node> {
        let origin = &text.common.origin;
        let (content, opacity) = if text.text.is_empty() {
            (&text.placeholder, opacity * Opacity::new(PLACEHOLDER_OPACITY))
        } else {
            (&text.text, opacity)
        };
        if content.is_empty() || text.style.font_size <= 0.0 {
            return Vec::new();
        }
        if text.curve_enabled {
            let blocks = text::parse_markup_as_written(content, &Arc::new(span_style(&text.style)));
            return self.curved(text, &blocks, opacity);
        }
        let blocks = blocks(content, &text.style);
        let sizing = self.sizing(text);
        let shaped = self.layouter.shape(&blocks);
        let (laid_out, drawn_size) =
            text::fit(self.layouter, &shaped, text.placement.width, align(text.style.align), sizing);
        self.warn_of_glyphs(origin);
        self.warn_of_shrinking(origin, text.style.font_size, Some(drawn_size));

        let resizable = self.settings.text.vertical_resize;
        let height = text.height.unwrap_or(0.0);
        let room = if resizable { (height - laid_out.height).max(0.0) } else { 0.0 };
        let top = match text.style.vertical_align {
            text_style::VerticalAlign::Top => 0.0,
            text_style::VerticalAlign::Middle => room / 2.0,
            text_style::VerticalAlign::Bottom => room,
        };
        let line_height = line_height(&text.style, drawn_size, &laid_out);
        let whole = text.legacy_background.then(|| {
            Size::new(text.placement.width, if resizable { height.max(laid_out.height) } else { laid_out.height })
        });
        let background = text.background_enabled.then(|| TextBackground {
            color: text.background_color.multiply_alpha(text.background_opacity.get() * opacity.get()),
            corner_radius: text.background_corner_radius * line_height / 2.0,
            padding: text.background_padding * line_height / 2.0,
            whole,
        });
        let style = draw_style(&text.style, Rect::new(0.0, 0.0, text.placement.width, laid_out.height), opacity);
        // Strokes and shadows scale with the text.
        let factor = drawn_size / text.style.font_size;
        let stroke = style.stroke.map(|(paint, stroke)| (paint, Stroke { width: stroke.width * factor, ..stroke }));
        let style = DrawStyle { stroke, ..style };
        let effects = &shrunk(&text.effects, factor);
        let caster = self.shadow_caster(text);
        let word_by_word = effects.shadow_enabled && caster == TextShadow::Letters;
        let decoration_pieces = self.settings.rules.decoration_pieces;
        let mut drawn = text::draw(&laid_out, &DrawStyle { background, word_by_word, decoration_pieces, ..style });
        let box_height = if resizable { height.max(laid_out.height) } else { laid_out.height };
        let area = Rect::new(0.0, 0.0, text.placement.width, box_height);
        // The box does not move with the text in it, but the background does.
        let mut nodes = Vec::new();
        match border(text, &drawn, area, line_height, opacity) {
            Some(node) if text.background_enabled => drawn.background.push(node),
            node => nodes.extend(node),
        }
        nodes.extend(moved_down(with_effects(drawn, effects, area, caster), top));
        nodes
    }

    /// A text on an arc, where height, vertical alignment and overflow have no effect (rendering.md §9.8).
    fn curved(&mut self, text: &Text, blocks: &TextBlocks, opacity: Opacity) -> Vec<Node> {
        let curved = text::curve(self.layouter, blocks, text.placement.width, text.curve_power);
        self.warn_of_glyphs(&text.common.origin);
        let mut drawn = text::draw_curved(&curved, |area| draw_style(&text.style, area, opacity));
        let line_height = match text.style.line_height {
            text_style::LineHeight::Times(times) => times * text.style.font_size,
            text_style::LineHeight::Auto => AUTO_LINE * text.style.font_size,
        };
        if text.background_enabled && !curved.bounds.is_zero_area() {
            let padding = text.background_padding * line_height / 2.0;
            let mut area = curved.bounds;
            if self.settings.text.vertical_resize {
                area.y1 = area.y1.max(area.y0 + text.height.unwrap_or(0.0));
            }
            let area = area.inflate(padding, padding);
            let color = text.background_color.multiply_alpha(text.background_opacity.get() * opacity.get());
            if let Some(outline) = text::rounded_rect(area, text.background_corner_radius * line_height / 2.0) {
                drawn.background.insert(0, Node::Path(Path::filled(outline, color)));
            }
        }
        if let Some(border) = border(text, &drawn, curved.bounds, line_height, opacity) {
            // Below the boxes behind single letters, which follow the background.
            let first = usize::from(text.background_enabled);
            drawn.background.insert(first.min(drawn.background.len()), border);
        }
        with_effects(drawn, &text.effects, curved.bounds, self.shadow_caster(text))
    }

    /// What casts the shadow of `text`: without a background, the letters in every version of the editor.
    fn shadow_caster(&self, text: &Text) -> TextShadow {
        if text.background_enabled { self.settings.rules.text_shadow } else { TextShadow::Letters }
    }

    /// The rules of fitting a text. Fields of the element count only with the option `textSizing`: `element`.
    fn sizing(&mut self, text: &Text) -> Sizing {
        let (overflow, height) = self.overflow(text);
        let own = &text.sizing;
        let split_words = self.settings.text.split_words;
        match self.settings.text.sizing {
            TextSizing::Editor => {
                for key in &own.written {
                    let Origin { path, element } = &text.common.origin;
                    let origin = Origin { path: path.key(key), element: element.clone() };
                    let message = format!(
                        "{key} of an element has no effect with textSizing \"editor\", the default up to sdk 4.15"
                    );
                    self.warn(&origin, WarningCode::Ignored, message);
                }
                Sizing { split_words, ..overflow.into() }
            }
            TextSizing::Element => {
                let overflow = match own.overflow {
                    None => overflow,
                    Some(_) if overflow == Overflow::Grow && self.has_auto_height(text) => overflow,
                    Some(ElementOverflow::Resize) => Overflow::Grow,
                    Some(ElementOverflow::Ellipsis) => Overflow::Ellipsis { height },
                    Some(ElementOverflow::Fit) => {
                        let max = own.max_font_size.unwrap_or(text.style.font_size);
                        Overflow::Fit { height, min: own.min_font_size.unwrap_or(1.0), max }
                    }
                };
                Sizing { overflow, max_lines: own.max_lines, split_words }
            }
        }
    }

    fn has_auto_height(&self, text: &Text) -> bool {
        self.settings.text.missing_height == MissingHeight::Auto && text.height.is_none_or(|height| height < 1.0)
    }

    /// The rule for lines that are taller than the box, by the options, and the height of the box, px.
    fn overflow(&self, text: &Text) -> (Overflow, f64) {
        let one_line = match text.style.line_height {
            text_style::LineHeight::Times(times) => times * text.style.font_size,
            text_style::LineHeight::Auto => AUTO_LINE * text.style.font_size,
        };
        let height = text.height.unwrap_or(one_line);
        let overflow = match self.settings.text.overflow {
            _ if self.has_auto_height(text) => Overflow::Grow,
            TextOverflow::ChangeFontSize => Overflow::Shrink { height },
            TextOverflow::Resize => Overflow::Grow,
            TextOverflow::Ellipsis => Overflow::Ellipsis { height },
        };
        (overflow, height)
    }

    /// Warns about a text that is drawn smaller than written; `drawn` is `None` if it is not drawn.
    pub(super) fn warn_of_shrinking(&mut self, origin: &Origin, font_size: f64, drawn: Option<f64>) {
        let hundredths = |px: f64| (px * 100.0).round() / 100.0;
        let written = hundredths(font_size);
        let message = match drawn {
            Some(drawn) if drawn < font_size => {
                format!("text shrunk from {written} to {} px to fit its box", hundredths(drawn))
            }
            Some(_) => return,
            None => format!("text of {written} px not drawn: its box is too small for any font size"),
        };
        self.warn(origin, WarningCode::TextShrunk, message);
    }

    /// Warns about characters that no font has.
    pub(super) fn warn_of_glyphs(&mut self, origin: &Origin) {
        for warning in self.layouter.take_warnings() {
            let message = match warning {
                TextWarning::GlyphMissing { text, family } => {
                    let codes: Vec<_> = text.chars().map(|c| format!("U+{:04X}", u32::from(c))).collect();
                    let codes = codes.join(" ");
                    format!("no font has {text:?} ({codes}), used in {:?}; drawn as an empty box", truncated(&family))
                }
                TextWarning::MoreMissing { count } => {
                    format!("no font has {} of this text", counted(count as u64, "more character"))
                }
            };
            self.warn(origin, WarningCode::GlyphMissing, message);
        }
    }
}

/// The border of a text in a box of `area`: along the inner side of its background, or of the box where there is none.
/// `line_height`: of the text as drawn, which scales the radius of the corners.
fn border(text: &Text, drawn: &TextNodes, area: Rect, line_height: f64, opacity: Opacity) -> Option<Node> {
    let color = text.border_color.multiply_alpha(opacity.get());
    if !text.background_enabled {
        let radius = text.corner_radius.unwrap_or(text.background_corner_radius * line_height / 2.0);
        return box_border(area, text.border_size, radius, color);
    }
    match drawn.background.first() {
        Some(Node::Path(background)) => inner_border(&background.outline, text.border_size, color),
        _ => None,
    }
}

/// `effects` with the shadow scaled by `factor`.
fn shrunk(effects: &Effects, factor: f64) -> Effects {
    Effects {
        shadow_blur: effects.shadow_blur * factor,
        shadow_offset_x: effects.shadow_offset_x * factor,
        shadow_offset_y: effects.shadow_offset_y * factor,
        ..effects.clone()
    }
}

/// Applies blur and colour changes to a text in a box of `area`, except to its background (rendering.md §4, §5), and
/// the shadow to what casts it.
fn with_effects(mut drawn: TextNodes, effects: &Effects, area: Rect, caster: TextShadow) -> Vec<Node> {
    let background = std::mem::take(&mut drawn.background);
    let without_shadow;
    let (mut children, effects) = match caster {
        TextShadow::Letters => (background, effects),
        TextShadow::Background => {
            without_shadow = Effects { shadow_enabled: false, ..effects.clone() };
            (shadowed(background, effects), &without_shadow)
        }
    };
    let (blur, recolor) = (Px(if effects.blur_enabled { effects.blur_radius } else { 0.0 }), effects.recolor());
    if !recolor.is_empty() {
        // Colour changes apply to one bitmap that includes the shadow.
        let bitmap = Some(bitmap(area, effects));
        let letters = each_shadowed(drawn.take_letters(), effects);
        children.push(Node::Group(Box::new(Group { bitmap, blur, recolor, children: letters, ..Group::default() })));
    } else if effects.blur_enabled {
        // The bitmap of all glyphs is blurred, also by 0; the shadow is added after.
        let bitmap = Some(bitmap(area, &Effects { shadow_enabled: false, ..effects.clone() }));
        let blurred = Group { bitmap, blur, children: drawn.take_letters(), ..Group::default() };
        children.extend(shadowed(vec![Node::Group(Box::new(blurred))], effects));
    } else {
        children.extend(each_shadowed(drawn.take_letters(), effects));
    }
    children.extend(drawn.links);
    children
}

/// Gives each node of `letters` its own shadow, which falls on those before it: strokes, fills and lines of every word.
/// Very many nodes cast a single shadow together.
fn each_shadowed(letters: Vec<Node>, effects: &Effects) -> Vec<Node> {
    if letters.len() > MAX_SHADOWS || !effects.shadow_enabled {
        return shadowed(letters, effects);
    }
    let one = |node| if is_blank(&node) { vec![node] } else { shadowed(vec![node], effects) };
    letters.into_iter().flat_map(one).collect()
}

/// True for white space, which casts no shadow.
fn is_blank(node: &Node) -> bool {
    matches!(node, Node::Glyphs(run) if run.text.chars().all(char::is_whitespace))
}

/// The bitmap for effects of a text in a box of `area`: whole px, with a margin for a shadow of twice its
/// standard deviation.
fn bitmap(area: Rect, effects: &Effects) -> Bitmap {
    let covering = |area: Rect| Bitmap { area: area.expand(), grid: BitmapGrid::Covering };
    if !effects.shadow_enabled {
        return covering(area);
    }
    let (x, y) = (effects.shadow_offset_x, effects.shadow_offset_y);
    let cast = area + Vec2::new(x, y);
    let blur = effects.shadow_blur.max(0.0);
    covering(area.union(cast).inflate(blur, blur))
}

/// Parses `text` as markup or plain text in `style`.
pub(super) fn blocks(text: &str, style: &TextStyle) -> TextBlocks {
    let case = match style.text_transform {
        text_style::TextTransform::None => Case::None,
        text_style::TextTransform::Uppercase => Case::Upper,
        text_style::TextTransform::Lowercase => Case::Lower,
        text_style::TextTransform::Capitalize => Case::Capitalize,
    };
    text::parse_markup(text, &Arc::new(span_style(style)), case)
}

pub(super) fn span_style(style: &TextStyle) -> SpanStyle {
    let lines = [
        (style.text_decoration.underline, DecorationLine::Underline),
        (style.text_decoration.line_through, DecorationLine::LineThrough),
        (style.text_decoration.overline, DecorationLine::Overline),
    ];
    let decoration = |line| Decoration { line, style: DecorationStyle::Solid, color: None };
    SpanStyle {
        family: style.font_family.clone(),
        font_size: style.font_size,
        px_size: None,
        optical_factor: 1.0,
        weight: f32::from(style.font_weight),
        italic: style.font_style == FontStyle::Italic,
        color: None,
        background: None,
        decorations: lines.into_iter().filter(|(on, _)| *on).map(|(_, line)| decoration(line)).collect(),
        letter_spacing: style.letter_spacing * style.font_size,
        spacing_in_px: false,
        line_height: match style.line_height {
            text_style::LineHeight::Times(times) => LineHeight::Times(times),
            text_style::LineHeight::Auto => LineHeight::Auto,
        },
        shift: VerticalShift::None,
        link: None,
    }
}

pub(super) fn align(align: text_style::Align) -> Align {
    match align {
        text_style::Align::Left => Align::Left,
        text_style::Align::Center => Align::Center,
        text_style::Align::Right => Align::Right,
        text_style::Align::Justify => Align::Justify,
    }
}

/// Fill and stroke of a text. Gradients span `area`: the width of the element and the height of the lines (rendering.md
/// §7).
pub(super) fn draw_style(style: &TextStyle, area: Rect, opacity: Opacity) -> DrawStyle {
    let stroke = (style.stroke_width > 0.0 && !is_transparent(&style.stroke)).then(|| {
        let stroke = Stroke::new(style.stroke_width).with_join(style.stroke_line_join).with_caps(kurbo::Cap::Butt);
        (paint(&style.stroke, area, GradientLength::Css, opacity), stroke)
    });
    DrawStyle {
        fill: paint(&style.fill, area, GradientLength::Css, opacity),
        stroke,
        background: None,
        opacity,
        word_by_word: false,
        decoration_pieces: DecorationPieces::Words,
    }
}

/// Height of one line at the size drawn, px, which scales background padding and corners (rendering.md §9.6).
fn line_height(style: &TextStyle, drawn_size: f64, laid_out: &LaidOut) -> f64 {
    match style.line_height {
        text_style::LineHeight::Times(times) => times * drawn_size,
        text_style::LineHeight::Auto => laid_out.lines.first().map_or(0.0, |line| line.height),
    }
}

fn moved_down(children: Vec<Node>, by: f64) -> Vec<Node> {
    if by == 0.0 {
        return children;
    }
    vec![Node::Group(Box::new(Group { transform: Affine::translate((0.0, by)), children, ..Group::default() }))]
}
