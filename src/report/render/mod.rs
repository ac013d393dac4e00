//! A report in the forms that people and programs read. Pure: nothing here prints or writes.

mod ctrf;
mod cucumber;
pub mod failure;
mod format;
mod github;
mod junit;
mod lint;
mod next;
mod style;
mod table;
mod tap;
mod template;
mod trace;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod html_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod xml_tests;

pub use format::{Format, RenderError, UnknownFormat};
pub use github::{SUMMARY_LIMIT, github_lint};
pub use lint::lint;
pub use next::{Undo, Ways, next};
pub use style::{BOLD, GREEN, RED, Style, YELLOW};
pub use template::TemplateError;
pub use trace::trace;

pub use super::{text, words};

use super::{RunReport, View, view::Decision, words::fill};
use crate::{mutation::Matrix, plan::Lang};

/// The report as a page, with the matrix of a catalogue of mutants where there is one.
///
/// # Errors
/// Where a template is wrong.
pub fn html(
    report: &RunReport,
    matrix: Option<&Matrix>,
    lang: Lang,
) -> Result<String, TemplateError> {
    template::html(&View::of(report, lang).with_matrix(matrix))
}

/// The report as `report.md` and `report.html`, in this order.
///
/// # Errors
/// Where a template is wrong.
pub fn documents(report: &RunReport, lang: Lang) -> Result<[String; 2], TemplateError> {
    let view = View::of(report, lang);
    Ok([template::markdown(&view)?, template::html(&view)?])
}

/// The exit code that the run ended with, in a line.
#[must_use]
pub fn exit(report: &RunReport, lang: Lang) -> String {
    let decision = Decision::of(report, lang);
    let (code, meaning) = (decision.exit_code, decision.exit_meaning);
    fill(
        words::words(lang).exit_line,
        &[("code", &code), ("meaning", &meaning)],
    )
}

/// The summary of a step of GitHub Actions, at most `room` bytes long.
///
/// # Errors
/// Where a template is wrong.
pub fn github_summary(
    report: &RunReport,
    lang: Lang,
    room: usize,
) -> Result<String, TemplateError> {
    github::summary(&View::of(report, lang), room)
}

/// The report as `report.json`: pretty, with a line end.
///
/// # Errors
///
/// When a path in it is not UTF-8, which JSON cannot hold.
pub fn json(report: &RunReport) -> Result<String, serde_json::Error> {
    text::json(report)
}
