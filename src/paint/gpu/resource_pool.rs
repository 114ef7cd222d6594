//! Pools of textures and readback buffers, which are reused from page to page by size class.
//!
//! A GPU executes submissions in order, so a texture can be released as soon as the commands that use it are submitted.
//! A readback buffer can be released only after the CPU has read it.

/// Granularity of sides, in px: they are rounded up, so that pages of nearly the same size share textures.
const SIDE_GRANULARITY: u32 = 64;
/// Maximum bytes of free textures in a pool, and of free buffers in a pool.
const MAX_FREE_BYTES: u64 = 512 << 20;
/// Alignment of rows in buffers, in bytes, as wgpu requires it.
const ROW_ALIGNMENT: u32 = wgpu::COPY_BYTES_PER_ROW_ALIGNMENT;

/// Free textures, whose contents are undefined.
#[derive(Default)]
pub(super) struct TexturePool {
    free: Vec<wgpu::Texture>,
    bytes: u64,
}

impl TexturePool {
    /// Returns a texture of at least `size` px, a free one if there is any.
    pub(super) fn acquire(
        &mut self,
        device: &wgpu::Device,
        size: (u32, u32),
        format: wgpu::TextureFormat,
    ) -> wgpu::Texture {
        let max_side = device.limits().max_texture_dimension_2d;
        let class = |side: u32| side.max(1).next_multiple_of(SIDE_GRANULARITY).min(max_side.max(side));
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

    /// Returns `texture` to the pool; the oldest free textures are dropped beyond [`MAX_FREE_BYTES`].
    pub(super) fn release(&mut self, texture: wgpu::Texture) {
        self.bytes += bytes(&texture);
        self.free.push(texture);
        while self.bytes > MAX_FREE_BYTES {
            self.bytes -= bytes(&self.free.remove(0));
        }
    }
}

fn bytes(texture: &wgpu::Texture) -> u64 {
    // Both formats in use have four bytes per px.
    u64::from(texture.width()) * u64::from(texture.height()) * 4
}

/// Free readback buffers, which are not mapped.
#[derive(Default)]
pub(super) struct BufferPool {
    free: Vec<wgpu::Buffer>,
    bytes: u64,
}

impl BufferPool {
    /// Returns a buffer for `height` rows of `stride` bytes, a free one if there is any.
    pub(super) fn acquire(&mut self, device: &wgpu::Device, stride: u32, height: u32) -> wgpu::Buffer {
        let class = u64::from(stride) * u64::from(height.next_multiple_of(SIDE_GRANULARITY));
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

    /// Returns `buffer`, which must be unmapped, to the pool; the oldest are dropped beyond [`MAX_FREE_BYTES`].
    pub(super) fn release(&mut self, buffer: wgpu::Buffer) {
        self.bytes += buffer.size();
        self.free.push(buffer);
        while self.bytes > MAX_FREE_BYTES {
            self.bytes -= self.free.remove(0).size();
        }
    }
}

/// Bytes per row of `width` px in a readback buffer.
pub(super) fn stride(width: u32) -> u32 {
    (width.next_multiple_of(SIDE_GRANULARITY) * 4).next_multiple_of(ROW_ALIGNMENT)
}
