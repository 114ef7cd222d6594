//! The one document of all rows of a batch: the row number 0 of its batch, the only one with a record and a message. What became
//! of the others is written down when it ends, and kept in the bucket in one piece.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::batch_record::DocumentState;
use super::blob::BlobRef;
use super::record::JobRecord;
use super::row::{RowPart, fitting_problems, fitting_warnings, timings_of};
use super::row_list::{RowList, SentRow};
use crate::jobs::batch::{Document, Item, ItemListing};
use crate::jobs::job::{JobId, Status};
use crate::jobs::store::{FailedRow, ItemQuery, RowEnd, RowPages};
use crate::report::Warning;

/// Its number among the rows of its batch, which begin with 1.
pub(in crate::jobs) const ROW: u64 = 0;

/// Why a row has no pages in a document that is there. No worker of ours says so little.
const UNTOLD: &str = "the document was made without this row";

/// How a document ended for its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::jobs) struct DocumentEnd {
    /// Rows with pages in it.
    pub(in crate::jobs) done: u64,
    /// Rows that could be read and are not in it.
    #[serde(default)]
    pub(in crate::jobs) failed: u64,
    /// Pages of all.
    pages: u64,
    /// What became of each row that could be read.
    pub(in crate::jobs) ends: BlobRef,
}

/// A document that is there, as the head of its batch has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::jobs) struct FinishedDocument {
    name: String,
    url: String,
    bytes: u64,
    sha256: String,
    pages: u64,
    fingerprint: String,
    file: String,
}

impl FinishedDocument {
    /// As callers see it.
    pub(in crate::jobs) fn document(&self, link_base: &str) -> Document {
        let Self { name, url, bytes, sha256, pages, fingerprint, file } = self.clone();
        Document { name, url, bytes, sha256, pages, fingerprint, file, link_base: link_base.to_owned() }
    }
}

/// A line of what became of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RowEndLine {
    row: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bad: Option<FailedRow>,
    #[serde(default)]
    first_page: u64,
    #[serde(default)]
    page_count: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    timings: BTreeMap<String, f64>,
}

/// What became of the rows of a document that could be read.
pub(in crate::jobs) struct RowEnds {
    rows: BTreeMap<u64, RowEndLine>,
    size: usize,
}

impl RowEnds {
    /// As they are kept.
    pub(in crate::jobs) fn write(rows: &[RowEnd]) -> Bytes {
        let mut text = Vec::new();
        for RowEnd { row, end } in rows {
            let nothing = RowEndLine {
                row: *row,
                bad: None,
                first_page: 0,
                page_count: 0,
                warnings: Vec::new(),
                timings: BTreeMap::new(),
            };
            let line = match end {
                Ok(RowPages { first_page, page_count, warnings, timings }) => RowEndLine {
                    first_page: *first_page,
                    page_count: *page_count,
                    warnings: fitting_warnings(warnings.clone()),
                    timings: timings_of(timings),
                    ..nothing
                },
                Err(FailedRow { error, problems }) => {
                    let bad = FailedRow { error: error.clone(), problems: fitting_problems(problems.clone()) };
                    RowEndLine { bad: Some(bad), ..nothing }
                }
            };
            text.extend(serde_json::to_vec(&line).expect("texts and numbers are JSON"));
            text.push(b'\n');
        }
        text.into()
    }

    /// `None` when it makes no sense.
    pub(in crate::jobs) fn read(text: &[u8]) -> Option<Self> {
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let rows = lines.map(|line| serde_json::from_slice::<RowEndLine>(line).map(|row| (row.row, row)));
        Some(Self { rows: rows.collect::<Result<_, _>>().ok()?, size: text.len() })
    }

    /// What it occupies, about, in bytes.
    pub(in crate::jobs) fn size(&self) -> usize {
        self.size * 2
    }
}

impl DocumentEnd {
    pub(in crate::jobs) fn new(rows: &[RowEnd], is_done: bool, ends: BlobRef) -> Self {
        let pages = || rows.iter().filter(|_| is_done).filter_map(|it| it.end.as_ref().ok());
        let done = pages().count() as u64;
        Self { done, failed: rows.len() as u64 - done, pages: pages().map(|it| it.page_count).sum(), ends }
    }
}

impl JobRecord {
    pub(in crate::jobs) fn is_document(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.number == ROW)
    }

    /// How far it is, of a document.
    pub(in crate::jobs) fn document_state(&self) -> DocumentState {
        DocumentState {
            status: self.status,
            percent: self.progress,
            started: self.started,
            rows: self.row.as_ref().and_then(|row| row.ended.as_ref()).map(|it| it.done),
        }
    }

    /// The document, once done.
    pub(in crate::jobs) fn made(&self) -> Option<FinishedDocument> {
        let row = self.row.as_ref()?;
        Some(FinishedDocument {
            name: row.name.clone(),
            url: self.output.clone()?,
            bytes: row.bytes?,
            sha256: row.sha256.clone()?,
            pages: row.ended.as_ref()?.pages,
            fingerprint: self.fingerprint.clone().unwrap_or_default(),
            file: self.file.clone()?,
        })
    }
}

/// Some of the `rows` of a batch that becomes a document. `document`: its record, if it has one; `ends`: if that has ended and
/// told. `None` when a row is missing.
pub(in crate::jobs) fn items(
    list: &RowList,
    rows: u64,
    which: ItemQuery,
    document: Option<&JobRecord>,
    ends: Option<&RowEnds>,
) -> Option<ItemListing> {
    let ItemQuery { status, after_row, offset, limit } = which;
    let read = |number| item(list.row(number)?, number, document, ends);
    let Some(status) = status else {
        let first = after_row.saturating_add(offset).saturating_add(1);
        let last = first.saturating_add(limit).saturating_sub(1).min(rows);
        let items = (first..=last).map(read).collect::<Option<_>>()?;
        return Some(ItemListing { items, total: rows.saturating_sub(after_row) });
    };
    let mut listing = ItemListing { items: Vec::new(), total: 0 };
    for number in after_row.saturating_add(1)..=rows {
        let item = read(number)?;
        if item.status == status {
            if listing.total >= offset && (listing.items.len() as u64) < limit {
                listing.items.push(item);
            }
            listing.total += 1;
        }
    }
    Some(listing)
}

fn item(sent: SentRow, number: u64, document: Option<&JobRecord>, ends: Option<&RowEnds>) -> Option<Item> {
    let part: Option<&RowPart> = document.and_then(|it| it.row.as_ref());
    let blank = Item {
        row: number,
        id: JobId::parse(&sent.id)?,
        name: sent.name,
        status: document.map_or(Status::Scheduled, |it| it.status),
        url: None,
        bytes: None,
        sha256: None,
        fingerprint: None,
        first_page: None,
        page_count: None,
        warnings: Vec::new(),
        timings: BTreeMap::new(),
        error: String::new(),
        problems: Vec::new(),
    };
    let failed = |FailedRow { error, problems }| Item { status: Status::Error, error, problems, ..blank.clone() };
    if let Some(bad) = sent.bad {
        return Some(failed(bad));
    }
    let end = ends.and_then(|ends| ends.rows.get(&number));
    Some(match (blank.status, end) {
        (Status::Scheduled | Status::Progress, _) => blank,
        (_, Some(RowEndLine { bad: Some(bad), .. })) => failed(bad.clone()),
        (Status::Done, Some(row)) => Item {
            bytes: part.and_then(|it| it.bytes),
            sha256: part.and_then(|it| it.sha256.clone()),
            fingerprint: document.and_then(|it| it.fingerprint.clone()),
            first_page: Some(row.first_page),
            page_count: Some(row.page_count),
            warnings: row.warnings.clone(),
            timings: row.timings.clone(),
            ..blank
        },
        (Status::Done, None) => failed(FailedRow { error: UNTOLD.to_owned(), problems: Vec::new() }),
        (Status::Error, _) => {
            let error = document.map(|it| it.error.clone()).unwrap_or_default();
            failed(FailedRow { error, problems: Vec::new() })
        }
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::jobs::store::NewRow;

    #[test]
    fn rows_of_a_document_are_read_page_by_page() {
        let bad = || FailedRow { error: "no row".into(), problems: Vec::new() };
        let rows = (1..=5)
            .map(|row| NewRow { name: String::new(), values: if row % 2 == 0 { Err(bad()) } else { Ok("{}".into()) } });
        let mut next = 0;
        let id = || {
            next += 1;
            Ok::<_, Infallible>(JobId::parse(&format!("row{next:06}")).expect("an id"))
        };
        let Ok(sent) = SentRow::of_rows(&rows.collect::<Vec<_>>(), id);
        let list = RowList::new(RowList::write(&sent));
        let page = |status, after_row, offset, limit| {
            let which = ItemQuery { status, after_row, offset, limit };
            let listing = items(&list, 5, which, None, None).expect("no row is missing");
            (listing.items.iter().map(|it| it.row).collect::<Vec<_>>(), listing.total)
        };
        assert_eq!(page(None, 0, 0, 2), (vec![1, 2], 5));
        assert_eq!(page(None, 0, 4, 2), (vec![5], 5));
        assert_eq!(page(None, 3, 1, 9), (vec![5], 2));
        assert_eq!(page(None, 9, u64::MAX, u64::MAX), (vec![], 0));
        assert_eq!(page(Some(Status::Error), 0, 1, 1), (vec![4], 2));
        assert_eq!(page(Some(Status::Scheduled), 1, 0, 1), (vec![3], 2));
        assert!(items(&list, 6, ItemQuery { status: None, after_row: 5, offset: 0, limit: 1 }, None, None).is_none());
    }
}
