//! What the linter found, in the report.

use super::{
    Style,
    table::{BOLD, RED, YELLOW},
    text::{columns, line, md_cell, md_code, pad},
    words::say,
};
use crate::{
    lint::{Finding, Level, render},
    plan::Lang,
    report::RunReport,
};

/// A finding at a terminal: its level and place, and below it what was found, why it matters
/// and what to do.
#[must_use]
pub fn lint(finding: &Finding, style: Style) -> String {
    let lang = style.lang;
    let head = format!(
        "{}: {}  {}",
        render::level(finding.level, lang),
        line(&finding.at()),
        line(&finding.rule)
    );
    let sgr = match finding.level {
        Level::Error => RED,
        Level::Warning => YELLOW,
        Level::Note => BOLD,
    };
    let mut text = style.paint(sgr, &style.paragraph(2, &head));
    let fields = [
        (say(lang, "found", "内容"), &finding.what),
        (say(lang, "matters", "重要性"), &finding.why),
        (say(lang, "next", "対応"), &finding.remedy),
    ];
    let widest = fields.iter().map(|(label, _)| columns(label)).max();
    for (label, said) in fields {
        let label = pad(label, widest.unwrap_or(0));
        let indent = columns(&label) + 4;
        let said = style.paragraph(indent, &line(said.get(lang)));
        text.push_str(&format!("\n  {label}  {said}"));
    }
    text
}

/// All of them at a terminal, below a heading.
pub(super) fn section(report: &RunReport, style: Style) -> String {
    let lang = style.lang;
    let title = say(
        lang,
        "Lint, before anything was started",
        "静的チェック（起動前）",
    );
    let title = format!("{title}: {}", render::tally(&report.lint, lang));
    let mut parts = vec![style.paint(BOLD, &style.paragraph(2, &title))];
    parts.extend(report.lint.iter().map(|finding| lint(finding, style)));
    parts.join("\n")
}

/// All of them in the file.
pub(super) fn markdown(report: &RunReport, lang: Lang) -> String {
    let mut text = String::from(say(
        lang,
        "## 🔎 Lint\n\n\
         What the files alone say, before anything was started. It has no part in the verdict.\n\n\
         | Level | Place | Rule | Finding | Why | Remedy |\n\
         |-------|-------|------|---------|-----|--------|\n",
        "## 🔎 静的チェック\n\n\
         起動前にファイルのみから判明した事項です。判定には影響しません。\n\n\
         | レベル | 場所 | ルール | 内容 | 理由 | 対応 |\n\
         |--------|------|--------|------|------|------|\n",
    ));
    for finding in &report.lint {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            render::level(finding.level, lang),
            md_cell(&finding.at()),
            md_code(&finding.rule),
            md_cell(finding.what.get(lang)),
            md_cell(finding.why.get(lang)),
            md_cell(finding.remedy.get(lang)),
        ));
    }
    text
}
