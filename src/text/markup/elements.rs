//! Properties of HTML elements by name: one list for each property.

/// The role of an element in layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementRole {
    /// An inline element, which only styles its content.
    Inline,
    /// Starts and ends lines.
    Block,
    /// A block whose margins collapse with those of its first and last child.
    ListPart,
    /// Its tags are ignored, but not its content.
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

pub(super) fn role(name: &str) -> ElementRole {
    match name {
        "span" | "strong" | "b" | "em" | "i" | "u" | "s" | "strike" | "del" | "sub" | "sup" | "a" | "code" => {
            ElementRole::Inline
        }
        "ul" | "ol" | "li" => ElementRole::ListPart,
        "table" | "caption" | "colgroup" | "col" | "tbody" | "thead" | "tfoot" | "tr" | "td" | "th" => {
            ElementRole::Transparent
        }
        "html" | "head" | "body" => ElementRole::Transparent,
        "script" | "style" | "iframe" | "noembed" | "noframes" => ElementRole::Hidden,
        // Any other element starts a new line and has no style (rendering.md §9.9).
        _ => ElementRole::Block,
    }
}

pub(super) fn is_void(name: &str) -> bool {
    VOID.contains(&name)
}

pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}
