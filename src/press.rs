//! Process colours: from sRGB to the inks of a printing condition, through the operator's ICC profiles.
//!
//! In: finding, checking and keeping profiles; converting colours and pictures. Not in: file formats, which element gets
//! which colour. Imports: `config`, `options`.
//!
//! Relative colorimetric with black point compensation (pdf.md §6): white stays paper, black becomes the darkest the press
//! has, and everything between keeps its looks. The profile's own tables bound the amount of ink.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use moxcms::{
    ColorProfile, DataColorSpace, Layout, ProfileClass, RenderingIntent, TransformExecutor, TransformOptions,
};
use sha2::{Digest, Sha256};

use crate::config::{FileNames, IccSettings};
use crate::options::{BlackText, CmykProfile};

/// Why there are no inks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PressError {
    /// No folder is set.
    #[error(
        "this service has no ICC profiles, so it cannot print in {name}: set TENTER_ICC_DIR to a folder with one of {files}"
    )]
    NoFolder {
        /// As the caller names it.
        name: &'static str,
        /// What would be looked for.
        files: String,
    },
    /// The folder has none of the files.
    #[error("no ICC profile for {name}: {folder} (TENTER_ICC_DIR) has none of {files} ({setting})")]
    Missing {
        /// As the caller names it.
        name: &'static str,
        /// The folder.
        folder: String,
        /// What was looked for.
        files: String,
        /// The setting that lists them.
        setting: &'static str,
    },
    /// The file cannot be read or is no profile of a press.
    #[error("the ICC profile for {name}, {file} ({setting}), {reason}; accepted: an output profile for CMYK")]
    Broken {
        /// As the caller names it.
        name: &'static str,
        /// The file.
        file: String,
        /// The setting that lists it.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// The profiles of this service: each is read and checked once, when it is first asked for.
#[derive(Debug)]
pub struct Profiles {
    settings: IccSettings,
    known: Mutex<HashMap<CmykProfile, Arc<Press>>>,
}

impl Profiles {
    /// Reads nothing yet.
    pub fn new(settings: &IccSettings) -> Self {
        Self { settings: settings.clone(), known: Mutex::default() }
    }

    /// The press of this name. Blocks while it reads its profile the first time, some 100 ms.
    ///
    /// # Errors
    /// When the profile is missing or broken; asked again, it looks again.
    pub fn press(&self, profile: CmykProfile) -> Result<Arc<Press>, PressError> {
        // Held while reading: requests that come together read it once.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(press) = known.get(&profile) {
            return Ok(press.clone());
        }
        let condition = Condition::of(profile);
        let (names, setting) = match profile {
            CmykProfile::Fogra39 => (&self.settings.fogra39, "TENTER_ICC_FOGRA39"),
            CmykProfile::UsWebCoatedSwop => (&self.settings.swop, "TENTER_ICC_SWOP"),
        };
        let file = self.find(condition.name, names, setting)?;
        let press = std::fs::read(&file).map_err(|error| format!("cannot be read: {error}"));
        let press = press.and_then(|icc| Press::new(condition, icc)).map_err(|reason| PressError::Broken {
            name: condition.name,
            file: file.display().to_string(),
            setting,
            reason,
        })?;
        let press = Arc::new(press);
        known.insert(profile, press.clone());
        Ok(press)
    }

    fn find(&self, name: &'static str, names: &FileNames, setting: &'static str) -> Result<PathBuf, PressError> {
        let files = || names.iter().collect::<Vec<_>>().join(", ");
        let Some(folder) = &self.settings.directory else { return Err(PressError::NoFolder { name, files: files() }) };
        let found = names.iter().map(|it| folder.join(it)).find(|it| Path::is_file(it));
        found.ok_or_else(|| PressError::Missing { name, folder: folder.display().to_string(), files: files(), setting })
    }
}

/// A printing condition as print shops call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// As the caller names it.
    pub name: &'static str,
    /// In the registry of characterised printing conditions at color.org.
    pub identifier: &'static str,
    /// For people.
    pub about: &'static str,
}

impl Condition {
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

/// A printing condition and the way there from sRGB.
pub struct Press {
    condition: Condition,
    icc: Vec<u8>,
    digest: [u8; 32],
    to_inks: Arc<dyn TransformExecutor<u16> + Send + Sync>,
    /// Luminance of the darkest that the press prints, 0 to 1.
    black: f32,
    /// What becomes of each level before it goes to the profile, [`Press::compensated`].
    curve: [u16; 256],
}

impl fmt::Debug for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Press").field("condition", &self.condition).field("black", &self.black).finish_non_exhaustive()
    }
}

/// Full ink or light.
const MOST: f32 = u16::MAX as f32;

impl Press {
    fn new(condition: Condition, icc: Vec<u8>) -> Result<Self, String> {
        let profile = ColorProfile::new_from_slice(&icc).map_err(|_| "is not an ICC profile".to_owned())?;
        if profile.color_space != DataColorSpace::Cmyk {
            return Err(format!("is a profile for {:?}", profile.color_space));
        }
        if profile.profile_class != ProfileClass::OutputDevice {
            return Err(format!("is a profile of class {:?}", profile.profile_class));
        }
        let srgb = ColorProfile::new_srgb();
        let options = TransformOptions {
            rendering_intent: RenderingIntent::RelativeColorimetric,
            allow_use_cicp_transfer: false,
            ..TransformOptions::default()
        };
        // moxcms has four inks in the RGBA layout.
        let to_inks = srgb.create_transform_16bit(Layout::Rgb, &profile, Layout::Rgba, options);
        let back = profile.create_transform_16bit(Layout::Rgba, &srgb, Layout::Rgb, options);
        let (Ok(to_inks), Ok(back)) = (to_inks, back) else {
            return Err("has no usable tables between colours and inks".to_owned());
        };
        let (mut inks, mut seen) = ([0; 4], [0; 3]);
        let there_and_back = to_inks.transform(&[0; 3], &mut inks).and_then(|()| back.transform(&inks, &mut seen));
        there_and_back.map_err(|_| "has no usable table for black".to_owned())?;
        let [red, green, blue] = seen.map(|it: u16| linear(f32::from(it) / MOST));
        let black = (0.2126 * red + 0.7152 * green + 0.0722 * blue).clamp(0.0, 1.0); // IEC 61966-2-1
        let digest = Sha256::digest(&icc).into();
        let mut press = Self { condition, icc, digest, to_inks, black, curve: [0; 256] };
        press.curve = std::array::from_fn(|level| press.compensated(level as f32 / 255.0));
        Ok(press)
    }

    /// What is printed on what.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// The profile, to be embedded.
    pub fn icc(&self) -> &[u8] {
        &self.icc
    }

    /// SHA-256 of the profile.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// One colour, sRGB from 0 to 1; inks from 0 to 1, full ink is 1.
    pub fn color(&self, rgb: [f32; 3]) -> [f32; 4] {
        let mut inks = [0; 4];
        if rgb != [1.0; 3] {
            self.convert(&rgb.map(|it| self.compensated(it.clamp(0.0, 1.0))), &mut inks);
        }
        inks.map(|it| f32::from(it) / MOST)
    }

    /// Pixels, 3 bytes of sRGB each, to 4 bytes of ink each, 255 for full ink. Bytes beyond whole pixels are left out.
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
            for (pixel, inks) in chunk.iter().zip(to.as_chunks::<4>().0) {
                // Nothing is printed where nothing is: tables leave a trace of ink on white now and then.
                out.extend(if *pixel == [255; 3] {
                    [0; 4]
                } else {
                    inks.map(|it| ((u32::from(it) + 128) / 257) as u8)
                });
            }
        }
        out
    }

    /// `rgb`: compensated, 3 numbers a pixel; `inks`: 4.
    fn convert(&self, rgb: &[u16], inks: &mut [u16]) {
        self.to_inks.transform(rgb, inks).expect("both have whole pixels, as many of each");
    }

    /// Black point compensation of one channel (ISO 18619): light is squeezed between the press's black and white. With sRGB on
    /// the one side, whose black is none, and a neutral grey on the other, this is the same for each channel of linear sRGB.
    fn compensated(&self, level: f32) -> u16 {
        let light = self.black + (1.0 - self.black) * linear(level);
        (encoded(light) * MOST).round() as u16
    }
}

/// sRGB's curve (IEC 61966-2-1), 0 to 1.
fn linear(level: f32) -> f32 {
    if level <= 0.040_45 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
}

/// Back again.
fn encoded(light: f32) -> f32 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// A press, and what this request wants of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inks {
    /// The press.
    pub press: Arc<Press>,
    /// What becomes of black text.
    pub black_text: BlackText,
}

#[cfg(test)]
mod tests;
