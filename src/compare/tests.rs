//! What counts as a change, what as noise, and what a person sees of it.

use insta::assert_snapshot;

use super::{rows::find, *};
use crate::{
    engine::event::{Outcome, RunEnd},
    evidence::{Evidence, EvidenceKind, Histogram},
    lint,
    plan::{ItemId, Lang},
    probe::stats,
    report::{
        Component, RunReport, Verdict,
        render::{Style, text::columns},
        samples::{self, Sample, id},
    },
};

/// A report of a run of its own.
fn run(number: usize, sample: Sample) -> RunReport {
    let mut report = sample.report();
    report.run.id = format!("20251108-10150{number}-1a2b");
    report
}

/// With a measurement as the check tells it.
fn measuring(mut report: RunReport, ratio: f64, low: f64, high: f64) -> RunReport {
    let item = report
        .items
        .iter_mut()
        .find(|item| item.id == id("7.2"))
        .unwrap();
    let found = stats::Comparison {
        baseline_ms: 0.1,
        candidate_ms: 0.1 * ratio,
        ratio,
        interval: (low, high),
        baseline_spread_ms: (0.09, 0.11),
        candidate_spread_ms: (0.09, 0.11),
        histogram: Histogram::of(&[0.1], &[0.1 * ratio]),
    };
    item.evidence.push(Evidence {
        kind: EvidenceKind::Measurement,
        title: "GET /health, baseline -> candidate".to_owned(),
        body: found.to_string(),
        image: None,
        trail: None,
        figures: Some(found.figures(0.1, 0.1)),
    });
    report
}

/// v10 against itself, a broken v11.1, and v11.2 that is better and has another gateway.
fn three() -> Vec<RunReport> {
    let mut first = measuring(run(1, Sample::default()), 1.0, 0.99, 1.01);
    first.run.candidate = first.run.baseline.clone();
    let broken = Sample {
        rules: vec![samples::label_rule()],
        ..Sample::default()
    };
    let broken = broken
        .with("3.1", samples::mislabelled())
        .with("4.3", samples::mislabelled());
    let second = measuring(run(2, broken), 1.2, 1.19, 1.21);
    let mended = Sample::default()
        .with("4.3", samples::mislabelled())
        .with("6.3", samples::noisy());
    let mut third = measuring(run(3, mended), 0.5, 0.4, 0.6);
    third.run.candidate.path = "fixtures/gateway/nginx_v11.2.conf".into();
    third.run.candidate.sha256 = "d".repeat(64);
    third.run.components[0].version = "1.27.1".to_owned();
    third.lint.push(lint::Finding {
        rule: "tracking-below-level".to_owned(),
        level: lint::Level::Error,
        file: "fixtures/gateway/nginx_v11.2.conf".into(),
        line: 12,
        what: samples_text("the line is never written", "この行は出力されません"),
        why: samples_text("w", "w"),
        remedy: samples_text("r", "r"),
    });
    vec![first, second, third]
}

fn samples_text(en: &str, ja: &str) -> crate::plan::Text {
    crate::plan::Text {
        en: en.to_owned(),
        ja: ja.to_owned(),
    }
}

fn style(lang: Lang, width: usize) -> Style {
    Style {
        lang,
        color: false,
        width,
    }
}

#[test]
fn what_a_person_sees_of_three_reports() {
    let found = compare(&three());
    for (name, lang) in [("en", Lang::En), ("ja", Lang::Ja)] {
        for width in [80, 40] {
            assert_snapshot!(
                format!("table_{name}_{width}"),
                table(&found, style(lang, width))
            );
        }
        assert_snapshot!(format!("markdown_{name}"), markdown(&found, lang));
    }
}

#[test]
fn what_a_program_reads() {
    let reports = three();
    assert_snapshot!("json", json(&compare(&reports[..2])).unwrap());
}

#[test]
fn lines_keep_to_the_width() {
    let found = compare(&three());
    for lang in [Lang::En, Lang::Ja] {
        for width in [40, 60, 80, 120] {
            for line in table(&found, style(lang, width)).lines() {
                assert!(columns(line) <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn each_change_of_an_item_has_its_name() {
    use State::{Absent, Failed, Inconclusive, NotChosen, Passed, Skipped};
    for (before, after, expected) in [
        (Passed, Passed, None),
        (Passed, Failed, Some(Change::NewlyFailing)),
        (Skipped, Failed, Some(Change::NewlyFailing)),
        (Inconclusive, Failed, Some(Change::NewlyFailing)),
        (Failed, Passed, Some(Change::Fixed)),
        (Passed, Skipped, Some(Change::NoLongerProven)),
        (Passed, Inconclusive, Some(Change::NoLongerProven)),
        (Failed, Inconclusive, Some(Change::NoLongerJudged)),
        (Inconclusive, Passed, Some(Change::NowProven)),
        (Skipped, Inconclusive, Some(Change::Unjudged)),
        (NotChosen, Failed, None),
        (Passed, NotChosen, None),
        (Absent, Failed, None),
    ] {
        assert_eq!(change(before, after), expected, "{before:?} -> {after:?}");
    }
    let worse = [Change::NewlyFailing, Change::NoLongerProven];
    assert!(worse.iter().all(|change| change.is_worse()));
    let not = [
        Change::Fixed,
        Change::NowProven,
        Change::NoLongerJudged,
        Change::Unjudged,
    ];
    assert!(!not.iter().any(|change| change.is_worse()));
}

#[test]
fn something_got_worse_only_where_an_item_or_the_verdict_did() {
    let worse = |before: &RunReport, after: &RunReport| {
        compare(&[before.clone(), after.clone()]).is_worse()
    };
    let (pass, conditional, fail) = (samples::pass(), samples::conditional(), samples::fail());
    assert!(worse(&pass, &fail) && worse(&pass, &conditional));
    assert!(!worse(&fail, &pass) && !worse(&pass, &pass));
    let slow = measuring(samples::pass(), 1.5, 1.4, 1.6);
    let quick = measuring(samples::pass(), 1.0, 0.9, 1.1);
    assert!(!worse(&quick, &slow), "times never count");
    assert!(
        !worse(&pass, &samples::partial()),
        "what was not chosen is no change"
    );
}

/// Twenty items that took so long; a little more or less each, as in a run.
fn times(ms: f64, other: &[(&str, f64)]) -> Vec<(ItemId, f64)> {
    let noise = |number: u32| 1.0 + f64::from(number % 5) / 10.0;
    let mut times: Vec<(ItemId, f64)> = (1..=20)
        .map(|number| (id(&format!("1.{number}")), ms * noise(number)))
        .collect();
    for (item, ms) in other {
        times.push((id(item), *ms));
    }
    times
}

#[test]
fn a_time_is_named_only_where_it_stands_out_of_all_the_others() {
    let before = times(100.0, &[("7.1", 100.0)]);
    let slow_machine = paces(&before, &times(400.0, &[("7.1", 450.0)])).unwrap();
    assert_eq!(slow_machine.items.len(), 0, "all of them took longer");
    assert!(
        (slow_machine.overall - 4.0).abs() < 0.5,
        "{}",
        slow_machine.overall
    );

    let found = paces(&before, &times(100.0, &[("7.1", 900.0)])).unwrap();
    assert_eq!(
        found.items.into_iter().collect::<Vec<_>>(),
        [(id("7.1"), Pace::Slower)]
    );
    let found = paces(
        &times(400.0, &[("7.1", 4000.0)]),
        &times(400.0, &[("7.1", 90.0)]),
    )
    .unwrap();
    assert_eq!(
        found.items.into_iter().collect::<Vec<_>>(),
        [(id("7.1"), Pace::Faster)]
    );

    let twice = paces(&before, &times(100.0, &[("7.1", 250.0)])).unwrap();
    assert_eq!(
        twice.items.len(),
        0,
        "two and a half times is what a busy machine does"
    );
    let small = paces(&times(2.0, &[("7.1", 2.0)]), &times(2.0, &[("7.1", 60.0)])).unwrap();
    assert_eq!(small.items.len(), 0, "58 ms is nothing to act on");
}

#[test]
fn too_few_items_say_nothing_about_noise() {
    let few = |ms: f64| -> Vec<(ItemId, f64)> { times(ms, &[]).into_iter().take(7).collect() };
    assert_eq!(paces(&few(10.0), &few(1000.0)), None);
    assert_eq!(paces(&[], &[]), None);
    assert_eq!(
        compare(&[samples::partial(), samples::partial()])
            .times
            .overall,
        [None]
    );
}

#[test]
fn a_measurement_changed_where_its_interval_says_so_on_the_same_baseline() {
    let pace = |before: (f64, f64, f64), after: (f64, f64, f64), base: char| {
        let before = measuring(samples::pass(), before.0, before.1, before.2);
        let mut after = measuring(samples::pass(), after.0, after.1, after.2);
        after.run.baseline.sha256 = base.to_string().repeat(64);
        compare(&[before, after]).measured[0].paces[0]
    };
    let one = (1.0, 0.98, 1.02);
    assert_eq!(pace(one, (1.2, 1.1, 1.3), 'b'), Some(Pace::Slower));
    assert_eq!(pace(one, (0.8, 0.7, 0.9), 'b'), Some(Pace::Faster));
    assert_eq!(
        pace(one, (1.2, 1.01, 1.4), 'b'),
        None,
        "the intervals touch"
    );
    assert_eq!(
        pace(one, (1.05, 1.04, 1.06), 'b'),
        None,
        "less than a tenth"
    );
    assert_eq!(pace(one, (1.2, 1.1, 1.3), 'x'), None, "another baseline");
}

#[test]
fn a_measurement_of_a_real_run_is_read() {
    let report: RunReport =
        serde_json::from_str(include_str!("../../reports/example/pass/report.json")).unwrap();
    let measured = find(&report, id("7.2")).and_then(Measured::of).unwrap();
    assert!(measured.interval.0 <= measured.ratio && measured.ratio <= measured.interval.1);
    let not_measured = find(&report, id("7.1")).and_then(Measured::of);
    assert!(not_measured.is_none());
}

#[test]
fn what_speaks_against_comparing_is_told() {
    let kinds = |reports: &[RunReport]| -> Vec<WarningKind> {
        compare(reports)
            .warnings
            .iter()
            .map(|warning| warning.kind)
            .collect()
    };
    let changed = |change: &dyn Fn(&mut RunReport)| {
        let mut report = run(2, Sample::default());
        change(&mut report);
        kinds(&[run(1, Sample::default()), report])
    };
    assert_eq!(changed(&|_| {}), []);
    assert_eq!(
        changed(&|it| it.run.stack = "compose".to_owned()),
        [WarningKind::Stack]
    );
    assert_eq!(
        changed(&|it| it.run.profile = "rest".to_owned()),
        [WarningKind::Profile]
    );
    assert_eq!(changed(&|it| it.run.plan.en.clear()), [WarningKind::Plan]);
    assert_eq!(
        changed(&|it| it.run.baseline.sha256.clear()),
        [WarningKind::Baseline]
    );
    assert_eq!(
        changed(&|it| it.verdict = Some(Verdict::Fail)),
        [WarningKind::Contradiction]
    );
    let twice = [samples::pass(), samples::pass()];
    assert_eq!(kinds(&twice), [WarningKind::SameRun]);
    let partial = run(2, Sample::default().only(&["3.1"]));
    assert_eq!(
        kinds(&[run(1, Sample::default()), partial]),
        [WarningKind::Selection]
    );
    let killed = run(2, Sample::default().without_end("7.2").ended(None));
    assert_eq!(
        kinds(&[run(1, Sample::default()), killed]),
        [WarningKind::CutOff]
    );
}

#[test]
fn times_of_other_stacks_are_not_compared() {
    let mut other = run(2, Sample::default());
    other.run.stack = "containers".to_owned();
    let found = compare(&[run(1, Sample::default()), other]);
    assert_eq!(found.times, Times::default());
}

#[test]
fn findings_causes_lint_and_facts_are_told_where_they_are_not_everywhere() {
    let found = compare(&three());
    let ids: Vec<String> = found
        .findings
        .iter()
        .map(|row| row.id.to_string())
        .collect();
    assert_eq!(ids, ["3.1", "4.3", "6.3"]);
    assert_eq!(found.causes.len(), 1);
    assert_eq!(found.causes[0].explains, [vec![], vec![id("3.1")], vec![]]);
    assert_eq!(
        found.lint[0]
            .places
            .iter()
            .map(Vec::len)
            .collect::<Vec<_>>(),
        [0, 0, 1]
    );
    let facts: Vec<&Fact> = found.facts.iter().map(|row| &row.fact).collect();
    assert_eq!(
        facts,
        [&Fact::Candidate, &Fact::Component("gateway".to_owned())]
    );
    let same = compare(&[samples::fail(), samples::fail()]);
    assert!(same.items.is_empty() && same.findings.is_empty() && same.facts.is_empty());
}

/// Everything in a report that a gateway, or whoever wrote the report, could have had a hand in.
#[test]
fn nothing_hostile_reaches_a_terminal_or_breaks_out_of_its_cell() {
    let evil = "\u{1b}]0;x\u{7}\n| a | <script>\u{9b}2J\u{202e}";
    let mut report = run(
        2,
        Sample::default().with("3.1", Outcome::Failed(Default::default())),
    );
    report.run.id = evil.to_owned();
    report.run.stack = evil.to_owned();
    report.run.started_at = evil.to_owned();
    report.run.profile = evil.to_owned();
    report.run.candidate.path = evil.into();
    report.run.end = Some(RunEnd::Broken {
        reason: evil.to_owned(),
    });
    report.items[0].title.en = evil.to_owned();
    report.findings[0].summary = evil.to_owned();
    report.run.components.push(Component {
        sha256: None,
        service: evil.to_owned(),
        program: evil.to_owned(),
        version: evil.to_owned(),
        real: true,
        image: Some(evil.to_owned()),
    });
    let found = compare(&[run(1, Sample::default()), report]);
    for lang in [Lang::En, Lang::Ja] {
        for shown in [table(&found, style(lang, 80)), markdown(&found, lang)] {
            let passed_on = shown.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(passed_on, None);
        }
        assert!(!markdown(&found, lang).contains("<script>"));
    }
}
