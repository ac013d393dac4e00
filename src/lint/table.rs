//! Findings by themselves, for people and for programs. Pure.

use super::{Finding, render::tally};
use crate::report::render::{self, Style};

/// For a terminal: each finding with its place, why it matters and what to do; the tally last.
#[must_use]
pub fn table(findings: &[Finding], style: Style) -> String {
    let found = findings.iter();
    let mut parts: Vec<String> = found.map(|one| render::lint(one, style)).collect();
    parts.push(tally(findings, style.lang));
    parts.join("\n\n") + "\n"
}

/// As the report has them: a JSON array, pretty, with a line end.
///
/// # Errors
/// When a path is not UTF-8, which JSON cannot hold.
pub fn json(findings: &[Finding]) -> Result<String, serde_json::Error> {
    render::text::json(&findings)
}
