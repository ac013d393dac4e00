//! The judgement on top of the page, and what its reader is to do.

use serde::Serialize;

use crate::{
    gate::{Policy, decide},
    plan::Lang,
    report::{
        RunReport, Verdict,
        render::{
            text::line,
            words::{self, say},
        },
    },
};

/// The judgement.
#[derive(Serialize)]
pub struct Banner {
    /// `pass`, `conditional`, `fail`, `inconclusive`, `partial`.
    class: &'static str,
    mark: &'static str,
    name: String,
    sentence: String,
    count: String,
    reasons: Vec<String>,
    next: String,
    commands: Vec<String>,
    distrust: String,
    rolled_back: String,
    rolled_back_ok: bool,
}

/// The judgement of a report.
pub fn banner(report: &RunReport, lang: Lang) -> Banner {
    let passed: u32 = report.phases.iter().map(|phase| phase.passed).sum();
    let total: u32 = report.phases.iter().map(|phase| phase.total).sum();
    let (class, mark) = match report.verdict {
        Some(Verdict::Pass) => ("pass", "✔"),
        Some(Verdict::Conditional) => ("conditional", "!"),
        Some(Verdict::Fail) => ("fail", "✘"),
        Some(Verdict::Inconclusive) => ("inconclusive", "?"),
        None => ("partial", "…"),
    };
    let (name, sentence) = match report.verdict {
        Some(verdict) => words::verdict(verdict, lang),
        None => (
            say(lang, "Partial run", "部分実行"),
            words::partial_notice(lang),
        ),
    };
    let (next, commands) = next(report, lang);
    let distrust = decide(report, Policy::default()).err();
    let steps = &report.rollback.steps;
    Banner {
        class,
        mark,
        name: name.to_owned(),
        sentence: sentence.to_owned(),
        count: match lang {
            Lang::En => format!("{passed} of {total} items passed"),
            Lang::Ja => format!("{total}項目中{passed}項目が成功"),
        },
        reasons: words::reasons(report, lang)
            .iter()
            .map(|it| line(it))
            .collect(),
        next: next.to_owned(),
        commands,
        distrust: distrust
            .map(|error| line(&error.to_string()))
            .unwrap_or_default(),
        rolled_back: words::rollback_outcome(report, lang)
            .unwrap_or_default()
            .to_owned(),
        rolled_back_ok: steps.iter().all(|step| step.ok == Some(true)),
    }
}

/// What the reader is to do, and what can be typed for it.
fn next(report: &RunReport, lang: Lang) -> (&'static str, Vec<String>) {
    let again = || vec![line(&words::command(report))];
    match report.verdict {
        Some(Verdict::Pass) => (
            say(
                lang,
                "Deploy the candidate. A pipeline goes on by the exit code:",
                "新しい設定をデプロイできます。パイプラインでは終了コードで判断します：",
            ),
            vec![format!("verify gate reports/{}", line(&report.run.id))],
        ),
        Some(Verdict::Conditional) => (
            say(
                lang,
                "The candidate may be deployed once someone has read the problems below and answers for them. A pipeline says so with:",
                "以下の問題を確認・記録したうえでデプロイできます。パイプラインで許可する場合：",
            ),
            vec![format!(
                "verify gate reports/{} --allow-conditional",
                line(&report.run.id)
            )],
        ),
        Some(Verdict::Fail) if report.rollback.executed => (
            say(
                lang,
                "Do not deploy the candidate. What was done to put the baseline back stands below; mend the candidate, then run again:",
                "新しい設定をデプロイしないでください。ロールバックの結果は以下のとおりです。設定を修正して再実行します：",
            ),
            again(),
        ),
        Some(Verdict::Fail) => (
            say(
                lang,
                "Do not deploy the candidate; where it is deployed, roll back by the steps below. Mend it, then run again:",
                "新しい設定をデプロイしないでください。デプロイ済みの場合は以下の手順でロールバックします。設定を修正して再実行します：",
            ),
            again(),
        ),
        Some(Verdict::Inconclusive) => (words::rerun_advice(lang), again()),
        None => (
            say(
                lang,
                "For a verdict run the whole plan:",
                "総合評価には計画全体の実行が必要です：",
            ),
            vec!["verify".to_owned()],
        ),
    }
}
