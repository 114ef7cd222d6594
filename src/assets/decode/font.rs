//! Font files as assets: within the byte limit, unpacked.

use peniko::Blob;

use super::{DecodeError, check_bytes};
use crate::config::AssetLimits;
use crate::sfnt;

/// Plain TTF, OTF or TTC bytes; see [`sfnt::unpack`].
pub fn unpack_font(bytes: &[u8], limits: &AssetLimits) -> Result<Blob<u8>, DecodeError> {
    check_bytes(bytes, limits)?;
    Ok(Blob::from(sfnt::unpack(bytes)?))
}
