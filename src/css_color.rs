//! Parsing of CSS colours as in browsers: CSS Color 4, and `color-mix()`, relative colours and `light-dark()` of level
//! 5.
//!
//! In: the text of a colour. Out: sRGB, straight alpha, each component clipped to `0..=1`, which is what Chromium shows
//! of colours beyond sRGB. Not in: `currentColor`, which only the caller knows, gradients and other images.
//! Imports: cssparser for tokens, `color` (through peniko) for colour spaces.

use cssparser::{ParseError, Parser, Token};
use peniko::Color;
use peniko::color::{AlphaColor, ColorSpaceTag, DynamicColor, Flags, HueDirection, Missing, Srgb};

/// Maximum length of a colour in bytes, which bounds the work on hostile input.
const MAX_BYTES: usize = 1024;

/// Maximum depth of nested functions, because `color-mix()` and `calc()` recurse.
const MAX_NESTING: u8 = 16;

/// Result of a parser: `None` for an invalid colour, or to try another interpretation.
type Read<T> = Option<T>;

/// Parses a CSS colour; `None` when browsers would reject it.
pub fn parse(text: &str) -> Option<Color> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut input = Parser::new(text);
    input.set_nested_block_limit(MAX_NESTING);
    let color = color(&mut input)?;
    input.is_exhausted().then(|| clipped(color))
}

fn clipped(color: DynamicColor) -> Color {
    let unit = |component: f32| if component.is_nan() { 0.0 } else { component.clamp(0.0, 1.0) };
    Color::new(color.to_alpha_color::<Srgb>().components.map(unit))
}

fn color(input: &mut Parser<'_>) -> Read<DynamicColor> {
    match input.next().ok()?.clone() {
        Token::Hash(digits) | Token::IDHash(digits) => {
            let (r, g, b, alpha) = cssparser::color::parse_hash_color(digits.as_bytes()).ok()?;
            let [r, g, b] = [r, g, b].map(|it| f32::from(it) / 255.0);
            Some(DynamicColor::from_alpha_color(Color::new([r, g, b, alpha])))
        }
        Token::Ident(name) => named(&name),
        Token::Function(name) => nested(input, |inside| function(&name.to_ascii_lowercase(), inside)),
        _ => None,
    }
}

/// Parses the whole content of a block with `read`.
fn nested<'i, T>(input: &mut Parser<'i>, read: impl FnOnce(&mut Parser<'i>) -> Read<T>) -> Read<T> {
    input.parse_nested_block(|inside| read(inside).ok_or_else(ParseError::<()>::unexpected_token)).ok()
}

/// Parses the next tokens with `read`, and rewinds when it fails.
fn attempt<'i, T>(input: &mut Parser<'i>, read: impl FnOnce(&mut Parser<'i>) -> Read<T>) -> Read<T> {
    input.try_parse(|it| read(it).ok_or(())).ok()
}

fn named(name: &str) -> Read<DynamicColor> {
    if name.eq_ignore_ascii_case("transparent") {
        return Some(DynamicColor::from_alpha_color(Color::TRANSPARENT));
    }
    let rgb = cssparser::color::parse_named_color(name).ok();
    let color = rgb.map(|(r, g, b)| Color::from_rgb8(r, g, b)).or_else(|| system_color(name))?;
    Some(DynamicColor::from_alpha_color(color))
}

/// System colours of Chromium 156 in a light scheme, including those that CSS Color 4 deprecates.
fn system_color(name: &str) -> Option<Color> {
    const COLORS: [(&str, [u8; 4]); 12] = [
        ("accentcolor", [0, 117, 255, 255]),
        ("activetext", [255, 0, 0, 255]),
        ("graytext inactivecaptiontext", [128, 128, 128, 255]),
        ("highlight", [0, 65, 198, 204]),
        ("linktext", [0, 0, 238, 255]),
        ("mark", [255, 255, 0, 255]),
        ("selecteditem", [25, 103, 210, 255]),
        ("visitedtext", [85, 26, 139, 255]),
        ("buttonface buttonhighlight buttonshadow threedface", [239, 239, 239, 255]),
        ("accentcolortext highlighttext selecteditemtext", [255, 255, 255, 255]),
        (
            "activecaption appworkspace background canvas field inactivecaption infobackground menu scrollbar window",
            [255, 255, 255, 255],
        ),
        (
            "activeborder buttonborder buttontext canvastext captiontext fieldtext inactiveborder infotext marktext \
             menutext threeddarkshadow threedhighlight threedlightshadow threedshadow windowframe windowtext",
            [0, 0, 0, 255],
        ),
    ];
    let of_name = |names: &str| names.split(' ').any(|it| it.eq_ignore_ascii_case(name));
    COLORS.iter().find(|(names, _)| of_name(names)).map(|(_, [r, g, b, a])| Color::from_rgba8(*r, *g, *b, *a))
}

fn function(name: &str, input: &mut Parser<'_>) -> Read<DynamicColor> {
    match name {
        "color-mix" => return color_mix(input),
        "light-dark" => {
            let light = color(input)?;
            input.expect_comma().ok()?;
            color(input)?;
            return Some(light);
        }
        _ => {}
    }
    let origin = attempt(input, |it| {
        it.expect_ident_matching("from").ok()?;
        color(it)
    });
    let mut model = Model::of(name)?;
    let mut linear_p3 = false;
    if name == "color" {
        let space = input.expect_ident().ok()?.to_ascii_lowercase();
        linear_p3 = space == "display-p3-linear";
        model.space = rgb_space(&space)?;
        if matches!(model.space, ColorSpaceTag::XyzD50 | ColorSpaceTag::XyzD65) {
            model.channels = [Channel::unit("x"), Channel::unit("y"), Channel::unit("z")];
        }
    }
    let read = components(input, &model, origin)?;
    let mut missing = Missing::default();
    for (at, component) in read.iter().enumerate() {
        if component.is_none() {
            missing.insert(at);
        }
    }
    let mut components = read.map(|it| it.unwrap_or(0.0) as f32);
    if linear_p3 {
        let encoded = AlphaColor::<peniko::color::LinearSrgb>::new(components).convert::<Srgb>();
        components = encoded.components;
    }
    let mut flags = Flags::default();
    flags.set_missing(missing);
    Some(DynamicColor { cs: model.space, flags, components })
}

/// Colour spaces of `color()`; `display-p3-linear` is encoded to Display P3.
fn rgb_space(name: &str) -> Read<ColorSpaceTag> {
    Some(match name {
        "srgb" => ColorSpaceTag::Srgb,
        "srgb-linear" => ColorSpaceTag::LinearSrgb,
        "display-p3" | "display-p3-linear" => ColorSpaceTag::DisplayP3,
        "a98-rgb" => ColorSpaceTag::A98Rgb,
        "prophoto-rgb" => ColorSpaceTag::ProphotoRgb,
        "rec2020" => ColorSpaceTag::Rec2020,
        "xyz" | "xyz-d65" => ColorSpaceTag::XyzD65,
        "xyz-d50" => ColorSpaceTag::XyzD50,
        _ => return None,
    })
}

/// The syntax of a colour function.
struct Model {
    space: ColorSpaceTag,
    channels: [Channel; 3],
    /// Components may be separated by commas, as in CSS Color 3.
    legacy: bool,
}

/// One component of a function.
#[derive(Clone, Copy)]
struct Channel {
    /// The component's name in relative colours.
    name: &'static str,
    /// Factor from the written unit to the unit of the colour space.
    scale: f64,
    /// The number for 100%; 0 for a hue, which has no percentages.
    full: f64,
    min: f64,
    max: f64,
}

impl Channel {
    const fn new(name: &'static str, full: f64, min: f64, max: f64) -> Self {
        Self { name, scale: 1.0, full, min, max }
    }

    const fn unit(name: &'static str) -> Self {
        Self::new(name, 1.0, f64::MIN, f64::MAX)
    }

    const fn hue() -> Self {
        Self::new("h", 0.0, f64::MIN, f64::MAX)
    }
}

impl Model {
    fn of(function: &str) -> Option<Self> {
        let byte = |name| Channel { scale: 1.0 / 255.0, ..Channel::new(name, 255.0, 0.0, 255.0) };
        let percent = |name| Channel::new(name, 100.0, 0.0, 100.0);
        let both = |name, full| Channel::new(name, full, f64::MIN, f64::MAX);
        let chroma = |full| Channel::new("c", full, 0.0, f64::MAX);
        let lightness = |full| Channel::new("l", full, 0.0, full);
        let (space, channels, legacy) = match function {
            "rgb" | "rgba" => (ColorSpaceTag::Srgb, [byte("r"), byte("g"), byte("b")], true),
            "hsl" | "hsla" => (ColorSpaceTag::Hsl, [Channel::hue(), percent("s"), percent("l")], true),
            "hwb" => (ColorSpaceTag::Hwb, [Channel::hue(), percent("w"), percent("b")], false),
            "lab" => (ColorSpaceTag::Lab, [lightness(100.0), both("a", 125.0), both("b", 125.0)], false),
            "lch" => (ColorSpaceTag::Lch, [lightness(100.0), chroma(150.0), Channel::hue()], false),
            "oklab" => (ColorSpaceTag::Oklab, [lightness(1.0), both("a", 0.4), both("b", 0.4)], false),
            "oklch" => (ColorSpaceTag::Oklch, [lightness(1.0), chroma(0.4), Channel::hue()], false),
            "color" => (ColorSpaceTag::Srgb, ["r", "g", "b"].map(Channel::unit), false),
            _ => return None,
        };
        Some(Self { space, channels, legacy })
    }
}

const ALPHA: Channel = Channel::new("alpha", 1.0, 0.0, 1.0);

/// A value of a component, before conversion to the channel's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Value {
    number: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    Number,
    Percent,
    Degrees,
}

/// Names that components of a relative colour may use, with their values.
type Names<'a> = &'a [(&'static str, f64)];

/// Parses three components and alpha, in units of the colour space; `None` inside for `none`.
fn components(input: &mut Parser<'_>, model: &Model, origin: Option<DynamicColor>) -> Read<[Option<f64>; 4]> {
    let [one, two, three] = model.channels;
    let mut names = Vec::new();
    let mut alpha = Some(1.0);
    if let Some(origin) = origin {
        let converted = origin.convert(model.space).components.map(f64::from);
        let written = |at: usize, channel: Channel| (channel.name, converted[at] / channel.scale);
        names.extend([written(0, one), written(1, two), written(2, three), ("alpha", converted[3])]);
        alpha = Some(converted[3]);
    }
    let first = component(input, &names)?;
    let legacy = origin.is_none() && model.legacy && input.try_parse(Parser::expect_comma).is_ok();
    let second = component(input, &names)?;
    if legacy {
        input.expect_comma().ok()?;
    }
    let third = component(input, &names)?;
    if legacy && !is_legacy(model, [first, second, third]) {
        return None;
    }
    let separated = match legacy {
        true => input.try_parse(Parser::expect_comma).is_ok(),
        false => input.try_parse(|it| it.expect_delim('/')).is_ok(),
    };
    if separated {
        alpha = in_units(component(input, &names)?, ALPHA, true)?;
    }
    // A relative colour keeps components beyond the range of its function.
    let clamps = origin.is_none();
    Some([in_units(first, one, clamps)?, in_units(second, two, clamps)?, in_units(third, three, clamps)?, alpha])
}

/// True if components are valid in the syntax with commas, which does not mix numbers with percentages; `hsl()` needs
/// percentages.
fn is_legacy(model: &Model, components: [Option<Value>; 3]) -> bool {
    let units = components.map(|it| it.map(|value| value.unit));
    match model.space {
        ColorSpaceTag::Hsl => units[1..] == [Some(Unit::Percent); 2] && units[0].is_some(),
        _ => units == [Some(Unit::Number); 3] || units == [Some(Unit::Percent); 3],
    }
}

fn in_units(value: Option<Value>, channel: Channel, clamps: bool) -> Read<Option<f64>> {
    let Some(Value { number, unit }) = value else { return Some(None) };
    let number = match unit {
        Unit::Number => number,
        Unit::Percent if channel.full > 0.0 => number / 100.0 * channel.full,
        Unit::Degrees if channel.full == 0.0 => number,
        _ => return None,
    };
    let number = if number.is_nan() { 0.0 } else { number };
    let number = if clamps { number.clamp(channel.min, channel.max) } else { number };
    Some(Some(number * channel.scale))
}

/// Parses a component; `None` inside for `none`.
fn component(input: &mut Parser<'_>, names: Names<'_>) -> Read<Option<Value>> {
    if attempt(input, |it| it.expect_ident_matching("none").ok()).is_some() {
        return Some(None);
    }
    value(input, names).map(Some)
}

/// Parses a number, percentage, angle, name or math function.
fn value(input: &mut Parser<'_>, names: Names<'_>) -> Read<Value> {
    let of = |number, unit| Some(Value { number, unit });
    match input.next().ok()?.clone() {
        Token::Number { value, .. } => of(f64::from(value), Unit::Number),
        Token::Percentage { unit_value, .. } => of(f64::from(unit_value) * 100.0, Unit::Percent),
        Token::Dimension { value, unit, .. } => {
            let degrees = match unit.to_ascii_lowercase().as_str() {
                "deg" => 1.0,
                "grad" => 0.9,
                "rad" => 1_f64.to_degrees(),
                "turn" => 360.0,
                _ => return None,
            };
            of(f64::from(value) * degrees, Unit::Degrees)
        }
        Token::Ident(name) => {
            let known = names.iter().find(|(it, _)| it.eq_ignore_ascii_case(&name));
            let constant = || match name.to_ascii_lowercase().as_str() {
                "pi" => Some(std::f64::consts::PI),
                "e" => Some(std::f64::consts::E),
                "infinity" => Some(f64::INFINITY),
                _ => None,
            };
            of(known.map(|(_, number)| *number).or_else(constant)?, Unit::Number)
        }
        Token::Function(name) => {
            let name = name.to_ascii_lowercase();
            nested(input, |inside| match name.as_str() {
                "calc" => sum(inside, names),
                "min" | "max" | "clamp" => {
                    let mut values = vec![sum(inside, names)?];
                    while inside.try_parse(Parser::expect_comma).is_ok() {
                        values.push(sum(inside, names)?);
                    }
                    bounded(&name, &values)
                }
                _ => None,
            })
        }
        _ => None,
    }
}

fn bounded(name: &str, values: &[Value]) -> Read<Value> {
    let unit = values.first()?.unit;
    if values.iter().any(|it| it.unit != unit) {
        return None;
    }
    let numbers = values.iter().map(|it| it.number);
    let number = match (name, values) {
        ("min", _) => numbers.fold(f64::INFINITY, f64::min),
        ("max", _) => numbers.fold(f64::NEG_INFINITY, f64::max),
        ("clamp", [low, middle, high]) => middle.number.min(high.number).max(low.number),
        _ => return None,
    };
    Some(Value { number, unit })
}

fn sum(input: &mut Parser<'_>, names: Names<'_>) -> Read<Value> {
    let mut total = product(input, names)?;
    loop {
        let sign = if input.try_parse(|it| it.expect_delim('+')).is_ok() {
            1.0
        } else if input.try_parse(|it| it.expect_delim('-')).is_ok() {
            -1.0
        } else {
            return Some(total);
        };
        let next = product(input, names)?;
        if next.unit != total.unit {
            return None;
        }
        total.number += sign * next.number;
    }
}

fn product(input: &mut Parser<'_>, names: Names<'_>) -> Read<Value> {
    let mut total = factor(input, names)?;
    loop {
        if input.try_parse(|it| it.expect_delim('*')).is_ok() {
            let next = factor(input, names)?;
            let unit = match (total.unit, next.unit) {
                (Unit::Number, unit) | (unit, Unit::Number) => unit,
                _ => return None,
            };
            total = Value { number: total.number * next.number, unit };
        } else if input.try_parse(|it| it.expect_delim('/')).is_ok() {
            let next = factor(input, names)?;
            if next.unit != Unit::Number {
                return None;
            }
            total.number /= next.number;
        } else {
            return Some(total);
        }
    }
}

fn factor(input: &mut Parser<'_>, names: Names<'_>) -> Read<Value> {
    if input.try_parse(Parser::expect_parenthesis_block).is_ok() {
        return nested(input, |inside| sum(inside, names));
    }
    value(input, names)
}

/// Parses the arguments of `color-mix()`, such as `in oklch longer hue, red 30%, blue`.
fn color_mix(input: &mut Parser<'_>) -> Read<DynamicColor> {
    let (mut space, mut direction) = (ColorSpaceTag::Oklab, HueDirection::Shorter);
    if input.try_parse(|it| it.expect_ident_matching("in")).is_ok() {
        let name = input.expect_ident().ok()?.to_ascii_lowercase();
        space = match name.as_str() {
            "hsl" => ColorSpaceTag::Hsl,
            "hwb" => ColorSpaceTag::Hwb,
            "lab" => ColorSpaceTag::Lab,
            "lch" => ColorSpaceTag::Lch,
            "oklab" => ColorSpaceTag::Oklab,
            "oklch" => ColorSpaceTag::Oklch,
            name => rgb_space(name)?,
        };
        let written = attempt(input, |it| {
            let direction = match it.expect_ident().ok()?.to_ascii_lowercase().as_str() {
                "shorter" => HueDirection::Shorter,
                "longer" => HueDirection::Longer,
                "increasing" => HueDirection::Increasing,
                "decreasing" => HueDirection::Decreasing,
                _ => return None,
            };
            it.expect_ident_matching("hue").ok()?;
            Some(direction)
        });
        direction = written.unwrap_or(direction);
        input.expect_comma().ok()?;
    }
    let (first, share) = mixed(input)?;
    input.expect_comma().ok()?;
    let (second, other) = mixed(input)?;
    let (share, other) = match (share, other) {
        (Some(share), Some(other)) => (share, other),
        (Some(share), None) => (share, 1.0 - share),
        (None, Some(other)) => (1.0 - other, other),
        (None, None) => (0.5, 0.5),
    };
    let total = share + other;
    // Shares that sum to 0 count as equal, and the result is transparent.
    let at = if total > 0.0 { other / total } else { 0.5 };
    let color = first.interpolate(second, space, direction).eval(at);
    Some(color.multiply_alpha(total.min(1.0)))
}

/// Parses a colour and its share of a mix, `0..=1`, in either order.
fn mixed(input: &mut Parser<'_>) -> Read<(DynamicColor, Option<f32>)> {
    fn share(input: &mut Parser<'_>) -> Read<f32> {
        attempt(input, |it| it.expect_percentage().ok())
    }
    let before = share(input);
    let color = color(input)?;
    let share = before.or_else(|| share(input));
    share.is_none_or(|it| (0.0..=1.0).contains(&it)).then_some((color, share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgba(text: &str) -> Option<[u8; 4]> {
        parse(text).map(|color| color.to_rgba8().to_u8_array())
    }

    /// Pixels of a canvas filled with each colour by Chromium 156.
    #[test]
    fn css_color_is_what_chromium_shows() {
        for (text, expected) in [
            ("oklch(0.7 0.15 140)", [104, 180, 87, 255]),
            ("rgb(255 0 0 / 50%)", [255, 0, 0, 128]),
            ("color-mix(in srgb, red, blue)", [128, 0, 128, 255]),
            ("lab(50% 40 59)", [191, 87, 2, 255]),
            ("color(display-p3 0 1 0)", [0, 255, 0, 255]),
            ("color(display-p3-linear .5 .5 0)", [187, 188, 0, 255]),
            ("hwb(194 0% 0%)", [0, 195, 255, 255]),
            ("hsl(200 80% 40%)", [20, 129, 184, 255]),
            ("oklab(40.1% 0.1143 0.045)", [125, 36, 41, 255]),
            ("lch(52.2% 72.2 50)", [205, 86, 26, 255]),
            ("oklch(60% 0.4 30deg)", [255, 0, 0, 255]),
            ("rgb(calc(0/0) 0 0)", [0, 0, 0, 255]),
            ("rgb(calc(255*0.5) 0 0)", [128, 0, 0, 255]),
            ("rgb(calc(50%) 0 0)", [128, 0, 0, 255]),
            ("rgb(min(300,100) 0 0)", [100, 0, 0, 255]),
            ("rgb(100% 0 50%)", [255, 0, 128, 255]),
            ("rgb(1,2,3,4)", [1, 2, 3, 255]),
            ("rgb(1e2 0 0)", [100, 0, 0, 255]),
            ("rgb(+10 -5 0)", [10, 0, 0, 255]),
            ("rgb(1.6 2.4 3.5)", [2, 2, 4, 255]),
            ("rgb(none 128 0)", [0, 128, 0, 255]),
            ("rgb(1/**/2 3)", [1, 2, 3, 255]),
            ("hsl(120deg 100 50)", [0, 255, 0, 255]),
            ("hsl(.5turn 100% 50%)", [0, 255, 255, 255]),
            ("hsl(120rad 100% 50%)", [255, 151, 0, 255]),
            ("hsl(400grad 100% 50%)", [255, 0, 0, 255]),
            ("hsl(120,100%,50%,50%)", [0, 255, 0, 128]),
            ("hwb(90 80% 80%)", [128, 128, 128, 255]),
            ("color-mix(in oklch, red, blue)", [186, 0, 194, 255]),
            ("color-mix(in oklch longer hue, red, blue)", [0, 147, 0, 255]),
            ("color-mix(in lch decreasing hue, red, blue)", [245, 0, 134, 255]),
            ("color-mix(in srgb, red 30%, blue)", [77, 0, 179, 255]),
            ("color-mix(in srgb, 30% red, blue)", [77, 0, 179, 255]),
            ("color-mix(in srgb, red 30%, blue 30%)", [128, 0, 128, 153]),
            ("color-mix(in hsl, red, lime)", [255, 255, 0, 255]),
            ("color-mix(in xyz, red, lime 10%)", [243, 89, 0, 255]),
            ("color-mix(in srgb-linear, red, lime)", [188, 188, 0, 255]),
            ("color-mix(red, blue)", [140, 83, 162, 255]),
            ("color-mix(in oklab, rgb(255 0 0/.2), blue)", [58, 62, 225, 153]),
            ("color-mix(in srgb, red, color-mix(in srgb, blue, lime))", [128, 64, 64, 255]),
            ("rgb(from red r g b / 50%)", [255, 0, 0, 128]),
            ("rgb(from #123456 calc(r*2) g b)", [36, 52, 86, 255]),
            ("oklch(from red l c calc(h + 180))", [0, 169, 219, 255]),
            ("hsl(from red calc(h + 120) s l)", [0, 255, 0, 255]),
            ("color(from red display-p3 r g b)", [255, 0, 0, 255]),
            ("color(srgb 1 0.5 0 / 0.5)", [255, 128, 0, 128]),
            ("color(prophoto-rgb 0.5 0.5 0.5)", [146, 146, 146, 255]),
            ("color(xyz-d50 0.3 0.3 0.3)", [151, 147, 165, 255]),
            ("lch(50 30 none)", [166, 98, 120, 255]),
            ("#12345678", [18, 52, 86, 120]),
            ("RebeccaPurple", [102, 51, 153, 255]),
            ("light-dark(red, blue)", [255, 0, 0, 255]),
            ("LinkText", [0, 0, 238, 255]),
            ("Highlight", [0, 65, 198, 204]),
            ("WindowText", [0, 0, 0, 255]),
        ] {
            // Chromium's conversion may differ by one level of 255.
            let found = rgba(text).unwrap_or_else(|| panic!("{text} is a colour"));
            assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 1), "{text}: {found:?}, not {expected:?}");
        }
    }

    /// Strings that Chromium 156 rejects as colours.
    #[test]
    fn css_color_refuses_what_chromium_refuses() {
        let deep = format!("rgb({}1{} 2 3)", "calc(".repeat(200), ")".repeat(200));
        let mixes = "color-mix(in srgb, red,".repeat(40);
        for text in [
            "",
            "none",
            "currentColor",
            "red blue",
            "#ff",
            "#abcde",
            "rgb(1,2)",
            "rgb(1 2 3 4)",
            "rgb(1 2 3, 0.5)",
            "rgb(1,2,3 / .5)",
            "rgb(1 2, 3)",
            "rgb(100%, 0, 50%)",
            "rgb(calc(1 + 1%) 2 3)",
            "rgb(5deg 2 3)",
            "rgb (1,2,3)",
            "hsl(120,100,50)",
            "hsv(1,1%,1%)",
            "hwb(90, 10%, 10%)",
            "color(display-p3 50% 50%)",
            "color-mix(in srgb, red)",
            "color-mix(in hwb, red 120%, blue)",
            "color-mix(in srgb, red 50%, white, blue)",
            "device-cmyk(0 1 1 0)",
            &deep,
            &mixes,
        ] {
            assert_eq!(rgba(text), None, "{text}");
        }
    }

    #[test]
    fn css_color_components_stay_in_range() {
        for text in ["color(srgb 1e30 -1e30 0)", "lab(1e38 1e38 1e38)", "oklch(.5 1e38 1e38)", "hsl(1e38 1e38 1e38)"] {
            let components = parse(text).expect("a colour").components;
            assert!(components.iter().all(|it| (0.0..=1.0).contains(it)), "{text}: {components:?}");
        }
    }
}
