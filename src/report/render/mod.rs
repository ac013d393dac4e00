//! A report in the forms that people and programs read. Pure: nothing here prints or writes.

mod ctrf;
mod cucumber;
pub mod failure;
mod format;
mod github;
mod junit;
mod lint;
pub mod mutation;
mod next;
mod sarif;
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

pub use format::{Format, RenderError, UnknownFormat, documents, exit, github_summary, html, json};
pub use github::{SUMMARY_LIMIT, github_lint};
pub use lint::{findings, lint};
pub use next::{Undo, Ways, next};
pub use sarif::sarif;
pub use style::{BOLD, GREEN, RED, Style, YELLOW};
pub use template::TemplateError;
pub use trace::trace;

pub use super::{text, words};
