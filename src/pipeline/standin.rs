//! Stand-in for the left wing until it lands: pages of one plain grey.
use serde_json::Value;

use crate::config::DesignLimits;
use crate::json::{Problems, Reader};
use crate::report::{JsonPath, Problem};

#[derive(Debug)]
pub(super) struct Design {
    pub(super) pages: Vec<Page>,
}
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) id: String,
    pub(super) size: kurbo::Size,
}
impl Design {
    pub(super) fn from_value(value: &Value, _: &DesignLimits) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new();
        let mut pages = Vec::new();
        if let Some(mut json) = Reader::new(value, JsonPath::root(), &mut problems) {
            let size = kurbo::Size::new(json.number_or("width", 1080.0), json.number_or("height", 1080.0));
            json.objects("pages", |_, mut page| {
                pages.push(Page { id: page.string("id").unwrap_or_default().to_owned(), size });
            });
        }
        if problems.is_empty() && pages.is_empty() {
            problems.push("pages".into(), "missing or empty; accepted: at least one page");
        }
        if problems.is_empty() { Ok(Self { pages }) } else { Err(problems.into_vec()) }
    }
}
pub(super) fn resolve(design: &Design, index: usize) -> crate::scene::Page {
    let size = design.pages[index].size;
    let path = crate::scene::Path::filled(
        kurbo::Shape::to_path(&size.to_rect(), 0.1),
        peniko::Color::from_rgb8(200, 200, 200),
    );
    let root = crate::scene::Group { children: vec![crate::scene::Node::Path(path)], ..Default::default() };
    crate::scene::Page { size, bleed: kurbo::Insets::ZERO, root }
}
