//! A report in the forms that people and programs read. Pure: nothing here prints or writes.

mod about;
mod causes;
mod ctrf;
mod cucumber;
mod cucumber_source;
pub mod failure;
mod format;
mod github;
mod html;
mod junit;
mod lint;
mod markdown;
mod markdown_items;
mod next;
mod table;
mod table_items;
mod tap;
pub mod text;
mod trace;
pub mod words;

pub use ctrf::ctrf;
pub use cucumber::cucumber_messages;
pub use format::{Format, RenderError, UnknownFormat};
pub use github::{SUMMARY_LIMIT, github, github_lint, github_summary};
pub use html::{HtmlError, html};
pub use junit::junit;
pub use lint::lint;
pub use markdown::markdown;
pub use next::{Undo, Ways, next};
pub use table::{BOLD, GREEN, RED, YELLOW, table};
pub use tap::tap;
pub use trace::trace;

use super::RunReport;
use crate::plan::Lang;

/// How a report is shown at a terminal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Style {
    /// The language.
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

/// The report as `report.json`: pretty, with a line end.
///
/// # Errors
///
/// When a path in it is not UTF-8, which JSON cannot hold.
pub fn json(report: &RunReport) -> Result<String, serde_json::Error> {
    text::json(report)
}

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
