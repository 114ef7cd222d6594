//! Writes a document page by page; memory holds only the written bytes and the fonts in use.

use std::sync::Arc;

use jiff::Timestamp;
use kurbo::{Insets, Rect, Size};
use pdf_writer::types::{ActionType, AnnotationFlags, AnnotationType};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Ref, Settings, Str};

use super::super::OutputError;
use super::boxes::{PaperScale, Sheet, number, rect};
use super::cmyk::DesignColors;
use super::metadata::{Identity, Metadata};
use super::{intent, marks, raster, transparency};
use crate::inks::Inks;
use crate::options::PdfStandard;
use crate::paint::SurfaceLimits;
use crate::paint::pdf::{ColorTarget, LinkArea, PageResources, Painter, PdfError, PdfSettings, page_links};
use crate::print::PrintTarget;
use crate::raster::{Raster, Straight};
use crate::report::{JsonPath, Warning, WarningCode};
use crate::scene::Page;
use crate::units::{DeviceScale, Px};

/// Options that apply to all pages of a document.
#[derive(Clone, Debug)]
pub struct DocumentOptions {
    /// Size of a design px on paper.
    pub scale: PaperScale,
    /// Device px per design px of pages that are written as pictures.
    pub pixel_ratio: DeviceScale,
    /// Length of crop marks in design px; 0 for none.
    pub crop_marks: Px,
    /// JPEG quality of pages as pictures, 0 to 1; `None` for 0.92.
    pub quality: Option<f64>,
    /// Keep text and shapes as vectors.
    pub vector: bool,
    /// Write CMYK for this target instead of sRGB. Required by a print standard.
    pub print: Option<PrintTarget>,
    /// Print standard that the file conforms to.
    pub standard: Option<PdfStandard>,
    /// Title in the document's metadata.
    pub title: String,
    /// Creation date in the document's metadata; a whole second.
    pub created: Timestamp,
    /// Maximum size of pictures of elements that vector pages cannot represent.
    pub limits: SurfaceLimits,
    /// Whether streams are compressed; tests read uncompressed ones.
    pub compress: bool,
}

/// Minimum resolution in px per inch of rasterized elements on vector pages (pdf.md §4, §7).
const PRINT_PPI: f64 = 300.0;

const POINTS_PER_INCH: f64 = 72.0;

impl DocumentOptions {
    /// Device px per design px of rasterized elements on vector pages: `pixel_ratio`, or 300 px per inch if that is
    /// more.
    fn print_scale(&self) -> DeviceScale {
        let print = DeviceScale::new(PRINT_PPI * self.scale.get() / POINTS_PER_INCH);
        print.filter(|it| it.get() > self.pixel_ratio.get()).unwrap_or(self.pixel_ratio)
    }
}

/// The input that [`Writer`] needs for a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PageInput {
    /// The scene, passed to [`Writer::scene`].
    Scene,
    /// The pixels at this scale, passed to [`Writer::pixels`].
    Pixels(DeviceScale),
}

/// A document under construction: [`Writer::begin`], pages one by one, [`Writer::finish`].
pub struct Writer {
    options: DocumentOptions,
    pdf: Pdf,
    painter: Painter,
    ids: ReservedIds,
    pages: Vec<Ref>,
}

/// Ids of objects that a file has once; they are reserved first and written last.
struct ReservedIds {
    catalog: Ref,
    pages: Ref,
    info: Ref,
    metadata: Ref,
    profile: Ref,
    registration: Ref,
}

/// Content of one sheet with its resources.
struct PageBody<'a> {
    sheet: Sheet,
    /// Content stream in points.
    content: Vec<u8>,
    /// Fonts, images and other resources of the content.
    resources: Option<&'a PageResources>,
    /// The page as a picture.
    picture: Option<Ref>,
    links: &'a [LinkArea],
}

/// Resource name of a page's picture.
const PICTURE: Name<'static> = Name(b"Page");

impl Writer {
    /// Starts a document without pages.
    ///
    /// # Errors
    /// When object ids run out, see [`PdfError`]; does not happen in practice.
    pub fn begin(options: DocumentOptions) -> Result<Self, OutputError> {
        let settings = PdfSettings {
            colors: match &options.print {
                None => ColorTarget::Rgb,
                Some(print) => ColorTarget::Cmyk(Arc::new(print.clone())),
            },
            raster_scale: options.print_scale(),
            limits: options.limits,
            compress: options.compress,
        };
        let mut painter = Painter::new(Ref::new(1), settings);
        let ids = ReservedIds {
            catalog: painter.next_ref()?,
            pages: painter.next_ref()?,
            info: painter.next_ref()?,
            metadata: painter.next_ref()?,
            profile: painter.next_ref()?,
            registration: painter.next_ref()?,
        };
        let mut pdf = Pdf::with_settings(Settings { pretty: !options.compress });
        match options.standard {
            Some(PdfStandard::X1a) => pdf.set_version(1, 4), // X-1a:2003; the 2001 edition lacks Unicode maps
            Some(PdfStandard::X4) => pdf.set_version(1, 6),
            None => pdf.set_version(1, 7),
        }
        Ok(Self { options, pdf, painter, ids, pages: Vec::new() })
    }

    /// Device px per design px of pictures that are rendered before a page is passed to this writer: of SVG content
    /// that paths cannot represent.
    pub fn raster_scale(&self) -> DeviceScale {
        if self.options.vector { self.options.print_scale() } else { self.options.pixel_ratio }
    }

    /// Sets the inks of the design whose pages follow. They have an effect on vector pages in CMYK.
    pub fn set_inks(&mut self, inks: Arc<Inks>) {
        if let Some(target) = self.options.print.clone() {
            self.painter.set_colors(ColorTarget::Cmyk(Arc::new(DesignColors { target, inks })));
        }
    }

    /// The input that this writer needs for `page`.
    pub fn required_input(&self, page: &Page) -> PageInput {
        if !self.options.vector {
            return PageInput::Pixels(self.options.pixel_ratio);
        }
        if self.options.standard == Some(PdfStandard::X1a) && transparency::has_transparency(page) {
            return PageInput::Pixels(self.options.print_scale());
        }
        PageInput::Scene
    }

    /// Adds a page as vectors. `at`: its path in the JSON, for warnings. `abandoned` is called between elements;
    /// painting stops when it returns true.
    ///
    /// # Errors
    /// A sheet that is too large, or content that cannot be written; see [`PdfError`].
    pub fn scene(
        &mut self,
        page: &Page,
        at: &JsonPath,
        abandoned: &dyn Fn() -> bool,
    ) -> Result<Vec<Warning>, OutputError> {
        let sheet = self.sheet(page.size, page.bleed)?;
        let painted = self.painter.page(page, abandoned)?;
        self.pdf.extend(&painted.objects);
        let mut warnings = painted.warnings;
        let links = self.allowed_links(painted.links, at, &mut warnings);
        let mut start = Content::new();
        start.save_state();
        clip(&mut start, sheet.bleed);
        start.transform(sheet.to_points().as_coeffs().map(|it| it as f32));
        let mut content = start.finish().to_vec();
        content.push(b'\n');
        content.extend(painted.content);
        content.extend(b"\nQ");
        self.page(PageBody { sheet, content, resources: Some(&painted.resources), picture: None, links: &links })?;
        Ok(warnings)
    }

    /// Adds a page as a picture: `raster` covers the trim and the bleed of `page`.
    ///
    /// # Errors
    /// A sheet or picture that is too large.
    pub fn pixels(
        &mut self,
        page: &Page,
        raster: &Raster<Straight>,
        at: &JsonPath,
    ) -> Result<Vec<Warning>, OutputError> {
        let sheet = self.sheet(page.size, page.bleed)?;
        let picture = self.painter.next_ref()?;
        raster::write(&mut self.pdf, picture, raster, self.options.quality, self.options.print.as_ref())?;
        let mut content = Content::new();
        let Rect { x0, y0, x1, y1 } = sheet.bleed;
        content.save_state();
        content.transform([number(x1 - x0), 0.0, 0.0, number(y1 - y0), number(x0), number(y0)]);
        content.x_object(PICTURE).restore_state();
        let content = content.finish().to_vec();
        let mut warnings = Vec::new();
        let links = self.allowed_links(page_links(page), at, &mut warnings);
        self.page(PageBody { sheet, content, resources: None, picture: Some(picture), links: &links })?;
        if !self.options.vector {
            return Ok(warnings);
        }
        let ppi = self.options.print_scale().get() * POINTS_PER_INCH / self.options.scale.get();
        let message =
            format!("PDF/X-1a forbids transparency, so this page was written as one picture of {ppi:.0} px per inch");
        warnings.push(page_warning(at, WarningCode::NotSupported, message));
        Ok(warnings)
    }

    /// The links that the file may have: none, with a warning, where a print standard forbids them.
    fn allowed_links(&self, links: Vec<LinkArea>, at: &JsonPath, warnings: &mut Vec<Warning>) -> Vec<LinkArea> {
        if self.options.standard.is_none() || links.is_empty() {
            return links;
        }
        let message = "PDF/X forbids links; the links on this page were left out";
        warnings.push(page_warning(at, WarningCode::NotSupported, message));
        Vec::new()
    }

    /// Number of pages so far.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether the document has no page yet.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Removes all pages but the first `count`. Their bytes stay in the file, unreferenced: later pages may use
    /// pictures and fonts that they brought.
    pub fn truncate(&mut self, count: usize) {
        self.pages.truncate(count);
    }

    /// Completes the file and returns its bytes.
    ///
    /// # Errors
    /// Fonts that cannot be embedded; see [`PdfError`].
    pub fn finish(self) -> Result<Vec<u8>, OutputError> {
        let Self { options, mut pdf, painter, ids, pages } = self;
        let (shared, _) = painter.finish()?;
        pdf.extend(&shared);
        drop(shared);
        let count = i32::try_from(pages.len()).map_err(|_| PdfError::TooManyObjects)?;
        pdf.pages(ids.pages).kids(pages).count(count);
        if let Some(print) = &options.print {
            intent::profile(&mut pdf, ids.profile, &print.profile);
            if options.crop_marks.0 > 0.0 {
                marks::registration(&mut pdf, ids.registration);
            }
        }
        let metadata = Metadata { title: options.title, created: options.created, standard: options.standard };
        metadata.write_info(&mut pdf, ids.info);
        let identity = Identity::of(pdf.as_bytes());
        // Uncompressed, as programs without a PDF parser search the bytes for the packet (XMP part 3, 3).
        pdf.metadata(ids.metadata, metadata.xmp(identity).as_bytes());
        pdf.set_file_id((identity.bytes(), identity.bytes()));
        let mut catalog = pdf.catalog(ids.catalog);
        catalog.pages(ids.pages).metadata(ids.metadata);
        if let Some(print) = &options.print {
            intent::write(&mut catalog, &print.profile, ids.profile);
        }
        catalog.finish();
        Ok(pdf.finish())
    }

    fn sheet(&self, size: Size, bleed: Insets) -> Result<Sheet, OutputError> {
        Sheet::new(size, bleed, self.options.crop_marks, self.options.scale)
    }

    fn page(&mut self, body: PageBody<'_>) -> Result<(), OutputError> {
        let PageBody { sheet, content, resources, picture, links } = body;
        let mut marks = Content::new();
        marks::draw(&mut marks, &sheet, self.options.print.is_some());
        let mut content = content;
        content.push(b'\n');
        content.extend_from_slice(&marks.finish());
        let contents = self.painter.next_ref()?;
        self.stream(contents, &content);
        let links = links.iter().map(|link| self.link(&sheet, link)).collect::<Result<Vec<_>, _>>()?;

        let id = self.painter.next_ref()?;
        self.pages.push(id);
        let mut page = self.pdf.page(id);
        page.parent(self.ids.pages).contents(contents);
        page.media_box(rect(sheet.media)).crop_box(rect(sheet.media));
        page.bleed_box(rect(sheet.bleed)).trim_box(rect(sheet.trim));
        if !links.is_empty() {
            page.annotations(links);
        }
        if picture.is_none() && self.options.standard != Some(PdfStandard::X1a) {
            // Translucent colours are mixed in the file's own colour space, independent of the viewer's.
            let mut group = page.group();
            group.transparency();
            match self.options.print {
                None => group.color_space().device_rgb(),
                Some(_) => group.color_space().device_cmyk(),
            }
        }
        let mut all = page.resources();
        if let Some(resources) = resources {
            resources.write(&mut all);
        }
        if let Some(picture) = picture {
            all.x_objects().pair(PICTURE, picture);
        }
        if self.options.print.is_some() && self.options.crop_marks.0 > 0.0 {
            all.color_spaces().pair(marks::REGISTRATION, self.ids.registration);
        }
        Ok(())
    }

    fn stream(&mut self, id: Ref, content: &[u8]) {
        if self.options.compress {
            let packed = raster::deflate(content);
            self.pdf.stream(id, &packed).filter(Filter::FlateDecode);
        } else {
            self.pdf.stream(id, content);
        }
    }

    fn link(&mut self, sheet: &Sheet, link: &LinkArea) -> Result<Ref, OutputError> {
        let id = self.painter.next_ref()?;
        let area = sheet.to_points().transform_rect_bbox(link.rect);
        let mut annotation = self.pdf.annotation(id);
        annotation.subtype(AnnotationType::Link).rect(rect(area)).flags(AnnotationFlags::PRINT);
        annotation.border(0.0, 0.0, 0.0, None);
        annotation.action().action_type(ActionType::Uri).uri(Str(ascii(&link.url).as_bytes()));
        Ok(id)
    }
}

fn clip(content: &mut Content, area: Rect) {
    let [x0, y0, x1, y1] = [area.x0, area.y0, area.x1, area.y1].map(number);
    content.rect(x0, y0, x1 - x0, y1 - y0).clip_nonzero().end_path();
}

/// Percent-encodes non-ASCII characters as browsers do: URIs in PDF are ASCII (ISO 32000-1, 12.6.4.7).
fn ascii(url: &str) -> String {
    url.bytes()
        .map(|it| if it.is_ascii_graphic() { char::from(it).to_string() } else { format!("%{it:02X}") })
        .collect()
}

fn page_warning(at: &JsonPath, code: WarningCode, message: impl Into<String>) -> Warning {
    Warning { code, path: at.clone(), element: "".into(), message: message.into() }
}
