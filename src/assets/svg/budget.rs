//! What a document would grow to, before anything is built from it.
//!
//! usvg copies what `use` refers to and has no time limit (resvg #186), and resvg draws a pattern anew for every shape
//! that shows it: ten patterns that each show the next ten times are ten thousand million drawings. So every element
//! is counted as often as it is drawn. References that lead back to where they came from are taken out, as browsers take
//! them out: usvg catches only the short ones and overflows the stack on the others.

use std::collections::HashMap;
use std::fmt::Write as _;

use usvg::roxmltree::{Document, Node, NodeId};

use super::error::SvgError;
use super::source::{self, Part, XLINK, escape};
use super::templates;

/// Levels of elements, references included. usvg and resvg recurse; deep artwork has 30.
const MAX_DEPTH: u32 = 128;

/// Units of work: 4 an element, 1 for 16 bytes of its attributes, 1 for each byte of text. About half a million small
/// shapes, or 32 MB of path data.
const MAX_WORK: u64 = 2_000_000;

/// References taken out of one document before it is refused: each costs a look at what it led to.
const MAX_DROPPED: usize = 1_000;

/// Copies of what cycles go through may take this many bytes for each of the document, and so many besides.
const COPIED_SHARE: usize = 1;
const COPIED_BYTES: usize = 1 << 20;

/// Ids of copies begin with this.
const COPY_ID: &str = "copy-of-cycle-";

/// References that lead back to where they came from, and what to write instead.
///
/// What a `use` shows is an instance of its own, and in an instance alone may a reference be cut, as browsers do it: a line whose
/// marker shows the line again has its marker, and only the line in the marker has none. Such an instance is written as a copy.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    /// Attributes by their elements, and what they are instead; `None` where they are left out.
    attributes: HashMap<NodeId, Vec<(&'static str, Option<String>)>>,
    count: usize,
    /// Elements that `use` shows instead of others, as text.
    copies: String,
    copy_count: usize,
}

impl Dropped {
    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Something is not drawn that the document asks for.
    pub(super) fn leaves_out(&self) -> bool {
        self.count > 0
    }

    /// Elements were copied: the document with them is another one, to be checked again.
    pub(super) fn has_copies(&self) -> bool {
        self.copy_count > 0
    }

    fn set(&mut self, element: NodeId, attribute: &'static str, value: Option<String>) {
        let attributes = self.attributes.entry(element).or_default();
        if attributes.iter().all(|(name, _)| *name != attribute) {
            attributes.push((attribute, value));
        }
    }

    /// The link of `element` as it will be written.
    fn href<'a>(&'a self, element: Node<'a, '_>) -> Option<&'a str> {
        let replaced = self.attributes.get(&element.id()).and_then(|it| it.iter().find(|(name, _)| *name == "href"));
        match replaced {
            Some((_, value)) => value.as_deref(),
            None => element.attribute("href").or_else(|| element.attribute((XLINK, "href"))),
        }
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
                for (name, value) in self.attributes.get(&element.id())? {
                    let Some(value) = value else { continue };
                    let _ = write!(out, " {name}=\"");
                    escape(&mut out, value);
                    out.push('"');
                }
                Some(out)
            }
            Part::FirstChildren => self.has_copies().then(|| format!("<defs>{}</defs>", self.copies)),
        }
    }
}

/// Refuses documents that would explode or nest too deep, and finds what makes others contain themselves.
/// `may_copy`: references may be cut in a copy of what a `use` shows, rather than for all who show it.
pub(super) fn check(document: &Document<'_>, may_copy: bool) -> Result<Dropped, SvgError> {
    let mut ids = HashMap::new();
    for node in document.descendants().filter(|it| it.is_element()) {
        if let Some(id) = node.attribute("id") {
            ids.entry(id).or_insert(node);
        }
    }
    let mut dropped = Dropped::default();
    for (element, resolved) in templates::of_cycles(document.descendants().filter(|it| it.is_element()), &ids) {
        resolved.attributes.into_iter().for_each(|(name, value)| dropped.set(element, name, Some(value)));
        dropped.set(element, "href", resolved.href);
    }
    let copy_bytes = if may_copy { document.input_text().len() * COPIED_SHARE + COPIED_BYTES } else { 0 };
    let mut budget = Budget { ids, known: HashMap::new(), path: Vec::new(), dropped, copy_bytes };
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
    /// References that lead to the element that is being counted, the first one outermost.
    path: Vec<Step<'a, 'i>>,
    dropped: Dropped,
    /// What copies may take together.
    copy_bytes: usize,
}

/// A reference of an element that is being counted.
#[derive(Clone)]
struct Step<'a, 'i> {
    element: Node<'a, 'i>,
    reference: Reference<'a, 'i>,
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
#[derive(Clone)]
struct Reference<'a, 'i> {
    target: Node<'a, 'i>,
    how: Use,
    attribute: &'static str,
    /// Of a link nothing.
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
            self.path.push(Step { element, reference: reference.clone() });
            let cost = self.cost(reference.target, above + 1);
            self.path.pop();
            let Some(cost) = cost? else {
                self.cut(element, &reference)?;
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

    /// Takes out a reference of `element` that closes a cycle, or the one of the cycle that browsers take out instead.
    fn cut(&mut self, element: Node<'a, 'i>, reference: &Reference<'a, 'i>) -> Result<(), SvgError> {
        self.dropped.count += 1;
        if self.dropped.count > MAX_DROPPED {
            let id = element.attribute("id").unwrap_or_default().chars().take(80).collect();
            return Err(SvgError::Cycle { id, limit: MAX_DROPPED });
        }
        // An instance inside of what its original refers to: there, and only there, the original's reference goes.
        let in_instance = if reference.how == Use::Part {
            let leaves = |it: &&Step<'a, 'i>| is_inside(it.element, reference.target);
            let first = self.path.iter().find(leaves).filter(|_| !is_inside(element, reference.target));
            first.map(|it| (element, reference.target, it.clone()))
        } else {
            let shown = self.path.last().filter(|it| it.reference.how == Use::Part);
            shown.map(|it| (it.element, it.reference.target, Step { element, reference: reference.clone() }))
        };
        let in_instance = in_instance.filter(|(.., step)| step.reference.how != Use::Part);
        if let Some((shows, shown, step)) = in_instance
            && self.copy(shows, shown, &step)
        {
            return Ok(());
        }
        let value = (reference.attribute != "href").then(|| without_reference(reference).to_owned());
        self.dropped.set(element.id(), reference.attribute, value);
        Ok(())
    }

    /// Lets the `use` element `shows` show a copy of `shown` without the reference of `step`. False when copies are too large.
    fn copy(&mut self, shows: Node<'a, 'i>, shown: Node<'a, 'i>, step: &Step<'a, 'i>) -> bool {
        if self.dropped.copies.len() + shown.range().len() > self.copy_bytes {
            return false;
        }
        let id = |number: usize| format!("{COPY_ID}{number}");
        let mut free = (self.dropped.copy_count..).filter(|it| !self.ids.contains_key(id(*it).as_str()));
        let Some(number) = free.next() else { return false };
        source::write_element(&mut self.dropped.copies, shown, &mut |part| match part {
            // Whoever refers to a part of it means the original.
            Part::Attribute { name: "id", .. } => Some(String::new()),
            Part::Attribute { element, name, .. } if element == step.element && name == step.reference.attribute => {
                Some(String::new())
            }
            Part::MoreAttributes(element) => {
                let mut out = String::new();
                if element == shown {
                    let _ = write!(out, " id=\"{}\"", id(number));
                }
                if element == step.element {
                    let _ = write!(out, " {}=\"", step.reference.attribute);
                    escape(&mut out, without_reference(&step.reference));
                    out.push('"');
                }
                Some(out)
            }
            Part::Attribute { .. } | Part::FirstChildren => None,
        });
        self.dropped.copy_count = number + 1;
        self.dropped.set(shows.id(), "href", Some(format!("#{}", id(number))));
        true
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
            let target = self.dropped.href(element).and_then(|it| self.ids.get(it.trim().strip_prefix('#')?));
            if let Some(target) = target {
                let how = if name == "use" { Use::Part } else { Use::Once };
                found.push(Reference { target: *target, how, attribute: "href", value: "" });
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

/// What stands in place of a reference that goes: the alternative of a paint, and nothing for anything else (Chromium 156).
fn without_reference<'v>(reference: &Reference<'v, '_>) -> &'v str {
    let alternative = reference.value.split_once(')').map(|(_, rest)| rest.trim());
    alternative.filter(|it| reference.how == Use::EachShape && !it.is_empty()).unwrap_or("none")
}

/// Whether `element` is `around`, or in it.
fn is_inside(element: Node<'_, '_>, around: Node<'_, '_>) -> bool {
    element.ancestors().any(|it| it == around)
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
