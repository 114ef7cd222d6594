//! From tokens to blocks: the stack of open elements, lines and blocks, margins, indents, lists.

use std::sync::Arc;

use html5ever::LocalName;
use html5ever::tokenizer::Tag;

use super::elements::{self, Role};
use super::style::{self, Declaration, Inherited};
use super::tokens::Token;
use crate::text::blocks::{Block, ListMarker, Marker, Span, SpanStyle, TextBlocks};
use crate::text::shape;
use crate::text::transform::{self, Case};

/// Maximum depth of nested elements, as in Chromium. Deeper elements are ignored, but not their text.
const MAX_DEPTH: usize = 512;

/// Indent of a list level and of a `ql-indent` step of a list item, in em of the element (rendering.md §9.9).
const LIST_INDENT_EM: f64 = 2.1;

/// Indent of a `ql-indent` step of a paragraph, in em of the element (rendering.md §9.9).
const PARAGRAPH_INDENT_EM: f64 = 0.5;

/// Indent on the left and right of a `<blockquote>`, px (rendering.md §9.9).
const QUOTE_INDENT: f64 = 40.0;

/// The highest level of the classes `ql-indent-1` to `ql-indent-9`.
const MAX_INDENT_CLASS: usize = 9;

/// Builds blocks from tokens.
pub(super) struct Flow<'a> {
    base: &'a Arc<SpanStyle>,
    /// Whether `text-transform` is applied.
    transforms: bool,
    blocks: Vec<Block>,
    /// Open elements, outermost first. The first stands for the whole text and never closes.
    open: Vec<OpenElement>,
    /// Number of open elements that were ignored because of `MAX_DEPTH`.
    ignored_depth: usize,
    /// The element whose content is being dropped.
    hidden: Option<LocalName>,
    /// A line break is dropped if it comes next, as after `<pre>`.
    skip_line_break: bool,
    /// Inline content since the last block.
    line: Vec<Span>,
    /// Margin above that content, px.
    space: f64,
    /// List marker of the current item, until its first line.
    marker: Option<Marker>,
    /// Markers of enclosing items that go before the same line, with the list indents of their content.
    outer_markers: Vec<(Marker, f64)>,
    /// Number of items of each `<ol reversed>`, the next list last.
    reversed: Vec<i64>,
}

/// An element whose end tag has not been reached.
struct OpenElement {
    name: LocalName,
    role: Role,
    /// Declarations of `style`, resolved again when an enclosing element ends first.
    inline: Vec<Declaration>,
    href: Option<String>,
    inherited: Inherited,
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
            role: Role::Block,
            inline: Vec::new(),
            href: None,
            inherited: Inherited {
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
            ignored_depth: 0,
            hidden: None,
            skip_line_break: false,
            line: Vec::new(),
            space: 0.0,
            marker: None,
            outer_markers: Vec::new(),
            reversed: Vec::new(),
        }
    }

    pub(super) fn run(mut self, tokens: Vec<Token>) -> TextBlocks {
        self.reversed = items_of_reversed(&tokens);
        for token in tokens {
            match token {
                Token::Start(tag) if self.hidden.is_none() => self.start(&tag),
                Token::Text(text) if self.hidden.is_none() => self.text(&text),
                Token::Start(_) | Token::Text(_) => {}
                Token::End(name) if self.hidden.is_some() => {
                    self.hidden = self.hidden.take().filter(|hidden| *hidden != name);
                }
                Token::End(name) => self.end(&name),
            }
        }
        self.flush();
        if self.open.len() > 1 {
            self.close(1);
        }
        // Margins at the edges of the text are kept (rendering.md §9.9).
        let below = self.space + self.innermost_block().pending;
        if let Some(last) = self.blocks.last_mut() {
            last.margin_bottom = below;
        }
        let rtl = self.blocks.iter().flat_map(|block| &block.spans).any(|span| shape::has_rtl_letter(&span.text));
        TextBlocks { blocks: self.blocks, base: self.base.clone(), rtl }
    }

    fn text(&mut self, text: &str) {
        let skip = std::mem::take(&mut self.skip_line_break);
        let text = text.strip_prefix('\n').filter(|_| skip).unwrap_or(text);
        let Inherited { span, case, .. } = self.inherited();
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

    fn start(&mut self, tag: &Tag) {
        self.skip_line_break = false;
        let name = &tag.name;
        let role = elements::role(name);
        match role {
            Role::Transparent => return,
            Role::Hidden => {
                self.hidden = Some(name.clone());
                return;
            }
            Role::Inline | Role::Block | Role::ListPart => {}
        }
        if &**name == "br" {
            let style = self.inherited().span.clone();
            return self.push("\n".to_owned(), style);
        }
        self.close_implied(name);
        if elements::is_void(name) {
            // A void element is an empty block, which ends the line before it.
            self.flush();
            return self.settle_pending(0.0);
        }
        if self.open.len() >= MAX_DEPTH {
            self.ignored_depth += 1;
            return;
        }
        self.skip_line_break = &**name == "pre";
        if role == Role::Inline { self.open_inline(tag) } else { self.open_block(tag, role) }
    }

    /// Closes the elements that HTML implicitly ends before a start tag.
    fn close_implied(&mut self, name: &str) {
        if elements::is_special(name)
            && let Some(at) = self.position(|open| &*open.name == "p")
        {
            self.close(at);
        }
        match name {
            "li" => {
                let stops =
                    |open: &OpenElement| elements::is_special(&open.name) && !matches!(&*open.name, "div" | "p");
                if let Some(at) = self.position(stops)
                    && &*self.open[at].name == "li"
                {
                    self.close(at);
                }
            }
            "a" => {
                if let Some(at) = self.position(|open| &*open.name == "a") {
                    self.remove(at);
                }
            }
            _ if elements::is_heading(name) => {
                let last = self.open.len() - 1;
                if elements::is_heading(&self.open[last].name) {
                    self.close(last);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &LocalName) {
        self.skip_line_break = false;
        match elements::role(name) {
            Role::Transparent | Role::Hidden => return,
            Role::Inline | Role::Block | Role::ListPart => {}
        }
        if &**name == "br" {
            // Browsers treat `</br>` as `<br>`.
            let style = self.inherited().span.clone();
            return self.push("\n".to_owned(), style);
        }
        if elements::is_void(name) {
            return;
        }
        if self.ignored_depth > 0 {
            self.ignored_depth -= 1;
            return;
        }
        if elements::is_formatting(name) {
            if let Some(at) = self.position(|open| open.name == *name) {
                self.remove(at);
            }
            return;
        }
        let heading = elements::is_heading(name);
        let special = elements::is_special(name);
        let found = self.position(|open| match &*open.name {
            "ul" | "ol" if &**name == "li" => true,
            other if heading => elements::is_heading(other),
            other => *other == **name || (!special && elements::is_special(other)),
        });
        if let Some(at) = found
            && (heading || self.open[at].name == *name)
        {
            self.close(at);
        }
    }

    /// The innermost open element of this kind; never the root.
    fn position(&self, is: impl Fn(&OpenElement) -> bool) -> Option<usize> {
        self.open[1..].iter().rposition(is).map(|at| at + 1)
    }

    fn inherited(&self) -> &Inherited {
        &self.open[self.open.len() - 1].inherited
    }

    fn innermost_block(&mut self) -> &mut OpenElement {
        let at = self.position(|open| open.role != Role::Inline).unwrap_or(0);
        &mut self.open[at]
    }

    fn open_inline(&mut self, tag: &Tag) {
        let open = self.opened(tag, Role::Inline);
        self.open.push(open);
    }

    fn open_block(&mut self, tag: &Tag, role: Role) {
        self.flush();
        let mut open = self.opened(tag, role);
        let margin = style::margin_em(&tag.name) * open.inherited.span.font_size;
        if role == Role::ListPart {
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
        open.no_wrap = parent.no_wrap || &*tag.name == "pre";
        match &*tag.name {
            "ul" | "ol" => {
                open.indent_list += LIST_INDENT_EM * em;
                let items = if is_reversed(tag) { self.reversed.pop() } else { None };
                let start = attribute(tag, "start").and_then(integer).or(items).unwrap_or(1);
                let step = if items.is_some() { -1 } else { 1 };
                let ordered = &*tag.name == "ol";
                open.list = Some(List { ordered, start, step, nested: Vec::new() });
            }
            "li" => {
                let (level, kind) = self.item(tag);
                open.indent_list += LIST_INDENT_EM * em * level as f64;
                let pending = self.marker.take();
                self.outer_markers.extend(pending.map(|marker| (marker, around)));
                self.marker = Some(Marker { kind, style: open.inherited.span.clone() });
            }
            "p" => open.indent_left += PARAGRAPH_INDENT_EM * em * indent_class(tag) as f64,
            "blockquote" => {
                open.indent_left += QUOTE_INDENT;
                open.indent_right += QUOTE_INDENT;
            }
            _ => {}
        }
        self.open.push(open);
    }

    fn opened(&self, tag: &Tag, role: Role) -> OpenElement {
        let inline = style::declarations(attribute(tag, "style").unwrap_or_default());
        let href = attribute(tag, "href").filter(|_| &*tag.name == "a").map(str::to_owned);
        let inherited = style::resolve(&tag.name, &inline, href.as_deref(), self.inherited());
        let (indent_left, indent_right) = (0.0, 0.0);
        OpenElement {
            name: tag.name.clone(),
            role,
            inline,
            href,
            inherited,
            indent_left,
            indent_right,
            indent_list: 0.0,
            no_wrap: false,
            pending: 0.0,
            list: None,
        }
    }

    /// The level and marker of a list item. Bullets are not counted, but any item restarts the levels below its own.
    fn item(&mut self, tag: &Tag) -> (usize, ListMarker) {
        let at = self.position(|open| open.list.is_some()).unwrap_or(0);
        let Some(list) = &mut self.open[at].list else { return (0, ListMarker::Bullet) };
        let ordered = match attribute(tag, "data-list") {
            Some("ordered") => true,
            Some("bullet" | "checked" | "unchecked") => false,
            _ => list.ordered,
        };
        let (start, step) = (list.start, list.step);
        let (level, last) = list.enter(indent_class(tag));
        if !ordered {
            return (level, ListMarker::Bullet);
        }
        let (first, step) = if level == 0 { (start, step) } else { (1, 1) };
        let next = last.map_or(first, |number| number.saturating_add(step));
        let number = attribute(tag, "value").and_then(integer).unwrap_or(next);
        *last = Some(number);
        (level, ListMarker::Number(number))
    }

    /// Closes the element at `at` and those inside it; formatting elements inside it are reopened.
    fn close(&mut self, at: usize) {
        if self.open[at..].iter().any(|open| open.role != Role::Inline) {
            self.flush();
        }
        let mut reopened = Vec::new();
        while self.open.len() > at
            && let Some(open) = self.open.pop()
        {
            if open.role != Role::Inline {
                self.leave(open);
            } else if self.open.len() > at && elements::is_formatting(&open.name) {
                reopened.push(open);
            }
        }
        self.reopen(reopened.into_iter().rev());
    }

    /// Removes the element at `at` from the stack; those inside it stay open.
    fn remove(&mut self, at: usize) {
        let inside = self.open.split_off(at + 1);
        self.open.pop();
        self.reopen(inside.into_iter());
    }

    fn reopen(&mut self, elements: impl Iterator<Item = OpenElement>) {
        for mut open in elements {
            open.inherited = style::resolve(&open.name, &open.inline, open.href.as_deref(), self.inherited());
            self.open.push(open);
        }
    }

    /// Handles the end of a block whose inline content is already in `blocks`.
    fn leave(&mut self, mut block: OpenElement) {
        if &*block.name == "li" && self.marker.is_some() {
            // The marker of an item without content is drawn on an empty line.
            self.space += std::mem::take(&mut block.pending);
            self.emit(block.block(Vec::new()));
        }
        let margin = style::margin_em(&block.name) * block.inherited.span.font_size;
        if block.role == Role::ListPart {
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
        let Inherited { span, align, .. } = &self.inherited;
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

fn is_reversed(tag: &Tag) -> bool {
    &*tag.name == "ol" && attribute(tag, "reversed").is_some()
}

/// Number of items of each `<ol reversed>`, from which they count down; last list first.
fn items_of_reversed(tokens: &[Token]) -> Vec<i64> {
    let mut counts = Vec::new();
    // For every open list, the index of its count; `None` for lists that are not reversed.
    let mut lists: Vec<Option<usize>> = Vec::new();
    for token in tokens {
        match token {
            Token::Start(tag) if matches!(&*tag.name, "ol" | "ul") => {
                lists.push(is_reversed(tag).then_some(counts.len()));
                counts.extend(is_reversed(tag).then_some(0));
            }
            Token::Start(tag) if &*tag.name == "li" => {
                if let Some(count) = lists.last().copied().flatten() {
                    counts[count] += 1;
                }
            }
            Token::End(name) if matches!(&**name, "ol" | "ul") => {
                lists.pop();
            }
            Token::Start(_) | Token::End(_) | Token::Text(_) => {}
        }
    }
    counts.reverse();
    counts
}

fn attribute<'t>(tag: &'t Tag, name: &str) -> Option<&'t str> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| &*attribute.value)
}

/// The N of the class `ql-indent-N`; 0 without one.
fn indent_class(tag: &Tag) -> usize {
    let classes = attribute(tag, "class").unwrap_or_default().split_ascii_whitespace();
    let mut steps = classes.filter_map(|class| class.strip_prefix("ql-indent-")?.parse().ok());
    steps.find(|steps| (1..=MAX_INDENT_CLASS).contains(steps)).unwrap_or(0)
}

fn integer(value: &str) -> Option<i64> {
    value.trim().parse().ok()
}
