//! Every combination that matters, as a table; and reports that must not be believed.

use super::*;
use crate::{
    report::{
        Status,
        samples::{
            Sample, conditional, fail, follows, id, inconclusive, mislabelled, noisy, partial,
            pass, skipped,
        },
    },
    verdict::rollback_steps,
};

fn of(report: &RunReport) -> Decision {
    decide(report, Policy::default()).unwrap()
}

fn interrupted() -> Option<RunEnd> {
    let signal = "SIGINT".to_owned();
    Some(RunEnd::Interrupted { signal })
}

fn broken() -> Option<RunEnd> {
    let reason = "redis died".to_owned();
    Some(RunEnd::Broken { reason })
}

use Verdict::{Conditional, Fail, Inconclusive, Pass};

/// A run, the verdict that it must have and the exit code.
type Row = (&'static str, Sample, Option<Verdict>, u8);

fn all() -> Sample {
    Sample::default()
}

fn must_hold(table: Vec<Row>) {
    for (name, sample, verdict, code) in table {
        let decision = of(&sample.report());
        let found = (decision.verdict, decision.exit.code());
        assert_eq!(found, (verdict, code), "{name}");
        assert_eq!(decision.rollback_required, verdict == Some(Fail), "{name}");
        assert!(!decision.reasons.is_empty(), "{name}");
    }
}

fn not_allowed() -> crate::engine::event::Outcome {
    crate::engine::event::Outcome::Skipped {
        reason: "nothing may be broken in a deployment".to_owned(),
        consequence: false,
    }
}

#[test]
fn required_items_decide_first() {
    must_hold(vec![
        ("all passed", all(), Some(Pass), 0),
        (
            "all passed, extended too",
            all().extended("X.1"),
            Some(Pass),
            0,
        ),
        (
            "required failed",
            all().with("3.1", mislabelled()),
            Some(Fail),
            1,
        ),
        (
            "required failed, another untold",
            all().with("3.1", mislabelled()).with("1.1", noisy()),
            Some(Fail),
            1,
        ),
        (
            "required failed, then killed",
            all()
                .with("1.1", mislabelled())
                .without_end("1.2")
                .ended(None),
            Some(Fail),
            1,
        ),
        (
            "required not reached, since the candidate fails what it needs",
            all().with("4.4", follows("the token does not work")),
            Some(Fail),
            1,
        ),
        (
            "required untold",
            all().with("4.4", noisy()),
            Some(Inconclusive),
            4,
        ),
        (
            "required untold, important failed",
            all().with("4.4", noisy()).with("5.1", mislabelled()),
            Some(Inconclusive),
            4,
        ),
        (
            "required skipped",
            all().with("2.2", skipped("no gateway")),
            Some(Inconclusive),
            4,
        ),
        (
            "required without an end",
            all().without_end("2.1"),
            Some(Inconclusive),
            4,
        ),
    ]);
}

#[test]
fn whatever_else_did_not_pass_makes_it_conditional() {
    must_hold(vec![
        (
            "unlisted failed",
            all().with("2.3", mislabelled()),
            Some(Conditional),
            3,
        ),
        (
            "unlisted untold",
            all().with("4.3", noisy()),
            Some(Conditional),
            3,
        ),
        (
            "important failed",
            all().with("6.1", mislabelled()),
            Some(Conditional),
            3,
        ),
        (
            "recommended skipped",
            all().with("7.2", skipped("--quick")),
            Some(Conditional),
            3,
        ),
        (
            "recommended untold",
            all().with("7.2", noisy()),
            Some(Conditional),
            3,
        ),
        (
            "extended failed",
            all().extended("X.1").with("X.1", mislabelled()),
            Some(Conditional),
            3,
        ),
        (
            "extended untold",
            all().extended("X.1").with("X.1", noisy()),
            Some(Conditional),
            3,
        ),
        (
            "extended left out",
            all().extended("X.1").with("X.1", not_allowed()),
            Some(Pass),
            0,
        ),
    ]);
}

#[test]
fn a_run_without_its_end_never_passes() {
    must_hold(vec![
        (
            "all passed, then killed",
            all().ended(None),
            Some(Inconclusive),
            4,
        ),
        (
            "all passed, then broken",
            all().ended(broken()),
            Some(Inconclusive),
            4,
        ),
        (
            "all passed, then interrupted",
            all().ended(interrupted()),
            Some(Inconclusive),
            130,
        ),
        (
            "failed, then interrupted",
            all()
                .with("3.1", mislabelled())
                .without_end("7.2")
                .ended(interrupted()),
            Some(Fail),
            130,
        ),
    ]);
}

#[test]
fn a_partial_run_has_no_verdict_but_an_exit_code() {
    must_hold(vec![
        ("partial passed", all().only(&["3.1", "3.6"]), None, 0),
        (
            "partial failed",
            all().only(&["3.1", "6.1"]).with("6.1", mislabelled()),
            None,
            1,
        ),
        (
            "partial untold",
            all().only(&["3.1", "6.1"]).with("6.1", noisy()),
            None,
            4,
        ),
        (
            "partial skipped",
            all().only(&["7.2"]).with("7.2", skipped("--quick")),
            None,
            4,
        ),
        ("partial, nothing chosen", all().only(&[]), None, 4),
        (
            "partial passed, then killed",
            all().only(&["3.1"]).ended(None),
            None,
            4,
        ),
        (
            "partial interrupted",
            all().only(&["3.1"]).ended(interrupted()),
            None,
            130,
        ),
    ]);
}

#[test]
fn a_conditional_pass_is_let_through_only_where_the_policy_says_so() {
    let policy = Policy {
        allow_conditional: true,
        refuse_partial: false,
    };
    for (report, code) in [
        (pass(), 0),
        (conditional(), 0),
        (fail(), 1),
        (inconclusive(), 4),
        (partial(), 0),
    ] {
        assert_eq!(decide(&report, policy).unwrap().exit.code(), code);
    }
}

#[test]
fn a_partial_run_is_no_permission_where_the_policy_refuses_it() {
    let policy = Policy {
        allow_conditional: true,
        refuse_partial: true,
    };
    let passed = decide(&partial(), policy).unwrap();
    assert_eq!(passed.exit, ExitStatus::Inconclusive);
    let reasons = passed.reasons.join("\n");
    assert!(reasons.contains("not verified: "), "{reasons}");
    let failed = all().only(&["6.1"]).with("6.1", mislabelled()).report();
    assert_eq!(decide(&failed, policy).unwrap().exit, ExitStatus::Fail);
    assert_eq!(decide(&pass(), policy).unwrap().exit, ExitStatus::Pass);
}

#[test]
fn inputs_must_be_those_that_the_run_names_and_each_but_once() {
    use crate::{engine::InputRole, report::InputFile};
    let input = |role, path: &str, digit: &str| InputFile {
        role,
        path: path.into(),
        sha256: digit.repeat(64),
    };
    let list = |report: &mut RunReport| {
        report.run.inputs = vec![
            input(InputRole::Candidate, "new.conf", "c"),
            input(InputRole::Baseline, "old.conf", "b"),
            input(InputRole::Lua, "a.lua", "a"),
        ];
    };
    let mut good = pass();
    list(&mut good);
    assert_eq!(of(&good).exit, ExitStatus::Pass);
    for (at, name) in [(0, "candidate"), (1, "baseline")] {
        let other = refused(pass(), |report| {
            list(report);
            report.run.inputs[at].sha256 = "d".repeat(64);
        });
        assert_eq!(other, GateError::Inputs(name));
        let none = refused(pass(), |report| {
            list(report);
            report.run.inputs.remove(at);
        });
        assert_eq!(none, GateError::Inputs(name));
    }
    for role in [InputRole::Candidate, InputRole::Lua] {
        let twice = refused(pass(), |report| {
            list(report);
            let same = input(role, "a.lua", "e");
            report.run.inputs.push(same);
        });
        assert!(matches!(twice, GateError::Inputs(_)), "{twice}");
    }
}

#[test]
fn a_plan_without_required_items_never_passes() {
    let mut sample = Sample::default();
    sample.phases.drain(..4);
    sample.selected.retain(|item| item.phase() > Some(4));
    assert_eq!(of(&sample.report()).exit, ExitStatus::Inconclusive);
}

/// Changes a sample report and says what the gate answers.
pub(super) fn refused(report: RunReport, change: impl FnOnce(&mut RunReport)) -> GateError {
    let mut report = report;
    change(&mut report);
    decide(
        &report,
        Policy {
            allow_conditional: true,
            refuse_partial: false,
        },
    )
    .unwrap_err()
}

#[test]
fn a_report_that_contradicts_itself_is_refused() {
    let stated = refused(fail(), |report| report.verdict = Some(Verdict::Pass));
    assert!(matches!(stated, GateError::Verdict { .. }), "{stated}");
    assert!(stated.to_string().contains("pass") && stated.to_string().contains("fail"));

    let hidden = refused(fail(), |report| {
        report.items.retain(|item| item.id != id("3.1"))
    });
    assert_eq!(hidden, GateError::Phase { phase: 3 });

    let row = refused(pass(), |report| report.phases[2].passed = 5);
    assert_eq!(row, GateError::Phase { phase: 3 });
    let no_row = refused(pass(), |report| report.phases.truncate(6));
    assert_eq!(no_row, GateError::Phase { phase: 7 });
    let row_twice = refused(pass(), |report| {
        report.phases.push(report.phases[0].clone())
    });
    assert_eq!(row_twice, GateError::Phase { phase: 1 });

    assert_eq!(
        refused(pass(), |report| report.items.clear()),
        GateError::NoItems
    );
    let twice = refused(pass(), |report| report.items.push(report.items[0].clone()));
    assert_eq!(twice, GateError::Duplicate(id("1.1")));
    let version = refused(pass(), |report| report.schema_version = 2);
    assert_eq!(version, GateError::Version { found: 2 });
}

#[test]
fn a_partial_flag_that_does_not_fit_is_refused() {
    let whole = refused(partial(), |report| {
        report.run.partial = false;
        report.verdict = Some(Verdict::Inconclusive);
    });
    assert!(
        matches!(whole, GateError::Partial { left_out: 19, .. }),
        "{whole}"
    );
    let part = refused(fail(), |report| {
        report.run.partial = true;
        report.verdict = None;
        report.rollback.required = false;
    });
    assert!(
        matches!(part, GateError::Partial { left_out: 0, .. }),
        "{part}"
    );
}

#[test]
fn an_item_that_contradicts_itself_is_refused() {
    let failing_step = refused(pass(), |report| {
        report.items[4].steps[0].status = crate::engine::event::StepStatus::Skipped;
    });
    assert!(
        matches!(failing_step, GateError::Item { .. }),
        "{failing_step}"
    );
    let whitewashed = refused(fail(), |report| report.items[7].status = Status::Passed);
    assert!(
        matches!(whitewashed, GateError::Item { .. }),
        "{whitewashed}"
    );
    let nobody = refused(fail(), |report| report.items[7].fault = None);
    assert!(matches!(nobody, GateError::Item { .. }), "{nobody}");
    let moved = refused(pass(), |report| report.items[0].phase = 2);
    assert!(matches!(moved, GateError::Item { .. }), "{moved}");
}

#[test]
fn findings_and_rollback_must_be_those_of_the_items() {
    let lost = refused(conditional(), |report| report.findings.clear());
    assert_eq!(lost, GateError::Findings);
    let spared = refused(fail(), |report| report.rollback.required = false);
    assert_eq!(spared, GateError::Rollback { stated: false });
    let mut rolled_back = fail();
    rolled_back.rollback.executed = true;
    rolled_back.rollback.steps = rollback_steps();
    assert!(of(&rolled_back).rollback_required);
}

#[test]
fn a_pass_with_a_skipped_step_is_no_pass() {
    let mut events = Sample::default().events();
    for event in &mut events {
        if let crate::engine::event::RunEvent::StepFinished { item, step } = event
            && *item == id("3.4")
        {
            step.status = crate::engine::event::StepStatus::Skipped;
        }
    }
    let report = crate::verdict::fold(events).unwrap();
    assert_eq!(report.items[10].status, Status::Inconclusive);
    assert_eq!(of(&report).exit, ExitStatus::Inconclusive);
}
