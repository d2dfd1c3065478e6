//! A text with what it means: the unit that data hands to drawing, and that tests read.

use super::theme::{Tone, Type};
use crate::domain::shown::shown_text;

/// A text, its tone and its kind of type. Signs (`●`, `▲`, `✖`, `✓`) are part of the text, so that colour never stands alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// What is read.
    pub text: String,
    /// What it means.
    pub tone: Tone,
    /// How large and which face.
    pub kind: Type,
}

impl Said {
    /// A text of a tone. Names from data are in it: none turns the reading direction, hides or begins a line of its own.
    pub fn new(text: impl Into<String>, tone: Tone) -> Said {
        Said { text: shown_text(text.into()), tone, kind: Type::Body }
    }
    /// Ordinary.
    pub fn plain(text: impl Into<String>) -> Said {
        Said::new(text, Tone::Plain)
    }
    /// Matters less.
    pub fn muted(text: impl Into<String>) -> Said {
        Said::new(text, Tone::Muted)
    }
    /// Well.
    pub fn ok(text: impl Into<String>) -> Said {
        Said::new(text, Tone::Ok)
    }
    /// Look at it.
    pub fn warn(text: impl Into<String>) -> Said {
        Said::new(text, Tone::Warn)
    }
    /// Act on it.
    pub fn bad(text: impl Into<String>) -> Said {
        Said::new(text, Tone::Bad)
    }
    /// In progress or chosen.
    pub fn accent(text: impl Into<String>) -> Said {
        Said::new(text, Tone::Accent)
    }
    /// The same, bold.
    #[must_use]
    pub fn strong(self) -> Said {
        self.of(Type::Strong)
    }
    /// The same, monospaced.
    #[must_use]
    pub fn mono(self) -> Said {
        self.of(Type::Mono)
    }
    /// The same in another kind of type.
    #[must_use]
    pub fn of(mut self, kind: Type) -> Said {
        self.kind = kind;
        self
    }
}

/// The texts of a line, joined: what a test compares.
pub fn read(line: &[Said]) -> String {
    line.iter().map(|said| said.text.as_str()).collect()
}
