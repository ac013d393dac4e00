//! An explanation at a terminal. Pure.

use super::{Causes, Explanation, Mutants, Scenario};
use crate::{
    evidence::EvidenceKind,
    mutation::Mutant,
    plan::{EXTENDED, ItemId, Lang, Rule},
    report::render::{
        BOLD, Style,
        text::{columns, line, lines, wrap},
        words::{self, evidence_kind, say},
    },
};

/// Everything that is known about an item, for a person: what the plan asks first, what to do
/// when it fails last.
#[must_use]
pub fn text(explained: &Explanation<'_>, style: Style) -> String {
    let lang = style.lang;
    let item = explained.item;
    let why = say(lang, "Why it matters", "重要性");
    let mut parts = vec![
        heading(explained, style),
        block(why, &lines(item.why.get(lang)), style),
    ];
    for scenario in &explained.scenarios {
        parts.push(checked(scenario, style));
        parts.push(codes(scenario, style));
    }
    let mut said = |title: &str, body: Option<&str>| {
        if let Some(body) = body {
            parts.push(block(title, &lines(body), style));
        }
    };
    said(
        say(
            lang,
            "Control: how it knows that it can see",
            "コントロール（検証が見えていることの確認）",
        ),
        item.control.as_ref().map(|text| text.get(lang)),
    );
    said(
        say(
            lang,
            "Trap: what a naive check falls into",
            "落とし穴（単純な検証が見逃すもの）",
        ),
        item.trap.as_ref().map(|text| text.get(lang)),
    );
    if !item.rests_on.is_empty() {
        let title = say(lang, "What a pass rests on", "合格の根拠");
        parts.push(block(title, &rests_on(&item.rests_on, lang), style));
    }
    parts.push(mutants(explained.mutants.as_ref(), style));
    parts.extend(causes(&explained.causes, style));
    let next = say(lang, "When it fails", "失敗時の対応");
    parts.push(block(next, &lines(item.remedy.get(lang)), style));
    parts.join("\n\n") + "\n"
}

/// What is seen from outside, and what the candidate itself may have written.
fn rests_on(kinds: &[EvidenceKind], lang: Lang) -> String {
    let named = |own: bool| {
        let these = kinds.iter().filter(|kind| kind.by_the_candidate() == own);
        let names: Vec<&str> = these.map(|kind| evidence_kind(*kind, lang)).collect();
        names.join(say(lang, ", ", "、"))
    };
    let (outside, own) = (named(false), named(true));
    match (lang, own.is_empty()) {
        (Lang::En, true) => format!("Seen from outside: {outside}."),
        (Lang::En, false) => format!(
            "Seen from outside: {outside}. Besides, what the candidate can write itself, and which is \
             never enough: {own}."
        ),
        (Lang::Ja, true) => format!("外部から確認：{outside}。"),
        (Lang::Ja, false) => format!(
            "外部から確認：{outside}。加えて、候補自身が書き込めるため単独では根拠にならないもの：{own}。"
        ),
    }
}

fn heading(explained: &Explanation<'_>, style: Style) -> String {
    let lang = style.lang;
    let item = explained.item;
    let title = line(&format!("{} {}", item.id, item.title.get(lang)));
    let phase = explained.phase;
    let mut facts = vec![match phase.no {
        EXTENDED => line(phase.title.get(lang)),
        no => format!("Phase {no}: {}", line(phase.title.get(lang))),
    }];
    if matches!(item.id, ItemId::Plan { .. }) {
        facts.push(words::checklist(item.checklist, lang).to_owned());
    }
    let priority = words::priority(item.priority, lang);
    let minutes = item.planned_minutes;
    match lang {
        Lang::En => facts.extend([
            format!("priority: {priority}"),
            format!("planned: {minutes} min"),
        ]),
        Lang::Ja => facts.extend([
            format!("優先度：{priority}"),
            format!("予定時間：{minutes}分"),
        ]),
    }
    let mut shown = vec![
        style.paint(BOLD, &style.paragraph(2, &title)),
        format!(
            "  {}",
            style.paragraph(2, &facts.join(say(lang, ", ", "、")))
        ),
    ];
    if let Some(done) = item.done.as_ref().map(|done| done.get(lang)) {
        let label = say(lang, "checklist: ", "チェックリスト：");
        shown.push(format!(
            "  {}",
            style.paragraph(2, &format!("{label}{}", line(done)))
        ));
    }
    shown.push(format!("  {}", style.paragraph(2, &line(&explained.at))));
    shown.join("\n")
}

fn head(title: &str, style: Style) -> String {
    style.paint(BOLD, &style.paragraph(0, title))
}

/// A title with a text below it. Lines of the text that are indented by four are commands: they
/// are left whole, so that they can be copied.
fn block(title: &str, body: &str, style: Style) -> String {
    let mut shown = head(title, style);
    for line in body.trim_end().lines() {
        let kept = line.starts_with("    ");
        let room = style.width.saturating_sub(2).max(20);
        let wrapped = if kept {
            vec![line.to_owned()]
        } else {
            wrap(line, room)
        };
        for line in wrapped {
            shown.push('\n');
            shown.push_str(format!("  {line}").trim_end());
        }
    }
    shown
}

/// A list below a title, which is painted: each entry begins with its mark, and goes on beneath its text.
fn list(title: &str, entries: &[(String, String)], style: Style) -> String {
    let widest = entries.iter().map(|(mark, _)| columns(mark)).max();
    let widest = widest.unwrap_or(0);
    let mut shown = title.to_owned();
    for (mark, said) in entries {
        let blanks = " ".repeat(widest - columns(mark));
        let said = style.paragraph(widest + 4, said);
        shown.push_str(&format!("\n  {blanks}{mark}  {said}"));
    }
    shown
}

fn checked(scenario: &Scenario<'_>, style: Style) -> String {
    let label = say(style.lang, "What is checked", "検証内容");
    let place = style.paragraph(2, &line(&format!("{}  {}", scenario.name, scenario.at)));
    let steps: Vec<(String, String)> = (scenario.steps.iter())
        .map(|(at, step)| (at.to_string(), line(step)))
        .collect();
    list(
        &format!("{}\n  {place}", style.paint(BOLD, label)),
        &steps,
        style,
    )
}

fn codes(scenario: &Scenario<'_>, style: Style) -> String {
    let label = say(
        style.lang,
        "Codes that its failure can have",
        "失敗時のコード",
    );
    let codes: Vec<&str> = scenario.codes.keys().copied().collect();
    block(label, &codes.join(", "), style)
}

fn mutants(found: Option<&Mutants<'_>>, style: Style) -> String {
    let lang = style.lang;
    let title = say(
        lang,
        "Broken gateways that it must catch",
        "必ず検出する不具合（ミュータント）",
    );
    let Some(found) = found else {
        let none = say(
            lang,
            "Nobody knows: this plan has no catalogue of mutants. Name one with --mutants PATH.",
            "不明：この計画にはミュータントのカタログがありません。--mutants PATH で指定してください。",
        );
        return block(title, none, style);
    };
    let mut parts = Vec::new();
    if found.must.is_empty() {
        let none = say(
            lang,
            "None of the catalogue: no mutant shows that this check can fail.",
            "カタログに該当なし：この検証が失敗しうることを示すミュータントはありません。",
        );
        parts.push(block(title, none, style));
    } else {
        let title = match lang {
            Lang::En => format!("{title}: {}", found.must.len()),
            Lang::Ja => format!("{title}：{}件", found.must.len()),
        };
        parts.push(list(&head(&title, style), &titled(&found.must), style));
    }
    if !found.may.is_empty() {
        let title = match lang {
            Lang::En => format!(
                "May fail here, too, though other items must catch them: {}",
                found.may.len()
            ),
            Lang::Ja => format!(
                "ここでも失敗しうる{}件（検出は他の項目の役割）",
                found.may.len()
            ),
        };
        parts.push(list(&head(&title, style), &titled(&found.may), style));
    }
    if !found.along.is_empty() {
        let title = match lang {
            Lang::En => format!(
                "Break so much that this item may fail with the rest: {}",
                found.along.len()
            ),
            Lang::Ja => format!("影響が広く、この項目も失敗しうる{}件", found.along.len()),
        };
        let ids: Vec<&str> = found
            .along
            .iter()
            .map(|mutant| mutant.id.as_str())
            .collect();
        parts.push(block(&title, &line(&ids.join(", ")), style));
    }
    parts.join("\n\n")
}

fn titled(mutants: &[&Mutant]) -> Vec<(String, String)> {
    mutants
        .iter()
        .map(|mutant| bullet(&mutant.title, &mutant.id))
        .collect()
}

/// What it is, with its name behind it.
fn bullet(what: &str, id: &str) -> (String, String) {
    ("-".to_owned(), line(&format!("{what} ({id})")))
}

fn causes(found: &Causes<'_>, style: Style) -> Option<String> {
    let lang = style.lang;
    let mut parts = Vec::new();
    let named = |rules: &[&Rule]| -> Vec<(String, String)> {
        (rules.iter())
            .map(|rule| bullet(rule.cause.get(lang), &rule.id))
            .collect()
    };
    if !found.shown.is_empty() {
        let title = say(
            lang,
            "Causes that its failure can show",
            "失敗から判明しうる原因",
        );
        parts.push(list(&head(title, style), &named(&found.shown), style));
    }
    if !found.others.is_empty() {
        let title = say(
            lang,
            "Causes that other items show, and that account for its failure",
            "他の項目から判明し、この項目の失敗も説明する原因",
        );
        let ids: Vec<&str> = found.others.iter().map(|rule| rule.id.as_str()).collect();
        parts.push(block(title, &line(&ids.join(", ")), style));
    }
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
