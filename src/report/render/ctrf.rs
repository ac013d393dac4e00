//! CTRF, the Common Test Report Format (ctrf.io): one JSON object.

use serde_json::{Map, Value, json};

use super::{
    about,
    text::{self, line},
};
use crate::{
    engine::event::StepStatus,
    plan::Lang,
    report::{ItemReport, RunReport},
    verdict::{Standing, standing},
};

/// The report as CTRF, pretty, with a line end. What could not be told is `other`.
///
/// # Errors
/// What `serde_json` says; nothing that a report can hold makes it say so.
pub fn ctrf(report: &RunReport, lang: Lang) -> Result<String, serde_json::Error> {
    let groups = about::groups(report, lang);
    let chosen = || groups.iter().flat_map(|group| &group.items);
    let count = |wanted: &str| {
        let with = chosen().filter(|item| status(item) == wanted);
        with.count()
    };
    let tests: Vec<Value> = groups
        .iter()
        .flat_map(|group| {
            group
                .items
                .iter()
                .map(|item| test(item, &group.title, lang))
        })
        .collect();
    let start = about::started(report);
    let took = whole(report.run.duration_ms);
    let facts = about::facts(report).into_iter();
    let facts: Map<String, Value> = facts
        .map(|(name, fact)| (name.to_owned(), fact.into()))
        .collect();
    let all = json!({
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "timestamp": report.run.started_at,
        "generatedBy": "verify",
        "results": {
            "tool": {"name": "verify", "version": env!("CARGO_PKG_VERSION")},
            "summary": {
                "tests": tests.len(),
                "passed": count("passed"),
                "failed": count("failed"),
                "skipped": count("skipped"),
                "pending": 0,
                "other": count("other"),
                "suites": groups.len(),
                "start": start,
                "stop": start + took,
                "duration": took,
            },
            "tests": tests,
            "environment": {
                "reportName": report.run.plan.get(lang),
                "testEnvironment": line(&report.run.stack),
                "extra": facts,
            },
        },
    });
    text::json(&all)
}

fn test(item: &ItemReport, suite: &str, lang: Lang) -> Value {
    let steps: Vec<Value> = item
        .steps
        .iter()
        .map(|step| {
            let status = match step.status {
                StepStatus::Passed => "passed",
                StepStatus::Failed => "failed",
                StepStatus::Skipped => "skipped",
            };
            json!({"name": line(&step.text), "status": status})
        })
        .collect();
    let mut test = json!({
        "name": about::name(item, lang),
        "status": status(item),
        "rawStatus": item.status,
        "duration": whole(item.duration_ms),
        "suite": [suite],
        "tags": [about::weight(item)],
        "type": "acceptance",
        "steps": steps,
        "stdout": about::evidence(item, lang).lines().collect::<Vec<_>>(),
    });
    if standing(item) != Standing::Passed {
        test["message"] = about::message(item, lang).into();
        test["trace"] = about::details(item, lang).into();
        if let Some(code) = about::code(item) {
            test["extra"] = json!({"code": code});
        }
    }
    if let Some((file, no)) = about::place(item) {
        test["filePath"] = file.into();
        test["line"] = no.into();
    }
    test
}

fn status(item: &ItemReport) -> &'static str {
    match standing(item) {
        Standing::Passed => "passed",
        Standing::Failed => "failed",
        Standing::Skipped => "skipped",
        Standing::Unclear => "other",
    }
}

/// Whole milliseconds.
#[allow(clippy::cast_possible_truncation)] // saturates, and a run takes no ages
fn whole(ms: f64) -> i64 {
    ms.round() as i64
}
