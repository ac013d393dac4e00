//! What fold makes of a run's events, and which events it refuses.

use crate::{
    engine::event::{Outcome, RunEnd, RunEvent},
    plan::Checklist,
    report::{
        Fault, FindingState, RunReport, Severity, Status, Verdict,
        samples::{self, Sample, id, mislabelled, noisy, plan_file, skipped},
    },
    verdict::{FoldError, NOT_SELECTED, fold},
};

#[test]
fn the_plan_has_its_25_items_in_7_phases() {
    let plan = plan_file();
    let counts: Vec<usize> = plan.phases.iter().map(|phase| phase.items.len()).collect();
    assert_eq!(counts, [4, 3, 6, 4, 2, 4, 2]);
    assert_eq!(plan.version, "1.0");
    let items: Vec<_> = plan.phases.iter().flat_map(|phase| &phase.items).collect();
    let weight = |checklist| {
        let of_weight = items.iter().filter(|item| item.checklist == checklist);
        of_weight
            .map(|item| item.id.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        weight(Checklist::Required),
        "1.1 1.2 1.3 1.4 2.1 2.2 3.1 3.2 3.3 3.4 3.5 3.6 4.1 4.2 4.4"
    );
    assert_eq!(weight(Checklist::Important), "5.1 5.2 6.1 6.2 6.3 6.4");
    assert_eq!(weight(Checklist::Recommended), "7.1 7.2");
    assert_eq!(weight(Checklist::Unlisted), "2.3 4.3");
    for item in items {
        assert_eq!(
            item.done.is_none(),
            item.checklist == Checklist::Unlisted,
            "{}",
            item.id
        );
        for text in [&item.why, &item.remedy] {
            assert!(
                !text.en.trim().is_empty() && !text.ja.trim().is_empty(),
                "{}",
                item.id
            );
        }
        let section = item.id.to_string();
        assert!(
            item.why.en.contains(&section) && item.why.ja.contains(&section),
            "{section}"
        );
    }
}

#[test]
fn times_of_the_plan_add_up() {
    let plan = plan_file();
    let items = plan.phases.iter().flat_map(|phase| &phase.items);
    let minutes: u32 = items.map(|item| item.planned_minutes).sum();
    assert_eq!(minutes, 70, "the plan says about 60 to 90 minutes");
}

fn item<'a>(report: &'a RunReport, number: &str) -> &'a crate::report::ItemReport {
    report
        .items
        .iter()
        .find(|item| item.id == id(number))
        .unwrap()
}

#[test]
fn every_item_is_reported_in_order_chosen_or_not() {
    let report = samples::partial();
    assert_eq!(report.items.len(), 25);
    assert!(report.items.is_sorted_by_key(|item| item.id));
    assert_eq!(item(&report, "1.1").status, Status::Skipped);
    assert_eq!(item(&report, "1.1").reason.as_deref(), Some(NOT_SELECTED));
    assert_eq!(report.verdict, None);
    assert!(
        report.reasons[0].contains("6 of 25"),
        "{:?}",
        report.reasons
    );
    assert!(
        report.findings.is_empty(),
        "what was not chosen is no finding"
    );
    let row = &report.phases[2];
    assert_eq!((row.total, row.passed, row.skipped), (6, 6, 0));
}

#[test]
fn what_has_no_end_is_inconclusive_and_says_why() {
    let killed = Sample::default().without_end("7.2").ended(None).report();
    let cut_off = item(&killed, "7.2");
    assert_eq!(
        (cut_off.status, cut_off.fault),
        (Status::Inconclusive, Some(Fault::Harness))
    );
    let reason = cut_off.reason.clone().unwrap();
    assert!(
        reason.contains("the step `When the item") && reason.contains("killed"),
        "{reason}"
    );
    assert_eq!(killed.run.end, None);
    assert!((killed.run.duration_ms - (71.0 + 24.0 * 12.25)).abs() < 1e-6);

    let mut events = Sample::default().events();
    events.truncate(7);
    let signal = "SIGINT".to_owned();
    let end = RunEnd::Interrupted { signal };
    events.push(RunEvent::RunFinished {
        duration_ms: 80.0,
        end,
    });
    let report = fold(events).unwrap();
    let reason = item(&report, "1.1").reason.clone().unwrap();
    assert_eq!(reason, "did not run: the run was interrupted by SIGINT");
    assert_eq!(report.verdict, Some(Verdict::Inconclusive));
}

#[test]
fn a_stack_that_did_not_come_up_says_nothing_of_the_candidate() {
    let mut events = Sample::default().events();
    events.truncate(1);
    let reason = "oauth2-proxy did not answer within 5 s\nlast line: bind: in use".to_owned();
    events.push(RunEvent::StackFailed { reason });
    let report = fold(events).unwrap();
    assert_eq!(report.verdict, Some(Verdict::Inconclusive));
    for item in &report.items {
        assert_eq!(
            (item.status, item.fault),
            (Status::Inconclusive, Some(Fault::Harness))
        );
        assert!(
            item.reason
                .as_deref()
                .unwrap()
                .contains("oauth2-proxy did not answer")
        );
        assert!(item.failure.as_ref().unwrap().seen.contains("last line"));
    }
}

#[test]
fn findings_are_numbered_and_weighed() {
    let report = Sample::default()
        .with("3.1", mislabelled())
        .with("3.6", noisy())
        .with("6.2", mislabelled())
        .with("7.2", skipped("left out by --quick"))
        .report();
    let rows: Vec<_> = report
        .findings
        .iter()
        .map(|row| (row.no, row.item.to_string(), row.severity, row.state))
        .collect();
    let expected = [
        (1, "3.1", Severity::Critical, FindingState::Rollback),
        (2, "3.6", Severity::Critical, FindingState::Rerun),
        (3, "6.2", Severity::Major, FindingState::Open),
        (4, "7.2", Severity::Minor, FindingState::Open),
    ];
    assert_eq!(
        rows,
        expected.map(|(no, id, severity, state)| (no, id.to_owned(), severity, state))
    );
    assert!(report.findings[0].cause.contains("[MCP|Int]"));
    assert_eq!(report.findings[3].cause, "left out by --quick");
    assert!(report.rollback.required && !report.rollback.executed);
    assert_eq!(report.rollback.steps.len(), 5);
    assert!(report.rollback.steps.iter().all(|step| step.ok.is_none()));
}

#[test]
fn a_chosen_item_cannot_pass_for_one_that_was_left_out() {
    let report = Sample::default()
        .with("3.1", skipped(NOT_SELECTED))
        .report();
    assert_eq!(item(&report, "3.1").status, Status::Inconclusive);
    assert_eq!(report.verdict, Some(Verdict::Inconclusive));
}

#[test]
fn an_extended_failure_is_never_critical() {
    let report = Sample::default()
        .extended("X.1")
        .with("X.1", mislabelled())
        .report();
    assert_eq!(report.verdict, Some(Verdict::Conditional));
    assert_eq!(
        report.phases.len(),
        7,
        "extended checks are not in the plan's table"
    );
    assert_eq!((report.items.len(), report.extended.len()), (25, 1));
    assert_ne!(report.findings[0].severity, Severity::Critical);
}

#[test]
fn a_report_survives_its_own_json() {
    let events = Sample::default().with("3.1", mislabelled()).events();
    let lines: Vec<String> = events
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    let read = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let report = fold(read).unwrap();
    assert_eq!(report, fold(events).unwrap());
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(report, serde_json::from_str(&json).unwrap());
}

/// The error of the sample's events once changed.
fn refused(change: impl FnOnce(&mut Vec<RunEvent>)) -> String {
    let mut events = Sample::default().events();
    change(&mut events);
    fold(events).unwrap_err().to_string()
}

fn started(item: &str) -> RunEvent {
    RunEvent::ItemStarted {
        item: id(item),
        at_ms: None,
    }
}

fn finished(item: &str, outcome: Outcome) -> RunEvent {
    RunEvent::ItemFinished {
        item: id(item),
        outcome,
        duration_ms: 1.0,
    }
}

fn end() -> RunEvent {
    RunEvent::RunFinished {
        duration_ms: 1.0,
        end: RunEnd::Completed,
    }
}

#[test]
fn events_that_contradict_each_other_are_refused_with_their_place() {
    assert_eq!(fold(Vec::new()), Err(FoldError::Empty));
    let no_start = refused(|events| drop(events.remove(0)));
    assert!(no_start.contains("event 1 is component"), "{no_start}");
    let again = refused(|events| events.push(events[0].clone()));
    assert!(again.contains("after run_finished"), "{again}");
    let after_end = refused(|events| events.push(end()));
    assert!(after_end.contains("after run_finished"), "{after_end}");
    let twice = refused(|events| {
        events.pop();
        events.push(finished("3.4", Outcome::Passed));
    });
    assert!(
        twice.contains("3.4") && twice.contains("finished already"),
        "{twice}"
    );
    let unknown = refused(|events| events.insert(7, started("9.9")));
    assert!(
        unknown.contains("9.9, which the plan does not have"),
        "{unknown}"
    );
    let not_started = refused(|events| events.insert(7, finished("1.1", Outcome::Passed)));
    assert!(
        not_started.contains("event 8") && not_started.contains("has not started"),
        "{not_started}"
    );
    let late_stack = refused(|events| events.swap(6, 7));
    assert!(late_stack.contains("out of order"), "{late_stack}");
    let started_twice = refused(|events| events.insert(7, events[7].clone()));
    assert!(
        started_twice.contains("had started already"),
        "{started_twice}"
    );
}

#[test]
fn a_selection_that_does_not_fit_the_plan_is_refused() {
    let select = |change: fn(&mut Sample)| {
        let mut sample = Sample::default();
        change(&mut sample);
        fold(sample.events()).unwrap_err().to_string()
    };
    let whole = select(|sample| sample.selected.truncate(24));
    assert!(whole.contains("7.2 is not selected, yet"), "{whole}");
    let twice = select(|sample| sample.selected.push(id("1.1")));
    assert!(twice.contains("selected twice"), "{twice}");
    let unknown = select(|sample| sample.selected.push(id("8.1")));
    assert!(unknown.contains("8.1 is selected, but"), "{unknown}");
    let phase = select(|sample| sample.phases.push(sample.phases[0].clone()));
    assert!(phase.contains("phase 1 comes twice"), "{phase}");
    let not_chosen = {
        let mut events = Sample::default().only(&["3.1"]).events();
        events.insert(7, started("3.2"));
        fold(events).unwrap_err().to_string()
    };
    assert!(
        not_chosen.contains("3.2, which was not selected"),
        "{not_chosen}"
    );
}
