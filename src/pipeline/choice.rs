//! Selects the file format and the pages of a request.

use crate::error::Error;
use crate::json::Problems;
use crate::options::RenderOptions;
use crate::output::{self, FORMATS, Format, FormatKind};
use crate::report::{JsonPath, Problem, truncated};

/// Selection of pages of a design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// The first page of the design.
    First,
    /// The page with this `id`.
    Id(String),
    /// The pages with these ids, in design order, each once.
    Ids(Vec<String>),
    /// All pages, in design order.
    All,
}

impl Pages {
    /// The pages that `options` select: for pictures `pageId`, or the first page; for documents `pageIds`, or all
    /// (http-api.md §2, §4).
    pub fn of(options: &RenderOptions, format: &dyn Format) -> Self {
        match format.kind() {
            FormatKind::Pictures(_) => options.page_id.clone().map_or(Self::First, Self::Id),
            FormatKind::Document => options.page_ids.clone().map_or(Self::All, Self::Ids),
        }
    }

    /// Indices of the selected pages among `ids`, which is not empty.
    pub(super) fn choose<'a>(&self, ids: impl ExactSizeIterator<Item = &'a str> + Clone) -> Result<Vec<usize>, Error> {
        match self {
            Self::First => Ok(vec![0]),
            Self::All => Ok((0..ids.len()).collect()),
            Self::Id(requested) => match ids.clone().position(|id| id == requested) {
                Some(index) => Ok(vec![index]),
                None => Err(Error::invalid(no_page(JsonPath::from(OPTIONS).key("pageId"), requested, ids))),
            },
            Self::Ids(requested) => {
                let at = JsonPath::from(OPTIONS).key("pageIds");
                let mut problems = Problems::new();
                if requested.is_empty() {
                    problems
                        .push(at.clone(), "is empty; list at least one page id, or leave out pageIds for all pages");
                }
                for (index, id) in requested.iter().enumerate() {
                    if !ids.clone().any(|known| known == id) {
                        let Problem { path, message } = no_page(at.index(index), id, ids.clone());
                        problems.push(path, message);
                    }
                }
                if !problems.is_empty() {
                    return Err(Error::Invalid(problems.into_vec()));
                }
                Ok(ids
                    .enumerate()
                    .filter(|(_, id)| requested.iter().any(|it| it == id))
                    .map(|(index, _)| index)
                    .collect())
            }
        }
    }
}

/// The wording of the editor, which clients know (http-api.md §6).
fn no_page<'a>(path: JsonPath, id: &str, ids: impl Iterator<Item = &'a str>) -> Problem {
    let known = ids.take(MAX_LISTED_IDS).collect::<Vec<_>>().join(", ");
    Problem { path, message: format!("No page for export with id {id:.80}; the design has {known}") }
}

/// Maximum number of page ids listed for a caller who asked for an unknown one.
const MAX_LISTED_IDS: usize = 20;

/// Name of the member of a call that holds the render options (http-api.md §2).
pub(super) const OPTIONS: &str = "exportOptions";

/// Formats of the editor's API that this service does not render.
const ANIMATED: [&str; 2] = ["gif", "mp4"];

/// The output format called `name` (a value and its path), or else the one of `options` (`format` before `mimeType`),
/// or else PNG.
///
/// # Errors
/// `Invalid` for an unknown or animated format; the message lists the accepted ones.
pub fn format_for(name: Option<(&str, JsonPath)>, options: &RenderOptions) -> Result<&'static dyn Format, Error> {
    let (asked, at) = match (name, &options.format, &options.mime_type) {
        (Some((name, at)), _, _) => (name, at),
        (None, Some(name), _) => (name.as_str(), JsonPath::from(OPTIONS).key("format")),
        (None, None, Some(media_type)) => (media_type.as_str(), JsonPath::from(OPTIONS).key("mimeType")),
        (None, None, None) => return Ok(FORMATS[0]),
    };
    if let Some(format) = output::format(asked) {
        return Ok(format);
    }
    let accepted = FORMATS.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    let asked = asked.trim().to_ascii_lowercase();
    let why = if ANIMATED.contains(&asked.as_str()) { "is not supported" } else { "is not a known format" };
    let message = format!("found {:?}, which {why}; accepted: {accepted}", truncated(&asked));
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
    fn pages_are_selected_by_id_or_position() {
        let choose = |pages: Pages| pages.choose(["a", "b"].into_iter());
        assert_eq!(choose(Pages::First).ok(), Some(vec![0]));
        assert_eq!(choose(Pages::All).ok(), Some(vec![0, 1]));
        assert_eq!(choose(Pages::Id("b".into())).ok(), Some(vec![1]));
        let unknown = choose(Pages::Id("c".into())).expect_err("no such page");
        assert_eq!(unknown.to_string(), "exportOptions.pageId: No page for export with id c; the design has a, b");
    }

    #[test]
    fn pages_of_documents_are_all_or_those_named() {
        let pages = |page_ids: Option<&[&str]>| {
            let page_ids = page_ids.map(|ids| ids.iter().map(|it| (*it).to_owned()).collect());
            let options = RenderOptions { page_ids, page_id: Some("b".into()), ..RenderOptions::default() };
            Pages::of(&options, output::format("pdf").expect("known")).choose(["a", "b", "c"].into_iter())
        };
        assert_eq!(pages(None).ok(), Some(vec![0, 1, 2]));
        assert_eq!(pages(Some(&["c", "a", "c"])).ok(), Some(vec![0, 2]), "design order, each once");
        let problems = |ids| pages(Some(ids)).map_err(|error| error.problems().len());
        assert_eq!((problems(&["a", "x", "y"]), problems(&[])), (Err(2), Err(1)));
        let unknown = pages(Some(&["a", "x"])).expect_err("no such page").to_string();
        assert_eq!(unknown, "exportOptions.pageIds[1]: No page for export with id x; the design has a, b, c");
    }

    #[test]
    fn format_unknown_and_animated_differ() {
        let refused = |name| chosen(Some(name), None, None).expect_err("refused");
        assert_eq!(refused("bmp").kind(), Kind::Invalid);
        assert!(
            refused("mp4")
                .to_string()
                .contains("format: found \"mp4\", which is not supported; accepted: png, jpeg, webp, pdf")
        );
    }
}
