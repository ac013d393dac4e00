//! What a report says of an item, of a phase and of the run, to the word and to the number.

use crate::{
    engine::event::{Failure, Outcome, RunEnd, RunEvent, StepRecord, StepStatus},
    plan::{Checklist, ItemId},
    report::{
        Fault, ItemReport, RunReport, Severity, Status, Verdict,
        samples::{Sample, id, label_rule, mislabelled, noisy, skipped},
    },
    verdict::{self, FoldError, fold, judge, severity},
};

fn item<'a>(report: &'a RunReport, number: &str) -> &'a ItemReport {
    let mut all = report.items.iter().chain(&report.extended);
    all.find(|item| item.id == id(number)).unwrap()
}

fn failed(expected: &str, seen: &str) -> Outcome {
    Outcome::Failed(Failure {
        did: "asked".to_owned(),
        expected: expected.to_owned(),
        seen: seen.to_owned(),
        ..Failure::default()
    })
}

#[test]
fn a_row_of_the_summary_counts_each_item_once_and_the_untold_as_skipped() {
    let report = Sample::default()
        .with("3.1", mislabelled())
        .with("3.2", mislabelled())
        .with("3.3", noisy())
        .with("3.4", skipped("a reason"))
        .with("3.5", skipped("a reason"))
        .report();
    let row = &report.phases[2];
    assert_eq!(
        (row.id, row.total, row.passed, row.failed, row.skipped),
        (3, 6, 1, 2, 3)
    );
    let others: Vec<u32> = report.phases.iter().map(|row| row.passed).collect();
    assert_eq!(others, [4, 3, 1, 4, 2, 4, 2]);
}

#[test]
fn a_finding_s_cause_is_what_was_seen_and_the_reason_where_nothing_was() {
    let report = Sample::default()
        .with(
            "3.1",
            failed("one line", "line one\n\n  line two \nthree\nfour"),
        )
        .with("3.2", failed("one line", " \n "))
        .with("3.3", skipped("no gateway"))
        .report();
    let causes: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.cause.as_str())
        .collect();
    assert_eq!(
        causes,
        [
            "line one\n  line two\nthree\n…",
            "expected one line, saw nothing",
            "no gateway"
        ]
    );
    assert_eq!(
        report.findings[2].summary,
        format!("{}: did not run", item(&report, "3.3").title.en)
    );
}

#[test]
fn three_lines_are_quoted_without_a_mark_that_something_is_missing() {
    let report = Sample::default()
        .with("3.1", failed("x", "one\ntwo\nthree\n"))
        .report();
    assert_eq!(report.findings[0].cause, "one\ntwo\nthree");
}

#[test]
fn a_line_of_200_characters_is_quoted_whole_and_a_longer_one_in_as_many() {
    for (length, expected) in [
        (200, "あ".repeat(200)),
        (201, "あ".repeat(199) + "…"),
        (900, "あ".repeat(199) + "…"),
    ] {
        let seen = "あ".repeat(length);
        let report = Sample::default().with("3.1", failed("x", &seen)).report();
        assert_eq!(report.findings[0].cause, expected, "{length}");
    }
}

#[test]
fn no_extended_check_is_critical_whatever_its_place_in_the_checklist() {
    let report = Sample::default().extended("X.1").report();
    let weight = |number: &str, checklist| {
        let mut item = item(&report, number).clone();
        item.checklist = checklist;
        severity(&item)
    };
    for (checklist, of_plan, extended) in [
        (Checklist::Required, Severity::Critical, Severity::Major),
        (Checklist::Important, Severity::Major, Severity::Major),
        (Checklist::Recommended, Severity::Minor, Severity::Minor),
        (Checklist::Unlisted, Severity::Minor, Severity::Minor),
    ] {
        assert_eq!(weight("1.1", checklist), of_plan);
        assert_eq!(weight("X.1", checklist), extended);
    }
}

#[test]
fn a_reason_is_one_sentence_of_what_was_expected_and_seen() {
    let report = Sample::default()
        .with(
            "3.1",
            failed("\n  one line\nmore", "\n\n  two lines \nmore"),
        )
        .with("3.2", noisy())
        .report();
    let reason = |number| item(&report, number).reason.clone().unwrap();
    assert_eq!(reason("3.1"), "expected one line, saw two lines");
    assert_eq!(
        reason("3.2"),
        "expected an interval of the ratio narrower than the margin of 10 %, \
         saw ratio 1.02, interval 0.81 to 1.31"
    );
    let untold = item(&report, "3.2");
    assert_eq!(untold.fault, Some(Fault::Harness));
    assert!(untold.failure.as_ref().unwrap().did.contains("40 blocks"));
}

#[test]
fn an_item_s_time_is_its_own_and_without_an_end_that_of_its_steps() {
    let mut events = Sample::default().without_end("7.2").ended(None).events();
    let step = |duration_ms| RunEvent::StepFinished {
        item: id("7.2"),
        step: StepRecord {
            text: "When it is asked".to_owned(),
            at: "phase.feature:7".to_owned(),
            status: StepStatus::Passed,
            duration_ms,
        },
    };
    events.extend([step(3.5), step(4.25)]);
    let report = fold(events).unwrap();
    assert!((item(&report, "7.2").duration_ms - 7.75).abs() < 1e-9);
    assert!((item(&report, "7.1").duration_ms - 12.25).abs() < 1e-9);
    let whole = 71.0 + 24.0 * 12.25 + 7.75;
    assert!((report.run.duration_ms - whole).abs() < 1e-9);
    let reason = item(&report, "7.2").reason.as_deref();
    assert_eq!(reason, Some("cut off: the run was killed"));
}

#[test]
fn an_item_that_never_ran_took_no_time() {
    let report = Sample::default().only(&["3.1"]).report();
    let nothing = item(&report, "1.1").duration_ms;
    assert!(nothing == 0.0 && nothing.is_sign_positive());
}

#[test]
fn a_component_that_is_told_twice_is_listed_once() {
    let mut events = Sample::default().events();
    events.insert(2, events[1].clone());
    let services: Vec<String> = (fold(events).unwrap().run.components.into_iter())
        .map(|component| component.service)
        .collect();
    assert_eq!(services, ["gateway", "auth", "redis", "upstream", "idp"]);
}

#[test]
fn a_run_is_partial_by_what_was_chosen_and_not_by_what_it_says() {
    let mut sample = Sample::default();
    sample.run.partial = true;
    let report = sample.report();
    assert!(!report.run.partial);
    assert_eq!(report.verdict, Some(Verdict::Pass));
}

#[test]
fn how_a_run_ended_is_told_by_its_last_event_alone() {
    let mut sample = Sample::default().ended(None);
    sample.run.end = Some(RunEnd::Completed);
    let report = sample.report();
    assert_eq!(report.run.end, None);
    assert_eq!(report.verdict, Some(Verdict::Inconclusive));
}

#[test]
fn extended_checks_that_were_not_chosen_are_not_reported() {
    let mut sample = Sample::default().extended("X.1");
    sample.selected.pop();
    let report = sample.report();
    assert!(report.extended.is_empty());
    assert_eq!(report.reasons, ["all 25 items passed"]);
    let chosen = Sample::default().extended("X.1").report();
    assert_eq!(
        chosen.reasons,
        ["all 25 items and 1 extended checks passed"]
    );
}

#[test]
fn a_plan_whose_items_stand_wrong_is_refused() {
    let refused = |change: fn(&mut Sample)| {
        let mut sample = Sample::default();
        change(&mut sample);
        match fold(sample.events()) {
            Err(FoldError::Plan(problem)) => problem,
            other => panic!("{other:?}"),
        }
    };
    let moved = refused(|sample| sample.phases[0].items[0].id = id("2.9"));
    assert_eq!(moved, "item 2.9 stands in phase 1");
    let twice = refused(|sample| sample.phases[0].items[1].id = id("1.1"));
    assert_eq!(twice, "item 1.1 comes twice in the plan");
}

#[test]
fn what_the_linter_found_is_told_once() {
    let linted = || RunEvent::Linted {
        findings: Vec::new(),
    };
    let mut events = Sample::default().events();
    events.insert(1, linted());
    assert_eq!(fold(events.clone()).unwrap().verdict, Some(Verdict::Pass));
    events.insert(2, linted());
    let error = fold(events).unwrap_err().to_string();
    assert_eq!(
        error,
        "event 3 (linted) is out of order: the linter had been heard already"
    );
}

#[test]
fn a_stack_comes_up_or_fails_once_and_before_the_items() {
    let refused = |at: usize, event: RunEvent| {
        let mut events = Sample::default().events();
        events.insert(at, event);
        fold(events).unwrap_err().to_string()
    };
    let up = RunEvent::StackUp {
        duration_ms: 1.0,
        at_ms: None,
    };
    assert!(refused(7, up).contains("the stack had come up or failed already"));
    let mut events = Sample::default().with("1.1", skipped("no")).events();
    // 1.1 is skipped without having started, and only then does the stack come up.
    let stack = events.remove(6);
    events.insert(7, stack);
    let error = fold(events).unwrap_err().to_string();
    assert!(error.contains("an item came before it"), "{error}");
}

#[test]
fn a_partial_run_says_how_much_was_chosen_and_what_of_it_did_not_pass() {
    let report = Sample::default()
        .only(&["3.1", "3.6"])
        .with("3.6", mislabelled())
        .report();
    let title = &item(&report, "3.6").title.en;
    assert_eq!(
        report.reasons,
        [
            "partial run: 2 of 25 items were selected, so there is no verdict".to_owned(),
            format!("3.6 {title} (required): failed (candidate)"),
        ]
    );
}

#[test]
fn items_that_did_not_run_for_one_cause_are_one_reason() {
    let report = Sample::default()
        .with("7.1", skipped("left out by --quick"))
        .with("7.2", skipped("left out by --quick"))
        .with("6.1", skipped("left out by --quick"))
        .with("6.2", skipped("no second user"))
        .with("5.1", mislabelled())
        .with("5.2", mislabelled())
        .report();
    let title = |number: &str| item(&report, number).title.en.clone();
    assert_eq!(
        report.reasons,
        [
            format!("5.1 {} (important): failed (candidate)", title("5.1")),
            format!("5.2 {} (important): failed (candidate)", title("5.2")),
            format!(
                "6.1 {} (important): did not run: left out by --quick",
                title("6.1")
            ),
            format!(
                "6.2 {} (important): did not run: no second user",
                title("6.2")
            ),
            "7.1, 7.2 (recommended): did not run: left out by --quick".to_owned(),
        ]
    );
}

#[test]
fn an_extended_check_is_called_one_in_the_reasons() {
    let report = Sample::default()
        .extended("X.1")
        .with("X.1", noisy())
        .report();
    let reason = &report.reasons[0];
    assert!(
        reason
            .starts_with("X.1 Query string kept through the login (extended check): inconclusive"),
        "{reason}"
    );
    assert_eq!(report.verdict, Some(Verdict::Conditional));
}

#[test]
fn the_evidence_that_shows_a_cause_is_quoted_in_at_most_400_characters() {
    let quote = |rule: crate::plan::Rule, outcome: Outcome| {
        let sample = Sample {
            rules: vec![rule],
            ..Sample::default()
        };
        let report = sample.with("3.1", outcome).report();
        report.causes.into_iter().next().map(|cause| cause.seen)
    };
    let mut by_evidence = label_rule();
    by_evidence.when[0].says = None;
    by_evidence.when[0].evidence = Some("not the end".to_owned());
    assert_eq!(
        quote(by_evidence, mislabelled()).as_deref(),
        Some("not the end")
    );
    let mut by_words = label_rule();
    by_words.when[0].says = Some("sk.*d".to_owned());
    assert_eq!(
        quote(by_words.clone(), failed("x", " ")).as_deref(),
        Some("asked"),
        "what was done is quoted where nothing was seen"
    );
    let long = quote(by_words, failed("x", &"あ".repeat(500)));
    assert_eq!(long, Some("あ".repeat(400)));
}

#[test]
fn a_check_beside_the_plan_forbids_nothing_even_if_it_is_called_required() {
    let mut sample = Sample::default().extended("X.1").with("X.1", mislabelled());
    let check = sample.phases.last_mut().unwrap().items.last_mut().unwrap();
    check.checklist = Checklist::Required;
    let report = sample.report();
    assert_eq!(report.verdict, Some(Verdict::Conditional));
    assert!(!report.rollback.required);
    assert_eq!(item(&report, "X.1").status, Status::Failed);
    assert!(matches!(report.findings[0].item, ItemId::Extended(1)));
}

#[test]
fn a_report_tells_what_ran_when_where_the_events_did() {
    let sample = Sample::default().only(&["3.1", "3.2"]);
    let report = sample.report();
    let up = report.run.stack_up.unwrap();
    assert_eq!((up.from_ms, up.to_ms), (12.0, 83.0));
    let (first, second) = (item(&report, "3.1"), item(&report, "3.2"));
    let over = first.started_ms.unwrap() + first.duration_ms;
    assert_eq!(second.started_ms, Some(over));
    assert_eq!(item(&report, "1.1").started_ms, None);
}

/// What was written before events told their moment.
#[test]
fn events_without_their_moment_make_a_report_all_the_same() {
    let untimed: Vec<RunEvent> = (Sample::default().events().iter())
        .map(|event| {
            let mut json = serde_json::to_value(event).unwrap();
            json.as_object_mut().unwrap().remove("at_ms");
            serde_json::from_value(json).unwrap()
        })
        .collect();
    let report = fold(untimed).unwrap();
    assert_eq!(report.verdict, Some(Verdict::Pass));
    assert_eq!(report.run.stack_up, None);
    assert!(report.items.iter().all(|item| item.started_ms.is_none()));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<RunReport>(&json).unwrap(), report);
}

#[test]
fn a_pass_in_which_a_step_did_not_pass_tells_nothing() {
    let report = Sample::default().report();
    let mut passed = item(&report, "3.1").clone();
    assert_eq!(passed.outcome(), verdict::Outcome::Passed);
    passed.steps[0].status = StepStatus::Skipped;
    assert_eq!(passed.outcome(), verdict::Outcome::Inconclusive);
    passed.steps.clear();
    passed.fault = Some(Fault::Harness);
    assert_eq!(passed.outcome(), verdict::Outcome::Inconclusive);
}

#[test]
fn items_are_judged_by_themselves_as_the_run_that_they_are_of() {
    for sample in [
        Sample::default(),
        Sample::default().with("3.1", mislabelled()),
        Sample::default().with("7.1", noisy()),
        Sample::default().only(&["3.1"]),
    ] {
        let report = sample.report();
        let judged = judge(&report.items, &report.extended, report.run.partial);
        assert_eq!(judged, (report.verdict, report.reasons));
    }
}
