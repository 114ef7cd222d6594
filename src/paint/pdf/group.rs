//! Groups as PDF: clips, masks, opacity and blend modes natively; blur and shadows as pictures of the group alone.

use kurbo::{Affine, BezPath, Rect, Shape as _};
use pdf_writer::types::{BlendMode as PdfBlend, MaskType};
use pdf_writer::{Filter, Finish as _, Name, Ref};
use peniko::{BlendMode, Brush, Compose, Fill, Mix};

use super::canvas::{Canvas, FinishedContent, px};
use super::color::ColorTarget;
use super::font::stream_data;
use super::resources::{ResourceKind, Resources};
use super::{Link, Painter, PdfError};
use crate::paint::flatten::{self, Flat};
use crate::report::WarningCode;
use crate::scene::{Group, Node, Path, Shadow};
use crate::units::{Opacity, Px};

/// Maximum depth of nested groups; deeper ones are rasterised, because the stacks of readers and of this painter are
/// limited.
const MAX_DEPTH: usize = 60;

/// Use of a form XObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormKind {
    /// A transparency group that is composited as a whole.
    Layer,
    /// A soft mask by luminosity.
    Luminosity,
}

impl Canvas<'_> {
    /// Paints `group`; `parent` maps the coordinates of its parent to those of the page.
    pub(super) fn group(&mut self, group: &Group, parent: Affine) -> Result<(), PdfError> {
        if group.opacity.is_zero() || group.children.is_empty() && group.links.is_empty() {
            return Ok(());
        }
        let outer = self.origin.clone();
        if group.origin.is_some() {
            self.origin.clone_from(&group.origin);
        }
        self.depth += 1;
        let transform = parent * group.transform;
        let painted = if !transform.is_finite() {
            self.skip("its position is not a finite number");
            Ok(())
        } else if self.depth > MAX_DEPTH {
            self.draw_rasterized(group, transform)
        } else {
            self.add_links(group, transform);
            self.draw_clipped(group, transform)
        };
        self.depth -= 1;
        self.origin = outer;
        painted
    }

    fn add_links(&mut self, group: &Group, transform: Affine) {
        for link in &group.links {
            let rect = transform.transform_rect_bbox(link.area).intersect(self.view);
            if !rect.is_zero_area() && rect.is_finite() {
                self.links.push(Link { rect, url: link.href.to_string() });
            }
        }
    }

    fn draw_clipped(&mut self, group: &Group, transform: Affine) -> Result<(), PdfError> {
        let Some(clip) = &group.clip else { return self.draw_composited(group, transform) };
        if !self.is_writable(clip, transform, 0.0) {
            self.skip("its clip is too large");
            return Ok(());
        }
        self.save();
        self.outline(clip, transform);
        self.content.clip_nonzero().end_path();
        let painted = self.draw_composited(group, transform);
        self.restore();
        painted
    }

    fn draw_composited(&mut self, group: &Group, transform: Affine) -> Result<(), PdfError> {
        if group.opacity == Opacity::OPAQUE && group.blend == BlendMode::default() {
            return self.draw_with_effects(group, transform);
        }
        let bounds = effect_bounds(group, transform);
        let Some(form) = self.layer(bounds, |inner| inner.draw_with_effects(group, transform))? else {
            return Ok(());
        };
        if group.blend.compose != Compose::SrcOver {
            self.warn(WarningCode::NotSupported, "PDF lacks its compositing operator; it is drawn with source-over");
        }
        self.save();
        self.set_blend(group.opacity, group.blend.mix)?;
        self.draw_form(form);
        self.restore();
        Ok(())
    }

    /// Draws `group` with its mask, blur, colour changes and shadow, without its clip and compositing.
    fn draw_with_effects(&mut self, group: &Group, transform: Affine) -> Result<(), PdfError> {
        if group.bitmap.is_some() || group.blur.0 > 0.0 || !group.recolor.is_empty() {
            return self.draw_rasterized(&Group { clip: None, ..without_compositing(group) }, transform);
        }
        if let Some(shadow) = &group.shadow {
            self.shadow(group, shadow, transform)?;
        }
        match &group.mask {
            None => self.draw_children(group, transform),
            Some(mask) => self.draw_masked(group, mask, transform),
        }
    }

    fn draw_masked(&mut self, group: &Group, mask: &Group, transform: Affine) -> Result<(), PdfError> {
        if let Some((outline, rule, to_page)) = as_clip(mask, transform)
            && self.is_writable(outline, to_page, 0.0)
        {
            self.save();
            self.outline(outline, to_page);
            match rule {
                Fill::NonZero => self.content.clip_nonzero(),
                Fill::EvenOdd => self.content.clip_even_odd(),
            };
            self.content.end_path();
            let painted = self.draw_children(group, transform);
            self.restore();
            return painted;
        }
        let bounds = effect_bounds(group, transform);
        let Some(content) = self.layer(bounds, |inner| inner.draw_children(group, transform))? else {
            return Ok(());
        };
        // An empty mask hides everything.
        let bounds = mask.layer_bounds().map(|bounds| transform.transform_rect_bbox(bounds));
        let Some(mask) = self.layer(bounds, |inner| inner.group(mask, transform))? else { return Ok(()) };
        self.save();
        self.soft_mask(mask, MaskType::Alpha)?;
        self.draw_form(content);
        self.restore();
        Ok(())
    }

    fn draw_children(&mut self, group: &Group, transform: Affine) -> Result<(), PdfError> {
        let mut children = &group.children[..];
        while let Some((first, rest)) = children.split_first() {
            let curve_runs = super::curve::leading_curve_runs(children);
            if curve_runs.len() > 1 {
                self.curve_text(&curve_runs, transform)?;
                children = &children[curve_runs.len()..];
            } else {
                self.node(first, transform)?;
                children = rest;
            }
        }
        Ok(())
    }

    /// Records what `paint` draws within `bounds` (page px) as a form XObject; `None` when nothing of it is visible.
    fn layer(
        &mut self,
        bounds: Option<Rect>,
        paint: impl FnOnce(&mut Canvas<'_>) -> Result<(), PdfError>,
    ) -> Result<Option<Ref>, PdfError> {
        let visible = bounds.map(|bounds| bounds.inflate(1.0, 1.0).intersect(self.view));
        let Some(bounds) = visible.filter(|it| !it.is_zero_area() && it.is_finite()) else { return Ok(None) };
        let mut inner = self.nested();
        paint(&mut inner)?;
        let FinishedContent { content, resources, warnings, links } = inner.finish();
        self.warnings.extend(warnings);
        self.links.extend(links);
        if content.is_empty() {
            return Ok(None);
        }
        self.painter.form(content, &resources, bounds, FormKind::Layer).map(Some)
    }

    pub(super) fn draw_form(&mut self, form: Ref) {
        let name = self.resources.name(ResourceKind::XObject, form);
        self.content.x_object(Name(name.as_bytes()));
    }

    /// Sets `form` as the soft mask of the following operators, by its alpha or its luminosity.
    pub(super) fn soft_mask(&mut self, form: Ref, by: MaskType) -> Result<(), PdfError> {
        let id = self.painter.next_ref()?;
        let mut state = self.painter.chunk.ext_graphics(id);
        state.soft_mask().subtype(by).group(form);
        drop(state);
        let name = self.resources.name(ResourceKind::State, id);
        self.content.set_parameters(Name(name.as_bytes()));
        Ok(())
    }

    /// Draws `group` with its effects as a picture, and its text as invisible text over it.
    fn draw_rasterized(&mut self, group: &Group, transform: Affine) -> Result<(), PdfError> {
        let node = Group { transform, ..group.clone() };
        if let Some(flat) = self.flatten(&node, self.view)? {
            self.draw_flat(&flat)?;
        }
        group.children.iter().try_for_each(|child| self.add_invisible_text(child, transform))
    }

    fn shadow(&mut self, group: &Group, shadow: &Shadow, transform: Affine) -> Result<(), PdfError> {
        let caster = Group { clip: None, shadow: None, transform, ..without_compositing(group) };
        let scale = self.painter.settings.raster_scale;
        let outset = 3.0 * shadow.sigma.0.max(0.0) + 1.0;
        let visible = (self.view - shadow.offset).inflate(outset, outset);
        let Some(flat) = self.flatten(&caster, visible)? else { return Ok(()) };
        let flat = flatten::shadow(flat, shadow, scale);
        self.draw_flat(&flat)
    }

    fn flatten(&mut self, group: &Group, visible: Rect) -> Result<Option<Flat>, PdfError> {
        let settings = &self.painter.settings;
        let flat = flatten::flatten(group, visible, settings.raster_scale, settings.limits, self.abandoned)?;
        let Some((flat, warnings)) = flat else { return Ok(None) };
        for (code, message) in warnings {
            self.warn(code, &message);
        }
        Ok(Some(flat))
    }

    /// Writes all text below `node` as invisible text, for content that is shown as a picture.
    pub(super) fn add_invisible_text(&mut self, node: &Node, transform: Affine) -> Result<(), PdfError> {
        match node {
            Node::Group(group) => {
                let inner = transform * group.transform;
                if group.opacity.is_zero() || !inner.is_finite() {
                    return Ok(());
                }
                group.children.iter().try_for_each(|child| self.add_invisible_text(child, inner))
            }
            Node::Glyphs(run) => self.invisible_glyphs(run, transform),
            Node::Path(_) | Node::Image(_) => Ok(()),
        }
    }

    fn set_blend(&mut self, opacity: Opacity, mix: Mix) -> Result<(), PdfError> {
        self.set_opacity(opacity.get())?;
        if mix == Mix::Normal {
            return Ok(());
        }
        let state = self.painter.state(super::resources::StateKey::Blend(blend_mode(mix)))?;
        let name = self.resources.name(ResourceKind::State, state);
        self.content.set_parameters(Name(name.as_bytes()));
        Ok(())
    }
}

impl Painter {
    /// Writes `content` as a form XObject with the bounding box `bounds`, in page px.
    pub(super) fn form(
        &mut self,
        content: Vec<u8>,
        resources: &Resources,
        bounds: Rect,
        kind: FormKind,
    ) -> Result<Ref, PdfError> {
        let id = self.next_ref()?;
        let compress = self.settings.compress;
        let is_rgb = matches!(self.settings.colors, ColorTarget::Rgb);
        let content = stream_data(&content, compress);
        let bounds = bounds.expand();
        let mut form = self.chunk.form_xobject(id, &content);
        if compress {
            form.filter(Filter::FlateDecode);
        }
        form.bbox(pdf_writer::Rect::new(px(bounds.x0), px(bounds.y0), px(bounds.x1), px(bounds.y1)));
        let mut group = form.group();
        group.transparency().isolated(true);
        match kind {
            FormKind::Luminosity => group.color_space().device_gray(),
            FormKind::Layer if is_rgb => group.color_space().device_rgb(),
            FormKind::Layer => group.color_space().device_cmyk(),
        }
        group.finish();
        resources.write(&mut form.resources());
        Ok(id)
    }
}

/// Bounds of `group` with its effects, in page px; `transform` maps its own coordinates to the page.
fn effect_bounds(group: &Group, transform: Affine) -> Option<Rect> {
    let content = transform.transform_rect_bbox(group.content_bounds()?).inflate(group.blur.0, group.blur.0);
    let Some(shadow) = &group.shadow else { return Some(content) };
    let outset = 3.0 * shadow.sigma.0;
    Some(content.union((content + shadow.offset).inflate(outset, outset)))
}

/// A copy of `group` with full opacity and the normal blend mode.
fn without_compositing(group: &Group) -> Group {
    Group { opacity: Opacity::OPAQUE, blend: BlendMode::default(), blur: Px(group.blur.0), ..group.clone() }
}

/// The outline of `mask` with its fill rule and transform, when the mask is a single opaque, solid path.
fn as_clip(mask: &Group, parent: Affine) -> Option<(&BezPath, Fill, Affine)> {
    let plain = mask.clip.is_none() && mask.mask.is_none() && mask.blur.0 <= 0.0 && mask.recolor.is_empty();
    let plain = plain && mask.shadow.is_none();
    if !plain || mask.opacity != Opacity::OPAQUE || mask.blend != BlendMode::default() {
        return None;
    }
    let transform = parent * mask.transform;
    match &mask.children[..] {
        [Node::Group(only)] => as_clip(only, transform),
        [Node::Path(Path { outline, fill: Some((paint, rule)), stroke: None })] => {
            let Brush::Solid(color) = paint.brush else { return None };
            // An outline without area clips nothing in some readers and everything in others.
            let usable = color.components[3] >= 1.0 && !outline.bounding_box().is_zero_area();
            usable.then_some((outline, *rule, transform))
        }
        _ => None,
    }
}

fn blend_mode(mix: Mix) -> PdfBlend {
    match mix {
        Mix::Normal => PdfBlend::Normal,
        Mix::Multiply => PdfBlend::Multiply,
        Mix::Screen => PdfBlend::Screen,
        Mix::Overlay => PdfBlend::Overlay,
        Mix::Darken => PdfBlend::Darken,
        Mix::Lighten => PdfBlend::Lighten,
        Mix::ColorDodge => PdfBlend::ColorDodge,
        Mix::ColorBurn => PdfBlend::ColorBurn,
        Mix::HardLight => PdfBlend::HardLight,
        Mix::SoftLight => PdfBlend::SoftLight,
        Mix::Difference => PdfBlend::Difference,
        Mix::Exclusion => PdfBlend::Exclusion,
        Mix::Hue => PdfBlend::Hue,
        Mix::Saturation => PdfBlend::Saturation,
        Mix::Color => PdfBlend::Color,
        Mix::Luminosity => PdfBlend::Luminosity,
    }
}
