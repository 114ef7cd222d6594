//! Picture files of every format.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenter::assets::{PictureMemory, decode};
use tenter::config::AssetLimits;

fuzz_target!(|bytes: &[u8]| {
    // Larger pictures only take longer.
    let limits = AssetLimits { megapixels: 4.0, ..AssetLimits::default() };
    let _ = decode::picture(bytes, &limits, &PictureMemory::default());
});
