//! The table of templates.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::Sqlite;
use crate::jobs::ledger::TemplateLedger;
use crate::jobs::store::{Owner, StoreFuture, TemplateEntry};

impl TemplateLedger for Sqlite {
    fn template<'a>(&'a self, owner: &'a Owner, id: &'a str) -> StoreFuture<'a, Option<TemplateEntry>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        Box::pin(self.read(move |transaction| {
            let sql = "SELECT body, revision FROM template_records WHERE owner = ?1 AND id = ?2";
            let read = |row: &rusqlite::Row<'_>| {
                Ok(TemplateEntry { record: row.get_ref(0)?.as_str()?.into(), revision: row.get(1)? })
            };
            transaction.prepare_cached(sql)?.query_row(params![&*owner, id], read).optional()
        }))
    }

    fn templates<'a>(&'a self, owner: Option<&'a Owner>) -> StoreFuture<'a, Vec<Arc<str>>> {
        let owner = owner.map(|it| it.to_string());
        Box::pin(self.read(move |transaction| {
            let sql = "SELECT body FROM template_records WHERE ?1 IS NULL OR owner = ?1";
            let mut statement = transaction.prepare_cached(sql)?;
            let found = statement.query_map([owner], |row| Ok(row.get_ref(0)?.as_str()?.into()))?;
            found.collect()
        }))
    }

    fn put_template<'a>(
        &'a self,
        owner: &'a Owner,
        id: &'a str,
        record: Arc<str>,
        revision: Option<u64>,
    ) -> StoreFuture<'a, bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        Box::pin(self.write(true, move |transaction| {
            let written = match revision {
                None => {
                    let sql = "INSERT INTO template_records (owner, id, revision, body) VALUES (?1, ?2, 1, ?3)
                               ON CONFLICT DO NOTHING";
                    transaction.prepare_cached(sql)?.execute(params![&*owner, id, &*record])?
                }
                Some(revision) => {
                    let sql = "UPDATE template_records SET revision = revision + 1, body = ?3
                               WHERE owner = ?1 AND id = ?2 AND revision = ?4";
                    transaction.prepare_cached(sql)?.execute(params![&*owner, id, &*record, revision])?
                }
            };
            Ok(written == 1)
        }))
    }

    fn remove_template<'a>(&'a self, owner: &'a Owner, id: &'a str, revision: u64) -> StoreFuture<'a, bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        Box::pin(self.write(true, move |transaction| {
            let sql = "DELETE FROM template_records WHERE owner = ?1 AND id = ?2 AND revision = ?3";
            Ok(transaction.prepare_cached(sql)?.execute(params![&*owner, id, revision])? == 1)
        }))
    }
}
