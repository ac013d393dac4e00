//! JUnit XML, as Jenkins' own schema has it and GitLab reads it.
//!
//! A failure is the candidate's, an error the harness's: what could not be told. Each phase is a
//! suite. Jenkins' schema knows no `file` of a test case, so the suite has it.

use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

use super::about::{self, Group};
use crate::{
    plan::Lang,
    report::{ItemReport, RunReport},
    verdict::{Standing, standing},
};

/// The report as JUnit XML.
///
/// # Errors
/// What the library says; nothing that a report can hold makes it say so.
pub fn junit(report: &RunReport, lang: Lang) -> Result<String, SerializeError> {
    let mut all = Report::new("verify");
    all.set_time(millis(report.run.duration_ms));
    for group in about::groups(report, lang) {
        all.add_test_suite(suite(report, &group, lang));
    }
    let xml = all.to_string()?;
    // The schema has this count in the suites alone.
    let skipped = format!(" skipped=\"{}\"", all.skipped);
    let xml = xml.replacen(&skipped, "", 1);
    // Jenkins and GitLab take this for the name of a file to show.
    Ok(xml.replace("[[ATTACHMENT|", "[ [ATTACHMENT|"))
}

fn suite(report: &RunReport, group: &Group<'_>, lang: Lang) -> TestSuite {
    let mut suite = TestSuite::new(group.title.as_str());
    let started = report.run.started_at.as_str();
    suite.extra.insert("timestamp".into(), started.into());
    if let Some((file, _)) = group.items.iter().find_map(|item| about::place(item)) {
        suite.extra.insert("file".into(), file.into());
    }
    suite.set_time(millis(
        group.items.iter().map(|item| item.duration_ms).sum(),
    ));
    for (name, fact) in about::facts(report) {
        suite.add_property(Property::new(name, fact));
    }
    let class = match group.phase {
        0 => "verify.extended".to_owned(),
        no => format!("verify.phase{no}"),
    };
    for item in &group.items {
        suite.add_test_case(case(item, &class, lang));
    }
    suite
}

fn case(item: &ItemReport, class: &str, lang: Lang) -> TestCase {
    let mut case = TestCase::new(about::name(item, lang), status(item, lang));
    case.set_classname(class);
    case.set_time(millis(item.duration_ms));
    let seen = about::evidence(item, lang);
    if !seen.is_empty() {
        case.set_system_out(seen);
    }
    case
}

fn status(item: &ItemReport, lang: Lang) -> TestCaseStatus {
    let (mut status, kind) = match standing(item) {
        Standing::Passed => return TestCaseStatus::success(),
        Standing::Skipped => (TestCaseStatus::skipped(), "skipped"),
        Standing::Failed => (
            TestCaseStatus::non_success(NonSuccessKind::Failure),
            "candidate",
        ),
        Standing::Unclear => (
            TestCaseStatus::non_success(NonSuccessKind::Error),
            "harness",
        ),
    };
    status.set_message(about::message(item, lang));
    status.set_type(match about::code(item) {
        Some(code) => format!("{kind}:{code}"),
        None => kind.to_owned(),
    });
    status.set_description(about::details(item, lang));
    status
}

fn millis(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}
