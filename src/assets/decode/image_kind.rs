//! Recognition of image formats by the first bytes of a file.

use std::fmt;

/// Makes [`ImageKind`] from the list of formats with their names.
macro_rules! image_kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)*) => {
        /// Image formats, distinguished by their first bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ImageKind {
            $($(#[doc = $doc])+ $kind,)*
        }

        impl ImageKind {
            const ALL: &[Self] = &[$(Self::$kind),*];
        }

        impl fmt::Display for ImageKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$kind => $name,)*
                })
            }
        }
    };
}

image_kinds! {
    /// PNG, including animated files.
    Png = "PNG",
    /// JPEG, baseline and progressive.
    Jpeg = "JPEG",
    /// WebP, lossy, lossless and animated.
    WebP = "WebP",
    /// GIF, versions 87a and 89a.
    Gif = "GIF",
    /// BMP, the Windows bitmap format.
    Bmp = "BMP",
    /// ICO, the Windows icon format.
    Ico = "ICO",
    /// AVIF, which is decoded with the Cargo feature `avif`.
    Avif = "AVIF",
    /// Text that starts with a tag; `image_file` determines whether it is SVG.
    Svg = "SVG",
}

impl ImageKind {
    /// Whether files of this format can be drawn.
    pub(super) fn is_supported(self) -> bool {
        match self {
            Self::Png | Self::Jpeg | Self::WebP | Self::Gif | Self::Bmp | Self::Ico | Self::Svg => true,
            Self::Avif => cfg!(feature = "avif"),
        }
    }
}

/// Names of the supported formats, for messages: `PNG, JPEG, … or SVG`.
pub(super) fn supported_names() -> String {
    let names: Vec<_> = ImageKind::ALL.iter().filter(|it| it.is_supported()).map(ToString::to_string).collect();
    names.split_last().map(|(last, others)| format!("{} or {last}", others.join(", "))).unwrap_or_default()
}

/// Determines the image format of `bytes`; `None` for unknown formats.
pub fn sniff(bytes: &[u8]) -> Option<ImageKind> {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    Some(match bytes {
        _ if at(0, b"\x89PNG\r\n\x1a\n") => ImageKind::Png,
        _ if at(0, b"\xff\xd8\xff") => ImageKind::Jpeg,
        _ if at(0, b"RIFF") && at(8, b"WEBP") => ImageKind::WebP,
        _ if at(0, b"GIF87a") || at(0, b"GIF89a") => ImageKind::Gif,
        _ if at(4, b"ftypavif") || at(4, b"ftypavis") || (at(4, b"ftypmif1") && contains(bytes, 64, b"avif")) => {
            ImageKind::Avif
        }
        _ if at(0, b"BM") && bytes.len() > 26 => ImageKind::Bmp,
        _ if at(0, b"\0\0\x01\0") => ImageKind::Ico,
        _ if starts_like_xml(bytes) => ImageKind::Svg,
        _ => return None,
    })
}

fn contains(bytes: &[u8], within: usize, needle: &[u8]) -> bool {
    bytes[..bytes.len().min(within)].windows(needle.len()).any(|it| it == needle)
}

/// True when the first character after byte order marks and white space is `<`, in UTF-8 or UTF-16.
fn starts_like_xml(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first =
        text.iter().copied().filter(|byte| !matches!(byte, 0xff | 0xfe | 0)).find(|it| !it.is_ascii_whitespace());
    first == Some(b'<')
}
