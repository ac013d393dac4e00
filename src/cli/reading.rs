//! The command line as typed, of the commands that only read: plans, and saved reports.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::args::Lang;

/// What `explain --help` says after the options.
pub const AFTER_EXPLAIN: &str = "\
Exit codes:
  0    told
  2    usage or configuration error: no such item, a plan or a catalogue that cannot be read

Examples:
  verify explain 3.4                       one item of the plan
  verify explain 4.4 X.7 --lang ja         several, in Japanese
  verify explain 1.3 --plan examples/five-items
  verify explain login                     which items are named like that

The mutants are those of fixtures/mutants for the shipped plan, and those of DIR/mutants for
another one, where there are any.";

/// The flags of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The items, for example 3.4 or X.7.
    #[arg(value_name = "ITEM", required = true, value_delimiter = ',')]
    pub items: Vec<String>,
    /// The plan bundle [default: features].
    #[arg(long, value_name = "DIR", env = "VERIFY_PLAN", hide_env_values = true)]
    pub plan: Option<PathBuf>,
    /// The catalogue of mutants: a YAML file, or a folder of them.
    #[arg(long, value_name = "PATH")]
    pub mutants: Option<PathBuf>,
    /// The language [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG", hide_env_values = true)]
    pub lang: Option<Lang>,
}

/// What `diff --help` says after the options.
pub const AFTER_DIFF: &str = "\
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

/// The flags of `diff`.
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
    #[arg(long, value_enum, env = "VERIFY_LANG", hide_env_values = true)]
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

/// What `history --help` says after the options.
pub const AFTER_HISTORY: &str = "\
Exit codes:
  0    told, also where there is no report yet
  2    usage error, or a folder that cannot be read

An item is flaky where it passed and did not pass for the same candidate, baseline, plan, profile,
stack and programs. A run that was cut off counts with what it came to know. Folders that hold no
report that can be read are named, and stop nothing.

Examples:
  verify history                           the runs in reports, the oldest first
  verify history --last 20 --item 7.2      how the comparison of response times moves
  verify history --report-dir /srv/reports --format json";

/// The flags of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Where runs write their reports [default: reports].
    #[arg(
        long,
        value_name = "DIR",
        env = "VERIFY_REPORT_DIR",
        hide_env_values = true
    )]
    pub report_dir: Option<PathBuf>,
    /// Only the last so many runs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub last: Option<u32>,
    /// Only what concerns these items, for example 3.4 or 3.4,7.2.
    #[arg(long, value_name = "N.M", value_delimiter = ',')]
    pub item: Vec<String>,
    /// The format.
    #[arg(long, value_enum, default_value_t)]
    pub format: HistoryFormat,
    /// The language [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG", hide_env_values = true)]
    pub lang: Option<Lang>,
}

/// What standard output gets of a history.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum HistoryFormat {
    /// For a person.
    #[default]
    Table,
    /// For a program.
    Json,
}
