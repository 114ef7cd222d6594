//! CSS colours as the format's strings hold them (design-format.md §3.1).

use peniko::Color;

/// Longer strings are not colours. Bounds the work on hostile input: the parser recurses into `calc()` and `from`.
const MAX_CHARS: usize = 128;

/// A CSS colour: names, `#rgb[a]`, `#rrggbb[aa]`, `rgb[a]()`, `hsl[a]()` and newer functions, `transparent`.
/// `None` for everything else. Components are in `0..=1`, alpha is straight.
pub fn parse(text: &str) -> Option<Color> {
    let text = text.trim();
    // The parser takes hex digits without `#`, and hsv(), as no browser does.
    let bare_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hsv = text.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("hsv"));
    if text.len() > MAX_CHARS || bare_hex || hsv {
        return None;
    }
    let color = csscolorparser::parse(text).ok()?;
    let unit = |component: f32| if component.is_nan() { 0.0 } else { component.clamp(0.0, 1.0) };
    Some(Color::new([color.r, color.g, color.b, color.a].map(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgba(text: &str) -> Option<[u8; 4]> {
        parse(text).map(|color| color.to_rgba8().to_u8_array())
    }

    #[test]
    fn color_forms_of_the_format() {
        for (text, expected) in [
            ("white", [255, 255, 255, 255]),
            ("DarkSlateBlue", [72, 61, 139, 255]),
            ("#f00", [255, 0, 0, 255]),
            ("#f008", [255, 0, 0, 136]),
            ("#7ED321", [126, 211, 33, 255]),
            ("#ffffffaa", [255, 255, 255, 170]),
            ("rgb(0, 161, 255)", [0, 161, 255, 255]),
            ("rgb(0 161 255 / 50%)", [0, 161, 255, 128]),
            ("rgba(255,0,0,0.5)", [255, 0, 0, 128]),
            (" RGBA(98, 197, 255, 1) ", [98, 197, 255, 255]),
            ("rgb(300,-5,0)", [255, 0, 0, 255]),
            ("hsl(120, 100%, 50%)", [0, 255, 0, 255]),
            ("hsla(120,100%,50%,.5)", [0, 255, 0, 128]),
            ("hwb(120 0% 20%)", [0, 204, 0, 255]),
            ("transparent", [0, 0, 0, 0]),
        ] {
            assert_eq!(rgba(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn color_refuses_the_rest() {
        let long = format!("rgb({}1,2,3)", " ".repeat(200));
        let deep = format!("rgb({}1{},2,3)", "calc(".repeat(10_000), ")".repeat(10_000));
        for text in [
            "",
            "  ",
            "notacolor",
            "abc",
            "ff0000",
            "#ff",
            "#ggg",
            "rgb(",
            "rgb(1,2)",
            "hsv(1, 1%, 1%)",
            "url(#a)",
            "é(é)",
            "http://a/b.png",
            &long,
            &deep,
        ] {
            assert_eq!(rgba(text), None, "{text}");
        }
    }

    #[test]
    fn color_components_stay_in_range() {
        for text in ["color(srgb 1e30 -1e30 0)", "rgb(calc(0/0), 0, 0)", "lab(1e38 1e38 1e38)", "oklch(.5 1e38 1e38)"] {
            let Some(color) = parse(text) else { continue };
            assert!(color.components.iter().all(|it| (0.0..=1.0).contains(it)), "{text}: {color:?}");
        }
    }
}
