//! The rows of a batch as they were submitted: one blob with a line of JSON for each row, in order.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::jobs::batch::Item;
use crate::jobs::job::JobId;
use crate::jobs::store::{NewRow, RowError};

/// One row as it was submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SubmittedRow {
    /// Id of the row's job.
    pub(crate) id: String,
    /// Name of its file in the archive.
    pub(crate) name: String,
    /// Its values as JSON; `None` when they could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) values: Option<String>,
    /// Why its values could not be read.
    #[serde(rename = "bad", skip_serializing_if = "Option::is_none", default)]
    pub(crate) error: Option<RowError>,
}

impl SubmittedRow {
    /// Gives each of `rows` an id.
    pub(crate) fn of_rows<E>(rows: &[NewRow], mut id: impl FnMut() -> Result<JobId, E>) -> Result<Vec<Self>, E> {
        let submitted = rows.iter().map(|NewRow { name, values }| {
            let (values, error) = match values {
                Ok(values) => (Some(String::from_utf8_lossy(values).into_owned()), None),
                Err(error) => (None, Some(error.clone())),
            };
            Ok(Self { id: id()?.to_string(), name: name.clone(), values, error })
        });
        submitted.collect()
    }

    /// The item of row `number` while it has no record; `None` when its id is invalid.
    pub(crate) fn into_item(self, number: u64) -> Option<Item> {
        Some(Item::scheduled(number, JobId::parse(&self.id)?, self.name))
    }
}

/// All rows of a batch.
pub(crate) struct RowList {
    text: Bytes,
    /// Position of the line feed of each line, in bytes.
    ends: Vec<usize>,
}

impl RowList {
    /// The blob of `rows`.
    pub(crate) fn write(rows: &[SubmittedRow]) -> Bytes {
        let mut text = Vec::new();
        for row in rows {
            text.extend(serde_json::to_vec(row).expect("texts are JSON"));
            text.push(b'\n');
        }
        text.into()
    }

    /// `text`: what [`RowList::write`] returned. Its lines are parsed when they are asked for.
    pub(crate) fn new(text: Bytes) -> Self {
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        Self { text, ends }
    }

    /// Row `number`, from 1; `None` when there is no such row.
    pub(crate) fn row(&self, number: u64) -> Option<SubmittedRow> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let start = if index == 0 { 0 } else { self.ends.get(index - 1)? + 1 };
        serde_json::from_slice(&self.text[start..*self.ends.get(index)?]).ok()
    }

    /// Size in memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::report::Problem;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let problems = vec![Problem { path: "a".into(), message: "b".into() }];
        let rows = [
            NewRow { name: "Ada.png".into(), values: Ok(r#"{"who":"a\nb"}"#.into()) },
            NewRow {
                name: "2.png".into(),
                values: Err(RowError { error: "no row".into(), problems: problems.clone() }),
            },
        ];
        let mut ids = ["aaaaaaaaa", "bbbbbbbbb"].into_iter();
        let id = || Ok::<_, Infallible>(JobId::parse(ids.next().expect("one each")).expect("an id"));
        let Ok(submitted) = SubmittedRow::of_rows(&rows, id);
        let list = RowList::new(RowList::write(&submitted));
        let first = list.row(1).expect("the first");
        assert_eq!((first.id.as_str(), first.values.as_deref()), ("aaaaaaaaa", Some(r#"{"who":"a\nb"}"#)));
        let second = list.row(2).expect("the second");
        assert_eq!(second.error, Some(RowError { error: "no row".into(), problems }));
        assert!(list.row(0).is_none() && list.row(3).is_none());
    }
}
