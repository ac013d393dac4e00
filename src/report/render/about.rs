//! What the formats for programs say of an item: the same words in each, of a bounded length, and
//! without characters that a format would trip over.

use std::collections::BTreeSet;

use super::{
    text::{line, lines},
    words::{self, say},
};
use crate::{
    evidence::{Evidence, EvidenceKind},
    plan::{ItemId, Lang},
    report::{ItemReport, RunReport},
    verdict::{Standing, is_selected, standing},
};

/// The longest text that stands in one place, in bytes; `report.json` has all of it.
pub const LIMIT: usize = 32 * 1024;

/// Items that belong together, with a heading.
pub struct Group<'a> {
    /// The phase's number; 0 for the extended checks.
    pub phase: u8,
    /// The heading.
    pub title: String,
    /// Those of its items that were chosen.
    pub items: Vec<&'a ItemReport>,
}

/// The phases of which something was chosen; the extended checks last.
pub fn groups<'a>(report: &'a RunReport, lang: Lang) -> Vec<Group<'a>> {
    let of = |phase: u8, title: String, items: &'a [ItemReport]| -> Group<'a> {
        let chosen = |item: &&ItemReport| item.phase == phase && is_selected(item);
        let items = items.iter().filter(chosen).collect();
        Group {
            phase,
            title,
            items,
        }
    };
    // A report that names a phase again has no more items for that.
    let mut known = BTreeSet::new();
    let phases = report.phases.iter().filter(|phase| known.insert(phase.id));
    let phases = phases.map(|phase| {
        let title = format!("Phase {}: {}", phase.id, line(phase.title.get(lang)));
        of(phase.id, title, &report.items)
    });
    let extended = say(lang, "Extended checks", "追加検証").to_owned();
    phases
        .chain([of(0, extended, &report.extended)])
        .filter(|group| !group.items.is_empty())
        .collect()
}

/// `3.4 Title`
pub fn name(item: &ItemReport, lang: Lang) -> String {
    format!("{} {}", item.id, line(item.title.get(lang)))
}

/// What the item weighs, as a word for programs.
pub fn weight(item: &ItemReport) -> &'static str {
    match item.id {
        ItemId::Plan { .. } => words::checklist(item.checklist, Lang::En),
        ItemId::Extended(_) => "extended",
    }
}

/// Why it did not pass, in one line.
pub fn message(item: &ItemReport, lang: Lang) -> String {
    bounded(&line(&words::reason(item, lang)), 1024)
}

/// The code of its failure.
pub fn code(item: &ItemReport) -> Option<&str> {
    let code = item.failure.as_ref().map(|failure| failure.code.as_str());
    code.filter(|code| !code.is_empty())
}

/// FILE and LINE of the step that failed, else of the first one; the file as the plan names it.
pub fn place(item: &ItemReport) -> Option<(&str, u64)> {
    use crate::engine::event::StepStatus::Failed;
    let failed = item.steps.iter().find(|step| step.status == Failed);
    let (file, no) = failed.or(item.steps.first())?.at.rsplit_once(':')?;
    Some((file, no.parse().ok()?))
}

/// What was done, expected and seen, where, and what to do about it.
pub fn details(item: &ItemReport, lang: Lang) -> String {
    let mut parts = vec![line(&words::reason(item, lang))];
    let mut part = |label: &str, text: &str| parts.push(format!("{label}: {}", lines(text.trim())));
    if let Some(failure) = &item.failure {
        if let Some(code) = code(item) {
            part(say(lang, "Code", "コード"), code);
        }
        part(say(lang, "Done", "実施内容"), &failure.did);
        part(say(lang, "Expected", "期待結果"), &failure.expected);
        part(say(lang, "Seen", "実際の結果"), &failure.seen);
    }
    if let Some((file, no)) = place(item) {
        part(say(lang, "Step", "手順"), &format!("{file}:{no}"));
    }
    let next = say(lang, "What to do next", "対応");
    match standing(item) {
        Standing::Failed => part(next, item.remedy.get(lang)),
        Standing::Unclear => part(next, words::rerun_advice(lang)),
        Standing::Passed | Standing::Skipped => {}
    }
    parts.retain(|part| !part.is_empty());
    bounded(&parts.join("\n"), LIMIT)
}

/// Everything that was seen, each piece below a line that says what it is.
pub fn evidence(item: &ItemReport, lang: Lang) -> String {
    let pieces = item.evidence.iter().map(|piece| {
        let title = evidence_title(piece, lang);
        format!("--- {title}\n{}", lines(piece.body.trim_end()))
    });
    bounded(&pieces.collect::<Vec<_>>().join("\n"), LIMIT)
}

/// `Log: gateway log`
pub fn evidence_title(piece: &Evidence, lang: Lang) -> String {
    let kind = super::words::evidence_kind(piece.kind, lang);
    format!("{kind}: {}", line(&piece.title))
}

/// The remarks among what was seen.
pub fn remarks(item: &ItemReport) -> impl Iterator<Item = &Evidence> {
    let all = item.evidence.iter();
    all.filter(|piece| piece.kind == EvidenceKind::Remark)
}

/// The run's facts by name, for whoever keeps them beside the results.
pub fn facts(report: &RunReport) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let components = run.components.iter().map(|component| {
        let double = if component.real { "" } else { " (double)" };
        format!("{} {}{double}", component.program, component.version)
    });
    let components = components.collect::<Vec<_>>().join(", ");
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let facts = [
        ("run", run.id.clone()),
        ("stack", run.stack.clone()),
        ("candidate", path(&run.candidate.path)),
        ("candidate.sha256", run.candidate.sha256.clone()),
        ("baseline", path(&run.baseline.path)),
        ("baseline.sha256", run.baseline.sha256.clone()),
        ("profile", run.profile.clone()),
        ("components", components),
        ("command", words::command(report)),
        ("verdict", verdict(report).to_owned()),
    ];
    facts.map(|(name, fact)| (name, line(&fact))).to_vec()
}

/// The verdict as a word for programs.
pub fn verdict(report: &RunReport) -> &'static str {
    use crate::report::Verdict;
    match report.verdict {
        Some(Verdict::Pass) => "pass",
        Some(Verdict::Conditional) => "conditional",
        Some(Verdict::Fail) => "fail",
        Some(Verdict::Inconclusive) => "inconclusive",
        None => "none: a partial run",
    }
}

/// When the run began, in milliseconds since 1970; 0 where the report does not say it.
pub fn started(report: &RunReport) -> i64 {
    let stamp: Result<jiff::Timestamp, _> = report.run.started_at.parse();
    stamp.map_or(0, jiff::Timestamp::as_millisecond)
}

/// At most `limit` bytes of `text`, and how much is left out.
pub fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let kept = text
        .get(..text.floor_char_boundary(limit))
        .unwrap_or_default();
    let left = text.len() - kept.len();
    format!("{kept}… ({left} bytes left out, see report.json)")
}
