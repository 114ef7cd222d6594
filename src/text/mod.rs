//! Text layout: from strings to positioned glyph runs.
//!
//! In: families and faces, markup, shaping, line breaking, alignment, decorations. Not in: where fonts are downloaded
//! from, JSON names, pixels. Imports: `units`, `report`, `config`, `scene`, `sfnt`. The only room that uses parley,
//! which itemises, reorders and shapes. Line breaking and baselines are implemented here, because the editor's rules
//! (rendering.md §9) are not those of Unicode or CSS.

mod blocks;
mod breaks;
mod cell;
mod curve;
mod damage;
mod decorate;
mod draw;
mod emoji;
mod faces;
mod families;
mod fit;
mod graphemes;
mod layout;
mod layouter_pool;
mod line;
mod markup;
mod shape;
mod shaped_text;
mod shaped_text_cache;
mod strut;
mod synthetic;
mod transform;
mod wrap;

pub use blocks::{
    Align, Block, Decoration, DecorationLine, DecorationStyle, Highlight, LineHeight, ListMarker, Marker, Span,
    SpanStyle, TextBlocks, VerticalShift,
};
pub use breaks::LineBreaking;
pub use cell::{CellText, draw_cell, lay_out_cell};
pub use curve::{CurvedText, curve, draw_curved};
pub use damage::{DamagedGlyph, remove_damaged_glyphs};
pub use decorate::{TextBackground, rounded_rect};
pub use draw::{DecorationPieces, DrawStyle, TextNodes, draw};
pub use faces::{Face, FaceStyle};
pub use families::{FAMILY_ALIASES, FamilySource, FontLibrary, FontSet, LAST_RESORT_FAMILY, LibraryError};
pub use fit::{Overflow, Sizing, fit};
pub use layout::{LaidOut, LayoutOptions, Layouter, TextWarning};
pub use layouter_pool::LayouterPool;
pub use line::{Line, LineRun};
pub use markup::{parse as parse_markup, parse_as_written as parse_markup_as_written};
pub use shaped_text::ShapedText;
pub use transform::{Case, apply as apply_case};
