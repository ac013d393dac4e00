//! Judgement, second half: from a report, new or saved, to what a deployment does with it.
//!
//! The gate does not believe a report: it judges the items again, and refuses a report that
//! contradicts itself.

mod check;
mod exit;

pub use check::GateError;
pub use exit::ExitStatus;

use crate::{
    engine::event::RunEnd,
    plan::Lang,
    report::{ItemReport, RunReport, Verdict},
    verdict::{Standing, is_selected, lacks_browser, standing},
};

/// What the one who asks the gate accepts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Policy {
    /// Whether a conditional pass may be deployed: exit 0 in place of 3.
    pub allow_conditional: bool,
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

/// Decides from the report alone.
///
/// # Errors
///
/// When the report contradicts itself: exit code 2, [`ExitStatus::Usage`].
pub fn decide(report: &RunReport, policy: Policy) -> Result<Decision, GateError> {
    let (verdict, reasons) = check::check(report)?;
    Ok(Decision {
        exit: exit(report, verdict, policy),
        verdict,
        reasons: reasons.iter().map(|reason| reason.text(Lang::En)).collect(),
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
        None => partial_exit(report),
    }
}

/// A partial run passes only when it was gone through to its end and everything chosen,
/// at least one item, passed. What lacked a real browser is not counted.
fn partial_exit(report: &RunReport) -> ExitStatus {
    let chosen: Vec<&ItemReport> = report
        .items
        .iter()
        .chain(&report.extended)
        .filter(|item| is_selected(item) && !lacks_browser(item))
        .collect();
    let any_failed = chosen.iter().any(|item| standing(item) == Standing::Failed);
    let all_passed = chosen.iter().all(|item| standing(item) == Standing::Passed);
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
mod contradictions;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
