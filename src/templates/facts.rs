//! What a design says about itself as a template.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::fields::{self, Field};

/// Width and height of a design that does not say them (design-format.md §2).
const DEFAULT_SIDE: f64 = 1080.0;
/// Maximum length of a name or a tag in characters, and of a description.
pub(super) const NAME_CHARS: usize = 200;
pub(super) const DESCRIPTION_CHARS: usize = 2000;
/// Maximum number of tags.
pub(super) const MAX_TAGS: usize = 50;

/// The part of a template that is derived from its design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Facts {
    /// Width of the first page in design px.
    pub width: f64,
    /// Height of the first page in design px.
    pub height: f64,
    /// Number of pages of the design.
    pub pages: u64,
    /// The variables that a call may fill in.
    pub fields: Vec<Field>,
}

impl Facts {
    /// Reads the facts of a design.
    pub(super) fn of(design: &Value) -> Self {
        let pages = design.get("pages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let side = |key: &str| {
            let written = [pages.first(), Some(design)].into_iter().flatten();
            let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
            let sides = written.filter_map(|it| it.get(key).and_then(number));
            sides.into_iter().find(|it| it.is_finite() && *it > 0.0).unwrap_or(DEFAULT_SIDE)
        };
        Self { width: side("width"), height: side("height"), pages: pages.len() as u64, fields: fields::fields(design) }
    }
}

/// Name, description and tags, which a design has in `custom` where the call that stores it does not say them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tags: Option<Vec<String>>,
}

impl Labels {
    /// Reads the labels of a design. What does not fit the limits is ignored, like all of `custom`, which is the
    /// caller's own.
    pub(super) fn of(design: &Value) -> Self {
        let custom = design.get("custom");
        let text = |key: &str, chars: usize| {
            let text = custom?.get(key)?.as_str()?.trim();
            (!text.is_empty() && text.chars().count() <= chars).then(|| text.to_owned())
        };
        let tags = custom.and_then(|it| it.get("tags")).and_then(Value::as_array).map(|tags| {
            let tags = tags.iter().filter_map(Value::as_str).map(str::trim);
            let tags = tags.filter(|it| !it.is_empty() && it.chars().count() <= NAME_CHARS);
            tags.take(MAX_TAGS).map(str::to_owned).collect()
        });
        Self { name: text("name", NAME_CHARS), description: text("description", DESCRIPTION_CHARS), tags }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_are_those_of_the_first_page() {
        let sides = |design: Value| (Facts::of(&design).width, Facts::of(&design).height);
        let page = json!({"width": 300, "height": "auto"});
        assert_eq!(sides(json!({"width": 100, "height": "50", "pages": [page, {}]})), (300.0, 50.0));
        assert_eq!(sides(json!({"pages": []})), (1080.0, 1080.0));
        assert_eq!(sides(json!({"width": -1, "height": "inf", "pages": 3})), (1080.0, 1080.0));
        assert_eq!(Facts::of(&json!({"pages": [{}, {}]})).pages, 2);
    }

    #[test]
    fn labels_are_read_from_custom_if_they_fit() {
        let labels = Labels::of(&json!({"custom": {"name": " Card ", "tags": ["a", 1, "", "b"], "description": ""}}));
        let expected =
            Labels { name: Some("Card".into()), description: None, tags: Some(vec!["a".into(), "b".into()]) };
        assert_eq!(labels, expected);
        assert_eq!(Labels::of(&json!({"custom": {"name": "x".repeat(201)}})), Labels::default());
    }
}
