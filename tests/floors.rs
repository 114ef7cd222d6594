//! Keeps `ARCHITECTURE.md` true: each room imports only rooms on lower floors.

use std::{fs, path::Path};

/// (room, rooms it may import). A room missing here fails the test.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("report", &[]),
    ("json", &["report"]),
    ("config", &["units", "report"]),
    ("raster", &["units"]),
    ("pool", &[]),
    ("scene", &["units", "report"]),
    ("options", &["units", "report", "json", "config"]),
    ("sfnt", &[]),
    ("assets", &["units", "report", "config", "sfnt", "scene", "pool"]),
    ("text", &["units", "report", "config", "sfnt", "scene"]),
    ("design", &["units", "report", "json", "config", "options", "scene", "assets", "text"]),
    ("paint", &["units", "report", "config", "scene", "raster", "pool"]),
    ("output", &["units", "report", "config", "scene", "raster"]),
    ("error", &["report", "pool", "design", "assets", "text", "paint", "output", "options"]),
    (
        "pipeline",
        &[
            "units", "report", "json", "config", "options", "scene", "raster", "pool", "design", "assets", "text",
            "paint", "output", "error",
        ],
    ),
    ("server", &["units", "report", "json", "config", "options", "output", "pipeline", "error"]),
    ("cli", &["report", "json", "config", "options", "text", "paint", "output", "pipeline", "error", "server"]),
];

#[test]
fn every_import_goes_down() {
    let mut wrong = Vec::new();
    visit(Path::new("src"), &mut |path, source| {
        let room = path.iter().nth(1).and_then(|it| it.to_str()).unwrap_or_default().trim_end_matches(".rs");
        if matches!(room, "lib" | "main" | "bin") {
            return;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == room) else {
            return wrong.push(format!("{}: room `{room}` has no floor", path.display()));
        };
        for used in source.split("crate::").skip(1).flat_map(first_segments) {
            if used != room && !allowed.contains(&used) {
                wrong.push(format!("{}: `{room}` may not import `{used}`", path.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `scene::Node` gives `scene`; `{scene::Node, units::Px}` gives both.
fn first_segments(after_crate: &str) -> Vec<&str> {
    let name_end = |s: &str| s.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(s.len());
    let Some(list) = after_crate.strip_prefix('{') else {
        return vec![&after_crate[..name_end(after_crate)]];
    };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = list[start..at].trim();
                names.extend((!item.is_empty()).then(|| &item[..name_end(item)]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn visit(dir: &Path, file: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).expect("src is readable").flatten() {
        match entry.path() {
            path if path.is_dir() => visit(&path, file),
            path if path.extension().is_some_and(|it| it == "rs") => {
                file(&path, &fs::read_to_string(&path).expect("source is readable"));
            }
            _ => {}
        }
    }
}
