//! Records of templates.

use std::collections::BTreeSet;

use tenter::jobs::{Owner, TemplateRecords};

use crate::{Bench, Engine, cases};

cases![
    template_records_are_replaced_by_compare_and_set,
    template_records_belong_to_owners,
    template_records_are_listed
];

async fn all(records: &TemplateRecords, owner: Option<&Owner>) -> BTreeSet<String> {
    records.all(owner).await.expect("a ledger").iter().map(|it| it.to_string()).collect()
}

async fn template_records_are_replaced_by_compare_and_set(engine: Engine) {
    let Some(mut bench) = Bench::start(engine).await else { return };
    let (records, owner) = (bench.service.template_records(), Owner::from("shop"));
    let put = async |record: &str, revision| records.put(&owner, "a/b.c", record.into(), revision).await.expect("ok");
    assert_eq!(records.load(&owner, "a/b.c").await.expect("ok"), None);
    assert!(!put("none", Some(1)).await, "there is nothing to replace");
    assert!(put("one", None).await);
    assert!(!put("other", None).await, "there is one already");
    let first = records.load(&owner, "a/b.c").await.expect("ok").expect("a record");
    assert_eq!(&*first.record, "one");
    assert!(put("two", Some(first.revision)).await);
    assert!(!put("three", Some(first.revision)).await, "another call was faster");
    bench.restart(engine).await;
    let records = bench.service.template_records();
    let second = records.load(&owner, "a/b.c").await.expect("ok").expect("durable");
    assert_eq!(&*second.record, "two");
    assert!(!records.remove(&owner, "a/b.c", first.revision).await.expect("ok"));
    assert!(records.remove(&owner, "a/b.c", second.revision).await.expect("ok"));
    assert_eq!(records.load(&owner, "a/b.c").await.expect("ok"), None);
    assert!(records.put(&owner, "a/b.c", "again".into(), None).await.expect("ok"), "a removed id is free");
}

async fn template_records_belong_to_owners(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let records = bench.service.template_records();
    let (one, other) = (Owner::from("shop"), Owner::from("press *.>"));
    assert!(records.put(&one, "card", "of one".into(), None).await.expect("ok"));
    assert!(records.put(&other, "card", "of other".into(), None).await.expect("ok"));
    let loaded = records.load(&other, "card").await.expect("ok").expect("a record");
    assert_eq!(&*loaded.record, "of other");
    assert!(records.remove(&other, "card", loaded.revision).await.expect("ok"));
    assert!(records.load(&one, "card").await.expect("ok").is_some());
}

async fn template_records_are_listed(engine: Engine) {
    let Some(bench) = Bench::start(engine).await else { return };
    let (records, one, other) = (bench.service.template_records(), Owner::from("shop"), Owner::from(""));
    assert_eq!(all(&records, None).await, BTreeSet::new());
    for number in 0..20 {
        let owner = if number < 15 { &one } else { &other };
        assert!(records.put(owner, &format!("t{number}"), format!("{number}").into(), None).await.expect("ok"));
        // Each write is in the next list.
        assert!(all(&records, Some(owner)).await.contains(&number.to_string()));
    }
    assert_eq!(all(&records, Some(&one)).await, (0..15).map(|it| it.to_string()).collect());
    assert_eq!(all(&records, None).await.len(), 20);
    let removed = records.load(&one, "t3").await.expect("ok").expect("a record");
    assert!(records.remove(&one, "t3", removed.revision).await.expect("ok"));
    assert_eq!(all(&records, Some(&one)).await.len(), 14);
    assert_eq!(all(&records, Some(&Owner::from("nobody"))).await, BTreeSet::new());
}
