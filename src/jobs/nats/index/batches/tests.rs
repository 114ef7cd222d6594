//! What a front end makes of what it sees, in whatever order it sees it.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::jobs::life::batch_record::BatchSeed;
use crate::jobs::life::document::DocumentEnd;
use crate::jobs::life::record::JobSeed;
use crate::jobs::life::row_list::SubmittedRow;
use crate::jobs::life::samples::{at, body, done};
use crate::jobs::store::{AttemptReport, NewBatch, NewRow, Outcome, RowError, RowOutcome, RowPages};

const LIFETIME: Duration = Duration::from_secs(100);

fn batch_id() -> BatchId {
    BatchId::parse("batch0000").expect("an id")
}

fn row_id(number: u64) -> JobId {
    JobId::parse(&format!("row{number:06}")).expect("an id")
}

fn head(rows: usize, bad: usize, document: Option<&str>) -> BatchRecord {
    let unreadable = || Err(RowError { error: "no row".into(), problems: Vec::new() });
    let rows = (0..rows).map(|row| NewRow {
        name: format!("{row}.png"),
        values: if row < bad { unreadable() } else { Ok(Bytes::from_static(b"{}")) },
    });
    let batch = NewBatch { document: document.map(str::to_owned), ..NewBatch::sample(rows.collect()) };
    let document = document.map(|_| row_id(0));
    let seed = BatchSeed { id: batch_id(), key: None, template: body(), list: body(), document, now: at(0) };
    BatchRecord::new(&batch, seed)
}

/// As it is when it has just got its message.
fn row(head: &BatchRecord, number: u64) -> JobRecord {
    let id = row_id(number);
    let sent = SubmittedRow { id: id.to_string(), name: format!("{number}.png"), values: None, error: None };
    let seed = JobSeed { body: Some(body()), sequence: number + 1, ..JobSeed::new(&id, id.to_string(), at(0)) };
    JobRecord::of_row(head, number, sent, seed)
}

/// Sees things one after the other.
#[derive(Default)]
struct Front {
    batches: Batches,
    revision: u64,
}

impl Front {
    fn sees(&mut self, record: &JobRecord) {
        self.revision += 1;
        let id = JobId::parse(&record.id).expect("an id");
        assert!(self.batches.apply_row(&batch_id(), &id, record, self.revision));
    }

    fn sees_head(&mut self, head: &BatchRecord) {
        self.revision += 1;
        assert!(self.batches.apply_batch(&batch_id(), head, self.revision));
    }

    fn open(&self) -> OpenBatch {
        self.batches.open().into_iter().find(|it| it.id == batch_id()).expect("an open batch")
    }

    fn next(&mut self) -> Vec<u64> {
        self.batches.rows_to_enqueue(&batch_id()).into_iter().map(|row| row.number).collect()
    }
}

#[test]
fn rows_are_fed_as_there_is_room_and_in_order() {
    let (mut front, head) = (Front::default(), head(100, 0, None));
    front.sees_head(&head);
    assert_eq!(front.next(), (1..=32).collect::<Vec<_>>());
    let mut rows: Vec<_> = (1..=32).map(|number| row(&head, number)).collect();
    rows.iter().for_each(|row| front.sees(row));
    assert!(front.next().is_empty(), "enough for those who ask");
    for row in &mut rows[..20] {
        row.begin("one", at(1));
        front.sees(row);
    }
    // Four for each of 20, of which 12 are there.
    assert_eq!(front.next(), (33..=100).collect::<Vec<_>>());
    assert_eq!(front.batches.unfinished(Some("shop")), (100, 1));
    assert_eq!(front.batches.unfinished(Some("other")), (0, 0));
}

#[test]
fn batch_is_over_with_its_last_row_and_what_is_tried_again_comes_first() {
    let (mut front, mut head) = (Front::default(), head(3, 0, None));
    let mut rows: Vec<_> = (1..=3).map(|number| row(&head, number)).collect();
    // The head is written again after its rows, and may be seen after them.
    for row in &mut rows {
        let attempt_id = row.begin("one", at(1));
        let outcome = if attempt_id.job == row_id(2) { Outcome::Error("no picture".into()) } else { done() };
        assert!(row.finish(&attempt_id, outcome, &AttemptReport::default(), None, LIFETIME, at(2)));
        front.sees(row);
    }
    assert_eq!(front.batches.all_rows_ended(&batch_id()), None, "unknown without the record of the batch");
    assert_eq!(front.batches.removable(at(0)), [batch_id()], "to be looked into");
    front.sees_head(&head);
    assert!(front.open().have_rows_ended && front.batches.removable(at(0)).is_empty());
    assert_eq!(front.batches.all_rows_ended(&batch_id()), Some(front.revision));
    let tally = front.batches.progress(&batch_id(), at(3));
    assert_eq!((tally.done, tally.error, tally.started, tally.rate), (2, 1, Some(at(1).micros()), Some(1.5)));
    assert_eq!(front.batches.failed(&batch_id()), [row_id(2)]);
    assert!(!front.batches.apply_row(&batch_id(), &row_id(1), &rows[0], 1), "old news");

    assert!(head.begin_retry(at(4)));
    front.sees_head(&head);
    assert_eq!(front.open().retrying, Some(at(4)));
    rows[1].retry("again".into(), Some(body()), at(4));
    front.sees(&rows[1]);
    assert!(!front.open().have_rows_ended);
    let next = front.batches.rows_to_enqueue(&batch_id());
    assert_eq!(next, [IndexedRowId { number: 2, id: Some(row_id(2)) }]);
    assert_eq!(front.batches.rows(&batch_id(), Some(Status::Scheduled), 0), next);
}

#[test]
fn rows_of_a_document_end_with_it() {
    let (mut front, head) = (Front::default(), head(10, 1, Some("all.pdf")));
    front.sees_head(&head);
    assert_eq!(front.next(), [0], "the document is all there is to feed");
    let counts = |front: &Front| {
        let tally = front.batches.progress(&batch_id(), at(11));
        (tally.progress, tally.done, tally.error)
    };
    assert_eq!(counts(&front), (0, 0, 1));
    let mut document = row(&head, 0);
    let attempt_id = document.begin("one", at(1));
    document.set_progress(&attempt_id, 50.0, at(10));
    front.sees(&document);
    assert_eq!(counts(&front), (9, 0, 1));
    let tally = front.batches.progress(&batch_id(), at(11));
    assert_eq!((tally.rate, tally.rows_left), (Some(0.5), 5.0));
    assert!(document.finish(&attempt_id, done(), &AttemptReport::default(), None, LIFETIME, at(20)));
    let mut ends_with = |front: &mut Front, ends: &[RowOutcome]| {
        if let Some(row) = &mut document.row {
            row.ended = Some(DocumentEnd::new(ends, true, body()));
        }
        document.updated = document.updated.map(|it| it + 1);
        front.sees(&document);
    };
    let in_it = |row: u64| {
        let end = RowPages { first_page: row - 1, page_count: 1, warnings: Vec::new(), timings: Vec::new() };
        RowOutcome { row, result: Ok(end) }
    };
    let all: Vec<_> = (2..=10).map(in_it).collect();
    ends_with(&mut front, &all);
    assert_eq!((counts(&front), front.open().have_rows_ended), ((0, 9, 1), true));
    assert!(
        front.batches.failed(&batch_id()).is_empty(),
        "a row that cannot be read does not render the document again"
    );
    let failed = RowOutcome { row: 2, result: Err(RowError { error: "no picture".into(), problems: Vec::new() }) };
    ends_with(&mut front, &[&[failed], &all[1..]].concat());
    assert_eq!(counts(&front), (0, 8, 2));
    assert_eq!(front.batches.failed(&batch_id()), [row_id(0)]);
}
