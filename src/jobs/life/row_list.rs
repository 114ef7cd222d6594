//! The rows of a batch as they were sent, kept in the bucket in one piece: a line of JSON each, in order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::jobs::job::JobId;
use crate::jobs::store::{FailedRow, NewRow};

/// One row as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::jobs) struct SentRow {
    /// The id that it gets.
    pub(in crate::jobs) id: String,
    /// Its file's name in the archive.
    pub(in crate::jobs) name: String,
    /// As JSON; `None` when they could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(in crate::jobs) values: Option<String>,
    /// Why they could not be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(in crate::jobs) bad: Option<FailedRow>,
}

impl SentRow {
    /// Rows with an id each.
    pub(in crate::jobs) fn of_rows<E>(
        rows: &[NewRow],
        mut id: impl FnMut() -> Result<JobId, E>,
    ) -> Result<Vec<Self>, E> {
        let sent = rows.iter().map(|NewRow { name, values }| {
            let (values, bad) = match values {
                Ok(values) => (Some(String::from_utf8_lossy(values).into_owned()), None),
                Err(bad) => (None, Some(bad.clone())),
            };
            Ok(Self { id: id()?.to_string(), name: name.clone(), values, bad })
        });
        sent.collect()
    }
}

/// All rows of a batch.
pub(in crate::jobs) struct RowList {
    text: Bytes,
    /// Where lines end.
    ends: Vec<usize>,
}

impl RowList {
    /// The rows as they are kept.
    pub(in crate::jobs) fn write(rows: &[SentRow]) -> Bytes {
        let mut text = Vec::new();
        for row in rows {
            text.extend(serde_json::to_vec(row).expect("texts are JSON"));
            text.push(b'\n');
        }
        text.into()
    }

    pub(in crate::jobs) fn new(text: Bytes) -> Self {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        Self { text, ends }
    }

    /// Row `number`, from 1; `None` when there is none.
    pub(in crate::jobs) fn row(&self, number: u64) -> Option<SentRow> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = if index == 0 { 0 } else { self.ends.get(index - 1)? + 1 };
        serde_json::from_slice(&self.text[start..*self.ends.get(index)?]).ok()
    }

    /// What it occupies, in bytes.
    pub(in crate::jobs) fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::report::Problem;

    #[test]
    fn rows_come_back_as_they_were_sent() {
        let problems = vec![Problem { path: "a".into(), message: "b".into() }];
        let rows = [
            NewRow { name: "Ada.png".into(), values: Ok(r#"{"who":"a\nb"}"#.into()) },
            NewRow {
                name: "2.png".into(),
                values: Err(FailedRow { error: "no row".into(), problems: problems.clone() }),
            },
        ];
        let mut ids = ["aaaaaaaaa", "bbbbbbbbb"].into_iter();
        let id = || Ok::<_, Infallible>(JobId::parse(ids.next().expect("one each")).expect("an id"));
        let Ok(sent) = SentRow::of_rows(&rows, id);
        let list = RowList::new(RowList::write(&sent));
        let first = list.row(1).expect("the first");
        assert_eq!((first.id.as_str(), first.values.as_deref()), ("aaaaaaaaa", Some(r#"{"who":"a\nb"}"#)));
        let second = list.row(2).expect("the second");
        assert_eq!(second.bad, Some(FailedRow { error: "no row".into(), problems }));
        assert!(list.row(0).is_none() && list.row(3).is_none());
    }
}
