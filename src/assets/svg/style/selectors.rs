//! The elements of a document as the selector engine needs them.

use std::cell::Cell;

use ::selectors::attr::{AttrSelectorOperation, CaseSensitivity, NamespaceConstraint};
use ::selectors::bloom::BloomFilter;
use ::selectors::matching::{ElementSelectorFlags, MatchingContext};
use ::selectors::parser::{self as css, SelectorParseErrorKind};
use ::selectors::{Element, OpaqueElement, SelectorImpl};
use cssparser::{ParseError, ToCss};
use precomputed_hash::PrecomputedHash;
use usvg::roxmltree::{Document, Node};

use crate::assets::svg::source::XLINK;

/// Maximum number of steps of the selector engine for one document.
pub(super) const MAX_STEPS: u64 = 100_000_000;

/// The element tree of one document, with frequently used properties of elements.
pub(super) struct ElementTree<'a, 'i> {
    pub(super) elements: Vec<IndexedElement<'a, 'i>>,
    /// Steps of the selector engine so far, a measure of the cost of matching.
    pub(super) steps: Cell<u64>,
}

/// An element, with its relatives as indices into [`ElementTree::elements`].
pub(super) struct IndexedElement<'a, 'i> {
    pub(super) node: Node<'a, 'i>,
    pub(super) parent: Option<usize>,
    previous: Option<usize>,
    next: Option<usize>,
    pub(super) first_child: Option<usize>,
    pub(super) classes: Vec<&'a str>,
}

impl<'a, 'i> ElementTree<'a, 'i> {
    pub(super) fn of(document: &'a Document<'i>) -> Self {
        let mut elements: Vec<IndexedElement<'a, 'i>> = Vec::new();
        // Open elements, each with its last child so far.
        let mut open: Vec<(usize, Option<usize>)> = Vec::new();
        for node in document.descendants().filter(Node::is_element) {
            let parent = node.parent_element();
            while open.last().is_some_and(|(at, _)| Some(elements[*at].node) != parent) {
                open.pop();
            }
            let at = elements.len();
            let (parent, previous) = match open.last_mut() {
                Some((parent, latest)) => (Some(*parent), latest.replace(at)),
                None => (None, None),
            };
            match (previous, parent) {
                (Some(previous), _) => elements[previous].next = Some(at),
                (None, Some(parent)) => elements[parent].first_child = Some(at),
                (None, None) => {}
            }
            let classes = node.attribute("class").unwrap_or_default().split_ascii_whitespace().collect();
            elements.push(IndexedElement { node, parent, previous, next: None, first_child: None, classes });
            open.push((at, None));
        }
        Self { elements, steps: Cell::new(0) }
    }

    /// Children of an element, in order.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(self.elements[at].first_child, |child| self.elements[*child].next)
    }

    fn step(&self) {
        self.steps.set(self.steps.get() + 1);
    }
}

/// An element as the selector engine needs it.
#[derive(Clone, Copy)]
pub(super) struct ElementRef<'t, 'a, 'i> {
    pub(super) tree: &'t ElementTree<'a, 'i>,
    pub(super) index: usize,
}

impl std::fmt::Debug for ElementRef<'_, '_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>", self.entry().node.tag_name().name())
    }
}

impl<'t, 'a, 'i> ElementRef<'t, 'a, 'i> {
    fn entry(&self) -> &'t IndexedElement<'a, 'i> {
        self.tree.step();
        &self.tree.elements[self.index]
    }

    /// A relative of the element; `None` once the limit of steps is exceeded, so that the engine returns.
    fn other(&self, index: Option<usize>) -> Option<Self> {
        if self.tree.steps.get() > MAX_STEPS {
            return None;
        }
        Some(Self { tree: self.tree, index: index? })
    }
}

/// The selector engine's types: strings as names, no pseudo-elements, pseudo-classes without user interaction.
#[derive(Clone, Debug)]
pub(super) struct Css;

impl SelectorImpl for Css {
    type ExtraMatchingData<'a> = ();
    type AttrValue = Word;
    type Identifier = Word;
    type LocalName = Word;
    type NamespaceUrl = Word;
    type NamespacePrefix = Word;
    type BorrowedNamespaceUrl = Word;
    type BorrowedLocalName = Word;
    type NonTSPseudoClass = PseudoClass;
    type PseudoElement = NoPseudoElement;
}

/// A name or value in a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word(pub(super) String);

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl AsRef<str> for Word {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl ToCss for Word {
    fn to_css<W: std::fmt::Write>(&self, out: &mut W) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl PrecomputedHash for Word {
    fn precomputed_hash(&self) -> u32 {
        // FNV-1a.
        self.0.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PseudoClass {
    /// The pseudo-classes `:link` and `:any-link`.
    Link,
    /// Pseudo-classes that never match in an image, such as `:hover`.
    Never,
}

impl ToCss for PseudoClass {
    fn to_css<W: std::fmt::Write>(&self, out: &mut W) -> std::fmt::Result {
        out.write_str(if *self == Self::Link { ":link" } else { ":hover" })
    }
}

impl css::NonTSPseudoClass for PseudoClass {
    fn is_active_or_hover(&self) -> bool {
        false
    }

    fn is_user_action_state(&self) -> bool {
        false
    }
}

/// No pseudo-elements exist, because SVG elements have no generated content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPseudoElement {}

impl ToCss for NoPseudoElement {
    fn to_css<W: std::fmt::Write>(&self, _: &mut W) -> std::fmt::Result {
        match *self {}
    }
}

impl css::PseudoElement for NoPseudoElement {}

/// Parser of selectors, with the prefixes of `@namespace`.
pub(super) struct SelectorReader<'s> {
    pub(super) prefixes: &'s [(Option<String>, String)],
}

impl SelectorReader<'_> {
    fn namespace(&self, prefix: Option<&str>) -> Option<Word> {
        let found = self.prefixes.iter().rev().find(|(known, _)| known.as_deref() == prefix);
        found.map(|(_, url)| Word(url.clone()))
    }
}

/// The error for an invalid part of a style sheet, which is dropped as in browsers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invalid;

impl From<SelectorParseErrorKind> for Invalid {
    fn from(_: SelectorParseErrorKind) -> Self {
        Self
    }
}

impl<'i> css::Parser<'i> for SelectorReader<'_> {
    type Impl = Css;
    type Error = Invalid;

    fn parse_is_and_where(&self) -> bool {
        true
    }

    fn parse_nth_child_of(&self) -> bool {
        true
    }

    fn parse_has(&self) -> bool {
        true
    }

    fn parse_parent_selector(&self) -> bool {
        true
    }

    fn parse_non_ts_pseudo_class(&self, name: &str) -> Result<PseudoClass, ParseError<Invalid>> {
        const NEVER: [&str; 16] = [
            "active",
            "autofill",
            "checked",
            "default",
            "disabled",
            "enabled",
            "focus",
            "focus-visible",
            "focus-within",
            "fullscreen",
            "hover",
            "indeterminate",
            "invalid",
            "target",
            "valid",
            "visited",
        ];
        match name.to_ascii_lowercase().as_str() {
            "link" | "any-link" => Ok(PseudoClass::Link),
            name if NEVER.contains(&name) => Ok(PseudoClass::Never),
            _ => Err(ParseError::custom(Invalid)),
        }
    }

    fn default_namespace(&self) -> Option<Word> {
        self.namespace(None)
    }

    fn namespace_for_prefix(&self, prefix: &Word) -> Option<Word> {
        self.namespace(Some(&prefix.0))
    }
}

impl Element for ElementRef<'_, '_, '_> {
    type Impl = Css;

    fn opaque(&self) -> OpaqueElement {
        OpaqueElement::new(self.entry())
    }

    fn parent_element(&self) -> Option<Self> {
        self.other(self.entry().parent)
    }

    fn parent_node_is_shadow_root(&self) -> bool {
        false
    }

    fn containing_shadow_host(&self) -> Option<Self> {
        None
    }

    fn is_pseudo_element(&self) -> bool {
        false
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        self.other(self.entry().previous)
    }

    fn next_sibling_element(&self) -> Option<Self> {
        self.other(self.entry().next)
    }

    fn first_element_child(&self) -> Option<Self> {
        self.other(self.entry().first_child)
    }

    fn is_html_element_in_html_document(&self) -> bool {
        false
    }

    fn has_local_name(&self, name: &Word) -> bool {
        self.entry().node.tag_name().name() == name.0
    }

    fn has_namespace(&self, url: &Word) -> bool {
        self.entry().node.tag_name().namespace().unwrap_or_default() == url.0
    }

    fn is_same_type(&self, other: &Self) -> bool {
        self.entry().node.tag_name() == other.entry().node.tag_name()
    }

    fn attr_matches(
        &self,
        namespace: &NamespaceConstraint<&Word>,
        name: &Word,
        operation: &AttrSelectorOperation<&Word>,
    ) -> bool {
        self.entry().node.attributes().any(|attribute| {
            let there = match namespace {
                NamespaceConstraint::Any => true,
                NamespaceConstraint::Specific(url) => attribute.namespace().unwrap_or_default() == url.0,
            };
            there && attribute.name() == name.0 && operation.eval_str(attribute.value())
        })
    }

    fn match_non_ts_pseudo_class(&self, class: &PseudoClass, _: &mut MatchingContext<'_, Css>) -> bool {
        *class == PseudoClass::Link && self.is_link()
    }

    fn match_pseudo_element(&self, element: &NoPseudoElement, _: &mut MatchingContext<'_, Css>) -> bool {
        match *element {}
    }

    fn apply_selector_flags(&self, _: ElementSelectorFlags) {}

    fn is_link(&self) -> bool {
        let node = self.entry().node;
        node.tag_name().name() == "a" && (node.has_attribute("href") || node.has_attribute((XLINK, "href")))
    }

    fn is_html_slot_element(&self) -> bool {
        false
    }

    fn has_id(&self, id: &Word, case: CaseSensitivity) -> bool {
        self.entry().node.attribute("id").is_some_and(|it| case.eq(it.as_bytes(), id.0.as_bytes()))
    }

    fn has_class(&self, name: &Word, case: CaseSensitivity) -> bool {
        self.entry().classes.iter().any(|it| case.eq(it.as_bytes(), name.0.as_bytes()))
    }

    fn has_custom_state(&self, _: &Word) -> bool {
        false
    }

    fn imported_part(&self, _: &Word) -> Option<Word> {
        None
    }

    fn is_part(&self, _: &Word) -> bool {
        false
    }

    fn is_empty(&self) -> bool {
        self.entry().node.children().all(|it| !it.is_element() && it.text().is_none_or(str::is_empty))
    }

    fn is_root(&self) -> bool {
        self.entry().parent.is_none()
    }

    fn add_element_unique_hashes(&self, _: &mut BloomFilter) -> bool {
        false
    }
}
