//! `report.md`: the plan's own template (検証結果レポート), filled in.

use super::{
    causes, lint, markdown_items,
    text::{line, md_cell, md_code, md_inline},
    words::{self, say},
};
use crate::{
    gate::{ExitStatus, Policy, decide},
    plan::{Checklist, Lang},
    report::{Finding, RunReport, Verdict},
    verdict::{Standing, standing},
};

/// The report as the plan wants it: its summary, its problems, its three boxes, its
/// checklist; then the evidence of each item, and how to make the report again.
#[must_use]
pub fn markdown(report: &RunReport, lang: Lang) -> String {
    let mut parts = vec![
        head(report, lang),
        summary(report, lang),
        findings(report, lang),
    ];
    parts.extend(causes::markdown(report, lang));
    parts.push(assessment(report, lang));
    if report.rollback.required || report.rollback.executed {
        parts.push(markdown_items::rollback(report, lang));
    }
    parts.push(checklist(report, lang));
    if !report.lint.is_empty() {
        parts.push(lint::markdown(report, lang));
    }
    parts.push(markdown_items::items(report, lang));
    parts.push(components(report, lang));
    parts.push(reproduce(report, lang));
    parts.push(exit_codes(report, lang));
    parts.join("\n") + "\n"
}

pub(super) fn head(report: &RunReport, lang: Lang) -> String {
    let run = &report.run;
    let file = |file: &crate::report::FileRef| {
        let path = file.path.to_string_lossy();
        format!("{} (SHA-256 {})", md_code(&path), md_code(&file.sha256))
    };
    let facts = [
        (say(lang, "Run", "実行ID"), md_code(&run.id)),
        (say(lang, "Started", "開始日時"), md_inline(&run.started_at)),
        (
            say(lang, "Took", "所要時間"),
            words::duration(run.duration_ms),
        ),
        (say(lang, "Candidate", "新しい設定"), file(&run.candidate)),
        (say(lang, "Baseline", "現在の設定"), file(&run.baseline)),
        (say(lang, "Stack", "検証環境"), md_inline(&run.stack)),
        (
            say(lang, "Profile", "プロファイル"),
            md_inline(&run.profile),
        ),
    ];
    let mut text = format!("# {}\n\n", md_inline(run.plan.get(lang)));
    for (label, fact) in facts {
        text.push_str(&format!("- **{label}**: {fact}\n"));
    }
    for source in &run.sources {
        let label = words::source_name(source.role, lang);
        let path = md_code(&source.path.to_string_lossy());
        let sha256 = md_code(&source.sha256);
        text.push_str(&format!("- **{label}**: {path} (SHA-256 {sha256})\n"));
    }
    if let Some(outcome) = words::rollback_outcome(report, lang) {
        text.push_str(&format!("\n> 🔄 **{outcome}**\n"));
    }
    text.push_str(say(
        lang,
        "\n## 📊 Verification result report\n",
        "\n## 📊 検証結果レポート\n",
    ));
    if let Err(error) = decide(report, Policy::default()) {
        let label = say(
            lang,
            "Do not trust this report",
            "このレポートは信頼できません",
        );
        text.push_str(&format!(
            "\n> **{label}**: {}\n",
            md_inline(&error.to_string())
        ));
    }
    text
}

pub(super) fn summary(report: &RunReport, lang: Lang) -> String {
    let mut text = String::from(say(
        lang,
        "### Verification summary\n\n\
         | Phase | Items | Passed | Failed | Skipped |\n\
         |-------|-------|--------|--------|---------|\n",
        "### 検証サマリー\n\n\
         | Phase | 項目数 | 成功 | 失敗 | スキップ |\n\
         |-------|--------|------|------|----------|\n",
    ));
    for phase in &report.phases {
        text.push_str(&format!(
            "| Phase {}: {} | {} | {} | {} | {} |\n",
            phase.id,
            md_cell(phase.title.get(lang)),
            phase.total,
            phase.passed,
            phase.failed,
            phase.skipped
        ));
    }
    let unclear: Vec<String> = (report.items.iter())
        .filter(|item| standing(item) == Standing::Unclear)
        .map(|item| item.id.to_string())
        .collect();
    if !unclear.is_empty() {
        let label = say(
            lang,
            "Inconclusive, counted as skipped above",
            "判定不能（上の表ではスキップに計上）",
        );
        text.push_str(&format!("\n{label}: {}\n", unclear.join(", ")));
    }
    text
}

pub(super) fn findings(report: &RunReport, lang: Lang) -> String {
    let mut text = String::from(say(
        lang,
        "### Problems found\n\n\
         | No | Problem | Severity | State |\n\
         |----|---------|----------|-------|\n",
        "### 検出された問題\n\n\
         | No | 問題内容 | 重大度 | 対応状況 |\n\
         |----|----------|--------|----------|\n",
    ));
    if report.findings.is_empty() {
        text.push_str("| - | - | - | - |\n");
    }
    for finding in &report.findings {
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            finding.no,
            problem(report, finding, lang),
            words::severity(finding.severity, lang),
            words::state(finding.state, lang)
        ));
    }
    text
}

/// What the problem is and what shows it, as a cell.
fn problem(report: &RunReport, finding: &Finding, lang: Lang) -> String {
    let mut all = report.items.iter().chain(&report.extended);
    let title = match all.find(|item| item.id == finding.item) {
        Some(item) => {
            let what = words::standing_word(item, lang);
            format!("{} {}: {what}", item.id, item.title.get(lang))
        }
        None => format!("{} {}", finding.item, finding.summary),
    };
    md_cell(&format!("{title}\n{}", finding.cause))
}

/// The plan's 総合評価: its three boxes, the right one ticked.
pub(super) fn assessment(report: &RunReport, lang: Lang) -> String {
    let mut boxes = vec![Verdict::Pass, Verdict::Conditional, Verdict::Fail];
    if report.verdict == Some(Verdict::Inconclusive) {
        boxes.push(Verdict::Inconclusive);
    }
    let mut text = String::from(say(lang, "### Overall assessment\n\n", "### 総合評価\n\n"));
    for verdict in boxes {
        let tick = tick(report.verdict == Some(verdict));
        let (name, sentence) = words::verdict(verdict, lang);
        text.push_str(&format!("- [{tick}] **{name}**: {sentence}\n"));
    }
    if report.run.partial {
        text.push_str(&format!("\n**{}**\n", words::partial_notice(lang)));
    }
    text.push_str(say(lang, "\nReasons:\n\n", "\n判定理由：\n\n"));
    for reason in words::reasons(report, lang) {
        text.push_str(&format!("- {}\n", md_inline(&reason)));
    }
    text
}

fn tick(done: bool) -> char {
    if done { 'x' } else { ' ' }
}

/// The plan's 検証完了チェックリスト: its three groups, ticked where passed.
fn checklist(report: &RunReport, lang: Lang) -> String {
    let mut text = String::from(say(
        lang,
        "## ✅ Completion checklist\n",
        "## ✅ 検証完了チェックリスト\n",
    ));
    for class in [
        Checklist::Required,
        Checklist::Important,
        Checklist::Recommended,
    ] {
        let of_class = report.items.iter().filter(|item| item.checklist == class);
        let items: Vec<_> = of_class.collect();
        let (Some(first), Some(last)) = (items.first(), items.last()) else {
            continue;
        };
        let phases = if first.phase == last.phase {
            format!("Phase {}", first.phase)
        } else {
            format!("Phase {}-{}", first.phase, last.phase)
        };
        text.push_str(&match (class, lang) {
            (_, Lang::Ja) => format!("\n### {}（{phases}）\n\n", words::checklist(class, lang)),
            (Checklist::Required, Lang::En) => format!("\n### Required items ({phases})\n\n"),
            (Checklist::Important, Lang::En) => format!("\n### Important items ({phases})\n\n"),
            (_, Lang::En) => format!("\n### Recommended items ({phases})\n\n"),
        });
        for item in items {
            let tick = tick(standing(item) == Standing::Passed);
            let done = md_inline(item.done.get(lang));
            text.push_str(&format!("- [{tick}] {} {done}\n", item.id));
        }
    }
    text
}

fn components(report: &RunReport, lang: Lang) -> String {
    let mut text = String::from(say(
        lang,
        "## 🧩 Components\n\n\
         | Service | Program | Version | Real |\n\
         |---------|---------|---------|------|\n",
        "## 🧩 構成\n\n\
         | サービス | プログラム | バージョン | 実物 |\n\
         |----------|------------|------------|------|\n",
    ));
    if report.run.components.is_empty() {
        text.push_str("| - | - | - | - |\n");
    }
    for one in &report.run.components {
        let real = if one.real {
            say(lang, "yes", "はい")
        } else {
            say(lang, "no, a double", "いいえ（代替）")
        };
        text.push_str(&format!(
            "| {} | {} | {} | {real} |\n",
            md_cell(&one.service),
            md_cell(&one.program),
            md_cell(&match &one.image {
                Some(image) => format!("{}, {image}", one.version),
                None => one.version.clone(),
            })
        ));
    }
    text
}

fn reproduce(report: &RunReport, lang: Lang) -> String {
    let title = say(lang, "## 🔁 How to reproduce", "## 🔁 再現方法");
    let saved = say(
        lang,
        "The verdict and the exit code again, from the saved report alone",
        "保存されたレポートのみから、判定と終了コードを再確認する",
    );
    let command = super::text::md_fence(&line(&words::command(report)));
    format!("{title}\n\n{command}\n{saved}: `verify gate report.json`\n")
}

fn exit_codes(report: &RunReport, lang: Lang) -> String {
    // A report that cannot be believed is an input error, as it is for `verify gate`.
    let own = decide(report, Policy::default()).map_or(ExitStatus::Usage, |found| found.exit);
    let mut text = String::from(say(
        lang,
        "## 🚦 Exit code\n\n| Code | Meaning | This run |\n|------|---------|----------|\n",
        "## 🚦 終了コード\n\n| コード | 意味 | この実行 |\n|--------|------|----------|\n",
    ));
    for status in ExitStatus::ALL {
        let mark = if status == own { "✔" } else { "" };
        text.push_str(&format!(
            "| {} | {} | {mark} |\n",
            status.code(),
            status.meaning(lang)
        ));
    }
    text.trim_end().to_owned()
}

/// The heading of an item, for the lists of items.
pub(super) fn item_heading(item: &crate::report::ItemReport, lang: Lang) -> String {
    let weight = words::weight(item, lang);
    let mark = match standing(item) {
        Standing::Passed => "✅",
        Standing::Failed => "❌",
        Standing::Skipped => "⏭️",
        Standing::Unclear => "❓",
    };
    let what = words::standing_word(item, lang);
    let title = md_inline(item.title.get(lang));
    format!("{mark} {} {title} — {what}{weight}", item.id)
}
