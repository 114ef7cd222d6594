//! Reports to the caller: JSON paths, problems and warnings.
//!
//! In: JSON paths, problems (the input is refused) and warnings (the output deviates from the input). Not in: HTTP,
//! logging, errors of other modules. Imports nothing of the crate.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Target of the spans that become traces; log lines exclude it.
pub const SPANS: &str = "tenter::spans";

/// A path in the caller's JSON, such as `pages[0].children[2].fill`; empty for the root. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct JsonPath(Arc<str>);

impl JsonPath {
    /// The root: the whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// The path of the member `name` of this object.
    pub fn key(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.into()) } else { Self(format!("{}.{name}", self.0).into()) }
    }

    /// The path of the entry `index` of this array, from 0.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0).into())
    }

    /// The path below the member `name` of the root; `None` when this path does not lead there.
    pub fn inside(&self, name: &str) -> Option<Self> {
        let rest = self.0.strip_prefix(name)?;
        match rest.strip_prefix('.') {
            Some(member) => Some(member.into()),
            None => (rest.is_empty() || rest.starts_with('[')).then(|| rest.into()),
        }
    }

    /// This path and its ancestors, innermost first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |place| place.rfind(['.', '[']).map(|end| &place[..end]))
            .filter(|place| !place.is_empty())
    }

    /// The path as text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for JsonPath {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "the document" } else { &self.0 })
    }
}

impl fmt::Debug for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for JsonPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for JsonPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(serde::Deserialize::deserialize(deserializer)?))
    }
}

/// Truncates `text` for messages, as a caller's text may have megabytes.
pub fn truncated(text: &str) -> Cow<'_, str> {
    const CHARS: usize = 80;
    match text.char_indices().nth(CHARS) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// Formats a number of things: `1 row`, `2 rows`. `thing`: the singular, whose plural adds an s.
pub fn counted(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// A problem of the input, which is refused. `message` says what was found and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Path of the value in the caller's JSON.
    #[cfg_attr(feature = "service", schema(value_type = String))]
    pub path: JsonPath,
    /// What was found, what is accepted, and the name of the limit if one was exceeded.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Kind of a warning; the names are part of the API (`code` in JSON).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The requested format cannot represent it: it was left out or replaced.
    NotSupported,
    /// A value or property that has no effect, as in the editor.
    Ignored,
    /// A font was substituted by another.
    FontSubstituted,
    /// No font has a glyph for a character.
    GlyphMissing,
    /// A text was drawn smaller than specified to fit its box, or not at all.
    TextShrunk,
    /// An image could not be loaded and was left out, as requested (`skipImageError`).
    ImageSkipped,
    /// An image has a lower resolution than requested (`minImageDpi`).
    ImageEnlarged,
    /// An image was scaled down to fit a limit.
    ImageReduced,
    /// An image file is truncated; the missing pixels are transparent.
    ImageCutShort,
    /// A shape that is too large or not finite was left out.
    ShapeSkipped,
    /// An element of a type that is not drawn was left out.
    ElementSkipped,
    /// A placeholder without a variable; it is drawn as it is.
    PlaceholderUnknown,
    /// A variable that the design does not use.
    VariableUnused,
}

/// A deviation of the output from the input, returned to the caller with the result.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
pub struct Warning {
    /// Kind of the warning.
    pub code: WarningCode,
    /// Path of the value in the caller's JSON.
    #[cfg_attr(feature = "service", schema(value_type = String))]
    pub path: JsonPath,
    /// The `id` of the element; empty for a page or the design itself.
    #[cfg_attr(feature = "service", schema(value_type = String))]
    pub element: Arc<str>,
    /// Description in one sentence.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if !self.element.is_empty() {
            write!(f, " ({})", self.element)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The element that a scene node comes from, for warnings of painters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Path of the element in the JSON.
    pub path: JsonPath,
    /// The `id` of the element.
    pub element: Arc<str>,
}

impl Origin {
    /// Creates a warning about this element.
    pub fn warn(&self, code: WarningCode, message: impl Into<String>) -> Warning {
        Warning { code, path: self.path.clone(), element: self.element.clone(), message: message.into() }
    }
}

/// The error's message with those of its causes, as the outermost alone is often uninformative.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_has_ancestors() {
        let path = JsonPath::root().key("pages").index(0).key("x");
        assert_eq!(path.ancestors().collect::<Vec<_>>(), ["pages[0].x", "pages[0]", "pages"]);
        assert_eq!(JsonPath::root().ancestors().count(), 0);
    }

    #[test]
    fn path_is_inside_its_first_member_only() {
        let inside = |path: &str| JsonPath::from(path).inside("design").map(|it| it.as_str().to_owned());
        assert_eq!(inside("design.pages[0].x").as_deref(), Some("pages[0].x"));
        assert_eq!((inside("design").as_deref(), inside("design[2]").as_deref()), (Some(""), Some("[2]")));
        assert_eq!((inside("designUrl"), inside("pages.design")), (None, None));
    }

    #[test]
    fn long_text_is_truncated_between_characters() {
        assert_eq!(truncated("é"), "é");
        assert_eq!(truncated(&"é".repeat(81)), "é".repeat(80) + "…");
    }

    #[test]
    fn counted_things_have_their_plural() {
        assert_eq!([0, 1, 2].map(|it| counted(it, "row")), ["0 rows", "1 row", "2 rows"]);
    }

    #[test]
    fn path_uses_javascript_notation() {
        let path = JsonPath::root().key("pages").index(0).key("children").index(2).key("fill");
        assert_eq!(path.as_str(), "pages[0].children[2].fill");
        assert_eq!(JsonPath::root().to_string(), "the document");
    }
}
