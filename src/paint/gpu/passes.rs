//! Pixel passes on the GPU: each is a WGSL shader of `shaders/` that implements a pass of `paint::passes` or
//! `paint::resample`.
//!
//! A test compares both implementations on random pictures and parameters (`tests/twins.rs`).

use peniko::Color;

use super::recolor::Recolor;
use super::resource_pool::TexturePool;
use crate::paint::passes;
use crate::paint::plan::Kernel;
use crate::paint::resample::{Downscale, Sample};
use crate::scene::{PixelPass, Tone};

/// Concatenates shader files; the shared ones come first.
macro_rules! shader {
    ($($file:literal),+) => {
        concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file, ".wgsl"))),+)
    };
}

/// Threads of a workgroup along each axis; the shaders declare the same number.
const WORKGROUP: u32 = 8;
/// Maximum number of texels that one pass may read, which takes a few seconds on a small GPU.
const MAX_TEXEL_READS: f64 = 4e10;

/// Format of premultiplied pixels, four bytes each.
const RGBA: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// Format of the coverage between two passes of a shadow.
const COVERAGE: wgpu::TextureFormat = wgpu::TextureFormat::R32Float;

/// Compiled compute pipelines of all passes.
pub(super) struct Passes {
    color_matrix: Pipeline,
    tone: Pipeline,
    blur: Pipeline,
    shadow_spread: Pipeline,
    shadow: Pipeline,
    reduce: Pipeline,
    sample: Pipeline,
}

struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    format: wgpu::TextureFormat,
}

/// True when the GPU can run `kernel` over `pixels` px within seconds and without overflow.
pub(super) fn is_bounded(kernel: &Kernel, pixels: u64) -> bool {
    let reads = match kernel {
        Kernel::Blur { radius } => 4.0 * f64::from(*radius) + 2.0,
        Kernel::Recolor(passes) => passes.len() as f64,
        Kernel::Shadow { sigma, .. } => passes::spreads(*sigma).iter().map(|it| it.weights.len() as f64 * 2.0).sum(),
    };
    // The shader adds up the weighted sum of a blur in 32 bits.
    let fits = !matches!(kernel, Kernel::Blur { radius } if *radius > 4000);
    fits && reads * pixels as f64 <= MAX_TEXEL_READS
}

/// Command encoder of the passes, with the pool for their textures.
pub(super) struct PassEncoder<'a> {
    pub(super) device: &'a wgpu::Device,
    pub(super) encoder: &'a mut wgpu::CommandEncoder,
    pub(super) textures: &'a mut TexturePool,
}

impl Passes {
    pub(super) fn new(device: &wgpu::Device, cache: Option<&wgpu::PipelineCache>) -> Self {
        let pipeline = |label: &str, source: &str, format| Pipeline::new(device, cache, label, source, format);
        Self {
            color_matrix: pipeline("color_matrix", shader!("shared/pixels", "shared/color", "color_matrix"), RGBA),
            tone: pipeline("tone", shader!("shared/pixels", "shared/color", "tone"), RGBA),
            blur: pipeline("blur", shader!("shared/pixels", "blur"), RGBA),
            shadow_spread: pipeline("shadow_spread", shader!("shared/pixels", "shadow_spread"), COVERAGE),
            shadow: pipeline("shadow", shader!("shared/pixels", "shadow"), RGBA),
            reduce: pipeline("reduce", shader!("shared/pixels", "reduce"), RGBA),
            sample: pipeline("sample", shader!("shared/pixels", "sample"), RGBA),
        }
    }

    /// Runs `kernel` over `size` px of `source`, whose pixels are straight or premultiplied. The result is
    /// premultiplied.
    pub(super) fn kernel(
        &self,
        encoder: &mut PassEncoder<'_>,
        kernel: &Kernel,
        source: &wgpu::Texture,
        is_straight: bool,
        size: (u32, u32),
    ) -> wgpu::Texture {
        match kernel {
            Kernel::Blur { radius } => self.blur(encoder, source, is_straight, size, *radius),
            Kernel::Recolor(passes) => {
                let recoloured = self.run_all(encoder, passes, source, is_straight, size);
                recoloured.expect("plan() gives Kernel::Recolor at least one pass")
            }
            Kernel::Shadow { sigma, color } => self.shadow(encoder, source, size, *sigma, *color),
        }
    }

    fn blur(
        &self,
        encoder: &mut PassEncoder<'_>,
        source: &wgpu::Texture,
        is_straight: bool,
        size: (u32, u32),
        radius: u32,
    ) -> wgpu::Texture {
        let (factor, shift) = passes::blur_division(radius);
        let params = |columns: f32, straight: bool| {
            [columns, f32::from(u8::from(straight)), radius as f32, factor as f32, shift as f32]
        };
        let rows = encoder.run(&self.blur, source, size, &params(0.0, is_straight));
        let blurred = encoder.run(&self.blur, &rows, size, &params(1.0, false));
        encoder.textures.release(rows);
        blurred
    }

    fn shadow(
        &self,
        encoder: &mut PassEncoder<'_>,
        source: &wgpu::Texture,
        size: (u32, u32),
        sigma: f64,
        color: Color,
    ) -> wgpu::Texture {
        let mut spread: Option<wgpu::Texture> = None;
        let spreads = passes::spreads(sigma);
        for columns in [0.0, 1.0] {
            for it in &spreads {
                let from_rgba = f32::from(u8::from(spread.is_none()));
                let mut params = vec![columns, from_rgba, it.weights.len() as f32, it.before as f32];
                params.extend(&it.weights);
                let next = encoder.run(&self.shadow_spread, spread.as_ref().unwrap_or(source), size, &params);
                spread.replace(next).into_iter().for_each(|old| encoder.textures.release(old));
            }
        }
        let [r, g, b, a] = color.components;
        let params = [f32::from(u8::from(spread.is_none())), r, g, b, a];
        let shadow = encoder.run(&self.shadow, spread.as_ref().unwrap_or(source), size, &params);
        spread.into_iter().for_each(|old| encoder.textures.release(old));
        shadow
    }

    /// Runs the passes of `recolor` over the whole picture in `source`, then resamples it.
    ///
    /// `source` and the result are premultiplied.
    pub(super) fn recolor(
        &self,
        encoder: &mut PassEncoder<'_>,
        recolor: &Recolor,
        source: wgpu::Texture,
    ) -> wgpu::Texture {
        let size = (recolor.width, recolor.height);
        let resample_plan = &recolor.resample_plan;
        let texture = match self.run_all(encoder, &resample_plan.passes, &source, false, size) {
            Some(texture) => {
                encoder.textures.release(source);
                texture
            }
            None => source,
        };
        let reduced = self.reduce(encoder, &texture, &resample_plan.columns, &resample_plan.rows);
        encoder.textures.release(texture);
        let Some((columns, rows)) = &resample_plan.samples else { return reduced };
        let sampled =
            self.sample(encoder, &reduced, (resample_plan.columns.count, resample_plan.rows.count), columns, rows);
        encoder.textures.release(reduced);
        sampled
    }

    /// Runs `passes` one after the other over `size` px of `source`. The result is premultiplied.
    ///
    /// `None` when no pass changes anything.
    fn run_all(
        &self,
        encoder: &mut PassEncoder<'_>,
        passes: &[PixelPass],
        source: &wgpu::Texture,
        is_straight: bool,
        size: (u32, u32),
    ) -> Option<wgpu::Texture> {
        let is_color = |at: Option<usize>| {
            at.and_then(|at| passes.get(at)).is_some_and(|it| !matches!(it, PixelPass::Blur { .. }))
        };
        let mut latest: Option<wgpu::Texture> = None;
        for (at, pass) in passes.iter().enumerate() {
            // Adjacent colour passes share one conversion from premultiplied to straight and back.
            let is_straight = is_straight && latest.is_none();
            let ends = [!(is_straight || is_color(at.checked_sub(1))), !is_color(Some(at + 1))];
            let ends = ends.map(|it| f32::from(u8::from(it)));
            let texture = latest.as_ref().unwrap_or(source);
            let next = match pass {
                PixelPass::Blur { radius: 0 } => continue,
                PixelPass::Blur { radius } => self.blur(encoder, texture, is_straight, size, *radius),
                PixelPass::ColorMatrix(rows) => {
                    let mut params = ends.to_vec();
                    params.extend(rows.iter().flatten().map(|it| *it as f32));
                    encoder.run(&self.color_matrix, texture, size, &params)
                }
                PixelPass::Tone(tone) => {
                    let (kind, amount) = match tone {
                        Tone::Vibrance(amount) => (0.0, amount),
                        Tone::Dark(gain) => (1.0, gain),
                        Tone::Light(gain) => (2.0, gain),
                        Tone::Natural(amount) => (3.0, amount),
                    };
                    encoder.run(&self.tone, texture, size, &[ends[0], ends[1], kind, *amount as f32])
                }
            };
            latest.replace(next).into_iter().for_each(|old| encoder.textures.release(old));
        }
        latest
    }

    fn reduce(
        &self,
        encoder: &mut PassEncoder<'_>,
        source: &wgpu::Texture,
        columns: &Downscale,
        rows: &Downscale,
    ) -> wgpu::Texture {
        let windows = |axis: &Downscale| -> Vec<f32> {
            (0..axis.count).map(|at| axis.window(at)).flat_map(|(start, end)| [start as f32, end as f32]).collect()
        };
        let params = [windows(columns), windows(rows)].concat();
        encoder.run(&self.reduce, source, (columns.count, rows.count), &params)
    }

    fn sample(
        &self,
        encoder: &mut PassEncoder<'_>,
        source: &wgpu::Texture,
        (width, height): (u32, u32),
        columns: &Sample,
        rows: &Sample,
    ) -> wgpu::Texture {
        let taps = |axis: &Sample, side: u32| -> Vec<f32> {
            let taps = (0..axis.count).map(|at| axis.taps(at, side));
            taps.flat_map(|(near, far, weight)| [near as f32, far as f32, weight as f32]).collect()
        };
        let params = [taps(columns, width), taps(rows, height)].concat();
        encoder.run(&self.sample, source, (columns.count, rows.count), &params)
    }
}

impl PassEncoder<'_> {
    /// Dispatches `pass` over `size` px of `source` into a new texture.
    ///
    /// The shader reads the width, the height, and then `params` from its storage buffer.
    fn run(&mut self, pass: &Pipeline, source: &wgpu::Texture, size: (u32, u32), params: &[f32]) -> wgpu::Texture {
        let result = self.textures.acquire(self.device, size, pass.format);
        let values: Vec<f32> = [size.0 as f32, size.1 as f32].into_iter().chain(params.iter().copied()).collect();
        let bytes: &[u8] = bytemuck::cast_slice(&values);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("tenter pass parameters"),
            size: bytes.len() as u64,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: true,
        });
        // The buffer of a lost device cannot be mapped; the device's callback reports the loss.
        if let Ok(mut view) = buffer.get_mapped_range_mut(..) {
            view.copy_from_slice(bytes);
        }
        buffer.unmap();
        let view = |texture: &wgpu::Texture| texture.create_view(&wgpu::TextureViewDescriptor::default());
        let (from, into) = (view(source), view(&result));
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("tenter pass"),
            layout: &pass.layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(&from) },
                wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::TextureView(&into) },
            ],
        });
        let mut compute = self.encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        compute.set_pipeline(&pass.pipeline);
        compute.set_bind_group(0, &group, &[]);
        compute.dispatch_workgroups(size.0.div_ceil(WORKGROUP), size.1.div_ceil(WORKGROUP), 1);
        drop(compute);
        result
    }
}

impl Pipeline {
    fn new(
        device: &wgpu::Device,
        cache: Option<&wgpu::PipelineCache>,
        label: &str,
        source: &str,
        format: wgpu::TextureFormat,
    ) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty,
            count: None,
        };
        let dimension = wgpu::TextureViewDimension::D2;
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(label),
            entries: &[
                entry(
                    0,
                    wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Storage { read_only: true },
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                ),
                entry(
                    1,
                    wgpu::BindingType::Texture {
                        sample_type: wgpu::TextureSampleType::Float { filterable: false },
                        view_dimension: dimension,
                        multisampled: false,
                    },
                ),
                entry(
                    2,
                    wgpu::BindingType::StorageTexture {
                        access: wgpu::StorageTextureAccess::WriteOnly,
                        format,
                        view_dimension: dimension,
                    },
                ),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache,
        });
        Self { pipeline, layout, format }
    }
}
