//! What the caller chose: which file format, which pages.

use crate::error::Error;
use crate::options::{ColorSpace, RenderOptions};
use crate::output::{self, FORMATS, Format};
use crate::report::{JsonPath, Problem, shown};

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

    /// Their places among `ids`, which is not empty.
    pub(super) fn choose<'a>(&self, ids: impl ExactSizeIterator<Item = &'a str> + Clone) -> Result<Vec<usize>, Error> {
        match self {
            Self::First => Ok(vec![0]),
            Self::All => Ok((0..ids.len()).collect()),
            Self::Id(wanted) => match ids.clone().position(|id| id == wanted) {
                Some(index) => Ok(vec![index]),
                None => {
                    let known = ids.take(IDS_TOLD).collect::<Vec<_>>().join(", ");
                    // The editor's words, by which clients know it (http-api.md §6).
                    let message = format!("No page for export with id {wanted:.80}; the design has {known}");
                    Err(Error::invalid(Problem { path: JsonPath::from(OPTIONS).key("pageId"), message }))
                }
            },
        }
    }
}

/// Ids of pages told to a caller who asked for another.
const IDS_TOLD: usize = 20;

/// Where render options stand in a call (http-api.md §2).
const OPTIONS: &str = "exportOptions";

/// Known to the API, but nobody paints them here.
const ANIMATED: [&str; 2] = ["gif", "mp4"];

/// The format called `name` (which stands at that path), else the one of `options` (`format` before `mimeType`), else the
/// first there is, PNG.
///
/// # Errors
/// `Invalid` for an unknown or animated one, `NotBuilt` for PDF; both say what there is.
pub fn format_for(name: Option<(&str, JsonPath)>, options: &RenderOptions) -> Result<&'static dyn Format, Error> {
    let (asked, at) = match (name, &options.format, &options.mime_type) {
        (Some((name, at)), _, _) => (name, at),
        (None, Some(name), _) => (name.as_str(), JsonPath::from(OPTIONS).key("format")),
        (None, None, Some(media_type)) => (media_type.as_str(), JsonPath::from(OPTIONS).key("mimeType")),
        (None, None, None) => return Ok(FORMATS[0]),
    };
    if let Some(format) = output::format(asked) {
        // Only JPEG can hold process colours; for PNG the option has no meaning (http-api.md §4).
        if format.name() == "jpeg" && options.color != ColorSpace::Rgb {
            return Err(Error::NotBuilt("CMYK is not built yet; leave out color, or set its space to RGB".into()));
        }
        return Ok(format);
    }
    let accepted = FORMATS.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    let asked = asked.trim().to_ascii_lowercase();
    if matches!(asked.as_str(), "pdf" | "application/pdf") {
        return Err(Error::NotBuilt(format!("PDF is not built yet; formats: {accepted}")));
    }
    let why = if ANIMATED.contains(&asked.as_str()) { "is not supported" } else { "is not a format we know" };
    let message = format!("found {:?}, which {why}; accepted: {accepted}", shown(&asked));
    Err(Error::invalid(Problem { path: at, message }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn cmyk_is_refused_where_it_would_matter() {
        let options = RenderOptions { color: ColorSpace::Cmyk(Default::default()), ..RenderOptions::default() };
        let kind =
            |name| format_for(Some((name, JsonPath::root())), &options).map(|it| it.name()).map_err(|it| it.kind());
        assert_eq!(kind("jpeg"), Err(Kind::NotBuilt));
        assert_eq!(kind("png"), Ok("png"));
    }

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
    fn pages_are_chosen_by_id_or_place() {
        let choose = |pages: Pages| pages.choose(["a", "b"].into_iter());
        assert_eq!(choose(Pages::First).ok(), Some(vec![0]));
        assert_eq!(choose(Pages::All).ok(), Some(vec![0, 1]));
        assert_eq!(choose(Pages::Id("b".into())).ok(), Some(vec![1]));
        let unknown = choose(Pages::Id("c".into())).expect_err("no such page");
        assert_eq!(unknown.to_string(), "exportOptions.pageId: No page for export with id c; the design has a, b");
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
