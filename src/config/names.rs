//! Settings that are names: short names, names of files, and names of GPU adapters.

use super::accepts::Accepts;
use super::field::{Field, join, split_list};

/// A name of letters, digits, `-`, `_` and `.`; at most 32 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortName(pub String);

/// Whether `text` is a [`ShortName`].
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 32
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

impl Field for ShortName {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = is_name(text).then(|| Self(text.to_owned()))?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.0.clone()
    }
}

/// Names of files in one folder, without path separators; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNames(Vec<String>);

impl FileNames {
    pub(super) const ACCEPTS: Accepts =
        Accepts::Text("file names without folders, separated by commas", "ISOcoated_v2_eci.icc");

    /// Creates the list that is the default of a setting.
    pub(super) fn new(names: &[&str]) -> Self {
        Self(names.iter().map(|it| (*it).to_owned()).collect())
    }

    /// Iterates in the order given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Field for FileNames {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        let names: Vec<_> = split_list(text).map(str::to_owned).collect();
        let is_plain = |name: &String| !name.contains(['/', '\\']) && !name.starts_with('.');
        *self = (!names.is_empty() && names.iter().all(is_plain)).then_some(Self(names))?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        join(self.0.iter().cloned())
    }
}

/// Names of GPU adapters, each an index, a part of the name, or a PCI bus id. Empty selects every hardware adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdapterChoice(Vec<String>);

impl AdapterChoice {
    pub(super) const ACCEPTS: Accepts =
        Accepts::Text("adapters by index, part of the name or PCI bus id, separated by commas, or nothing", "0, 1");

    /// Iterates in the order given; the first is `gpu0`.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether no adapter is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<String>> for AdapterChoice {
    fn from(names: Vec<String>) -> Self {
        Self(names)
    }
}

impl Field for AdapterChoice {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        self.0 = split_list(text).map(str::to_owned).collect();
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        join(self.0.iter().cloned())
    }
}
