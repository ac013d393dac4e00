//! Findings for people and for programs. Pure.

use super::{Finding, Level};
use crate::{
    plan::Lang,
    report::render::{self, Style},
};

/// How many findings there are of each level.
#[must_use]
pub fn counts(findings: &[Finding]) -> [(Level, usize); 3] {
    [Level::Error, Level::Warning, Level::Note].map(|level| {
        let of_level = findings.iter().filter(|finding| finding.level == level);
        (level, of_level.count())
    })
}

/// The level's name for a person.
#[must_use]
pub fn level(level: Level, lang: Lang) -> &'static str {
    match (lang, level) {
        (Lang::En, level) => level.name(),
        (Lang::Ja, Level::Error) => "エラー",
        (Lang::Ja, Level::Warning) => "警告",
        (Lang::Ja, Level::Note) => "参考",
    }
}

/// `1 error, 2 warnings`
#[must_use]
pub fn tally(findings: &[Finding], lang: Lang) -> String {
    let some = counts(findings).into_iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = some
        .map(|(one, count)| match (lang, count) {
            (Lang::Ja, _) => format!("{} {count}件", level(one, lang)),
            (Lang::En, 1) => format!("1 {}", level(one, lang)),
            (Lang::En, _) => format!("{count} {}s", level(one, lang)),
        })
        .collect();
    match (parts.is_empty(), lang) {
        (true, Lang::En) => "nothing found".to_owned(),
        (true, Lang::Ja) => "指摘はありません".to_owned(),
        (false, Lang::En) => parts.join(", "),
        (false, Lang::Ja) => parts.join("、"),
    }
}

/// For a terminal: each finding with its place, why it matters and what to do; the tally last.
#[must_use]
pub fn table(findings: &[Finding], style: Style) -> String {
    let mut parts: Vec<String> = findings
        .iter()
        .map(|finding| render::lint(finding, style))
        .collect();
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
