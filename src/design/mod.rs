//! The design: its typed form, and its resolution into a scene.
//!
//! In: the design as typed structs — the JSON in snake_case, every default filled in, colours and gradients parsed,
//! older versions migrated — and, with the files in hand, its resolution into scene nodes.
//! Not in: fetching, decoding, shaping, pixels.
//! Imports: `config`, `json`, `report`, `units`, `css_color`, `options`, `scene`, `assets`, `text`.
//!
//! Lengths are f64 in design px, y down; a page's (0, 0) is the top-left of its trim box.

pub mod background;
pub mod effects;
pub mod elements;
pub mod filters;
pub mod fonts;
pub mod inks;
mod input;
mod migrate;
pub mod props;
pub mod resolve;
mod schema_version;
pub mod variables;
pub mod version;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use kurbo::{Insets, Size};
use serde_json::Value;

use self::background::Background;
use self::elements::Element;
use self::fonts::FontFace;
use self::input::ReadState;
pub use self::input::UnknownElements;
use self::schema_version::SchemaVersion;
use crate::config::DesignLimits;
use crate::json::{JsonParser, Problems, Reader};
use crate::report::{JsonPath, Problem, Warning, WarningCode};

/// A whole design (design-format.md §2) of schema version 4. Fields for editors, animations or sound only are dropped.
#[derive(Clone, Debug)]
pub struct Design {
    /// `dpi` — design px per inch of paper, greater than 0. Default 72. It has no effect on lengths in px.
    pub dpi: f64,
    /// `custom.name` — name of the design, which becomes the title of PDF documents.
    pub name: Option<Arc<str>>,
    /// `fonts` — font files in the order written.
    pub fonts: Vec<FontFace>,
    /// `pages` — at least one.
    pub pages: Vec<Page>,
    /// Warnings about values that are not drawn as written.
    pub warnings: Vec<Warning>,
}

/// One page (design-format.md §3).
#[derive(Clone, Debug)]
pub struct Page {
    /// Path of the page in the JSON.
    pub at: JsonPath,
    /// `id` — generated as `page-0` when absent.
    pub id: Arc<str>,
    /// `width`, `height` — trim size, each greater than 0; `auto` is already the design's.
    pub size: Size,
    /// `background` — a colour, gradient or image behind the elements. Default white.
    pub background: Background,
    /// `bleed` and its overrides for single sides, none negative.
    pub bleed: Insets,
    /// `children` — from bottom to top.
    pub children: Vec<Element>,
}

/// The problems of a design that cannot be rendered; at least one.
#[derive(Clone, Debug)]
pub struct DesignError {
    /// Problems in the order found, limited in number; the last one says how many were omitted.
    pub problems: Vec<Problem>,
}

impl fmt::Display for DesignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [] => f.write_str("the design is invalid"),
            [only] => write!(f, "{only}"),
            [first, ..] => write!(f, "{first} (the first of several problems)"),
        }
    }
}

impl std::error::Error for DesignError {}

/// Default `width` and `height` of a design in px.
const DEFAULT_SIDE: f64 = 1080.0;
/// Default `dpi` of a design.
const DEFAULT_DPI: f64 = 72.0;

/// Object members whose own members are ordered: filters are applied, and colours replaced, in the order written. In
/// all other objects the order has no meaning.
pub const ORDERED_MEMBERS: &[&str] = &["filters", "colorsReplace"];

impl Design {
    /// Reads a design from JSON text.
    ///
    /// # Errors All problems at once, each with its path, the value found, the values accepted, and the setting that
    /// defines a limit.
    pub fn parse(bytes: &[u8], limits: &DesignLimits) -> Result<Self, DesignError> {
        let parsed = JsonParser::new(limits.json_depth).parse(bytes);
        let value = parsed.map_err(|problem| DesignError { problems: vec![problem] })?;
        Self::from_value(&value, JsonPath::root(), limits)
    }

    /// Reads a design that is part of a larger document, at the path `at`. `value` must come from
    /// [`JsonParser::parse`], which limits its depth.
    ///
    /// # Errors
    /// As [`Design::parse`].
    pub fn from_value(value: &Value, at: JsonPath, limits: &DesignLimits) -> Result<Self, DesignError> {
        Self::from_value_with(value, at, limits, UnknownElements::Refuse)
    }

    /// As [`Design::from_value`], with this treatment of elements of an unknown type.
    ///
    /// # Errors
    /// As [`Design::parse`].
    pub fn from_value_with(
        value: &Value,
        at: JsonPath,
        limits: &DesignLimits,
        unknown: UnknownElements,
    ) -> Result<Self, DesignError> {
        let mut found = Problems::forgiving();
        let design = Reader::new(value, at, &mut found).map(|json| {
            let mut state = ReadState::new(value, limits);
            state.unknown = unknown;
            Self::read(json, state)
        });
        let (problems, replaced) = found.into_refused_and_replaced();
        match design {
            Some(design) if problems.is_empty() => Ok(design.with_warnings(replaced)),
            _ => Err(DesignError { problems }),
        }
    }

    /// Adds warnings about values that were `replaced` by defaults, each with the innermost element around its path.
    fn with_warnings(mut self, replaced: Vec<Problem>) -> Self {
        if replaced.is_empty() {
            return self;
        }
        let mut elements = HashMap::new();
        self.pages.iter().for_each(|page| collect_origins(&page.children, &mut elements));
        self.warnings.extend(replaced.into_iter().map(|Problem { path, message }| {
            let around = path.ancestors().find_map(|place| elements.get(place)).cloned();
            Warning { code: WarningCode::Ignored, element: around.unwrap_or_default(), path, message }
        }));
        self
    }

    fn read(mut json: Reader<'_>, mut reading: ReadState) -> Self {
        let version = json.number("schemaVersion");
        reading.version = SchemaVersion::new(version);
        if reading.version > SchemaVersion::CURRENT {
            let found = version.unwrap_or_default();
            reading.warnings.push(Warning {
                code: WarningCode::Ignored,
                path: json.at().key("schemaVersion"),
                element: Arc::default(),
                message: format!(
                    "schemaVersion {found} is newer than 4, the latest supported; the design is drawn as version 4"
                ),
            });
        }
        let size = Size::new(
            side(&mut json, "width", false).unwrap_or(DEFAULT_SIDE),
            side(&mut json, "height", false).unwrap_or(DEFAULT_SIDE),
        );
        let mut pages = read_pages(&mut json, &mut reading, size);
        for page in &mut pages {
            migrate::legacy_backgrounds(reading.version, &mut page.children);
        }
        Self {
            dpi: json.number("dpi").filter(|dpi| *dpi > 0.0).unwrap_or(DEFAULT_DPI),
            name: custom_name(&json),
            fonts: fonts::read(&mut json),
            pages,
            warnings: reading.warnings.into_vec(),
        }
    }
}

/// Collects the ids of `elements` by their paths.
fn collect_origins<'a>(elements: &'a [Element], ids: &mut HashMap<&'a str, Arc<str>>) {
    for element in elements {
        let origin = &element.common().origin;
        ids.insert(origin.path.as_str(), origin.element.clone());
        collect_origins(element.children(), ids);
    }
}

/// The name in `custom`, a member for the caller's own data: a name that is not a string is ignored without a problem.
fn custom_name(json: &Reader<'_>) -> Option<Arc<str>> {
    let name = json.get("custom")?.get("name")?.as_str()?.trim();
    (!name.is_empty()).then(|| name.into())
}

fn read_pages(json: &mut Reader<'_>, reading: &mut ReadState, size: Size) -> Vec<Page> {
    let limit = reading.limits.pages;
    let entries = match json.get("pages") {
        Some(Value::Array(entries)) => entries.as_slice(),
        _ => &[],
    };
    let count = entries.iter().filter(|page| !page.is_null()).count();
    if count == 0 && json.get("pages").is_none_or(Value::is_array) {
        json.problem("pages", "No page for export: missing or empty; accepted: an array of at least one page");
    }
    if count > limit {
        json.problem("pages", format!("the design has {count} pages; the limit is {limit} (TENTER_MAX_PAGES)"));
        return Vec::new();
    }
    let mut pages = Vec::with_capacity(count);
    json.objects("pages", |index, page| pages.push(Page::read(page, reading, index, size)));
    pages
}

impl Page {
    /// Reads a page. `auto`: size of the design, for sides that are absent or `auto`.
    fn read(mut json: Reader<'_>, reading: &mut ReadState, index: usize, auto: Size) -> Self {
        let bleed = json.length_or("bleed", 0.0);
        Self {
            at: json.at().clone(),
            id: reading.id(&mut json, || format!("page-{index}")),
            size: Size::new(
                side(&mut json, "width", true).unwrap_or(auto.width),
                side(&mut json, "height", true).unwrap_or(auto.height),
            ),
            background: read_background(&mut json),
            bleed: Insets::new(
                json.length_or("bleedLeft", bleed),
                json.length_or("bleedTop", bleed),
                json.length_or("bleedRight", bleed),
                json.length_or("bleedBottom", bleed),
            ),
            children: Element::read_children(&mut json, reading, &index.to_string()),
        }
    }
}

/// A side of a page or design in px; `None` when absent or, with `may_be_auto`, `"auto"`.
fn side(json: &mut Reader<'_>, key: &str, may_be_auto: bool) -> Option<f64> {
    if may_be_auto && json.get(key).and_then(Value::as_str) == Some("auto") {
        return None;
    }
    let side = json.exact_number(key)?;
    if side > 0.0 {
        return Some(side);
    }
    json.problem(key, format!("found the number {side}; accepted: a number of px greater than 0"));
    None
}

fn read_background(json: &mut Reader<'_>) -> Background {
    const KEY: &str = "background";
    let transparent = Background::Fill(peniko::Color::TRANSPARENT.into());
    if json.is_null(KEY) {
        return transparent;
    }
    let Some(text) = json.string(KEY) else { return Background::Fill(peniko::Color::WHITE.into()) };
    background::parse(&text).unwrap_or_else(|| {
        if let Some(found) = json.get(KEY) {
            json.replace(KEY, found, background::ACCEPTED, "drawn transparent, as the editor does");
        }
        transparent
    })
}

#[cfg(test)]
mod tests;
