//! Checks that each room (top-level module) imports only rooms on lower floors, as `ARCHITECTURE.md` says, and that the
//! files inside a room do not import each other in circles.

mod circles;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Rooms in the order of `src/lib.rs`, each with the rooms it may import. A room missing here fails the test.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("report", &[]),
    ("hash", &[]),
    ("json", &["report", "hash"]),
    ("config", &["units", "report"]),
    ("cache", &[]),
    ("css_color", &[]),
    ("inks", &["css_color"]),
    ("css_gradient", &["units", "css_color"]),
    ("raster", &["units"]),
    ("scene", &["units", "report"]),
    ("pool", &[]),
    ("sandbox", &[]),
    ("sfnt", &[]),
    ("rows", &["report", "json", "config"]),
    ("options", &["units", "report", "json", "config"]),
    ("print", &["config", "hash", "options"]),
    ("assets", &["units", "report", "config", "cache", "hash", "css_color", "css_gradient", "sfnt", "scene", "pool"]),
    ("text", &["units", "report", "config", "cache", "hash", "css_color", "sfnt", "scene"]),
    (
        "design",
        &[
            "units",
            "report",
            "json",
            "config",
            "css_color",
            "inks",
            "css_gradient",
            "options",
            "scene",
            "assets",
            "text",
        ],
    ),
    ("paint", &["units", "report", "config", "cache", "hash", "scene", "raster", "pool"]),
    ("output", &["units", "report", "config", "hash", "inks", "scene", "raster", "options", "print", "paint"]),
    ("error", &["report", "pool", "print", "design", "assets", "text", "paint", "output", "options"]),
    (
        "pipeline",
        &[
            "units", "report", "json", "config", "cache", "hash", "inks", "options", "scene", "raster", "pool",
            "print", "design", "assets", "text", "paint", "output", "error",
        ],
    ),
    ("calls", &["report", "json", "rows", "options", "output", "error", "pipeline"]),
    ("renderers", &["report", "json", "config", "sandbox", "assets", "output", "error", "pipeline", "calls"]),
    (
        "jobs",
        &[
            "units",
            "report",
            "json",
            "config",
            "cache",
            "hash",
            "rows",
            "options",
            "assets",
            "output",
            "pipeline",
            "error",
            "calls",
            "renderers",
        ],
    ),
    ("templates", &["report", "json", "config", "cache", "hash", "pipeline", "jobs", "renderers", "error"]),
    (
        "server",
        &[
            "units",
            "report",
            "json",
            "config",
            "cache",
            "hash",
            "rows",
            "options",
            "output",
            "pipeline",
            "calls",
            "renderers",
            "jobs",
            "templates",
            "error",
        ],
    ),
    (
        "cli",
        &[
            "report",
            "json",
            "config",
            "hash",
            "rows",
            "sandbox",
            "options",
            "raster",
            "print",
            "assets",
            "text",
            "paint",
            "output",
            "pipeline",
            "calls",
            "renderers",
            "jobs",
            "templates",
            "error",
            "server",
        ],
    ),
];

/// Rooms of floor 0, which every room may import; the table of `ARCHITECTURE.md` does not repeat them.
const GROUND: &[&str] = &["units", "report", "json", "cache", "config", "hash", "css_color", "inks", "css_gradient"];

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
        let is_path = |at: &usize| !source[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let paths = source.match_indices("crate::").map(|(at, _)| at).filter(is_path);
        for used in paths.flat_map(|at| first_segments(&source[at + "crate::".len()..])) {
            if used != room && !allowed.contains(&used) {
                wrong.push(format!("{}: `{room}` may not import `{used}`", path.display()));
            }
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two files may share the halves of one thing; a larger circle has to be read as a whole.
const LARGEST_CIRCLE: usize = 2;

#[test]
fn files_of_a_room_do_not_import_each_other_in_circles() {
    let circles = circles::circles(Path::new("src"));
    let large: Vec<_> = circles.iter().filter(|circle| circle.len() > LARGEST_CIRCLE).collect();
    assert!(large.is_empty(), "files that import each other: {large:#?}");
}

#[test]
fn lib_lists_the_rooms_lowest_floor_first() {
    let lib = fs::read_to_string("src/lib.rs").expect("source is readable");
    let listed: Vec<_> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.split_once(';')).map(|(room, _)| room).collect();
    assert_eq!(listed, MAY_IMPORT.iter().map(|(room, _)| *room).collect::<Vec<_>>());
    for (at, (room, allowed)) in MAY_IMPORT.iter().enumerate() {
        let above: Vec<_> = allowed.iter().filter(|it| !listed[..at].contains(it)).collect();
        assert!(above.is_empty(), "`{room}` may import {above:?}, which src/lib.rs does not list before it");
    }
}

#[test]
fn architecture_table_is_this_list() {
    let text = fs::read_to_string("ARCHITECTURE.md").expect("readable");
    let rows = text.lines().filter(|line| line.starts_with('|') && line.contains("| `"));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();
    for (room, allowed) in MAY_IMPORT {
        let row =
            rows.iter().find(|row| row[2] == format!("`{room}`")).unwrap_or_else(|| panic!("no row for `{room}`"));
        let written: BTreeSet<_> = row[4].split('`').skip(1).step_by(2).collect();
        let above_ground = allowed.iter().copied().filter(|it| !GROUND.contains(it)).collect();
        assert_eq!(written, above_ground, "`{room}`: the table in ARCHITECTURE.md, and what tests/floors.rs allows");
    }
}

/// First path segments after `crate::`: `scene` for `scene::Node`, and `scene` and `units` for `{scene::Node,
/// units::Px}`.
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
