//! Mutated designs: reading them ends in a design or in problems, never in a panic.
//!
//! `PROPTEST_CASES` raises the number of cases (256).

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tenter::config::DesignLimits;
use tenter::design::{Design, DesignError};
use tenter::json::Problems;
use tenter::options::RenderOptions;

/// Designs handed out with the editor, with references; not part of this repository.
const CORPUS: &str = "../shared/corpus";

/// A small design with every kind of element and most of the fields.
fn every_field() -> Value {
    serde_json::from_str(include_str!("fuzz_design.json")).expect("JSON")
}

/// Every design of the corpus, long strings shortened; none when the corpus is not there.
fn corpus() -> Vec<(String, Value)> {
    let mut designs = Vec::new();
    for set in fs::read_dir(CORPUS).into_iter().flatten().flatten() {
        for case in fs::read_dir(set.path()).into_iter().flatten().flatten() {
            let path = case.path().join("design.json");
            if let Ok(text) = fs::read(&path) {
                let value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                designs.push((path.display().to_string(), value));
            }
        }
    }
    designs.sort_by(|a, b| a.0.cmp(&b.0));
    if designs.is_empty() {
        println!("skipped: no designs in {CORPUS}");
    }
    designs
}

fn shorten(value: &mut Value) {
    const KEPT: usize = 60;
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(KEPT) {
                text.truncate(end);
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn parse(bytes: &[u8]) -> Result<Design, DesignError> {
    Design::parse(bytes, &DesignLimits { elements: 500, ..DesignLimits::default() })
}

/// Refused designs say why.
fn check(bytes: &[u8]) {
    if let Err(error) = parse(bytes) {
        assert!(!error.problems.is_empty());
        assert!(error.problems.len() <= Problems::KEPT + 1);
        assert!(error.problems.iter().all(|problem| !problem.message.is_empty()));
    }
}

/// One change somewhere in a design.
#[derive(Clone, Debug)]
enum Mutation {
    /// The value is another.
    Replace(Value),
    /// A string is cut in two and this put between.
    Splice(usize, String),
    /// The entry or member is there no more.
    Remove,
    /// An array has the entry this many times.
    Repeat(u8),
    /// The value is inside this many arrays or objects.
    Wrap(u8, bool),
}

fn scalar() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "",
        "auto",
        "none",
        "1e999",
        "NaN",
        "-1",
        "0",
        "100",
        "red",
        "#abc",
        "rgb(",
        "linear-gradient(",
        "url(",
        "é\u{0}\u{202e}",
        "group",
        "table",
        "text",
        "linear-gradient(1e308turn, red 1e38%, blue -1e38%)",
        "rgb(calc(1/0) 0 0 / NaN)",
        "url('a\\",
        "200 900 1",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just(0.0), Just(-1.0), Just(1e308), Just(-1e308), Just(5e-324)].prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null, 1, "2", {}, []])),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => scalar().prop_map(Mutation::Replace),
        2 => (any::<usize>(), "[-+0-9a-z%(),'\"#. <>\\\\é]{0,8}").prop_map(|(at, text)| Mutation::Splice(at, text)),
        1 => Just(Mutation::Remove),
        1 => any::<u8>().prop_map(Mutation::Repeat),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(depth, array)| Mutation::Wrap(depth, array)),
    ]
}

/// Walks down from `value`, choosing by the digits of `place`, and changes where it runs out.
fn mutate(value: &mut Value, place: &mut usize, mutation: &Mutation) {
    let mut choose = |count: usize| {
        let chosen = *place % (count + 1);
        *place /= count + 1;
        (chosen < count).then_some(chosen)
    };
    match value {
        Value::Array(entries) => {
            if let Some(at) = choose(entries.len()) {
                match mutation {
                    Mutation::Remove if entries[at].is_object() => drop(entries.remove(at)),
                    Mutation::Repeat(times) if entries[at].is_object() => {
                        let copies = vec![entries[at].clone(); usize::from(*times)];
                        entries.splice(at..at, copies);
                    }
                    _ => mutate(&mut entries[at], place, mutation),
                }
                return;
            }
        }
        Value::Object(members) => {
            if let Some(at) = choose(members.len()) {
                let Some(key) = members.keys().nth(at).cloned() else { return };
                match (mutation, &mut members[&key]) {
                    (Mutation::Remove, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                        members.remove(&key);
                    }
                    (_, member) => mutate(member, place, mutation),
                }
                return;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    apply(value, mutation);
}

fn apply(value: &mut Value, mutation: &Mutation) {
    match mutation {
        Mutation::Replace(new) => *value = new.clone(),
        Mutation::Splice(at, inserted) => {
            if let Value::String(text) = value {
                let places: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
                text.insert_str(places[at % places.len()], inserted);
            }
        }
        Mutation::Wrap(depth, array) => {
            for _ in 0..*depth {
                let inner = value.take();
                *value = if *array {
                    json!([inner])
                } else {
                    Value::Object(Map::from_iter([
                        ("type".to_owned(), "group".into()),
                        ("children".to_owned(), json!([inner])),
                    ]))
                };
            }
        }
        Mutation::Remove | Mutation::Repeat(_) => *value = Value::Null,
    }
}

proptest! {
    #[test]
    fn design_mutated_does_not_panic(changes in prop::collection::vec((any::<usize>(), mutation()), 1..6)) {
        let mut design = every_field();
        for (mut place, mutation) in changes {
            mutate(&mut design, &mut place, &mutation);
        }
        check(design.to_string().as_bytes());
    }

    #[test]
    fn design_bytes_mutated_do_not_panic(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6), cut in any::<usize>()) {
        let mut bytes = every_field().to_string().into_bytes();
        let length = bytes.len();
        for (at, byte) in changes {
            bytes[at % length] = byte;
        }
        bytes.truncate(length - cut % 50);
        check(&bytes);
    }

    #[test]
    fn options_mutated_do_not_panic(members in prop::collection::vec((prop::sample::select(OPTIONS), scalar()), 1..6)) {
        let options = Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        let mut problems = Problems::new();
        let options = RenderOptions::read(&options, "exportOptions".into(), &mut problems);
        prop_assert!(options.pixel_ratio.get() > 0.0);
    }
}

const OPTIONS: &[&str] = &[
    "format",
    "mimeType",
    "pixelRatio",
    "ignoreBackground",
    "textOverflow",
    "missingHeight",
    "assetLoadTimeout",
    "fontLoadTimeout",
    "quality",
    "pageId",
    "pageIds",
    "dpi",
    "cropMarkSize",
    "color",
    "pdfx",
    "pdfx1a",
    "fps",
];

#[test]
fn every_field_is_accepted() {
    let design = parse(every_field().to_string().as_bytes()).unwrap_or_else(|error| panic!("{:#?}", error.problems));
    assert_eq!(design.pages[0].children.len(), 7);
    assert_eq!(design.warnings, []);
}

#[test]
fn corpus_designs_are_accepted() {
    for (path, design) in corpus() {
        if let Err(error) = parse(design.to_string().as_bytes()) {
            panic!("{path}: {:#?}", error.problems);
        }
    }
}

#[test]
fn corpus_designs_mutated_do_not_panic() {
    let designs: Vec<Value> = corpus()
        .into_iter()
        .map(|(_, mut design)| {
            shorten(&mut design);
            design
        })
        .collect();
    if designs.is_empty() {
        return;
    }
    let changes = prop::collection::vec((any::<usize>(), mutation()), 1..6);
    proptest!(|(at in 0..designs.len(), changes in changes)| {
        let mut design = designs[at].clone();
        for (mut place, mutation) in changes {
            mutate(&mut design, &mut place, &mutation);
        }
        check(design.to_string().as_bytes());
    });
}

#[test]
fn corpus_options_are_accepted() {
    assert!(!Path::new(CORPUS).exists() || !corpus().is_empty());
    for (path, _) in corpus() {
        let Ok(text) = fs::read(Path::new(&path).with_file_name("attrs.json")) else { continue };
        let value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut problems = Problems::new();
        RenderOptions::read(&value, "attrs".into(), &mut problems);
        assert_eq!(problems.into_vec(), [], "{path}");
    }
}
