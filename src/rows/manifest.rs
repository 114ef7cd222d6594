//! Records of a batch's manifest: the outcome of each row.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::row::BrokenRow;
use crate::report::{Problem, Warning};

/// Final status of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// The row was rendered and its file exists.
    Done,
    /// The row failed; `error` has the reason.
    Error,
}

/// One line of a manifest, as JSON: the outcome of one row. Absent members are omitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ManifestRecord {
    /// The row's number, from 1.
    pub row: u64,
    /// Id of the job that rendered the row, over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whether the row was rendered or failed.
    pub status: RowStatus,
    /// Path of the row's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Link to the row's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Length of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the file, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Hash of everything that the file depends on, SHA-256 in hex: files painted by the CPU with equal fingerprints
    /// are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// One entry per page when each page has a file; replaces `file`, `bytes`, `sha256` and `fingerprint`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<PageRecord>,
    /// Number of the row's first page in `file`, from 1, when one document has the pages of all rows.
    #[serde(default, rename = "firstPage", skip_serializing_if = "Option::is_none")]
    pub first_page: Option<usize>,
    /// Number of the row's pages in that document.
    #[serde(default, rename = "pageCount", skip_serializing_if = "Option::is_none")]
    pub page_count: Option<usize>,
    /// Deviations of the output from the design.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Time per stage in ms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timings: BTreeMap<String, f64>,
    /// The first problem in full; absent for `done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// All problems with their paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// File of one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PageRecord {
    /// Number of the page in the design, from 1.
    pub page: usize,
    /// Path of the file.
    pub file: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// Hash of everything that the file depends on, SHA-256 in hex. Absent in manifests of versions that did not record
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl ManifestRecord {
    /// A record with only the number and the status.
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

    /// The record of a failed row: `error` in full, and its problems where it has several.
    pub fn failed(row: u64, error: String, problems: &[Problem]) -> Self {
        Self { error: Some(error), problems: problems.to_vec(), ..Self::new(row, RowStatus::Error) }
    }
}

impl From<&BrokenRow> for ManifestRecord {
    fn from(broken: &BrokenRow) -> Self {
        Self::failed(broken.number, broken.to_string(), &broken.problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::WarningCode;

    #[test]
    fn record_omits_absent_members() {
        let record = ManifestRecord {
            file: Some("out/a.png".into()),
            bytes: Some(3),
            sha256: Some("ab".into()),
            fingerprint: Some("cd".into()),
            timings: BTreeMap::from([("paint".to_owned(), 1.5)]),
            ..ManifestRecord::new(4, RowStatus::Done)
        };
        let line = serde_json::to_string(&record).expect("JSON");
        assert_eq!(
            line,
            r#"{"row":4,"status":"done","file":"out/a.png","bytes":3,"sha256":"ab","fingerprint":"cd","timings":{"paint":1.5}}"#
        );
        assert_eq!(serde_json::from_str::<ManifestRecord>(&line).expect("a record"), record);
        let older = line.replace(r#","fingerprint":"cd""#, "");
        assert_eq!(serde_json::from_str::<ManifestRecord>(&older).expect("a record").fingerprint, None);
    }

    #[test]
    fn record_of_a_failed_row_survives_a_round_trip() {
        let broken = BrokenRow::new(9, Some(10), "price", "is not UTF-8");
        let warning = Warning {
            code: WarningCode::VariableUnused,
            path: "variables.x".into(),
            element: "el".into(),
            message: "unused".into(),
        };
        let record = ManifestRecord { warnings: vec![warning], ..ManifestRecord::from(&broken) };
        let line = serde_json::to_string(&record).expect("JSON");
        assert!(line.contains(r#""error":"row 9 (line 10): price: is not UTF-8""#), "{line}");
        assert_eq!(serde_json::from_str::<ManifestRecord>(&line).expect("a record"), record);
    }
}
