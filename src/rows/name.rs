//! File names of rows, from a pattern such as `{first}-{row}.png`.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::row::{BrokenRow, Row};
use crate::report::{JsonPath, Warning, WarningCode, truncated};

const ROW: &str = "row";
const PAGE: &str = "page";

/// Maximum bytes of a value in a name; longer ones are truncated.
const MAX_VALUE_BYTES: usize = 100;
/// Maximum bytes of a file or folder name: file systems allow 255, and temporary names are longer than the final ones.
const MAX_NAME_BYTES: usize = 220;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// A path with placeholders: `{row}` and `{page}`, both from 1, and names of variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(Vec<PatternPart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternPart {
    Text(String),
    Row,
    Page,
    Value(String),
}

/// A syntax error in a name pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// A `{` without `}` or the other way round.
    #[error("unbalanced braces in \"{0}\"; write placeholders like {{row}}")]
    Brace(String),
    /// An empty placeholder, `{}`.
    #[error("the placeholder {{}} is empty; accepted: {{row}}, {{page}}, or the name of a variable")]
    Empty,
}

impl NamePattern {
    /// Parses a pattern such as `{first}-{row}.png`.
    ///
    /// # Errors
    /// Unbalanced braces, or an empty placeholder.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        let unpaired = || NameProblem::Brace(truncated(text).into_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(unpaired)?;
            if name.contains('{') || before.contains('}') {
                return Err(unpaired());
            }
            parts.extend((!before.is_empty()).then(|| PatternPart::Text(before.into())));
            parts.push(match name.trim() {
                "" => return Err(NameProblem::Empty),
                ROW => PatternPart::Row,
                PAGE => PatternPart::Page,
                name => PatternPart::Value(name.into()),
            });
            rest = after;
        }
        if rest.contains('}') {
            return Err(unpaired());
        }
        parts.extend((!rest.is_empty()).then(|| PatternPart::Text(rest.into())));
        Ok(Self(parts))
    }

    /// Whether all rows have the same name.
    pub fn is_constant(&self) -> bool {
        !self.0.iter().any(|part| matches!(part, PatternPart::Row | PatternPart::Value(_)))
    }

    /// Whether the name contains the page number.
    pub fn has_page(&self) -> bool {
        self.0.contains(&PatternPart::Page)
    }

    /// Names of the variables that rows must have.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            PatternPart::Value(name) => Some(name.as_str()),
            PatternPart::Text(_) | PatternPart::Row | PatternPart::Page => None,
        })
    }

    /// Whether `warning` is about a variable that the design does not use but this pattern does.
    pub fn explains(&self, warning: &Warning) -> bool {
        warning.code == WarningCode::VariableUnused
            && self.variables().any(|name| warning.path == JsonPath::from("variables").key(name))
    }

    /// The folder that contains all files: the text before the first placeholder, up to and including its last `/`; may
    /// be empty.
    pub fn folder(&self) -> &str {
        match self.0.first() {
            Some(PatternPart::Text(text)) => &text[..text.rfind('/').map_or(0, |slash| slash + 1)],
            _ => "",
        }
    }

    /// The file name for `row`; `page` counts from 1. Values cannot create folders: characters that file systems refuse
    /// become `_`, reserved device names get a `_`, and values are truncated to 100 bytes.
    ///
    /// # Errors
    /// A variable that is missing or empty; a name of more than 220 bytes.
    pub fn fill_in(&self, row: &Row, page: usize) -> Result<String, BrokenRow> {
        let mut path = String::new();
        for part in &self.0 {
            match part {
                PatternPart::Text(text) => path.push_str(text),
                PatternPart::Row => path.push_str(&row.number.to_string()),
                PatternPart::Page => path.push_str(&page.to_string()),
                PatternPart::Value(name) => {
                    let unusable = |message| Err(BrokenRow::new(row.number, None, &truncated(name), message));
                    match row.text(name).as_deref().map(str::trim) {
                        None => return unusable("is missing, but the file name contains it"),
                        Some("") => return unusable("is empty, but the file name contains it"),
                        Some(value) => push_value(&mut path, value),
                    }
                }
            }
        }
        // The fixed folder stays as it is, including `..`.
        let (folder, generated) = path.split_at(self.folder().len());
        let generated: Vec<_> = generated.split('/').map(component).collect();
        if let Some(long) = generated.iter().find(|it| it.len() > MAX_NAME_BYTES) {
            let message = format!(
                "its file name would be \"{}\" with {} bytes; the limit is {MAX_NAME_BYTES} bytes (fixed)",
                truncated(long),
                long.len()
            );
            return Err(BrokenRow::new(row.number, None, "", message));
        }
        Ok(format!("{folder}{}", generated.join("/")))
    }
}

/// Appends `value` without path separators and characters that file systems refuse.
fn push_value(path: &mut String, value: &str) {
    let end = value.floor_char_boundary(MAX_VALUE_BYTES);
    path.extend(value[..end].trim_end().chars().map(|c| if is_plain(c) { c } else { '_' }));
}

fn is_plain(c: char) -> bool {
    let reserved = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    // Line separators, and marks of reading direction, which make a name look like another.
    let separator = matches!(c, '\u{2028}' | '\u{2029}');
    let direction = matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    !(c.is_control() || reserved || separator || direction)
}

/// Makes one path component safe: not `.` or `..`, not hidden, no reserved device name, no trailing dots or spaces,
/// which Windows removes.
fn component(name: &str) -> String {
    let mut name = match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => name.to_owned(),
    };
    let trimmed = name.trim_end_matches(['.', ' ']).len();
    let cut = name.len() - trimmed;
    name.truncate(trimmed);
    name.push_str(&"_".repeat(cut));
    let stem = name.find('.').unwrap_or(name.len());
    if is_device(&name[..stem]) {
        name.insert(stem, '_');
    }
    name
}

fn is_device(stem: &str) -> bool {
    let stem = stem.trim_end().to_ascii_lowercase();
    let is_number = |rest: &str| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit();
    let numbered = |device: &&str| stem.strip_prefix(*device).is_some_and(is_number);
    DEVICES.contains(&stem.as_str()) || NUMBERED_DEVICES.iter().any(numbered)
}

/// The set of used names, as two rows must not write the same file. Case is ignored, as on macOS and Windows.
#[derive(Debug, Default)]
pub struct UsedNames(HashMap<[u8; 16], u64>);

impl UsedNames {
    /// Reserves `name` for the row numbered `row`.
    ///
    /// # Errors
    /// The number of the row that already has the name.
    pub fn take(&mut self, name: &str, row: u64) -> Result<(), u64> {
        // Half a SHA-256 represents each name, as names may be long and many.
        let hash = Sha256::digest(name.to_lowercase());
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        match self.0.insert(key, row) {
            Some(first) if first != row => Err(first),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn name(pattern: &str, variables: Value) -> Result<String, String> {
        let row = Row::read(7, json!({"variables": variables})).expect("a row");
        let pattern = NamePattern::parse(pattern).expect("a pattern");
        pattern.fill_in(&row, 2).map_err(|broken| broken.to_string())
    }

    #[test]
    fn name_takes_row_page_and_variables() {
        let variables = json!({"first": "Ada", "age": 36, "row": "x"});
        assert_eq!(name("out/{first}-{age}/{row}-{page}.png", variables).as_deref(), Ok("out/Ada-36/7-2.png"));
        let pattern = NamePattern::parse("../out/a{first}{ age }-{row}.png").expect("a pattern");
        assert_eq!(pattern.variables().collect::<Vec<_>>(), ["first", "age"]);
        assert_eq!((pattern.folder(), pattern.is_constant(), pattern.has_page()), ("../out/", false, false));
        let one = NamePattern::parse("a-{page}.png").expect("a pattern");
        assert_eq!((one.folder(), one.is_constant(), one.has_page()), ("", true, true));
    }

    #[test]
    fn name_of_a_row_overrides_the_variable_called_name() {
        let row = json!({"name": "a/b", "variables": {"name": "other"}});
        let pattern = NamePattern::parse("{name}.png").expect("a pattern");
        assert_eq!(pattern.fill_in(&Row::read(1, row).expect("a row"), 1).as_deref(), Ok("a_b.png"));
    }

    #[test]
    fn name_stays_in_its_folder() {
        for (value, expected) in [
            ("../../etc/passwd", "out/_._.._etc_passwd.png"),
            ("/etc/passwd", "out/_etc_passwd.png"),
            ("C:\\con", "out/C__con.png"),
            ("a\0b\nc", "out/a_b_c.png"),
            (".hidden", "out/_hidden.png"),
            ("Con", "out/Con_.png"),
            ("lpt1.x", "out/lpt1_.x.png"),
            ("com10", "out/com10.png"),
            ("ab\u{202E}gnp", "out/ab_gnp.png"),
            ("Zoë Ł. 王", "out/Zoë Ł. 王.png"),
        ] {
            assert_eq!(name("out/{v}.png", json!({"v": value})).as_deref(), Ok(expected), "{value:?}");
        }
        assert_eq!(name("out/{v}/x.png", json!({"v": ".."})).as_deref(), Ok("out/__/x.png"));
        assert_eq!(name("out/{v}", json!({"v": "a. . "})).as_deref(), Ok("out/a___"));
        assert_eq!(name("../{v}.png", json!({"v": "a"})).as_deref(), Ok("../a.png"));
    }

    #[test]
    fn name_has_a_maximum_length() {
        let long = "é".repeat(80);
        assert_eq!(name("{v}.png", json!({"v": long})).as_deref(), Ok(&*format!("{}.png", "é".repeat(50))));
        let refused = name("{v}{v}{v}.png", json!({"v": long})).expect_err("304 bytes");
        assert!(refused.starts_with("row 7: its file name would be") && refused.contains("304 bytes"), "{refused}");
    }

    #[test]
    fn name_requires_its_variables() {
        let missing = "row 7: v: is missing, but the file name contains it";
        assert_eq!(name("{v}.png", json!({})), Err(missing.to_owned()));
        let empty = "row 7: v: is empty, but the file name contains it";
        assert_eq!(name("{v}.png", json!({"v": "  "})), Err(empty.to_owned()));
        for bad in ["{a", "a}", "{a{b}}", "x}{a}"] {
            assert_eq!(NamePattern::parse(bad), Err(NameProblem::Brace(bad.into())));
        }
        assert_eq!(NamePattern::parse("{}"), Err(NameProblem::Empty));
    }

    #[test]
    fn names_are_taken_once_whatever_their_case() {
        let mut taken = UsedNames::default();
        assert_eq!(taken.take("out/Ada.png", 1), Ok(()));
        assert_eq!(taken.take("out/ada.png", 2), Err(1));
        assert_eq!(taken.take("out/Bob.png", 3), Ok(()));
    }
}
