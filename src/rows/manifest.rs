//! What became of a row: a line of the manifest, wherever it is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::BrokenRow;
use crate::report::{Problem, Warning};

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// Its file is there.
    Done,
    /// It has none; `error` says why.
    Error,
}

/// One line of a manifest, as JSON: what became of one row. Absent members are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Record {
    /// The row's number, from 1.
    pub row: u64,
    /// Of the job that rendered it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How it ended.
    pub status: RowStatus,
    /// Path of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Link to its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of its file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of its file, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What its file was made of, SHA-256 in hex: the same one painted by the CPU means the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Instead of `file`, `bytes`, `sha256` and `fingerprint` when every page became a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PageRecord>,
    /// Where its pages begin in `file`, from 1, when that has the pages of all rows.
    #[serde(default, rename = "firstPage", skip_serializing_if = "Option::is_none")]
    pub first_page: Option<usize>,
    /// How many pages of that file are its own.
    #[serde(default, rename = "pageCount", skip_serializing_if = "Option::is_none")]
    pub page_count: Option<usize>,
    /// What was drawn otherwise than written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Milliseconds by stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timings: BTreeMap<String, f64>,
    /// The first problem in full; absent when done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// All problems with their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// One page's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PageRecord {
    /// The page's place in the design, from 1.
    pub page: usize,
    /// Path.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Of its contents, in hex.
    pub sha256: String,
    /// What it was made of, SHA-256 in hex. Null in a manifest of a version that did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl Record {
    /// A row of which nothing is known yet but how it ended.
    pub fn new(row: u64, status: RowStatus) -> Self {
        Self {
            row,
            id: None,
            status,
            file: None,
            url: None,
            bytes: None,
            sha256: None,
            fingerprint: None,
            pages: Vec::new(),
            first_page: None,
            page_count: None,
            warnings: Vec::new(),
            timings: BTreeMap::new(),
            error: None,
            problems: Vec::new(),
        }
    }

    /// A row that failed: `error` in full, and its problems where it has several.
    pub fn failed(row: u64, error: String, problems: &[Problem]) -> Self {
        Self { error: Some(error), problems: problems.to_vec(), ..Self::new(row, RowStatus::Error) }
    }
}

impl From<&BrokenRow> for Record {
    fn from(broken: &BrokenRow) -> Self {
        Self::failed(broken.number, broken.to_string(), &broken.problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::WarningCode;

    #[test]
    fn record_has_only_what_is_known() {
        let record = Record {
            file: Some("out/a.png".into()),
            bytes: Some(3),
            sha256: Some("ab".into()),
            fingerprint: Some("cd".into()),
            timings: BTreeMap::from([("paint".to_owned(), 1.5)]),
            ..Record::new(4, RowStatus::Done)
        };
        let line = serde_json::to_string(&record).expect("JSON");
        assert_eq!(
            line,
            r#"{"row":4,"status":"done","file":"out/a.png","bytes":3,"sha256":"ab","fingerprint":"cd","timings":{"paint":1.5}}"#
        );
        assert_eq!(serde_json::from_str::<Record>(&line).expect("a record"), record);
        let older = line.replace(r#","fingerprint":"cd""#, "");
        assert_eq!(serde_json::from_str::<Record>(&older).expect("a record").fingerprint, None);
    }

    #[test]
    fn record_of_a_failed_row_comes_back_whole() {
        let broken = BrokenRow::new(9, Some(10), "price", "is not UTF-8");
        let warning = Warning {
            code: WarningCode::VariableUnused,
            path: "variables.x".into(),
            element: "el".into(),
            message: "unused".into(),
        };
        let record = Record { warnings: vec![warning], ..Record::from(&broken) };
        let line = serde_json::to_string(&record).expect("JSON");
        assert!(line.contains(r#""error":"row 9 (line 10): price: is not UTF-8""#), "{line}");
        assert_eq!(serde_json::from_str::<Record>(&line).expect("a record"), record);
    }
}
