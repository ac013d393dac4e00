//! In `report.md`: each item with what was done and seen, and the rollback.

use super::{
    markdown::item_heading,
    text::{md_code, md_fence, md_inline, md_prose},
    words::{self, say},
};
use crate::{
    engine::event::{StepRecord, StepStatus},
    plan::Lang,
    report::{ItemReport, RunReport},
    verdict::{Standing, is_selected, standing},
};

/// Every item that was chosen, by phase; extended checks last.
pub fn items(report: &RunReport, lang: Lang) -> String {
    let mut text = String::from(say(
        lang,
        "## 🔍 Evidence of each item\n",
        "## 🔍 項目ごとの証跡\n",
    ));
    for phase in &report.phases {
        let mut chosen = (report.items.iter())
            .filter(|item| item.phase == phase.id && is_selected(item))
            .peekable();
        if chosen.peek().is_none() {
            continue;
        }
        let title = md_inline(phase.title.get(lang));
        text.push_str(&format!("\n### Phase {}: {title}\n", phase.id));
        chosen.for_each(|item| text.push_str(&self::item(item, lang)));
    }
    if !report.extended.is_empty() {
        let title = say(lang, "Extended checks", "追加検証");
        text.push_str(&format!("\n### {title}\n"));
        for item in &report.extended {
            text.push_str(&self::item(item, lang));
        }
    }
    text
}

pub(super) fn item(item: &ItemReport, lang: Lang) -> String {
    let mut text = format!("\n#### {}\n\n", item_heading(item, lang));
    let took = words::duration(item.duration_ms);
    text.push_str(&match lang {
        Lang::En => format!(
            "Took {took}; the plan allows {} min.\n",
            item.planned_minutes
        ),
        Lang::Ja => format!("所要時間 {took}（計画：{}分）\n", item.planned_minutes),
    });
    if standing(item) != Standing::Passed {
        text.push_str(&trouble(item, lang));
    }
    if !item.steps.is_empty() {
        text.push_str(&steps(&item.steps, lang));
    }
    for evidence in &item.evidence {
        let kind = words::evidence_kind(evidence.kind, lang);
        let title = md_inline(&evidence.title);
        text.push_str(&format!(
            "\n{kind}: {title}\n\n{}",
            md_fence(&evidence.body)
        ));
    }
    text
}

/// What did not come out, why it matters and what to do.
fn trouble(item: &ItemReport, lang: Lang) -> String {
    let mut text = String::new();
    let mut paragraph = |label: &str, body: &str| {
        let blank = if body.starts_with('\n') { "" } else { " " };
        text.push_str(&format!("\n**{label}**:{blank}{body}\n"));
    };
    let Some(failure) = &item.failure else {
        let reason = md_inline(&words::reason(item, lang));
        paragraph(say(lang, "Reason", "理由"), &reason);
        if standing(item) == Standing::Unclear {
            paragraph(
                say(lang, "What to do next", "対応"),
                words::rerun_advice(lang),
            );
        }
        return text;
    };
    paragraph(
        say(lang, "What was done", "実施内容"),
        &md_inline(&failure.did),
    );
    paragraph(
        say(lang, "Expected", "期待結果"),
        &md_inline(&failure.expected),
    );
    let seen = format!("\n\n{}", md_fence(&failure.seen));
    paragraph(say(lang, "Seen", "実際の結果"), seen.trim_end());
    if standing(item) == Standing::Failed {
        paragraph(
            say(lang, "Why it matters", "重要性"),
            md_prose(item.why.get(lang)).trim_end(),
        );
        let remedy = format!("\n\n{}", md_prose(item.remedy.get(lang)));
        paragraph(say(lang, "What to do next", "対応"), remedy.trim_end());
    } else {
        paragraph(
            say(lang, "What to do next", "対応"),
            words::rerun_advice(lang),
        );
    }
    text
}

fn steps(steps: &[StepRecord], lang: Lang) -> String {
    let title = say(lang, "Steps", "手順");
    let mut text = format!("\n{title}:\n\n");
    for (step, no) in steps.iter().zip(1..) {
        let mark = match step.status {
            StepStatus::Passed => "✅",
            StepStatus::Failed => "❌",
            StepStatus::Skipped => "⏭️",
        };
        text.push_str(&format!(
            "{no}. {mark} {} ({}, {:.1} ms)\n",
            md_inline(&step.text),
            md_code(&step.at),
            step.duration_ms
        ));
    }
    text
}

/// The plan's ロールバック手順, and what was done of it.
pub fn rollback(report: &RunReport, lang: Lang) -> String {
    let mut text = String::from(say(
        lang,
        "## 🔄 Rollback\n\n",
        "## 🔄 ロールバック手順\n\n",
    ));
    text.push_str(match (report.rollback.executed, lang) {
        (true, Lang::En) => "Carried out:\n",
        (true, Lang::Ja) => "実施済み：\n",
        (false, Lang::En) => "Required, not carried out; by hand:\n",
        (false, Lang::Ja) => "必要（未実施）。以下の手順で実施します：\n",
    });
    for (step, no) in report.rollback.steps.iter().zip(1..) {
        let state = match step.ok {
            None => "",
            Some(true) => " ✅",
            Some(false) => " ❌",
        };
        let title = md_inline(step.title.get(lang));
        text.push_str(&format!("\n{no}. {title}{state}\n\n"));
        for block in [&step.command, &step.seen] {
            if !block.is_empty() {
                for line in md_fence(block).lines() {
                    text.push_str(format!("   {line}").trim_end());
                    text.push('\n');
                }
            }
        }
    }
    text
}
