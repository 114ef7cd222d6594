//! The kinds of elements: one file each, and the list from which the enum [`Element`] is made.

pub(super) mod bindable;
pub mod dash;
pub mod figure;
pub mod group;
pub mod image;
pub mod line;
pub mod line_heads;
pub mod media;
pub mod svg;
pub mod table;
pub mod text;
pub mod text_style;
mod unused;

use std::sync::Arc;

use serde_json::Value;

use self::table::TableCell;
use self::text_style::TextStyle;
use self::unused::DrawnEffects;
use super::input::{Input, ReadState, UnknownElements};
use super::props::Common;
use crate::json::{Reader, describe};
use crate::report::{JsonPath, Origin, Warning, WarningCode};

/// Makes [`Element`] from the list of kinds: name in the JSON, variant, struct, effects that are drawn, and the members
/// of the JSON that variables change.
macro_rules! elements {
    ($($name:literal => $kind:ident($of:ty), $effects:ident, $variables:ident;)*) => {
        /// One element of a page or group, tagged by `type` in the JSON.
        #[derive(Clone, Debug)]
        pub enum Element {
            $(#[doc = concat!("`", $name, "`")] $kind(Box<$of>),)*
        }

        impl Element {
            /// Names of all kinds, as `type` spells them.
            pub const KINDS: &[&str] = &[$($name),*];

            /// Reads an element of this kind; `None` when `kind` is not in the list.
            fn read_kind(kind: &str, mut input: Input<'_>) -> Option<Self> {
                match kind {
                    $($name => {
                        unused::warn(kind, DrawnEffects::$effects, &mut input);
                        Some(Self::$kind(Box::new(<$of>::read(input))))
                    })*
                    _ => None,
                }
            }

            /// The members of elements of this kind that variables change; `None` when `kind` is not in the list.
            pub(super) fn variable_members(kind: &str) -> Option<VariableMembers> {
                match kind {
                    $($name => Some(VariableMembers::$variables),)*
                    _ => None,
                }
            }
        }
    };
}

elements! {
    "text" => Text(text::Text), All, Text;
    "image" => Image(image::Image), All, Source;
    "svg" => Svg(svg::Svg), All, Source;
    "figure" => Figure(figure::Figure), Shadow, None;
    "line" => Line(line::Line), Shadow, None;
    "group" => Group(group::Group), None, OfChildren;
    "table" => Table(table::Table), None, TextOfCells;
    "gif" => Gif(image::Image), All, Source;
    "video" => Video(media::Video), All, Source;
}

/// The members of an element's JSON that variables change (design-format.md §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VariableMembers {
    /// Placeholders in the member `text`.
    Text,
    /// Placeholders in the `text` of each of the `cells`.
    TextOfCells,
    /// The whole value of `src`.
    Source,
    /// Those of each of the `children`.
    OfChildren,
    /// No member: variables leave such elements as they are.
    None,
}

// The matches below have no `_` arm, so that the compiler names them when a kind is added.
impl Element {
    /// The fields that all kinds have.
    pub fn common(&self) -> &Common {
        match self {
            Self::Text(text) => &text.common,
            Self::Image(image) | Self::Gif(image) => &image.common,
            Self::Svg(svg) => &svg.common,
            Self::Figure(figure) => &figure.common,
            Self::Line(line) => &line.common,
            Self::Group(group) => &group.common,
            Self::Table(table) => &table.common,
            Self::Video(video) => &video.image.common,
        }
    }

    /// The elements inside this one, from bottom to top.
    pub fn children(&self) -> &[Self] {
        match self {
            Self::Group(group) => &group.children,
            Self::Text(_)
            | Self::Image(_)
            | Self::Svg(_)
            | Self::Figure(_)
            | Self::Line(_)
            | Self::Table(_)
            | Self::Gif(_)
            | Self::Video(_) => &[],
        }
    }

    /// URLs of the images that this element itself shows or is masked by, with their paths in the JSON.
    pub(super) fn images(&self) -> Vec<(&Arc<str>, JsonPath)> {
        let (src, mask) = match self {
            Self::Image(image) | Self::Gif(image) => (&image.picture.src, image.clip_src.as_ref().zip(Some("clipSrc"))),
            Self::Video(video) => (&video.image.picture.src, video.image.clip_src.as_ref().zip(Some("clipSrc"))),
            Self::Svg(svg) => (&svg.picture.src, svg.mask_src.as_ref().zip(Some("maskSrc"))),
            Self::Text(_) | Self::Figure(_) | Self::Line(_) | Self::Group(_) | Self::Table(_) => return Vec::new(),
        };
        let at = &self.common().origin.path;
        std::iter::once((src, at.clone())).chain(mask.map(|(src, key)| (src, at.key(key)))).collect()
    }

    /// The texts that this element itself draws.
    pub(super) fn texts(&self) -> Vec<ElementText<'_>> {
        match self {
            Self::Text(text) => {
                vec![ElementText { style: &text.style, origin: &text.common.origin, markup: &text.text }]
            }
            Self::Table(table) => {
                let written = table.cells.iter().filter(|cell| !cell.text.is_empty());
                written.map(ElementText::of_cell).collect()
            }
            Self::Image(_)
            | Self::Svg(_)
            | Self::Figure(_)
            | Self::Line(_)
            | Self::Group(_)
            | Self::Gif(_)
            | Self::Video(_) => Vec::new(),
        }
    }

    /// Reads the array `children` of a page or group. `index` is the parent's position (see [`Input`]).
    pub(crate) fn read_children(parent: &mut Reader<'_>, reading: &mut ReadState, index: &str) -> Vec<Self> {
        let mut children = Vec::new();
        parent.objects("children", |at, json| children.extend(Self::read(json, reading, format!("{index}-{at}"))));
        children
    }

    /// Reads an element; `None`, with a problem, when its type is unknown or the design has too many elements. An
    /// element of a type without a picture, or of an unknown one that may be skipped, causes a warning instead.
    fn read(mut json: Reader<'_>, reading: &mut ReadState, index: String) -> Option<Self> {
        if !reading.count(1, &mut json, "type") {
            return None;
        }
        let id = reading.id(&mut json, || format!("el-{index}"));
        let kind = json.get("type").and_then(Value::as_str);
        let Some(kind) = kind.filter(|kind| Self::KINDS.contains(kind)) else {
            let left_out = match kind {
                Some(LOTTIE) => {
                    Some(format!("elements of type {LOTTIE} are not drawn, as in the editor's picture exports"))
                }
                Some(kind) if reading.unknown == UnknownElements::Skip => {
                    Some(format!("elements of the unknown type {kind:.60?} are left out (skipUnknown)"))
                }
                _ => None,
            };
            match left_out {
                Some(message) => {
                    let (code, path) = (WarningCode::ElementSkipped, json.at().key("type"));
                    reading.warnings.push(Warning { code, path, element: id, message });
                }
                None => refuse_kind(&mut json, &id),
            }
            return None;
        };
        bindable::check(kind, &mut json);
        let origin = Origin { path: json.at().clone(), element: id };
        Self::read_kind(kind, Input { json, origin, index, reading })
    }
}

/// Type of animated elements, which have no still picture.
const LOTTIE: &str = "lottie";

/// A text that an element draws.
pub(super) struct ElementText<'a> {
    pub(super) style: &'a TextStyle,
    /// The element or table cell.
    pub(super) origin: &'a Origin,
    /// The text, which may be markup.
    pub(super) markup: &'a str,
}

impl<'a> ElementText<'a> {
    fn of_cell(TableCell { style, origin, text, .. }: &'a TableCell) -> Self {
        Self { style, origin, markup: text }
    }
}

fn refuse_kind(json: &mut Reader<'_>, id: &str) {
    let accepted = Element::KINDS.join(", ");
    match json.get("type") {
        None => json.problem("type", format!("missing (element {id:.60?}); accepted: {accepted}")),
        // Clients rely on the start of this message, which is the editor's (http-api.md §6).
        Some(found) => {
            let found = describe(found);
            json.problem("type", format!("Unknown element type: {found} (element {id:.60?}); accepted: {accepted}"));
        }
    }
}
