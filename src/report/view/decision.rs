//! The judgement: the verdict, the exit code that the run ended with, and what its reader is to do.

use serde::Serialize;

use crate::{
    gate::{self, ExitStatus},
    plan::Lang,
    report::{
        RunReport, Verdict,
        text::line,
        words::{self, fill},
    },
    verdict::judge_run,
};

#[derive(Serialize)]
pub struct Decision {
    #[serde(skip)]
    pub verdict: Option<Verdict>,
    #[serde(skip)]
    pub exit: ExitStatus,
    /// `pass`, `conditional`, `fail`, `inconclusive`, `partial`.
    pub class: &'static str,
    #[serde(skip)]
    pub name_for_programs: &'static str,
    pub mark: &'static str,
    pub name: &'static str,
    pub meaning: &'static str,
    /// How many items passed.
    pub count: String,
    pub reasons: Vec<String>,
    pub exit_code: u8,
    pub exit_meaning: &'static str,
    /// Why the report is not to be believed; empty where it is.
    pub distrust: String,
    /// How the rollback ended that was carried out; empty where none was.
    pub rollback: &'static str,
    pub rollback_failed: bool,
    /// What the reader is to do, and what can be typed for it.
    pub next: &'static str,
    pub command: String,
    /// The plan's boxes, the right one ticked.
    pub boxes: Vec<Tick>,
}

#[derive(Serialize)]
pub struct Tick {
    pub ticked: bool,
    pub name: &'static str,
    pub meaning: &'static str,
}

impl Decision {
    pub fn of(report: &RunReport, lang: Lang) -> Self {
        let w = words::words(lang);
        let verdict = report.verdict;
        let decided = gate::of_run(report);
        // A report that contradicts itself is an input error, as it is for `verify gate`.
        let exit = (decided.as_ref()).map_or(ExitStatus::Usage, |decision| decision.exit);
        let (class, mark) = match verdict {
            Some(Verdict::Pass) => ("pass", "✔"),
            Some(Verdict::Conditional) => ("conditional", "!"),
            Some(Verdict::Fail) => ("fail", "✘"),
            Some(Verdict::Inconclusive) => ("inconclusive", "?"),
            None => ("partial", "…"),
        };
        let (name, meaning) = match verdict {
            Some(verdict) => words::verdict(verdict, lang),
            None => (w.partial, w.partial_means),
        };
        let passed: u32 = report.phases.iter().map(|phase| phase.passed).sum();
        let total: u32 = report.phases.iter().map(|phase| phase.total).sum();
        let (next, command) = next(report, lang);
        Self {
            verdict,
            exit,
            class,
            name_for_programs: verdict.map_or("none: a partial run", |_| class),
            mark,
            name,
            meaning,
            count: fill(w.count, &[("passed", &passed), ("total", &total)]),
            reasons: reasons(report, lang).iter().map(|it| line(it)).collect(),
            exit_code: exit.code(),
            exit_meaning: match (verdict, exit) {
                (Some(Verdict::Conditional), ExitStatus::Pass) => w.exit_allowed,
                _ => exit.meaning(lang),
            },
            distrust: (decided.err()).map_or(String::new(), |error| line(&error.to_string())),
            rollback: match (report.rollback.executed, report.rollback.failed()) {
                (false, _) => "",
                (true, false) => w.rolled_back,
                (true, true) => w.rollback_failed,
            },
            rollback_failed: report.rollback.failed(),
            next,
            command: line(&command),
            boxes: boxes(verdict, lang),
        }
    }
}

/// In English as the report states them; the sentences of the other language are made again from
/// the items.
fn reasons(report: &RunReport, lang: Lang) -> Vec<String> {
    match lang {
        Lang::En => report.reasons.clone(),
        Lang::Ja => {
            let (_, reasons) = judge_run(report);
            reasons.iter().map(|reason| reason.text(lang)).collect()
        }
    }
}

fn boxes(verdict: Option<Verdict>, lang: Lang) -> Vec<Tick> {
    let mut boxes = vec![Verdict::Pass, Verdict::Conditional, Verdict::Fail];
    if verdict == Some(Verdict::Inconclusive) {
        boxes.push(Verdict::Inconclusive);
    }
    let tick = |one| {
        let (name, meaning) = words::verdict(one, lang);
        Tick {
            ticked: verdict == Some(one),
            name,
            meaning,
        }
    };
    boxes.into_iter().map(tick).collect()
}

fn next(report: &RunReport, lang: Lang) -> (&'static str, String) {
    let w = words::words(lang);
    let again = || words::quoted(&report.run.command);
    let gate = || format!("verify gate reports/{}", report.run.id);
    match report.verdict {
        Some(Verdict::Pass) => (w.next_pass, gate()),
        Some(Verdict::Conditional) => (
            w.next_conditional,
            format!("{} --allow-conditional", gate()),
        ),
        Some(Verdict::Fail) if report.rollback.executed => (w.next_rolled_back, again()),
        Some(Verdict::Fail) => (w.next_fail, again()),
        Some(Verdict::Inconclusive) => (w.rerun_advice, again()),
        None => (w.next_partial, "verify".to_owned()),
    }
}
