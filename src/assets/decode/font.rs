//! Font files as assets, unpacked within limits of size and time.

use std::time::Duration;

use peniko::Blob;

use super::error::DecodeError;
use super::limits::check_bytes;
use crate::config::AssetLimits;
use crate::pool::PARSERS;
use crate::sfnt;

/// Maximum time to unpack one file. The largest CJK faces take about a second.
const MAX_UNPACK_TIME: Duration = Duration::from_secs(10);

/// Unpacks a font file to plain TTF, OTF or TTC bytes; see [`sfnt::unpack`].
///
/// # Errors
/// When the file exceeds a limit or is not a usable font.
pub fn unpack_font(bytes: &[u8], limits: &AssetLimits) -> Result<Blob<u8>, DecodeError> {
    check_bytes(bytes, limits)?;
    let bytes = bytes.to_vec();
    let unpacked = PARSERS.run(MAX_UNPACK_TIME, move || sfnt::unpack(&bytes)).map_err(DecodeError::Parser)??;
    Ok(Blob::from(unpacked))
}
