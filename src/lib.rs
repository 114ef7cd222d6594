//! tenter renders Polotno designs to PNG, JPEG, WebP and PDF.
//!
//! One line per room (top-level module), lowest floor first. `ARCHITECTURE.md` follows a request through them, and
//! `tests/floors.rs` checks that imports go to lower floors only.

pub mod units; // design px, device scale, sizes, opacity, degrees
pub mod report; // JSON paths, problems and warnings for the caller
pub mod hash; // SHA-256 hashes and their hexadecimal form
pub mod json; // untrusted JSON: all problems at once, each with its path
pub mod config; // settings, and the only reader of the environment
pub mod cache; // LRU caches with a limit in bytes
pub mod css_color; // CSS colours as browsers parse them
pub mod inks; // colours given as inks, and the screen colours that stand for them
pub mod css_gradient; // CSS linear gradients: angle and stops
pub mod raster; // rasters, and the only place that converts alpha
pub mod scene; // resolved pages, with nothing left to look up
pub mod pool; // the CPU thread pool
#[cfg(feature = "service")]
pub mod sandbox; // confinement of a render process by the kernel
pub mod sfnt; // font containers: WOFF and WOFF2 unpacked
#[cfg(feature = "service")]
pub mod rows; // rows of a batch: reading, file names, manifest records
pub mod options; // options of a render
pub mod print; // sRGB to CMYK for print, through ICC output profiles
pub mod assets; // assets of designs: fetching, access control, decoding
pub mod text; // strings to positioned glyph runs
pub mod design; // designs as clients write them, and their resolution to scenes
pub mod paint; // scenes to pixels, or to the content of PDF pages
pub mod output; // pixels and scenes to file formats
pub mod error; // the error of a request, and who can fix it
pub mod pipeline; // one render request, stage by stage
#[cfg(feature = "service")]
pub mod calls; // bodies of calls, read to render requests
#[cfg(feature = "service")]
pub mod renderers; // where renders happen: in render processes, or in this one
#[cfg(feature = "service")]
pub mod jobs; // jobs and batches: renders that outlive their request
#[cfg(feature = "service")]
pub mod templates; // designs by name: stored ones with versions, and those of a folder
#[cfg(feature = "service")]
pub mod server; // the HTTP API
#[cfg(feature = "service")]
pub mod cli; // the command line
