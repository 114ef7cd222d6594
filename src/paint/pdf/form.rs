//! Form XObjects: content streams that are drawn as one object, as layers and soft masks.

use kurbo::Rect;
use pdf_writer::{Filter, Finish as _, Ref};

use super::color::ColorTarget;
use super::coordinates::px;
use super::error::PdfError;
use super::objects::{ObjectWriter, stream_data};
use super::resources::PageResources;

/// Use of a form XObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormKind {
    /// A transparency group that is composited as a whole.
    Layer,
    /// A soft mask by luminosity.
    Luminosity,
}

/// Writes `content` as a form XObject with the bounding box `bounds`, in page px.
pub(super) fn write_form(
    objects: &mut ObjectWriter,
    content: Vec<u8>,
    resources: &PageResources,
    bounds: Rect,
    kind: FormKind,
) -> Result<Ref, PdfError> {
    let id = objects.next_ref()?;
    let compress = objects.settings.compress;
    let is_rgb = matches!(objects.settings.colors, ColorTarget::Rgb);
    let content = stream_data(&content, compress);
    let bounds = bounds.expand();
    let mut form = objects.chunk.form_xobject(id, &content);
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
