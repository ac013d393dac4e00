//! The words of a report in both languages; where the plan has a word, it is the plan's.

use crate::{
    engine::InputRole,
    evidence::EvidenceKind,
    plan::{Checklist, ItemId, Lang, Priority},
    report::{FindingState, ItemReport, RunReport, Severity, Verdict},
    verdict::{NOT_SELECTED, Standing, judge_run, standing},
};

/// What an input is called.
pub fn source_name(role: InputRole, lang: Lang) -> &'static str {
    match role {
        InputRole::Plan => say(lang, "Plan files", "検証計画ファイル"),
        InputRole::Profile => say(lang, "Profile file", "プロファイルのファイル"),
        InputRole::Config => say(lang, "Settings file", "設定ファイル（verify）"),
        _ => role.flag(),
    }
}

/// One of two words, by language.
pub fn say<'a>(lang: Lang, en: &'a str, ja: &'a str) -> &'a str {
    match lang {
        Lang::En => en,
        Lang::Ja => ja,
    }
}

/// What became of an item.
pub fn standing_word(item: &ItemReport, lang: Lang) -> &'static str {
    standing_name(standing(item), lang)
}

/// What an item counts as.
pub fn standing_name(standing: Standing, lang: Lang) -> &'static str {
    match standing {
        Standing::Passed => say(lang, "passed", "成功"),
        Standing::Failed => say(lang, "failed", "失敗"),
        Standing::Skipped => say(lang, "skipped", "スキップ"),
        Standing::Unclear => say(lang, "inconclusive", "判定不能"),
    }
}

/// 重大度
pub fn severity(severity: Severity, lang: Lang) -> &'static str {
    match severity {
        Severity::Critical => say(lang, "critical", "致命的"),
        Severity::Major => say(lang, "major", "重大"),
        Severity::Minor => say(lang, "minor", "軽微"),
    }
}

/// 対応状況
pub fn state(state: FindingState, lang: Lang) -> &'static str {
    match state {
        FindingState::Open => say(lang, "open", "未対応"),
        FindingState::Rollback => say(lang, "roll back", "要ロールバック"),
        FindingState::Rerun => say(lang, "run again", "要再実行"),
    }
}

/// 優先度
pub fn priority(priority: Priority, lang: Lang) -> &'static str {
    match priority {
        Priority::Highest => say(lang, "highest", "最高"),
        Priority::High => say(lang, "high", "高"),
        Priority::Medium => say(lang, "medium", "中"),
    }
}

/// The plan's classes of its checklist.
pub fn checklist(checklist: Checklist, lang: Lang) -> &'static str {
    match checklist {
        Checklist::Required => say(lang, "required", "必須項目"),
        Checklist::Important => say(lang, "important", "重要項目"),
        Checklist::Recommended => say(lang, "recommended", "推奨項目"),
        Checklist::Unlisted => say(lang, "not in the checklist", "チェックリスト外"),
    }
}

/// The verdict's name and sentence, as in the plan's 総合評価.
pub fn verdict(verdict: Verdict, lang: Lang) -> (&'static str, &'static str) {
    match (verdict, lang) {
        (Verdict::Pass, Lang::En) => (
            "Pass",
            "every required item succeeded; may be deployed to production",
        ),
        (Verdict::Pass, Lang::Ja) => ("合格", "全ての必須項目が成功し、本番デプロイ可能"),
        (Verdict::Conditional, Lang::En) => (
            "Conditional pass",
            "there are problems, yet it may be deployed to production (the problems must be recorded)",
        ),
        (Verdict::Conditional, Lang::Ja) => (
            "条件付き合格",
            "一部の問題があるが、本番デプロイ可能（問題の記録が必要）",
        ),
        (Verdict::Fail, Lang::En) => ("Fail", "there is a fatal problem; roll back"),
        (Verdict::Fail, Lang::Ja) => ("不合格", "致命的な問題があり、ロールバックが必要"),
        (Verdict::Inconclusive, Lang::En) => (
            "Inconclusive",
            "the harness could not tell; neither deploy nor roll back, run again",
        ),
        (Verdict::Inconclusive, Lang::Ja) => (
            "判定不能",
            "検証環境の問題により判定できず、再実行が必要（デプロイもロールバックも行わない）",
        ),
    }
}

/// Why the verdict is what it is. In English as the report states it; the sentences of the
/// other language are made again from the items.
pub fn reasons(report: &RunReport, lang: Lang) -> Vec<String> {
    match lang {
        Lang::En => report.reasons.clone(),
        Lang::Ja => {
            let (_, reasons) = judge_run(report);
            reasons.iter().map(|reason| reason.text(lang)).collect()
        }
    }
}

/// What an item weighs, in brackets.
pub fn weight(item: &ItemReport, lang: Lang) -> String {
    let weight = match item.id {
        ItemId::Plan { .. } => checklist(item.checklist, lang),
        ItemId::Extended(_) => say(lang, "extended check", "追加検証"),
    };
    match lang {
        Lang::En => format!(" ({weight})"),
        Lang::Ja => format!("（{weight}）"),
    }
}

/// Why an item did not pass.
pub fn reason(item: &ItemReport, lang: Lang) -> String {
    match item.reason.as_deref() {
        Some(NOT_SELECTED) => say(lang, NOT_SELECTED, "選択されていません（部分実行）").to_owned(),
        Some(reason) => reason.to_owned(),
        None => String::new(),
    }
}

/// What is said of a partial run in place of a verdict.
pub fn partial_notice(lang: Lang) -> &'static str {
    say(
        lang,
        "Partial run: only some of the plan's items were chosen, so there is no overall verdict.",
        "部分実行：計画の一部の項目のみを実施したため、総合評価はありません。",
    )
}

/// What to do about an item that could not tell.
pub fn rerun_advice(lang: Lang) -> &'static str {
    say(
        lang,
        "This says nothing about the candidate. Remove the cause, then run again; `verify doctor` says what is missing.",
        "これは新しい設定の良否を示すものではありません。原因を取り除いて再実行してください（`verify doctor` で環境を確認できます）。",
    )
}

/// How long something took.
pub fn duration(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

/// The command line as it can be typed again.
pub fn command(report: &RunReport) -> String {
    quoted(&report.run.command)
}

/// Words as a shell takes them.
pub fn quoted(words: &[String]) -> String {
    let plain = |word: &str| {
        let safe = |c: char| c.is_alphanumeric() || "-_./=:,@+%".contains(c);
        !word.is_empty() && word.chars().all(safe)
    };
    let quoted = words.iter().map(|word| {
        if plain(word) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// How a rollback that was carried out ended.
#[must_use]
pub fn rollback_outcome(report: &RunReport, lang: Lang) -> Option<&'static str> {
    let rollback = &report.rollback;
    if !rollback.executed {
        return None;
    }
    let ok = rollback.steps.iter().all(|step| step.ok == Some(true));
    Some(match (ok, lang) {
        (true, Lang::En) => "ROLLED BACK: the baseline is what runs, and that is proven",
        (true, Lang::Ja) => "ロールバック完了：旧設定の稼働を確認済み",
        (false, Lang::En) => {
            "THE ROLLBACK FAILED: nobody knows that the baseline runs; go on by hand, below"
        }
        (false, Lang::Ja) => {
            "ロールバック失敗：旧設定の稼働は確認されていません。以下の手順で手動対応してください"
        }
    })
}

/// What kind of thing a piece of evidence is, in a word.
#[must_use]
pub fn evidence_kind(kind: EvidenceKind, lang: Lang) -> &'static str {
    match kind {
        EvidenceKind::Exchange => say(lang, "Request and response", "リクエストとレスポンス"),
        EvidenceKind::Log => say(lang, "Log", "ログ"),
        EvidenceKind::Redis => "Redis",
        EvidenceKind::Journal => say(lang, "Received by a double", "代替サービスの受信記録"),
        EvidenceKind::Sockets => say(lang, "Sockets", "ソケット"),
        EvidenceKind::Process => say(lang, "Processes", "プロセス"),
        EvidenceKind::File => say(lang, "File", "ファイル"),
        EvidenceKind::Command => say(lang, "Command", "コマンド"),
        EvidenceKind::Measurement => say(lang, "Measurement", "測定値"),
        EvidenceKind::Screenshot => say(lang, "Screenshot", "画面"),
        EvidenceKind::Remark => say(lang, "Remark", "備考"),
    }
}
