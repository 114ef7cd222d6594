//! Style sheets and `style` attributes resolved to attributes, as a browser's cascade resolves them, before usvg reads
//! the document: it knows few selectors, no `@media`, no `var()`, and no CSS transforms or shapes.
//!
//! What is left out is what browsers leave out; work and output are bounded by limits of this file and `sheet`.

mod geometry;
mod media;
mod properties;
mod selectors;
mod sheet;
mod variables;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::rc::Rc;

use ::selectors::context::{
    MatchingContext, MatchingForInvalidation, MatchingMode, NeedsSelectorFlags, QuirksMode, SelectorCaches,
};
use ::selectors::matching::matches_selector;
use ::selectors::parser::{Component, Selector};
use cssparser::Parser;
use kurbo::{Affine, Rect, Size};
use usvg::roxmltree::{Document, Node, NodeId};

use self::properties::{Name, OF_STYLE_ONLY};
use self::selectors::{At, Css, MAX_STEPS, Tree};
pub(super) use self::sheet::FontFace;
use self::sheet::{Declaration, Sheets};
use self::variables::Variables;
use super::source::{self, Part, SVG, Sizing, escape};
use super::{DEFAULT_SIZE, SvgError, values};

/// Selectors tried on elements, in pairs.
const MAX_MATCHES: u64 = 20_000_000;

/// Declarations applied to elements, in pairs.
const MAX_APPLIED: u64 = 5_000_000;

/// Bytes of values that elements get from style sheets and `style` attributes.
const MAX_BYTES: u64 = 64 << 20;

/// A background reaches this far from the origin; it is clipped to the picture.
const BACKGROUND_REACH: f64 = 1e6;

/// Groups inside groups whose boxes are looked for.
const MAX_BOX_DEPTH: u32 = 64;

/// What the cascade says of each element.
#[derive(Default)]
pub(super) struct Styles {
    /// Properties of elements that style sheets or `style` attributes speak of; `None` is as if nothing had been said.
    elements: HashMap<NodeId, BTreeMap<&'static str, Option<Rc<str>>>>,
    /// `@font-face` rules.
    pub(super) faces: Vec<FontFace>,
    /// Clip paths made of shapes, and the background.
    definitions: String,
    clip_count: usize,
}

impl Styles {
    /// A part of the document as it is written: attributes as browsers read them, those of the cascade instead of others.
    pub(super) fn part(&self, part: Part<'_, '_>) -> Option<String> {
        match part {
            Part::Attribute { name: "style", .. } => Some(String::new()),
            Part::Attribute { element, name: "display", .. } if source::is_root(element) => Some(String::new()),
            Part::Attribute { element, name, value } => {
                if self.elements.get(&element.id()).is_some_and(|it| it.contains_key(name)) {
                    return Some(String::new());
                }
                match values::attribute(name, value) {
                    Some(read) => (*read != *value).then(|| read.into_owned()),
                    None => Some(String::new()),
                }
            }
            Part::MoreAttributes(element) => self.elements.get(&element.id()).map(written),
            Part::FirstChildren => (!self.definitions.is_empty()).then(|| self.definitions.clone()),
        }
    }

    /// The value of an attribute or property of `element` as it will be written.
    fn get(&self, element: Node<'_, '_>, name: &str) -> Option<String> {
        match self.elements.get(&element.id()).and_then(|it| it.get(name)) {
            Some(value) => value.as_ref().map(|it| it.to_string()),
            None => element.attribute(name).map(|it| it.trim().to_owned()),
        }
    }
}

fn written(properties: &BTreeMap<&'static str, Option<Rc<str>>>) -> String {
    let (mut out, mut style) = (String::new(), String::new());
    for (name, value) in properties {
        let Some(value) = value else { continue };
        if OF_STYLE_ONLY.contains(name) {
            let _ = write!(style, "{name}:{value};");
        } else {
            let _ = write!(out, " {name}=\"");
            escape(&mut out, value);
            out.push('"');
        }
    }
    if !style.is_empty() {
        out.push_str(" style=\"");
        escape(&mut out, &style);
        out.push('"');
    }
    out
}

/// The cascade of a document shown in a viewport of this size.
pub(super) fn resolve(document: &Document<'_>, viewport: Size) -> Result<Styles, SvgError> {
    let mut sheets = sheets(document, viewport)?;
    let mut styles = Styles { faces: std::mem::take(&mut sheets.faces), ..Styles::default() };
    let elements = || document.descendants().filter(Node::is_element);
    let has_shape = |it: Node<'_, '_>| it.attribute("clip-path").is_some_and(is_shape);
    if sheets.rules.is_empty() && !elements().any(|it| it.has_attribute("style") || has_shape(it)) {
        return Ok(styles);
    }
    let tree = Tree::of(document);
    Cascade { sheets: &sheets, tree: &tree, applied: 0, bytes: 0 }.run(&mut styles)?;
    // Children first: the box of a group is made of theirs.
    for at in (0..tree.elements.len()).rev() {
        styles.place(&tree, at);
        styles.clip(&tree, at);
    }
    styles.paint_background(&tree);
    Ok(styles)
}

fn sheets(document: &Document<'_>, viewport: Size) -> Result<Sheets, SvgError> {
    let mut sheets = Sheets::default();
    let is_style = |it: &Node<'_, '_>| it.has_tag_name("style") || it.has_tag_name((SVG, "style"));
    for element in document.descendants().filter(is_style) {
        let media_type = element.attribute("type").unwrap_or_default().trim();
        let is_css = media_type.is_empty() || media_type.eq_ignore_ascii_case("text/css");
        let media = element.attribute("media").unwrap_or_default();
        if !is_css || !media::applies(&mut Parser::new(media), viewport) {
            continue;
        }
        let text: String = element.children().filter(Node::is_text).filter_map(|it| it.text()).collect();
        if !sheets.add(&text, viewport) {
            return Err(too_much(
                "declarations and selectors",
                sheets.declarations as u64,
                Sheets::most_declarations(),
            ));
        }
    }
    Ok(sheets)
}

fn too_much(what: &'static str, found: u64, limit: usize) -> SvgError {
    SvgError::Styles { what, found, limit: limit as u64 }
}

/// Rules by what their selectors want of the element itself.
#[derive(Default)]
struct Index<'s> {
    ids: HashMap<&'s str, Vec<Candidate<'s>>>,
    classes: HashMap<&'s str, Vec<Candidate<'s>>>,
    names: HashMap<&'s str, Vec<Candidate<'s>>>,
    others: Vec<Candidate<'s>>,
}

#[derive(Clone, Copy)]
struct Candidate<'s> {
    selector: &'s Selector<Css>,
    rule: usize,
}

impl<'s> Index<'s> {
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
                list.push(Candidate { selector, rule });
            }
        }
        index
    }

    fn candidates(&self, element: Node<'_, '_>, classes: &[&str]) -> Vec<Candidate<'s>> {
        let of_id = element.attribute("id").and_then(|id| self.ids.get(id));
        let of_name = self.names.get(element.tag_name().name());
        let of_classes = classes.iter().filter_map(|class| self.classes.get(class));
        let lists = of_id.into_iter().chain(of_name).chain(of_classes).chain([&self.others]);
        lists.flatten().copied().collect()
    }
}

struct Cascade<'c, 'a, 'i> {
    sheets: &'c Sheets,
    tree: &'c Tree<'a, 'i>,
    applied: u64,
    bytes: u64,
}

impl Cascade<'_, '_, '_> {
    fn run(&mut self, styles: &mut Styles) -> Result<(), SvgError> {
        let index = Index::of(self.sheets);
        let mut caches = SelectorCaches::default();
        let mut context = MatchingContext::new(
            MatchingMode::Normal,
            None,
            &mut caches,
            QuirksMode::NoQuirks,
            NeedsSelectorFlags::No,
            MatchingForInvalidation::No,
        );
        let mut variables: Vec<Rc<Variables>> = Vec::with_capacity(self.tree.elements.len());
        let mut matches = 0_u64;
        for (at, entry) in self.tree.elements.iter().enumerate() {
            // (layer, specificity, rule), in the order of the cascade.
            let mut matched: Vec<(usize, u32, usize)> = Vec::new();
            for Candidate { selector, rule } in index.candidates(entry.node, &entry.classes) {
                matches += 1;
                if matches_selector(selector, 0, None, At { tree: self.tree, index: at }, &mut context) {
                    matched.push((self.sheets.rules[rule].layer, selector.specificity(), rule));
                }
            }
            if matches > MAX_MATCHES {
                return Err(too_much("selectors tried on elements", matches, MAX_MATCHES as usize));
            }
            if self.tree.steps.get() > MAX_STEPS {
                return Err(too_much("steps of matching selectors", self.tree.steps.get(), MAX_STEPS as usize));
            }
            matched.sort_unstable();
            let inline = entry.node.attribute("style").map(sheet::inline).unwrap_or_default();
            let outer = entry.parent.map_or_else(Rc::default, |parent| variables[parent].clone());
            let declared = in_order(self.sheets, &matched, &inline);
            self.applied += declared.len() as u64;
            if self.applied > MAX_APPLIED {
                return Err(too_much("declarations applied to elements", self.applied, MAX_APPLIED as usize));
            }
            let own = Variables::inside(&outer, &declared);
            self.bytes += own.as_ref().map_or(0, |it| it.bytes() as u64);
            let own = own.map_or(outer, Rc::new);
            let properties = self.winners(&declared, &own);
            variables.push(own);
            if self.bytes > MAX_BYTES {
                return Err(too_much("bytes of values", self.bytes, MAX_BYTES as usize));
            }
            if !properties.is_empty() {
                styles.elements.insert(entry.node.id(), properties);
            }
        }
        Ok(())
    }

    fn winners(&mut self, declared: &[&Declaration], variables: &Variables) -> BTreeMap<&'static str, Option<Rc<str>>> {
        let mut winners: BTreeMap<&'static str, Option<Rc<str>>> = BTreeMap::new();
        let mut set = |name: &'static str, value: Rc<str>| {
            self.bytes += (name.len() + value.len()) as u64;
            winners.insert(name, (&*value != "unset").then_some(value));
        };
        for Declaration { name, value, .. } in declared {
            match name {
                Name::Custom(_) => {}
                Name::Known(name) => set(name, value.clone()),
                Name::Pending(name) => {
                    let mut valid = false;
                    if let Some(value) = variables.substitute(value) {
                        properties::declared(name, value.trim(), &mut |name, value| {
                            if let Name::Known(name) = name {
                                valid = true;
                                set(name, value);
                            }
                        });
                    }
                    // Browsers have thrown the weaker ones away by now.
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

/// All declarations for one element, the strongest last. `matched`: layer, specificity and rule, sorted.
fn in_order<'d>(
    sheets: &'d Sheets,
    matched: &[(usize, u32, usize)],
    inline: &'d [Declaration],
) -> Vec<&'d Declaration> {
    let of = |rule: usize| sheets.rules[rule].declarations.iter();
    let mut declared: Vec<_> = matched.iter().flat_map(|(.., rule)| of(*rule)).filter(|it| !it.important).collect();
    declared.extend(inline.iter().filter(|it| !it.important));
    // Of important ones those of the first layer win.
    let mut important: Vec<_> =
        matched.iter().map(|(layer, specificity, rule)| (Reverse(*layer), *specificity, *rule)).collect();
    important.sort_unstable();
    declared.extend(important.into_iter().flat_map(|(.., rule)| of(rule)).filter(|it| it.important));
    declared.extend(inline.iter().filter(|it| it.important));
    declared
}

/// A value of `clip-path` that is neither a reference nor a keyword.
fn is_shape(value: &str) -> bool {
    value.contains('(') && !value.trim_start().get(..4).is_some_and(|it| it.eq_ignore_ascii_case("url("))
}

impl Styles {
    /// Makes one matrix of everything that places an element, if CSS has a part in it.
    fn place(&mut self, tree: &Tree<'_, '_>, at: usize) {
        const PLACING: [&str; 6] = ["rotate", "scale", "transform", "transform-box", "transform-origin", "translate"];
        let node = tree.elements[at].node;
        let Some(own) = self.elements.get(&node.id()) else { return };
        if !PLACING.iter().any(|it| own.contains_key(it)) {
            return;
        }
        let text = |name: &str| own.get(name).and_then(|it| it.as_deref());
        let attribute = match node.tag_name().name() {
            "linearGradient" | "radialGradient" => "gradientTransform",
            "pattern" => "patternTransform",
            _ => "transform",
        };
        let has_function = ["rotate", "scale", "translate"].iter().any(|it| text(it).is_some());
        let list = match own.get("transform") {
            Some(list) => list.as_deref(),
            None => node.attribute(attribute),
        };
        if tree.elements[at].parent.is_none() || (list.is_none() && !has_function) {
            return;
        }
        let reference = match text("transform-box") {
            Some("fill-box" | "content-box" | "stroke-box" | "border-box") => {
                self.bounds(tree, at, 0).unwrap_or_default()
            }
            _ => viewport(tree, at),
        };
        let origin = text("transform-origin").or_else(|| node.attribute("transform-origin"));
        // That of elements without a CSS box.
        let origin = origin.and_then(|it| geometry::origin(it, reference)).unwrap_or_default().to_vec2();
        let size = reference.size();
        let single = |name| text(name).and_then(|it| geometry::single(name, it, size)).unwrap_or(Affine::IDENTITY);
        let list = list.and_then(|it| geometry::transform(it, size)).unwrap_or(Affine::IDENTITY);
        let matrix = Affine::translate(origin)
            * single("translate")
            * single("rotate")
            * single("scale")
            * list
            * Affine::translate(-origin);
        let [a, b, c, d, e, f] = matrix.as_coeffs();
        if let Some(own) = self.elements.get_mut(&node.id()) {
            own.retain(|name, _| !PLACING.contains(name));
            own.insert("transform-origin", None);
            own.insert(attribute, Some(format!("matrix({a} {b} {c} {d} {e} {f})").into()));
        }
    }

    /// The background of the root covers the picture, whatever `display` says of the root (`public--svg-sizes` of the
    /// reference designs).
    fn paint_background(&mut self, tree: &Tree<'_, '_>) {
        let Some(own) = tree.elements.first().and_then(|root| self.elements.get_mut(&root.node.id())) else { return };
        if own.contains_key("display") {
            own.insert("display", None);
        }
        let color = own.remove("background-color").flatten();
        if let Some(color) = color.filter(|it| !matches!(&**it, "inherit" | "none")) {
            let _ = write!(
                self.definitions,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" stroke=\"none\" fill-opacity=\"1\" fill=\"{color}\"/>",
                -BACKGROUND_REACH,
                -BACKGROUND_REACH,
                2.0 * BACKGROUND_REACH,
                2.0 * BACKGROUND_REACH,
            );
        }
    }

    /// Makes a clip path of a basic shape.
    fn clip(&mut self, tree: &Tree<'_, '_>, at: usize) {
        let node = tree.elements[at].node;
        let Some(text) = self.get(node, "clip-path").filter(|it| is_shape(it)) else { return };
        let reference = if text.contains("view-box") { Some(viewport(tree, at)) } else { self.bounds(tree, at, 0) };
        let shape = reference.and_then(|reference| geometry::shape(&text, reference));
        let value = shape.map(|(outline, is_even_odd)| {
            self.clip_count += 1;
            let (id, rule) =
                (format!("shape-of-clip-path-{}", self.clip_count), if is_even_odd { "evenodd" } else { "nonzero" });
            let _ = write!(
                self.definitions,
                "<clipPath id=\"{id}\"><path clip-rule=\"{rule}\" d=\"{}\"/></clipPath>",
                outline.to_svg()
            );
            Rc::from(format!("url(#{id})"))
        });
        self.elements.entry(node.id()).or_default().insert("clip-path", value);
    }

    /// The box of an element in its own coordinates, without strokes.
    fn bounds(&self, tree: &Tree<'_, '_>, at: usize, depth: u32) -> Option<Rect> {
        let node = tree.elements[at].node;
        if !matches!(node.tag_name().name(), "g" | "a" | "switch") {
            return geometry::bounds(node.tag_name().name(), &|name| self.get(node, name));
        }
        if depth == MAX_BOX_DEPTH {
            return None;
        }
        let boxes = tree.children(at).filter_map(|child| {
            let inner = self.bounds(tree, child, depth + 1)?;
            let transform = self.get(tree.elements[child].node, "transform");
            let transform = transform.and_then(|it| geometry::transform(&it, Size::ZERO)).unwrap_or(Affine::IDENTITY);
            Some(transform.transform_rect_bbox(inner))
        });
        boxes.reduce(|a, b| a.union(b))
    }
}

/// The reference box of the nearest `<svg>` around an element.
fn viewport(tree: &Tree<'_, '_>, at: usize) -> Rect {
    let mut above = tree.elements[at].parent;
    while let Some(at) = above {
        let entry = &tree.elements[at];
        if entry.node.tag_name().name() == "svg" {
            let size = source::view_box(entry.node);
            let size = size.unwrap_or_else(|| Sizing::of(entry.node).within(DEFAULT_SIZE));
            return Rect::from_origin_size((0.0, 0.0), size);
        }
        above = entry.parent;
    }
    Rect::from_origin_size((0.0, 0.0), DEFAULT_SIZE)
}
