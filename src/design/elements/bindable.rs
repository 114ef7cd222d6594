//! Members of elements that `bindings` can set from variables, by kind of element.

use serde_json::Value;

use crate::json::{Reader, describe};
use crate::report::truncated;

/// Member with the bindings: an object of members of the element and names of variables.
pub(in crate::design) const BINDINGS: &str = "bindings";

/// The kind of value that a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::design) enum MemberKind {
    /// Text to draw, in which the value is never markup.
    Text,
    /// The URL of an image.
    Image,
    /// A colour, or a colour or gradient.
    Color,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A string of another kind: a name, a word of a list, or the target of a link.
    Word,
}

use MemberKind::{Color, Flag, Image, Number, Text, Word};

type Members = &'static [(&'static str, MemberKind)];

const COMMON: Members = &[
    ("alwaysOnTop", Flag),
    ("href", Word),
    ("link", Word),
    ("opacity", Number),
    ("showInExport", Flag),
    ("visible", Flag),
];

const BOX: Members = &[("height", Number), ("rotation", Number), ("width", Number), ("x", Number), ("y", Number)];

const SHADOW: Members = &[
    ("shadowBlur", Number),
    ("shadowColor", Color),
    ("shadowEnabled", Flag),
    ("shadowOffsetX", Number),
    ("shadowOffsetY", Number),
    ("shadowOpacity", Number),
];

const EFFECTS: Members = &[
    ("blurEnabled", Flag),
    ("blurRadius", Number),
    ("brightness", Number),
    ("brightnessEnabled", Flag),
    ("grayscaleEnabled", Flag),
    ("sepiaEnabled", Flag),
];

const TEXT_STYLE: Members = &[
    ("align", Word),
    ("fill", Color),
    ("fontFamily", Word),
    ("fontSize", Number),
    ("fontStyle", Word),
    ("fontWeight", Word),
    ("letterSpacing", Number),
    ("lineHeight", Word),
    ("stroke", Color),
    ("strokeLineJoin", Word),
    ("strokeWidth", Number),
    ("textDecoration", Word),
    ("verticalAlign", Word),
];

const TEXT: Members = &[
    ("backgroundColor", Color),
    ("backgroundCornerRadius", Number),
    ("backgroundEnabled", Flag),
    ("backgroundOpacity", Number),
    ("backgroundPadding", Number),
    ("borderColor", Color),
    ("borderSize", Number),
    ("cornerRadius", Number),
    ("curveEnabled", Flag),
    ("curvePower", Number),
    ("maxFontSize", Number),
    ("maxLines", Number),
    ("minFontSize", Number),
    ("placeholder", Text),
    ("text", Text),
    ("textOverflow", Word),
    ("textTransform", Word),
];

const PICTURE: Members = &[
    ("borderColor", Color),
    ("borderSize", Number),
    ("cornerRadius", Number),
    ("cropHeight", Number),
    ("cropWidth", Number),
    ("cropX", Number),
    ("cropY", Number),
    ("flipX", Flag),
    ("flipY", Flag),
    ("src", Image),
    ("stretchEnabled", Flag),
];

const IMAGE: Members = &[("clipSrc", Image), ("fit", Word)];

const SVG: Members = &[("maskSrc", Image)];

const FIGURE: Members =
    &[("cornerRadius", Number), ("fill", Color), ("stroke", Color), ("strokeWidth", Number), ("subType", Word)];

const LINE: Members = &[("color", Color), ("endHead", Word), ("startHead", Word)];

const TABLE: Members = &[
    ("borderColor", Color),
    ("borderStyle", Word),
    ("borderWidth", Number),
    ("cellBackground", Color),
    ("cellPadding", Number),
];

/// The members of elements of this `kind` that can be bound; none for an unknown kind.
fn members(kind: &str) -> impl Iterator<Item = (&'static str, MemberKind)> {
    let lists: &[Members] = match kind {
        "text" => &[COMMON, BOX, SHADOW, EFFECTS, TEXT_STYLE, TEXT],
        "image" | "gif" | "video" => &[COMMON, BOX, SHADOW, EFFECTS, PICTURE, IMAGE],
        "svg" => &[COMMON, BOX, SHADOW, EFFECTS, PICTURE, SVG],
        "figure" => &[COMMON, BOX, SHADOW, FIGURE],
        "line" => &[COMMON, BOX, SHADOW, LINE],
        "table" => &[COMMON, BOX, TEXT_STYLE, TABLE],
        "group" => &[COMMON],
        _ => &[],
    };
    lists.iter().flat_map(|list| list.iter().copied())
}

/// The kind of value of `member` in elements of this `kind`; `None` when it cannot be bound.
pub(in crate::design) fn member_kind(kind: &str, member: &str) -> Option<MemberKind> {
    members(kind).find(|(name, _)| *name == member).map(|(_, value)| value)
}

/// The valid bindings of the element `value`: member, kind of its value, and name of the variable. The others are
/// reported by [`check`].
pub(in crate::design) fn bindings(value: &Value) -> impl Iterator<Item = (&str, MemberKind, &str)> {
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
    let bound = value.get(BINDINGS).and_then(Value::as_object);
    bound.into_iter().flatten().filter_map(move |(member, name)| {
        let name = name.as_str().map(str::trim).filter(|it| !it.is_empty())?;
        Some((member.as_str(), member_kind(kind, member)?, name))
    })
}

/// Adds a problem for each binding of an element of this `kind` that is not valid.
pub(super) fn check(kind: &str, json: &mut Reader<'_>) {
    let Some(mut bound) = json.object(BINDINGS) else { return };
    for (member, name) in bound.members() {
        let key = truncated(member);
        if member_kind(kind, member).is_none() {
            let mut accepted: Vec<_> = members(kind).map(|(name, _)| name).collect();
            accepted.sort_unstable();
            let accepted = accepted.join(", ");
            bound.problem(&key, format!("this member of a {kind} cannot be bound to a variable; accepted: {accepted}"));
        } else if !name.is_null() && name.as_str().is_none_or(|it| it.trim().is_empty()) {
            bound.problem(&key, format!("found {}; accepted: the name of a variable", describe(name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::config::DesignLimits;
    use crate::design::Design;
    use crate::design::elements::Element;
    use crate::design::input::ReadState;
    use crate::json::Problems;
    use crate::report::JsonPath;

    #[test]
    fn every_bindable_member_is_one_that_its_kind_reads() {
        for kind in Element::KINDS {
            let design = json!({"pages": [{"children": [{"type": kind}]}]});
            let mut problems = Problems::forgiving();
            let json = Reader::new(&design, JsonPath::root(), &mut problems).expect("an object");
            Design::read(json, ReadState::new(&design, &DesignLimits::default()));
            let asked = problems.asked();
            let read: BTreeSet<_> =
                asked.iter().filter_map(|path| path.strip_prefix("pages[0].children[0].")).collect();
            let unread: Vec<_> = members(kind).map(|(name, _)| name).filter(|name| !read.contains(name)).collect();
            assert_eq!(unread, Vec::<&str>::new(), "{kind}");
        }
    }

    #[test]
    fn bindings_to_other_members_are_problems_that_name_those_accepted() {
        let found = |element: Value| {
            let design = json!({"pages": [{"children": [element]}]});
            let read = Design::from_value(&design, JsonPath::root(), &DesignLimits::default());
            read.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(found(json!({"type": "text", "bindings": {"fill": "brand", "visible": null}})), "");
        let group = found(json!({"type": "group", "bindings": {"children": "all"}}));
        assert_eq!(
            group,
            "pages[0].children[0].bindings.children: this member of a group cannot be bound to a variable; accepted: \
             alwaysOnTop, href, link, opacity, showInExport, visible"
        );
        let unnamed = found(json!({"type": "line", "bindings": {"color": 5}}));
        assert_eq!(
            unnamed,
            "pages[0].children[0].bindings.color: found the number 5; accepted: the name of a variable"
        );
    }
}
