//! The `@font-face` rules of a document.

/// A `@font-face` rule, with its descriptors as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct FontFaceRule {
    pub(super) family: String,
    pub(super) src: String,
    pub(super) weight: String,
    pub(super) style: String,
}
