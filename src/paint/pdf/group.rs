//! Groups as PDF: clips, masks, opacity and blend modes natively; blur and shadows as pictures of the group alone.

use kurbo::{Affine, BezPath, Rect, Shape as _};
use pdf_writer::types::{BlendMode as PdfBlend, MaskType};
use pdf_writer::{Name, Ref};
use peniko::{BlendMode, Brush, Compose, Fill, Mix};

use super::canvas::{Canvas, FinishedContent};
use super::error::PdfError;
use super::form::{FormKind, write_form};
use super::image::{draw_image, draw_rasterized};
use super::links::visible_links;
use super::outline::{append_outline, is_writable};
use super::path::draw_path;
use super::resources::{ResourceKind, StateKey};
use super::text::{draw_glyphs, draw_invisible_glyphs};
use super::text_on_curve::{draw_text_on_curve, leading_curve_runs};
use crate::paint::passes;
use crate::paint::rasterized_group::{RasterizedGroup, rasterize_group, rasterize_shadow};
use crate::report::WarningCode;
use crate::scene::{Group, Node, Path, Shadow};
use crate::units::{DeviceScale, Opacity, Px};

/// Maximum depth of nested groups; deeper ones are rasterised, because the stacks of readers and of this painter are
/// limited.
const MAX_DEPTH: usize = 60;

/// Paints `group`; `parent` maps the coordinates of its parent to those of the page.
pub(super) fn draw_group(canvas: &mut Canvas<'_>, group: &Group, parent: Affine) -> Result<(), PdfError> {
    if group.opacity.is_zero() || group.children.is_empty() && group.links.is_empty() {
        return Ok(());
    }
    let outer = canvas.origin.clone();
    if group.origin.is_some() {
        canvas.origin.clone_from(&group.origin);
    }
    canvas.depth += 1;
    let transform = parent * group.transform;
    let painted = if !transform.is_finite() {
        canvas.skip("its position is not a finite number");
        Ok(())
    } else if canvas.depth > MAX_DEPTH {
        draw_as_picture(canvas, group, transform)
    } else {
        canvas.links.extend(visible_links(group, transform, canvas.view));
        draw_clipped(canvas, group, transform)
    };
    canvas.depth -= 1;
    canvas.origin = outer;
    painted
}

/// Draws `node`; `transform` maps its coordinates to those of the page.
fn draw_node(canvas: &mut Canvas<'_>, node: &Node, transform: Affine) -> Result<(), PdfError> {
    if (canvas.abandoned)() {
        return Err(PdfError::Abandoned);
    }
    match node {
        Node::Group(group) => draw_group(canvas, group, transform),
        Node::Path(path) => draw_path(canvas, path, transform),
        Node::Glyphs(run) => draw_glyphs(canvas, run, transform),
        Node::Image(image) => draw_image(canvas, image, transform),
    }
}

fn draw_clipped(canvas: &mut Canvas<'_>, group: &Group, transform: Affine) -> Result<(), PdfError> {
    let Some(clip) = &group.clip else { return draw_composited(canvas, group, transform) };
    if !is_writable(clip, transform, 0.0) {
        canvas.skip("its clip is too large");
        return Ok(());
    }
    canvas.save();
    append_outline(canvas, clip, transform);
    canvas.content.clip_nonzero().end_path();
    let painted = draw_composited(canvas, group, transform);
    canvas.restore();
    painted
}

fn draw_composited(canvas: &mut Canvas<'_>, group: &Group, transform: Affine) -> Result<(), PdfError> {
    if group.opacity == Opacity::OPAQUE && group.blend == BlendMode::default() {
        return draw_with_effects(canvas, group, transform);
    }
    let bounds = effect_bounds(group, transform, canvas.file.objects.settings.raster_scale);
    let Some(form) = record_form(canvas, bounds, |inner| draw_with_effects(inner, group, transform))? else {
        return Ok(());
    };
    if group.blend.compose != Compose::SrcOver {
        canvas.warn(WarningCode::NotSupported, "PDF lacks its compositing operator; it is drawn with source-over");
    }
    canvas.save();
    set_blend(canvas, group.opacity, group.blend.mix)?;
    canvas.draw_form(form);
    canvas.restore();
    Ok(())
}

/// Draws `group` with its mask, blur, colour changes and shadow, without its clip and compositing.
fn draw_with_effects(canvas: &mut Canvas<'_>, group: &Group, transform: Affine) -> Result<(), PdfError> {
    if group.bitmap.is_some() || group.blur.0 > 0.0 || !group.recolor.is_empty() {
        return draw_as_picture(canvas, &Group { clip: None, ..without_compositing(group) }, transform);
    }
    if let Some(shadow) = &group.shadow {
        draw_shadow(canvas, group, shadow, transform)?;
    }
    match &group.mask {
        None => draw_children(canvas, group, transform),
        Some(mask) => draw_masked(canvas, group, mask, transform),
    }
}

fn draw_masked(canvas: &mut Canvas<'_>, group: &Group, mask: &Group, transform: Affine) -> Result<(), PdfError> {
    if let Some((outline, rule, to_page)) = as_clip(mask, transform)
        && is_writable(outline, to_page, 0.0)
    {
        canvas.save();
        append_outline(canvas, outline, to_page);
        match rule {
            Fill::NonZero => canvas.content.clip_nonzero(),
            Fill::EvenOdd => canvas.content.clip_even_odd(),
        };
        canvas.content.end_path();
        let painted = draw_children(canvas, group, transform);
        canvas.restore();
        return painted;
    }
    let bounds = effect_bounds(group, transform, canvas.file.objects.settings.raster_scale);
    let Some(content) = record_form(canvas, bounds, |inner| draw_children(inner, group, transform))? else {
        return Ok(());
    };
    // An empty mask hides everything.
    let bounds = mask.layer_bounds().map(|bounds| transform.transform_rect_bbox(bounds));
    let Some(mask) = record_form(canvas, bounds, |inner| draw_group(inner, mask, transform))? else { return Ok(()) };
    canvas.save();
    canvas.set_soft_mask(mask, MaskType::Alpha)?;
    canvas.draw_form(content);
    canvas.restore();
    Ok(())
}

fn draw_children(canvas: &mut Canvas<'_>, group: &Group, transform: Affine) -> Result<(), PdfError> {
    let mut children = &group.children[..];
    while let Some((first, rest)) = children.split_first() {
        let curve_runs = leading_curve_runs(children);
        if curve_runs.len() > 1 {
            draw_text_on_curve(canvas, &curve_runs, transform)?;
            children = &children[curve_runs.len()..];
        } else {
            draw_node(canvas, first, transform)?;
            children = rest;
        }
    }
    Ok(())
}

/// Records what `paint` draws within `bounds` (page px) as a form XObject; `None` when nothing of it is visible.
fn record_form(
    canvas: &mut Canvas<'_>,
    bounds: Option<Rect>,
    paint: impl FnOnce(&mut Canvas<'_>) -> Result<(), PdfError>,
) -> Result<Option<Ref>, PdfError> {
    let visible = bounds.map(|bounds| bounds.inflate(1.0, 1.0).intersect(canvas.view));
    let Some(bounds) = visible.filter(|it| !it.is_zero_area() && it.is_finite()) else { return Ok(None) };
    let mut inner = canvas.nested();
    paint(&mut inner)?;
    let FinishedContent { content, resources, warnings, links } = inner.finish();
    canvas.warnings.extend(warnings);
    canvas.links.extend(links);
    if content.is_empty() {
        return Ok(None);
    }
    write_form(&mut canvas.file.objects, content, &resources, bounds, FormKind::Layer).map(Some)
}

/// Draws `group` with its effects as a picture, and its text as invisible text over it.
fn draw_as_picture(canvas: &mut Canvas<'_>, group: &Group, transform: Affine) -> Result<(), PdfError> {
    let node = Group { transform, ..group.clone() };
    if let Some(rasterized) = rasterize(canvas, &node, canvas.view)? {
        draw_rasterized(canvas, &rasterized)?;
    }
    group.children.iter().try_for_each(|child| add_invisible_text(canvas, child, transform))
}

fn draw_shadow(canvas: &mut Canvas<'_>, group: &Group, shadow: &Shadow, transform: Affine) -> Result<(), PdfError> {
    let caster = Group { clip: None, shadow: None, transform, ..without_compositing(group) };
    let scale = canvas.file.objects.settings.raster_scale;
    let outset = shadow_extent(shadow, scale) + 1.0;
    let visible = (canvas.view - shadow.offset).inflate(outset, outset);
    let Some(rasterized) = rasterize(canvas, &caster, visible)? else { return Ok(()) };
    let rasterized = rasterize_shadow(rasterized, shadow, scale);
    draw_rasterized(canvas, &rasterized)
}

fn rasterize(canvas: &mut Canvas<'_>, group: &Group, visible: Rect) -> Result<Option<RasterizedGroup>, PdfError> {
    let settings = &canvas.file.objects.settings;
    let rasterized = rasterize_group(group, visible, settings.raster_scale, settings.limits, canvas.abandoned)?;
    let Some((rasterized, warnings)) = rasterized else { return Ok(None) };
    for (code, message) in warnings {
        canvas.warn(code, &message);
    }
    Ok(Some(rasterized))
}

/// Writes all text below `node` as invisible text, for content that is shown as a picture.
fn add_invisible_text(canvas: &mut Canvas<'_>, node: &Node, transform: Affine) -> Result<(), PdfError> {
    match node {
        Node::Group(group) => {
            let inner = transform * group.transform;
            if group.opacity.is_zero() || !inner.is_finite() {
                return Ok(());
            }
            group.children.iter().try_for_each(|child| add_invisible_text(canvas, child, inner))
        }
        Node::Glyphs(run) => draw_invisible_glyphs(canvas, run, transform),
        Node::Path(_) | Node::Image(_) => Ok(()),
    }
}

fn set_blend(canvas: &mut Canvas<'_>, opacity: Opacity, mix: Mix) -> Result<(), PdfError> {
    canvas.set_opacity(opacity.get())?;
    if mix == Mix::Normal {
        return Ok(());
    }
    let state = canvas.file.states.get_or_write(StateKey::Blend(blend_mode(mix)), &mut canvas.file.objects)?;
    let name = canvas.resources.name(ResourceKind::State, state);
    canvas.content.set_parameters(Name(name.as_bytes()));
    Ok(())
}

/// Maximum distance of a shadow from its caster in page px, when it is rasterised at `scale`.
fn shadow_extent(shadow: &Shadow, scale: DeviceScale) -> f64 {
    3.0 * passes::sigma_of(shadow, scale.get()) / scale.get()
}

/// Bounds of `group` with its effects, in page px; `transform` maps its own coordinates to the page. `scale`: that of
/// the effects.
fn effect_bounds(group: &Group, transform: Affine, scale: DeviceScale) -> Option<Rect> {
    let content = transform.transform_rect_bbox(group.content_bounds()?).inflate(group.blur.0, group.blur.0);
    let Some(shadow) = &group.shadow else { return Some(content) };
    let outset = shadow_extent(shadow, scale);
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
