//! Resolution of style sheets and `style` attributes to attributes by the CSS cascade, before usvg reads the document:
//! usvg supports few selectors, and no `@media`, `var()`, CSS transforms or shapes.
//!
//! Invalid rules are dropped as in browsers. Work and output are bounded by limits here and in `sheet` and `cascade`.

mod calc;
mod cascade;
mod geometry;
mod instances;
mod length_units;
mod media;
mod properties;
mod selectors;
mod sheet;
mod variables;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::rc::Rc;

use cssparser::Parser;
use kurbo::{Affine, Rect, Size};
use usvg::roxmltree::{Document, Node, NodeId};

use self::cascade::{Cascade, ComputedStyle, Properties};
use self::properties::OF_STYLE_ONLY;
use self::selectors::ElementTree;
use self::sheet::Sheets;
use self::variables::CustomProperties;
use super::error::SvgError;
use super::font_face::FontFaceRule;
use super::source::{self, DEFAULT_SIZE, ReplaceablePart, SVG, SizeAttributes, escape};
use super::values;

/// Half the side of the rectangle that draws a background, which is clipped to the picture.
const BACKGROUND_REACH: f64 = 1e6;

/// Maximum depth of nested groups of which the bounding box is computed.
const MAX_BOX_DEPTH: u32 = 64;

/// The computed styles of a document.
#[derive(Default)]
pub(super) struct Styles {
    /// Properties of elements to which style sheets or `style` attributes apply.
    elements: HashMap<NodeId, Properties>,
    /// Ids that replace the targets of `use` elements: see `instances`.
    links: HashMap<NodeId, String>,
    /// The `@font-face` rules of all style sheets.
    pub(super) faces: Vec<FontFaceRule>,
    /// XML of clip paths for basic shapes, and of the background.
    definitions: String,
    clip_count: usize,
    /// Size of the viewport in units of the document.
    units: Size,
}

impl Styles {
    /// The replacement of a part of the document: attributes as browsers parse them, and computed styles instead of
    /// attributes; for `source::write`.
    pub(super) fn replacement(&self, part: ReplaceablePart<'_, '_>) -> Option<String> {
        match part {
            ReplaceablePart::Attribute { name: "style", .. } => Some(String::new()),
            ReplaceablePart::Attribute { element, name: "display", .. } if source::is_root(element) => {
                Some(String::new())
            }
            ReplaceablePart::Attribute { element, name: "href", .. } if self.links.contains_key(&element.id()) => {
                Some(String::new())
            }
            ReplaceablePart::Attribute { element, name, value } => {
                if self.elements.get(&element.id()).is_some_and(|it| it.contains_key(name)) {
                    return Some(String::new());
                }
                if value.contains("calc(") && properties::is_length(name) {
                    return Some(properties::calculated(name, value, self.units).unwrap_or_default());
                }
                match values::attribute(name, value) {
                    Some(read) => (*read != *value).then(|| read.into_owned()),
                    None => Some(String::new()),
                }
            }
            ReplaceablePart::MoreAttributes(element) => {
                let link = self.links.get(&element.id()).map(|id| format!(" href=\"#{id}\""));
                let properties = self.elements.get(&element.id()).map(written);
                link.into_iter().chain(properties).reduce(|a, b| a + &b)
            }
            ReplaceablePart::FirstChildren => (!self.definitions.is_empty()).then(|| self.definitions.clone()),
        }
    }

    /// The value of an attribute or property of `element` after replacement.
    fn get(&self, element: Node<'_, '_>, name: &str) -> Option<String> {
        match self.elements.get(&element.id()).and_then(|it| it.get(name)) {
            Some(value) => value.as_ref().map(|it| it.to_string()),
            None => element.attribute(name).map(|it| it.trim().to_owned()),
        }
    }
}

fn written(properties: &Properties) -> String {
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

/// Computes the styles of a document in a viewport of this size.
///
/// # Errors
/// The style sheets exceed a limit.
pub(super) fn resolve(document: &Document<'_>, viewport: Size) -> Result<Styles, SvgError> {
    let units = source::view_box(document.root_element()).unwrap_or(viewport);
    let mut sheets = sheets(document, viewport, units)?;
    let mut styles = Styles { faces: std::mem::take(&mut sheets.faces), units, ..Styles::default() };
    let elements = || document.descendants().filter(Node::is_element);
    let has_shape = |it: Node<'_, '_>| it.attribute("clip-path").is_some_and(is_shape);
    if sheets.rules.is_empty() && !elements().any(|it| it.has_attribute("style") || has_shape(it)) {
        return Ok(styles);
    }
    let tree = ElementTree::of(document);
    let mut cascade = Cascade::new(&sheets, &tree, units);
    let mut resolved: Vec<instances::Original> = Vec::with_capacity(tree.elements.len());
    for (at, entry) in tree.elements.iter().enumerate() {
        let outer =
            entry.parent.map_or_else(Rc::<CustomProperties>::default, |parent| resolved[parent].variables.clone());
        let ComputedStyle { properties, variables, has_var } = cascade.resolve(at, &outer)?;
        resolved.push(instances::Original { variables, has_var });
        if !properties.is_empty() {
            styles.elements.insert(entry.node.id(), properties);
        }
    }
    instances::add(&mut cascade, &resolved, &mut styles)?;
    // Children come first, because the bounding box of a group consists of theirs.
    for at in (0..tree.elements.len()).rev() {
        styles.place(&tree, at);
        styles.clip(&tree, at);
    }
    styles.paint_background(&tree);
    Ok(styles)
}

fn sheets(document: &Document<'_>, viewport: Size, units: Size) -> Result<Sheets, SvgError> {
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
        if !sheets.add(&text, viewport, units) {
            return Err(SvgError::too_many(
                "declarations and selectors",
                sheets.declarations as u64,
                Sheets::max_declarations(),
            ));
        }
    }
    Ok(sheets)
}

/// True for a value of `clip-path` that is a basic shape.
fn is_shape(value: &str) -> bool {
    value.contains('(') && !value.trim_start().get(..4).is_some_and(|it| it.eq_ignore_ascii_case("url("))
}

impl Styles {
    /// Combines all transform properties of an element to one matrix, if it has any from CSS.
    fn place(&mut self, tree: &ElementTree<'_, '_>, at: usize) {
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
        // The default origin of elements without a CSS box is (0, 0).
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

    /// Adds the background of the root, which covers the picture whatever the root's `display` is (`public--svg-sizes`
    /// of the reference designs).
    fn paint_background(&mut self, tree: &ElementTree<'_, '_>) {
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

    /// Replaces a basic shape by a clip path.
    fn clip(&mut self, tree: &ElementTree<'_, '_>, at: usize) {
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

    /// The bounding box of an element in its own coordinates, without strokes.
    fn bounds(&self, tree: &ElementTree<'_, '_>, at: usize, depth: u32) -> Option<Rect> {
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

/// The viewport of the nearest `<svg>` around an element.
fn viewport(tree: &ElementTree<'_, '_>, at: usize) -> Rect {
    let mut above = tree.elements[at].parent;
    while let Some(at) = above {
        let entry = &tree.elements[at];
        if entry.node.tag_name().name() == "svg" {
            let size = source::view_box(entry.node);
            let size = size.unwrap_or_else(|| SizeAttributes::of(entry.node).within(DEFAULT_SIZE));
            return Rect::from_origin_size((0.0, 0.0), size);
        }
        above = entry.parent;
    }
    Rect::from_origin_size((0.0, 0.0), DEFAULT_SIZE)
}
