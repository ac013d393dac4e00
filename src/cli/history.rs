//! `verify history`: what the reports of a folder say together.

use std::io;

use super::{
    args::{OutputArgs, RunArgs},
    error::CliError,
    out,
    reading::{HistoryArgs, HistoryFormat},
    settings::Settings,
};
use crate::{
    gate::ExitStatus,
    history::{self, Folder},
    plan::ItemId,
};

/// Reads every report of the folder and tells what they say together.
///
/// # Errors
/// A folder that cannot be read, and items that no report has.
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
