//! Runs made from samples: what is read of a folder, what wavers, and what a person sees.

use std::{fs, os::unix::fs::symlink, path::Path};

use insta::assert_snapshot;

use super::*;
use crate::{
    engine::event::Outcome,
    plan::Lang,
    report::{
        RunReport,
        render::{Style, text::columns},
        samples::{self, Sample, id},
    },
};

/// A run at a minute of its own.
fn run(minute: usize, sample: Sample) -> RunReport {
    let mut report = sample.report();
    report.run.id = format!("run-{minute:02}");
    report.run.started_at = format!("2025-11-08T10:{minute:02}:00+09:00");
    report.run.duration_ms = 1000.0 + 100.0 * minute as f64;
    report
}

fn folder(reports: &[RunReport]) -> Folder {
    let mut folder = Folder::default();
    for report in reports {
        folder.add(report.run.id.clone(), report);
    }
    folder
}

fn told(reports: &[RunReport]) -> History {
    history(folder(reports), None, &[])
}

/// Six runs of one gateway, in which 6.3 and 7.2 waver, and one of another.
fn week() -> Vec<RunReport> {
    let mut other = run(7, Sample::default().with("6.3", samples::mislabelled()));
    other.run.candidate.sha256 = "f".repeat(64);
    vec![
        run(5, Sample::default().with("7.2", samples::noisy())),
        run(1, Sample::default()),
        run(2, Sample::default().with("6.3", samples::mislabelled())),
        run(3, Sample::default()),
        run(4, Sample::default().with("6.3", samples::mislabelled())),
        run(6, Sample::default().only(&["3.1"])),
        other,
    ]
}

fn style(lang: Lang, width: usize) -> Style {
    Style {
        lang,
        color: false,
        width,
    }
}

#[test]
fn what_a_person_sees_of_a_folder() {
    let mut folder = folder(&week());
    folder.mutations = 1;
    folder.unread.push(Unread {
        folder: "run-08".to_owned(),
        why: "reports/run-08/report.json is not a report: EOF at line 1 column 0".to_owned(),
    });
    let all = history(folder.clone(), None, &[]);
    let one = history(folder, Some(3), &[id("6.3"), id("7.2")]);
    for (name, lang) in [("en", Lang::En), ("ja", Lang::Ja)] {
        for width in [80, 40] {
            let shown = table(&all, "reports", style(lang, width));
            assert_snapshot!(format!("table_{name}_{width}"), shown);
        }
        let shown = table(&one, "reports", style(lang, 80));
        assert_snapshot!(format!("table_of_two_items_{name}"), shown);
        let none = table(
            &history(Folder::default(), None, &[]),
            "reports",
            style(lang, 80),
        );
        assert_snapshot!(format!("table_of_nothing_{name}"), none);
    }
}

#[test]
fn what_a_program_reads() {
    let only = |minute| run(minute, Sample::default().only(&["3.1"]));
    assert_snapshot!("json", json(&told(&[only(1), only(2)])).unwrap());
}

#[test]
fn lines_keep_to_the_width() {
    let found = told(&week());
    for lang in [Lang::En, Lang::Ja] {
        for width in [40, 60, 80] {
            for line in table(&found, "reports", style(lang, width)).lines() {
                assert!(columns(line) <= width, "{width}: {line}");
            }
        }
    }
}

#[test]
fn runs_come_in_the_order_of_time_whatever_their_zone() {
    let mut early = run(59, Sample::default());
    early.run.started_at = "2025-11-08T00:30:00+00:00".to_owned();
    let found = told(&[early, run(10, Sample::default())]);
    let ids: Vec<&str> = found.runs.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(ids, ["run-59", "run-10"], "09:30 in Japan is before 10:10");
}

#[test]
fn an_item_is_flaky_where_nothing_else_changed() {
    let found = told(&week());
    let flaky: Vec<(String, usize, usize, usize)> = (found.flaky.iter())
        .map(|one| (one.id.to_string(), one.passed, one.failed, one.inconclusive))
        .collect();
    assert_eq!(
        flaky,
        [("6.3".to_owned(), 3, 2, 0), ("7.2".to_owned(), 4, 0, 1)]
    );
    assert_eq!(
        found.flaky[0].last, "run-04",
        "run-07 is of another candidate"
    );
}

#[test]
fn a_difference_in_any_condition_is_no_flakiness() {
    let wavers = |change: &dyn Fn(&mut RunReport)| {
        let mut other = run(2, Sample::default().with("3.1", samples::mislabelled()));
        change(&mut other);
        !told(&[run(1, Sample::default()), other]).flaky.is_empty()
    };
    assert!(wavers(&|_| {}));
    assert!(!wavers(&|it| it.run.candidate.sha256.push('0')));
    assert!(!wavers(&|it| it.run.baseline.sha256.push('0')));
    assert!(!wavers(&|it| it.run.profile.push('0')));
    assert!(!wavers(&|it| it.run.plan.en.push('0')));
    assert!(!wavers(&|it| it.run.stack.push('0')));
    assert!(!wavers(&|it| it.run.components[0].version.push('0')));
}

#[test]
fn what_did_not_run_or_was_cut_off_does_not_waver() {
    let flaky = |other: Sample| {
        told(&[run(1, Sample::default()), run(2, other)])
            .flaky
            .len()
    };
    assert_eq!(
        flaky(Sample::default().with("6.3", samples::skipped("left out"))),
        0
    );
    assert_eq!(flaky(Sample::default().without_end("7.2").ended(None)), 0);
    let failed_before = Sample::default()
        .with("1.4", samples::mislabelled())
        .without_end("7.2")
        .ended(None);
    assert_eq!(
        flaky(failed_before),
        1,
        "what failed before the kill counts"
    );
    let always = || Sample::default().with("6.3", samples::mislabelled());
    assert_eq!(told(&[run(1, always()), run(2, always())]).flaky, []);
}

#[test]
fn the_trend_is_that_of_runs_like_the_latest() {
    let trends = told(&week()).trends.unwrap();
    assert_eq!(
        (trends.runs, trends.left_out),
        (6, 1),
        "the partial run is left out"
    );
    assert_eq!(
        trends.run.values,
        [1100.0, 1200.0, 1300.0, 1400.0, 1500.0, 1700.0]
    );
    assert_eq!(trends.run.median, 1350.0);
    assert_eq!(trends.run.first_half, Some(1200.0));
    assert_eq!(trends.run.second_half, Some(1500.0));
    let killed = run(1, Sample::default().without_end("7.2").ended(None));
    assert_eq!(told(&[killed]).trends, None);
}

#[test]
fn an_item_that_became_slower_than_the_others_is_named() {
    let slow = |minute: usize| {
        let mut report = run(minute, Sample::default());
        let item = report.items.iter_mut().find(|item| item.id == id("5.1"));
        item.unwrap().duration_ms = 800.0;
        report
    };
    let quick = |minute| run(minute, Sample::default());
    let trends = told(&[quick(1), quick(2), slow(3), slow(4)])
        .trends
        .unwrap();
    let (item, trend) = &trends.items[0];
    assert_eq!((trends.items.len(), *item), (1, id("5.1")));
    assert_eq!(trend.pace, Some(crate::compare::Pace::Slower));
}

fn write(dir: &Path, report: &RunReport) {
    let path = dir.join(&report.run.id);
    fs::create_dir(&path).unwrap();
    fs::write(
        path.join("report.json"),
        serde_json::to_string(report).unwrap(),
    )
    .unwrap();
}

#[test]
fn every_folder_is_read_or_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &run(1, Sample::default()));
    write(dir.path(), &run(2, Sample::default()));
    symlink("run-02", dir.path().join("latest")).unwrap();
    fs::write(dir.path().join("a file"), "").unwrap();
    for (name, file, content) in [
        ("empty", "note.txt", ""),
        ("torn", "report.json", "{\"schema_version\": 1, \"run\""),
        ("newer", "report.json", "{\"schema_version\": 2}"),
        ("mutation-1", "mutation.json", "{}"),
        (".being-written", "report.json", ""),
    ] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join(file), content).unwrap();
    }
    let found = read(dir.path()).unwrap();
    assert_eq!((found.runs.len(), found.mutations), (2, 1));
    let unread: Vec<&str> = found.unread.iter().map(|one| one.folder.as_str()).collect();
    assert_eq!(unread, ["empty", "newer", "torn"]);
    assert!(read(&dir.path().join("nowhere")).is_err());
}

#[test]
fn nothing_hostile_reaches_a_terminal() {
    let evil = "\u{1b}]0;x\u{7}\n\u{9b}2J\u{202e}";
    let mut report = run(
        1,
        Sample::default().with("3.1", Outcome::Failed(Default::default())),
    );
    report.run.id = evil.to_owned();
    report.run.stack = evil.to_owned();
    report.run.candidate.sha256 = evil.to_owned();
    report.items[4].title.en = evil.to_owned();
    let mut good = report.clone();
    good.run.started_at = evil.to_owned();
    good.items.clone_from(&samples::pass().items);
    let mut folder = folder(&[report, good]);
    folder.unread.push(Unread {
        folder: evil.to_owned(),
        why: evil.to_owned(),
    });
    let found = history(folder, None, &[]);
    assert!(!found.flaky.is_empty());
    for lang in [Lang::En, Lang::Ja] {
        let shown = table(&found, evil, style(lang, 80));
        assert_eq!(shown.chars().find(|c| c.is_control() && *c != '\n'), None);
    }
}
