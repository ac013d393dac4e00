//! A report in the forms that people and programs read. Pure: nothing here prints or writes.

mod causes;
mod lint;
mod markdown;
mod markdown_items;
mod table;
mod table_items;
mod text;
mod words;

pub use lint::lint;
pub use markdown::markdown;
pub use table::table;

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
    serde_json::to_string_pretty(report).map(|json| json + "\n")
}

#[cfg(test)]
mod tests;
