//! At a terminal: what did not pass, in full, and the rollback.

use super::{
    Style, causes,
    failure::{self, field, fields},
    table::{BOLD, GREEN, RED, YELLOW},
    text::{line, lines},
    words::{self, say},
};
use crate::{
    report::{ItemReport, RunReport},
    verdict::{Standing, standing},
};

/// Whatever failed or could not tell, each in full; those that could not tell for the very
/// same cause, together. What a cause above accounts for is shown by one of its items.
pub fn details(report: &RunReport, style: Style) -> Vec<String> {
    let mut groups: Vec<Vec<&ItemReport>> = Vec::new();
    for item in report.items.iter().chain(&report.extended) {
        match standing(item) {
            Standing::Passed | Standing::Skipped => {}
            Standing::Failed if causes::is_told(report, item.id) => {}
            Standing::Failed => groups.push(vec![item]),
            Standing::Unclear => match groups.last_mut() {
                Some(group) if same_cause(group[0], item) => group.push(item),
                _ => groups.push(vec![item]),
            },
        }
    }
    groups
        .iter()
        .map(|group| detail(report, group, style))
        .collect()
}

fn same_cause(first: &ItemReport, next: &ItemReport) -> bool {
    standing(first) == Standing::Unclear
        && first.failure == next.failure
        && first.reason == next.reason
}

fn detail(report: &RunReport, group: &[&ItemReport], style: Style) -> String {
    let lang = style.lang;
    let item = group[0];
    let failed = standing(item) == Standing::Failed;
    let next = say(lang, "next", "対応");
    let title = style.paint(if failed { RED } else { YELLOW }, &title(group, style));
    let mut shown: Vec<(&str, String)> = Vec::new();
    match &item.failure {
        Some(failure) => shown.extend(failure::told(failure, lang)),
        None => shown.push((
            failure::reason_label(lang),
            lines(&words::reason(item, lang)),
        )),
    }
    if failed {
        shown.push((say(lang, "matters", "重要性"), lines(item.why.get(lang))));
        if causes::number(report, item.id).is_none() {
            shown.push((next, lines(item.remedy.get(lang))));
        }
    } else {
        shown.push((next, words::rerun_advice(lang).to_owned()));
    }
    title + &fields(&shown, style)
}

fn title(group: &[&ItemReport], style: Style) -> String {
    let lang = style.lang;
    let item = group[0];
    let what = words::standing_word(item, lang);
    if group.len() > 1 {
        let ids: Vec<String> = group.iter().map(|item| item.id.to_string()).collect();
        return style.paragraph(2, &format!("{}: {what}", ids.join(", ")));
    }
    let weight = words::weight(item, lang);
    let title = item.title.get(lang);
    style.paragraph(2, &line(&format!("{} {title}{weight}: {what}", item.id)))
}

/// The plan's ロールバック手順, and what was done of it.
pub fn rollback(report: &RunReport, style: Style) -> String {
    let lang = style.lang;
    let executed = if report.rollback.executed {
        say(lang, "Rollback, carried out", "ロールバック（実施済み）")
    } else {
        say(
            lang,
            "Rollback required, not carried out; by hand",
            "ロールバックが必要（未実施）：手動で実施",
        )
    };
    let mut text = style.paint(BOLD, &style.paragraph(2, executed));
    for (step, no) in report.rollback.steps.iter().zip(1..) {
        let state = match step.ok {
            None => String::new(),
            Some(true) => format!(": {}", style.paint(GREEN, say(lang, "done", "完了"))),
            Some(false) => format!(": {}", style.paint(RED, say(lang, "FAILED", "失敗"))),
        };
        text.push_str(&format!("\n  {no}. {}{state}", line(step.title.get(lang))));
        for command in lines(&step.command).lines() {
            text.push_str(&format!("\n         {command}"));
        }
        if step.ok.is_some() {
            text.push_str(&field("   ", &lines(&step.seen), false, style));
        }
    }
    text
}
