//! `verify diff`: what is different between saved reports.

use super::{
    error::CliError,
    out,
    reading::{DiffArgs, DiffFormat},
};
use crate::{compare, gate::ExitStatus, plan::Lang, report};

/// Compares each report with the one before it.
///
/// # Errors
/// A report that cannot be read.
pub fn diff(args: &DiffArgs) -> Result<ExitStatus, CliError> {
    let loaded: Result<Vec<_>, _> = args.reports.iter().map(|path| report::load(path)).collect();
    let found = compare::compare(&loaded?);
    let lang: Lang = args.lang.unwrap_or_default().into();
    let text = match args.format {
        DiffFormat::Table => compare::table(&found, out::style(lang)),
        DiffFormat::Markdown => compare::markdown(&found, lang),
        DiffFormat::Json => compare::json(&found).map_err(|error| {
            CliError::usage(format!("a path cannot be written as JSON: {error}"))
        })?,
    };
    out::print(&text)?;
    Ok(if args.exit_code && found.is_worse() {
        ExitStatus::Fail
    } else {
        ExitStatus::Pass
    })
}
