//! TAP, the Test Anything Protocol, version 14: a phase is a subtest, an item a test point with
//! its diagnosis in YAML.

use std::fmt::Write as _;

use super::about::{self, Group};
use crate::{
    engine::event::RunEnd,
    plan::Lang,
    report::{ItemReport, RunReport},
    verdict::{Standing, standing},
};

/// The report as TAP 14. What could not be told is `not ok`, with `fault: harness`.
#[must_use]
pub fn tap(report: &RunReport, lang: Lang) -> String {
    let groups = about::groups(report, lang);
    let mut text = format!("TAP version 14\npragma +strict\n1..{}\n", groups.len());
    for (group, no) in groups.iter().zip(1..) {
        text.push_str(&subtest(group, no, lang));
    }
    let broken_off = match &report.run.end {
        Some(RunEnd::Completed) => None,
        Some(RunEnd::Interrupted { signal }) => Some(format!("interrupted by {signal}")),
        Some(RunEnd::Broken { reason } | RunEnd::Integrity { reason }) => {
            Some(about::bounded(reason, 1024))
        }
        None => Some("the run was killed".to_owned()),
    };
    if let Some(why) = broken_off {
        // A String takes everything, here and below.
        let _ = writeln!(text, "Bail out! {}", escaped(&why));
    }
    text
}

fn subtest(group: &Group<'_>, no: usize, lang: Lang) -> String {
    let title = escaped(&group.title);
    let mut text = format!("# Subtest: {title}\n    1..{}\n", group.items.len());
    for (item, no) in group.items.iter().zip(1..) {
        for line in point(item, no, lang).lines() {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = writeln!(
        text,
        "{} {no} - {title}",
        ok(group.items.iter().all(|item| holds(item)))
    );
    text
}

/// A skipped item holds as far as TAP knows.
fn holds(item: &ItemReport) -> bool {
    matches!(standing(item), Standing::Passed | Standing::Skipped)
}

fn ok(holds: bool) -> &'static str {
    if holds { "ok" } else { "not ok" }
}

fn point(item: &ItemReport, no: usize, lang: Lang) -> String {
    let name = escaped(&about::name(item, lang));
    let mut text = format!("{} {no} - {name}", ok(holds(item)));
    let fault = match standing(item) {
        Standing::Skipped => {
            let _ = writeln!(text, " # SKIP {}", escaped(&about::message(item, lang)));
            return text;
        }
        Standing::Passed => None,
        Standing::Failed => Some("candidate"),
        Standing::Unclear => Some("harness"),
    };
    let _ = write!(text, "\n  ---\n  duration_ms: {:.3}\n", item.duration_ms);
    let _ = writeln!(text, "  weight: {}", quoted(about::weight(item)));
    if let Some(fault) = fault {
        let _ = writeln!(text, "  fault: {fault}");
        let _ = writeln!(text, "  message: {}", quoted(&about::message(item, lang)));
        if let Some((file, line)) = about::place(item) {
            let _ = writeln!(text, "  at: {}", quoted(&format!("{file}:{line}")));
        }
        let _ = writeln!(text, "  details: {}", quoted(&about::details(item, lang)));
        let _ = writeln!(text, "  evidence: {}", quoted(&about::evidence(item, lang)));
    }
    text + "  ...\n"
}

/// A text that is one line, and whose `#` begins no directive.
fn escaped(text: &str) -> String {
    let text = super::text::line(text);
    text.replace('\\', "\\\\").replace('#', "\\#")
}

/// A text in YAML: every string of JSON is one.
fn quoted(text: &str) -> String {
    super::text::json_escaped(serde_json::Value::from(text).to_string())
}
