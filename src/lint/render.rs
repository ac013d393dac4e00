//! Findings counted, and the names of their levels.

use super::{Finding, Level};
use crate::plan::Lang;

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
    let mut parts = Vec::new();
    for each in [Level::Error, Level::Warning, Level::Note] {
        let name = level(each, lang);
        let count = findings.iter().filter(|finding| finding.level == each);
        match (count.count(), lang) {
            (0, _) => {}
            (count, Lang::Ja) => parts.push(format!("{name} {count}件")),
            (1, Lang::En) => parts.push(format!("1 {name}")),
            (count, Lang::En) => parts.push(format!("{count} {name}s")),
        }
    }
    match (parts.is_empty(), lang) {
        (true, Lang::En) => "nothing found".to_owned(),
        (true, Lang::Ja) => "指摘はありません".to_owned(),
        (false, Lang::En) => parts.join(", "),
        (false, Lang::Ja) => parts.join("、"),
    }
}
