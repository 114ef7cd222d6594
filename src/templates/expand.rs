//! Calls that name a template: `"template": "id[@version]"` in place of `"design": {…}`.
//!
//! The design is inserted into the text of the call, so that everything after it reads a call as if the caller had sent
//! the design.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::error::refused;
use super::id::{ParseNameError, TemplateName};
use crate::error::Error;
use crate::json::describe;
use crate::report::{JsonPath, Problem};

/// Member with the name of a template.
pub(super) const TEMPLATE: &str = "template";
/// Members that say in another way which design is meant.
const OTHERS: [&str; 2] = ["design", "designUrl"];

/// The template that a call names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named(pub TemplateName);

/// The outermost members of a call, as far as they concern templates.
#[derive(Default)]
struct Members {
    template: Value,
    other: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    let other = OTHERS.into_iter().find(|it| *it == key);
                    if key == TEMPLATE {
                        members.template = map.next_value()?;
                    } else if other.is_some() {
                        // `null` counts as absent.
                        if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                            members.other = other;
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl Named {
    /// Finds the name in the JSON body of a call; `None` when it has none, or when it is no JSON object, which the
    /// reader of the call reports.
    ///
    /// # Errors
    /// A name that is none, or one beside a design.
    pub fn in_body(body: &[u8]) -> Result<Option<Self>, Error> {
        // Most calls have a design, and a search for a string is faster than a parser.
        if !body.split(|it| *it == b'"').any(|it| it == TEMPLATE.as_bytes()) {
            return Ok(None);
        }
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let Ok(Members { template, other }) = serde_json::from_slice::<Members>(body) else { return Ok(None) };
        match (template, other) {
            (Value::Null, _) => Ok(None),
            (Value::String(text), None) => Self::read(&text).map(Some),
            (_, Some(other)) => Err(problem(format!("stands beside {other}; accepted: one of both"))),
            (found, None) => Err(problem(format!("found {}; {ParseNameError}", describe(&found)))),
        }
    }

    /// Finds the name in the decoded query of a call whose body has rows.
    ///
    /// # Errors
    /// As for [`Self::in_body`].
    pub fn in_query(query: &[(String, String)]) -> Result<Option<Self>, Error> {
        let Some((_, text)) = query.iter().rfind(|(name, _)| name == TEMPLATE) else { return Ok(None) };
        if let Some(other) = OTHERS.into_iter().find(|other| query.iter().any(|(name, _)| name == other)) {
            return Err(problem(format!("stands beside {other}; accepted: one of both")));
        }
        Self::read(text).map(Some)
    }

    fn read(text: &str) -> Result<Self, Error> {
        text.parse()
            .map(Self)
            .map_err(|error: ParseNameError| problem(format!("found {:?}; {error}", crate::report::truncated(text))))
    }

    /// The path of the name in the call.
    pub(super) fn at() -> JsonPath {
        TEMPLATE.into()
    }
}

fn problem(message: String) -> Error {
    Error::invalid(Problem { path: Named::at(), message })
}

/// `body`, which [`Named::in_body`] has accepted, with `design` as its last member, which replaces an earlier `null`.
pub(super) fn with_design(body: &[u8], design: &[u8]) -> Result<Bytes, super::TemplateError> {
    let end = body.iter().rposition(|it| *it == b'}').ok_or_else(|| refused(&JsonPath::root(), "is no object"))?;
    let (members, rest) = body.split_at(end);
    Ok([members, b",\"design\":", design, rest].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(body: &str) -> Result<Option<String>, String> {
        let named = Named::in_body(body.as_bytes());
        named.map(|it| it.map(|Named(name)| name.to_string())).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_found_among_the_outermost_members() {
        assert_eq!(named(r#" {"format": "png", "template": "cards/a@3"}"#), Ok(Some("cards/a@3".into())));
        assert_eq!(named("\u{feff}{\"template\":\"a\",\"design\":null}"), Ok(Some("a".into())));
        let deep = format!(r#"{{"template": "a", "x": {}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(named(&deep), Ok(Some("a".into())), "the reader of the call limits the depth");
        for other in [
            r#"{"design": {"template": "a"}}"#,
            r#"{"template": null}"#,
            r#"["template"]"#,
            r#"{"template": "a"} x"#,
            r#"{"template": "a""#,
            "",
        ] {
            assert_eq!(named(other), Ok(None), "{other}");
        }
    }

    #[test]
    fn names_that_cannot_be_used_are_refused_with_their_path() {
        for (body, words) in [
            (r#"{"template": "../a"}"#, "template: found \"../a\"; accepted: the id of a template, or id@version"),
            (r#"{"template": 3}"#, "template: found the number 3; accepted"),
            (r#"{"template": "a", "design": {}}"#, "template: stands beside design; accepted: one of both"),
            (r#"{"designUrl": "x", "template": 3}"#, "template: stands beside designUrl"),
        ] {
            let error = named(body).expect_err(body);
            assert!(error.starts_with(words), "{error}");
        }
        let query = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            Named::in_query(&pairs).map(|it| it.map(|Named(name)| name.to_string())).map_err(|it| it.to_string())
        };
        assert_eq!(query(&[("format", "png")]), Ok(None));
        assert_eq!(query(&[("template", "a@1")]), Ok(Some("a@1".into())));
        assert!(query(&[("template", "a"), ("designUrl", "b")]).is_err());
    }

    #[test]
    fn design_is_the_last_member_so_that_it_replaces_a_null() {
        let whole = with_design(b" {\"template\": \"a\", \"design\": null} ", b"{\"pages\":[]}").expect("an object");
        assert_eq!(&whole[..], br#" {"template": "a", "design": null,"design":{"pages":[]}} "#);
        assert_eq!(serde_json::from_slice::<Value>(&whole).expect("JSON")["design"], serde_json::json!({"pages": []}));
    }
}
