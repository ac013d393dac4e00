//! TAP, the Test Anything Protocol, version 14: a phase is a subtest, an item a test point with
//! its diagnosis in YAML.

use std::fmt::Write as _;

use crate::{
    engine::event::RunEnd,
    report::{
        text::{json_escaped, line},
        view::{Group, Item, View, bounded},
    },
    verdict::Outcome,
};

/// The report as TAP 14. What is inconclusive is `not ok`, with `fault: harness`.
#[must_use]
pub fn tap(view: &View<'_>) -> String {
    let mut text = format!("TAP version 14\npragma +strict\n1..{}\n", view.groups.len());
    for (group, no) in view.groups.iter().zip(1..) {
        text.push_str(&subtest(group, no));
    }
    let broken_off = match &view.report.run.end {
        Some(RunEnd::Completed) => None,
        Some(RunEnd::Interrupted { signal }) => Some(format!("interrupted by {signal}")),
        Some(RunEnd::Broken { reason } | RunEnd::Integrity { reason }) => {
            Some(bounded(reason, 1024))
        }
        None => Some("the run was killed".to_owned()),
    };
    if let Some(why) = broken_off {
        // A String takes everything, here and below.
        let _ = writeln!(text, "Bail out! {}", escaped(&why));
    }
    text
}

fn subtest(group: &Group, no: usize) -> String {
    let title = escaped(&group.title);
    let mut text = format!("# Subtest: {title}\n    1..{}\n", group.items.len());
    for (item, no) in group.items.iter().zip(1..) {
        for line in point(item, no).lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    let all = ok(group.items.iter().all(|item| !item.problem));
    let _ = writeln!(text, "{all} {no} - {title}");
    text
}

fn ok(holds: bool) -> &'static str {
    if holds { "ok" } else { "not ok" }
}

/// A skipped item holds as far as TAP knows.
fn point(item: &Item, no: usize) -> String {
    let mut text = format!("{} {no} - {}", ok(!item.problem), escaped(&item.name()));
    let fault = match item.outcome {
        Outcome::Skipped | Outcome::NotSelected => {
            let _ = writeln!(text, " # SKIP {}", escaped(&item.message()));
            return text;
        }
        Outcome::Passed => None,
        Outcome::Failed => Some("candidate"),
        Outcome::Inconclusive => Some("harness"),
    };
    let _ = write!(text, "\n  ---\n  duration_ms: {:.3}\n", item.duration_ms);
    let _ = writeln!(text, "  weight: {}", quoted(item.weight_for_programs));
    if let Some(fault) = fault {
        let _ = writeln!(text, "  fault: {fault}");
        let _ = writeln!(text, "  message: {}", quoted(&item.message()));
        if let Some((file, line)) = item.place() {
            let _ = writeln!(text, "  at: {}", quoted(&format!("{file}:{line}")));
        }
        let _ = writeln!(text, "  details: {}", quoted(&item.details()));
        let _ = writeln!(text, "  evidence: {}", quoted(&item.all_evidence()));
    }
    text + "  ...\n"
}

/// A text that is one line, and whose `#` begins no directive.
fn escaped(text: &str) -> String {
    line(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// A text in YAML: every string of JSON is one.
fn quoted(text: &str) -> String {
    json_escaped(serde_json::Value::from(text).to_string())
}
