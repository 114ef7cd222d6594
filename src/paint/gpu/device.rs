//! One device with everything compiled: from jobs to pixels that are about to be readable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use peniko::{Color, ImageData};
use vello::{AaConfig, AaSupport, RenderParams, Renderer, RendererOptions, Scene};

use super::adapters::{self, Adapter};
use super::cache::Pipelines;
use super::guards::{ATLAS_PIXELS, Refusal};
use super::passes::{Passes, Recording};
use super::recolor::Recolor;
use super::ring::{Buffers, Textures, stride};
use super::scene::{Area, Part, blank};
use super::thread::Step;
use crate::config::GpuSettings;
use crate::paint::plan::{Kernel, SurfaceId};
use crate::units::DeviceSize;

/// What vello draws on, and what is read back.
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// Scenes after which vello may drop a picture from its atlas that they did not show.
const SCENES_KEPT: usize = 2;
/// Side of an empty scene.
const EMPTY: u32 = 16;

/// What went wrong with a device, in the driver's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: Refusal,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(kind: Refusal, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Where callbacks of a device leave its first fault.
#[derive(Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Option<Fault>>>);

impl Faults {
    /// Keeps the first: what follows is mostly its consequence.
    pub(super) fn set(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    /// That a device is lost is told late, and is the cause of what came before.
    fn set_cause(&self, fault: Fault) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    pub(super) fn get(&self) -> Option<Fault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check(&self) -> Result<(), Fault> {
        self.get().map_or(Ok(()), Err)
    }

    pub(super) fn on_error(&self, error: &wgpu::Error) {
        let kind = match error {
            wgpu::Error::OutOfMemory { .. } => Refusal::OutOfMemory,
            wgpu::Error::Validation { .. } | wgpu::Error::Internal { .. } => Refusal::Validation,
        };
        self.set(Fault::new(kind, error.to_string()));
    }
}

/// One part of the page in a buffer, as soon as the GPU is done.
pub(super) struct Readback {
    pub(super) area: Area,
    pub(super) buffer: wgpu::Buffer,
    /// Bytes of a row in `buffer`.
    pub(super) stride: u32,
}

/// A device that is ready to paint.
pub(super) struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) faults: Faults,
    pub(super) buffers: Buffers,
    queue: wgpu::Queue,
    renderer: Renderer,
    passes: Passes,
    textures: Textures,
    /// Px of pictures in the latest scenes, which still fill the atlas.
    latest: [u64; SCENES_KEPT],
}

/// A surface of the page under way.
pub(super) struct Surface {
    pub(super) texture: wgpu::Texture,
    pub(super) is_straight: bool,
}

impl Gpu {
    /// Opens `adapter` and compiles everything; takes seconds where nothing is cached. The error is in words.
    pub(super) fn open(adapter: &Adapter, settings: &GpuSettings) -> Result<Self, String> {
        let found = adapters::enumerate();
        let same = |(index, it): &(usize, wgpu::Adapter)| {
            let found = Adapter::describe(*index, it);
            let by_bus = !adapter.pci_bus_id.is_empty() && found.pci_bus_id == adapter.pci_bus_id;
            by_bus || (found.name == adapter.name && found.index == adapter.index)
        };
        let (_, found) = found.into_iter().enumerate().find(same).ok_or("the adapter is gone")?;
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
        let (device, queue) =
            pollster::block_on(found.request_device(&descriptor)).map_err(|error| format!("no device: {error}"))?;
        let faults = Faults::default();
        device.set_device_lost_callback({
            let faults = faults.clone();
            move |reason, message| faults.set_cause(Fault::new(Refusal::DeviceLost, format!("{reason:?}: {message}")))
        });
        device.on_uncaptured_error({
            let faults = faults.clone();
            Arc::new(move |error| faults.on_error(&error))
        });
        let pipelines = Pipelines::open(&device, &found.get_info(), settings.cache_directory.as_deref());
        let cache = pipelines.as_ref().map(Pipelines::cache);
        let passes = Passes::new(&device, cache);
        let options = RendererOptions {
            use_cpu: false,
            antialiasing_support: AaSupport::area_only(),
            num_init_threads: None,
            pipeline_cache: cache.cloned(),
        };
        let renderer = Renderer::new(&device, options).map_err(|error| format!("no renderer: {error}"))?;
        let mut gpu = Self {
            device,
            faults,
            buffers: Buffers::default(),
            queue,
            renderer,
            passes,
            textures: Textures::default(),
            latest: [0; SCENES_KEPT],
        };
        // Drivers compile when a pipeline is first used, whatever they said before.
        let warmed = gpu.empty_scene().and_then(|()| gpu.wait());
        warmed.map_err(|fault| format!("the first scene failed: {}", fault.message))?;
        if let Some(pipelines) = pipelines {
            pipelines.save();
        }
        Ok(gpu)
    }

    pub(super) fn wait(&self) -> Result<(), Fault> {
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        polled.map_err(|error| Fault::new(Refusal::Hung, error.to_string()))?;
        self.faults.check()
    }

    /// Sends all of a page. What comes back can be mapped; it is whole once the submission with that index is done.
    pub(super) fn send(
        &mut self,
        steps: &[Step],
        sizes: &[DeviceSize],
    ) -> Result<(Vec<Readback>, Option<wgpu::SubmissionIndex>), Fault> {
        let mut surfaces: HashMap<usize, Surface> = HashMap::new();
        let (mut readbacks, mut sent) = (Vec::new(), None);
        for step in steps {
            match step {
                Step::Draw { into: SurfaceId(0), parts } => {
                    for part in parts {
                        let texture = self.take((part.area.width, part.area.height));
                        self.draw(part, &surfaces, &texture)?;
                        let (readback, index) = self.read(part.area, &texture);
                        readbacks.push(readback);
                        sent = Some(index);
                        self.textures.give(texture);
                    }
                }
                Step::Draw { into, parts } => {
                    let size = sizes[into.0];
                    let texture = self.take((size.width, size.height));
                    match parts.as_slice() {
                        [whole] => self.draw(whole, &surfaces, &texture)?,
                        parts => self.assemble(parts, &surfaces, &texture)?,
                    }
                    surfaces.insert(into.0, Surface { texture, is_straight: true });
                }
                Step::Filter { from, into, kernel } => {
                    let missing = || Fault::new(Refusal::Validation, "a pass before its source");
                    let source = surfaces.get(&from.0).ok_or_else(missing)?;
                    let texture = self.filter(kernel, source, sizes[into.0]);
                    surfaces.insert(into.0, Surface { texture, is_straight: false });
                }
            }
            self.faults.check()?;
        }
        for surface in surfaces.into_values() {
            self.textures.give(surface.texture);
        }
        Ok((readbacks, sent))
    }

    /// One scene onto the top-left corner of `target`.
    fn draw(&mut self, part: &Part, surfaces: &HashMap<usize, Surface>, target: &wgpu::Texture) -> Result<(), Fault> {
        let mut made = Vec::with_capacity(part.recolored.len());
        for recolor in &part.recolored {
            let texture = self.recolor(recolor);
            self.show(&recolor.image, &texture);
            made.push(texture);
        }
        for (surface, image) in &part.surfaces {
            let surface = surfaces.get(&surface.0);
            let surface = surface.ok_or_else(|| Fault::new(Refusal::Validation, "a surface before it was drawn"))?;
            self.show(image, &surface.texture);
        }
        self.make_room(part.pixels)?;
        self.render(&part.scene, target, (part.area.width, part.area.height))?;
        let shown = part.recolored.iter().map(|it| &it.image).chain(part.surfaces.iter().map(|(_, image)| image));
        for image in shown {
            self.renderer.override_image(image, None);
        }
        made.into_iter().for_each(|texture| self.textures.give(texture));
        Ok(())
    }

    /// vello takes the pixels of `image` from `texture`.
    fn show(&mut self, image: &ImageData, texture: &wgpu::Texture) {
        let source = wgpu::TexelCopyTextureInfoBase {
            texture: texture.clone(),
            mip_level: 0,
            origin: wgpu::Origin3d::ZERO,
            aspect: wgpu::TextureAspect::All,
        };
        self.renderer.override_image(image, Some(source));
    }

    /// vello lets go of pictures only when later scenes have not shown them. Where those of the latest scenes and
    /// `pixels` more might not fit together, empty scenes come between.
    fn make_room(&mut self, pixels: u64) -> Result<(), Fault> {
        if self.latest.iter().sum::<u64>() + pixels > 2 * ATLAS_PIXELS {
            for _ in 0..=SCENES_KEPT {
                self.empty_scene()?;
            }
            self.latest = [0; SCENES_KEPT];
        }
        self.latest.rotate_right(1);
        self.latest[0] = pixels;
        Ok(())
    }

    fn empty_scene(&mut self) -> Result<(), Fault> {
        let target = self.take((EMPTY, EMPTY));
        self.render(&blank(), &target, (EMPTY, EMPTY))?;
        self.textures.give(target);
        Ok(())
    }

    fn render(&mut self, scene: &Scene, target: &wgpu::Texture, (width, height): (u32, u32)) -> Result<(), Fault> {
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        let params =
            RenderParams { base_color: Color::TRANSPARENT, width, height, antialiasing_method: AaConfig::Area };
        self.renderer
            .render_to_texture(&self.device, &self.queue, scene, &view, &params)
            .map_err(|error| Fault::new(Refusal::Validation, error.to_string()))
    }

    /// Draws parts one by one and puts them together on `target`.
    fn assemble(
        &mut self,
        parts: &[Part],
        surfaces: &HashMap<usize, Surface>,
        target: &wgpu::Texture,
    ) -> Result<(), Fault> {
        for part in parts {
            let texture = self.take((part.area.width, part.area.height));
            self.draw(part, surfaces, &texture)?;
            let mut encoder = self.encoder();
            let mut into = target.as_image_copy();
            into.origin = wgpu::Origin3d { x: part.area.x, y: part.area.y, z: 0 };
            encoder.copy_texture_to_texture(texture.as_image_copy(), into, extent(part.area.width, part.area.height));
            self.queue.submit([encoder.finish()]);
            self.textures.give(texture);
        }
        Ok(())
    }

    pub(super) fn filter(&mut self, kernel: &Kernel, source: &Surface, size: DeviceSize) -> wgpu::Texture {
        let mut encoder = self.encoder();
        let mut recording = Recording { device: &self.device, encoder: &mut encoder, textures: &mut self.textures };
        let size = (size.width, size.height);
        let texture = self.passes.kernel(&mut recording, kernel, &source.texture, source.is_straight, size);
        self.queue.submit([encoder.finish()]);
        texture
    }

    pub(super) fn recolor(&mut self, recolor: &Recolor) -> wgpu::Texture {
        let source = self.upload(recolor.pixels.data(), (recolor.width, recolor.height));
        let mut encoder = self.encoder();
        let mut recording = Recording { device: &self.device, encoder: &mut encoder, textures: &mut self.textures };
        let texture = self.passes.recolor(&mut recording, recolor, source);
        self.queue.submit([encoder.finish()]);
        texture
    }

    /// `pixels`: four bytes each, rows without padding.
    pub(super) fn upload(&mut self, pixels: &[u8], (width, height): (u32, u32)) -> wgpu::Texture {
        let texture = self.take((width, height));
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(width * 4), rows_per_image: None };
        self.queue.write_texture(texture.as_image_copy(), pixels, layout, extent(width, height));
        texture
    }

    /// Copies the top-left corner of `texture` to where the CPU can read it.
    pub(super) fn read(&mut self, area: Area, texture: &wgpu::Texture) -> (Readback, wgpu::SubmissionIndex) {
        let stride = stride(area.width);
        let buffer = self.buffers.take(&self.device, stride, area.height);
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

    fn take(&mut self, size: (u32, u32)) -> wgpu::Texture {
        self.textures.take(&self.device, size, FORMAT)
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("tenter") })
    }
}

fn extent(width: u32, height: u32) -> wgpu::Extent3d {
    wgpu::Extent3d { width, height, depth_or_array_layers: 1 }
}
