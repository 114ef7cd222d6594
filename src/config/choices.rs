//! Settings that are one of a few words.

use super::accepts::Accepts;
use super::field::Field;

/// Defines an enum with a word for each variant.
macro_rules! choice {
    (
        $(#[$attribute:meta])*
        pub enum $choice:ident {
            $($(#[$variant_attribute:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $choice {
            $($(#[$variant_attribute])* $variant,)+
        }

        impl $choice {
            /// The accepted words, in the order of the docs.
            pub(super) const ACCEPTS: Accepts = Accepts::OneOf(&[$($word),+]);

            /// The word for this value in settings.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl Field for $choice {
            fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
                *self = match text { $($word => Self::$variant,)+ _ => return None };
                Some(())
            }

            fn show(&self, _: Accepts) -> String {
                self.as_str().into()
            }
        }
    };
}

choice! {
    /// Callers that may read `/metrics`.
    pub enum MetricsAccess {
        /// Callers with one of `TENTER_KEYS`; anyone when there are none.
        #[default]
        Key = "key",
        /// Anyone who can reach the port.
        Open = "open",
        /// The path does not exist.
        Off = "off",
    }
}

choice! {
    /// Choice of the painter.
    pub enum RasterizerChoice {
        /// Hardware GPUs if there are any, else the CPU.
        #[default]
        Auto = "auto",
        /// The CPU painter on every machine.
        Cpu = "cpu",
        /// The GPU painter; the service does not start without a GPU.
        Gpu = "gpu",
    }
}

/// A release of the editor's SDK, as which designs are drawn: 4.4 to 4.24. Releases are ordered by their age. Default:
/// the one that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EditorVersion {
    /// Position in [`EditorVersion::RELEASES`], always in range.
    at: usize,
}

impl EditorVersion {
    /// Names of all releases, oldest first.
    pub const RELEASES: [&'static str; 21] = [
        "4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10", "4.11", "4.12", "4.13", "4.14", "4.15", "4.16", "4.17",
        "4.18", "4.19", "4.20", "4.21", "4.22", "4.23", "4.24",
    ];

    /// The accepted words, in the order of the docs.
    pub(super) const ACCEPTS: Accepts = Accepts::OneOf(&Self::RELEASES);

    /// The oldest release, from which the reference pictures are, and the default.
    pub const OLDEST: Self = Self { at: 0 };

    /// The newest release that has rules.
    pub const NEWEST: Self = Self { at: Self::RELEASES.len() - 1 };

    /// The release of this name; `None` when there is no such release.
    pub fn named(name: &str) -> Option<Self> {
        Self::RELEASES.iter().position(|it| *it == name).map(|at| Self { at })
    }

    /// The release 4.`minor`, or the nearest one there is.
    pub const fn v4(minor: usize) -> Self {
        const FIRST: usize = 4;
        if minor < FIRST {
            return Self::OLDEST;
        }
        if minor - FIRST < Self::RELEASES.len() { Self { at: minor - FIRST } } else { Self::NEWEST }
    }

    /// Name of the release in options and settings.
    pub fn as_str(self) -> &'static str {
        Self::RELEASES[self.at]
    }
}

impl Default for EditorVersion {
    /// The release that was measured. Later ones are documented only.
    fn default() -> Self {
        Self::OLDEST
    }
}

impl Field for EditorVersion {
    fn read(&mut self, text: &str, _: Accepts) -> Option<()> {
        *self = Self::named(text)?;
        Some(())
    }

    fn show(&self, _: Accepts) -> String {
        self.as_str().into()
    }
}

choice! {
    /// Format of log lines.
    pub enum LogFormat {
        /// Text for people, one line for each event.
        #[default]
        Text = "text",
        /// One JSON object per line.
        Json = "json",
    }
}

choice! {
    /// Minimum level of the log lines that are written.
    pub enum LogLevel {
        /// Failures of the service.
        Error = "error",
        /// Also conditions that deserve attention.
        Warn = "warn",
        /// Also one line per request.
        #[default]
        Info = "info",
        /// Also the stages of a request.
        Debug = "debug",
        /// Also the details of libraries.
        Trace = "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editor_versions_are_ordered_and_named() {
        assert_eq!(EditorVersion::default().as_str(), "4.4");
        assert_eq!([EditorVersion::OLDEST, EditorVersion::NEWEST], [4, 24].map(EditorVersion::v4));
        for (at, name) in EditorVersion::RELEASES.into_iter().enumerate() {
            let version = EditorVersion::named(name).expect(name);
            assert_eq!((version, name), (EditorVersion::v4(4 + at), &*format!("4.{}", 4 + at)));
        }
        assert!(EditorVersion::v4(9) < EditorVersion::v4(10));
        assert_eq!([EditorVersion::named("4.3"), EditorVersion::named("4.25"), EditorVersion::named("4")], [None; 3]);
    }
}
