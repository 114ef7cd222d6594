//! Page backgrounds (design-format.md §3.1).

use kurbo::{Insets, Rect, Shape as _};

use super::super::Page;
use super::super::background::Background;
use super::asset_nodes::PictureResolver;
use super::error::ResolveError;
use super::paints::{GradientLength, is_transparent, paint};
use super::requests::BACKGROUND_ID;
use crate::report::Origin;
use crate::scene::{Node, Path};
use crate::units::Opacity;

impl PictureResolver<'_> {
    /// The background nodes, which cover the page, and the bleed if that is included.
    pub(super) fn background(&mut self, page: &Page, bleed: Insets) -> Result<Vec<Node>, ResolveError> {
        let sheet = Rect::from_origin_size((0.0, 0.0), page.size) + bleed;
        if self.settings.ignore_background {
            return Ok(Vec::new());
        }
        match &page.background {
            Background::Fill(fill) if is_transparent(fill) => Ok(Vec::new()),
            Background::Fill(fill) => {
                let paint = paint(fill, sheet, GradientLength::of_shapes(self.settings), Opacity::OPAQUE);
                Ok(vec![Node::Path(Path::filled(sheet.to_path(0.1), paint))])
            }
            Background::Image(src) => {
                let origin = Origin { path: page.at.key("background"), element: BACKGROUND_ID.into() };
                self.cover(src, sheet, &origin)
            }
        }
    }
}
