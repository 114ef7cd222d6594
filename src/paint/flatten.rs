//! A part of a page as pixels, for painters of vectors: what no vector file can hold.
//!
//! Painted by the CPU painter on the caller's thread, which is one of the pool's already.

use kurbo::{Affine, Insets, Rect, Size, Vec2};

use super::cpu::CpuPainter;
use super::plan::{Kernel, plan};
use super::{PaintError, SurfaceLimits, passes};
use crate::raster::{Raster, Straight};
use crate::report::WarningCode;
use crate::scene::{Group, Node, Page, Shadow};
use crate::units::DeviceScale;

/// Pixels and the part of the page that they cover.
pub(super) struct Flat {
    pub(super) raster: Raster<Straight>,
    /// Page px.
    pub(super) area: Rect,
}

/// What could not be drawn as asked.
pub(super) type Warnings = Vec<(WarningCode, String)>;

/// What can be seen of `group` within `seen` (page px), at `scale` or, where that is more than `limits` allow, less.
/// The group's transform leads to the page. `None` when that is nothing.
pub(super) fn flatten(
    group: &Group,
    seen: Rect,
    scale: DeviceScale,
    limits: SurfaceLimits,
    abandoned: &dyn Fn() -> bool,
) -> Result<Option<(Flat, Warnings)>, PaintError> {
    let Some(bounds) = group.layer_bounds() else { return Ok(None) };
    let area = bounds.inflate(1.0, 1.0).intersect(seen);
    if area.is_zero_area() || !area.is_finite() {
        return Ok(None);
    }
    let mut warnings = Warnings::new();
    let scale = match within(area, scale, limits) {
        None => scale,
        Some(less) => {
            let message = format!(
                "what has to become pixels takes {:.2} instead of {:.2} px a design px: more would pass TENTER_MAX_MEGAPIXELS",
                less.get(),
                scale.get()
            );
            warnings.push((WarningCode::ImageReduced, message));
            less
        }
    };
    // On whole pixels, so that the picture is as large as its pixels say.
    let step = scale.get();
    let area = area.scale_from_origin(step).expand().scale_from_origin(1.0 / step);
    let root = Group { transform: Affine::translate(-area.origin().to_vec2()) * group.transform, ..group.clone() };
    let root = Group { children: vec![Node::Group(Box::new(root))], ..Group::default() };
    let size = Size::new((area.width() * step).round() / step, (area.height() * step).round() / step);
    let plan = plan(&Page { size, bleed: Insets::ZERO, root }, scale, limits)?;
    warnings.extend(plan.warnings.iter().map(|it| (it.code, it.message.clone())));
    let raster = CpuPainter::without_caches(limits).surfaces(&plan, abandoned)?;
    Ok(Some((Flat { raster, area }, warnings)))
}

/// What `flat` casts.
pub(super) fn shadow(flat: Flat, shadow: &Shadow, scale: DeviceScale) -> Flat {
    // The limits may have made it smaller than asked.
    let scale = (f64::from(flat.raster.size().width) / flat.area.width()).min(scale.get());
    let margin = (3.0 * shadow.sigma.0.max(0.0) * scale).ceil() + 1.0;
    let size = flat.raster.size();
    let grown = padded(flat.raster, margin as usize);
    let kernel = Kernel::Shadow { sigma: shadow.sigma.0.max(0.0) * scale, color: shadow.color };
    let pixels = passes::run(&kernel, grown.pixels(), grown.size());
    let raster: Raster<crate::raster::Premultiplied> =
        Raster::from_pixels(grown.size(), pixels).expect("passes keep the number of bytes");
    let unit = (flat.area.width() / f64::from(size.width), flat.area.height() / f64::from(size.height));
    let area = flat.area.inflate(margin * unit.0, margin * unit.1) + Vec2::new(shadow.offset.x, shadow.offset.y);
    Flat { raster: raster.into_straight(), area }
}

/// With `margin` transparent px on every side.
fn padded(raster: Raster<Straight>, margin: usize) -> Raster<Straight> {
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

/// A smaller scale at which `area` keeps to `limits`, where `scale` does not.
fn within(area: Rect, scale: DeviceScale, limits: SurfaceLimits) -> Option<DeviceScale> {
    // Rows and columns that are cut are kept whole, and a plan may round up.
    const EDGE: f64 = 3.0;
    let (width, height) = (area.width() * scale.get() + EDGE, area.height() * scale.get() + EDGE);
    let by_side = f64::from(limits.side) / width.max(height);
    let by_pixels = (limits.megapixels * 1e6 / (width * height)).sqrt();
    let by = by_side.min(by_pixels);
    if by >= 1.0 { None } else { DeviceScale::new(scale.get() * by * 0.99) }
}
