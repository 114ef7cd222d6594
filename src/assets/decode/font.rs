//! Font files as assets: within the byte limit, unpacked in bounded time.

use std::time::Duration;

use peniko::Blob;

use super::{DecodeError, check_bytes};
use crate::config::AssetLimits;
use crate::pool::PARSERS;
use crate::sfnt;

/// For unpacking one file. The largest CJK faces take about a second.
const UNPACK_LIMIT: Duration = Duration::from_secs(10);

/// Plain TTF, OTF or TTC bytes; see [`sfnt::unpack`].
pub fn unpack_font(bytes: &[u8], limits: &AssetLimits) -> Result<Blob<u8>, DecodeError> {
    check_bytes(bytes, limits)?;
    let bytes = bytes.to_vec();
    let unpacked = PARSERS.run(UNPACK_LIMIT, move || sfnt::unpack(&bytes)).map_err(DecodeError::Parser)??;
    Ok(Blob::from(unpacked))
}
