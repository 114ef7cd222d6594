//! SVG documents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenter::assets::svg::SvgAsset;
use tenter::config::AssetLimits;

fuzz_target!(|bytes: &[u8]| {
    let limits = AssetLimits { megapixels: 4.0, ..AssetLimits::default() };
    if let Ok(document) = SvgAsset::new(bytes, &limits) {
        let _ = document.nodes(&[("red".into(), "blue".into())], 0.5);
    }
});
