//! The CSS cascade: which declarations apply to an element, and their computed values.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use ::selectors::context::{
    MatchingContext, MatchingForInvalidation, MatchingMode, NeedsSelectorFlags, QuirksMode, SelectorCaches,
};
use ::selectors::matching::matches_selector;
use ::selectors::parser::{Component, Selector};
use kurbo::Size;
use usvg::roxmltree::Node;

use super::properties::{self, PropertyName};
use super::selectors::{Css, ElementRef, ElementTree, MAX_STEPS};
use super::sheet::{self, Declaration, Sheets};
use super::variables::CustomProperties;
use crate::assets::svg::error::SvgError;

/// Maximum number of pairs of a selector and an element that are matched.
const MAX_MATCHES: u64 = 20_000_000;

/// Maximum number of pairs of a declaration and an element to which it is applied.
const MAX_APPLIED: u64 = 5_000_000;

/// Maximum bytes of values that elements get from style sheets and `style` attributes.
const MAX_BYTES: u64 = 64 << 20;

/// Properties of an element and their values; `None` resets a property.
pub(super) type Properties = BTreeMap<&'static str, Option<Rc<str>>>;

/// Rules indexed by what their rightmost compound selector requires.
#[derive(Default)]
struct RuleIndex<'s> {
    ids: HashMap<&'s str, Vec<CandidateRule<'s>>>,
    classes: HashMap<&'s str, Vec<CandidateRule<'s>>>,
    names: HashMap<&'s str, Vec<CandidateRule<'s>>>,
    others: Vec<CandidateRule<'s>>,
}

#[derive(Clone, Copy)]
struct CandidateRule<'s> {
    selector: &'s Selector<Css>,
    rule: usize,
}

impl<'s> RuleIndex<'s> {
    fn of(sheets: &'s Sheets) -> Self {
        let mut index = Self::default();
        for (rule, selectors) in sheets.rules.iter().map(|it| &it.selectors).enumerate() {
            for selector in selectors.slice() {
                let (mut id, mut class, mut name) = (None, None, None);
                for part in selector.iter() {
                    match part {
                        Component::ID(it) => id = Some(it.as_ref()),
                        Component::Class(it) => class = Some(it.as_ref()),
                        Component::LocalName(it) => name = Some(it.name.as_ref()),
                        _ => {}
                    }
                }
                let list = match (id, class, name) {
                    (Some(id), _, _) => index.ids.entry(id).or_default(),
                    (_, Some(class), _) => index.classes.entry(class).or_default(),
                    (_, _, Some(name)) => index.names.entry(name).or_default(),
                    _ => &mut index.others,
                };
                list.push(CandidateRule { selector, rule });
            }
        }
        index
    }

    fn candidates(&self, element: Node<'_, '_>, classes: &[&str]) -> Vec<CandidateRule<'s>> {
        let of_id = element.attribute("id").and_then(|id| self.ids.get(id));
        let of_name = self.names.get(element.tag_name().name());
        let of_classes = classes.iter().filter_map(|class| self.classes.get(class));
        let lists = of_id.into_iter().chain(of_name).chain(of_classes).chain([&self.others]);
        lists.flatten().copied().collect()
    }
}

/// The state of the cascade over all elements of a document.
pub(super) struct Cascade<'c, 'a, 'i> {
    sheets: &'c Sheets,
    pub(super) tree: &'c ElementTree<'a, 'i>,
    index: RuleIndex<'c>,
    caches: SelectorCaches,
    /// Size of the viewport in units of the document.
    units: Size,
    matches: u64,
    applied: u64,
    bytes: u64,
}

/// The computed style of one element.
pub(super) struct ComputedStyle {
    pub(super) properties: Properties,
    /// Custom properties, inherited ones included.
    pub(super) variables: Rc<CustomProperties>,
    /// Some property depends on inherited custom properties.
    pub(super) has_var: bool,
}

impl<'c, 'a, 'i> Cascade<'c, 'a, 'i> {
    /// `units`: size of the viewport in units of the document.
    pub(super) fn new(sheets: &'c Sheets, tree: &'c ElementTree<'a, 'i>, units: Size) -> Self {
        let index = RuleIndex::of(sheets);
        Self { sheets, tree, index, caches: SelectorCaches::default(), units, matches: 0, applied: 0, bytes: 0 }
    }

    /// Computes the style of the element at this index of the tree. `outer`: custom properties of its parent.
    ///
    /// # Errors
    /// The style sheets exceed a limit.
    pub(super) fn resolve(&mut self, at: usize, outer: &Rc<CustomProperties>) -> Result<ComputedStyle, SvgError> {
        let entry = &self.tree.elements[at];
        let matched = self.matching(at)?;
        let inline = entry.node.attribute("style").map(|it| sheet::inline(it, self.units)).unwrap_or_default();
        let declared = in_order(self.sheets, &matched, &inline);
        self.applied += declared.len() as u64;
        if self.applied > MAX_APPLIED {
            return Err(SvgError::too_many("declarations applied to elements", self.applied, MAX_APPLIED as usize));
        }
        let own = CustomProperties::inside(outer, &declared);
        self.bytes += own.as_ref().map_or(0, |it| it.bytes() as u64);
        let variables = own.map_or_else(|| outer.clone(), Rc::new);
        let properties = self.winners(&declared, &variables);
        let has_var = declared.iter().any(|it| match &it.name {
            PropertyName::Pending(_) => true,
            PropertyName::Custom(_) => it.value.contains("var("),
            PropertyName::Known(_) => false,
        });
        if self.bytes > MAX_BYTES {
            return Err(SvgError::too_many("bytes of values", self.bytes, MAX_BYTES as usize));
        }
        Ok(ComputedStyle { properties, variables, has_var })
    }

    /// Layer, specificity and index of the rules that match, in cascade order.
    fn matching(&mut self, at: usize) -> Result<Vec<(usize, u32, usize)>, SvgError> {
        let entry = &self.tree.elements[at];
        let mut context = MatchingContext::new(
            MatchingMode::Normal,
            None,
            &mut self.caches,
            QuirksMode::NoQuirks,
            NeedsSelectorFlags::No,
            MatchingForInvalidation::No,
        );
        let mut matched: Vec<(usize, u32, usize)> = Vec::new();
        for CandidateRule { selector, rule } in self.index.candidates(entry.node, &entry.classes) {
            self.matches += 1;
            if matches_selector(selector, 0, None, ElementRef { tree: self.tree, index: at }, &mut context) {
                matched.push((self.sheets.rules[rule].layer, selector.specificity(), rule));
            }
        }
        if self.matches > MAX_MATCHES {
            return Err(SvgError::too_many("selectors tried on elements", self.matches, MAX_MATCHES as usize));
        }
        if self.tree.steps.get() > MAX_STEPS {
            return Err(SvgError::too_many("steps of matching selectors", self.tree.steps.get(), MAX_STEPS as usize));
        }
        matched.sort_unstable();
        Ok(matched)
    }

    fn winners(&mut self, declared: &[&Declaration], variables: &CustomProperties) -> Properties {
        let mut winners = Properties::new();
        let mut set = |name: &'static str, value: Rc<str>| {
            self.bytes += (name.len() + value.len()) as u64;
            winners.insert(name, (&*value != "unset").then_some(value));
        };
        for Declaration { name, value, .. } in declared {
            match name {
                PropertyName::Custom(_) => {}
                PropertyName::Known(name) => set(name, value.clone()),
                PropertyName::Pending(name) => {
                    let mut valid = false;
                    if let Some(value) = variables.substitute(value) {
                        properties::declared(name, value.trim(), self.units, &mut |name, value| {
                            if let PropertyName::Known(name) = name {
                                valid = true;
                                set(name, value);
                            }
                        });
                    }
                    // Browsers have already dropped the weaker declarations.
                    if !valid {
                        let names = properties::longhands(name);
                        let names = names.into_iter().flatten().copied().chain(properties::known(name));
                        names.filter_map(properties::known).for_each(|name| set(name, "unset".into()));
                    }
                }
            }
        }
        winners
    }
}

/// All declarations for one element, highest priority last. `matched`: layer, specificity and rule, sorted.
fn in_order<'d>(
    sheets: &'d Sheets,
    matched: &[(usize, u32, usize)],
    inline: &'d [Declaration],
) -> Vec<&'d Declaration> {
    let of = |rule: usize| sheets.rules[rule].declarations.iter();
    let mut declared: Vec<_> = matched.iter().flat_map(|(.., rule)| of(*rule)).filter(|it| !it.important).collect();
    declared.extend(inline.iter().filter(|it| !it.important));
    // Among important declarations, those of the first layer win.
    let mut important: Vec<_> =
        matched.iter().map(|(layer, specificity, rule)| (Reverse(*layer), *specificity, *rule)).collect();
    important.sort_unstable();
    declared.extend(important.into_iter().flat_map(|(.., rule)| of(rule)).filter(|it| it.important));
    declared.extend(inline.iter().filter(|it| it.important));
    declared
}
