//! Style sheets inside SVG: which rules meet which element, and where declarations stand in their text.

use simplecss::{AttributeOperator, Declaration, DeclarationTokenizer, PseudoClass, StyleSheet};
use usvg::roxmltree::{Document, Node};

use super::SvgError;

/// Declarations of one sheet once every selector of a list has its own copy, as the parser stores them.
const MAX_DECLARATIONS: usize = 500_000;

/// All `<style>` elements in document order, as usvg reads them.
pub(super) fn sheet<'a>(document: &'a Document<'_>) -> Result<StyleSheet<'a>, SvgError> {
    let mut sheet = StyleSheet::new();
    for style in document.descendants().filter(|it| it.has_tag_name("style")) {
        if !matches!(style.attribute("type"), None | Some("text/css")) {
            continue;
        }
        let text = style.text().unwrap_or_default();
        let found = declarations_when_spread(text);
        if found > MAX_DECLARATIONS {
            return Err(SvgError::TooComplex { found: found as u64, limit: MAX_DECLARATIONS as u64 });
        }
        sheet.parse_more(text);
    }
    Ok(sheet)
}

fn declarations_when_spread(text: &str) -> usize {
    let count = |text: &str, c: char| text.matches(c).count() + 1;
    text.split('}')
        .map(|rule| match rule.rsplit_once('{') {
            Some((selectors, declarations)) => count(selectors, ',').saturating_mul(count(declarations, ':')),
            None => count(rule, ','),
        })
        .fold(0, usize::saturating_add)
}

/// Declarations that apply to `element`: matching rules in order, then its `style` attribute.
pub(super) fn declarations<'s>(
    element: Node<'s, '_>,
    sheet: &'s StyleSheet<'s>,
) -> impl Iterator<Item = Declaration<'s>> {
    let rules = sheet.rules.iter().filter(move |rule| rule.selector.matches(&XmlElement(element)));
    let inline = DeclarationTokenizer::from(element.attribute("style").unwrap_or_default());
    rules.flat_map(|rule| rule.declarations.iter().copied()).chain(inline)
}

/// `text` with some of `parts`, slices of it in any order, replaced; `None` when nothing changes.
pub(super) fn splice<'t>(text: &'t str, parts: impl Iterator<Item = (&'t str, String)>) -> Option<String> {
    let mut edits: Vec<(usize, &str, String)> =
        parts.map(|(part, new)| (part.as_ptr() as usize - text.as_ptr() as usize, part, new)).collect();
    if edits.is_empty() {
        return None;
    }
    // A declaration shared by several selectors appears once for each of them.
    edits.sort_by_key(|(at, ..)| *at);
    edits.dedup_by_key(|(at, ..)| *at);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (at, part, new) in edits {
        out.push_str(&text[done..at]);
        out.push_str(&new);
        done = at + part.len();
    }
    out.push_str(&text[done..]);
    Some(out)
}

struct XmlElement<'a, 'i>(Node<'a, 'i>);

impl simplecss::Element for XmlElement<'_, '_> {
    fn parent_element(&self) -> Option<Self> {
        self.0.parent_element().map(Self)
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        self.0.prev_sibling_element().map(Self)
    }

    fn has_local_name(&self, name: &str) -> bool {
        self.0.tag_name().name() == name
    }

    fn attribute_matches(&self, name: &str, operator: AttributeOperator<'_>) -> bool {
        self.0.attribute(name).is_some_and(|value| operator.matches(value))
    }

    fn pseudo_class_matches(&self, class: PseudoClass<'_>) -> bool {
        class == PseudoClass::FirstChild && self.0.prev_sibling_element().is_none()
    }
}
