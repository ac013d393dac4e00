//! The page's own words.

use std::collections::BTreeMap;

use crate::{plan::Lang, report::render::words::say};

/// A name, in English and in Japanese.
const WORDS: &[(&str, &str, &str)] = &[
    ("skip", "Skip to the content", "本文へ移動"),
    ("contents", "Contents", "目次"),
    ("verdict", "Verdict", "総合評価"),
    ("why", "Why", "判定理由"),
    ("next", "What to do next", "次に行うこと"),
    (
        "distrust",
        "Do not trust this report",
        "このレポートは信頼できません",
    ),
    ("summary", "Verification summary", "検証サマリー"),
    ("phase", "Phase", "フェーズ"),
    ("items", "Items", "項目数"),
    ("passed", "Passed", "成功"),
    ("failed", "Failed", "失敗"),
    ("skipped", "Skipped", "スキップ"),
    ("all", "All", "合計"),
    (
        "unclear",
        "Inconclusive, counted as skipped above",
        "判定不能（上の表ではスキップに計上）",
    ),
    ("findings", "Problems found", "検出された問題"),
    ("none_found", "None.", "ありません。"),
    ("no", "No", "No"),
    ("problem", "Problem", "問題内容"),
    ("severity", "Severity", "重大度"),
    ("state", "State", "対応状況"),
    ("causes", "What it comes from", "推定原因"),
    ("explains", "Explains", "該当項目"),
    ("seen_in", "Seen in", "確認箇所"),
    ("remedy", "What to do", "対応"),
    ("look", "Commands that show more", "調査用コマンド"),
    (
        "lint",
        "Lint, before anything was started",
        "静的チェック（起動前）",
    ),
    (
        "lint_note",
        "What the files alone say. It has no part in the verdict.",
        "ファイルのみから判明した事項です。判定には影響しません。",
    ),
    ("finding", "Finding", "内容"),
    ("matters", "Why it matters", "重要性"),
    ("rollback", "Rollback", "ロールバック"),
    ("command", "Command", "コマンド"),
    ("seen", "Seen", "結果"),
    ("timeline", "What ran when", "実行の経過"),
    ("timeline_table", "The same as a table", "表で見る"),
    ("what", "What", "内容"),
    ("from", "From", "開始"),
    ("took", "Took", "所要時間"),
    ("outcome", "Outcome", "結果"),
    ("evidence", "Items and their evidence", "項目と証跡"),
    ("filter", "Show", "表示"),
    ("filters", "Filter the items", "項目の絞り込み"),
    ("any_phase", "Every phase", "すべて"),
    ("text", "Text", "文字列"),
    (
        "text_hint",
        "in titles, steps and evidence",
        "題名・手順・証跡から検索",
    ),
    ("unfold", "Unfold all", "すべて開く"),
    ("fold", "Fold all", "すべて閉じる"),
    ("steps", "Steps", "手順"),
    ("trace", "The way of one request", "リクエストの追跡"),
    ("what_was_seen", "Evidence", "証跡"),
    ("request", "Request", "リクエスト"),
    ("answer", "Response", "レスポンス"),
    ("before", "Before", "前"),
    ("after", "After", "後"),
    ("same", "The same as", "同一内容："),
    ("components", "Components", "構成"),
    ("service", "Service", "サービス"),
    ("program", "Program", "プログラム"),
    ("version", "Version", "バージョン"),
    ("kind", "Kind", "種別"),
    ("none_started", "None was started.", "起動されていません。"),
    ("files", "Files under test", "対象ファイル"),
    ("file", "File", "ファイル"),
    ("reproduce", "How to reproduce", "再現方法"),
    ("again", "The same run again", "同じ検証を再実行する"),
    (
        "gate_again",
        "The verdict and the exit code again, from the saved report alone",
        "保存されたレポートのみから、判定と終了コードを再確認する",
    ),
    (
        "matrix",
        "What the checks can see: the mutation matrix",
        "検査の検出力（ミューテーション一覧）",
    ),
    ("mutant", "Broken gateway", "変異"),
    (
        "mutants_table",
        "Every broken gateway and what each item said",
        "すべての変異と各項目の結果",
    ),
    ("baseline", "Baseline", "現在の設定"),
    ("candidate", "Candidate", "新しい設定"),
    ("beyond", "beyond the right edge", "右端を超えた回数"),
    ("decisive", "decisive line", "決め手の行"),
    ("made_by", "Made by verify", "verify が作成"),
    ("run", "Run", "実行ID"),
];

/// All of them in a language.
pub fn words(lang: Lang) -> BTreeMap<&'static str, &'static str> {
    WORDS
        .iter()
        .map(|(name, en, ja)| (*name, say(lang, en, ja)))
        .collect()
}
