//! The schema version of a design, and the values whose meaning changed between versions (design-format.md §9).

/// `schemaVersion` of a design, which says which changes of the format came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SchemaVersion(u32);

impl SchemaVersion {
    /// The version that the current editor writes.
    pub(crate) const CURRENT: Self = Self(4);

    /// The first version in which the background of a text is one box for each line, joined.
    pub(crate) const JOINED_LINE_BACKGROUNDS: Self = Self(3);

    /// Converts the field's value: absent is 0, and fractions are truncated.
    pub(crate) fn new(number: Option<f64>) -> Self {
        // A cast saturates: negative numbers are version 0.
        Self(number.unwrap_or(0.0) as u32)
    }

    /// Letter spacing of a text as a fraction of its font size (px). Before version 1 it was in rem of 16 px.
    pub(crate) fn letter_spacing(self, spacing: f64, font_size: f64) -> f64 {
        let migrated = spacing * 16.0 / font_size;
        if self < Self(1) && migrated.is_finite() { migrated } else { spacing }
    }

    /// Intensity of a filter. Before version 2 the range was −100 to 100, except for presets.
    pub(crate) fn filter_intensity(self, intensity: f64, is_preset: bool) -> f64 {
        if self < Self(2) && !is_preset { intensity / 100.0 } else { intensity }
    }
}
