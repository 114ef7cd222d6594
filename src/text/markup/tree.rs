//! The element tree of a text, built by html5ever's tree builder, which repairs misnested and missing tags by the
//! whole algorithm of HTML, as browsers do.
//!
//! The builder takes time quadratic in the depth of a tree, and its reconstruction of formatting elements can make a
//! tree far larger than the text. Both are bounded in front of it, in `BoundedBuilder`.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, Tracer, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{self, Tag, TagKind, TokenSink, TokenSinkResult};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts};
use html5ever::{Attribute, LocalName, QualName, local_name, ns};

use super::elements::{self, ElementRole};
use super::style::{self, StyleDeclaration};

/// Maximum number of elements that are open or continue as formatting elements, as in Chromium. Tags of further
/// elements are ignored, but not their text.
const MAX_OPEN: usize = 512;

/// Maximum number of nodes of a tree, about 50 MB, including the formatting elements that the builder repeats. All
/// further tags are ignored, but not their text.
const MAX_NODES: usize = 500_000;

/// The document node of every tree.
pub(super) const ROOT: usize = 0;

/// A tree of elements and texts. Nodes are indices; the first is the document.
pub(super) struct MarkupTree {
    nodes: Vec<MarkupNode>,
}

struct MarkupNode {
    parent: Option<usize>,
    children: Vec<usize>,
    content: Content,
}

/// What a node is.
pub(super) enum Content {
    /// The document, or a node that is not drawn.
    Other,
    /// An element; its children follow in the tree.
    Element(MarkupElement),
    /// Text, never next to another text.
    Text(String),
}

/// An element and the attributes that decide its layout.
pub(super) struct MarkupElement {
    pub(super) name: LocalName,
    /// The supported declarations of `style`, shared by all repetitions of the element.
    pub(super) style: Rc<[StyleDeclaration]>,
    /// Target of the link that the element is.
    pub(super) href: Option<Arc<str>>,
    attributes: Vec<Attribute>,
}

impl MarkupElement {
    /// The value of an attribute other than `style` and `href`.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
    }
}

impl MarkupTree {
    pub(super) fn content(&self, node: usize) -> &Content {
        &self.nodes[node].content
    }

    pub(super) fn children(&self, node: usize) -> &[usize] {
        &self.nodes[node].children
    }
}

/// A token sink that passes tokens to the tree builder within limits of depth and size.
pub(super) struct BoundedBuilder {
    builder: TreeBuilder<Handle, Sink>,
    /// Number of ignored start tags by name whose end tags are ignored too.
    ignored: RefCell<HashMap<LocalName, usize>>,
}

impl BoundedBuilder {
    /// Creates a builder of the content of a `<div>`, as `innerHTML` reads it.
    pub(super) fn new() -> Self {
        let sink = Sink::default();
        let context = sink.create_element(
            QualName::new(None, ns!(html), local_name!("div")),
            Vec::new(),
            ElementFlags::default(),
        );
        // Without scripts, so that the content of `<noscript>` is markup.
        let options = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
        let builder = TreeBuilder::new_for_fragment(sink, context, None, options);
        Self { builder, ignored: RefCell::default() }
    }

    pub(super) fn into_tree(self) -> MarkupTree {
        self.builder.sink.finish()
    }

    /// Whether the limits allow a tag.
    fn accepts(&self, tag: &Tag) -> bool {
        // Table tags have no effect (rendering.md §9.9).
        if elements::role(&tag.name) == ElementRole::Transparent || self.builder.sink.nodes.borrow().len() >= MAX_NODES
        {
            return false;
        }
        // These do not stay open.
        if elements::is_void(&tag.name) || elements::role(&tag.name) == ElementRole::Hidden {
            return true;
        }
        let mut ignored = self.ignored.borrow_mut();
        match tag.kind {
            TagKind::StartTag if self.open_count() >= MAX_OPEN => {
                *ignored.entry(tag.name.clone()).or_default() += 1;
                false
            }
            TagKind::StartTag => true,
            TagKind::EndTag => match ignored.get_mut(&tag.name) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            },
        }
    }

    /// Number of open elements and active formatting elements.
    fn open_count(&self) -> usize {
        let counter = HandleCounter(Cell::new(0));
        self.builder.trace_handles(&counter);
        counter.0.get()
    }
}

struct HandleCounter(Cell<usize>);

impl Tracer for HandleCounter {
    type Handle = Handle;

    fn trace_handle(&self, _: &Handle) {
        self.0.set(self.0.get() + 1);
    }
}

impl TokenSink for BoundedBuilder {
    type Handle = Handle;

    fn process_token(&self, token: tokenizer::Token, line: u64) -> TokenSinkResult<Handle> {
        match token {
            tokenizer::TagToken(tag) if !self.accepts(&tag) => TokenSinkResult::Continue,
            // Comments do not separate texts.
            tokenizer::CommentToken(_) => TokenSinkResult::Continue,
            tokenizer::TagToken(mut tag) => {
                self.builder.sink.intern(&mut tag);
                self.builder.process_token(tokenizer::TagToken(tag), line)
            }
            token => self.builder.process_token(token, line),
        }
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

/// A node of the tree, with the name that the builder asks for.
#[derive(Clone)]
pub(super) struct Handle {
    node: usize,
    name: Rc<QualName>,
}

/// The nodes made so far, and the values of long attributes.
struct Sink {
    nodes: RefCell<Vec<MarkupNode>>,
    /// Name of the nodes that are not elements.
    no_name: Rc<QualName>,
    styles: RefCell<Interned<Rc<[StyleDeclaration]>>>,
    /// Targets of links; `None` for empty ones.
    links: RefCell<Interned<Option<Arc<str>>>>,
}

/// Values by the text of an attribute. In the tags that the builder gets, an index replaces the text, so that repeating
/// an element is cheap however long the text is. Equal texts have equal indices, because the builder compares elements.
struct Interned<T> {
    indices: HashMap<String, usize>,
    values: Vec<T>,
}

impl<T: Clone> Interned<T> {
    fn index(&mut self, text: &str, value: impl FnOnce(&str) -> T) -> usize {
        if let Some(index) = self.indices.get(text) {
            return *index;
        }
        self.values.push(value(text));
        self.indices.insert(text.to_owned(), self.values.len() - 1);
        self.values.len() - 1
    }

    /// The value whose index is the text of an attribute.
    fn value(&self, attribute: &Attribute) -> Option<T> {
        self.values.get(attribute.value.parse::<usize>().ok()?).cloned()
    }
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { indices: HashMap::new(), values: Vec::new() }
    }
}

impl Default for Sink {
    fn default() -> Self {
        let document = MarkupNode { parent: None, children: Vec::new(), content: Content::Other };
        Self {
            nodes: RefCell::new(vec![document]),
            no_name: Rc::new(QualName::new(None, ns!(), local_name!(""))),
            styles: RefCell::default(),
            links: RefCell::default(),
        }
    }
}

impl Sink {
    /// Replaces the texts of `style` and `href` by indices.
    fn intern(&self, tag: &mut Tag) {
        for attribute in &mut tag.attrs {
            let index = match &*attribute.name.local {
                "style" => self.styles.borrow_mut().index(&attribute.value, |text| style::declarations(text).into()),
                "href" => self
                    .links
                    .borrow_mut()
                    .index(&attribute.value, |text| Some(text.trim()).filter(|text| !text.is_empty()).map(Arc::from)),
                _ => continue,
            };
            attribute.value = StrTendril::from(index.to_string());
        }
    }

    fn add(&self, content: Content, name: Rc<QualName>) -> Handle {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(MarkupNode { parent: None, children: Vec::new(), content });
        Handle { node: nodes.len() - 1, name }
    }

    /// Inserts a node or text before the child at `at` of `parent`.
    fn insert(&self, parent: usize, at: usize, child: NodeOrText<Handle>) {
        let mut nodes = self.nodes.borrow_mut();
        let child = match child {
            NodeOrText::AppendNode(handle) => handle.node,
            NodeOrText::AppendText(text) => {
                let before = at.checked_sub(1).map(|before| nodes[parent].children[before]);
                if let Some(Content::Text(before)) = before.map(|before| &mut nodes[before].content) {
                    return before.push_str(&text);
                }
                nodes.push(MarkupNode { parent: None, children: Vec::new(), content: Content::Text(text.to_string()) });
                nodes.len() - 1
            }
        };
        nodes[child].parent = Some(parent);
        nodes[parent].children.insert(at, child);
    }
}

impl TreeSink for Sink {
    type Handle = Handle;
    type Output = MarkupTree;
    type ElemName<'a> = &'a QualName;

    fn finish(self) -> MarkupTree {
        MarkupTree { nodes: self.nodes.into_inner() }
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle { node: ROOT, name: self.no_name.clone() }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> &'a QualName {
        &target.name
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Handle {
        let attribute = |name: &str| attributes.iter().find(|attribute| &*attribute.name.local == name);
        let element = MarkupElement {
            name: name.local.clone(),
            style: attribute("style").and_then(|it| self.styles.borrow().value(it)).unwrap_or_default(),
            href: attribute("href")
                .filter(|_| &*name.local == "a")
                .and_then(|it| self.links.borrow().value(it))
                .flatten(),
            attributes,
        };
        self.add(Content::Element(element), Rc::new(name))
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        self.add(Content::Other, self.no_name.clone())
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        self.add(Content::Other, self.no_name.clone())
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        let end = self.nodes.borrow()[parent.node].children.len();
        self.insert(parent.node, end, child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        if self.nodes.borrow()[element.node].parent.is_some() {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// The template itself, because its content is drawn as that of any other unknown element.
    fn get_template_contents(&self, target: &Handle) -> Handle {
        target.clone()
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        one.node == other.node
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        if let NodeOrText::AppendNode(handle) = &child {
            self.remove_from_parent(handle);
        }
        let Some(parent) = self.nodes.borrow()[sibling.node].parent else { return };
        let at = self.nodes.borrow()[parent].children.iter().rposition(|it| *it == sibling.node);
        if let Some(at) = at {
            self.insert(parent, at, child);
        }
    }

    /// Only called for `<html>` and `<body>`, whose attributes have no effect.
    fn add_attrs_if_missing(&self, _: &Handle, _: Vec<Attribute>) {}

    fn remove_from_parent(&self, target: &Handle) {
        let mut nodes = self.nodes.borrow_mut();
        let Some(parent) = nodes[target.node].parent.take() else { return };
        // Usually the last child.
        if let Some(at) = nodes[parent].children.iter().rposition(|it| *it == target.node) {
            nodes[parent].children.remove(at);
        }
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut nodes = self.nodes.borrow_mut();
        let children = std::mem::take(&mut nodes[node.node].children);
        for child in &children {
            nodes[*child].parent = Some(new_parent.node);
        }
        nodes[new_parent.node].children.extend(children);
    }
}
