//! A comparison in the words of a person, as tables: what the terminal and the Markdown file both show.

use super::{Change, Comparison, Fact, ItemRow, Measured, Pace, State, Warning, WarningKind};
use crate::{
    lint::render::level,
    plan::Lang,
    report::layout::{Cell, Row, Table, Tone},
    report::render::words::{self, say},
};

/// A table below a title.
pub(super) struct Section {
    pub title: &'static str,
    /// What must be known to read it.
    pub note: Option<&'static str>,
    pub table: Table,
}

/// What a report is called: A, B, C.
pub(super) fn name(at: usize) -> String {
    u8::try_from(at).ok().filter(|at| *at < 26).map_or_else(
        || (at + 1).to_string(),
        |at| char::from(b'A' + at).to_string(),
    )
}

/// What an item came to.
#[must_use]
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

/// A row with what each report has, `-` where that is nothing.
fn row<T>(label: impl Into<String>, values: &[T], say: impl Fn(&T) -> String) -> Row {
    let cell = |value| match say(value) {
        said if said.is_empty() => Cell::from("-"),
        said => Cell::from(said),
    };
    Row {
        label: label.into(),
        cells: values.iter().map(cell).collect(),
    }
}

/// Everything that is different, in the order that it is read.
pub(super) fn sections(found: &Comparison, lang: Lang) -> Vec<Section> {
    let columns: Vec<String> = (0..found.reports.len()).map(name).collect();
    let section = |en, ja, rows| Section {
        title: say(lang, en, ja),
        note: None,
        table: Table {
            corner: "",
            columns: columns.clone(),
            rows,
        },
    };
    let noted = |note, section| Section {
        note: Some(note),
        ..section
    };
    let items = found.items.iter().map(|one| item(one, lang)).collect();
    let findings = found.findings.iter().map(|one| {
        let label = format!("{} {}", one.id, one.title.get(lang));
        row(label, &one.severities, |severity| {
            severity.map_or(String::new(), |it| words::severity(it, lang).to_owned())
        })
    });
    let causes = found.causes.iter().map(|one| {
        let label = format!("{}: {}", one.rule, one.cause.get(lang));
        row(label, &one.explains, |items| {
            let ids: Vec<String> = items.iter().map(ToString::to_string).collect();
            ids.join(", ")
        })
    });
    let lint = found.lint.iter().map(|one| {
        let level = level(one.level, lang);
        let label = format!("{level} {}: {}", one.rule, one.what.get(lang));
        row(label, &one.places, |places| {
            // The folder is the same for all of them, or says nothing here.
            let short = |place: &String| place.rsplit('/').next().unwrap_or(place).to_owned();
            let short: Vec<String> = places.iter().map(short).collect();
            short.join(", ")
        })
    });
    let times = found.times.items.iter().map(|one| {
        let took = |ms: &Option<f64>| ms.map_or(String::new(), words::duration);
        paced(row(one.id.to_string(), &one.ms, took), &one.paces, lang)
    });
    let facts =
        (found.facts.iter()).map(|one| row(fact(&one.fact, lang), &one.values, String::clone));
    let mut sections = vec![
        section("Verdict", "総合評価", verdict(found, lang)),
        section("Items that changed", "変化した項目", items),
        section(
            "Findings that came or went",
            "検出された問題の増減",
            findings.collect(),
        ),
        section("Causes that came or went", "原因の増減", causes.collect()),
        section(
            "Lint findings that came or went",
            "静的チェックの指摘の増減",
            lint.collect(),
        ),
        noted(
            say(
                lang,
                "The ratio of the medians with its 95 % interval: slower or faster only where the intervals do not touch, a tenth apart, on the same baseline.",
                "中央値の比と 95 % 区間。旧設定が同じで、区間が重ならず、1割以上離れている場合だけを変化とみなします。",
            ),
            section(
                "Candidate against baseline, measured",
                "新旧比較の測定値",
                measured(found, lang),
            ),
        ),
        noted(
            say(
                lang,
                "One time a run: only items that stand out of what all the others did between the same two runs. No part of --exit-code.",
                "1回の実行につき1つの値です。同じ2つの実行の他の項目と比べて突出した項目だけを示します（--exit-code には影響しません）。",
            ),
            section(
                "Times beyond noise",
                "ノイズを超える時間の変化",
                times.collect(),
            ),
        ),
        section("Not the same runs", "実行条件の違い", facts.collect()),
    ];
    sections.retain(|section| !section.table.rows.is_empty());
    sections
}

fn verdict(found: &Comparison, lang: Lang) -> Vec<Row> {
    let reports = &found.reports;
    let mut first = row(
        say(lang, "verdict", "評価"),
        &found.verdict.verdicts,
        |verdict| match verdict {
            Some(verdict) => words::verdict(*verdict, lang).0.to_owned(),
            None => say(lang, "partial run", "部分実行").to_owned(),
        },
    );
    for (cell, worse) in first.cells.iter_mut().skip(1).zip(&found.verdict.worse) {
        if *worse {
            cell.tone = Tone::Bad;
        }
    }
    let mut rows = vec![first];
    for at in 0..4 {
        // A row of nothing tells nothing.
        if let Some(some) = reports.iter().find(|report| report.counts.each()[at].1 > 0) {
            let label = state(some.counts.each()[at].0, lang);
            rows.push(row(label, reports, |report| {
                report.counts.each()[at].1.to_string()
            }));
        }
    }
    rows.push(row(
        say(lang, "duration", "所要時間"),
        reports,
        |report| words::duration(report.duration_ms),
    ));
    rows
}

fn item(one: &ItemRow, lang: Lang) -> Row {
    let label = format!("{} {}", one.id, one.title.get(lang));
    let mut shown = row(label, &one.states, |it| state(*it, lang).to_owned());
    for (cell, change) in shown.cells.iter_mut().skip(1).zip(&one.changes) {
        let Some(change) = change else { continue };
        let (word, tone) = match change {
            Change::NewlyFailing => (Some(say(lang, "newly failing", "新たに失敗")), Tone::Bad),
            Change::Fixed => (Some(say(lang, "fixed", "修正済み")), Tone::Good),
            Change::NowProven => (None, Tone::Good),
            Change::NoLongerProven | Change::NoLongerJudged | Change::Unjudged => {
                (None, Tone::Unsure)
            }
        };
        cell.text = word.map_or_else(|| cell.text.clone(), str::to_owned);
        cell.tone = tone;
    }
    shown
}

/// With the word of what became of each time.
fn paced(mut row: Row, paces: &[Option<Pace>], lang: Lang) -> Row {
    for (cell, pace) in row.cells.iter_mut().skip(1).zip(paces) {
        let (word, tone) = match pace {
            None => continue,
            Some(Pace::Slower) => (say(lang, "slower", "低速化"), Tone::Bad),
            Some(Pace::Faster) => (say(lang, "faster", "高速化"), Tone::Good),
        };
        cell.text = format!("{} {word}", cell.text);
        cell.tone = tone;
    }
    row
}

fn measured(found: &Comparison, lang: Lang) -> Vec<Row> {
    let rows = found.measured.iter().flat_map(|one| {
        let told = |what: &str, say: fn(&Measured) -> String| {
            row(format!("{} {what}", one.id), &one.found, |found| {
                found.as_ref().map_or(String::new(), say)
            })
        };
        let ratios = told(say(lang, "ratio", "比"), |it| {
            let (low, high) = it.interval;
            format!("{:.3} ({low:.3}-{high:.3})", it.ratio)
        });
        let medians = told(say(lang, "medians", "中央値"), |it| {
            format!("{:.3} -> {:.3} ms", it.baseline_ms, it.candidate_ms)
        });
        [paced(ratios, &one.paces, lang), medians]
    });
    rows.collect()
}

fn fact(fact: &Fact, lang: Lang) -> &str {
    match fact {
        Fact::Candidate => say(lang, "candidate", "新設定"),
        Fact::Baseline => say(lang, "baseline", "旧設定"),
        Fact::Plan => say(lang, "plan", "計画"),
        Fact::Chosen => say(lang, "items chosen", "選択した項目"),
        Fact::Profile => say(lang, "profile", "プロファイル"),
        Fact::Stack => say(lang, "stack", "スタック"),
        Fact::Component(service) => service,
    }
}

/// What speaks against comparing the reports.
pub(super) fn warning(warning: &Warning, lang: Lang) -> String {
    let names: Vec<String> = warning.reports.iter().map(|at| name(*at)).collect();
    let (en, ja) = match warning.kind {
        WarningKind::SameRun => (
            "this very run was given before",
            "同じ実行がすでに指定されています",
        ),
        WarningKind::Contradiction => (
            "the report contradicts itself, do not trust it; `verify gate` says what is wrong",
            "内容が矛盾しており信頼できません（`verify gate` で確認できます）",
        ),
        WarningKind::CutOff => (
            "the run did not come to its end: what is missing says nothing about the candidate",
            "最後まで実行されていません。欠けた項目は新設定の良否を示しません",
        ),
        WarningKind::Plan => (
            "another plan than A: items of the same number may be other checks",
            "A と計画が異なります。同じ番号でも別の検証かもしれません",
        ),
        WarningKind::Selection => (
            "another selection of items than A: only what was chosen in both is compared",
            "A と選択した項目が異なります。両方で選択した項目だけを比較します",
        ),
        WarningKind::Profile => (
            "another profile than A: other paths, keys and thresholds were checked",
            "A とプロファイルが異なります。パス、キー、しきい値が異なります",
        ),
        WarningKind::Baseline => (
            "another baseline than A: measurements against it are not compared",
            "A と旧設定が異なります。旧設定に対する測定値は比較しません",
        ),
        WarningKind::Stack => (
            "another kind of stack than A: times are not compared",
            "A とスタックの種類が異なります。時間は比較しません",
        ),
    };
    match lang {
        Lang::En => format!("{}: {en}", names.join(", ")),
        Lang::Ja => format!("{}：{ja}", names.join("、")),
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
    let mut parts: Vec<String> = Vec::new();
    for (change, en, ja) in [
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
    ] {
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
    let (this, before, parts) = (name(at), name(at - 1), parts.join(say(lang, ", ", "、")));
    let worse = changes.iter().any(|change| change.is_worse()) || found.verdict.worse[at - 1];
    let better = count(Change::Fixed) + count(Change::NowProven) > 0;
    Cell {
        text: match lang {
            Lang::En => format!("{this} against {before}: {parts}"),
            Lang::Ja => format!("{this} と {before} の比較：{parts}"),
        },
        tone: match (worse, better) {
            (true, _) => Tone::Bad,
            (false, true) => Tone::Good,
            (false, false) => Tone::Plain,
        },
    }
}
