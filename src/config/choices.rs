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

choice! {
    /// Releases of the editor's SDK that draw differently, each named after the first release that draws so.
    pub enum EditorVersion {
        /// Release 4.4 and later.
        #[default]
        V4_4 = "4.4",
    }
}

impl EditorVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 1] = [Self::V4_4];
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
