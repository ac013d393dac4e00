//! A history for people and for programs. Pure.

use super::{Flaky, History, RunSummary, Trend, Trends};
use crate::{
    compare::{Pace, State, state_word},
    engine::event::RunEnd,
    plan::{ItemId, Lang},
    report::{
        Verdict,
        render::{
            BOLD, GREEN, RED, Style, YELLOW,
            text::{self, columns, line, pad},
            words::{self, say},
        },
    },
};

/// As JSON: pretty, with a line end.
///
/// # Errors
/// None that is known of: nothing in it is a path.
pub fn json(found: &History) -> Result<String, serde_json::Error> {
    text::json(found)
}

/// At a terminal: the runs, the oldest first; folders that could not be read; items that waver;
/// how times move. `dir` is the folder as it was named.
#[must_use]
pub fn table(found: &History, dir: &str, style: Style) -> String {
    let lang = style.lang;
    let mut parts = Vec::new();
    if found.runs.is_empty() {
        let none = match lang {
            Lang::En => format!(
                "No report of a run in {dir}. `verify` writes one there, or name another folder with --report-dir."
            ),
            Lang::Ja => format!(
                "{dir} に実行レポートはありません。`verify` を実行すると作成されます。別のフォルダは --report-dir で指定してください。"
            ),
        };
        parts.push(style.paragraph(0, &line(&none)));
    } else {
        parts.push(runs(found, style));
    }
    parts.extend(left_out(found, style));
    if !found.runs.is_empty() {
        parts.push(flaky(found, style));
    }
    parts.extend(
        found
            .trends
            .as_ref()
            .map(|trends| times(found, trends, style)),
    );
    parts.join("\n\n") + "\n"
}

fn runs(found: &History, style: Style) -> String {
    let lang = style.lang;
    let title = match lang {
        Lang::En => format!("Runs: {}", found.runs.len()),
        Lang::Ja => format!("実行：{}件", found.runs.len()),
    };
    let mut text = style.paint(BOLD, &title);
    let words: Vec<(String, &str)> = found.runs.iter().map(|run| outcome(run, lang)).collect();
    let widest = words
        .iter()
        .map(|(word, _)| columns(word))
        .max()
        .unwrap_or(0);
    for (run, (word, sgr)) in found.runs.iter().zip(&words) {
        // Date, time, and what the run came to; the rest goes on in a second line where it must.
        let when: String = run
            .started_at
            .chars()
            .take(16)
            .collect::<String>()
            .replace('T', " ");
        let rest = line(&format!(
            "{}  {}  {}",
            counts(run, lang),
            words::duration(run.duration_ms),
            run.folder
        ));
        let when = line(&when);
        let head = columns(&when) + widest + 6;
        let row = if head + columns(&rest) <= style.width {
            let word = style.paint(sgr, &pad(word, widest));
            format!("\n  {when}  {word}  {rest}")
        } else {
            let word = style.paint(sgr, word);
            format!("\n  {when}  {word}\n    {}", style.paragraph(4, &rest))
        };
        text.push_str(&row);
        if !found.asked.is_empty() {
            let asked = (found.asked.iter()).map(|id| {
                let state = run.item(*id).map_or(State::NotChosen, |item| item.state);
                format!("{id} {}", state_word(state, lang))
            });
            let asked = asked.collect::<Vec<_>>().join(say(lang, ", ", "、"));
            text.push_str(&format!("\n    {}", style.paragraph(4, &asked)));
        }
    }
    text
}

fn outcome(run: &RunSummary, lang: Lang) -> (String, &'static str) {
    if run.contradicts_itself {
        return (say(lang, "Not to be trusted", "信頼不可").to_owned(), RED);
    }
    let cut = match &run.end {
        None => Some(say(lang, "killed", "強制終了")),
        Some(RunEnd::Interrupted { .. }) => Some(say(lang, "interrupted", "中断")),
        Some(RunEnd::Broken { .. }) => Some(say(lang, "broke off", "異常終了")),
        Some(RunEnd::Integrity { .. }) => Some(say(lang, "integrity", "完全性違反")),
        Some(RunEnd::Completed) => None,
    };
    let (word, sgr) = match run.verdict {
        Some(verdict) => (words::verdict(verdict, lang).0, color(verdict)),
        None => (say(lang, "partial run", "部分実行"), BOLD),
    };
    match (cut, lang) {
        (None, _) => (word.to_owned(), sgr),
        (Some(cut), Lang::En) => (format!("{word} ({cut})"), sgr),
        (Some(cut), Lang::Ja) => (format!("{word}（{cut}）"), sgr),
    }
}

fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => GREEN,
        Verdict::Fail => RED,
        Verdict::Conditional | Verdict::Inconclusive => YELLOW,
    }
}

/// What is none is not said, but for what passed.
fn counts(run: &RunSummary, lang: Lang) -> String {
    let all = [
        (run.passed, State::Passed),
        (run.failed, State::Failed),
        (run.skipped, State::Skipped),
        (run.inconclusive, State::Inconclusive),
    ];
    let some = all
        .into_iter()
        .filter(|(count, state)| *count > 0 || *state == State::Passed);
    let words: Vec<String> = some
        .map(|(count, state)| match lang {
            Lang::En => format!("{count} {}", state_word(state, lang)),
            Lang::Ja => format!("{} {count}", state_word(state, lang)),
        })
        .collect();
    words.join(say(lang, ", ", "、"))
}

/// What is in the folder, or was asked for, and is not shown: nothing is hidden.
fn left_out(found: &History, style: Style) -> Option<String> {
    let lang = style.lang;
    let mut lines = Vec::new();
    if found.older > 0 {
        lines.push(match lang {
            Lang::En => format!("Left out, older than --last asks for: {}", found.older),
            Lang::Ja => format!("それ以前の{}件は省略しました（--last）。", found.older),
        });
    }
    if found.mutations > 0 {
        lines.push(match lang {
            Lang::En => format!("Left out, folders of `verify mutate`: {}", found.mutations),
            Lang::Ja => format!(
                "`verify mutate` のフォルダ{}件は実行ではないため省略しました。",
                found.mutations
            ),
        });
    }
    let mut shown: Vec<String> = lines.iter().map(|one| style.paragraph(0, one)).collect();
    for unread in &found.unread {
        let label = say(lang, "cannot be read", "読み取り不可");
        let text = line(&format!("! {} {label}: {}", unread.folder, unread.why));
        shown.push(style.paint(YELLOW, &style.paragraph(2, &text)));
    }
    (!shown.is_empty()).then(|| shown.join("\n"))
}

fn title_of(found: &History, id: ItemId, lang: Lang) -> String {
    let title = found.titles.iter().find(|(known, _)| *known == id);
    line(&format!(
        "{id} {}",
        title.map_or("", |(_, title)| title.get(lang))
    ))
}

fn flaky(found: &History, style: Style) -> String {
    let lang = style.lang;
    let title = say(
        lang,
        "Flaky: another result for the same configurations, plan, profile and stack",
        "不安定な項目：設定・計画・プロファイル・スタックが同じなのに結果が異なる",
    );
    let mut text = style.paint(BOLD, &style.paragraph(0, title));
    if found.flaky.is_empty() {
        text.push_str(&format!("\n  {}", say(lang, "none", "なし")));
        return text;
    }
    for one in &found.flaky {
        let head = style.paragraph(4, &title_of(found, one.id, lang));
        text.push_str(&format!("\n  {}", style.paint(YELLOW, &head)));
        text.push_str(&format!(
            "\n    {}",
            style.paragraph(4, &line(&wavering(one, lang)))
        ));
        text.push_str(&format!(
            "\n    {}",
            style.paragraph(4, &strip(&one.states))
        ));
    }
    let note = say(
        lang,
        "✔ passed, ✘ failed, ? could not tell, the oldest first. A report knows no hashes of Lua modules and pages: a change of those looks like this, too.",
        "✔ 成功、✘ 失敗、? 判定不能（古い順）。レポートには Lua とページのハッシュがないため、それらの変更も同じように見えます。",
    );
    text.push_str(&format!("\n  {}", style.paragraph(2, note)));
    text
}

fn wavering(one: &Flaky, lang: Lang) -> String {
    let candidate: String = one.conditions.candidate.chars().take(12).collect();
    let stack = &one.conditions.stack;
    let mut parts = Vec::new();
    for (count, state) in [
        (one.passed, State::Passed),
        (one.failed, State::Failed),
        (one.inconclusive, State::Inconclusive),
    ] {
        match (count, lang) {
            (0, _) => {}
            (count, Lang::En) => parts.push(format!("{} {count}", state_word(state, lang))),
            (count, Lang::Ja) => parts.push(format!("{} {count}回", state_word(state, lang))),
        }
    }
    let parts = parts.join(say(lang, ", ", "、"));
    match lang {
        Lang::En => format!(
            "{parts}; candidate {candidate} on {stack}, last in {}",
            one.last
        ),
        Lang::Ja => format!(
            "{parts}、新設定 {candidate}（{stack}）、最後は {}",
            one.last
        ),
    }
}

/// How many marks and bars are shown: the last ones.
const STRIP: usize = 60;

fn strip(states: &[State]) -> String {
    let skipped = states.len().saturating_sub(STRIP);
    let mark = |state: &State| match state {
        State::Passed => '✔',
        State::Failed => '✘',
        _ => '?',
    };
    states[skipped..].iter().map(mark).collect()
}

fn times(found: &History, trends: &Trends, style: Style) -> String {
    let lang = style.lang;
    let title = match lang {
        Lang::En => format!(
            "Times, over {} runs of the same plan, items and stack",
            trends.runs
        ),
        Lang::Ja => format!("時間の推移（計画・項目・スタックが同じ{}件）", trends.runs),
    };
    let mut text = style.paint(BOLD, &style.paragraph(0, &title));
    let mut add = |label: String, trend: &Trend, unit: &dyn Fn(f64) -> String| {
        text.push_str(&format!("\n  {}", style.paragraph(4, &label)));
        let moved = moved(trend, unit, lang);
        let sgr = match trend.pace {
            Some(Pace::Slower) => RED,
            Some(Pace::Faster) => GREEN,
            None => "",
        };
        let moved = style.paragraph(4, &moved);
        let moved = if sgr.is_empty() {
            moved
        } else {
            style.paint(sgr, &moved)
        };
        text.push_str(&format!("\n    {moved}"));
        let room = style.width.saturating_sub(4).min(STRIP);
        if trend.values.len() > 1 {
            text.push_str(&format!("\n    {}", spark(&trend.values, room)));
        }
    };
    add(
        say(lang, "the run", "実行全体").to_owned(),
        &trends.run,
        &words::duration,
    );
    for (id, trend) in &trends.items {
        add(title_of(found, *id, lang), trend, &words::duration);
    }
    for (id, trend) in &trends.ratios {
        let label = say(
            lang,
            "candidate / baseline, measured",
            "新設定／旧設定の測定値",
        );
        add(
            format!("{}: {label}", title_of(found, *id, lang)),
            trend,
            &|ratio| format!("{ratio:.3}"),
        );
    }
    if found.asked.is_empty() && trends.items.is_empty() {
        let note = say(
            lang,
            "No item's time changed beyond noise.",
            "ノイズを超えて時間が変化した項目はありません。",
        );
        text.push_str(&format!("\n  {}", style.paragraph(2, note)));
    }
    if trends.left_out > 0 {
        let note = match lang {
            Lang::En => format!(
                "Left out here, not comparable with the latest run: {}",
                trends.left_out
            ),
            Lang::Ja => format!(
                "最新の実行と比較できない{}件は除外しました。",
                trends.left_out
            ),
        };
        text.push_str(&format!("\n  {}", style.paragraph(2, &note)));
    }
    text
}

fn moved(trend: &Trend, unit: &dyn Fn(f64) -> String, lang: Lang) -> String {
    let median = unit(trend.median);
    let mut text = match lang {
        Lang::En => format!("median {median}"),
        Lang::Ja => format!("中央値 {median}"),
    };
    if let (Some(first), Some(second)) = (trend.first_half, trend.second_half) {
        let (first, second) = (unit(first), unit(second));
        text.push_str(&match lang {
            Lang::En => format!(", first half {first}, second half {second}"),
            Lang::Ja => format!("、前半 {first}、後半 {second}"),
        });
    }
    match trend.pace {
        Some(Pace::Slower) => {
            text.push_str(say(lang, ", slower beyond noise", "、ノイズを超えて低速化"))
        }
        Some(Pace::Faster) => {
            text.push_str(say(lang, ", faster beyond noise", "、ノイズを超えて高速化"))
        }
        None => {}
    }
    text
}

/// A bar for each of the last values, between the least and the largest of them.
fn spark(values: &[f64], room: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = &values[values.len().saturating_sub(room)..];
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |value: &f64| {
        let share = if most > least {
            (value - least) / (most - least)
        } else {
            0.0
        };
        // A share is between 0 and 1.
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    values.iter().map(bar).collect()
}
