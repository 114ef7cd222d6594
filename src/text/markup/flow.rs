//! From the element tree to blocks: lines and blocks, margins, indents, lists.

use std::sync::Arc;

use html5ever::LocalName;

use super::elements::{self, ElementRole};
use super::style::{self, InheritedStyle};
use super::tree::{Content, MarkupElement, MarkupTree, ROOT};
use crate::text::blocks::{Block, ListMarker, Marker, Span, SpanStyle, TextBlocks};
use crate::text::shape;
use crate::text::transform::{self, Case};

/// Indent of a list level and of a `ql-indent` step of a list item, in em of the element (rendering.md §9.9).
const LIST_INDENT_EM: f64 = 2.1;

/// Indent of a `ql-indent` step of a paragraph, in em of the element (rendering.md §9.9).
const PARAGRAPH_INDENT_EM: f64 = 0.5;

/// Indent on the left and right of a `<blockquote>`, px (rendering.md §9.9).
const QUOTE_INDENT: f64 = 40.0;

/// The highest level of the classes `ql-indent-1` to `ql-indent-9`.
const MAX_INDENT_CLASS: usize = 9;

/// Builds blocks from a tree.
pub(super) struct Flow<'a> {
    base: &'a Arc<SpanStyle>,
    /// Whether `text-transform` is applied.
    transforms: bool,
    blocks: Vec<Block>,
    /// Open elements, outermost first. The first stands for the whole text and never closes.
    open: Vec<OpenElement>,
    /// Inline content since the last block.
    line: Vec<Span>,
    /// Margin above that content, px.
    space: f64,
    /// List marker of the current item, until its first line.
    marker: Option<Marker>,
    /// Markers of enclosing items that go before the same line, with the list indents of their content.
    outer_markers: Vec<(Marker, f64)>,
}

/// An element whose content is being read.
struct OpenElement {
    name: LocalName,
    role: ElementRole,
    inherited: InheritedStyle,
    /// Indents with those of all enclosing blocks, px; used for blocks only.
    indent_left: f64,
    indent_right: f64,
    indent_list: f64,
    /// The block or one around it is a `<pre>`; used for blocks only.
    no_wrap: bool,
    /// Margin below the last child, px, which may still collapse with that of the next child; used for blocks only.
    pending: f64,
    list: Option<List>,
}

/// Levels and item numbers of one `<ol>` or `<ul>`.
struct List {
    ordered: bool,
    start: i64,
    /// Difference between successive numbers: −1 where `reversed`.
    step: i64,
    /// For each open level: the level as written, and the last number there.
    nested: Vec<(usize, Option<i64>)>,
}

impl List {
    /// Enters the next item, written with `level`: returns its actual level and the last number there. An item with a
    /// deeper level than the one before is nested exactly one level deeper; one with a lower level closes the deeper
    /// ones.
    fn enter(&mut self, level: usize) -> (usize, &mut Option<i64>) {
        while self.nested.pop_if(|(open, _)| *open > level).is_some() {}
        if self.nested.last().is_none_or(|(open, _)| *open < level) {
            self.nested.push((level, None));
        }
        let at = self.nested.len() - 1;
        (at, &mut self.nested[at].1)
    }
}

impl<'a> Flow<'a> {
    /// `case`: `None` where all letters keep their case.
    pub(super) fn new(base: &'a Arc<SpanStyle>, case: Option<Case>) -> Self {
        let root = OpenElement {
            name: LocalName::from(""),
            role: ElementRole::Block,
            inherited: InheritedStyle {
                span: base.clone(),
                case: case.unwrap_or(Case::None),
                align: None,
                em: base.font_size,
            },
            indent_left: 0.0,
            indent_right: 0.0,
            indent_list: 0.0,
            no_wrap: false,
            pending: 0.0,
            list: Some(List { ordered: false, start: 1, step: 1, nested: Vec::new() }),
        };
        Self {
            base,
            transforms: case.is_some(),
            blocks: Vec::new(),
            open: vec![root],
            line: Vec::new(),
            space: 0.0,
            marker: None,
            outer_markers: Vec::new(),
        }
    }

    pub(super) fn run(mut self, tree: &MarkupTree) -> TextBlocks {
        // Nodes being read, outermost first, each with the number of its children that were read. A stack instead of
        // recursion, because the input determines the depth.
        let mut path = vec![(ROOT, 0)];
        while let Some((node, read)) = path.last_mut() {
            let Some(child) = tree.children(*node).get(*read).copied() else {
                if let Content::Element(element) = tree.content(*node) {
                    self.leave(element);
                }
                path.pop();
                continue;
            };
            *read += 1;
            match tree.content(child) {
                Content::Text(text) => self.text(text),
                Content::Element(element) => {
                    if self.enter(tree, child, element) {
                        path.push((child, 0));
                    }
                }
                Content::Other => {}
            }
        }
        self.flush();
        // Margins at the edges of the text count (rendering.md §9.9).
        let below = self.space + self.innermost_block().pending;
        if let Some(last) = self.blocks.last_mut() {
            last.margin_bottom = below;
        }
        let rtl = self.blocks.iter().flat_map(|block| &block.spans).any(|span| shape::has_rtl_letter(&span.text));
        TextBlocks { blocks: self.blocks, base: self.base.clone(), rtl }
    }

    fn text(&mut self, text: &str) {
        let InheritedStyle { span, case, .. } = self.inherited();
        let case = if self.transforms { *case } else { Case::None };
        let (text, style) = (transform::apply(case, text), span.clone());
        self.push(text, style);
    }

    fn push(&mut self, text: String, style: Arc<SpanStyle>) {
        match self.line.last_mut() {
            _ if text.is_empty() => {}
            Some(last) if Arc::ptr_eq(&last.style, &style) || last.style == style => last.text.push_str(&text),
            _ => self.line.push(Span { text, style }),
        }
    }

    /// Handles the start of an element. Returns whether its content is read, after which `leave` is called.
    fn enter(&mut self, tree: &MarkupTree, node: usize, element: &MarkupElement) -> bool {
        if &*element.name == "br" {
            let style = self.inherited().span.clone();
            self.push("\n".to_owned(), style);
            return false;
        }
        if elements::is_void(&element.name) {
            // A void element is an empty block, which ends the line before it.
            self.flush();
            self.settle_pending(0.0);
            return false;
        }
        match elements::role(&element.name) {
            ElementRole::Hidden => return false,
            ElementRole::Transparent => {}
            ElementRole::Inline => {
                let open = self.opened(element, ElementRole::Inline);
                self.open.push(open);
            }
            role @ (ElementRole::Block | ElementRole::ListPart) => self.open_block(tree, node, element, role),
        }
        true
    }

    /// Handles the end of an element whose content was read.
    fn leave(&mut self, element: &MarkupElement) {
        match elements::role(&element.name) {
            ElementRole::Transparent | ElementRole::Hidden => {}
            ElementRole::Inline => {
                self.open.pop();
            }
            ElementRole::Block | ElementRole::ListPart => {
                self.flush();
                if let Some(block) = self.open.pop() {
                    self.end_block(block);
                }
            }
        }
    }

    /// The innermost open element of this kind; never the root.
    fn position(&self, is: impl Fn(&OpenElement) -> bool) -> Option<usize> {
        self.open[1..].iter().rposition(is).map(|at| at + 1)
    }

    fn inherited(&self) -> &InheritedStyle {
        &self.open[self.open.len() - 1].inherited
    }

    fn innermost_block(&mut self) -> &mut OpenElement {
        let at = self.position(|open| open.role != ElementRole::Inline).unwrap_or(0);
        &mut self.open[at]
    }

    fn open_block(&mut self, tree: &MarkupTree, node: usize, element: &MarkupElement, role: ElementRole) {
        self.flush();
        let mut open = self.opened(element, role);
        let margin = style::margin_em(&element.name) * open.inherited.span.font_size;
        if role == ElementRole::ListPart {
            open.pending = self.innermost_block().pending.max(margin);
            self.innermost_block().pending = 0.0;
        } else {
            self.settle_pending(margin);
        }
        let em = self.base.font_size;
        // List indent of the enclosing item, whose marker may be pending.
        let around = self.position(|open| &*open.name == "li").map_or(0.0, |at| self.open[at].indent_list);
        let parent = self.innermost_block();
        (open.indent_left, open.indent_right) = (parent.indent_left, parent.indent_right);
        open.indent_list = parent.indent_list;
        open.no_wrap = parent.no_wrap || &*element.name == "pre";
        match &*element.name {
            "ul" | "ol" => {
                open.indent_list += LIST_INDENT_EM * em;
                let ordered = &*element.name == "ol";
                let is_reversed = ordered && element.attribute("reversed").is_some();
                let items = is_reversed.then(|| count_items(tree, node));
                let start = element.attribute("start").and_then(integer).or(items).unwrap_or(1);
                let step = if is_reversed { -1 } else { 1 };
                open.list = Some(List { ordered, start, step, nested: Vec::new() });
            }
            "li" => {
                let (level, kind) = self.item(element);
                open.indent_list += LIST_INDENT_EM * em * level as f64;
                let pending = self.marker.take();
                self.outer_markers.extend(pending.map(|marker| (marker, around)));
                self.marker = Some(Marker { kind, style: open.inherited.span.clone() });
            }
            "p" => open.indent_left += PARAGRAPH_INDENT_EM * em * indent_class(element) as f64,
            "blockquote" => {
                open.indent_left += QUOTE_INDENT;
                open.indent_right += QUOTE_INDENT;
            }
            _ => {}
        }
        self.open.push(open);
    }

    fn opened(&self, element: &MarkupElement, role: ElementRole) -> OpenElement {
        OpenElement {
            name: element.name.clone(),
            role,
            inherited: style::resolve(&element.name, &element.style, element.href.as_ref(), self.inherited()),
            indent_left: 0.0,
            indent_right: 0.0,
            indent_list: 0.0,
            no_wrap: false,
            pending: 0.0,
            list: None,
        }
    }

    /// The level and marker of a list item. Bullets are not counted, but any item restarts the levels below its own.
    fn item(&mut self, element: &MarkupElement) -> (usize, ListMarker) {
        let at = self.position(|open| open.list.is_some()).unwrap_or(0);
        let Some(list) = &mut self.open[at].list else { return (0, ListMarker::Bullet) };
        let ordered = match element.attribute("data-list") {
            Some("ordered") => true,
            Some("bullet" | "checked" | "unchecked") => false,
            _ => list.ordered,
        };
        let (start, step) = (list.start, list.step);
        let (level, last) = list.enter(indent_class(element));
        if !ordered {
            return (level, ListMarker::Bullet);
        }
        let (first, step) = if level == 0 { (start, step) } else { (1, 1) };
        let next = last.map_or(first, |number| number.saturating_add(step));
        let number = element.attribute("value").and_then(integer).unwrap_or(next);
        *last = Some(number);
        (level, ListMarker::Number(number))
    }

    /// Handles the end of a block whose inline content is already in `blocks`.
    fn end_block(&mut self, mut block: OpenElement) {
        if &*block.name == "li" && self.marker.is_some() {
            // The marker of an item without content is drawn on an empty line.
            self.space += std::mem::take(&mut block.pending);
            self.emit(block.block(Vec::new()));
        }
        let margin = style::margin_em(&block.name) * block.inherited.span.font_size;
        if block.role == ElementRole::ListPart {
            self.innermost_block().pending = margin.max(block.pending);
        } else {
            self.space += block.pending;
            self.innermost_block().pending = margin;
        }
    }

    /// Collapses the pending margin with `margin`. Margins of siblings collapse to the larger one; those of parent and
    /// child add up, as in the editor's engine.
    fn settle_pending(&mut self, margin: f64) {
        let pending = std::mem::take(&mut self.innermost_block().pending);
        self.space += pending.max(margin);
    }

    /// Adds a block for the inline content so far, if there is any.
    fn flush(&mut self) {
        if self.line.is_empty() {
            return;
        }
        self.settle_pending(0.0);
        let mut block = self.innermost_block().block(Vec::new());
        block.spans = std::mem::take(&mut self.line);
        block.take_last_break();
        self.emit(block);
    }

    fn emit(&mut self, block: Block) {
        let strut = block.strut.filter(|strut| !same_strut(strut, self.base));
        let (margin_top, marker) = (std::mem::take(&mut self.space), self.marker.take());
        let outer_markers = std::mem::take(&mut self.outer_markers);
        self.blocks.push(Block { margin_top, marker, outer_markers, strut, ..block });
    }
}

impl OpenElement {
    /// A block of `spans` with this element's indents and style, without margins and marker.
    fn block(&self, spans: Vec<Span>) -> Block {
        let InheritedStyle { span, align, .. } = &self.inherited;
        let (indent_left, indent_right) = (self.indent_left, self.indent_right);
        Block {
            align: *align,
            indent_left,
            indent_right,
            indent_list: self.indent_list,
            no_wrap: self.no_wrap,
            strut: Some(span.clone()),
            ..Block::of(spans)
        }
    }
}

/// True when both styles give the same strut.
fn same_strut(one: &SpanStyle, other: &SpanStyle) -> bool {
    one.font_size == other.font_size
        && one.line_height == other.line_height
        && one.family == other.family
        && one.weight == other.weight
        && one.italic == other.italic
}

/// Number of items of a list, without those of lists inside it.
fn count_items(tree: &MarkupTree, list: usize) -> i64 {
    let mut items = 0;
    let mut unread = tree.children(list).to_vec();
    while let Some(node) = unread.pop() {
        let Content::Element(element) = tree.content(node) else { continue };
        items += i64::from(&*element.name == "li");
        if !matches!(&*element.name, "ol" | "ul") {
            unread.extend(tree.children(node));
        }
    }
    items
}

/// The N of the class `ql-indent-N`; 0 without one.
fn indent_class(element: &MarkupElement) -> usize {
    let classes = element.attribute("class").unwrap_or_default().split_ascii_whitespace();
    let mut steps = classes.filter_map(|class| class.strip_prefix("ql-indent-")?.parse().ok());
    steps.find(|steps| (1..=MAX_INDENT_CLASS).contains(steps)).unwrap_or(0)
}

fn integer(value: &str) -> Option<i64> {
    value.trim().parse().ok()
}
