//! CTRF, the Common Test Report Format (ctrf.io): one JSON object.

use serde_json::{Map, Value, json};

use crate::{
    report::{
        text,
        view::{Item, View},
    },
    verdict::Outcome,
};

/// The report as CTRF, pretty, with a line end. What is inconclusive is `other`.
///
/// # Errors
/// What `serde_json` says; nothing that a report can hold makes it say so.
pub fn ctrf(view: &View<'_>) -> Result<String, serde_json::Error> {
    let count = |wanted: &str| view.items().filter(|item| status(item) == wanted).count();
    let groups = view.groups.iter();
    let tests = groups.flat_map(|group| group.items.iter().map(|item| test(item, &group.title)));
    let tests: Vec<Value> = tests.collect();
    let start = view.started_ms();
    let took = whole(view.report.run.duration_ms);
    let facts = view.facts().into_iter();
    let facts: Map<String, Value> = facts
        .map(|(name, fact)| (name.to_owned(), fact.into()))
        .collect();
    let all = json!({
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "timestamp": view.report.run.started_at,
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
                "suites": view.groups.len(),
                "start": start,
                "stop": start + took,
                "duration": took,
            },
            "tests": tests,
            "environment": {
                "reportName": view.title,
                "testEnvironment": view.run.stack,
                "extra": facts,
            },
        },
    });
    text::json(&all)
}

fn test(item: &Item, suite: &str) -> Value {
    let steps = item.steps.iter();
    let steps = steps.map(|step| json!({"name": step.text, "status": step.class}));
    let mut test = json!({
        "name": item.name(),
        "status": status(item),
        "rawStatus": item.status,
        "duration": whole(item.duration_ms),
        "suite": [suite],
        "tags": [item.weight_for_programs],
        "type": "acceptance",
        "steps": steps.collect::<Vec<_>>(),
        "stdout": item.all_evidence().lines().collect::<Vec<_>>(),
    });
    if item.outcome != Outcome::Passed {
        test["message"] = item.message().into();
        test["trace"] = item.details().into();
        if let Some(code) = item.code() {
            test["extra"] = json!({"code": code});
        }
    }
    if let Some((file, no)) = item.place() {
        test["filePath"] = file.into();
        test["line"] = no.into();
    }
    test
}

fn status(item: &Item) -> &'static str {
    match item.outcome {
        Outcome::Inconclusive => "other",
        outcome => outcome.name(),
    }
}

/// Whole milliseconds.
#[allow(clippy::cast_possible_truncation)] // saturates, and a run takes no ages
fn whole(ms: f64) -> i64 {
    ms.round() as i64
}
