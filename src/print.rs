//! Converts sRGB to CMYK for print, through the operator's ICC output profiles.
//!
//! In: finding, checking and caching profiles; converting colours and pixels. Not in: file formats, which element gets
//! which colour. Imports: `config`, `options`.
//!
//! Relative colorimetric intent with black point compensation (pdf.md §6): white stays paper, black becomes the darkest
//! colour of the printing condition, and the range between is scaled. The profile's own tables limit the total ink.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moxcms::{
    CmsError, ColorProfile, DataColorSpace, Layout, ProfileClass, RenderingIntent, TransformExecutor, TransformOptions,
};
use parking_lot::Mutex;

use crate::config::{FileNames, IccSettings};
use crate::hash::ContentHash;
use crate::options::{BlackText, CmykProfile};

/// A CMYK output profile that is not available.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No profile folder is configured.
    #[error(
        "this service has no ICC profiles, so it cannot convert to {name}: set TENTER_ICC_DIR to a folder \
         that contains one of {files}"
    )]
    NoFolder {
        /// Name of the profile in `color.profile`.
        name: &'static str,
        /// Accepted file names, separated by commas.
        files: String,
    },
    /// The folder contains none of the accepted files.
    #[error("no ICC profile for {name}: {folder} (TENTER_ICC_DIR) contains none of {files} ({setting})")]
    Missing {
        /// Name of the profile in `color.profile`.
        name: &'static str,
        /// Path of the folder.
        folder: String,
        /// Accepted file names, separated by commas.
        files: String,
        /// Name of the setting that lists the file names.
        setting: &'static str,
    },
    /// The file cannot be read or is not a CMYK output profile.
    #[error("the ICC profile for {name}, {file} ({setting}), {reason}; use a CMYK output profile")]
    Broken {
        /// Name of the profile in `color.profile`.
        name: &'static str,
        /// Path of the file.
        file: String,
        /// Name of the setting that lists the file name.
        setting: &'static str,
        /// The defect of the file.
        #[source]
        reason: ProfileDefect,
    },
}

/// Defect of a file that is configured as an output profile. Messages start with a verb.
#[derive(Debug, thiserror::Error)]
pub enum ProfileDefect {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// The file is no ICC profile.
    #[error("is not an ICC profile")]
    NotIcc(#[source] CmsError),
    /// The profile is for another colour space than CMYK.
    #[error("is a profile for {0:?}")]
    ColorSpace(DataColorSpace),
    /// The profile is of another class than output devices.
    #[error("is a profile of class {0:?}")]
    Class(ProfileClass),
    /// The profile lacks tables for one of the two directions.
    #[error("has no usable tables between colours and CMYK")]
    Tables(#[source] CmsError),
    /// The tables cannot convert black.
    #[error("has no usable table for black")]
    Black(#[source] CmsError),
}

/// The output profiles of this service; each is read and checked once, on first use.
#[derive(Debug)]
pub struct Profiles {
    settings: IccSettings,
    loaded: Mutex<HashMap<CmykProfile, Arc<OutputProfile>>>,
}

impl Profiles {
    /// Creates the collection without reading any file.
    pub fn new(settings: &IccSettings) -> Self {
        Self { settings: settings.clone(), loaded: Mutex::default() }
    }

    /// Returns the output profile of this name. The first call blocks for some 100 ms while it reads the file.
    ///
    /// # Errors
    /// When the profile is missing or broken. A failure is not cached: the next call reads the file again.
    pub fn output_profile(&self, profile: CmykProfile) -> Result<Arc<OutputProfile>, ProfileError> {
        // The lock is held while reading, so that concurrent requests read the file once.
        let mut loaded = self.loaded.lock();
        if let Some(output_profile) = loaded.get(&profile) {
            return Ok(output_profile.clone());
        }
        let condition = OutputCondition::of(profile);
        let (names, setting) = match profile {
            CmykProfile::Fogra39 => (&self.settings.fogra39, "TENTER_ICC_FOGRA39"),
            CmykProfile::UsWebCoatedSwop => (&self.settings.swop, "TENTER_ICC_SWOP"),
        };
        let file = self.find(condition.name, names, setting)?;
        let output_profile = std::fs::read(&file).map_err(ProfileDefect::Unreadable);
        let output_profile = output_profile.and_then(|icc| OutputProfile::new(condition, icc)).map_err(|reason| {
            ProfileError::Broken { name: condition.name, file: file.display().to_string(), setting, reason }
        })?;
        let output_profile = Arc::new(output_profile);
        loaded.insert(profile, output_profile.clone());
        Ok(output_profile)
    }

    fn find(&self, name: &'static str, names: &FileNames, setting: &'static str) -> Result<PathBuf, ProfileError> {
        let files = || names.iter().collect::<Vec<_>>().join(", ");
        let Some(folder) = &self.settings.directory else {
            return Err(ProfileError::NoFolder { name, files: files() });
        };
        let found = names.iter().map(|it| folder.join(it)).find(|it| Path::is_file(it));
        found.ok_or_else(|| ProfileError::Missing {
            name,
            folder: folder.display().to_string(),
            files: files(),
            setting,
        })
    }
}

/// A characterised printing condition, the `OutputCondition` of a PDF output intent (ISO 15930).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputCondition {
    /// Name of the profile in `color.profile`.
    pub name: &'static str,
    /// Identifier in the registry of characterised printing conditions at color.org.
    pub identifier: &'static str,
    /// Description of paper and printing method, for people.
    pub about: &'static str,
}

impl OutputCondition {
    fn of(profile: CmykProfile) -> Self {
        match profile {
            CmykProfile::Fogra39 => {
                Self { name: "FOGRA39", identifier: "FOGRA39", about: "Coated FOGRA39 (ISO 12647-2:2004)" }
            }
            CmykProfile::UsWebCoatedSwop => Self {
                name: "USWebCoatedSWOP",
                identifier: "CGATS TR 001",
                about: "U.S. web coated (SWOP), ANSI/CGATS.6",
            },
        }
    }
}

/// An ICC output profile with its printing condition, and the transform from sRGB to its CMYK.
pub struct OutputProfile {
    output_condition: OutputCondition,
    icc: Vec<u8>,
    hash: ContentHash,
    to_cmyk: Arc<dyn TransformExecutor<u16> + Send + Sync>,
    to_srgb: Arc<dyn TransformExecutor<u16> + Send + Sync>,
    /// Luminance of the darkest printable colour, 0 to 1.
    black: f32,
    /// The compensated value of each 8-bit sRGB level, [`OutputProfile::compensated`].
    curve: [u16; 256],
}

impl fmt::Debug for OutputProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputProfile")
            .field("output_condition", &self.output_condition)
            .field("black", &self.black)
            .finish_non_exhaustive()
    }
}

/// The 16-bit value of full ink or full light.
const MAX_LEVEL: f32 = u16::MAX as f32;

impl OutputProfile {
    fn new(output_condition: OutputCondition, icc: Vec<u8>) -> Result<Self, ProfileDefect> {
        let profile = ColorProfile::new_from_slice(&icc).map_err(ProfileDefect::NotIcc)?;
        if profile.color_space != DataColorSpace::Cmyk {
            return Err(ProfileDefect::ColorSpace(profile.color_space));
        }
        if profile.profile_class != ProfileClass::OutputDevice {
            return Err(ProfileDefect::Class(profile.profile_class));
        }
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions {
            rendering_intent: RenderingIntent::RelativeColorimetric,
            allow_use_cicp_transfer: false,
            ..TransformOptions::default()
        };
        // moxcms represents CMYK as the RGBA layout.
        let to_cmyk = srgb.create_transform_16bit(Layout::Rgb, &profile, Layout::Rgba, options);
        let to_cmyk = to_cmyk.map_err(ProfileDefect::Tables)?;
        let back = profile.create_transform_16bit(Layout::Rgba, &srgb, Layout::Rgb, options);
        let back = back.map_err(ProfileDefect::Tables)?;
        let (mut cmyk, mut rgb) = ([0; 4], [0; 3]);
        let round_trip = to_cmyk.transform(&[0; 3], &mut cmyk).and_then(|()| back.transform(&cmyk, &mut rgb));
        round_trip.map_err(ProfileDefect::Black)?;
        let [red, green, blue] = rgb.map(|it: u16| linear(f32::from(it) / MAX_LEVEL));
        let black = (0.2126 * red + 0.7152 * green + 0.0722 * blue).clamp(0.0, 1.0); // IEC 61966-2-1
        let hash = ContentHash::of(&icc);
        let mut profile = Self { output_condition, icc, hash, to_cmyk, to_srgb: back, black, curve: [0; 256] };
        profile.curve = std::array::from_fn(|level| profile.compensated(level as f32 / 255.0));
        Ok(profile)
    }

    /// The printing condition: printing method and paper.
    pub fn output_condition(&self) -> OutputCondition {
        self.output_condition
    }

    /// The ICC profile's bytes, for embedding.
    pub fn icc(&self) -> &[u8] {
        &self.icc
    }

    /// Hash of the ICC profile's bytes.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Converts one colour: sRGB, each 0 to 1, to C, M, Y, K, each 0 to 1; 1 is full ink.
    pub fn color(&self, rgb: [f32; 3]) -> [f32; 4] {
        let mut cmyk = [0; 4];
        if rgb != [1.0; 3] {
            self.convert(&rgb.map(|it| self.compensated(it.clamp(0.0, 1.0))), &mut cmyk);
        }
        cmyk.map(|it| f32::from(it) / MAX_LEVEL)
    }

    /// Converts inks to the sRGB colour that they look like on screen, the inverse of [`OutputProfile::color`]. C, M,
    /// Y, K and the result are each 0 to 1.
    pub fn screen_color(&self, cmyk: [f32; 4]) -> [f32; 3] {
        let mut rgb = [0; 3];
        let cmyk = cmyk.map(|it| (it.clamp(0.0, 1.0) * MAX_LEVEL).round() as u16);
        self.to_srgb.transform(&cmyk, &mut rgb).expect("one pixel each");
        rgb.map(|level| {
            let light = (linear(f32::from(level) / MAX_LEVEL) - self.black) / (1.0 - self.black);
            encoded(light.clamp(0.0, 1.0)).clamp(0.0, 1.0)
        })
    }

    /// Converts pixels of 3 bytes sRGB to 4 bytes CMYK, 255 for full ink. Ignores a trailing incomplete pixel.
    pub fn pixels(&self, rgb: &[u8]) -> Vec<u8> {
        // Large enough for SIMD, small enough for the cache.
        const CHUNK: usize = 4096;
        let (pixels, _) = rgb.as_chunks::<3>();
        let mut out = Vec::with_capacity(pixels.len() * 4);
        let (mut from, mut to) = (Vec::with_capacity(CHUNK * 3), vec![0; CHUNK * 4]);
        for chunk in pixels.chunks(CHUNK) {
            from.clear();
            from.extend(chunk.as_flattened().iter().map(|level| self.curve[usize::from(*level)]));
            let to = &mut to[..chunk.len() * 4];
            self.convert(&from, to);
            for (pixel, cmyk) in chunk.iter().zip(to.as_chunks::<4>().0) {
                // Pure white stays paper: profile tables sometimes leave a trace of ink on it.
                out.extend(if *pixel == [255; 3] {
                    [0; 4]
                } else {
                    cmyk.map(|it| ((u32::from(it) + 128) / 257) as u8)
                });
            }
        }
        out
    }

    /// `rgb`: compensated, 3 numbers per pixel; `cmyk`: 4.
    fn convert(&self, rgb: &[u16], cmyk: &mut [u16]) {
        self.to_cmyk.transform(rgb, cmyk).expect("both have whole pixels, as many of each");
    }

    /// Black point compensation of one channel (ISO 18619): scales light into the range between the profile's black and
    /// white. As sRGB's black is 0 and the profile's is taken as neutral grey, the mapping is the same for each channel
    /// of linear sRGB.
    fn compensated(&self, level: f32) -> u16 {
        let light = self.black + (1.0 - self.black) * linear(level);
        (encoded(light) * MAX_LEVEL).round() as u16
    }
}

/// Decodes an sRGB value to linear light (IEC 61966-2-1), both 0 to 1.
fn linear(level: f32) -> f32 {
    if level <= 0.040_45 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
}

/// Encodes linear light as an sRGB value; the inverse of [`linear`].
fn encoded(light: f32) -> f32 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// An output profile and the options of one request for it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PrintTarget {
    /// Output profile that colours are converted to.
    pub profile: Arc<OutputProfile>,
    /// Whether black text is printed with black ink alone.
    pub black_text: BlackText,
}

#[cfg(test)]
mod tests;
