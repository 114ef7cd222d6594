//! The boxes of an AVIF file: which items hold the picture and its alpha, and their properties (ISO/IEC 14496-12,
//! 23008-12, and AV1 Image File Format 1.1).
//!
//! Only the parts of the file that the primary picture needs are read. All sizes are checked against the file.

/// Reason why the boxes cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ContainerError {
    /// A box ends outside of the one around it, or has too few bytes.
    #[error("a box ends too early")]
    Truncated,
    /// A required box or item is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// The file uses a variant that is not supported.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// The file has more of something than a picture needs.
    #[error("it has more than {1} {0}")]
    TooMany(&'static str, usize),
}

use ContainerError::{Missing, TooMany, Truncated, Unsupported};

/// Maximum number of items, and of properties. Files of cameras have about 70 items.
const MAX_ITEMS: usize = 4096;
/// Maximum number of tiles of a picture.
const MAX_TILES: usize = 1024;

/// A picture and what belongs to it.
#[derive(Debug, Default)]
pub(super) struct Container {
    pub(super) picture: Layer,
    /// The picture whose luma is the alpha.
    pub(super) alpha: Option<Layer>,
    /// Colours are multiplied by alpha already.
    pub(super) premultiplied: bool,
    /// Number of quarter turns anticlockwise.
    pub(super) turns: u8,
    /// The axis of a mirror image: 0 exchanges top and bottom, 1 left and right. Applied after the turns.
    pub(super) mirror: Option<u8>,
}

/// An AV1 picture, or a grid of them.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) width: u32,
    pub(super) height: u32,
    /// AV1 data of each tile, from left to right, then from top to bottom.
    pub(super) tiles: Vec<Vec<u8>>,
    pub(super) columns: usize,
    /// Size of a tile as its properties say.
    pub(super) tile_size: (u32, u32),
    pub(super) colour: Colour,
}

/// The colour space, as far as the container says.
#[derive(Clone, Debug, Default)]
pub(super) struct Colour {
    pub(super) icc: Option<Vec<u8>>,
    /// Primaries, transfer characteristics and matrix coefficients of ITU-T H.273, and whether the range is full.
    pub(super) nclx: Option<(u16, u16, u16, bool)>,
}

/// Reads big-endian numbers from the front of a slice.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ContainerError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number of 0 to 8 bytes.
    fn number(&mut self, bytes: usize) -> Result<u64, ContainerError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn u8(&mut self) -> Result<u8, ContainerError> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, ContainerError> {
        Ok(self.number(2)? as u16)
    }

    fn u32(&mut self) -> Result<u32, ContainerError> {
        Ok(self.number(4)? as u32)
    }

    /// The version of a full box.
    fn version(&mut self) -> Result<u8, ContainerError> {
        Ok(self.take(4)?[0])
    }

    /// The next box: its type and content; `None` at the end.
    fn next_box(&mut self) -> Result<Option<([u8; 4], Bytes<'a>)>, ContainerError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let size = u64::from(self.u32()?);
        let kind = self.take(4)?.try_into().expect("four bytes");
        let content = match size {
            0 => self.0.len(),
            1 => usize::try_from(self.number(8)?.checked_sub(16).ok_or(Truncated)?).map_err(|_| Truncated)?,
            size => size.checked_sub(8).ok_or(Truncated)? as usize,
        };
        Ok(Some((kind, Bytes(self.take(content)?))))
    }

    /// The content of the first box of this type.
    fn find(mut self, wanted: &[u8; 4]) -> Result<Option<Bytes<'a>>, ContainerError> {
        while let Some((kind, content)) = self.next_box()? {
            if kind == *wanted {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }
}

/// An item of the file.
#[derive(Debug, Default)]
struct Item {
    id: u32,
    kind: [u8; 4],
    /// In the file, or in the `idat` box.
    in_idat: bool,
    /// Offset and length of each part.
    extents: Vec<(u64, u64)>,
    /// Indices of properties, from 0.
    properties: Vec<usize>,
}

/// A reference from an item to others.
struct Reference {
    kind: [u8; 4],
    from: u32,
    to: Vec<u32>,
}

/// The boxes inside `meta`.
struct Meta<'a> {
    file: &'a [u8],
    idat: &'a [u8],
    primary: u32,
    items: Vec<Item>,
    references: Vec<Reference>,
    properties: Vec<([u8; 4], Bytes<'a>)>,
}

/// Reads the container of the primary picture of `file`.
pub(super) fn read(file: &[u8]) -> Result<Container, ContainerError> {
    let Some(mut content) = Bytes(file).find(b"meta")? else {
        return Err(Unsupported("animations without a still picture"));
    };
    content.version()?;
    let meta = Meta::read(file, content)?;
    let primary = meta.item(meta.primary).ok_or(Missing("primary picture"))?;
    let mut container = Container { picture: meta.layer(primary)?, ..Container::default() };
    for property in &primary.properties {
        let Some((kind, content)) = meta.properties.get(*property) else { continue };
        match kind {
            b"irot" => container.turns = { *content }.u8()? & 3,
            b"imir" => container.mirror = Some({ *content }.u8()? & 1),
            _ => {}
        }
    }
    let alpha = meta.references.iter().filter(|it| it.kind == *b"auxl" && it.to.contains(&primary.id));
    if let Some(alpha) = alpha.filter_map(|it| meta.item(it.from)).find(|it| meta.is_alpha(it)) {
        container.premultiplied =
            meta.references.iter().any(|it| it.kind == *b"prem" && it.from == primary.id && it.to.contains(&alpha.id));
        container.alpha = Some(meta.layer(alpha)?);
    }
    Ok(container)
}

impl<'a> Meta<'a> {
    fn read(file: &'a [u8], content: Bytes<'a>) -> Result<Self, ContainerError> {
        let mut boxes = content;
        let mut meta =
            Self { file, idat: &[], primary: 0, items: Vec::new(), references: Vec::new(), properties: Vec::new() };
        let (mut locations, mut associations) = (None, None);
        while let Some((kind, mut content)) = boxes.next_box()? {
            match &kind {
                b"pitm" => {
                    meta.primary = if content.version()? == 0 { content.u16()?.into() } else { content.u32()? }
                }
                b"iinf" => meta.read_items(content)?,
                b"iloc" => locations = Some(content),
                b"iref" => meta.read_references(content)?,
                b"idat" => meta.idat = content.0,
                b"iprp" => {
                    let mut known = content.find(b"ipco")?.ok_or(Missing("properties"))?;
                    while let Some(property) = known.next_box()? {
                        if meta.properties.len() == MAX_ITEMS {
                            return Err(TooMany("properties", MAX_ITEMS));
                        }
                        meta.properties.push(property);
                    }
                    associations = content.find(b"ipma")?;
                }
                _ => {}
            }
        }
        meta.locate(locations.ok_or(Missing("locations of its data"))?)?;
        meta.associate(associations.ok_or(Missing("properties"))?)?;
        Ok(meta)
    }

    fn item(&self, id: u32) -> Option<&Item> {
        self.items.iter().find(|it| it.id == id)
    }

    fn read_items(&mut self, mut content: Bytes<'a>) -> Result<(), ContainerError> {
        let wide = content.version()? != 0;
        content.take(if wide { 4 } else { 2 })?;
        while let Some((kind, mut entry)) = content.next_box()? {
            if kind != *b"infe" {
                continue;
            }
            if self.items.len() == MAX_ITEMS {
                return Err(TooMany("items", MAX_ITEMS));
            }
            let version = entry.version()?;
            if version < 2 {
                continue;
            }
            let id = if version == 2 { entry.u16()?.into() } else { entry.u32()? };
            entry.u16()?; // the index of its protection
            let kind = entry.take(4)?.try_into().expect("four bytes");
            self.items.push(Item { id, kind, ..Item::default() });
        }
        Ok(())
    }

    fn locate(&mut self, mut content: Bytes<'a>) -> Result<(), ContainerError> {
        let version = content.version()?;
        let sizes = content.u16()?;
        let size = |shift: u32| usize::from(sizes >> shift & 15).min(8);
        let (offset_size, length_size, base_size) = (size(12), size(8), size(4));
        let index_size = if version == 0 { 0 } else { size(0) };
        let count = if version < 2 { content.u16()?.into() } else { content.u32()? };
        for _ in 0..count {
            let id = if version < 2 { content.u16()?.into() } else { content.u32()? };
            let method = if version == 0 { 0 } else { content.u16()? & 15 };
            content.u16()?; // the data is in this file
            let base = content.number(base_size)?;
            let mut extents = Vec::new();
            for _ in 0..content.u16()? {
                content.take(index_size)?;
                let offset = content.number(offset_size)?.saturating_add(base);
                extents.push((offset, content.number(length_size)?));
            }
            if let Some(item) = self.items.iter_mut().find(|it| it.id == id) {
                (item.in_idat, item.extents) = (method == 1, extents);
            }
        }
        Ok(())
    }

    fn read_references(&mut self, mut content: Bytes<'a>) -> Result<(), ContainerError> {
        let wide = content.version()? != 0;
        while let Some((kind, mut entry)) = content.next_box()? {
            if self.references.len() == MAX_ITEMS {
                return Err(TooMany("references", MAX_ITEMS));
            }
            let mut id = || Ok(if wide { entry.u32()? } else { u32::from(entry.u16()?) });
            let from = id()?;
            let mut to = Vec::new();
            let count = entry.u16()?;
            for _ in 0..count {
                to.push(if wide { entry.u32()? } else { entry.u16()?.into() });
            }
            self.references.push(Reference { kind, from, to });
        }
        Ok(())
    }

    fn associate(&mut self, mut content: Bytes<'a>) -> Result<(), ContainerError> {
        let full = content.take(4)?;
        let (wide_ids, wide_indices) = (full[0] != 0, full[3] & 1 != 0);
        for _ in 0..content.u32()? {
            let id = if wide_ids { content.u32()? } else { content.u16()?.into() };
            let mut properties = Vec::new();
            for _ in 0..content.u8()? {
                // The highest bit says that readers must know the property.
                let index = if wide_indices { content.u16()? & 0x7fff } else { u16::from(content.u8()? & 0x7f) };
                properties.extend(usize::from(index).checked_sub(1));
            }
            if let Some(item) = self.items.iter_mut().find(|it| it.id == id) {
                item.properties = properties;
            }
        }
        Ok(())
    }

    fn property(&self, item: &Item, kind: &[u8; 4]) -> Option<Bytes<'a>> {
        let properties = item.properties.iter().filter_map(|index| self.properties.get(*index));
        properties.filter(|(it, _)| it == kind).map(|(_, content)| *content).next()
    }

    fn is_alpha(&self, item: &Item) -> bool {
        const ALPHA: [&[u8]; 2] = [b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"];
        let kind = self.property(item, b"auxC").and_then(|content| content.0.get(4..));
        kind.is_some_and(|kind| ALPHA.iter().any(|alpha| kind.starts_with(alpha)))
    }

    fn size(&self, item: &Item) -> Result<(u32, u32), ContainerError> {
        let mut size = self.property(item, b"ispe").ok_or(Missing("size"))?;
        size.version()?;
        Ok((size.u32()?, size.u32()?))
    }

    fn data(&self, item: &Item) -> Result<Vec<u8>, ContainerError> {
        let source = if item.in_idat { self.idat } else { self.file };
        let mut data = Vec::new();
        for (offset, length) in &item.extents {
            let start = usize::try_from(*offset).map_err(|_| Truncated)?;
            let rest = source.get(start..).ok_or(Truncated)?;
            let length = if *length == 0 { rest.len() } else { usize::try_from(*length).map_err(|_| Truncated)? };
            let part = rest.get(..length).ok_or(Truncated)?;
            // Parts may overlap, so that a small file could have endless data.
            if data.len() + part.len() > source.len() {
                return Err(Truncated);
            }
            data.extend_from_slice(part);
        }
        if data.is_empty() { Err(Missing("data")) } else { Ok(data) }
    }

    fn layer(&self, item: &Item) -> Result<Layer, ContainerError> {
        let (width, height) = self.size(item)?;
        let colour = self.colour(item)?;
        match &item.kind {
            b"av01" => {
                let tiles = vec![self.data(item)?];
                Ok(Layer { width, height, tiles, columns: 1, tile_size: (width, height), colour })
            }
            b"grid" => {
                let grid = self.data(item)?;
                let mut grid = Bytes(&grid);
                grid.u8()?; // version
                let wide = grid.u8()? & 1 != 0;
                let (rows, columns) = (usize::from(grid.u8()?) + 1, usize::from(grid.u8()?) + 1);
                let mut side = || if wide { grid.u32() } else { grid.u16().map(u32::from) };
                let (width, height) = (side()?, side()?);
                let parts = self.references.iter().find(|it| it.kind == *b"dimg" && it.from == item.id);
                let parts = parts.filter(|it| it.to.len() == rows * columns).ok_or(Missing("tiles"))?;
                if parts.to.len() > MAX_TILES {
                    return Err(TooMany("tiles", MAX_TILES));
                }
                let parts: Option<Vec<_>> = parts.to.iter().map(|id| self.item(*id)).collect();
                let parts = parts.filter(|parts| parts.iter().all(|it| it.kind == *b"av01")).ok_or(Missing("tiles"))?;
                let first = parts.first().ok_or(Missing("tiles"))?;
                let colour = match &colour {
                    Colour { icc: None, nclx: None } => self.colour(first)?,
                    _ => colour,
                };
                let tile_size = self.size(first)?;
                let mut tiles = Vec::with_capacity(parts.len());
                let mut left = self.file.len();
                for part in parts {
                    let data = self.data(part)?;
                    // Tiles may share their data, so that a small file could have endless data.
                    left = left.checked_sub(data.len()).ok_or(Truncated)?;
                    tiles.push(data);
                }
                Ok(Layer { width, height, tiles, columns, tile_size, colour })
            }
            _ => Err(Unsupported("pictures other than AV1")),
        }
    }

    fn colour(&self, item: &Item) -> Result<Colour, ContainerError> {
        let mut colour = Colour::default();
        let properties = item.properties.iter().filter_map(|index| self.properties.get(*index));
        for (_, content) in properties.filter(|(kind, _)| kind == b"colr") {
            let mut content = *content;
            match content.take(4)? {
                b"nclx" => {
                    let (primaries, transfer, matrix) = (content.u16()?, content.u16()?, content.u16()?);
                    colour.nclx = Some((primaries, transfer, matrix, content.u8()? & 0x80 != 0));
                }
                b"prof" | b"rICC" => colour.icc = Some(content.0.to_vec()),
                _ => {}
            }
        }
        Ok(colour)
    }
}
