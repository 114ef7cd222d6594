//! Rasterises groups of a page for the PDF painter, for effects that PDF lacks.
//!
//! The CPU painter runs on the calling thread, which belongs to the pool already.

use kurbo::{Affine, Insets, Rect, Size, Vec2};

use super::cpu::CpuPainter;
use super::error::PaintError;
use super::limits::SurfaceLimits;
use super::passes;
use super::plan::Kernel;
use super::planner::plan;
use crate::raster::{Raster, Straight};
use crate::report::WarningCode;
use crate::scene::{Group, Node, Page, Shadow};
use crate::units::DeviceScale;

/// Pixels of a group and the part of the page that it covers.
pub(super) struct RasterizedGroup {
    pub(super) raster: Raster<Straight>,
    /// The area that the pixels cover, in page px.
    pub(super) area: Rect,
}

/// Deviations of the pixels from the scene.
pub(super) type Warnings = Vec<(WarningCode, String)>;

/// Rasterises the part of `group` within `visible` (page px) at `scale`, or at a lower scale when `limits` require it.
///
/// The transform of the group maps to the page. `None` when nothing of it is visible.
///
/// # Errors
/// As the CPU painter.
pub(super) fn rasterize_group(
    group: &Group,
    visible: Rect,
    scale: DeviceScale,
    limits: SurfaceLimits,
    abandoned: &dyn Fn() -> bool,
) -> Result<Option<(RasterizedGroup, Warnings)>, PaintError> {
    let Some(bounds) = group.layer_bounds() else { return Ok(None) };
    let area = bounds.inflate(1.0, 1.0).intersect(visible);
    if area.is_zero_area() || !area.is_finite() {
        return Ok(None);
    }
    let mut warnings = Warnings::new();
    let scale = match reduced_scale(area, scale, limits) {
        None => scale,
        Some(reduced) => {
            let message = format!(
                "its effects are rasterised at {:.2} instead of {:.2} px per design px \
                 to stay within TENTER_MAX_MEGAPIXELS",
                reduced.get(),
                scale.get()
            );
            warnings.push((WarningCode::ImageReduced, message));
            reduced
        }
    };
    // The area is aligned to whole pixels, so that it is exactly as large as its pixels.
    let step = scale.get();
    let area = area.scale_from_origin(step).expand().scale_from_origin(1.0 / step);
    let root = Group { transform: Affine::translate(-area.origin().to_vec2()) * group.transform, ..group.clone() };
    let root = Group { children: vec![Node::Group(Box::new(root))], ..Group::default() };
    let size = Size::new((area.width() * step).round() / step, (area.height() * step).round() / step);
    let plan = plan(&Page { size, bleed: Insets::ZERO, root }, scale, limits)?;
    warnings.extend(plan.warnings.iter().map(|it| (it.code, it.message.clone())));
    let raster = CpuPainter::without_caches(limits).surfaces(&plan, None, abandoned)?;
    Ok(Some((RasterizedGroup { raster, area }, warnings)))
}

/// Returns the shadow of `caster`, which was rasterised at `scale` or below.
pub(super) fn rasterize_shadow(caster: RasterizedGroup, shadow: &Shadow, scale: DeviceScale) -> RasterizedGroup {
    // The limits may have reduced the scale.
    let scale = (f64::from(caster.raster.size().width) / caster.area.width()).min(scale.get());
    let sigma = passes::sigma_of(shadow, scale);
    let margin = (3.0 * sigma).ceil() + 1.0;
    let size = caster.raster.size();
    let padded = with_margin(caster.raster, margin as usize);
    let kernel = Kernel::Shadow { sigma, color: shadow.color };
    let pixels = passes::run(&kernel, padded.pixels(), padded.size());
    let raster: Raster<crate::raster::Premultiplied> =
        Raster::from_pixels(padded.size(), pixels).expect("passes keep the number of bytes");
    let unit = (caster.area.width() / f64::from(size.width), caster.area.height() / f64::from(size.height));
    let area = caster.area.inflate(margin * unit.0, margin * unit.1) + Vec2::new(shadow.offset.x, shadow.offset.y);
    RasterizedGroup { raster: raster.into_straight(), area }
}

/// Adds `margin` transparent px on every side.
fn with_margin(raster: Raster<Straight>, margin: usize) -> Raster<Straight> {
    let size = raster.size();
    let (width, height) = (size.width as usize, size.height as usize);
    let stride = (width + 2 * margin) * 4;
    let mut pixels = vec![0; stride * (height + 2 * margin)];
    for (row, line) in raster.pixels().chunks_exact(width * 4).enumerate() {
        let start = (row + margin) * stride + margin * 4;
        pixels[start..start + line.len()].copy_from_slice(line);
    }
    let size =
        crate::units::DeviceSize { width: size.width + 2 * margin as u32, height: size.height + 2 * margin as u32 };
    Raster::from_pixels(size, pixels).expect("made for this size")
}

/// A lower scale at which `area` stays within `limits`; `None` when it does at `scale`.
fn reduced_scale(area: Rect, scale: DeviceScale, limits: SurfaceLimits) -> Option<DeviceScale> {
    // Px by which aligning the area and rounding in the plan may enlarge a side.
    const ROUNDING_PX: f64 = 3.0;
    let (width, height) = (area.width() * scale.get() + ROUNDING_PX, area.height() * scale.get() + ROUNDING_PX);
    let by_side = f64::from(limits.side) / width.max(height);
    let by_pixels = (limits.megapixels * 1e6 / (width * height)).sqrt();
    let factor = by_side.min(by_pixels);
    if factor >= 1.0 { None } else { DeviceScale::new(scale.get() * factor * 0.99) }
}
