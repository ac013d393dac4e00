//! `verify rollback`, and the rollback at the end of a run that deployed.

use std::{path::PathBuf, time::Instant};

use clap::Args;

use super::{
    deployment::{self, Held},
    error::CliError,
    inputs::{Inputs, PlanInput},
    options::{DeploymentArgs, FileArgs, HowArgs, OutputArgs, RunArgs, StackKind},
    out,
    process::Process,
    record::{Recorded, record_live},
    run_plan::{Work, run_id},
    settings::Settings,
    show::show,
};
use crate::{
    engine::Place,
    gate::ExitStatus,
    ledger::{Deployment, Ledger},
    plan::Lang,
    report::{Rollback as Carried, RollbackStep, RunDir, Status, render::Undo},
    rollback::{Rollback, proof_step},
    stack::docker::compose::{Attached, Named, Setup},
    verdict::rollback_steps,
};

#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub deployment: DeploymentArgs,
    /// The gateway's surface: a name in fixtures/profiles, or a file [default: plan].
    #[arg(long, value_name = "NAME|FILE", env = "VERIFY_PROFILE")]
    pub profile: Option<PathBuf>,
    /// The plan bundle that the proof is taken from [default: features].
    #[arg(long, value_name = "DIR", env = "VERIFY_PLAN")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Rolls the last deployment back that was not.
pub fn rollback(args: RollbackArgs) -> Result<ExitStatus, CliError> {
    out::log(args.output.verbose);
    let settings = Settings::settle(RunArgs {
        deployment: DeploymentArgs {
            deploy: true,
            ..args.deployment
        },
        files: FileArgs {
            profile: args.profile,
            plan: args.plan,
            ..FileArgs::default()
        },
        how: HowArgs {
            stack: Some(StackKind::Compose),
            ..HowArgs::default()
        },
        output: args.output,
        ..RunArgs::default()
    })?;
    let plan = PlanInput::read(&settings.plan)?;
    let mut inputs = Inputs::read(&settings)?;
    let mut process = Process::start()?;
    let (_, setup, held) = process.run(deployment::attach(
        &settings.deployment,
        &mut inputs.profile,
        false,
    ))?;
    let ledger = Ledger::open(&held.project, "rollback")?;
    let Some((of, deployed)) = ledger.deployment()? else {
        return Err(CliError::usage(format!(
            "the ledger of {} knows no deployment that is not rolled back",
            held.project
        )));
    };
    out::complain(format_args!(
        "rolling back the deployment of the run {of} in {}",
        held.project
    ));
    let work = Work {
        lint: &[],
        settings: &settings,
        plan: &plan,
        inputs: &inputs,
    };
    let (carried, proof) = carry_out(&mut process, &work, &setup, &held, &deployed)?;
    let ok = succeeded(&carried);
    let mut written = true;
    // Without a proof the baseline was not put back, which was said already.
    if let Some(mut proof) = proof {
        proof.report.rollback = carried;
        proof
            .finish(settings.lang)
            .map_err(|error| CliError::environment(error.to_string()))?;
        written = show(&settings, &proof.report, proof.dir.path(), Undo::Nothing)?;
    }
    Ok(match (ok, written) {
        (true, true) => ExitStatus::Pass,
        (true, false) => ExitStatus::Inconclusive,
        (false, _) => ExitStatus::Fail,
    })
}

/// Whether every step was verified.
#[must_use]
pub fn succeeded(carried: &Carried) -> bool {
    carried.executed && carried.steps.iter().all(|step| step.ok == Some(true))
}

/// The five steps and the proof. What could not be done is said so that it is not overlooked, and
/// is no error here: the caller has a report to write.
pub fn carry_out(
    process: &mut Process,
    work: &Work<'_>,
    setup: &Setup,
    held: &Held,
    deployed: &Deployment,
) -> Result<(Carried, Option<Recorded>), CliError> {
    let ledger = Ledger::open(&held.project, "rollback")?;
    let which = Named {
        project: Some(held.project.clone()),
        compose_file: None,
    };
    let profile = &work.inputs.profile;
    let (mut steps, ok, found) = process.runtime.block_on(async {
        let attached = match Attached::find_stopped(&which, profile).await {
            Ok(attached) => attached,
            Err(error) => return (not_begun(&error.to_string()), false, String::new()),
        };
        let rollback = Rollback {
            attached: &attached,
            profile,
            ledger: &ledger,
            deployment: deployed,
        };
        let outcome = rollback.carry_out().await;
        let found = if outcome.ok {
            String::new()
        } else {
            rollback.state_as_found().await
        };
        (outcome.steps, outcome.ok, found)
    });
    let mut proof = None;
    if ok {
        match prove(process, work, setup, held, deployed) {
            Ok((step, made)) => {
                steps.push(step);
                proof = Some(made);
            }
            Err(error) => {
                let reports = &work.settings.report_dir;
                steps.push(proof_step(reports, false, error.to_string()));
            }
        }
    }
    let carried = Carried {
        required: false,
        executed: true,
        steps,
    };
    if succeeded(&carried) {
        ledger.write(crate::ledger::Act::RolledBack)?;
    } else {
        shout(&held.project, &carried, &found);
    }
    Ok((carried, proof))
}

/// The plan's steps of a deployment that could not even be found.
fn not_begun(why: &str) -> Vec<RollbackStep> {
    let mut steps = rollback_steps();
    if let Some(first) = steps.first_mut() {
        first.ok = Some(false);
        why.clone_into(&mut first.seen);
    }
    steps
}

/// Items of the plan on the baseline, again: as both the candidate and what it replaces.
fn prove(
    process: &mut Process,
    work: &Work<'_>,
    setup: &Setup,
    held: &Held,
    deployed: &Deployment,
) -> Result<(RollbackStep, Recorded), CliError> {
    let bundle = &work.plan.bundle;
    let mut inputs = work.inputs.clone();
    deployment::proof_files(&mut inputs, &deployed.kept, &deployed.baseline_sha256)?;
    let mut setup = setup.clone();
    setup.allowed.host_edit |= deployed.host_file.is_some();
    let place = Place::Compose(Box::new(setup));
    let again = Work {
        lint: &[],
        inputs: &inputs,
        ..*work
    };
    let dir = RunDir::create(&work.settings.report_dir, &run_id())?;
    let (items, now) = (&bundle.rollback_proof, Instant::now());
    let ran = record_live(process, &again, &place, items, dir, now)?;
    let in_order =
        (process.runtime).block_on(deployment::put_in_order(&held.project, &inputs.profile));
    let chosen: Vec<_> = ran
        .report
        .items
        .iter()
        .filter(|item| bundle.rollback_proof.contains(&item.id))
        .collect();
    let count = |status: Status| chosen.iter().filter(|item| item.status == status).count();
    // Phase 1 says that the baseline runs: without it nothing is proven. Of the others what the
    // run may not do is skipped, and said.
    let bad = chosen.iter().any(|item| match item.status {
        Status::Passed => false,
        Status::Skipped => item.phase == 1,
        Status::Failed | Status::Inconclusive => true,
    });
    let seen = format!(
        "{} of {} items passed on the baseline, {} skipped{}",
        count(Status::Passed),
        chosen.len(),
        count(Status::Skipped),
        chosen
            .iter()
            .filter(|item| item.status != Status::Passed)
            .map(|item| format!("; {}: {}", item.id, item.reason.clone().unwrap_or_default()))
            .collect::<String>()
    );
    let ok = !bad && !chosen.is_empty() && in_order;
    let step = proof_step(ran.dir.path(), ok, seen);
    Ok((step, ran))
}

/// The loudest thing that the program can say.
fn shout(project: &str, carried: &Carried, found: &str) {
    let bar = "!".repeat(78);
    out::complain(&bar);
    out::complain(format_args!(
        "!!  THE ROLLBACK OF {project} FAILED. Nobody knows that the baseline runs."
    ));
    out::complain(&bar);
    if !found.is_empty() {
        out::complain(format_args!("State as found: {found}"));
    }
    out::complain("What was tried:");
    for (step, number) in carried.steps.iter().zip(1..) {
        let how = match step.ok {
            Some(true) => "done",
            Some(false) => "FAILED",
            None => "not tried",
        };
        let title = step.title.get(Lang::En);
        out::complain(format_args!(
            "  {number}. {title}: {how}. {}",
            step.seen.trim()
        ));
    }
    out::complain("Go on by hand:");
    for step in carried.steps.iter().filter(|step| step.ok != Some(true)) {
        out::complain(format_args!("  {}", step.command));
    }
    out::complain(format_args!(
        "Or run `verify rollback --project {project}` again once the cause is removed."
    ));
    out::complain(&bar);
}
