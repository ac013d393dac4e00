//! A run from the chosen items to the exit code.

use std::time::Instant;

use super::{
    deployment::{self, Held},
    error::CliError,
    inputs::{Inputs, PlanInput},
    lint,
    options::{RollbackPolicy, StackKind, UpstreamKind},
    out, place,
    process::{Process, reading},
    record::{Recorded, record_live},
    rollback,
    run_plan::{Work, run_id},
    settings::Settings,
    show::{show, undo},
};
use crate::{
    engine::{Place, event::RunEnd},
    gate::{self, Decision, ExitStatus},
    ledger::Ledger,
    lint::Finding,
    plan::ItemId,
    profile::Profile,
    report::{Rollback, RunDir, RunReport, Verdict, render::Undo},
    stack::docker::{compose::Setup, labels},
};

/// What is to be run.
pub struct Chosen {
    pub settings: Settings,
    pub plan: PlanInput,
    pub selected: Vec<ItemId>,
}

/// Reads the files, finds the place, and runs the plan there so often as asked; the worst exit code.
/// The first run is written into `dir`, where that was made before.
pub fn run(
    process: &mut Process,
    chosen: &Chosen,
    dir: &mut Option<RunDir>,
    started: Instant,
) -> Result<ExitStatus, CliError> {
    let settings = &chosen.settings;
    if settings.repeat > 1 && settings.deployment.deploy {
        return Err(CliError::usage("--repeat: a candidate is deployed once"));
    }
    chosen.plan.permit_scripts(settings.allow_scripts)?;
    let of_files = settings.clone();
    let read = move || Inputs::checked(&of_files);
    let mut inputs = process.read(started, settings.deadline, read)?;
    (chosen.plan).fits(settings, &inputs.profile, &chosen.selected)?;
    let (place, held, found) = process.run(find(settings, &mut inputs, started))?;
    let work = Work {
        settings,
        plan: &chosen.plan,
        inputs: &inputs,
        lint: &found,
    };
    let mut worst = ExitStatus::Pass;
    for number in 1..=settings.repeat {
        let started = if number == 1 { started } else { Instant::now() };
        let dir = match dir.take() {
            Some(dir) => dir,
            None => RunDir::create(&settings.report_dir, &run_id())?,
        };
        let recorded = record_live(process, &work, &place, &chosen.selected, dir, started)?;
        let status = conclude(process, &work, &place, held.as_ref(), recorded)?;
        if settings.repeat > 1 {
            let (of, code) = (settings.repeat, status.code());
            out::complain(format_args!("run {number} of {of}: exit {code}"));
        }
        worst = worse(worst, status);
        if status == ExitStatus::Interrupted {
            break;
        }
    }
    Ok(worst)
}

/// Where it runs; of a deployment the lock, too; and what the files alone say.
async fn find(
    settings: &Settings,
    inputs: &mut Inputs,
    started: Instant,
) -> Result<(Place, Option<Held>, Vec<Finding>), CliError> {
    // Before anything is started: where it is missing, that is said at once.
    place::browser(settings.browser)?;
    if settings.upstream == UpstreamKind::Litellm {
        inputs.profile.without_database();
    }
    let look = |profile: &Profile| {
        let (of_files, profile) = (settings.clone(), profile.clone());
        let look = move || Ok(lint::before_run(&of_files, &profile));
        reading(started, settings.deadline, look)
    };
    match settings.stack {
        StackKind::Compose => {
            let (place, held) = deployment::prepare(settings, inputs).await?;
            let found = look(&inputs.profile)?.await?;
            Ok((place, Some(held), found))
        }
        _ => {
            // Side by side: a run waits for both.
            let found = look(&inputs.profile)?;
            let (place, found) = tokio::try_join!(place::find(settings), found)?;
            Ok((place, None, found))
        }
    }
}

/// Writes the report, puts the place in order, and shows what became of the run.
fn conclude(
    process: &mut Process,
    work: &Work<'_>,
    place: &Place,
    held: Option<&Held>,
    mut ran: Recorded,
) -> Result<ExitStatus, CliError> {
    let settings = work.settings;
    // The report first: whatever happens from here on, what was seen is written.
    let mut written = ran.finish(settings.lang);
    let (mut in_order, mut rolled_back) = (true, Ok(()));
    match (place, held) {
        (Place::Containers(_), _) => {
            let gone = labels::until_gone(&ran.report.run.id);
            if let Err(error) = process.runtime.block_on(gone) {
                out::complain(CliError::from(error));
                in_order = false;
            }
        }
        (Place::Compose(setup), Some(held)) => {
            (in_order, rolled_back) = restore(process, work, setup, held, &mut ran);
            written = written.and(ran.finish(settings.lang));
        }
        _ => {}
    }
    let project = undo(held, &ran.report.run.id);
    let undo = project.as_deref().map_or(Undo::Nothing, Undo::Project);
    in_order &= show(settings, &ran.report, ran.dir.path(), undo)?;
    written.map_err(|error| {
        CliError::environment(format!("the report could not be written: {error}"))
    })?;
    rolled_back?;
    Ok(match decide(&ran.report)?.exit {
        ExitStatus::Pass | ExitStatus::Conditional if !in_order => ExitStatus::Inconclusive,
        exit => exit,
    })
}

/// Undoes what the run left in a deployment, and rolls back where that is due. Whether all is undone,
/// and what became of the rollback.
fn restore(
    process: &mut Process,
    work: &Work<'_>,
    setup: &Setup,
    held: &Held,
    ran: &mut Recorded,
) -> (bool, Result<(), CliError>) {
    let profile = &work.inputs.profile;
    // Before a rollback, whose proof a ban that is left would spoil; what cannot be undone
    // where the candidate ended the gateway can be when the baseline is back.
    let undone = (process.runtime).block_on(deployment::undo(&held.project, profile));
    let rolled_back = roll_back(process, work, setup, held, ran);
    let in_order = undone.is_ok_and(|left| left.is_empty())
        || (process.runtime).block_on(deployment::put_in_order(&held.project, profile));
    (in_order, rolled_back)
}

/// Puts the baseline back where this run deployed the candidate and the policy asks for it: on
/// a verdict of fail, and where the run ended before it could judge.
fn roll_back(
    process: &mut Process,
    work: &Work<'_>,
    setup: &Setup,
    held: &Held,
    ran: &mut Recorded,
) -> Result<(), CliError> {
    let report = &ran.report;
    let ledger = Ledger::open(&held.project, &report.run.id)?;
    let Some((run, deployed)) = ledger.deployment()? else {
        return Ok(());
    };
    if run != report.run.id {
        return Ok(());
    }
    let failed = report.verdict == Some(Verdict::Fail)
        || (report.verdict.is_none() && decide(report)?.exit == ExitStatus::Fail);
    let broken_off = report.run.end != Some(RunEnd::Completed);
    let wanted = match work.settings.rollback {
        RollbackPolicy::Never => false,
        RollbackPolicy::OnFail => failed || broken_off,
        RollbackPolicy::Always => true,
    };
    if wanted {
        let (carried, _) = rollback::carry_out(process, work, setup, held, &deployed)?;
        ran.report.rollback = Rollback {
            required: ran.report.rollback.required,
            ..carried
        };
    }
    Ok(())
}

fn decide(report: &RunReport) -> Result<Decision, CliError> {
    gate::of_run(report).map_err(|error| CliError::environment(error.to_string()))
}

/// Which of two outcomes counts: an interruption, then a failure, then what could not be told.
fn worse(one: ExitStatus, other: ExitStatus) -> ExitStatus {
    let rank = |status: &ExitStatus| match status {
        ExitStatus::Pass => 0,
        ExitStatus::Conditional => 1,
        ExitStatus::Inconclusive => 2,
        ExitStatus::Usage => 3,
        ExitStatus::Fail => 4,
        ExitStatus::Interrupted => 5,
    };
    std::cmp::max_by_key(other, one, rank)
}
