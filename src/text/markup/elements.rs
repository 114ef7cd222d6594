//! What the rules know elements by their names: one list for each question.

/// How an element takes part in layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Styles what it holds.
    Inline,
    /// Starts and ends lines.
    Block,
    /// A block whose margins are one with those of its first and last child.
    ListPart,
    /// Its tags do nothing; its content stays.
    Vanishes,
    /// Its content is no text.
    Hidden,
}

/// Elements without content.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// The editor's own elements (rendering.md §9.9), `br` and the bare `span` apart.
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

/// Blocks that end an open `<p>`, and that a stray end tag inside them does not reach beyond: HTML's "special" ones.
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
        "table" | "caption" | "colgroup" | "col" | "tbody" | "thead" | "tfoot" | "tr" | "td" | "th" => Role::Vanishes,
        "html" | "head" | "body" => Role::Vanishes,
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

/// Stays open when the block around it ends: `<p><b>x</p><p>y</p>` is bold twice.
pub(super) fn is_formatting(name: &str) -> bool {
    matches!(name, "a" | "b" | "code" | "em" | "i" | "s" | "strike" | "strong" | "u")
}

pub(super) fn is_heading(name: &str) -> bool {
    matches!(name, "h1" | "h2" | "h3" | "h4" | "h5" | "h6")
}
