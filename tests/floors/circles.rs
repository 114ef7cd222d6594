//! Circles of imports between the files of one room.
//!
//! Every path in a file that starts with `crate::`, `super::`, `self::` or a child module counts as an import of the
//! file that defines what the path names. A re-export counts as the file that it comes from. Files and modules of tests
//! are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Path of a module below the crate, for example `["jobs", "life", "row"]`.
type ModulePath = Vec<String>;

/// A source file as a module.
struct Module {
    file: PathBuf,
    /// Paths in the file, made absolute, without those of its re-exports.
    imports: Vec<ModulePath>,
    /// Absolute path of what each re-exported name stands for.
    exports: BTreeMap<String, ModulePath>,
}

/// Files that import each other, directly or through others, by room.
pub(crate) fn circles(src: &Path) -> Vec<Vec<PathBuf>> {
    let modules = modules(src);
    let paths: Vec<&ModulePath> = modules.keys().collect();
    let index: BTreeMap<&ModulePath, usize> = paths.iter().enumerate().map(|(at, path)| (*path, at)).collect();
    let arrows: Vec<BTreeSet<usize>> = paths
        .iter()
        .map(|path| {
            let targets = modules[*path].imports.iter().filter_map(|import| target(&modules, import, 0));
            targets.filter(|target| target != *path && target[0] == path[0]).map(|target| index[&target]).collect()
        })
        .collect();
    let circles = components(&arrows).into_iter().filter(|component| component.len() > 1);
    circles.map(|component| component.into_iter().map(|at| modules[paths[at]].file.clone()).collect()).collect()
}

/// All modules of the crate that have a file, without those of tests.
fn modules(src: &Path) -> BTreeMap<ModulePath, Module> {
    let mut sources = BTreeMap::new();
    super::visit(src, &mut |file, source| {
        let below = file.strip_prefix(src).expect("a file below src").with_extension("");
        let mut path: ModulePath = below.iter().map(|it| it.to_string_lossy().into_owned()).collect();
        if path.last().is_some_and(|it| it == "mod") {
            path.pop();
        }
        let is_test = path.iter().any(|it| it == "tests" || it == "test_support");
        if !is_test && !matches!(path[0].as_str(), "lib" | "main" | "bin") {
            sources.insert(path, (file.to_path_buf(), source.to_owned()));
        }
    });
    let children = |path: &ModulePath| -> BTreeSet<String> {
        let below = sources.keys().filter(|it| it.len() == path.len() + 1 && it.starts_with(path));
        below.filter_map(|it| it.last().cloned()).collect()
    };
    sources
        .iter()
        .map(|(path, (file, source))| {
            let (imports, exports) = imports(&code(source), path, &children(path));
            (path.clone(), Module { file: file.clone(), imports, exports })
        })
        .collect()
}

/// The source without comments and without the module of its tests.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The imports of a file, and the names that it exports from elsewhere.
fn imports(
    code: &str,
    module: &ModulePath,
    children: &BTreeSet<String>,
) -> (Vec<ModulePath>, BTreeMap<String, ModulePath>) {
    let tokens = tokens(code);
    let (mut imports, mut exports) = (Vec::new(), BTreeMap::new());
    for at in 0..tokens.len() {
        let is_start = tokens.get(at + 1) == Some(&"::") && (at == 0 || !matches!(tokens[at - 1], "::" | "."));
        let root = match tokens[at] {
            "crate" => Vec::new(),
            "self" => module.clone(),
            "super" => module[..module.len() - 1].to_vec(),
            child if children.contains(child) => [module.as_slice(), &[child.to_owned()]].concat(),
            _ => continue,
        };
        // `pub(in crate::jobs)` is a visibility, not an import.
        let is_visibility = at >= 2 && tokens[at - 1] == "in" && tokens[at - 2] == "(";
        if !is_start || is_visibility {
            continue;
        }
        let mut leaves = Vec::new();
        tree(&tokens, &mut (at + 2), root, &mut leaves);
        let is_export = at >= 2 && tokens[at - 1] == "use" && matches!(tokens[at - 2], "pub" | ")");
        for (path, name) in leaves {
            if is_export {
                exports.insert(name, path);
            } else {
                imports.push(path);
            }
        }
    }
    (imports, exports)
}

/// The paths of a use tree, each with the name that it gets. `at` is behind the `::` that follows `prefix`.
fn tree(tokens: &[&str], at: &mut usize, prefix: ModulePath, leaves: &mut Vec<(ModulePath, String)>) {
    let named = |path: ModulePath| path.last().cloned().map(|name| (path, name));
    match tokens.get(*at) {
        Some(&"{") => {
            *at += 1;
            while !matches!(tokens.get(*at), None | Some(&"}")) {
                tree(tokens, at, prefix.clone(), leaves);
                if tokens.get(*at) == Some(&",") {
                    *at += 1;
                }
            }
            *at += 1;
        }
        Some(&"self") => {
            *at += 1;
            leaves.extend(named(prefix));
        }
        Some(&"super") if tokens.get(*at + 1) == Some(&"::") => {
            *at += 2;
            tree(tokens, at, prefix[..prefix.len() - 1].to_vec(), leaves);
        }
        Some(name) if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => {
            let path = [prefix.as_slice(), &[(*name).to_owned()]].concat();
            *at += 1;
            if tokens.get(*at) == Some(&"::") && tokens.get(*at + 1) != Some(&"<") {
                *at += 1;
                tree(tokens, at, path, leaves);
            } else if tokens.get(*at) == Some(&"as") {
                leaves.extend(tokens.get(*at + 1).map(|name| (path, (*name).to_owned())));
                *at += 2;
            } else {
                leaves.extend(named(path));
            }
        }
        _ => {
            *at += 1;
            leaves.extend(named(prefix));
        }
    }
}

/// Identifiers, `::`, and every other character by itself.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            ':' if rest.starts_with("::") => 2,
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The module whose file defines what `path` names; `None` for a path outside the crate's files.
fn target(modules: &BTreeMap<ModulePath, Module>, path: &[String], depth: usize) -> Option<ModulePath> {
    let length = (1..=path.len()).rev().find(|&length| modules.contains_key(&path[..length]))?;
    let found = path[..length].to_vec();
    match path.get(length).and_then(|name| modules[&found].exports.get(name)) {
        Some(origin) if depth < 8 => target(modules, origin, depth + 1),
        _ => Some(found),
    }
}

/// Strongly connected components of a graph (Tarjan's algorithm), each sorted.
fn components(arrows: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    struct Search<'a> {
        arrows: &'a [BTreeSet<usize>],
        order: Vec<Option<usize>>,
        lowest: Vec<usize>,
        stack: Vec<usize>,
        visited: usize,
        found: Vec<Vec<usize>>,
    }
    impl Search<'_> {
        fn visit(&mut self, node: usize) {
            self.order[node] = Some(self.visited);
            self.lowest[node] = self.visited;
            self.visited += 1;
            self.stack.push(node);
            for &next in &self.arrows[node] {
                match self.order[next] {
                    None => {
                        self.visit(next);
                        self.lowest[node] = self.lowest[node].min(self.lowest[next]);
                    }
                    Some(order) if self.stack.contains(&next) => self.lowest[node] = self.lowest[node].min(order),
                    Some(_) => {}
                }
            }
            if Some(self.lowest[node]) == self.order[node] {
                let start = self.stack.iter().rposition(|&it| it == node).expect("a node on the stack");
                let mut component = self.stack.split_off(start);
                component.sort_unstable();
                self.found.push(component);
            }
        }
    }
    let count = arrows.len();
    let mut search = Search {
        arrows,
        order: vec![None; count],
        lowest: vec![0; count],
        stack: Vec::new(),
        visited: 0,
        found: Vec::new(),
    };
    for node in 0..count {
        if search.order[node].is_none() {
            search.visit(node);
        }
    }
    search.found
}

#[test]
fn circles_are_found_through_re_exports_and_relative_paths() {
    let folder = tempfile::tempdir().expect("a folder");
    let room = folder.path().join("room");
    fs::create_dir(&room).expect("a folder");
    for (file, source) in [
        ("mod.rs", "mod a;\nmod b;\nmod c;\npub(crate) use a::A;\n"),
        ("a.rs", "use super::b::{self, B as Other};\npub(crate) struct A(Other);\n"),
        ("b.rs", "use crate::room::c;\npub(crate) struct B(c::C);\n"),
        (
            "c.rs",
            "pub(crate) struct C(Option<Box<super::A>>);\n#[cfg(test)]\nmod tests {\n    use super::super::d::D;\n}\n",
        ),
        ("d.rs", "// super::A\npub(crate) struct D(super::a::A);\n"),
    ] {
        fs::write(room.join(file), source).expect("a file");
    }
    let expected: Vec<_> = ["a.rs", "b.rs", "c.rs"].iter().map(|file| room.join(file)).collect();
    assert_eq!(circles(folder.path()), [expected]);
}
