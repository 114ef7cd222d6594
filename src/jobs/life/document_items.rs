//! The rows of a batch that becomes one document, as items. They have no records of their own: an item is the row as it
//! was submitted, with what became of it in the document.

use super::document::{RowEndLine, RowEnds};
use super::record::JobRecord;
use super::row_list::{RowList, SubmittedRow};
use crate::jobs::batch::{Item, ItemListing};
use crate::jobs::job::Status;
use crate::jobs::store::{ItemQuery, RowError};

/// Error of a row without pages in a finished document. Workers give a reason for every such row; this is for other
/// writers.
const NO_REASON: &str = "the document was made without this row";

/// The items of a batch of `rows` rows that `query` selects. `document`: the record of the document, if there is one.
/// `ends`: how the rows ended, once the document has. `None` when `list` lacks a row.
pub(crate) fn items(
    list: &RowList,
    rows: u64,
    query: ItemQuery,
    document: Option<&JobRecord>,
    ends: Option<&RowEnds>,
) -> Option<ItemListing> {
    let ItemQuery { status, after_row, offset, limit } = query;
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

fn item(row: SubmittedRow, number: u64, document: Option<&JobRecord>, ends: Option<&RowEnds>) -> Option<Item> {
    let unreadable = row.error.clone();
    let status = document.map_or(Status::Scheduled, |it| it.status);
    let blank = Item { status, ..row.into_item(number)? };
    let failed = |RowError { error, problems }| Item { status: Status::Error, error, problems, ..blank.clone() };
    if let Some(error) = unreadable {
        return Some(failed(error));
    }
    let (Some(document), Status::Done | Status::Error) = (document, status) else { return Some(blank) };
    let without_problems = |error| failed(RowError { error, problems: Vec::new() });
    Some(match ends.and_then(|ends| ends.rows.get(&number)) {
        Some(RowEndLine { error: Some(error), .. }) => failed(error.clone()),
        _ if status == Status::Error => without_problems(document.error.clone()),
        None => without_problems(NO_REASON.to_owned()),
        Some(row) => {
            let file = document.row.as_ref();
            Item {
                bytes: file.and_then(|it| it.bytes),
                sha256: file.and_then(|it| it.sha256).map(|it| it.to_string()),
                fingerprint: document.fingerprint.clone(),
                first_page: Some(row.first_page),
                page_count: Some(row.page_count),
                warnings: row.warnings.clone(),
                timings: row.timings.clone(),
                ..blank
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::jobs::job::JobId;
    use crate::jobs::store::NewRow;

    #[test]
    fn rows_of_a_document_are_read_page_by_page() {
        let unreadable = || RowError { error: "no row".into(), problems: Vec::new() };
        let rows = (1..=5).map(|row| NewRow {
            name: String::new(),
            values: if row % 2 == 0 { Err(unreadable()) } else { Ok("{}".into()) },
        });
        let mut next = 0;
        let id = || {
            next += 1;
            Ok::<_, Infallible>(JobId::parse(&format!("row{next:06}")).expect("an id"))
        };
        let Ok(rows) = SubmittedRow::of_rows(&rows.collect::<Vec<_>>(), id);
        let list = RowList::new(RowList::write(&rows));
        let page = |status, after_row, offset, limit| {
            let query = ItemQuery { status, after_row, offset, limit };
            let listing = items(&list, 5, query, None, None).expect("no row is missing");
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
