//! The state of reading a design: limits, ids and warnings, and the element being read.

use std::collections::HashSet;
use std::sync::Arc;

use peniko::Color;
use serde_json::Value;

use super::schema_version::SchemaVersion;
use crate::config::DesignLimits;
use crate::css_color;
use crate::css_gradient::{self, Fill};
use crate::json::{Reader, describe};
use crate::options::RenderOptions;
use crate::report::{JsonPath, Origin, Warning, WarningCode, counted};

/// Treatment of elements of an unknown type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownElements {
    /// They are problems of the design.
    #[default]
    Refuse,
    /// They are left out, with a warning (`skipUnknown`).
    Skip,
}

impl UnknownElements {
    /// The treatment that `options` ask for.
    pub fn of(options: &RenderOptions) -> Self {
        if options.skip_unknown { Self::Skip } else { Self::Refuse }
    }
}

/// The state shared by all elements of a design while it is read.
#[derive(Debug)]
pub(crate) struct ReadState {
    pub(super) limits: DesignLimits,
    pub(super) version: SchemaVersion,
    pub(super) warnings: BoundedWarnings,
    pub(super) unknown: UnknownElements,
    /// Ids that are taken: written somewhere in the design, or generated before.
    ids: HashSet<Arc<str>>,
    elements: usize,
}

impl ReadState {
    /// Prepares for reading the design `value`.
    pub(super) fn new(value: &Value, limits: &DesignLimits) -> Self {
        let mut ids = HashSet::new();
        collect_ids(value, &mut ids);
        Self {
            limits: limits.clone(),
            version: SchemaVersion::CURRENT,
            warnings: BoundedWarnings::default(),
            unknown: UnknownElements::default(),
            ids,
            elements: 0,
        }
    }

    /// The member `id`, or an id generated from `index` (design-format.md §1). The same design always gets the same
    /// ids.
    pub(super) fn id(&mut self, json: &mut Reader<'_>, index: impl FnOnce() -> String) -> Arc<str> {
        if let Some(id) = json.name("id").filter(|id| !id.is_empty()) {
            return id.into();
        }
        let wanted = index();
        let mut id: Arc<str> = wanted.as_str().into();
        let mut suffix = 2_usize;
        while self.ids.contains(&id) {
            id = format!("{wanted}_{suffix}").into();
            suffix += 1;
        }
        self.ids.insert(id.clone());
        id
    }

    /// Counts `more` elements or cells. Returns false when the design has too many, and adds a problem the first time.
    pub(super) fn count(&mut self, more: usize, json: &mut Reader<'_>, key: &str) -> bool {
        let limit = self.limits.elements;
        let fitted = self.elements <= limit;
        self.elements = self.elements.saturating_add(more);
        let fits = self.elements <= limit;
        if fitted && !fits {
            let message =
                format!("the design has more elements and table cells than the limit of {limit} (TENTER_MAX_ELEMENTS)");
            json.problem(key, message);
        }
        fits
    }
}

/// Collects the ids of pages, elements and cells as written.
fn collect_ids(value: &Value, ids: &mut HashSet<Arc<str>>) {
    // The same types as `Reader::name` accepts.
    match value.get("id") {
        Some(Value::String(id)) => drop(ids.insert(id.as_str().into())),
        Some(id @ (Value::Number(_) | Value::Bool(_))) => drop(ids.insert(id.to_string().into())),
        _ => {}
    }
    for key in ["pages", "children", "cells"] {
        for entry in value.get(key).and_then(Value::as_array).into_iter().flatten() {
            collect_ids(entry, ids);
        }
    }
}

/// Warnings in the order found, limited to [`BoundedWarnings::MAX`] so that a hostile design cannot inflate the
/// response.
#[derive(Debug, Default)]
pub(super) struct BoundedWarnings {
    first: Vec<Warning>,
    dropped: usize,
}

impl BoundedWarnings {
    const MAX: usize = 200;

    pub(super) fn push(&mut self, warning: Warning) {
        if self.first.len() < Self::MAX { self.first.push(warning) } else { self.dropped += 1 }
    }

    pub(super) fn into_vec(mut self) -> Vec<Warning> {
        if self.dropped > 0 {
            self.first.push(Warning {
                code: WarningCode::Ignored,
                path: JsonPath::root(),
                element: Arc::default(),
                message: format!("and {} like these", counted(self.dropped as u64, "more value")),
            });
        }
        self.first
    }
}

/// An element or table cell that is being read.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// Reader of its members.
    pub(crate) json: Reader<'a>,
    /// Its path in the JSON and its id.
    pub(crate) origin: Origin,
    /// Its position as indices, such as `0-2`: page, child, grandchild and so on.
    pub(crate) index: String,
    /// The state shared by all elements of the design.
    pub(crate) reading: &'a mut ReadState,
}

impl Input<'_> {
    /// Adds a warning about member `key`.
    pub(crate) fn warn(&mut self, key: &str, message: impl Into<String>) {
        let mut warning = self.origin.warn(WarningCode::Ignored, message);
        warning.path = self.json.at().key(key);
        self.reading.warnings.push(warning);
    }

    /// Reads a CSS colour. An empty string is transparent; an invalid colour is black, with a warning, as on a
    /// browser's canvas (design-format.md §6.4 for figures; for other fields by analogy).
    pub(crate) fn color(&mut self, key: &str, default: Color) -> Color {
        self.paint(key, default, css_color::parse, "CSS colour")
    }

    /// Reads a CSS colour or linear gradient; otherwise like [`Self::color`].
    pub(crate) fn fill(&mut self, key: &str, default: Fill) -> Fill {
        self.paint(key, default, css_gradient::parse_fill, "CSS colour or linear-gradient(…)")
    }

    fn paint<T: From<Color>>(&mut self, key: &str, default: T, parse: impl Fn(&str) -> Option<T>, kind: &str) -> T {
        let Some(text) = self.json.string(key) else { return default };
        if text.trim().is_empty() {
            return Color::TRANSPARENT.into();
        }
        parse(&text).unwrap_or_else(|| {
            let found = self.json.get(key).map(describe).unwrap_or_default();
            self.warn(key, format!("{found} is not a {kind}; drawn black, as in the editor"));
            Color::BLACK.into()
        })
    }

    /// Reads a URL, which may be a `data:` URL; `None` when absent or empty.
    pub(crate) fn address(&mut self, key: &str) -> Option<Arc<str>> {
        self.json.string(key).map(|text| text.trim().into()).filter(|text: &Arc<str>| !text.is_empty())
    }

    /// Reads a text to draw, `""` when absent. Adds a problem when it exceeds the limit.
    pub(crate) fn text(&mut self, key: &str) -> Arc<str> {
        let Some(text) = self.json.string(key) else { return Arc::default() };
        let limit = self.reading.limits.text_chars;
        // Characters are counted only in texts whose bytes exceed the limit.
        let chars = if text.len() <= limit { 0 } else { text.chars().count() };
        if chars > limit {
            let message = format!("this text has {chars} characters; the limit is {limit} (TENTER_MAX_TEXT_CHARS)");
            self.json.problem(key, message);
            return Arc::default();
        }
        if text.contains(char::REPLACEMENT_CHARACTER) {
            self.warn(
                key,
                "the text contains U+FFFD: a character was lost before the request, such as half of a surrogate pair",
            );
        }
        text.into()
    }

    /// Reads lengths of dashes and gaps in units of the line's width; empty for a solid line. As on a canvas, a list
    /// with a negative number is ignored, with a warning, and one without a positive number draws a solid line.
    pub(crate) fn dash(&mut self) -> Vec<f64> {
        let dash = self.json.numbers("dash").unwrap_or_default();
        if dash.iter().any(|it| *it < 0.0) {
            self.warn("dash", "a dash or gap is negative; the line is drawn solid, as in the editor");
            return Vec::new();
        }
        if dash.iter().all(|it| *it == 0.0) { Vec::new() } else { dash }
    }
}
