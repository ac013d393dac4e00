//! An explanation at a terminal. Pure.

use super::{Causes, Explanation, Mutants, Scenario};
use crate::{
    evidence::EvidenceKind,
    plan::{EXTENDED, ItemId, Lang},
    report::layout::{block, list, title},
    report::render::{
        BOLD, Style,
        text::{line, lines},
        words::{self, evidence_kind, say},
    },
};

/// Everything that is known about an item, for a person: what the plan asks first, what to do
/// when it fails last.
#[must_use]
pub fn text(explained: &Explanation<'_>, style: Style) -> String {
    let lang = style.lang;
    let item = explained.item;
    let told = |en, ja, body: &str| block(say(lang, en, ja), &lines(body), style);
    let mut parts = vec![
        heading(explained, style),
        told("Why it matters", "重要性", item.why.get(lang)),
    ];
    for scenario in &explained.scenarios {
        parts.push(checked(scenario, style));
        let codes: Vec<&str> = scenario.codes.iter().copied().collect();
        if !codes.is_empty() {
            let codes = codes.join(", ");
            parts.push(told(
                "Codes that its failure can have",
                "失敗時のコード",
                &codes,
            ));
        }
    }
    if let Some(control) = &item.control {
        parts.push(told(
            "Control: how it knows that it can see",
            "コントロール（検証が見えていることの確認）",
            control.get(lang),
        ));
    }
    if let Some(trap) = &item.trap {
        parts.push(told(
            "Trap: what a naive check falls into",
            "落とし穴（単純な検証が見逃すもの）",
            trap.get(lang),
        ));
    }
    if !item.rests_on.is_empty() {
        let body = rests_on(&item.rests_on, lang);
        parts.push(told("What a pass rests on", "合格の根拠", &body));
    }
    mutants(explained.mutants.as_ref(), style, &mut parts);
    causes(&explained.causes, style, &mut parts);
    parts.push(told("When it fails", "失敗時の対応", item.remedy.get(lang)));
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
    let name = line(&format!("{} {}", item.id, item.title.get(lang)));
    let phase = line(explained.phase.title.get(lang));
    let mut facts = vec![match explained.phase.no {
        EXTENDED => phase,
        no => format!("Phase {no}: {phase}"),
    }];
    if matches!(item.id, ItemId::Plan { .. }) {
        facts.push(words::checklist(item.checklist, lang).to_owned());
    }
    let priority = words::priority(item.priority, lang);
    let minutes = item.planned_minutes;
    facts.extend(match lang {
        Lang::En => [
            format!("priority: {priority}"),
            format!("planned: {minutes} min"),
        ],
        Lang::Ja => [
            format!("優先度：{priority}"),
            format!("予定時間：{minutes}分"),
        ],
    });
    let mut below = vec![facts.join(say(lang, ", ", "、"))];
    if let Some(done) = &item.done {
        let label = say(lang, "checklist: ", "チェックリスト：");
        below.push(format!("{label}{}", line(done.get(lang))));
    }
    below.push(line(&explained.at));
    let mut shown = style.paint(BOLD, &style.paragraph(2, &name));
    for text in below {
        shown.push_str(&format!("\n  {}", style.paragraph(2, &text)));
    }
    shown
}

fn checked(scenario: &Scenario<'_>, style: Style) -> String {
    let label = title(say(style.lang, "What is checked", "検証内容"), style);
    let place = style.paragraph(2, &line(&format!("{}  {}", scenario.name, scenario.at)));
    let steps = scenario.steps.iter();
    let steps: Vec<_> = steps
        .map(|(at, step)| (at.to_string(), line(step)))
        .collect();
    list(&format!("{label}\n  {place}"), &steps, style)
}

/// What each is, with its name behind it.
fn named<'a>(these: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    these
        .map(|(what, id)| ("-".to_owned(), line(&format!("{what} ({id})"))))
        .collect()
}

fn mutants(found: Option<&Mutants<'_>>, style: Style, parts: &mut Vec<String>) {
    let lang = style.lang;
    let heading = say(
        lang,
        "Broken gateways that it must catch",
        "必ず検出する不具合（ミュータント）",
    );
    let Some(found) = found else {
        let none = say(
            lang,
            "Not known: this plan has no catalogue of mutants. Name one with --mutants PATH.",
            "不明：この計画にはミュータントのカタログがありません。--mutants PATH で指定してください。",
        );
        parts.push(block(heading, none, style));
        return;
    };
    let (must, may, along) = (found.must.len(), found.may.len(), found.along.len());
    if must == 0 {
        let none = say(
            lang,
            "None of the catalogue: no mutant shows that this check can fail.",
            "カタログに該当なし：この検証が失敗しうることを示すミュータントはありません。",
        );
        parts.push(block(heading, none, style));
    }
    let must_title = match lang {
        Lang::En => format!("{heading}: {must}"),
        Lang::Ja => format!("{heading}：{must}件"),
    };
    let may_title = match lang {
        Lang::En => {
            format!("May fail here, too, though other items must catch them: {may}")
        }
        Lang::Ja => format!("ここでも失敗しうる{may}件（検出は他の項目の役割）"),
    };
    for (heading, mutants) in [(must_title, &found.must), (may_title, &found.may)] {
        if !mutants.is_empty() {
            let mutants = mutants.iter().map(|it| (it.title.as_str(), it.id.as_str()));
            parts.push(list(&title(&heading, style), &named(mutants), style));
        }
    }
    if along > 0 {
        let heading = match lang {
            Lang::En => format!("Break so much that this item may fail with the rest: {along}"),
            Lang::Ja => format!("影響が広く、この項目も失敗しうる{along}件"),
        };
        let ids: Vec<&str> = found.along.iter().map(|it| it.id.as_str()).collect();
        parts.push(block(&heading, &line(&ids.join(", ")), style));
    }
}

fn causes(found: &Causes<'_>, style: Style, parts: &mut Vec<String>) {
    let lang = style.lang;
    if !found.shown.is_empty() {
        let heading = say(
            lang,
            "Causes that its failure can show",
            "失敗から判明しうる原因",
        );
        let shown = found.shown.iter();
        let causes = named(shown.map(|it| (it.cause.get(lang), it.id.as_str())));
        parts.push(list(&title(heading, style), &causes, style));
    }
    if !found.others.is_empty() {
        let heading = say(
            lang,
            "Causes that other items show, and that account for its failure",
            "他の項目から判明し、この項目の失敗も説明する原因",
        );
        let ids: Vec<&str> = found.others.iter().map(|rule| rule.id.as_str()).collect();
        parts.push(block(heading, &line(&ids.join(", ")), style));
    }
}
