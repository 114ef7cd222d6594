//! Groups: clips.

use kurbo::Affine;

use super::PdfError;
use super::canvas::Canvas;
use crate::scene::Group;

impl Canvas<'_> {
    /// Paints `group`; `parent` leads from its parent's coordinates to the page's.
    pub(super) fn group(&mut self, group: &Group, parent: Affine) -> Result<(), PdfError> {
        if group.children.is_empty() || group.opacity.is_zero() {
            return Ok(());
        }
        let outer = self.origin.clone();
        if group.origin.is_some() {
            self.origin.clone_from(&group.origin);
        }
        let transform = parent * group.transform;
        let painted = if transform.is_finite() {
            self.clipped(group, transform)
        } else {
            self.skip("its position is not a finite number");
            Ok(())
        };
        self.origin = outer;
        painted
    }

    fn clipped(&mut self, group: &Group, transform: Affine) -> Result<(), PdfError> {
        let Some(clip) = &group.clip else { return self.children(group, transform) };
        if !self.reachable(clip, transform, 0.0) {
            self.skip("its clip is too large");
            return Ok(());
        }
        self.save();
        self.outline(clip, transform);
        self.content.clip_nonzero().end_path();
        let painted = self.children(group, transform);
        self.restore();
        painted
    }

    fn children(&mut self, group: &Group, transform: Affine) -> Result<(), PdfError> {
        group.children.iter().try_for_each(|child| self.node(child, transform))
    }
}
