//! AVIF decoder: still pictures and grids of tiles, 8 to 12 bits, with alpha. Of an animation the still picture is
//! shown.

mod container;
mod yuv;

use std::time::Duration;

use image::metadata::Orientation;
use re_rav1d::{Decoder, Picture, PlanarImageComponent, Settings};

use self::container::{Container, Layer};
use self::yuv::{Coefficients, Planes};
use super::color::{Samples, ToSrgb};
use super::error::DecodeError;
use super::image_kind::ImageKind;
use super::limits::{DecodeLimits, check_size};
use super::pixels::DecodedPixels;
use crate::pool::PARSERS;

/// Maximum time to decode one file. The decoder cannot be interrupted.
const MAX_DECODE_TIME: Duration = Duration::from_secs(10);

/// Code points of ITU-T H.273: those of sRGB, and the one for "unspecified".
const SRGB_PRIMARIES: u16 = 1;
const SRGB_TRANSFER: u16 = 13;
const UNSPECIFIED: u16 = 2;

pub(super) fn decode(bytes: &[u8], limits: &DecodeLimits<'_>) -> Result<DecodedPixels, DecodeError> {
    let container = container::read(bytes).map_err(broken)?;
    let layers = [Some(&container.picture), container.alpha.as_ref()];
    for layer in layers.into_iter().flatten() {
        check_size(ImageKind::Avif, layer.width, layer.height, limits)?;
        let (width, height) = layer.tile_size;
        check_size(ImageKind::Avif, width, height, limits)?;
    }
    PARSERS.run(MAX_DECODE_TIME, move || decode_layers(&container)).map_err(|error| match error {
        error if error.is_exhaustion() => DecodeError::Parser(error),
        error => broken(error),
    })?
}

fn broken(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DecodeError {
    DecodeError::Broken { format: ImageKind::Avif, reason: reason.into() }
}

fn decode_layers(container: &Container) -> Result<DecodedPixels, DecodeError> {
    let Container { picture, alpha, premultiplied, turns, mirror } = container;
    let (width, height) = (picture.width, picture.height);
    let mut rgba = vec![255; width as usize * height as usize * 4];
    let mut colour = (UNSPECIFIED, UNSPECIFIED);
    each_tile(picture, |tile, at| {
        let coefficients = Coefficients::of(tile, picture.colour.nclx);
        colour = picture
            .colour
            .nclx
            .map_or_else(|| yuv::code_points(tile), |(primaries, transfer, ..)| (primaries, transfer));
        yuv::to_rgb(&planes(tile), &coefficients, &mut rgba, (width, height), at)
    })?;
    if let Some(alpha) = alpha {
        if (alpha.width, alpha.height) != (width, height) {
            return Err(broken("its alpha has another size"));
        }
        each_tile(alpha, |tile, at| {
            let coefficients = Coefficients::of(tile, alpha.colour.nclx);
            yuv::to_alpha(&planes(tile), &coefficients, &mut rgba, (width, height), at)
        })?;
        if *premultiplied {
            yuv::unpremultiply(&mut rgba);
        }
    }
    let to_srgb = match &picture.colour.icc {
        Some(profile) => ToSrgb::from_icc(profile, Samples::Rgba),
        None => to_srgb(colour),
    };
    if let Some(to_srgb) = to_srgb {
        to_srgb.apply(&mut rgba);
    }
    let orientation = orientation(*turns, *mirror);
    Ok(DecodedPixels { width, height, rgba, orientation, jpeg: None, truncated: false })
}

/// Calls `use_tile` with each decoded tile and the position of its top-left corner.
fn each_tile(layer: &Layer, mut use_tile: impl FnMut(&Picture, (usize, usize))) -> Result<(), DecodeError> {
    let (width, height) = layer.tile_size;
    for (index, data) in layer.tiles.iter().enumerate() {
        let tile = decode_tile(data.clone(), width, height)?;
        let (row, column) = (index / layer.columns, index % layer.columns);
        use_tile(&tile, (column * width as usize, row * height as usize));
    }
    Ok(())
}

fn decode_tile(data: Vec<u8>, width: u32, height: u32) -> Result<Picture, DecodeError> {
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_frame_size_limit(width.saturating_mul(height));
    let mut decoder = Decoder::with_settings(&settings).map_err(broken)?;
    match decoder.send_data(data, None, None, None) {
        Ok(()) => {}
        Err(error) if error.is_again() => {}
        Err(error) => return Err(broken(error)),
    }
    let picture = decoder.get_picture().map_err(broken)?;
    if (picture.width(), picture.height()) != (width, height) {
        return Err(broken(format!(
            "its data is {}x{} px, but its header says {width}x{height} px",
            picture.width(),
            picture.height()
        )));
    }
    Ok(picture)
}

fn planes(picture: &Picture) -> Planes {
    use PlanarImageComponent::{U, V, Y};
    let plane = |component| picture.plane(component);
    let chroma = yuv::subsampling(picture.pixel_layout());
    let (bytes, bits) = (if picture.bit_depth() > 8 { 2 } else { 1 }, picture.bit_depth());
    Planes {
        luma: plane(Y),
        chroma: chroma.map(|_| [plane(U), plane(V)]),
        strides: [picture.stride(Y) as usize, if chroma.is_some() { picture.stride(U) as usize } else { 0 }],
        subsampling: chroma.unwrap_or((0, 0)),
        width: picture.width() as usize,
        height: picture.height() as usize,
        bytes,
        bits: bits as u32,
    }
}

/// The conversion of the code points for primaries and transfer characteristics; `None` where nothing changes.
fn to_srgb((primaries, transfer): (u16, u16)) -> Option<ToSrgb> {
    let primaries = if primaries == UNSPECIFIED { SRGB_PRIMARIES } else { primaries };
    // Browsers show video's curves like that of sRGB.
    let transfer = if matches!(transfer, 1 | UNSPECIFIED | 6 | 14 | 15) { SRGB_TRANSFER } else { transfer };
    if (primaries, transfer) == (SRGB_PRIMARIES, SRGB_TRANSFER) {
        return None;
    }
    ToSrgb::from_cicp(u8::try_from(primaries).ok()?, u8::try_from(transfer).ok()?)
}

/// `turns`: quarters anticlockwise; then `mirror`, as in [`Container`].
fn orientation(turns: u8, mirror: Option<u8>) -> Orientation {
    use Orientation::{
        FlipHorizontal, FlipVertical, NoTransforms, Rotate90, Rotate90FlipH, Rotate180, Rotate270, Rotate270FlipH,
    };
    let clockwise = usize::from((4 - turns % 4) % 4);
    let mirrored = [FlipHorizontal, Rotate90FlipH, FlipVertical, Rotate270FlipH];
    match mirror {
        None => [NoTransforms, Rotate90, Rotate180, Rotate270][clockwise],
        Some(1) => mirrored[clockwise],
        // To exchange top and bottom is a half turn and to exchange left and right.
        Some(_) => mirrored[(clockwise + 2) % 4],
    }
}
