//! Gradients and patterns with circular templates.
//!
//! A gradient takes missing attributes and stops from the element that its `href` names, and so on (SVG 2 §14.2).
//! Browsers follow such a chain until an element comes up for the second time, so that elements of a cycle still
//! inherit from it. usvg would not terminate. Elements whose chain is a cycle get all inherited values as attributes,
//! and a `href` directly to the element with the stops or, for patterns, the content.

use std::collections::{HashMap, HashSet};

use usvg::roxmltree::{Node, NodeId};

use super::source::XLINK;

/// Attributes that are inherited from a template.
const GRADIENT: [&str; 3] = ["gradientTransform", "gradientUnits", "spreadMethod"];
const LINEAR: [&str; 4] = ["x1", "x2", "y1", "y2"];
const RADIAL: [&str; 6] = ["cx", "cy", "fr", "fx", "fy", "r"];
const PATTERN: [&str; 9] = [
    "height",
    "patternContentUnits",
    "patternTransform",
    "patternUnits",
    "preserveAspectRatio",
    "viewBox",
    "width",
    "x",
    "y",
];

/// The resolved attributes of an element in a cycle.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ResolvedTemplate {
    /// Inherited attributes and their values.
    pub(super) attributes: Vec<(&'static str, String)>,
    /// `#id` of the element with the content; `None` where this element has it, or none does.
    pub(super) href: Option<String>,
}

/// The template of `element`. `ids`: elements of the document by id.
fn template<'a, 'i>(element: Node<'a, 'i>, ids: &HashMap<&'a str, Node<'a, 'i>>) -> Option<Node<'a, 'i>> {
    let href = element.attribute("href").or_else(|| element.attribute((XLINK, "href")))?;
    let target = *ids.get(href.trim().strip_prefix('#')?)?;
    (family(target)? == family(element)?).then_some(target)
}

/// Whether one element can be the template of the other: both gradients of any kind, or both patterns.
fn family(element: Node<'_, '_>) -> Option<&'static str> {
    match element.tag_name().name() {
        "linearGradient" | "radialGradient" => Some("gradient"),
        "pattern" => Some("pattern"),
        _ => None,
    }
}

fn inherited(element: Node<'_, '_>) -> impl Iterator<Item = &'static str> {
    let (common, own): (&[&str], &[&str]) = match element.tag_name().name() {
        "linearGradient" => (&GRADIENT, &LINEAR),
        "radialGradient" => (&GRADIENT, &RADIAL),
        _ => (&[], &PATTERN),
    };
    common.iter().chain(own).copied()
}

fn has_content(element: Node<'_, '_>) -> bool {
    element
        .children()
        .any(|it| it.is_element() && (family(element) == Some("pattern") || it.tag_name().name() == "stop"))
}

/// Resolves the elements whose chain of templates is circular. `elements`: all elements of the document.
pub(super) fn of_cycles<'a, 'i: 'a>(
    elements: impl Iterator<Item = Node<'a, 'i>>,
    ids: &HashMap<&'a str, Node<'a, 'i>>,
) -> HashMap<NodeId, ResolvedTemplate> {
    // Elements whose chain is known to end, so that long chains are walked only once.
    let mut ending: HashSet<NodeId> = HashSet::new();
    let mut found = HashMap::new();
    for element in elements.filter(|it| family(*it).is_some()) {
        let (mut chain, mut seen) = (vec![element], HashSet::from([element.id()]));
        let is_cycle = loop {
            match chain.last().and_then(|it| template(*it, ids)) {
                Some(next) if ending.contains(&next.id()) => break false,
                Some(next) if !seen.insert(next.id()) => break true,
                Some(next) => chain.push(next),
                None => break false,
            }
        };
        if is_cycle {
            found.insert(element.id(), resolved(&chain));
        } else {
            ending.extend(seen);
        }
    }
    found
}

/// Resolves an element. `chain`: the element, its template, the template's template and so on, each once.
fn resolved(chain: &[Node<'_, '_>]) -> ResolvedTemplate {
    let Some((element, templates)) = chain.split_first() else { return ResolvedTemplate::default() };
    let from_templates = |name: &'static str| {
        let has = |it: &Node<'_, '_>| inherited(*it).any(|of_it| of_it == name);
        let value = templates.iter().filter(|it| has(it)).find_map(|it| it.attribute(name))?;
        Some((name, value.to_owned()))
    };
    let attributes = inherited(*element).filter(|it| !element.has_attribute(*it)).filter_map(from_templates).collect();
    let content = chain.iter().find(|it| has_content(**it)).filter(|it| *it != element);
    ResolvedTemplate { attributes, href: content.and_then(|it| it.attribute("id")).map(|id| format!("#{id}")) }
}
