//! Writes painted pages into a minimal PDF document in which 1 design px is 1 pt.

use pdf_writer::{Finish as _, Pdf, Rect, Ref, Str};
use tenter::paint::SurfaceLimits;
use tenter::paint::pdf::{ColorTarget, Painter, PdfError, PdfSettings};
use tenter::report::Warning;
use tenter::scene::Page;
use tenter::units::DeviceScale;

pub(crate) struct Document {
    pub(crate) bytes: Vec<u8>,
    pub(crate) warnings: Vec<Warning>,
}

pub(crate) fn settings() -> PdfSettings {
    PdfSettings {
        colors: ColorTarget::Rgb,
        raster_scale: DeviceScale::new(300.0 / 72.0).unwrap(),
        limits: SurfaceLimits { side: 16_384, megapixels: 100.0 },
        compress: true,
    }
}

/// Writes `pages` as a PDF file.
pub(crate) fn write(pages: &[Page], settings: PdfSettings) -> Result<Document, PdfError> {
    let [catalog, tree] = [Ref::new(1), Ref::new(2)];
    let compress = settings.compress;
    let mut painter = Painter::new(Ref::new(3), settings);
    let mut pdf = Pdf::new();
    let mut ids = Vec::new();
    let mut warnings = Vec::new();
    for page in pages {
        let painted = painter.page(page, &|| false)?;
        warnings.extend(painted.warnings);
        pdf.extend(&painted.objects);
        let (id, content) = (painter.next_ref()?, painter.next_ref()?);
        let links: Vec<Ref> = painted.links.iter().map(|_| painter.next_ref()).collect::<Result<_, _>>()?;
        ids.push(id);
        let sheet = page.visible();
        let (width, height) = (sheet.width() as f32, sheet.height() as f32);
        let mut stream = format!("1 0 0 -1 {} {} cm\n", 0.0 - sheet.x0, sheet.y1).into_bytes();
        stream.extend(painted.content);
        let packed = match compress {
            true => deflated(&stream),
            false => stream,
        };
        let mut written = pdf.stream(content, &packed);
        if compress {
            written.filter(pdf_writer::Filter::FlateDecode);
        }
        written.finish();
        let mut written = pdf.page(id);
        written.parent(tree).media_box(Rect::new(0.0, 0.0, width, height)).contents(content);
        painted.resources.write(&mut written.resources());
        if !links.is_empty() {
            written.annotations(links.iter().copied());
        }
        written.finish();
        for (id, link) in links.iter().zip(&painted.links) {
            let area = Rect::new(
                (link.rect.x0 - sheet.x0) as f32,
                (sheet.y1 - link.rect.y1) as f32,
                (link.rect.x1 - sheet.x0) as f32,
                (sheet.y1 - link.rect.y0) as f32,
            );
            let mut annotation = pdf.annotation(*id);
            annotation.subtype(pdf_writer::types::AnnotationType::Link).rect(area).border(0.0, 0.0, 0.0, None);
            annotation.action().action_type(pdf_writer::types::ActionType::Uri).uri(Str(link.url.as_bytes()));
        }
    }
    pdf.catalog(catalog).pages(tree);
    pdf.pages(tree).count(ids.len() as i32).kids(ids);
    let (rest, _) = painter.finish()?;
    pdf.extend(&rest);
    Ok(Document { bytes: pdf.finish(), warnings })
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
