//! Every word and sentence of a report, in English and Japanese; where the plan has a word, it is
//! the plan's.

use std::fmt::Display;

use serde::Serialize;

use crate::{
    evidence::EvidenceKind,
    model::{
        input::InputRole,
        outcome::Outcome,
        report::{FindingState, Severity, Verdict},
    },
    plan::{Checklist, Lang, Priority},
};

macro_rules! catalogue {
    ($($key:ident: $en:literal, $ja:literal;)*) => {
        /// The catalogue in one language. A sentence has its blanks in braces, see [`fill`].
        #[derive(Serialize)]
        pub struct Words { $(pub $key: &'static str,)* }

        static ENGLISH: Words = Words { $($key: $en,)* };
        static JAPANESE: Words = Words { $($key: $ja,)* };

        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($key), $en, $ja),)*];
    };
}

catalogue! {
    // Outcomes, as words and as heads of columns.
    passed: "passed", "成功";
    failed: "failed", "失敗";
    inconclusive: "inconclusive", "判定不能";
    skipped: "skipped", "スキップ";
    not_selected: "not selected (partial run)", "選択されていません（部分実行）";
    column_passed: "Passed", "成功";
    column_failed: "Failed", "失敗";
    column_skipped: "Skipped", "スキップ";

    // The verdict.
    verdict: "Verdict", "総合評価";
    pass: "Pass", "合格";
    pass_means: "every required item succeeded; may be deployed to production", "全ての必須項目が成功し、本番デプロイ可能";
    conditional: "Conditional pass", "条件付き合格";
    conditional_means: "there are problems, yet it may be deployed to production (the problems must be recorded)", "一部の問題があるが、本番デプロイ可能（問題の記録が必要）";
    fail: "Fail", "不合格";
    fail_means: "there is a fatal problem; roll back", "致命的な問題があり、ロールバックが必要";
    undecided: "Inconclusive", "判定不能";
    undecided_means: "no judgement is possible (harness error); neither deploy nor roll back, run again", "検証環境の問題により判定できず、再実行が必要（デプロイもロールバックも行わない）";
    partial: "Partial run", "部分実行";
    partial_means: "Partial run: only some of the plan's items were selected, so there is no overall verdict.", "部分実行：計画の一部の項目のみを実施したため、総合評価はありません。";
    count: "{passed} of {total} items passed", "{total}項目中{passed}項目が成功";
    distrust: "Do not trust this report", "このレポートは信頼できません";
    assessment: "Overall assessment", "総合評価";
    reasons: "Reasons", "判定理由";
    why: "Why", "判定理由";

    // Why the verdict is what it is.
    because: "{told}: {why}", "{told}：{why}";
    because_partial: "partial run: {selected} of {of} items were selected, so there is no verdict", "部分実行：{of}項目のうち{selected}項目のみを選択したため、総合評価はありません";
    because_nothing_required: "the plan has no required item, so nothing can be concluded", "計画に必須項目がないため、判定できません";
    because_passed: "{items} ({weight}): passed", "{items}（{weight}）は成功しました";
    because_failed: "{items} ({weight}): failed (candidate)", "{items}（{weight}）は新しい設定が原因で失敗しました";
    because_inconclusive: "{items} ({weight}): inconclusive (harness error)", "{items}（{weight}）は検証環境の問題で判定できませんでした";
    because_skipped: "{items} ({weight}): did not run", "{items}（{weight}）は実施されませんでした";
    because_killed: "the run was killed before its end", "検証は途中で強制終了されました";
    because_completed: "the run was completed", "検証は最後まで行われました";
    because_interrupted: "the run was interrupted by {signal}", "検証は {signal} により中断されました";
    because_broken: "the run broke off (harness error): {reason}", "検証環境の問題で検証が途中で終了しました：{reason}";
    because_integrity: "integrity: no result of this run counts: {reason}", "完全性：この検証の結果はすべて無効です：{reason}";
    because_all_passed: "all {items} items passed", "全{items}項目が成功しました";
    because_all_passed_extended: "all {items} items and {extended} extended checks passed", "全{items}項目と追加検証{extended}項目が成功しました";

    // The run.
    run: "Run", "実行ID";
    started: "Started", "開始日時";
    took: "Took", "所要時間";
    candidate: "Candidate", "新しい設定";
    baseline: "Baseline", "現在の設定";
    plan_files: "Plan files", "検証計画ファイル";
    profile_file: "Profile file", "プロファイルのファイル";
    settings_file: "Settings file", "設定ファイル（verify）";
    stack: "Stack", "検証環境";
    profile: "Profile", "プロファイル";
    components: "Components", "構成";
    service: "Service", "サービス";
    program: "Program", "プログラム";
    version: "Version", "バージョン";
    kind: "Kind", "種別";
    real: "real", "実物";
    double: "double", "代替";
    doubles: "doubles", "代替";
    none_started: "none was started", "起動なし";
    files: "Files under test", "対象ファイル";
    file: "File", "ファイル";
    reproduce: "How to reproduce", "再現方法";
    again: "The same run again", "同じ検証を再実行する";
    gate_again: "The verdict and the exit code again, from the saved report alone", "保存されたレポートのみから、判定と終了コードを再確認する";
    exit_code: "Exit code", "終了コード";
    exit_line: "Exit {code}: {meaning}", "終了コード {code}：{meaning}";
    exit_allowed: "conditional pass, accepted with --allow-conditional", "条件付き合格（--allow-conditional により許可）";
    code: "Code", "コード";
    meaning: "Meaning", "意味";
    this_run: "This run", "この実行";

    // The plan's tables.
    result_report: "Verification result report", "検証結果レポート";
    summary: "Verification summary", "検証サマリー";
    phase: "Phase", "Phase";
    items: "Items", "項目数";
    all: "All", "合計";
    counted_as_skipped: "Inconclusive (counted as skipped)", "判定不能（スキップに計上）";
    findings: "Problems found", "検出された問題";
    none_found: "None.", "ありません。";
    no: "No", "No";
    problem: "Problem", "問題内容";
    severity: "Severity", "重大度";
    critical: "critical", "致命的";
    major: "major", "重大";
    minor: "minor", "軽微";
    state: "State", "対応状況";
    open: "open", "未対応";
    roll_back: "roll back", "要ロールバック";
    run_again: "run again", "要再実行";
    checklist: "Completion checklist", "検証完了チェックリスト";
    required: "required", "必須項目";
    important: "important", "重要項目";
    recommended: "recommended", "推奨項目";
    unlisted: "not in the checklist", "チェックリスト外";
    required_items: "Required items ({phases})", "必須項目（{phases}）";
    important_items: "Important items ({phases})", "重要項目（{phases}）";
    recommended_items: "Recommended items ({phases})", "推奨項目（{phases}）";
    extended_check: "extended check", "追加検証";
    extended_checks: "Extended checks", "追加検証";
    weight: " ({weight})", "（{weight}）";
    highest: "highest", "最高";
    high: "high", "高";
    medium: "medium", "中";

    // Root causes.
    causes: "Root causes", "推定原因";
    cause: "Cause {no}: {cause}", "原因{no}：{cause}";
    cause_name: "cause {no}", "原因{no}";
    cause_note: " (cause {no})", "（原因{no}）";
    explains: "Explains", "該当項目";
    seen_in: "Seen in", "確認箇所";
    look: "Commands that show more", "調査用コマンド";

    // An item, and what did not pass.
    evidence_of_items: "Evidence of each item", "項目ごとの証跡";
    items_and_evidence: "Items and their evidence", "項目と証跡";
    took_of: "Took {took}; the plan allows {minutes} min.", "所要時間 {took}（計画：{minutes}分）";
    allowed: "the plan allows {minutes} min", "計画：{minutes}分";
    condition: "Condition", "満たすべき条件";
    did: "What was done", "実施内容";
    expected: "Expected", "期待結果";
    seen: "Seen", "実際の結果";
    reason: "Reason", "理由";
    matters: "Why it matters", "重要性";
    next: "What to do next", "対応";
    step: "Step", "手順";
    steps: "Steps", "手順";
    evidence: "Evidence", "証跡";
    rerun_advice: "This says nothing about the candidate. Remove the cause, then run again; `verify doctor` lists what is missing.", "これは新しい設定の良否を示すものではありません。原因を取り除いて再実行してください（`verify doctor` で環境を確認できます）。";
    step_holds: "it holds", "成立";
    step_judged: "it can be judged and holds", "判定";
    step_skipped: "it is skipped", "スキップ";

    // The labels of a terminal, where there is little room.
    short_did: "done", "実施";
    short_expected: "expected", "期待";
    short_seen: "seen", "結果";
    short_reason: "because", "理由";
    short_matters: "matters", "重要性";
    short_next: "next", "対応";
    short_found: "found", "内容";
    short_explains: "explains", "該当項目";
    lines_left_out: "[… {count} lines left out: see report.md …]", "[… {count}行省略：report.md を参照 …]";
    rest_left_out: "The rest does not fit here; `report.md` has all of it.", "以降は省略しました。全文は `report.md` にあります。";

    // Lint.
    lint: "Lint, before anything was started", "静的チェック（起動前）";
    lint_short: "Lint", "静的チェック";
    lint_note: "Found in the files alone; no part of the verdict.", "ファイルのみから判明した事項です。判定には影響しません。";
    level: "Level", "レベル";
    place: "Place", "場所";
    rule: "Rule", "ルール";
    finding: "Finding", "内容";
    remedy: "Remedy", "対応";

    // Rollback.
    rollback: "Rollback", "ロールバック手順";
    rollback_done: "Rollback, carried out", "ロールバック（実施済み）";
    rollback_to_do: "Rollback required, not carried out; restore manually", "ロールバックが必要（未実施）：手動で実施";
    carried_out: "Carried out:", "実施済み：";
    to_carry_out: "Required, not carried out; restore manually:", "必要（未実施）。以下の手順で実施します：";
    rolled_back: "ROLLED BACK: the baseline is what runs, and that is proven", "ロールバック完了：旧設定の稼働を確認済み";
    rollback_failed: "ROLLBACK FAILED: the running configuration is unknown. Restore it manually (steps in this report).", "ロールバック失敗：旧設定の稼働は確認されていません。このレポートの手順で手動対応してください";
    step_open: "to do", "未実施";
    step_done: "done", "完了";
    step_failed: "FAILED", "失敗";

    // What to do next.
    what_next: "What next", "次の操作";
    next_steps: "What to do next", "次に行うこと";
    next_pass: "Deploy the candidate. A pipeline goes on by the exit code:", "新しい設定をデプロイできます。パイプラインでは終了コードで判断します：";
    next_conditional: "The candidate may be deployed once someone has read the problems below and answers for them. In a pipeline:", "以下の問題を確認・記録したうえでデプロイできます。パイプラインで許可する場合：";
    next_fail: "Do not deploy the candidate; where it is deployed, roll back by the steps below. Fix it, then run again:", "新しい設定をデプロイしないでください。デプロイ済みの場合は以下の手順でロールバックします。設定を修正して再実行します：";
    next_rolled_back: "Do not deploy the candidate. The rollback is listed below; fix the candidate, then run again:", "新しい設定をデプロイしないでください。ロールバックの結果は以下のとおりです。設定を修正して再実行します：";
    next_partial: "For a verdict run the whole plan:", "総合評価には計画全体の実行が必要です：";
    open_report: "open the report", "レポートを開く";
    check_environment: "see what a run needs", "実行環境を確認";
    run_whole: "run the whole plan, for a verdict", "計画全体を実行（総合評価）";
    run_open: "run only what did not pass", "未成功の項目のみ再実行";
    see_trace: "see the trace of {item}", "{item} のトレースを表示";
    see_checks: "see what {item} checks", "{item} の検証内容を表示";
    put_back: "put the baseline back", "旧設定に戻す";
    nothing_deployed: "verify deployed nothing, so there is nothing for it to roll back: the baseline stays. Where the candidate runs already, restore the baseline by the steps above.", "verify は何もデプロイしていないため、verify によるロールバックは不要です（旧設定のまま）。新しい設定が既に稼働している場合は、上記の計画の手順でロールバックしてください。";

    // Evidence.
    exchange: "Request and response", "リクエストとレスポンス";
    log: "Log", "ログ";
    redis: "Redis", "Redis";
    journal: "Received by a double", "代替サービスの受信記録";
    sockets: "Sockets", "ソケット";
    process: "Processes", "プロセス";
    command: "Command", "コマンド";
    measurement: "Measurement", "測定値";
    screenshot: "Screenshot", "画面";
    remark: "Remark", "備考";
    request: "Request", "リクエスト";
    answer: "Response", "レスポンス";
    same: "The same as", "同一内容：";
    decisive: "decisive line", "決め手の行";
    baseline_times: "Response times of the baseline (above, median {baseline} ms) and of the candidate (below, median {candidate} ms). Candidate over baseline: {ratio}, with 95 % confidence between {low} and {high}; up to {margin} counts as not slower.", "応答時間の分布。上：現在の設定（中央値 {baseline} ms）、下：新しい設定（中央値 {candidate} ms）。比は {ratio}、95 % 信頼区間は {low}〜{high}、許容値は {margin} です。";
    beyond: "beyond the right edge", "右端を超えた回数";

    // The trace of a request.
    trace: "Trace of one request", "リクエストの追跡";
    trace_of: "The request with verify={nonce}", "verify={nonce} のリクエスト";
    before: "before", "前";
    after: "after", "後";
    at_request: "The client asks", "クライアントの要求";
    at_access_log: "The gateway's access log", "ゲートウェイのアクセスログ";
    at_lua: "The gateway's Lua, in the error log", "Luaの追跡ログ";
    at_redis: "Redis", "Redisの変化";
    at_upstream: "The upstream receives", "上流が受信した内容";
    at_answer: "The client is answered", "クライアントへの応答";
    unseen: "nothing was seen, or it was not looked for", "記録なし（確認の対象外、または未検出）";
    unseen_upstream: "nothing was seen: the request does not go there, or was not looked for there", "記録なし（上流へ送られない要求か、確認の対象外）";

    // The page.
    skip: "Skip to the content", "本文へ移動";
    contents: "Contents", "目次";
    timeline: "Timeline", "実行の経過";
    timeline_says: "The run took {took}; the table below lists what ran when.", "所要時間 {took}。経過は下の表のとおりです。";
    timeline_table: "The same as a table", "表で見る";
    start: "Start", "起動";
    prepared: "prepared: plan, files, lint", "準備（計画・設定・静的チェック）";
    stack_came_up: "the stack came up", "検証環境の起動";
    what: "What", "内容";
    from: "From", "開始";
    outcome: "Outcome", "結果";
    filter: "Show", "表示";
    filters: "Filter the items", "項目の絞り込み";
    any_phase: "Every phase", "すべて";
    text: "Text", "文字列";
    text_hint: "in titles, steps and evidence", "題名・手順・証跡から検索";
    unfold: "Unfold all", "すべて開く";
    fold: "Fold all", "すべて閉じる";
    made_by: "Made by verify", "verify が作成";

    // The mutation matrix.
    matrix: "What the checks can see: the mutation matrix", "検査の検出力（ミューテーション一覧）";
    matrix_score: "{caught} of {mutants} broken gateways were caught, by the items that they break and by no other; {survived} survived. The diagnosis names the right cause first for {diagnosed} of {with_cause}.", "{mutants}件の変異のうち{caught}件を、該当する項目だけが検出しました（見逃し{survived}件）。原因を最初に正しく示したのは{with_cause}件中{diagnosed}件です。";
    matrix_other: "They were made of another gateway: {path}.", "対象は別の設定です：{path}";
    mutant: "Broken gateway", "変異";
    mutants_table: "Every broken gateway and the result of each item", "すべての変異と各項目の結果";
}

/// The catalogue in a language.
#[must_use]
pub fn words(lang: Lang) -> &'static Words {
    say(lang, &ENGLISH, &JAPANESE)
}

/// One of two, by language.
pub fn say<T>(lang: Lang, en: T, ja: T) -> T {
    match lang {
        Lang::En => en,
        Lang::Ja => ja,
    }
}

/// A sentence of the catalogue with its blanks, `{name}`, filled in.
#[must_use]
pub fn fill(sentence: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            filled.push_str(&value.to_string());
        }
        rest = behind;
    }
    filled + rest
}

#[must_use]
pub fn source_name(role: InputRole, lang: Lang) -> &'static str {
    let w = words(lang);
    match role {
        InputRole::Plan => w.plan_files,
        InputRole::Profile => w.profile_file,
        InputRole::Config => w.settings_file,
        _ => role.flag(),
    }
}

#[must_use]
pub fn outcome(outcome: Outcome, lang: Lang) -> &'static str {
    let w = words(lang);
    match outcome {
        Outcome::Passed => w.passed,
        Outcome::Failed => w.failed,
        Outcome::Inconclusive => w.inconclusive,
        Outcome::Skipped | Outcome::NotSelected => w.skipped,
    }
}

#[must_use]
pub fn severity(severity: Severity, lang: Lang) -> &'static str {
    let w = words(lang);
    match severity {
        Severity::Critical => w.critical,
        Severity::Major => w.major,
        Severity::Minor => w.minor,
    }
}

#[must_use]
pub fn state(state: FindingState, lang: Lang) -> &'static str {
    let w = words(lang);
    match state {
        FindingState::Open => w.open,
        FindingState::Rollback => w.roll_back,
        FindingState::Rerun => w.run_again,
    }
}

#[must_use]
pub fn priority(priority: Priority, lang: Lang) -> &'static str {
    let w = words(lang);
    match priority {
        Priority::Highest => w.highest,
        Priority::High => w.high,
        Priority::Medium => w.medium,
    }
}

#[must_use]
pub fn checklist(checklist: Checklist, lang: Lang) -> &'static str {
    let w = words(lang);
    match checklist {
        Checklist::Required => w.required,
        Checklist::Important => w.important,
        Checklist::Recommended => w.recommended,
        Checklist::Unlisted => w.unlisted,
    }
}

/// A verdict's name and sentence, as in the plan's 総合評価.
#[must_use]
pub fn verdict(verdict: Verdict, lang: Lang) -> (&'static str, &'static str) {
    let w = words(lang);
    match verdict {
        Verdict::Pass => (w.pass, w.pass_means),
        Verdict::Conditional => (w.conditional, w.conditional_means),
        Verdict::Fail => (w.fail, w.fail_means),
        Verdict::Inconclusive => (w.undecided, w.undecided_means),
    }
}

#[must_use]
pub fn evidence_kind(kind: EvidenceKind, lang: Lang) -> &'static str {
    let w = words(lang);
    match kind {
        EvidenceKind::Exchange => w.exchange,
        EvidenceKind::Log => w.log,
        EvidenceKind::Redis => w.redis,
        EvidenceKind::Journal => w.journal,
        EvidenceKind::Sockets => w.sockets,
        EvidenceKind::Process => w.process,
        EvidenceKind::File => w.file,
        EvidenceKind::Command => w.command,
        EvidenceKind::Measurement => w.measurement,
        EvidenceKind::Screenshot => w.screenshot,
        EvidenceKind::Remark => w.remark,
    }
}

#[must_use]
pub fn duration(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.2} s", ms / 1000.0)
    }
}

/// Words as a shell takes them.
#[must_use]
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn blanks(sentence: &str) -> BTreeSet<&str> {
        let parts = sentence.split('{').skip(1);
        parts.map(|part| part.split_once('}').unwrap().0).collect()
    }

    #[test]
    fn every_key_has_both_languages_with_the_same_blanks() {
        let same_in_both = ["phase", "no", "redis"];
        for (key, en, ja) in ALL {
            assert!(
                !en.is_empty() && en.is_ascii() | en.contains('…'),
                "{key}: {en}"
            );
            let japanese = !ja.is_ascii();
            assert!(japanese || same_in_both.contains(key), "{key}: {ja}");
            assert_eq!(blanks(en), blanks(ja), "{key}");
        }
    }

    #[test]
    fn a_blank_is_filled_once_whatever_its_value_holds() {
        let filled = fill("{a} and {b}, {a}", &[("a", &"{b}"), ("b", &2)]);
        assert_eq!(filled, "{b} and 2, {b}");
        assert_eq!(fill("no blank", &[]), "no blank");
    }

    #[test]
    fn words_are_quoted_for_a_shell_where_they_must_be() {
        let words = ["verify", "--candidate", "my nginx.conf", "it's", ""].map(str::to_owned);
        assert_eq!(
            quoted(&words),
            "verify --candidate 'my nginx.conf' 'it'\\''s' ''"
        );
    }
}
