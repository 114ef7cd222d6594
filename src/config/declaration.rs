//! The declaration of settings: a struct, its defaults, and the description of each field.

use super::accepts::Accepts;
use super::field::Field;

/// Groups of settings, in the order of the docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Address, keys and limits of the HTTP server.
    Server,
    /// Storage of results behind links.
    Results,
    /// Jobs: renders that outlive their request.
    Jobs,
    /// Batches: many rows of one design.
    Batches,
    /// Designs by name, and pictures of them by signed URL.
    Templates,
    /// Jobs shared by several machines.
    Cluster,
    /// Webhooks, which report the end of jobs.
    Webhooks,
    /// Admission, threads and deadlines.
    Rendering,
    /// GPUs that paint pages.
    Gpu,
    /// Limits of one design.
    Design,
    /// Assets that a design refers to.
    Assets,
    /// Folders and services that fonts come from.
    Fonts,
    /// ICC profiles for CMYK output.
    Color,
    /// Log lines and traces.
    Log,
}

impl Section {
    /// All sections, in the order of the docs.
    pub const ALL: [Self; 14] = [
        Self::Server,
        Self::Results,
        Self::Jobs,
        Self::Batches,
        Self::Templates,
        Self::Cluster,
        Self::Webhooks,
        Self::Rendering,
        Self::Gpu,
        Self::Design,
        Self::Assets,
        Self::Fonts,
        Self::Color,
        Self::Log,
    ];

    /// Heading of the section in the docs.
    pub fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Results => "Results behind links",
            Self::Jobs => "Jobs",
            Self::Batches => "Batches",
            Self::Templates => "Templates and signed pictures",
            Self::Cluster => "Cluster",
            Self::Webhooks => "Webhooks",
            Self::Rendering => "Rendering",
            Self::Gpu => "GPUs",
            Self::Design => "Limits of a design",
            Self::Assets => "Pictures and fonts of designs",
            Self::Fonts => "Fonts",
            Self::Color => "Colour profiles for print",
            Self::Log => "Log",
        }
    }
}

/// Description of one setting, and the field of `S` that it sets.
pub(super) struct SettingDeclaration<S> {
    /// Name of the environment variable, `TENTER_…`.
    pub(super) name: &'static str,
    pub(super) section: Section,
    /// Text for operators; also the doc comment of the field.
    pub(super) about: &'static str,
    /// Text instead of the default's value, where the default depends on the machine or on another setting.
    pub(super) default_text: Option<&'static str>,
    pub(super) accepts: Accepts,
    pub(super) field: fn(&mut S) -> &mut dyn Field,
}

/// Declares a struct of settings.
///
/// Each field is in the group of its section and has: a doc comment, which is also the text for operators; the name of
/// the setting; name, type and default of the field; the accepted values; and after `default` the text that the docs
/// print instead of the default's value. Fields in the group `others` are no settings.
///
/// The macro defines the struct, `Default`, and `DECLARATIONS` with an entry per setting, in the same order.
macro_rules! settings {
    (@default) => { None };
    (@default $text:literal) => { Some($text) };
    (
        $(#[$attribute:meta])*
        pub struct $part:ident {
            $(in $section:ident {
                $(
                    $(#[doc = $about:literal])+
                    $name:literal $field:ident: $type:ty = $value:expr, $accepts:expr
                        $(, default $default_text:literal)?;
                )+
            })+
            $(others {
                $(
                    $(#[doc = $other_doc:literal])+
                    $other:ident: $other_type:ty = $other_value:expr;
                )+
            })?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug)]
        pub struct $part {
            $($(
                #[doc = concat!("`", $name, "`. ")]
                $(#[doc = $about])+
                pub $field: $type,
            )+)+
            $($(
                $(#[doc = $other_doc])+
                pub $other: $other_type,
            )+)?
        }

        impl Default for $part {
            fn default() -> Self {
                Self {
                    $($($field: $value,)+)+
                    $($($other: $other_value,)+)?
                }
            }
        }

        impl $part {
            pub(super) const DECLARATIONS: &[$crate::config::declaration::SettingDeclaration<Self>] = &[
                $($($crate::config::declaration::SettingDeclaration {
                    name: $name,
                    section: $crate::config::declaration::Section::$section,
                    about: concat!($($about),+).trim_ascii(),
                    default_text: settings!(@default $($default_text)?),
                    accepts: $accepts,
                    field: |part| &mut part.$field,
                },)+)+
            ];
        }
    };
}
