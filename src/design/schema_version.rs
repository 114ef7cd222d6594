//! The schema version of a design, and the values whose meaning changed between versions (design-format.md §9).

/// `schemaVersion` of a design: which of the changes below it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SchemaVersion(u32);

impl SchemaVersion {
    /// What today's editor writes.
    pub(crate) const CURRENT: Self = Self(4);

    /// The first version in which the background of a text is one box for each line, joined.
    pub(crate) const JOINED_LINE_BACKGROUNDS: Self = Self(3);

    /// Absent counts as 0, fractions are cut.
    pub(crate) fn new(number: Option<f64>) -> Self {
        // A cast saturates: negative numbers are version 0.
        Self(number.unwrap_or(0.0) as u32)
    }

    /// 0→1: spacing was in rem of 16 px, now it is a fraction of the font size (px). Texts only.
    pub(crate) fn letter_spacing(self, spacing: f64, font_size: f64) -> f64 {
        let migrated = spacing * 16.0 / font_size;
        if self < Self(1) && migrated.is_finite() { migrated } else { spacing }
    }

    /// 1→2: intensities were −100 to 100, except those of the three presets.
    pub(crate) fn filter_intensity(self, intensity: f64, is_preset: bool) -> f64 {
        if self < Self(2) && !is_preset { intensity / 100.0 } else { intensity }
    }
}
