//! A report in its reader's language: every number, word and sentence that a rendering shows,
//! resolved once, and every text from outside neutralised ([`line()`], [`lines`]). What a format
//! needs beyond that (Markdown, HTML, XML) is the format's own.

mod decision;
mod items;
mod matrix;
mod plot;
mod timeline;

pub use decision::Decision;
pub use items::{Evidence, Failure, Group, Item, LIMIT, Stop, bounded, failure, trace_stops};

use serde::Serialize;

use self::{matrix::MatrixView, timeline::Timeline};
use super::{
    InputFile, RunReport,
    text::{line, lines},
    words::{self, Words, fill},
};
use crate::{
    gate::ExitStatus,
    lint,
    model::report as model,
    mutation::Matrix,
    plan::{Checklist, ItemId, Lang},
    verdict::Outcome,
};

/// A report, resolved.
#[derive(Serialize)]
pub struct View<'a> {
    #[serde(skip)]
    pub report: &'a RunReport,
    #[serde(skip)]
    pub lang: Lang,
    pub t: &'static Words,
    pub language: &'static str,
    pub title: String,
    pub run: Run,
    pub decision: Decision,
    /// Candidate and baseline, then what judged.
    pub files: Vec<File>,
    pub phases: Vec<Phase>,
    /// The sums of the phases: all, passed, failed, skipped.
    pub sums: [u32; 4],
    /// The items that the phases count as skipped and that are inconclusive.
    pub inconclusive: String,
    pub findings: Vec<Finding>,
    pub causes: Vec<Cause>,
    pub rollback: Option<Rollback>,
    pub checklist: Vec<Class>,
    pub lint: Vec<Lint>,
    pub lint_tally: String,
    /// The items that were selected, by phase; the extended checks last.
    pub groups: Vec<Group>,
    /// Every outcome that an item can have, with its word.
    pub outcomes: [(&'static str, &'static str); 4],
    pub components: Vec<Component>,
    pub exits: Vec<Exit>,
    pub timeline: Option<Timeline>,
    pub matrix: Option<MatrixView>,
}

#[derive(Serialize)]
pub struct Run {
    pub id: String,
    pub started: String,
    pub took: String,
    pub stack: String,
    pub profile: String,
    pub command: String,
}

#[derive(Serialize)]
pub struct File {
    pub label: &'static str,
    pub path: String,
    pub sha256: String,
}

/// A row of the plan's 検証サマリー.
#[derive(Serialize)]
pub struct Phase {
    pub id: u8,
    pub title: String,
    /// `Phase 3: ` before it.
    pub heading: String,
    pub total: u32,
    pub passed: u32,
    pub failed: u32,
    pub skipped: u32,
}

/// A row of the plan's 検出された問題.
#[derive(Serialize)]
pub struct Finding {
    pub no: u32,
    pub item: String,
    /// `3.1 Title: failed`
    pub heading: String,
    /// Why it did not run, or the number of its cause.
    pub note: String,
    /// The condition that is not met, where the language has it.
    pub condition: String,
    /// What was seen.
    pub seen: String,
    /// Its cause by its number, where there is one.
    pub cause: String,
    pub severity_class: &'static str,
    pub severity: &'static str,
    pub state: &'static str,
}

#[derive(Serialize)]
pub struct Cause {
    pub no: usize,
    pub cause: String,
    pub explains: Vec<String>,
    pub shown_by: String,
    pub seen: String,
    pub remedy: String,
    pub look: Vec<String>,
}

/// The plan's ロールバック手順, and what was done of it.
#[derive(Serialize)]
pub struct Rollback {
    pub executed: bool,
    pub steps: Vec<RollbackStep>,
}

#[derive(Serialize)]
pub struct RollbackStep {
    /// `passed`, `failed`, `open`.
    pub class: &'static str,
    pub word: &'static str,
    pub title: String,
    pub command: String,
    pub seen: String,
}

/// A group of the plan's 検証完了チェックリスト.
#[derive(Serialize)]
pub struct Class {
    pub title: String,
    pub items: Vec<Done>,
}

#[derive(Serialize)]
pub struct Done {
    pub ticked: bool,
    pub item: String,
    pub done: String,
}

/// What the linter found.
#[derive(Serialize)]
pub struct Lint {
    #[serde(skip)]
    pub kind: lint::Level,
    pub class: &'static str,
    pub level: &'static str,
    pub file: String,
    #[serde(skip)]
    pub line: u64,
    pub at: String,
    pub rule: String,
    pub what: String,
    pub why: String,
    pub remedy: String,
}

#[derive(Serialize)]
pub struct Component {
    pub service: String,
    pub program: String,
    pub version: String,
    #[serde(skip)]
    pub real: bool,
    pub kind: &'static str,
    pub image: String,
}

/// A row of the table of exit codes.
#[derive(Serialize)]
pub struct Exit {
    pub code: u8,
    pub meaning: &'static str,
    pub own: bool,
}

impl<'a> View<'a> {
    #[must_use]
    pub fn of(report: &'a RunReport, lang: Lang) -> Self {
        let run = &report.run;
        let decision = Decision::of(report, lang);
        let sum = |of: fn(&model::PhaseSummary) -> u32| report.phases.iter().map(of).sum();
        let rollback = &report.rollback;
        Self {
            report,
            lang,
            t: words::words(lang),
            language: words::say(lang, "en", "ja"),
            title: line(run.plan.get(lang)),
            run: Run {
                id: line(&run.id),
                started: line(&run.started_at),
                took: words::duration(run.duration_ms),
                stack: line(&run.stack),
                profile: line(&run.profile),
                command: line(&words::quoted(&run.command)),
            },
            exits: exits(&decision, lang),
            decision,
            files: files(report, lang),
            phases: report.phases.iter().map(|it| phase(it, lang)).collect(),
            sums: [
                sum(|phase| phase.total),
                sum(|phase| phase.passed),
                sum(|phase| phase.failed),
                sum(|phase| phase.skipped),
            ],
            inconclusive: inconclusive(report),
            findings: (report.findings.iter())
                .map(|it| finding(report, it, lang))
                .collect(),
            causes: (report.causes.iter().zip(1..))
                .map(|(it, no)| cause(it, no, lang))
                .collect(),
            rollback: (rollback.required || rollback.executed).then(|| Rollback {
                executed: rollback.executed,
                steps: (rollback.steps.iter())
                    .map(|it| rollback_step(it, lang))
                    .collect(),
            }),
            checklist: checklist(report, lang),
            lint: report.lint.iter().map(|it| Lint::of(it, lang)).collect(),
            lint_tally: lint::render::tally(&report.lint, lang),
            groups: items::groups(report, lang),
            outcomes: Outcome::SELECTED.map(|it| (it.name(), words::outcome(it, lang))),
            components: run
                .components
                .iter()
                .map(|it| component(it, lang))
                .collect(),
            timeline: timeline::timeline(report, lang),
            matrix: None,
        }
    }

    /// The same with the matrix of a catalogue of mutants.
    #[must_use]
    pub fn with_matrix(mut self, matrix: Option<&Matrix>) -> Self {
        self.matrix = matrix.map(|matrix| matrix::view(matrix, self.report, self.lang));
        self
    }

    /// The items that were selected.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.groups.iter().flat_map(|group| &group.items)
    }

    /// The number of the cause that explains an item's failure, from 1.
    #[must_use]
    pub fn cause_of(&self, item: ItemId) -> Option<usize> {
        cause_of(self.report, item)
    }

    /// The run's facts by name, for programs that keep them beside the results.
    #[must_use]
    pub fn facts(&self) -> [(&'static str, String); 10] {
        let run = &self.report.run;
        let components = run.components.iter().map(|one| {
            let double = if one.real { "" } else { " (double)" };
            format!("{} {}{double}", one.program, one.version)
        });
        let components = components.collect::<Vec<_>>().join(", ");
        let path = |file: &model::FileRef| line(&file.path.to_string_lossy());
        [
            ("run", self.run.id.clone()),
            ("stack", self.run.stack.clone()),
            ("candidate", path(&run.candidate)),
            ("candidate.sha256", line(&run.candidate.sha256)),
            ("baseline", path(&run.baseline)),
            ("baseline.sha256", line(&run.baseline.sha256)),
            ("profile", self.run.profile.clone()),
            ("components", line(&components)),
            ("command", self.run.command.clone()),
            ("verdict", self.decision.name_for_programs.to_owned()),
        ]
    }

    /// When the run began, in milliseconds since 1970; 0 where the report does not say it.
    #[must_use]
    pub fn started_ms(&self) -> i64 {
        let stamp: Result<jiff::Timestamp, _> = self.report.run.started_at.parse();
        stamp.map_or(0, jiff::Timestamp::as_millisecond)
    }
}

impl Lint {
    #[must_use]
    pub fn of(found: &lint::Finding, lang: Lang) -> Self {
        Self {
            kind: found.level,
            class: found.level.name(),
            level: lint::render::level(found.level, lang),
            file: line(&found.file.to_string_lossy()),
            line: found.line.max(1),
            at: line(&found.at()),
            rule: line(&found.rule),
            what: line(found.what.get(lang)),
            why: line(found.why.get(lang)),
            remedy: line(found.remedy.get(lang)),
        }
    }
}

fn files(report: &RunReport, lang: Lang) -> Vec<File> {
    let (w, run) = (words::words(lang), &report.run);
    let file = |label, path: &std::path::Path, sha256: &str| File {
        label,
        path: line(&path.to_string_lossy()),
        sha256: line(sha256),
    };
    let judged = [(w.candidate, &run.candidate), (w.baseline, &run.baseline)];
    let judged = judged.map(|(label, it)| file(label, &it.path, &it.sha256));
    let source = |it: &InputFile| file(words::source_name(it.role, lang), &it.path, &it.sha256);
    judged
        .into_iter()
        .chain(run.sources.iter().map(source))
        .collect()
}

fn phase(phase: &model::PhaseSummary, lang: Lang) -> Phase {
    let title = line(phase.title.get(lang));
    Phase {
        id: phase.id,
        heading: items::phase_heading(phase.id, &title),
        title,
        total: phase.total,
        passed: phase.passed,
        failed: phase.failed,
        skipped: phase.skipped,
    }
}

fn inconclusive(report: &RunReport) -> String {
    let of_plan = report.items.iter();
    let inconclusive = of_plan.filter(|item| item.outcome() == Outcome::Inconclusive);
    let ids: Vec<String> = inconclusive.map(|item| item.id.to_string()).collect();
    ids.join(", ")
}

fn cause_of(report: &RunReport, item: ItemId) -> Option<usize> {
    let explains = |cause: &model::Cause| cause.explains.contains(&item);
    report.causes.iter().position(explains).map(|at| at + 1)
}

fn finding(report: &RunReport, finding: &model::Finding, lang: Lang) -> Finding {
    let w = words::words(lang);
    let (id, item) = (finding.item, report.item(finding.item));
    let outcome = item.map(model::ItemReport::outcome);
    let title = match item {
        Some(item) => {
            let outcome = words::outcome(item.outcome(), lang);
            format!("{}: {outcome}", item.title.get(lang))
        }
        None => finding.summary.clone(),
    };
    let cause = cause_of(report, id);
    let note = match (outcome, cause) {
        (Some(outcome), _) if outcome.is_skipped() => {
            let reason = item.map(|item| items::reason(item, lang));
            format!(": {}", reason.unwrap_or_default())
        }
        (_, Some(no)) => fill(w.cause_note, &[("no", &no)]),
        (_, None) => String::new(),
    };
    Finding {
        no: finding.no,
        item: id.to_string(),
        heading: line(&format!("{id} {title}")),
        note,
        condition: item
            .map(|item| items::condition(item, lang))
            .unwrap_or_default(),
        seen: lines(&finding.cause),
        cause: cause
            .map(|no| fill(w.cause_name, &[("no", &no)]))
            .unwrap_or_default(),
        severity_class: match finding.severity {
            model::Severity::Critical => "critical",
            model::Severity::Major => "major",
            model::Severity::Minor => "minor",
        },
        severity: words::severity(finding.severity, lang),
        state: words::state(finding.state, lang),
    }
}

fn cause(cause: &model::Cause, no: usize, lang: Lang) -> Cause {
    Cause {
        no,
        cause: line(cause.cause.get(lang)),
        explains: cause.explains.iter().map(ItemId::to_string).collect(),
        shown_by: cause.shown_by.to_string(),
        seen: lines(&cause.seen),
        remedy: lines(cause.remedy.get(lang).trim_end()),
        look: cause.look.iter().map(|command| line(command)).collect(),
    }
}

fn rollback_step(step: &model::RollbackStep, lang: Lang) -> RollbackStep {
    let w = words::words(lang);
    let (class, word) = match step.ok {
        None => ("open", w.step_open),
        Some(true) => ("passed", w.step_done),
        Some(false) => ("failed", w.step_failed),
    };
    RollbackStep {
        class,
        word,
        title: line(step.title.get(lang)),
        command: lines(step.command.trim_end()),
        seen: lines(step.seen.trim_end()),
    }
}

fn checklist(report: &RunReport, lang: Lang) -> Vec<Class> {
    let w = words::words(lang);
    let class = |(class, title): (Checklist, &str)| {
        let of_class = report.items.iter().filter(|item| item.checklist == class);
        let items: Vec<_> = of_class.collect();
        let (first, last) = (items.first()?.phase, items.last()?.phase);
        let phases = match first == last {
            true => format!("Phase {first}"),
            false => format!("Phase {first}-{last}"),
        };
        let done = items.iter().map(|item| Done {
            ticked: item.outcome() == Outcome::Passed,
            item: item.id.to_string(),
            done: line(item.done.get(lang)),
        });
        Some(Class {
            title: fill(title, &[("phases", &phases)]),
            items: done.collect(),
        })
    };
    let classes = [
        (Checklist::Required, w.required_items),
        (Checklist::Important, w.important_items),
        (Checklist::Recommended, w.recommended_items),
    ];
    classes.into_iter().filter_map(class).collect()
}

fn component(one: &model::Component, lang: Lang) -> Component {
    let w = words::words(lang);
    Component {
        service: line(&one.service),
        program: line(&one.program),
        version: line(&one.version),
        real: one.real,
        kind: if one.real { w.real } else { w.double },
        image: one.image.as_deref().map(line).unwrap_or_default(),
    }
}

fn exits(decision: &Decision, lang: Lang) -> Vec<Exit> {
    let exit = |status: ExitStatus| Exit {
        code: status.code(),
        meaning: status.meaning(lang),
        own: status == decision.exit,
    };
    ExitStatus::ALL.into_iter().map(exit).collect()
}
