//! What a document would grow to, before anything is built from it.
//!
//! usvg copies what `use` refers to and has no time limit (resvg #186), and resvg draws a pattern anew for every shape
//! that shows it: ten patterns that each show the next ten times are ten thousand million drawings. So every element
//! is counted as often as it is drawn. References that lead back to where they came from are refused: usvg catches
//! only the short ones and overflows the stack on the others.

use std::collections::HashMap;

use simplecss::StyleSheet;
use usvg::roxmltree::{Document, Node, NodeId};

use super::source::XLINK;
use super::{SvgError, css};

/// Levels of elements, references included. usvg and resvg recurse; deep artwork has 30.
const MAX_DEPTH: u32 = 128;

/// Units of work: 4 an element, 1 for 16 bytes of its attributes, 1 for each byte of text. About half a million small
/// shapes, or 32 MB of path data.
const MAX_WORK: u64 = 2_000_000;

/// Matching rules against elements, in pairs: usvg tries each with each.
const MAX_MATCHES: usize = 20_000_000;

/// Refuses documents that would explode, nest too deep or contain themselves.
pub(super) fn check(document: &Document<'_>) -> Result<(), SvgError> {
    let sheet = css::sheet(document)?;
    let mut ids = HashMap::new();
    let mut elements = 0_usize;
    for node in document.descendants().filter(|it| it.is_element()) {
        elements += 1;
        if let Some(id) = node.attribute("id") {
            ids.entry(id).or_insert(node);
        }
    }
    let matches = elements.saturating_mul(sheet.rules.len());
    if matches > MAX_MATCHES {
        return Err(SvgError::TooComplex { found: matches as u64, limit: MAX_MATCHES as u64 });
    }
    let mut budget = Budget { rules: sheet.rules.len() as u64, sheet: &sheet, ids, known: HashMap::new() };
    budget.cost(document.root_element(), 0).map(|_| ())
}

#[derive(Clone, Copy, Default)]
struct Cost {
    work: u64,
    depth: u32,
}

struct Budget<'a, 'i> {
    sheet: &'a StyleSheet<'a>,
    rules: u64,
    ids: HashMap<&'a str, Node<'a, 'i>>,
    /// `None` while being counted.
    known: HashMap<NodeId, Option<Cost>>,
}

/// How a reference multiplies.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// Drawn once: `use`, clip paths, masks, filters.
    Once,
    /// Inherited by everything inside: fills and strokes.
    EachShape,
    /// At every vertex of everything inside.
    EachVertex,
}

/// Vertices of a shape for each unit of its own work: two bytes write one.
const VERTICES: u64 = 8;

impl<'a, 'i> Budget<'a, 'i> {
    fn cost(&mut self, element: Node<'a, 'i>, above: u32) -> Result<Cost, SvgError> {
        if above > MAX_DEPTH {
            return Err(SvgError::TooDeep { limit: MAX_DEPTH });
        }
        match self.known.get(&element.id()) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => {
                return Err(SvgError::Cycle {
                    id: element.attribute("id").unwrap_or_default().chars().take(80).collect(),
                });
            }
            None => {}
        }
        self.known.insert(element.id(), None);

        let mut inside = Cost { work: own_work(element) + self.rules / 32, depth: 0 };
        for child in element.children().filter(|it| it.is_element()) {
            let child = self.cost(child, above + 1)?;
            inside = Cost { work: inside.work.saturating_add(child.work), depth: inside.depth.max(child.depth) };
        }
        let mut total = inside;
        for (target, how) in self.references(element) {
            let cost = self.cost(target, above + 1)?;
            let times = match how {
                Use::Once => 1,
                _ if is_gradient(target) => 1,
                Use::EachShape => inside.work.div_ceil(4),
                Use::EachVertex => inside.work.saturating_mul(VERTICES),
            };
            total.work = total.work.saturating_add(cost.work.saturating_mul(times));
            total.depth = total.depth.max(cost.depth);
        }
        total.depth += 1;
        if above + total.depth > MAX_DEPTH {
            return Err(SvgError::TooDeep { limit: MAX_DEPTH });
        }
        if total.work > MAX_WORK {
            return Err(SvgError::TooComplex { found: total.work, limit: MAX_WORK });
        }
        self.known.insert(element.id(), Some(total));
        Ok(total)
    }

    /// Elements that are drawn when `element` is, besides its children.
    fn references(&self, element: Node<'a, 'i>) -> Vec<(Node<'a, 'i>, Use)> {
        let mut found = Vec::new();
        self.own_references(element, &mut found);
        // What such an element shows inherits from where it stands, not from where it is used.
        if matches!(element.tag_name().name(), "pattern" | "marker" | "mask" | "clipPath" | "symbol") {
            for ancestor in element.ancestors().skip(1).filter(|it| it.is_element()) {
                let mut inherited = Vec::new();
                self.own_references(ancestor, &mut inherited);
                found.extend(inherited.into_iter().filter(|(_, how)| *how != Use::Once));
            }
        }
        found
    }

    fn own_references(&self, element: Node<'a, 'i>, found: &mut Vec<(Node<'a, 'i>, Use)>) {
        if matches!(
            element.tag_name().name(),
            "use" | "pattern" | "linearGradient" | "radialGradient" | "filter" | "feImage" | "textPath" | "tref"
        ) {
            let href = element.attribute("href").or_else(|| element.attribute((XLINK, "href")));
            let target = href.and_then(|it| it.trim().strip_prefix('#')).and_then(|id| self.ids.get(id));
            found.extend(target.map(|target| (*target, Use::Once)));
        }
        let attributes = element.attributes().map(|it| (it.name(), it.value()));
        let declarations = css::declarations(element, self.sheet).map(|it| (it.name, it.value));
        for (name, value) in attributes.chain(declarations) {
            let how = match name {
                "fill" | "stroke" => Use::EachShape,
                "marker" | "marker-start" | "marker-mid" | "marker-end" => Use::EachVertex,
                "clip-path" | "mask" | "filter" => Use::Once,
                _ => continue,
            };
            found.extend(url_ids(value).filter_map(|id| Some((*self.ids.get(id)?, how))));
        }
    }
}

fn is_gradient(element: Node<'_, '_>) -> bool {
    matches!(element.tag_name().name(), "linearGradient" | "radialGradient")
}

fn own_work(element: Node<'_, '_>) -> u64 {
    let attributes: usize = element
        .attributes()
        .map(|it| it.value())
        // Embedded pictures have a limit of their own.
        .map(|value| if value.starts_with("data:") { value.len() / 8 } else { value.len() })
        .sum();
    let texts: usize = element.children().filter(|it| it.is_text()).filter_map(|it| it.text()).map(str::len).sum();
    let texts = match element.tag_name().name() {
        "style" => 0,
        // Every character becomes an outline.
        "text" | "tspan" | "textPath" | "tref" | "a" => texts * 16,
        _ => texts,
    };
    4 + (attributes + texts) as u64 / 16
}

/// The ids in `url(#id)`, quoted or not.
fn url_ids(value: &str) -> impl Iterator<Item = &str> {
    value.split("url(").skip(1).filter_map(|rest| {
        let inside = rest.split(')').next()?;
        inside.trim().trim_matches(['"', '\'']).trim().strip_prefix('#')
    })
}
