//! How far nodes reach.

use kurbo::{Rect, Shape};

use super::{Group, Node};

impl Group {
    /// `layer_bounds`: what may be touched, strokes included, in the parent's coordinates; `None` when nothing is.
    /// Glyph runs count with a box around their em squares, so it may be larger than the ink, not smaller in practice.
    pub fn layer_bounds(&self) -> Option<Rect> {
        let mut children = self.content_bounds()?;
        if let Some(shadow) = &self.shadow {
            // Offsets run along the page; whichever way the group is turned, this covers them.
            let reach = shadow.offset.hypot() + 3.0 * shadow.sigma.0;
            children = children.inflate(reach, reach);
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

    /// What the children may touch, in this group's own coordinates, masked and cut to its bitmap, before clip, blur and shadow.
    pub fn content_bounds(&self) -> Option<Rect> {
        let children = self.children.iter().filter_map(Node::layer_bounds).reduce(|a, b| a.union(b))?;
        let children = match self.bitmap {
            Some(area) => Some(children.intersect(area)).filter(|both| !both.is_zero_area())?,
            None => children,
        };
        let Some(mask) = &self.mask else { return Some(children) };
        Some(children.intersect(mask.layer_bounds()?)).filter(|both| !both.is_zero_area())
    }
}

impl Node {
    /// See [`Group::layer_bounds`].
    pub fn layer_bounds(&self) -> Option<Rect> {
        match self {
            Self::Group(group) => group.layer_bounds(),
            Self::Path(path) => {
                let outline = path.outline.bounding_box();
                let reach = path.stroke.as_ref().map_or(0.0, |(_, s)| s.width / 2.0 * s.miter_limit.max(1.5));
                path.outline.elements().first().map(|_| outline.inflate(reach, reach))
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
