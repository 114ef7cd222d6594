//! Textures and buffers that pages use one after another, by size class.
//!
//! A GPU runs what it is sent in order, so a texture may serve the next page as soon as this one's commands are sent.
//! A buffer may not: the CPU reads it later.

/// Sides are rounded up to this many px, so that pages of nearly the same size share textures.
const STEP: u32 = 64;
/// Bytes of textures and buffers kept, each.
const KEPT_BYTES: u64 = 512 << 20;
/// Rows in buffers begin on this many bytes: a rule of wgpu.
const ROW_ALIGNMENT: u32 = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT;

/// Free textures. Contents are whatever was there before.
#[derive(Default)]
pub(super) struct Textures {
    free: Vec<wgpu::Texture>,
    bytes: u64,
}

impl Textures {
    /// A texture of at least this size.
    pub(super) fn take(
        &mut self,
        device: &wgpu::Device,
        size: (u32, u32),
        format: wgpu::TextureFormat,
    ) -> wgpu::Texture {
        let most = device.limits().max_texture_dimension_2d;
        let class = |side: u32| side.max(1).next_multiple_of(STEP).min(most.max(side));
        let (width, height) = (class(size.0), class(size.1));
        let fits = |it: &wgpu::Texture| (it.width(), it.height(), it.format()) == (width, height, format);
        if let Some(at) = self.free.iter().position(fits) {
            let texture = self.free.swap_remove(at);
            self.bytes -= bytes(&texture);
            return texture;
        }
        device.create_texture(&wgpu::TextureDescriptor {
            label: Some("tenter surface"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::STORAGE_BINDING
                | wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_SRC
                | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        })
    }

    /// For the next.
    pub(super) fn give(&mut self, texture: wgpu::Texture) {
        self.bytes += bytes(&texture);
        self.free.push(texture);
        while self.bytes > KEPT_BYTES {
            self.bytes -= bytes(&self.free.remove(0));
        }
    }
}

fn bytes(texture: &wgpu::Texture) -> u64 {
    // Both formats in use have four bytes a px.
    u64::from(texture.width()) * u64::from(texture.height()) * 4
}

/// Free buffers for reading back.
#[derive(Default)]
pub(super) struct Buffers {
    free: Vec<wgpu::Buffer>,
    bytes: u64,
}

impl Buffers {
    /// A buffer for `height` rows of `stride` bytes.
    pub(super) fn take(&mut self, device: &wgpu::Device, stride: u32, height: u32) -> wgpu::Buffer {
        let class = u64::from(stride) * u64::from(height.next_multiple_of(STEP));
        if let Some(at) = self.free.iter().position(|it| it.size() == class) {
            let buffer = self.free.swap_remove(at);
            self.bytes -= buffer.size();
            return buffer;
        }
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("tenter readback"),
            size: class,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        })
    }

    /// For the next; not mapped any more.
    pub(super) fn give(&mut self, buffer: wgpu::Buffer) {
        self.bytes += buffer.size();
        self.free.push(buffer);
        while self.bytes > KEPT_BYTES {
            self.bytes -= self.free.remove(0).size();
        }
    }
}

/// Bytes of a row of `width` px in a buffer.
pub(super) fn stride(width: u32) -> u32 {
    (width.next_multiple_of(STEP) * 4).next_multiple_of(ROW_ALIGNMENT)
}
