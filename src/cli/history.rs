//! `verify history`: what the reports of a folder say together.

use std::{io, path::PathBuf};

use clap::{Args, ValueEnum, value_parser};

use super::{
    error::CliError,
    options::{OutputArgs, RunArgs},
    out,
    settings::Settings,
};
use crate::{
    gate::ExitStatus,
    history::{self, Folder},
    plan::{ItemId, Lang},
};

/// What `--help` says after the options.
pub const AFTER_HELP: &str = "\
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

#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Where runs write their reports [default: reports].
    #[arg(long, value_name = "DIR", env = "VERIFY_REPORT_DIR")]
    pub report_dir: Option<PathBuf>,
    /// Only the last so many runs.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub last: Option<u32>,
    /// Only what concerns these items, for example 3.4 or 3.4,7.2.
    #[arg(long, value_name = "N.M", value_delimiter = ',')]
    pub item: Vec<String>,
    /// The format.
    #[arg(long, value_enum, default_value_t)]
    pub format: HistoryFormat,
    /// The language [default: en].
    #[arg(long, value_enum, env = "VERIFY_LANG")]
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

/// Reads every report of the folder and tells what they say together.
pub fn history(args: HistoryArgs) -> Result<ExitStatus, CliError> {
    let settings = Settings::settle(RunArgs {
        output: OutputArgs {
            report_dir: args.report_dir,
            lang: args.lang,
            ..OutputArgs::default()
        },
        ..RunArgs::default()
    })?;
    let dir = &settings.report_dir;
    let folder = match history::read(dir) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Folder::default(),
        Err(error) => {
            return Err(CliError::usage(format!(
                "--report-dir {}: cannot be read: {error}",
                dir.display()
            )));
        }
    };
    let mut items = Vec::new();
    for typed in &args.item {
        items.push(item(typed, &folder)?);
    }
    let last = args.last.and_then(|last| usize::try_from(last).ok());
    let found = history::history(folder, last, &items);
    let text = match args.format {
        HistoryFormat::Table => history::table(
            &found,
            &dir.display().to_string(),
            out::style(settings.lang),
        ),
        HistoryFormat::Json => history::json(&found).map_err(|error| {
            CliError::environment(format!("the history cannot be written as JSON: {error}"))
        })?,
    };
    out::print(&text)?;
    Ok(ExitStatus::Pass)
}

fn item(typed: &str, folder: &Folder) -> Result<ItemId, CliError> {
    let id: ItemId = typed
        .parse()
        .map_err(|error| CliError::usage(format!("--item: {error}")))?;
    if !folder.runs.is_empty() && !folder.titles.contains_key(&id) {
        return Err(CliError::usage(format!("--item {id}: no report has it"))
            .hint("`verify --list` shows every item"));
    }
    Ok(id)
}
