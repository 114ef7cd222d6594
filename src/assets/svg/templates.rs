//! Gradients and patterns that are their own templates.
//!
//! A gradient takes the attributes and stops that it lacks from the one that its `href` names, and so on (SVG 2 §14.2). Browsers
//! follow such a chain until it comes to an element for the second time, so that each of a cycle still gets what stands in it.
//! usvg would follow it for ever. Elements whose chain is a cycle get all that they inherit as attributes of their own, and a
//! `href` that leads straight to the element with the stops, or for patterns with the content.

use std::collections::{HashMap, HashSet};

use usvg::roxmltree::{Node, NodeId};

use super::source::XLINK;

/// Attributes that a template hands down.
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

/// What an element of a cycle is to be written with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    /// Inherited attributes and their values.
    pub(super) attributes: Vec<(&'static str, String)>,
    /// `#id` of the element that has the content; `None` where this one has it, or no one.
    pub(super) href: Option<String>,
}

/// The element that `element` names as its template. `ids`: elements of the document.
fn template<'a, 'i>(element: Node<'a, 'i>, ids: &HashMap<&'a str, Node<'a, 'i>>) -> Option<Node<'a, 'i>> {
    let href = element.attribute("href").or_else(|| element.attribute((XLINK, "href")))?;
    let target = *ids.get(href.trim().strip_prefix('#')?)?;
    (family(target)? == family(element)?).then_some(target)
}

/// Gradients of both kinds are templates of each other, patterns of patterns.
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

/// Elements whose chain of templates leads to an element of it again, resolved. `elements`: all of the document.
pub(super) fn of_cycles<'a, 'i: 'a>(
    elements: impl Iterator<Item = Node<'a, 'i>>,
    ids: &HashMap<&'a str, Node<'a, 'i>>,
) -> HashMap<NodeId, Resolved> {
    // Elements whose chain ends, so that long chains are not walked from each of their elements.
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

/// `chain`: an element, its template, that one's template and so on, each once.
fn resolved(chain: &[Node<'_, '_>]) -> Resolved {
    let Some((element, templates)) = chain.split_first() else { return Resolved::default() };
    let from_templates = |name: &'static str| {
        let has = |it: &Node<'_, '_>| inherited(*it).any(|of_it| of_it == name);
        let value = templates.iter().filter(|it| has(it)).find_map(|it| it.attribute(name))?;
        Some((name, value.to_owned()))
    };
    let attributes = inherited(*element).filter(|it| !element.has_attribute(*it)).filter_map(from_templates).collect();
    let content = chain.iter().find(|it| has_content(**it)).filter(|it| *it != element);
    Resolved { attributes, href: content.and_then(|it| it.attribute("id")).map(|id| format!("#{id}")) }
}
