//! What we tell the caller: where in the JSON, what was found, what is accepted.
//!
//! In: JSON paths, problems (input refused) and warnings (input drawn, but not as written).
//! Not in: HTTP, logging, the rooms' own errors. Imports nothing of ours.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Target of the spans that become traces; no log line shows them.
pub const SPANS: &str = "tenter::spans";

/// A place in the caller's JSON, written like `pages[0].children[2].fill`; empty for the root.
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct JsonPath(Arc<str>);

impl JsonPath {
    /// The whole document.
    pub fn root() -> Self {
        Self::default()
    }

    /// This object's member `name`.
    pub fn key(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.into()) } else { Self(format!("{}.{name}", self.0).into()) }
    }

    /// This array's entry `index`, from 0.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0).into())
    }

    /// This place and those around it, innermost first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(Some(self.as_str()), |place| place.rfind(['.', '[']).map(|end| &place[..end]))
            .filter(|place| !place.is_empty())
    }

    /// The text form.
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
        f.write_str(if self.0.is_empty() { "(root)" } else { &self.0 })
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

/// `text` as far as a message repeats it: the caller's own words may be megabytes.
pub fn shown(text: &str) -> Cow<'_, str> {
    const CHARS: usize = 80;
    match text.char_indices().nth(CHARS) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// `number` of them, in a message: `1 row`, `2 rows`. `thing`: its name, which takes an s.
pub fn counted(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// One thing wrong with the input: the request is refused. `message` says what was found and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Where.
    #[cfg_attr(feature = "service", schema(value_type = String))]
    pub path: JsonPath,
    /// What was found, what is accepted, and the limit's name when one decided.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Kinds of warning; the names are part of the API (`code` in JSON).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The file asked for cannot hold it as written: left out, or put otherwise.
    NotSupported,
    /// A value or property that the editor ignores too.
    Ignored,
    /// A font was replaced by another.
    FontSubstituted,
    /// No font had the character.
    GlyphMissing,
    /// A text was drawn smaller than written to fit its box, or not at all.
    TextShrunk,
    /// An image could not be had and was left out, as asked (`skipImageError`).
    ImageSkipped,
    /// An image has fewer pixels per inch than asked for (`minImageDpi`).
    ImageEnlarged,
    /// An image was reduced to fit a limit.
    ImageReduced,
    /// An image's file ends before its last row; the missing pixels are transparent.
    ImageCutShort,
    /// A shape too large or not finite was left out.
    ShapeSkipped,
    /// No variable fills a placeholder; it is drawn as it is.
    PlaceholderUnknown,
    /// A variable was given that the design does not use.
    VariableUnused,
}

/// Drawn, but not exactly as written. Returned to the caller with the picture.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
pub struct Warning {
    /// What kind.
    pub code: WarningCode,
    /// Where.
    #[cfg_attr(feature = "service", schema(value_type = String))]
    pub path: JsonPath,
    /// The element's `id`; empty for a page or the design itself.
    #[cfg_attr(feature = "service", schema(value_type = String))]
    pub element: Arc<str>,
    /// One sentence for a person.
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

/// Where a scene node came from. Painters hand it back untouched when they have something to warn about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The element's place in the JSON.
    pub path: JsonPath,
    /// The element's `id`.
    pub element: Arc<str>,
}

impl Origin {
    /// A warning about this element.
    pub fn warn(&self, code: WarningCode, message: impl Into<String>) -> Warning {
        Warning { code, path: self.path.clone(), element: self.element.clone(), message: message.into() }
    }
}

/// The message and those of its causes: the top one alone says little.
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
    fn shown_text_is_cut_between_characters() {
        assert_eq!(shown("é"), "é");
        assert_eq!(shown(&"é".repeat(81)), "é".repeat(80) + "…");
    }

    #[test]
    fn counted_things_have_their_plural() {
        assert_eq!([0, 1, 2].map(|it| counted(it, "row")), ["0 rows", "1 row", "2 rows"]);
    }

    #[test]
    fn path_reads_like_javascript() {
        let path = JsonPath::root().key("pages").index(0).key("children").index(2).key("fill");
        assert_eq!(path.as_str(), "pages[0].children[2].fill");
        assert_eq!(JsonPath::root().to_string(), "(root)");
    }
}
