//! A small design with most fields, and random mutations of JSON for property tests.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A small design with every element type and most of the fields.
pub(crate) fn every_field() -> Value {
    serde_json::from_str(include_str!("../fuzz_design.json")).expect("JSON")
}

/// A change of one JSON value in a design.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    /// Replaces the value.
    Replace(Value),
    /// Inserts this text into a string, at the character index modulo the string's length.
    Splice(usize, String),
    /// Removes the array entry or object member.
    Remove,
    /// Inserts this many copies of an array entry.
    Repeat(u8),
    /// Wraps the value in this many arrays (`true`) or groups (`false`).
    Wrap(u8, bool),
}

pub(crate) fn scalar() -> impl Strategy<Value = Value> {
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

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => scalar().prop_map(Mutation::Replace),
        2 => (any::<usize>(), "[-+0-9a-z%(),'\"#. <>\\\\é]{0,8}").prop_map(|(at, text)| Mutation::Splice(at, text)),
        1 => Just(Mutation::Remove),
        1 => any::<u8>().prop_map(Mutation::Repeat),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(depth, array)| Mutation::Wrap(depth, array)),
    ]
}

/// Descends from `value`, choosing a child at each level by the remainder of `place`, and applies the mutation where
/// the descent ends.
pub(crate) fn mutate(value: &mut Value, place: &mut usize, mutation: &Mutation) {
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
