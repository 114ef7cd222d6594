//! An estimate of the work that a document takes after expansion, before anything is built from it.
//!
//! usvg copies the targets of `use` and has no time limit (resvg #186), and resvg draws a pattern again for every shape
//! that uses it: ten nested patterns that each use the next ten times are 10^10 drawings. So every element is counted
//! as often as it is drawn. Circular references are removed as in browsers: usvg detects only short cycles and
//! overflows the stack on others.

use std::collections::HashMap;
use std::fmt::Write as _;

use usvg::roxmltree::{Document, Node, NodeId};

use super::error::SvgError;
use super::source::{self, ReplaceablePart, XLINK, escape};
use super::templates;

/// Maximum depth of elements, references included, because usvg and resvg recurse. Complex artwork has 30.
const MAX_DEPTH: u32 = 128;

/// Maximum units of work: 4 per element, 1 per 16 bytes of its attributes, 1 per byte of text, and the layout of each
/// `text` element. About half a million small shapes, or 32 MB of path data.
const MAX_WORK: u64 = 2_000_000;

/// Units of work per element.
const ELEMENT_WORK: u64 = 4;

/// Squared bytes of a `text` element per unit of work, so that [`MAX_WORK`] allows about 32 kB in one element.
const SQUARED_BYTES_PER_UNIT: u64 = 512;

/// Maximum number of references removed from one document, each of which takes a walk over its target.
const MAX_DROPPED: usize = 1_000;

/// Maximum size of copied elements: bytes per byte of the document, and a constant.
const COPIED_SHARE: usize = 1;
const COPIED_BYTES: usize = 1 << 20;

/// Prefix of the ids of copies.
const COPY_ID: &str = "copy-of-cycle-";

/// The circular references of a document, and their replacements.
///
/// As in browsers, a reference may be cut in a single instance of a `use`: a line whose marker shows the line again has
/// its marker, and only the line inside the marker has none. Such an instance is written as a copy.
#[derive(Debug, Default)]
pub(super) struct RemovedReferences {
    /// Replacements of attributes by element; `None` where the attribute is dropped.
    attributes: HashMap<NodeId, Vec<(&'static str, Option<String>)>>,
    count: usize,
    /// Copied elements that `use` shows instead of the originals, as XML.
    copies: String,
    copy_count: usize,
}

impl RemovedReferences {
    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// Whether removing the references changes what is drawn.
    pub(super) fn changes_drawing(&self) -> bool {
        self.count > 0
    }

    /// Whether elements were copied, so that the resulting document has to be checked again.
    pub(super) fn has_copies(&self) -> bool {
        self.copy_count > 0
    }

    fn set(&mut self, element: NodeId, attribute: &'static str, value: Option<String>) {
        let attributes = self.attributes.entry(element).or_default();
        if attributes.iter().all(|(name, _)| *name != attribute) {
            attributes.push((attribute, value));
        }
    }

    /// The link of `element` after replacement.
    fn href<'a>(&'a self, element: Node<'a, '_>) -> Option<&'a str> {
        let replaced = self.attributes.get(&element.id()).and_then(|it| it.iter().find(|(name, _)| *name == "href"));
        match replaced {
            Some((_, value)) => value.as_deref(),
            None => element.attribute("href").or_else(|| element.attribute((XLINK, "href"))),
        }
    }

    /// The replacement of a part of the document; for `source::write`.
    pub(super) fn replacement(&self, part: ReplaceablePart<'_, '_>) -> Option<String> {
        match part {
            ReplaceablePart::Attribute { element, name, .. } => {
                let dropped = self.attributes.get(&element.id())?;
                dropped.iter().any(|(it, _)| *it == name).then(String::new)
            }
            ReplaceablePart::MoreAttributes(element) => {
                let mut out = String::new();
                for (name, value) in self.attributes.get(&element.id())? {
                    let Some(value) = value else { continue };
                    let _ = write!(out, " {name}=\"");
                    escape(&mut out, value);
                    out.push('"');
                }
                Some(out)
            }
            ReplaceablePart::FirstChildren => self.has_copies().then(|| format!("<defs>{}</defs>", self.copies)),
        }
    }
}

/// Checks the number of elements, before style sheets are resolved for each of them.
///
/// # Errors
/// More elements than [`check`] would accept if each were drawn once.
pub(super) fn check_element_count(document: &Document<'_>) -> Result<(), SvgError> {
    let found = document.descendants().filter(Node::is_element).count() as u64;
    let limit = MAX_WORK / ELEMENT_WORK;
    if found > limit { Err(SvgError::Elements { found, limit }) } else { Ok(()) }
}

/// Checks that a document is within the limits, and finds its circular references. `may_copy`: a reference may be cut
/// in a copy of the target of a `use` instead of in the target itself.
///
/// # Errors
/// Too much work, too deep nesting, or too many circular references.
pub(super) fn check(document: &Document<'_>, may_copy: bool) -> Result<RemovedReferences, SvgError> {
    let mut ids = HashMap::new();
    for node in document.descendants().filter(|it| it.is_element()) {
        if let Some(id) = node.attribute("id") {
            ids.entry(id).or_insert(node);
        }
    }
    let mut dropped = RemovedReferences::default();
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
    /// Shapes with markers, and the number of points that may have one.
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
    /// Costs of elements; `None` while an element is being counted.
    known: HashMap<NodeId, Option<Cost>>,
    /// The references that lead to the element being counted, outermost first.
    path: Vec<ReferenceStep<'a, 'i>>,
    dropped: RemovedReferences,
    /// Bytes that further copies may take.
    copy_bytes: usize,
}

/// A step of the path of references to the element being counted.
#[derive(Clone)]
struct ReferenceStep<'a, 'i> {
    element: Node<'a, 'i>,
    reference: Reference<'a, 'i>,
}

/// How often the target of a reference is drawn.
#[derive(Clone, Copy, PartialEq)]
enum DrawCount {
    /// Once, as a part of the element.
    Inline,
    /// Once for the element: clip paths, masks, filters.
    Once,
    /// Once for every shape inside: fills and strokes.
    PerShape,
    /// At one end of every line inside.
    PerLine,
    /// At every vertex of every line inside.
    PerVertex,
}

/// A reference and the attribute that contains it.
#[derive(Clone)]
struct Reference<'a, 'i> {
    target: Node<'a, 'i>,
    draw_count: DrawCount,
    /// Name of the attribute; `href` for a link.
    attribute: &'static str,
    /// Text of the attribute; empty for a link.
    value: &'a str,
}

impl<'a, 'i> Budget<'a, 'i> {
    /// The cost of an element; `None` for one that is being counted, so that the reference to it is circular.
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
                // It was reached by a reference from inside and is not known yet.
                self.known.remove(&element.id());
                return Ok(None);
            };
            inside.add(child);
        }
        let mut total = inside;
        for reference in self.references(element) {
            self.path.push(ReferenceStep { element, reference: reference.clone() });
            let cost = self.cost(reference.target, above + 1);
            self.path.pop();
            let Some(cost) = cost? else {
                self.cut(element, &reference)?;
                continue;
            };
            let times = match reference.draw_count {
                DrawCount::Inline | DrawCount::Once => 1,
                _ if is_gradient(reference.target) => 1,
                DrawCount::PerShape => inside.work.div_ceil(ELEMENT_WORK),
                DrawCount::PerLine => inside.lines,
                DrawCount::PerVertex => inside.vertices,
            };
            total.work = total.work.saturating_add(cost.work.saturating_mul(times));
            total.depth = total.depth.max(cost.depth);
            if reference.draw_count == DrawCount::Inline {
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

    /// Removes a reference of `element` that closes a cycle, or the one of the cycle that browsers remove instead.
    fn cut(&mut self, element: Node<'a, 'i>, reference: &Reference<'a, 'i>) -> Result<(), SvgError> {
        self.dropped.count += 1;
        if self.dropped.count > MAX_DROPPED {
            let id = element.attribute("id").unwrap_or_default().chars().take(80).collect();
            return Err(SvgError::Cycle { id, limit: MAX_DROPPED });
        }
        // In an instance inside the target of its original's reference, only that reference of the instance is removed.
        let in_instance = if reference.draw_count == DrawCount::Inline {
            let leaves = |it: &&ReferenceStep<'a, 'i>| is_inside(it.element, reference.target);
            let first = self.path.iter().find(leaves).filter(|_| !is_inside(element, reference.target));
            first.map(|it| (element, reference.target, it.clone()))
        } else {
            let shown = self.path.last().filter(|it| it.reference.draw_count == DrawCount::Inline);
            shown.map(|it| (it.element, it.reference.target, ReferenceStep { element, reference: reference.clone() }))
        };
        let in_instance = in_instance.filter(|(.., step)| step.reference.draw_count != DrawCount::Inline);
        if let Some((shows, shown, step)) = in_instance
            && self.copy(shows, shown, &step)
        {
            return Ok(());
        }
        let value = (reference.attribute != "href").then(|| without_reference(reference).to_owned());
        self.dropped.set(element.id(), reference.attribute, value);
        Ok(())
    }

    /// Replaces the target `shown` of the `use` element `shows` by a copy without the reference of `step`. False when
    /// copies would exceed their limit.
    fn copy(&mut self, shows: Node<'a, 'i>, shown: Node<'a, 'i>, step: &ReferenceStep<'a, 'i>) -> bool {
        if self.dropped.copies.len() + shown.range().len() > self.copy_bytes {
            return false;
        }
        let id = |number: usize| format!("{COPY_ID}{number}");
        let mut free = (self.dropped.copy_count..).filter(|it| !self.ids.contains_key(id(*it).as_str()));
        let Some(number) = free.next() else { return false };
        source::write_element(&mut self.dropped.copies, shown, &mut |part| match part {
            // Ids inside the copy are dropped, because references mean the original.
            ReplaceablePart::Attribute { name: "id", .. } => Some(String::new()),
            ReplaceablePart::Attribute { element, name, .. }
                if element == step.element && name == step.reference.attribute =>
            {
                Some(String::new())
            }
            ReplaceablePart::MoreAttributes(element) => {
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
            ReplaceablePart::Attribute { .. } | ReplaceablePart::FirstChildren => None,
        });
        self.dropped.copy_count = number + 1;
        self.dropped.set(shows.id(), "href", Some(format!("#{}", id(number))));
        true
    }

    /// The references of `element` to elements that are drawn with it.
    fn references(&self, element: Node<'a, 'i>) -> Vec<Reference<'a, 'i>> {
        let mut found = Vec::new();
        self.own_references(element, &mut found);
        // The content of such an element inherits from its parents, not from the place of use.
        if matches!(element.tag_name().name(), "pattern" | "marker" | "mask" | "clipPath" | "symbol") {
            for ancestor in element.ancestors().skip(1).filter(|it| it.is_element()) {
                let mut inherited = Vec::new();
                self.own_references(ancestor, &mut inherited);
                inherited.retain(|it| {
                    !matches!(it.draw_count, DrawCount::Inline | DrawCount::Once)
                        && !element.has_attribute(it.attribute)
                });
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
                let draw_count = if name == "use" { DrawCount::Inline } else { DrawCount::Once };
                found.push(Reference { target: *target, draw_count, attribute: "href", value: "" });
            }
        }
        const REFERRING: [(&str, DrawCount); 8] = [
            ("fill", DrawCount::PerShape),
            ("stroke", DrawCount::PerShape),
            ("marker-start", DrawCount::PerLine),
            ("marker-mid", DrawCount::PerVertex),
            ("marker-end", DrawCount::PerLine),
            ("clip-path", DrawCount::Once),
            ("mask", DrawCount::Once),
            ("filter", DrawCount::Once),
        ];
        for (attribute, draw_count) in REFERRING {
            let Some(value) = element.attribute(attribute) else { continue };
            let targets = url_ids(value).filter_map(|id| self.ids.get(id));
            found.extend(targets.map(|target| Reference { target: *target, draw_count, attribute, value }));
        }
    }
}

/// The replacement of a removed reference: the fallback of a paint, nothing for others (as in Chromium 156).
fn without_reference<'v>(reference: &Reference<'v, '_>) -> &'v str {
    let alternative = reference.value.split_once(')').map(|(_, rest)| rest.trim());
    alternative.filter(|it| reference.draw_count == DrawCount::PerShape && !it.is_empty()).unwrap_or("none")
}

/// Whether `element` is `around` or inside it.
fn is_inside(element: Node<'_, '_>, around: Node<'_, '_>) -> bool {
    element.ancestors().any(|it| it == around)
}

/// Upper bound of the number of markers of an element: the count of numbers in its outline.
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
        // Embedded images have their own limit.
        .map(|value| if value.starts_with("data:") { value.len() / 8 } else { value.len() })
        .sum();
    let texts: usize = element.children().filter(|it| it.is_text()).filter_map(|it| it.text()).map(str::len).sum();
    let texts = match element.tag_name().name() {
        // Every character becomes an outline.
        "text" | "tspan" | "textPath" | "tref" | "a" => texts * 16,
        _ => texts,
    };
    ELEMENT_WORK + (attributes + texts) as u64 / 16 + layout_work(element)
}

/// Work of laying out a whole `text` element: usvg shapes it as one paragraph, in time that grows with the square of
/// its length.
fn layout_work(element: Node<'_, '_>) -> u64 {
    if element.tag_name().name() != "text" {
        return 0;
    }
    let bytes: usize = element.descendants().filter(|it| it.is_text()).filter_map(|it| it.text()).map(str::len).sum();
    (bytes as u64).pow(2) / SQUARED_BYTES_PER_UNIT
}

/// The ids in `url(#id)`, quoted or not.
fn url_ids(value: &str) -> impl Iterator<Item = &str> {
    value.split("url(").skip(1).filter_map(|rest| {
        let inside = rest.split(')').next()?;
        inside.trim().trim_matches(['"', '\'']).trim().strip_prefix('#')
    })
}
