//! GitHub Actions: workflow commands, which become annotations, and the summary of a step.

use super::{
    about,
    markdown::{assessment, findings, head, summary},
    markdown_items,
    text::{line, lines},
    words::{self, say},
};
use crate::{
    lint,
    plan::Lang,
    report::RunReport,
    verdict::{Standing, standing},
};

/// What GitHub takes of a step's summary, in bytes; of a longer one it shows nothing.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// A level of annotations.
#[derive(Clone, Copy)]
enum Level {
    Error,
    Warning,
    Notice,
}

/// A workflow command. Nothing in its parts ends it or begins another.
fn command(level: Level, at: Option<(&str, Option<u64>)>, title: &str, message: &str) -> String {
    let level = match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let mut properties = Vec::new();
    if let Some((file, no)) = at {
        properties.push(format!("file={}", property(file)));
        properties.extend(no.map(|no| format!("line={no}")));
    }
    properties.push(format!("title={}", property(title)));
    let message = data(&about::bounded(message, 4 * 1024));
    format!("::{level} {}::{message}\n", properties.join(","))
}

/// As the runner's own toolkit escapes what stands behind the second `::`.
fn data(text: &str) -> String {
    let text = lines(text).replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}

/// As the runner's own toolkit escapes what stands before it.
fn property(text: &str) -> String {
    data(&line(text)).replace(':', "%3A").replace(',', "%2C")
}

/// The report as workflow commands: the verdict, what did not pass, the linter's findings at
/// their lines, and the remarks. The gravest first, as GitHub shows ten of a kind.
#[must_use]
pub fn github(report: &RunReport, lang: Lang) -> String {
    let candidate = report.run.candidate.path.to_string_lossy();
    let mut text = verdict(report, lang);
    let all = || report.items.iter().chain(&report.extended);
    for item in all().filter(|item| crate::verdict::is_selected(item)) {
        let (level, at) = match standing(item) {
            Standing::Failed => (Level::Error, Some((&*candidate, None))),
            Standing::Unclear => (Level::Warning, None),
            Standing::Passed | Standing::Skipped => continue,
        };
        let mut title = format!(
            "{} {}",
            about::name(item, lang),
            words::standing_word(item, lang)
        );
        if let Some(code) = about::code(item) {
            title.push_str(&format!(" [{code}]"));
        }
        text.push_str(&command(level, at, &title, &about::details(item, lang)));
    }
    text.push_str(&github_lint(&report.lint, lang));
    for item in all() {
        for remark in about::remarks(item) {
            let title = format!("{}: {}", about::name(item, lang), remark.title);
            text.push_str(&command(
                Level::Notice,
                None,
                &title,
                remark.body.trim_end(),
            ));
        }
    }
    text
}

fn verdict(report: &RunReport, lang: Lang) -> String {
    use crate::report::Verdict;
    let Some(verdict) = report.verdict else {
        let title = say(lang, "Partial run", "部分実行");
        return command(Level::Notice, None, title, words::partial_notice(lang));
    };
    let (name, meaning) = words::verdict(verdict, lang);
    let level = match verdict {
        Verdict::Pass => Level::Notice,
        Verdict::Conditional | Verdict::Inconclusive => Level::Warning,
        Verdict::Fail => Level::Error,
    };
    let title = format!("{}: {name}", say(lang, "Verdict", "総合評価"));
    let mut message = meaning.to_owned();
    if let Some(outcome) = words::rollback_outcome(report, lang) {
        message = format!("{message}\n{outcome}");
    }
    for reason in words::reasons(report, lang) {
        message.push_str(&format!("\n- {}", line(&reason)));
    }
    command(level, None, &title, &message)
}

/// The linter's findings as workflow commands, each at its line.
#[must_use]
pub fn github_lint(findings: &[lint::Finding], lang: Lang) -> String {
    let mut sorted: Vec<&lint::Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.level);
    let commands = sorted.into_iter().map(|finding| {
        let level = match finding.level {
            lint::Level::Error => Level::Error,
            lint::Level::Warning => Level::Warning,
            lint::Level::Note => Level::Notice,
        };
        let file = finding.file.to_string_lossy();
        let message = [&finding.what, &finding.why, &finding.remedy]
            .map(|text| line(text.get(lang)))
            .join("\n");
        let at = Some((&*file, Some(finding.line.max(1))));
        command(level, at, &finding.rule, &message)
    });
    commands.collect()
}

/// The summary of a step, in Markdown: the verdict, the plan's tables, and of the items those that
/// did not pass. It is at most `room` bytes long; what does not fit is left out in whole parts,
/// and said.
#[must_use]
pub fn github_summary(report: &RunReport, lang: Lang, room: usize) -> String {
    let mut parts = vec![
        head(report, lang),
        summary(report, lang),
        findings(report, lang),
    ];
    parts.extend(super::causes::markdown(report, lang));
    parts.push(assessment(report, lang));
    if report.rollback.required || report.rollback.executed {
        parts.push(markdown_items::rollback(report, lang));
    }
    if !report.lint.is_empty() {
        parts.push(super::lint::markdown(report, lang));
    }
    let troubled = (report.items.iter().chain(&report.extended))
        .filter(|item| matches!(standing(item), Standing::Failed | Standing::Unclear));
    parts.extend(troubled.map(|item| markdown_items::item(item, lang)));
    let more = say(
        lang,
        "\n> The rest does not fit here; `report.md` has all of it.\n",
        "\n> 以降は省略しました。全文は `report.md` にあります。\n",
    );
    let mut text = String::new();
    for part in parts {
        if text.len() + part.len() + 1 + more.len() > room {
            if text.len() + more.len() <= room {
                text.push_str(more);
            }
            break;
        }
        text.push_str(&part);
        text.push('\n');
    }
    text
}
