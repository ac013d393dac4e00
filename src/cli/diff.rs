//! `verify diff`: what is different between saved reports.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{error::CliError, out};
use crate::{compare, gate::ExitStatus, plan::Lang, report};

/// What `--help` says after the options.
pub const AFTER_HELP: &str = "\
Exit codes:
  0    compared, whatever is different
  1    only with --exit-code: something got worse from a report to the next. An item fails that
       did not, an item that passed is not judged any more, or the verdict is a worse one.
       Times never count
  2    usage error, or a report that cannot be read

Times: a run takes one time of each item, and on a busy machine that of the same item differs by
several times. An item is named only where it stands out of what all the others did between the
same two runs: by more than four times their spread, three times, and 100 ms. Item 7.2 measures
candidate against baseline many times over; its ratio has changed where the intervals do not
touch, a tenth apart, on the same baseline.

Examples:
  verify diff reports/20260101T120000-1a2b reports/latest
  verify diff v10.json v11.1.json v11.2.json      each with the one before it, as columns A, B, C
  verify diff old.json new.json --format markdown --lang ja
  verify diff old.json new.json --exit-code       for a pipeline";

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Two reports or more, each compared with the one before it: a report.json, the folder of a
    /// run, or its events.ndjson.
    #[arg(value_name = "REPORT", required = true, num_args = 2..)]
    pub reports: Vec<PathBuf>,
    /// The format.
    #[arg(long, value_enum, default_value_t)]
    pub format: DiffFormat,
    /// The language [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG")]
    pub lang: Option<Lang>,
    /// Exit 1 when something got worse.
    #[arg(long)]
    pub exit_code: bool,
}

/// What standard output gets of a comparison.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum DiffFormat {
    /// For a person.
    #[default]
    Table,
    /// For a program.
    Json,
    /// For a merge request or a wiki.
    Markdown,
}

/// Compares each report with the one before it.
pub fn diff(args: &DiffArgs) -> Result<ExitStatus, CliError> {
    let loaded: Result<Vec<_>, _> = args.reports.iter().map(|path| report::load(path)).collect();
    let found = compare::compare(&loaded?);
    let lang = args.lang.unwrap_or_default();
    let text = match args.format {
        DiffFormat::Table => compare::table(&found, out::style(lang)),
        DiffFormat::Markdown => compare::markdown(&found, lang),
        DiffFormat::Json => compare::json(&found).map_err(|error| {
            CliError::usage(format!("a path cannot be written as JSON: {error}"))
        })?,
    };
    out::print(&text)?;
    Ok(match args.exit_code && found.is_worse() {
        true => ExitStatus::Fail,
        false => ExitStatus::Pass,
    })
}
