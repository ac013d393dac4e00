//! GitHub Actions: workflow commands, which become annotations, and the summary of a step.

use super::template::{TemplateError, part};
use crate::{
    lint,
    plan::Lang,
    report::{
        Verdict,
        text::{line, lines},
        view::{Lint, View, bounded},
    },
    verdict::Outcome,
};

/// What GitHub takes of a step's summary, in bytes; of a longer one it shows nothing.
pub const SUMMARY_LIMIT: usize = 1024 * 1024;

/// A workflow command, whose level is `error`, `warning` or `notice`. Nothing in its parts ends it
/// or begins another.
fn command(level: &str, at: Option<(&str, Option<u64>)>, title: &str, message: &str) -> String {
    let mut properties = Vec::new();
    if let Some((file, no)) = at {
        properties.push(format!("file={}", property(file)));
        properties.extend(no.map(|no| format!("line={no}")));
    }
    properties.push(format!("title={}", property(title)));
    let message = data(&bounded(message, 4 * 1024));
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
pub fn github(view: &View<'_>) -> String {
    let candidate = view.report.run.candidate.path.to_string_lossy();
    let mut text = verdict(view);
    for item in view.items() {
        let (level, at) = match item.outcome {
            Outcome::Failed => ("error", Some((&*candidate, None))),
            Outcome::Inconclusive => ("warning", None),
            _ => continue,
        };
        let code = item.code().map(|code| format!(" [{code}]"));
        let title = format!("{} {}{}", item.name(), item.word, code.unwrap_or_default());
        text.push_str(&command(level, at, &title, &item.details()));
    }
    text.push_str(&github_lint(&view.report.lint, view.lang));
    for item in view.items() {
        for remark in item.remarks() {
            let title = format!("{}: {}", item.name(), remark.title);
            text.push_str(&command("notice", None, &title, remark.body.trim_end()));
        }
    }
    text
}

fn verdict(view: &View<'_>) -> String {
    let decision = &view.decision;
    let level = match decision.verdict {
        None => return command("notice", None, decision.name, decision.meaning),
        Some(Verdict::Pass) => "notice",
        Some(Verdict::Conditional | Verdict::Inconclusive) => "warning",
        Some(Verdict::Fail) => "error",
    };
    let title = format!("{}: {}", view.t.verdict, decision.name);
    let mut message = decision.meaning.to_owned();
    if !decision.rollback.is_empty() {
        message.push_str(&format!("\n{}", decision.rollback));
    }
    for reason in &decision.reasons {
        message.push_str(&format!("\n- {reason}"));
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
            lint::Level::Error => "error",
            lint::Level::Warning => "warning",
            lint::Level::Note => "notice",
        };
        let found = Lint::of(finding, lang);
        let message = [found.what, found.why, found.remedy].join("\n");
        let at = Some((found.file.as_str(), Some(found.line)));
        command(level, at, &found.rule, &message)
    });
    commands.collect()
}

/// The summary of a step, in Markdown: the verdict, the plan's tables, and of the items those that
/// did not pass. It is at most `room` bytes long; what does not fit is left out in whole parts,
/// and said.
///
/// # Errors
/// Where a template is wrong.
pub fn summary(view: &View<'_>, room: usize) -> Result<String, TemplateError> {
    let parts = [
        ("head.md", true),
        ("summary.md", true),
        ("findings.md", true),
        ("causes.md", !view.causes.is_empty()),
        ("assessment.md", true),
        ("rollback.md", view.rollback.is_some()),
        ("lint.md", !view.lint.is_empty()),
    ];
    let parts = parts.into_iter().filter(|(_, wanted)| *wanted);
    let parts = parts.map(|(name, _)| (name, None));
    let problems = view.items().filter(|item| item.problem);
    let problems = problems.map(|item| ("item.md", Some(item)));
    let more = format!("\n> {}\n", view.t.rest_left_out);
    let mut text = String::new();
    for (name, item) in parts.chain(problems) {
        let part = part(name, view, item)?;
        if text.len() + part.len() + 1 + more.len() > room {
            if text.len() + more.len() <= room {
                text.push_str(&more);
            }
            break;
        }
        text.push_str(&part);
        text.push('\n');
    }
    Ok(text)
}
