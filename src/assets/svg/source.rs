//! The document's XML: reading it within limits, and writing it back with parts replaced.
//!
//! The output has only SVG, XLink and `xml:` names and no entities, so that the next reader sees the same document as
//! was checked.

use std::borrow::Cow;
use std::fmt::Write as _;

use kurbo::Size;
use usvg::roxmltree::{Document, Node, ParsingOptions};

use super::error::SvgError;

pub(super) const SVG: &str = "http://www.w3.org/2000/svg";
pub(super) const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Natural size of a document that says nothing about its size (CSS 2.2 §10.3.2).
pub(super) const DEFAULT_SIZE: Size = Size::new(300.0, 150.0);

/// Maximum number of XML nodes of a document, texts included: ten times the largest maps known.
const MAX_XML_NODES: u32 = 1_000_000;

/// Maximum size of all expanded entity references, in bytes. Drawing programs use entities for namespace names.
const MAX_ENTITY_BYTES: usize = 4 << 20;

/// Maximum number of attributes of an element. Elements of drawing programs have up to about 50.
const MAX_ATTRIBUTES: usize = 1000;

/// A part of the document that can be replaced while it is written.
pub(super) enum ReplaceablePart<'a, 'i> {
    /// An attribute that the document has.
    Attribute { element: Node<'a, 'i>, name: &'i str, value: &'a str },
    /// Attributes to add to an element, written verbatim.
    MoreAttributes(Node<'a, 'i>),
    /// Elements to add at the start of the root, written verbatim.
    FirstChildren,
}

/// Decodes the text of an SVG file: UTF-8, UTF-16 with a byte order mark, or declared Latin-1. Anything else is read as
/// UTF-8 with replacement characters, as a script reads it (`public--svg-latin1-undeclared` of the reference designs).
pub(super) fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    let utf16 = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into()
    };
    let text: Cow<'_, str> = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) if declares_latin1(bytes) => bytes.iter().copied().map(char::from).collect::<String>().into(),
            Err(_) => String::from_utf8_lossy(bytes),
        },
    };
    // White space before the XML declaration is not well-formed, but occurs in real files.
    match text {
        Cow::Borrowed(text) => text.trim_start().into(),
        Cow::Owned(text) => text.trim_start().to_owned().into(),
    }
}

fn declares_latin1(bytes: &[u8]) -> bool {
    let head = bytes[..bytes.len().min(200)].to_ascii_lowercase();
    let declares = |name: &[u8]| head.windows(name.len()).any(|it| it == name);
    head.starts_with(b"<?xml") && (declares(b"iso-8859-1") || declares(b"windows-1252"))
}

pub(super) fn parse(text: &str) -> Result<Document<'_>, SvgError> {
    check_entities(text)?;
    check_attributes(text)?;
    let options = ParsingOptions { allow_dtd: true, nodes_limit: MAX_XML_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(SvgError::Xml)?;
    let root = document.root_element().tag_name();
    if root.name() != "svg" || !matches!(root.namespace(), None | Some(SVG)) {
        return Err(SvgError::RootElement { found: root.name().to_owned() });
    }
    Ok(document)
}

/// Checks that entities do not refer to entities and that their references expand to a bounded size.
fn check_entities(text: &str) -> Result<(), SvgError> {
    let too_large = SvgError::Entities { limit: MAX_ENTITY_BYTES };
    let Some(start) = text.find("<!DOCTYPE") else { return Ok(()) };
    let Some(first) = text.find("<!ENTITY") else { return Ok(()) };
    // The declarations end after the last `<!ENTITY`.
    let last = text.rfind("<!ENTITY").unwrap_or(first);
    let end = text[last..].find('>').map_or(text.len(), |at| last + at);
    let declarations = &text[start..end];
    if declarations.match_indices('&').any(|(at, _)| !is_plain_reference(&declarations[at..])) {
        return Err(too_large);
    }
    let references = text[end..].matches('&').count();
    if declarations.len().saturating_mul(references) > MAX_ENTITY_BYTES { Err(too_large) } else { Ok(()) }
}

/// Checks the number of attributes of each element before the parser compares each attribute with all others of its
/// element.
fn check_attributes(text: &str) -> Result<(), SvgError> {
    // `<` cannot occur in an attribute value, so that the text between two of them has at least the attributes of the
    // tag.
    for tag in text.split('<').skip(1).filter(|tag| tag.starts_with(|c: char| !matches!(c, '!' | '?' | '/'))) {
        if tag.len() <= MAX_ATTRIBUTES * 4 {
            continue; // `a=""` is the shortest attribute
        }
        let values = tag.split('=').skip(1).filter(|it| it.trim_start().starts_with(['"', '\'']));
        let found = values.count();
        if found > MAX_ATTRIBUTES {
            return Err(SvgError::Attributes { found, limit: MAX_ATTRIBUTES });
        }
    }
    Ok(())
}

/// True for a numeric character reference or one of the five predefined entities.
fn is_plain_reference(text: &str) -> bool {
    ["&#", "&amp;", "&lt;", "&gt;", "&quot;", "&apos;"].iter().any(|it| text.starts_with(it))
}

/// The size attributes of a document's root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SizeAttributes {
    width: Side,
    height: Side,
    view_box: Option<Size>,
}

/// The attribute `width` or `height`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Missing,
    /// A percentage or an invalid length.
    Auto,
    /// A length in px.
    Length(f64),
}

impl Side {
    fn length(self) -> Option<f64> {
        if let Self::Length(length) = self { Some(length) } else { None }
    }
}

impl SizeAttributes {
    pub(super) fn of(root: Node<'_, '_>) -> Self {
        let side = |name| match root.attribute(name) {
            Some(text) => css_length(text).map_or(Side::Auto, Side::Length),
            None => Side::Missing,
        };
        Self { width: side("width"), height: side("height"), view_box: view_box(root) }
    }

    /// The size attributes with missing sides replaced by those of the `viewBox`.
    pub(super) fn with_sides_of_view_box(self) -> Self {
        let Some(view_box) = self.view_box else { return self };
        let or = |side, other| if side == Side::Missing { Side::Length(other) } else { side };
        Self { width: or(self.width, view_box.width), height: or(self.height, view_box.height), ..self }
    }

    /// Both sides, where they are lengths.
    pub(super) fn absolute(self) -> Option<Size> {
        Some(Size::new(self.width.length()?, self.height.length()?))
    }

    /// The size by CSS Images 3 §5.3: missing sides follow from the ratio of the `viewBox`, or else are those of
    /// `around`; without sides, the largest size of that ratio that fits into `around`.
    pub(super) fn within(self, around: Size) -> Size {
        match (self.width.length(), self.height.length(), self.view_box) {
            (Some(width), Some(height), _) => Size::new(width, height),
            (Some(width), None, Some(view)) => Size::new(width, width * view.height / view.width),
            (None, Some(height), Some(view)) => Size::new(height * view.width / view.height, height),
            (None, None, Some(view)) if view.width * around.height > view.height * around.width => {
                Size::new(around.width, around.width * view.height / view.width)
            }
            (None, None, Some(view)) => Size::new(around.height * view.width / view.height, around.height),
            (Some(width), None, None) => Size::new(width, around.height),
            (None, Some(height), None) => Size::new(around.width, height),
            (None, None, None) => around,
        }
    }
}

/// The size of an `<svg>` element's `viewBox`.
pub(super) fn view_box(element: Node<'_, '_>) -> Option<Size> {
    let text = element.attribute("viewBox")?;
    let mut numbers = text.split([' ', ',', '\t', '\n', '\r']).filter(|it| !it.is_empty()).map(str::parse::<f64>);
    let (_, _, width, height) =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    usable(Size::new(width, height))
}

fn usable(size: Size) -> Option<Size> {
    (size.is_finite() && size.width > 0.0 && size.height > 0.0).then_some(size)
}

/// A CSS length in px, at least 0; `None` for percentages and invalid lengths. While the size of an image document is
/// determined, its viewport has no size, so viewport units are 0.
fn css_length(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 16] = [
        ("px", 1.0),
        ("pt", 96.0 / 72.0),
        ("pc", 16.0),
        ("mm", 96.0 / 25.4),
        ("cm", 96.0 / 2.54),
        ("in", 96.0),
        ("q", 96.0 / 101.6),
        ("rem", 16.0),
        ("em", 16.0),
        ("ex", 8.0),
        ("vw", 0.0),
        ("vh", 0.0),
        ("vmin", 0.0),
        ("vmax", 0.0),
        ("vi", 0.0),
        ("vb", 0.0),
    ];
    let text = text.trim().to_ascii_lowercase();
    let (number, factor) =
        UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor))).unwrap_or((&text, 1.0));
    let length = number.parse::<f64>().ok().filter(|it| it.is_finite())? * factor;
    Some(length.max(0.0))
}

/// True when a `foreignObject` has visible content: it is not empty and not for a specific program (Illustrator's
/// `requiredExtensions`).
pub(super) fn has_html(document: &Document<'_>) -> bool {
    let is_foreign = |it: &Node<'_, '_>| it.has_tag_name("foreignObject") || it.has_tag_name((SVG, "foreignObject"));
    document.descendants().filter(is_foreign).any(|it| {
        let is_empty =
            !it.children().any(|child| child.is_element() || child.text().is_some_and(|it| !it.trim().is_empty()));
        !is_empty && it.attribute("requiredExtensions").is_none_or(str::is_empty)
    })
}

/// Replaces the root's `width` and `height`; for [`write`].
pub(super) fn resize(part: ReplaceablePart<'_, '_>, size: Size) -> Option<String> {
    match part {
        ReplaceablePart::MoreAttributes(element) if is_root(element) => {
            Some(format!(" width=\"{}\" height=\"{}\"", size.width, size.height))
        }
        // A duplicate attribute is not well-formed, and `x` and `y` of a root have no meaning.
        ReplaceablePart::Attribute { element, name: "width" | "height" | "x" | "y", .. } if is_root(element) => {
            Some(String::new())
        }
        _ => None,
    }
}

/// The document nested in one of the same size, because resvg clips an inner `<svg>` but not a document drawn as an
/// image.
pub(super) fn clipped(document: &Document<'_>) -> String {
    let size = SizeAttributes::of(document.root_element()).within(DEFAULT_SIZE);
    let inner = write(document, &mut |part| resize(part, size));
    format!("<svg xmlns=\"{SVG}\" width=\"{}\" height=\"{}\">{inner}</svg>", size.width, size.height)
}

pub(super) fn is_root(element: Node<'_, '_>) -> bool {
    element.parent().is_some_and(|parent| parent.is_root())
}

/// The document as text. `replace` gives a new text for a part, or `None` to keep it; an attribute replaced by an
/// empty text is left out.
pub(super) fn write(
    document: &Document<'_>,
    replace: &mut dyn FnMut(ReplaceablePart<'_, '_>) -> Option<String>,
) -> String {
    let mut out = String::with_capacity(document.input_text().len() + 128);
    write_element(&mut out, document.root_element(), replace);
    out
}

/// Writes `element` with its content, as [`write`] does for a document.
pub(super) fn write_element(
    out: &mut String,
    element: Node<'_, '_>,
    replace: &mut dyn FnMut(ReplaceablePart<'_, '_>) -> Option<String>,
) {
    // A stack instead of recursion, because the input determines the depth.
    let mut open = Vec::new();
    let mut next = Some(element);
    while let Some(node) = next {
        let children = write_start(out, node, replace);
        next = if let Some(child) = children.then(|| node.first_child()).flatten() {
            open.push(node);
            Some(child)
        } else {
            if children {
                write_end(out, node);
            }
            let mut at = node;
            loop {
                if at == element {
                    break None;
                }
                if let Some(sibling) = at.next_sibling() {
                    break Some(sibling);
                }
                let Some(parent) = open.pop() else { break None };
                write_end(out, parent);
                at = parent;
            }
        };
    }
}

fn write_end(out: &mut String, element: Node<'_, '_>) {
    // Writing to a String cannot fail.
    let _ = write!(out, "</{}>", element.tag_name().name());
}

/// Writes a start tag or a text; true when children and an end tag follow.
fn write_start(
    out: &mut String,
    node: Node<'_, '_>,
    replace: &mut dyn FnMut(ReplaceablePart<'_, '_>) -> Option<String>,
) -> bool {
    if node.is_text() {
        escape(out, node.text().unwrap_or_default());
        return false;
    }
    if !node.is_element()
        || !matches!(node.tag_name().namespace(), None | Some(SVG))
        || matches!(node.tag_name().name(), "script" | "style" | "foreignObject")
    {
        return false;
    }
    let _ = write!(out, "<{}", node.tag_name().name());
    if is_root(node) {
        let _ = write!(out, " xmlns=\"{SVG}\" xmlns:xlink=\"{XLINK}\"");
    }
    out.push_str(&replace(ReplaceablePart::MoreAttributes(node)).unwrap_or_default());
    for attribute in node.attributes() {
        let prefix = match attribute.namespace() {
            None => "",
            Some(XLINK) => "xlink:",
            Some(XML) => "xml:",
            Some(_) => continue,
        };
        let name = attribute.name();
        let replaced = replace(ReplaceablePart::Attribute { element: node, name, value: attribute.value() });
        let value = replaced.as_deref().unwrap_or(attribute.value());
        if value.is_empty() && replaced.is_some() {
            continue;
        }
        let _ = write!(out, " {prefix}{name}=\"");
        escape(out, value);
        out.push('"');
    }
    out.push('>');
    if is_root(node) {
        out.push_str(&replace(ReplaceablePart::FirstChildren).unwrap_or_default());
    }
    true
}

pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Normalisation of attribute values would replace these by spaces.
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            _ => out.push(c),
        }
    }
}
