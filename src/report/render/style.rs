//! How something is shown at a terminal.

use crate::{plan::Lang, report::text::wrap};

/// What is to be seen first.
pub const BOLD: &str = "1";
/// What is wrong.
pub const RED: &str = "1;31";
/// What is right.
pub const GREEN: &str = "1;32";
/// What is to be looked at.
pub const YELLOW: &str = "1;33";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Style {
    pub lang: Lang,
    /// Whether to use colours.
    pub color: bool,
    /// How many columns there are.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            lang: Lang::En,
            color: false,
            width: 80,
        }
    }
}

impl Style {
    /// `text` in a colour, where there are colours.
    #[must_use]
    pub fn paint(self, sgr: &str, text: &str) -> String {
        if self.color {
            format!("\u{1b}[{sgr}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// `text` in lines of this width, those after the first indented.
    #[must_use]
    pub fn paragraph(self, indent: usize, text: &str) -> String {
        let lines = wrap(text, self.width.saturating_sub(indent).max(20));
        lines.join(&format!("\n{}", " ".repeat(indent)))
    }
}
