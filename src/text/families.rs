//! Font families: those of the design first, then the operator's folder, the bundled ones, and well-known aliases.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use peniko::Blob;
use sha2::{Digest, Sha256};
use skrifa::raw::FileRef;
use skrifa::string::StringId;
use skrifa::{FontRef, MetadataProvider as _};

use super::faces::{Face, FaceStyle};
use crate::config::FontSettings;
use crate::sfnt;

/// Replaces a family that is not available, as in a browser (`skip-font-error` of the reference corpus).
pub const LAST_RESORT_FAMILY: &str = "Liberation Serif";

/// Names in lower case, and the metric-compatible families that are drawn for them (design-format.md §4).
pub const FAMILY_ALIASES: &[(&str, &str)] = &[
    ("arial", "Liberation Sans"),
    ("helvetica", "Liberation Sans"),
    ("helvetica neue", "Liberation Sans"),
    ("times", "Liberation Serif"),
    ("times new roman", "Liberation Serif"),
    ("courier", "Liberation Mono"),
    ("courier new", "Liberation Mono"),
    ("sans-serif", "Liberation Sans"),
    ("serif", "Liberation Serif"),
    ("monospace", "Liberation Mono"),
];

macro_rules! bundled {
    ($($family:literal: $regular:literal $bold:literal $italic:literal $bold_italic:literal;)*) => {
        &[$(($family, [
            (include_bytes!(concat!("../../assets/fonts/", $regular)), 400.0, false),
            (include_bytes!(concat!("../../assets/fonts/", $bold)), 700.0, false),
            (include_bytes!(concat!("../../assets/fonts/", $italic)), 400.0, true),
            (include_bytes!(concat!("../../assets/fonts/", $bold_italic)), 700.0, true),
        ])),*]
    };
}

/// One bundled face: bytes, weight, italic.
type Bundled = (&'static [u8], f32, bool);

/// The faces embedded in the program; their licences are in `assets/fonts/`.
static BUNDLED: &[(&str, [Bundled; 4])] = bundled! {
    "Roboto": "Roboto-Regular.ttf" "Roboto-Bold.ttf" "Roboto-Italic.ttf" "Roboto-BoldItalic.ttf";
    "Liberation Sans": "LiberationSans-Regular.woff2" "LiberationSans-Bold.woff2"
        "LiberationSans-Italic.woff2" "LiberationSans-BoldItalic.woff2";
    "Liberation Serif": "LiberationSerif-Regular.woff2" "LiberationSerif-Bold.woff2"
        "LiberationSerif-Italic.woff2" "LiberationSerif-BoldItalic.woff2";
    "Liberation Mono": "LiberationMono-Regular.woff2" "LiberationMono-Bold.woff2"
        "LiberationMono-Italic.woff2" "LiberationMono-BoldItalic.woff2";
};

/// Maximum number of font files read from the operator's folder.
const MAX_FOLDER_FILES: usize = 20_000;

/// Why the operator's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The path does not exist, is not a folder, or cannot be read.
    #[error(
        "cannot read the font folder TENTER_FONT_DIR={path}: {source}; set it to a folder of TTF, OTF, TTC, \
         WOFF or WOFF2 files",
        path = path.display()
    )]
    Unreadable {
        /// The value of TENTER_FONT_DIR.
        path: PathBuf,
        /// The underlying I/O error.
        source: std::io::Error,
    },
}

type Families = HashMap<String, Vec<Arc<Face>>>;

/// The fonts shared by all requests: bundled ones and those of the operator's folder.
#[derive(Debug)]
pub struct FontLibrary {
    folder: Families,
    folder_digest: [u8; 32],
    bundled: Families,
    /// Faces that are tried in this order for characters that a family lacks.
    fallback: Vec<Arc<Face>>,
    emoji: Vec<Arc<Face>>,
}

/// The source of a font family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FamilySource {
    /// The family is declared by the design.
    Design,
    /// The family is in the operator's folder.
    Folder,
    /// The family is bundled with the program.
    Bundled,
    /// The name stands for this metric-compatible family.
    Alias(&'static str),
}

impl FontLibrary {
    /// Indexes the bundled fonts and the operator's folder. Faces are loaded at first use.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn new(settings: &FontSettings) -> Result<Self, LibraryError> {
        let mut bundled = Families::new();
        for (family, faces) in BUNDLED {
            let faces = faces.iter().map(|(bytes, weight, italic)| {
                Arc::new(Face::bundled(bytes, FaceStyle { weights: *weight..=*weight, italic: *italic }))
            });
            bundled.insert(normalized(family), faces.collect());
        }
        let (mut folder, mut digest) = (Families::new(), Sha256::new());
        if let Some(path) = &settings.directory {
            read_folder(path, &mut folder, &mut digest)
                .map_err(|source| LibraryError::Unreadable { path: path.clone(), source })?;
        }
        let mut names: Vec<_> = folder.keys().cloned().collect();
        names.sort();
        // Sorted, so that the order does not depend on the file system.
        let by_name = names.iter().filter_map(|name| folder.get(name));
        let regular = |faces: &Vec<Arc<Face>>| super::faces::best_matches(faces, 400.0, false);
        let (emoji_names, _): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.contains("emoji"));
        let emoji = emoji_names.iter().filter_map(|name| folder.get(*name)).flat_map(regular).collect();
        let bundled_first = ["roboto", "liberation sans"].into_iter().filter_map(|name| bundled.get(name));
        let fallback = bundled_first.chain(by_name).flat_map(regular).collect();
        Ok(Self { folder, folder_digest: digest.finalize().into(), bundled, fallback, emoji })
    }

    /// All families and their sources, sorted by name, for `tenter doctor`.
    pub fn families(&self) -> Vec<(String, FamilySource)> {
        let folder = self.folder.keys().map(|name| (name.clone(), FamilySource::Folder));
        let bundled = self.bundled.keys().map(|name| (name.clone(), FamilySource::Bundled));
        let mut all: Vec<_> = folder.chain(bundled).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// SHA-256 of the files in the operator's folder, any of which may draw a character that the design's fonts lack.
    pub fn folder_digest(&self) -> &[u8; 32] {
        &self.folder_digest
    }

    /// sfnt bytes of the bundled faces, then of the folder's, each sorted by family: for texts inside SVG, where the
    /// order decides which face draws characters that others lack.
    pub fn files(&self) -> Vec<Blob<u8>> {
        let by_name = |families: &Families| {
            let mut names: Vec<_> = families.iter().collect();
            names.sort_unstable_by_key(|(name, _)| *name);
            names.into_iter().flat_map(|(_, faces)| faces.clone()).collect::<Vec<_>>()
        };
        let faces = by_name(&self.bundled).into_iter().chain(by_name(&self.folder));
        faces.filter_map(|face| face.load().map(|loaded| loaded.font.data.clone())).collect()
    }

    fn find(&self, name: &str) -> Option<(FamilySource, &Vec<Arc<Face>>)> {
        let folder = self.folder.get(name).map(|faces| (FamilySource::Folder, faces));
        folder.or_else(|| self.bundled.get(name).map(|faces| (FamilySource::Bundled, faces)))
    }
}

/// The fonts of one request: those that the design declares, then those of the library.
#[derive(Clone, Debug)]
pub struct FontSet {
    library: Arc<FontLibrary>,
    design: Families,
}

impl FontSet {
    /// Creates a set with the fonts of the library only.
    pub fn new(library: Arc<FontLibrary>) -> Self {
        Self { library, design: Families::new() }
    }

    /// Adds a face of `family` that the design declares or a font service provides.
    pub fn declare(&mut self, family: &str, face: Face) {
        self.design.entry(normalized(family)).or_default().push(Arc::new(face));
    }

    /// Whether both sets give the same layout: the same library, and the same files declared in the same order.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same_faces = |name: &String, faces: &[Arc<Face>]| {
            let others = other.design.get(name).map_or(&[][..], Vec::as_slice);
            faces.len() == others.len() && faces.iter().zip(others).all(|(a, b)| a.is_same(b))
        };
        Arc::ptr_eq(&self.library, &other.library)
            && self.design.len() == other.design.len()
            && self.design.iter().all(|(name, faces)| same_faces(name, faces))
    }

    /// Bytes of the design's own font files.
    pub(super) fn design_bytes(&self) -> usize {
        self.design.values().flatten().map(|face| face.memory_bytes()).sum()
    }

    /// The source of `family`; `None` when it is not available.
    pub fn source(&self, family: &str) -> Option<FamilySource> {
        self.lookup(family).map(|(source, _)| source)
    }

    /// The faces of `family`, or of [`LAST_RESORT_FAMILY`] when it is not available.
    pub(crate) fn faces(&self, family: &str) -> &[Arc<Face>] {
        match self.lookup(family) {
            Some((_, faces)) => faces,
            None => self.last_resort(),
        }
    }

    /// The faces of [`LAST_RESORT_FAMILY`], which browsers try first for characters that a family lacks.
    pub(crate) fn last_resort(&self) -> &[Arc<Face>] {
        self.lookup(LAST_RESORT_FAMILY).map_or(&[], |(_, faces)| faces)
    }

    /// Faces for characters that neither a family nor the last resort has, in order of preference.
    pub(crate) fn fallback(&self) -> &[Arc<Face>] {
        &self.library.fallback
    }

    /// Colour emoji faces, the design's own first.
    pub(crate) fn emoji(&self) -> impl Iterator<Item = &Arc<Face>> {
        let mut own: Vec<_> = self.design.iter().filter(|(name, _)| name.contains("emoji")).collect();
        own.sort_by(|a, b| a.0.cmp(b.0));
        own.into_iter().flat_map(|(_, faces)| faces).chain(&self.library.emoji)
    }

    fn lookup(&self, family: &str) -> Option<(FamilySource, &[Arc<Face>])> {
        // `"Inter", sans-serif` is a list, as in CSS; the first available family counts.
        family.split(',').map(normalized).find_map(|name| {
            if let Some(faces) = self.design.get(&name) {
                return Some((FamilySource::Design, faces.as_slice()));
            }
            if let Some((source, faces)) = self.library.find(&name) {
                return Some((source, faces.as_slice()));
            }
            let (_, alias) = FAMILY_ALIASES.iter().find(|(from, _)| *from == name)?;
            let (_, faces) = self.library.find(&normalized(alias))?;
            Some((FamilySource::Alias(alias), faces.as_slice()))
        })
    }
}

/// The form in which family names are compared: lower case, without quotes and surrounding space (design-format.md §4).
fn normalized(family: &str) -> String {
    family.trim().trim_matches(['"', '\'']).trim().to_lowercase()
}

/// Adds the fonts of a folder to `families` and every file's bytes to `digest`, both in order of the paths.
fn read_folder(path: &Path, families: &mut Families, digest: &mut Sha256) -> std::io::Result<()> {
    let mut queue = vec![path.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = queue.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                queue.push(path);
            } else if path.extension().and_then(|it| it.to_str()).is_some_and(is_font_extension)
                && files.len() < MAX_FOLDER_FILES
            {
                files.push(path);
            }
        }
    }
    files.sort();
    for file in files {
        // A damaged file must not prevent the start; `tenter doctor` lists the families that were found.
        let Ok(bytes) = std::fs::read(&file) else { continue };
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(&bytes);
        if let Ok(bytes) = sfnt::unpack(&bytes) {
            read_file(&file, &bytes, families);
        }
    }
    Ok(())
}

fn is_font_extension(extension: &str) -> bool {
    ["ttf", "otf", "ttc", "otc", "woff", "woff2"].contains(&extension.to_ascii_lowercase().as_str())
}

fn read_file(path: &Path, bytes: &[u8], families: &mut Families) {
    let Ok(file) = FileRef::new(bytes) else { return };
    for (index, font) in file.fonts().enumerate() {
        let Ok(font) = font else { continue };
        let style = own_style(&font);
        for name in [StringId::TYPOGRAPHIC_FAMILY_NAME, StringId::FAMILY_NAME] {
            let Some(name) = font.localized_strings(name).english_or_first() else { continue };
            let faces = families.entry(normalized(&name.to_string())).or_default();
            if !faces.iter().any(|face| face.style == style) {
                faces.push(Arc::new(Face::from_file(path.to_path_buf(), index as u32, style.clone())));
            }
        }
    }
}

/// Weight and slant from the face's own tables, for fonts without a declaration.
fn own_style(font: &FontRef<'_>) -> FaceStyle {
    let attributes = font.attributes();
    let italic = attributes.style != skrifa::attribute::Style::Normal;
    let axis = font.axes().iter().find(|axis| axis.tag() == skrifa::Tag::new(b"wght"));
    let weights = match axis {
        Some(axis) => axis.min_value()..=axis.max_value(),
        None => attributes.weight.value()..=attributes.weight.value(),
    };
    FaceStyle { weights, italic }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> FontSet {
        FontSet::new(Arc::new(FontLibrary::new(&FontSettings::default()).expect("bundled fonts need no folder")))
    }

    #[test]
    fn families_are_found_without_case_and_quotes_and_through_aliases() {
        let fonts = set();
        assert_eq!(fonts.source("  'ROBOTO' "), Some(FamilySource::Bundled));
        assert_eq!(fonts.source("Arial"), Some(FamilySource::Alias("Liberation Sans")));
        assert_eq!(fonts.source("Nowhere, Georgia, serif"), Some(FamilySource::Alias("Liberation Serif")));
        assert_eq!(fonts.source("Nowhere"), None);
    }

    #[test]
    fn families_of_the_design_beat_all_others() {
        let mut fonts = set();
        fonts.declare("Roboto", Face::from_memory(Vec::new().into(), 0, FaceStyle::REGULAR));
        assert_eq!(fonts.source("roboto"), Some(FamilySource::Design));
    }

    #[test]
    fn bundled_faces_are_all_readable() {
        let fonts = set();
        for (family, _) in BUNDLED {
            assert_eq!(fonts.faces(family).len(), 4);
            for face in fonts.faces(family) {
                assert!(face.covers("Aé?"), "{family} {:?}", face.style);
            }
        }
    }

    #[test]
    fn folder_that_is_missing_is_an_error_that_names_the_setting() {
        let settings = FontSettings { directory: Some("/nowhere/at/all".into()), ..FontSettings::default() };
        let error = FontLibrary::new(&settings).expect_err("there is no such folder").to_string();
        assert!(error.contains("TENTER_FONT_DIR=/nowhere/at/all"), "{error}");
    }
}
