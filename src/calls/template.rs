//! The template of a batch: the design and the options that all rows share, and the request for one row.

use serde_json::{Map, Value};

use super::job::{DESIGN, with_flat_paths};
use crate::error::Error;
use crate::json::{JsonParser, Problems};
use crate::options::RenderOptions;
use crate::output::Format;
use crate::pipeline::{Pages, RenderRequest, format_for};
use crate::report::{JsonPath, Problem};
use crate::rows::{NamePattern, Row};

/// Member with the pattern of file names in the archive.
pub const FILE_NAME: &str = "fileName";

/// The part of a batch that its rows share.
#[derive(Debug)]
pub struct RowTemplate {
    design: Value,
    options: Value,
    names: Option<NamePattern>,
    format: &'static dyn Format,
    parser: JsonParser,
}

impl RowTemplate {
    /// Reads the body of a template: the members of the batch's request that concern its rows.
    ///
    /// # Errors
    /// Invalid JSON, or an unknown format. Both were valid when the batch was accepted.
    pub fn read(body: &[u8], parser: JsonParser) -> Result<Self, Error> {
        let mut value = parser.parse(body).map_err(Error::invalid)?;
        let design = value.get_mut(DESIGN).map(Value::take).unwrap_or_default();
        let mut options = match value {
            Value::Object(options) => options,
            _ => Map::new(),
        };
        options.remove(DESIGN);
        let names = options.remove(FILE_NAME);
        let names = names.as_ref().and_then(Value::as_str).and_then(|text| NamePattern::parse(text).ok());
        let options = Value::Object(options);
        let format = format_for(None, &RenderOptions::read(&options, JsonPath::root(), &mut Problems::new()))?;
        Ok(Self { design, options, names, format, parser })
    }

    /// Pattern of the file names in the archive, if the call has one.
    pub fn names(&self) -> Option<&NamePattern> {
        self.names.as_ref()
    }

    /// The options that all rows share, without variables.
    ///
    /// # Errors
    /// Invalid options. They were valid when the batch was accepted.
    pub fn options(&self) -> Result<RenderOptions, Error> {
        let mut problems = Problems::new();
        let options = RenderOptions::read(&self.options, JsonPath::root(), &mut problems);
        if problems.is_empty() { Ok(options) } else { Err(Error::Invalid(problems.into_vec())) }
    }

    /// Creates the request that renders the row with the number `row`.
    ///
    /// # Errors
    /// Invalid values or options of the row.
    pub fn fill_in(&self, row: u64, values: &[u8]) -> Result<RenderRequest, Error> {
        let value = self.parser.parse(values).map_err(Error::invalid)?;
        let row = Row::read(row, value).map_err(|broken| Error::Invalid(broken.problems))?;
        let mut problems = Problems::new();
        let options = RenderOptions::read(&row.options_over(&self.options), JsonPath::root(), &mut problems);
        if !problems.is_empty() {
            return Err(Error::Invalid(problems.into_vec()));
        }
        let format = format_for(None, &options).map_err(with_flat_paths)?;
        if format.name() != self.format.name() {
            let message =
                format!("found {}; all files of a batch are of one format, here {}", format.name(), self.format.name());
            return Err(Error::invalid(Problem { path: "format".into(), message }));
        }
        let pages = Pages::of(&options, format);
        Ok(RenderRequest { design: self.design.clone(), at: DESIGN.into(), options, format, pages })
    }
}
