//! JUnit XML, as Jenkins' own schema has it and GitLab reads it.
//!
//! A failure is the candidate's, an error the harness's: what is inconclusive. Each phase is a
//! suite. Jenkins' schema knows no `file` of a test case, so the suite has it.

use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

use crate::{
    report::view::{Group, Item, View},
    verdict::Outcome,
};

/// The report as JUnit XML.
///
/// # Errors
/// What the library says; nothing that a report can hold makes it say so.
pub fn junit(view: &View<'_>) -> Result<String, SerializeError> {
    let mut all = Report::new("verify");
    all.set_time(millis(view.report.run.duration_ms));
    for group in &view.groups {
        all.add_test_suite(suite(view, group));
    }
    let xml = all.to_string()?;
    // The schema has this count in the suites alone.
    let skipped = format!(" skipped=\"{}\"", all.skipped);
    let xml = xml.replacen(&skipped, "", 1);
    // Jenkins and GitLab take this for the name of a file to show.
    Ok(xml.replace("[[ATTACHMENT|", "[ [ATTACHMENT|"))
}

fn suite(view: &View<'_>, group: &Group) -> TestSuite {
    let mut suite = TestSuite::new(group.title.as_str());
    let started = view.report.run.started_at.as_str();
    suite.extra.insert("timestamp".into(), started.into());
    if let Some((file, _)) = group.items.iter().find_map(Item::place) {
        suite.extra.insert("file".into(), file.into());
    }
    let took = group.items.iter().map(|item| item.duration_ms).sum();
    suite.set_time(millis(took));
    for (name, fact) in view.facts() {
        suite.add_property(Property::new(name, fact));
    }
    let class = match group.phase {
        0 => "verify.extended".to_owned(),
        no => format!("verify.phase{no}"),
    };
    for item in &group.items {
        let mut case = TestCase::new(item.name(), status(item));
        case.set_classname(&class);
        case.set_time(millis(item.duration_ms));
        let seen = item.all_evidence();
        if !seen.is_empty() {
            case.set_system_out(seen);
        }
        suite.add_test_case(case);
    }
    suite
}

fn status(item: &Item) -> TestCaseStatus {
    let (mut status, kind) = match item.outcome {
        Outcome::Passed => return TestCaseStatus::success(),
        Outcome::Skipped | Outcome::NotSelected => (TestCaseStatus::skipped(), "skipped"),
        Outcome::Failed => (
            TestCaseStatus::non_success(NonSuccessKind::Failure),
            "candidate",
        ),
        Outcome::Inconclusive => (
            TestCaseStatus::non_success(NonSuccessKind::Error),
            "harness",
        ),
    };
    status.set_message(item.message());
    status.set_type(match item.code() {
        Some(code) => format!("{kind}:{code}"),
        None => kind.to_owned(),
    });
    status.set_description(item.details());
    status
}

fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}
