//! What the caller chose: which file format, which pages.

use crate::error::Error;
use crate::options::RenderOptions;
use crate::output::{FORMATS, Format};
use crate::report::{JsonPath, Problem};

/// Which pages of a design become pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// The first.
    First,
    /// The one with this `id`.
    Id(String),
    /// All, in design order.
    All,
}

impl Pages {
    /// `pageId`, or the first page (http-api.md §4).
    pub fn of(options: &RenderOptions) -> Self {
        options.page_id.clone().map_or(Self::First, Self::Id)
    }
}

/// Known to the API, but nobody paints them here.
const ANIMATED: [&str; 2] = ["gif", "mp4"];

/// The format called `name`, else the one of `options` (`format` before `mimeType`), else PNG. `at`: where `name` stands.
///
/// # Errors
/// `Invalid` for an unknown or animated one, `NotBuilt` for PDF; both say what there is.
pub fn format_for(name: Option<(&str, JsonPath)>, options: &RenderOptions) -> Result<&'static dyn Format, Error> {
    let options_path = JsonPath::from("exportOptions");
    let (asked, at) = match (name, &options.format, &options.mime_type) {
        (Some((name, at)), _, _) => (name, at),
        (None, Some(name), _) => (name.as_str(), options_path.key("format")),
        (None, None, Some(media_type)) => (media_type.as_str(), options_path.key("mimeType")),
        (None, None, None) => ("png", options_path),
    };
    let asked = asked.to_ascii_lowercase();
    let asked = if asked == "jpg" { "jpeg" } else { asked.as_str() };
    if let Some(format) = FORMATS.iter().find(|it| it.name() == asked || it.media_type() == asked) {
        return Ok(*format);
    }
    let accepted = FORMATS.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    if matches!(asked, "pdf" | "application/pdf") {
        return Err(Error::NotBuilt(format!("PDF is not built yet; formats: {accepted}")));
    }
    let why = if ANIMATED.contains(&asked) { "is not supported" } else { "is not a format we know" };
    let message = format!("found {asked:?}, which {why}; accepted: {accepted}");
    Err(Error::invalid(Problem { path: at, message }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn chosen(name: Option<&str>, format: Option<&str>, mime_type: Option<&str>) -> Result<&'static str, Error> {
        let options = RenderOptions {
            format: format.map(str::to_owned),
            mime_type: mime_type.map(str::to_owned),
            ..RenderOptions::default()
        };
        format_for(name.map(|it| (it, "format".into())), &options).map(|it| it.name())
    }

    #[test]
    fn format_outer_name_over_option_over_media_type_over_png() {
        assert_eq!(chosen(None, None, None).ok(), Some("png"));
        assert_eq!(chosen(None, None, Some("image/jpeg")).ok(), Some("jpeg"));
        assert_eq!(chosen(None, Some("png"), Some("image/jpeg")).ok(), Some("png"));
        assert_eq!(chosen(Some("JPG"), Some("png"), None).ok(), Some("jpeg"));
    }

    #[test]
    fn format_unknown_animated_and_pdf_differ() {
        let refused = |name| chosen(Some(name), None, None).expect_err("refused");
        assert_eq!(refused("pdf").kind(), Kind::NotBuilt);
        assert_eq!(refused("bmp").kind(), Kind::Invalid);
        assert!(
            refused("mp4").to_string().contains("format: found \"mp4\", which is not supported; accepted: png, jpeg")
        );
    }
}
