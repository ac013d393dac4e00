//! `--failed`: what is open of the latest run.

use std::path::{Path, PathBuf};

use super::{error::CliError, settings::Settings};
use crate::{
    plan::{Bundle, ItemId},
    report::{self, LATEST, LoadError, RunReport},
    verdict::{FoldError, run_again},
};

/// Of the items that were `chosen` those that are open in the latest run. None is an error, as
/// it is wherever nothing is chosen: exit 0 would say of a candidate that it passed.
pub fn only_open(
    settings: &Settings,
    bundle: &Bundle,
    chosen: Vec<ItemId>,
) -> Result<Vec<ItemId>, CliError> {
    let latest = settings.report_dir.join(LATEST);
    let report = match report::load(&latest) {
        // Nothing was open there: what was open before still is.
        Err(LoadError::Fold {
            source: FoldError::NotStarted { .. },
            ..
        }) => started_last(&settings.report_dir),
        loaded => loaded,
    };
    let report = report.map_err(|error| match error {
        LoadError::Io { .. } if !latest.exists() => CliError::usage(format!(
            "--failed: there is no latest run: {} is not there",
            latest.display()
        ))
        .hint("run `verify` first, or name the folder of its reports with --report-dir"),
        error => CliError::from(error),
    })?;
    let run = &report.run;
    if run.plan != bundle.title {
        return Err(CliError::usage(format!(
            "--failed: the latest run, {}, is one of another plan: {}",
            run.id, run.plan.en
        ))
        .hint("name its plan with --plan"));
    }
    let open = run_again(&report);
    if open.is_empty() {
        return Err(CliError::usage(format!(
            "--failed: nothing to run: nothing failed in the latest run, {}",
            run.id
        ))
        .hint("without --failed, everything that is chosen runs"));
    }
    let both: Vec<ItemId> = (chosen.iter().copied())
        .filter(|item| open.contains(item))
        .collect();
    if both.is_empty() {
        let open: Vec<String> = open.iter().map(ItemId::to_string).collect();
        return Err(CliError::usage(format!(
            "--failed: nothing to run: of what is chosen nothing failed in the latest run, {}",
            run.id
        ))
        .hint(format!("what failed there: {}", open.join(", "))));
    }
    Ok(both)
}

/// The newest run of the report folder that was started.
fn started_last(report_dir: &Path) -> Result<RunReport, LoadError> {
    let entries = report_dir.read_dir().into_iter().flatten().flatten();
    let mut runs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect();
    // Their names begin with the time.
    runs.sort();
    let mut loaded = runs.iter().rev().map(|run| report::load(run));
    loaded
        .find(Result::is_ok)
        .unwrap_or_else(|| report::load(&report_dir.join(LATEST)))
}
