//! Property tests with mutated designs: parsing returns a design or a list of problems, and never panics.
//!
//! `PROPTEST_CASES` sets the number of cases, 256 by default.

#[path = "support/mutate.rs"]
mod mutate;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use tenter::config::DesignLimits;
use tenter::design::{Design, DesignError};
use tenter::json::Problems;
use tenter::options::RenderOptions;

use mutate::{every_field, mutate, mutation, scalar};

/// Folder of designs with reference pictures; not part of this repository.
const CORPUS: &str = "../shared/corpus";

/// Every design of the corpus with its path, sorted; empty when the corpus does not exist.
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
    const MAX_CHARS: usize = 60;
    match value {
        Value::String(text) => {
            if let Some((end, _)) = text.char_indices().nth(MAX_CHARS) {
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

/// Parses a design. A refused one must have between one and `Problems::KEPT + 1` problems, each with a message.
fn check(bytes: &[u8]) {
    if let Err(error) = parse(bytes) {
        assert!(!error.problems.is_empty());
        assert!(error.problems.len() <= Problems::MAX_LISTED + 1);
        assert!(error.problems.iter().all(|problem| !problem.message.is_empty()));
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
    fn design_bytes_mutated_do_not_panic(
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        cut in any::<usize>(),
    ) {
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
