//! What stands on the page, but for the items: plain data for the templates.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    items::{Group, Prose, groups, prose},
    matrix::{self, MatrixView},
    timeline::{Timeline, timeline},
    verdict::{Banner, banner},
    words::words,
};
use crate::{
    gate::{ExitStatus, Policy, decide},
    lint,
    mutation::Matrix,
    plan::{ItemId, Lang},
    report::{
        RunReport, Severity,
        render::{
            causes,
            text::{line, lines},
            words::{self, say},
        },
    },
    verdict::{Standing, standing},
};

/// The page.
#[derive(Serialize)]
pub struct Page {
    lang: &'static str,
    t: BTreeMap<&'static str, &'static str>,
    title: String,
    verdict: Banner,
    facts: Vec<Fact>,
    phases: Vec<PhaseRow>,
    all: [u32; 4],
    unclear: String,
    findings: Vec<FindingRow>,
    causes: Vec<CauseView>,
    lint_tally: String,
    lint: Vec<LintRow>,
    rollback: Option<RollbackView>,
    timeline: Option<Timeline>,
    groups: Vec<Group>,
    statuses: Vec<(&'static str, &'static str)>,
    matrix: Option<MatrixView>,
    components: Vec<ComponentRow>,
    files: Vec<(&'static str, String, String)>,
    command: String,
    run_id: String,
}

/// A label with what it is the label of.
#[derive(Serialize)]
struct Fact {
    label: &'static str,
    value: String,
}

/// A row of the plan's summary.
#[derive(Serialize)]
struct PhaseRow {
    id: u8,
    title: String,
    total: u32,
    passed: u32,
    failed: u32,
    skipped: u32,
}

#[derive(Serialize)]
struct FindingRow {
    no: u32,
    item: String,
    title: String,
    cause: String,
    severity_class: &'static str,
    severity: &'static str,
    state: &'static str,
}

#[derive(Serialize)]
struct CauseView {
    no: usize,
    cause: String,
    explains: Vec<String>,
    shown_by: String,
    seen: String,
    remedy: Vec<Prose>,
    look: Vec<String>,
}

#[derive(Serialize)]
struct LintRow {
    level_class: &'static str,
    level: &'static str,
    at: String,
    rule: String,
    what: String,
    why: String,
    remedy: String,
}

#[derive(Serialize)]
struct RollbackView {
    intro: &'static str,
    steps: Vec<RollbackRow>,
}

#[derive(Serialize)]
struct RollbackRow {
    /// `passed`, `failed`, `open`.
    class: &'static str,
    word: &'static str,
    title: String,
    command: String,
    seen: String,
}

#[derive(Serialize)]
struct ComponentRow {
    service: String,
    program: String,
    version: String,
    real: &'static str,
    image: String,
}

impl Page {
    /// The page of a report.
    pub fn of(report: &RunReport, matrix: Option<&Matrix>, lang: Lang) -> Self {
        let sum = |of: fn(&crate::report::PhaseSummary) -> u32| report.phases.iter().map(of).sum();
        Self {
            lang: say(lang, "en", "ja"),
            t: words(lang),
            title: line(report.run.plan.get(lang)),
            verdict: banner(report, lang),
            facts: facts(report, lang),
            phases: phases(report, lang),
            all: [
                sum(|phase| phase.total),
                sum(|phase| phase.passed),
                sum(|phase| phase.failed),
                sum(|phase| phase.skipped),
            ],
            unclear: unclear(report),
            findings: findings(report, lang),
            causes: causes(report, lang),
            lint_tally: lint::render::tally(&report.lint, lang),
            lint: lint_rows(report, lang),
            rollback: rollback(report, lang),
            timeline: timeline(report, lang),
            groups: groups(report, lang),
            statuses: vec![
                ("passed", say(lang, "passed", "成功")),
                ("failed", say(lang, "failed", "失敗")),
                ("unclear", say(lang, "inconclusive", "判定不能")),
                ("skipped", say(lang, "skipped", "スキップ")),
            ],
            matrix: matrix.map(|matrix| matrix::view(matrix, report, lang)),
            components: components(report, lang),
            files: files(report, lang),
            command: line(&words::command(report)),
            run_id: line(&report.run.id),
        }
    }
}

fn facts(report: &RunReport, lang: Lang) -> Vec<Fact> {
    let run = &report.run;
    let own = decide(report, Policy::default()).map_or(ExitStatus::Usage, |found| found.exit);
    let facts = [
        (say(lang, "Run", "実行ID"), run.id.clone()),
        (say(lang, "Started", "開始日時"), run.started_at.clone()),
        (
            say(lang, "Took", "所要時間"),
            words::duration(run.duration_ms),
        ),
        (say(lang, "Stack", "検証環境"), run.stack.clone()),
        (say(lang, "Profile", "プロファイル"), run.profile.clone()),
        (
            say(lang, "Exit code", "終了コード"),
            format!("{}: {}", own.code(), own.meaning(lang)),
        ),
    ];
    facts
        .into_iter()
        .map(|(label, value)| Fact {
            label,
            value: line(&value),
        })
        .collect()
}

fn phases(report: &RunReport, lang: Lang) -> Vec<PhaseRow> {
    let row = |phase: &crate::report::PhaseSummary| PhaseRow {
        id: phase.id,
        title: line(phase.title.get(lang)),
        total: phase.total,
        passed: phase.passed,
        failed: phase.failed,
        skipped: phase.skipped,
    };
    report.phases.iter().map(row).collect()
}

fn unclear(report: &RunReport) -> String {
    let unclear: Vec<String> = (report.items.iter())
        .filter(|item| standing(item) == Standing::Unclear)
        .map(|item| item.id.to_string())
        .collect();
    unclear.join(", ")
}

fn findings(report: &RunReport, lang: Lang) -> Vec<FindingRow> {
    let all = || report.items.iter().chain(&report.extended);
    let title = |id: ItemId, summary: &str| match all().find(|item| item.id == id) {
        Some(item) => {
            let what = words::standing_word(item, lang);
            line(&format!("{}: {what}", item.title.get(lang)))
        }
        None => line(summary),
    };
    let row = |finding: &crate::report::Finding| FindingRow {
        no: finding.no,
        item: finding.item.to_string(),
        title: title(finding.item, &finding.summary),
        cause: match causes::number(report, finding.item) {
            Some(no) => match lang {
                Lang::En => format!("cause {no}"),
                Lang::Ja => format!("原因{no}"),
            },
            None => lines(&finding.cause),
        },
        severity_class: match finding.severity {
            Severity::Critical => "critical",
            Severity::Major => "major",
            Severity::Minor => "minor",
        },
        severity: words::severity(finding.severity, lang),
        state: words::state(finding.state, lang),
    };
    report.findings.iter().map(row).collect()
}

fn causes(report: &RunReport, lang: Lang) -> Vec<CauseView> {
    let view = |(cause, no): (&crate::report::Cause, usize)| CauseView {
        no,
        cause: line(cause.cause.get(lang)),
        explains: cause.explains.iter().map(ItemId::to_string).collect(),
        shown_by: cause.shown_by.to_string(),
        seen: lines(&cause.seen),
        remedy: prose(cause.remedy.get(lang)),
        look: cause.look.iter().map(|command| line(command)).collect(),
    };
    report.causes.iter().zip(1..).map(view).collect()
}

fn lint_rows(report: &RunReport, lang: Lang) -> Vec<LintRow> {
    let row = |finding: &lint::Finding| LintRow {
        level_class: finding.level.name(),
        level: lint::render::level(finding.level, lang),
        at: line(&finding.at()),
        rule: line(&finding.rule),
        what: line(finding.what.get(lang)),
        why: line(finding.why.get(lang)),
        remedy: line(finding.remedy.get(lang)),
    };
    report.lint.iter().map(row).collect()
}

fn rollback(report: &RunReport, lang: Lang) -> Option<RollbackView> {
    let rollback = &report.rollback;
    if !rollback.required && !rollback.executed {
        return None;
    }
    let row = |step: &crate::report::RollbackStep| {
        let (class, word) = match step.ok {
            None => ("open", say(lang, "to do", "未実施")),
            Some(true) => ("passed", say(lang, "done", "完了")),
            Some(false) => ("failed", say(lang, "FAILED", "失敗")),
        };
        RollbackRow {
            class,
            word,
            title: line(step.title.get(lang)),
            command: lines(&step.command).trim_end().to_owned(),
            seen: lines(&step.seen).trim_end().to_owned(),
        }
    };
    Some(RollbackView {
        intro: match rollback.executed {
            true => say(lang, "Carried out:", "実施済み："),
            false => say(
                lang,
                "Required, not carried out; by hand:",
                "必要（未実施）。以下の手順で実施します：",
            ),
        },
        steps: rollback.steps.iter().map(row).collect(),
    })
}

fn components(report: &RunReport, lang: Lang) -> Vec<ComponentRow> {
    let row = |one: &crate::report::Component| ComponentRow {
        service: line(&one.service),
        program: line(&one.program),
        version: line(&one.version),
        real: match one.real {
            true => say(lang, "real", "実物"),
            false => say(lang, "double", "代替"),
        },
        image: one.image.as_deref().map(line).unwrap_or_default(),
    };
    report.run.components.iter().map(row).collect()
}

fn files(report: &RunReport, lang: Lang) -> Vec<(&'static str, String, String)> {
    let run = &report.run;
    let candidate = (say(lang, "Candidate", "新しい設定"), &run.candidate);
    let baseline = (say(lang, "Baseline", "現在の設定"), &run.baseline);
    let named = [candidate, baseline].map(|(label, file)| (label, &file.path, &file.sha256));
    let sources = run.sources.iter().map(|source| {
        let label = words::source_name(source.role, lang);
        (label, &source.path, &source.sha256)
    });
    (named.into_iter().chain(sources))
        .map(|(label, path, sha256)| (label, line(&path.to_string_lossy()), line(sha256)))
        .collect()
}
