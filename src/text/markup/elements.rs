//! Properties of HTML elements by name: one list for each property.

/// The role of an element in layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// An inline element, which only styles its content.
    Inline,
    /// Starts and ends lines.
    Block,
    /// A block whose margins collapse with those of its first and last child.
    ListPart,
    /// Its tags are ignored, and its content is kept.
    Transparent,
    /// Its content is not text and is dropped.
    Hidden,
}

/// Void elements, which have no content.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// The elements that the editor supports (rendering.md §9.9), except `br` and the bare `span`.
const KNOWN: &[&str] = &[
    "p",
    "div",
    "span",
    "strong",
    "b",
    "em",
    "i",
    "u",
    "s",
    "strike",
    "del",
    "sub",
    "sup",
    "a",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "code",
];

/// HTML's "special" elements: they end an open `<p>`, and an unmatched end tag inside them has no effect outside.
const SPECIAL: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "p",
    "pre",
    "search",
    "section",
    "summary",
    "ul",
];

pub(super) fn role(name: &str) -> Role {
    match name {
        "span" | "strong" | "b" | "em" | "i" | "u" | "s" | "strike" | "del" | "sub" | "sup" | "a" | "code" => {
            Role::Inline
        }
        "ul" | "ol" | "li" => Role::ListPart,
        "table" | "caption" | "colgroup" | "col" | "tbody" | "thead" | "tfoot" | "tr" | "td" | "th" => {
            Role::Transparent
        }
        "html" | "head" | "body" => Role::Transparent,
        "script" | "style" | "iframe" | "noembed" | "noframes" => Role::Hidden,
        // Any other element starts a new line and has no style (rendering.md §9.9).
        _ => Role::Block,
    }
}

pub(super) fn is_void(name: &str) -> bool {
    VOID.contains(&name)
}

pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

pub(super) fn is_special(name: &str) -> bool {
    SPECIAL.contains(&name)
}

/// True for HTML's formatting elements, which stay open when the block around them ends: `<p><b>x</p><p>y</p>` is bold
/// twice.
pub(super) fn is_formatting(name: &str) -> bool {
    matches!(name, "a" | "b" | "code" | "em" | "i" | "s" | "strike" | "strong" | "u")
}

pub(super) fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}
