//! tenter renders Polotno designs to pictures.
//!
//! One line per room, lowest floor first; `ARCHITECTURE.md` tells how a request walks through them and
//! `tests/floors.rs` keeps the imports going down.

pub mod units; // design px, device scale, sizes, opacity, degrees
pub mod report; // what we tell the caller: JSON paths, problems, warnings
pub mod json; // reading untrusted JSON: every problem at once, each with its path
pub mod config; // every setting, and the only reader of the environment
pub mod kept; // what was made before, bounded in bytes
pub mod css_color; // CSS colours, read as browsers read them
pub mod css_gradient; // CSS linear gradients: angle and stops
pub mod raster; // pixels, and the only place where alpha is converted
pub mod scene; // resolved pages: what is on the paper, nothing left to look up
pub mod pool; // the CPU pool
pub mod sfnt; // font containers: WOFF and WOFF2 unpacked
#[cfg(feature = "service")]
pub mod rows; // rows of a batch: read, named, reported
pub mod options; // what a caller may ask of a render
pub mod press; // sRGB to the inks of a press, through ICC profiles
pub mod assets; // what a design points to: fetched, guarded, decoded
pub mod text; // strings to positioned glyph runs
pub mod design; // what the client wrote, and how it becomes a scene
pub mod paint; // scene to pixels
pub mod output; // pixels and scenes to file formats
pub mod error; // the rooms' errors summed, and who can fix them
pub mod pipeline; // one request, stage by stage
#[cfg(feature = "service")]
pub mod jobs; // renders that outlive their request
#[cfg(feature = "service")]
pub mod server; // HTTP
#[cfg(feature = "service")]
pub mod cli; // the command line: wiring, exit codes
