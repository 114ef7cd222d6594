//! Names of templates and of their versions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Maximum length of an id in bytes.
const MAX_BYTES: usize = 128;

/// Id of a template: words of letters, digits, `-`, `_` and `.`, which begin with a letter, a digit or `_` and are
/// separated by `/`, at most 128 characters in all. So an id is also a path that does not lead out of its folder. Cheap
/// to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(Arc<str>);

impl TemplateId {
    /// Description of accepted ids, for messages.
    pub const ACCEPTED: &'static str =
        "1 to 128 letters, digits, `-`, `_`, `.` and `/`, where no part begins with `.` or `-`";

    /// Reads an id; `None` when `text` does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| {
            let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
            word.starts_with(is_first) && word.chars().all(|c| is_first(c) || matches!(c, '-' | '.'))
        };
        (text.len() <= MAX_BYTES && text.split('/').all(is_word)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TemplateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for TemplateId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for TemplateId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no id of a template"))
    }
}

/// What a call names: the id of a template, or `id@version` for one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateName {
    /// Id of the template.
    pub id: TemplateId,
    /// Number of the version, from 1; `None` for the latest.
    pub version: Option<u64>,
}

/// A text is not the name of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("accepted: the id of a template, or id@version; an id has {}", TemplateId::ACCEPTED)]
pub struct ParseNameError;

impl FromStr for TemplateName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let (id, version) = match text.split_once('@') {
            None => (text, None),
            Some((id, version)) => {
                let is_number = version.bytes().all(|it| it.is_ascii_digit());
                let number = is_number.then(|| version.parse().ok()).flatten().filter(|it| *it > 0);
                (id, Some(number.ok_or(ParseNameError)?))
            }
        };
        Ok(Self { id: TemplateId::parse(id).ok_or(ParseNameError)?, version })
    }
}

impl fmt::Display for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            None => write!(f, "{}", self.id),
            Some(version) => write!(f, "{}@{version}", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_paths_that_stay_in_their_folder() {
        for good in ["card", "cards/birthday", "a.b-c_d/1", "_x", &"a".repeat(128)] {
            assert!(TemplateId::parse(good).is_some(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", ".git/a", "-a", "a b", "é", "a@1", "a\\b", &"a".repeat(129)]
        {
            assert!(TemplateId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn names_have_an_optional_version() {
        let read = |text: &str| text.parse::<TemplateName>().ok().map(|it| (it.id.to_string(), it.version));
        assert_eq!(read("cards/a"), Some(("cards/a".into(), None)));
        assert_eq!(read("cards/a@12"), Some(("cards/a".into(), Some(12))));
        for bad in ["a@", "a@0", "a@-1", "a@+1", "a@1@2", "@1", "a@latest", "a@99999999999999999999"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
