//! Image nodes and rasterised content, drawn as image XObjects.

use kurbo::{Affine, Rect, Shape as _};
use pdf_writer::Name;

use super::canvas::Canvas;
use super::coordinates::matrix;
use super::error::PdfError;
use super::outline::{append_outline, is_writable};
use super::pictures::{StraightPixels, WrittenPicture, write_pixels};
use super::resources::ResourceKind;
use crate::paint::rasterized_group::RasterizedGroup;
use crate::scene::Image;

/// Maps the unit square of a PDF picture, y up, to the unit square with y down.
const FLIP_Y: Affine = Affine::new([1.0, 0.0, 0.0, -1.0, 0.0, 1.0]);

/// Paints the visible part of `image`.
pub(super) fn draw_image(canvas: &mut Canvas<'_>, image: &Image, transform: Affine) -> Result<(), PdfError> {
    let (width, height) = (f64::from(image.picture.width), f64::from(image.picture.height));
    let whole = Rect::new(0.0, 0.0, width, height);
    let (source, dest) = image.visible();
    if !(transform.transform_rect_bbox(dest).is_finite() && source.is_finite()) {
        canvas.skip("its position is not a finite number");
        return Ok(());
    }
    // An empty source, an empty target or zero opacity draws nothing and needs no warning.
    if dest.is_zero_area() || source.is_zero_area() || image.opacity.is_zero() {
        return Ok(());
    }
    let outline = dest.to_path(0.1);
    if !is_writable(&outline, transform, 0.0) {
        canvas.skip("it is too large");
        return Ok(());
    }
    if transform.transform_rect_bbox(dest).intersect(canvas.view).is_zero_area() {
        return Ok(());
    }
    let (x, y) = (dest.width() / source.width(), dest.height() / source.height());
    let left_top = dest.origin() - (source.x0 * x, source.y0 * y);
    let to_page = transform * Affine::translate(left_top.to_vec2()) * Affine::scale_non_uniform(width * x, height * y);
    let written = canvas.file.pictures.get_or_write(image, to_page, &mut canvas.file.objects)?;
    canvas.set_opacity(image.opacity.get())?;
    canvas.save();
    if source.abs() != whole {
        append_outline(canvas, &outline, transform);
        canvas.content.clip_nonzero().end_path();
    }
    draw_picture(canvas, written, to_page);
    canvas.restore();
    Ok(())
}

/// Draws rasterised content at its area of the page.
pub(super) fn draw_rasterized(canvas: &mut Canvas<'_>, rasterized: &RasterizedGroup) -> Result<(), PdfError> {
    let pixels =
        StraightPixels { size: rasterized.raster.size(), rgba: rasterized.raster.pixels().to_vec(), lossy: false };
    let Some(object) = write_pixels(&mut canvas.file.objects, pixels)? else { return Ok(()) };
    canvas.set_opacity(1.0)?;
    canvas.save();
    let to_page = Affine::translate(rasterized.area.origin().to_vec2())
        * Affine::scale_non_uniform(rasterized.area.width(), rasterized.area.height());
    draw_picture(canvas, WrittenPicture { object, orientation: Affine::IDENTITY }, to_page);
    canvas.restore();
    Ok(())
}

/// Draws a picture. `to_page` maps the unit square, y down, to the page.
fn draw_picture(canvas: &mut Canvas<'_>, written: WrittenPicture, to_page: Affine) {
    canvas.content.transform(matrix(to_page * written.orientation * FLIP_Y));
    let name = canvas.resources.name(ResourceKind::XObject, written.object);
    canvas.content.x_object(Name(name.as_bytes()));
}
