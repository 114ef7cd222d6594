//! Document options as flags: each sets a member of `--options` and overrides it.

use serde_json::{Map, Value, json};

const HEADING: &str = "PDF options";

/// The document flags of one command line.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct DocumentFlags {
    /// Keep text and shapes as vectors instead of one picture per page
    #[arg(long)]
    vector: bool,
    /// Ids of the pages to write, in the design's order [default: all]
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    pages: Option<Vec<String>>,
    /// Design px per inch of paper [default: the design's]
    #[arg(long, value_name = "NUMBER")]
    dpi: Option<f64>,
    /// Include the bleed in the sheet
    #[arg(long)]
    include_bleed: bool,
    /// Length of crop marks in design px [default: 0, none]
    #[arg(long, value_name = "PX")]
    crop_marks: Option<f64>,
    /// Write CMYK for this printing condition instead of RGB; also for JPEG
    #[arg(long, value_name = "FOGRA39|USWebCoatedSWOP", num_args = 0..=1, default_missing_value = "FOGRA39")]
    cmyk: Option<String>,
    /// Print standard to conform to; implies CMYK
    #[arg(long, value_name = "STANDARD", value_parser = ["x-4", "x-1a"])]
    pdfx: Option<String>,
    /// Title of the document [default: the design's name]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Write no current dates, so that equal designs give equal bytes
    #[arg(long)]
    reproducible: bool,
}

impl DocumentFlags {
    /// Writes the flags into the object `options`. Null counts as an empty object; for any other value, the reader of
    /// the options reports an error.
    pub(super) fn add_to(&self, options: &mut Value) {
        let members = self.members();
        if members.is_empty() {
            return;
        }
        if options.is_null() {
            *options = Value::Object(Map::new());
        }
        let Some(options) = options.as_object_mut() else { return };
        for (name, value) in members {
            match (options.get_mut(name), value) {
                // `--cmyk` sets space and profile; other members of `color` stay.
                (Some(Value::Object(inside)), Value::Object(value)) => inside.extend(value),
                (_, value) => drop(options.insert(name.into(), value)),
            }
        }
    }

    fn members(&self) -> Vec<(&'static str, Value)> {
        let mut members = Vec::new();
        let mut add = |name, value: Option<Value>| members.extend(value.map(|value| (name, value)));
        add("vector", self.vector.then_some(json!(true)));
        add("pageIds", self.pages.as_ref().map(|it| json!(it)));
        add("dpi", self.dpi.map(|it| json!(it)));
        add("includeBleed", self.include_bleed.then_some(json!(true)));
        add("cropMarkSize", self.crop_marks.map(|it| json!(it)));
        add("color", self.cmyk.as_ref().map(|it| json!({"space": "CMYK", "profile": it})));
        match self.pdfx.as_deref() {
            Some("x-1a") => add("pdfx1a", Some(json!(true))),
            Some(other) => add("pdfx", Some(json!(other))),
            None => {}
        }
        add("title", self.title.as_ref().map(|it| json!(it)));
        add("reproducible", self.reproducible.then_some(json!(true)));
        members
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        document: DocumentFlags,
    }

    fn merged(flags: &[&str], mut options: Value) -> Value {
        let line =
            Line::try_parse_from(std::iter::once(&"tenter").chain(flags)).unwrap_or_else(|error| panic!("{error}"));
        line.document.add_to(&mut options);
        options
    }

    #[test]
    fn flags_override_options_and_keep_the_rest() {
        assert_eq!(merged(&[], Value::Null), Value::Null);
        assert_eq!(
            merged(&["--vector", "--pages", "a,b", "--dpi", "300"], json!({"dpi": 72, "quality": 0.5})),
            json!({"dpi": 300.0, "quality": 0.5, "vector": true, "pageIds": ["a", "b"]})
        );
        assert_eq!(
            merged(&["--pdfx", "x-1a", "--cmyk"], json!({"color": {"blackText": "profile"}})),
            json!({"color": {"blackText": "profile", "space": "CMYK", "profile": "FOGRA39"}, "pdfx1a": true})
        );
    }
}
