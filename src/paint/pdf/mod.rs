//! The PDF painter: writes a scene as page content, with paths as vectors and text as text.
//!
//! In: content streams of pages and the objects that they use: fonts, pictures, shadings, masks. Not in: the document
//! around them (catalog, page boxes, metadata, output intents: `output::pdf`), colour profiles, JSON, layout.
//! Imports: `units`, `report`, `scene`, `raster`, and the planner and passes of `paint`, for what must become pixels.
//! pdf-writer and subsetter are used here and in `output::pdf` only.
//!
//! `painter` walks the pages. Each kind of node has a file with a function that draws it on a `canvas`, a content
//! stream under construction (`group`, `path`, `text`, `image`); each kind of resource has a file that writes its
//! objects (`font`, `type3`, `pictures`, `gradient`, `form`, `resources`). `context` has what all streams of a file
//! share.

mod canvas;
mod color;
mod color_glyphs;
mod context;
mod coordinates;
mod error;
mod font;
mod form;
mod glyph_outlines;
mod gradient;
mod group;
mod image;
mod links;
mod objects;
mod outline;
mod painter;
mod path;
mod pictures;
mod resources;
mod text;
mod text_matrix;
mod text_on_curve;
mod text_spans;
mod type3;

pub use canvas::LinkArea;
pub use color::{CmykConverter, ColorTarget, ColorUse};
pub use error::PdfError;
pub use links::page_links;
pub use objects::PdfSettings;
pub use painter::{PageContent, Painter};
pub use resources::PageResources;
