//! What a document would grow to, before anything is built from it.
//!
//! usvg copies what `use` refers to and has no time limit (resvg #186), and resvg draws a pattern anew for every shape
//! that shows it: ten patterns that each show the next ten times are ten thousand million drawings. So every element
//! is counted as often as it is drawn. References that lead back to where they came from are taken out, as browsers take
//! them out: usvg catches only the short ones and overflows the stack on the others.

use std::collections::HashMap;
use std::fmt::Write as _;

use usvg::roxmltree::{Document, Node, NodeId};

use super::SvgError;
use super::source::{Part, XLINK, escape};

/// Levels of elements, references included. usvg and resvg recurse; deep artwork has 30.
const MAX_DEPTH: u32 = 128;

/// Units of work: 4 an element, 1 for 16 bytes of its attributes, 1 for each byte of text. About half a million small
/// shapes, or 32 MB of path data.
const MAX_WORK: u64 = 2_000_000;

/// References taken out of one document before it is refused: each costs a look at what it led to.
const MAX_DROPPED: usize = 1_000;

/// References that lead back to where they came from.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    /// Attributes by their elements, and what they are instead; links are left out.
    attributes: HashMap<NodeId, Vec<(&'static str, String)>>,
    count: usize,
}

impl Dropped {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A part of the document without them.
    pub(super) fn part(&self, part: Part<'_, '_>) -> Option<String> {
        match part {
            Part::Attribute { element, name, .. } => {
                let dropped = self.attributes.get(&element.id())?;
                dropped.iter().any(|(it, _)| *it == name).then(String::new)
            }
            Part::MoreAttributes(element) => {
                let mut out = String::new();
                for (name, value) in self.attributes.get(&element.id())?.iter().filter(|(name, _)| *name != "href") {
                    let _ = write!(out, " {name}=\"");
                    escape(&mut out, value);
                    out.push('"');
                }
                Some(out)
            }
            Part::FirstChildren => None,
        }
    }
}

/// Refuses documents that would explode or nest too deep, and finds what makes others contain themselves.
pub(super) fn check(document: &Document<'_>) -> Result<Dropped, SvgError> {
    let mut ids = HashMap::new();
    for node in document.descendants().filter(|it| it.is_element()) {
        if let Some(id) = node.attribute("id") {
            ids.entry(id).or_insert(node);
        }
    }
    let mut budget = Budget { ids, known: HashMap::new(), dropped: Dropped::default() };
    budget.cost(document.root_element(), 0)?;
    Ok(budget.dropped)
}

#[derive(Clone, Copy, Default)]
struct Cost {
    work: u64,
    depth: u32,
    /// Shapes that have markers, and the points where these may be.
    lines: u64,
    vertices: u64,
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.work = self.work.saturating_add(other.work);
        self.depth = self.depth.max(other.depth);
        self.lines = self.lines.saturating_add(other.lines);
        self.vertices = self.vertices.saturating_add(other.vertices);
    }
}

struct Budget<'a, 'i> {
    ids: HashMap<&'a str, Node<'a, 'i>>,
    /// `None` while being counted.
    known: HashMap<NodeId, Option<Cost>>,
    dropped: Dropped,
}

/// How a reference multiplies.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    /// Drawn once, as a part of the element.
    Part,
    /// Applied once: clip paths, masks, filters.
    Once,
    /// Inherited by everything inside: fills and strokes.
    EachShape,
    /// At one end of every line inside.
    EachLine,
    /// At every vertex of everything inside.
    EachVertex,
}

/// A reference and where it stands.
struct Reference<'a, 'i> {
    target: Node<'a, 'i>,
    how: Use,
    attribute: &'static str,
    value: &'a str,
}

impl<'a, 'i> Budget<'a, 'i> {
    /// `None` for an element that is being counted: the reference that leads to it has to go.
    fn cost(&mut self, element: Node<'a, 'i>, above: u32) -> Result<Option<Cost>, SvgError> {
        if above > MAX_DEPTH {
            return Err(SvgError::TooDeep { limit: MAX_DEPTH });
        }
        if let Some(known) = self.known.get(&element.id()) {
            return Ok(*known);
        }
        self.known.insert(element.id(), None);

        let vertices = own_vertices(element);
        let mut inside = Cost { work: own_work(element), depth: 0, lines: u64::from(vertices > 0), vertices };
        for child in element.children().filter(|it| it.is_element()) {
            let Some(child) = self.cost(child, above + 1)? else {
                // It was reached by a reference from inside; not known yet, then.
                self.known.remove(&element.id());
                return Ok(None);
            };
            inside.add(child);
        }
        let mut total = inside;
        for reference in self.references(element) {
            let Some(cost) = self.cost(reference.target, above + 1)? else {
                self.drop(element, &reference)?;
                continue;
            };
            let times = match reference.how {
                Use::Part | Use::Once => 1,
                _ if is_gradient(reference.target) => 1,
                Use::EachShape => inside.work.div_ceil(4),
                Use::EachLine => inside.lines,
                Use::EachVertex => inside.vertices,
            };
            total.work = total.work.saturating_add(cost.work.saturating_mul(times));
            total.depth = total.depth.max(cost.depth);
            if reference.how == Use::Part {
                total.add(Cost { work: 0, ..cost });
            }
        }
        total.depth += 1;
        if above + total.depth > MAX_DEPTH {
            return Err(SvgError::TooDeep { limit: MAX_DEPTH });
        }
        if total.work > MAX_WORK {
            return Err(SvgError::TooComplex { found: total.work, limit: MAX_WORK });
        }
        self.known.insert(element.id(), Some(total));
        Ok(Some(total))
    }

    /// Puts the alternative in place of a paint, and nothing in place of anything else (Chromium 156). What `element`
    /// inherits is taken from it alone.
    fn drop(&mut self, element: Node<'a, 'i>, reference: &Reference<'a, 'i>) -> Result<(), SvgError> {
        self.dropped.count += 1;
        if self.dropped.count > MAX_DROPPED {
            let id = element.attribute("id").unwrap_or_default().chars().take(80).collect();
            return Err(SvgError::Cycle { id, limit: MAX_DROPPED });
        }
        let is_paint = reference.how == Use::EachShape;
        let alternative = reference.value.split_once(')').map(|(_, rest)| rest.trim());
        let value = alternative.filter(|it| is_paint && !it.is_empty()).unwrap_or("none");
        let attributes = self.dropped.attributes.entry(element.id()).or_default();
        if attributes.iter().all(|(name, _)| *name != reference.attribute) {
            attributes.push((reference.attribute, value.to_owned()));
        }
        Ok(())
    }

    /// Elements that are drawn when `element` is, besides its children.
    fn references(&self, element: Node<'a, 'i>) -> Vec<Reference<'a, 'i>> {
        let mut found = Vec::new();
        self.own_references(element, &mut found);
        // What such an element shows inherits from where it stands, not from where it is used.
        if matches!(element.tag_name().name(), "pattern" | "marker" | "mask" | "clipPath" | "symbol") {
            for ancestor in element.ancestors().skip(1).filter(|it| it.is_element()) {
                let mut inherited = Vec::new();
                self.own_references(ancestor, &mut inherited);
                inherited.retain(|it| !matches!(it.how, Use::Part | Use::Once) && !element.has_attribute(it.attribute));
                found.extend(inherited);
            }
        }
        found
    }

    fn own_references(&self, element: Node<'a, 'i>, found: &mut Vec<Reference<'a, 'i>>) {
        let name = element.tag_name().name();
        if matches!(
            name,
            "use" | "pattern" | "linearGradient" | "radialGradient" | "filter" | "feImage" | "textPath" | "tref"
        ) {
            let href = element.attribute("href").or_else(|| element.attribute((XLINK, "href")));
            if let Some(value) = href
                && let Some(target) = value.trim().strip_prefix('#').and_then(|id| self.ids.get(id))
            {
                let how = if name == "use" { Use::Part } else { Use::Once };
                found.push(Reference { target: *target, how, attribute: "href", value });
            }
        }
        const REFERRING: [(&str, Use); 8] = [
            ("fill", Use::EachShape),
            ("stroke", Use::EachShape),
            ("marker-start", Use::EachLine),
            ("marker-mid", Use::EachVertex),
            ("marker-end", Use::EachLine),
            ("clip-path", Use::Once),
            ("mask", Use::Once),
            ("filter", Use::Once),
        ];
        for (attribute, how) in REFERRING {
            let Some(value) = element.attribute(attribute) else { continue };
            let targets = url_ids(value).filter_map(|id| self.ids.get(id));
            found.extend(targets.map(|target| Reference { target: *target, how, attribute, value }));
        }
    }
}

/// Points of an element that may have markers: at most as many as there are numbers in its outline.
fn own_vertices(element: Node<'_, '_>) -> u64 {
    let outline = match element.tag_name().name() {
        "line" => return 2,
        "path" => element.attribute("d"),
        "polyline" | "polygon" => element.attribute("points"),
        _ => None,
    };
    let bytes = outline.unwrap_or_default().as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    // `1.5.5` is two numbers.
    (0..bytes.len()).filter(|at| (is_digit(*at) || bytes[*at] == b'.') && (*at == 0 || !is_digit(at - 1))).count()
        as u64
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
