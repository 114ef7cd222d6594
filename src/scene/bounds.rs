//! Bounds of groups and nodes.

use kurbo::{Rect, Shape};

use super::{Group, Node};

impl Group {
    /// Bounds of everything that the group may touch, with strokes and shadows, in the parent's coordinates; `None`
    /// when it touches nothing.
    ///
    /// Glyph runs count with boxes around their em squares, which are larger than the ink of fonts in use.
    pub fn layer_bounds(&self) -> Option<Rect> {
        let mut children = self.content_bounds()?;
        if let Some(shadow) = &self.shadow {
            // Offsets are along the page's axes, so their length covers them for every rotation of the group.
            let outset = shadow.offset.hypot() + 3.0 * shadow.sigma.0;
            children = children.inflate(outset, outset);
        }
        children = children.inflate(self.blur.0, self.blur.0);
        let clipped = match &self.clip {
            Some(clip) => {
                let clipped = children.intersect(clip.bounding_box());
                if clipped.is_zero_area() {
                    return None;
                }
                clipped
            }
            None => children,
        };
        Some(self.transform.transform_rect_bbox(clipped))
    }

    /// Bounds of the children in this group's coordinates, cut to its bitmap and mask, before clip, blur and shadow.
    pub fn content_bounds(&self) -> Option<Rect> {
        let children = self.children.iter().filter_map(Node::layer_bounds).reduce(|a, b| a.union(b))?;
        let children = match self.bitmap {
            Some(bitmap) => Some(children.intersect(bitmap.area)).filter(|both| !both.is_zero_area())?,
            None => children,
        };
        let Some(mask) = &self.mask else { return Some(children) };
        Some(children.intersect(mask.layer_bounds()?)).filter(|both| !both.is_zero_area())
    }
}

impl Node {
    /// Bounds of everything that the node may touch, in the parent's coordinates; see [`Group::layer_bounds`].
    pub fn layer_bounds(&self) -> Option<Rect> {
        match self {
            Self::Group(group) => group.layer_bounds(),
            Self::Path(path) => {
                let outline = path.outline.bounding_box();
                let outset = path.stroke.as_ref().map_or(0.0, |(_, s)| s.width / 2.0 * s.miter_limit.max(1.5));
                path.outline.elements().first().map(|_| outline.inflate(outset, outset))
            }
            Self::Glyphs(run) => {
                let em = run.font_size.0;
                let boxes = run.glyphs.iter().map(|glyph| {
                    let pen = run.origin + glyph.offset;
                    Rect::new(pen.x - em, pen.y - 1.5 * em, pen.x + glyph.advance.0.max(em) + em, pen.y + em)
                });
                boxes.reduce(|a, b| a.union(b))
            }
            Self::Image(image) => Some(image.dest.abs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use kurbo::Affine;
    use peniko::color::palette::css::BLACK;

    use super::super::Path;
    use super::*;

    #[test]
    fn bounds_follow_clip_then_transform() {
        let square = Rect::new(0.0, 0.0, 10.0, 10.0).to_path(0.1);
        let group = Group {
            clip: Some(Rect::new(5.0, 0.0, 20.0, 10.0).to_path(0.1)),
            transform: Affine::translate((100.0, 0.0)),
            children: vec![Node::Path(Path::filled(square, BLACK))],
            ..Group::default()
        };
        assert_eq!(group.layer_bounds(), Some(Rect::new(105.0, 0.0, 110.0, 10.0)));
        assert_eq!(Group::default().layer_bounds(), None);
    }
}
