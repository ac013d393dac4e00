//! Judgement, second half: from a report, new or saved, to what a deployment does with it.
//!
//! The gate does not believe a report: it judges the items again, and refuses a report that
//! contradicts itself.

mod check;
mod exit;
mod inputs;

pub use check::GateError;
pub use exit::ExitStatus;
pub use inputs::{BindingError, parse_age, recent, same_inputs, same_run};

use crate::{
    engine::event::RunEnd,
    plan::Lang,
    report::{ItemReport, RunReport, Verdict},
    verdict::{Outcome, lacks_browser},
};

/// What the one who asks the gate accepts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Whether a conditional pass may be deployed: exit 0 in place of 3.
    pub allow_conditional: bool,
    /// Whether a partial run that passed is inconclusive: exit 4 in place of 0.
    pub refuse_partial: bool,
}

/// What a report means for a deployment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// How the program ends.
    pub exit: ExitStatus,
    /// The verdict; `None` for a partial run.
    pub verdict: Option<Verdict>,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// Whether the baseline must be put back.
    pub rollback_required: bool,
}

/// What the run that wrote the report ends with: by the policy that it was given, and with a
/// failure where its rollback failed.
///
/// # Errors
///
/// As [`decide`].
pub fn of_run(report: &RunReport) -> Result<Decision, GateError> {
    let policy = Policy {
        allow_conditional: report.run.allow_conditional,
        ..Policy::default()
    };
    let mut decision = decide(report, policy)?;
    if report.rollback.failed() {
        decision.exit = ExitStatus::Fail;
    }
    Ok(decision)
}

/// Decides from the report alone.
///
/// # Errors
///
/// When the report contradicts itself: exit code 2, [`ExitStatus::Usage`].
pub fn decide(report: &RunReport, policy: Policy) -> Result<Decision, GateError> {
    let (verdict, reasons) = check::check(report)?;
    let mut reasons: Vec<String> = reasons.iter().map(|reason| reason.text(Lang::En)).collect();
    if let (true, Some(items)) = (policy.refuse_partial, not_verified(report)) {
        reasons.push(format!(
            "a partial run does not permit a deployment; not verified: {items}"
        ));
    }
    Ok(Decision {
        exit: exit(report, verdict, policy),
        verdict,
        reasons,
        rollback_required: verdict == Some(Verdict::Fail),
    })
}

fn exit(report: &RunReport, verdict: Option<Verdict>, policy: Policy) -> ExitStatus {
    if matches!(report.run.end, Some(RunEnd::Interrupted { .. })) {
        return ExitStatus::Interrupted;
    }
    match verdict {
        Some(Verdict::Pass) => ExitStatus::Pass,
        Some(Verdict::Conditional) if policy.allow_conditional => ExitStatus::Pass,
        Some(Verdict::Conditional) => ExitStatus::Conditional,
        Some(Verdict::Fail) => ExitStatus::Fail,
        Some(Verdict::Inconclusive) => ExitStatus::Inconclusive,
        None => match partial_exit(report) {
            ExitStatus::Pass if policy.refuse_partial => ExitStatus::Inconclusive,
            found => found,
        },
    }
}

/// Of a partial run, the items that did not run: how many of how many, and which.
#[must_use]
pub fn not_verified(report: &RunReport) -> Option<String> {
    let left_out: Vec<String> = (report.items.iter())
        .filter(|item| !item.outcome().is_selected())
        .map(|item| item.id.to_string())
        .collect();
    report.run.partial.then(|| {
        let (count, all) = (left_out.len(), report.items.len());
        format!("{count} of {all} items: {}", left_out.join(", "))
    })
}

/// A partial run passes only when it was gone through to its end and everything chosen,
/// at least one item, passed. What lacked a real browser is not counted.
fn partial_exit(report: &RunReport) -> ExitStatus {
    let chosen: Vec<&ItemReport> = report
        .selected()
        .filter(|item| !lacks_browser(item))
        .collect();
    let any_failed = chosen.iter().any(|item| item.is_failed());
    let all_passed = chosen.iter().all(|item| item.outcome() == Outcome::Passed);
    let completed = report.run.end == Some(RunEnd::Completed);
    if matches!(report.run.end, Some(RunEnd::Integrity { .. })) {
        ExitStatus::Inconclusive
    } else if any_failed {
        ExitStatus::Fail
    } else if all_passed && completed && !chosen.is_empty() {
        ExitStatus::Pass
    } else {
        ExitStatus::Inconclusive
    }
}

#[cfg(test)]
mod contradictions_tests;
#[cfg(test)]
mod properties_tests;
#[cfg(test)]
mod tests;
