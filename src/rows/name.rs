//! What the files made of rows are called: `{first}-{row}.png`.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{BrokenRow, Row};
use crate::report::{JsonPath, Warning, WarningCode, shown};

const ROW: &str = "row";
const PAGE: &str = "page";

/// Bytes of one value in a name; what is longer loses its end.
const VALUE_BYTES: usize = 100;
/// Bytes of a file's or folder's name: systems hold 255, and the name of the unfinished file is longer.
const NAME_BYTES: usize = 220;

/// Names that Windows keeps for devices, whatever their ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// A path with placeholders: `{row}` (from 1), `{page}` (from 1), and variables by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Row,
    Page,
    Value(String),
}

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// `{` without `}`, or the other way round.
    #[error("a brace without its partner in \"{0}\"; placeholders look like {{row}}")]
    Brace(String),
    /// `{}`.
    #[error("{{}} names nothing; accepted: {{row}}, {{page}}, or the name of a variable")]
    Empty,
}

impl NamePattern {
    /// Reads `text`.
    ///
    /// # Errors
    /// Braces that do not pair, or hold nothing.
    pub fn parse(text: &str) -> Result<Self, NameProblem> {
        let unpaired = || NameProblem::Brace(shown(text).into_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(unpaired)?;
            if name.contains('{') || before.contains('}') {
                return Err(unpaired());
            }
            parts.extend((!before.is_empty()).then(|| Part::Text(before.into())));
            parts.push(match name.trim() {
                "" => return Err(NameProblem::Empty),
                ROW => Part::Row,
                PAGE => Part::Page,
                name => Part::Value(name.into()),
            });
            rest = after;
        }
        if rest.contains('}') {
            return Err(unpaired());
        }
        parts.extend((!rest.is_empty()).then(|| Part::Text(rest.into())));
        Ok(Self(parts))
    }

    /// True when all rows get one name.
    pub fn is_constant(&self) -> bool {
        !self.0.iter().any(|part| matches!(part, Part::Row | Part::Value(_)))
    }

    /// Whether pages are told apart.
    pub fn has_page(&self) -> bool {
        self.0.contains(&Part::Page)
    }

    /// Variables that rows must have.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(name) => Some(name.as_str()),
            Part::Text(_) | Part::Row | Part::Page => None,
        })
    }

    /// Whether `warning` is of a variable that nothing in the design uses, and names of files do.
    pub fn explains(&self, warning: &Warning) -> bool {
        warning.code == WarningCode::VariableUnused
            && self.variables().any(|name| warning.path == JsonPath::from("variables").key(name))
    }

    /// The text before the first placeholder, up to and with its last `/`: the folder all files are in, or nothing.
    pub fn folder(&self) -> &str {
        match self.0.first() {
            Some(Part::Text(text)) => &text[..text.rfind('/').map_or(0, |slash| slash + 1)],
            _ => "",
        }
    }

    /// The name for `row`; `page` from 1. Values never make a folder of their own: what no file system takes in a name
    /// becomes `_`, names of devices get one, and values are cut to 100 bytes.
    ///
    /// # Errors
    /// A variable that the row does not have or that is empty; a name of more than 220 bytes.
    pub fn fill_in(&self, row: &Row, page: usize) -> Result<String, BrokenRow> {
        let mut path = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Row => path.push_str(&row.number.to_string()),
                Part::Page => path.push_str(&page.to_string()),
                Part::Value(name) => {
                    let wanted = |message| Err(BrokenRow::new(row.number, None, &shown(name), message));
                    match row.text(name).as_deref().map(str::trim) {
                        None => return wanted("is missing, and the file is named after it"),
                        Some("") => return wanted("is empty, and the file is named after it"),
                        Some(value) => push_value(&mut path, value),
                    }
                }
            }
        }
        // The operator's own folders are left as they are, `..` included.
        let (own, made) = path.split_at(self.folder().len());
        let made: Vec<_> = made.split('/').map(component).collect();
        if let Some(long) = made.iter().find(|it| it.len() > NAME_BYTES) {
            let message = format!(
                "its file would be called \"{}\", {} bytes; at most {NAME_BYTES} (fixed)",
                shown(long),
                long.len()
            );
            return Err(BrokenRow::new(row.number, None, "", message));
        }
        Ok(format!("{own}{}", made.join("/")))
    }
}

/// Appends `value` without what would leave the folder or what file systems refuse.
fn push_value(path: &mut String, value: &str) {
    let end = value.floor_char_boundary(VALUE_BYTES);
    path.extend(value[..end].trim_end().chars().map(|c| if is_plain(c) { c } else { '_' }));
}

fn is_plain(c: char) -> bool {
    let reserved = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    // Line separators, and marks that turn the reading direction: a name should look like what it is.
    let invisible = matches!(c, '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    !(c.is_control() || reserved || invisible)
}

/// One name of a path: no `.` or `..`, not hidden, no device, nothing that Windows would cut off.
fn component(name: &str) -> String {
    let mut name = match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None => name.to_owned(),
    };
    let kept = name.trim_end_matches(['.', ' ']).len();
    let cut = name.len() - kept;
    name.truncate(kept);
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

/// Which names are given away: two rows must not write one file. Names that differ in case only are one, as on macOS and
/// Windows.
#[derive(Debug, Default)]
pub struct NamesTaken(HashMap<[u8; 16], u64>);

impl NamesTaken {
    /// Gives `name` to the row numbered `row`.
    ///
    /// # Errors
    /// The number of the row that has it already.
    pub fn take(&mut self, name: &str, row: u64) -> Result<(), u64> {
        // Names may be long and many: half a SHA-256 stands for each.
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
    fn name_of_its_own_stands_for_name() {
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
    fn name_is_bounded() {
        let long = "é".repeat(80);
        assert_eq!(name("{v}.png", json!({"v": long})).as_deref(), Ok(&*format!("{}.png", "é".repeat(50))));
        let refused = name("{v}{v}{v}.png", json!({"v": long})).expect_err("304 bytes");
        assert!(refused.starts_with("row 7: its file would be called") && refused.contains("304 bytes"), "{refused}");
    }

    #[test]
    fn name_needs_its_values() {
        let missing = "row 7: v: is missing, and the file is named after it";
        assert_eq!(name("{v}.png", json!({})), Err(missing.to_owned()));
        let empty = "row 7: v: is empty, and the file is named after it";
        assert_eq!(name("{v}.png", json!({"v": "  "})), Err(empty.to_owned()));
        for bad in ["{a", "a}", "{a{b}}", "x}{a}"] {
            assert_eq!(NamePattern::parse(bad), Err(NameProblem::Brace(bad.into())));
        }
        assert_eq!(NamePattern::parse("{}"), Err(NameProblem::Empty));
    }

    #[test]
    fn names_are_taken_once_whatever_their_case() {
        let mut taken = NamesTaken::default();
        assert_eq!(taken.take("out/Ada.png", 1), Ok(()));
        assert_eq!(taken.take("out/ada.png", 2), Err(1));
        assert_eq!(taken.take("out/Bob.png", 3), Ok(()));
    }
}
