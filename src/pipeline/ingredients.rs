//! The ingredients of a file, hashed to its fingerprint.
//!
//! Two CPU-painted files with the same fingerprint have the same bytes. The fingerprint is SHA-256 over the design with
//! its variables filled in, its assets, the options, the fonts and colour profiles of the service, the limits that a
//! plan depends on, the identity of this program ([`program_id`]), and the painter. Left out is what no byte depends
//! on: caches, threads, timeouts, the path of the design in its request, page ids (page indices count), and options
//! that only affect warnings.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fingerprint::Fingerprint;
use super::loaded_request::LoadedRequest;
use super::resources::{LoadedAssets, Resources};
use super::results::CacheKey;
use crate::assets::AssetRequests;
use crate::design::ORDERED_MEMBERS;
use crate::hash::ContentHash;
use crate::inks::Inks;
use crate::json::{self, DigestOptions};
use crate::options::{OptionDefaults, RenderOptions};
use crate::print::PrintTarget;
use crate::report::JsonPath;

/// Version of the hashing scheme; it changes whenever the same ingredients are hashed differently.
const SCHEME: &str = "tenter fingerprint 2";

/// Generation of the pixels and bytes that this program produces; raised with every change that a reference picture
/// shows. A test compares the pictures with [`tests::GOLDENS`] and fails until both are updated.
const PIXEL_GENERATION: u32 = 2;

/// The locked versions of all dependencies.
const DEPENDENCIES: &str = include_str!("../../Cargo.lock");

/// Shortest `data:` URL in bytes that is replaced by a reference to its asset's hash; for shorter ones the lookup would
/// cost as much as hashing them.
const LONG_URL: usize = 4096;

/// Digest of a design with its variables filled in. A long `data:` URL that is among `requests` is not hashed again:
/// `assets` hashes its bytes, and [`Ingredients`] includes that hash.
pub(super) fn of_design(design: &Value, requests: &AssetRequests) -> ContentHash {
    let mut long = HashMap::new();
    for (index, request) in requests.iter().enumerate().filter(|(_, it)| is_long_data_url(&it.url)) {
        long.entry(sample(&request.url)).or_insert((index, &*request.url));
    }
    let reference = |text: &str| {
        let (index, url) = long.get(&sample(Some(text).filter(|it| is_long_data_url(it))?))?;
        (*url == text).then_some(*index)
    };
    json::digest(design, &DigestOptions { ordered: ORDERED_MEMBERS, reference: &reference })
}

/// `digest`, of a design, with the inks that it gives, which its screen colours do not show.
pub(super) fn with_inks(digest: ContentHash, inks: &Inks) -> ContentHash {
    if inks.is_empty() {
        return digest;
    }
    let mut bytes = digest.as_bytes().to_vec();
    for (color, inks) in inks.entries() {
        bytes.extend(color.iter().chain(&inks).flat_map(|it| it.to_le_bytes()));
    }
    ContentHash::of(&bytes)
}

fn is_long_data_url(text: &str) -> bool {
    text.len() >= LONG_URL && text.starts_with("data:")
}

/// Cheap key of a long URL: its length and bytes in its middle. URLs with the same key are compared by a hash of the
/// whole text.
fn sample(url: &str) -> (usize, [u8; 32]) {
    let (middle, mut bytes) = (url.len() / 2, [0; 32]);
    bytes.iter_mut().zip(&url.as_bytes()[middle..]).for_each(|(to, from)| *to = *from);
    (url.len(), bytes)
}

/// Hash state over everything that the files of one request have in common: all but the page and the painter.
#[derive(Clone)]
pub(super) struct Ingredients(Sha256);

impl Ingredients {
    pub(super) fn new(resources: &Resources, request: &LoadedRequest) -> Self {
        let LoadedRequest { prepared, loaded } = request;
        let mut list = Self(Sha256::new());
        list.text(SCHEME);
        list.text(program_id());
        list.text(prepared.format.name());
        list.options(&prepared.options);
        list.text(resources.defaults.sdk(&prepared.options).as_str());
        list.bytes(prepared.digest.as_bytes());
        list.count(prepared.pages.len());
        prepared.pages.iter().for_each(|page| list.count(*page));
        list.assets(loaded);
        list.bytes(resources.library.folder_digest());
        if let Some(PrintTarget { profile, .. }) = &prepared.print {
            list.bytes(profile.hash().as_bytes());
        }
        let limits = resources.rasterizer.limits();
        list.count(limits.side as usize);
        list.bytes(&limits.megapixels.to_le_bytes());
        list
    }

    /// Fingerprint of the picture of the page at `index` in the design. `painter`: [`Resources::painter_name`].
    pub(super) fn picture(&self, index: usize, painter: &str) -> Fingerprint {
        let mut list = self.clone();
        list.count(index);
        list.text(painter);
        list.fingerprint()
    }

    /// Fingerprint of a document with the creation date `created`, in whole seconds. `painters`: of its pages, in
    /// order.
    pub(super) fn document<'a>(&self, created: Timestamp, painters: impl Iterator<Item = &'a str>) -> Fingerprint {
        let mut list = self.clone();
        list.bytes(&created.as_second().to_le_bytes());
        painters.for_each(|painter| list.text(painter));
        list.fingerprint()
    }

    /// Starts a document of many requests.
    pub(super) fn of_parts() -> Self {
        let mut list = Self(Sha256::new());
        list.text(SCHEME);
        list.text("parts");
        list
    }

    /// Adds the pages of one more request, made of `part`. `painters`: of its pages, in order.
    pub(super) fn add_part<'a>(&mut self, part: &Self, painters: impl ExactSizeIterator<Item = &'a str>) {
        self.bytes(ContentHash::from(part.0.clone()).as_bytes());
        self.count(painters.len());
        painters.for_each(|painter| self.text(painter));
    }

    /// Adds a further value that the bytes depend on.
    pub(super) fn add(&mut self, what: &str) {
        self.text(what);
    }

    /// Key of the result cache: includes options that affect only warnings or whether there is an answer at all, and
    /// excludes the painter and the creation time.
    pub(super) fn cache_key(&self, options: &RenderOptions, defaults: &OptionDefaults, at: &JsonPath) -> CacheKey {
        let mut list = self.clone();
        list.json(&json!({
            "minImageDpi": defaults.min_image_dpi(options),
            "skipFontError": options.skip_font_error,
            "skipImageError": options.skip_image_error,
            "skipUnknown": options.skip_unknown,
            "assetLoadTimeout": options.asset_load_timeout,
            "fontLoadTimeout": options.font_load_timeout,
            "creationDate": options.creation_date.map(|it| it.to_string()),
            "reproducible": options.reproducible,
            "variables": options.variables.as_ref().map(|it| it.names().collect::<Vec<_>>()),
        }));
        list.text(&at.to_string());
        list.0.into()
    }

    /// Hashes the options that bytes depend on. The destructuring has no `..`, so that a new option must be assigned
    /// here.
    fn options(&mut self, options: &RenderOptions) {
        let RenderOptions {
            pixel_ratio,
            ignore_background,
            include_bleed,
            text_overflow,
            text_vertical_resize,
            missing_height,
            text_sizing,
            text_split_allowed,
            line_breaking,
            css_gradients,
            quality,
            compression,
            dpi,
            dpi_metadata,
            crop_mark_size,
            vector,
            color,
            black_text,
            pdf_standard,
            pdf_archive,
            title,
            fps,
            // the resolved format and pages are hashed instead
            format: _,
            mime_type: _,
            page_id: _,
            page_ids: _,
            // the loaded assets are hashed instead
            skip_font_error: _,
            skip_image_error: _,
            // without it there is no answer
            skip_unknown: _,
            asset_load_timeout: _,
            font_load_timeout: _,
            // the resolved version is hashed instead
            sdk: _,
            // affects warnings only
            min_image_dpi: _,
            // the resolved date is hashed instead
            creation_date: _,
            reproducible: _,
            // already filled into the design
            variables: _,
        } = options;
        self.json(&json!({
            "pixelRatio": pixel_ratio.get(),
            "ignoreBackground": ignore_background,
            "includeBleed": include_bleed,
            "textOverflow": text_overflow,
            "textVerticalResizeEnabled": text_vertical_resize,
            "missingHeight": missing_height,
            "textSizing": text_sizing,
            "textSplitAllowed": text_split_allowed,
            "lineBreaking": line_breaking,
            "cssGradients": css_gradients,
            "quality": quality,
            "compression": compression,
            "dpi": dpi,
            "dpiMetadata": dpi_metadata,
            "cropMarkSize": crop_mark_size,
            "vector": vector,
            "color": color,
            "blackText": black_text,
            "pdfStandard": pdf_standard,
            "pdfa": pdf_archive,
            "title": title,
            "fps": fps,
        }));
    }

    fn assets(&mut self, loaded: &LoadedAssets) {
        let hashes = loaded.assets.hashes();
        self.count(hashes.len());
        for hash in hashes {
            match hash {
                Some(hash) => self.bytes(hash.as_bytes()),
                None => self.text("missing"),
            }
        }
        self.count(loaded.web_faces.len());
        for (family, faces) in &loaded.web_faces {
            self.text(family);
            self.count(faces.len());
            for face in faces {
                self.count(usize::from(*face.weights.start()));
                self.count(usize::from(*face.weights.end()));
                self.count(usize::from(face.italic));
                self.bytes(face.hash.as_bytes());
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    /// Hashes `value` as [`json::digest`] does.
    fn json(&mut self, value: &Value) {
        self.bytes(json::digest(value, &DigestOptions { ordered: &[], reference: &|_| None }).as_bytes());
    }

    fn count(&mut self, number: usize) {
        self.bytes(&(number as u64).to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn fingerprint(self) -> Fingerprint {
        Fingerprint(self.0.into())
    }
}

/// Identity of this program as far as bytes depend on it: the generation of its pixels, its dependencies, libraries
/// chosen at build time, and the floating-point arithmetic of the machine. Processors without fused multiply-add round
/// some edges differently (see `ops_cpu`).
fn program_id() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| {
        let dependencies = Sha256::digest(DEPENDENCIES);
        let turbo = if cfg!(feature = "turbo") { "turbo" } else { "" };
        let (system, processor) = (std::env::consts::OS, std::env::consts::ARCH);
        let fused = if is_fused() { "fma" } else { "" };
        format!("{PIXEL_GENERATION} {dependencies:x} {turbo} {system} {processor} {fused}")
    });
    &ID
}

#[cfg(target_arch = "x86_64")]
fn is_fused() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

/// All other supported processors have fused multiply-add.
#[cfg(not(target_arch = "x86_64"))]
fn is_fused() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;
    use crate::assets::Loader;
    use crate::assets::{AssetKind, AssetRequest};
    use crate::config::{RasterizerChoice, Settings};
    use crate::options::RenderOptions;
    use crate::paint::{
        CpuRasterizer, FramePlan, GpuReport, PagePrefix, PaintError, Painted, Rasterizer, Report, SurfaceLimits,
    };
    use crate::pipeline::{Engine, Pages, RenderRequest, RenderedPage, format_for};
    use crate::pool::Pool;

    fn requests(urls: &[&str]) -> AssetRequests {
        let mut requests = AssetRequests::default();
        for url in urls {
            requests.push(AssetRequest {
                url: (*url).into(),
                kind: AssetKind::Image,
                at: JsonPath::root(),
                element: Arc::default(),
            });
        }
        requests
    }

    #[test]
    fn fingerprint_is_64_digits() {
        let fingerprint = Ingredients(Sha256::new()).picture(0, "cpu").to_string();
        assert_eq!(fingerprint.len(), 64);
        assert!(fingerprint.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it)), "{fingerprint}");
    }

    #[test]
    fn fingerprint_of_a_document_depends_on_its_date_and_every_painter() {
        let list = Ingredients(Sha256::new());
        let of = |second: i64, painters: &[&str]| {
            list.document(Timestamp::from_second(second).expect("in range"), painters.iter().copied())
        };
        assert_eq!(of(5, &["cpu", "pdf"]), of(5, &["cpu", "pdf"]));
        for other in [of(6, &["cpu", "pdf"]), of(5, &["pdf", "cpu"]), of(5, &["cpu"]), of(5, &["cpupdf"])] {
            assert_ne!(of(5, &["cpu", "pdf"]), other);
        }
    }

    #[test]
    fn fingerprint_of_parts_depends_on_their_order_and_page_counts() {
        let part = |name: &str| {
            let mut list = Ingredients(Sha256::new());
            list.text(name);
            list
        };
        let of = |parts: &[(&str, &[&str])]| {
            let mut all = Ingredients::of_parts();
            parts.iter().for_each(|(name, painters)| all.add_part(&part(name), painters.iter().copied()));
            all.document(Timestamp::UNIX_EPOCH, std::iter::empty())
        };
        let list: &[(&str, &[&str])] = &[("a", &["cpu", "pdf"]), ("b", &["pdf"])];
        assert_eq!(of(list), of(list));
        let others: [&[(&str, &[&str])]; 4] = [
            &[("b", &["pdf"]), ("a", &["cpu", "pdf"])],
            &[("a", &["cpu"]), ("b", &["pdf", "pdf"])],
            &[("a", &["cpu", "pdf"])],
            &[("a", &["cpu", "pdf"]), ("b", &["pdf"]), ("b", &["pdf"])],
        ];
        others.iter().for_each(|other| assert_ne!(of(list), of(other)));
    }

    /// A long `data:` URL is identified by its index among the requests, any other string by its content.
    #[test]
    fn fingerprint_of_a_design_identifies_long_urls_by_their_index() {
        let url = |middle: &str| format!("data:,{}{middle}{}", "a".repeat(LONG_URL), "a".repeat(LONG_URL));
        let (one, two) = (url("1"), url("2"));
        let of = |src: &str, list: &[&str]| of_design(&json!({"src": src, "text": &two}), &requests(list));
        assert_eq!(of(&one, &["http://x/", &one]), of(&one, &["http://x/", &one]));
        assert_eq!(
            of(&one, &["", &one]),
            of(&url("3"), &["", &url("3")]),
            "its content is in the digests of the assets"
        );
        assert_ne!(of(&one, &["", &one]), of(&one, &[&one]), "another asset");
        assert_ne!(of(&one, &["", &one]), of(&one, &[]), "no asset at all");
        // A URL with the same length and middle is not taken for the first.
        let like = format!("{}b", &one[..one.len() - 1]);
        assert_ne!(of(&like, &["", &one]), of(&one, &["", &one]));
    }

    /// A GPU that loses every other page: those are painted by the CPU. Here the CPU paints the others too, under the
    /// GPU's name.
    struct Faulty {
        cpu: CpuRasterizer,
        pages: AtomicUsize,
    }

    impl Rasterizer for Faulty {
        fn name(&self) -> &'static str {
            "gpu"
        }

        fn limits(&self) -> SurfaceLimits {
            self.cpu.limits()
        }

        fn submit(
            &self,
            plan: FramePlan,
            prefix: Option<PagePrefix>,
        ) -> oneshot::Receiver<Result<Painted, PaintError>> {
            let painted = self.cpu.submit(plan, prefix);
            if self.pages.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                return painted;
            }
            let (sender, receiver) = oneshot::channel();
            tokio::spawn(async move {
                let painted = painted.await.expect("an answer").map(|painted| Painted { by: "gpu0", ..painted });
                sender.send(painted).expect("the receiver is awaited");
            });
            receiver
        }

        fn report(&self) -> Report {
            let gpu = GpuReport { name: "gpu0".into(), adapter: "NVIDIA H100".into(), ..GpuReport::default() };
            Report { gpus: vec![gpu], ..Report::default() }
        }
    }

    async fn page(engine: &Engine, format: &str) -> RenderedPage {
        let options = RenderOptions { reproducible: true, format: Some(format.into()), ..RenderOptions::default() };
        let format = format_for(None, &options).expect("known");
        let design = json!({"width": 20, "height": 10, "pages": [{"background": "tomato"}, {"background": "teal"}]});
        let pages = Pages::of(&options, format);
        let request = RenderRequest { design, at: JsonPath::root(), options, format, pages };
        engine.render(request).await.expect("a file").pages.remove(0)
    }

    #[tokio::test]
    async fn fingerprint_depends_on_the_actual_painter() {
        let mut settings = Settings::default();
        settings.render.rasterizer = RasterizerChoice::Cpu;
        let plain = Engine::new(&settings).expect("an engine");
        let pool = Arc::new(Pool::new(1).expect("a thread"));
        let faulty = Faulty { cpu: CpuRasterizer::new(pool.clone(), &settings.paint), pages: AtomicUsize::new(0) };
        let loader = Loader::new(&settings.assets, pool.clone()).expect("a loader");
        let resources = Resources::with_rasterizer(Box::new(faulty), &settings, loader).expect("resources");
        let faulty = Engine::with_resources(resources, &settings, pool);

        let of_cpu = page(&plain, "png").await;
        let (lost, painted) = (page(&faulty, "png").await, page(&faulty, "png").await);
        assert_eq!((lost.rasterizer, painted.rasterizer), ("cpu", "gpu0"));
        assert_eq!((lost.fingerprint, lost.bytes), (of_cpu.fingerprint, of_cpu.bytes));
        assert_ne!(painted.fingerprint, of_cpu.fingerprint);
        // The first page of each document is lost, the second painted by the GPU.
        let (of_cpu, mixed) = (page(&plain, "pdf").await, page(&faulty, "pdf").await);
        assert_eq!((of_cpu.rasterizer, mixed.rasterizer), ("cpu", "gpu0"));
        assert_ne!(mixed.fingerprint, of_cpu.fingerprint);
        assert_eq!(page(&faulty, "pdf").await.fingerprint, mixed.fingerprint);
    }

    /// SHA-256 of the reference pictures of [`PIXEL_GENERATION`]: of their paths in `golden/` and their bytes, by path.
    const GOLDENS: &str = "95e09eda5184370e56372c4a0642a75febd550dff5e529799ef2b403e7e14df6";

    #[test]
    fn pixel_generation_changes_with_the_reference_pictures() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let mut pictures = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "png") {
                    pictures.push(path);
                }
            }
        }
        pictures.sort();
        let mut hash = Sha256::new();
        for path in &pictures {
            let name = path.strip_prefix(&root).expect("below the root");
            hash.update(name.to_str().expect("UTF-8"));
            hash.update(std::fs::read(path).expect("a picture"));
        }
        let found = format!("{:x}", hash.finalize());
        assert!(pictures.len() > 80, "{} pictures", pictures.len());
        assert_eq!(found, GOLDENS, "the reference pictures have changed: raise PIXEL_GENERATION and update GOLDENS");
    }

    #[test]
    fn program_id_includes_generation_and_dependencies() {
        assert!(program_id().starts_with(&format!("{PIXEL_GENERATION} ")), "{}", program_id());
        assert!(program_id().split(' ').nth(1).is_some_and(|it| it.len() == 64), "{}", program_id());
        assert_eq!(program_id().contains("turbo"), cfg!(feature = "turbo"));
    }
}
