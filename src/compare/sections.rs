//! A comparison in the words of a person, as sections of rows: what the terminal and the Markdown
//! file both show.

use super::{
    CauseRow, Change, Comparison, Fact, ItemRow, LintRow, Measured, MeasuredRow, Pace, State,
    TimeRow, Warning, WarningKind,
};
use crate::{
    lint::render::level,
    plan::Lang,
    report::render::words::{self, say},
};

/// Rows below a title.
pub(super) struct Section {
    pub title: &'static str,
    /// What must be known to read it.
    pub note: Option<String>,
    pub rows: Vec<Row>,
}

/// A row: a cell for each report.
pub(super) struct Row {
    pub label: String,
    pub cells: Vec<Cell>,
}

/// What a cell says, and whether that is good.
#[derive(Clone)]
pub(super) struct Cell {
    pub text: String,
    pub tone: Tone,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Tone {
    Plain,
    Good,
    Bad,
    Unsure,
}

fn plain(text: impl Into<String>) -> Cell {
    Cell {
        text: text.into(),
        tone: Tone::Plain,
    }
}

/// What a report is called: A, B, C.
pub(super) fn name(at: usize) -> String {
    u8::try_from(at).ok().filter(|at| *at < 26).map_or_else(
        || (at + 1).to_string(),
        |at| char::from(b'A' + at).to_string(),
    )
}

fn names(reports: &[usize], lang: Lang) -> String {
    let names: Vec<String> = reports.iter().map(|at| name(*at)).collect();
    names.join(say(lang, ", ", "、"))
}

/// Everything that is different, in the order that it is read.
pub(super) fn sections(found: &Comparison, lang: Lang) -> Vec<Section> {
    let section = |title, rows| Section {
        title,
        note: None,
        rows,
    };
    let mut sections = vec![
        section(say(lang, "Verdict", "総合評価"), verdict(found, lang)),
        section(
            say(lang, "Items that changed", "変化した項目"),
            found.items.iter().map(|row| item(row, lang)).collect(),
        ),
        section(
            say(lang, "Findings that came or went", "検出された問題の増減"),
            findings(found, lang),
        ),
        section(
            say(lang, "Causes that came or went", "原因の増減"),
            found.causes.iter().map(|row| cause(row, lang)).collect(),
        ),
        section(
            say(
                lang,
                "Lint findings that came or went",
                "静的チェックの指摘の増減",
            ),
            found.lint.iter().map(|row| lint(row, lang)).collect(),
        ),
        Section {
            title: say(
                lang,
                "Candidate against baseline, measured",
                "新旧比較の測定値",
            ),
            note: Some(measured_note(lang).to_owned()),
            rows: (found.measured.iter())
                .flat_map(|row| measured(row, lang))
                .collect(),
        },
        Section {
            title: say(lang, "Times beyond noise", "ノイズを超える時間の変化"),
            note: Some(times_note(lang).to_owned()),
            rows: found
                .times
                .items
                .iter()
                .map(|row| time(row, lang))
                .collect(),
        },
        section(
            say(lang, "Not the same runs", "実行条件の違い"),
            facts(found, lang),
        ),
    ];
    sections.retain(|section| !section.rows.is_empty());
    sections
}

fn measured_note(lang: Lang) -> &'static str {
    say(
        lang,
        "The ratio of the medians with its 95 % interval: slower or faster only where the intervals do not touch, a tenth apart, on the same baseline.",
        "中央値の比と 95 % 区間。旧設定が同じで、区間が重ならず、1割以上離れている場合だけを変化とみなします。",
    )
}

fn times_note(lang: Lang) -> &'static str {
    say(
        lang,
        "One time a run: only items that stand out of what all the others did between the same two runs. No part of --exit-code.",
        "1回の実行につき1つの値です。同じ2つの実行の他の項目と比べて突出した項目だけを示します（--exit-code には影響しません）。",
    )
}

fn verdict(found: &Comparison, lang: Lang) -> Vec<Row> {
    let of = |verdict| match verdict {
        Some(verdict) => words::verdict(verdict, lang).0,
        None => say(lang, "partial run", "部分実行"),
    };
    let mut cells: Vec<Cell> = (found.verdict.verdicts.iter())
        .map(|one| plain(of(*one)))
        .collect();
    for (at, worse) in found.verdict.worse.iter().enumerate() {
        if *worse {
            cells[at + 1].tone = Tone::Bad;
        }
    }
    let mut rows = vec![Row {
        label: say(lang, "verdict", "評価").to_owned(),
        cells,
    }];
    let mut count = |label: &str, of: &dyn Fn(&super::Column) -> String| {
        let values: Vec<String> = found.reports.iter().map(of).collect();
        // A row of nothing tells nothing.
        if values.iter().any(|value| value != "0") {
            let label = label.to_owned();
            let cells = values.into_iter().map(plain).collect();
            rows.push(Row { label, cells });
        }
    };
    count(say(lang, "passed", "成功"), &|report| {
        report.passed.to_string()
    });
    count(say(lang, "failed", "失敗"), &|report| {
        report.failed.to_string()
    });
    count(say(lang, "skipped", "スキップ"), &|report| {
        report.skipped.to_string()
    });
    count(say(lang, "inconclusive", "判定不能"), &|report| {
        report.inconclusive.to_string()
    });
    count(say(lang, "duration", "所要時間"), &|report| {
        words::duration(report.duration_ms)
    });
    rows
}

/// What an item came to.
pub fn state(state: State, lang: Lang) -> &'static str {
    match state {
        State::Passed => say(lang, "passed", "成功"),
        State::Failed => say(lang, "failed", "失敗"),
        State::Skipped => say(lang, "skipped", "スキップ"),
        State::Inconclusive => say(lang, "inconclusive", "判定不能"),
        State::NotChosen => say(lang, "not chosen", "対象外"),
        State::Absent => say(lang, "not in the plan", "計画になし"),
    }
}

fn item(row: &ItemRow, lang: Lang) -> Row {
    let mut cells: Vec<Cell> = row
        .states
        .iter()
        .map(|one| plain(state(*one, lang)))
        .collect();
    for (at, change) in row.changes.iter().enumerate() {
        let cell = &mut cells[at + 1];
        match change {
            None => {}
            Some(Change::NewlyFailing) => {
                say(lang, "newly failing", "新たに失敗").clone_into(&mut cell.text);
                cell.tone = Tone::Bad;
            }
            Some(Change::Fixed) => {
                say(lang, "fixed", "修正済み").clone_into(&mut cell.text);
                cell.tone = Tone::Good;
            }
            Some(Change::NowProven) => cell.tone = Tone::Good,
            Some(Change::NoLongerProven | Change::NoLongerJudged | Change::Unjudged) => {
                cell.tone = Tone::Unsure;
            }
        }
    }
    Row {
        label: format!("{} {}", row.id, row.title.get(lang)),
        cells,
    }
}

fn findings(found: &Comparison, lang: Lang) -> Vec<Row> {
    let rows = found.findings.iter().map(|row| Row {
        label: format!("{} {}", row.id, row.title.get(lang)),
        cells: (row.severities.iter())
            .map(|severity| plain(severity.map_or("-", |it| words::severity(it, lang))))
            .collect(),
    });
    rows.collect()
}

fn cause(row: &CauseRow, lang: Lang) -> Row {
    let explains = |items: &Vec<_>| {
        let ids: Vec<String> = items.iter().map(ToString::to_string).collect();
        plain(if ids.is_empty() {
            "-".to_owned()
        } else {
            ids.join(", ")
        })
    };
    Row {
        label: format!("{}: {}", row.rule, row.cause.get(lang)),
        cells: row.explains.iter().map(explains).collect(),
    }
}

fn lint(row: &LintRow, lang: Lang) -> Row {
    // The folder is the same for all of them, or says nothing here.
    let short = |place: &String| place.rsplit('/').next().unwrap_or(place).to_owned();
    let places = |places: &Vec<String>| {
        let short: Vec<String> = places.iter().map(short).collect();
        plain(if short.is_empty() {
            "-".to_owned()
        } else {
            short.join(", ")
        })
    };
    Row {
        label: format!(
            "{} {}: {}",
            level(row.level, lang),
            row.rule,
            row.what.get(lang)
        ),
        cells: row.places.iter().map(places).collect(),
    }
}

fn paced(cells: &mut [Cell], paces: &[Option<Pace>], lang: Lang) {
    for (at, pace) in paces.iter().enumerate() {
        let Some(pace) = pace else { continue };
        let (word, tone) = match pace {
            Pace::Slower => (say(lang, "slower", "低速化"), Tone::Bad),
            Pace::Faster => (say(lang, "faster", "高速化"), Tone::Good),
        };
        let cell = &mut cells[at + 1];
        cell.text = format!("{} {word}", cell.text);
        cell.tone = tone;
    }
}

fn measured(row: &MeasuredRow, lang: Lang) -> [Row; 2] {
    let told = |say: &dyn Fn(&Measured) -> String| -> Vec<Cell> {
        let cell = |found: &Option<Measured>| plain(found.as_ref().map_or("-".to_owned(), say));
        row.found.iter().map(cell).collect()
    };
    let mut ratios = told(&|it| {
        let (low, high) = it.interval;
        format!("{:.3} ({low:.3}-{high:.3})", it.ratio)
    });
    paced(&mut ratios, &row.paces, lang);
    let medians = told(&|it| format!("{:.3} -> {:.3} ms", it.baseline_ms, it.candidate_ms));
    let label = |what: &str| format!("{} {what}", row.id);
    [
        Row {
            label: label(say(lang, "ratio", "比")),
            cells: ratios,
        },
        Row {
            label: label(say(lang, "medians", "中央値")),
            cells: medians,
        },
    ]
}

fn time(row: &TimeRow, lang: Lang) -> Row {
    let told = |ms: &Option<f64>| plain(ms.map_or("-".to_owned(), words::duration));
    let mut cells: Vec<Cell> = row.ms.iter().map(told).collect();
    paced(&mut cells, &row.paces, lang);
    Row {
        label: row.id.to_string(),
        cells,
    }
}

fn facts(found: &Comparison, lang: Lang) -> Vec<Row> {
    let label = |fact: &Fact| match fact {
        Fact::Candidate => say(lang, "candidate", "新設定").to_owned(),
        Fact::Baseline => say(lang, "baseline", "旧設定").to_owned(),
        Fact::Plan => say(lang, "plan", "計画").to_owned(),
        Fact::Chosen => say(lang, "items chosen", "選択した項目").to_owned(),
        Fact::Profile => say(lang, "profile", "プロファイル").to_owned(),
        Fact::Stack => say(lang, "stack", "スタック").to_owned(),
        Fact::Component(service) => service.clone(),
    };
    let rows = found.facts.iter().map(|row| Row {
        label: label(&row.fact),
        cells: (row.values.iter())
            .map(|value| plain(if value.is_empty() { "-" } else { value }))
            .collect(),
    });
    rows.collect()
}

/// What speaks against comparing the reports.
pub(super) fn warning(warning: &Warning, lang: Lang) -> String {
    let which = names(&warning.reports, lang);
    let one = warning.reports.len() == 1;
    let verb = |one_en: &str, many_en: &str| {
        if one {
            one_en.to_owned()
        } else {
            many_en.to_owned()
        }
    };
    match (warning.kind, lang) {
        (WarningKind::SameRun, Lang::En) => format!("{which}: this very run was given before"),
        (WarningKind::SameRun, Lang::Ja) => format!("{which}：同じ実行がすでに指定されています"),
        (WarningKind::Contradiction, Lang::En) => format!(
            "{which} {}: do not trust it; `verify gate` says what is wrong",
            verb("contradicts itself", "contradict themselves")
        ),
        (WarningKind::Contradiction, Lang::Ja) => {
            format!("{which}：内容が矛盾しており信頼できません（`verify gate` で確認できます）")
        }
        (WarningKind::CutOff, Lang::En) => format!(
            "{which} did not come to {} end: what is missing says nothing about the candidate",
            verb("its", "their")
        ),
        (WarningKind::CutOff, Lang::Ja) => {
            format!("{which}：最後まで実行されていません。欠けた項目は新設定の良否を示しません")
        }
        (kind, Lang::En) => {
            let (what, so) = unlike_en(kind);
            format!("{which} {} {what} than A: {so}", verb("has", "have"))
        }
        (kind, Lang::Ja) => {
            let (what, so) = unlike_ja(kind);
            format!("{which}：A と{what}が異なります。{so}")
        }
    }
}

fn unlike_en(kind: WarningKind) -> (&'static str, &'static str) {
    match kind {
        WarningKind::Plan => (
            "another plan",
            "items of the same number may be other checks",
        ),
        WarningKind::Selection => (
            "another selection of items",
            "only what was chosen in both is compared",
        ),
        WarningKind::Profile => (
            "another profile",
            "other paths, keys and thresholds were checked",
        ),
        WarningKind::Baseline => (
            "another baseline",
            "measurements against it are not compared",
        ),
        _ => ("another kind of stack", "times are not compared"),
    }
}

fn unlike_ja(kind: WarningKind) -> (&'static str, &'static str) {
    match kind {
        WarningKind::Plan => ("計画", "同じ番号でも別の検証かもしれません"),
        WarningKind::Selection => ("選択した項目", "両方で選択した項目だけを比較します"),
        WarningKind::Profile => ("プロファイル", "パス、キー、しきい値が異なります"),
        WarningKind::Baseline => ("旧設定", "旧設定に対する測定値は比較しません"),
        _ => ("スタックの種類", "時間は比較しません"),
    }
}

/// How much longer everything may take before that is worth a word.
const LEVEL: std::ops::Range<f64> = 0.8..1.25;

/// For each report but the first, in one line what became of it.
pub(super) fn conclusions(found: &Comparison, lang: Lang) -> Vec<Cell> {
    (1..found.reports.len())
        .map(|at| conclusion(found, at, lang))
        .collect()
}

fn conclusion(found: &Comparison, at: usize, lang: Lang) -> Cell {
    let changes: Vec<Change> = (found.items.iter())
        .filter_map(|row| row.changes[at - 1])
        .collect();
    let count = |wanted: Change| changes.iter().filter(|change| **change == wanted).count();
    let words = [
        (Change::NewlyFailing, "newly failing", "新たに失敗"),
        (Change::Fixed, "fixed", "修正済み"),
        (
            Change::NoLongerProven,
            "passed before, not known now",
            "成功から不明へ",
        ),
        (
            Change::NoLongerJudged,
            "failed before, not known now",
            "失敗から不明へ",
        ),
        (
            Change::NowProven,
            "not known before, pass now",
            "不明から成功へ",
        ),
        (
            Change::Unjudged,
            "not known, for another reason",
            "不明（理由の変化）",
        ),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (change, en, ja) in words {
        match (count(change), lang) {
            (0, _) => {}
            (count, Lang::En) => parts.push(format!("{count} {en}")),
            (count, Lang::Ja) => parts.push(format!("{ja} {count}件")),
        }
    }
    if parts.is_empty() {
        parts.push(say(lang, "no item changed", "項目の変化なし").to_owned());
    }
    let overall = found.times.overall.get(at - 1).copied().flatten();
    if let Some(overall) = overall.filter(|overall| !LEVEL.contains(overall)) {
        parts.push(match lang {
            Lang::En => format!("all items took about {overall:.1} times as long"),
            Lang::Ja => format!("全項目の所要時間は約 {overall:.1} 倍"),
        });
    }
    let pair = match lang {
        Lang::En => format!("{} against {}: ", name(at), name(at - 1)),
        Lang::Ja => format!("{} と {} の比較：", name(at), name(at - 1)),
    };
    let worse = changes.iter().any(|change| change.is_worse()) || found.verdict.worse[at - 1];
    let better = count(Change::Fixed) + count(Change::NowProven) > 0;
    Cell {
        text: format!("{pair}{}", parts.join(say(lang, ", ", "、"))),
        tone: match (worse, better) {
            (true, _) => Tone::Bad,
            (false, true) => Tone::Good,
            (false, false) => Tone::Plain,
        },
    }
}
