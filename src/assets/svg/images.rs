//! Images embedded in a document, decoded with `assets::decode` within its limits. Only `data:` URLs are loaded.
//!
//! usvg's tree holds encoded bytes, and resvg decodes them without limits, colour profiles or orientation. So the tree
//! gets plain PNGs made from the decoded pixels, and a table maps those bytes back to the pixels.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use usvg::{ImageHrefResolver, ImageKind, Options, Tree, fontdb};

use super::error::SvgError;
use super::normalized::NormalizedSvg;
use super::source::DEFAULT_SIZE;
use super::{fonts, source};
use crate::assets::decode::{self, DecodeError};
use crate::assets::memory::{MemoryError, PictureMemory, RequestMemory};
use crate::config::AssetLimits;
use crate::scene::DecodedImage;

/// Maximum depth of nested documents, each of which runs usvg recursively.
const MAX_NESTING: u32 = 3;

/// Maximum number of sentences about dropped parts.
const MAX_SKIPPED: usize = 20;

/// The embedded images of one document, and the resolver through which usvg gets them.
pub(super) struct Images {
    limits: AssetLimits,
    fonts: Arc<fontdb::Database>,
    memory: Option<Arc<RequestMemory>>,
    state: Mutex<ImagesState>,
}

struct ImagesState {
    /// Pictures by the address of their PNG in the tree, which the table keeps alive.
    pictures: HashMap<usize, (Arc<Vec<u8>>, Arc<DecodedImage>)>,
    /// PNGs by the bytes of the original file, because `use` resolves the same image repeatedly.
    seen: HashMap<Arc<Vec<u8>>, Arc<Vec<u8>>>,
    /// Megapixels that further images of the document may have.
    megapixels_left: f64,
    nesting: u32,
    skipped: Vec<String>,
    /// Why the document cannot be drawn without a picture that was not tried.
    refusal: Option<MemoryError>,
}

impl Images {
    /// `memory`: that of the request's pictures.
    pub(super) fn new(
        limits: &AssetLimits,
        fonts: Arc<fontdb::Database>,
        memory: Option<&Arc<RequestMemory>>,
    ) -> Arc<Self> {
        let state = ImagesState {
            pictures: HashMap::new(),
            seen: HashMap::new(),
            megapixels_left: limits.megapixels,
            nesting: 0,
            skipped: Vec::new(),
            refusal: None,
        };
        Arc::new(Self { limits: limits.clone(), fonts, memory: memory.cloned(), state: Mutex::new(state) })
    }

    /// Parses a document that passed `budget` to usvg's tree.
    pub(super) fn parse(self: &Arc<Self>, source: &str) -> Result<Tree, SvgError> {
        let (data, string) = (self.clone(), self.clone());
        let options = Options {
            default_size: usvg::Size::from_wh(DEFAULT_SIZE.width as f32, DEFAULT_SIZE.height as f32)
                .unwrap_or(Options::default().default_size),
            // The default of browsers.
            font_size: 16.0,
            fontdb: self.fonts.clone(),
            font_family: "serif".into(),
            font_resolver: fonts::resolver(),
            image_href_resolver: ImageHrefResolver {
                resolve_data: Box::new(move |_, bytes, _| data.resolve(bytes)),
                resolve_string: Box::new(move |href, _| {
                    let start: String = href.chars().take(80).collect();
                    string
                        .skip(format!("an image inside the SVG is not loaded because it is not a data: URL: {start}"));
                    None
                }),
            },
            ..Options::default()
        };
        let tree = Tree::from_str(source, &options).map_err(|error| match error {
            usvg::Error::ElementsLimitReached => SvgError::TooComplex { found: 1_000_000, limit: 1_000_000 },
            error => SvgError::Usvg(Arc::new(error)),
        })?;
        self.state.lock().refusal.map_or(Ok(tree), |refusal| Err(SvgError::Memory(refusal)))
    }

    /// The pixels for the bytes of an image in the tree.
    pub(super) fn picture(&self, bytes: &Arc<Vec<u8>>) -> Option<Arc<DecodedImage>> {
        self.state.lock().pictures.get(&address(bytes)).map(|(_, picture)| picture.clone())
    }

    pub(super) fn into_skipped(self: Arc<Self>) -> Vec<String> {
        std::mem::take(&mut self.state.lock().skipped)
    }

    /// Adds a sentence about a dropped part.
    pub(super) fn skip(&self, sentence: String) {
        let mut state = self.state.lock();
        if state.skipped.len() < MAX_SKIPPED && !state.skipped.contains(&sentence) {
            state.skipped.push(sentence);
        }
    }

    /// Decodes an embedded image by its bytes; the declared media type is ignored.
    fn resolve(self: &Arc<Self>, bytes: Arc<Vec<u8>>) -> Option<ImageKind> {
        if let Some(png) = self.state.lock().seen.get(&bytes) {
            return Some(ImageKind::PNG(png.clone()));
        }
        let megapixels = self.state.lock().megapixels_left;
        let limits = AssetLimits { megapixels, ..self.limits.clone() };
        let memory = self.memory.as_ref().map_or_else(PictureMemory::default, PictureMemory::of);
        match decode::picture(&bytes, &limits, &memory) {
            Ok(Some(picture)) => self.store(bytes, picture),
            Ok(None) => self.nested(&bytes),
            Err(DecodeError::Memory(error)) => {
                self.state.lock().refusal.get_or_insert(error);
                None
            }
            Err(error) => {
                self.skip(format!("an image inside the SVG is not drawn: {error}"));
                None
            }
        }
    }

    fn store(&self, bytes: Arc<Vec<u8>>, picture: DecodedImage) -> Option<ImageKind> {
        let Some(png) = to_png(&picture) else {
            self.skip("an image inside the SVG is not drawn: it cannot be encoded as PNG".into());
            return None;
        };
        let png = Arc::new(png);
        let mut state = self.state.lock();
        state.megapixels_left -= f64::from(picture.width) * f64::from(picture.height) / 1e6;
        state.pictures.insert(address(&png), (png.clone(), Arc::new(picture)));
        state.seen.insert(bytes, png.clone());
        Some(ImageKind::PNG(png))
    }

    fn nested(self: &Arc<Self>, bytes: &[u8]) -> Option<ImageKind> {
        {
            let mut state = self.state.lock();
            if state.nesting < MAX_NESTING {
                state.nesting += 1;
            } else {
                drop(state);
                self.skip(format!("an SVG inside the SVG is not drawn: it is nested deeper than {MAX_NESTING} levels"));
                return None;
            }
        }
        let tree = NormalizedSvg::new(bytes).and_then(|normalized| {
            normalized.notes.into_iter().for_each(|note| self.skip(note));
            self.parse(&source::clipped(&source::parse(&normalized.source)?))
        });
        self.state.lock().nesting -= 1;
        match tree {
            Ok(tree) => Some(ImageKind::SVG(tree)),
            Err(error) => {
                self.skip(format!("an SVG inside the SVG is not drawn: {error}"));
                None
            }
        }
    }
}

fn address(bytes: &Arc<Vec<u8>>) -> usize {
    Arc::as_ptr(bytes) as usize
}

/// Encodes a PNG without compression, because it is decoded at once or not at all.
fn to_png(picture: &DecodedImage) -> Option<Vec<u8>> {
    let straight: Vec<u8> = picture
        .pixels
        .data()
        .chunks_exact(4)
        .flat_map(|p| {
            let alpha = u32::from(p[3]);
            let divide = |c: u8| (u32::from(c) * 255 + alpha / 2).checked_div(alpha).unwrap_or(0).min(255) as u8;
            [divide(p[0]), divide(p[1]), divide(p[2]), p[3]]
        })
        .collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::NoCompression);
    encoder.write_header().ok()?.write_image_data(&straight).ok()?;
    Some(out)
}
