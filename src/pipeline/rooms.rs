//! What requests share of each room: fonts, caches, connections, the painter.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};

use super::results::ResultCache;
use crate::assets::svg::{SvgFamilies, SvgFonts};
use crate::assets::{
    AssetCounts, AssetKind, AssetRequests, AssetSet, AssetSnapshot, AssetTimeouts, GoogleFonts, Loader, WebFace,
};
use crate::config::{DesignLimits, EditorVersion, RasterizerChoice, Settings};
use crate::design::resolve::FamilyUse;
use crate::error::Error;
use crate::json::Problems;
use crate::options::RenderOptions;
use crate::paint::{CpuRasterizer, Rasterizer};
use crate::pool::Pool;
use crate::press::Profiles;
use crate::text::{FAMILY_ALIASES, FontLibrary, LAST_RESORT_FAMILY, Layouters};

/// Fonts, caches, the painter.
pub(super) struct Rooms {
    pub(super) design_limits: DesignLimits,
    /// For requests that do not say.
    pub(super) sdk: EditorVersion,
    /// Likewise.
    pub(super) min_image_dpi: f64,
    pub(super) library: Arc<FontLibrary>,
    pub(super) layouters: Layouters,
    pub(super) svg_fonts: SvgFonts,
    pub(super) rasterizer: Box<dyn Rasterizer>,
    pub(super) profiles: Profiles,
    pub(super) results: ResultCache,
    /// GPUs by their names, [`crate::paint::Painted::by`]; device and driver.
    gpus: HashMap<&'static str, String>,
    loader: Arc<Loader>,
    web_fonts: Option<GoogleFonts>,
    /// Families asked of the font service at once, for one request.
    families_at_once: usize,
}

/// What came of everything a design points to.
pub(super) struct Loaded {
    pub(super) assets: AssetSet,
    /// Faces from the font service.
    pub(super) web_faces: Vec<(Arc<str>, Vec<WebFace>)>,
    /// Why the font service did not give a family.
    pub(super) web_failures: HashMap<Arc<str>, String>,
}

/// What browsers take for the families of CSS inside SVG, and for fonts that an SVG names and nobody has.
const SVG_FAMILIES: SvgFamilies = SvgFamilies {
    serif: LAST_RESORT_FAMILY,
    sans_serif: "Liberation Sans",
    monospace: "Liberation Mono",
    aliases: FAMILY_ALIASES,
};

impl Rooms {
    pub(super) fn new(settings: &Settings, pool: &Arc<Pool>) -> Result<Self, Error> {
        Self::painted_by(rasterizer(settings, pool)?, settings, pool)
    }

    pub(super) fn painted_by(
        rasterizer: Box<dyn Rasterizer>,
        settings: &Settings,
        pool: &Arc<Pool>,
    ) -> Result<Self, Error> {
        let library = Arc::new(FontLibrary::new(&settings.fonts)?);
        let loader = Arc::new(Loader::new(&settings.assets, pool.clone())?);
        let web_fonts = GoogleFonts::new(&settings.fonts, loader.clone())?;
        let in_svg = library.clone();
        let gpus = rasterizer.report().gpus.into_iter();
        Ok(Self {
            design_limits: settings.design.clone(),
            layouters: Layouters::new(settings.fonts.text_cache_bytes),
            sdk: settings.render.sdk,
            min_image_dpi: settings.render.min_image_dpi,
            svg_fonts: SvgFonts::new(SVG_FAMILIES, settings.assets.drawing_cache_bytes, move || in_svg.files()),
            library,
            rasterizer,
            profiles: Profiles::new(&settings.icc),
            results: ResultCache::new(settings.render.result_cache_bytes),
            gpus: gpus.map(|gpu| (gpu.name, format!("gpu {} {}", gpu.adapter, gpu.driver))).collect(),
            loader,
            web_fonts,
            families_at_once: settings.assets.parallel.max(1),
        })
    }

    /// What is called `by`, so that painters which give other bytes have other names: which of several GPUs of a kind
    /// it was does not matter, which kind and driver does.
    pub(super) fn painter(&self, by: &'static str) -> &str {
        self.gpus.get(by).map_or(by, String::as_str)
    }

    /// What fetching did since the start.
    pub(super) fn asset_counts(&self) -> &AssetCounts {
        self.loader.counts()
    }

    /// Fetches and decodes everything, families of the font service beside the rest. Failures are in the result.
    pub(super) async fn load(
        &self,
        requests: &AssetRequests,
        families: &[FamilyUse],
        options: &RenderOptions,
        snapshot: Option<&AssetSnapshot>,
    ) -> Loaded {
        let timeouts = AssetTimeouts { image: options.asset_load_timeout, font: options.font_load_timeout };
        let families = self.load_families(families, options.font_load_timeout);
        let assets = self.loader.load(requests, &timeouts, snapshot);
        let (assets, (web_faces, web_failures)) = futures_util::join!(assets, families);
        Loaded { assets, web_faces, web_failures }
    }

    async fn load_families(
        &self,
        families: &[FamilyUse],
        timeout: Duration,
    ) -> (Vec<(Arc<str>, Vec<WebFace>)>, HashMap<Arc<str>, String>) {
        let (mut faces, mut failures) = (Vec::new(), HashMap::new());
        let Some(service) = &self.web_fonts else { return (faces, failures) };
        // Collected and boxed: a stream that maps borrowed items lazily cannot be shown to be `Send`.
        let loads: Vec<_> = families
            .iter()
            .map(|it| async move { (it.family.clone(), service.family(&it.family, &it.faces, timeout).await) }.boxed())
            .collect();
        let mut loads = futures_util::stream::iter(loads).buffered(self.families_at_once);
        while let Some((name, found)) = loads.next().await {
            match found {
                Ok(found) => faces.push((name, found)),
                Err(error) => drop(failures.insert(name, error.reason.to_string())),
            }
        }
        (faces, failures)
    }
}

/// What paints. `auto` is content with the CPU; `gpu` is not.
#[cfg(feature = "gpu")]
fn rasterizer(settings: &Settings, pool: &Arc<Pool>) -> Result<Box<dyn Rasterizer>, Error> {
    use crate::paint::gpu::{GpuRasterizer, adapters, choose};

    let cpu = |refused| {
        Box::new(CpuRasterizer::new(pool.clone(), &settings.paint).in_place_of(refused)) as Box<dyn Rasterizer>
    };
    let asked_for = match settings.render.rasterizer {
        RasterizerChoice::Cpu => return Ok(cpu(Vec::new())),
        RasterizerChoice::Auto => false,
        RasterizerChoice::Gpu => true,
    };
    let chosen = choose(adapters(), &settings.gpu, asked_for);
    if !asked_for && chosen.used.is_empty() {
        return Ok(cpu(chosen.refused));
    }
    match GpuRasterizer::new(pool.clone(), &settings.paint, &settings.gpu, chosen) {
        Ok(gpu) => Ok(Box::new(gpu)),
        Err(why) if asked_for => Err(Error::Internal(format!(
            "TENTER_RASTERIZER = gpu: {why}; see `tenter doctor`, or set TENTER_RASTERIZER to auto or cpu"
        ))),
        Err(why) => {
            tracing::warn!(%why, "pages are painted on the CPU");
            Ok(cpu(vec![why]))
        }
    }
}

/// Built without the GPU painter.
#[cfg(not(feature = "gpu"))]
fn rasterizer(settings: &Settings, pool: &Arc<Pool>) -> Result<Box<dyn Rasterizer>, Error> {
    match settings.render.rasterizer {
        RasterizerChoice::Auto | RasterizerChoice::Cpu => {
            Ok(Box::new(CpuRasterizer::new(pool.clone(), &settings.paint)))
        }
        RasterizerChoice::Gpu => Err(Error::NotBuilt(
            "TENTER_RASTERIZER = gpu: this program was built without the feature `gpu`; accepted: auto, cpu".into(),
        )),
    }
}

/// Every image that could not be had, in document order, unless the caller wants to go on without (`skipImageError`).
/// Fonts are judged by family, not by file: a family may have several sources.
pub(super) fn check_images(assets: &AssetSet, options: &RenderOptions) -> Result<(), Error> {
    if let Some(bug) = assets.failures().iter().find(|it| it.is_internal()) {
        return Err(Error::Internal(bug.to_string()));
    }
    if options.skip_image_error {
        return Ok(());
    }
    let mut problems = Problems::new();
    for failure in assets.failures().iter().filter(|it| it.kind == AssetKind::Image) {
        problems.push(failure.at.clone(), failure.to_string());
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Asset(problems.into_vec())) }
}
