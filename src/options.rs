//! Options of a render: `exportOptions` of the classic call, flat members of a job (http-api.md §4).
//!
//! In: one struct with the documented defaults, and its reader, which reports all problems at once. Not in: which
//! formats exist, what an option does to a page, options of other vendors without effect. Imports: `config`, `json`,
//! `report`, `units`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::config::EditorVersion;
use crate::json::{Problems, Reader, describe};
use crate::report::{JsonPath, truncated};
use crate::units::DeviceScale;

/// The options of one render. `Default` corresponds to an empty object.
///
/// The following options are accepted without effect, because the editor's current engine ignores them too:
/// `htmlTextRenderEnabled`, `richTextEnabled`, `legacyRichTextEnabled`, `quickMode`, `unit`, `outputFormat`. Like every
/// unknown option, they are not read.
#[derive(Clone, Debug, PartialEq)]
pub struct RenderOptions {
    /// `format` — name of a file format, not yet validated.
    pub format: Option<String>,
    /// `mimeType` — media type, not yet validated; ignored if there is a `format`.
    pub mime_type: Option<String>,
    /// `pixelRatio` — device px per design px. Default 1.
    pub pixel_ratio: DeviceScale,
    /// `ignoreBackground` — leave out the page background. Default false.
    pub ignore_background: bool,
    /// `includeBleed` — render the page with its bleed. Default false.
    pub include_bleed: bool,
    /// `sdk` — editor version to draw the design like. Default: the setting `TENTER_SDK`.
    pub sdk: Option<EditorVersion>,
    /// `textOverflow` — treatment of text taller than its box. Default `change-font-size`.
    pub text_overflow: TextOverflow,
    /// `textVerticalResizeEnabled` — a text keeps its stored height and is aligned within it. Default false.
    pub text_vertical_resize: bool,
    /// `missingHeight` — the box of a text without a height. Default `fit`, as the editor draws it.
    pub missing_height: MissingHeight,
    /// `textSizing` — whether the option or the element decides how texts fit their boxes. Default: that of the editor
    /// version.
    pub text_sizing: Option<TextSizing>,
    /// `textSplitAllowed` — break words wider than the box also with [`TextSizing::Element`]. Otherwise the text
    /// shrinks, where allowed. Default false.
    pub text_split_allowed: bool,
    /// `lineBreaking` — rules for line breaks. Default `editor`.
    pub line_breaking: LineBreaking,
    /// `cssGradients` — gradient lines of backgrounds and figures have the CSS length instead of the editor's
    /// (rendering.md §7). Default false.
    pub css_gradients: bool,
    /// `skipFontError` — substitute a font that cannot be loaded. Default false.
    pub skip_font_error: bool,
    /// `skipImageError` — leave out an image that cannot be loaded. Default false.
    pub skip_image_error: bool,
    /// `skipUnknown` — leave out elements of an unknown type. Default false.
    pub skip_unknown: bool,
    /// `assetLoadTimeout` — time limit for one image, all attempts together; in ms. Default 30 000 ms.
    pub asset_load_timeout: Duration,
    /// `fontLoadTimeout` — time limit for one font, all attempts together; in ms. Default 6000 ms.
    pub font_load_timeout: Duration,
    /// `quality` — quality of lossy formats, 0 to 1. Default: the format's.
    pub quality: Option<f64>,
    /// `compression` — effort to spend on a smaller file with the same pixels. Default `fast`.
    pub compression: Compression,
    /// `pageId` — id of the one page to draw. Default: the first page.
    pub page_id: Option<String>,
    /// `pageIds` — ids of the pages of a document, drawn in design order. Default: all.
    pub page_ids: Option<Vec<String>>,
    /// `dpi` — design px per inch of paper. `auto` or absent: the design's.
    pub dpi: Option<f64>,
    /// `dpiMetadata` — resolution written into pictures. Default: that of `dpi`.
    pub dpi_metadata: DpiMetadata,
    /// `minImageDpi` — resolution in px per inch of paper below which a picture causes a warning; 0 turns it off.
    /// Default: the setting `TENTER_MIN_IMAGE_DPI`.
    pub min_image_dpi: Option<f64>,
    /// `cropMarkSize` — length of crop marks in design px. Default 0: none.
    pub crop_mark_size: f64,
    /// `vector` — keep shapes and text as vectors where the format can. Default false.
    pub vector: bool,
    /// `color` — colour space of the file. Default RGB, or CMYK with a print standard.
    pub color: ColorSpace,
    /// `color.blackText` — conversion of black text to CMYK. Default black ink alone.
    pub black_text: BlackText,
    /// `pdfx`, `pdfx1a` — print standard to conform to. Default none.
    pub pdf_standard: Option<PdfStandard>,
    /// `pdfa` — archive standard, not yet validated.
    pub pdf_archive: Option<String>,
    /// `title` — title of a document. Default: the design's `custom.name`.
    pub title: Option<String>,
    /// `creationDate` — creation date of a document. Default: now.
    pub creation_date: Option<Timestamp>,
    /// `reproducible` — the same input gives the same bytes: without `creationDate`, documents are dated 1970. Default
    /// false.
    pub reproducible: bool,
    /// `fps` — frames per second of animated formats. Default: the format's.
    pub fps: Option<f64>,
    /// `variables` — values for the placeholders of the design. If absent, placeholders have no meaning.
    pub variables: Option<Variables>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            format: None,
            mime_type: None,
            pixel_ratio: DeviceScale::ONE,
            ignore_background: false,
            include_bleed: false,
            sdk: None,
            text_overflow: TextOverflow::default(),
            text_vertical_resize: false,
            missing_height: MissingHeight::default(),
            text_sizing: None,
            text_split_allowed: false,
            line_breaking: LineBreaking::default(),
            css_gradients: false,
            skip_font_error: false,
            skip_image_error: false,
            skip_unknown: false,
            asset_load_timeout: Duration::from_secs(30),
            font_load_timeout: Duration::from_secs(6),
            quality: None,
            compression: Compression::default(),
            page_id: None,
            page_ids: None,
            dpi: None,
            dpi_metadata: DpiMetadata::default(),
            min_image_dpi: None,
            crop_mark_size: 0.0,
            vector: false,
            color: ColorSpace::default(),
            black_text: BlackText::default(),
            pdf_standard: None,
            pdf_archive: None,
            title: None,
            creation_date: None,
            reproducible: false,
            fps: None,
            variables: None,
        }
    }
}

/// Values of the service for options that a caller leaves out.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionDefaults {
    /// Editor version to draw designs like (`TENTER_SDK`).
    pub sdk: EditorVersion,
    /// Resolution in px per inch of paper below which a picture causes a warning; 0 turns it off
    /// (`TENTER_MIN_IMAGE_DPI`).
    pub min_image_dpi: f64,
}

impl OptionDefaults {
    /// The editor version that `options` name, or that of the service.
    pub fn sdk(&self, options: &RenderOptions) -> EditorVersion {
        options.sdk.unwrap_or(self.sdk)
    }

    /// The minimum resolution that `options` set, or that of the service.
    pub fn min_image_dpi(&self, options: &RenderOptions) -> f64 {
        options.min_image_dpi.unwrap_or(self.min_image_dpi)
    }
}

/// Treatment of text that is taller than its box (rendering.md §9.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextOverflow {
    /// `change-font-size` — the font shrinks by half pixels until it fits.
    #[default]
    ChangeFontSize,
    /// `resize` — the box grows.
    Resize,
    /// `ellipsis` — lines that do not fit are cut, with `…`.
    Ellipsis,
}

/// The box of a text whose `height` is absent or below 1 px (rendering.md §9.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingHeight {
    /// `fit` — as in the editor: an absent height is one line, and [`TextOverflow`] fits the text into it; with a
    /// height of 0 nothing is visible.
    #[default]
    Fit,
    /// `auto` — for designs written by hand: the box is as tall as its text, as with [`TextOverflow::Resize`].
    Auto,
}

/// Whether the option or the element decides how texts fit their boxes (rendering.md §9.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TextSizing {
    /// `editor` — only the option [`TextOverflow`] applies, as in the editor up to SDK 4.15.
    Editor,
    /// `element` — as in the editor from SDK 4.16 on: `textOverflow`, `maxLines`, `minFontSize` and `maxFontSize` of a
    /// text element apply, and words are broken only where `textSplitAllowed` is set.
    Element,
}

/// Rules for line breaks (rendering.md §9.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LineBreaking {
    /// `editor` — at spaces and hyphens, and between any two Chinese or Japanese characters.
    #[default]
    Editor,
    /// `unicode` — after UAX #14: no closing mark at the start of a line and no opening one at its end, and Thai, Lao,
    /// Khmer and Burmese words by dictionary.
    Unicode,
}

/// Effort to spend on a smaller file with the same pixels; times and sizes are in docs/http-api.md.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// `fast` — for maximum throughput.
    #[default]
    Fast,
    /// `balanced` — several times slower, for files that are downloaded often.
    Balanced,
    /// `small` — smallest files, without regard to time.
    Small,
}

impl Compression {
    /// All levels, fastest first.
    pub const ALL: [Self; 3] = [Self::Fast, Self::Balanced, Self::Small];
    const NAMES: &[(&str, Self)] = &[("fast", Self::Fast), ("balanced", Self::Balanced), ("small", Self::Small)];

    /// Name of the level in options.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Small => "small",
        }
    }
}

/// Resolution in px per inch that pictures carry, for programs that place or print them. Pixels do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub enum DpiMetadata {
    /// That of the design: px per inch of paper times the pixel ratio.
    #[default]
    Design,
    /// This number, greater than 0.
    Number(f64),
    /// None.
    Off,
}

/// Colour space of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ColorSpace {
    /// The colour space sRGB.
    #[default]
    Rgb,
    /// CMYK for a printing condition.
    Cmyk(CmykProfile),
}

/// Printing conditions that a caller can select.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum CmykProfile {
    /// `FOGRA39` — coated paper, Europe.
    #[default]
    #[serde(rename = "FOGRA39")]
    Fogra39,
    /// `USWebCoatedSWOP` — web offset, North America.
    #[serde(rename = "USWebCoatedSWOP")]
    UsWebCoatedSwop,
}

/// Conversion of black text to CMYK. Applies only where text stays vector text, not in pictures of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum BlackText {
    /// `k` — text of exactly `#000000` gets full black ink and no other, so that misregistered plates cannot blur it.
    #[default]
    #[serde(rename = "k")]
    BlackInk,
    /// `profile` — the profile's conversion: four inks, darker.
    #[serde(rename = "profile")]
    Profile,
}

/// Subsets of PDF for print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PdfStandard {
    /// `pdfx: "x-4"` — PDF/X-4.
    #[serde(rename = "x-4")]
    X4,
    /// `pdfx: "x-1a"`, `pdfx1a: true` — PDF/X-1a; the flag overrides `pdfx` as the stricter standard.
    #[serde(rename = "x-1a")]
    X1a,
}

/// Values for the placeholders of a design, by name (design-format.md §7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Reads an object of strings, numbers, `true` and `false` with the path `at`; null counts as absent. Adds a
    /// problem and returns `None` when it is not an object; entries of other types are problems and left out.
    pub fn read(value: &Value, at: JsonPath, problems: &mut Problems) -> Option<Self> {
        let mut json = Reader::new(value, at, problems)?;
        let mut values = BTreeMap::new();
        for (name, value) in json.members() {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    json.problem(
                        &truncated(name),
                        format!("found {}; accepted: a string, a number, true, false", describe(value)),
                    );
                    continue;
                }
            };
            values.insert(name.to_owned(), text);
        }
        Some(Self(values))
    }

    /// Name and value of the variable called `name`.
    pub fn get(&self, name: &str) -> Option<(&str, &str)> {
        self.0.get_key_value(name).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Maximum of the timeouts, one day: longer ones are reduced to it, as clocks overflow and no request lives that long.
const MAX_TIMEOUT_MS: f64 = 86_400_000.0;

impl RenderOptions {
    /// Reads the object `value` with the path `at`. Invalid values are added to `problems` and count as absent; numbers
    /// may be strings; null counts as absent, also for the whole object.
    pub fn read(value: &Value, at: JsonPath, problems: &mut Problems) -> Self {
        let defaults = Self::default();
        if value.is_null() {
            return defaults;
        }
        let Some(mut json) = Reader::new(value, at, problems) else { return defaults };
        let json = &mut json;
        let pdf_standard = pdf_standard(json);
        let (color, black_text) = color(json, pdf_standard);
        Self {
            format: json.string("format").map(Cow::into_owned),
            mime_type: json.string("mimeType").map(Cow::into_owned),
            pixel_ratio: pixel_ratio(json).unwrap_or(defaults.pixel_ratio),
            ignore_background: json.flag_or("ignoreBackground", false),
            include_bleed: json.flag_or("includeBleed", false),
            sdk: sdk(json),
            text_overflow: json.one_of("textOverflow", TEXT_OVERFLOW).unwrap_or_default(),
            text_vertical_resize: json.flag_or("textVerticalResizeEnabled", false),
            missing_height: json.one_of("missingHeight", MISSING_HEIGHT).unwrap_or_default(),
            text_sizing: json.one_of("textSizing", TEXT_SIZING),
            text_split_allowed: json.flag_or("textSplitAllowed", false),
            line_breaking: json.one_of("lineBreaking", LINE_BREAKING).unwrap_or_default(),
            css_gradients: json.flag_or("cssGradients", false),
            skip_font_error: json.flag_or("skipFontError", false),
            skip_image_error: json.flag_or("skipImageError", false),
            skip_unknown: json.flag_or("skipUnknown", false),
            asset_load_timeout: timeout(json, "assetLoadTimeout").unwrap_or(defaults.asset_load_timeout),
            font_load_timeout: timeout(json, "fontLoadTimeout").unwrap_or(defaults.font_load_timeout),
            quality: checked(json, "quality", "a number from 0 to 1", |it| (0.0..=1.0).contains(&it)),
            compression: json.one_of("compression", Compression::NAMES).unwrap_or_default(),
            page_id: json.string("pageId").map(Cow::into_owned),
            page_ids: json.strings("pageIds"),
            dpi: dpi(json),
            dpi_metadata: dpi_metadata(json),
            min_image_dpi: checked(json, "minImageDpi", "a number of at least 0", |it| it >= 0.0),
            crop_mark_size: checked(json, "cropMarkSize", "a number of at least 0", |it| it >= 0.0).unwrap_or_default(),
            vector: json.flag_or("vector", false),
            color,
            black_text,
            pdf_standard,
            pdf_archive: json.string("pdfa").map(Cow::into_owned),
            title: json.string("title").map(Cow::into_owned),
            creation_date: creation_date(json),
            reproducible: json.flag_or("reproducible", false),
            fps: checked(json, "fps", "a number greater than 0", |it| it > 0.0),
            variables: variables(json),
        }
    }
}

const TEXT_OVERFLOW: &[(&str, TextOverflow)] = &[
    ("change-font-size", TextOverflow::ChangeFontSize),
    ("resize", TextOverflow::Resize),
    ("ellipsis", TextOverflow::Ellipsis),
];

const MISSING_HEIGHT: &[(&str, MissingHeight)] = &[("fit", MissingHeight::Fit), ("auto", MissingHeight::Auto)];

const TEXT_SIZING: &[(&str, TextSizing)] = &[("editor", TextSizing::Editor), ("element", TextSizing::Element)];

const LINE_BREAKING: &[(&str, LineBreaking)] = &[("editor", LineBreaking::Editor), ("unicode", LineBreaking::Unicode)];

/// Reads the name of an editor version.
fn sdk(json: &mut Reader<'_>) -> Option<EditorVersion> {
    let versions = EditorVersion::RELEASES.map(|name| (name, EditorVersion::named(name)));
    json.one_of("sdk", &versions).flatten()
}

/// Reads a number that satisfies `accept`; any other is a problem.
fn checked(json: &mut Reader<'_>, key: &str, accepted: &str, accept: impl Fn(f64) -> bool) -> Option<f64> {
    let number = json.number(key)?;
    if accept(number) {
        return Some(number);
    }
    json.problem(key, format!("found the number {number}; accepted: {accepted}"));
    None
}

fn pixel_ratio(json: &mut Reader<'_>) -> Option<DeviceScale> {
    checked(json, "pixelRatio", "a number greater than 0", |it| DeviceScale::new(it).is_some())
        .and_then(DeviceScale::new)
}

fn timeout(json: &mut Reader<'_>, key: &str) -> Option<Duration> {
    let ms = checked(json, key, "a number of milliseconds of at least 0", |it| it >= 0.0)?;
    Some(Duration::from_secs_f64(ms.min(MAX_TIMEOUT_MS) / 1000.0))
}

fn dpi(json: &mut Reader<'_>) -> Option<f64> {
    if json.get("dpi").and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case("auto")) {
        return None;
    }
    checked(json, "dpi", "a number greater than 0, or \"auto\"", |it| it > 0.0)
}

/// Reads a number of px per inch, or whether there is one.
fn dpi_metadata(json: &mut Reader<'_>) -> DpiMetadata {
    const KEY: &str = "dpiMetadata";
    match json.get(KEY) {
        Some(Value::Bool(true)) => DpiMetadata::Design,
        Some(Value::Bool(false)) => DpiMetadata::Off,
        _ => checked(json, KEY, "a number of px per inch greater than 0, true, false", |it| it > 0.0)
            .map_or(DpiMetadata::Design, DpiMetadata::Number),
    }
}

/// Reads the colour options. A print standard, whose pages are CMYK (pdf.md §7), makes CMYK the default and RGB an
/// error.
fn color(json: &mut Reader<'_>, standard: Option<PdfStandard>) -> (ColorSpace, BlackText) {
    let default = match standard {
        Some(PdfStandard::X4 | PdfStandard::X1a) => ColorSpace::Cmyk(CmykProfile::default()),
        None => ColorSpace::Rgb,
    };
    let Some(mut color) = json.object("color") else { return (default, BlackText::default()) };
    let profile = color.one_of("profile", PROFILES);
    let black_text = color.one_of("blackText", BLACK_TEXT).unwrap_or_default();
    let space = match color.one_of("space", &[("RGB", false), ("CMYK", true)]) {
        Some(true) => ColorSpace::Cmyk(profile.unwrap_or_default()),
        Some(false) if standard.is_some() => {
            color.problem(
                "space",
                "found \"RGB\" together with pdfx or pdfx1a, which require CMYK; accepted: CMYK, or no color",
            );
            ColorSpace::Rgb
        }
        Some(false) => ColorSpace::Rgb,
        None => match default {
            ColorSpace::Cmyk(default) => ColorSpace::Cmyk(profile.unwrap_or(default)),
            ColorSpace::Rgb => ColorSpace::Rgb,
        },
    };
    (space, black_text)
}

const PROFILES: &[(&str, CmykProfile)] =
    &[("FOGRA39", CmykProfile::Fogra39), ("USWebCoatedSWOP", CmykProfile::UsWebCoatedSwop)];

const BLACK_TEXT: &[(&str, BlackText)] = &[("k", BlackText::BlackInk), ("profile", BlackText::Profile)];

fn creation_date(json: &mut Reader<'_>) -> Option<Timestamp> {
    const KEY: &str = "creationDate";
    let text = json.string(KEY)?;
    let date = text.parse().ok().filter(|date| *date >= Timestamp::UNIX_EPOCH);
    if date.is_none() {
        const ACCEPTED: &str = "a date from 1970 on with time and zone, as 2026-11-23T10:00:00Z";
        json.problem(KEY, format!("found {:?}; accepted: {ACCEPTED}", truncated(&text)));
    }
    date
}

fn variables(json: &mut Reader<'_>) -> Option<Variables> {
    let value = json.get("variables")?;
    let at = json.at().key("variables");
    Variables::read(value, at, json.problems())
}

fn pdf_standard(json: &mut Reader<'_>) -> Option<PdfStandard> {
    let named = json.one_of("pdfx", &[("x-4", PdfStandard::X4), ("x-1a", PdfStandard::X1a)]);
    if json.flag_or("pdfx1a", false) { Some(PdfStandard::X1a) } else { named }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> (RenderOptions, Vec<String>) {
        let mut problems = Problems::new();
        let options = RenderOptions::read(value, "exportOptions".into(), &mut problems);
        (options, problems.into_vec().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn options_empty_null_and_unknown_are_the_defaults() {
        for value in [json!({}), Value::Null, json!({"parallel": 5, "quickMode": "?", "pixelRatio": null, "color": []})]
        {
            assert_eq!(read(&value), (RenderOptions::default(), vec![]), "{value}");
        }
        let defaults = RenderOptions::default();
        assert_eq!(defaults.text_overflow, TextOverflow::ChangeFontSize);
        assert_eq!(defaults.missing_height, MissingHeight::Fit);
        assert_eq!((defaults.text_sizing, defaults.line_breaking), (None, LineBreaking::Editor));
        assert_eq!((defaults.asset_load_timeout.as_millis(), defaults.font_load_timeout.as_millis()), (30_000, 6000));
    }

    #[test]
    fn options_are_read_and_coerced() {
        let (options, problems) = read(&json!({
            "format": "png", "mimeType": "image/jpeg", "pixelRatio": "0.5", "ignoreBackground": true, "includeBleed": true,
            "textOverflow": "ellipsis", "textVerticalResizeEnabled": true, "missingHeight": "auto", "cssGradients": true,
            "sdk": "4.4", "textSizing": "element", "textSplitAllowed": true, "lineBreaking": "unicode",
            "skipFontError": true, "skipImageError": true, "skipUnknown": true, "assetLoadTimeout": "1500", "fontLoadTimeout": 1e300,
            "quality": 0.8, "compression": "small", "pageId": "p", "pageIds": ["a", null, "b"], "dpi": "300", "dpiMetadata": "96", "minImageDpi": 150,
            "cropMarkSize": 30, "vector": true, "color": {"space": "CMYK", "blackText": "profile"}, "pdfx": "x-4", "title": "Spring",
            "creationDate": "1970-01-01T01:00:00+01:00", "reproducible": true, "fps": 24,
            "variables": {"a": "x", "b": 1.5, "c": true, "d": null},
        }));
        assert_eq!(problems, Vec::<String>::new());
        let expected = RenderOptions {
            format: Some("png".to_owned()),
            mime_type: Some("image/jpeg".to_owned()),
            pixel_ratio: DeviceScale::new(0.5).expect("positive"),
            ignore_background: true,
            include_bleed: true,
            text_overflow: TextOverflow::Ellipsis,
            text_vertical_resize: true,
            missing_height: MissingHeight::Auto,
            sdk: Some(EditorVersion::OLDEST),
            text_sizing: Some(TextSizing::Element),
            text_split_allowed: true,
            line_breaking: LineBreaking::Unicode,
            css_gradients: true,
            skip_font_error: true,
            skip_image_error: true,
            skip_unknown: true,
            asset_load_timeout: Duration::from_millis(1500),
            font_load_timeout: Duration::from_secs(86_400),
            quality: Some(0.8),
            compression: Compression::Small,
            page_id: Some("p".to_owned()),
            page_ids: Some(vec!["a".to_owned(), "b".to_owned()]),
            dpi: Some(300.0),
            dpi_metadata: DpiMetadata::Number(96.0),
            min_image_dpi: Some(150.0),
            crop_mark_size: 30.0,
            vector: true,
            color: ColorSpace::Cmyk(CmykProfile::Fogra39),
            black_text: BlackText::Profile,
            pdf_standard: Some(PdfStandard::X4),
            pdf_archive: None,
            title: Some("Spring".to_owned()),
            creation_date: Some(Timestamp::UNIX_EPOCH),
            reproducible: true,
            fps: Some(24.0),
            variables: Some(Variables(
                [("a", "x"), ("b", "1.5"), ("c", "true")].map(|(name, value)| (name.into(), value.into())).into(),
            )),
        };
        assert_eq!(options, expected);
        assert_eq!(read(&json!({"dpi": "auto"})).0.dpi, None);
        let metadata = |value: Value| read(&json!({"dpiMetadata": value})).0.dpi_metadata;
        assert_eq!([metadata(json!(false)), metadata(json!(true))], [DpiMetadata::Off, DpiMetadata::Design]);
        assert_eq!(read(&json!({"dpiMetadata": 0})).1.len(), 1);
    }

    #[test]
    fn options_of_print_standards_imply_cmyk() {
        let color = |value: &Value| {
            let (options, problems) = read(value);
            (options.color, problems.len())
        };
        let cmyk = ColorSpace::Cmyk;
        assert_eq!(color(&json!({"pdfx": "x-4"})), (cmyk(CmykProfile::Fogra39), 0));
        assert_eq!(read(&json!({"pdfx": "x-1a"})).0.pdf_standard, Some(PdfStandard::X1a));
        let swop = json!({"pdfx1a": true, "color": {"profile": "USWebCoatedSWOP"}});
        assert_eq!(color(&swop), (cmyk(CmykProfile::UsWebCoatedSwop), 0));
        assert_eq!(color(&json!({"color": {"profile": "FOGRA39"}})), (ColorSpace::Rgb, 0));
        assert_eq!(color(&json!({"pdfx": "x-4", "color": {"space": "RGB"}})), (ColorSpace::Rgb, 1));
        assert_eq!(read(&json!({"creationDate": "yesterday"})).1.len(), 1);
    }

    #[test]
    fn options_report_every_invalid_value() {
        let (options, problems) = read(&json!({
            "pixelRatio": 0, "ignoreBackground": "yes", "textOverflow": "fit", "quality": 80, "pageIds": [1], "dpi": -1,
            "assetLoadTimeout": -5, "missingHeight": "grow", "color": {"space": "lab"}, "format": 3,
            "textSizing": "me", "lineBreaking": "css",
        }));
        assert_eq!(options, RenderOptions { page_ids: Some(vec![]), ..RenderOptions::default() });
        assert_eq!(problems.len(), 12, "{problems:#?}");
        assert!(
            problems.contains(
                &"exportOptions.pixelRatio: found the number 0; accepted: a number greater than 0".to_owned()
            )
        );
        assert!(problems.contains(
            &"exportOptions.textOverflow: found \"fit\"; accepted: change-font-size, resize, ellipsis".to_owned()
        ));
        assert_eq!(read(&json!(5)).1, ["exportOptions: found the number 5; accepted: an object"]);
    }
}
