//! The kinds of elements: one file each, and the list from which the enum [`Element`] is made.

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

use serde_json::Value;

use super::input::{Input, Reading};
use super::props::Common;
use crate::json::{Reader, describe};
use crate::report::Origin;

/// Makes [`Element`] from the list of kinds: name in the JSON, variant, struct.
macro_rules! elements {
    ($($name:literal => $kind:ident($of:ty)),* $(,)?) => {
        /// One element of a page or group, tagged by `type` in the JSON.
        #[derive(Clone, Debug)]
        pub enum Element {
            $(#[doc = concat!("`", $name, "`")] $kind(Box<$of>),)*
        }

        impl Element {
            /// Names of all kinds, as `type` spells them.
            pub const KINDS: &[&str] = &[$($name),*];

            /// Reads an element of this kind; `None` when `kind` is not in the list.
            fn read_kind(kind: &str, input: Input<'_>) -> Option<Self> {
                match kind {
                    $($name => Some(Self::$kind(Box::new(<$of>::read(input)))),)*
                    _ => None,
                }
            }
        }
    };
}

elements! {
    "text" => Text(text::Text),
    "image" => Image(image::Image),
    "svg" => Svg(svg::Svg),
    "figure" => Figure(figure::Figure),
    "line" => Line(line::Line),
    "group" => Group(group::Group),
    "table" => Table(table::Table),
    "gif" => Gif(image::Image),
    "video" => Video(media::Video),
}

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

    /// Reads the array `children` of a page or group. `index` is the parent's position (see [`Input`]).
    pub(crate) fn read_children(parent: &mut Reader<'_>, reading: &mut Reading, index: &str) -> Vec<Self> {
        let mut children = Vec::new();
        parent.objects("children", |at, json| children.extend(Self::read(json, reading, format!("{index}-{at}"))));
        children
    }

    /// Reads an element; `None`, with a problem, when its type is unknown or the design has too many elements.
    fn read(mut json: Reader<'_>, reading: &mut Reading, index: String) -> Option<Self> {
        if !reading.count(1, &mut json, "type") {
            return None;
        }
        let id = reading.id(&mut json, || format!("el-{index}"));
        let kind = json.get("type").and_then(Value::as_str);
        let Some(kind) = kind.filter(|kind| Self::KINDS.contains(kind)) else {
            refuse_kind(&mut json, &id);
            return None;
        };
        let origin = Origin { path: json.at().clone(), element: id };
        let mut input = Input { json, origin, index, reading };
        unused::warn(kind, &mut input);
        Self::read_kind(kind, input)
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
