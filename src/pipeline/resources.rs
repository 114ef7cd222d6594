//! State of the lower modules that all requests share: fonts, caches, connections, the painter.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};

use super::results::ResultCache;
use crate::assets::svg::{SvgFamilies, SvgFonts};
use crate::assets::{
    AssetCounts, AssetKind, AssetRequests, AssetSet, AssetSnapshot, AssetTimeouts, GoogleFonts, Loader, WebFace,
};
use crate::config::{DesignLimits, RasterizerChoice, Settings};
use crate::design::resolve::FamilyUse;
use crate::error::Error;
use crate::json::Problems;
use crate::options::{OptionDefaults, RenderOptions};
use crate::paint::{CpuRasterizer, Rasterizer};
use crate::pool::Pool;
use crate::print::Profiles;
use crate::text::{FAMILY_ALIASES, FontLibrary, LAST_RESORT_FAMILY, LayouterPool};

pub(super) struct Resources {
    pub(super) design_limits: DesignLimits,
    /// Values for options that requests leave out.
    pub(super) defaults: OptionDefaults,
    pub(super) library: Arc<FontLibrary>,
    pub(super) layouters: LayouterPool,
    pub(super) svg_fonts: SvgFonts,
    pub(super) rasterizer: Box<dyn Rasterizer>,
    pub(super) profiles: Profiles,
    pub(super) results: ResultCache,
    /// Device and driver of each GPU, by its name as in [`crate::paint::Painted::by`].
    gpus: HashMap<Cow<'static, str>, String>,
    loader: Arc<Loader>,
    web_fonts: Option<GoogleFonts>,
    /// Number of families that one request loads from the font service at once.
    families_at_once: usize,
}

/// The assets and web fonts of one request, loaded or failed.
pub(super) struct LoadedAssets {
    pub(super) assets: AssetSet,
    /// LoadedAssets families of the font service with their faces.
    pub(super) web_faces: Vec<(Arc<str>, Vec<WebFace>)>,
    /// Families that the font service failed to deliver, with the reason.
    pub(super) web_failures: HashMap<Arc<str>, String>,
}

/// Fonts for the generic families of CSS inside SVG, and for fonts that an SVG names and that are not available. They
/// are the ones browsers on Linux use.
const SVG_FAMILIES: SvgFamilies = SvgFamilies {
    serif: LAST_RESORT_FAMILY,
    sans_serif: "Liberation Sans",
    monospace: "Liberation Mono",
    aliases: FAMILY_ALIASES,
};

impl Resources {
    pub(super) fn new(settings: &Settings, pool: &Arc<Pool>, loader: Loader) -> Result<Self, Error> {
        Self::with_rasterizer(rasterizer(settings, pool)?, settings, loader)
    }

    pub(super) fn with_rasterizer(
        rasterizer: Box<dyn Rasterizer>,
        settings: &Settings,
        loader: Loader,
    ) -> Result<Self, Error> {
        let library = Arc::new(FontLibrary::new(&settings.fonts)?);
        let loader = Arc::new(loader);
        let web_fonts = GoogleFonts::new(&settings.fonts, loader.clone())?;
        let svg_library = library.clone();
        let gpus = rasterizer.report().gpus.into_iter();
        Ok(Self {
            design_limits: settings.design.clone(),
            layouters: LayouterPool::new(settings.fonts.text_cache_bytes),
            defaults: OptionDefaults { sdk: settings.render.sdk, min_image_dpi: settings.render.min_image_dpi },
            svg_fonts: SvgFonts::new(SVG_FAMILIES, settings.assets.drawing_cache_bytes, move || svg_library.files()),
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

    /// Name of the painter `by` for fingerprints. Painters that may give different bytes have different names: which of
    /// several identical GPUs it was does not matter, their model and driver do.
    pub(super) fn painter_name(&self, by: &'static str) -> &str {
        self.gpus.get(by).map_or(by, String::as_str)
    }

    /// Counters of asset fetching since the start.
    pub(super) fn asset_counts(&self) -> &AssetCounts {
        self.loader.counts()
    }

    /// Fetches and decodes all assets, and loads families of the font service at the same time. Failures are in the
    /// result.
    pub(super) async fn load(
        &self,
        requests: &AssetRequests,
        families: &[FamilyUse],
        options: &RenderOptions,
        snapshot: Option<&AssetSnapshot>,
    ) -> LoadedAssets {
        let timeouts = AssetTimeouts { image: options.asset_load_timeout, font: options.font_load_timeout };
        let families = self.load_families(families, options.font_load_timeout);
        let assets = self.loader.load(requests, &timeouts, snapshot);
        let (assets, (web_faces, web_failures)) = tokio::join!(assets, families);
        LoadedAssets { assets, web_faces, web_failures }
    }

    async fn load_families(
        &self,
        families: &[FamilyUse],
        timeout: Duration,
    ) -> (Vec<(Arc<str>, Vec<WebFace>)>, HashMap<Arc<str>, String>) {
        let (mut faces, mut failures) = (Vec::new(), HashMap::new());
        let Some(service) = &self.web_fonts else { return (faces, failures) };
        // Collected and boxed: the compiler cannot show that a stream which maps borrowed items lazily is `Send`.
        let loads: Vec<_> = families
            .iter()
            .map(|it| async move { (it.family.clone(), service.family(&it.family, &it.faces, timeout).await) }.boxed())
            .collect();
        let mut loads = futures_util::stream::iter(loads).buffered(self.families_at_once);
        while let Some((name, loaded)) = loads.next().await {
            match loaded {
                Ok(loaded) => faces.push((name, loaded)),
                Err(error) => drop(failures.insert(name, error.reason.to_string())),
            }
        }
        (faces, failures)
    }
}

/// The configured painter. `auto` falls back to the CPU; `gpu` fails without a usable GPU.
#[cfg(feature = "gpu")]
fn rasterizer(settings: &Settings, pool: &Arc<Pool>) -> Result<Box<dyn Rasterizer>, Error> {
    use crate::paint::gpu::{GpuRasterizer, adapters, select_adapters};

    let cpu = |refused| {
        Box::new(CpuRasterizer::new(pool.clone(), &settings.paint).in_place_of(refused)) as Box<dyn Rasterizer>
    };
    let asked_for = match settings.render.rasterizer {
        RasterizerChoice::Cpu => return Ok(cpu(Vec::new())),
        RasterizerChoice::Auto => false,
        RasterizerChoice::Gpu => true,
    };
    let chosen = select_adapters(adapters(), &settings.gpu, asked_for);
    if !asked_for && chosen.used.is_empty() {
        return Ok(cpu(chosen.refused));
    }
    match GpuRasterizer::new(pool.clone(), &settings.paint, &settings.gpu, chosen) {
        Ok(gpu) => Ok(Box::new(gpu)),
        Err(why) if asked_for => Err(Error::Internal(format!(
            "TENTER_RASTERIZER=gpu: {why}; run `tenter doctor`, or set TENTER_RASTERIZER to auto or cpu"
        ))),
        Err(why) => {
            tracing::warn!(%why, "pages are painted on the CPU");
            Ok(cpu(vec![why.to_string()]))
        }
    }
}

/// The CPU painter: this build has no GPU painter.
#[cfg(not(feature = "gpu"))]
fn rasterizer(settings: &Settings, pool: &Arc<Pool>) -> Result<Box<dyn Rasterizer>, Error> {
    match settings.render.rasterizer {
        RasterizerChoice::Auto | RasterizerChoice::Cpu => {
            Ok(Box::new(CpuRasterizer::new(pool.clone(), &settings.paint)))
        }
        RasterizerChoice::Gpu => Err(Error::NotBuilt(
            "TENTER_RASTERIZER=gpu: this program was built without the feature `gpu`; set auto or cpu".into(),
        )),
    }
}

/// Fails with every image that could not be loaded, in document order, unless the caller allows missing images
/// (`skipImageError`). Fonts are judged by family, not by file, as a family may have several sources.
///
/// An asset that was not tried because something is used up is `Unavailable` in any case.
pub(super) fn check_images(assets: &AssetSet, options: &RenderOptions) -> Result<(), Error> {
    if let Some(untried) = assets.failures().iter().find(|it| it.is_exhaustion()) {
        return Err(Error::used_up(untried.to_string()));
    }
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
