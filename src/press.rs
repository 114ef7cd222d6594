//! Process colours: from sRGB to the inks of a printing condition, through the operator's ICC profiles.
//!
//! In: finding, checking and keeping profiles; converting colours and pictures. Not in: file formats, which element gets
//! which colour. Imports: `config`, `options`; lcms2 appears only here.
//!
//! Relative colorimetric with black point compensation (pdf.md §6): white stays paper, black becomes the darkest the press
//! has, and everything between keeps its looks. The profile's own tables bound the amount of ink.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lcms2::{
    ColorSpaceSignature, DisallowCache, Flags, Intent, PixelFormat, Profile, ProfileClassSignature, ThreadContext,
    Transform,
};

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

type FromSrgb<Rgb, Cmyk> = Transform<Rgb, Cmyk, ThreadContext, DisallowCache>;

/// A printing condition and the way there from sRGB.
pub struct Press {
    condition: Condition,
    icc: Vec<u8>,
    colors: FromSrgb<[u16; 3], [u16; 4]>,
    pixels: FromSrgb<[u8; 3], [u8; 4]>,
    /// What the transforms belong to: dropped after them. Behind a lock only to be shared; nobody opens it.
    _context: Mutex<ThreadContext>,
}

impl fmt::Debug for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Press").field("condition", &self.condition).finish_non_exhaustive()
    }
}

impl Press {
    fn new(condition: Condition, icc: Vec<u8>) -> Result<Self, String> {
        let context = ThreadContext::new();
        let profile = Profile::new_icc_context(&context, &icc).map_err(|_| "is not an ICC profile".to_owned())?;
        if profile.color_space() != ColorSpaceSignature::CmykData {
            return Err(format!("is a profile for {:?}", profile.color_space()));
        }
        if profile.device_class() != ProfileClassSignature::OutputClass {
            return Err(format!("is a profile of class {:?}", profile.device_class()));
        }
        let srgb = Profile::new_srgb_context(&context);
        let flags = || Flags::NO_CACHE | Flags::BLACKPOINT_COMPENSATION;
        let intent = Intent::RelativeColorimetric;
        let (rgb, cmyk) = (PixelFormat::RGB_16, PixelFormat::CMYK_16);
        let colors = Transform::new_flags_context(&context, &srgb, rgb, &profile, cmyk, intent, flags());
        let (rgb, cmyk) = (PixelFormat::RGB_8, PixelFormat::CMYK_8);
        let pixels = Transform::new_flags_context(&context, &srgb, rgb, &profile, cmyk, intent, flags());
        let (Ok(colors), Ok(pixels)) = (colors, pixels) else {
            return Err("has no usable table from colours to inks".to_owned());
        };
        Ok(Self { condition, icc, colors, pixels, _context: Mutex::new(context) })
    }

    /// What is printed on what.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// The profile, to be embedded.
    pub fn icc(&self) -> &[u8] {
        &self.icc
    }

    /// One colour, sRGB from 0 to 1; inks from 0 to 1, full ink is 1.
    pub fn color(&self, rgb: [f32; 3]) -> [f32; 4] {
        const MOST: f32 = u16::MAX as f32;
        let rgb = rgb.map(|it| (it.clamp(0.0, 1.0) * MOST).round() as u16);
        let mut inks = [[0; 4]];
        self.colors.transform_pixels(&[rgb], &mut inks);
        inks[0].map(|it: u16| f32::from(it) / MOST)
    }

    /// Pixels, 3 bytes of sRGB each, to 4 bytes of ink each, 255 for full ink. Bytes beyond whole pixels are left out.
    pub fn pixels(&self, rgb: &[u8]) -> Vec<u8> {
        let (rgb, _) = rgb.as_chunks::<3>();
        let mut inks = vec![[0; 4]; rgb.len()];
        self.pixels.transform_pixels(rgb, &mut inks);
        inks.into_flattened()
    }
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
