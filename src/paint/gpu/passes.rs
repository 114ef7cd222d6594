//! Pixel passes in WGSL: the twins of `paint::passes` and of `paint::resample`, one shader each in `shaders/`.
//!
//! A test feeds random pictures and numbers to both.

use peniko::Color;

use super::recolor::Recolor;
use super::ring::Textures;
use crate::paint::passes;
use crate::paint::plan::Kernel;
use crate::paint::resample::{Reduce, Sample};
use crate::scene::{Pass, Tone};

/// What all shaders share comes first, once.
macro_rules! shader {
    ($($file:literal),+) => {
        concat!($(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $file, ".wgsl"))),+)
    };
}

/// Threads of a workgroup along each axis, as the shaders say.
const WORKGROUP: u32 = 8;
/// Texels that one pass may read: some seconds on a small GPU.
const MOST_READS: f64 = 4e10;

/// Premultiplied pixels, four bytes each.
const RGBA: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// Levels between two passes of a shadow.
const LEVELS: wgpu::TextureFormat = wgpu::TextureFormat::R32Float;

/// All pipelines, compiled.
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

/// True when the GPU can run `kernel` over `pixels` px in a time that anybody waits for.
pub(super) fn is_bounded(kernel: &Kernel, pixels: u64) -> bool {
    let reads = match kernel {
        Kernel::Blur { radius } => 4.0 * f64::from(*radius) + 2.0,
        Kernel::Shadow { sigma, .. } => passes::spreads(*sigma).iter().map(|it| it.weights.len() as f64 * 2.0).sum(),
    };
    // The weighted sum of a blur must fit 32 bits.
    let fits = !matches!(kernel, Kernel::Blur { radius } if *radius > 4000);
    fits && reads * pixels as f64 <= MOST_READS
}

/// Where passes are recorded, and what they draw on.
pub(super) struct Recording<'a> {
    pub(super) device: &'a wgpu::Device,
    pub(super) encoder: &'a mut wgpu::CommandEncoder,
    pub(super) textures: &'a mut Textures,
}

impl Passes {
    pub(super) fn new(device: &wgpu::Device, cache: Option<&wgpu::PipelineCache>) -> Self {
        let make = |label: &str, source: &str, format| Pipeline::new(device, cache, label, source, format);
        Self {
            color_matrix: make("color_matrix", shader!("shared/pixels", "shared/color", "color_matrix"), RGBA),
            tone: make("tone", shader!("shared/pixels", "shared/color", "tone"), RGBA),
            blur: make("blur", shader!("shared/pixels", "blur"), RGBA),
            shadow_spread: make("shadow_spread", shader!("shared/pixels", "shadow_spread"), LEVELS),
            shadow: make("shadow", shader!("shared/pixels", "shadow"), RGBA),
            reduce: make("reduce", shader!("shared/pixels", "reduce"), RGBA),
            sample: make("sample", shader!("shared/pixels", "sample"), RGBA),
        }
    }

    /// Runs `kernel` over `size` px of `source`, whose pixels are straight or premultiplied. The outcome is premultiplied.
    pub(super) fn kernel(
        &self,
        recording: &mut Recording<'_>,
        kernel: &Kernel,
        source: &wgpu::Texture,
        is_straight: bool,
        size: (u32, u32),
    ) -> wgpu::Texture {
        match kernel {
            Kernel::Blur { radius } => self.blurred(recording, source, is_straight, size, *radius),
            Kernel::Shadow { sigma, color } => self.shadowed(recording, source, size, *sigma, *color),
        }
    }

    fn blurred(
        &self,
        recording: &mut Recording<'_>,
        source: &wgpu::Texture,
        is_straight: bool,
        size: (u32, u32),
        radius: u32,
    ) -> wgpu::Texture {
        let (factor, shift) = passes::blur_division(radius);
        let numbers = |columns: f32, straight: bool| {
            [columns, f32::from(u8::from(straight)), radius as f32, factor as f32, shift as f32]
        };
        let rows = recording.run(&self.blur, source, size, &numbers(0.0, is_straight));
        let blurred = recording.run(&self.blur, &rows, size, &numbers(1.0, false));
        recording.textures.give(rows);
        blurred
    }

    fn shadowed(
        &self,
        recording: &mut Recording<'_>,
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
                let mut numbers = vec![columns, from_rgba, it.weights.len() as f32, it.before as f32];
                numbers.extend(&it.weights);
                let next = recording.run(&self.shadow_spread, spread.as_ref().unwrap_or(source), size, &numbers);
                spread.replace(next).into_iter().for_each(|old| recording.textures.give(old));
            }
        }
        let [r, g, b, a] = color.components;
        let numbers = [f32::from(u8::from(spread.is_none())), r, g, b, a];
        let shadow = recording.run(&self.shadow, spread.as_ref().unwrap_or(source), size, &numbers);
        spread.into_iter().for_each(|old| recording.textures.give(old));
        shadow
    }

    /// `source` holds the whole picture, premultiplied.
    pub(super) fn recolor(
        &self,
        recording: &mut Recording<'_>,
        recolor: &Recolor,
        source: wgpu::Texture,
    ) -> wgpu::Texture {
        let whole = (recolor.width, recolor.height);
        let recipe = &recolor.recipe;
        let mut texture = source;
        for (at, pass) in recipe.passes.iter().enumerate() {
            let is_color = |at: Option<usize>| {
                at.and_then(|at| recipe.passes.get(at)).is_some_and(|it| !matches!(it, Pass::Blur { .. }))
            };
            let ends = [!is_color(at.checked_sub(1)), !is_color(Some(at + 1))].map(|it| f32::from(u8::from(it)));
            let next = match pass {
                Pass::Blur { radius: 0 } => continue,
                Pass::Blur { radius } => self.blurred(recording, &texture, false, whole, *radius),
                Pass::ColorMatrix(rows) => {
                    let mut numbers = ends.to_vec();
                    numbers.extend(rows.iter().flatten().map(|it| *it as f32));
                    recording.run(&self.color_matrix, &texture, whole, &numbers)
                }
                Pass::Tone(tone) => {
                    let (kind, amount) = match tone {
                        Tone::Vibrance(amount) => (0.0, amount),
                        Tone::Dark(gain) => (1.0, gain),
                        Tone::Light(gain) => (2.0, gain),
                        Tone::Natural(amount) => (3.0, amount),
                    };
                    recording.run(&self.tone, &texture, whole, &[ends[0], ends[1], kind, *amount as f32])
                }
            };
            recording.textures.give(std::mem::replace(&mut texture, next));
        }
        let reduced = self.reduced(recording, &texture, &recipe.columns, &recipe.rows);
        recording.textures.give(texture);
        let Some((columns, rows)) = &recipe.samples else { return reduced };
        let sampled = self.sampled(recording, &reduced, (recipe.columns.count, recipe.rows.count), columns, rows);
        recording.textures.give(reduced);
        sampled
    }

    fn reduced(
        &self,
        recording: &mut Recording<'_>,
        source: &wgpu::Texture,
        columns: &Reduce,
        rows: &Reduce,
    ) -> wgpu::Texture {
        let windows = |axis: &Reduce| -> Vec<f32> {
            (0..axis.count).map(|at| axis.window(at)).flat_map(|(start, end)| [start as f32, end as f32]).collect()
        };
        let numbers = [windows(columns), windows(rows)].concat();
        recording.run(&self.reduce, source, (columns.count, rows.count), &numbers)
    }

    fn sampled(
        &self,
        recording: &mut Recording<'_>,
        source: &wgpu::Texture,
        (width, height): (u32, u32),
        columns: &Sample,
        rows: &Sample,
    ) -> wgpu::Texture {
        let taps = |axis: &Sample, side: u32| -> Vec<f32> {
            let taps = (0..axis.count).map(|at| axis.taps(at, side));
            taps.flat_map(|(near, far, weight)| [near as f32, far as f32, weight as f32]).collect()
        };
        let numbers = [taps(columns, width), taps(rows, height)].concat();
        recording.run(&self.sample, source, (columns.count, rows.count), &numbers)
    }
}

impl Recording<'_> {
    /// One dispatch over `size` px into a texture of its own.
    fn run(&mut self, pass: &Pipeline, source: &wgpu::Texture, size: (u32, u32), own: &[f32]) -> wgpu::Texture {
        let result = self.textures.take(self.device, size, pass.format);
        let numbers: Vec<f32> = [size.0 as f32, size.1 as f32].into_iter().chain(own.iter().copied()).collect();
        let bytes: &[u8] = bytemuck::cast_slice(&numbers);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("tenter pass numbers"),
            size: bytes.len() as u64,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: true,
        });
        // On a device that was lost there is nothing to write to; its fault is told elsewhere.
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
