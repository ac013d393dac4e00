//! What the linter found, at a terminal.

use super::style::{BOLD, RED, Style, YELLOW};
use crate::{
    lint::{Finding, Level, render::tally},
    report::{
        text::{columns, pad},
        view::{Lint, View},
        words::words,
    },
};

/// A finding: its level and place, and below it what was found, why it matters and what to do.
#[must_use]
pub fn lint(finding: &Finding, style: Style) -> String {
    block(&Lint::of(finding, style.lang), style)
}

/// Findings by themselves, the tally last.
#[must_use]
pub fn findings(findings: &[Finding], style: Style) -> String {
    let found = findings.iter();
    let mut parts: Vec<String> = found.map(|one| lint(one, style)).collect();
    parts.push(tally(findings, style.lang));
    parts.join("\n\n") + "\n"
}

/// All of a report's below a heading.
pub(super) fn section(view: &View<'_>, style: Style) -> String {
    let title = format!("{}: {}", view.t.lint, view.lint_tally);
    let mut parts = vec![style.paint(BOLD, &style.paragraph(2, &title))];
    parts.extend(view.lint.iter().map(|found| block(found, style)));
    parts.join("\n")
}

fn block(found: &Lint, style: Style) -> String {
    let w = words(style.lang);
    let head = format!("{}: {}  {}", found.level, found.at, found.rule);
    let sgr = match found.kind {
        Level::Error => RED,
        Level::Warning => YELLOW,
        Level::Note => BOLD,
    };
    let mut text = style.paint(sgr, &style.paragraph(2, &head));
    let fields = [
        (w.short_found, &found.what),
        (w.short_matters, &found.why),
        (w.short_next, &found.remedy),
    ];
    let widest = fields.iter().map(|(label, _)| columns(label)).max();
    for (label, body) in fields {
        let label = pad(label, widest.unwrap_or(0));
        let body = style.paragraph(columns(&label) + 4, body);
        text.push_str(&format!("\n  {label}  {body}"));
    }
    text
}
