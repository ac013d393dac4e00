//! `verify cleanup`: what runs left behind that did not live to remove it. Safe to run twice, and
//! beside runs that go on.

use std::path::PathBuf;

use clap::Args;

use super::{deployment, error::CliError, out, process::runtime, shipped::profile_file};
use crate::{
    gate::ExitStatus,
    ledger::{self, Ledger, LedgerError, Lock},
    profile::Profile,
    stack::docker::{
        Engine,
        labels::{self, Belongings},
    },
};

#[derive(Debug, Args)]
pub struct CleanupArgs {
    /// Only say what would be removed and undone.
    #[arg(long)]
    pub dry_run: bool,
    /// The gateway's surface: a name in fixtures/profiles, or a file [default: plan].
    #[arg(long, value_name = "NAME|FILE", env = "VERIFY_PROFILE")]
    pub profile: Option<PathBuf>,
}

/// Removes containers, networks and volumes whose run is gone, and undoes what ledgers still
/// have open.
pub fn cleanup(args: &CleanupArgs) -> Result<ExitStatus, CliError> {
    let profile = profile_file(&args.profile.clone().unwrap_or("plan".into()))?;
    let profile = Profile::load(&profile)?;
    let runtime = runtime()?;
    let mut all = true;
    let mut any = false;
    for project in ledger::deployments()? {
        let folder = ledger::state_dir()?.join(&project);
        let open = Ledger::open(&project, "cleanup")?.open_entries()?.len();
        if open > 0 {
            any = true;
            out::print(&format!(
                "{project}: {open} entries of the ledger to undo\n"
            ))?;
            if !args.dry_run {
                match Lock::take(&project) {
                    Ok(_lock) => {
                        // One deployment that is gone keeps nobody from the others.
                        if !runtime.block_on(deployment::put_in_order(&project, &profile)) {
                            all = false;
                            out::complain(format_args!(
                                "hint: where the deployment is gone for good, remove {}",
                                folder.display()
                            ));
                        }
                    }
                    Err(error @ LedgerError::Locked { .. }) => {
                        out::print(&format!("{project}: left alone: {error}\n"))?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        if let Some((run, deployed)) = Ledger::open(&project, "cleanup")?.deployment()? {
            out::print(&format!(
                "{project}: the candidate of the run {run} (sha256 {}) was deployed and not rolled back; `verify rollback --project {project}` does\n",
                deployed.candidate_sha256
            ))?;
        }
    }
    let removed = runtime.block_on(async {
        let engine = match Engine::connect().await {
            Ok(engine) => engine,
            Err(error) => {
                out::complain(format_args!("no containers were looked for: {error}"));
                return Ok(false);
            }
        };
        let found = Belongings::find(&engine, None, |owner| !labels::alive(owner)).await?;
        for line in found.lines() {
            out::print(&format!("{line}: its run is gone\n"))?;
        }
        if !args.dry_run {
            found.remove(&engine).await?;
        }
        Ok::<_, CliError>(!found.is_empty())
    })?;
    if !any && !removed {
        out::print("nothing was left behind\n")?;
    }
    Ok(if all {
        ExitStatus::Pass
    } else {
        ExitStatus::Inconclusive
    })
}
