//! One open device with its compiled pipelines: it submits encoded pages and prepares their readback buffers.

use std::collections::HashMap;
use std::sync::Arc;

use peniko::{Color, ImageData};
use vello::{AaConfig, AaSupport, RenderParams, Renderer, RendererOptions, Scene};

use super::adapters::{self, Adapter};
use super::encoded_page::GpuStep;
use super::error::GpuOpenError;
use super::fallback::FallbackReason;
use super::fault::{Fault, Faults};
use super::guards::MAX_ATLAS_PIXELS;
use super::passes::{PassEncoder, Passes};
use super::pipeline_cache::PipelineCacheFile;
use super::recolor::Recolor;
use super::resource_pool::{BufferPool, TexturePool, stride};
use super::scene::{SceneTile, TileArea, blank_scene};
use crate::config::GpuSettings;
use crate::paint::plan::{Kernel, SurfaceId};
use crate::units::DeviceSize;

/// Format of all surfaces, which vello renders to and which are read back.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// Number of scenes for which vello retains a picture in its atlas after the last one that showed it.
const ATLAS_RETENTION_SCENES: usize = 2;
/// Side of an empty scene, in px.
const EMPTY_SCENE_SIDE: u32 = 16;

/// The pixels of one tile of the page, in a buffer that can be mapped once the GPU has finished.
pub(super) struct Readback {
    pub(super) area: TileArea,
    pub(super) buffer: wgpu::Buffer,
    /// Bytes per row in `buffer`.
    pub(super) stride: u32,
}

/// An open device with vello's renderer and the compiled pixel passes.
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) faults: Faults,
    pub(super) buffers: BufferPool,
    queue: wgpu::Queue,
    renderer: Renderer,
    passes: Passes,
    textures: TexturePool,
    /// Px of the pictures in each of the latest scenes, which still take space in the atlas.
    recent_pixels: [u64; ATLAS_RETENTION_SCENES],
}

/// A surface of the page that is being submitted.
pub(super) struct SurfaceTexture {
    pub(super) texture: wgpu::Texture,
    pub(super) is_straight: bool,
}

impl Gpu {
    /// Opens `adapter` and compiles all pipelines; takes seconds without a pipeline cache.
    ///
    /// # Errors
    /// [`GpuOpenError`] says which step failed.
    pub(super) fn open(adapter: &Adapter, settings: &GpuSettings) -> Result<Self, GpuOpenError> {
        let found = adapters::enumerate();
        let same = |(index, it): &(usize, wgpu::Adapter)| {
            let found = Adapter::describe(*index, it);
            let same_bus_id = !adapter.pci_bus_id.is_empty() && found.pci_bus_id == adapter.pci_bus_id;
            same_bus_id || (found.name == adapter.name && found.index == adapter.index)
        };
        let (_, found) = found.into_iter().enumerate().find(same).ok_or(GpuOpenError::AdapterGone)?;
        let offered = found.limits();
        let defaults = wgpu::Limits::default();
        let required_limits = wgpu::Limits {
            max_texture_dimension_2d: offered.max_texture_dimension_2d,
            max_buffer_size: offered.max_buffer_size.max(defaults.max_buffer_size),
            max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
            ..defaults
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("tenter"),
            required_features: found.features() & wgpu::Features::PIPELINE_CACHE,
            required_limits,
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = pollster::block_on(found.request_device(&descriptor))?;
        let faults = Faults::default();
        device.set_device_lost_callback({
            let faults = faults.clone();
            move |reason, message| {
                faults.replace(Fault::new(FallbackReason::DeviceLost, format!("{reason:?}: {message}")))
            }
        });
        device.on_uncaptured_error({
            let faults = faults.clone();
            Arc::new(move |error| faults.on_error(&error))
        });
        let pipelines = PipelineCacheFile::open(&device, &found.get_info(), settings.cache_directory.as_deref());
        let cache = pipelines.as_ref().map(PipelineCacheFile::cache);
        let passes = Passes::new(&device, cache);
        let options = RendererOptions {
            use_cpu: false,
            antialiasing_support: AaSupport::area_only(),
            num_init_threads: None,
            pipeline_cache: cache.cloned(),
        };
        let renderer = Renderer::new(&device, options).map_err(GpuOpenError::Shaders)?;
        let mut gpu = Self {
            device,
            faults,
            buffers: BufferPool::default(),
            queue,
            renderer,
            passes,
            textures: TexturePool::default(),
            recent_pixels: [0; ATLAS_RETENTION_SCENES],
        };
        // Some drivers compile a pipeline only when it is first used.
        let warmed_up = gpu.render_empty_scene().and_then(|()| gpu.wait());
        warmed_up.map_err(GpuOpenError::FirstScene)?;
        if let Some(pipelines) = pipelines {
            pipelines.save();
        }
        Ok(gpu)
    }

    pub(super) fn wait(&self) -> Result<(), Fault> {
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        polled.map_err(|error| Fault::new(FallbackReason::Hung, error.to_string()))?;
        self.faults.check()
    }

    /// Submits all steps of a page; `sizes` are those of its surfaces.
    ///
    /// The readback buffers can be mapped at once and are complete when the submission with the returned index is done.
    pub(super) fn submit(
        &mut self,
        steps: &[GpuStep],
        sizes: &[DeviceSize],
    ) -> Result<(Vec<Readback>, Option<wgpu::SubmissionIndex>), Fault> {
        let mut surfaces: HashMap<usize, SurfaceTexture> = HashMap::new();
        let (mut readbacks, mut last_submission) = (Vec::new(), None);
        for step in steps {
            match step {
                GpuStep::Draw { into: SurfaceId(0), tiles } => {
                    for tile in tiles {
                        let texture = self.acquire((tile.area.width, tile.area.height));
                        self.draw(tile, &surfaces, &texture)?;
                        let (readback, index) = self.read_back(tile.area, &texture);
                        readbacks.push(readback);
                        last_submission = Some(index);
                        self.textures.release(texture);
                    }
                }
                GpuStep::Draw { into, tiles } => {
                    let size = sizes[into.0];
                    let texture = self.acquire((size.width, size.height));
                    match tiles.as_slice() {
                        [whole] => self.draw(whole, &surfaces, &texture)?,
                        tiles => self.draw_tiles(tiles, &surfaces, &texture)?,
                    }
                    surfaces.insert(into.0, SurfaceTexture { texture, is_straight: true });
                }
                GpuStep::Filter { from, into, kernel } => {
                    let missing = || Fault::new(FallbackReason::Validation, "a pass precedes the surface it reads");
                    let source = surfaces.get(&from.0).ok_or_else(missing)?;
                    let texture = self.filter(kernel, source, sizes[into.0]);
                    surfaces.insert(into.0, SurfaceTexture { texture, is_straight: false });
                }
            }
            self.faults.check()?;
        }
        for surface in surfaces.into_values() {
            self.textures.release(surface.texture);
        }
        Ok((readbacks, last_submission))
    }

    /// Renders the scene of `tile` into the top-left corner of `target`.
    fn draw(
        &mut self,
        tile: &SceneTile,
        surfaces: &HashMap<usize, SurfaceTexture>,
        target: &wgpu::Texture,
    ) -> Result<(), Fault> {
        let mut recolored = Vec::with_capacity(tile.recolored.len());
        for recolor in &tile.recolored {
            let texture = self.recolor(recolor);
            self.override_image(&recolor.image, &texture);
            recolored.push(texture);
        }
        for (surface, image) in &tile.surfaces {
            let surface = surfaces.get(&surface.0);
            let missing = || Fault::new(FallbackReason::Validation, "a scene shows a surface that is not drawn yet");
            let surface = surface.ok_or_else(missing)?;
            self.override_image(image, &surface.texture);
        }
        self.reserve_atlas(tile.pixels)?;
        self.render(&tile.scene, target, (tile.area.width, tile.area.height))?;
        let overridden = tile.recolored.iter().map(|it| &it.image).chain(tile.surfaces.iter().map(|(_, image)| image));
        for image in overridden {
            self.renderer.override_image(image, None);
        }
        recolored.into_iter().for_each(|texture| self.textures.release(texture));
        Ok(())
    }

    /// Makes vello read the pixels of `image` from `texture`.
    fn override_image(&mut self, image: &ImageData, texture: &wgpu::Texture) {
        let source = wgpu::TexelCopyTextureInfoBase {
            texture: texture.clone(),
            mip_level: 0,
            origin: wgpu::Origin3d::ZERO,
            aspect: wgpu::TextureAspect::All,
        };
        self.renderer.override_image(image, Some(source));
    }

    /// Ensures that the atlas has space for `pixels` more px of pictures.
    ///
    /// vello evicts a picture only after later scenes have not shown it. When the pictures of the latest scenes and the
    /// new ones might not fit together, empty scenes are rendered in between.
    fn reserve_atlas(&mut self, pixels: u64) -> Result<(), Fault> {
        if self.recent_pixels.iter().sum::<u64>() + pixels > 2 * MAX_ATLAS_PIXELS {
            for _ in 0..=ATLAS_RETENTION_SCENES {
                self.render_empty_scene()?;
            }
            self.recent_pixels = [0; ATLAS_RETENTION_SCENES];
        }
        self.recent_pixels.rotate_right(1);
        self.recent_pixels[0] = pixels;
        Ok(())
    }

    fn render_empty_scene(&mut self) -> Result<(), Fault> {
        let target = self.acquire((EMPTY_SCENE_SIDE, EMPTY_SCENE_SIDE));
        self.render(&blank_scene(), &target, (EMPTY_SCENE_SIDE, EMPTY_SCENE_SIDE))?;
        self.textures.release(target);
        Ok(())
    }

    fn render(&mut self, scene: &Scene, target: &wgpu::Texture, (width, height): (u32, u32)) -> Result<(), Fault> {
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        let params =
            RenderParams { base_color: Color::TRANSPARENT, width, height, antialiasing_method: AaConfig::Area };
        self.renderer
            .render_to_texture(&self.device, &self.queue, scene, &view, &params)
            .map_err(|error| Fault::new(FallbackReason::Validation, error.to_string()))
    }

    /// Draws `tiles` one after the other and copies each to its area of `target`.
    fn draw_tiles(
        &mut self,
        tiles: &[SceneTile],
        surfaces: &HashMap<usize, SurfaceTexture>,
        target: &wgpu::Texture,
    ) -> Result<(), Fault> {
        for tile in tiles {
            let texture = self.acquire((tile.area.width, tile.area.height));
            self.draw(tile, surfaces, &texture)?;
            let mut encoder = self.encoder();
            let mut into = target.as_image_copy();
            into.origin = wgpu::Origin3d { x: tile.area.x, y: tile.area.y, z: 0 };
            encoder.copy_texture_to_texture(texture.as_image_copy(), into, extent(tile.area.width, tile.area.height));
            self.queue.submit([encoder.finish()]);
            self.textures.release(texture);
        }
        Ok(())
    }

    pub(super) fn filter(&mut self, kernel: &Kernel, source: &SurfaceTexture, size: DeviceSize) -> wgpu::Texture {
        let mut encoder = self.encoder();
        let mut passes = PassEncoder { device: &self.device, encoder: &mut encoder, textures: &mut self.textures };
        let size = (size.width, size.height);
        let texture = self.passes.kernel(&mut passes, kernel, &source.texture, source.is_straight, size);
        self.queue.submit([encoder.finish()]);
        texture
    }

    pub(super) fn recolor(&mut self, recolor: &Recolor) -> wgpu::Texture {
        let source = self.upload(recolor.pixels.data(), (recolor.width, recolor.height));
        let mut encoder = self.encoder();
        let mut passes = PassEncoder { device: &self.device, encoder: &mut encoder, textures: &mut self.textures };
        let texture = self.passes.recolor(&mut passes, recolor, source);
        self.queue.submit([encoder.finish()]);
        texture
    }

    /// Writes `pixels`, RGBA8 in rows without padding, to a new texture.
    pub(super) fn upload(&mut self, pixels: &[u8], (width, height): (u32, u32)) -> wgpu::Texture {
        let texture = self.acquire((width, height));
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(width * 4), rows_per_image: None };
        self.queue.write_texture(texture.as_image_copy(), pixels, layout, extent(width, height));
        texture
    }

    /// Copies the top-left corner of `texture`, as large as `area`, to a readback buffer.
    pub(super) fn read_back(&mut self, area: TileArea, texture: &wgpu::Texture) -> (Readback, wgpu::SubmissionIndex) {
        let stride = stride(area.width);
        let buffer = self.buffers.acquire(&self.device, stride, area.height);
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(stride), rows_per_image: None };
        let mut encoder = self.encoder();
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo { buffer: &buffer, layout },
            extent(area.width, area.height),
        );
        let index = self.queue.submit([encoder.finish()]);
        (Readback { area, buffer, stride }, index)
    }

    fn acquire(&mut self, size: (u32, u32)) -> wgpu::Texture {
        self.textures.acquire(&self.device, size, FORMAT)
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("tenter") })
    }
}

fn extent(width: u32, height: u32) -> wgpu::Extent3d {
    wgpu::Extent3d { width, height, depth_or_array_layers: 1 }
}
