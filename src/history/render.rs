//! A history for people and for programs. Pure.

use super::{Flaky, History, RunSummary, Trend, Trends};
use crate::{
    compare::{Pace, State, state_word},
    engine::event::RunEnd,
    plan::{ItemId, Lang},
    report::layout::{Tone, title},
    report::{
        Verdict,
        render::{
            Style,
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

/// At a terminal: the runs, the oldest first; folders that could not be read; flaky items;
/// how times move. `dir` is the folder as it was named.
#[must_use]
pub fn table(found: &History, dir: &str, style: Style) -> String {
    let none = match style.lang {
        Lang::En => format!(
            "No report of a run in {dir}. `verify` writes one there, or name another folder with --report-dir."
        ),
        Lang::Ja => format!(
            "{dir} に実行レポートはありません。`verify` を実行すると作成されます。別のフォルダは --report-dir で指定してください。"
        ),
    };
    let some = !found.runs.is_empty();
    let mut parts = vec![match some {
        true => runs(found, style),
        false => style.paragraph(0, &line(&none)),
    }];
    parts.extend(left_out(found, style));
    parts.extend(some.then(|| flaky(found, style)));
    let trends = found.trends.as_ref();
    parts.extend(trends.map(|trends| times(found, trends, style)));
    parts.join("\n\n") + "\n"
}

/// A line below a title, and what is told of it deeper.
fn below(text: &mut String, indent: usize, said: &str, tone: Tone, style: Style) {
    let said = tone.paint(&style.paragraph(indent.max(4), said), style);
    text.push_str(&format!("\n{}{said}", " ".repeat(indent)));
}

fn runs(found: &History, style: Style) -> String {
    let lang = style.lang;
    let heading = match lang {
        Lang::En => format!("Runs: {}", found.runs.len()),
        Lang::Ja => format!("実行：{}件", found.runs.len()),
    };
    let mut text = title(&heading, style);
    let words: Vec<(String, Tone)> = found.runs.iter().map(|run| outcome(run, lang)).collect();
    let widest = words.iter().map(|(word, _)| columns(word)).max();
    let widest = widest.unwrap_or(0);
    for (run, (word, tone)) in found.runs.iter().zip(&words) {
        // Date, time, and what the run came to; the rest goes on in a second line where it must.
        let when: String = run.started_at.chars().take(16).collect();
        let when = line(&when.replace('T', " "));
        let counts = counts(run, lang);
        let took = words::duration(run.duration_ms);
        let rest = line(&format!("{counts}  {took}  {}", run.folder));
        if columns(&when) + widest + 6 + columns(&rest) <= style.width {
            let word = tone.paint(&pad(word, widest), style);
            text.push_str(&format!("\n  {when}  {word}  {rest}"));
        } else {
            text.push_str(&format!("\n  {when}  {}", tone.paint(word, style)));
            below(&mut text, 4, &rest, Tone::Plain, style);
        }
        if !found.asked.is_empty() {
            let asked = found.asked.iter().map(|id| {
                let state = run.item(*id).map_or(State::NotChosen, |item| item.state);
                format!("{id} {}", state_word(state, lang))
            });
            let asked: Vec<String> = asked.collect();
            let asked = asked.join(say(lang, ", ", "、"));
            below(&mut text, 4, &asked, Tone::Plain, style);
        }
    }
    text
}

fn outcome(run: &RunSummary, lang: Lang) -> (String, Tone) {
    if run.contradicts_itself {
        let word = say(lang, "Not to be trusted", "信頼不可");
        return (word.to_owned(), Tone::Bad);
    }
    let cut = match &run.end {
        None => Some(say(lang, "killed", "強制終了")),
        Some(RunEnd::Interrupted { .. }) => Some(say(lang, "interrupted", "中断")),
        Some(RunEnd::Broken { .. }) => Some(say(lang, "broke off", "異常終了")),
        Some(RunEnd::Integrity { .. }) => Some(say(lang, "integrity", "完全性違反")),
        Some(RunEnd::Completed) => None,
    };
    let word = run.verdict.map_or_else(
        || say(lang, "partial run", "部分実行"),
        |verdict| words::verdict(verdict, lang).0,
    );
    let tone = match run.verdict {
        Some(Verdict::Pass) => Tone::Good,
        Some(Verdict::Fail) => Tone::Bad,
        Some(Verdict::Conditional | Verdict::Inconclusive) => Tone::Unsure,
        None => Tone::Plain,
    };
    let word = match (cut, lang) {
        (None, _) => word.to_owned(),
        (Some(cut), Lang::En) => format!("{word} ({cut})"),
        (Some(cut), Lang::Ja) => format!("{word}（{cut}）"),
    };
    (word, tone)
}

/// What is none is not said, but for what passed.
fn counts(run: &RunSummary, lang: Lang) -> String {
    let all = run.counts.each().into_iter();
    let some = all.filter(|(state, count)| *count > 0 || *state == State::Passed);
    let words = some.map(|(state, count)| match lang {
        Lang::En => format!("{count} {}", state_word(state, lang)),
        Lang::Ja => format!("{} {count}", state_word(state, lang)),
    });
    words.collect::<Vec<_>>().join(say(lang, ", ", "、"))
}

/// What is in the folder, or was asked for, and is not shown: nothing is hidden.
fn left_out(found: &History, style: Style) -> Option<String> {
    let lang = style.lang;
    let (older, mutations) = (found.older, found.mutations);
    let mut shown = Vec::new();
    if older > 0 {
        let text = match lang {
            Lang::En => format!("Left out, older than --last asks for: {older}"),
            Lang::Ja => format!("それ以前の{older}件は省略しました（--last）。"),
        };
        shown.push(style.paragraph(0, &text));
    }
    if mutations > 0 {
        let text = match lang {
            Lang::En => format!("Left out, folders of `verify mutate`: {mutations}"),
            Lang::Ja => {
                format!("`verify mutate` のフォルダ{mutations}件は実行ではないため省略しました。")
            }
        };
        shown.push(style.paragraph(0, &text));
    }
    for unread in &found.unread {
        let label = say(lang, "cannot be read", "読み取り不可");
        let text = line(&format!("! {} {label}: {}", unread.folder, unread.why));
        shown.push(Tone::Unsure.paint(&style.paragraph(2, &text), style));
    }
    (!shown.is_empty()).then(|| shown.join("\n"))
}

fn title_of(found: &History, id: ItemId, lang: Lang) -> String {
    let title = found.titles.iter().find(|(known, _)| *known == id);
    let title = title.map_or("", |(_, title)| title.get(lang));
    line(&format!("{id} {title}"))
}

fn flaky(found: &History, style: Style) -> String {
    let lang = style.lang;
    let heading = say(
        lang,
        "Flaky: another result for the same configurations, plan, profile and stack",
        "不安定な項目：設定・計画・プロファイル・スタックが同じなのに結果が異なる",
    );
    let mut text = title(heading, style);
    for one in &found.flaky {
        below(
            &mut text,
            2,
            &title_of(found, one.id, lang),
            Tone::Unsure,
            style,
        );
        below(
            &mut text,
            4,
            &line(&wavering(one, lang)),
            Tone::Plain,
            style,
        );
        below(&mut text, 4, &strip(&one.states), Tone::Plain, style);
    }
    let note = match found.flaky.is_empty() {
        true => say(lang, "none", "なし"),
        false => say(
            lang,
            "✔ passed, ✘ failed, ? inconclusive, the oldest first. A report knows no hashes of Lua modules and pages: a change of those looks like this, too.",
            "✔ 成功、✘ 失敗、? 判定不能（古い順）。レポートには Lua とページのハッシュがないため、それらの変更も同じように見えます。",
        ),
    };
    text + &format!("\n  {}", style.paragraph(2, note))
}

fn wavering(one: &Flaky, lang: Lang) -> String {
    let candidate: String = one.conditions.candidate.chars().take(12).collect();
    let (stack, last) = (&one.conditions.stack, &one.last);
    let counts = [
        (State::Passed, one.passed),
        (State::Failed, one.failed),
        (State::Inconclusive, one.inconclusive),
    ];
    let some = counts.into_iter().filter(|(_, count)| *count > 0);
    let times = say(lang, "", "回");
    let parts = some.map(|(state, count)| format!("{} {count}{times}", state_word(state, lang)));
    let parts = parts.collect::<Vec<_>>().join(say(lang, ", ", "、"));
    match lang {
        Lang::En => format!("{parts}; candidate {candidate} on {stack}, last in {last}"),
        Lang::Ja => format!("{parts}、新設定 {candidate}（{stack}）、最後は {last}"),
    }
}

/// How many marks and bars are shown: the last ones.
const STRIP: usize = 60;

fn strip(states: &[State]) -> String {
    let mark = |state: &State| match state {
        State::Passed => '✔',
        State::Failed => '✘',
        _ => '?',
    };
    let skipped = states.len().saturating_sub(STRIP);
    states[skipped..].iter().map(mark).collect()
}

fn times(found: &History, trends: &Trends, style: Style) -> String {
    let lang = style.lang;
    let (runs, left_out) = (trends.runs, trends.left_out);
    let heading = match lang {
        Lang::En => format!("Times, over {runs} runs of the same plan, items and stack"),
        Lang::Ja => format!("時間の推移（計画・項目・スタックが同じ{runs}件）"),
    };
    let mut text = title(&heading, style);
    let mut add = |label: &str, trend: &Trend, unit: &dyn Fn(f64) -> String| {
        let tone = match trend.pace {
            Some(Pace::Slower) => Tone::Bad,
            Some(Pace::Faster) => Tone::Good,
            None => Tone::Plain,
        };
        below(&mut text, 2, label, Tone::Plain, style);
        below(&mut text, 4, &moved(trend, unit, lang), tone, style);
        let room = style.width.saturating_sub(4).min(STRIP);
        if trend.values.len() > 1 {
            text.push_str(&format!("\n    {}", spark(&trend.values, room)));
        }
    };
    add(
        say(lang, "the run", "実行全体"),
        &trends.run,
        &words::duration,
    );
    for (id, trend) in &trends.items {
        add(&title_of(found, *id, lang), trend, &words::duration);
    }
    let measured = say(
        lang,
        "candidate / baseline, measured",
        "新設定／旧設定の測定値",
    );
    for (id, trend) in &trends.ratios {
        let label = format!("{}: {measured}", title_of(found, *id, lang));
        add(&label, trend, &|ratio| format!("{ratio:.3}"));
    }
    if found.asked.is_empty() && trends.items.is_empty() {
        let note = say(
            lang,
            "No item's time changed beyond noise.",
            "ノイズを超えて時間が変化した項目はありません。",
        );
        text.push_str(&format!("\n  {}", style.paragraph(2, note)));
    }
    if left_out > 0 {
        let note = match lang {
            Lang::En => format!("Left out here, not comparable with the latest run: {left_out}"),
            Lang::Ja => format!("最新の実行と比較できない{left_out}件は除外しました。"),
        };
        text.push_str(&format!("\n  {}", style.paragraph(2, &note)));
    }
    text
}

fn moved(trend: &Trend, unit: &dyn Fn(f64) -> String, lang: Lang) -> String {
    let mut parts = vec![format!(
        "{} {}",
        say(lang, "median", "中央値"),
        unit(trend.median)
    )];
    if let (Some(first), Some(second)) = (trend.first_half, trend.second_half) {
        let (one, other) = (
            say(lang, "first half", "前半"),
            say(lang, "second half", "後半"),
        );
        parts.push(format!("{one} {}", unit(first)));
        parts.push(format!("{other} {}", unit(second)));
    }
    parts.extend(trend.pace.map(|pace| {
        let word = match pace {
            Pace::Slower => say(lang, "slower beyond noise", "ノイズを超えて低速化"),
            Pace::Faster => say(lang, "faster beyond noise", "ノイズを超えて高速化"),
        };
        word.to_owned()
    }));
    parts.join(say(lang, ", ", "、"))
}

/// A bar for each of the last values, between the least and the largest of them.
fn spark(values: &[f64], room: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values = &values[values.len().saturating_sub(room)..];
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let bar = |value: &f64| {
        let share = match most > least {
            true => (value - least) / (most - least),
            false => 0.0,
        };
        // A share is between 0 and 1.
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    values.iter().map(bar).collect()
}
